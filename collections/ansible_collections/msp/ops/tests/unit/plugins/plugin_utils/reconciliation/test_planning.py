# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a plan does: what becomes a device, which facts follow, what is kept as promised, and which changes it tells."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import plan as plans
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.earlier import Earlier
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.given import given_values
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.plan import Plan
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.reconciliation.made import (
    HOUR,
    NOW,
    SLUG,
    asset,
    card,
    looks,
    planned,
    seen,
    steps,
)

OS = names.OPERATING_SYSTEM


def told(made: Plan, kind: str) -> list[Any]:
    return [one.detail for one in made.changes if one.kind == kind]


# New things


def test_an_unlisted_thing_becomes_a_device_with_what_is_known_of_it() -> None:
    attributes = {"vendor": "Dell Inc.", "model": "OptiPlex", "os": "Windows 11", "type": "workstation"}
    made = planned(
        [], [seen(57, "mdm", names=["till"], serial="S-TILL", attributes=attributes), seen(57, names=["till"])]
    )
    (step,) = made.steps
    assert (step.kind, step.asset) == ("create", None)
    assert step.values == {
        "name": "till",
        "class": "workstation",
        "serial": "S-TILL",
        "description": "Dell Inc. OptiPlex",
        "os": "Windows 11",
        "macs": [card(57)],
        "address": "192.0.2.57",
    }
    assert "192.0.2.57" in step.journal
    (new,) = told(made, "new")
    assert (new["name"], new["status"], new["identity"]["serial"]) == ("till", "unlisted", ["S-TILL"])


def test_what_would_not_be_known_again_becomes_no_device() -> None:
    assert planned([], [seen(57, macs=["02:11:22:33:44:55"])]).steps == ()


def test_what_a_device_was_made_of_is_known_again_by_what_identified_it() -> None:
    sighting = seen(57, "mdm", mdm_id="M-1", macs=[], addresses=[], names=["Jan's phone"])
    made = planned([], [sighting])
    (new,) = told(made, "new")
    phone = asset(9, made.steps[0].name, serial="", macs=(), address=None, addresses=(), status="unlisted")
    renamed = seen(57, "mdm", mdm_id="M-1", macs=[], addresses=[], names=["other"])
    before = Earlier(remembered={"device:9": (new["identity"],)})
    assert not [one for one in planned([phone], [renamed], before=before).steps if one.kind == "create"]


def test_what_a_scan_heard_of_it_and_what_moves_is_not_remembered_as_its_own() -> None:
    cards = [card(57), "02:11:22:33:44:55"]
    made = planned([], [seen(57, "nmap", names=["host-57.lan"], macs=cards), seen(57, names=["till"])])
    assert told(made, "new")[0]["identity"] == {"macs": [card(57)], "names": ["till"]}


def test_two_things_of_one_name_get_two_names() -> None:
    made = planned([asset(1, "printer")], [seen(57, names=["printer"]), seen(58, names=["printer"])])
    made_names = [one.name for one in made.steps if one.kind == "create"]
    assert len(set(made_names)) == len(made_names)
    assert "printer" not in made_names


# Facts and promises


def test_of_a_promised_asset_only_what_is_empty_is_filled() -> None:
    bare = asset(1, serial="", asset_tag=None, asset_class=None)
    more: dict[str, Any] = {
        "serial": "S-NEW",
        "asset_tag": "T-1",
        "names": ["otherwise"],
        "attributes": {"type": "server"},
    }
    filled = steps(planned([bare], [seen(1, "mdm", **more)]))["facts", "srv01"].values
    assert filled == {
        "fields": {"serial": "S-NEW", "asset_tag": "T-1"},
        "custom": {names.ASSET_CLASS: "server"},
    }
    whole = steps(planned([asset(1, asset_tag="T-0")], [seen(1, "mdm", **more)]))
    assert ("facts", "srv01") not in whole


