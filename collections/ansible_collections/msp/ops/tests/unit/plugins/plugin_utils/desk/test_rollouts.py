# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A customer's rollouts, tick by tick, on a real store; NetBox's plan and the hosts' answers are made (made_desk.py).

What a rollout decides is patching/test_deciding.py's and test_rollout_world.py's. Here it is what is read, written and
handed on between rounds, and what is left when a run dies.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import rollouts, steering
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
    Desk,
    asked,
    well,
)
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import data


def test_a_tick_begins_one_batch_and_the_next_ones_go_on_to_the_end(desk: Desk) -> None:
    desk.waits()

    first = desk.round()

    assert [(work.host, work.operation) for work in first.tick.work] == [(ONE, "start")]
    arguments = first.tick.work[0].arguments
    assert arguments["packages"] == [{"name": "openssl", "architecture": "amd64", "version": "2"}]
    assert dt.datetime.fromisoformat(arguments["deadline"]) > NOW
    assert desk.leased()
    second = desk.round(first.tick, {ONE: well(ONE, "start")})
    assert second.tick.work == ()
    assert not desk.leased()
    assert desk.rollout().hosts[ONE].state == "patched"
    assert desk.to_the_end() == 3
    assert {host.state for host in desk.rollout().hosts.values()} == {"patched"}
    assert [host.begins for host in desk.rollout().hosts.values()] == [1, 1, 1]


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
    desk.tick(well)

    desk.tick(lambda host, operation: None if operation == "check" else well(host, operation))

    assert desk.rollout().side == "halted"
    assert [host.begins for host in desk.rollout().hosts.values()] == [1, 0, 0]


@pytest.mark.parametrize("at", ["first", "second", "last"])
def test_netbox_down_at_any_round_is_an_error_that_keeps_the_lease_from_nobody_and_forgets_no_host(
    desk: Desk, at: str
) -> None:
    desk.waits()
    tick = None if at == "first" else desk.round().tick
    desk.down = True

    with pytest.raises(MspError) as down:
        desk.round(tick, {ONE: well(ONE, "start")} if tick else None, last=at == "last")

    assert down.value.code == "MSP-REG-001"
    assert not desk.leased()
    desk.down = False
    desk.to_the_end()
    assert [host.begins for host in desk.rollout().hosts.values()] == [1, 1, 1]


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
