# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a look through one source says, and of when. Live sources and NetBox are in the end-to-end tests."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk import observe
from ansible_collections.msp.ops.plugins.plugin_utils.desk.observe import Look, Prefixes
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.observe import scan
from ansible_collections.msp.ops.plugins.plugin_utils.observe.live import graph
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import EMPTY
from ansible_collections.msp.ops.plugins.plugin_utils.observe.sources import Source, parse

SLUG = "bakery"
OURS = Prefixes((scan.ScanPrefix("192.0.2.0/24", True),), ())
NOW = dt.datetime.now(dt.UTC)


def source(**options: Any) -> Source:
    (found,) = parse(SLUG, [options])
    return found


def look(prefixes: Prefixes = OURS, **options: Any) -> Look:
    return observe.look(SLUG, source(**options), prefixes)


def file(tmp_path: Path, content: str) -> str:
    path = tmp_path / "export"
    path.write_text(content)
    return str(path)


# -- an answer without a row ------------------------------------------------------------------------------------------

EMPTY_FILES: dict[str, tuple[dict[str, Any], str]] = {
    "ISC": ({"source": "dhcp", "format": "isc"}, "# The format of this file is documented in the dhcpd.leases(5)\n"),
    "dnsmasq": ({"source": "dhcp", "format": "dnsmasq"}, "duid 00:01:00:01:2f:00:00:00:00:00:5e:00:53:fe\n"),
    "Windows": ({"source": "dhcp", "format": "windows"}, "Client IP Address,Name,Lease Expiration,Type,Unique ID\n"),
    "directory CSV": ({"source": "directory"}, "Name,ObjectGUID,lastLogonTimestamp\n"),
    "LDIF": ({"source": "directory"}, "dn: OU=Sales,DC=example\nobjectClass: organizationalUnit\n\n"),
    "Graph": ({"source": "mdm"}, '{"value": []}'),
    "Intune CSV": ({"source": "mdm"}, "Device ID,Device name,Serial number,Last check-in\n"),
}


@pytest.mark.parametrize("name", EMPTY_FILES)
def test_an_answer_without_a_row_of_its_kind_proves_no_absence_and_says_why(tmp_path: Path, name: str) -> None:
    options, content = EMPTY_FILES[name]

    found = look(**options, file=file(tmp_path, content))

    assert not found.problems
    assert (found.reading.observations, found.complete) == ((), False)
    assert found.reading.skipped[0] == EMPTY


def test_an_empty_live_answer_proves_no_absence_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph.Graph, "managed_devices", lambda _self: [])

    found = look(source="mdm", token="made up")  # noqa: S106

    assert (found.problems, found.complete) == ((), False)
    assert found.reading.skipped == (EMPTY,)


LONG_AGO: dict[str, tuple[dict[str, Any], str]] = {
    "a lease of nobody": (
        {"source": "dhcp", "format": "isc"},
        "lease 192.0.2.10 {\n  starts 1 2020/03/02 09:00:00;\n  ends 1 2020/03/02 21:00:00;\n"
        "  binding state free;\n  hardware ethernet 00:00:5e:00:53:01;\n}\n",
    ),
    "a stale computer": ({"source": "directory"}, "Name,Enabled,lastLogonDate\nWS-014,True,2020-03-02\n"),
    "a stale device": ({"source": "mdm"}, "Device name,Serial number,Last check-in\npc1,SN-77120,2020-03-02\n"),
}


@pytest.mark.parametrize("name", LONG_AGO)
def test_a_list_whose_every_row_is_stale_is_not_empty(tmp_path: Path, name: str) -> None:
    options, content = LONG_AGO[name]

    found = look(**options, file=file(tmp_path, content))

    assert (found.reading.observations, found.problems, found.complete) == ((), (), True)


def nmap_xml(*hosts: str, args: str = "nmap -sn --privileged 192.0.2.0/28", total: int = 16, end: int = 0) -> str:
    ended = end or int(NOW.timestamp()) - 3600
    return (
        f'<?xml version="1.0"?><nmaprun scanner="nmap" args="{args}" start="{ended - 60}">'
        + "".join(hosts)
        + f'<runstats><finished time="{ended}" elapsed="60.0" exit="success"/>'
        f'<hosts up="{len(hosts)}" down="{total - len(hosts)}" total="{total}"/></runstats></nmaprun>'
    )


def up(address: str) -> str:
    return f'<host><status state="up" reason="echo-reply"/><address addr="{address}" addrtype="ipv4"/></host>'


def test_a_scan_that_found_nobody_is_complete(tmp_path: Path) -> None:
    found = look(source="nmap", file=file(tmp_path, nmap_xml()))

    assert (found.reading.observations, found.complete) == ((), True)
    assert found.reading.covered == ("192.0.2.0/28",)


# -- when it looked ---------------------------------------------------------------------------------------------------

LAST_WEEK = int((NOW - dt.timedelta(days=7)).timestamp())
TOMORROW = (NOW + dt.timedelta(days=1)).timestamp()
# dnsmasq tells only when a lease ends: its client is there as of the file.
LEASE = f"{int(TOMORROW) + 86400} 00:00:5e:00:53:01 192.0.2.10 ws01 *\n"


