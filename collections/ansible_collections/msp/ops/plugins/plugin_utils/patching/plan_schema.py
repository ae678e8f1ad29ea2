# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The form of a patch plan in a config context, as JSON Schema: NetBox checks with it, and reading_plan.py does.

Pure: data only. Says nothing of what values mean together (a window that no class names): that is reading_plan.py's.
A description says the form in words, for a message about a value that does not have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import BASELINES, REBOOTS, ROLLBACKS
from ansible_collections.msp.ops.plugins.plugin_utils.patching.presets import PRESETS
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import CLASSES, EMERGENCY
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

ANY = "any"
ALLOWED, REFUSED = EMERGENCIES = ("allowed", "refused")


def _whole(pattern: str) -> str:
    """The whole text and nothing behind it: Python's $ also matches before a last line break."""
    return f"^{pattern}$(?!\\n)"


_SLUG = {
    "type": "string",
    "pattern": _whole("[a-z0-9]+(-[a-z0-9]+)*"),
    "maxLength": 48,
    "description": "lower-case letters, digits and single hyphens between them",
}
_TEXT = {"type": "string", "pattern": "[^ \\t\\r\\n]", "maxLength": 200, "description": "words"}
DURATION = {
    "type": "string",
    "pattern": _whole("(0|[1-9][0-9]{0,4})[mhd]"),
    "description": "a duration as 45m, 4h or 14d",
}
_TIMEOUT = {
    "type": "string",
    "pattern": _whole("[1-9][0-9]{0,3}[smh]"),
    "description": "a time to wait as 30s, 5m or 1h",
}
# A date and a time of day as text; whether there is such a day is for reading_plan.py to say.
_DAY = "2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"
DATE = {"type": "string", "pattern": _whole(f"{_DAY}"), "description": "a date as 2026-12-31"}
MOMENT = {
    "type": "string",
    "pattern": _whole(f"{_DAY}(T{_TIME})?"),
    "description": "a date as 2026-12-31, or with a time of day as 2026-12-31T18:00",
}
START = {
    "type": "string",
    "pattern": _whole(f"({_DAY}T)?{_TIME}"),
    "description": "a time of day as 22:00, or with the first day as 2026-01-05T22:00",
}
RULE = {
    "type": "string",
    "pattern": _whole("[A-Z0-9=;,+:-]+"),
    "maxLength": 200,
    "description": "an RRULE as FREQ=WEEKLY;BYDAY=TU",
}


def _limit(least: int) -> dict[str, Any]:
    part = "(100|[1-9][0-9]?)%" if least else "(100|[1-9]?[0-9])%"
    return {
        "anyOf": [
            {"type": "integer", "minimum": least, "maximum": 100000},
            {"type": "string", "pattern": _whole(part)},
        ],
        "description": f"a number of hosts from {least}, or a part of them as 10%",
    }


_UNIT = {
    "type": "string",
    "pattern": _whole(
        "[A-Za-z0-9:_.@\\\\][A-Za-z0-9:_.@\\\\-]*\\.(service|socket|timer|target|mount|path|slice|scope)"
    ),
    "maxLength": 255,
    "description": "a systemd unit as nginx.service",
}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_URL = {
    "type": "string",
    "pattern": _whole("https?://[^\\s/?#]+[^\\s]*"),
    "maxLength": 500,
    "description": "an address as http://localhost/health",
}
_HOST = {
    "type": "string",
    "pattern": _whole("[A-Za-z0-9.:-]+"),
    "maxLength": 253,
    "description": "a host's name or address",
}
_ARGUMENT = {"type": "string", "pattern": _whole("[^\\x00]*"), "maxLength": 1000, "description": "an argument as text"}