def test_a_number_that_was_promised_and_is_seen_otherwise_stays_and_is_shown() -> None:
    made = planned([asset(1, asset_tag="T-0")], [seen(1, "mdm", serial="S-SRV91", asset_tag="T-1", names=["srv01"])])
    assert set(steps(made)) == {("mark", "srv01")}
    assert [one["what"] for one in told(made, "changed")[0]["changes"]] == ["serial", "asset_tag"]


def test_an_unlisted_asset_follows_what_is_seen() -> None:
    own = asset(1, "seen-b8:27", status="unlisted", serial="", asset_class="other", vendor="Unknown")
    more: dict[str, Any] = {"serial": "S-TILL", "names": ["till"], "attributes": {"type": "workstation"}}
    ours = {"device:1": {"name": {"seen-b8:27"}}}
    values = steps(planned([own], [seen(1, "mdm", **more)], given=ours))["facts", "seen-b8:27"].values
    assert values["fields"] == {"name": "till", "serial": "S-TILL"}
    assert values["custom"] == {names.ASSET_CLASS: "workstation"} and values["retype"]


def test_what_a_person_called_an_unlisted_device_or_wrote_on_it_stays() -> None:
    by_hand = asset(1, "Reception till", status="unlisted", asset_tag="T-HAND")
    sighting = seen(1, "mdm", names=["till-01"], serial="S-SRV01", asset_tag="T-1")
    before = Earlier(remembered={"device:1": ({"serial": ["S-SRV01"], "asset_tag": ["T-1"], "macs": [card(1)]},)})
    ours: dict[str, Any] = {"device:1": {"name": {"till"}, "serial": {"S-SRV01"}, "asset_tag": {"T-1"}}}
    assert planned([by_hand], [sighting], before=before, given=ours).steps == ()
    # The same device as discovery left it follows.
    ours["device:1"] = {"name": {by_hand.name}, "serial": {by_hand.serial}, "asset_tag": {by_hand.asset_tag}}
    fields = {"name": "till-01", "asset_tag": "T-1"}
    assert planned([by_hand], [sighting], before=before, given=ours).steps[0].values == {"fields": fields}


def test_what_discovery_gave_is_what_a_device_was_made_with_and_what_was_filled_in() -> None:
    made = planned([], [seen(57, "mdm", names=["till"], serial="S-TILL", asset_tag="T-1")])
    changes = [made.recorded(one, "device:9") for one in made.changes]
    filled = planned([asset(9, serial="", asset_tag=None)], [seen(9, "mdm", serial="S-NEW", asset_tag="T-2")])
    assert given_values(changes, [plans.stored(filled)]) == {
        "device:9": {"name": {"till"}, "serial": {"S-TILL", "S-NEW"}, "asset_tag": {"T-1", "T-2"}}
    }


def test_a_promise_that_is_not_kept_is_shown_with_both_sides() -> None:
    made = planned([asset(1)], [seen(1, names=["reception"])])
    step = steps(made)["mark", "srv01"]
    assert step.values == {names.DISCOVERY: "changed"}
    assert "name: srv01 promised, reception seen" in step.journal
    assert told(made, "changed")[0]["changes"] == [{"what": "name", "before": "srv01", "after": "reception"}]


def test_an_account_under_the_old_name_hides_no_rename() -> None:
    dead = seen(1, "directory", hours=24 * 20, names=["srv01"], serial="S-SRV01")
    made = planned([asset(1)], [dead, seen(1, names=["reception"])])
    assert told(made, "changed")[0]["changes"] == [{"what": "name", "before": "srv01", "after": "reception"}]
    assert planned([asset(1)], [dead]).steps == ()


def test_an_unlisted_device_follows_the_name_that_it_has_now() -> None:
    dead = seen(1, "directory", hours=24 * 20, names=["till"], serial="S-SRV01")
    ours = {"device:1": {"name": {"till"}}}
    made = planned([asset(1, "till", status="unlisted")], [dead, seen(1, names=["reception"])], given=ours)
    assert steps(made)["facts", "till"].values == {"fields": {"name": "reception"}}


def test_a_name_that_only_the_dns_knows_promises_nothing() -> None:
    assert planned([asset(1)], [seen(1, "nmap", names=["host-1.dhcp.lan"])]).steps == ()


