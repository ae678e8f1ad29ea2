# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leases of Windows DHCP, exported as CSV, as observations. Pure: bytes in, a Reading out.

Two forms. The management console's "Export List", in the language of the console, with a comma, semicolon or tab
between the columns, in ANSI or Unicode, and without quotes (a comma in a description makes a row longer):

    Client IP Address,Name,Lease Expiration,Type,Unique ID,Description,...
    192.0.2.10,ws01.example.com,3/14/2026 9:00:00 AM,DHCP,00005e005301,,...
    192.0.2.11,printer,Reservation (active),DHCP,00005e005302,,...

and `Get-DhcpServerv4Lease | Export-Csv`, always with English headings:

    "IPAddress","ScopeId","AddressState","ClientId","HostName","LeaseExpiryTime",...

English and German headings are those of real exports; Dutch ones are recognised by the words that they must have.

Dates are in the format of the console's user. Whether 3/2/2026 is in March or February only another row can tell, one
with a number above 12; where none does, it is not guessed: if either meaning is still to come the lease runs, and its
time is that of the reading; if both are past it ended at the earlier of the two. The clock is the server's own, so its
zone has to be given.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe.lease import Lease, Lines, address, lines, reading
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading, Skip
from ansible_collections.msp.ops.plugins.plugin_utils.observe.words import client_id_mac, hex_bytes

# Which column a heading names, by the whole heading or by a word in it; English, German, Dutch.
_WHOLE = {
    "ipaddress": "address",
    "name": "name",
    "naam": "name",
    "hostname": "name",
    "addressstate": "state",
    "leaseexpirytime": "expires",
    "clientid": "client",
    "description": "description",
    "beschreibung": "description",
    "beschrijving": "description",
}
_WORDS = (
    (re.compile(r"\bip\b.*\badres|\bip\b.*\baddress"), "address"),
    (re.compile(r"^(unique|eindeutige|unieke)\b"), "client"),
    (re.compile(r"^lease|\blease$|\blease\b"), "expires"),
)
_NEEDED = ("address", "client", "expires")
_INACTIVE = ("inactive", "inaktiv", "inactief", "niet actief", "nicht aktiv", "expired", "declined")
# What the server writes where no client is: an address in conflict, and addresses that RAS took for its own clients.
_NO_CLIENT = "bad_address"
_RAS = b"RAS "
_DATE = re.compile(
    r"(\d{1,4})([./-]) ?(\d{1,2})[./-] ?(\d{1,4})\.?,?(?: (\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?: ?([AP])M)?)?"
)
_LONGEST_ROW = 20  # lines, when a quoted description has line ends in it


def parse(content: bytes, context: Context, zone: dt.tzinfo = dt.UTC) -> Reading:
    """The clients that a Windows DHCP server gave addresses. zone is that of the server's clock."""
    text = lines(content, context)
    damage = text.damage
    rows = list(_rows(text, damage))
    heads = rows[0][1] if rows else []
    columns = _columns(heads)
    if not set(_NEEDED) <= set(columns):
        raise MspError(
            "MSP-OBS-014",
            f"{context.origin} to be a CSV list of leases of Windows DHCP with columns for address, unique ID and end",
            f"the headings {', '.join(heads)[:200]!r}" if rows else "no line of headings",
            "export the list of 'Address Leases' as CSV, or use Get-DhcpServerv4Lease | Export-Csv",
        )
    first = [_dated(cells[columns["expires"]]) for _n, cells in rows[1:] if len(cells) > columns["expires"]]
    order = _order([found for found in first if found])
    leases = []
    for number, cells in rows[1:]:
        surplus = len(cells) - len(heads)
        if surplus < 0:
            damage.append(Skip(f"line {number}", f"{len(cells)} values for {len(heads)} columns"))
            continue
        row = {name: cells[at].strip() for name, at in columns.items() if not surplus or name != "description"}
        found = _lease(row, order, context.at, zone)
        if isinstance(found, Lease):
            leases.append(found)
        else:
            damage.append(Skip(f"line {number}", found))
    return reading(leases, damage, context)


