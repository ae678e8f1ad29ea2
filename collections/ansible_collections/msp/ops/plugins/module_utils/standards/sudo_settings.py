# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How sudo is set: for everybody, and for some. Pure."""

from __future__ import annotations

import re
from typing import Any


def parse_defaults(found: dict) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """Settings that hold for everybody, and those that hold for some: (for whom, settings). The last one counts."""
    general: dict[str, Any] = {}
    bound = []
    for row in found.get("Defaults", []):
        settings: dict[str, Any] = {}
        for option in row.get("Options", []):
            settings.update({name: value for name, value in option.items() if name != "operation"})
        if row.get("Binding"):
            bound.append((", ".join(_bound(one) for one in row["Binding"]), settings))
        else:
            general.update(settings)
    return general, bound


def _bound(row: dict) -> str:
    return " ".join(str(value) for name, value in row.items() if name != "negated")


def parse_version(text: str) -> dict[str, Any]:
    """Of `sudo -V` as root: what holds for everybody on this host, out of the files and where they say nothing out of
    how sudo was built."""
    minutes = re.search(r"^Authentication timestamp timeout: (-?[0-9.]+) minutes", text, re.MULTILINE)
    log = re.search(r"^Path to log file: (.+)$", text, re.MULTILINE)
    return {
        "use_pty": bool(re.search(r"^Always run commands in a (pty|pseudo-tty)$", text, re.MULTILINE)),
        "timestamp_timeout": float(minutes.group(1)) if minutes else None,
        "logfile": log.group(1).strip() if log else None,
    }


def weakest(general: dict[str, Any], bound: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """The settings with those that hold for some only, where these are weaker: for whom does not matter."""
    settings = [one for _whom, one in bound]
    times = [
        general["timestamp_timeout"],
        *(one["timestamp_timeout"] for one in settings if "timestamp_timeout" in one),
    ]
    minutes = [float(one) for one in times if one is not None]
    # Below 0 sudo never asks again.
    longest = min(minutes, key=lambda one: (one >= 0, -one)) if minutes else None
    return {
        "use_pty": general["use_pty"] and not any(one.get("use_pty") is False for one in settings),
        "timestamp_timeout": int(longest) if longest is not None and longest.is_integer() else longest,
        "logfile": None if any(one.get("logfile") is False for one in settings) else general["logfile"],
    }
