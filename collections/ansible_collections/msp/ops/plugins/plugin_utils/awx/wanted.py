# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What AWX should hold: the objects that the declarations in awx/ make of the organisation and of each customer. Pure.

An object of a customer has its slug before its name, and the customer in no variable that anybody who starts it could
change. Nothing of a customer but its slug, and what the MSP wrote in its entry, becomes a variable of a job: AWX gives
variables to Ansible as extra variables, and those are templates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.awx import recurrence, surveys
from ansible_collections.msp.ops.plugins.plugin_utils.awx.checking import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.awx.model import Wanted, marked

Data = Mapping[str, Any]
# What nobody may change at a start: who asks for another inventory or limit would leave the customer behind.
PROMPTS = tuple(
    f"ask_{one}_on_launch"
    for one in (
        "scm_branch",
        "diff_mode",
        "variables",
        "limit",
        "tags",
        "skip_tags",
        "job_type",
        "verbosity",
        "inventory",
        "credential",
        "execution_environment",
        "labels",
        "forks",
        "job_slice_count",
        "timeout",
        "instance_groups",
    )
)
# What the worker gives at a start. A customer's people and technicians have no right to such a template.
WORKER_PROMPTS = ("ask_variables_on_launch", "ask_limit_on_launch")
WORKFLOW_PROMPTS = tuple(
    f"ask_{one}_on_launch" for one in ("variables", "inventory", "scm_branch", "limit", "labels", "skip_tags", "tags")
)
MINUTES = 120  # after which a job is ended that names no limit


def wanted(data: Data, customers: Sequence[Customer]) -> list[Wanted]:
    """All of it."""
    made = [*_house(data)]
    for customer in customers:
        made += _of_customer(data, customer)
    return made


def named(customer: Customer, name: str) -> str:
    """The name in AWX of what is declared under this name for each customer."""
    return f"{customer.slug} {name}"


def _house(data: Data) -> Iterator[Wanted]:
    organization = data["organization"]
    name = organization["name"]
    yield Wanted("organizations", (name,), {"name": name, "description": marked(organization.get("description", ""))})
    for kind in data["credential_types"]:
        yield _credential_type(kind)
    one = data["execution_environment"]
    environment = {
        "name": one["name"],
        "description": marked(one.get("description", "")),
        "organization": name,
        "image": one["image"],
        "pull": one.get("pull", "missing"),
    }
    yield Wanted("execution_environments", (one["name"],), environment)
    for credential in data["credentials"]:
        if not credential.get("each_customer"):
            yield _credential(data, credential, None)
    yield _project(data)
    for notification in data["notifications"]:
        yield _notification(data, notification)
    defaults = {
        "name": name,
        "default_environment": one["name"],
        "notification_templates_error": sorted(organization.get("tell_failures", [])),
        "notification_templates_approvals": sorted(organization.get("tell_approvals", [])),
    }
    yield Wanted("organization_defaults", (name,), defaults)
    worker = data["worker_team"]
    arguments = {"name": worker["name"], "description": marked(worker.get("description", "")), "organization": name}
    yield Wanted("teams", (worker["name"],), arguments)


def _credential_type(kind: Data) -> Wanted:
    fields = [
        {
            "id": field["id"],
            "label": field["label"],
            "type": "string",
            **{flag: True for flag in ("secret", "multiline") if field.get(flag)},
        }
        for field in kind["fields"]
    ]
    arguments = {
        "name": kind["name"],
        "description": marked(kind.get("description", "")),
        "kind": "cloud",
        "inputs": {"fields": fields},
        "injectors": {"env": {name: f"{{{{ {field} }}}}" for name, field in kind["environment"].items()}},
    }
    return Wanted("credential_types", (kind["name"],), arguments)


def _credential(data: Data, credential: Data, customer: Customer | None) -> Wanted:
    name = credential["name"] if customer is None else named(customer, credential["name"])
    inputs = dict(credential.get("inputs", {}))
    if customer is not None and "customer_input" in credential:
        inputs[credential["customer_input"]] = customer.slug
    arguments = {
        "name": name,
        "description": marked(credential.get("description", ""), credential.get("generation")),
        "organization": data["organization"]["name"],
        "credential_type": credential["type"],
        "inputs": inputs,
    }
    own = {} if customer is None else customer.secrets
    secrets = {field: own.get(secret, secret) for field, secret in credential.get("secrets", {}).items()}
    return Wanted("credentials", (name,), arguments, secrets)


