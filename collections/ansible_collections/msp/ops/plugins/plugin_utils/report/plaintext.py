# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plain text, whatever words are in it: a value on one line, and lines that are no wider than a mail may be. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

WIDTH = 78
LONGEST = 200  # characters of any one value that are shown


def shown(value: object) -> str:
    """A value as one line of text: what a screen would obey (control and direction characters) becomes a "?"."""
    if value is None or isinstance(value, Mapping | list | tuple | set):
        return ""
    words = printable(" ".join(str(value).split()))
    return words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"


def printable(words: str) -> str:
    """The same with a "?" for each character that a screen or a mail program would obey."""
    return words if words.isprintable() else "".join(c if c.isprintable() else "?" for c in words)


def mail(lines: Iterable[str]) -> str:
    """Lines as one text: whatever stands in one of them, it stays one line, and nothing in it is obeyed."""
    return "".join(f"{printable(line)}\n" for line in lines)


def columns(words: str) -> int:
    """How many columns words take: characters of East Asian scripts take two."""
    if words.isascii():
        return len(words)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in words)


def wrapped(words: str, first: str = "", rest: str | None = None, width: int = WIDTH) -> list[str]:
    """Words in lines that begin with first, and rest from the second on (spaces as wide as first, unless given, but no
    more than half a line).

    What a mail program would obey becomes a "?". Breaks between words; a word that fits on no line is broken where the
    line ends.
    """
    rest = " " * min(columns(first), width // 2) if rest is None else rest
    lines: list[str] = []
    line, empty = first, True
    for word in map(printable, words.split()):
        if not empty and columns(line) + 1 + columns(word) > width:
            lines.append(line)
            line, empty = rest, True
        piece = word if empty else f" {word}"
        while piece and columns(line) + columns(piece) > width:
            head = _fitting(piece, width - columns(line))
            lines.append(line + head)
            line, piece = rest, piece[len(head) :]
        line, empty = line + piece, False
    return [found.rstrip() for found in (*lines, line)]


def _fitting(words: str, room: int) -> str:
    """The longest beginning that fits, at least one character."""
    taken = 0
    for place, character in enumerate(words):
        taken += columns(character)
        if taken > room:
            return words[: max(1, place)]
    return words
