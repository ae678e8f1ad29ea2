# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads LDIF (RFC 2849): what a directory exports. Pure: text in, records out; it never fetches what a `<` points to.

Only content is read: entries, and "changetype: add" as ldifde writes it before every entry. Other changes are skipped
and named, for a list of changes is not a list of what is there.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.msp.ops.plugins.plugin_utils.observe import referral
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Skip

_STARTS = ("version:", "dn:", "search:", "ref:")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(?:;[A-Za-z0-9=*_-]+)*")
# ldapsearch says these after the last entry, and "# extended LDIF" before the first.
_LDAPSEARCH, _SEARCH_END = "# extended LDIF", "# search result"


@dataclass(frozen=True, slots=True)
class Record:
    """One entry: the line where it starts, its name, and its attributes in lower case without options."""

    line: int
    dn: str
    values: Mapping[str, list[bytes]]


@dataclass(slots=True)
class Ldif:
    """What a text held. complete is False where something of it was damaged, cut off or is not the whole truth."""

    records: list[Record] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    complete: bool = True

    def damaged(self, line: int, why: str) -> None:
        self.skipped.append(Skip(f"line {line}", why))
        self.complete = False

    def referred(self, line: int, urls: Sequence[str]) -> None:
        skip, may_hold = referral.skip(f"line {line}", urls)
        self.skipped.append(skip)
        self.complete = self.complete and not may_hold


def looks_like(text: str) -> bool:
    """Whether the first line that is neither empty nor a comment is one of LDIF."""
    lines = (line.lower() for line in io.StringIO(text) if line.strip() and not line.startswith(("#", " ")))
    return next(lines, "").startswith(_STARTS)


def read(text: str) -> Ldif:
    """All entries of a text."""
    found = Ldif()
    lines = text.replace("\r\n", "\n").split("\n")
    for block in _blocks(lines, found):
        if record := _record(block, found):
            found.records.append(record)
    if text.lstrip().startswith(_LDAPSEARCH) and _SEARCH_END not in lines:
        found.damaged(len(lines), "the end that ldapsearch writes is missing: the file was cut off")
    return found


def _blocks(lines: list[str], found: Ldif) -> Iterator[list[tuple[int, str]]]:
    """The lines of each record, unfolded, without comments. What a cut file ends with is no record."""
    block: list[tuple[int, list[str]]] = []
    comment = False
    for number, line in enumerate(lines[:-1], 1):
        if line.startswith(" ") and (block or comment):
            if not comment:
                block[-1][1].append(line[1:])
            continue
        comment = line.startswith("#")
        if comment:
            continue
        if line:
            block.append((number, [line]))
        elif block:
            yield _unfolded(block)
            block = []
    if lines[-1]:
        found.damaged(block[0][0] if block else len(lines), "the file ends in the middle of this entry")
    elif block:
        found.damaged(block[0][0], "no empty line closes this last entry: the file may be cut off")
        yield _unfolded(block)


def _unfolded(block: list[tuple[int, list[str]]]) -> list[tuple[int, str]]:
    """Each line whole. Put together once: a photo is folded into thousands of pieces."""
    return [(number, "".join(pieces)) for number, pieces in block]


def _record(block: list[tuple[int, str]], found: Ldif) -> Record | None:
    if block[0][1].lower().startswith("version:"):
        block = block[1:]
    if not block:
        return None
    first, words = block[0][0], [line.partition(":")[0].lower() for _number, line in block]
    if words[0] in ("search", "result"):
        _search_result(block, found)
        return None
    if words[0] == "ref":
        found.referred(first, [line.partition(":")[2] for _number, line in block])
        return None
    if words[0] != "dn":
        found.damaged(first, "an entry without a name (dn)")
        return None
    if "changetype" in words:
        kind = block[words.index("changetype")][1].partition(":")[2].strip().lower()
        if kind != "add":
            found.damaged(first, f"a change ({kind[:20]}), not an entry")
            return None
    return _entry(first, block, found)


def _entry(first: int, block: list[tuple[int, str]], found: Ldif) -> Record | None:
    values: dict[str, list[bytes]] = {}
    for number, line in block:
        name, colon, rest = line.partition(":")
        if not colon or not _NAME.fullmatch(name):
            found.damaged(number, "no attribute and value")
            continue
        if name.lower() in ("changetype", "control"):
            continue
        try:
            value = _value(rest)
        except ValueError as error:
            found.damaged(number, f"{name}: {error}")
            continue
        values.setdefault(name.partition(";")[0].lower(), []).append(value)
    if not values.get("dn"):
        return None  # its damaged name is named already
    if b"referral" in (value.lower() for value in values.get("objectclass", ())):  # as slapcat writes one
        found.referred(first, [url.decode("utf-8", errors="replace") for url in values.get("ref", ())])
        return None
    return Record(first, values.pop("dn")[0].decode("utf-8", errors="replace"), values)


def _value(rest: str) -> bytes:
    if rest.startswith("<"):
        raise ValueError("a value that is somewhere else is not fetched")
    if not rest.startswith(":"):
        return rest.lstrip(" ").encode("utf-8", errors="replace")
    try:
        return base64.b64decode(rest[1:].strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None


def _search_result(block: list[tuple[int, str]], found: Ldif) -> None:
    """ldapsearch's own last word: anything but success means that entries are missing."""
    for number, line in block:
        if line.lower().startswith("result:") and not line.partition(":")[2].strip().startswith("0 "):
            found.damaged(number, f"the search did not end well ({line.strip()[:80]})")
