# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""An RRULE (RFC 5545) as days on the customer's wall clock, by dateutil. Pure: no I/O, no time zone arithmetic.

A rule says days, its start says the time of day. What a rule of RFC 5545 may not say, what would happen more than once
a day, and what would need a first day and has none, is refused with a sentence that says why.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Recurrence

try:
    from dateutil import rrule
except ImportError as missing:
    LIBRARY_ERROR: ImportError | None = missing
else:
    LIBRARY_ERROR = None

# dateutil looks until the year 9999 before it gives up a rule that never happens: minutes, for a daily one. After 400
# years the calendar is the same to the weekday, so it is asked about a year that is 7600 years on: half a second.
SHIFT = dt.timedelta(days=146097 * 19)
EARLIEST, LATEST = dt.datetime(2000, 1, 1), dt.datetime(2299, 12, 31)  # noqa: DTZ001 - on a wall clock

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_CHOICES: Mapping[str, tuple[str, ...]] = {"FREQ": _FREQUENCIES, "WKST": _DAYS}
_WEEKDAY = re.compile(r"([+-]?[1-9][0-9]?)?(MO|TU|WE|TH|FR|SA|SU)")
_NUMBER = re.compile(r"[+-]?[1-9][0-9]{0,3}")
_UNTIL = re.compile(r"([0-9]{8})(T[0-9]{6}Z?)?")
# By part: the largest number, and whether it may count from the end.
_NUMBERS: Mapping[str, tuple[int, bool]] = {
    "INTERVAL": (1000, False),
    "COUNT": (9999, False),
    "BYMONTH": (12, False),
    "BYMONTHDAY": (31, True),
    "BYYEARDAY": (366, True),
    "BYWEEKNO": (53, True),
    "BYSETPOS": (366, True),
}
_ONE = ("INTERVAL", "COUNT")
_PARTS = ("FREQ", *_NUMBERS, "BYDAY", "UNTIL", "WKST")
# Frequencies with which RFC 5545 (3.3.10) forbids a part, or with which it would say nothing.
_FORBIDDEN: Mapping[str, tuple[str, ...]] = {
    "BYMONTHDAY": ("WEEKLY",),
    "BYYEARDAY": ("DAILY", "WEEKLY", "MONTHLY"),
    "BYWEEKNO": ("DAILY", "WEEKLY", "MONTHLY"),
    "BYSETPOS": ("DAILY",),
}


def refusal(recurrence: Recurrence) -> str:
    """Why this is no recurrence that a plan can have, in words; empty where it is one."""
    parts, problem = _parsed(recurrence.rule)
    return problem or _contradiction(parts) or ("" if recurrence.since else _anchor(parts))


def moments(recurrence: Recurrence, zone: ZoneInfo, first: dt.datetime, last: dt.datetime) -> list[dt.datetime]:
    """The wall-clock moments in [first, last], all naive, in order. The recurrence must have no refusal()."""
    rule, until = _compiled(recurrence, zone, _from(recurrence, first))
    last = min(last, until, LATEST)
    if last < first:
        return []
    return [found - SHIFT for found in rule.between(first + SHIFT, last + SHIFT, inc=True)]


def following(recurrence: Recurrence, zone: ZoneInfo, first: dt.datetime) -> dt.datetime | None:
    """The first wall-clock moment at or after first (naive), or None where there is none."""
    rule, until = _compiled(recurrence, zone, _from(recurrence, first))
    found = rule.after(first + SHIFT, inc=True)
    return found - SHIFT if found is not None and found - SHIFT <= until else None


def _from(recurrence: Recurrence, first: dt.datetime) -> dt.date:
    """Where expansion begins. A rule that needs no first day is the same whenever it begins, so it begins lately."""
    return recurrence.since or dt.date(max(EARLIEST.year, first.year - 1), 1, 1)


@functools.lru_cache(maxsize=512)
def _compiled(recurrence: Recurrence, zone: ZoneInfo, start: dt.date) -> tuple[Any, dt.datetime]:
    """dateutil's rule (shifted), and the last wall-clock moment that UNTIL allows."""
    if LIBRARY_ERROR is not None:
        raise MspError(
            "MSP-PAT-001",
            "the Python library python-dateutil on the controller",
            str(LIBRARY_ERROR),
            "run through ./msp, or install what requirements.lock names",
        )
    parts, _problem = _parsed(recurrence.rule)
    until = _until(parts.pop("UNTIL", ""), zone)
    text = ";".join(f"{name}={value}" for name, value in parts.items())
    begin = dt.datetime.combine(start, recurrence.at) + SHIFT
    return rrule.rrulestr(text, dtstart=begin, cache=True), until


