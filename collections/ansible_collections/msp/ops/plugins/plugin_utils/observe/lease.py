# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A DHCP lease, from any server, as an observation. Pure: dataclasses, no I/O.

What a lease says of time, all four formats alike:
- The client was there when the server last heard of it, where the server writes that down (ISC, Kea).
- Else, while the lease runs, the reading itself is the time: the source says that the address is in use now, and no
  more than that (dnsmasq and Windows write down only the end).
- A lease that has ended proves nothing of now: its time is when the client was last heard of, else its end.
A lease that ended long before the reading is history and no observation; a lease of no client (free and never used,
abandoned, declined) is none either. Both are counted under `skipped`, and leave a reading complete.

None of these formats has a mark at its end, so a file that was cut exactly between two entries can't be told from a
whole one. An empty file is not complete, nor is one without a single lease where it is looked at: a server that knows
of no lease and a failed copy look the same.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Observation
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading, Skip
from ansible_collections.msp.ops.plugins.plugin_utils.observe.text import decode, limited
from ansible_collections.msp.ops.plugins.plugin_utils.observe.words import host_names, plain

SOURCE = "dhcp"
# Servers keep a lease that ended for weeks to years; what ended longer ago than this says nothing of the network.
RECENT = dt.timedelta(days=30)
CUT = "the file ends in the middle of this line"
_LAST_SECOND = 253402300799  # of the year 9999

State = Literal["active", "ended", "nobody"]


@dataclass(frozen=True, slots=True)
class Lease:
    """One address and who has or had it. seen: when the server last heard of the client; until: None for no end."""

    address: str
    state: State
    mac: str | None = None
    names: tuple[str, ...] = ()
    seen: dt.datetime | None = None
    until: dt.datetime | None = None
    description: str = ""

    @property
    def has_client(self) -> bool:
        """Somebody has it, or somebody who can be recognised had it."""
        return self.state == "active" or (self.state == "ended" and bool(self.mac or host_names(*self.names)))


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a file. cut is a last line without its end; it is not among the others."""

    whole: tuple[str, ...]
    cut: str
    encoding: str

    @property
    def damage(self) -> list[Skip]:
        return [Skip(f"line {len(self.whole) + 1}", CUT)] if self.cut else []


def lines(content: bytes, context: Context) -> Lines:
    """The lines of a file of leases. Only a line feed ends a line: a name may hold any other character."""
    text, encoding = decode(limited(content, context.origin))
    *whole, cut = text.split("\n")
    return Lines(tuple(line.removesuffix("\r") for line in whole), cut, encoding)


def reading(leases: Iterable[Lease], damage: Sequence[Skip], context: Context) -> Reading:
    """Leases as observations; the last one of an address counts. damage is what could not be read."""
    last = {lease.address: lease for lease in leases}.values()
    found = [observation(lease, context) for lease in last if lease.has_client]
    nobodys = len(last) - len(found)
    old = sum(one is None for one in found)
    unused = [
        Skip(f"{count} lease(s)", why)
        for count, why in (
            (nobodys, "no client has it: free, abandoned or declined"),
            (old, f"ended more than {RECENT.days} days before, or nobody knows when"),
        )
        if count
    ]
    return Reading(tuple(one for one in found if one), (*damage, *unused), complete=not damage, of_none=nobodys + old)


def observation(lease: Lease, context: Context) -> Observation | None:
    """What a lease says of its client; None when that is too long ago."""
    at = _time(lease, context.at)
    if at is None:
        return None
    identity = {
        "macs": [lease.mac] if lease.mac else [],
        "names": host_names(*lease.names),
        "addresses": [lease.address],
    }
    description = plain(lease.description)
    return Observation(
        context.customer,
        SOURCE,
        at,
        {key: value for key, value in identity.items() if value},
        attributes={"description": description} if description else {},
    )


def _time(lease: Lease, now: dt.datetime) -> dt.datetime | None:
    if lease.state == "active" and (lease.until is None or lease.until > now):
        return min(lease.seen or now, now)
    known = [time for time in (lease.seen, lease.until) if time is not None]
    if not known or now - (lease.until or known[0]) > RECENT:
        return None
    return min([*known, now])


def address(text: str) -> str | None:
    """An IP address in its shortest form."""
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return None


def from_epoch(text: str) -> dt.datetime | None:
    """Seconds since 1970 as a time; None when they are none, or beyond what a date can hold."""
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or int(text) > _LAST_SECOND:
        return None
    return dt.datetime.fromtimestamp(int(text), dt.UTC)