def _rows(text: Lines, damage: list[Skip]) -> Iterator[tuple[int, list[str]]]:
    """The rows with the number of their first line: headings first, without PowerShell's line of the type."""
    delimiter, at = "", 0
    while at < len(text.whole):
        start, line = at, text.whole[at]
        at += 1
        if not line.strip("\ufeff \t\0") or (not delimiter and line.startswith(("#TYPE ", "sep="))):
            continue
        delimiter = delimiter or max(",;\t", key=line.count)
        if line.count('"') % 2:
            end = next(
                (n for n in range(at + 1, min(at + _LONGEST_ROW, len(text.whole)) + 1)
                 if "\n".join(text.whole[start:n]).count('"') % 2 == 0), None,
            )  # fmt: skip
            if end is None:
                damage.append(Skip(f"line {start + 1}", "a quoted value without its closing quote"))
                continue
            line, at = "\n".join(text.whole[start:end]), end
        try:
            yield start + 1, next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error as error:
            damage.append(Skip(f"line {start + 1}", str(error)))


def _columns(heads: Sequence[str]) -> dict[str, int]:
    """Where each column stands; of two that could be the same, the first."""
    found: dict[str, int] = {}
    for at, head in enumerate(heads):
        plain = " ".join(re.sub(r"[-_]", " ", head.strip("\ufeff ").casefold()).split())
        name = _WHOLE.get(plain) or next((name for words, name in _WORDS if words.search(plain)), None)
        if name:
            found.setdefault(name, at)
    return found


def _lease(row: Mapping[str, str], order: str, now: dt.datetime, zone: dt.tzinfo) -> Lease | str:
    """The lease of a row, or why there is none."""
    where, client, expires = address(row["address"]), hex_bytes(row["client"]), row["expires"]
    if where is None:
        return "no address"
    if client is None:
        return "no unique ID"
    name, state = row.get("name", ""), row.get("state", "").casefold()
    if name.casefold() == _NO_CLIENT or client.startswith(_RAS) or state == "declined":
        return Lease(where, "nobody")
    until = _until(expires, order, now, zone)
    if until is None and any(c.isdigit() for c in expires):
        return "no time"
    active = not any(word in f"{expires} {state}".casefold() for word in _INACTIVE)
    description = row.get("description", "")
    return Lease(
        where,
        "active" if active else "ended",
        client_id_mac(client),
        (name,),
        until=until,
        description=description,
    )


def _dated(text: str) -> tuple[int, str, int, int] | None:
    """The three numbers of a date and the mark between them, as they stand."""
    found = _DATE.fullmatch(" ".join(text.upper().split()))
    return (int(found[1]), found[2], int(found[3]), int(found[4])) if found else None


def _order(dates: Sequence[tuple[int, str, int, int]]) -> str:
    """ "day" or "month": what comes first in this file's dates. Empty when no date tells, or two contradict."""
    short = [(a, mark, b) for a, mark, b, _year in dates if a <= 31]
    day = any(a > 12 or mark == "." for a, mark, _b in short)
    month = any(b > 12 for _a, _mark, b in short)
    return "" if day == month else "day" if day else "month"


def _until(text: str, order: str, now: dt.datetime, zone: dt.tzinfo) -> dt.datetime | None:
    """The time that a text means. Of two meanings, one still to come where there is one, else the earlier."""
    found = _DATE.fullmatch(" ".join(text.upper().split()))
    if found is None:
        return None
    a, b, c = int(found[1]), int(found[3]), int(found[4])
    hour = int(found[5] or 0)
    if found[8]:
        hour = hour % 12 + (12 if found[8] == "P" else 0)
    if len(found[1]) == 4:
        days = [(a, b, c)]
    else:
        year = c + 2000 if c < 100 else c
        days = [(year, b, a)] * (order != "month") + [(year, a, b)] * (order != "day")
    times = [time for day in days if (time := _time(day, (hour, int(found[6] or 0), int(found[7] or 0)), zone))]
    coming = [time for time in times if time > now]
    return min(coming or times, default=None)


def _time(day: tuple[int, int, int], clock: tuple[int, int, int], zone: dt.tzinfo) -> dt.datetime | None:
    try:
        return dt.datetime(*day, *clock, tzinfo=zone).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
