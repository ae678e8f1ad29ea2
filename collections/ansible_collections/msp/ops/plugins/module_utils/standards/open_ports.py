# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a firewall lets in as people agree on it: "tcp/22", "udp/60000-61000", "vrrp", "tcp/443 from 192.0.2.0/24".

Pure. Everything has one way to be written, that in which nft prints it: what is written otherwise would be measured as
another thing, for ever.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

LAST = 65535
# Protocols without ports that can be let in, and the number of each: nft knows few of them by name.
PROTOCOLS = {"ah": 51, "esp": 50, "gre": 47, "igmp": 2, "ipip": 4, "ospf": 89, "pim": 103, "vrrp": 112}
# How /etc/protocols or nft call some of them.
_OTHERWISE = {"ipencap": "ipip", "ipv4": "ipip", "ospfigp": "ospf"}
_BY_NUMBER = {str(number): name for name, number in PROTOCOLS.items()}
_PORTS = r"(tcp|udp)/([1-9][0-9]*)(?:-([1-9][0-9]*))?"
_FORM = re.compile(
    r"(?:%s|(%s))(?: from ([0-9A-Fa-f:./]+))?(?: on ([A-Za-z0-9][A-Za-z0-9_.-]{0,14}))?" % (_PORTS, "|".join(PROTOCOLS))
)
# By which a host gets its IPv6 address: the firewall always lets its answers in.
DHCPV6 = 546


class Open(NamedTuple):
    """One thing that is let in. The ports are whole numbers, both of them in it; 0 for a protocol without ports."""

    protocol: str
    first: int = 0
    last: int = 0
    whence: str = ""
    interface: str = ""

    def covers(self, protocol: str, port: int) -> bool:
        return self.protocol == protocol and self.first <= port <= self.last


def read(text: str) -> Open:
    """One thing as it was agreed. Raises ValueError that says what is wrong with it."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(
            "PROTOCOL/PORT or PROTOCOL/FIRST-LAST of tcp or udp, or one of %s; behind it, where it is for some only,"
            " from ADDRESS or on INTERFACE or both" % ", ".join(sorted(PROTOCOLS))
        )
    ported, first, last, other, whence, interface = found.groups(default="")
    if whence:
        _canonical(whence)
    if other:
        return Open(other, 0, 0, whence, interface)
    low = _port(first)
    high = _port(last) if last else low
    if last and high <= low:
        raise ValueError("a range of ports that begins with the lower one")
    if (ported, low, high) == ("udp", DHCPV6, DHCPV6):
        raise ValueError("left out: what DHCPv6 answers to this host is always let in")
    return Open(ported, low, high, whence, interface)


def _port(text: str) -> int:
    port = int(text) if len(text) <= len(str(LAST)) else LAST + 1
    if port > LAST:
        raise ValueError("a port up to %d" % LAST)
    return port


def _canonical(text: str) -> None:
    """An address, or a network of more than one: as nft prints them."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError("from an address or a network that there is") from error
    single = network.prefixlen == network.max_prefixlen
    if network.prefixlen == 0:
        raise ValueError("without from: it is for everybody")
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped:
        raise ValueError("from an IPv4 address as such")
    written = str(network.network_address) if single else str(network)
    if text != written:
        raise ValueError("from %s, as nft prints it" % written)


def protocol_name(value: str) -> str:
    """The name that we have for what nft calls a protocol, or gives the number of."""
    return _OTHERWISE.get(value, _BY_NUMBER.get(value, value))
