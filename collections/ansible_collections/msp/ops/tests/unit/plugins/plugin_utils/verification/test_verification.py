# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""All parts of a verification joined."""

from __future__ import annotations

import dataclasses
import datetime as dt

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import (
    NOW,
    Made,
    asset,
    audit,
    customer,
    sighting,
    small_office,
)


def test_the_counts_are_those_of_the_parts() -> None:
    counts = small_office().verification().counts
    assert dataclasses.asdict(counts) == {
        "contracted": 5,
        "found": 3,
        "differs": 1,
        "absent": 1,
        "not_audited": 1,
        "unlisted": 2,
        "warranty_ending": 1,
        "security_updates": 18,
        "os_ended": 1,
    }


def test_a_tracked_gateway_is_neither_contracted_nor_unlisted() -> None:
    verification = small_office().verification()
    assert [(o.asset.name, o.status) for o in verification.others] == [("jansen-gw01", "tracked")]
    assert verification.others[0].last_seen is not None


def test_an_asset_with_status_unlisted_or_none_is_listed_as_not_in_the_contract() -> None:
    made = Made(customer(), [asset(1, "a", status="unlisted"), asset(2, "b", status=None)], {}, {}, [])
    assert [t.key for t in made.verification().things] == ["device:1", "device:2"]


def test_a_contract_past_its_end_is_said_to_have_ended() -> None:
    assert Made(customer(end=dt.date(2026, 11, 22)), [], {}, {}, []).verification().contract_ended
    assert not Made(customer(end=dt.date(2026, 11, 23)), [], {}, {}, []).verification().contract_ended


def test_today_is_the_customers_calendar_date() -> None:
    late = dt.datetime(2026, 11, 23, 23, 30, tzinfo=dt.UTC)
    assert Made(customer("nl"), [], {}, {}, [], now=late).verification().today == dt.date(2026, 11, 24)
    assert Made(customer("en"), [], {}, {}, [], now=late).verification().today == dt.date(2026, 11, 23)


def test_an_unknown_time_zone_or_language_falls_back_and_does_not_fail() -> None:
    verification = Made(customer(timezone="Mars/Olympus", language="fr"), [], {}, {}, []).verification()
    assert (verification.zone.key, verification.language) == ("UTC", "en")


def test_a_customer_without_a_contract_has_a_verification_too() -> None:
    verification = Made(Customer(1, "new", "New", None), [], {}, {}, []).verification()
    assert (verification.counts.contracted, verification.contract_ended) == (0, False)


def test_the_newest_evidence_is_named() -> None:
    assert small_office().verification().evidence_until == NOW - dt.timedelta(hours=1)
    assert Made(customer(), [], {}, {}, []).verification().evidence_until is None


def test_who_saw_a_thing_is_called_by_its_name_and_not_by_its_key() -> None:
    made = small_office()
    made.sightings = [sighting(place={"seen_by": "device:1"})]
    assert made.verification().things[0].seen_from == ("jansen-srv01",)


def test_an_asset_that_something_may_be_is_not_absent_and_a_person_is_asked() -> None:
    known = asset(name="till02", asset_class="workstation", macs=("3c:2a:f4:77:01:aa",))
    made = Made(customer(), [known], {known.key: (None, audit(1, "unreachable", error="no route to host"))}, {}, [])
    assert [one.state for one in made.verification().compared] == ["absent"]
    made.sightings = [sighting("dhcp", names=["till02"])]
    verification = made.verification()
    assert [(one.state, one.reason) for one in verification.compared] == [("not_audited", "perhaps")]
    assert (verification.things, [thing.maybe for thing in verification.perhaps]) == ((), [(known,)])
    assert [(q.kind, q.values["asset"]) for q in verification.questions if q.kind != "warranty_unknown"] == [
        ("perhaps", "till02")
    ]
    assert verification.counts.unlisted == 0
    made.sightings = [sighting("dhcp", names=["till02"], last=NOW - dt.timedelta(days=90))]
    assert [one.state for one in made.verification().compared] == ["absent"]


def test_what_is_at_the_address_that_is_all_we_know_of_a_printer_is_taken_for_it() -> None:
    made = Made(customer(), [asset(name="printer", asset_class="printer", address="192.0.2.57")], {}, {}, [sighting()])
    verification = made.verification()
    assert [(one.state, one.seen_by) for one in verification.compared] == [("seen", ("neighbours",))]
    assert (verification.things, verification.perhaps) == ((), ())
