# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a look through one source says, and of when. Live sources and NetBox are in the end-to-end tests."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk import observe
from ansible_collections.msp.ops.plugins.plugin_utils.desk.observe import Look, Prefixes
from ansible_collections.msp.ops.plugins.plugin_utils.observe import scan
from ansible_collections.msp.ops.plugins.plugin_utils.observe.live import graph
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import EMPTY
from ansible_collections.msp.ops.plugins.plugin_utils.observe.sources import Source, parse

SLUG = "bakery"
OURS = Prefixes((scan.ScanPrefix("192.0.2.0/24", True),))
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

EMPTY_FILES: dict[str, tuple[dict[str, str], str]] = {
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


LONG_AGO: dict[str, tuple[dict[str, str], str]] = {
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
