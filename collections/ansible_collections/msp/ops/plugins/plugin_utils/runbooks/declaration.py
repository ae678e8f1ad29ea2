# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The form of a runbook's declaration, as JSON Schema. Pure: data only."""

from __future__ import annotations

from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.parameters import TYPES


def _table(needed: list[str], /, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": needed, "properties": properties, "additionalProperties": False}


SENTENCE = {
    "type": "string",
    "pattern": r"^[A-Z](.|\n)*\.\s*$",
    "maxLength": 400,
    "description": "a sentence with a capital at its beginning and a full stop at its end",
}
_SENTENCES = {"type": "array", "items": SENTENCE, "maxItems": 10}
_COUNT = {"type": "integer", "minimum": 1, "maximum": 1000}
_PARAMETER = _table(
    ["type", "description"],
    type={"enum": list(TYPES)},
    description=SENTENCE,
    pattern={"type": "string", "minLength": 1, "maxLength": 300},
    choices={"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    range={"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    required={"type": "boolean"},
    default={},
)
_PARAMETERS = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-z][a-z_]*$"},
    "additionalProperties": _PARAMETER,
}
DECLARATION = _table(
    [
        *("title", "symptom", "check", "may_change", "never", "success", "gives_up"),
        *("parameters", "policy", "limits", "minutes_by_hand", "minutes_source"),
    ],
    title={"type": "string", "minLength": 1, "maxLength": 60},
    symptom=SENTENCE,
    check=SENTENCE,
    may_change=_SENTENCES,
    never={**_SENTENCES, "minItems": 1},
    success=SENTENCE,
    gives_up=SENTENCE,
    offer=_table(["en", "nl"], en=SENTENCE, nl=SENTENCE),
    parameters=_PARAMETERS,
    policy=_PARAMETERS,
    one_of={"type": "array", "items": {"type": "string"}, "minItems": 2},
    limits=_table(
        ["per_asset_a_day", "breaker"],
        per_asset_a_day=_COUNT,
        breaker=_table(["failures", "within_hours"], failures=_COUNT, within_hours=_COUNT),
    ),
    minutes_by_hand=_COUNT,
    minutes_source=SENTENCE,
)
