# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what a host answered to the record of one look at who can log in there, and what is told of it. Pure: no I/O."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.access import judging, model
from ansible_collections.msp.ops.plugins.plugin_utils.access.naming import Named
from ansible_collections.msp.ops.plugins.plugin_utils.audit import outcome as audit_outcome
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import AccessCheck
from ansible_collections.msp.ops.plugins.plugin_utils.standards import scanning
from ansible_collections.msp.ops.plugins.plugin_utils.standards.scanning import (
    FAILED,
    NOT_ATTEMPTED,
    OK,
    UNREACHABLE,
    Answer,
)

__all__ = ["FAILED", "NOT_ATTEMPTED", "OK", "PROBES", "UNREACHABLE", "Answer", "check", "hung", "read", "told"]

_ID = "access"
PROBES = ({"id": _ID, "kind": "access"},)


def read(host: str, result: Mapping[str, Any]) -> Answer:
    """The attempt in what msp.ops.control_facts returned. answers are what it found, in a shape that was checked."""
    answer = scanning.read(host, result)
    if answer.outcome != OK:
        return answer
    said = answer.answers.get(_ID)
    try:
        if isinstance(said, Mapping) and said.get("state") != OK:
            return Answer(FAILED, error=unmeasured(host, str(said.get("reason"))))
        found = said["value"]  # type: ignore[index]
        model.check(found)
    except (KeyError, TypeError, ValueError) as error:
        return Answer(FAILED, error=malformed(host, str(error)))
    return Answer(OK, found, answer.platform, answer.seconds)


def check(subject: Subject, answer: Answer, at: dt.datetime, *, asked_as: str, run: str | None) -> AccessCheck:
    """The record of one attempt. asked_as is the account by which the host was asked."""
    return AccessCheck(
        subject.customer,
        subject.asset,
        subject.host,
        at,
        answer.outcome,
        model.body(answer.answers, asked_as) if answer.outcome == OK else None,
        None if answer.error is None else str(answer.error),
        run,
    )


def told(answer: Answer, named: Named, asked_as: str) -> dict[str, Any]:
    """The result of msp.ops.access_scan."""
    if answer.error is not None:
        return {"outcome": answer.outcome, "msg": str(answer.error), "error": answer.error.as_dict()}
    found = model.read(model.body(answer.answers, asked_as))
    judged = [judging.account(one, named, asked_as) for one in found.accounts]
    return {
        "outcome": answer.outcome,
        "accounts": {one.account.name: _told(one) for one in judged},
        "counts": dict(Counter(one.network.state for one in judged)),
        "unknown": list(found.unknown),
        "seconds": answer.seconds,
    }


def _told(one: judging.Judged) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "network": verdict(one.network),
        "console": verdict(one.console),
        "unknown": list(one.account.unknown),
    }


def verdict(found: judging.Verdict) -> dict[str, Any]:
    """A verdict as data."""
    weakest = found.weakest
    return {
        "second_factor": found.state,
        "weakest": None if weakest is None else {"by": weakest.by, "needs": sorted(weakest.proved) or ["nothing"]},
        "why": list(found.why),
    }


def unmeasured(host: str, why: str) -> MspError:
    return MspError(
        "MSP-ACC-001",
        f"{host} to say who can log in to it",
        audit_outcome.short(why),
        "put right on the host what the reason names, then measure again; until then nobody of it counts as covered",
    )


def hung(host: str, seconds: float) -> MspError:
    return audit_outcome.not_ended_in_time(
        "MSP-ACC-002",
        "the look at who can log in",
        host,
        seconds,
        "log in to the host and see what hangs there (a directory that is gone, a failing disk), then measure again",
    )


def malformed(host: str, why: str) -> MspError:
    return audit_outcome.of_no_shape("MSP-ACC-003", "what was said of accounts", host, "docs/access.md", why)
