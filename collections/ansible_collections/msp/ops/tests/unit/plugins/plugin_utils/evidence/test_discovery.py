# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What discovery leaves in the store: looks, changes, plans with approval and steps, decisions, digests."""

from __future__ import annotations

import datetime as dt
import json
import time
from dataclasses import replace

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import codec, export, retention
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    Change,
    Coverage,
    Decision,
    Digest,
    Observation,
    Seen,
    StoredPlan,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

AT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
LOOK = Coverage("bakery", "nmap", AT, complete=True, scope=("192.0.2.0/24",), seen=12, skipped=1, reason="")
NEW = Change("k1", "bakery", AT, "new", "mac:00:00:5e:00:53:01", "device:7", {"name": "till", "seen_by": ["nmap"]})
PLAN = StoredPlan("p1", "bakery", AT, {"steps": [{"create": "device"}]})


def test_a_look_comes_back_as_it_was_told_and_is_told_once(store: Store) -> None:
    store.record_coverages([LOOK, replace(LOOK, at=AT + HOUR, complete=False, reason="cut off")])
    store.record_coverages([LOOK, replace(LOOK, customer="dentist")])

    found = store.coverages("bakery")

    assert [replace(one, recorded_at=None, number=None) for one in found] == [
        LOOK,
        replace(LOOK, at=AT + HOUR, complete=False, reason="cut off"),
    ]
    assert all(one.recorded_at is not None for one in found)


def a_moment_later() -> None:
    """Until SQLite's clock goes on, which has milliseconds."""
    begin = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == begin:
        pass


def test_looks_come_in_the_order_in_which_they_were_recorded_whatever_their_clock_says(store: Store) -> None:
    store.record_coverages([replace(LOOK, at=AT + HOUR)])
    a_moment_later()
    store.record_coverages([replace(LOOK, at=AT - HOUR)])

    assert [one.at for one in store.coverages("bakery")] == [AT + HOUR, AT - HOUR]


def test_the_store_knows_after_which_look_a_thing_was_told_of_last_whatever_time_its_source_gives(store: Store) -> None:
    """A directory names in every look a machine that it saw weeks ago; its time alone would say that it was missed."""
    weeks_ago = Observation("bakery", "directory", AT - 500 * HOUR, {"names": ["till"], "directory_id": "D-1"})
    store.record_observations([weeks_ago])
    first = store.sightings("bakery")[0].after_look
    store.record_coverages([LOOK])
    store.record_observations([weeks_ago])
    (again,) = store.sightings("bakery")
    (look,) = store.coverages("bakery")

    assert (first, again.after_look, look.number) == (0, look.number, look.number)
    assert (again.last_seen, again.count) == (weeks_ago.at, 1)
    assert store.states("bakery", "directory", again.thing)[0].after_look == look.number


def test_every_state_of_things_of_some_kinds_of_sources_comes_newest_first(store: Store) -> None:
    for source in ("mac-table", "mac-table:branch", "mac-tables", "nmap"):
        for hours, port in ((1, "Gi1"), (2, "Gi2")):
            at, place = AT + hours * HOUR, {"switch": "sw1", "port": port}
            store.record_observations([Observation("bakery", source, at, {"names": ["till"]}, place=place)])

    found = store.histories("bakery", ("mac-table",))

    assert {source for source, _thing in found} == {"mac-table", "mac-table:branch"}
    assert [[state.place["port"] for state in states] for states in found.values()] == [["Gi2", "Gi1"]] * 2


def test_an_id_is_remembered_of_one_asset_and_the_same_again_writes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {("directory_id", "d1"): "device:1", ("macs", "b8:27:eb:00:00:01"): "device:1", ("mdm_id", "m1"): "device:2"}
    store.remember("bakery", ids)
    store.remember("dentist", {("directory_id", "d1"): "device:7"})
    assert store.remembered("bakery") == ids
    assert store.remembered("bakery", asset="device:2") == {("mdm_id", "m1"): "device:2"}
    assert store.remembered("bakery", values=["d1", "other"]) == {("directory_id", "d1"): "device:1"}
    assert store.remembered("bakery", values=[]) == {}

    moved = {("directory_id", "d1"): "device:2", ("mdm_id", "m1"): "device:2"}
    store.remember("bakery", moved)
    monkeypatch.setattr(store.database, "write", None)
    store.remember("bakery", moved)
    assert store.remembered("bakery") == moved


def test_plans_come_in_the_order_in_which_they_were_recorded_whatever_their_clock_says(store: Store) -> None:
    store.record_plan(replace(PLAN, made=AT + HOUR))
    a_moment_later()
    store.record_plan(replace(PLAN, id="p2", made=AT - HOUR))

    assert [one.id for one in store.plans("bakery")] == ["p2", "p1"]


def test_a_change_is_recorded_once_and_found_by_when_it_was_recorded(store: Store) -> None:
    store.record_changes([NEW])
    first = store.changes("bakery")
    a_moment_later()
    store.record_changes([replace(NEW, kind="gone"), replace(NEW, key="k2", kind="moved")])

    assert [replace(one, recorded_at=None) for one in first] == [NEW]
    later = store.changes("bakery", since=first[0].recorded_at)
    assert [one.key for one in later] == ["k2"]
    assert [one.key for one in store.changes("bakery", until=first[0].recorded_at)] == ["k1"]
    assert store.changes("dentist") == []


