"""Real files of nmap and of four DHCP servers, each with what a person finds in it.

The files are no part of the project (see the fixture `samples`). Some lost their last line's end on the way here.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Observation
from ansible_collections.msp.ops.plugins.plugin_utils.observe import (
    dhcp_dnsmasq,
    dhcp_isc,
    dhcp_kea,
    dhcp_windows,
    nmap,
)
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading

NOW = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


def read(samples: Path, parser: ModuleType, name: str, at: dt.datetime = NOW) -> Reading:
    found = parser.parse((samples / name).read_bytes(), Context("example", at, name))
    assert isinstance(found, Reading)
    return found


def by_address(found: Reading) -> Mapping[str, Observation]:
    return {str(one.identity["addresses"][0]): one for one in found.observations}


# name: hosts that are up, open ports, hosts with a MAC, what it covered
NMAP = {
    "defectdojo_issue4406.xml": (1, 25, 0, ()),  # -Pn
    "libnmap_1_host_ping.xml": (1, 0, 1, ()),  # a target by name
    "libnmap_1_hosts_nohostname.xml": (1, 0, 0, ("1.1.1.1/32",)),
    "libnmap_2_hosts_version.xml": (2, 8, 0, ()),  # targets by name
    "libnmap_dionaea_scan.xml": (1, 16, 1, ()),  # a target by name
    "libnmap_full_sudo6.xml": (4, 12, 3, ("192.168.1.0/24",)),
    "libnmap_os_scan5.xml": (4, 11, 3, ()),  # nmap 5.21 does not say how it ended
    "ruby-nmap_down_host_scan.xml": (0, 0, 0, ("225.0.0.1/32",)),
    "ruby-nmap_local_scan.xml": (1, 0, 1, ("10.0.0.2/32",)),
}


def test_every_scan_that_lies_there_is_known_here(samples: Path) -> None:
    assert {path.name for path in (samples / "nmap").iterdir()} == set(NMAP)


@pytest.mark.parametrize("name", NMAP)
def test_a_scan_of_nmap_is_read_whole(samples: Path, name: str) -> None:
    found = read(samples, nmap, f"nmap/{name}")

    ports = sum(len(one.attributes.get("services", ())) for one in found.observations)
    with_mac = sum("macs" in one.identity for one in found.observations)
    assert (len(found.observations), ports, with_mac, found.covered) == NMAP[name]
    assert found.complete is bool(found.covered)


def test_nmap_6_knows_makers_and_systems(samples: Path) -> None:
    found = by_address(read(samples, nmap, "nmap/libnmap_full_sudo6.xml"))

    router = found["192.168.1.1"]
    assert router.identity["macs"] == ["6c:2e:85:19:af:00"]
    assert (router.attributes["vendor"], router.attributes["type"]) == ("Sagemcom", "network")
    assert "tcp/443 ssl/https" in router.attributes["services"]
    assert router.at == dt.datetime(2014, 5, 8, 22, 2, 59, tzinfo=dt.UTC)
    assert found["192.168.1.2"].attributes["vendor"] == "Apple"


def test_nmap_5_put_the_classes_of_systems_beside_their_names(samples: Path) -> None:
    windows = by_address(read(samples, nmap, "nmap/libnmap_os_scan5.xml"))["192.168.1.5"]

    assert windows.identity["macs"] == ["00:1f:3c:87:66:50"]
    assert (windows.attributes["os"], windows.attributes["type"]) == ("Microsoft Windows Server 2008 Beta 3", "server")


def test_names_asked_for_and_names_of_the_dns_are_kept(samples: Path) -> None:
    found = by_address(read(samples, nmap, "nmap/libnmap_1_host_ping.xml"))

    assert found["172.28.1.3"].identity["names"] == ["dionaea", "dionaea.honeynet_testing_net"]


@pytest.mark.thorough
@pytest.mark.parametrize("name", NMAP)
def test_a_scan_cut_anywhere_gives_only_hosts_that_are_whole(samples: Path, name: str) -> None:
    content = (samples / "nmap" / name).read_bytes().rstrip()
    context = Context("example", NOW, name)
    known = [one.identity for one in nmap.parse(content, context).observations]

    start = content.index(b"<nmaprun") + len(b'<nmaprun scanner="nmap" ')
    for cut in range(content.index(b">", start) + 1, len(content), 997):
        found = nmap.parse(content[:cut], context)
        assert [one.identity for one in found.observations] == known[: len(found.observations)]
        assert (found.complete, found.covered) == (False, ())


DHCP = {
    "dnsmasq_exporter.leases": dhcp_dnsmasq,
    "isc6_4.3.3.leases": dhcp_isc,
    "isc_debian7.leases": dhcp_isc,
    "isc_metal-bmc_small.leases": dhcp_isc,
    "isc_netdata_ipv4.leases": dhcp_isc,
    "kea_metal-bmc_leases4.csv": dhcp_kea,
    "windows_dhcp_mmc_export.csv": dhcp_windows,
}


def test_every_file_of_leases_that_lies_there_is_known_here(samples: Path) -> None:
    assert {path.name for path in (samples / "dhcp").iterdir()} == set(DHCP)


@pytest.mark.parametrize("name", DHCP)
def test_no_old_file_of_leases_sees_anybody_now(samples: Path, name: str) -> None:
    found = read(samples, DHCP[name], f"dhcp/{name}")

    # But for a reservation: Windows calls it active, and tells no time.
    assert [one.identity["addresses"] for one in found.observations] == [["10.0.0.15"]] * name.startswith("windows")
    assert [skip.why for skip in found.skipped if skip.where.endswith("lease(s)")]


def test_dnsmasq(samples: Path) -> None:
    found = read(samples, dhcp_dnsmasq, "dhcp/dnsmasq_exporter.leases", dt.datetime(2021, 7, 6, 12, tzinfo=dt.UTC))

    assert [one.identity for one in found.observations] == [{"names": ["host-1"], "addresses": ["10.10.10.10"]}]
    assert (found.complete, [skip.where for skip in found.skipped]) == (False, ["line 2"])  # its end is missing


def test_isc_ipv4(samples: Path) -> None:
    found = read(samples, dhcp_isc, "dhcp/isc_netdata_ipv4.leases", dt.datetime(2020, 10, 3, 9, 10, tzinfo=dt.UTC))
    clients = by_address(found)

    # 38 entries of 34 addresses: 5 active, 2 that ended within a month, 27 older ones.
    assert (len(clients), found.complete, [skip.where for skip in found.skipped]) == (7, True, ["27 lease(s)"])
    assert clients["192.168.3.11"].identity["macs"] == ["60:a4:4c:3f:6e:78"]
    assert clients["192.168.3.11"].at == dt.datetime(2020, 10, 3, 9, 1, 22, tzinfo=dt.UTC)
    assert clients["10.254.251.100"].identity["names"] == ["TL-WR741N"]
    assert clients["10.254.251.100"].attributes == {"description": "DHCP vendor class MSFT 5.0"}


def test_isc_on_debian_7(samples: Path) -> None:
    found = read(samples, dhcp_isc, "dhcp/isc_debian7.leases", dt.datetime(2015, 3, 20, tzinfo=dt.UTC))

    assert by_address(found)["10.0.0.16"].at == dt.datetime(2015, 3, 18, 9, 21, 44, tzinfo=dt.UTC)
    assert [skip.where for skip in found.skipped] == ["1 lease(s)", "4 lease(s)"]  # abandoned; long ago
    assert found.complete


def test_isc_ipv6(samples: Path) -> None:
    found = read(samples, dhcp_isc, "dhcp/isc6_4.3.3.leases", dt.datetime(2016, 1, 6, 15, tzinfo=dt.UTC))

    assert {address: one.identity["macs"] for address, one in by_address(found).items()} == {
        "2001:10:10::106": ["00:27:22:33:2b:34"],
        "2001:10:30::1fe": ["00:25:90:6b:a1:34"],
    }
    assert found.complete


def test_kea_and_isc_agree_on_the_same_two_machines(samples: Path) -> None:
    at = dt.datetime(2020, 6, 27, 6, 45, tzinfo=dt.UTC)
    kea = by_address(read(samples, dhcp_kea, "dhcp/kea_metal-bmc_leases4.csv", at))
    isc = by_address(read(samples, dhcp_isc, "dhcp/isc_metal-bmc_small.leases", at))

    assert {address: one.identity for address, one in kea.items()} == {
        address: one.identity for address, one in isc.items()
    }
    assert kea["192.168.2.27"].at == isc["192.168.2.27"].at == dt.datetime(2020, 6, 27, 6, 40, 21, tzinfo=dt.UTC)


def test_windows(samples: Path) -> None:
    at = dt.datetime(2020, 9, 28, 12, tzinfo=dt.UTC)
    found = read(samples, dhcp_windows, "dhcp/windows_dhcp_mmc_export.csv", at)
    clients = by_address(found)

    assert (len(clients), found.complete, found.skipped) == (8, True, ())
    assert clients["10.0.0.11"].identity["macs"] == ["d0:17:c2:8b:a6:06"]
    assert clients["10.0.0.15"].identity == {"names": ["AT&T MicroCell"], "addresses": ["10.0.0.15"]}
    # 9/28/2020 tells that 10/1/2020 is in October. Three ended before noon on the 28th.
    assert Counter(one.at == at for one in found.observations) == {True: 5, False: 3}
    assert clients["10.0.0.22"].at == dt.datetime(2020, 9, 27, 13, 37, 26, tzinfo=dt.UTC)