def test_a_system_is_the_audits_to_tell_where_there_is_one() -> None:
    sighting = seen(1, "nmap", attributes={"os": "Linux 5.x"})
    good = Audit(SLUG, "device:1", "srv01", NOW - HOUR, "ok", facts_hash="0" * 64)
    assert steps(planned([asset(1)], [sighting]))["facts", "srv01"].values == {"custom": {OS: "Linux 5.x"}}
    assert planned([asset(1)], [sighting], audits={"device:1": (good, good)}).steps == ()


@pytest.mark.parametrize("source", ["nmap", "dhcp", "arp", "nmap:branch"])
def test_a_guess_fills_an_empty_system_and_changes_none(source: str) -> None:
    guess = seen(1, source, attributes={"os": "Linux 2.6"})
    assert steps(planned([asset(1)], [guess]))["facts", "srv01"].values == {"custom": {OS: "Linux 2.6"}}
    assert planned([asset(1, custom_fields={OS: "Linux 5.x"})], [guess]).steps == ()


@pytest.mark.parametrize("source", ["mdm", "directory", "audit", "lldp"])
def test_who_knows_the_system_changes_it_whatever_a_scan_guesses(source: str) -> None:
    known = seen(1, source, attributes={"os": "Debian 13"}, hours=5)
    guess = seen(1, "nmap", attributes={"os": "Linux 2.6"})
    old = asset(1, custom_fields={OS: "Linux 5.x"})
    assert steps(planned([old], [known, guess]))["facts", "srv01"].values == {"custom": {OS: "Debian 13"}}


def test_a_changed_address_and_a_new_card_follow_and_are_told() -> None:
    made = planned([asset(1)], [seen(1, macs=[card(1), card(91)], addresses=["192.0.2.91"])])
    step = steps(made)["facts", "srv01"]
    assert step.values == {"macs": [card(91)], "address": "192.0.2.91"}
    assert step.journal == ""
    changes = told(made, "changed")[0]["changes"]
    assert {"what": "address", "before": "192.0.2.1", "after": "192.0.2.91"} in changes


def test_filling_what_was_empty_is_no_news() -> None:
    made = planned([asset(1, serial="")], [seen(1, "mdm", serial="S-NEW", attributes={"os": "Debian"})])
    assert made.steps and made.changes == ()


def test_an_asset_that_is_seen_at_one_of_its_addresses_keeps_its_primary_one() -> None:
    assert (
        planned([asset(1)], [seen(1, "nmap", addresses=["192.0.2.91"], hours=1), seen(1, "dhcp", hours=3)]).steps == ()
    )


def test_an_address_moves_only_from_an_asset_that_is_seen_elsewhere() -> None:
    newcomer = seen(57, names=["till"], addresses=["192.0.2.1"])
    stays = planned([asset(1)], [newcomer])
    assert "address" not in steps(stays)["create", "till"].values
    elsewhere = planned([asset(1)], [newcomer, seen(1, addresses=["192.0.2.91"])])
    assert steps(elsewhere)["create", "till"].values["address_from"] == "device:1"
    assert elsewhere.based_on == {"device:1": (NOW - 48 * HOUR).isoformat()}


def test_an_asset_without_a_status_that_is_seen_is_unlisted() -> None:
    made = planned([asset(1, status=None)], [seen(1)])
    assert steps(made)["status", "srv01"].values == {names.CONTRACT_STATUS: "unlisted"}
    assert [one.kind for one in made.changes] == ["new"]


@pytest.mark.parametrize("status", ["excluded", "ended"])
def test_nothing_is_written_to_what_was_agreed_to_be_left_alone(status: str) -> None:
    gone = asset(1, status=status, serial="")
    assert planned([gone], [seen(1, "mdm", serial="S-NEW", addresses=["192.0.2.91"])]).steps == ()


# Marks


