# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of two versions of rpm's is newer, by the rules of rpmvercmp. Pure; no program is run."""

from __future__ import annotations

import re

_SEPARATORS = re.compile(r"[^A-Za-z0-9~^]*")
_NUMBER = re.compile(r"[0-9]*")
_LETTERS = re.compile(r"[A-Za-z]*")


def compare(one: str, other: str) -> int:
    """Negative, zero or positive, as one ("1:2.0-3.el9") is older than, equal to or newer than other."""
    first, second = _split(one), _split(other)
    return first[0] - second[0] or _compare(first[1], second[1]) or _compare(first[2], second[2])


def plain(version: str) -> str:
    """As dnf prints it: an epoch of 0 is none."""
    epoch, colon, rest = version.partition(":")
    return rest if colon and epoch == "0" else version


def _split(text: str) -> tuple[int, str, str]:
    """Epoch, version and release. What is no number before the colon is no epoch."""
    epoch, colon, rest = text.partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "0", text
    version, hyphen, release = rest.rpartition("-")
    return (int(epoch), version, release) if hyphen else (int(epoch), rest, "")


def _compare(one: str, other: str) -> int:
    """Piece by piece, whatever is between the pieces: a number by its value, letters by their order."""
    while True:
        one, other = (text[_end(_SEPARATORS, text) :] for text in (one, other))
        for mark in ("~", "^"):
            if one.startswith(mark) or other.startswith(mark):
                break
        else:
            mark = ""
        if mark:
            if not (one.startswith(mark) and other.startswith(mark)):
                return _marked(mark, one, other)
            one, other = one[1:], other[1:]
        elif not one or not other:
            return (one > "") - (other > "")
        else:
            pattern = _NUMBER if one[0] in "0123456789" else _LETTERS
            ends = _end(pattern, one), _end(pattern, other)
            found = _piece(one[: ends[0]], other[: ends[1]], number=pattern is _NUMBER)
            if found:
                return found
            one, other = one[ends[0] :], other[ends[1] :]


def _end(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.match(text)
    return found.end() if found else 0


def _marked(mark: str, one: str, other: str) -> int:
    """Only one of them has the mark here. "~" is older than anything, its end too; "^" only newer than the end."""
    marked = 1 if one.startswith(mark) else -1
    if mark == "~":
        return -marked
    ended = not (other if marked == 1 else one)
    return marked if ended else -marked


def _piece(one: str, other: str, *, number: bool) -> int:
    if not other:
        # A number is newer than letters.
        return 1 if number else -1
    if number:
        return int(one) - int(other)
    return (one > other) - (one < other)
