# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of two Debian versions is newer, by the rules of deb-version(7). Pure; no program is run."""

from __future__ import annotations

import re
from functools import cmp_to_key, lru_cache

_PIECES = re.compile(r"(\D*)(\d*)(.*)", re.DOTALL)


# A tracker names a few versions thousands of times.
@lru_cache(maxsize=65536)
def compare(one: str, other: str) -> int:
    """Negative, zero or positive, as one is older than, equal to or newer than other."""
    first, second = _split(one), _split(other)
    if first[0] != second[0]:
        return first[0] - second[0]
    return _compare(first[1], second[1]) or _compare(first[2], second[2])


key = cmp_to_key(compare)


def _split(text: str) -> tuple[int, str, str]:
    """Epoch, upstream version and revision. What is no number before the colon is no epoch."""
    epoch, colon, rest = text.partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "0", text
    upstream, hyphen, revision = rest.rpartition("-")
    return (int(epoch), upstream, revision) if hyphen else (int(epoch), rest, "")


def _compare(one: str, other: str) -> int:
    """Piece by piece: text without digits by its own order, then a number by its value."""
    while one or other:
        ((first, number, one),) = _PIECES.findall(one)[:1]
        ((second, other_number, other),) = _PIECES.findall(other)[:1]
        found = _order(first, second) or int(number or 0) - int(other_number or 0)
        if found:
            return found
    return 0


def _order(one: str, other: str) -> int:
    """ "~" sorts before the end, letters before everything else."""
    length = max(len(one), len(other))
    first, second = ([_weight(text[place : place + 1]) for place in range(length)] for text in (one, other))
    return (first > second) - (first < second)


def _weight(character: str) -> int:
    if character == "~":
        return -1
    if not character:
        return 0
    return ord(character) if character.isalpha() else ord(character) + 256
