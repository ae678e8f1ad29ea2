# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whom a customer's rollouts touch, and with what: each host its own portion, pairs over all rollouts, what was given
up, and what keeps a rollout from being begun. On SQLite alone: what a store does is test_rollouts.py's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_plans, rollouts, steering
from ansible_collections.msp.ops.plugins.plugin_utils.desk.ticks import Again, Round, Tick
from ansible_collections.msp.ops.plugins.plugin_utils.patching import installing
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import assign
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import HostResult
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.desk.made_desk import (
    ALWAYS,
    CONTENT,
    HOSTS,
    MEMBERS,
    NOW,
    ONE,
    SETTING,
    SLUG,
    THREE,
    TWO,
    Desk,
    asked,
    two_classes,
    update,
    well,
)
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import data


@pytest.fixture
def kind() -> str:
    return "sqlite"


# Which hosts, and what of it


def starts(found: Round) -> dict[str, list[str]]:
    """Who is begun, and with which packages."""
    return {
        work.host: [f"{one['name']} {one['version']}" for one in work.arguments["packages"]]
        for work in found.tick.work
        if work.operation == "start"
    }


def test_the_machine_that_was_scanned_is_named_in_every_question(desk: Desk) -> None:
    for asset in HOSTS:
        desk.scanned(asset, update("openssl"), machine_id=f"id-of-{asset}")

    first = desk.round()
    assert [work.arguments["machine_id"] for work in first.tick.work] == ["id-of-device:1"]
    desk.dies()
    assert [work.arguments["machine_id"] for work in desk.round().tick.work] == ["id-of-device:1"]


def test_what_is_excluded_somewhere_is_said_with_the_question(desk: Desk) -> None:
    rule = {"reason": "the till's maker", "owner": "anna", "expires": "2099-01-01"}
    desk.content = {**CONTENT, "exclusions": [{"package": "lab-*", "assets": ["pc01"], **rule}]}
    desk.waits()

    assert [work.arguments["excluded"] for work in desk.round().tick.work] == [["lab-*"]]


def test_what_a_host_holds_back_itself_is_left_out_there_with_a_note(desk: Desk) -> None:
    desk.waits()
    desk.scanned("device:1", update("openssl", held="pinned"), update("nginx"))

    found = desk.round()

    assert starts(found) == {ONE: ["nginx 2"]}
    assert any(f"{ONE}: without openssl: pinned" in note for note in found.notes)


def test_each_host_gets_the_version_of_its_own_source(desk: Desk) -> None:
    for asset in HOSTS:
        desk.scanned(asset, update("nginx", "1.22.1-9+deb12u2", origin="Debian/bookworm"))
    desk.scanned("device:1", update("nginx", "1.26.1-1", origin="nginx/stable"))

    assert starts(desk.round()) == {ONE: ["nginx 1.26.1-1"]}
    desk.dies()
    desk.tick(well)
    assert starts(desk.round()) == {TWO: ["nginx 1.22.1-9+deb12u2"], THREE: ["nginx 1.22.1-9+deb12u2"]}


def test_a_host_that_left_the_plan_is_not_touched_whatever_the_inventory_says(desk: Desk) -> None:
    """In NetBox it is excluded, or has another plan; AWX's inventory is older than that."""
    desk.content = {**CONTENT, "rings": [CONTENT["rings"][0], {**CONTENT["rings"][1], "successes": 1}]}
    desk.waits()
    desk.tick(well)
    desk.members = MEMBERS[:2]

    found = desk.round()

    assert starts(found) == {TWO: ["openssl 2"]}
    assert desk.rollout().hosts[THREE].state == "left"


def test_a_host_that_failed_and_then_left_the_plan_is_not_taken_back(desk: Desk) -> None:
    """It may be stateful in its new plan: nobody knows that here."""
    desk.content = {**CONTENT, "rollback": "downgrade"}
    desk.waits()
    broken = HostResult(ONE, "device:1", "failed", NOW, healthy=False, reason="its service is down")
    answer = {"state": "finished", "result": installing.plain(broken)}
    first = desk.round()
    desk.members = (replace(MEMBERS[1], tags=MEMBERS[0].tags), MEMBERS[2])

    found = desk.round(first.tick, {ONE: answer})

    assert desk.rollout().side == "halted"
    assert found.tick.work == ()


