# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Entra says of people's second factors, and by which policies one is asked, as it is kept. Pure.

From Microsoft Graph's JSON (one answer, several, or their rows), or from the CSV of the admin centre's page "User
registration details" or of PowerShell. It judges nothing: access/entra_judging.py does.

Names are kept, for the report is about who has to enrol. The registration details know no disabled users; those come
from the list of users. What was not given or not allowed is None, which is never "none".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import canonical_json
from ansible_collections.msp.ops.plugins.plugin_utils.observe import csvtable
from ansible_collections.msp.ops.plugins.plugin_utils.observe.text import decode, limited

# What is read of a person, by Graph's own names, and the headings of exports that mean the same (csvtable.plain).
_COLUMNS = {
    "id": ("objectid", "userid"),
    "userPrincipalName": ("upn", "username", "user"),
    "userDisplayName": ("displayname", "name"),
    "userType": (),
    "isAdmin": ("admin",),
    "isMfaRegistered": ("mfaregistered", "multifactorauthenticationregistered"),
    "isMfaCapable": ("mfacapable", "multifactorauthenticationcapable"),
    "methodsRegistered": ("methods", "registeredmethods", "authenticationmethods"),
    "lastUpdatedDateTime": ("lastupdated",),
    "accountEnabled": ("enabled", "accountstatus"),
    "perUserMfaState": ("mfastate", "mfastatus", "peruserstate"),
}
_HEADINGS = {plain: name for name, others in _COLUMNS.items() for plain in (csvtable.plain(name), *others)}
_YES = frozenset(("true", "yes", "capable", "registered", "enabled", "1"))
_NO = frozenset(("false", "no", "notcapable", "notregistered", "disabled", "blocked", "0"))
_STATES = frozenset(("enabled", "disabled", "enabledForReportingButNotEnforced"))
LONGEST = 300
MOST_PEOPLE = 500_000
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def rows(content: bytes, origin: str) -> list[Mapping[str, Any]]:
    """The rows of a file about people. MSP-ACC-020 for one that is something else, or that is not whole."""
    text, _encoding = decode(limited(content, origin))
    if text.lstrip()[:1] in ("{", "["):
        return answers(content, origin)
    table = csvtable.read(text, _HEADINGS)
    if table is None:
        raise _unreadable(origin, f"a file that starts with {text[:60]!r}" if text else "an empty file")
    # A last row without a line end is whole where it has all of its cells.
    broken = [skip for skip in table.skipped if "no line end" not in skip.why]
    if broken:
        raise _unreadable(origin, f"{broken[0].where}: {broken[0].why}")
    return [{_HEADINGS[key]: cell for key, cell in row.cells.items() if key in _HEADINGS} for row in table.rows]


def answers(content: bytes, origin: str) -> list[Mapping[str, Any]]:
    """The rows of Graph's answers in a file: one answer, a list of them, or a plain list of rows."""
    text, _encoding = decode(limited(content, origin))
    try:
        pages = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(origin, f"no JSON: {error}"[:200]) from error
    pages = pages if isinstance(pages, list) else [pages]
    if pages and all(isinstance(page, Mapping) and isinstance(page.get("value"), list) for page in pages):
        if pages[-1].get("@odata.nextLink"):
            raise _unreadable(origin, "Graph has more pages than are in this file")
        pages = [row for page in pages for row in page["value"]]
    if not all(isinstance(row, Mapping) for row in pages):
        raise _unreadable(origin, "rows that are none")
    return list(pages)


def people(
    registrations: Iterable[Mapping[str, Any]], users: Iterable[Mapping[str, Any]] | None, origin: str
) -> list[dict[str, Any]]:
    """Everybody, in order of their names. users may be None: then nobody knows who is disabled."""
    listed = list(registrations)
    if len(listed) > MOST_PEOPLE:
        raise _unreadable(origin, f"{len(listed)} people")
    found: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(listed, 1):
        person = _person(row)
        key = person["id"] or person["name"].casefold()
        if not person["name"]:
            raise _unreadable(origin, f"row {number} does not say whose it is (userPrincipalName)")
        found[key] = person
    by_name = {person["name"].casefold(): person for person in found.values()}
    for row in users or ():
        other = _person(row)
        mine = found.get(other["id"]) or by_name.get(other["name"].casefold())
        if mine is None:
            # Entra has the user and its report does not: disabled, or too new for it.
            found[other["id"] or other["name"].casefold()] = {**other, "registered": None, "capable": None}
        else:
            mine["enabled"] = other["enabled"]
            mine["id"] = mine["id"] or other["id"]
            mine["type"] = other["type"] or mine["type"]
    return sorted(found.values(), key=lambda one: (one["name"].casefold(), one["id"]))


