"""A stand-in of the REST API of AWX 24.6.1, for tests: it keeps what it is told, in memory, on a loopback address.

It is no AWX. What it does was taken from the API's own descriptions (its schema and OPTIONS) and from recorded answers
of a real one: fields and their defaults, names that may be there once, related objects that have to be there, pages,
filters, roles of objects, surveys, recurrence rules, the sync that a git project needs before its playbooks are known,
and the words of the errors. It runs no job: a start is recorded, with the variables that the job would have had.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import secrets
import threading
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import yaml

Row = dict[str, Any]
HIDDEN = "$encrypted$"
FORBIDDEN = {"detail": "You do not have permission to perform this action."}
NOWHERE = {"detail": "The requested resource could not be found."}
NOBODY = {"detail": "Authentication credentials were not provided. To establish a login session, visit /api/login/."}
_ASKS = [
    f"ask_{one}_on_launch"
    for one in (
        *("scm_branch", "diff_mode", "variables", "limit", "tags", "skip_tags", "job_type", "verbosity", "inventory"),
        *("credential", "execution_environment", "labels", "forks", "job_slice_count", "timeout", "instance_groups"),
    )
]
_WORKFLOW_ASKS = [
    f"ask_{one}_on_launch" for one in ("variables", "inventory", "limit", "scm_branch", "labels", "skip_tags", "tags")
]
_ORGANIZATION_ROLES = (
    "admin execute project_admin inventory_admin credential_admin workflow_admin notification_admin job_template_admin "
    "execution_environment_admin auditor member read approval"
)


@dataclass(frozen=True)
class Kind:
    """One endpoint: its fields with their defaults, those that are needed, those that name other objects."""

    type: str
    model: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    needed: tuple[str, ...] = ("name",)
    refers: Mapping[str, str] = field(default_factory=dict)
    once: tuple[str, ...] = ("name", "organization")
    once_under: str = "__all__"
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    roles: str = ""
    lists: Mapping[str, str] = field(default_factory=dict)


_TOLD = {f"notification_templates_{one}": "notification_templates" for one in ("started", "success", "error")}
KINDS: dict[str, Kind] = {
    "organizations": Kind(
        "organization",
        "Organization",
        {"max_hosts": 0, "default_environment": None},
        refers={"default_environment": "execution_environments"},
        once=("name",),
        once_under="name",
        roles=_ORGANIZATION_ROLES,
        lists={
            **_TOLD,
            "notification_templates_approvals": "notification_templates",
            "instance_groups": "instance_groups",
            "galaxy_credentials": "credentials",
        },
    ),
    "credential_types": Kind(
        "credential_type",
        "CredentialType",
        {"kind": None, "inputs": {}, "injectors": {}, "managed": False, "namespace": None},
        ("name", "kind"),
        once=("name", "kind"),
        choices={"kind": ("net", "cloud")},
    ),
    "credentials": Kind(
        "credential",
        "Credential",
        {"organization": None, "credential_type": None, "inputs": {}},
        ("name", "credential_type"),
        {"organization": "organizations", "credential_type": "credential_types"},
        ("organization", "name", "credential_type"),
        roles="admin use read",
    ),
    "execution_environments": Kind(
        "execution_environment",
        "ExecutionEnvironment",
        {"organization": None, "image": None, "credential": None, "pull": ""},
        ("name", "image"),
        {"organization": "organizations", "credential": "credentials"},
        ("name",),
        "name",
        {"pull": ("", "always", "missing", "never")},
    ),
    "projects": Kind(
        "project",
        "Project",
        {
            **dict.fromkeys(("scm_type", "scm_url", "scm_branch", "scm_refspec", "local_path"), ""),
            **dict.fromkeys(("scm_clean", "scm_delete_on_update", "scm_update_on_launch", "allow_override"), False),
            **dict.fromkeys(("organization", "credential", "default_environment"), None),
            **dict.fromkeys(("scm_update_cache_timeout", "timeout"), 0),
            "scm_revision": "",
            "status": "never updated",
        },
        refers={
            "organization": "organizations",
            "credential": "credentials",
            "default_environment": "execution_environments",
        },
        choices={"scm_type": ("", "git", "svn", "insights", "archive")},
        roles="admin use update read",
        lists=_TOLD,
    ),
    "notification_templates": Kind(
        "notification_template",
        "NotificationTemplate",
        {"organization": None, "notification_type": None, "notification_configuration": {}, "messages": None},
        ("name", "organization", "notification_type"),
        {"organization": "organizations"},
        choices={"notification_type": ("email", "slack", "mattermost", "webhook")},
    ),
    "inventories": Kind(
        "inventory",
        "Inventory",
        {
            **dict.fromkeys(("organization", "host_filter"), None),
            "kind": "",
            "variables": "",
            "prevent_instance_group_fallback": False,
        },
        ("name", "organization"),
        {"organization": "organizations"},
        choices={"kind": ("", "smart", "constructed")},
        roles="admin update adhoc use read",
        lists={"instance_groups": "instance_groups"},
    ),
    "inventory_sources": Kind(
        "inventory_source",
        "InventorySource",
        {
            **dict.fromkeys(("source_path", "source_vars", "scm_branch", "enabled_var", "enabled_value", "limit"), ""),
            **dict.fromkeys(("overwrite", "overwrite_vars", "update_on_launch"), False),
            **dict.fromkeys(("inventory", "source", "credential", "execution_environment", "source_project"), None),
            **dict.fromkeys(("timeout", "update_cache_timeout"), 0),
            "host_filter": "",
            "verbosity": 1,
        },
        ("name", "inventory", "source"),
        {
            "inventory": "inventories",
            "credential": "credentials",
            "source_project": "projects",
            "execution_environment": "execution_environments",
        },
        ("inventory", "name"),
        choices={"source": ("scm", "ec2", "controller")},
        lists=_TOLD,
    ),
    "job_templates": Kind(
        "job_template",
        "JobTemplate",
        {
            **dict.fromkeys(
                ("playbook", "scm_branch", "limit", "job_tags", "skip_tags", "start_at_task", "host_config_key"), ""
            ),
            **dict.fromkeys(("organization", "inventory", "project", "execution_environment"), None),
            **dict.fromkeys(
                ("survey_enabled", "become_enabled", "diff_mode", "allow_simultaneous", "use_fact_cache", *_ASKS), False
            ),
            "prevent_instance_group_fallback": False,
            "job_type": "run",
            "extra_vars": "",
            "webhook_service": "",
            "forks": 0,
            "verbosity": 0,
            "timeout": 0,
            "job_slice_count": 1,
        },
        refers={
            "inventory": "inventories",
            "project": "projects",
            "execution_environment": "execution_environments",
        },
        choices={"job_type": ("run", "check"), "verbosity": (0, 1, 2, 3, 4, 5)},
        roles="admin execute read",
        lists={**_TOLD, "credentials": "credentials", "instance_groups": "instance_groups", "labels": "labels"},
    ),
    "workflow_job_templates": Kind(
        "workflow_job_template",
        "WorkflowJobTemplate",
        {
            **dict.fromkeys(("organization", "inventory"), None),
            **dict.fromkeys(("survey_enabled", "allow_simultaneous", *_WORKFLOW_ASKS), False),
            "extra_vars": "",
            "limit": None,
            "scm_branch": None,
        },
        refers={"organization": "organizations", "inventory": "inventories"},
        roles="admin execute read approval",
        lists={**_TOLD, "notification_templates_approvals": "notification_templates", "labels": "labels"},
    ),
    "workflow_job_template_nodes": Kind(
        "workflow_job_template_node",
        "WorkflowJobTemplateNode",
        {
            **dict.fromkeys(("workflow_job_template", "unified_job_template", "inventory"), None),
            "identifier": "",
            "extra_data": {},
            "all_parents_must_converge": False,
        },
        ("workflow_job_template",),
        {
            "workflow_job_template": "workflow_job_templates",
            "unified_job_template": "unified_job_templates",
            "inventory": "inventories",
        },
        ("identifier", "workflow_job_template"),
        lists={f"{one}_nodes": "workflow_job_template_nodes" for one in ("success", "failure", "always")},
    ),
    "workflow_approval_templates": Kind(
        "workflow_approval_template", "WorkflowApprovalTemplate", {"timeout": 0}, once=("id",)
    ),
    "schedules": Kind(
        "schedule",
        "Schedule",
        {
            **dict.fromkeys(("unified_job_template", "inventory", "limit", "job_type"), None),
            "rrule": "",
            "extra_data": {},
            "enabled": True,
        },
        ("name", "unified_job_template", "rrule"),
        {"unified_job_template": "unified_job_templates", "inventory": "inventories"},
        ("unified_job_template", "name"),
        lists={"credentials": "credentials", "instance_groups": "instance_groups", "labels": "labels"},
    ),
    "teams": Kind(
        "team",
        "Team",
        {"organization": None},
        ("name", "organization"),
        {"organization": "organizations"},
        ("organization", "name"),
        roles="admin member read",
        lists={"users": "users"},
    ),
    "users": Kind("user", "User", {"username": "", "is_superuser": False}, ("username",), once=("username",)),
    "instance_groups": Kind("instance_group", "InstanceGroup", {"is_container_group": False}, once=("name",)),
    "labels": Kind(
        "label", "Label", {"organization": None}, ("name", "organization"), {"organization": "organizations"}
    ),
    "project_updates": Kind("project_update", "ProjectUpdate", {"status": "successful"}, once=("id",)),
    "jobs": Kind("job", "Job", {"extra_vars": "", "status": "pending", "job_template": None}, once=("id",)),
}
STARTABLE = ("projects", "inventory_sources", "job_templates", "workflow_job_templates", "workflow_approval_templates")
_ENDPOINT_OF = {kind.type: endpoint for endpoint, kind in KINDS.items()}
_LOOKUPS = ("exact", "iexact", "contains", "icontains", "startswith", "in", "isnull")


@dataclass(frozen=True)
class Asked:
    """One request: what is asked, by whom."""

    method: str
    query: Row
    body: Row
    user: Row


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


class StandInAwx:
    """url and token are for an administrator; requests are (method, path, body) of all that came in."""

    def __init__(self, playbooks: list[str], groups: tuple[str, ...] = ()) -> None:
        self.tables: dict[str, dict[int, Row]] = {name: {} for name in KINDS}
        self.roles: dict[int, Row] = {}
        self.linked: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[int, Row] = {}
        self.hidden: dict[tuple[str, int], Row] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.playbooks = playbooks
        self._ids = itertools.count(1)
        self._tokens: dict[str, int] = {}
        self._lock = threading.RLock()
        self.token = self.person("admin", is_superuser=True)
        for name, fields in _MANAGED.items():
            row = self._add("credential_types", {"name": name, "kind": "ssh", "inputs": {"fields": fields}})
            row["managed"] = True
        for name in ("default", *groups):
            self._add("instance_groups", {"name": name})

    # -- for tests --------------------------------------------------------------------------------------------------

    def __enter__(self) -> StandInAwx:
        stand_in = self

        class Handler(_Handler):
            awx = stand_in

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_unused: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def person(self, username: str, *, is_superuser: bool = False) -> str:
        """A token of a new user."""
        row = self._add("users", {"username": username, "is_superuser": is_superuser})
        token = secrets.token_hex(15)
        self._tokens[token] = row["id"]
        return token

    def join(self, username: str, team: str) -> None:
        """Make a user a member of a team."""
        members = self.linked.setdefault(("teams", self.named("teams", team)["id"], "users"), [])
        members.append(next(row["id"] for row in self.tables["users"].values() if row["username"] == username))

    def named(self, endpoint: str, name: str) -> Row:
        """The object of this name."""
        return next(row for row in self.tables[endpoint].values() if row["name"] == name)

    def names(self, endpoint: str) -> set[str]:
        """All names, AWX's own credential types left out."""
        return {row["name"] for row in self.tables[endpoint].values() if not row.get("managed")}

    def writes(self) -> list[tuple[str, str, Any]]:
        """The requests that were more than reading."""
        return [one for one in self.requests if one[0] not in ("GET", "HEAD", "OPTIONS")]

    def add(self, endpoint: str, **fields: Any) -> Row:
        """An object that somebody else made."""
        return self._create(endpoint, fields)

    # -- the API ----------------------------------------------------------------------------------------------------

    def answer(self, method: str, target: str, token: str | None, body: Any) -> tuple[int, Any]:
        """The status and body of one request."""
        with self._lock:
            self.requests.append((method, target, body))
            user = self.tables["users"].get(self._tokens.get(token or "", 0))
            if user is None:
                return 401, NOBODY
            address = urlsplit(target)
            parts = [unquote(part) for part in address.path.strip("/").split("/")]
            try:
                if parts[:2] != ["api", "v2"] or not address.path.endswith("/"):
                    raise Refusal(404, NOWHERE)
                asked = Asked(method, dict(parse_qsl(address.query, keep_blank_values=True)), body or {}, user)
                return self._route(parts[2:], asked)
            except Refusal as refusal:
                return refusal.status, refusal.body

    def _route(self, parts: list[str], asked: Asked) -> tuple[int, Any]:
        endpoint = parts[0] if parts else ""
        if endpoint == "roles" and len(parts) == 3:
            return self._role_members(int(parts[1]), parts[2], asked)
        if endpoint not in KINDS and endpoint != "unified_job_templates":
            raise Refusal(404, NOWHERE)
        if len(parts) == 1:
            if asked.method == "POST":
                self._only_administrators(asked.user)
                return 201, self._shown(endpoint, self._create(endpoint, asked.body))
            return 200, self._page(f"/api/v2/{endpoint}/", self._filtered(endpoint, asked.query), asked.query)
        row = self._object(endpoint, parts[1])
        if len(parts) == 2:
            return self._one(endpoint, row, asked)
        return self._below(endpoint, row, parts[2], asked)

    def _one(self, endpoint: str, row: Row, asked: Asked) -> tuple[int, Any]:
        if asked.method == "GET":
            return 200, self._shown(endpoint, row)
        self._only_administrators(asked.user)
        if asked.method == "DELETE":
            self._refuse_active(endpoint, row)
            self._delete(endpoint, row["id"])
            return (202 if endpoint == "inventories" else 204), None
        self._change(endpoint, row, asked.body)
        return 200, self._shown(endpoint, row)

    def _below(self, endpoint: str, row: Row, name: str, asked: Asked) -> tuple[int, Any]:
        if name in KINDS[endpoint].lists:
            return self._list_below(endpoint, row, name, asked)
        special = getattr(self, f"_{name}_of_{endpoint}", None)
        if special is None:
            raise Refusal(404, NOWHERE)
        answer: tuple[int, Any] = special(row, asked)
        return answer

    def _update_of_projects(self, row: Row, asked: Asked) -> tuple[int, Any]:
        self._only_administrators(asked.user)
        made = self._sync(row)
        return 202, {**self._shown("project_updates", made), "project_update": made["id"]}

    def _roles_of_teams(self, row: Row, asked: Asked) -> tuple[int, Any]:
        held = [_role(role) for role in self.roles.values() if row["id"] in role["teams"]]
        return 200, self._page(f"/api/v2/teams/{row['id']}/roles/", held, asked.query)

    def _workflow_nodes_of_workflow_job_templates(self, row: Row, asked: Asked) -> tuple[int, Any]:
        nodes = self.tables["workflow_job_template_nodes"].values()
        rows = [
            self._shown("workflow_job_template_nodes", one)
            for one in nodes
            if one["workflow_job_template"] == row["id"]
        ]
        return 200, self._page(f"/api/v2/workflow_job_templates/{row['id']}/workflow_nodes/", rows, asked.query)

    def _create_approval_template_of_workflow_job_template_nodes(self, row: Row, asked: Asked) -> tuple[int, Any]:
        self._only_administrators(asked.user)
        made = self._create("workflow_approval_templates", asked.body)
        row["unified_job_template"] = made["id"]
        return 201, self._shown("workflow_approval_templates", made)

    def _list_below(self, endpoint: str, row: Row, name: str, asked: Asked) -> tuple[int, Any]:
        target = KINDS[endpoint].lists[name]
        held = self.linked.setdefault((endpoint, row["id"], name), [])
        if asked.method == "GET":
            rows = [self._shown(target, self.tables[target][one]) for one in held]
            return 200, self._page(f"/api/v2/{endpoint}/{row['id']}/{name}/", rows, asked.query)
        self._only_administrators(asked.user)
        one = asked.body.get("id")
        if one not in self.tables[target]:
            raise Refusal(400, {"msg": f"{KINDS[target].model} matching query does not exist."})
        if asked.body.get("disassociate"):
            held.remove(one)
        elif one not in held:
            held.append(one)
        return 204, None

    def _role_members(self, role: int, name: str, asked: Asked) -> tuple[int, Any]:
        if role not in self.roles or name != "teams":
            raise Refusal(404, {"detail": "No Role matches the given query."})
        teams = self.roles[role]["teams"]
        if asked.method == "GET":
            rows = [self._shown("teams", self.tables["teams"][one]) for one in teams]
            return 200, self._page(f"/api/v2/roles/{role}/teams/", rows, asked.query)
        self._only_administrators(asked.user)
        if asked.body.get("id") not in self.tables["teams"]:
            raise Refusal(400, {"msg": "Team matching query does not exist."})
        (teams.discard if asked.body.get("disassociate") else teams.add)(asked.body["id"])
        return 204, None

    def _launch_of_job_templates(self, row: Row, asked: Asked) -> tuple[int, Any]:
        if not self._may(asked.user, row, "execute_role"):
            raise Refusal(403, FORBIDDEN)
        spec = self.surveys.get(row["id"], {}) if row["survey_enabled"] else {}
        if asked.method == "GET":
            return 200, {"can_start_without_user_input": not spec, "survey_enabled": row["survey_enabled"]}
        given = asked.body.get("extra_vars") or {}
        given = yaml.safe_load(given) if isinstance(given, str) else given
        taken: Row = {}
        wrong = [words for question in spec.get("spec", []) for words in _answer(question, given, taken)]
        if wrong:
            raise Refusal(400, {"variables_needed_to_start": wrong})
        if row["ask_variables_on_launch"]:
            taken = dict(given)
        ignored = {name: value for name, value in given.items() if name not in taken}
        own = yaml.safe_load(row["extra_vars"] or "{}") or {}
        variables = {**own, **taken, "awx_user_name": asked.user["username"]}
        made = {"name": row["name"], "job_template": row["id"], "extra_vars": json.dumps(variables)}
        job = self._add("jobs", made)
        left = {"extra_vars": ignored} if ignored else {}
        return 201, {**self._shown("jobs", job), "job": job["id"], "ignored_fields": left}

    _launch_of_workflow_job_templates = _launch_of_job_templates

    def _survey_spec_of_job_templates(self, row: Row, asked: Asked) -> tuple[int, Any]:
        if asked.method == "GET":
            return 200, self.surveys.get(row["id"], {})
        self._only_administrators(asked.user)
        if asked.method == "DELETE":
            self.surveys.pop(row["id"], None)
            return 200, {}
        if error := _survey_error(asked.body):
            raise Refusal(400, {"error": error})
        self.surveys[row["id"]] = json.loads(json.dumps(asked.body))
        return 200, {}

    _survey_spec_of_workflow_job_templates = _survey_spec_of_job_templates

    # -- objects ----------------------------------------------------------------------------------------------------

    def _add(self, endpoint: str, fields: Row) -> Row:
        """An object, whatever it says."""
        kind = KINDS[endpoint]
        row: Row = {"id": next(self._ids), "description": "", "name": "", **json.loads(json.dumps(dict(kind.fields)))}
        row.update(fields)
        self.tables[endpoint][row["id"]] = row
        row["__roles"] = {}
        for name in kind.roles.split():
            role = next(self._ids)
            row["__roles"][f"{name}_role"] = role
            self.roles[role] = {
                "id": role,
                "name": name.replace("_", " ").title(),
                "field": f"{name}_role",
                "endpoint": endpoint,
                "object": row["id"],
                "teams": set(),
            }
        return row

    def _create(self, endpoint: str, body: Row) -> Row:
        kind = KINDS[endpoint]
        known = {"name", "description", *kind.fields}
        fields = {name: value for name, value in body.items() if name in known}  # unknown ones are ignored
        missing = {name: ["This field is required."] for name in kind.needed if fields.get(name) in (None, "")}
        if missing:
            raise Refusal(400, missing)
        if endpoint == "workflow_job_template_nodes" and not fields.get("identifier"):
            fields["identifier"] = secrets.token_hex(16)
        fields = self._checked(endpoint, fields, {**kind.fields, **fields}, None)
        row = self._add(endpoint, {**fields})
        if endpoint == "projects" and row["scm_type"]:
            self._sync(row)
        return row

    def _change(self, endpoint: str, row: Row, body: Row) -> None:
        known = {"name", "description", *KINDS[endpoint].fields} - {"managed", "namespace"}
        fields = {name: value for name, value in body.items() if name in known}
        if endpoint == "credential_types" and row["managed"]:
            raise Refusal(403, {"detail": "Modifications not allowed for managed credential types"})
        row.update(self._checked(endpoint, fields, {**row, **fields}, row["id"]))

    def _checked(self, endpoint: str, fields: Row, whole: Row, own: int | None) -> Row:
        """The fields as they are kept, or a refusal in AWX's words."""
        kind = KINDS[endpoint]
        wrong: dict[str, Any] = {}
        for name, target in kind.refers.items():
            value = fields.get(name)
            if value == "":
                fields[name] = None
            elif value is not None and not self._exists(target, value):
                wrong[name] = [f'Invalid pk "{value}" - object does not exist.']
        for name, allowed in kind.choices.items():
            value = fields.get(name, allowed[0])
            if value is None and "" in allowed:
                value = fields[name] = ""  # nothing is the same as the empty choice
            if value not in allowed and not (isinstance(value, str) and value.isdigit() and int(value) in allowed):
                wrong[name] = [f'"{value}" is not a valid choice.']
        for name, default in kind.fields.items():
            if isinstance(default, bool) and name in fields and not isinstance(fields[name], bool):
                wrong[name] = ["Must be a valid boolean."]
        if wrong:
            raise Refusal(400, wrong)
        self._refuse_same(endpoint, whole, own)
        check: Callable[[Row, Row, int | None], Row] | None = getattr(self, f"_check_{endpoint}", None)
        return check(fields, whole, own) if check else fields

    def _refuse_same(self, endpoint: str, whole: Row, own: int | None) -> None:
        kind = KINDS[endpoint]
        for row in self.tables[endpoint].values():
            if row["id"] != own and all(row.get(name) == whole.get(name) for name in kind.once):
                if kind.once_under == "name":
                    raise Refusal(400, {"name": [f"{kind.model} with this Name already exists."]})
                names = ", ".join(kind.once)
                raise Refusal(400, {"__all__": [f"{kind.model} with this ({names}) combination already exists."]})

    def _check_credential_types(self, fields: Row, whole: Row, _own: int | None) -> Row:
        ids = [one.get("id") for one in whole["inputs"].get("fields", [])]
        for one in whole["inputs"].get("fields", []):
            if extra := set(one) - {
                "id",
                "label",
                "type",
                "secret",
                "multiline",
                "help_text",
                "choices",
                "format",
                "default",
                "ask_at_runtime",
            }:
                raise Refusal(
                    400, {"inputs": [f"Additional properties are not allowed ({sorted(extra)[0]!r} was unexpected)"]}
                )
        for where, table in whole["injectors"].items():
            if where not in ("env", "extra_vars", "file"):
                raise Refusal(400, {"injectors": [f"Additional properties are not allowed ({where!r} was unexpected)"]})
            for name, template in table.items():
                if where == "env" and name.startswith("ANSIBLE_"):
                    words = (
                        f"Environment variable {name} may affect Ansible configuration so its use is not allowed in "
                    )
                    words += "credentials."
                    raise Refusal(400, {"injectors": [words]})
                for used in re.findall(r"{{\s*(\w+)\s*}}", template):
                    if used not in ids:
                        raise Refusal(400, {"injectors": [f"{name} uses an undefined field ('{used}' is undefined)"]})
        return fields

    def _check_credentials(self, fields: Row, whole: Row, own: int | None) -> Row:
        declared = {
            one["id"]: one
            for one in self.tables["credential_types"][whole["credential_type"]]["inputs"].get("fields", [])
        }
        if "inputs" not in fields:
            return fields
        unknown = sorted(set(fields["inputs"]) - set(declared))
        if unknown:
            words = f"Additional properties are not allowed ({unknown[0]!r} was unexpected)"
            raise Refusal(400, {"inputs": [words]})
        before = self.hidden.get(("credentials", own or 0), {})
        kept = {name: before.get(name) if value == HIDDEN else value for name, value in fields["inputs"].items()}
        shown = {name: HIDDEN if declared[name].get("secret") and value else value for name, value in kept.items()}
        self.hidden["credentials", own or self._peek()] = kept
        return {**fields, "inputs": shown}

    def _check_notification_templates(self, fields: Row, whole: Row, own: int | None) -> Row:
        if "notification_configuration" not in fields or whole["notification_type"] != "webhook":
            return fields
        given = fields["notification_configuration"]
        defaults = {
            "url": None,
            "headers": None,
            "http_method": "POST",
            "disable_ssl_verification": False,
            "username": "",
            "password": "",
        }
        if absent := [name for name, value in defaults.items() if value is None and name not in given]:
            raise Refusal(400, [f"Missing required fields for Notification Configuration: {absent[0]}."])
        whole_table = {**defaults, **given}
        self.hidden["notification_templates", own or self._peek()] = whole_table
        shown = {name: HIDDEN if name == "password" and value else value for name, value in whole_table.items()}
        return {**fields, "notification_configuration": shown}

    def _check_job_templates(self, fields: Row, whole: Row, _own: int | None) -> Row:
        if whole["project"] is None:
            raise Refusal(400, {"project": ["Job Templates must have a project assigned."]})
        project = self.tables["projects"][whole["project"]]
        if not project["scm_revision"] or whole["playbook"] not in self.playbooks:
            raise Refusal(400, {"playbook": ["Playbook not found for project."]})
        if whole["job_slice_count"] < 1:
            raise Refusal(400, {"job_slice_count": ["Ensure this value is greater than or equal to 1."]})
        return {**fields, "organization": project["organization"], **_text(fields, "extra_vars")}

    def _check_inventories(self, fields: Row, _whole: Row, _own: int | None) -> Row:
        return {**fields, **_text(fields, "variables")}

    def _check_workflow_job_templates(self, fields: Row, _whole: Row, _own: int | None) -> Row:
        return {**fields, **_text(fields, "extra_vars")}

    def _check_inventory_sources(self, fields: Row, whole: Row, _own: int | None) -> Row:
        if whole["source"] == "scm" and whole["source_project"] is None:
            raise Refusal(400, {"source_project": ["Project required for scm type sources."]})
        return fields

    def _check_schedules(self, fields: Row, whole: Row, _own: int | None) -> Row:
        if wrong := _rule_errors(whole["rrule"]):
            raise Refusal(400, {"rrule": wrong})
        return fields

    def _peek(self) -> int:
        """The id that the next object will have."""
        following = next(self._ids)
        self._ids = itertools.chain([following], self._ids)  # type: ignore[assignment]
        return following

    def _sync(self, project: Row) -> Row:
        project["scm_revision"], project["status"] = secrets.token_hex(20), "successful"
        return self._add(
            "project_updates",
            {
                "name": project["name"],
                "project": project["id"],
                "scm_revision": project["scm_revision"],
                "failed": False,
                "finished": "2026-11-23T13:43:20.000000Z",
                "event_processing_finished": True,
            },
        )

    def _refuse_active(self, endpoint: str, row: Row) -> None:
        if endpoint not in ("job_templates", "organizations"):
            return
        active = [
            {"type": "job", "id": job["id"]}
            for job in self.tables["jobs"].values()
            if job["status"] in ("pending", "running")
            and endpoint == "job_templates"
            and job["job_template"] == row["id"]
        ]
        if active:
            raise Refusal(409, {"error": "Resource is being used by running jobs.", "active_jobs": active})

    def _delete(self, endpoint: str, one: int) -> None:
        row = self.tables[endpoint].pop(one)
        for number in row["__roles"].values():
            self.roles.pop(number)
        for role in self.roles.values() if endpoint == "teams" else ():
            role["teams"].discard(one)
        self.surveys.pop(one, None)
        approval = row.get("unified_job_template") if endpoint == "workflow_job_template_nodes" else None
        if approval in self.tables["workflow_approval_templates"]:
            self._delete("workflow_approval_templates", approval)
        for key, held in list(self.linked.items()):
            if key[:2] == (endpoint, one):
                self.linked.pop(key)
            elif KINDS[key[0]].lists[key[2]] == endpoint and one in held:
                held.remove(one)
        self._take_along(endpoint, one)

    def _take_along(self, endpoint: str, one: int) -> None:
        """What goes with it: schedules, nodes, sources. Elsewhere what referred to it refers to nothing."""
        going = {"schedules": ("unified_job_template",), "inventory_sources": ("inventory",)}
        going["workflow_job_template_nodes"] = ("workflow_job_template",)
        for name, table in self.tables.items():
            for row in list(table.values()):
                for field_name, target in KINDS[name].refers.items():
                    same = target == endpoint or (target == "unified_job_templates" and endpoint in STARTABLE)
                    if same and row.get(field_name) == one:
                        if field_name in going.get(name, ()):
                            self._delete(name, row["id"])
                        else:
                            row[field_name] = None

    # -- looking ----------------------------------------------------------------------------------------------------

    def _exists(self, endpoint: str, one: Any) -> bool:
        where = STARTABLE if endpoint == "unified_job_templates" else (endpoint,)
        return isinstance(one, int) and any(one in self.tables[name] for name in where)

    def _any(self, one: Any) -> tuple[str, Row] | None:
        return next(((name, self.tables[name][one]) for name in STARTABLE if one in self.tables[name]), None)

    def _object(self, endpoint: str, given: str) -> Row:
        model = KINDS[endpoint].model if endpoint in KINDS else "UnifiedJobTemplate"
        if given.isdigit() and int(given) in self.tables.get(endpoint, {}):
            return self.tables[endpoint][int(given)]
        raise Refusal(404, {"detail": f"No {model} matches the given query."})

    def _only_administrators(self, user: Row) -> None:
        if not user["is_superuser"]:
            raise Refusal(403, FORBIDDEN)

    def _may(self, user: Row, row: Row, role: str) -> bool:
        if user["is_superuser"]:
            return True
        teams = {
            one
            for (kind, one, name), held in self.linked.items()
            if (kind, name) == ("teams", "users") and user["id"] in held
        }
        roles = [self.roles[row["__roles"][name]] for name in (role, "admin_role")]
        return any(teams & one["teams"] for one in roles)

    def _rows(self, endpoint: str) -> Iterator[tuple[str, Row]]:
        for name in STARTABLE if endpoint == "unified_job_templates" else (endpoint,):
            yield from ((name, row) for row in self.tables[name].values())

    def _filtered(self, endpoint: str, query: Row) -> list[Row]:
        found = list(self._rows(endpoint))
        either = []
        for name, value in query.items():
            if name in ("page", "page_size", "order_by"):
                continue
            if name.startswith("or__"):
                either.append((name.removeprefix("or__"), value))
            elif name == "type":
                found = [(kind, row) for kind, row in found if KINDS[kind].type in value.split(",")]
            else:
                found = [(kind, row) for kind, row in found if self._matches(endpoint, kind, row, name, value)]
        if either:
            found = [
                (kind, row)
                for kind, row in found
                if any(self._matches(endpoint, kind, row, name, value) for name, value in either)
            ]
        order = query.get("order_by", "name" if endpoint != "workflow_job_template_nodes" else "id")
        found.sort(key=lambda pair: pair[1].get(order.lstrip("-"), 0), reverse=order.startswith("-"))
        return [self._shown(kind, row) for kind, row in found]

    def _matches(self, endpoint: str, kind: str, row: Row, name: str, value: str) -> bool:
        *path, last = name.split("__")
        lookup = "exact"
        if path and last in _LOOKUPS:
            lookup = last
        else:
            path = [*path, last]
        there: Any = row
        for place, part in enumerate(path):
            if place:
                held = self._any(there) if path[place - 1] == "unified_job_template" else None
                target = KINDS[kind].refers.get(path[place - 1], "")
                kind, there = held or (target, self.tables.get(target, {}).get(there))
                if there is None:
                    return False
            if (
                endpoint != "unified_job_templates"
                and place == 0
                and part not in ("id", "name", "description", *KINDS[kind].fields)
            ):
                raise Refusal(400, {"detail": f"{KINDS[kind].model} has no field named '{part}'"})
            there = there.get(part)
        if isinstance(there, bool):
            return there == (value.lower() in ("true", "1"))
        text = "" if there is None else str(there)
        return {
            "exact": text == value,
            "iexact": text.lower() == value.lower(),
            "contains": value in text,
            "icontains": value.lower() in text.lower(),
            "startswith": text.startswith(value),
            "in": text in value.split(","),
            "isnull": (there is None) == (value.lower() in ("true", "1")),
        }[lookup]

    def _page(self, path: str, rows: list[Row], query: Row) -> Row:
        size = min(int(query.get("page_size", 25)), 200)
        page = int(query.get("page", 1))
        last = max(1, -(-len(rows) // size))
        if not 1 <= page <= last:
            raise Refusal(404, {"detail": "Invalid page."})
        rest = {name: value for name, value in query.items() if name not in ("page", "page_size")}

        def address(number: int) -> str:
            return f"{path}?{urlencode({**rest, 'page': number, 'page_size': size})}"

        return {
            "count": len(rows),
            "next": address(page + 1) if page < last else None,
            "previous": address(page - 1) if page > 1 else None,
            "results": rows[(page - 1) * size : page * size],
        }

    def _shown(self, endpoint: str, row: Row) -> Row:
        kind = KINDS[endpoint]
        url = f"/api/v2/{endpoint}/{row['id']}/"
        related = {name: f"{url}{name}/" for name in (*kind.lists, "survey_spec", "launch", "update", "copy")}
        summary: Row = {"user_capabilities": {"edit": True, "delete": True}}
        for name, target in {**kind.refers, "organization": "organizations"}.items():
            one = row.get(name)
            held = self._any(one) if target == "unified_job_templates" else None
            held = held or ((target, self.tables[target][one]) if one in self.tables.get(target, {}) else None)
            if held is not None:
                summary[name] = {"id": one, "name": held[1]["name"], "description": held[1]["description"]}
                related[name] = f"/api/v2/{held[0]}/{one}/"
                if target == "unified_job_templates":
                    summary[name]["unified_job_type"] = _JOB_TYPES[held[0]]
        if row["__roles"]:
            summary["object_roles"] = {
                name: {"id": role, "name": self.roles[role]["name"], "description": ""}
                for name, role in row["__roles"].items()
            }
        if endpoint == "job_templates":
            summary["credentials"] = [
                {"id": one, "name": self.tables["credentials"][one]["name"]}
                for one in self.linked.get((endpoint, row["id"], "credentials"), [])
            ]
        shown = {name: value for name, value in row.items() if not name.startswith("__")}
        if endpoint == "workflow_job_template_nodes":
            shown |= {name: list(self.linked.get((endpoint, row["id"], name), [])) for name in kind.lists}
            shown.pop("name")
        return {"type": kind.type, "url": url, "related": related, "summary_fields": summary, **shown}


_JOB_TYPES = {
    "projects": "project_update",
    "inventory_sources": "inventory_update",
    "job_templates": "job",
    "workflow_job_templates": "workflow_job",
    "workflow_approval_templates": "workflow_approval",
}
_MANAGED: dict[str, list[Row]] = {
    "Machine": [
        {"id": "username", "label": "Username", "type": "string"},
        {"id": "password", "label": "Password", "type": "string", "secret": True},
        {"id": "ssh_key_data", "label": "SSH Private Key", "type": "string", "secret": True, "multiline": True},
        {"id": "become_method", "label": "Privilege Escalation Method", "type": "string"},
        {"id": "become_username", "label": "Privilege Escalation Username", "type": "string"},
    ],
    "Source Control": [{"id": "username", "label": "Username", "type": "string"}],
}


def _role(role: Row) -> Row:
    return {
        "id": role["id"],
        "type": "role",
        "name": role["name"],
        "summary_fields": {"resource_id": role["object"], "resource_type": KINDS[role["endpoint"]].type},
    }


def _text(fields: Row, name: str) -> Row:
    """Variables are kept as text, without the blanks at its end."""
    value = fields.get(name)
    return {name: value.strip() if isinstance(value, str) else json.dumps(value)} if value is not None else {}


def _rule_errors(rule: str) -> list[str]:
    """What AWX says of a recurrence rule."""
    found = re.match(r"DTSTART(?:;TZID=([^:]+):\d{8}T\d{6}|:\d{8}T\d{6}Z)(?:\s|$)", rule)
    if not found:
        return [
            "Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ",
            "rrule parsing failed validation: A valid TZID must be provided (e.g., America/New_York)",
        ]
    if found[1] and found[1] not in zoneinfo.available_timezones():
        return ["rrule parsing failed validation: A valid TZID must be provided (e.g., America/New_York)"]
    rules = re.findall(r"RRULE:(\S+)", rule)
    wrong = []
    if not rules:
        wrong.append("RRULE required in rrule.")
    for one in rules:
        if "INTERVAL" not in one:
            wrong.append("INTERVAL required in rrule.")
        if "SECONDLY" in one:
            wrong.append("SECONDLY is not supported.")
        if re.search(r"BYDAY=[^;]*\d", one):
            wrong.append("BYDAY with numeric prefix not supported.")
        if re.search(r"BYYEARDAY|BYWEEKNO", one):
            wrong.append("BYYEARDAY not supported.")
        if (count := re.search(r"COUNT=(\d+)", one)) and int(count[1]) > 999:
            wrong.append("COUNT > 999 is unsupported.")
    return wrong


def _survey_error(spec: Row) -> str:
    """What AWX says of a survey, or nothing."""
    if absent := [name for name in ("name", "description", "spec") if name not in spec]:
        return f"'{absent[0]}' missing from survey spec."
    if not isinstance(spec["spec"], list) or not spec["spec"]:
        return "'spec' doesn't contain any items."
    seen: set[str] = set()
    for number, one in enumerate(spec["spec"]):
        if error := _question_error(number, one, seen):
            return error
        seen.add(one["variable"])
    return ""


def _question_error(number: int, one: Row, seen: set[str]) -> str:
    if absent := [name for name in ("type", "question_name", "variable", "required") if name not in one]:
        return f"'{absent[0]}' missing from survey question {number}"
    if one["variable"] in seen:
        return f"'variable' '{one['variable']}' duplicated in survey question {number}."
    if one["type"] not in ("multiplechoice", "multiselect"):
        return ""
    choices = one.get("choices")
    choices = choices.split("\n") if isinstance(choices, str) else choices
    if not choices:
        return f"Survey question {number} choices must be a list or text"
    wrong = one.get("default") and one["default"] not in choices
    return "Default choice must be answered from the choices listed." if wrong else ""


def _answer(question: Row, given: Row, taken: Row) -> list[str]:
    """Take the answer to one question, or say what is wrong with it."""
    name = question["variable"]
    value = given.get(name, question.get("default") or None)
    if value is None:
        return [f"'{name}' value missing"] if question["required"] else []
    if question["type"] == "text":
        if not isinstance(value, str):
            return [f"Value {value} for '{name}' expected to be a string."]
        if question.get("max") and len(value) > int(question["max"]):
            return [f"'{name}' value {value} is too large (length must be no more than {question['max']})."]
    choices = question.get("choices") or []
    choices = choices.split("\n") if isinstance(choices, str) else choices
    if question["type"] == "multiplechoice" and value not in choices:
        return [f"Value {value} for '{name}' expected to be one of {choices}."]
    taken[name] = value
    return []


class _Handler(BaseHTTPRequestHandler):
    awx: StandInAwx
    protocol_version = "HTTP/1.1"
    # One answer is one packet: else each waits for the other side's delayed acknowledgement, 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True

    def _do(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        scheme, _unused, value = (self.headers.get("Authorization") or "").partition(" ")
        token = value if scheme == "Bearer" else None
        if scheme == "Basic":
            token = base64.b64decode(value).decode().partition(":")[2]  # a user's password is its token here
        status, body = self.awx.answer(self.command, self.path, token, json.loads(text) if text else None)
        sent = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", "24.6.1")
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer realm=api authorization_url=/api/o/authorize/")
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_OPTIONS = _do

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read requests, not a log."""