def test_a_look_at_a_host_that_left_the_plan_lets_it_begin_nothing_more(desk: Desk) -> None:
    desk.waits()
    desk.round()
    desk.dies()
    steering.asked(desk.store, asked("pause"), check=False)
    paused = desk.round()
    assert [(work.operation, work.arguments["finish_only"]) for work in paused.tick.work] == [("look", True)]
    steering.asked(desk.store, asked("resume"), check=False)
    desk.dies()
    assert [work.arguments["finish_only"] for work in desk.round().tick.work] == [False]
    desk.dies()
    desk.members = MEMBERS[1:]
    (gone,) = desk.round().tick.work
    assert gone.arguments["finish_only"]
    assert "reboot" not in gone.arguments


@pytest.mark.parametrize("check", [False, True])
def test_an_asset_with_a_plan_that_the_inventory_lacks_is_an_error_that_names_it(desk: Desk, check: bool) -> None:
    desk.waits()
    desk.setting = replace(SETTING, hosts={asset: host for asset, host in HOSTS.items() if host != TWO})

    with pytest.raises(MspError) as refused:
        if check:
            rollouts.preview(desk.store, None, desk.setting)  # type: ignore[arg-type]
        else:
            desk.round()

    assert (refused.value.code, refused.value.found) == ("MSP-PAT-185", "pc02 not there")
    assert desk.store.rollouts(SLUG) == []
    assert not desk.leased()


def test_what_hosts_answered_is_kept_also_where_an_asset_is_missing_meanwhile(desk: Desk) -> None:
    desk.waits()
    first = desk.round()
    desk.setting = replace(SETTING, hosts={"device:1": ONE})

    with pytest.raises(MspError):
        desk.round(first.tick, {ONE: well(ONE, "start")})

    assert desk.rollout().hosts[ONE].state == "patched"


def test_no_rollout_begins_with_a_plan_that_validation_calls_an_error(desk: Desk) -> None:
    desk.content = {**CONTENT, "rings": [{**CONTENT["rings"][0], "successes": 2}, CONTENT["rings"][1]]}
    desk.waits()

    found = desk.tick(well).as_dict()

    assert desk.store.rollouts(SLUG) == []
    assert found["halted"] == ["plan office"]
    assert "MSP-PAT-186" in found["summary"][-1]
    assert "MSP-PAT-013" in found["summary"][-1]


def test_lists_that_are_older_than_a_week_say_nothing_however_new_the_scan_is(desk: Desk) -> None:
    for asset in HOSTS:
        desk.scanned(asset, update("openssl"), metadata_at=NOW - dt.timedelta(days=8))

    assert desk.round().said == ()


# Pairs, over more than one rollout


def test_who_is_lost_since_a_rollout_that_is_over_holds_its_other_half_up_until_it_is_seen(desk: Desk) -> None:
    rates = {"at_once": 3, "most_failures": 0, "most_lost": 2}
    desk.content = {**CONTENT, "rates": rates, "apart": [{"name": "pair", "assets": ["pc01", "pc02"]}]}
    desk.waits()
    desk.round()
    desk.dies()
    desk.tick(lambda _host, _operation: None)
    steering.asked(desk.store, asked("abort"), check=False)
    desk.tick(lambda _host, _operation: None)
    assert (desk.rollout().side, desk.rollout().hosts[ONE].state) == ("aborted", "lost")
    # Another rollout, of which pc02 is the canary.
    desk.members = (replace(MEMBERS[0], tags=frozenset()), replace(MEMBERS[1], tags=MEMBERS[0].tags), MEMBERS[2])
    at = desk.store.now() - dt.timedelta(hours=1)
    for asset in ("device:2", "device:3"):
        desk.scanned(asset, update("openssl", "3"))

    found = desk.round()
    assert starts(found) == {}
    assert f"{ONE} is lost since" in found.said[-1].told["why"]
    desk.scanned("device:1", at=at)
    assert starts(desk.round()) == {}
    desk.scanned("device:1")
    assert starts(desk.round()) == {TWO: ["openssl 3"]}


def test_who_is_not_well_in_another_open_rollout_holds_its_other_half_up(desk: Desk) -> None:
    two_classes(desk)
    assert desk.content is not None
    desk.content["apart"] = [{"name": "pair", "assets": ["pc01", "pc02"]}]
    desk.content["rates"] = {"at_once": 9, "most_failures": 0, "most_lost": 0}
    desk.content["rings"] = [{**desk.content["rings"][0], "successes": 0}, desk.content["rings"][1]]
    broken = HostResult(ONE, "device:1", "failed", NOW, reason="its service is down")
    desk.tick(lambda _host, _operation: {"state": "finished", "result": installing.plain(broken)})
    emergency = desk.rollout(1) if desk.rollout(1).patch_class == "emergency" else desk.rollout(0)
    assert emergency.side == "halted"
    # The other one has pc02 first.
    desk.members = (replace(MEMBERS[0], tags=frozenset()), replace(MEMBERS[1], tags=MEMBERS[0].tags), MEMBERS[2])
    world = rollouts._Rounds(desk.store, SETTING, Tick("", 0, desk.store.now()))
    routine = next(one.rollout for one in world.open.values() if one.rollout.patch_class == "routine")

    (assigned,) = desk.plans().plans

    down, unseen = world._down(routine, assigned)

    assert [(one.target.host, one.how) for one in down] == [(ONE, f"failed since {emergency.id}")]
    assert unseen == []


