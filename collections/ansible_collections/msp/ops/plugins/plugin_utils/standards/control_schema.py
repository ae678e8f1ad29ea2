# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The form of a file of controls, as JSON Schema, the kinds of probes, and the rules of checks.

Pure: data only. Says nothing of what values mean together (a parameter that no control has): catalogue.py does.

A file is a list of controls of one area, and is named after it. docs/standards.md explains it to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.standards import model


def whole(pattern: str) -> str:
    """The whole text and nothing behind it: Python's $ also matches before a last line break."""
    return f"^{pattern}$(?!\\n)"


def table(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _list(item: Mapping[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": least, "maxItems": 200}


SLUG = {
    "type": "string",
    "pattern": whole("[a-z0-9]+(-[a-z0-9]+)*"),
    "maxLength": 48,
    "description": "lower-case letters, digits and single hyphens between them",
}
NAME = {
    "type": "string",
    "pattern": whole("[a-z][a-z0-9_]*"),
    "maxLength": 48,
    "description": "a name of lower-case letters, digits and underscores",
}
TEXT = {"type": "string", "pattern": "[^ \\t\\r\\n]", "maxLength": 500, "description": "words"}
WORDS = table(["en", "nl"], en=TEXT, nl=TEXT)
CHOSEN = table(["parameter"], parameter=NAME)
_PATTERN = {"type": "string", "minLength": 1, "maxLength": 500}
_PATH = {
    "type": "string",
    "pattern": whole("[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*"),
    "maxLength": 100,
    "description": "keys with dots between them, as fstab_options",
}

# -- parameters, by type: the form of each ------------------------------------------------------------------------

_ANY: dict[str, Any] = {}
_INNER = {"type": "object", "required": ["type"], "description": "a form with a type"}
PARAMETERS: Mapping[str, dict[str, Any]] = {
    model.INTEGER: table(
        ["type", "minimum", "maximum"],
        type=_ANY,
        default=_ANY,
        minimum={"type": "integer"},
        maximum={"type": "integer"},
    ),
    model.CHOICE: table(
        ["type", "choices"], type=_ANY, default=_ANY, choices=_list({"type": "string", "minLength": 1}, 1)
    ),
    model.BOOLEAN: table(["type"], type=_ANY, default=_ANY),
    model.STRING: table(
        ["type", "pattern"], type=_ANY, default=_ANY, pattern=_PATTERN, form={"enum": list(model.FORMS)}
    ),
    model.LIST: table(["type", "items"], type=_ANY, default=_ANY, items=_INNER, unique={"type": "boolean"}),
    # keys: a regular expression that a key is in whole.
    model.MAP: table(["type", "values"], type=_ANY, default=_ANY, values=_INNER, keys=_PATTERN),
}
PARAMETER = {
    "type": "object",
    "required": ["type"],
    "properties": {"type": {"enum": list(model.TYPES)}},
}

# -- probes: what msp.ops.control_facts measures, by kind ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kind:
    """What a probe of one kind is asked with: the arguments that it needs, and those that it may have."""

    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "sshd": Kind(("name",), ("user", "agreed")),
    "sysctl": Kind(("name",)),
    "unit": Kind(("name",)),
    "package": Kind(("name",)),
    "packages": Kind(),
    "file": Kind(("path",)),
    "file_rights": Kind(("paths", "mode"), ("owner", "group")),
    "file_lines": Kind(("paths", "pattern")),
    "systemd_config": Kind(("file", "section", "name")),
    "mount": Kind(("path",)),
    "nftables": Kind(),
    "listening": Kind(),
    "firewall_unlisted": Kind(("ports", "closed")),
    "access": Kind(),
    "accounts": Kind(),
    "homes": Kind(("below",)),
    "sudo": Kind(),
    "login_defs": Kind(("name",)),
    "umask": Kind(),
    "password_hashes": Kind(),
    "repositories": Kind(),
    "apt_config": Kind(("name",)),
    "time": Kind(),
    "audit_rules": Kind(),
    "kernel_module": Kind(("name",)),
    "software_required": Kind(("packages",)),
    "software_forbidden": Kind(("packages",)),
    "software_unknown": Kind(("packages", "origins")),
    "software_held": Kind(),
    "repositories_foreign": Kind(("allowed",)),
    "repositories_unsigned": Kind(("distribution",)),
    "repositories_wanted": Kind(("repositories",)),
    "second_factor": Kind(("automation", "break_glass"), ("exempt",)),
    "second_factor_ssh": Kind(("who", "automation", "break_glass"), ("exempt", "locked_out")),
    "second_factor_pam": Kind(("services",)),
    "ssh_sources": Kind(("account", "break_glass", "management")),
    "automatic_updates": Kind(),
    "encrypted_volumes": Kind(("volumes",)),
    "encryption": Kind(),
    "local_admin": Kind(("account",)),
    "password_uses": Kind(),
    "emergency_login": Kind(("account", "addresses")),
    "one_time_login": Kind(),
    "tls_service": Kind(("service", "profile")),
    "tls_ports": Kind(("ports", "profile", "days"), ("authorities", "address")),
    "tls_certificates": Kind((), ("days", "authorities", "unverified", "names")),
    "tls_changes": Kind(("service",), ("versions", "ciphers", "offered", "sending")),
    "postfix": Kind(("name",)),
    "directory_joined": Kind(
        ("domain", "provider"), ("servers", "base", "schema", "realm", "kdcs", "bind", "authority", "replaces")
    ),
    "directory": Kind(),
    "directory_online": Kind(),
    "directory_names": Kind((), ("person", "group")),
    "directory_sudo": Kind(("rules",)),
    "directory_accounts": Kind(("names",), ("keep",)),
}
_ARGUMENT = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": 500},
        {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 500}, "minItems": 1},
        CHOSEN,
    ],
    "description": "text, a list of texts, or {parameter: NAME}",
}
PROBE = {
    "type": "object",
    "required": ["kind"],
    "properties": {"kind": {"enum": list(KINDS)}},
    "additionalProperties": _ARGUMENT,
}

