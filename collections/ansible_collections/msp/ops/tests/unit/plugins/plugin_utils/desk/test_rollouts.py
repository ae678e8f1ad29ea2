# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A customer's rollouts, tick by tick, on a real store; NetBox's plan and the hosts' answers are made.

What a rollout decides is patching/test_deciding.py's and test_rollout_world.py's. Here it is what is read, written and
handed on between rounds, and what is left when a run dies.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_plans, rollouts
from ansible_collections.msp.ops.plugins.plugin_utils.desk.rollouts import Round, Setting, Tick
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events, installing
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import Assignment, assign
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import HostResult, Judged, Scan, Update
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Rollout, fold
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import data

CUSTOMER = Customer(1, "bakkerij-jansen", "Bakkerij Jansen", None)
SLUG = CUSTOMER.slug
NOW = dt.datetime.now(dt.UTC)
MEMBERS = tuple(
    Member(f"device:{number}", f"pc0{number}", frozenset({"msp-ring-pilot"} if number == 1 else ()))
    for number in (1, 2, 3)
)
HOSTS = {member.key: f"{member.name}.{SLUG}" for member in MEMBERS}
ONE, TWO, THREE = HOSTS.values()
ALWAYS = {"rule": "FREQ=DAILY", "start": "00:00", "duration": "24h", "cutoff": "1m"}
CONTENT = data(
    **{
        "automatic": True,
        "windows.night": ALWAYS,
        "rates": {"at_once": 2, "most_failures": 0, "most_lost": 0},
        "rings.0.soak": "0m",
        "rings.1.successes": 2,
        "rollback": "none",
    }
)
SETTING = Setting(CUSTOMER, HOSTS, 600, by="timer")
Answers = Mapping[str, Mapping[str, Any] | None]


