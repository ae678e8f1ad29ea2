# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What AWX holds now of one organisation, in the shape of what it should hold. Reads only.

Each object becomes the arguments of the module that would make it as it is: names instead of ids, tables instead of
text. Secrets are not among what AWX tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.awx.client import Awx, Row
from ansible_collections.msp.ops.plugins.plugin_utils.awx.model import Found, is_marked
from ansible_collections.msp.ops.plugins.plugin_utils.awx.wanted import PROMPTS, WORKFLOW_PROMPTS, role_of

try:
    import yaml
except ImportError:  # pragma: no cover - ansible-core brings it
    yaml = None  # type: ignore[assignment]

# By section: the endpoint, by which filter it is the organisation's, fields as they are, and fields that are a name.
_SIMPLE: Mapping[str, tuple[str, str, tuple[str, ...], tuple[str, ...]]] = {
    "execution_environments": ("execution_environments", "organization", ("image", "pull"), ("organization",)),
    "credentials": ("credentials", "organization", ("inputs",), ("organization", "credential_type")),
    "projects": (
        "projects",
        "organization",
        (
            "scm_type",
            "scm_url",
            "scm_branch",
            "scm_clean",
            "scm_update_on_launch",
            "scm_update_cache_timeout",
            "allow_override",
        ),
        ("organization", "default_environment", "credential"),
    ),
    "notification_templates": (
        "notification_templates",
        "organization",
        ("notification_type", "notification_configuration"),
        ("organization",),
    ),
    "inventories": ("inventories", "organization", (), ("organization",)),
    "inventory_sources": (
        "inventory_sources",
        "inventory__organization",
        ("source", "source_path", "overwrite", "overwrite_vars", "update_on_launch", "update_cache_timeout"),
        ("organization", "inventory", "source_project", "credential", "execution_environment"),
    ),
    "schedules": (
        "schedules",
        "unified_job_template__organization",
        ("rrule", "enabled"),
        ("unified_job_template",),
    ),
    "teams": ("teams", "organization", (), ("organization",)),
}
_TEMPLATE = (
    "job_type",
    "playbook",
    "prevent_instance_group_fallback",
    "allow_simultaneous",
    "become_enabled",
    "forks",
    "verbosity",
    "limit",
    "diff_mode",
    "job_slice_count",
    "timeout",
    "survey_enabled",
    *PROMPTS,
)
_KINDS = {"job_templates": "job_templates", "workflow_job_templates": "workflows"}


def look(awx: Awx, organization: str) -> list[Found]:
    """All of the organisation, and the credential types that are nobody's in particular."""
    found = [*_credential_types(awx)]
    rows = awx.rows("organizations", name=organization)
    if not rows:
        return found
    house = rows[0]
    found += _organization(awx, house)
    for section in _SIMPLE:
        found += _simple(awx, section, house)
    templates = awx.rows("job_templates", organization=house["id"])
    workflows = awx.rows("workflow_job_templates", organization=house["id"])
    found += [_job_template(awx, row, organization) for row in templates]
    found += [_workflow(awx, row, organization) for row in workflows]
    teams = [row for row in awx.rows("teams", organization=house["id"]) if is_marked(row["description"])]
    found += _roles(awx, organization, teams, {"job_templates": templates, "workflow_job_templates": workflows})
    return found


def groups_missing(awx: Awx, names: set[str]) -> list[str]:
    """Instance groups that AWX has not: they are made where their nodes are, and never here."""
    return sorted(names - {row["name"] for row in awx.rows("instance_groups")})


def _credential_types(awx: Awx) -> Iterator[Found]:
    for row in awx.rows("credential_types", managed="false"):
        inputs = {"fields": row["inputs"].get("fields", [])}
        if row["inputs"].get("required"):
            inputs["required"] = row["inputs"]["required"]
        arguments = {**_common(row), "kind": row["kind"], "inputs": inputs, "injectors": row["injectors"]}
        yield _found("credential_types", (row["name"],), arguments, row)


def _organization(awx: Awx, row: Row) -> Iterator[Found]:
    yield _found("organizations", (row["name"],), _common(row), row)
    defaults = {
        "name": row["name"],
        "default_environment": _name(row, "default_environment"),
        **{
            f"notification_templates_{one}": sorted(
                told["name"] for told in awx.rows(f"organizations/{row['id']}/notification_templates_{one}")
            )
            for one in ("error", "approvals")
        },
    }
    yield Found("organization_defaults", (row["name"],), defaults, ours=True)


