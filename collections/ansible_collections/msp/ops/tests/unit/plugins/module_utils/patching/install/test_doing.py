# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A look at work that goes on waits for its end, and not a moment longer than it may."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host, Output
from ansible_collections.msp.ops.plugins.module_utils.patching.install import doing, units, work
from ansible_collections.msp.ops.plugins.module_utils.patching.install.keeping import (
    REQUEST,
    STATUS,
    Rollout,
    make_current,
)
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Request
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.patching.install.made_programs import MadePrograms

ROLLOUT, ATTEMPT = "r1", "20261126T000000Z-000000-1"
FINISHED = {"phase": work.FINISHED, "at": 0.0, "outcome": "patched", "after": {}, "reason": ""}


class Working(MadePrograms):
    """The unit of the work is there for so many glances; then its status is written and it is gone."""

    def __init__(self, glances: int, attempt: Any, status: dict[str, Any], takes: float = 0) -> None:
        super().__init__()
        self.left, self.attempt, self.status, self.takes = glances, attempt, status, takes

    def run(self, *argv: str, seconds: float = 0) -> Output:
        if argv[:2] != ("systemctl", "show"):
            return super().run(*argv, seconds=seconds)
        if self.takes:
            time.sleep(self.takes)
        self.left -= 1
        if self.left < 0:
            self.attempt.write(STATUS, self.status)
            return Output(0, "ActiveState=inactive\nDescription=msp-patch.service\nLoadState=not-found\n", "")
        said = units.description(ROLLOUT, ATTEMPT)
        return Output(0, f"ActiveState=active\nDescription={said}\nLoadState=loaded\n", "")


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only a sleep moves. Programs that are waited for sleep too, for a moment."""
    naps: list[float] = []
    monkeypatch.setattr(time, "monotonic", lambda: sum(naps))
    monkeypatch.setattr(time, "sleep", naps.append)
    return naps


def look(
    top: Path, glances: int, *, linger: float, phase: str = work.INSTALLING, check: bool = False, takes: float = 0
) -> str:
    rollout = Rollout(ROLLOUT, str(top))
    attempt = rollout.begin(ATTEMPT)
    make_current(attempt)
    attempt.write(REQUEST, {"request": {"packages": []}})
    attempt.write(STATUS, {"phase": phase})
    desk = doing.Desk(Host(), Working(glances, attempt, FINISHED, takes), check=check, top=str(top))
    return str(desk.look(Request(ROLLOUT, (), linger=linger))["state"])


def test_a_look_hears_of_the_end_as_soon_as_it_comes(tmp_path: Path, slept: list[float]) -> None:
    assert look(tmp_path, 7, linger=20) == "finished"
    assert slept.count(doing.GLANCE) == 7


def test_a_look_answers_when_its_time_is_over_however_long_the_work_takes(tmp_path: Path, slept: list[float]) -> None:
    assert look(tmp_path, 1000, linger=20) == "working"
    assert sum(slept) == 20


@pytest.mark.parametrize(
    ("linger", "phase", "check"),
    [(0, work.INSTALLING, False), (20, work.REBOOTING, False), (20, work.INSTALLING, True)],
)
def test_a_look_answers_at_once_when_nobody_waits_or_the_host_is_about_to_reboot(
    tmp_path: Path, slept: list[float], linger: float, phase: str, check: bool
) -> None:
    assert look(tmp_path, 1000, linger=linger, phase=phase, check=check) == "working"
    assert slept == []


def test_a_slow_host_gives_a_tenth_of_its_time_to_being_looked_at(tmp_path: Path, slept: list[float]) -> None:
    assert look(tmp_path, 1000, linger=20, takes=0.25) == "working"

    assert slept.count(0.25) == 9
    assert sum(slept) == pytest.approx(20, abs=0.3)
