# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The spool comes to the store before anything is told of it; where that takes too long, it is said. What is wrong with
one customer is no other's. NetBox is made, the store real.
"""

from __future__ import annotations

import datetime as dt
import fcntl
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import field_states, patch_report, patch_states
from ansible_collections.msp.ops.plugins.plugin_utils.desk.gather import one_customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk.opened import plain_entry
from ansible_collections.msp.ops.plugins.plugin_utils.desk.patch_journal import JOURNAL
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import compliance, events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.compliance import OfAsset
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import (
    Entry,
    HostResult,
    Judged,
    Manifest,
    Scan,
    Update,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.desk.made_desk import NOW, ONE, SLUG
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import data
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan_netbox import TERMS, asset
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan_netbox import customer as made
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import RINGS
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.register.conftest import MadeNetBox

SCAN = Scan(SLUG, "device:1", ONE, NOW, "unreachable", error="no route to host")


@pytest.fixture
def spooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scan that waits in the spool."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    spool.put([SCAN])
    return spool.default_directory()


def test_what_waits_in_the_spool_is_in_the_store_after_it_and_in_check_mode_it_stays(
    store: Store, spooled: Path
) -> None:
    assert field_states.delivered(store, check=True) == []
    assert store.last_scans(SLUG) == {}

    assert field_states.delivered(store, check=False) == []

    assert store.last_scans(SLUG)["device:1"][1] == SCAN
    assert spool.waiting(spooled) == []


def test_a_spool_that_another_run_delivers_for_too_long_is_named_and_nothing_is_lost(
    store: Store, spooled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(field_states, "DELIVERY_SECONDS", 0.0)
    with (spooled / ".deliver.lock").open("w", encoding="utf-8") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        with pytest.raises(MspError) as refused:
            field_states.delivered(store, check=False)

    assert refused.value.code == "MSP-EVD-021"
    assert len(spool.waiting(spooled)) == 1


# All customers, one of which has a plan that cannot be read

FIRST, LAST = "bakkerij-jansen", "harbour-dental"
MANIFEST = Manifest.of([Entry("debian-12", "openssl", "amd64", "2", patch_class="security")])


def device(number: int, slug: str, context: Mapping[str, Any], state: str | None) -> dict[str, Any]:
    tenant = {FIRST: 1, LAST: 2}[slug]
    found = asset(number, context)
    fields = {**found["custom_fields"], names.PATCHING: state and {"value": state, "label": state}}
    return {**found, "tenant_id": tenant, "tenant": {"id": tenant, "slug": slug}, "custom_fields": fields}


class Two(MadeNetBox):
    """A NetBox that knows a customer's devices by its slug, and keeps what is written to it."""

    def answer(self, endpoint: str, query: dict[str, list[str]]) -> dict[str, Any]:
        slugs = {row["slug"]: str(row["id"]) for row in self.tables["tenancy/tenants"]}
        wanted = {name: values for name, values in query.items() if name != "tenant"}
        if "tenant" in query:
            wanted["tenant_id"] = [slugs[slug] for slug in query["tenant"]]
        return super().answer(endpoint, wanted)

    def keep(self) -> int:
        """What was written is there from now on; how many objects that were."""
        count = 0
        for method, endpoint, rows in self.written:
            count += len(rows)
            table = self.tables[endpoint]
            if method == "POST":
                table += [{**row, "id": len(table) + number} for number, row in enumerate(rows, 1)]
                continue
            for row in rows:
                (have,) = (one for one in table if one["id"] == row["id"])
                have["custom_fields"] = {**have["custom_fields"], **row["custom_fields"]}
        self.written.clear()
        return count


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Two]:
    """Two customers; the plan of the first says nothing that anybody can read."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    netbox = Two()
    broken, fine = {"msp_patch_plan": {"name": "office"}}, {"msp_patch_plan": data()}
    devices = [
        device(1, FIRST, broken, names.UP_TO_DATE),
        device(2, FIRST, broken, None),
        device(3, LAST, fine, names.UP_TO_DATE),
    ]
    made(netbox, devices)
    netbox.tables["tenancy/tenants"].append({"id": 2, "slug": LAST, "name": "Harbour Dental", "custom_fields": TERMS})
    for endpoint in ("dcim/devices", "virtualization/virtual-machines"):
        netbox.filters[endpoint] = ["id", "id__lt", "tenant_id", "tenant"]
    netbox.tables[JOURNAL] = []
    netbox.filters[JOURNAL] = ["id", "id__lt", "assigned_object_type", "assigned_object_id"]
    yield netbox
    netbox.stop()


def asked_of(store: Store, slug: str) -> None:
    """A rollout of the customer that somebody paused."""
    at = store.now()
    planned = events.Planned(at, "security", MANIFEST.hash(), at + dt.timedelta(days=14), RINGS, "timer")
    body = {"manifest": [plain_entry(entry) for entry in MANIFEST.entries]}
    stored = events.starting(slug, "office", "plan", planned, body)
    store.record_rollout(stored, fence=0)
    store.append_event(stored.id, 2, events.stored(events.Paused(at, "anna", "the shop is full")), 0)


def told(store: Store, netbox: Two, *slugs: str, check: bool = False) -> patch_states.Told:
    with netbox.connect(retries=0) as register:
        return patch_states.tell(store, register, slugs, check=check)


def by_device(netbox: Two) -> dict[int, str | None]:
    """What NetBox says of each device, with what was written to it."""
    netbox.keep()
    return {
        row["id"]: value["value"] if isinstance(value := row["custom_fields"][names.PATCHING], dict) else value
        for row in netbox.tables["dcim/devices"]
    }


def test_a_plan_that_cannot_be_read_keeps_no_other_customer_from_being_told_of(store: Store, two: Two) -> None:
    asked_of(store, LAST)
    found = told(store, two, FIRST, LAST)

    assert by_device(two) == {1: names.UNKNOWN, 2: None, 3: names.UNKNOWN}  # nobody ever scanned the last one
    assert len(two.tables[JOURNAL]) == len(found.journal) == 1
    said = found.as_dict()
    assert said["failed"] is True and FIRST in said["msg"] and LAST not in said["msg"]
    assert said["customers"][FIRST]["wrong"].startswith("MSP-PAT-")
    assert any(line.startswith(f"{FIRST}: unknown, MSP-PAT-") for line in said["summary"])
    assert any(line.startswith(f"{LAST}, plan office: ") for line in said["summary"])


def test_a_second_run_writes_nothing_and_fails_all_the_same(store: Store, two: Two) -> None:
    told(store, two, FIRST, LAST)
    assert two.keep() == 2
    again = told(store, two, FIRST, LAST).as_dict()
    assert (two.keep(), again["changed"], again["failed"]) == (0, False, True)


def test_in_check_mode_it_says_what_it_would_write_and_writes_nothing(store: Store, two: Two) -> None:
    found = told(store, two, FIRST, LAST, check=True)
    assert found.changes["device:1"] == (names.UP_TO_DATE, names.UNKNOWN)
    assert two.written == []


def test_people_are_heard_also_where_the_plan_cannot_be_read(store: Store, two: Two) -> None:
    asked_of(store, FIRST)
    assert len(told(store, two, FIRST).journal) == 1


def test_a_customer_that_is_none_is_named_and_the_others_are_told_of(store: Store, two: Two) -> None:
    found = told(store, two, "nobody", LAST)
    assert [error.code for error in found.errors] == ["MSP-REG-009"]
    assert [one.customer for one in found.states] == [LAST]


def test_a_netbox_that_is_away_is_asked_for_no_other_customer(store: Store, two: Two) -> None:
    with two.connect(retries=0) as register:
        two.stop()
        found = patch_states.tell(store, register, [FIRST, LAST], check=False)
    assert [error.code for error in found.errors] == ["MSP-REG-002"]
    assert found.states == ()


# What NetBox is told of one asset


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (compliance.IN_TIME, names.UP_TO_DATE),
        (compliance.OWED, names.WAITING),
        (compliance.WAIVED, names.WAIVED),
        (compliance.LATE, names.LATE),
        (compliance.UNKNOWN, names.UNKNOWN),
    ],
)
def test_what_owes_a_restart_is_not_up_to_date_in_netbox(state: str, word: str) -> None:
    owed = ("reboot: libc6",) if state == compliance.OWED else ()
    assert patch_states.state_of(OfAsset("device:1", "till", state, "", NOW, (), (), owed=owed)) == word


FOUND: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, names.UP_TO_DATE),
    "a list that may lack updates": ({"blind": ("no security archive is among the sources",)}, names.UNKNOWN),
    "an old library that runs": ({"reboot": ("libc6 was updated after the last boot",)}, names.WAITING),
    "a service with replaced files": ({"services": ("docker.service",)}, names.WAITING),
    "lists that are old today": ({"metadata_days": 8, "days": 4}, names.UNKNOWN),
}


@pytest.mark.parametrize("found", list(FOUND))
def test_netbox_says_what_a_scan_found_and_nothing_better(store: Store, two: Two, found: str) -> None:
    values, word = FOUND[found]
    values = dict(values)
    day = dt.timedelta(days=1)
    at, lists = (store.now() - values.pop(name, 0) * day for name in ("days", "metadata_days"))
    scan = Scan(LAST, "device:3", "srv03", at, "ok", "debian-12", "apt", (), lists, **values)
    store.record_scans([scan])

    told(store, two, LAST)

    assert by_device(two)[3] == word


# How far back it reads


def test_only_what_something_can_have_happened_in_is_read(store: Store) -> None:
    now = store.now()

    def record(number: int, made_at: dt.datetime, ended: dt.datetime | None) -> str:
        planned = events.Planned(made_at, "routine", f"{number}", now + dt.timedelta(days=9), RINGS, "timer")
        stored = events.starting(SLUG, "office", "plan", planned, {"manifest": []})
        store.record_rollout(stored, fence=0)
        if ended is not None:
            store.append_event(stored.id, 2, events.stored(events.Expired(ended)), 0)
        return stored.id

    day = dt.timedelta(days=1)
    record(1, now - 400 * day, now - 91 * day)
    ended, goes_on = record(2, now - 400 * day, now - 89 * day), record(3, now - 500 * day, None)
    young = record(4, now - day, now)

    found = store.rollouts(SLUG, going_on_since=now - patch_states.PERIOD)

    assert {one.id for one in found} == {ended, goes_on, young}


# What a rollout left owed long ago

DAY = dt.timedelta(days=1)


def owes_since(store: Store, days: int, *, booted: int) -> None:
    """A rollout that ended so many days ago left a reboot owed; the host was last started before that, and cannot tell
    that it needs one."""
    now = store.now()
    began = now - days * DAY
    target = events.Target("srv03.x", "device:3", "srv03", "debian-12")
    planned = events.Planned(
        began, "security", MANIFEST.hash(), began + 14 * DAY, (events.RingTargets("pilot", (target,)),), "timer"
    )
    body = {"manifest": [plain_entry(entry) for entry in MANIFEST.entries], "plan": "office"}
    stored = events.starting(LAST, "office", "plan", planned, body)
    store.record_rollout(stored, fence=0)
    versions = ({"openssl:amd64": "1"}, {"openssl:amd64": "2"})
    result = HostResult(target.host, target.asset, "reboot owed", began, *versions, owed=("reboot: openssl",))
    history: tuple[events.Event, ...] = (
        events.Approved(began, MANIFEST.hash(), events.THE_PLAN, "automatic"),
        events.RingOpened(began, "pilot"),
        events.BatchStarted(began, "pilot", (target.host,)),
        events.HostEnded(began, result, 60),
        events.Aborted(began),
    )
    for number, event in enumerate(history, 2):
        store.append_event(stored.id, number, events.stored(event), 0)
    at = now - dt.timedelta(hours=1)
    good = Scan(LAST, "device:3", "srv03.x", at, "ok", "debian-12", "apt", (), at, booted_at=now - booted * DAY)
    store.record_scans([good])


@pytest.mark.parametrize("days", [20, 89, 91, 119, 121, 500])
def test_what_a_rollout_left_owed_is_late_whatever_its_age_and_in_netbox_and_report_alike(
    store: Store, two: Two, days: int
) -> None:
    owes_since(store, days, booted=days + 1)
    told(store, two, LAST)
    assert by_device(two)[3] == names.LATE
    with two.connect(retries=0) as register:
        customer = one_customer(register, LAST)
        for period in (1, 30, 730):
            (one,) = patch_report.stand(store, register, customer, period).assets
            assert (one.state, one.owed) == (compliance.LATE, ("reboot: openssl",))


def test_what_was_started_anew_since_owes_nothing(store: Store, two: Two) -> None:
    owes_since(store, 200, booted=100)
    told(store, two, LAST)
    assert by_device(two)[3] == names.UP_TO_DATE


def test_a_class_that_is_kept_for_want_of_a_feed_is_told_at_the_end_of_the_run(store: Store, two: Two) -> None:
    at = store.now() - dt.timedelta(hours=2)
    openssl = Update("openssl", "amd64", "1", "2", None, True)
    urgent = Judged(openssl, "emergency", "critical", "known exploited", "CISA KEV", True)
    with_feed = Scan(LAST, "device:3", "s", at, "ok", "debian-12", "apt", (urgent,), at, feeds={"kev": "2026-11-20"})
    store.record_scans([with_feed])
    plain = Judged(openssl, "security", "unknown", "unknown", "")
    store.record_scans([replace(with_feed, at=at + dt.timedelta(hours=1), updates=(plain,), feeds={})])
    found = told(store, two, LAST)
    assert found.as_dict()["customers"][LAST]["plans"]["office"]["kept"] == {"srv03": ["openssl"]}
    assert found.as_dict()["summary"][-1] == (
        f"{LAST}, plan office: 1 asset keeps classes of an earlier scan, for the last one lacked a feed or changelogs"
        " that this had: give them again"
    )
