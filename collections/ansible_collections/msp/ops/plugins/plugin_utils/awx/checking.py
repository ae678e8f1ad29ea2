# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the files in awx/ and customers' entries, and says everything that is wrong with them at once.

Pure but for reading the files it is given. What is returned has the form of schema.py and holds together: every name
that is used is there, and nothing is sliced that has to see the whole customer.
"""

from __future__ import annotations

import zoneinfo
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.awx import schema
from ansible_collections.msp.ops.plugins.plugin_utils.contract import forms, yamlfile

CODES = forms.Codes(library="MSP-AWX-001", unknown="MSP-AWX-002", missing="MSP-AWX-002", form="MSP-AWX-002")
# What looks at each host on its own, and judges nothing across hosts. docs/awx.md says why.
SLICEABLE = frozenset({"playbooks/audit.yml", "playbooks/patch_scan.yml", "playbooks/standard_scan.yml"})


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer as AWX needs it. own holds its own lists of values for questions of self-service.

    secrets has by the name of a secret in credentials.yml the name of the one that this customer has instead.
    """

    slug: str
    name: str
    timezone: str
    language: str
    instance_group: str | None
    variables: Mapping[str, Any]
    own: Mapping[str, Sequence[str]]
    secrets: Mapping[str, str] = field(default_factory=dict)


def read_directory(directory: Path) -> dict[str, Any]:
    """What the files of a directory declare together."""
    paths = sorted(directory.glob("*.yml")) if directory.is_dir() else []
    if not paths:
        raise MspError(
            "MSP-AWX-002",
            f"a directory with the declarations of AWX in {directory}",
            "none",
            "give its path in directory",
        )
    return read_texts({str(path): path.read_text(encoding="utf-8") for path in paths})


def read_texts(texts: Mapping[str, str]) -> dict[str, Any]:
    """The same, out of texts by the names of their files."""
    found: dict[str, Any] = {}
    errors: list[MspError] = []
    for name, text in texts.items():
        source = yamlfile.read(text, name)
        errors += source.errors
        if not isinstance(source.data, Mapping):
            errors.append(
                MspError("MSP-AWX-002", f"a table of keys in {name}", "something else", "see awx/ of msp.ops")
            )
            continue
        part = {**schema.FILES, "required": []}
        errors += forms.violations(source.data, part, (), CODES, source)
        errors += [_twice(key, name) for key in source.data if key in found]
        found.update(_plain(source.data))
    errors += [
        MspError("MSP-AWX-002", f"the key {key} in one of the files", "none", f"add {key}, as awx/ of msp.ops has it")
        for key in schema.FILES["required"]
        if key not in found
    ]
    if not errors:
        errors += contradictions(found)
    if errors:
        raise MspErrors(errors)
    return found


