# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leases of ISC dhcpd."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe import dhcp_isc
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading

AT = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
CONTEXT = Context("example", AT, "dhcpd.leases")
SEEN = dt.datetime(2026, 3, 2, 9, 30, tzinfo=dt.UTC)

HEAD = """# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;
server-duid "\\000\\001\\000\\001\\036\\031";

"""
FAILOVER = """failover peer "pair" state {
  my state normal at 1 2026/03/02 01:00:00;
}
"""


def lease(
    address: str = "192.0.2.10",
    state: str = "active",
    mac: str | None = "00:00:5e:00:53:01",
    more: str = "",
    ends: str = "1 2026/03/02 21:00:00",
) -> str:
    hardware = f"  hardware ethernet {mac};\n" if mac else ""
    return (
        f"lease {address} {{\n  starts 1 2026/03/02 09:00:00;\n  ends {ends};\n  cltt 1 2026/03/02 09:30:00;\n"
        f"  binding state {state};\n  next binding state free;\n  rewind binding state free;\n{hardware}{more}}}\n"
    )


WS01 = lease(
    more='  uid "\\001\\000\\000^\\000S\\001";\n  set vendor-class-identifier = "MSFT 5.0";\n'
    '  client-hostname "ws01";\n'
    '  set ddns-fwd-name = "ws01.example.com";\n  on expiry {\n    log (debug, "gone; {really}");\n  }\n'
)
SIX = """ia-na "\\001\\000\\000\\000\\000\\003\\000\\001\\000\\000^\\000S\\003" {
  cltt 1 2026/03/02 09:30:00;
  iaaddr 2001:db8::10 {
    binding state active;
    preferred-life 540;
    max-life 864;
    ends 1 2026/03/02 21:00:00;
    set ddns-fwd-name = "ws03.example.com";
  }
}
"""
PD = SIX.replace("ia-na", "ia-pd").replace("iaaddr 2001:db8::10", "iaprefix 2001:db8:ff00::/56")


def read(text: str | bytes) -> Reading:
    return dhcp_isc.parse(text if isinstance(text, bytes) else text.encode(), CONTEXT)


def addresses(found: Reading) -> list[str]:
    return [one.identity["addresses"][0] for one in found.observations]


def test_an_active_lease_is_its_client_when_it_last_asked() -> None:
    found = read(HEAD + FAILOVER + WS01)

    (client,) = found.observations
    assert (client.source, client.at) == ("dhcp", SEEN)
    assert client.identity == {
        "macs": ["00:00:5e:00:53:01"],
        "names": ["ws01", "ws01.example.com"],
        "addresses": ["192.0.2.10"],
    }
    assert client.attributes == {"description": "DHCP vendor class MSFT 5.0"}
    assert (found.complete, found.skipped) == (True, ())


def test_the_last_entry_of_an_address_counts() -> None:
    found = read(HEAD + lease(mac="00:00:5e:00:53:09") + lease("192.0.2.11") + WS01)

    assert sorted(addresses(found)) == ["192.0.2.10", "192.0.2.11"]
    assert all(one.identity["macs"] == ["00:00:5e:00:53:01"] for one in found.observations)


@pytest.mark.parametrize("state", ["free", "expired", "released", "reset", "backup"])
def test_a_lease_that_ended_lately_is_its_client_at_that_time(state: str) -> None:
    assert [one.at for one in read(lease(state=state)).observations] == [SEEN]


def test_a_lease_that_is_called_active_and_ran_out_is_not_of_now() -> None:
    assert [one.at for one in read(lease(ends="1 2026/03/02 10:00:00")).observations] == [SEEN]


@pytest.mark.parametrize("state", ["abandoned", "backup", "free"])
def test_an_address_that_nobody_has_is_no_client(state: str) -> None:
    found = read(lease(state=state, mac=None))

    assert (found.observations, found.complete, found.skipped[0].where) == ((), True, "1 lease(s)")


def test_an_abandoned_address_is_not_that_of_its_last_client() -> None:
    assert read(WS01 + lease(state="abandoned")).observations == ()


def test_a_lease_for_ever_and_times_since_1970_are_read() -> None:
    epoch = lease().replace("cltt 1 2026/03/02 09:30:00;", "cltt epoch 1772443800; # Mon Mar  2 09:30:00 2026")

    assert [one.at for one in read(lease(ends="never")).observations] == [SEEN]
    assert [one.at for one in read(epoch).observations] == [SEEN]


def test_without_hardware_the_clients_identifier_may_hold_the_address() -> None:
    duid = '  uid "\\377^\\000S\\002\\000\\003\\000\\001\\000\\000^\\000S\\002";\n'

    assert [one.identity["macs"] for one in read(lease(mac=None, more=duid)).observations] == [["00:00:5e:00:53:02"]]


def test_hardware_that_is_no_ethernet_has_no_mac() -> None:
    (found,) = read(lease(mac=None, more="  hardware infiniband 00:00:5e:00:53:01;\n")).observations

    assert found.identity == {"addresses": ["192.0.2.10"]}


