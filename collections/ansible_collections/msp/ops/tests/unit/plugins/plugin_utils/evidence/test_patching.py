# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What patching leaves in the store: scans whose lists are kept once, rollouts, and events that only one may append."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from threading import Barrier, Thread
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import (
    codec,
    deliver,
    export,
    hashing,
    migrate,
    pending,
    retention,
    rows,
    schema,
    spool,
    statistics,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, StoredEvent, StoredRollout
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Judged, Scan, Update, Version

NOW = dt.datetime.now(dt.UTC)
AT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
OLD, RECENT = NOW - 400 * DAY, NOW - 5 * DAY
OPENSSL = Judged(
    Update(
        "openssl",
        "amd64",
        "3.0.14-1",
        "3.0.17-1",
        "Debian-Security/bookworm-security",
        True,
        (
            Version("3.0.16-1", "Debian/bookworm", False, ("CVE-2026-1111",), True),
            Version("3.0.17-1", None, True),
        ),
        ("CVE-2026-1111",),
        ("DSA-5999-1",),
        vendor="important",
        held="phased 30 %",
        needs="restart",
        services=("nginx.service",),
    ),
    "security",
    "high",
    "cvss",
    "OSV 2026-02-28",
    True,
    8.1,
    0.2,
)
TZDATA = Judged(Update("tzdata", "all", "1", "2", None, None), "routine", "unknown", "unknown", "")
GOOD = Scan(
    "bakery", "device:1", "till", AT, "ok", "debian-12", "apt", (OPENSSL, TZDATA), AT - DAY, ("old lists",), None, "r1"
)
# What a host may say of itself besides.
SAID: dict[str, Any] = {
    "machine_id": "0123456789abcdef0123456789abcdef",
    "blind": ("no security archive is among the sources", "a source was never fetched"),
    "booted_at": AT - DAY,
    "reboot": ("linux-image-6.1.0-42-amd64",),
    "services": ("docker.service",),
}
ROLLOUT = StoredRollout("ro1", "bakery", "standard", "ph", AT, "mh", {"manifest": [], "hosts": ["till"]})
STARTED = StoredEvent("batch started", AT, {"hosts": ["till"]})
DONE = StoredEvent("completed", AT + DAY, closes=True)


def many(number: int) -> tuple[Judged, ...]:
    """A list longer than what stays in the facts' own row."""
    return tuple(replace(TZDATA, update=replace(TZDATA.update, name=f"p{i}", candidate=str(number))) for i in range(40))


def test_a_scan_comes_back_as_it_was_told_and_is_told_once(store: Store) -> None:
    long = replace(GOOD, asset="device:2", updates=many(1))
    store.record_scans([GOOD, long])
    store.record_scans([GOOD, replace(GOOD, customer="dentist", updates=())])

    assert store.last_scans("bakery") == {"device:1": (GOOD, GOOD), "device:2": (long, long)}
    nothing_waits, _attempt = store.last_scans("dentist")["device:1"]
    assert nothing_waits is not None
    assert nothing_waits.updates == ()
    assert statistics.store(store.database).rows["patch_scans"] == 3


@pytest.mark.parametrize("outcome", ["no metadata", "failed", "unreachable", "no_python"])
def test_a_scan_that_failed_is_never_an_empty_list_and_the_last_good_one_stays_known(
    store: Store, outcome: str
) -> None:
    failed = replace(GOOD, at=AT + DAY, outcome=outcome, updates=None, error="no answer")
    older = replace(GOOD, at=AT - DAY, updates=())
    never = replace(failed, asset="device:2")
    store.record_scans([failed, GOOD, older, never])

    assert store.last_scans("bakery") == {"device:1": (GOOD, failed), "device:2": (None, never)}


def test_the_same_list_is_stored_once_and_read_as_one_object(store: Store) -> None:
    store.record_scans([replace(GOOD, asset=f"device:{i}", host=f"h{i}", updates=many(1)) for i in range(20)])

    assert statistics.store(store.database).rows["facts"] == 1
    found = [good for good, _last in store.last_scans("bakery").values() if good]
    assert len({id(one) for good in found for one in good.updates or ()}) == 40


def test_it_is_known_since_when_each_version_waits_in_whatever_order_scans_are_told(store: Store) -> None:
    later = replace(GOOD, asset="device:2", at=AT + DAY)
    store.record_scans([later])
    store.record_scans([GOOD, replace(GOOD, at=AT + 2 * DAY), replace(GOOD, customer="dentist", at=AT - DAY)])

    assert store.versions_seen("bakery") == {
        ("debian-12", "openssl", "amd64", "3.0.16-1"): AT,
        ("debian-12", "openssl", "amd64", "3.0.17-1"): AT,
        ("debian-12", "tzdata", "all", "2"): AT,
    }
    assert set(store.versions_seen("dentist").values()) == {AT - DAY}


def test_since_when_a_version_waits_is_kept_for_as_long_as_it_waits_somewhere(store: Store) -> None:
    store.record_scans([replace(GOOD, at=OLD), replace(GOOD, at=RECENT, updates=(TZDATA,))])

    assert retention.prune(store, "bakery", 365, apply=True)["versions_seen"] == 2
    assert store.versions_seen("bakery") == {("debian-12", "tzdata", "all", "2"): OLD}


@pytest.mark.parametrize(
    "wrong", [replace(GOOD, updates=None), replace(GOOD, outcome="failed"), replace(GOOD, outcome="fine")]
)
def test_a_scan_whose_outcome_and_list_contradict_each_other_is_refused(store: Store, wrong: Scan) -> None:
    with pytest.raises(MspError) as caught:
        store.record_scans([wrong])
    assert caught.value.code == "MSP-EVD-007"


@pytest.mark.parametrize("said", [{}, SAID, {"reboot": (), "services": ()}], ids=["nothing", "all", "that all is well"])
def test_what_a_host_says_of_itself_comes_back_and_silence_stays_silence(store: Store, said: dict[str, Any]) -> None:
    told = replace(GOOD, **said)
    since = {"reboot": AT, "restart docker.service": AT} if said is SAID else {}
    stored = replace(told, owed_since=since)
    store.record_scans([told])
    assert store.last_scans("bakery") == {"device:1": (stored, stored)}
    assert codec.decode(codec.encode(told)) == told
    assert codec.decode(codec.encode(stored)) == stored


def test_what_is_owed_is_owed_since_the_first_scan_that_found_it(store: Store) -> None:
    found = replace(GOOD, booted_at=AT - 9 * DAY, services=("docker.service",))
    for days in range(3):
        store.record_scans([replace(found, at=AT + days * DAY, reboot=(f"kernel {days}",))])
    last, _attempt = store.last_scans("bakery")["device:1"]
    assert last is not None and last.at == AT + 2 * DAY
    assert last.owed_since == {"reboot": AT, "restart docker.service": AT}


def test_a_scan_without_a_feed_that_the_last_one_had_lowers_no_class_whoever_records_it(store: Store) -> None:
    urgent = replace(
        OPENSSL, patch_class="emergency", rule="known exploited", source="CISA KEV 2026-03-01: CVE-2026-1111"
    )
    with_feed = replace(GOOD, updates=(urgent, TZDATA), feeds={"kev": "2026-03-01"})
    forgotten = [replace(GOOD, at=AT + days * DAY) for days in (1, 2)]
    store.record_scans([with_feed])
    store.record_scans(forgotten)
    store.record_scans(forgotten)  # told again
    last, _attempt = store.last_scans("bakery")["device:1"]
    assert last is not None and last.updates is not None
    assert last.updates == (replace(urgent, kept="2026-03-01"), TZDATA)
    assert "CISA KEV of 2026-03-01 (2 days old)" in last.warnings[-1]
    store.record_scans([replace(GOOD, at=AT + 3 * DAY, feeds={"kev": "2026-03-04"})])
    again, _attempt = store.last_scans("bakery")["device:1"]
    assert again is not None and again.updates == (OPENSSL, TZDATA) and again.warnings == GOOD.warnings


def test_what_an_older_version_stored_as_owed_is_read_without_since_when() -> None:
    row = SimpleNamespace(**rows.scan_row(replace(GOOD, **SAID)))
    assert (row.reboot, row.services) == ('["linux-image-6.1.0-42-amd64"]', '["docker.service"]')
    assert rows.scan(row, GOOD.updates, {}) == replace(GOOD, **SAID)


def test_a_scan_that_an_older_version_stored_says_nothing_of_its_machine(empty_url: str) -> None:
    older = {name: value for name, value in rows.scan_row(GOOD).items() if name not in SAID}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "REVISIONS", schema.REVISIONS[: schema.REVISIONS.index("0004") + 1])
        with Store.open(empty_url, upgrade=True) as store:
            old = {**older, "outcome": "failed", "recorded_at": older["at"], "id": 1}
            names = ", ".join(f'"{name}"' for name in old)
            values = ", ".join(f":{name}" for name in old)
            insert = sa.text(f"INSERT INTO patch_scans ({names}) VALUES ({values})")  # noqa: S608
            store.database.write(lambda connection: connection.execute(insert, old))
    with Store.open(empty_url, upgrade=True) as upgraded:
        failed = replace(GOOD, outcome="failed", updates=None)
        assert upgraded.last_scans("bakery") == {"device:1": (None, failed)}
        assert (failed.machine_id, failed.blind, failed.reboot) == ("", (), None)