def _until(text: str, zone: ZoneInfo) -> dt.datetime:
    """A date is its whole day; a time is the customer's, or UTC with a Z behind it."""
    if not text:
        return LATEST
    if "T" not in text:
        day = dt.datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007 - on a wall clock
        return day + dt.timedelta(hours=23, minutes=59, seconds=59)
    found = dt.datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007 - on a wall clock
    return found.replace(tzinfo=dt.UTC).astimezone(zone).replace(tzinfo=None) if text.endswith("Z") else found


def _parsed(rule: str) -> tuple[dict[str, str], str]:
    """The parts of a rule, and what is wrong with one of them by itself."""
    parts: dict[str, str] = {}
    for piece in rule.removeprefix("RRULE:").split(";"):
        name, equals, value = piece.partition("=")
        if not equals or not value:
            return {}, f"{piece!r} is no part of an RRULE: it has the form NAME=VALUE"
        if name in parts:
            return {}, f"{name} is there twice"
        if problem := _part(name, value):
            return {}, problem
        parts[name] = value
    return (parts, "") if "FREQ" in parts else ({}, "it has no FREQ")


def _part(name: str, value: str) -> str:
    if name in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        return f"{name} is not for the rule: the time of day stands in start"
    if name not in _PARTS:
        return f"{name} is no part of an RRULE that is known here ({', '.join(_PARTS)})"
    if name in _CHOICES:
        return "" if value in _CHOICES[name] else f"{name} is {value}, and may be {', '.join(_CHOICES[name])}"
    if name == "UNTIL":
        return "" if _is_until(value) else f"UNTIL is {value}, and may be 20261231, or 20261231T220000 (UTC with a Z)"
    return _wrong_day(value) if name == "BYDAY" else _wrong_number(name, value)


def _wrong_day(value: str) -> str:
    wrong = [day for day in value.split(",") if not _WEEKDAY.fullmatch(day)]
    return f"BYDAY has {wrong[0]!r}, and may have MO, or 3TU for the third Tuesday, or -1FR" if wrong else ""


def _wrong_number(name: str, value: str) -> str:
    most, negative = _NUMBERS[name]
    numbers = [value] if name in _ONE else value.split(",")
    wrong = [n for n in numbers if not _NUMBER.fullmatch(n) or abs(int(n)) > most or (int(n) < 0 and not negative)]
    return (
        f"{name} has {wrong[0]!r}, and may have 1 to {most}{', or from the end -1' if negative else ''}"
        if wrong
        else ""
    )


def _is_until(value: str) -> bool:
    if not _UNTIL.fullmatch(value):
        return False
    try:
        dt.datetime.strptime(value.removesuffix("Z"), "%Y%m%dT%H%M%S" if "T" in value else "%Y%m%d")  # noqa: DTZ007
    except ValueError:
        return False
    return EARLIEST.year <= int(value[:4]) <= LATEST.year


def _contradiction(parts: Mapping[str, str]) -> str:
    """What parts say together that RFC 5545 forbids or that has no meaning."""
    frequency = parts["FREQ"]
    for name, forbidden in _FORBIDDEN.items():
        if name in parts and frequency in forbidden:
            return f"{name} is not for FREQ={frequency}"
    counted = any(_WEEKDAY.fullmatch(day)[1] for day in parts.get("BYDAY", "").split(",") if day)  # type: ignore[index]
    if counted and frequency not in ("MONTHLY", "YEARLY"):
        return f"BYDAY with a number is not for FREQ={frequency}"
    if "BYWEEKNO" in parts and ("BYDAY" not in parts or counted):
        return "BYWEEKNO needs a BYDAY without numbers, as BYDAY=TU"
    if "BYSETPOS" in parts and not any(name in parts for name in ("BYDAY", "BYMONTHDAY", "BYYEARDAY")):
        return "BYSETPOS needs a BYDAY, BYMONTHDAY or BYYEARDAY to choose from"
    return "COUNT and UNTIL are both there, and only one may be" if "COUNT" in parts and "UNTIL" in parts else ""


def _anchor(parts: Mapping[str, str]) -> str:
    """Why a rule without a first day does not say which days it means."""
    if parts.get("INTERVAL", "1") != "1":
        return "INTERVAL counts from a first day: write start as 2026-01-05T22:00"
    if "COUNT" in parts:
        return "COUNT counts from a first day: write start as 2026-01-05T22:00"
    says_day = any(name in parts for name in ("BYDAY", "BYMONTHDAY", "BYYEARDAY"))
    if parts["FREQ"] != "DAILY" and not says_day:
        return "it does not say on which day: add BYDAY or BYMONTHDAY, or write start as 2026-01-05T22:00"
    return ""
