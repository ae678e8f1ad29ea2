# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The form of what config contexts say of standards, as JSON Schema: NetBox checks with it, and assigning.py does.

Pure: data only. Says nothing of what values mean together (a control that is not known): assigning.py does.
"""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.plugin_utils.standards.control_schema import SLUG, TEXT, WORDS, table, whole

_VERSION = {
    "type": "string",
    "pattern": whole("[0-9]+(\\.[0-9]+){0,2}"),
    "maxLength": 20,
    "description": 'a version as text, as "1.0"',
}
_DAY = {
    "type": "string",
    "pattern": whole("2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"),
    "description": "a date as 2026-12-31",
}
_TABLE = {"type": "object"}
# By control: by parameter what is chosen. A control with nothing to choose has an empty table.
CHOSEN = {"type": "object", "propertyNames": SLUG, "additionalProperties": _TABLE}

WAIVER = table(
    ["reason", "owner", "expires", "agreed"],
    reason=TEXT,
    owner=TEXT,
    expires=_DAY,
    agreed=table(["by", "on", "reference"], by=TEXT, on=_DAY, reference=TEXT),
)
# What an asset is held to (the key msp_standard). waivers is looked at one by one, so that an error says which it is.
_ASSIGNMENT = {"name": SLUG, "version": _VERSION, "parameters": CHOSEN}
ASSIGNMENT = table(["name"], **_ASSIGNMENT, waivers={**_TABLE, "propertyNames": SLUG})
# NetBox merges config contexts: one may have no more than a customer's parameters and waivers, and no name.
ASSIGNMENT_PART = table([], **_ASSIGNMENT, waivers={**_TABLE, "propertyNames": SLUG, "additionalProperties": WAIVER})

_NEEDS = ["version", "title", "class", "controls"]
_STANDARD = {
    "version": _VERSION,
    "title": WORDS,
    "class": SLUG,
    "extends": SLUG,
    "controls": CHOSEN,
    "without": {"type": "object", "propertyNames": SLUG, "additionalProperties": TEXT},
}
STANDARD = table(_NEEDS, **_STANDARD)
# One that we ship: a file of its own, with its name in it.
SHIPPED = table(["name", *_NEEDS], name=SLUG, **_STANDARD)
# An MSP's own standards (the key msp_standards), by name.
STANDARDS = {"type": "object", "propertyNames": SLUG, "additionalProperties": STANDARD}