def test_a_scan_goes_through_the_spool(store: Store) -> None:
    failed = replace(GOOD, at=AT + DAY, outcome="unreachable", updates=None, metadata_at=None)
    for scan in (GOOD, failed):
        assert codec.decode(codec.encode(scan)) == scan
    spool.put([GOOD, failed])
    assert deliver.deliver(store).rejected == []
    assert store.last_scans("bakery") == {"device:1": (GOOD, failed)}


@pytest.mark.parametrize(
    "data",
    [
        {"updates": 7},
        {"updates": [{"update": {"name": "x"}}]},
        {"updates": [{"update": "x"}]},
        {"at": "2026-03-01T09:30:00"},
        {"asset": None, "metadata_at": "yesterday"},
        {"updates": [{"update": {"name": {}}}]},
        {"blind": None},
        {"booted_at": "2026-03-01T09:30:00"},
        {"feeds": 7},
        {"feeds": {"kev": "yesterday"}},
        {"feeds": {"kev": None}},
        {"owed_since": ["reboot"]},
        {"owed_since": {"reboot": "2026-03-01T09:30:00"}},
        {"more": 1},
    ],
)
def test_a_line_that_is_no_scan_is_refused_as_a_line(data: object) -> None:
    line = json.loads(codec.encode(GOOD))
    line["data"].update(data)
    with pytest.raises(ValueError, match=r"."):
        codec.decode(json.dumps(line))


