# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A customer's rollouts, tick by tick, on a real store; NetBox's plan and the hosts' answers are made (made_desk.py).

What a rollout decides is patching/test_deciding.py's and test_rollout_world.py's. Here it is what is read, written and
handed on between rounds, and what is left when a run dies.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import opened, rollouts, steering
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StoredRollout
from ansible_collections.msp.ops.plugins.plugin_utils.patching import installing
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import HostResult, Judged, Scan, Update
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.desk.made_desk import (
    ALWAYS,
    CONTENT,
    HOSTS,
    NOW,
    ONE,
    SETTING,
    SLUG,
    THREE,
    TWO,
    Desk,
    asked,
    two_classes,
    well,
)
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import data


def test_a_tick_takes_one_batch_and_its_gate_and_the_next_ones_go_on_to_the_end(desk: Desk) -> None:
    desk.waits()

    first = desk.round()

    assert [(work.host, work.operation) for work in first.tick.work] == [(ONE, "start")]
    arguments = first.tick.work[0].arguments
    assert arguments["packages"] == [{"name": "openssl", "architecture": "amd64", "version": "2"}]
    assert dt.datetime.fromisoformat(arguments["deadline"]) > NOW
    assert desk.leased()
    second = desk.round(first.tick, {ONE: well(ONE, "start")})
    # The ring need not soak, so its gate asks in the same run.
    assert [(work.host, work.operation) for work in second.tick.work] == [(ONE, "check")]
    assert desk.rollout().hosts[ONE].state == "patched"
    assert desk.leased()
    third = desk.round(second.tick, {ONE: well(ONE, "check")}, last=True)
    assert third.tick.work == ()
    assert not desk.leased()
    assert desk.rollout().rings[0].state == "complete"
    assert desk.to_the_end() == 1
    assert {host.state for host in desk.rollout().hosts.values()} == {"patched"}
    assert [host.begins for host in desk.rollout().hosts.values()] == [1, 1, 1]


def operations(desk: Desk) -> list[tuple[str, str]]:
    """What a whole run asks of whom, when all goes well."""
    found: list[tuple[str, str]] = []

    def answer(host: str, operation: str) -> Mapping[str, Any] | None:
        found.append((host, operation))
        return well(host, operation)

    desk.tick(answer)
    return found


def test_a_ring_that_soaks_is_not_judged_by_the_run_that_took_its_batch(desk: Desk) -> None:
    desk.content = {**CONTENT, "rings": [{**CONTENT["rings"][0], "soak": "1h"}, CONTENT["rings"][1]]}
    desk.waits()

    assert operations(desk) == [(ONE, "start")]
    assert operations(desk) == []
    assert desk.rollout().rings[0].state == "soaking"


def test_a_run_takes_one_batch_of_a_rollout_however_many_gates_it_passes(desk: Desk) -> None:
    desk.content = {**CONTENT, "rates": {"at_once": 1, "most_failures": 0, "most_lost": 0}}
    desk.waits()
    desk.to_the_gate()
    desk.dies()

    assert operations(desk) == [(ONE, "check"), (TWO, "start")]
    assert operations(desk) == [(THREE, "start"), (TWO, "check"), (THREE, "check")]
    assert desk.rollout().over


def test_a_run_that_took_a_batch_leaves_the_next_one_to_the_next_run(desk: Desk) -> None:
    desk.content = {**CONTENT, "rates": {"at_once": 1, "most_failures": 0, "most_lost": 0}}
    desk.waits()

    assert operations(desk) == [(ONE, "start"), (ONE, "check")]
    assert operations(desk) == [(TWO, "start")]
    assert operations(desk) == [(THREE, "start"), (TWO, "check"), (THREE, "check")]


def test_a_batch_that_fails_is_followed_by_no_gate_in_its_run(desk: Desk) -> None:
    desk.waits()
    failed = HostResult(ONE, "device:1", "failed", NOW, reason="its service is down")
    asked_for: list[str] = []

    def answer(_host: str, operation: str) -> Mapping[str, Any]:
        asked_for.append(operation)
        return {"state": "finished", "result": installing.plain(failed)}

    desk.tick(answer)

    assert asked_for == ["start"]
    assert desk.rollout().side == "halted"