def _table(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _list(item: Mapping[str, Any], least: int = 0, *, unique: bool = False) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": least, "maxItems": 1000, "uniqueItems": unique}


def _named(item: Mapping[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "object", "propertyNames": _SLUG, "additionalProperties": item, "minProperties": least}


_WINDOWS = _list(_SLUG, 1, unique=True)


def _class(name: str) -> dict[str, Any]:
    windows: Mapping[str, Any] = _WINDOWS
    if name == EMERGENCY:
        windows = {"anyOf": [{"const": ANY}, _WINDOWS], "description": f"a list of windows, or the word {ANY}"}
    return _table(["windows"], deferral=DURATION, deadline=DURATION, windows=windows, batch=_SLUG)


# By the key that says which kind of check it is: its own form, and what may stand beside it.
CHECKS: Mapping[str, dict[str, Any]] = {
    "unit": _table(["unit"], unit=_UNIT),
    "tcp": _table(["tcp"], tcp=_PORT, host=_HOST, timeout=_TIMEOUT),
    "http": _table(
        ["http"],
        http=_URL,
        status={"type": "integer", "minimum": 100, "maximum": 599},
        contains=_TEXT,
        timeout=_TIMEOUT,
    ),
    "command": _table(["command"], command=_list(_ARGUMENT, 1), timeout=_TIMEOUT),
    "baseline": _table(["baseline"], baseline=_list({"enum": list(BASELINES)}, 1, unique=True)),
}
# The kind is chosen by its key, so that what is wrong is said of that kind alone.
_CHECK = {
    "type": "object",
    "description": f"a check with one of the keys {', '.join(CHECKS)}",
    "anyOf": [{"required": [kind]} for kind in CHECKS],
    "allOf": [{"if": {"type": "object", "required": [kind]}, "then": form} for kind, form in CHECKS.items()],
}

_RING = {
    **_table(
        ["name", "soak", "successes"],
        name=_SLUG,
        tag={
            "type": "string",
            "pattern": _whole(f"{names.TAG_RING_PREFIX}[a-z0-9-]+"),
            "maxLength": 100,
            "description": f"a tag as {names.TAG_RING_PREFIX}pilot",
        },
        percent={"type": "integer", "minimum": 1, "maximum": 100},
        soak=DURATION,
        emergency_soak=DURATION,
        successes={"type": "integer", "minimum": 0, "maximum": 100000},
    ),
    "anyOf": [{"required": ["tag"]}, {"required": ["percent"]}],
    "description": "a ring with tag, percent or both",
}

PLAN: Mapping[str, Any] = _table(
    ["name", "timezone", "classes", "rings", "windows", "rates", "reboot", "rollback", "automatic"],
    name=_SLUG,
    timezone={**_TEXT, "maxLength": 64, "description": "a time zone as Europe/Amsterdam"},
    preset={"enum": list(PRESETS)},
    automatic={"enum": [True, False, "security"]},
    classes=_table(list(CLASSES), **{name: _class(name) for name in CLASSES}),
    batches=_named(_table(["rule", "start"], rule=RULE, start=START)),
    rings=_list(_RING, 1),
    windows=_named(
        _table(["rule", "start", "duration", "cutoff"], rule=RULE, start=START, duration=DURATION, cutoff=DURATION),
        1,
    ),
    freezes=_list(
        _table(
            ["from", "until", "reason", "emergency"],
            **{"from": MOMENT, "until": MOMENT, "reason": _TEXT, "emergency": {"enum": list(EMERGENCIES)}},
        )
    ),
    rates=_table(
        ["at_once", "most_failures", "most_lost"], at_once=_limit(1), most_failures=_limit(0), most_lost=_limit(0)
    ),
    apart=_list(_table(["name", "assets"], name=_SLUG, assets=_list(_TEXT, 2, unique=True))),
    checks=_table([], before=_list(_CHECK), after=_list(_CHECK)),
    reboot={"enum": list(REBOOTS)},
    rollback={"enum": list(ROLLBACKS)},
    stateful_tag=_SLUG,
    exclusions=_list(
        _table(
            ["package", "reason", "owner", "expires"],
            package={
                "type": "string",
                "pattern": _whole("[A-Za-z0-9*?][A-Za-z0-9+.:~_*?-]*"),
                "maxLength": 200,
                "description": "a package or a pattern as linux-image-*",
            },
            assets=_list(_TEXT, 1, unique=True),
            reason=_TEXT,
            owner=_TEXT,
            expires=DATE,
        )
    ),
)