def _person(row: Mapping[str, Any]) -> dict[str, Any]:
    capable, registered = _flag(row, "isMfaCapable"), _flag(row, "isMfaRegistered")
    methods = row.get("methodsRegistered")
    if isinstance(methods, str):
        methods = [word.strip() for word in re.split(r"[,;|]", methods) if word.strip()]
    name = _text(row, "userPrincipalName")
    return {
        "id": _text(row, "id").lower(),
        "name": name,
        "display": _text(row, "userDisplayName"),
        # A guest's own name says so, where nothing else does.
        "type": _text(row, "userType").casefold() or ("guest" if "#ext#" in name.casefold() else ""),
        "admin": _flag(row, "isAdmin"),
        # Who is capable is registered; the other way round it takes the rules too.
        "registered": True if capable and registered is None else registered,
        "capable": capable,
        "methods": sorted({str(one)[:LONGEST] for one in methods}) if isinstance(methods, list) else [],
        "updated": _text(row, "lastUpdatedDateTime"),
        "enabled": _flag(row, "accountEnabled"),
        "per_user": _text(row, "perUserMfaState").casefold(),
    }


def policies(listed: Iterable[Mapping[str, Any]], origin: str) -> list[dict[str, Any]]:
    """Policies of conditional access, with what decides whom and when they are for."""
    found = []
    for number, row in enumerate(listed, 1):
        state = row.get("state")
        conditions, grants = row.get("conditions"), row.get("grantControls")
        if state not in _STATES or not isinstance(conditions, Mapping):
            raise _unreadable(origin, f"policy {number} has no state or no conditions")
        found.append(
            {
                "id": _text(row, "id"),
                "name": _text(row, "displayName"),
                "state": state,
                "conditions": _plain(conditions),
                "grants": _plain(grants) if isinstance(grants, Mapping) else {},
            }
        )
    return sorted(found, key=lambda one: (one["name"], one["id"]))


def _plain(value: Any) -> Any:
    """The same without what says nothing: null, empty lists, and Graph's own notes."""
    if isinstance(value, Mapping):
        parts = {str(name): _plain(part) for name, part in value.items() if "@odata" not in str(name)}
        return {name: part for name, part in parts.items() if part not in (None, [], {})}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value


def asked(found: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """The groups and the roles that policies in force name, whose members have to be known."""
    users = [one["conditions"].get("users", {}) for one in found if one["state"] == "enabled"]
    groups = {name for one in users for key in ("includeGroups", "excludeGroups") for name in one.get(key, ())}
    roles = {name for one in users for key in ("includeRoles", "excludeRoles") for name in one.get(key, ())}
    return sorted(filter(_is_guid, groups)), sorted(filter(_is_guid, roles))


def _is_guid(name: Any) -> bool:
    return isinstance(name, str) and _GUID.fullmatch(name) is not None


def body(
    everybody: Sequence[Mapping[str, Any]],
    rules: Sequence[Mapping[str, Any]] | None,
    *,
    source: str,
    users_known: bool,
    security_defaults: bool | None,
    members: Mapping[str, Sequence[str]],
    unknown: Sequence[str] = (),
) -> dict[str, Any]:
    """The facts that are kept of one look. members are ids of people, by the id of their group or role."""
    return {
        "people": [canonical_json(dict(one)) for one in everybody],
        "policies": None if rules is None else [canonical_json(dict(one)) for one in rules],
        "security_defaults": security_defaults,
        "members": {name: sorted(ids) for name, ids in sorted(members.items())},
        "source": source,
        "users_known": users_known,
        "unknown": list(unknown),
    }


def read(facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The people of such facts."""
    yield from (json.loads(text) for text in facts["people"])


def read_policies(facts: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    return None if facts["policies"] is None else [json.loads(text) for text in facts["policies"]]


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value.strip()[:LONGEST] if isinstance(value, str) else ""


def _flag(row: Mapping[str, Any], name: str) -> bool | None:
    value = row.get(name)
    if isinstance(value, bool):
        return value
    word = csvtable.plain(value) if isinstance(value, str) else ""
    return True if word in _YES else False if word in _NO else None


def _unreadable(origin: str, found: str) -> MspError:
    return MspError(
        "MSP-ACC-020",
        f"{origin} to be an export of Entra, whole and in its own form (docs/access.md)",
        found,
        "export it again, all pages of it, or let Graph be asked; nothing of it was used",
    )