def _project(data: Data) -> Wanted:
    project = data["project"]
    arguments = {
        "name": project["name"],
        "description": marked(project.get("description", "")),
        "organization": data["organization"]["name"],
        "scm_type": "git",
        "scm_url": project["scm_url"],
        "scm_branch": project.get("scm_branch", ""),
        "scm_clean": True,
        "scm_update_on_launch": True,
        "scm_update_cache_timeout": 60,
        "allow_override": False,
        "default_environment": data["execution_environment"]["name"],
        **({"credential": project["credential"]} if "credential" in project else {}),
    }
    return Wanted("projects", (project["name"],), arguments)


def _notification(data: Data, one: Data) -> Wanted:
    arguments = {
        "name": one["name"],
        "description": marked(one.get("description", ""), one.get("generation")),
        "organization": data["organization"]["name"],
        "notification_type": one["type"],
        "notification_configuration": dict(one["configuration"]),
    }
    return Wanted("notification_templates", (one["name"],), arguments, dict(one.get("secrets", {})))


def _of_customer(data: Data, customer: Customer) -> Iterator[Wanted]:
    for credential in data["credentials"]:
        if credential.get("each_customer"):
            yield _credential(data, credential, customer)
    yield from _inventory(data, customer)
    for template in data["job_templates"]:
        yield _job_template(data, customer, template)
    for offer in data["self_service"]:
        yield _offer(data, customer, offer)
    for workflow in data["workflows"]:
        yield _workflow(data, customer, workflow)
    idle = {
        one["name"] for one in data["job_templates"] if {*one.get("customer_variables", [])} - {*customer.variables}
    }
    for schedule in data["schedules"]:
        # What the customer gave nothing for would end in the same error every hour.
        if schedule["run"] not in idle:
            yield _schedule(data, customer, schedule)
    for team in data["teams"]:
        yield _team(data, customer, team)
    for team in data["teams"]:
        yield from _roles(data, customer, team["key"])
    started = [named(customer, one["name"]) for one in data["job_templates"] if one.get("worker")]
    yield from _rights(data, data["worker_team"]["name"], started)


def _inventory(data: Data, customer: Customer) -> Iterator[Wanted]:
    organization = data["organization"]["name"]
    name = named(customer, "assets")
    arguments = {"name": name, "description": marked(f"Assets of {customer.name}"), "organization": organization}
    yield Wanted("inventories", (name,), arguments)
    project = data["project"]
    source = {
        "name": named(customer, "NetBox inventory"),
        "description": marked("Read anew before each job"),
        "organization": organization,
        "inventory": name,
        "source": "scm",
        "source_project": project["name"],
        "source_path": project["inventory"],
        "credential": named(customer, _credential_for(data, "msp.ops NetBox")),
        # What is no longer in NetBox leaves the inventory: a machine that left the contract is nobody's target.
        "overwrite": True,
        "overwrite_vars": True,
        "update_on_launch": True,
        "update_cache_timeout": 0,
        "execution_environment": data["execution_environment"]["name"],
    }
    yield Wanted("inventory_sources", (name, source["name"]), source)


def _credential_for(data: Data, kind: str) -> str:
    return next(str(one["name"]) for one in data["credentials"] if one["type"] == kind and one.get("each_customer"))


def _credential_names(data: Data, customer: Customer, names: Sequence[str]) -> list[str]:
    own = {one["name"] for one in data["credentials"] if one.get("each_customer")}
    return sorted(named(customer, name) if name in own else name for name in names)


def _job_template(data: Data, customer: Customer, template: Data) -> Wanted:
    given = {
        name: customer.variables[name] for name in template.get("customer_variables", []) if name in customer.variables
    }
    arguments = {
        **_startable(data, customer, template),
        "name": named(customer, template["name"]),
        "description": marked(template.get("description", "")),
        "job_type": "check" if template.get("preview") else "run",
        "diff_mode": bool(template.get("preview")),
        "job_slice_count": template.get("slices", 1),
        "timeout": template.get("timeout_minutes", MINUTES) * 60,
        "extra_vars": {"customer": customer.slug, **template.get("variables", {}), **given},
        "survey_enabled": False,
        **(dict.fromkeys(WORKER_PROMPTS, True) if template.get("worker") else {}),
    }
    return Wanted("job_templates", (arguments["name"],), arguments)


def _startable(data: Data, customer: Customer, template: Data) -> dict[str, Any]:
    """What every job template of a customer has."""
    at_site = template["where"] == "site" and customer.instance_group is not None
    return {
        "organization": data["organization"]["name"],
        "inventory": named(customer, "assets"),
        "project": data["project"]["name"],
        "playbook": template["playbook"],
        "credentials": _credential_names(data, customer, template["credentials"]),
        "instance_groups": [customer.instance_group] if at_site else [],
        # At a customer's site or not at all: another group has no way to its hosts, and no business there.
        "prevent_instance_group_fallback": at_site,
        # Two runs of one thing at the same time wait for each other's leases; the second may as well wait here.
        "allow_simultaneous": False,
        "become_enabled": False,
        "forks": 0,
        "verbosity": 0,
        "limit": "",
        **dict.fromkeys(PROMPTS, False),
    }


