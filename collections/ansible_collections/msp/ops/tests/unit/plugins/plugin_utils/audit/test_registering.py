# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run is recorded whole whatever NetBox does: a real spool and store; NetBox is a made answer."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit import registering
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.codec import Facts
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import facts_hash
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

BEGAN = dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
SUBJECTS = [Subject(f"srv{id}.example", "example", f"device:{id}") for id in (1, 2, 3)]
FACTS = {"schema": 1}
NEIGHBOUR = {"address": "192.0.2.9", "mac": "02:00:00:00:00:09", "interface": "eth0", "state": "reachable"}


class MadeNetBox:
    """Answers as the client does: a request with a date that is none is refused whole; down, nothing is answered."""

    def __init__(self) -> None:
        self.down = False
        self.devices: dict[int, dict[str, Any]] = {id: {} for id in (1, 2, 3)}
        self.requests = 0

    def rows(self, endpoint: str, **_unused: Any) -> list[dict[str, Any]]:
        if self.down:
            raise MspError("MSP-REG-002", "an answer", "none", "wait")
        if endpoint == "ipam/prefixes":
            return [{"id": 1, "prefix": "192.0.2.0/24"}]
        rows = [{"id": id, "custom_fields": fields} for id, fields in self.devices.items()]
        return rows if endpoint == "dcim/devices" else []

    def update(self, _endpoint: str, rows: Sequence[Mapping[str, Any]], *, message: str) -> None:
        assert message
        self.requests += 1
        if any(row["custom_fields"].get("msp_os_support_end") == "not-a-date" for row in rows):
            raise MspError("MSP-REG-007", "that NetBox accepts it", "Invalid date", "correct it")
        for row in rows:
            self.devices[row["id"]] = {**self.devices[row["id"]], **row["custom_fields"]}


@pytest.fixture
def store(sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return sqlite_store


def audited(subject: Subject, at: dt.datetime, support_end: str = "2028-06-30", *neighbours: Any) -> None:
    audit = Audit(
        subject.customer,
        subject.asset,
        subject.host,
        at,
        "ok",
        facts_hash=facts_hash(FACTS),
        summary={"os": "Debian", "support_end": support_end},
        volatile={"neighbours": list(neighbours)},
    )
    spool.put([Facts(FACTS), audit])


def run(store: Store, netbox: Any, began: dt.datetime = BEGAN, *, check: bool = False) -> registering.Registered:
    done = registering.record(store, SUBJECTS, began, check=check)
    registering.register_audits(store, netbox, done, check=check)
    return done


def test_a_row_that_netbox_refuses_is_named_and_the_others_are_written(store: Store) -> None:
    netbox = MadeNetBox()
    for subject, support_end in zip(SUBJECTS, ("2028-06-30", "not-a-date", "2029-06-30"), strict=True):
        audited(subject, BEGAN, support_end)

    done = run(store, netbox)

    assert list(done.refused) == ["srv2.example"]
    assert "Invalid date" in done.refused["srv2.example"]
    assert sorted(done.changes) == ["device:1", "device:3"]
    assert [fields.get("msp_os_support_end") for fields in netbox.devices.values()] == [
        "2028-06-30",
        None,
        "2029-06-30",
    ]


def test_what_netbox_accepts_goes_in_one_request(store: Store) -> None:
    netbox = MadeNetBox()
    for subject in SUBJECTS:
        audited(subject, BEGAN)

    assert run(store, netbox).refused == {}
    assert run(store, netbox).changes == {}
    assert netbox.requests == 1


def test_a_run_without_netbox_records_its_audits_and_the_next_derives_their_neighbours(store: Store) -> None:
    netbox = MadeNetBox()
    netbox.down = True
    audited(SUBJECTS[0], BEGAN, "2028-06-30", NEIGHBOUR)

    with pytest.raises(MspError, match="MSP-REG-002"):
        run(store, netbox)

    assert {asset: last.outcome for asset, (_unused, last) in store.last_audits("example").items() if last} == {
        "device:1": "ok", "device:2": "failed", "device:3": "failed",
    }  # fmt: skip
    assert store.sightings("example") == []

    netbox.down = False
    for subject in SUBJECTS:
        audited(subject, BEGAN + HOUR)
    done = run(store, netbox, BEGAN + HOUR)

    assert done.observations == 1
    assert [(one.source, one.first_seen) for one in store.sightings("example")] == [("neighbours", BEGAN)]
    for subject in SUBJECTS:
        audited(subject, BEGAN + 2 * HOUR)
    assert run(store, netbox, BEGAN + 2 * HOUR).observations == 0


def test_neighbours_derived_twice_are_seen_once(store: Store) -> None:
    audited(SUBJECTS[0], BEGAN, "2028-06-30", NEIGHBOUR)

    run(store, MadeNetBox())
    first = store.sightings("example")
    run(store, MadeNetBox())

    assert len(first) == 1
    assert store.sightings("example") == first


def test_a_record_that_the_store_rejects_is_reported_with_its_reason(store: Store) -> None:
    for subject in SUBJECTS[:2]:
        audited(subject, BEGAN)
    lost = Audit("example", "device:3", "srv3.example", BEGAN, "ok", facts_hash="0" * 64)
    spool.put([lost])

    done = registering.record(store, SUBJECTS, BEGAN, check=False)

    (reason,) = done.rejected
    assert [one.outcome for one in done.attempts] == ["ok", "ok", "failed"]
    assert "1 record(s)" in str(done.attempts[2].error)
    assert "worker" not in str(done.attempts[2].error)
    assert reason


def test_a_spool_that_another_run_delivers_ends_in_time_and_calls_no_host_lost(store: Store) -> None:
    audited(SUBJECTS[0], BEGAN)
    lock = spool.default_directory() / ".deliver.lock"

    with lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(MspError, match="MSP-AUD-009"):
            registering.record(store, SUBJECTS, BEGAN, check=False, seconds=0.05)

    assert store.audits("example") == []


def test_a_check_writes_nothing_anywhere(store: Store, tmp_path: Path) -> None:
    netbox = MadeNetBox()
    audited(SUBJECTS[0], BEGAN)
    run(store, netbox)
    before = (netbox.requests, json.dumps(netbox.devices), store.audits("example"))
    audited(SUBJECTS[0], BEGAN + HOUR, "2030-01-01", NEIGHBOUR)

    done = run(store, netbox, BEGAN + HOUR, check=True)

    assert (netbox.requests, json.dumps(netbox.devices), store.audits("example")) == before
    assert {one.outcome for one in done.attempts} == {"not_recorded"}
    assert list(tmp_path.rglob("neighbours.since")) == []
