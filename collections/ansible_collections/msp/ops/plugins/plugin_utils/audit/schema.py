# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of an audit's result, as JSON Schema (2020-12), and a check that needs no library. Pure: no I/O.

SCHEMA is what docs/audit.md explains: Linux today, and the words for Windows and macOS are in it (os.family, the
virtualisation types, origins and packages are not those of one system). check() holds every audit against all of it,
because later code reads without asking; the tests hold the check itself against a library.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

VERSION = 1


def object_of(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": sorted(required),
        "additionalProperties": False,
    }


def list_of(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(items)}


TEXT = {"type": "string"}
TEXT_OR_NULL = {"type": ["string", "null"]}
COUNT_OR_NULL = {"type": ["integer", "null"], "minimum": 0}
FLAG_OR_NULL = {"type": ["boolean", "null"]}
TIME_OR_NULL = {
    "type": ["string", "null"],
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$",
    "format": "date-time",
}
DATE_OR_NULL = {"type": ["string", "null"], "pattern": r"^\d{4}-\d\d-\d\d$", "format": "date"}
MAC_OR_NULL = {"type": ["string", "null"], "pattern": r"^[0-9a-f]{2}(:[0-9a-f]{2})+$"}

_OS = object_of(
    {
        "family": {"type": "string", "description": "debian, redhat, suse, windows, darwin, or the system's own id"},
        "id": TEXT,
        "name": TEXT_OR_NULL,
        "version": TEXT_OR_NULL,
        "codename": TEXT_OR_NULL,
        "kernel": TEXT_OR_NULL,
        "architecture": TEXT_OR_NULL,
        "support_end": DATE_OR_NULL,
        "support_end_source": TEXT_OR_NULL,
    }
)
_MACHINE = object_of(
    {
        "vendor": TEXT_OR_NULL,
        "model": TEXT_OR_NULL,
        "serial": TEXT_OR_NULL,
        "uuid": TEXT_OR_NULL,
        "asset_tag": TEXT_OR_NULL,
        "chassis": TEXT_OR_NULL,
        "cpu": object_of(
            {"model": TEXT_OR_NULL, "sockets": COUNT_OR_NULL, "cores": COUNT_OR_NULL, "threads": COUNT_OR_NULL}
        ),
        "memory_bytes": COUNT_OR_NULL,
    }
)
_DISK = object_of(
    {
        "name": TEXT,
        "bytes": COUNT_OR_NULL,
        "model": TEXT_OR_NULL,
        "serial": TEXT_OR_NULL,
        "encrypted": FLAG_OR_NULL,
    }
)
_ENCRYPTION = object_of(
    {
        "root": {**FLAG_OR_NULL, "description": "the system's own volume: /, C: or the startup disk"},
        "swap": FLAG_OR_NULL,
        "volumes": list_of(
            object_of(
                {
                    "name": TEXT,
                    "kind": {"type": ["string", "null"], "description": "LUKS1, LUKS2, PLAIN, BitLocker, FileVault..."},
                    "on": list_of(TEXT),
                    "open": {"type": "boolean"},
                }
            )
        ),
        "unencrypted": list_of(TEXT),
    }
)
_INTERFACE = object_of({"name": TEXT, "mac": MAC_OR_NULL, "kind": TEXT_OR_NULL, "addresses": list_of(TEXT)})
_PACKAGE = object_of({"name": TEXT, "version": TEXT, "architecture": TEXT_OR_NULL, "origin": TEXT_OR_NULL})
_HISTORY = object_of(
    {
        "at": TIME_OR_NULL,
        "action": {"enum": ["install", "upgrade", "downgrade", "reinstall", "remove", "purge"]},
        "packages": list_of(object_of({"name": TEXT, "from": TEXT_OR_NULL, "to": TEXT_OR_NULL})),
    },
    {"error": TEXT},
)
_PENDING = object_of(
    {
        "name": TEXT,
        "from": TEXT_OR_NULL,
        "to": TEXT_OR_NULL,
        "origin": TEXT_OR_NULL,
        "security": {"type": ["boolean", "null"]},
    },
    {"held": {"type": "boolean"}},
)
_UPDATES = object_of(
    {
        "known": {"type": "boolean"},
        "why": TEXT_OR_NULL,
        "total": COUNT_OR_NULL,
        "security": COUNT_OR_NULL,
        "pending": list_of(_PENDING),
    }
)
_LISTENING = list_of(
    object_of(
        {
            "protocol": {"enum": ["tcp", "udp"]},
            "address": TEXT,
            "port": {"type": ["integer", "null"], "minimum": 0, "maximum": 65535},
            "process": TEXT_OR_NULL,
        }
    )
)
_FACTS = object_of(
    {
        "schema": {"const": VERSION},
        "os": {"anyOf": [_OS, {"type": "null"}]},
        "hostname": object_of({"name": TEXT_OR_NULL, "fqdn": TEXT_OR_NULL}),
        "machine": {"anyOf": [_MACHINE, {"type": "null"}]},
        "disks": list_of(_DISK),
        "encryption": {"anyOf": [_ENCRYPTION, {"type": "null"}]},
        "interfaces": list_of(_INTERFACE),
        "virtualisation": object_of({"role": {"enum": ["physical", "guest", None]}, "type": TEXT_OR_NULL}),
        "packages": list_of(_PACKAGE),
        "patches": object_of({"last": TIME_OR_NULL, "history": list_of(_HISTORY)}),
        "updates": _UPDATES,
        "reboot": object_of({"needed": FLAG_OR_NULL, "reasons": list_of(TEXT)}),
        "administrators": list_of(
            object_of({"name": TEXT, "uid": {"type": ["integer", "string", "null"]}, "via": list_of(TEXT)})
        ),
        "time": object_of({"synchronised": FLAG_OR_NULL, "service": TEXT_OR_NULL}),
        "listening": _LISTENING,
        "unknown": list_of(object_of({"what": TEXT, "why": TEXT})),
    }
)
_VOLATILE = object_of(
    {
        "at": TIME_OR_NULL,
        "uptime_seconds": COUNT_OR_NULL,
        "metadata_age_seconds": COUNT_OR_NULL,
        "neighbours": list_of(object_of({"address": TEXT, "mac": TEXT, "interface": TEXT_OR_NULL, "state": TEXT})),
        "lldp": list_of(
            object_of(
                {
                    "interface": TEXT_OR_NULL,
                    "name": TEXT_OR_NULL,
                    "description": TEXT_OR_NULL,
                    "chassis": TEXT_OR_NULL,
                    "port": TEXT_OR_NULL,
                    "addresses": list_of(TEXT),
                }
            )
        ),
        "listening": _LISTENING,
    }
)
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "The result of an msp.ops audit of one host",
    **object_of({"facts": _FACTS, "volatile": _VOLATILE, "seconds": {"type": "number", "minimum": 0}}),
}


