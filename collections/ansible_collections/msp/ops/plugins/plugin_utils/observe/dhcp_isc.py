# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leases of ISC dhcpd 4 (dhcpd.leases, dhcpd6.leases) as observations. Pure: bytes in, a Reading out.

The file is a journal: a lease that changes is written again, and the last entry of an address counts. An entry is a
block of statements; times are UTC; a client's identifier and names are quoted, with octal escapes:

    lease 192.0.2.10 {
      starts 1 2026/03/02 09:00:00;   ends 1 2026/03/02 21:00:00;   cltt 1 2026/03/02 09:00:00;
      binding state active;
      hardware ethernet 00:00:5e:00:53:01;
      uid "\\001\\000\\000^\\000S\\001";
      client-hostname "ws01";
    }
    ia-na "(4 bytes of IAID, then the DUID)" { cltt ...; iaaddr 2001:db8::10 { binding state active; ends ...; } }

cltt is the client's last transaction, so that is when it was seen. A delegated prefix (ia-pd) is no host's address.
An entry that is damaged inside is used without the damaged statement; one that is not closed is not used.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe.lease import (
    Lease,
    Lines,
    State,
    address,
    from_epoch,
    lines,
    reading,
)
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading, Skip
from ansible_collections.msp.ops.plugins.plugin_utils.observe.text import decode
from ansible_collections.msp.ops.plugins.plugin_utils.observe.words import client_id_mac, duid_mac, mac

Word = str | bytes  # bytes: what was quoted

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|[{};]|#.*|[^\s{};"#]+|"')
_DATE, _CLOCK = re.compile(r"\d{4}/\d\d/\d\d", re.ASCII), re.compile(r"\d\d:\d\d:\d\d", re.ASCII)
_ESCAPE = re.compile(rb"\\([0-7]{3}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b"}
# Only these begin an entry, and never stand inside another: a second one means that the first was not closed.
_ENTRIES: frozenset[Word] = frozenset(("lease", "ia-na", "ia-ta", "ia-pd"))
_OTHERS: frozenset[Word] = frozenset(
    ("server-duid", "authoring-byte-order", "failover", "host", "group", "class", "subclass")
)
_ACTIVE = frozenset(("active", "reserved", "bootp"))


@dataclass(frozen=True, slots=True)
class Statement:
    """Words up to a semicolon."""

    line: int
    words: tuple[Word, ...]


@dataclass(slots=True)
class Block:
    """Words up to a brace, and what is in the braces."""

    line: int
    words: tuple[Word, ...]
    statements: list[Statement] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


def parse(content: bytes, context: Context) -> Reading:
    """The clients that an ISC DHCP server gave addresses, IPv4 and IPv6."""
    text = lines(content, context)
    damage: list[Skip] = []
    top = _tree(text, damage)
    parts: list[Block | Statement] = [*top.blocks, *(one for one in top.statements if _first(one) not in _OTHERS)]
    unknown = [one for one in parts if isinstance(one, Statement) or _first(one) not in _ENTRIES | _OTHERS]
    known = len(parts) > len(unknown) or len(parts) < len(top.blocks) + len(top.statements)
    if not known and (unknown or damage):
        raise MspError(
            "MSP-OBS-011",
            f"{context.origin} to be a leases file of ISC dhcpd, with entries such as 'lease 192.0.2.10 {{ ... }}'",
            "no such entry in it",
            "give the file that the server's configuration names (dhcpd.leases, dhcpd6.leases)",
        )
    if not content.strip():
        damage.append(Skip("the file", "it is empty"))
    damage += [Skip(f"line {one.line}", "no entry of a leases file") for one in unknown]
    leases = [lease for block in top.blocks for lease in _leases(block, damage)]
    return reading(leases, damage, context)


def _tree(text: Lines, damage: list[Skip]) -> Block:
    """All blocks and statements of the file."""
    top = Block(0, ())
    stack, words = [top], list[Word]()
    for number, line in enumerate((*text.whole, text.cut), start=1):
        tokens = _tokens(line, text.encoding)
        last = number > len(text.whole)
        # The brace that closes an entry is its end, with or without an end of the line after it.
        if last and line and tokens != ["}"]:
            damage += text.damage
            break
        if "\0" in line:
            damage.append(Skip(f"line {number}", "it holds NUL bytes"))
        if tokens is None:
            damage.append(Skip(f"line {number}", "a quoted text without its closing quote"))
            words.clear()
            continue
        if tokens and tokens[0] in _ENTRIES and tokens[-1] == "{" and (len(stack) > 1 or words):
            damage.append(Skip(f"line {stack[-1].line or number - 1}", f"not closed before line {number}"))
            del stack[1:]
            words.clear()
        for token in tokens:
            _take(token, number, stack, words, damage)
    if len(stack) > 1:
        damage.append(Skip(f"line {stack[1].line}", "an entry without its closing brace"))
    elif words:
        damage.append(Skip(f"line {len(text.whole)}", "a statement without its semicolon"))
    return top


def _take(token: Word, number: int, stack: list[Block], words: list[Word], damage: list[Skip]) -> None:
    """One token: it ends a statement, opens a block, closes one, or is a word."""
    match token:
        case ";":
            if words:
                stack[-1].statements.append(Statement(number, tuple(words)))
        case "{":
            stack.append(Block(number, tuple(words)))
        case "}":
            _close(number, stack, words, damage)
        case _:
            words.append(token)
            return
    words.clear()


