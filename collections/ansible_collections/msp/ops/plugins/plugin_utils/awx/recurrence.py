# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a schedule starts, as the rule that AWX takes: DTSTART with a time zone, one RRULE with an INTERVAL. Pure.

A time of the clock in a customer's zone stays that time when summer begins. The minutes by which customers are spread
come from their slug, so they are the same at every run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

# The same first day for all, long past: a rule that moved with the clock would be a change a day.
FIRST = "20260101"
_FREQUENCY = {
    "15 minutes": ("MINUTELY", 15),
    "30 minutes": ("MINUTELY", 30),
    "hour": ("HOURLY", 1),
    "day": ("DAILY", 1),
    "week": ("WEEKLY", 1),
    "month": ("MONTHLY", 1),
}
# Minutes within which customers are spread: all of the interval where it is short, and an hour where it is long.
_SPREAD = {"15 minutes": 15, "30 minutes": 30}


def rule(schedule: Mapping[str, Any], timezone: str, slug: str) -> str:
    """The recurrence rule of a schedule for one customer."""
    every = schedule["every"]
    frequency, interval = _FREQUENCY[every]
    hour, minute = (int(part) for part in schedule.get("at", "00:00").split(":"))
    moved = hour * 60 + minute + (offset(slug, schedule["name"], every) if schedule.get("spread") else 0)
    # A spread does not lead into the next day: it would be another weekday, or another day of the month.
    moved = min(moved, 24 * 60 - 1)
    parts = [f"FREQ={frequency}", f"INTERVAL={interval}"]
    if every == "week":
        parts.append(f"BYDAY={schedule['on']}")
    if every == "month":
        parts.append(f"BYMONTHDAY={schedule['on_day']}")
    return f"DTSTART;TZID={timezone}:{FIRST}T{moved // 60:02d}{moved % 60:02d}00 RRULE:{';'.join(parts)}"


def offset(slug: str, name: str, every: str) -> int:
    """Minutes of its own for a customer's schedule, always the same."""
    digest = hashlib.sha256(f"{slug}\0{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % _SPREAD.get(every, 60)
