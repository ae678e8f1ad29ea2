"""What holds for every test: no property is judged by the clock, on a machine that may be busy with much else; and
where two processes run the tests (./msp test), one of them has the lab, and the other whatever takes longest first.

recorded finds outputs of real tools that were recorded elsewhere and are not shipped; what reads them skips where they
are not.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("no-clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For ./msp test unit, which somebody waits for; ./msp test takes a hundred examples of each property.
settings.register_profile("quick", settings.get_profile("no-clock"), max_examples=20)
settings.load_profile("no-clock")

# What there is one of for all files that use it.
GROUPS = {"session_name": "lab", "virtual_machine": "virtual machine"}
# What takes minutes and is not divided, before all else: so that no process waits for another at the end.
LONGEST = ("lab", "virtual machine", "test_sanity")
# What it installs on the lab's hosts stays there: after the others of its group.
PATCHES = "test_patch"


def pytest_sessionstart() -> None:
    """What is collected lives to the end, and is so much that the garbage collector should not go through it."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    gc.enable()


def pytest_itemcollected(item: pytest.Item) -> None:
    """The lab's tests are one group, so that there is one lab, and so are those of the virtual machine; the others go
    file by file, for their fixtures' sake.

    Not when all are collected: pytest-xdist has read the groups by then.
    """
    item.add_marker(pytest.mark.xdist_group(_group(item)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest groups first, and unit tests last; what follows each other stays so."""

    def rank(item: pytest.Item) -> tuple[int, bool]:
        group = _group(item)
        place = LONGEST.index(group) if group in LONGEST else len(LONGEST) + ("unit" in item.path.parts)
        return place, item.path.stem == PATCHES

    items.sort(key=rank)


def _group(item: pytest.Item) -> str:
    used = getattr(item, "fixturenames", ())
    return next((group for fixture, group in GROUPS.items() if fixture in used), item.path.stem)


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
