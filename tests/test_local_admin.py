"""Local passwords on two real hosts: rotated by way of the escrow, whatever is killed; an account for emergencies that
lets in and tells everybody; and logins that work once. Every login is a real one, with a password."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import hosts
from lab.machines import NEWCOMERS
from tests import patch_bed
from tests.admin_bed import BREAK_GLASS, CONTROLS, Bed

pytestmark = pytest.mark.lab
LAB = "-".join(filter(None, ("admin-test", os.environ.get("PYTEST_XDIST_WORKER"))))
NAMES = TWELVE, THIRTEEN = ("harbour-app01", "harbour-app02")
KEPT_SET_MARKED = ["kept", "set", "marked"]


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    if reason := hosts.available():
        pytest.skip(reason)
    machines = [machine for machine in NEWCOMERS if machine.name in NAMES]
    with patch_bed.bed(LAB, machines, tmp_path_factory.mktemp("admin"), (), Bed) as made:
        made.prepare()
        yield made


@pytest.fixture(scope="module")
def ready(bed: Bed) -> Bed:
    """Brought to the controls."""
    ran = bed.standardise(NAMES)
    assert ran.status == 0, ran.output[-6000:]
    for name in NAMES:
        assert set(ran.results[name]["before"]["enforce"]["msp_local_admin"]) == set(CONTROLS)
        assert ran.results[name]["after"]["counts"] == {"fixed": len(CONTROLS)}, ran.results[name]["after"]
    return bed


def test_a_new_host_has_passwords_that_are_in_the_escrow_and_let_in(ready: Bed) -> None:
    for name in NAMES:
        (root,) = ready.peek(name)
        (glass,) = ready.peek(name, BREAK_GLASS)
        assert ready.becomes(name, "root", root)
        assert not ready.becomes(name, "root", glass)
        assert ready.ssh(name, BREAK_GLASS, glass) == ""