def test_no_question_lets_a_host_begin_anything_after_the_lease_of_who_asks(desk: Desk) -> None:
    desk.waits()
    for operation in ("start", "look"):
        (work,) = desk.round().tick.work
        assert work.operation == operation
        ends = desk.store.now() + dt.timedelta(seconds=SETTING.wait + rollouts.MARGIN)
        assert dt.datetime.fromisoformat(work.arguments["begin_by"]) < ends - dt.timedelta(seconds=60)
        desk.dies()


def test_a_preview_says_what_would_be_done_and_writes_nothing(desk: Desk) -> None:
    desk.waits()

    found = rollouts.preview(desk.store, None, SETTING)  # type: ignore[arg-type]

    assert found.changed
    assert "1 of 1 waiting hosts of ring pilot" in "\n".join(found.as_dict()["summary"])
    assert desk.store.rollouts(SLUG) == []
    assert found.tick.work == ()
    assert not desk.leased()


def test_where_nothing_waits_nothing_is_planned_and_nothing_written(desk: Desk) -> None:
    found = desk.tick(well)

    assert (found.changed, found.said) == (False, ())
    assert not desk.leased()


def test_a_second_run_is_refused_while_one_is_at_work_and_looks_first_when_that_one_died(desk: Desk) -> None:
    desk.waits()
    desk.round()  # and dies, with its host at work

    with pytest.raises(MspError) as refused:
        desk.round()
    assert refused.value.code == "MSP-EVD-015"
    desk.dies()
    again = desk.round()

    assert [(work.host, work.operation) for work in again.tick.work] == [(ONE, "look")]
    assert desk.rollout().hosts[ONE].begins == 1


def test_who_is_still_at_work_is_left_at_it_and_asked_again_by_the_next_tick(desk: Desk) -> None:
    desk.waits()

    desk.tick(lambda _host, _operation: {"state": "working", "result": None})

    assert desk.rollout().hosts[ONE].state == "working"
    asked: list[str] = []

    def answer(host: str, operation: str) -> Mapping[str, Any]:
        asked.append(operation)
        return well(host, operation)

    desk.tick(answer)
    assert asked[0] == "look"
    assert desk.rollout().hosts[ONE].state == "patched"
    assert desk.rollout().hosts[ONE].begins == 1


def test_a_host_that_knows_nothing_of_the_work_is_begun_in_the_same_tick(desk: Desk) -> None:
    desk.waits()
    desk.round()
    desk.dies()
    asked: list[str] = []

    def answer(host: str, operation: str) -> Mapping[str, Any]:
        asked.append(operation)
        return {"state": "none", "result": None} if operation == "look" else well(host, operation)

    desk.tick(answer)

    assert asked == ["look", "start"]
    assert desk.rollout().hosts[ONE].state == "patched"


def test_what_a_rollout_installed_waits_no_more_although_no_scan_said_so_yet(desk: Desk) -> None:
    desk.waits()
    desk.to_the_end()

    found = desk.tick(well)

    assert (found.changed, found.said, found.notes) == (False, (), ())
    assert len(desk.store.rollouts(SLUG)) == 1


def test_what_somebody_aborted_is_not_tried_again_before_something_in_it_changes(desk: Desk) -> None:
    desk.waits()
    desk.round()
    steering.asked(desk.store, asked("abort", "not this week"), check=False)
    desk.dies()
    desk.tick(lambda _host, _operation: {"state": "none", "result": None})
    assert desk.rollout().side == "aborted"

    found = desk.tick(well)

    assert len(desk.store.rollouts(SLUG)) == 1
    assert "was aborted by anna" in found.notes[0]
    desk.waits(version="3")
    desk.tick(well)
    assert len(desk.store.rollouts(SLUG)) == 2


