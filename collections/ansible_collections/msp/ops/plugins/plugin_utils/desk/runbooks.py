# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run of a runbook on one asset: may it, on record, done, on record again.

Nothing is done on the host before it is on record that a run begins. A host that can't be reached, a module that broke
and a reboot that did not end are outcomes like any other: recorded, with what was found.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk import results
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases, outbox, runbooks
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import RunbookRun
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks import limits
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.catalogue import Declared
from ansible_collections.msp.ops.plugins.plugin_utils.telling.policy import Policy

# Renewed while a runbook runs; a controller that died holds the asset's runbooks up for no longer.
LEASE_SECONDS = 30.0
TOLD = ("found", "did", "would", "reason", "before", "after")
REBOOT = "reboot"


class Unreachable(Exception):
    """The host did not answer."""


class Host(Protocol):
    """The host, through Ansible. ask runs the runbook's module on it and returns what it answered."""

    def ask(self, parameters: Mapping[str, Any], *, after: Mapping[str, Any] | None = None) -> Mapping[str, Any]: ...

    def reboot(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for: which runbook with which parameters, by which event, in which run of a playbook; what the
    customer has stopped, and what the customer's policy allows, which no event says."""

    declared: Declared
    parameters: Mapping[str, Any]
    stops: tuple[str, ...] = ()
    event: str | None = None
    run: str | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)


def run(
    store: Store, asset: Subject, asked: Asked, host: Host, *, dry: bool, told: Policy | None = None
) -> dict[str, Any]:
    """Run it, or say why not. dry: the module says what it would do; nothing is on record, for nothing was done.

    told: who is told what it came to.
    """
    parameters = asked.declared.checked(asked.parameters)
    arguments = asked.declared.arguments(asked.parameters, asked.policy)
    if limits.stopped(asked.declared.name, asked.stops):
        raise not_allowed(asset, asked, "the customer has stopped it (the field Runbooks stopped in NetBox)")
    if dry:
        return dict(_done(host, arguments))
    with leases.renewing(store, f"runbook {asset.customer}/{asset.asset}", LEASE_SECONDS):
        begun = RunbookRun(
            key=secrets.token_hex(12),
            customer=asset.customer,
            asset=asset.asset,
            host=asset.host,
            runbook=asked.declared.name,
            at=store.now(),
            parameters=parameters,
            event=asked.event,
            run=asked.run,
        )
        _begin(store, asset, asked, begun)
        started = time.monotonic()
        answer = _done(host, arguments)
        over = replace(
            begun,
            outcome=str(answer["outcome"]),
            ended=store.now(),
            seconds=round(time.monotonic() - started, 3),
            minutes_by_hand=asked.declared.minutes_by_hand,
            body={name: answer[name] for name in TOLD if name in answer},
        )
        said = [] if told is None else results.of_runbook(told, over, asked.declared.title)
        runbooks.end(store, over, lambda connection: outbox.put_within(connection, said))
    return {**answer, "key": begun.key, "minutes_by_hand": asked.declared.minutes_by_hand}


def _begin(store: Store, asset: Subject, asked: Asked, begun: RunbookRun) -> None:
    allowed = asked.declared.limits

    def may(before: Any, now: dt.datetime) -> str | None:
        return limits.refused(allowed, asset.customer, asset.asset, before, now)

    if why := runbooks.begin(store, begun, may, allowed.looks_back):
        raise not_allowed(asset, asked, why)


def _done(host: Host, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the host answers, after a reboot too where its answer needs one."""
    did: list[str] = []
    try:
        answer = host.ask(parameters)
        if answer.get("needs") != REBOOT or answer.get("failed"):
            return _read(answer)
        rebooted = host.reboot()
        if rebooted.get("failed") or rebooted.get("unreachable"):
            said = str(rebooted.get("msg") or "it did not come back")
            return {
                **_read({**answer, "outcome": "gave_up"}),
                "changed": True,
                "did": [*answer.get("did", ()), "restarted the host"],
                "reason": f"the host was restarted and did not come back as it should: {said}",
            }
        did = [*map(str, answer.get("did", ())), "restarted the host"]
        return _read(host.ask(parameters, after=answer))
    except Unreachable as error:
        return {
            "outcome": "gave_up",
            "changed": bool(did),
            "found": ["The host did not answer."],
            "did": did,
            "reason": f"the host could not be reached: {error}",
            "before": {},
            "after": {},
        }


def _read(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a module. One that broke is an outcome too, with what it said."""
    if answer.get("failed") or "outcome" not in answer:
        said = str(answer.get("msg") or "it ended without an answer")
        return {"outcome": "failed", "changed": bool(answer.get("changed")), "found": [], "did": [], "reason": said}
    return {name: answer[name] for name in ("outcome", "changed", *TOLD) if name in answer}


def not_allowed(asset: Subject, asked: Asked, why: str) -> MspError:
    return MspError(
        "MSP-RUN-100",
        f"that the runbook {asked.declared.name} may run on {asset.host}",
        why,
        "look at the asset; nothing was done on it, and what ran before is in the evidence store "
        f"(./msp store export {asset.customer})",
    )