def test_no_change_is_recorded_before_what_its_customer_was_told_of_whatever_the_clock_does(store: Store) -> None:
    store.record_changes([NEW])
    (told,) = store.changes("bakery")
    assert told.recorded_at is not None
    ahead = told.recorded_at + 24 * HOUR  # as a clock stood that has been turned back since
    store.record_digest(Digest("bakery", None, ahead, 1))

    store.record_changes([replace(NEW, key="k2")])
    store.record_changes([replace(NEW, key="k3"), replace(NEW, key="k4", customer="dentist")])

    later = store.changes("bakery", since=ahead)
    assert [one.key for one in later] == ["k2", "k3"]
    assert later[0].recorded_at != later[1].recorded_at
    (other,) = store.changes("dentist")
    assert other.recorded_at is not None
    assert other.recorded_at < ahead


def test_a_change_of_an_unknown_kind_is_a_defect_of_its_maker(store: Store) -> None:
    with pytest.raises(MspError) as caught:
        store.record_changes([replace(NEW, kind="odd")])
    assert caught.value.code == "MSP-EVD-007"


def test_a_plan_keeps_its_first_approval_and_every_step(store: Store) -> None:
    store.record_plan(PLAN)
    assert store.plan("p1") == PLAN

    approved = store.approve_plan("p1", by="R. de Boer", reason="as agreed by telephone")
    store.approve_plan("p1", by="somebody else", reason="")
    store.record_steps("p1", ["a", "b"])
    store.record_steps("p1", ["b", "c"])

    found = store.plan("p1")
    assert found is not None
    assert (found.approved_by, found.approval_reason) == ("R. de Boer", "as agreed by telephone")
    assert approved.approved_at is not None
    assert found.approved_at == approved.approved_at
    assert found.steps == {"a", "b", "c"}
    assert store.plans("bakery") == [found]
    assert store.plans("dentist") == []


def test_only_a_plan_that_is_kept_can_be_approved(store: Store) -> None:
    with pytest.raises(MspError) as caught:
        store.approve_plan("nobody's", by="R. de Boer", reason="")
    assert caught.value.code == "MSP-EVD-016"


def test_a_decision_is_kept_with_who_and_when(store: Store) -> None:
    decision = Decision("bakery", "device:7", "unlisted", "tracked", "J. Jansen", AT, "netbox")

    store.record_decisions([decision, decision])
    store.record_decisions([decision])

    assert store.decisions("bakery") == [decision]


def test_the_last_digest_says_how_far_a_customer_was_told(store: Store) -> None:
    assert store.last_digest("bakery") is None

    store.record_digest(Digest("bakery", None, AT, 3))
    store.record_digest(Digest("bakery", AT, AT + HOUR, 1))
    store.record_digest(Digest("dentist", None, AT + 2 * HOUR, 9))

    assert store.last_digest("bakery") == Digest("bakery", AT, AT + HOUR, 1)


def test_when_an_asset_was_seen_is_what_the_last_reconciliation_says(store: Store) -> None:
    first = Seen("bakery", "device:7", AT, AT, ("nmap",), {"prefix": "192.0.2.0/24"})
    store.record_seen([first, replace(first, asset="device:8"), replace(first, customer="dentist")])

    again = replace(first, last_seen=AT + HOUR, sources=("dhcp", "nmap"), place={"switch": "sw01"})
    store.record_seen([again])

    assert store.seen(["bakery"]) == [again, replace(first, asset="device:8")]
    assert store.seen(["bakery", "dentist"], since=AT + HOUR) == [again]
    assert store.seen(["nobody"]) == []


def test_a_customer_takes_along_what_discovery_found_and_nobody_elses(store: Store) -> None:
    store.record_coverages([LOOK])
    store.record_changes([NEW, replace(NEW, key="k9", customer="dentist")])
    store.record_plan(PLAN)
    store.record_decisions([Decision("bakery", "device:7", "unlisted", "tracked", "J. Jansen", AT, "netbox")])
    store.record_digest(Digest("bakery", None, AT, 1))

    lines = [json.loads(codec.encode(record)) for record in export.export(store, "bakery")]

    assert sorted(line["kind"] for line in lines) == ["change", "coverage", "decision", "digest", "plan"]
    assert all(line["data"]["customer"] == "bakery" for line in lines)
    assert export.customers(store) == ["bakery", "dentist"]


def test_retention_removes_looks_and_changes_and_keeps_what_was_agreed(store: Store) -> None:
    store.record_coverages([LOOK])
    store.record_changes([NEW])
    store.record_plan(PLAN)
    store.record_decisions([Decision("bakery", "device:7", "unlisted", "tracked", "J. Jansen", AT, "netbox")])

    kept = retention.prune(store, "bakery", 1, apply=True)
    removed = retention.prune(store, "bakery", 0, apply=True)

    assert (kept["coverages"], kept["changes"]) == (0, 0)  # recorded a moment ago, whatever its own clock said
    assert (removed["coverages"], removed["changes"]) == (1, 1)
    assert store.plan("p1") == PLAN
    assert len(store.decisions("bakery")) == 1


def test_what_a_clock_that_is_ahead_tells_is_dated_when_it_was_recorded_and_the_next_sighting_is_the_newest(
    store: Store,
) -> None:
    ahead = dt.datetime.now(dt.UTC) + dt.timedelta(days=400)
    store.record_observations(
        [Observation("bakery", "arp", ahead, {"macs": ["b8:27:eb:00:00:01"], "addresses": ["192.0.2.66"]})]
    )
    (told,) = store.sightings("bakery")
    assert told.last_seen <= dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    right = {"macs": ["b8:27:eb:00:00:01"], "addresses": ["192.0.2.1"]}
    store.record_observations([Observation("bakery", "arp", told.last_seen + dt.timedelta(microseconds=1), right)])
    assert [one.identity["addresses"] for one in store.sightings("bakery")] == [["192.0.2.1"]]
