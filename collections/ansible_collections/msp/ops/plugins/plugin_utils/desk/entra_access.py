# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads what Entra says of a customer's people, from Graph or from exported files, and keeps it in the spool.

The registration details are everything or an error. What decides whether they are enforced may be refused (another
right is needed for it): that is kept as not known, with why, and then nobody counts as enforced by it.
"""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.access import entra_judging, keeping
from ansible_collections.msp.ops.plugins.plugin_utils.access.entra_source import Source
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import MICROSOFT_365, AccessCheck
from ansible_collections.msp.ops.plugins.plugin_utils.observe import entra
from ansible_collections.msp.ops.plugins.plugin_utils.observe.live.graph import GRAPH, LOGIN, Client, Graph

TITLE = "Microsoft 365"
# A refused right is no reason to know nothing at all; a Graph that can't be reached is.
_REFUSED = "MSP-OBS-034"


def look(customer: str, source: Source, *, dry: bool) -> dict[str, Any]:
    """The result of msp.ops.entra_access. Where it fails the attempt is kept too, and the error goes on."""
    at = dt.datetime.now(dt.UTC)
    run = os.environ.get("MSP_RUN_ID")
    try:
        found = _live(source.options) if source.is_live else _from_files(source.options)
    except MspError as error:
        keeping.keep(AccessCheck(customer, MICROSOFT_365, TITLE, at, "failed", None, str(error), run), dry=dry)
        raise
    keeping.keep(AccessCheck(customer, MICROSOFT_365, TITLE, at, "ok", found, None, run), dry=dry)
    people = entra_judging.people(found)
    return {
        "source": found["source"],
        "people": len(people),
        "states": dict(Counter(one.state for one in people if one.group != entra_judging.DISABLED)),
        "disabled": sum(one.group == entra_judging.DISABLED for one in people) if found["users_known"] else None,
        "unknown": found["unknown"],
    }


def _live(options: Mapping[str, Any]) -> dict[str, Any]:
    base = options.get("base", GRAPH)
    token = options.get("token") or Client(
        options["tenant"], options["client_id"], options["client_secret"], options.get("login", LOGIN)
    )
    graph = Graph(token, base, ca_file=options.get("ca_file"))
    unknown: list[str] = []
    registrations = graph.registrations()
    users = _if_allowed(graph.users, unknown)
    rules = _if_allowed(graph.policies, unknown)
    kept = None if rules is None else entra.policies(rules, base)
    defaults = _if_allowed(graph.security_defaults, unknown)
    groups, roles = entra.asked(kept or [])
    members = {name: _if_allowed(lambda name=name: graph.members(name), unknown) for name in groups}  # type: ignore[misc]
    members |= {name: _if_allowed(lambda name=name: graph.holders(name), unknown) for name in roles}  # type: ignore[misc]
    return entra.body(
        entra.people(registrations, users, base),
        kept,
        source=base,
        users_known=users is not None,
        security_defaults=defaults,
        members={name: ids for name, ids in members.items() if ids is not None},
        unknown=list(dict.fromkeys(unknown)),
    )


def _if_allowed[T](read: Callable[[], T], unknown: list[str]) -> T | None:
    """None where the right to read it lacks, and which one that is goes to unknown."""
    try:
        return read()
    except MspError as error:
        if error.code != _REFUSED:
            raise
        unknown.append(f"{error.expected}: {error.action}")
        return None


def _from_files(options: Mapping[str, Any]) -> dict[str, Any]:
    registrations = entra.rows(_bytes(options["registrations"]), options["registrations"])
    users = entra.rows(_bytes(options["users"]), options["users"]) if "users" in options else None
    policies = None
    if "policies" in options:
        policies = entra.policies(entra.answers(_bytes(options["policies"]), options["policies"]), options["policies"])
    defaults = _defaults(options["security_defaults"]) if "security_defaults" in options else None
    return entra.body(
        entra.people(registrations, users, options["registrations"]),
        policies,
        source=Path(options["registrations"]).name,
        users_known=users is not None or any("accountEnabled" in row for row in registrations),
        security_defaults=defaults,
        members={},
    )


def _defaults(path: str) -> bool:
    rows = entra.answers(_bytes(path), path)
    if len(rows) != 1 or not isinstance(rows[0].get("isEnabled"), bool):
        raise MspError(
            "MSP-ACC-020",
            f"{path} to be Graph's identitySecurityDefaultsEnforcementPolicy",
            "an answer without isEnabled",
            "export it again, or leave it out; nothing of it was used",
        )
    return bool(rows[0]["isEnabled"])


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise MspError(
            "MSP-ACC-022", f"the exported file {path}", f"{error.strerror}", "correct its path, or the rights to it"
        ) from error
