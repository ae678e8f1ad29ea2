# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ranges of addresses, as numbers: what is left of some without others. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Range = tuple[int, int]  # first and last


def of_network(network: Network) -> Range:
    return int(network.network_address), int(network.broadcast_address)


def without(ranges: Iterable[Range], holes: Iterable[Range]) -> list[Range]:
    """The ranges without the holes, in order. The ranges do not overlap one another; holes may."""
    cuts = _merged(holes)
    found, at = [], 0
    for low, high in sorted(ranges):
        while at < len(cuts) and cuts[at][1] < low:
            at += 1
        start, ahead = low, at
        while ahead < len(cuts) and cuts[ahead][0] <= high:
            if cuts[ahead][0] > start:
                found.append((start, cuts[ahead][0] - 1))
            start = cuts[ahead][1] + 1
            ahead += 1
        if start <= high:
            found.append((start, high))
    return found


def _merged(ranges: Iterable[Range]) -> list[Range]:
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def networks(version: int, ranges: Sequence[Range]) -> Iterator[Network]:
    """The fewest networks that make up the ranges."""
    for first, last in ranges:
        if version == 4:
            yield from ipaddress.summarize_address_range(ipaddress.IPv4Address(first), ipaddress.IPv4Address(last))
        else:
            yield from ipaddress.summarize_address_range(ipaddress.IPv6Address(first), ipaddress.IPv6Address(last))