def _simple(awx: Awx, section: str, house: Row) -> Iterator[Found]:
    endpoint, filter_name, fields, names = _SIMPLE[section]
    for row in awx.rows(endpoint, **{filter_name: house["id"]}):
        arguments = {
            **_common(row),
            **{field: row.get(field) for field in fields},
            **{field: _name(row, field) for field in names},
        }
        key: tuple[str, ...] = (row["name"],)
        if section == "inventory_sources":
            key = (arguments["inventory"] or "", row["name"])
            arguments["organization"] = house["name"]
        elif section == "schedules":
            key = (arguments["unified_job_template"] or "", row["name"])
            arguments["organization"] = house["name"]
        yield _found(section, key, arguments, row)


def _job_template(awx: Awx, row: Row, organization: str) -> Found:
    ours = is_marked(row["description"])
    arguments = {
        **_common(row),
        **{field: row.get(field) for field in _TEMPLATE},
        "organization": organization,
        "inventory": _name(row, "inventory"),
        "project": _name(row, "project"),
        "credentials": sorted(one["name"] for one in row["summary_fields"].get("credentials", [])),
        "extra_vars": _table(row["extra_vars"], row),
    }
    if ours:
        arguments["instance_groups"] = [one["name"] for one in awx.rows(f"job_templates/{row['id']}/instance_groups")]
        arguments["survey_spec"] = (
            _survey(awx.row(f"job_templates/{row['id']}/survey_spec")) if row["survey_enabled"] else {}
        )
    return _found("job_templates", (row["name"],), arguments, row)


def _survey(spec: Row) -> Row:
    questions = [{**one, "choices": _choices(one.get("choices", ""))} for one in spec.get("spec", [])]
    for one in questions:
        one.pop("new_question", None)
    return {"name": spec.get("name", ""), "description": spec.get("description", ""), "spec": questions}


def _choices(choices: Any) -> Any:
    """A list, or lines of text in surveys that people wrote."""
    return choices.split("\n") if isinstance(choices, str) and choices else choices


def _workflow(awx: Awx, row: Row, organization: str) -> Found:
    fields = ("allow_simultaneous", "survey_enabled", *WORKFLOW_PROMPTS)
    arguments = {**_common(row), **{field: row.get(field) for field in fields}, "organization": organization}
    if is_marked(row["description"]):
        nodes = awx.rows(f"workflow_job_templates/{row['id']}/workflow_nodes")
        identifiers = {node["id"]: node["identifier"] for node in nodes}
        arguments["workflow_nodes"] = sorted(
            (_node(awx, node, identifiers, organization) for node in nodes), key=lambda node: str(node["identifier"])
        )
    return _found("workflow_job_templates", (row["name"],), arguments, row)


def _node(awx: Awx, node: Row, identifiers: Mapping[int, str], organization: str) -> Row:
    summary = node["summary_fields"].get("unified_job_template") or {}
    if summary.get("unified_job_type") == "workflow_approval":
        approval = awx.row(f"workflow_approval_templates/{node['unified_job_template']}")
        template: Row = {
            "name": approval["name"],
            "type": "workflow_approval",
            "description": approval["description"],
            "timeout": approval["timeout"],
        }
    else:
        template = {"name": summary.get("name"), "type": "job_template", "organization": {"name": organization}}
    return {
        "identifier": node["identifier"],
        "unified_job_template": template,
        "all_parents_must_converge": node["all_parents_must_converge"],
        "related": {
            f"{way}_nodes": [
                {"identifier": one} for one in sorted(str(identifiers.get(to)) for to in node[f"{way}_nodes"])
            ]
            for way in ("success", "failure", "always")
        },
    }


def _roles(awx: Awx, organization: str, teams: Sequence[Row], objects: Mapping[str, Sequence[Row]]) -> Iterator[Found]:
    """The rights of our teams on templates and workflows of the organisation, by the ids of those objects' roles."""
    meant = {
        role["id"]: (field.removesuffix("_role"), _KINDS[endpoint], row["name"])
        for endpoint, rows in objects.items()
        for row in rows
        for field, role in row["summary_fields"]["object_roles"].items()
    }
    for team in teams:
        for held in awx.rows(f"teams/{team['id']}/roles"):
            if held["id"] in meant:
                one = role_of(organization, team["name"], *meant[held["id"]])
                yield Found("roles", one.key, one.arguments, ours=True)


def _common(row: Row) -> Row:
    return {"name": row["name"], "description": row["description"]}


def _name(row: Row, field: str) -> str | None:
    """The name of what a field refers to."""
    name = (row["summary_fields"].get(field) or {}).get("name")
    return None if name is None else str(name)


def _table(text: Any, row: Row) -> Any:
    """Variables, which AWX keeps as text of JSON or YAML."""
    try:
        return (yaml.safe_load(text) if isinstance(text, str) else text) or {}
    except yaml.YAMLError:
        raise MspError(
            "MSP-AWX-007", f"variables of {row['name']} as JSON or YAML", "other text", "correct them in AWX"
        ) from None


def _found(section: str, key: tuple[str, ...], arguments: Row, row: Row) -> Found:
    return Found(section, key, arguments, is_marked(row["description"]))