def test_what_a_rollout_left_undone_is_tried_again_but_not_at_once(desk: Desk) -> None:
    rates = {"at_once": 3, "most_failures": 0, "most_lost": 2}
    desk.content = {**CONTENT, "rates": rates, "rings": [CONTENT["rings"][0], {**CONTENT["rings"][1], "successes": 1}]}
    desk.waits()

    def one_is_away(host: str, operation: str) -> Mapping[str, Any] | None:
        return None if host == THREE else well(host, operation)

    for _unused in range(8):
        desk.tick(one_is_away)
    assert desk.rollout().state_at(NOW) == "complete"

    found = desk.tick(one_is_away)

    assert len(desk.store.rollouts(SLUG)) == 1
    assert "left undone is tried again from" in found.notes[0]


def test_what_fails_on_the_first_host_halts_the_rollout_and_no_other_host_is_begun(desk: Desk) -> None:
    desk.waits()
    failed = HostResult(ONE, "device:1", "failed", NOW, reason="its service is down")

    found = desk.tick(lambda _host, _operation: {"state": "finished", "result": installing.plain(failed)})

    assert found.as_dict()["halted"] == [desk.rollout().id]
    assert desk.tick(well).as_dict()["halted"] == [desk.rollout().id]
    assert [host.begins for host in desk.rollout().hosts.values()] == [1, 0, 0]


def test_a_gate_that_hears_nothing_from_its_host_is_not_passed(desk: Desk) -> None:
    desk.waits()

    desk.tick(lambda host, operation: None if operation == "check" else well(host, operation))

    assert desk.rollout().side == "halted"
    assert [host.begins for host in desk.rollout().hosts.values()] == [1, 0, 0]


@pytest.mark.parametrize("at", ["first", "second", "last"])
def test_netbox_down_at_any_round_keeps_the_lease_from_nobody_and_what_hosts_answered_is_kept(
    desk: Desk, at: str
) -> None:
    desk.waits()
    tick = None if at == "first" else desk.round().tick
    desk.down = True

    with pytest.raises(MspError) as down:
        desk.round(tick, {ONE: well(ONE, "start")} if tick else None, last=at == "last")

    assert down.value.code == "MSP-REG-001"
    assert not desk.leased()
    assert not tick or desk.rollout().hosts[ONE].state == "patched"
    desk.down = False
    asked_for: list[str] = []

    def answer(host: str, operation: str) -> Mapping[str, Any]:
        asked_for.append(operation)
        return well(host, operation)

    desk.tick(answer)
    # Nobody is looked at whose answer came.
    assert asked_for == (["check", "start", "start"] if tick else ["start", "check"])
    desk.to_the_end()
    assert [host.begins for host in desk.rollout().hosts.values()] == [1, 1, 1]


def test_netbox_down_at_a_gate_makes_no_verdict_and_the_next_tick_asks_again(desk: Desk) -> None:
    desk.waits()
    first = desk.to_the_gate()
    assert [work.operation for work in first.tick.work] == ["check"]
    desk.down = True

    with pytest.raises(MspError):
        desk.round(first.tick, {ONE: well(ONE, "check")})

    assert desk.rollout().rings[0].state == "soaking"
    desk.down = False
    desk.to_the_end()


def test_a_run_that_lost_its_lease_tells_nothing_of_what_it_heard_and_the_next_one_looks(desk: Desk) -> None:
    """It was held up; meanwhile another run looked, found no trace of the work, and began the host anew."""
    desk.waits()
    held_up = desk.round()
    desk.dies()
    other = desk.round()
    other = desk.round(other.tick, {ONE: {"state": "none", "result": None}})
    assert [(work.host, work.operation) for work in other.tick.work] == [(ONE, "start")]
    desk.dies()

    with pytest.raises(MspError) as refused:
        desk.round(held_up.tick, {ONE: {"failed": True, "msg": "the line was cut"}})

    assert refused.value.code == "MSP-PAT-155"
    assert desk.rollout().hosts[ONE].state == "working"
    assert not desk.leased()
    desk.to_the_end()
    assert desk.rollout().hosts[ONE].begins == 2


