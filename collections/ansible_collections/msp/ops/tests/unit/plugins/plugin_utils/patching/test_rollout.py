# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rollout's state out of its events: what follows what, what cannot, and that the store gives back what was told."""

from __future__ import annotations

import datetime as dt
import json
import re
import typing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StoredEvent
from ansible_collections.msp.ops.plugins.plugin_utils.patching import asking, events
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Event
from ansible_collections.msp.ops.plugins.plugin_utils.patching.history import History
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import HostResult
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import (
    APPROVED,
    BROAD,
    DAY,
    EVENING,
    HOUR,
    MINUTE,
    NAMES,
    NOON,
    PILOT,
    PLANNED,
    RINGS,
    batch,
    ended,
    failed,
    opened,
    passed,
    rollout,
    soaking,
)

PAUSED = events.Paused(NOON, "anna", "stocktaking")
RESUMED = events.Resumed(NOON, "anna", "done")
ABORT = events.AbortAsked(NOON, "anna", "wrong day")
HALTED = events.Halted(NOON, "too many failed")
WORKING = (*PILOT[:3],)
HALF = (*BROAD, batch("broad", "db1", "db2", "mail"), ended("db1", "failed"), ended("db2", "lost"), ended("mail"))

SEQUENCES: dict[str, tuple[tuple[Event, ...], str]] = {
    "planned twice": ((PLANNED,), "planned before"),
    "approved twice": ((APPROVED, APPROVED), "approved already"),
    "approved while it is aborted": ((ABORT, APPROVED), "aborting"),
    "a ring without an approval": ((opened("pilot"),), "nobody approved"),
    "the second ring first": ((APPROVED, opened("broad")), "at ring pilot"),
    "a ring twice": ((*PILOT[:2], opened("pilot")), "the ring is active"),
    "a ring of another rollout": ((APPROVED, opened("other")), "at ring pilot"),
    "a batch before its ring": ((APPROVED, batch("pilot", "till")), "the ring is waiting"),
    "a batch without hosts": ((*PILOT[:2], batch("pilot")), "no host"),
    "a batch with a host twice": ((*PILOT[:2], batch("pilot", "till", "till")), "twice"),
    "a host of another ring": ((*PILOT[:2], batch("pilot", "db1")), "db1 is not in it"),
    "a host that is at work": ((*WORKING, batch("pilot", "till")), "till is working"),
    "a host that is done": ((*PILOT, batch("pilot", "till")), "till is patched"),
    "a host that was lost, without a look": ((*WORKING, ended("till", "lost"), batch("pilot", "till")), "till is lost"),
    "a batch while it is paused": ((*PILOT[:2], PAUSED, batch("pilot", "till")), "it is paused"),
    "a batch while it is halted": ((*PILOT[:2], HALTED, batch("pilot", "till")), "it is halted"),
    "a batch while it is aborted": ((*PILOT[:2], ABORT, batch("pilot", "till")), "it is aborting"),
    "a result of a host that was not begun": ((*PILOT[:2], ended("till")), "till is waiting"),
    "a result twice": ((*PILOT, ended("till")), "till is patched"),
    "a result of a stranger": (
        (*WORKING, events.HostEnded(NOON, HostResult("nobody", "device:9", "patched", NOON))),
        "nobody is no host of it",
    ),
    "a result that is none": ((*WORKING, ended("till", "fine")), "'fine' is no outcome"),
    "idle, but not begun": ((*PILOT[:2], events.HostIdle(NOON, "till")), "till is waiting"),
    "a host that leaves while it is at work": ((*WORKING, events.HostLeft(NOON, "till", "sold")), "till is working"),
    "a host that is back and never left": ((*PILOT, events.HostBack(NOON, "till")), "till is patched"),
    "a soak before all were tried": ((*BROAD, batch("broad", "db1"), ended("db1"), soaking("broad")), "db2, mail"),
    "a soak twice": ((*PILOT, soaking("pilot")), "the ring is soaking"),
    "a gate before the soak": ((*PILOT[:4], passed("pilot")), "the ring is active"),
    "a gate while it soaks": ((*PILOT, passed("pilot", EVENING + DAY - HOUR)), "soak is not over"),
    "a gate while a host is at work": (
        (
            *BROAD,
            batch("broad", "db1", "db2", "mail"),
            ended("db1"),
            ended("db2"),
            ended("mail", "refused"),
            soaking("broad", soak=0 * DAY),
            batch("broad", "mail"),
            passed("broad"),
        ),
        "nothing is known of mail",
    ),
    "a pause twice": ((PAUSED, PAUSED), "it is paused"),
    "a pause of what is halted": ((HALTED, PAUSED), "it is halted"),
    "resumed, but it goes on": ((RESUMED,), "neither paused nor halted"),
    "an abort asked for twice": ((ABORT, ABORT), "asked already"),
    "aborted, and nobody asked": ((events.Aborted(NOON, NAMES),), "it is not aborting"),
    "aborted while a host is at work": ((*WORKING, ABORT, events.Aborted(NOON, NAMES)), "nothing is known of till"),
    "expired with a host forgotten": ((events.Expired(NOON, NAMES[:3]),), "mail is not told of"),
    "complete before its rings are": ((*PILOT, events.Completed(NOON)), "ring pilot is not complete"),
    "rolled back without a halt": ((*HALF, events.RollbackStarted(NOON, ("db1",))), "only what halted"),
    "a healthy host rolled back": ((*HALF, HALTED, events.RollbackStarted(NOON, ("mail",))), "mail is patched"),
    "rolled back twice": (
        (
            *HALF,
            HALTED,
            events.RollbackStarted(NOON, ("db1",)),
            ended("db1", "failed", at=EVENING + HOUR),
            events.RollbackStarted(NOON, ("db1",)),
        ),
        "db1 was rolled back before",
    ),
    "anything after the end": ((events.Superseded(NOON, "openssl", NAMES), PAUSED), "the rollout is over"),
}