# Retention


def test_facts_that_a_scan_or_an_audit_names_stay_and_those_that_nobody_names_go(store: Store) -> None:
    """One list has an audit's facts' hash, one is named by a recent scan, one by another customer's, one by nobody."""
    shared = pending.body(many(4))
    store.put_facts(shared)
    store.record_audit(Audit("bakery", "device:9", "h", RECENT, "ok", hashing.facts_hash(shared)))
    for number, asset in enumerate(("device:1", "device:2", "device:3", "device:4"), 1):
        store.record_scans([replace(GOOD, asset=asset, at=OLD, updates=many(number))])
    store.record_scans([replace(GOOD, asset="device:1", at=RECENT, updates=many(1))])
    store.record_scans([replace(GOOD, customer="dentist", at=OLD, updates=many(2))])

    removed = retention.prune(store, "bakery", 365, apply=True)

    assert (removed["patch_scans"], removed["facts"]) == (4, 1)
    assert store.facts(hashing.facts_hash(shared)) == json.loads(hashing.canonical_json(shared))
    (kept,) = store.last_scans("bakery").values()
    assert kept[0] == replace(GOOD, at=RECENT, updates=many(1))
    (theirs,) = store.last_scans("dentist").values()
    assert theirs[0] == replace(GOOD, customer="dentist", at=OLD, updates=many(2))
    with pytest.raises(MspError):
        store.facts(hashing.facts_hash(pending.body(many(3))))