def test_ipv6_leases_know_their_client_by_its_duid_and_prefixes_are_no_hosts() -> None:
    found = read(HEAD + SIX + PD)

    (client,) = found.observations
    assert client.identity == {
        "macs": ["00:00:5e:00:53:03"],
        "names": ["ws03.example.com"],
        "addresses": ["2001:db8::10"],
    }
    assert (client.at, found.complete) == (SEEN, True)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_a_file_in_any_encoding_is_read(encoding: str) -> None:
    found = read(lease(more='  client-hostname "café";\n').encode(encoding))

    assert [one.identity["names"] for one in found.observations] == [["café"]]
    assert found.complete


def test_a_name_with_escapes_is_what_the_client_sent() -> None:
    found = read(
        lease(more='  client-hostname "caf\\351";\n') + lease("192.0.2.11", more='  client-hostname "a\\"b;}";\n')
    )

    assert [one.identity["names"] for one in found.observations] == [["café"], ['a"b;}']]


@pytest.mark.parametrize(
    ("text", "line", "why", "left"),
    [
        (WS01.replace("starts 1 2026/03/02", "starts 1 2026/93/02"), "line 2", "starts: no time", ["192.0.2.10"]),
        (WS01.replace("00:00:5e:00:53:01;", "00:00:5e;"), "line 8", "hardware: no address", ["192.0.2.10"]),
        (WS01.replace('"MSFT 5.0";', '"MSFT 5.0;'), "line 10", "closing quote", ["192.0.2.10"]),
        (WS01.replace("192.0.2.10", "192.0.2"), "line 1", "no address", []),
        (lease()[:-2] + WS01, "line 1", "not closed before line 9", ["192.0.2.10"]),
        (lease()[:60] + "\n" + WS01, "line 1", "not closed before line 4", ["192.0.2.10"]),
        (lease() + "}\n", "line 10", "closing brace of nothing", ["192.0.2.10"]),
        (lease()[:-4] + "\n}\n", "line 9", "without its semicolon", ["192.0.2.10"]),
        (lease() + "lease 192.0.2.11\n", "line 10", "without its semicolon", ["192.0.2.10"]),
        (lease() + "lease 192.0.2.11;\n", "line 10", "no entry", ["192.0.2.10"]),
        (lease() + "subnet 192.0.2.0 { }\n", "line 10", "no entry", ["192.0.2.10"]),
        (lease() + "\0\0\0" + lease("192.0.2.11"), "line 10", "NUL", ["192.0.2.10", "192.0.2.11"]),
        (lease() + lease("192.0.2.11")[:-2], "line 10", "without its closing brace", ["192.0.2.10"]),
        (lease() + "lease 192.0.2.11 {\n  starts 1 2026", "line 11", "in the middle", ["192.0.2.10"]),
        (SIX.replace(' "', " x ").replace('S\\003" {', "{") + lease(), "line 1", "without its client", ["192.0.2.10"]),
    ],
)  # fmt: skip
def test_damage_is_named_with_its_line_and_the_rest_is_used(text: str, line: str, why: str, left: list[str]) -> None:
    found = read(text)

    assert addresses(found) == left
    assert not found.complete
    assert [skip for skip in found.skipped if skip.where == line and why in skip.why]


def test_the_brace_that_closes_an_entry_is_its_end_also_without_an_end_of_the_line() -> None:
    found = read(WS01[:-1])

    assert (addresses(found), found.complete) == (["192.0.2.10"], True)


def test_an_empty_file_proves_nothing_and_one_without_leases_does() -> None:
    assert read("").complete is False
    assert read(HEAD) == Reading(())


@pytest.mark.parametrize(
    "text", ["subnet 192.0.2.0 netmask 255.255.255.0 { }\n", "address,hwaddr\n", "junk", "\x00\x01"]
)
def test_another_kind_of_file_is_refused_by_name(text: str) -> None:
    with pytest.raises(MspError, match=r"MSP-OBS-011.*dhcpd\.leases"):
        read(text)


WORDS = [
    "lease 192.0.2.10 {\n",
    "}\n",
    ";",
    '"',
    "ia-na ",
    "iaaddr 2001:db8::1 {",
    "\n",
    "\\",
    "uid ",
    "#",
    "binding state active;",
]


@given(
    st.binary()
    | st.lists(st.sampled_from(WORDS) | st.text(max_size=5)).map("".join).map(lambda t: t.encode("utf-8", "replace"))
)
def test_no_bytes_are_another_exception(content: bytes) -> None:
    try:
        read(content)
    except MspError as error:
        assert error.code == "MSP-OBS-011"


@pytest.mark.thorough
def test_no_cut_invents_a_client_and_only_one_between_entries_is_not_noticed() -> None:
    parts = [
        HEAD,
        lease(mac="00:00:5e:00:53:09"),
        WS01,
        FAILOVER,
        SIX,
        PD,
        lease("192.0.2.11", more='  client-hostname "één";\n'),
    ]
    content = "".join(parts).encode()
    stated = [dict(one.identity) for part in parts[1:] for one in read(part).observations]
    ends = {len("".join(parts[:n]).encode()) for n in range(len(parts) + 1)}
    heads = {len("\n".join(HEAD.split("\n")[:n]) + "\n") for n in range(1, 4)}

    for cut in range(len(content)):
        try:
            found = read(content[:cut])
        except MspError:
            continue
        assert all(one.identity in stated for one in found.observations)
        assert not found.complete or cut in ends | heads or cut + 1 in ends