def _plain(value: Any) -> Any:
    """A number with a point as Python's own, which becomes JSON."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return float(value) if isinstance(value, Decimal) else value


def read_customers(text: str, name: str) -> list[dict[str, Any]]:
    """Customers' entries out of the text of a file. Nothing in it is a template here: what a job is to look up (a
    secret by its name) goes to AWX as it is written.
    """
    source = yamlfile.read(text, name)
    errors = list(source.errors)
    errors += forms.violations(source.data, {"type": "array", "items": schema.CUSTOMER}, ("customers",), CODES, source)
    if not errors:
        errors += _of_customers(source.data)
    if errors:
        raise MspErrors(errors)
    return [_plain(entry) for entry in source.data]


def customers(entries: Iterable[Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]] | None) -> list[Customer]:
    """The entries as customers, in the order of their slugs. known is what NetBox says of each customer with a running
    contract; where it was asked, an entry of somebody else is an error, and who has no entry is a customer too.
    """
    own = {entry["slug"]: entry for entry in entries}
    if known is None:
        return [_customer(own[slug]) for slug in sorted(own)]
    if strange := sorted(set(own) - set(known)):
        raise _wrong("entries of customers with a running contract in NetBox", ", ".join(strange), "remove them")
    return [_customer({**known[slug], **own.get(slug, {"slug": slug})}) for slug in sorted(known)]


def _customer(entry: Mapping[str, Any]) -> Customer:
    return Customer(
        slug=entry["slug"],
        name=entry.get("name", entry["slug"]),
        timezone=entry.get("timezone", "UTC"),
        language=entry.get("language", "en"),
        instance_group=entry.get("instance_group"),
        variables=entry.get("variables", {}),
        own=entry.get("self_service", {}),
        secrets=entry.get("secrets", {}),
    )


def _of_customers(entries: Sequence[Mapping[str, Any]]) -> Iterator[MspError]:
    yield from _repeated("a customer", (entry["slug"] for entry in entries))
    zones = zoneinfo.available_timezones()
    for entry in entries:
        if entry.get("timezone", "UTC") not in zones:
            yield _wrong(f"a time zone of the IANA list for {entry['slug']}", entry["timezone"], "correct it")


def contradictions(data: Mapping[str, Any]) -> Iterator[MspError]:
    """What is wrong with declarations of the right form."""
    # AWX looks both up by name in one place, where what can be started is together.
    startable = [*_names(data["job_templates"]), *_names(data["workflows"])]
    yield from _repeated("a job template or workflow", startable)
    yield from _repeated("a credential", _names(data["credentials"]))
    yield from _repeated("a team", (team["key"] for team in data["teams"]))
    yield from _repeated("a schedule", _names(data["schedules"]))
    yield from _repeated("an offer", (offer["key"] for offer in data["self_service"]))
    yield from _of_credentials(data)
    yield from _of_notifications(data)
    for one in (*data["job_templates"], *data["self_service"]):
        yield from _of_template(one, data)
    for workflow in data["workflows"]:
        yield from _of_workflow(workflow, data)
    for schedule in data["schedules"]:
        yield from _unknown("a job template or workflow", [schedule["run"]], startable, schedule["name"])
        yield from _of_times(schedule)
    for offer in data["self_service"]:
        yield from _of_questions(offer)


def _of_credentials(data: Mapping[str, Any]) -> Iterator[MspError]:
    types = {one["name"]: one for one in data["credential_types"]}
    for kind in types.values():
        ids = [field["id"] for field in kind["fields"]]
        yield from _unknown("a field", kind["environment"].values(), ids, kind["name"])
    for one in data["credentials"]:
        if one.get("secrets") and "generation" not in one:
            yield _wrong(f"a generation beside the secrets of {one['name']}", "none", "write generation: 1")
        if "customer_input" in one and not one.get("each_customer"):
            yield _wrong(f"each_customer: true at {one['name']}", "customer_input alone", "add it, or remove the other")
        if (kind := types.get(one["type"])) is None:
            continue  # one of AWX's own, such as Machine
        secret = {field["id"] for field in kind["fields"] if field.get("secret")}
        plain = {field["id"] for field in kind["fields"]} - secret
        given = [*one.get("inputs", {}), *([one["customer_input"]] if "customer_input" in one else [])]
        yield from _unknown("a field that is no secret", given, plain, one["name"])
        yield from _unknown("a secret field", one.get("secrets", {}), secret, one["name"])


def _of_notifications(data: Mapping[str, Any]) -> Iterator[MspError]:
    known = _names(data["notifications"])
    organization = data["organization"]
    told = [*organization.get("tell_failures", []), *organization.get("tell_approvals", [])]
    yield from _unknown("a notification", told, known, organization["name"])
    for one in data["notifications"]:
        if one.get("secrets") and "generation" not in one:
            yield _wrong(f"a generation beside the secrets of {one['name']}", "none", "write generation: 1")


def _of_template(one: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[MspError]:
    name = one.get("name", one.get("key"))
    yield from _unknown("a credential", one["credentials"], _names(data["credentials"]), name)
    yield from _unknown("a team", one["teams"], [team["key"] for team in data["teams"]], name)
    if one.get("slices", 1) > 1 and one["playbook"] not in SLICEABLE:
        yield MspError(
            "MSP-AWX-003",
            f"{name} in one piece: {one['playbook']} has to see all hosts of the customer in one job",
            f"slices: {one['slices']}",
            f"remove slices; only {', '.join(sorted(SLICEABLE))} may be cut",
        )
    if one.get("worker") and one["teams"]:
        found = f"the teams {', '.join(one['teams'])}"
        yield _wrong(f"no team at {name}, where variables and hosts are given at the start", found, "write teams: []")
    for reserved in {"customer"} & {*one.get("variables", {}), *one.get("customer_variables", [])}:
        yield _wrong(f"variables of {name} without {reserved}", reserved, "remove it: it is the template's customer")


def _of_workflow(workflow: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[MspError]:
    name = workflow["name"]
    ids = [node["id"] for node in workflow["nodes"]]
    teams = [team["key"] for team in data["teams"]]
    yield from _repeated(f"a node of {name}", ids)
    yield from _unknown("a team", [*workflow["teams"], *workflow.get("approvers", [])], teams, name)
    for node in workflow["nodes"]:
        if ("run" in node) == ("approval" in node):
            yield _wrong(f"either run or approval at the node {node['id']} of {name}", "both or none", "keep one")
        if "run" in node:
            yield from _unknown("a job template", [node["run"]], _names(data["job_templates"]), name)
        for way in ("success", "failure", "always"):
            yield from _unknown("a node", node.get(way, []), ids, f"{name}, {node['id']}")
    if any("approval" in node for node in workflow["nodes"]) and not workflow.get("approvers"):
        yield _wrong(f"approvers of {name}, where a node waits for a yes", "nobody", "name the teams that may say yes")
    if circle := _circle(workflow["nodes"]):
        yield _wrong(f"nodes of {name} that come to an end", f"a circle at {circle}", "take one of its links out")


def _circle(nodes: Sequence[Mapping[str, Any]]) -> str | None:
    """A node that leads back to itself."""
    ways = ("success", "failure", "always")
    links: dict[str, list[str]] = {node["id"]: [to for way in ways for to in node.get(way, [])] for node in nodes}
    for start, first in links.items():
        seen: set[str] = set()
        ahead = list(first)
        while ahead:
            one = ahead.pop()
            if one == start:
                return start
            if one not in seen:
                seen.add(one)
                ahead += links.get(one, [])
    return None


def _of_times(schedule: Mapping[str, Any]) -> Iterator[MspError]:
    needed = {"day": {"at"}, "week": {"at", "on"}, "month": {"at", "on_day"}}.get(schedule["every"], set())
    given = {"at", "on", "on_day"} & set(schedule)
    if needed != given:
        wanted = ", ".join(sorted(needed)) or "none of at, on and on_day"
        yield _wrong(f"{wanted} at the schedule {schedule['name']}", ", ".join(sorted(given)) or "none", "correct it")


def _of_questions(offer: Mapping[str, Any]) -> Iterator[MspError]:
    yield from _repeated(f"a question of {offer['key']}", (one["variable"] for one in offer["questions"]))
    allowed = {"asset": set(), "one_of": {"values"}, "text": {"pattern", "longest"}}
    for one in offer["questions"]:
        given = {"values", "pattern", "longest"} & set(one)
        if given - allowed[one["kind"]] or (one["kind"] == "one_of" and "values" not in given):
            wanted = ", ".join(sorted(allowed[one["kind"]])) or "neither values, pattern nor longest"
            yield _wrong(f"{wanted} with the kind {one['kind']} of {one['variable']}", str(sorted(given)), "correct it")
        if one["kind"] == "text" and "pattern" not in one:
            yield _wrong(f"a pattern for {one['variable']}", "none", "say which letters an answer may have")


def _names(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    return [entry["name"] for entry in entries]


def _unknown(what: str, used: Iterable[str], known: Iterable[str], where: str) -> Iterator[MspError]:
    there = sorted(set(known))
    for name in sorted(set(used) - set(there)):
        yield _wrong(f"{what} that is declared, in {where}", name, forms.advice(name, there))


def _repeated(what: str, names: Iterable[str]) -> Iterator[MspError]:
    for name, count in Counter(names).items():
        if count > 1:
            yield _wrong(f"{what} {name!r} once", f"it {count} times", "rename one of them")


def _twice(key: str, name: str) -> MspError:
    return _wrong(f"{key} in one file", f"it again in {name}", "write it in one of them")


def _wrong(expected: str, found: str, action: str) -> MspError:
    return MspError("MSP-AWX-003", expected, found, action)
