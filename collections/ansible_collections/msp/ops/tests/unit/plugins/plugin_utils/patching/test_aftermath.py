# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who was left not well by a rollout that is over, and who has seen it well since: by what, and by what not."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.patching import aftermath, events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.aftermath import Aftermath
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Event
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import BaselineCheck, Check, UnitCheck
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import fold
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
    soaking,
)

LATER = EVENING + 2 * DAY
OVER = events.Aborted(LATER, NAMES)
BEGUN = (PLANNED, *PILOT[:3])


UNIT, BASELINE = UnitCheck("ssh.service"), BaselineCheck(("units",))


def read(*histories: tuple[Event, ...]) -> Aftermath:
    found = Aftermath()
    for number, history in enumerate(histories):
        found.read(f"r{number}", history)
    return found


def down(
    *histories: tuple[Event, ...], scans: dict[str, dt.datetime] | None = None, checks: tuple[Check, ...] = ()
) -> dict[str, str]:
    """Who counts as down, and how."""
    found = read(*histories)
    left = [one for one in found.left() if not found.seen.clears(one, checks)]
    return {one.target.name: one.how for one in left if not found.seen.answers(one, scans or {})}


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
    assert down(lost, scans={asset: EVENING - HOUR}) == {"till": "lost since r0"}
    assert down(lost, scans={asset: EVENING + HOUR}) == {}
    done = (PLANNED, batch("pilot", "till", at=LATER), ended("till", at=LATER))
    earlier = (PLANNED, batch("pilot", "till", at=EVENING - DAY), ended("till", at=EVENING - DAY))
    assert down(lost, done) == down(done, lost) == {}
    assert down(lost, earlier) == {"till": "lost since r0"}
    assert down(earlier, lost) == {"till": "lost since r1"}


FAILED = (*BEGUN, ended("till", "failed"), OVER)
BROKEN = (*BEGUN, ended("till", "failed", healthy=False), OVER)
UNWELL = (*BEGUN, ended("till"), PILOT[4], failed("pilot", till="nginx is down"), OVER)
NAMED = {TARGETS["till"].asset: "failed since r0"}
DONE = (PLANNED, batch("pilot", "till", at=LATER), ended("till", at=LATER))
DONE_WELL = (*DONE[:2], ended("till", at=LATER, healthy=True))
HAS_IT = (*DONE[:2], ended("till", "nothing", at=LATER))
GATE_WELL = (*HAS_IT, soaking("pilot", LATER), passed("pilot", LATER + DAY))
GATE_IN_DOUBT = (*HAS_IT, soaking("pilot", LATER), replace(passed("pilot", LATER + DAY), doubted=NAMED))
DOUBTED = events.GateFailed(LATER, "pilot", events.Counts(), "so", doubted=NAMED)
VOUCHED = (*HAS_IT, DOUBTED, events.Resumed(LATER + HOUR, "anna", "looked at it"))
OTHER_HALT = (*HAS_IT, events.Halted(LATER, "so"), events.Resumed(LATER + HOUR, "anna", "so"))
NO_CHECKS, ABSOLUTE, COMPARING = (), (UNIT,), (UNIT, BASELINE)


@pytest.mark.parametrize(
    ("left", "then", "checks", "clear"),
    [
        # Not known to be broken: any check that says well will do, and work alone where there are no checks.
        (FAILED, DONE, NO_CHECKS, True),
        (FAILED, DONE, COMPARING, False),
        (FAILED, DONE_WELL, COMPARING, True),
        (FAILED, HAS_IT, ABSOLUTE, False),
        (FAILED, GATE_WELL, ABSOLUTE, True),
        (FAILED, GATE_IN_DOUBT, ABSOLUTE, False),
        # A check said so: a later one can know, for a host that has nothing to compare with says that of itself.
        (BROKEN, DONE, COMPARING, False),
        (BROKEN, DONE_WELL, ABSOLUTE, True),
        (BROKEN, DONE_WELL, COMPARING, True),
        (BROKEN, GATE_WELL, COMPARING, True),
        (BROKEN, GATE_IN_DOUBT, COMPARING, False),
        (BROKEN, DONE_WELL, NO_CHECKS, False),
        (UNWELL, DONE, COMPARING, False),
        (UNWELL, DONE_WELL, COMPARING, True),
        # A person who was told says so.
        (BROKEN, VOUCHED, COMPARING, True),
        (UNWELL, VOUCHED, COMPARING, True),
        (BROKEN, OTHER_HALT, COMPARING, False),
    ],
)
def test_what_shows_that_a_host_is_well_again(
    left: tuple[Event, ...], then: tuple[Event, ...], checks: tuple[Check, ...], clear: bool
) -> None:
    found = read(left, then)
    assert [found.seen.clears(one, checks) for one in found.left()] == [clear]


def test_a_scan_of_packages_says_nothing_of_what_failed() -> None:
    asset = TARGETS["till"].asset
    for left in (FAILED, BROKEN, UNWELL):
        assert down(left, scans={asset: LATER}, checks=COMPARING) != {}


def test_what_has_nothing_to_take_back_stays_broken_and_so_does_who_has_no_trace_of_more_work() -> None:
    back = events.RollbackStarted(EVENING, ("till",))
    for more in (ended("till", "nothing"), events.HostIdle(EVENING, "till"), ended("till", "lost")):
        (one,) = read((*BROKEN[:-1], back, more, OVER)).left()
        assert one.broken
    assert read((*FAILED[:-1], back, ended("till", "nothing"), OVER)).left() == []


def test_a_rollout_that_is_open_tells_the_same_of_its_hosts_as_one_that_is_over() -> None:
    for history in (FAILED, BROKEN, UNWELL, LEFT["lost"][0] and (*BEGUN, *LEFT["lost"][0], OVER)):
        (over,) = read(history).left()
        (one,) = aftermath.left_open(fold("r0", history[:-1]))
        assert (one.target, one.state, one.broken) == (over.target, over.state, over.broken)
    assert list(aftermath.left_open(fold("r0", BEGUN))) == []
    for history in (DONE_WELL, DONE):
        opened_first = (PLANNED, *PILOT[:2], *history[1:])
        found = aftermath.seen_open([fold("r0", opened_first)], {TARGETS["till"].asset})
        assert (found.answered, found.well) == (read(history).seen.answered, read(history).seen.well)


def test_of_two_rollouts_that_left_a_host_down_the_later_counts() -> None:
    lost = (*BEGUN, ended("till", "lost"), OVER)
    worse = (PLANNED, batch("pilot", "till", at=LATER), ended("till", "failed", at=LATER))
    assert down(lost, worse) == {"till": "failed since r1"}
    assert down(worse, lost) == {"till": "failed since r0"}
