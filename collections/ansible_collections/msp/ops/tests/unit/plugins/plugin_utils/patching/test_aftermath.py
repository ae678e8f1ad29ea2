# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who counts as down since a rollout that is over, and from when on not any more."""

from __future__ import annotations

import datetime as dt

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.aftermath import Aftermath
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Event
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import (
    DAY,
    EVENING,
    HOUR,
    NAMES,
    PILOT,
    PLANNED,
    TARGETS,
    batch,
    ended,
    failed,
    passed,
)

LATER = EVENING + 2 * DAY
OVER = events.Aborted(LATER, NAMES)
BEGUN = (PLANNED, *PILOT[:3])


def down(*histories: tuple[Event, ...], seen: dict[str, dt.datetime] | None = None) -> dict[str, str]:
    found = Aftermath()
    for number, history in enumerate(histories):
        found.read(f"r{number}", history)
    return {one.target.name: one.how for one in found.down(seen or {})}


LEFT: dict[str, tuple[tuple[Event, ...], str]] = {
    "lost": ((ended("till", "lost"),), "lost"),
    "failed": ((ended("till", "failed"),), "failed"),
    "not well at the gate": ((ended("till"), PILOT[4], failed("pilot", till="nginx is down")), "not well"),
    "lost, and then patched": ((ended("till", "lost"), ended("till")), ""),
    "lost, and without a trace of the work": ((ended("till", "lost"), events.HostIdle(EVENING, "till")), ""),
    "failed, and then went back": (
        (ended("till", "failed"), events.RollbackStarted(EVENING, ("till",)), ended("till", "rolled back")),
        "",
    ),
    "failed, and the way back was refused": (
        (ended("till", "failed"), events.RollbackStarted(EVENING, ("till",)), ended("till", "refused")),
        "failed",
    ),
    "failed, and the way back was never begun": (
        (ended("till", "failed"), events.RollbackStarted(EVENING, ("till",)), events.HostIdle(EVENING, "till")),
        "failed",
    ),
    "not well at first, and well at the next gate": (
        (ended("till"), PILOT[4], failed("pilot", till="nginx is down"), PILOT[4], passed("pilot", LATER)),
        "",
    ),
    "refused": ((ended("till", "refused"),), ""),
    "owes a reboot": ((ended("till", "reboot owed"),), ""),
}


@pytest.mark.parametrize("name", list(LEFT))
def test_how_a_rollout_left_a_host(name: str) -> None:
    history, how = LEFT[name]
    assert down((*BEGUN, *history, OVER)) == ({"till": f"{how} since r0"} if how else {})


def test_who_was_seen_since_by_a_scan_or_another_rollout_is_down_no_more() -> None:
    lost = (*BEGUN, ended("till", "lost"), OVER)
    asset = TARGETS["till"].asset
    assert down(lost, seen={asset: EVENING - HOUR}) == {"till": "lost since r0"}
    assert down(lost, seen={asset: EVENING + HOUR}) == {}
    done = (PLANNED, batch("pilot", "till", at=LATER), ended("till", at=LATER))
    earlier = (PLANNED, batch("pilot", "till", at=EVENING - DAY), ended("till", at=EVENING - DAY))
    assert down(lost, done) == down(done, lost) == {}
    assert down(lost, earlier) == {"till": "lost since r0"}
    assert down(earlier, lost) == {"till": "lost since r1"}


def test_of_two_rollouts_that_left_a_host_down_the_later_counts() -> None:
    lost = (*BEGUN, ended("till", "lost"), OVER)
    worse = (PLANNED, batch("pilot", "till", at=LATER), ended("till", "failed", at=LATER))
    assert down(lost, worse) == {"till": "failed since r1"}
    assert down(worse, lost) == {"till": "failed since r0"}
