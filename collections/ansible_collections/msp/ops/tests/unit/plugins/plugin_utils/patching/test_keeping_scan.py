# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is kept of a scan, on a real spool and delivered to a real store."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import deliver, spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import keeping_scan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Judged, Scan, Update

AT = dt.datetime(2026, 11, 26, 10, tzinfo=dt.UTC)
SUBJECT = Subject("srv01.bakkerij-jansen", "bakkerij-jansen", "device:7")
UPDATE = Update("openssl", "amd64", "1", "2", "Debian/bookworm", True, source="openssl", source_from="1", source_to="2")
SCAN = Scan(
    SUBJECT.customer,
    SUBJECT.asset,
    SUBJECT.host,
    AT,
    "ok",
    "debian-12",
    "apt",
    (Judged(UPDATE, "security", "unknown", "unknown", "security update of Debian/bookworm"),),
    warnings=("a warning",),
)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))


def test_a_scan_reaches_the_store_whole(sqlite_store: Store) -> None:
    store = sqlite_store

    keeping_scan.keep(SUBJECT, SCAN, dry=False)
    deliver.deliver(store)

    assert store.last_scans("bakkerij-jansen")["device:7"] == (SCAN, SCAN)


def test_the_next_scan_knows_what_was_pending_and_a_dry_one_keeps_nothing() -> None:
    assert keeping_scan.keep(SUBJECT, SCAN, dry=True) is None
    assert not spool.default_directory().exists()
    assert keeping_scan.keep(SUBJECT, SCAN, dry=False) is None
    assert keeping_scan.keep(SUBJECT, SCAN, dry=True) == {"openssl:amd64": "1 -> 2, security"}


def test_a_scan_without_a_list_does_not_make_all_of_it_new_next_time() -> None:
    keeping_scan.keep(SUBJECT, SCAN, dry=False)
    keeping_scan.keep(SUBJECT, Scan(SUBJECT.customer, SUBJECT.asset, SUBJECT.host, AT, "unreachable"), dry=False)

    assert keeping_scan.keep(SUBJECT, SCAN, dry=True) == {"openssl:amd64": "1 -> 2, security"}


def test_a_torn_file_is_no_earlier_scan(tmp_path: Path) -> None:
    keeping_scan.keep(SUBJECT, SCAN, dry=False)
    (place,) = (tmp_path / "state" / "msp.ops" / "patching").rglob("*.json")
    place.write_text('{"openssl:amd64": ')

    assert keeping_scan.keep(SUBJECT, SCAN, dry=True) is None
