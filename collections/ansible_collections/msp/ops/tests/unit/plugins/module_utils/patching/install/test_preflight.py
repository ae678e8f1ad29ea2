# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why nothing is done: each reason with its code, and all of them at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.patching.install import preflight, space
from ansible_collections.msp.ops.plugins.module_utils.patching.install.apt import Apt
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import Move, Simulation, State, older
from ansible_collections.msp.ops.plugins.module_utils.patching.install.preflight import Readings, Todo
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Package, Request
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.patching.install.made_manager import MadeManager
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.patching.install.made_programs import MadePrograms

APT = Apt(Host(), MadePrograms())
REQUEST = Request("r", (Package("a", "all", "1.1"),), machine_id="m", deadline=100.0)
GOOD = Readings(Todo(REQUEST.packages), machine_id="m", clock=-60.0, now=99.0)


def test_where_nothing_is_in_the_way_nothing_is_said() -> None:
    assert preflight.refusals(REQUEST, GOOD) == []


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"machine_id": "other"}, "MSP-PAT-103", "other"),
        ({"machine_id": None}, "MSP-PAT-103", "None"),
        ({"clock": 61.0}, "MSP-PAT-104", "61 seconds ahead"),
        ({"clock": -61.0}, "MSP-PAT-104", "61 seconds behind"),
        ({"now": 100.0}, "MSP-PAT-105", "1970-01-01T00:01:40Z"),
        ({"broken": ("a:all is half-configured",)}, "MSP-PAT-106", "half-configured"),
        ({"locks": ("/l by apt (process 7)",)}, "MSP-PAT-107", "apt (process 7)"),
        ({"todo": Todo(REQUEST.packages, held=("a:all",))}, "MSP-PAT-108", "a:all"),
        ({"simulation": Simulation(held=(("a-1-1", "versionlock"),))}, "MSP-PAT-108", "versionlock"),
        ({"simulation": Simulation(gone=("a=1.1",))}, "MSP-PAT-109", "a=1.1"),
        ({"simulation": Simulation(removes=("v",))}, "MSP-PAT-110", "v"),
        ({"simulation": Simulation(error="E: no")}, "MSP-PAT-111", "E: no"),
        ({"older": ("b:all from 2 to 1",)}, "MSP-PAT-146", "b:all from 2 to 1"),
        ({"strays": ("b:all",)}, "MSP-PAT-147", "b:all"),
        ({"excluded": ("x:all from 1 to 2",)}, "MSP-PAT-180", "x:all from 1 to 2"),
        ({"short": ("/ has 1 MiB free",)}, "MSP-PAT-112", "1 MiB"),
        ({"unwell": ("unit a.service: it is failed",)}, "MSP-PAT-113", "a.service"),
    ],
)
def test_a_reason_has_its_code_and_says_what_was_found(changed: dict[str, Any], code: str, said: str) -> None:
    (error,) = preflight.refusals(REQUEST, replace(GOOD, **changed))

    assert error.code == code
    assert said in error.found


def test_all_reasons_are_said_at_once() -> None:
    found = replace(GOOD, clock=99.0, now=101.0, locks=("x",), short=("y",))

    codes = [error.code for error in preflight.refusals(REQUEST, found)]

    assert codes == ["MSP-PAT-104", "MSP-PAT-105", "MSP-PAT-107", "MSP-PAT-112"]


def test_what_is_to_do_is_what_is_older_or_unsound() -> None:
    def state(version: str, status: str = "installed", *, held: bool = False) -> State:
        return State("", version, status, held=held, size=0)

    states = {
        "new:all": state("2"),
        "old:all": state("1"),
        "half:all": state("2", "half-configured"),
        "on:all": state("1", held=True),
    }
    packages = tuple(Package(name, "all", "2") for name in ("new", "old", "half", "on", "none"))

    found = preflight.todo(packages, states, APT)

    assert [package.name for package in found.needed] == ["old", "half", "on"]
    assert (found.there, found.absent) == (("new:all",), ("none:all",))


def test_what_comes_beside_the_manifest_is_told_and_only_what_goes_back_is_in_the_way() -> None:
    comes = Move("a:all", "1", "1.1", "Lab:main"), Move("new:all", None, "1", "Lab:main"), Move("b:all", "2", "1", "x")

    assert older(APT, Simulation(installs=comes[:2])) == []
    assert older(APT, Simulation(installs=comes)) == ["b:all from 2 to 1"]


def test_what_nobody_offers_is_in_the_way_but_not_on_the_way_back(tmp_path: Path) -> None:
    """The way back takes files that apt kept."""
    programs = MadePrograms(
        {"dpkg-query": (0, "", ""), "apt-get": (0, "Inst a [1] (1.1 [all])\n", ""), "apt-cache": (0, "", "")}
    )
    host, asked = Host(str(tmp_path)), replace(REQUEST, lock_timeout=0)
    for name in ("/proc/1/stat", "/proc/sys/kernel/random/boot_id"):
        path = tmp_path / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n")

    found = [
        preflight.gather(asked, Apt(host, programs), host, Todo(REQUEST.packages), ["a=1.1"], back=back).strays
        for back in (False, True)
    ]

    assert found == [("a:all",), ()]


@pytest.mark.parametrize(
    ("name", "before", "back", "said"),
    [
        ("postgresql-15", "1", False, ["postgresql-15:amd64 from 1 to 2"]),  # as a dependency of what is wanted
        ("postgresql-16", None, False, []),  # comes new: it is not what the plan keeps at its version
        ("libpq5", "1", False, []),
        ("wanted", "1", False, ["wanted:amd64 from 1 to 2"]),
        ("wanted", "1", True, []),  # what the rollout brought may go back
        ("postgresql-15", "1", True, ["postgresql-15:amd64 from 1 to 2"]),
    ],
)
def test_what_the_plan_excludes_is_not_moved_even_as_something_that_another_needs(
    name: str, before: str | None, back: bool, said: list[str]
) -> None:
    asked = Request("r", (Package("wanted", "amd64", "2"),), excluded=("postgresql-*", "wanted"))
    manager = MadeManager({})
    manager.brings = {"other:all=2": (Move(f"{name}:amd64", before, "2", "Made:main"),)}

    errors = preflight.once_more(asked, manager, ["other:all=2"], back=back)

    assert [(error.code, error.found) for error in errors] == [("MSP-PAT-180", f"it would move {one}") for one in said]


MIB = space.MIB


@pytest.mark.parametrize(
    ("free", "fits"),
    [(1000, True), (363, True), (362, False), (0, False)],
)
def test_what_shares_a_disk_shares_its_room(free: int, fits: bool) -> None:
    """Fetched 10, grown by 50 and the largest 100 once more, one kernel of 3, 200 left free: 363."""
    wanted = space.needs(
        download=10 * MIB,
        changes=[(50 * MIB, 100 * MIB), (20 * MIB, 10 * MIB)],
        kernels=1,
        kernel=3 * MIB,
        archives="/var/a",
    )
    disk = space.Disk(["/", "/boot", "/usr", "/var", "/var/a"], free * MIB)

    assert (space.lacking([disk], wanted, {"/": 200, "/boot": 50}) == []) is fits


def test_disks_of_their_own_are_judged_alone() -> None:
    wanted = {"/boot": 30 * MIB, "/usr": 100 * MIB}
    disks = [space.Disk(["/", "/usr"], 500 * MIB), space.Disk(["/boot"], 60 * MIB)]

    (said,) = space.lacking(disks, wanted, {"/boot": 50})

    assert said == "/boot has 60 MiB free, and the work needs 30 MiB and leaves 50 MiB"
