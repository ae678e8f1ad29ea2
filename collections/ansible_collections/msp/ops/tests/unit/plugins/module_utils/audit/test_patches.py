# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The history of patches in logs: rotated, compressed, broken, and in local time."""

from __future__ import annotations

import gzip
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit import patches
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

APT = """
Start-Date: 2026-03-01  10:00:00
Commandline: /usr/bin/unattended-upgrade
Install: linux-image-6.1.0-30-amd64:amd64 (6.1.124-1, automatic)
Upgrade: openssl:amd64 (3.0.1, 3.0.2), libssl3:amd64 (3.0.1, 3.0.2)
Remove: old:amd64 (1.0)
End-Date: 2026-03-01  10:01:00

Start-Date: 2026-03-02  10:00:00
Commandline: apt-get upgrade
Upgrade: bash:amd64 (5.1, 5.2)
Error: Sub-process /usr/bin/dpkg returned an error code (1)
End-Date: 2026-03-02  10:00:05
"""
DPKG = """2026-03-01 10:00:30 startup archives unpack
2026-03-01 10:00:31 upgrade openssl:amd64 3.0.1 3.0.2
2026-03-01 10:00:31 status half-configured openssl:amd64 3.0.1
2026-04-01 08:15:10 install agent:all <none> 7.1
2026-04-01 08:15:40 upgrade helper:amd64 1.0 1.1
2026-04-01 08:15:41 upgrade helper2:amd64 1.0 1.1
"""


@pytest.fixture
def amsterdam(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Amsterdam")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("amsterdam")
@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-01-15  10:00:00", "2026-01-15T09:00:00Z"),
        ("2026-07-15 10:00:00", "2026-07-15T08:00:00Z"),
        ("yesterday", None),
        ("", None),
    ],
)
def test_local_time_becomes_utc_by_the_hosts_own_rules(local: str, expected: str | None) -> None:
    assert patches.utc(local) == expected


def test_a_transaction_gives_an_entry_per_action() -> None:
    found = patches.parse_apt_history(APT)

    assert [(entry["action"], [row["name"] for row in entry["packages"]]) for entry in found] == [
        ("install", ["linux-image-6.1.0-30-amd64"]),
        ("upgrade", ["libssl3", "openssl"]),
        ("remove", ["old"]),
        ("upgrade", ["bash"]),
    ]
    assert found[0]["packages"][0] == {"name": "linux-image-6.1.0-30-amd64", "from": None, "to": "6.1.124-1"}
    assert found[1]["packages"][1] == {"name": "openssl", "from": "3.0.1", "to": "3.0.2"}
    assert found[2]["packages"][0] == {"name": "old", "from": "1.0", "to": None}


def test_an_upgrade_that_ended_in_an_error_is_kept_and_is_not_the_last_patch() -> None:
    found = patches.result(patches.parse_apt_history(APT))

    assert found["history"][0]["error"].startswith("Sub-process")
    assert found["last"] == patches.utc("2026-03-01 10:00:00")


def test_dpkgs_log_adds_only_what_apt_did_not_do() -> None:
    merged = patches.merge(patches.parse_apt_history(APT), patches.parse_dpkg_log(DPKG))

    added = merged[4:]
    assert [(entry["action"], [row["name"] for row in entry["packages"]]) for entry in added] == [
        ("install", ["agent"]),
        ("upgrade", ["helper", "helper2"]),
    ]
    assert patches.result(merged)["last"] == patches.utc("2026-04-01 08:15:00")


def test_rotated_and_compressed_logs_are_read_too(tmp_path: Path) -> None:
    logs = tmp_path / "var/log/apt"
    logs.mkdir(parents=True)
    (logs / "history.log").write_text("")
    (logs / "history.log.1.gz").write_bytes(gzip.compress(APT.split("\n\n", maxsplit=1)[0].encode()))
    (logs / "history.log.2.gz").write_bytes(b"not gzip")
    (logs / "history.log.swp").write_text(APT)
    (tmp_path / "var/log/dpkg.log.1").write_text(DPKG)
    host = Host(str(tmp_path))

    found = patches.collect(host, "dpkg")

    assert len(found["history"]) == 5
    assert [why for what, why in host.notes if what == "patches"] == [
        "/var/log/apt/history.log.2.gz: Not a gzipped file (b'no')"
    ]


def test_a_host_without_logs_says_that_its_history_is_unknown(tmp_path: Path) -> None:
    host = Host(str(tmp_path))

    assert patches.collect(host, "dpkg") == {"last": None, "history": []}
    assert [what for what, _why in host.notes] == ["patches"]


def test_only_the_newest_transactions_are_kept() -> None:
    entries = [
        {"at": f"2026-01-01T00:{n // 60:02}:{n % 60:02}Z", "action": "upgrade", "packages": []} for n in range(300)
    ]

    found = patches.result(entries)

    assert len(found["history"]) == patches.MOST_TRANSACTIONS
    assert found["history"][0]["at"] == found["last"] == "2026-01-01T00:04:59Z"


def test_dnfs_history_database_is_read_with_its_log_and_left_as_it_is(tmp_path: Path) -> None:
    place = tmp_path / "var/lib/dnf/history.sqlite"
    place.parent.mkdir(parents=True)
    made = sqlite3.connect(place)
    with made:
        made.executescript(
            # As dnf has it: the latest transactions are in the log beside the database.
            "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"
            "CREATE TABLE trans (id INTEGER, dt_begin INTEGER, state INTEGER);"
            "CREATE TABLE trans_item (id INTEGER, trans_id INTEGER, item_id INTEGER, action INTEGER);"
            "CREATE TABLE rpm (item_id INTEGER, name TEXT, epoch INTEGER, version TEXT, release TEXT);"
            "INSERT INTO trans VALUES (1, 1700000000, 1), (2, 1700000600, 1), (3, 1700001200, 2);"
            "INSERT INTO rpm VALUES (1, 'bash', 0, '5.1', '1.el9'), (2, 'bash', 0, '5.2', '1.el9'),"
            " (3, 'shadow', 2, '4.9', '8.el9');"
            "INSERT INTO trans_item VALUES (1, 1, 1, 1), (2, 2, 2, 6), (3, 2, 1, 7), (4, 2, 3, 8), (5, 3, 2, 6);"
        )
    assert place.with_name("history.sqlite-wal").stat().st_size > 0
    before = {file.name: file.stat().st_mtime_ns for file in place.parent.iterdir()}

    found = patches.collect(Host(str(tmp_path)), "rpm")
    after = {file.name: file.stat().st_mtime_ns for file in place.parent.iterdir()}
    made.close()

    assert after == before

    assert found["last"] == "2023-11-14T22:23:20Z"
    assert {
        (entry["action"], row["name"], row["from"], row["to"])
        for entry in found["history"]
        for row in entry["packages"]
    } == {
        ("install", "bash", None, "5.1-1.el9"),
        ("upgrade", "bash", "5.1-1.el9", "5.2-1.el9"),
        ("remove", "shadow", "2:4.9-8.el9", None),
    }


def test_a_recorded_log_of_apt_is_read_whole(recorded: Callable[[str], Path]) -> None:
    text = recorded("patching/apt_history_debian9_gce.log").read_text()

    found = patches.parse_apt_history(text)

    assert len({entry["at"] for entry in found}) == text.count("Start-Date:")
    assert sum("error" in entry for entry in found) >= 1
    names = [row["name"] for entry in found for row in entry["packages"]]
    assert "docker-ce" in names
    assert all(row["to"] != "automatic" for entry in found for row in entry["packages"])