def _close(number: int, stack: list[Block], words: list[Word], damage: list[Skip]) -> None:
    if words:
        damage.append(Skip(f"line {number}", "a statement without its semicolon"))
    if len(stack) == 1:
        damage.append(Skip(f"line {number}", "a closing brace of nothing"))
    else:
        closed = stack.pop()
        stack[-1].blocks.append(closed)


def _tokens(line: str, encoding: str) -> list[Word] | None:
    """The words of a line, without its comment; None when a quote is not closed."""
    words: list[Word] = []
    for found in _TOKEN.finditer(line.replace("\0", " ")):
        word = found.group()
        if word.startswith("#"):
            break
        if word == '"':
            return None
        words.append(word if found.group(1) is None else _unescaped(found.group(1), encoding))
    return words


def _unescaped(text: str, encoding: str) -> bytes:
    def byte(found: re.Match[bytes]) -> bytes:
        escape = found.group(1)
        if len(escape) == 3 and not escape.startswith(b"x"):
            return bytes([int(escape, 8) & 0xFF])
        return bytes.fromhex(escape[1:].decode()) if len(escape) == 3 else _LETTERS.get(escape, escape)

    return _ESCAPE.sub(byte, text.encode("utf-8" if encoding.startswith("utf") else encoding, errors="replace"))


def _first(one: Block | Statement) -> Word:
    return one.words[0] if one.words else ""


def _leases(block: Block, damage: list[Skip]) -> Iterator[Lease]:
    kind = _first(block)
    if kind == "lease":
        found = _lease(block, damage)
        if found is not None:
            yield found
    elif kind in ("ia-na", "ia-ta"):
        client = block.words[1] if len(block.words) == 2 else ""
        if not isinstance(client, bytes):
            damage.append(Skip(f"line {block.line}", "an entry without its client"))
            return
        seen = _times(block.statements, damage).get("cltt")
        for one in block.blocks:
            if _first(one) == "iaaddr" and (lease := _lease(one, damage, seen, duid_mac(client[4:]))) is not None:
                yield lease


def _lease(
    block: Block, damage: list[Skip], seen: dt.datetime | None = None, hardware: str | None = None
) -> Lease | None:
    """A lease of one address; seen and hardware are what the entry around it knows."""
    where = address(str(block.words[1])) if len(block.words) == 2 else None
    if where is None:
        damage.append(Skip(f"line {block.line}", "no address"))
        return None
    times = _times(block.statements, damage)
    hardware = _hardware(block.statements, damage) or hardware
    vendor = _value(block.statements, "set", "vendor-class-identifier")
    return Lease(
        where,
        _state(block.statements),
        hardware,
        (_value(block.statements, "client-hostname"), _value(block.statements, "set", "ddns-fwd-name")),
        seen or times.get("cltt") or times.get("starts"),
        times.get("ends"),
        f"DHCP vendor class {vendor}" if vendor else "",
    )


def _times(statements: Sequence[Statement], damage: list[Skip]) -> dict[str, dt.datetime]:
    """When it starts, ends, and was last asked for. What never ends has no end."""
    found = {}
    for one in statements:
        name, rest = one.words[0], [str(word) for word in one.words[1:]]
        if isinstance(name, bytes) or name not in ("starts", "ends", "cltt") or rest == ["never"]:
            continue
        time = _time(rest)
        if time is None:
            damage.append(Skip(f"line {one.line}", f"{name}: no time"))
        else:
            found[name] = time
    return found


def _time(words: Sequence[str]) -> dt.datetime | None:
    """ "1 2026/03/02 09:00:00" (UTC, after the day of the week) or "epoch 1772442000"."""
    if len(words) == 2 and words[0] == "epoch":
        return from_epoch(words[1])
    if len(words) != 3 or not (_DATE.fullmatch(words[1]) and _CLOCK.fullmatch(words[2])):
        return None
    try:
        return dt.datetime.fromisoformat(f"{words[1].replace('/', '-')}T{words[2]}+00:00")
    except ValueError:
        return None


def _state(statements: Sequence[Statement]) -> State:
    words = [one.words for one in statements]
    if ("abandoned",) in words or ("binding", "state", "abandoned") in words:
        return "nobody"
    binding = [one[2] for one in words if len(one) == 3 and one[:2] == ("binding", "state")]
    return "ended" if binding and binding[-1] not in _ACTIVE else "active"


def _hardware(statements: Sequence[Statement], damage: list[Skip]) -> str | None:
    found = None
    for one in statements:
        if one.words[0] == "hardware" and one.words[1:2] == ("ethernet",):
            text = str(one.words[2]) if len(one.words) == 3 else ""
            found = mac(text)
            if text.count(":") != 5:
                damage.append(Skip(f"line {one.line}", "hardware: no address"))
        elif one.words[0] == "uid" and found is None and len(one.words) == 2 and isinstance(one.words[1], bytes):
            found = client_id_mac(one.words[1])
    return found


def _value(statements: Sequence[Statement], *names: str) -> str:
    """The last quoted value of a statement with these words before it."""
    for one in reversed(statements):
        value = one.words[-1]
        if one.words[: len(names)] == names and isinstance(value, bytes):
            return decode(value + b"\n")[0][:-1]  # a line end, for nothing was cut off here
    return ""