CHECKED = {**CONTENT, "checks": {"after": [{"baseline": ["units", "ports"]}]}}


def down_on_the_first(host: str, operation: str) -> Mapping[str, Any]:
    """The update breaks its service on the first host."""
    if operation == "check" or host != ONE:
        return well(host, operation)
    reason = "check baseline: till.service ran before and does not now"
    broken = HostResult(ONE, "device:1", "failed", dt.datetime.now(dt.UTC), healthy=False, reason=reason)
    return {"state": "finished", "result": installing.plain(broken)}


def down_still(host: str, operation: str) -> Mapping[str, Any]:
    """On the first host the service is down, as it was before the work: there is nothing to compare with."""
    if host != ONE:
        return well(host, operation)
    why = "nothing to compare with: till.service was down already"
    if operation == "check":
        return {"state": "finished", "healthy": None, "why": why}
    unsure = HostResult(ONE, "device:1", "patched", dt.datetime.now(dt.UTC), reason=why)
    return {"state": "finished", "result": installing.plain(unsure)}


def test_a_host_that_was_left_broken_and_was_repaired_since_proves_the_next_version(desk: Desk) -> None:
    desk.content = CHECKED
    desk.waits()
    desk.tick(down_on_the_first)
    assert desk.rollout().side == "halted"
    desk.waits(version="3")

    desk.to_the_end()

    assert desk.rollout(1).side == "superseded"


@pytest.mark.thorough
def test_a_host_that_was_left_broken_proves_no_newer_version_until_a_person_says_that_it_is_well(desk: Desk) -> None:
    desk.content = CHECKED
    desk.waits()
    desk.tick(down_on_the_first)
    first = desk.rollout()
    assert first.side == "halted"
    desk.waits(version="3")
    for _unused in range(3):
        desk.tick(down_still)

    old, new = desk.rollout(1), desk.rollout(0)
    assert (old.side, new.side) == ("superseded", "halted")
    assert [host.begins for host in new.hosts.values()] == [1, 0, 0]
    assert f"{ONE} is failed since {first.id}, and proves nothing before it is seen well" in new.why
    steering.asked(desk.store, asked("resume", "looked at it, the till runs"), check=False)
    desk.to_the_end()
    # What was said counts for the rollouts after it, too.
    desk.waits(version="4")
    desk.to_the_end()


def test_a_host_that_is_broken_in_a_halted_rollout_proves_nothing_to_one_beside_it(desk: Desk) -> None:
    desk.content = CHECKED
    desk.waits()
    desk.tick(down_on_the_first)
    for asset in HOSTS:
        desk.scanned(asset, update("openssl"), update("nginx"))
    for _unused in range(3):
        desk.tick(down_still)

    first, beside = desk.rollout(1), desk.rollout(0)
    assert (first.side, beside.side) == ("halted", "halted")
    assert f"{ONE} is failed since {first.id}, and proves nothing" in beside.why
    assert [host.begins for host in beside.hosts.values()] == [1, 0, 0]


def test_a_check_with_nothing_to_compare_with_is_no_pass_until_a_person_says_so(desk: Desk) -> None:
    desk.content = CHECKED
    desk.waits()

    def unsure(host: str, operation: str) -> Mapping[str, Any]:
        nothing = {
            "state": "finished",
            "healthy": None,
            "why": "nothing to compare with: fan.service was down already",
        }
        return nothing if operation == "check" and host == ONE else well(host, operation)

    for _unused in range(3):
        desk.tick(unsure)
    assert desk.rollout().side == "halted"
    assert "fan.service was down already), and proves nothing before it is seen well" in desk.rollout().why
    steering.asked(desk.store, asked("resume", "the fan is off since spring"), check=False)
    for _unused in range(5):
        desk.tick(unsure)
    assert desk.rollout().state_at(NOW) == "complete"