def _offer(data: Data, customer: Customer, offer: Data) -> Wanted:
    arguments = {
        **_startable(data, customer, offer),
        "name": offer_name(customer, offer),
        "description": marked(offer["about"][customer.language]),
        "job_type": "run",
        "diff_mode": False,
        "job_slice_count": 1,
        "timeout": MINUTES * 60,
        "extra_vars": {
            "customer": customer.slug,
            "self_service_offer": offer["key"],
            "self_service_own": dict(customer.own),
        },
        "survey_enabled": True,
        "survey_spec": surveys.survey(offer, customer.language, customer.own),
    }
    return Wanted("job_templates", (arguments["name"],), arguments)


def offer_name(customer: Customer, offer: Data) -> str:
    """The name of an offer's job template, in the language of who reads it."""
    return named(customer, str(offer["title"][customer.language]))


def _workflow(data: Data, customer: Customer, workflow: Data) -> Wanted:
    organization = data["organization"]["name"]
    name = named(customer, workflow["name"])
    arguments = {
        "name": name,
        "description": marked(workflow.get("description", "")),
        "organization": organization,
        "allow_simultaneous": False,
        "survey_enabled": False,
        **dict.fromkeys(WORKFLOW_PROMPTS, False),
        "workflow_nodes": sorted(
            (_node(organization, customer, name, node) for node in workflow["nodes"]),
            key=lambda node: node["identifier"],
        ),
    }
    return Wanted("workflow_job_templates", (name,), arguments)


def _node(organization: str, customer: Customer, workflow: str, node: Data) -> dict[str, Any]:
    if "approval" in node:
        template = {
            # AWX has approvals of all workflows in one table of names: with the workflow's name each is found alone.
            "name": f"{workflow}, {node['approval']}",
            "type": "workflow_approval",
            "description": node.get("description", ""),
            "timeout": node.get("timeout_hours", 0) * 3600,
        }
    else:
        template = {
            "name": named(customer, node["run"]),
            "type": "job_template",
            "organization": {"name": organization},
        }
    return {
        "identifier": node["id"],
        "unified_job_template": template,
        "all_parents_must_converge": bool(node.get("all_parents")),
        "related": {
            f"{way}_nodes": [{"identifier": to} for to in sorted(node.get(way, []))]
            for way in ("success", "failure", "always")
        },
    }


def _schedule(data: Data, customer: Customer, schedule: Data) -> Wanted:
    template = named(customer, schedule["run"])
    arguments = {
        "name": named(customer, schedule["name"]),
        "description": marked(""),
        "organization": data["organization"]["name"],
        "unified_job_template": template,
        "rrule": recurrence.rule(schedule, customer.timezone, customer.slug),
        "enabled": True,
    }
    return Wanted("schedules", (template, arguments["name"]), arguments)


def _team(data: Data, customer: Customer, team: Data) -> Wanted:
    name = named(customer, team["key"])
    arguments = {
        "name": name,
        "description": marked(team.get("description", "")),
        "organization": data["organization"]["name"],
    }
    return Wanted("teams", (name,), arguments)


def _roles(data: Data, customer: Customer, team: str) -> Iterator[Wanted]:
    """What a team may do: nothing but starting what is written, and saying yes where that is written."""
    templates = [named(customer, one["name"]) for one in data["job_templates"] if team in one["teams"]]
    templates += [offer_name(customer, one) for one in data["self_service"] if team in one["teams"]]
    workflows = [named(customer, one["name"]) for one in data["workflows"] if team in one["teams"]]
    approved = [named(customer, one["name"]) for one in data["workflows"] if team in one.get("approvers", [])]
    yield from _rights(data, named(customer, team), templates, workflows, approved)


def _rights(
    data: Data, team: str, templates: Sequence[str], workflows: Sequence[str] = (), approved: Sequence[str] = ()
) -> Iterator[Wanted]:
    for role, given in (
        ("execute", {"job_templates": templates, "workflows": workflows}),
        ("approval", {"workflows": approved}),
    ):
        for kind, names in given.items():
            for name in sorted(names):
                yield role_of(data["organization"]["name"], team, role, kind, name)


def role_of(organization: str, team: str, role: str, kind: str, name: str) -> Wanted:
    """One right of a team on one object."""
    arguments = {"lookup_organization": organization, "team": team, "role": role, kind: [name]}
    return Wanted("roles", (team, role, kind, name), arguments)
