# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The form of the files in awx/ and of customers' entries, as JSON Schema (2020-12). Pure: no I/O.

What values mean together (a name that is nowhere, a slice of what must see the whole customer) is checking.py's.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def _table(required: Schema, optional: Schema | None = None) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": sorted(required),
        "additionalProperties": False,
    }


def _list(items: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": items, **({"minItems": least} if least else {})}


TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 512}
# AWX reads "A++B" as a name with its organisation, and a whole number as an id.
NAME: Schema = {
    "type": "string",
    "pattern": r"^[A-Za-z][A-Za-z0-9 ._-]{0,99}$",
    "description": "a letter, then letters, digits, spaces, dots, hyphens and underscores, 100 at most",
}
WORD: Schema = {
    "type": "string",
    "pattern": r"^[a-z][a-z0-9_]{0,49}$",
    "description": "a lower-case letter, then lower-case letters, digits and underscores",
}
SLUG: Schema = {
    "type": "string",
    "pattern": r"^[a-z0-9][a-z0-9-]{0,63}$",
    "description": "lower-case letters, digits and hyphens, as NetBox's slug",
}
ENVIRONMENT: Schema = {
    "type": "string",
    "pattern": r"^(?!ANSIBLE_)[A-Z][A-Z0-9_]{1,63}$",
    "description": "an environment variable whose name does not begin with ANSIBLE_, which AWX refuses",
}
CLOCK: Schema = {
    "type": "string",
    "pattern": r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
    "description": 'a time such as "06:00"',
}
FLAG: Schema = {"type": "boolean"}
PLAYBOOK: Schema = {
    "type": "string",
    "pattern": r"^playbooks/([a-z_]+/)?[a-z_]+\.yml$",
    "description": "the path of a playbook, as playbooks/audit.yml",
}
NAMES = _list(NAME)
SECRETS: Schema = {"type": "object", "additionalProperties": WORD, "propertyNames": WORD | {"description": "a field"}}
PLAIN: Schema = {"type": "object"}
BOTH = _table({"en": TEXT, "nl": TEXT})
WHERE: Schema = {"enum": ["site", "centre"]}
GENERATION: Schema = {"type": "integer", "minimum": 1, "maximum": 1_000_000}

ORGANIZATION = _table({"name": NAME}, {"description": TEXT, "tell_failures": NAMES, "tell_approvals": NAMES})
EXECUTION_ENVIRONMENT = _table(
    {"name": NAME, "image": TEXT}, {"description": TEXT, "pull": {"enum": ["always", "missing", "never"]}}
)
PROJECT = _table(
    {"name": NAME, "scm_url": TEXT, "inventory": TEXT},
    {"description": TEXT, "scm_branch": TEXT, "credential": NAME},
)
CREDENTIAL_TYPE = _table(
    {
        "name": NAME,
        "fields": _list(_table({"id": WORD, "label": TEXT}, {"secret": FLAG, "multiline": FLAG}), 1),
        "environment": {
            "type": "object",
            "propertyNames": ENVIRONMENT,
            "additionalProperties": WORD,
            "minProperties": 1,
        },
    },
    {"description": TEXT},
)
CREDENTIAL = _table(
    {"name": NAME, "type": NAME},
    {
        "description": TEXT,
        "each_customer": FLAG,
        "inputs": {"type": "object", "additionalProperties": TEXT, "propertyNames": WORD},
        "customer_input": WORD,
        "secrets": SECRETS,
        "generation": GENERATION,
    },
)
NOTIFICATION = _table(
    {"name": NAME, "type": {"enum": ["webhook", "email", "slack", "mattermost"]}, "configuration": PLAIN},
    {"description": TEXT, "secrets": SECRETS, "generation": GENERATION},
)
TEAM = _table({"key": WORD}, {"description": TEXT})
JOB_TEMPLATE = _table(
    {"name": NAME, "playbook": PLAYBOOK, "where": WHERE, "credentials": NAMES, "teams": _list(WORD)},
    {
        "description": TEXT,
        "preview": FLAG,
        "worker": FLAG,
        "variables": PLAIN,
        "customer_variables": _list(WORD),
        "slices": {"type": "integer", "minimum": 1, "maximum": 50},
        "timeout_minutes": {"type": "integer", "minimum": 1, "maximum": 1440},
    },
)
NODE = _table(
    {"id": WORD},
    {
        "run": NAME,
        "approval": NAME,
        "description": TEXT,
        "timeout_hours": {"type": "integer", "minimum": 1, "maximum": 720},
        "success": _list(WORD),
        "failure": _list(WORD),
        "always": _list(WORD),
        "all_parents": FLAG,
    },
)
WORKFLOW = _table(
    {"name": NAME, "nodes": _list(NODE, 1), "teams": _list(WORD)}, {"description": TEXT, "approvers": _list(WORD)}
)
SCHEDULE = _table(
    {"name": NAME, "run": NAME, "every": {"enum": ["15 minutes", "30 minutes", "hour", "day", "week", "month"]}},
    {
        "at": CLOCK,
        "on": {"enum": ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]},
        "on_day": {"type": "integer", "minimum": 1, "maximum": 28},
        "spread": FLAG,
    },
)
QUESTION = _table(
    {
        "variable": {
            "type": "string",
            "pattern": r"^self_service_[a-z_]{1,40}$",
            "description": "a variable that begins with self_service_",
        },
        "ask": BOTH,
        "kind": {"enum": ["asset", "one_of", "text"]},
    },
    {
        "help": BOTH,
        "values": _list(TEXT, 1),
        "pattern": TEXT,
        "longest": {"type": "integer", "minimum": 1, "maximum": 1000},
        "optional": FLAG,
    },
)
OFFER = _table(
    {
        "key": WORD,
        "title": BOTH,
        "about": BOTH,
        "playbook": PLAYBOOK,
        "where": WHERE,
        "credentials": NAMES,
        "teams": _list(WORD),
        "questions": _list(QUESTION, 1),
    }
)
FILES = _table(
    {
        "organization": ORGANIZATION,
        "execution_environment": EXECUTION_ENVIRONMENT,
        "project": PROJECT,
        "credential_types": _list(CREDENTIAL_TYPE),
        "credentials": _list(CREDENTIAL),
        "notifications": _list(NOTIFICATION),
        "teams": _list(TEAM),
        "worker_team": _table({"name": NAME}, {"description": TEXT}),
        "job_templates": _list(JOB_TEMPLATE),
        "workflows": _list(WORKFLOW),
        "schedules": _list(SCHEDULE),
        "self_service": _list(OFFER),
    }
)
CUSTOMER = _table(
    {"slug": SLUG},
    {
        "name": TEXT,
        "timezone": TEXT,
        "language": {"enum": ["en", "nl"]},
        "instance_group": NAME,
        "variables": PLAIN,
        "self_service": {"type": "object", "additionalProperties": _list(TEXT, 1)},
        "secrets": SECRETS,
    },
)
