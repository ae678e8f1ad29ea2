# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a firewall is told to let in can be written in one way only."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import open_ports


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tcp/22", ("tcp", 22, 22, "", "")),
        ("udp/60000-61000", ("udp", 60000, 61000, "", "")),
        ("tcp/65535", ("tcp", 65535, 65535, "", "")),
        ("vrrp", ("vrrp", 0, 0, "", "")),
        ("esp from 192.0.2.7", ("esp", 0, 0, "192.0.2.7", "")),
        ("tcp/443 from 192.0.2.0/24", ("tcp", 443, 443, "192.0.2.0/24", "")),
        ("tcp/443 from 2001:db8::/32 on wg0", ("tcp", 443, 443, "2001:db8::/32", "wg0")),
        ("udp/53 on br-lan.20", ("udp", 53, 53, "", "br-lan.20")),
        ("udp/547", ("udp", 547, 547, "", "")),
    ],
)
def test_what_can_be_agreed_on_is_read(text: str, found: tuple[object, ...]) -> None:
    assert tuple(open_ports.read(text)) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tcp/99999", "up to 65535"),
        ("tcp/65536", "up to 65535"),
        ("tcp/22-65536", "up to 65535"),
        ("tcp/" + "9" * 5000, "up to 65535"),
        ("tcp/61000-60000", "lower one"),
        ("tcp/22-22", "lower one"),
        ("tcp/22 from 999.1.1.1", "that there is"),
        ("tcp/22 from 192.0.2", "that there is"),
        ("tcp/22 from 192.0.2.1/24", "from 192.0.2.0/24, as nft prints it"),
        ("tcp/22 from 192.0.2.1/32", "from 192.0.2.1, as nft prints it"),
        ("tcp/22 from 2001:DB8::1", "from 2001:db8::1, as nft prints it"),
        ("tcp/22 from 2001:0db8::/32", "from 2001:db8::/32, as nft prints it"),
        ("tcp/22 from ::ffff:192.0.2.1", "IPv4 address as such"),
        ("tcp/22 from 0.0.0.0/0", "without from"),
        ("udp/546", "DHCPv6"),
        ("udp/546 from fe80::/10", "DHCPv6"),
        *((text, "PROTOCOL/PORT") for text in (
            "tcp/0", "tcp/022", "TCP/22", "tcp", "vrrp/22", "icmp", "sctp/9", "tcp/22; drop", "tcp/22 from any accept",
            "tcp/22 on eth0 from 192.0.2.1", "tcp/22 on -x", 'tcp/22 on e"x', "tcp/22 on sixteen-letters-", "tcp/22\n",
        )),
    ],
)  # fmt: skip
def test_what_nft_would_refuse_or_write_otherwise_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        open_ports.read(text)


@given(st.ip_addresses().flatmap(lambda one: st.tuples(st.just(one), st.integers(1, one.max_prefixlen))))
def test_a_network_is_taken_exactly_as_it_is_printed(
    given_network: tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int],
) -> None:
    address, length = given_network
    network = ipaddress.ip_network((address, length), strict=False)
    written = str(network.network_address) if length == address.max_prefixlen else str(network)
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped:
        return

    assert open_ports.read(f"tcp/22 from {written}").whence == written
    if f"{address}/{length}" != written:
        with pytest.raises(ValueError, match="as nft prints it"):
            open_ports.read(f"tcp/22 from {address}/{length}")


@given(st.integers(1, 65535), st.integers(1, 65535), st.integers(1, 65535))
def test_a_range_covers_its_ports_and_no_other(first: int, last: int, port: int) -> None:
    low, high = sorted((first, last))
    found = open_ports.Open("tcp", low, high)

    assert found.covers("tcp", port) == (low <= port <= high)
    assert not found.covers("udp", port)


@pytest.mark.parametrize(
    ("value", "name"), [("112", "vrrp"), ("vrrp", "vrrp"), ("ipencap", "ipip"), ("tcp", "tcp"), ("200", "200")]
)
def test_a_protocol_has_one_name_also_where_nft_knows_none(value: str, name: str) -> None:
    assert open_ports.protocol_name(value) == name
