"""A patch plan for tests: as the data of a config context, and read."""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.reading_plan import read
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member

AMSTERDAM = ZoneInfo("Europe/Amsterdam")

DATA: dict[str, Any] = {
    "name": "office",
    "timezone": "Europe/Amsterdam",
    "automatic": "security",
    "classes": {
        "emergency": {"deadline": "48h", "windows": "any"},
        "security": {"deadline": "14d", "windows": ["night"]},
        "routine": {"deferral": "7d", "deadline": "60d", "windows": ["night"], "batch": "monthly"},
    },
    "batches": {"monthly": {"rule": "FREQ=MONTHLY;BYDAY=3TU", "start": "12:00"}},
    "windows": {"night": {"rule": "FREQ=WEEKLY;BYDAY=TU,TH", "start": "22:00", "duration": "4h", "cutoff": "1h"}},
    "rings": [
        {"name": "pilot", "tag": "msp-ring-pilot", "soak": "24h", "emergency_soak": "2h", "successes": 1},
        {"name": "broad", "tag": "msp-ring-broad", "percent": 100, "soak": "0h", "successes": 1},
    ],
    "rates": {"at_once": "25%", "most_failures": 1, "most_lost": "10%"},
    "reboot": "if_needed",
    "rollback": "downgrade",
}


def data(**changed: Any) -> dict[str, Any]:
    """The plan's data with other values; a key with dots reaches into tables: **{"windows.night.start": "23:00"}."""
    made = copy.deepcopy(DATA)
    for key, value in changed.items():
        *path, last = key.split(".")
        place: Any = made
        for part in path:
            place = place[int(part) if isinstance(place, list) else part]
        place[int(last) if isinstance(place, list) else last] = value
    return made


def without(key: str) -> dict[str, Any]:
    """The plan's data without one key, which may have dots."""
    made = data()
    *path, last = key.split(".")
    place: Any = made
    for part in path:
        place = place[int(part) if isinstance(place, list) else part]
    del place[last]
    return made


def plan(**changed: Any) -> Plan:
    return read(data(**changed))


def window(rule: str, start: str, duration: str = "2h", cutoff: str = "30m", **changed: Any) -> Plan:
    """A plan with one window, which the classes security and routine use."""
    made = {"windows.night": {"rule": rule, "start": start, "duration": duration, "cutoff": cutoff}}
    return plan(**{**made, **changed})


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def local(text: str, zone: ZoneInfo = AMSTERDAM) -> dt.datetime:
    """A wall-clock moment (the first, where it is twice) in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(dt.UTC)


def member(number: int, *tags: str, name: str = "") -> Member:
    return Member(f"device:{number}", name or f"host{number:02}", frozenset(tags))
