# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moments as directories and device managers write them. Pure; what stands for "never" is None, never a date.

FILETIME (100 ns since 1601), LDAP's GeneralizedTime, ISO 8601 with any number of decimals, and the dates that
PowerShell writes in the style of the country where it ran.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

_FILETIME_EPOCH = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)
_FILETIME_MAX = 0x7FFFFFFFFFFFFFFF
# What is older than the systems that could have written it stands for "never": 0001-01-01, 1601-01-01, 1970-01-01.
_FIRST, _LAST = 1971, 9000
_NUMBER = re.compile(r"-?[0-9]{1,20}")
_GENERALIZED = re.compile(
    r"([0-9]{10})([0-9]{2})?([0-9]{2})?(?:[.,][0-9]{1,9})?(Z|[+-][0-9]{2}(?:[0-9]{2})?)", re.ASCII
)
_COUNTRY = re.compile(
    r"([0-9]{1,2})([./-])([0-9]{1,2})\2([0-9]{4})"
    r"(?:\s{1,3}([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?:\s{0,3}([AaPp])\.?[Mm]\.?)?)?"
)


class Unreadable(ValueError):
    """A text that is no moment, or one that could be two."""


def filetime(number: int) -> dt.datetime | None:
    """The moment of a Windows FILETIME; None for 0, for negative numbers and for the largest one."""
    if number <= 0 or number >= _FILETIME_MAX:
        return None
    try:
        return _real(_FILETIME_EPOCH + dt.timedelta(microseconds=number // 10))
    except OverflowError:
        return None


def moment(text: str, day_first: bool | None = None) -> dt.datetime | None:
    """The moment that a text stands for, in UTC, or None for "never". What says no time zone is taken as UTC.

    day_first says how 3/4/2026 is meant, see `day_first`; where nobody knows, that is Unreadable.
    """
    word = text.strip()
    if not word:
        return None
    if _NUMBER.fullmatch(word):
        return filetime(int(word))
    for reader in (_generalized, _iso):
        if (found := reader(word)) is not None:
            return _real(found)
    return _real(_country(word, day_first))


def day_first(texts: Iterable[str]) -> bool | None:
    """Whether the dates of one file put the day before the month; None where not one of them shows it.

    Countries that write points or hyphens put the day first. A slash says nothing; a number above 12 says it.
    """
    shown = set()
    for text in texts:
        if (found := _COUNTRY.fullmatch(text.strip())) is None:
            continue
        first, mark, second = int(found[1]), found[2], int(found[3])
        if mark != "/" or first > 12:
            shown.add(True)
        elif second > 12:
            shown.add(False)
    return shown.pop() if len(shown) == 1 else None


def _real(value: dt.datetime) -> dt.datetime | None:
    return value if _FIRST <= value.year <= _LAST else None


def _generalized(word: str) -> dt.datetime | None:
    found = _GENERALIZED.fullmatch(word)
    if found is None:
        return None
    hour, minutes, seconds, zone = found[1], found[2] or "00", found[3] or "00", found[4]
    zone = "+0000" if zone == "Z" else zone.ljust(5, "0")
    try:
        return dt.datetime.strptime(f"{hour}{minutes}{seconds}{zone}", "%Y%m%d%H%M%S%z").astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise Unreadable(f"{word!r} is no moment") from None


def _iso(word: str) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(word)
    except ValueError:
        return None
    if found.tzinfo is None:
        return found.replace(tzinfo=dt.UTC)
    try:
        return found.astimezone(dt.UTC)
    except OverflowError:  # the first or the last day there is
        return found.replace(tzinfo=dt.UTC)


def _country(word: str, first_is_day: bool | None) -> dt.datetime:
    found = _COUNTRY.fullmatch(word)
    if found is None:
        raise Unreadable(f"{word[:40]!r} is no moment")
    first, second = int(found[1]), int(found[3])
    if first_is_day is None and first != second:
        raise Unreadable(f"{word!r} can be two days")
    day, month = (first, second) if first_is_day else (second, first)
    hour, minute, seconds = int(found[5] or 0), int(found[6] or 0), int(found[7] or 0)
    if found[8]:
        if not 1 <= hour <= 12:
            raise Unreadable(f"{word!r} is no moment")
        hour = hour % 12 + (12 if found[8] in "Pp" else 0)
    try:
        return dt.datetime(int(found[4]), month, day, hour, minute, seconds, tzinfo=dt.UTC)
    except ValueError:
        raise Unreadable(f"{word!r} is no moment") from None
