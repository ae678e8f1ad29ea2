# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leases of dnsmasq (dnsmasq.leases) as observations. Pure: bytes in, a Reading out.

A line is one lease: its end in seconds since 1970 (0: none), the hardware address (with its type before it when it is
not Ethernet), the IP address, the name and the client's identifier ("*" for none). After a line with the server's own
DUID follow the IPv6 leases, with the identity association's number ("T" before it: temporary) in the second place and
the client's DUID in the last:

    1772485200 00:00:5e:00:53:01 192.0.2.10 ws01 01:00:00:5e:00:53:01
    duid 00:01:00:01:2f:00:00:00:00:00:5e:00:53:fe
    1772485200 1 2001:db8::10 ws01 00:03:00:01:00:00:5e:00:53:01

A line that a dnsmasq without a clock wrote holds the lease's length, not its end, and can't be used.
"""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe.lease import Lease, address, from_epoch, lines, reading
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading, Skip
from ansible_collections.msp.ops.plugins.plugin_utils.observe.words import client_id_mac, duid_mac, hex_bytes, mac

_LONGEST_LEASE = 1_000_000_000  # seconds; a time below it is a length


def parse(content: bytes, context: Context) -> Reading:
    """The clients that a dnsmasq gave addresses, IPv4 and IPv6."""
    text = lines(content, context)
    leases, damage, known = [], text.damage, False
    for number, line in enumerate(text.whole, start=1):
        fields = [text for text in line.split(" ") if text]
        if fields[:1] == ["duid"] and len(fields) == 2:
            known = True
        elif fields:
            found = _lease(fields)
            if isinstance(found, Lease):
                leases.append(found)
            else:
                damage.append(Skip(f"line {number}", found))
    if damage and not leases and not known:
        raise MspError(
            "MSP-OBS-012",
            f"{context.origin} to be a leases file of dnsmasq, with lines such as "
            "'1772485200 00:00:5e:00:53:01 192.0.2.10 ws01 *'",
            f"no such line in it; {damage[0].where}: {damage[0].why}",
            "give the file that dnsmasq's option dhcp-leasefile names",
        )
    if not content.strip():
        damage.append(Skip("the file", "it is empty"))
    return reading(leases, damage, context)


def _lease(fields: list[str]) -> Lease | str:
    """The lease of a line, or why there is none."""
    if len(fields) not in (4, 5):
        return f"{len(fields)} fields instead of 5"
    end, hardware, where, name = fields[0], fields[1], address(fields[2]), fields[3]
    client = hex_bytes(fields[4]) if len(fields) == 5 else None
    until = from_epoch(end)
    six = where is not None and ":" in where
    problems = (
        (until is None, "no time in the first field"),
        (until is not None and 0 < int(end) < _LONGEST_LEASE, "a length of time instead of a time"),
        (where is None, "no address in the third field"),
        (six and not hardware.removeprefix("T").isdigit(), "no identity association in the second field"),
        (not six and hex_bytes(hardware) is None, "no hardware address in the second field"),
    )
    why = next((why for wrong, why in problems if wrong), None)
    if why is not None or where is None:
        return why or ""
    found = duid_mac(client or b"") if six else mac(hardware) or client_id_mac(client or b"")
    return Lease(where, "active", found, (name,), until=until if int(end) else None)