def check(value: object, schema: Mapping[str, Any] = SCHEMA) -> None:
    """ValueError when a result is not in the shape; says where."""
    if problem := _problem(value, schema, "result"):
        raise ValueError(problem)


_TYPES: dict[str, tuple[type, ...]] = {
    "object": (Mapping,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def _problem(value: object, schema: Mapping[str, Any], where: str) -> str | None:
    """The first thing in a value that is not as its schema says."""
    if "anyOf" in schema:
        found = [_problem(value, one, where) for one in schema["anyOf"]]
        return None if None in found else found[0]
    words = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if words is not None:
        return None if value in words else f"{where}: {str(value)[:40]!r} is none of the known words"
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(_is(value, name) for name in names):
        return f"{where}: a {type(value).__name__} where {' or '.join(names)} belongs"
    if isinstance(value, Mapping):
        return _object_problem(value, schema, where)
    if isinstance(value, list):
        problems = (_problem(one, schema["items"], f"{where}[{number}]") for number, one in enumerate(value))
        return next(filter(None, problems), None)
    return _text_problem(value, schema, where) if isinstance(value, str) else _number_problem(value, schema, where)


def _object_problem(value: Mapping[Any, Any], schema: Mapping[str, Any], where: str) -> str | None:
    known = schema["properties"]
    for name in schema["required"]:
        if name not in value:
            return f"{where}: {name} is lacking"
    for name, one in value.items():
        if name not in known:
            return f"{where}: {str(name)[:40]!r} is no known key"
        if problem := _problem(one, known[name], f"{where}.{name}"):
            return problem
    return None


def _text_problem(value: str, schema: Mapping[str, Any], where: str) -> str | None:
    # fullmatch: to Python a "$" also stands before a last newline. ASCII: a \d is also a digit of other scripts.
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value, re.ASCII):
        return f"{where}: {value[:40]!r} is not written as it has to be"
    if "format" in schema:
        try:
            dt.datetime.fromisoformat(value)
        except ValueError:
            return f"{where}: {value[:40]!r} is not in the calendar"
    return None


def _number_problem(value: Any, schema: Mapping[str, Any], where: str) -> str | None:
    # Asked this way round, what is no number (NaN) is refused too.
    if value is None or schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return None
    return f"{where}: {str(value)[:40]} is out of range"


def _is(value: object, name: str) -> bool:
    # To Python a bool is an int; to JSON it is not.
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))