@pytest.mark.parametrize("name", list(SEQUENCES))
def test_an_event_that_cannot_follow_is_refused_with_why(name: str) -> None:
    (*before, last), why = SEQUENCES[name]
    so_far = rollout(*before)
    with pytest.raises(MspError) as caught:
        so_far.after(last)
    assert caught.value.code == "MSP-PAT-070"
    assert why in caught.value.found


@pytest.mark.parametrize("history", [(), (APPROVED,)])
def test_a_history_begins_with_how_the_rollout_was_planned(history: tuple[Event, ...]) -> None:
    with pytest.raises(MspError) as caught:
        states.fold("r1", history)
    assert caught.value.code == "MSP-PAT-070"


@pytest.mark.parametrize("rings", [(), (RINGS[0], RINGS[0]), (RINGS[0], replace(RINGS[0], name="other"))])
def test_a_host_is_in_one_ring_once(rings: tuple[events.RingTargets, ...]) -> None:
    with pytest.raises(MspError) as caught:
        states.begin("r1", replace(PLANNED, rings=rings))
    assert caught.value.code == "MSP-PAT-074"


STATES: dict[str, tuple[tuple[Event, ...], str, str | None, str, str]] = {
    "planned": ((), "planned", None, "waiting", "waiting"),
    "approved": ((APPROVED,), "approved", None, "waiting", "waiting"),
    "paused": ((APPROVED, PAUSED), "approved", "paused", "waiting", "waiting"),
    "resumed": ((APPROVED, PAUSED, RESUMED), "approved", None, "waiting", "waiting"),
    "active": (PILOT[:2], "active", None, "active", "waiting"),
    "soaking": (PILOT, "soaking", None, "soaking", "waiting"),
    "between rings": ((*PILOT, passed("pilot")), "waiting", None, "complete", "waiting"),
    "halted at the gate": ((*PILOT, failed("pilot")), "soaking", "halted", "soaking", "waiting"),
    "the second ring": (BROAD, "active", None, "complete", "active"),
    "aborting": ((*BROAD, ABORT), "active", "aborting", "complete", "active"),
    "aborted": ((ABORT, events.Aborted(NOON, NAMES)), "planned", "aborted", "waiting", "waiting"),
    "expired": ((events.Expired(NOON, NAMES),), "planned", "expired", "waiting", "waiting"),
    "superseded": ((events.Superseded(NOON, "x", NAMES),), "planned", "superseded", "waiting", "waiting"),
}


