# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sizes and time spans as systemd writes them (500M, 3month, "1y 2w"), as numbers that can be compared. Pure."""

from __future__ import annotations

import math
import re

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGTPE]?)B?", re.ASCII)
_SIZES = " KMGTPE"
_SPAN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zμ]*)", re.ASCII)
_DAY = 86400
_MONTH, _YEAR = 30.44 * _DAY, 365.25 * _DAY
# systemd.time(7). A capital M is a month, a small one a minute; a number alone is of seconds.
_UNITS = {
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), float(_DAY)),
    **dict.fromkeys(("w", "week", "weeks"), 7.0 * _DAY),
    **dict.fromkeys(("M", "month", "months"), _MONTH),
    **dict.fromkeys(("y", "year", "years"), _YEAR),
}


def size(text: str) -> float | None:
    """In bytes; None for what is no size."""
    found = _SIZE.fullmatch(text.strip())
    return float(found[1]) * 1024.0 ** _SIZES.index(found[2] or " ") if found else None


def span(text: str) -> float | None:
    """In seconds; 0 and "infinity" are without an end, as journald has it. None for what is no time span."""
    if text.strip() == "infinity":
        return math.inf
    parts = list(_SPAN.finditer(text))
    if not parts or "".join(part[0] for part in parts).strip() != text.strip():
        return None
    if any(part[2] not in _UNITS for part in parts):
        return None
    return sum(float(part[1]) * _UNITS[part[2]] for part in parts) or math.inf


def enough(found: str, least: str) -> bool | None:
    """Whether what was found is at least that much, of the kind that least is; None where it is no such thing."""
    of = size if size(least) is not None else span
    measured, wanted = of(found), of(least)
    return None if measured is None or wanted is None else measured >= wanted