# -- rules: what a found value is held against --------------------------------------------------------------------

# What a rule is given: one thing, a list of things, a whole number, a regular expression, or nothing.
ONE, MANY, NUMBER, PATTERN, NOTHING = ("one", "many", "number", "pattern", "nothing")
RULES: Mapping[str, str] = {
    "equals": ONE,  # text "2" and number 2 are the same
    "one_of": MANY,  # what was found is one of them
    "as_strict": ONE,  # what was found is that, or stands behind it in the order (weakest first) that the check has
    "at_least": NUMBER,
    "at_most": NUMBER,
    "no_less": ONE,  # a size (500M) or a time span (3month), as systemd writes them; what is not set is no limit
    "matches": PATTERN,  # the whole text
    "contains": ONE,  # a list has it as an item, a text has it in it
    # Of a list that was found; one thing is a list of itself, and null is an empty one:
    "contains_all": MANY,  # it has each of them
    "only": MANY,  # it has nothing else
    "none_of": MANY,  # it has none of them
    "each": ONE,  # of a table that was found: it is the value of every key
    "empty": NOTHING,
    "not_empty": NOTHING,
    "is_true": NOTHING,
    "is_false": NOTHING,
}
AS_STRICT = "as_strict"
# Only in not_applicable_when: the host does not have what the probe asks of (its state is "absent").
ABSENT = "absent"
# Which parameters can be chosen for what a rule is given.
CHOSEN_FOR: Mapping[str, tuple[str, ...]] = {
    ONE: (model.INTEGER, model.CHOICE, model.BOOLEAN, model.STRING),
    MANY: (model.LIST,),
    NUMBER: (model.INTEGER,),
    PATTERN: (model.STRING,),
}
_ONE = {"type": ["string", "integer", "boolean"], "description": "text, a whole number, true or false"}
# The forms of a literal.
VALUES: Mapping[str, dict[str, Any]] = {
    ONE: _ONE,
    MANY: {"type": "array", "items": _ONE, "description": "a list of texts or numbers"},
    NUMBER: {"type": "integer"},
    PATTERN: _PATTERN,
}


_ORDER = {**_list({"type": "string", "minLength": 1}, 2), "uniqueItems": True}


def _check(*rules: str, optional: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    form = table(
        ["probe", "rule", *more], probe=PROBE, field=_PATH, rule={"enum": list(rules)}, value=_ANY, order=_ORDER
    )
    return {**form, "properties": {**form["properties"], **more, **(optional or {})}}


# -- a control ----------------------------------------------------------------------------------------------------

CONTROL = table(
    ["id", "area", "role", "title", "reason", "severity", "references", "platforms", "checks", "minutes"],
    id=SLUG,
    area=NAME,
    role={"enum": list(model.ROLES)},
    title=WORDS,
    reason=WORDS,
    severity={"enum": list(model.SEVERITIES)},
    references=_list(table(["source", "section"], source=TEXT, section=TEXT), 1),
    platforms={**_list({"enum": list(model.PLATFORMS)}, 1), "uniqueItems": True},
    parameters={"type": "object", "propertyNames": NAME, "additionalProperties": PARAMETER},
    checks=_list(_check(*RULES), 1),
    not_applicable_when=_list(_check(*RULES, ABSENT, because=WORDS), 1),
    decide_when=_list(_check(*RULES, because=WORDS, optional={"unless_chosen": NAME}), 1),
    together={**_list(SLUG, 1), "uniqueItems": True},
    waived_with=SLUG,
    enforce_unmeasured={"type": "boolean"},
    lockout={"enum": list(model.LOCKOUTS)},
    enforced_if=NAME,
    by_hand={"const": True, "description": "true, or left out"},
    minutes={"type": "integer", "minimum": 1, "maximum": 480},
)
CONTROLS = {"type": "array", "items": CONTROL, "minItems": 1}