def test_what_halted_a_rollout_is_not_begun_anew_by_itself_when_its_time_is_over(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.content = CHECKED
    desk.waits()
    desk.tick(down_on_the_first)
    later(desk, monkeypatch, 15)

    found = desk.tick(well)
    again = desk.tick(well)

    assert desk.rollout().side == "expired"
    assert len(desk.store.rollouts(SLUG)) == 1
    for one in (found, again):
        assert any("openssl 2: " in note and "was halted, and nobody resumed it" in note for note in one.notes)
    desk.setting = replace(SETTING, again=Again(("openssl",), "anna", "it was the disk"))
    assert starts(desk.round()) == {ONE: ["openssl 2"]}


def test_who_was_left_not_well_holds_its_other_half_up_whatever_is_scanned_until_a_person_says_that_it_is_well(
    desk: Desk,
) -> None:
    desk.content = {**CHECKED, "apart": [{"name": "pair", "assets": ["pc01", "pc02"]}]}
    desk.waits()
    desk.tick(down_on_the_first)
    steering.asked(desk.store, asked("abort"), check=False)
    desk.tick(well)
    assert desk.rollout().side == "aborted"
    # Another rollout, of which pc02 is the canary.
    desk.members = (replace(MEMBERS[0], tags=frozenset()), replace(MEMBERS[1], tags=MEMBERS[0].tags), MEMBERS[2])
    for asset in HOSTS:
        desk.scanned(asset, update("openssl", "3"))

    found = desk.round()

    assert starts(found) == {}
    assert (desk.rollout().side, found.as_dict()["halted"]) == ("halted", [desk.rollout().id])
    assert f"{ONE} is failed since" in desk.rollout().why
    assert "who resumes it says that it is" in desk.rollout().why
    steering.asked(desk.store, asked("resume", "the till runs"), check=False)
    assert starts(desk.round()) == {TWO: ["openssl 3"]}


# What was given up, and what stands in the way


@pytest.mark.thorough
def test_what_somebody_aborted_stays_so_when_something_else_joins_it_until_a_person_asks_for_it(desk: Desk) -> None:
    desk.waits()
    desk.round()
    steering.asked(desk.store, asked("abort", "not this week"), check=False)
    desk.dies()
    desk.tick(lambda _host, _operation: {"state": "none", "result": None})
    for asset in HOSTS:
        desk.scanned(asset, update("openssl"), update("nginx"))

    found = desk.round()

    assert starts(found) == {ONE: ["nginx 2"]}
    assert any("openssl 2: " in note and "was aborted by anna" in note for note in found.notes)
    desk.dies()
    desk.to_the_end()
    desk.setting = replace(SETTING, again=Again(("open*",), "anna", "it was the network"))
    assert starts(desk.round()) == {ONE: ["openssl 2"]}
    assert desk.store.rollouts(SLUG)[0].body["again"]["reason"] == "it was the network"
    desk.setting = SETTING
    desk.dies()
    assert desk.round().notes == ()


def test_what_somebody_aborted_stays_so_however_long_ago_that_was(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.waits()
    desk.round()
    steering.asked(desk.store, asked("abort", "breaks the till"), check=False)
    desk.dies()
    desk.tick(lambda _host, _operation: {"state": "none", "result": None})
    later(desk, monkeypatch, 400)

    found = desk.tick(well)

    assert len(desk.store.rollouts(SLUG)) == 1
    assert any("openssl 2: " in note and "was aborted by anna" in note for note in found.notes)
    for asset in HOSTS:
        desk.scanned(asset, update("openssl", "3"), metadata_at=desk.store.now())
    assert starts(desk.round()) == {ONE: ["openssl 3"]}


def test_what_ran_out_of_time_is_planned_again_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.content = {**CONTENT, "automatic": False}
    desk.waits()
    desk.tick(well)
    clock = desk.store.now
    monkeypatch.setattr(desk.store, "now", lambda: clock() + dt.timedelta(days=15))
    for asset in HOSTS:
        desk.scanned(asset, update("openssl"), metadata_at=desk.store.now())

    desk.tick(well)

    assert (desk.rollout(1).side, desk.rollout(0).side) == ("expired", None)


def later(desk: Desk, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """The store's clock goes on; the lists of the hosts are new."""
    clock = desk.store.now
    monkeypatch.setattr(desk.store, "now", lambda: clock() + dt.timedelta(days=days))
    for asset in HOSTS:
        desk.scanned(asset, update("openssl"), metadata_at=desk.store.now())


@pytest.mark.parametrize("patch_class", ["security", "emergency"])
def test_a_newer_fix_of_what_a_person_paused_waits_for_the_person_too(desk: Desk, patch_class: str) -> None:
    """Also as an emergency, which else waits for nothing."""
    desk.waits()
    desk.tick(well)
    steering.asked(desk.store, asked("pause", "the till hangs"), check=False)
    desk.waits(version="3", patch_class=patch_class)

    found = desk.tick(well)

    assert (desk.rollout().side, len(desk.store.rollouts(SLUG))) == ("paused", 1)
    assert "openssl 3 came" in found.as_dict()["summary"][-2 if patch_class == "emergency" else -1]
    if patch_class == "emergency":
        assert f"openssl 3 waits for a person: {desk.rollout().id} is paused" in found.notes[0]
    steering.asked(desk.store, asked("resume", "the till is well"), check=False)
    desk.tick(well)
    assert (desk.rollout(1).side, desk.rollout(0).side) == ("superseded", None)


def test_what_a_person_paused_is_not_begun_anew_when_its_time_is_over(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.waits()
    desk.tick(well)
    steering.asked(desk.store, asked("pause", "the till hangs"), check=False)
    later(desk, monkeypatch, 15)

    desk.tick(well)

    assert (desk.rollout().side, len(desk.store.rollouts(SLUG))) == ("paused", 1)
    assert [host.begins for host in desk.rollout().hosts.values()] == [1, 0, 0]


def test_a_gate_whose_rings_are_renamed_while_it_asks_halts_with_the_reason(desk: Desk) -> None:
    desk.waits()
    first = desk.to_the_gate()
    assert [work.operation for work in first.tick.work] == ["check"]
    desk.content = {**CONTENT, "rings": [{**CONTENT["rings"][0], "name": "canary"}, CONTENT["rings"][1]]}

    desk.round(first.tick, {ONE: well(ONE, "check")})

    assert desk.rollout().side == "halted"
    assert "the plan has canary" in desk.rollout().why


@pytest.mark.parametrize(
    ("patch_class", "halted", "beside"),
    [("emergency", False, True), ("security", False, False), ("security", True, True), ("routine", True, False)],
)
def test_an_emergency_waits_for_no_other_and_a_fix_for_none_that_halted(
    desk: Desk, patch_class: str, halted: bool, beside: bool
) -> None:
    desk.content = data(
        **{"automatic": True, "windows.night": ALWAYS, "classes.routine.deferral": "0d", "rollback": "none"},
        rates={"at_once": 3, "most_failures": 0, "most_lost": 0},
    )
    del desk.content["classes"]["routine"]["batch"], desk.content["batches"]
    for asset in HOSTS:
        desk.scanned(asset, update("openssl", patch_class=patch_class))
    broken = HostResult(ONE, "device:1", "failed", NOW, reason="its service is down")
    bad = {"state": "finished", "result": installing.plain(broken)}
    desk.tick(lambda host, operation: bad if halted else well(host, operation))
    for asset in HOSTS:
        desk.scanned(asset, *(update(name, patch_class=patch_class) for name in ("openssl", "nginx")))

    found = desk.round()

    assert len(desk.store.rollouts(SLUG)) == 1 + beside
    assert starts(found) == ({ONE: ["nginx 2"]} if beside else {})
    assert any("nginx 2 waits for the end of" in note for note in found.notes) != beside


def test_two_plans_with_the_same_to_install_get_a_rollout_each(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same second, too."""
    other = {**CONTENT, "name": "shop", "rings": [{**CONTENT["rings"][1], "successes": 1}]}
    contents = (CONTENT | {"rings": other["rings"]}, other, other)
    monkeypatch.setattr(
        patch_plans,
        "plans_of_slug",
        lambda *_some: assign(
            (replace(member, tags=frozenset()), {"msp_patch_plan": content})
            for member, content in zip(MEMBERS, contents, strict=True)
        ),
    )
    desk.waits()

    found = desk.round()

    assert sorted(one.plan for one in desk.store.rollouts(SLUG)) == ["office", "shop"]
    assert len(found.said) == 2


def test_a_host_that_has_none_of_it_is_no_proof_and_a_person_may_go_on_without_one(desk: Desk) -> None:
    desk.waits()

    def none_of_it(host: str, operation: str) -> Mapping[str, Any]:
        if operation == "check" or host != ONE:
            return well(host, operation)
        absent = HostResult(ONE, "device:1", "nothing", dt.datetime.now(dt.UTC), there=())
        return {"state": "finished", "result": installing.plain(absent)}

    desk.tick(none_of_it)
    desk.tick(none_of_it)
    assert desk.rollout().side == "halted"
    assert "without any of the packages" in desk.rollout().why
    steering.asked(desk.store, asked("resume", "no canary has it"), check=False)
    for _unused in range(5):
        desk.tick(none_of_it)
    assert desk.rollout().state_at(NOW) == "complete"