@pytest.mark.parametrize("name", list(STATES))
def test_the_state_of_the_whole_and_of_its_rings(name: str) -> None:
    history, whole, side, pilot, broad = STATES[name]
    found = rollout(*history)
    now = EVENING + HOUR
    assert (found.state_at(now), found.side) == (whole, side)
    assert tuple(ring.state_at(now) for ring in found.rings) == (pilot, broad)
    assert found.over == (side in ("aborted", "expired", "superseded"))


def test_a_ring_whose_soak_is_over_stands_at_its_gate() -> None:
    assert rollout(*PILOT).state_at(EVENING + DAY) == "gate"


def test_to_the_end() -> None:
    done = (ended("db1"), ended("db2", "nothing"), ended("mail", "lost"))
    history = (*BROAD, batch("broad", "db1", "db2", "mail"), *done, soaking("broad", soak=0 * DAY), passed("broad"))
    found = rollout(*history, events.Completed(NOON))
    assert found.state_at(NOON) == "complete"
    assert found.over
    assert found.undone == ("mail",)
    assert found.number == len(history) + 2


def test_after_a_halt_what_failed_is_offered_again_and_what_was_lost_is_looked_at_first() -> None:
    found = rollout(*HALF, HALTED, RESUMED)
    assert {name: host.state for name, host in found.hosts.items()} == {
        "till": "patched",
        "db1": "waiting",
        "db2": "working",
        "mail": "patched",
    }
    assert found.side is None


def test_after_a_failed_gate_the_ring_soaks_anew_and_nobody_is_unwell_any_more() -> None:
    unwell = rollout(*PILOT, failed("pilot", till="nginx is not active"))
    assert unwell.hosts["till"].unwell == "nginx is not active"
    found = unwell.after(RESUMED)
    assert (found.rings[0].state, found.rings[0].soak_until, found.hosts["till"].unwell) == ("active", None, "")


def test_a_rollback_that_never_reached_its_host_leaves_it_as_it_was() -> None:
    halted = rollout(*PILOT, failed("pilot", till="broken"), events.RollbackStarted(NOON, ("till",)))
    idle = halted.after(events.HostIdle(NOON, "till"))
    assert (idle.hosts["till"].state, idle.hosts["till"].unwell) == ("patched", "broken")
    back = halted.after(ended("till", "rolled back"))
    assert (back.hosts["till"].state, back.hosts["till"].went_back) == ("rolled back", True)


@pytest.mark.parametrize(("outcome", "tried"), [("patched", False), ("nothing", False), ("refused", True)])
def test_a_way_back_that_did_not_begin_leaves_its_host_unwell(outcome: str, tried: bool) -> None:
    """A look finds what is there: the end of the way there. What the host refuses is not tried again."""
    halted = rollout(*PILOT, failed("pilot", till="broken"), events.RollbackStarted(NOON, ("till",)))
    found = halted.after(ended("till", outcome)).hosts["till"]
    assert (found.state, found.unwell, found.went_back) == ("patched", "broken", tried)


def test_a_failure_that_was_known_before_the_way_back_is_none_of_the_way_back() -> None:
    """The controller died before it asked the host to go back: a look finds the failure of the way there."""
    halted = rollout(*HALF, HALTED, events.RollbackStarted(NOON, ("db1",)))

    found = halted.after(ended("db1", "failed")).hosts["db1"]
    assert (found.state, found.rolling, found.went_back) == ("failed", False, False)

    lost = halted.after(ended("db1", "lost", at=EVENING + HOUR))
    assert lost.after(ended("db1", "rolled back", at=EVENING + MINUTE)).hosts["db1"].went_back
    assert halted.after(ended("db1", "failed", at=EVENING + HOUR)).hosts["db1"].went_back


