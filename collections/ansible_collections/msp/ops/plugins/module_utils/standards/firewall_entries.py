# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ways through a packet filter have in common: a packet gets in when every chain lets it.

Pure. Whatever is not understood is kept: never is less told than gets in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple, Union

from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Unmeasurable

MOST_PAIRS = 250_000
_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


class Entry(NamedTuple):
    """What one way through the rules lets pass."""

    protocols: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    # More that is asked: "from 10.0.0.0/8", "on eth1".
    asks: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    loopback: bool = False


def in_all(chains: list[list[Entry]], version: int) -> list[Entry]:
    """What each of the chains lets in, for packets of this version of IP."""
    found = [one for one in chains[0] if _asks(one.asks, version) is not None]
    for other in chains[1:]:
        if len(found) * len(other) > MOST_PAIRS:
            raise Unmeasurable("the packet filter has too many rules in several chains to say what all of them let in")
        met = (meet(one, more, version) for one in found for more in other)
        found = list(dict.fromkeys(one for one in met if one is not None))
    return found


def meet(one: Entry, other: Entry, version: int) -> Entry | None:
    """What both let in; None for nothing."""
    protocols = _common(one.protocols, other.protocols)
    ports = _common_ports(one.ports, other.ports)
    states = _common(one.states, other.states)
    asks = _asks((*one.asks, *other.asks), version)
    if protocols is None or ports is None or states is None or asks is None:
        return None
    return Entry(protocols, ports, asks, states, one.loopback or other.loopback)


def covers(entry: Entry, protocol: str, port: int) -> bool:
    """Whether it lets in something at a port, from wherever."""
    if entry.protocols and protocol not in entry.protocols:
        return False
    here = str(port)
    return not entry.ports or any(_meeting(one, here) for one in entry.ports)


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...] | None:
    """Of two lists what is in both; an empty one stands for everything. None where nothing is."""
    if not one or not other:
        return one or other
    return tuple(value for value in one if value in other) or None


def _common_ports(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...] | None:
    if not one or not other:
        return one or other
    met = [_meeting(mine, theirs) for mine in one for theirs in other]
    return tuple(dict.fromkeys(port for port in met if port)) or None


def _meeting(one: str, other: str) -> str:
    """The ports that are in both of two ranges; the first where they are no ranges of numbers."""
    mine, theirs = _PORT.fullmatch(one), _PORT.fullmatch(other)
    if mine is None or theirs is None:
        return one
    low = max(int(mine.group(1)), int(theirs.group(1)))
    high = min(int(mine.group(2) or mine.group(1)), int(theirs.group(2) or theirs.group(1)))
    if low > high:
        return ""
    return str(low) if low == high else "%d-%d" % (low, high)


# -- what is asked besides ---------------------------------------------------------------------------------------


def _asks(asks: Iterable[str], version: int) -> tuple[str, ...] | None:
    """All that is asked, each once and of networks the smallest; None where no packet is so."""
    found: list[str] = []
    for ask in dict.fromkeys(asks):
        network = _network(ask)
        if network is not None and network.version != version:
            return None
        for known in found:
            if not _possible(known, ask):
                return None
        if not any(_within(known, ask) for known in found):
            found = [known for known in found if not _within(ask, known)] + [ask]
    return tuple(found)


def _direction(ask: str) -> str:
    return ask.partition(" ")[0]


def _network(ask: str) -> _Network | None:
    """The network of "from 192.0.2.0/24"; None where it says something else, or names several."""
    word, _space, text = ask.partition(" ")
    if word not in ("from", "to"):
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _possible(one: str, other: str) -> bool:
    """Whether a packet can be as both ask. Of one interface it comes in by no other."""
    mine, theirs = _network(one), _network(other)
    if mine is not None and theirs is not None and _direction(one) == _direction(other):
        return mine.version == theirs.version and mine.overlaps(theirs)
    interfaces = all(ask.startswith("on ") and not re.search(r"[/*]", ask) for ask in (one, other))
    return not interfaces or one == other


def _within(one: str, other: str) -> bool:
    """Whether all that one lets in, another one does too: who asks for a network asks for those around it."""
    mine, theirs = _network(one), _network(other)
    if mine is None or theirs is None or _direction(one) != _direction(other):
        return one == other
    if isinstance(mine, ipaddress.IPv4Network) and isinstance(theirs, ipaddress.IPv4Network):
        return mine.subnet_of(theirs)
    if isinstance(mine, ipaddress.IPv6Network) and isinstance(theirs, ipaddress.IPv6Network):
        return mine.subnet_of(theirs)
    return False
