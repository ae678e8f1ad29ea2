# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host keeps of a rollout goes when nobody can look at it or take it back any more, and not a day sooner."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.patching.install import pruning
from ansible_collections.msp.ops.plugins.module_utils.patching.install.keeping import BEFORE, STATUS, TIMERS, Rollout
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import State
from ansible_collections.msp.ops.plugins.module_utils.patching.install.pruning import SECONDS, Kept

NOW = 1_795_658_400.0
LONG_AGO = NOW - SECONDS - 1
SHELL = "bash:amd64"


def kept(**changes: Any) -> Kept:
    """An attempt of long ago that moved bash from 1 to 2 and came to its end."""
    values: dict[str, Any] = {"before": {SHELL: "1"}, "after": {SHELL: "2", "vim:amd64": "7"}, "at": LONG_AGO}
    values |= {"phase": "finished", "restored": True, **changes}
    before = {"packages": {**values["before"], "vim:amd64": "7"}}
    status = {name: values[name] for name in ("phase", "at", "after")}
    return Kept(before, status, {"restored": values["restored"]})


def states(version: str, *others: str) -> dict[str, State]:
    found = {SHELL: version, "vim:amd64": "7"}
    return {
        key: State(key, now, "installed", held=False, size=1, others=others if key == SHELL else ())
        for key, now in found.items()
    }


@pytest.mark.parametrize(
    ("attempts", "there", "goes"),
    [
        ([kept()], states("3"), True),
        ([kept()], states("1"), True),  # it went back
        ([kept()], states("2"), False),  # it may be taken back
        ([kept()], states("3", "2"), False),  # beside the newer one: a kernel
        ([kept(at=NOW - SECONDS + 1)], states("3"), False),
        ([kept(), kept(at=NOW - 1)], states("3"), False),  # an attempt of lately
        ([kept(phase="installing")], states("3"), False),
        ([kept(restored=False)], states("3"), False),
        ([Kept(None, None, None)], states("3"), False),
        ([Kept({"packages": {}}, {"phase": "finished", "at": LONG_AGO}, None)], states("3"), True),  # nothing moved
        ([], states("3"), True),
    ],
)
def test_what_is_long_over_goes_when_nothing_on_the_host_is_as_it_left_it(
    attempts: list[Kept], there: dict[str, State], goes: bool
) -> None:
    assert pruning.may_go(attempts, there, NOW) is goes


def write(top: Path, name: str, *, old: bool = True) -> Path:
    """A rollout's directory as a host keeps it."""
    rollout, made = Rollout(name, str(top)), kept()
    attempt = rollout.begin("20260101T000000Z-000000-1")
    for file, values in ((BEFORE, made.before), (STATUS, made.status), (TIMERS, made.timers)):
        attempt.write(file, values or {})
    if old:
        os.utime(rollout.place, (LONG_AGO, LONG_AGO))
    return Path(rollout.place)


def test_only_whole_directories_of_rollouts_that_are_over_go(tmp_path: Path) -> None:
    for name in ("over", "open", "own", "damaged"):
        write(tmp_path, name)
    write(tmp_path, "lately", old=False)
    (status,) = (tmp_path / "damaged").glob(f"*/{STATUS}")
    status.write_text("{", encoding="utf-8")
    (tmp_path / "a file").write_text("of somebody", encoding="utf-8")

    gone = pruning.prune(str(tmp_path), ("own", "open"), states("3"), NOW)

    assert gone == ["over"]
    assert sorted(os.listdir(tmp_path)) == ["a file", "damaged", "lately", "open", "own"]


def test_what_may_be_taken_back_stays(tmp_path: Path) -> None:
    write(tmp_path, "over")

    assert pruning.prune(str(tmp_path), (), states("2"), NOW) == []
    assert pruning.prune(str(tmp_path), (), states("3"), NOW) == ["over"]
