"""What holds for every test: no property is judged by the clock, on a machine that may be busy with much else; and
where several processes run the tests (./msp test), one of them has the lab, and a long file may have another.

recorded finds outputs of real tools that were recorded elsewhere and are not shipped; what reads them skips where they
are not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("no-clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For ./msp test unit, which somebody waits for; ./msp test takes a hundred examples of each property.
settings.register_profile("quick", settings.get_profile("no-clock"), max_examples=30)
settings.load_profile("no-clock")

# What there is one of for all files that use it.
GROUPS = {"session_name": "lab", "virtual_machine": "virtual machine"}
# So long, and so much on hosts of its own, that it goes to whichever process is free first: there it has its own lab,
# or the one that is there.
BY_ITSELF = frozenset({"test_patch"})


def pytest_itemcollected(item: pytest.Item) -> None:
    """The lab's tests are one group, so that there is one lab, and so are those of the virtual machine; the others go
    file by file, for their fixtures' sake.

    Not when all are collected: pytest-xdist has read the groups by then.
    """
    used = () if item.path.stem in BY_ITSELF else getattr(item, "fixturenames", ())
    shared = next((group for fixture, group in GROUPS.items() if fixture in used), None)
    item.add_marker(pytest.mark.xdist_group(shared or item.path.stem))


@pytest.fixture(scope="session")
def recorded() -> Callable[[str], Path]:
    """By its name below the directory of recordings, one of them."""

    def find(name: str) -> Path:
        beside = Path(__file__).resolve().parent.parent / "shared" / "data"
        place = Path(os.environ.get("MSP_RECORDED_DATA") or beside) / name
        if not place.exists():
            pytest.skip(f"the recorded output {name} is not on this machine (MSP_RECORDED_DATA names its directory)")
        return place

    return find