def test_facts_of_an_audit_that_goes_stay_where_a_scan_names_them(store: Store) -> None:
    body = pending.body(many(1))
    store.put_facts(body)
    store.record_audit(Audit("bakery", "device:1", "h", OLD, "ok", hashing.facts_hash(body)))
    store.record_scans([replace(GOOD, at=RECENT, updates=many(1))])

    removed = retention.prune(store, "bakery", 365, apply=True)

    assert (removed["audits"], removed["facts"]) == (1, 0)
    assert store.last_scans("bakery")["device:1"][0] == replace(GOOD, at=RECENT, updates=many(1))


def test_the_last_good_scan_stays_while_somebody_still_tries(store: Store) -> None:
    good, failed = replace(GOOD, at=OLD), replace(GOOD, at=RECENT, outcome="failed", updates=None)
    store.record_scans([good, replace(GOOD, at=OLD - DAY, updates=()), failed])
    store.record_scans([replace(good, asset="device:2")])

    assert retention.prune(store, "bakery", 365, apply=True)["patch_scans"] == 2
    assert store.last_scans("bakery") == {"device:1": (good, failed)}


def test_a_rollout_stays_until_it_is_over_and_goes_with_its_events(store: Store) -> None:
    for name, customer in (("ro1", "bakery"), ("ro2", "bakery"), ("ro3", "dentist")):
        store.record_rollout(replace(ROLLOUT, id=name, customer=customer), fence=1)
        store.append_event(name, 1, STARTED, fence=1)
    for name in ("ro2", "ro3"):
        store.append_event(name, 2, DONE, fence=1)

    assert retention.prune(store, "bakery", 1, apply=True)["rollouts"] == 0
    removed = retention.prune(store, "bakery", 0, apply=True)

    assert (removed["rollouts"], removed["rollout_events"]) == (1, 2)
    assert [one.id for one in store.rollouts("bakery")] == ["ro1"]
    assert [one.id for one in store.rollouts("dentist")] == ["ro3"]


def test_an_export_has_scans_and_rollouts_and_names_no_other_customer(store: Store) -> None:
    for customer in ("bakery", "dentist"):
        store.record_scans([replace(GOOD, customer=customer), replace(GOOD, customer=customer, at=AT + DAY)])
        store.record_rollout(replace(ROLLOUT, id=f"of-{customer}", customer=customer), fence=1)
        store.append_event(f"of-{customer}", 1, STARTED, fence=1)

    lines = [json.loads(codec.encode(record)) for record in export.export(store, "bakery")]

    assert [line["kind"] for line in lines] == ["patch_scan", "patch_scan", "rollout"]
    assert lines[0]["data"]["updates"][0]["update"]["name"] == "openssl"
    assert lines[2]["data"]["events"][0]["body"] == {"hosts": ["till"]}
    assert "dentist" not in json.dumps(lines)
    assert export.customers(store) == ["bakery", "dentist"]


# Rollouts


def test_a_rollout_comes_back_with_its_events_in_order(store: Store) -> None:
    store.record_rollout(ROLLOUT, fence=3)
    store.record_rollout(ROLLOUT, fence=4)
    for number, event in enumerate((STARTED, replace(STARTED, kind="host result", at=AT - DAY), DONE), 1):
        store.append_event("ro1", number, event, fence=3 + number)

    found = store.rollout("ro1")

    assert found is not None
    assert replace(found, events=(), fence=None, recorded_at=None) == ROLLOUT
    assert [(one.kind, one.number, one.fence, one.closes) for one in found.events] == [
        ("batch started", 1, 4, False),
        ("host result", 2, 5, False),
        ("completed", 3, 6, True),
    ]
    assert (found.events[0].at, found.events[0].body) == (AT, {"hosts": ["till"]})
    assert found.over
    assert store.rollout("other") is None


def test_a_rollout_is_recorded_with_its_first_event_and_the_same_again_changes_nothing(store: Store) -> None:
    begun = replace(ROLLOUT, events=(replace(STARTED, kind="planned"),))
    store.record_rollout(begun, fence=3)
    store.append_event("ro1", 2, STARTED, fence=3)
    store.record_rollout(begun, fence=3)

    found = store.rollout("ro1")
    assert found is not None
    assert [(one.number, one.kind, one.fence) for one in found.events] == [(1, "planned", 3), (2, "batch started", 3)]