def test_an_old_scan_is_one_old_look_however_often_it_is_copied(tmp_path: Path, store: Store) -> None:
    scanned = file(tmp_path, nmap_xml(up("192.0.2.7"), end=LAST_WEEK))
    again = str(tmp_path / "copied.xml")
    shutil.copyfile(scanned, again)
    os.utime(scanned, (NOW.timestamp(), NOW.timestamp() - 300))

    for name in (scanned, again):
        observe.record(store, SLUG, [look(source="nmap", file=name)])

    (only,) = store.coverages(SLUG)
    assert (only.at.timestamp(), only.complete) == (LAST_WEEK, True)
    assert [one.last_seen.timestamp() for one in store.sightings(SLUG)] == [LAST_WEEK]


def test_a_file_without_a_time_of_its_own_is_as_old_as_it_was_written(tmp_path: Path) -> None:
    name = file(tmp_path, LEASE)
    os.utime(name, (LAST_WEEK, LAST_WEEK))

    found = look(source="dhcp", format="dnsmasq", file=name)

    assert (found.at.timestamp(), found.complete) == (LAST_WEEK, True)


def test_a_file_from_the_future_is_one_look_of_when_it_came_and_proves_no_absence(tmp_path: Path, store: Store) -> None:
    name = file(tmp_path, LEASE)
    os.utime(name, (TOMORROW, TOMORROW))
    came = dt.datetime.fromtimestamp(Path(name).stat().st_ctime, dt.UTC)

    looks = [look(source="dhcp", format="dnsmasq", file=name) for _time in range(3)]
    for each in looks:
        observe.record(store, SLUG, [each])

    assert {one.at for each in looks for one in each.reading.observations} == {came}
    (only,) = store.coverages(SLUG)
    assert (only.at, only.complete, only.seen) == (came, False, 1)
    assert "a clock is wrong" in only.reason


def test_a_file_of_a_year_that_no_date_can_hold_is_of_when_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tmpfs keeps such a time; ext4 does not."""
    name = file(tmp_path, LEASE)
    beyond = os.stat_result((*Path(name).stat()[:8], 2**40, LAST_WEEK))
    monkeypatch.setattr(os, "fstat", lambda _number: beyond)

    found = look(source="dhcp", format="dnsmasq", file=name)

    assert (found.at.timestamp(), found.complete, len(found.reading.observations)) == (LAST_WEEK, False, 1)


def test_a_scan_that_a_clock_ahead_dated_is_not_complete(tmp_path: Path) -> None:
    found = look(source="nmap", file=file(tmp_path, nmap_xml(up("192.0.2.7"), end=int(TOMORROW))))

    assert not found.complete
    assert "a clock is wrong" in found.reading.skipped[0].why
    assert found.at <= dt.datetime.now(dt.UTC)
    assert [one.at for one in found.reading.observations] == [found.at]


def test_a_disk_whose_clock_is_ahead_is_told_and_what_lies_there_is_not_dated_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = file(tmp_path, LEASE)
    ahead = os.stat_result((*Path(name).stat()[:7], *(int(TOMORROW),) * 3))
    monkeypatch.setattr(os, "fstat", lambda _number: ahead)

    found = look(source="dhcp", format="dnsmasq", file=name)

    assert (found.reading.observations, found.complete) == ((), False)
    assert "MSP-OBS-055" in str(found.problems[0])


# -- where it was seen ------------------------------------------------------------------------------------------------


def test_a_scans_file_tells_only_of_the_customers_own_prefixes(tmp_path: Path) -> None:
    """A file of nmap's may hold whatever somebody scanned: the machine itself, a server on the Internet."""
    hosts = [up(address) for address in ("192.0.2.7", "203.0.113.221", "127.0.0.1")]
    args = "nmap -sn --privileged 192.0.2.0/28 203.0.113.0/24 127.0.0.1"

    found = look(source="nmap", file=file(tmp_path, nmap_xml(*hosts, args=args, total=273)))

    assert [one.identity["addresses"] for one in found.reading.observations] == [["192.0.2.7"]]
    assert [one.place for one in found.reading.observations] == [{"prefix": "192.0.2.0/24"}]
    assert [(skip.where, skip.why) for skip in found.reading.skipped] == [
        ("2 of 3 things", "outside the customer's own prefixes")
    ]
    assert (found.complete, found.reading.covered) == (True, ("192.0.2.0/28",))


@pytest.mark.parametrize(
    ("target", "total", "ours", "covered"),
    [
        ("192.0.2.0/24", 256, ["192.0.2.0/26", "192.0.2.128/26"], ("192.0.2.0/26", "192.0.2.128/26")),
        ("192.0.2.0/24", 256, ["192.0.0.0/16", "192.0.2.0/25", "2001:db8::/64"], ("192.0.2.0/24",)),
        ("192.0.2.0/24", 256, ["192.0.2.0/25", "192.0.2.128/25"], ("192.0.2.0/24",)),
        ("203.0.113.0/24", 256, ["192.0.2.0/24"], ()),
        ("192.0.2.0/24", 256, [], ()),
    ],
)
def test_a_scan_covers_only_what_of_it_is_the_customers(
    tmp_path: Path, target: str, total: int, ours: list[str], covered: tuple[str, ...]
) -> None:
    name = file(tmp_path, nmap_xml(args=f"nmap -sn --privileged {target}", total=total))

    found = look(Prefixes(tuple(scan.ScanPrefix(one, True) for one in ours), ()), source="nmap", file=name)

    assert (found.reading.covered, found.complete) == (covered, bool(covered))
    assert bool(found.reading.skipped) is not found.complete