MARKED = [
    # has, sighting, looks, becomes, changes
    ("", seen(1, "nmap", hours=9, after_look=1), looks(1, 2, 3, 4, 5), "missing", ["gone"]),
    ("missing", seen(1), [], None, ["back"]),
    ("changed", seen(1), [], None, ["settled"]),
    ("conflict", seen(1), [], None, ["settled"]),
    ("missing", seen(1, names=["reception"]), [], "changed", ["back", "changed"]),
    ("conflict", seen(1, "nmap", hours=9, after_look=1), looks(1, 2, 3, 4, 5), "missing", ["settled", "gone"]),
]


@pytest.mark.parametrize(("has", "sighting", "looked", "becomes", "changes"), MARKED)
def test_a_transition_is_told_and_has_a_journal_entry(
    has: str, sighting: Sighting, looked: list[Any], becomes: str | None, changes: list[str]
) -> None:
    made = planned([asset(1, custom_fields={names.DISCOVERY: has or None})], [sighting], coverages=looked)
    (step,) = [one for one in made.steps if one.kind == "mark"]
    assert step.values == {names.DISCOVERY: becomes}
    assert step.journal.startswith("Discovery: ")
    assert [one.kind for one in made.changes] == changes


@pytest.mark.parametrize(("has", "sighting", "looked", "becomes", "_changes"), MARKED)
def test_a_mark_that_is_there_is_not_set_again(
    has: str, sighting: Sighting, looked: list[Any], becomes: str | None, _changes: list[str]
) -> None:
    made = planned([asset(1, custom_fields={names.DISCOVERY: becomes})], [sighting], coverages=looked)
    assert made.steps == () and made.changes == ()


def test_a_conflict_marks_every_asset_that_it_may_be_about() -> None:
    made = planned([asset(1), asset(2)], [seen(2, "mdm", serial="S-SRV01")])
    assert {one.name: one.values for one in made.steps} == {
        "srv01": {names.DISCOVERY: "conflict"},
        "srv02": {names.DISCOVERY: "conflict"},
    }
    assert len(told(made, "conflict")[0]["sides"]) == 2


def test_a_device_that_a_conflict_is_about_is_marked_as_it_is_made() -> None:
    two = [seen(57, "dhcp", names=["till"]), seen(58, "dhcp", names=["till"])]
    account = seen(59, "directory", names=["till"], macs=[], addresses=[], directory_id="7d1c2f1e-1111-4222-8333-9444")
    made = planned([], [*two, account])
    created = [one for one in made.steps if one.kind == "create"]
    assert [one.values.get(names.DISCOVERY) for one in created] == ["conflict", "conflict"]
    assert all("Discovery: conflict. " in one.journal for one in created)
    assert [one.kind for one in made.changes] == ["new", "new"]  # the conflict is told of by itself


def test_the_second_device_of_a_name_is_remembered_by_that_name_too() -> None:
    made = planned([], [seen(57, "nmap", names=["till"]), seen(58, "nmap", names=["till"])])
    assert [one["identity"].get("names") for one in told(made, "new")] == [None, ["till"]]


def test_back_says_since_when_it_was_gone() -> None:
    before = Earlier(gone={"device:1": NOW - 90 * HOUR}, gone_since={"device:1": NOW - 80 * HOUR})
    made = planned([asset(1, custom_fields={names.DISCOVERY: "missing"})], [seen(1)], before=before)
    assert told(made, "back")[0]["gone_since"] == (NOW - 80 * HOUR).isoformat()


@pytest.mark.parametrize("status", ["excluded", "ended"])
@pytest.mark.parametrize("has", ["missing", "changed", "conflict"])
def test_what_was_agreed_to_be_left_alone_loses_its_mark_and_is_not_said_to_be_back(status: str, has: str) -> None:
    marked = asset(1, status=status, custom_fields={names.DISCOVERY: has})
    made = planned([marked], [seen(1, hours=24 * 40)], before=Earlier(gone={"device:1": NOW - 960 * HOUR}))
    (step,) = made.steps
    assert step.values == {names.DISCOVERY: None}
    assert f"{has} to fine. {status}: " in step.journal and "agreed again" not in step.journal
    assert [(one.kind, one.detail["how"]) for one in made.changes] == [
        ("settled", f"{status}: nothing is looked for any more")
    ]


