# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The form of a contract file, as JSON Schema, and its violations as errors a person can act on.

Pure. Says nothing of what values mean together (an end before a start): that is document.py's.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.columns import FIELDS
from ansible_collections.msp.ops.plugins.plugin_utils.contract.yamlfile import Path, Source, dotted
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

try:
    import jsonschema
except ImportError:  # pragma: no cover - in the lock file
    jsonschema = None  # type: ignore[assignment]

_TEXT = {"type": "string", "minLength": 1, "maxLength": 200}
_SLUG = {
    "type": "string",
    "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$",
    "maxLength": 48,
    "description": "lower-case letters, digits and single hyphens between them",
}
_DATE = {"type": "string", "minLength": 1, "description": "a date as 2026-12-31"}
_AMOUNT = {"type": ["number", "string"], "description": "an amount as 1250.00"}
_URL = {"type": "string", "pattern": "^https?://[^ ]+$", "maxLength": 200, "description": "an address as https://..."}
_CONTACT = {
    "type": "string",
    "pattern": r"[^\s@]@[^\s@]",
    "maxLength": 200,
    "description": "an e-mail address as office@example.com",
}
_LABEL = {"type": ["string", "integer"], "minLength": 1, "maxLength": 100}


def _table(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _list(item: dict[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": least}


SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A customer of a managed service provider: contract, sites, scope and asset lists",
    **_table(
        ["customer", "contract", "sites", "scope"],
        customer=_table(["slug", "name"], slug=_SLUG, name={**_TEXT, "maxLength": 80}, group=_TEXT),
        contract=_table(
            ["id", "start", "currency", "language", "timezone"],
            id=_LABEL,
            start=_DATE,
            end=_DATE,
            monthly_fee=_AMOUNT,
            included_hours=_AMOUNT,
            hourly_rate=_AMOUNT,
            currency={"type": "string", "pattern": "^[A-Z]{3}$", "description": "three capital letters"},
            language={"enum": list(names.LANGUAGES)},
            timezone=_TEXT,
            report_contact=_CONTACT,
            report_url=_URL,
            surcharges={
                "type": "object",
                "minProperties": 1,
                "additionalProperties": False,
                "properties": {
                    asset_class: {**_table([], **dict.fromkeys(names.SURCHARGED, _AMOUNT)), "minProperties": 1}
                    for asset_class in names.ASSET_CLASSES
                },
            },
        ),
        sites=_list(
            _table(
                ["slug", "name"],
                slug=_SLUG,
                name={**_TEXT, "maxLength": 80},
                address=_TEXT,
                prefixes=_list(
                    _table(
                        ["prefix", "scan"],
                        prefix=_TEXT,
                        scan={"type": "boolean"},
                        exclude=_list(_TEXT),
                        description=_TEXT,
                    )
                ),
            ),
            least=1,
        ),
        scope={
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {
                asset_class: _table(
                    ["covered"],
                    covered={"type": "boolean"},
                    in_use=_TEXT,
                    in_use_days={"type": "integer", "minimum": 1, "maximum": 3660},
                    hours=_TEXT,
                )
                for asset_class in names.ASSET_CLASSES
            },
        },
        assets=_list(
            _table(
                ["file"],
                file=_TEXT,
                sheet=_TEXT,
                rows=_TEXT,
                source=_TEXT,
                dayfirst={"type": "boolean"},
                mapping={
                    "type": "object",
                    "properties": dict.fromkeys(FIELDS, _TEXT),
                    "additionalProperties": False,
                },
                defaults=_table(
                    [],
                    site=_TEXT,
                    asset_class={"enum": list(names.ASSET_CLASSES)},
                    vendor=_TEXT,
                    platform=_TEXT,
                    virtual={"type": "boolean"},
                ),
            )
        ),
    ),
}

_WORDS = {
    "object": "a table of keys",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


def violations(source: Source) -> Iterator[MspError]:
    """Every place where the data does not have the form of SCHEMA, in the order of the file."""
    if jsonschema is None:
        raise MspError(
            "MSP-CON-001", "the Python library jsonschema", "none", "install it in the controller's environment"
        )
    validator = jsonschema.Draft202012Validator(SCHEMA)
    found = sorted(validator.iter_errors(source.data), key=lambda error: _line(source, tuple(error.absolute_path)))
    for error in found:
        yield from _explain(error, tuple(error.absolute_path), source)


def is_asset_file(entry: Any) -> bool:
    """Does one entry of assets have its form, whatever else is wrong in the file?"""
    return bool(jsonschema.Draft202012Validator(SCHEMA["properties"]["assets"]["items"]).is_valid(entry))


def is_slug(value: Any) -> bool:
    """Is this the word for a customer, whatever else is wrong in the file?"""
    return bool(jsonschema.Draft202012Validator(_SLUG).is_valid(value))


def _line(source: Source, path: Path) -> tuple[int, str]:
    return source.lines.get(path, 0), dotted(path)


def _explain(error: Any, path: Path, source: Source) -> Iterator[MspError]:
    if error.validator == "additionalProperties":
        known = sorted(error.schema["properties"])
        for key in sorted(set(error.instance) - set(known)):
            yield _unknown(key, known, path, source)
    elif error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        # jsonschema reports each missing key by itself; its message begins with the key.
        key = [key for key in missing if error.message.startswith(f"'{key}'")][0]  # noqa: RUF015 (inside a generator)
        yield MspError(
            "MSP-CON-004",
            f"the key {dotted((*path, key))}",
            f"none ({source.where(path)})",
            f"add {key} to {dotted(path)}",
        )
    else:
        yield MspError(
            "MSP-CON-005",
            f"{dotted(path)} to be {_wanted(error)}",
            f"{_found(error)} ({source.where(path)})",
            "write it in that form",
        )


def _unknown(key: str, known: list[str], path: Path, source: Source) -> MspError:
    near = difflib.get_close_matches(key.casefold().replace("-", "_"), known, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]}? Rename the key" if near else "remove the key"
    return MspError(
        "MSP-CON-003",
        f"in {dotted(path)} only the keys {', '.join(known)}",
        f"{key} ({source.where((*path, key))})",
        advice,
    )


def _wanted(error: Any) -> str:
    value = error.validator_value
    match error.validator:
        case "type":
            types = [value] if isinstance(value, str) else value
            text = error.schema.get("description") or " or ".join(_WORDS[name] for name in types)
        case "enum":
            text = "one of " + ", ".join(map(str, value))
        case "pattern":
            text = error.schema["description"]
        case "minimum":
            text = f"at least {value}"
        case "maximum":
            text = f"at most {value}"
        case "maxLength":
            text = f"at most {value} characters"
        case "minLength" | "minItems" | "minProperties":
            text = "not empty"
        case _:
            text = str(error.message)
    return str(text)


def _found(error: Any) -> str:
    value = error.instance
    if error.validator in ("minLength", "minItems", "minProperties"):
        return "nothing in it"
    if error.validator == "maxLength":
        return f"{len(value)} characters"
    if isinstance(value, dict):
        return "a table of keys"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