class Desk:
    """A store with what waits, and the plan that NetBox has; ticks as playbooks/patch.yml makes them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.content: dict[str, Any] | None = CONTENT
        self.down = False

    def plans(self, *_arguments: object) -> Assignment:
        if self.down:
            raise MspError("MSP-REG-001", "NetBox to answer", "nothing", "start it")
        return assign((member, {"msp_patch_plan": self.content} if self.content else {}) for member in MEMBERS)

    def waits(self, name: str = "openssl", version: str = "2", patch_class: str = "security") -> None:
        update = Update(name, "amd64", "1", version, "Lab/main", True)
        found = Judged(update, patch_class, "high", "vendor", "")
        self.store.record_scans(
            Scan(SLUG, asset, host, self.store.now(), "ok", "debian-12", "apt", (found,), NOW)
            for asset, host in HOSTS.items()
        )

    def round(self, tick: Tick | None = None, answers: Answers | None = None, *, last: bool = False) -> Round:
        setting = replace(SETTING, last=last)
        return rollouts.round_of(self.store, None, setting, tick, answers or {})  # type: ignore[arg-type]

    def tick(self, answer: Callable[[str, str], Mapping[str, Any] | None]) -> Round:
        """All rounds of a run. answer gets a host and an operation."""
        found = self.round()
        for last in (False, True):
            if found.tick.work:
                answers = {work.host: answer(work.host, work.operation) for work in found.tick.work}
                # What is handed on goes through Ansible, as plain values.
                found = self.round(Tick.of(found.tick.as_dict()), answers, last=last)
        return found

    def to_the_end(self) -> int:
        """Ticks in which all goes well, until the newest rollout is complete; how many it took."""
        for number in range(1, 12):
            self.tick(well)
            if self.rollout().over:
                assert self.rollout().side is None
                return number
        raise AssertionError(self.rollout())

    def rollout(self, number: int = 0) -> Rollout:
        stored = self.store.rollouts(SLUG)[number]
        return fold(stored.id, events.of(stored))

    def leased(self) -> bool:
        try:
            leases.release(self.store, leases.take(self.store, rollouts.lease_name(SLUG), "somebody else"))
        except MspError:
            return True
        return False


@pytest.fixture
def desk(store: Store, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(store)
    monkeypatch.setattr(patch_plans, "plans_of", made.plans)
    return made


def well(host: str, operation: str) -> Mapping[str, Any]:
    """A host on which everything goes well."""
    if operation == "check":
        return {"state": "finished", "healthy": True, "why": ""}
    asset = next(key for key, name in HOSTS.items() if name == host)
    now = dt.datetime.now(dt.UTC)
    result = HostResult(host, asset, "patched", now, {"openssl:amd64": "1"}, {"openssl:amd64": "2"}, healthy=True)
    return {"state": "finished", "result": installing.plain(result)}


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
    desk.store.database.write(lambda connection: connection.exec_driver_sql("UPDATE leases SET expires = 0"))
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
    desk.store.database.write(lambda connection: connection.exec_driver_sql("UPDATE leases SET expires = 0"))
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
    said = {"customer": SLUG, "action": "abort", "rollout": "", "by": "anna", "reason": "not this week", "manifest": ""}
    rollouts.asked(desk.store, said, check=False)
    desk.store.database.write(lambda connection: connection.exec_driver_sql("UPDATE leases SET expires = 0"))
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


def test_what_waits_for_a_person_is_approved_by_its_manifest_alone(desk: Desk) -> None:
    desk.content = {**CONTENT, "automatic": False}
    desk.waits()
    desk.tick(well)
    stored = desk.store.rollouts(SLUG)[0]
    said = {"customer": SLUG, "action": "approve", "rollout": "", "by": "anna", "reason": "agreed", "manifest": "other"}

    with pytest.raises(MspError) as refused:
        rollouts.asked(desk.store, said, check=False)
    assert refused.value.code == "MSP-PAT-072"
    rollouts.asked(desk.store, {**said, "manifest": stored.manifest_hash}, check=True)
    assert desk.rollout().approval is None
    rollouts.asked(desk.store, {**said, "manifest": stored.manifest_hash}, check=False)

    approval = desk.rollout().approval
    assert approval is not None
    assert (approval.by, approval.reason) == ("anna", "agreed")
    desk.tick(well)
    assert desk.rollout().hosts[ONE].state == "patched"


def test_a_pause_in_the_middle_of_a_batch_holds_from_the_next_step_on(desk: Desk) -> None:
    desk.waits()
    first = desk.round()
    said = {
        "customer": SLUG,
        "action": "pause",
        "rollout": "",
        "by": "anna",
        "reason": "the baker calls",
        "manifest": "",
    }

    rollouts.asked(desk.store, said, check=False)
    desk.round(first.tick, {ONE: well(ONE, "start")}, last=True)
    desk.tick(well)

    assert desk.rollout().hosts[ONE].state == "patched"
    assert [host.begins for host in desk.rollout().hosts.values()] == [1, 0, 0]
    rollouts.asked(desk.store, {**said, "action": "resume"}, check=False)
    desk.to_the_end()
    assert [host.begins for host in desk.rollout().hosts.values()] == [1, 1, 1]


@pytest.mark.parametrize(("rollout", "found"), [("", "none open"), ("r9", "none open")])
def test_a_person_speaks_of_an_open_rollout(desk: Desk, rollout: str, found: str) -> None:
    said = {"customer": SLUG, "action": "pause", "rollout": rollout, "by": "anna", "reason": "why", "manifest": ""}

    with pytest.raises(MspError) as refused:
        rollouts.asked(desk.store, said, check=False)

    assert (refused.value.code, refused.value.found) == ("MSP-PAT-142", found)


def test_a_manifest_that_is_not_what_was_frozen_installs_nothing(desk: Desk) -> None:
    desk.waits()
    desk.tick(well)
    stored = desk.store.rollouts(SLUG)[0]
    other = [{**stored.body["manifest"][0], "version": "666"}]

    with pytest.raises(MspError) as refused:
        rollouts.manifest_of(replace(stored, body={**stored.body, "manifest": other}))

    assert refused.value.code == "MSP-PAT-141"


@pytest.mark.parametrize(
    "said", [{}, {"holder": "me"}, {"holder": "me", "work": [{"host": "a"}], "acted": [], "running": {}}]
)
def test_a_tick_that_is_none_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(MspError) as refused:
        Tick.of(said)

    assert refused.value.code == "MSP-PAT-140"


@pytest.mark.parametrize("wait", [0, 59, 21_601])
def test_a_wait_that_makes_no_sense_is_refused(wait: int) -> None:
    with pytest.raises(MspError) as refused:
        rollouts.setting_of(CUSTOMER, HOSTS, {"wait": wait, "last": False, "by": ""})

    assert refused.value.code == "MSP-PAT-143"


def test_the_status_is_of_the_open_rollouts_and_writes_nothing(desk: Desk) -> None:
    desk.waits()
    assert rollouts.status(desk.store, None, CUSTOMER)["rollouts"] == []  # type: ignore[arg-type]
    desk.tick(well)
    before = desk.rollout().number

    found = rollouts.status(desk.store, None, CUSTOMER)  # type: ignore[arg-type]

    assert found["rollouts"][0]["rings"][0]["hosts"] == {"patched": 1}
    assert found["changed"] is False
    assert desk.rollout().number == before