def test_a_gate_that_was_asked_before_another_run_went_on_judges_no_later_ring(desk: Desk) -> None:
    """The canary's answers came when the next ring stood at its gate: its own hosts were never asked."""
    desk.waits()
    held_up = desk.to_the_gate()
    desk.dies()
    desk.tick(well)
    assert desk.rollout().ring == desk.rollout().rings[1]
    before = desk.rollout().number

    with pytest.raises(MspError) as refused:
        desk.round(held_up.tick, {ONE: well(ONE, "check")})

    assert refused.value.code == "MSP-PAT-155"
    assert desk.rollout().number == before


def test_a_verdict_is_of_the_moment_at_which_the_hosts_were_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is turned back between the question and the answer: the soak was over when it was asked."""
    desk.waits()
    asked_at = desk.to_the_gate()
    clock = desk.store.now
    monkeypatch.setattr(desk.store, "now", lambda: clock() - dt.timedelta(minutes=1))

    desk.round(asked_at.tick, {ONE: well(ONE, "check")})

    assert desk.rollout().rings[0].state == "complete"
    assert desk.rollout().rings[0].completed == asked_at.tick.at


def test_a_host_is_asked_one_thing_a_round_so_that_no_answer_is_taken_for_another(desk: Desk) -> None:
    two_classes(desk)
    for _unused in range(20):
        found, asked_so_far = desk.round(), []
        for last in (False, True):
            hosts = [work.host for work in found.tick.work]
            asked_so_far += [(work.rollout, work.operation) for work in found.tick.work]
            assert len(hosts) == len(set(hosts)), found.tick.work
            assert set(found.as_dict()["tasks"]) == set(hosts)
            if hosts:
                answers = {work.host: well(work.host, work.operation) for work in found.tick.work}
                found = desk.round(found.tick, answers, last=last)
        if not asked_so_far:
            break

    assert {rollout.state_at(NOW) for rollout in (desk.rollout(0), desk.rollout(1))} == {"complete"}
    for number in (0, 1):
        assert [host.begins for host in desk.rollout(number).hosts.values()] == [1, 1, 1]


def test_a_host_of_which_a_gate_asks_whether_it_is_well_is_not_begun_by_another_rollout_meanwhile(desk: Desk) -> None:
    two_classes(desk)
    desk.waits(patch_class="emergency")
    desk.to_the_gate()
    desk.dies()
    two_classes(desk)

    found = desk.round()

    assert [(work.host, work.operation) for work in found.tick.work] == [(ONE, "check")]
    assert [one.rollout.patch_class for one in found.said] == ["emergency", "routine"]
    assert desk.rollout().hosts[ONE].begins == 0


def test_whom_another_rollout_asks_is_looked_at_in_the_next_round(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both rollouts lost the same host; each hears of its own work on it."""
    two_classes(desk)
    for _unused in range(3):
        desk.tick(lambda host, operation: None if host == ONE else well(host, operation))
    routine, emergency = sorted((desk.rollout(0), desk.rollout(1)), key=lambda one: one.patch_class, reverse=True)
    assert [one.hosts[ONE].state for one in (emergency, routine)] == ["lost", "lost"]
    clock = desk.store.now
    monkeypatch.setattr(desk.store, "now", lambda: clock() + dt.timedelta(hours=1))

    first = desk.round()
    assert [(work.rollout, work.operation) for work in first.tick.work] == [(emergency.id, "look")]
    second = desk.round(first.tick, {ONE: {"state": "working", "result": None}})
    assert [(work.rollout, work.operation) for work in second.tick.work] == [(routine.id, "look")]
    desk.round(second.tick, {ONE: well(ONE, "look")}, last=True)

    by_class = {one.patch_class: one for one in (desk.rollout(0), desk.rollout(1))}
    assert by_class["emergency"].hosts[ONE].state == "lost"
    assert by_class["routine"].hosts[ONE].state == "patched"


def test_a_plan_that_netbox_has_no_more_stops_its_rollout_and_says_so(desk: Desk) -> None:
    desk.waits()
    desk.tick(well)
    before = desk.rollout().number
    desk.content = None

    found = desk.tick(well)

    assert "NetBox has no patch plan office" in found.as_dict()["summary"][0]
    assert desk.rollout().number == before


