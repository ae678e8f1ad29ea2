# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moments, lengths of time and hosts in a sentence about patching, for the people who run it. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from zoneinfo import ZoneInfo


def clock(at: dt.datetime, zone: ZoneInfo) -> str:
    """A moment on the customer's wall clock."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def length(time: dt.timedelta) -> str:
    """A length of time, as exactly as a person wants to know it."""
    minutes = max(0, round(time.total_seconds() / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def named(hosts: Iterable[str], most: int = 8) -> str:
    """Hosts in a sentence; of many the first ones, and how many more."""
    found = list(hosts)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