def test_open_rollouts_are_told_from_those_that_are_over(store: Store) -> None:
    # Two may be recorded within one tick of the store's clock: then the one that was made last is first.
    for number, name in enumerate(("new", "open", "over")):
        store.record_rollout(replace(ROLLOUT, id=name, made=ROLLOUT.made + dt.timedelta(minutes=number)), fence=1)
    store.append_event("open", 1, STARTED, fence=1)
    store.append_event("over", 1, STARTED, fence=1)
    store.append_event("over", 2, DONE, fence=1)

    assert {one.id for one in store.rollouts("bakery", open_only=True)} == {"new", "open"}
    assert [one.id for one in store.rollouts("bakery")] == ["over", "open", "new"]
    assert store.rollouts("dentist") == []


def test_old_rollouts_are_told_with_the_kinds_of_events_that_are_asked_for(store: Store) -> None:
    for name, made in (("old", AT - DAY), ("now", AT)):
        store.record_rollout(replace(ROLLOUT, id=name, made=made), fence=1)
        store.append_event(name, 1, STARTED, fence=1)
        store.append_event(name, 2, DONE, fence=1)

    (found,) = store.rollouts("bakery", before=AT, kinds={DONE.kind})

    assert (found.id, [event.kind for event in found.events], found.over) == ("old", [DONE.kind], True)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_an_event_that_does_not_follow_the_last_one_is_refused(store: Store, number: int) -> None:
    store.record_rollout(ROLLOUT, fence=1)
    store.append_event("ro1", 1, STARTED, fence=1)
    with pytest.raises(MspError) as caught:
        store.append_event("ro1", number, DONE, fence=1)
    assert caught.value.code == "MSP-EVD-018"
    assert "event 2" in caught.value.expected


def test_of_two_controllers_that_read_the_same_one_is_refused(store: Store, url: str) -> None:
    """Both at the same moment, each with its own connection, ten times."""
    store.record_rollout(ROLLOUT, fence=1)
    barrier, refused = Barrier(2), []

    def append(other: Store) -> None:
        for number in range(1, 11):
            barrier.wait(timeout=30)
            try:
                other.append_event("ro1", number, STARTED, fence=1)
            except MspError as error:
                refused.append(error.code)

    with Store.open(url) as second, Store.open(url) as third:
        threads = [Thread(target=append, args=(one,)) for one in (second, third)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    found = store.rollout("ro1")
    assert found is not None
    assert [one.number for one in found.events] == list(range(1, 11))
    assert refused == ["MSP-EVD-018"] * 10


def test_whoever_lost_the_lease_writes_no_more(store: Store) -> None:
    store.record_rollout(ROLLOUT, fence=4)
    for number, fence in ((1, 3), (2, 5)):
        with pytest.raises(MspError) as caught:
            store.append_event("ro1", number, STARTED, fence=3)
        assert caught.value.code == "MSP-EVD-019"
        store.append_event("ro1", number, STARTED, fence=fence + 1)
    with pytest.raises(MspError) as caught:
        store.record_rollout(replace(ROLLOUT, id="ro2"), fence=3)
    assert caught.value.code == "MSP-EVD-019"
    store.record_rollout(replace(ROLLOUT, id="ro3", customer="dentist"), fence=1)


@pytest.mark.parametrize("name", ["unknown", "over"])
def test_no_event_is_added_to_a_rollout_that_is_unknown_or_over(store: Store, name: str) -> None:
    store.record_rollout(replace(ROLLOUT, id="over"), fence=1)
    store.append_event("over", 1, DONE, fence=1)
    with pytest.raises(MspError) as caught:
        store.append_event(name, 2, STARTED, fence=1)
    assert caught.value.code == "MSP-EVD-020"


def test_another_rollout_under_the_id_of_one_is_refused(store: Store) -> None:
    store.record_rollout(ROLLOUT, fence=1)
    with pytest.raises(MspError) as caught:
        store.record_rollout(replace(ROLLOUT, manifest_hash="other"), fence=1)
    assert caught.value.code == "MSP-EVD-020"
