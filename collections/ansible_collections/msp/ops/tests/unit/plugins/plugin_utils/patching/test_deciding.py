# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rollout does next, by tables: one thing, with the reason a person reads; and what a gate makes of its ring."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.patching import deciding, events, gate, windows
from ansible_collections.msp.ops.plugins.plugin_utils.patching.course import Estimate, course
from ansible_collections.msp.ops.plugins.plugin_utils.patching.deciding import (
    Decision,
    Judge,
    Look,
    Record,
    RollBack,
    Start,
    Wait,
    World,
    decide,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Counts, Event
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Limit, Rates, Ring
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import HostResult
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import fold
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import (
    APPROVED,
    BROAD,
    DAY,
    EVENING,
    EVERYBODY,
    HOUR,
    MINUTE,
    NAMES,
    NOON,
    PILOT,
    PLANNED,
    TARGETS,
    batch,
    ended,
    failed,
    opened,
    passed,
    plan,
    rollout,
    soaking,
)

AFTER = EVENING + 2 * DAY  # Thursday evening, in the window
PAUSED = events.Paused(NOON, "anna", "stocktaking")
ABORT = events.AbortAsked(NOON, "anna", "wrong day")
ALL_BROAD = batch("broad", "db1", "db2", "mail", at=AFTER)
STOCKTAKING = {"from": "2026-06-08", "until": "2026-06-20", "reason": "stocktaking", "emergency": "refused"}
FREEZE: dict[str, Any] = {"freezes": [STOCKTAKING]}
PAIR: dict[str, Any] = {"apart": [{"name": "database", "assets": ["db1", "db2"]}]}


def after(*history: Event, now: dt.datetime = EVENING, world: dict[str, Any] | None = None, **changed: Any) -> Decision:
    """What comes next after a history; changed is what the plan says otherwise."""
    return decide(rollout(*history), plan(**changed), now, replace(EVERYBODY, **(world or {})))


def at_most(hosts: object) -> dict[str, Any]:
    return {"rates.at_once": hosts}


def waits(found: Decision, kind: str, *words: str) -> Wait:
    assert isinstance(found, Wait), found
    assert found.kind == kind
    for word in words:
        assert word in found.why
    return found


def records(found: Decision, kind: type[Event]) -> Event:
    assert isinstance(found, Record), found
    assert isinstance(found.event, kind)
    return found.event


def begins(found: Decision) -> tuple[str, ...]:
    assert isinstance(found, Start), found
    return found.event.hosts


# Before it begins


@pytest.mark.parametrize(("automatic", "asks"), [(False, True), (True, False), ("security", False)])
def test_a_person_approves_or_the_plan_does(automatic: object, asks: bool) -> None:
    found = after(automatic=automatic)
    if asks:
        waits(found, "approval", "manifest hash")
    else:
        event = records(found, events.Approved)
        assert event == events.Approved(EVENING, "hash", "the plan", f"automatic: {str(automatic).lower()}")


def test_a_plan_that_lets_security_through_asks_for_the_rest() -> None:
    found = replace(rollout(), patch_class="routine")
    waits(decide(found, plan(), EVENING, EVERYBODY), "approval")


def test_a_ring_begins_in_a_window_and_not_before() -> None:
    found = waits(after(APPROVED, now=NOON), "window", "no window is open", "2026-06-09 22:00 CEST", "night")
    assert found.until == EVENING
    assert records(after(APPROVED), events.RingOpened) == opened("pilot")


def test_in_a_freeze_nothing_begins_and_the_reason_is_told() -> None:
    found = waits(after(APPROVED, **FREEZE), "freeze", "stocktaking")
    assert found.until is not None
    assert found.until > EVENING + 10 * DAY
    waits(after(*PILOT[:2], **FREEZE), "freeze", "stocktaking")


def test_an_emergency_waits_for_no_window_and_for_a_freeze_only_where_it_must() -> None:
    urgent = replace(rollout(APPROVED), patch_class="emergency")
    for emergency in (True, False):
        freezes = [{**STOCKTAKING, "emergency": "allowed" if emergency else "refused"}]
        found = decide(urgent, plan(freezes=freezes), NOON, EVERYBODY)
        assert isinstance(found, Record) == emergency
    assert isinstance(decide(urgent, plan(), NOON, EVERYBODY), Record)


# Batches


def test_a_batch_is_begun_with_the_moment_from_which_nothing_reboots() -> None:
    found = after(*PILOT[:2])
    assert begins(found) == ("till",)
    assert isinstance(found, Start)
    assert found.closes == EVENING + 3 * HOUR


@pytest.mark.parametrize(("minutes", "starts"), [(149, True), (150, True), (151, False), (181, False), (230, False)])
def test_no_host_is_begun_that_would_not_be_done_before_the_window_closes(minutes: int, starts: bool) -> None:
    """Nothing was measured yet: a host takes half an hour. The window closes after three hours and ends after four."""
    found = after(*PILOT[:2], now=EVENING + minutes * MINUTE)
    assert isinstance(found, Start) == starts
    if not starts:
        assert waits(found, "window", "2026-06-11 22:00 CEST").until == EVENING + 2 * DAY


def test_a_window_that_takes_no_new_host_says_since_when() -> None:
    waits(after(*PILOT[:2], now=EVENING + 181 * MINUTE), "window", "takes no new host since 2026-06-10 01:00 CEST")


@pytest.mark.parametrize(
    ("duration", "cutoff"), [("100m", "60m"), ("4h", "1h"), ("2h", "45m"), ("70m", "30m"), ("40m", "30m")]
)
def test_validation_reckons_with_as_many_hosts_in_a_window_as_a_rollout_begins_there(
    duration: str, cutoff: str
) -> None:
    """One after the other, each half an hour."""
    night = {"rule": "FREQ=DAILY", "start": "22:00", "duration": duration, "cutoff": cutoff}
    made = plan(**{"windows.night": night, "rates.at_once": 1})
    names = [f"h{number}" for number in range(9)]
    targets = tuple(events.Target(name, f"device:{name}", name) for name in names)
    rings = (events.RingTargets("pilot", targets), events.RingTargets("broad", ()))
    found, now = fold("r1", [replace(PLANNED, rings=rings), APPROVED, opened("pilot")]), EVENING
    while isinstance(decision := decide(found, made, now, World(frozenset(names))), Start):
        now += 30 * MINUTE
        (name,) = decision.event.hosts
        result = HostResult(name, f"device:{name}", "patched", now)
        found = found.after(decision.event).after(events.HostEnded(now, result, 1800.0))
    begun = sum(host.begins for host in found.hosts.values())
    assert begun > 0

    for size, takes in ((begun, 1), (begun + 1, 2)):
        ahead = windows.openings(made, "security", EVENING, EVENING + 9 * DAY)
        way = course(made, "security", EVENING, ahead, Estimate(sizes={"pilot": size, "broad": 0}))
        assert [len(leg.openings) for leg in way.legs] == [takes]


def test_how_long_a_host_takes_is_what_the_last_ones_took() -> None:
    slow = (*PILOT[:3], ended("till", seconds=80 * 60), soaking("pilot"), passed("pilot"), opened("broad"))
    assert isinstance(after(*slow, now=AFTER + 95 * MINUTE), Start)
    waits(after(*slow, now=AFTER + 105 * MINUTE), "window", "a host takes 80 min")


def test_a_host_that_takes_longer_than_the_window_is_begun_in_its_first_half() -> None:
    slow = (*PILOT[:3], ended("till", seconds=9 * 3600), soaking("pilot"), passed("pilot"), opened("broad"))
    assert isinstance(after(*slow, now=AFTER + 89 * MINUTE), Start)
    waits(after(*slow, now=AFTER + 91 * MINUTE), "window")


@pytest.mark.parametrize(("at_once", "hosts"), [(1, 1), (2, 2), (5, 3), ("34%", 1), ("67%", 2)])
def test_no_more_hosts_than_the_plan_allows_at_once(at_once: object, hosts: int) -> None:
    assert len(begins(after(*BROAD, now=AFTER, **at_most(at_once)))) == hosts


def test_who_is_at_work_still_and_who_another_rollout_works_on_counts() -> None:
    working = (*BROAD, batch("broad", "db1", at=AFTER))
    world: dict[str, Any] = {"running": frozenset({"db1"})}
    assert begins(after(*working, now=AFTER, world=world, **at_most(2))) == ("db2",)
    waits(after(*working, now=AFTER, world=world, **at_most(1)), "at once", "ring broad")
    other: dict[str, Any] = {"busy": (events.Target("x", "device:77", "x"),)}
    assert begins(after(*BROAD, now=AFTER, world=other, **at_most(2))) == ("db1",)


def test_a_host_that_another_rollout_works_on_is_left_alone() -> None:
    busy = {"busy": (TARGETS["db1"],)}
    assert begins(after(*BROAD, now=AFTER, world=busy)) == ("db2", "mail")


PAIRS: dict[str, tuple[tuple[Event, ...], dict[str, Any], tuple[str, ...]]] = {
    "both wait": ((), {}, ("db1", "mail")),
    "one is at work": ((batch("broad", "db1", at=AFTER),), {"running": frozenset({"db1"})}, ("mail",)),
    "one is lost": ((batch("broad", "db1", at=AFTER), ended("db1", "lost", at=AFTER)), {}, ("mail",)),
    "one failed": ((batch("broad", "db1", at=AFTER), ended("db1", "failed", at=AFTER)), {}, ("mail",)),
    "one is done": ((batch("broad", "db1", at=AFTER), ended("db1", at=AFTER)), {}, ("db2", "mail")),
    "one is elsewhere at work": ((), {"busy": (TARGETS["db1"],)}, ("mail",)),
    "one is lost elsewhere": ((), {"down": ((TARGETS["db1"], "lost since r0"),)}, ("db1", "mail")),
    "another of it failed elsewhere": ((), {"down": ((events.Target("x", "device:9", "db1"), "failed"),)}, ("mail",)),
    "one was lost and left": (
        (batch("broad", "db1", at=AFTER), ended("db1", "lost", at=AFTER), events.HostLeft(AFTER, "db1", "sold")),
        {"in_scope": frozenset(NAMES) - {"db1"}},
        ("mail",),
    ),
}


@pytest.mark.parametrize("name", list(PAIRS))
def test_of_a_pair_never_both_may_be_down(name: str) -> None:
    history, world, hosts = PAIRS[name]
    assert begins(after(*BROAD, *history, now=AFTER, world=world, **PAIR)) == hosts


def test_who_is_down_since_another_rollout_holds_its_other_half_up_and_not_itself() -> None:
    world: dict[str, Any] = {"down": ((TARGETS["db1"], "failed since r0"),)}
    only = {"in_scope": frozenset({"till", "db2"}), **world}
    gone = tuple(events.HostLeft(AFTER, name, "not in scope any more") for name in ("db1", "mail"))
    waits(after(*BROAD, *gone, now=AFTER, world=only, **PAIR), "apart", "db2", "db1 is failed since r0")
    both: dict[str, Any] = {"apart": [{"name": "database", "assets": ["db1", "mail"]}]}
    assert begins(after(*BROAD, now=AFTER, world=world, **both)) == ("db1", "db2")


def test_a_host_that_waits_for_its_other_half_says_so() -> None:
    history = (batch("broad", "db1", "mail", at=AFTER), ended("db1", "failed", at=AFTER), ended("mail", at=AFTER))
    waits(after(*BROAD, *history, now=AFTER, **PAIR), "apart", "db2", "'database'", "db1 is failed")


def test_a_pair_also_holds_between_rings() -> None:
    unwell = (*PILOT, passed("pilot", till="broken"), opened("broad", AFTER))
    pair: dict[str, Any] = {"apart": [{"name": "p", "assets": ["device:0", "db1"]}]}
    assert begins(after(*unwell, now=AFTER, **pair)) == ("db2", "mail")


# Looks


def test_what_was_begun_is_looked_at_before_anything_else() -> None:
    for stopped in ((), (PAUSED,), (ABORT,), (events.Halted(NOON, "x"),)):
        found = after(*BROAD, ALL_BROAD, ended("db1", at=AFTER), *stopped, now=AFTER + 20 * DAY)
        assert isinstance(found, Look)
        assert found.hosts == ("db2", "mail")


def test_a_host_that_is_at_work_too_long_is_called_lost() -> None:
    world: dict[str, Any] = {"running": frozenset({"till"})}
    waits(after(*PILOT[:3], now=EVENING + 5 * HOUR, world=world), "running", "till is at work")
    event = records(after(*PILOT[:3], now=EVENING + 6 * HOUR, world=world), events.HostEnded)
    assert isinstance(event, events.HostEnded)
    assert event.result.outcome == "lost"


def test_a_resume_gives_work_that_goes_on_its_time_anew() -> None:
    world: dict[str, Any] = {"running": frozenset({"till"})}
    lost = (*PILOT[:3], ended("till", "lost"), events.Halted(EVENING, "so"), events.Resumed(AFTER, "anna", "it is up"))
    waits(after(*lost, now=AFTER + 5 * HOUR, world=world), "running", "till is at work")
    records(after(*lost, now=AFTER + 6 * HOUR, world=world), events.HostEnded)


def test_a_host_that_was_lost_is_asked_again_ever_less_often() -> None:
    """With nothing else to do: here the ring soaks."""
    history = (*BROAD, ALL_BROAD, ended("db1", at=AFTER), ended("db2", at=AFTER))
    lost: tuple[Event, ...] = ()
    for minutes in (15, 30, 60, 120, 240, 240):
        at = lost[-1].at + MINUTE if lost else AFTER
        lost = (*lost, ended("mail", "lost", at=at))
        found = rollout(*history, *lost[:1], soaking("broad", AFTER, 2 * DAY), *lost[1:])
        for early, looks in ((1, False), (0, True)):
            now = at + (minutes - early) * MINUTE
            decision = decide(found, plan(**{"rings.1.soak": "2d"}), now, EVERYBODY)
            assert isinstance(decision, Look) == looks, (minutes, decision)


def test_a_host_that_came_back_without_a_trace_of_the_work_is_begun_again_until_the_soak_is_over() -> None:
    """The soak ends on a Tuesday evening, in the next window."""
    back = (ended("mail", "lost", at=AFTER), soaking("broad", AFTER, 5 * DAY), events.HostIdle(AFTER, "mail"))
    history = (*BROAD, ALL_BROAD, ended("db1", at=AFTER), ended("db2", at=AFTER), *back)
    slow: dict[str, Any] = {"rings.1.soak": "5d"}
    assert begins(after(*history, now=AFTER + HOUR, **slow)) == ("mail",)
    assert isinstance(after(*history, now=AFTER + 5 * DAY, **slow), Judge)


def test_a_host_that_refused_is_offered_again_while_its_ring_soaks() -> None:
    history = (*PILOT[:3], ended("till", "refused"), soaking("pilot"))
    waits(after(*history, now=EVENING + 14 * MINUTE), "soak")
    assert begins(after(*history, now=EVENING + 15 * MINUTE)) == ("till",)


# Soak and gate


def test_a_ring_soaks_once_all_of_it_was_tried() -> None:
    found = records(after(*PILOT[:4]), events.SoakStarted)
    assert found == soaking("pilot")
    urgent = replace(rollout(*PILOT[:4]), patch_class="emergency")
    assert decide(urgent, plan(), EVENING, EVERYBODY) == Record(
        soaking("pilot", soak=2 * HOUR), "ring pilot soaks until 2026-06-10 00:00 CEST"
    )


def test_a_ring_is_judged_when_it_has_soaked() -> None:
    found = waits(after(*PILOT, now=EVENING + DAY - MINUTE), "soak", "ring pilot soaks until 2026-06-10 22:00 CEST")
    assert found.until == EVENING + DAY
    judged = after(*PILOT, now=EVENING + DAY)
    assert isinstance(judged, Judge)
    assert (judged.ring, judged.check) == ("pilot", ("till",))


def test_a_host_that_was_done_late_soaks_as_long_where_the_gate_needs_it() -> None:
    late = (ended("till", "lost"), soaking("pilot"), events.HostIdle(EVENING, "till"))
    history = (*PILOT[:3], *late, batch("pilot", "till", at=EVENING + HOUR), ended("till", at=EVENING + 2 * HOUR))
    assert waits(after(*history, now=EVENING + DAY), "soak").until == EVENING + DAY + 2 * HOUR
    assert isinstance(after(*history, now=EVENING + DAY + 2 * HOUR), Judge)


@pytest.mark.parametrize(("outcome", "words"), [("failed", "failed"), ("lost", "gave no answer")])
def test_too_many_failures_or_losses_stop_a_ring_half_way(outcome: str, words: str) -> None:
    one = (batch("broad", "db1", "db2", at=AFTER), ended("db1", outcome, at=AFTER), ended("db2", at=AFTER))
    assert begins(after(*BROAD, *one, now=AFTER)) == ("mail",)
    two = (*one[:2], ended("db2", outcome, at=AFTER))
    event = records(after(*BROAD, *two, now=AFTER), events.Halted)
    assert isinstance(event, events.Halted)
    assert event.why == f"ring broad: 2 of 3 {words}, 1 may"


@pytest.mark.parametrize(("successes", "passes"), [(0, True), (1, False)])
def test_a_ring_without_hosts_passes_only_where_the_plan_wants_none(successes: int, passes: bool) -> None:
    found = rollout(APPROVED, events.HostLeft(NOON, "till", "sold"))
    made = plan()
    made = replace(made, rings=(replace(made.rings[0], successes=successes), made.rings[1]))
    assert isinstance(decide(found, made, NOON, EVERYBODY), Record)  # it needs no window
    at_gate = found.after(opened("pilot")).after(soaking("pilot", soak=0 * DAY))
    said = records(decide(at_gate, made, EVENING, EVERYBODY), events.GatePassed if passes else events.GateFailed)
    assert isinstance(said, events.GatePassed | events.GateFailed)
    assert "it has no host" in said.why


def test_a_ring_of_which_all_are_lost_is_asked_once_more_and_then_fails_its_gate() -> None:
    history = (*PILOT[:3], ended("till", "lost"), soaking("pilot"))
    assert isinstance(after(*history, now=EVENING + DAY), Look)
    asked = (*history, ended("till", "lost", at=EVENING + DAY))
    said = records(after(*asked, now=EVENING + DAY), events.GateFailed)
    assert isinstance(said, events.GateFailed)
    assert said.why == "none of its 1 hosts can be reached"


def test_a_gate_counts_who_is_unwell_and_who_is_silent() -> None:
    history = (*BROAD, ALL_BROAD, *(ended(name, at=AFTER) for name in ("db1", "db2", "mail")))
    found = rollout(*history, soaking("broad", AFTER, 0 * DAY))
    said = deciding.verdict(found, plan(), "broad", AFTER, unwell={"db1": "down", "db2": "down"}, silent={})
    assert isinstance(said, events.GateFailed)
    assert said.why == "2 of 3 failed, 1 may"
    assert found.after(said).why == "ring broad did not pass: 2 of 3 failed, 1 may"
    said = deciding.verdict(found, plan(), "broad", AFTER, unwell={"db1": "down"}, silent={"db2": "no answer"})
    assert isinstance(said, events.GatePassed)
    assert (said.counts.unwell, said.counts.silent) == (1, 1)
    assert said.why == "1 of 3 are well, 1 failed, 1 lost"


RING = Ring("pilot", None, 100, soak=DAY, emergency_soak=HOUR, successes=2)
RATES = Rates(Limit(1), Limit(1), Limit(1))
GATES: dict[str, tuple[Counts, str]] = {
    "all well": (Counts(patched=2, nothing=1), ""),
    "as many failed as may": (Counts(patched=2, failed=1), ""),
    "as many lost as may": (Counts(patched=2, lost=1), ""),
    "one of each": (Counts(patched=2, failed=1, lost=1), ""),
    "left ones do not count": (Counts(patched=2, left=7), ""),
    "too many failed": (Counts(patched=9, failed=1, refused=1), "2 of 11 failed, 1 may"),
    "rolled back is failed": (Counts(patched=9, failed=1, rolled_back=1), "2 of 11 failed, 1 may"),
    "unwell is failed": (Counts(patched=9, failed=1, unwell=1), "2 of 10 failed, 1 may"),
    "too many lost": (Counts(patched=9, lost=2), "2 of 11 are lost or not done, 1 may be"),
    "not done is lost": (Counts(patched=9, lost=1, undone=1), "2 of 11 are lost or not done, 1 may be"),
    "silent is lost": (Counts(patched=9, lost=1, silent=1), "2 of 10 are lost or not done, 1 may be"),
    "too few are well": (Counts(patched=1, failed=1), "1 of 2 are well, the plan wants 2"),
    "who is unwell is not well": (Counts(patched=2, unwell=1), "1 of 2 are well, the plan wants 2"),
    "all are offline": (Counts(lost=1), "none of its 1 hosts can be reached"),
    "all are silent": (Counts(patched=2, silent=2), "none of its 2 hosts can be reached"),
    "none is well": (Counts(failed=1), "none of its 1 hosts is well"),
    "nobody": (Counts(), "it has no host, and the plan wants 2 to be well"),
    "all left": (
        Counts(left=3),
        "it has no host (3 left out, or without any of the packages), and the plan wants 2 to be well",
    ),
    "a reboot that is owed is not done": (Counts(patched=9, owed=2), "2 of 11 are lost or not done, 1 may be"),
}


@pytest.mark.parametrize("name", list(GATES))
def test_a_gate(name: str) -> None:
    counts, why = GATES[name]
    said = gate.judge(RING, RATES, counts)
    assert said.passed == (not why)
    assert not why or said.why == why


@pytest.mark.parametrize("counts", [Counts(lost=3), Counts(failed=2), Counts(patched=2, silent=2), Counts(undone=1)])
def test_a_ring_of_which_nobody_is_well_passes_no_plan(counts: Counts) -> None:
    everything = Rates(Limit(1), Limit(100, percent=True), Limit(100, percent=True))
    assert not gate.judge(replace(RING, successes=0), everything, counts).passed


@settings(max_examples=100, deadline=None)
@given(st.builds(Counts, *[st.integers(0, 4)] * 8), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_a_gate_never_passes_because_something_went_wrong(counts: Counts, few: int, failures: int, lost: int) -> None:
    """One host that failed or was lost instead of being patched never helps."""
    ring, rates = replace(RING, successes=few), Rates(Limit(1), Limit(failures), Limit(lost))
    if counts.patched == 0 or gate.judge(ring, rates, counts).passed:
        return
    for name in ("failed", "lost", "refused", "rolled_back", "undone", "owed"):
        worse = replace(counts, patched=counts.patched - 1, **{name: getattr(counts, name) + 1})
        assert not gate.judge(ring, rates, worse).passed


def test_a_host_that_has_none_of_the_packages_proves_nothing() -> None:
    """It is done, and that is no success: a ring of such hosts does not pass before a person said so."""
    history = (*PILOT[:3], ended("till", "nothing", there=()), soaking("pilot"))
    said = records(after(*history, now=EVENING + DAY), events.GateFailed)
    assert isinstance(said, events.GateFailed)
    assert "it has no host (1 left out, or without any of the packages)" in said.why
    resumed = (*history, said, events.Resumed(said.at, "anna", "no till has it"))
    assert isinstance(after(*resumed, now=EVENING + 2 * DAY), Record)
    again = (*resumed, soaking("pilot", EVENING + 2 * DAY, 0 * DAY))
    passes = records(after(*again, now=EVENING + 2 * DAY), events.GatePassed)
    assert isinstance(passes, events.GatePassed)
    assert passes.why == "it has no host, and a person who knew that resumed it"


@pytest.mark.parametrize("there", [None, ("openssl:amd64",)])
def test_a_host_that_has_all_of_it_already_is_a_success(there: tuple[str, ...] | None) -> None:
    history = (*PILOT[:3], ended("till", "nothing", there=there), soaking("pilot"))
    assert isinstance(after(*history, now=EVENING + DAY), Judge)
    said = deciding.verdict(rollout(*history), plan(), "pilot", EVENING + DAY, unwell={}, silent={})
    assert isinstance(said, events.GatePassed)


def test_a_gate_says_which_packages_no_host_has_proved_yet() -> None:
    some = ended("till", after={"openssl:amd64": "2"}, there=("openssl:amd64",))
    packages = ("openssl:amd64", "nginx:amd64")

    def why(result: events.HostEnded, **unwell: str) -> str:
        found = rollout(*PILOT[:3], result, soaking("pilot"))
        made = plan(rates={"at_once": 3, "most_failures": 1, "most_lost": 1}, **{"rings.0.successes": 0})
        said = deciding.verdict(found, made, "pilot", EVENING + DAY, unwell=unwell, silent={}, packages=packages)
        return said.why

    assert why(some) == "1 of 1 are well; no host has proved nginx:amd64 yet"
    assert why(ended("till", there=("openssl:amd64", "nginx:amd64"))) == "1 of 1 are well"
    assert why(ended("till")) == "1 of 1 are well"  # it did not tell
    packages = ("openssl:amd64 1", "openssl:amd64 2")
    assert why(some) == "1 of 1 are well; no host has proved openssl:amd64 1 yet"


def test_a_host_that_another_rollout_left_not_well_is_no_success_before_a_person_says_that_it_is_well() -> None:
    doubtful = {TARGETS["till"].asset: "failed since r0"}
    found = rollout(*PILOT)
    said = deciding.verdict(found, plan(), "pilot", EVENING + DAY, unwell={}, silent={}, doubtful=doubtful)
    assert isinstance(said, events.GateFailed)
    assert (said.doubted, said.counts.doubted) == ({TARGETS["till"].asset: "is failed since r0"}, 1)
    assert "till is failed since r0, and proves nothing before it is seen well; who resumes it says" in said.why
    resumed = found.after(said).after(events.Resumed(EVENING + DAY, "anna", "looked at it"))
    assert resumed.vouched == {TARGETS["till"].asset: EVENING + DAY}


def test_a_host_that_has_nothing_to_compare_with_is_neither_well_nor_lost_before_a_person_says_that_it_is_well() -> (
    None
):
    made = plan(rates={"at_once": 3, "most_failures": 0, "most_lost": 0})
    unsure = {"till": "nothing to compare with: logrotate.service was down already"}
    found = rollout(*PILOT)
    said = deciding.verdict(found, made, "pilot", EVENING + DAY, unwell={}, silent={}, unsure=unsure)
    assert isinstance(said, events.GateFailed)
    assert said.counts.doubted == 1
    assert "till cannot know whether it is well (nothing to compare with: logrotate.service was down" in said.why
    again = found.after(said).after(events.Resumed(EVENING + DAY, "anna", "looked at it"))
    again = again.after(soaking("pilot", EVENING + DAY))
    after_it = deciding.verdict(again, made, "pilot", EVENING + 2 * DAY, unwell={}, silent={}, unsure=unsure)
    assert isinstance(after_it, events.GatePassed)


def test_a_ring_with_enough_others_that_are_well_passes_and_tells_of_who_is_in_doubt() -> None:
    history = (*BROAD, ALL_BROAD, *(ended(name, at=AFTER) for name in ("db1", "db2", "mail")))
    found = rollout(*history, soaking("broad", AFTER, 0 * DAY))
    doubtful = {TARGETS["mail"].asset: "lost since r0"}
    said = deciding.verdict(found, plan(), "broad", AFTER, unwell={}, silent={}, doubtful=doubtful)
    assert isinstance(said, events.GatePassed)
    assert said.why == "2 of 3 are well, 1 in doubt; mail is lost since r0, and proves nothing before it is seen well"
    unwell = deciding.verdict(found, plan(), "broad", AFTER, unwell={"mail": "down"}, silent={}, doubtful=doubtful)
    assert isinstance(unwell, events.GatePassed)
    assert (unwell.counts.unwell, unwell.counts.doubted, unwell.doubted) == (1, 0, {})


def test_where_all_wait_for_another_half_that_only_a_person_can_call_well_it_halts_and_says_so() -> None:
    down: dict[str, Any] = {"down": ((TARGETS["db1"], "failed since r0"),)}
    gone = tuple(events.HostLeft(AFTER, name, "not in scope any more") for name in ("db1", "mail"))
    world = {"in_scope": frozenset({"till", "db2"}), **down}
    unseen = {**world, "unseen": frozenset({TARGETS["db1"].asset})}
    waits(after(*BROAD, *gone, now=AFTER, world=world, **PAIR), "apart")
    halted = records(after(*BROAD, *gone, now=AFTER, world=unseen, **PAIR), events.Halted)
    assert isinstance(halted, events.Halted)
    assert halted.doubted == {TARGETS["db1"].asset: "db1 is failed since r0"}
    assert "who resumes it says that it is" in halted.why
    assert begins(after(*BROAD, now=AFTER, world={**unseen, "in_scope": frozenset(NAMES)}, **PAIR)) == (
        "db1",
        "mail",
    )


# A reboot that is owed

OWES = (*PILOT[:3], ended("till", "reboot owed", at=EVENING + 3 * HOUR))


def test_a_host_that_owes_a_reboot_is_begun_again_in_the_next_window_and_its_ring_waits_for_it() -> None:
    found = waits(after(*OWES, now=EVENING + 3 * HOUR), "window")
    assert found.until == EVENING + 2 * DAY
    again = after(*OWES, now=AFTER)
    assert begins(again) == ("till",)
    assert isinstance(again, Start)
    done = (*OWES, again.event, ended("till", at=AFTER))
    records(after(*done, now=AFTER), events.SoakStarted)


def test_a_host_that_owes_a_reboot_is_not_done_and_never_goes_back() -> None:
    assert rollout(*OWES).lacking() == NAMES
    halted = (*OWES, events.Halted(EVENING + 3 * HOUR, "so"))
    waits(after(*halted, now=AFTER, world={"way_back": frozenset(NAMES)}), "halted")
    expired = records(after(*OWES, now=NOON + 14 * DAY), events.Expired)
    assert expired == events.Expired(NOON + 14 * DAY, NAMES)


def test_an_exclusion_that_came_meanwhile_does_not_keep_a_host_from_its_reboot_but_the_end_of_its_contract_does() -> (
    None
):
    world: dict[str, Any] = {"left_out": {"till": "all of it is excluded"}}
    assert begins(after(*OWES, now=AFTER, world=world)) == ("till",)
    gone: dict[str, Any] = {"in_scope": frozenset(NAMES) - {"till"}}
    records(after(*OWES, now=AFTER, world=gone), events.HostLeft)


@pytest.mark.parametrize(("healthy", "goes"), [(True, False), (None, False), (False, True)])
def test_who_only_did_not_reboot_as_it_should_does_not_go_back(healthy: bool | None, goes: bool) -> None:
    failed_so = (*PILOT[:3], ended("till", "failed", rebooted=False, healthy=healthy), events.Halted(EVENING, "so"))
    found = after(*failed_so, world={"way_back": frozenset(NAMES)})
    assert isinstance(found, RollBack) == goes
    if not goes:
        waits(found, "halted", "Look at till")


# What stops it


def test_what_is_paused_or_halted_waits_for_a_person() -> None:
    waits(after(*PILOT, PAUSED, now=EVENING + 2 * DAY), "paused", "anna: stocktaking", "resumes or aborts")
    found = after(*PILOT, failed("pilot", till="nginx is down"), now=AFTER)
    waits(found, "halted", "ring pilot did not pass", "till", "resumes or aborts")


def test_what_is_halted_goes_back_where_that_is_allowed() -> None:
    halted = (*PILOT, failed("pilot", till="nginx is down"))
    back: dict[str, Any] = {"way_back": frozenset(NAMES)}
    found = after(*halted, now=AFTER, world=back)
    assert isinstance(found, RollBack)
    assert found.event.hosts == ("till",)
    rolled = (*halted, events.RollbackStarted(AFTER, ("till",)), ended("till", "rolled back", at=AFTER))
    event = records(after(*rolled, now=AFTER, world=back), events.RolledBack)
    assert event == events.RolledBack(AFTER, ("till",), NAMES)
    for outcome in ("failed", "refused"):
        not_back = (*halted, events.RollbackStarted(AFTER, ("till",)), ended("till", outcome, at=AFTER))
        waits(after(*not_back, now=AFTER, world=back), "halted", "till")


def test_a_pair_goes_back_one_after_the_other_and_it_is_over_when_both_are() -> None:
    done = [ended(name, "failed", at=AFTER) for name in ("db1", "db2")]
    halted = (*BROAD, ALL_BROAD, *done, ended("mail", at=AFTER), events.Halted(AFTER, "2 of 3 failed"))
    back: dict[str, Any] = {"way_back": frozenset(NAMES)}
    for name in ("db1", "db2"):
        found = after(*halted, now=AFTER, world=back, **PAIR)
        assert isinstance(found, RollBack), found
        assert found.event.hosts == (name,)
        halted = (*halted, found.event, ended(name, "rolled back", at=AFTER))
    records(after(*halted, now=AFTER, world=back, **PAIR), events.RolledBack)


FAILED_BY_NIGHT = (*PILOT[:3], ended("till", "failed"), events.Halted(EVENING, "till failed"))
BROKEN_BY_NIGHT = (*PILOT[:3], ended("till", "failed", healthy=False), events.Halted(EVENING, "till failed"))
UNWELL = (*PILOT, failed("pilot", till="nginx is down"))
ALL_BACK: dict[str, Any] = {"way_back": frozenset(NAMES)}


@pytest.mark.parametrize(
    ("history", "now", "goes", "closes"),
    [
        (FAILED_BY_NIGHT, EVENING, True, EVENING + 3 * HOUR),
        (FAILED_BY_NIGHT, EVENING + 3 * HOUR + MINUTE, False, None),
        (FAILED_BY_NIGHT, EVENING + 16 * HOUR, False, None),
        (FAILED_BY_NIGHT, AFTER, True, AFTER + 3 * HOUR),
        (BROKEN_BY_NIGHT, EVENING + 16 * HOUR, True, None),
        (UNWELL, EVENING + 40 * HOUR, True, None),
        (UNWELL, AFTER, True, AFTER + 3 * HOUR),
    ],
)
def test_what_is_broken_goes_back_at_once_the_rest_in_a_window_and_nothing_reboots_outside_of_one(
    history: tuple[Event, ...], now: dt.datetime, goes: bool, closes: dt.datetime | None
) -> None:
    found = after(*history, now=now, world=ALL_BACK)

    assert isinstance(found, RollBack) == goes, found
    if isinstance(found, RollBack):
        assert found.closes == closes
    else:
        assert waits(found, "window", "till goes back, but").until == AFTER


def test_a_freeze_holds_the_way_back_up_but_not_that_of_what_is_broken() -> None:
    waits(after(*FAILED_BY_NIGHT, world=ALL_BACK, **FREEZE), "freeze", "stocktaking")
    found = after(*BROKEN_BY_NIGHT, world=ALL_BACK, **FREEZE)
    assert isinstance(found, RollBack)
    assert found.closes is None


def test_who_has_its_other_half_at_work_elsewhere_goes_back_when_that_is_done() -> None:
    pair: dict[str, Any] = {"apart": [{"name": "p", "assets": ["till", "db1"]}]}
    waits(after(*UNWELL, now=AFTER, world={**ALL_BACK, "busy": (TARGETS["db1"],)}, **pair), "halted")
    lost = {**ALL_BACK, "down": ((TARGETS["db1"], "lost since r0"),)}
    assert isinstance(after(*UNWELL, now=AFTER, world=lost, **pair), RollBack)


def test_who_gives_no_answer_on_its_way_back_is_looked_at_later_before_it_is_begun_again() -> None:
    began = events.RollbackStarted(AFTER, ("till",))
    history = (*UNWELL, began, ended("till", "lost", at=AFTER))

    waits(after(*history, now=AFTER, world=ALL_BACK), "halted", "till gives no answer on its way back")
    later = after(*history, now=AFTER + 16 * MINUTE, world=ALL_BACK)
    assert isinstance(later, Look)
    assert later.hosts == ("till",)
    idle = (*history, events.HostIdle(AFTER + 16 * MINUTE, "till"))
    assert isinstance(after(*idle, now=AFTER + 16 * MINUTE, world=ALL_BACK), RollBack)


LOOKED_AT: dict[str, tuple[tuple[Event, ...], dict[str, Any], dt.datetime, bool]] = {
    "it goes on": ((), {}, EVENING, False),
    "paused": ((PAUSED,), {}, EVENING, True),
    "aborted": ((ABORT,), {}, EVENING, True),
    "halted": ((events.Halted(EVENING, "so"),), {}, EVENING, True),
    "past its deadline": ((), {}, NOON + 14 * DAY, True),
    "superseded": ((), {"superseded": "openssl 3"}, EVENING, True),
    "out of scope": ((), {"in_scope": frozenset(NAMES) - {"till"}}, EVENING, True),
}


@pytest.mark.parametrize("name", list(LOOKED_AT))
def test_a_look_lets_a_host_begin_nothing_more_where_the_rollout_would_not(name: str) -> None:
    history, world, now, only = LOOKED_AT[name]
    found = rollout(*PILOT[:3], *history)
    world_now = replace(EVERYBODY, **world)
    assert deciding.only_finish(found, plan(), found.hosts["till"], now, world_now) is only
    assert deciding.only_finish(found, plan(**FREEZE), found.hosts["till"], now, world_now)
    assert deciding.only_finish(found, None, found.hosts["till"], now, world_now)


def test_a_look_at_the_way_back_of_a_halted_rollout_lets_it_go_on() -> None:
    back = (*UNWELL, events.RollbackStarted(AFTER, ("till",)))
    for history, only in ((back, False), ((*back, ABORT), True)):
        found = rollout(*history)
        assert deciding.only_finish(found, plan(), found.hosts["till"], AFTER, EVERYBODY) is only


def test_who_another_rollout_works_on_goes_back_when_that_is_done() -> None:
    """The host would refuse it now, and what was refused once is not tried again."""
    halted = (*PILOT, failed("pilot", till="nginx is down"))
    back: dict[str, Any] = {"way_back": frozenset(NAMES)}

    waits(after(*halted, now=AFTER, world={**back, "busy": (TARGETS["till"],)}), "halted")

    assert isinstance(after(*halted, now=AFTER, world={**back, "busy": (TARGETS["mail"],)}), RollBack)


def test_who_has_nothing_to_take_back_is_asked_once_and_counts_as_gone_back_where_nothing_is_broken() -> None:
    began = events.RollbackStarted(AFTER, ("till",))
    nothing = ended("till", "nothing", at=AFTER, reason="nothing of this rollout is on the host")
    records(after(*FAILED_BY_NIGHT, began, nothing, now=AFTER, world=ALL_BACK), events.RolledBack)
    for history in (BROKEN_BY_NIGHT, UNWELL):
        found = after(*history, began, nothing, now=AFTER, world=ALL_BACK)
        waits(found, "halted", "Look at till, which nothing takes back by itself")


LOST_AT_FIRST = (
    *(APPROVED, opened("pilot"), batch("pilot", "till", "mail"), ended("till"), ended("mail", "lost")),
    *(soaking("pilot"), passed("pilot")),
)
TWO_AND_TWO = (
    events.RingTargets("pilot", (TARGETS["till"], TARGETS["mail"])),
    events.RingTargets("broad", (TARGETS["db1"], TARGETS["db2"])),
)


def after_lost(*history: Event, now: dt.datetime = AFTER, most_failures: int = 0, **world: Any) -> Decision:
    """What comes next where a host of the ring that has passed was lost at first."""
    found = fold("r1", (replace(PLANNED, rings=TWO_AND_TWO), *LOST_AT_FIRST, *history))
    made = plan(rates={"at_once": 3, "most_failures": most_failures, "most_lost": 1})
    return decide(found, made, now, replace(EVERYBODY, **world))


BAD_LATE = ended("mail", "failed", at=AFTER, healthy=False, reason="its service is down")


def test_who_was_lost_in_a_ring_that_has_passed_and_turns_out_bad_stops_the_rollout_and_goes_back() -> None:
    halted = records(after_lost(BAD_LATE), events.Halted)
    assert isinstance(halted, events.Halted)
    assert halted.why == "ring pilot, which had passed: 1 of 2 failed, 0 may"
    found = after_lost(BAD_LATE, halted, way_back=frozenset(NAMES))
    assert isinstance(found, RollBack)
    assert found.event.hosts == ("mail",)
    waits(after_lost(BAD_LATE, halted), "halted", "Look at mail")
    back = (BAD_LATE, halted, found.event, ended("mail", "rolled back", at=AFTER))
    records(after_lost(*back, way_back=frozenset(NAMES)), events.RolledBack)


def test_who_turns_out_bad_late_within_what_may_fail_or_is_known_to_who_resumed_it_stops_nothing() -> None:
    assert records(after_lost(BAD_LATE, most_failures=1), events.RingOpened) == opened("broad", AFTER)
    resumed = (events.Halted(AFTER, "so"), events.Resumed(AFTER, "anna", "that one may be down"))
    assert records(after_lost(BAD_LATE, *resumed), events.RingOpened) == opened("broad", AFTER)
    assert records(after_lost(ended("mail", at=AFTER)), events.RingOpened) == opened("broad", AFTER)


def test_who_may_not_go_back_keeps_the_rollout_halted() -> None:
    done = [ended(name, "failed", at=AFTER) for name in ("db1", "db2")]
    halted = (*BROAD, ALL_BROAD, *done, ended("mail", at=AFTER), events.Halted(AFTER, "2 of 3 failed"))
    rolled = (*halted, events.RollbackStarted(AFTER, ("db1",)), ended("db1", "rolled back", at=AFTER))
    waits(after(*rolled, now=AFTER, world={"way_back": frozenset({"db1"})}), "halted", "Look at db2")


def test_an_abort_ends_it_once_nobody_is_at_work() -> None:
    world: dict[str, Any] = {"running": frozenset({"till"})}
    waits(after(*PILOT[:3], ABORT, world=world), "running", "till")
    event = records(after(*PILOT[:3], ABORT, ended("till", "lost")), events.Aborted)
    assert event == events.Aborted(EVENING, NAMES)


WINDING: list[tuple[tuple[Event, ...], frozenset[str], str]] = [
    ((), frozenset(), "halted"),
    ((APPROVED, PAUSED), frozenset(), "halted"),
    (PILOT[:3], frozenset(), "look"),
    (PILOT[:3], frozenset({"till"}), "running"),
    ((*PILOT[:3], ABORT), frozenset({"till"}), "running"),
    ((*PILOT[:4], ABORT), frozenset(), "aborted"),
    ((ABORT,), frozenset(), "aborted"),
    ((ABORT, events.Aborted(NOON, NAMES)), frozenset(), "over"),
]


@pytest.mark.parametrize(("history", "running", "comes"), WINDING)
def test_what_lost_its_plan_begins_nothing_and_can_only_be_aborted(
    history: tuple[Event, ...], running: frozenset[str], comes: str
) -> None:
    found = deciding.wind_up(rollout(*history), EVENING, World(frozenset(), running), why="its plan is gone")

    if isinstance(found, Record):
        assert (comes, found.event) == ("aborted", events.Aborted(EVENING, rollout(*history).lacking()))
    elif isinstance(found, Look):
        assert (comes, found.hosts) == ("look", ("till",))
    else:
        waits(found, comes, *(["its plan is gone"] if comes == "halted" else []))


def test_a_newer_fix_and_the_deadline_end_it_with_what_is_not_done() -> None:
    newer: dict[str, Any] = {"superseded": "openssl 3.0.18"}
    event = records(after(*PILOT, world=newer), events.Superseded)
    assert event == events.Superseded(EVENING, "openssl 3.0.18", NAMES[1:])
    event = records(after(*PILOT, now=NOON + 14 * DAY), events.Expired)
    assert event == events.Expired(NOON + 14 * DAY, NAMES[1:])
    working = {"superseded": "openssl", "running": frozenset({"till"})}
    waits(after(*PILOT[:3], world=working), "running")


def test_what_a_person_paused_is_ended_by_no_newer_fix_and_by_no_deadline_before_a_person_says_so() -> None:
    newer: dict[str, Any] = {"superseded": "openssl 3.0.18"}
    late = NOON + 15 * DAY
    waits(after(*PILOT, PAUSED, world=newer), "paused", "anna: stocktaking", "openssl 3.0.18 came", "resumes or aborts")
    waits(after(*PILOT, PAUSED, now=late), "paused", "the deadline 2026-06-23 14:00 CEST passed", "resumes or aborts")
    resumed = (*PILOT, PAUSED, events.Resumed(EVENING, "anna", "counted"))
    records(after(*resumed, world=newer), events.Superseded)
    records(after(*resumed, now=late), events.Expired)


def test_a_way_back_that_waits_for_its_window_is_not_dropped_by_the_deadline() -> None:
    late = NOON + 14 * DAY
    waits(after(*FAILED_BY_NIGHT, now=late, world=ALL_BACK), "window", "till goes back, but")
    busy = {**ALL_BACK, "busy": (TARGETS["till"],)}
    waits(after(*FAILED_BY_NIGHT, now=late, world=busy), "halted")
    found = after(*FAILED_BY_NIGHT, now=late + 8 * HOUR, world=ALL_BACK)
    assert isinstance(found, RollBack)
    back = (*FAILED_BY_NIGHT, found.event, ended("till", "lost", at=late + 8 * HOUR))
    waits(after(*back, now=late + 8 * HOUR, world=ALL_BACK), "halted", "no answer on its way back")
    records(after(*FAILED_BY_NIGHT, now=late), events.Expired)


def test_what_is_done_does_not_expire_while_its_last_ring_soaks() -> None:
    done = (*BROAD, ALL_BROAD, *(ended(name, at=AFTER) for name in ("db1", "db2", "mail")))
    assert isinstance(after(*done, soaking("broad", AFTER), now=NOON + 14 * DAY), Judge)


def test_a_clock_that_was_turned_back_is_waited_for() -> None:
    assert isinstance(after(*PILOT[:2], now=EVENING - MINUTE), Wait)  # a little is nothing: no window is open yet
    found = waits(after(*PILOT, now=EVENING - 3 * MINUTE), "clock")
    assert found.until == EVENING


def test_a_plan_with_other_rings_halts_what_was_planned_for_these() -> None:
    event = records(decide(rollout(*PILOT), plan(**{"rings.1.name": "rest"}), EVENING, EVERYBODY), events.Halted)
    assert isinstance(event, events.Halted)
    assert "pilot, rest" in event.why


def test_a_gate_that_asked_while_the_rings_of_the_plan_became_others_halts_with_that() -> None:
    others = plan(**{"rings.0.name": "canary"})
    said = deciding.verdict(rollout(*PILOT), others, "pilot", EVENING + DAY, unwell={}, silent={})
    assert isinstance(said, events.Halted)
    assert "pilot, broad, and the plan has canary, broad now" in said.why


def test_who_is_out_of_scope_or_excluded_is_left_out() -> None:
    gone: dict[str, Any] = {"in_scope": frozenset(NAMES) - {"mail"}, "left_out": {"db1": "all of it is excluded"}}
    first = records(after(*PILOT, world=gone), events.HostLeft)
    assert first == events.HostLeft(EVENING, "db1", "all of it is excluded")
    second = records(after(*PILOT, first, world=gone), events.HostLeft)
    assert second == events.HostLeft(EVENING, "mail", "not in scope any more")
    assert isinstance(after(*PILOT, first, second, world=gone, now=EVENING + DAY), Judge)


def test_who_left_after_it_was_done_holds_up_no_gate() -> None:
    """It can't be asked whether it is well: the ring is judged by those that are left."""
    now = AFTER + DAY
    done = (*BROAD, ALL_BROAD, *(ended(name, at=AFTER) for name in ("db1", "db2", "mail")), soaking("broad", AFTER))
    sold: dict[str, Any] = {"in_scope": frozenset(NAMES) - {"mail"}, "left_out": {"db1": "all of it is excluded"}}

    gone = records(after(*done, world=sold, now=now), events.HostLeft)
    assert gone == events.HostLeft(now, "mail", "not in scope any more")
    found = after(*done, gone, world=sold, now=now)

    assert isinstance(found, Judge)
    assert found.check == ("db1", "db2")
    said = deciding.verdict(rollout(*done, gone), plan(), "broad", now, unwell={}, silent={})
    assert isinstance(said, events.GatePassed)
    assert said.counts.left == 1


def test_who_is_in_scope_again_is_the_rollouts_business_again_until_the_gate() -> None:
    gone = events.HostLeft(EVENING, "db1", "not in scope any more")
    event = records(after(*BROAD, gone, now=AFTER), events.HostBack)
    assert event == events.HostBack(AFTER, "db1")
    assert begins(after(*BROAD, gone, event, now=AFTER)) == ("db1", "db2", "mail")
    late = (*BROAD, gone, batch("broad", "db2", "mail", at=AFTER), ended("db2", at=AFTER), ended("mail", at=AFTER))
    assert isinstance(after(*late, soaking("broad", AFTER, 0 * DAY), now=AFTER), Judge)


def test_it_is_complete_when_its_rings_are_and_then_nothing_follows() -> None:
    done = (*BROAD, ALL_BROAD, *(ended(name, at=AFTER) for name in ("db1", "db2", "mail")))
    end = (*done, soaking("broad", AFTER, 0 * DAY), passed("broad", AFTER))
    event = records(after(*end, now=AFTER), events.Completed)
    waits(after(*end, event, now=AFTER), "over", "complete")


@pytest.mark.thorough
def test_ten_thousand_hosts_are_decided_on_batch_by_batch() -> None:
    names = [f"h{number}" for number in range(10_000)]
    targets = tuple(events.Target(name, f"device:{name}", name) for name in names)
    rings = (events.RingTargets("pilot", targets), events.RingTargets("broad", ()))
    found = fold("r1", [replace(PLANNED, rings=rings), APPROVED, opened("pilot")])
    world, made = World(frozenset(names)), plan(**{"rates.at_once": 500})
    for number in range(3):
        decision = decide(found, made, EVENING, world)
        assert begins(decision) == tuple(names[number * 500 : (number + 1) * 500])
        assert isinstance(decision, Start)
        found = found.after(decision.event)
        for name in decision.event.hosts:
            found = found.after(events.HostEnded(EVENING, HostResult(name, "x", "patched", EVENING), 60))