def test_a_host_that_was_lost_may_be_down_also_after_it_left() -> None:
    lost = rollout(*WORKING, ended("till", "lost"))
    left = lost.after(events.HostLeft(NOON, "till", "sold"))
    never = rollout(APPROVED, events.HostLeft(NOON, "till", "sold"))
    assert lost.hosts["till"].maybe_down
    assert left.hosts["till"].maybe_down
    assert not never.hosts["till"].maybe_down


def test_a_host_that_is_back_is_what_it_was() -> None:
    left = events.HostLeft(NOON, "till", "sold")
    back = events.HostBack(NOON, "till")
    assert rollout(APPROVED, left, back).hosts["till"].state == "waiting"
    assert rollout(*WORKING, ended("till", "lost"), left, back).hosts["till"].state == "lost"
    assert rollout(*WORKING, ended("till"), left, back).hosts["till"].state == "patched"


# What people ask


def test_what_a_person_asks_becomes_an_event_that_can_follow() -> None:
    found = asking.ask(rollout(), "approve", by=" anna ", reason="ok", at=NOON, manifest="hash")
    assert found == events.Approved(NOON, "hash", "anna", "ok")
    assert asking.ask(rollout(), "pause", by="anna", reason="ok", at=NOON) == events.Paused(NOON, "anna", "ok")


@pytest.mark.parametrize(
    ("action", "by", "reason", "manifest", "code"),
    [
        ("approve", "anna", "ok", "another", "MSP-PAT-072"),
        ("approve", "anna", "ok", "", "MSP-PAT-072"),
        ("approve", "", "ok", "hash", "MSP-PAT-073"),
        ("approve", "the plan", "ok", "hash", "MSP-PAT-073"),
        ("abort", "anna", " ", "", "MSP-PAT-073"),
        ("stop", "anna", "ok", "", "MSP-PAT-073"),
        ("resume", "anna", "ok", "", "MSP-PAT-070"),
    ],
)
def test_what_a_person_cannot_ask_is_refused(action: str, by: str, reason: str, manifest: str, code: str) -> None:
    with pytest.raises(MspError) as caught:
        asking.ask(rollout(), action, by=by, reason=reason, at=NOON, manifest=manifest)
    assert caught.value.code == code


# What is written and read


def history_of(*told: Event) -> tuple[History, list[Event]]:
    """A history whose store is a list; what others write there is in it too."""
    written: list[Event] = [PLANNED, *told]

    def write(number: int, event: Event) -> None:
        if number != len(written) + 1:
            raise MspError("MSP-EVD-018", "", "", "")
        written.append(event)

    return History("r1", lambda: list(written), write), written


def test_what_was_decided_before_somebody_wrote_is_not_written() -> None:
    history, written = history_of(APPROVED)
    written.append(PAUSED)
    assert not history.decided(opened("pilot"))
    assert history.rollout.side == "paused"
    assert written[-1] == PAUSED


def test_what_happened_is_written_after_what_came_meanwhile() -> None:
    history, written = history_of(*WORKING)
    written.append(PAUSED)
    assert history.happened(ended("till"))
    assert [one.kind for one in written[-2:]] == ["paused", "host result"]


def test_what_somebody_told_already_is_not_told_twice() -> None:
    history, written = history_of(*WORKING)
    written.append(ended("till", "nothing"))
    assert not history.happened(ended("till"))
    assert written[-1] == ended("till", "nothing")


def test_a_refusal_of_the_store_that_is_no_conflict_goes_through() -> None:
    history, _written = history_of()

    def refuse(_number: int, _event: Event) -> None:
        raise MspError("MSP-EVD-019", "", "", "")

    history._write = refuse
    with pytest.raises(MspError) as caught:
        history.decided(APPROVED)
    assert caught.value.code == "MSP-EVD-019"


def test_a_result_that_others_write_before_again_and_again_is_named() -> None:
    history, _written = history_of(*WORKING)

    def taken(_number: int, _event: Event) -> None:
        raise MspError("MSP-EVD-018", "", "", "")

    history._write = taken
    with pytest.raises(MspError) as caught:
        history.happened(ended("till"))
    assert caught.value.code == "MSP-PAT-075"