def test_what_is_missing_and_then_in_conflict_is_not_back() -> None:
    absent = asset(1, custom_fields={names.DISCOVERY: "missing"})
    gone = Earlier(gone={"device:1": NOW - 90 * HOUR}, gone_since={"device:1": NOW - 80 * HOUR})
    made = planned([absent, asset(2)], [seen(2, "mdm", serial="S-SRV01")], before=gone)
    assert [one.kind for one in made.changes if one.asset == "device:1"] == ["conflict"]


def test_what_was_missing_in_conflict_and_is_seen_is_back() -> None:
    doubted = asset(1, custom_fields={names.DISCOVERY: "conflict"})
    gone = Earlier(gone={"device:1": NOW - 90 * HOUR}, gone_since={"device:1": NOW - 80 * HOUR})
    assert [one.kind for one in planned([doubted], [seen(1)], before=gone).changes] == ["back", "settled"]
    assert [one.kind for one in planned([doubted], [seen(1, hours=90)], before=gone).changes] == ["settled"]


def test_a_conflict_that_only_became_old_is_said_to_be_old() -> None:
    doubted = [asset(one, custom_fields={names.DISCOVERY: "conflict"}) for one in (1, 2)]
    made = planned(doubted, [seen(2, "mdm", serial="S-SRV01", hours=24 * 40)])
    assert [one.values for one in made.steps] == [{names.DISCOVERY: None}] * 2
    assert all("conflict to fine. what it was about was not seen for 30 days" in one.journal for one in made.steps)
    assert [one.detail["how"] for one in made.changes] == ["what it was about was not seen for 30 days"] * 2


# Ids


def test_a_plan_is_the_same_plan_whatever_the_order_of_what_was_seen_and_when() -> None:
    things = [seen(57, names=["a"]), seen(58, names=["b"]), seen(1, names=["reception"])]
    later = [dataclasses.replace(one, last_seen=NOW, count=9) for one in reversed(things)]
    assert planned([asset(1)], things).id == planned([asset(1)], later).id


@pytest.mark.parametrize(
    "other",
    [
        {"sightings": [seen(57, names=["till"], addresses=["192.0.2.99"])]},
        {"assets": [asset(1, last_updated=NOW)]},
        {"assets": [asset(1), asset(4, "added")]},
        {"after": "another plan"},
    ],
)
def test_another_step_or_another_netbox_is_another_plan(other: dict[str, Any]) -> None:
    usual: dict[str, Any] = {
        "assets": [asset(1)],
        "sightings": [seen(57, names=["till"]), seen(1, names=["reception"])],
    }

    def made(assets: list[Asset], sightings: list[Sighting], after: str = "") -> str:
        return planned(assets, sightings, after=after).id

    assert made(**usual) != made(**{**usual, **other})


def test_a_plan_comes_back_from_the_store_as_it_was_made() -> None:
    made = planned([asset(1)], [seen(57, names=["till"]), seen(1, names=["reception"], addresses=["192.0.2.9"])])
    kept = plans.stored(made)
    again = plans.loaded(dataclasses.replace(kept, body=json.loads(json.dumps(kept.body))))
    assert again == made
    assert again.diff() == made.diff()


def test_a_person_reads_what_is_written_and_what_was_there() -> None:
    made = planned([asset(1)], [seen(57, names=["till"]), seen(1, addresses=["192.0.2.91"])])
    assert made.diff()["before"] == "srv01: address: 192.0.2.1\n"
    assert "till: new device, contract status unlisted\n" in made.diff()["after"]
    assert "srv01: address: 192.0.2.91\n" in made.diff()["after"]


# What a source says is data


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_a_source_says_netbox_gets_one_line_it_takes_and_the_journal_no_markup(name: str, serial: str) -> None:
    made = planned([], [seen(57, "mdm", names=[name], serial=serial, attributes={"vendor": name, "os": serial})])
    (step,) = made.steps
    assert 0 < len(step.values["name"]) <= 64 and step.values["name"].isprintable()
    assert len(step.values.get("serial", "")) <= 50
    assert not set("`*_#<>[]|\\!") & set(step.journal)