def test_more_urgent_classes_have_rollouts_of_their_own_and_the_hosts_at_once_are_counted_over_all(desk: Desk) -> None:
    desk.content = data(
        **{
            **{"automatic": True, "windows.night": ALWAYS, "classes.routine.deferral": "0d"},
            "rates": {"at_once": 1, "most_failures": 0, "most_lost": 0},
        }
    )
    del desk.content["classes"]["routine"]["batch"], desk.content["batches"]
    urgent = Judged(Update("openssl", "amd64", "1", "2", None, True), "emergency", "critical", "vendor", "")
    common = Judged(Update("tzdata", "all", "1", "2", None, False), "routine", "low", "vendor", "")
    desk.store.record_scans(
        Scan(SLUG, asset, host, desk.store.now(), "ok", "debian-12", "apt", (urgent, common), NOW)
        for asset, host in HOSTS.items()
    )

    found = desk.round()

    assert [one.rollout.patch_class for one in found.said] == ["emergency", "routine"]
    assert [(work.host, work.arguments["packages"][0]["name"]) for work in found.tick.work] == [(ONE, "openssl")]
    assert found.said[1].told["next"] == "at once"


def test_a_newer_fix_ends_the_rollout_and_begins_another_with_the_hosts_that_were_done(desk: Desk) -> None:
    desk.waits()
    desk.tick(well)
    desk.waits(version="3")

    desk.tick(well)

    old, new = desk.rollout(1), desk.rollout(0)
    assert old.side == "superseded"
    assert new.hosts[ONE].state == "patched"
    assert new.manifest != old.manifest


def damaged(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store has another manifest than the one that was frozen, as if somebody had got at it."""
    read = desk.store.rollouts

    def changed(stored: StoredRollout) -> StoredRollout:
        rows = [{**row, "version": "666"} for row in stored.body["manifest"]]
        return replace(stored, body={**stored.body, "manifest": rows})

    monkeypatch.setattr(
        desk.store, "rollouts", lambda *some, **more: [changed(stored) for stored in read(*some, **more)]
    )


def test_a_manifest_that_is_not_what_was_frozen_installs_nothing_and_can_be_aborted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.content = {**CONTENT, "automatic": False}
    desk.waits()
    desk.tick(well)
    with monkeypatch.context() as changing:
        damaged(desk, changing)
        stored = desk.store.rollouts(SLUG)[0]

        with pytest.raises(MspError) as refused:
            steering.asked(desk.store, asked("approve", manifest=stored.manifest_hash), check=False)
        assert refused.value.code == "MSP-PAT-141"
        assert desk.tick(well).as_dict()["halted"] == [stored.id]
        steering.asked(desk.store, asked("abort"), check=False)
        desk.tick(well)

    first = desk.rollout(-1)
    assert (first.side, [host.begins for host in first.hosts.values()]) == ("aborted", [0, 0, 0])


@pytest.mark.thorough
@pytest.mark.parametrize("body", [{}, {"manifest": None}, {"manifest": [{"name": "openssl"}]}, {"manifest": ["x"]}])
def test_a_manifest_that_is_none_is_named_as_such(desk: Desk, body: dict[str, Any]) -> None:
    desk.waits()
    desk.tick(well)

    with pytest.raises(MspError) as refused:
        opened.manifest_of(replace(desk.store.rollouts(SLUG)[0], body=body))

    assert refused.value.code == "MSP-PAT-141"


def test_a_rollout_whose_plan_is_gone_is_aborted_once_its_hosts_are_known(desk: Desk) -> None:
    desk.waits()
    desk.round()
    desk.dies()
    desk.content = None

    found = desk.round()
    assert [(work.host, work.operation) for work in found.tick.work] == [(ONE, "look")]
    found = desk.round(found.tick, {ONE: well(ONE, "look")}, last=True)
    assert found.as_dict()["halted"] == [desk.rollout().id]
    steering.asked(desk.store, asked("abort"), check=False)
    desk.tick(well)

    assert desk.rollout().side == "aborted"
    assert desk.rollout().undone == (TWO, THREE)