TEXT = st.text(max_size=4)
TIME = st.datetimes(timezones=st.just(dt.UTC))
RESULTS = st.builds(
    HostResult,
    TEXT,
    TEXT,
    st.sampled_from(("patched", "lost")),
    TIME,
    before=st.dictionaries(TEXT, TEXT, max_size=2),
    rebooted=st.none() | st.booleans(),
    kept_files=st.lists(TEXT, max_size=2).map(tuple),
    detail=st.dictionaries(TEXT, st.integers() | TEXT, max_size=2),
)
st.register_type_strategy(HostResult, RESULTS)
st.register_type_strategy(dt.datetime, TIME)


@pytest.mark.thorough
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_event_comes_back_from_the_store_as_it_was_told(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(typing.get_args(Event)))
    event: Event = data.draw(st.builds(kind))
    stored = events.stored(event)
    body = json.loads(hashing.canonical_json(dict(stored.body)))
    assert events.read(replace(stored, body=body)) == event
    assert stored.closes == (kind in (events.Completed, *states._CLOSED))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("unheard of", {}),
        ("halted", {}),
        ("halted", {"why": 3}),
        ("halted", {"why": "x", "more": 1}),
        ("soak started", {"ring": "pilot", "until": "soon"}),
        ("soak started", {"ring": "pilot", "until": "2026-06-09T12:00:00"}),
        ("batch started", {"ring": "pilot", "hosts": "till"}),
        ("host result", {"result": []}),
    ],
)
def test_an_event_that_this_version_does_not_know_is_named(kind: str, body: dict[str, object]) -> None:
    with pytest.raises(MspError) as caught:
        events.read(StoredEvent(kind, NOON, body, number=7))
    assert caught.value.code == "MSP-PAT-071"
    assert "event 7" in caught.value.expected


def test_a_rollout_is_stored_with_its_first_event_and_a_name_that_fits_a_file() -> None:
    found = events.starting("bakkerij-jansen", "office", "ph", PLANNED, {"manifest": []})
    assert re.fullmatch(r"bakkerij-jansen-20260609T120000-[0-9a-f]{8}", found.id)
    assert events.of(found) == [PLANNED]


def test_two_plans_and_two_classes_with_the_same_to_install_have_rollouts_of_their_own() -> None:
    routine = replace(PLANNED, patch_class="routine")
    made = [("office", PLANNED), ("shop", PLANNED), ("office", routine), ("office", PLANNED)]
    ids = [events.starting("c", plan, "ph", planned, {}).id for plan, planned in made]
    assert len(set(ids)) == 3
    assert ids[0] == ids[3]


OWES = (*PILOT[:3], ended("till", "reboot owed"))


def test_a_host_that_owes_a_reboot_is_begun_again_and_keeps_its_ring_from_soaking() -> None:
    found = rollout(*OWES)
    assert found.hosts["till"].state == states.OWED
    assert not found.hosts["till"].maybe_down
    with pytest.raises(MspError, match="till has no result yet"):
        found.after(soaking("pilot"))
    again = found.after(batch("pilot", "till"))
    assert (again.hosts["till"].state, again.hosts["till"].begins) == (states.WORKING, 2)
    assert again.after(ended("till")).after(soaking("pilot")).hosts["till"].done


def test_a_reboot_that_is_owed_is_none_of_the_way_back() -> None:
    """The host tells of the way there: the way back never reached it."""
    back = (*PILOT, failed("pilot", till="down"), events.RollbackStarted(EVENING + DAY, ("till",)))
    assert rollout(*back, ended("till", "reboot owed")).hosts["till"].state == "patched"


def test_what_a_host_told_besides_comes_back_from_the_store_and_old_events_lack_it() -> None:
    told = ended("till", owed=("reboot: linux-image-6.1",), held=("nginx: hold",), there=())
    assert events.read(events.stored(told)) == told
    old = events.read(events.stored(ended("till", "nothing")))
    assert isinstance(old, events.HostEnded)
    assert (old.result.owed, old.result.held, old.result.there) == ((), (), None)
    targets = events.read(events.stored(PLANNED))
    assert isinstance(targets, events.Planned)
    assert targets.rings[0].hosts[0].machine_id == ""
