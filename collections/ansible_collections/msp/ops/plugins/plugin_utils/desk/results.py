# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a runbook or an event came to, as messages for those whom the policy says. Pure but for finding the policy.

They go into the outbox in the transaction that puts the result on record: what is on record is told, and told once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import EventOutcome, RunbookRun
from ansible_collections.msp.ops.plugins.plugin_utils.telling import choosing
from ansible_collections.msp.ops.plugins.plugin_utils.telling.addresses import VARIABLE, read_policy
from ansible_collections.msp.ops.plugins.plugin_utils.telling.policy import Policy
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import GAVE_UP, MENDED, Message, Result

# What of a runbook's outcomes is told, and as what: one that broke has to be looked at as well.
RUNBOOKS = {"mended": MENDED, "gave_up": GAVE_UP, "failed": GAVE_UP}
# What of an event's outcomes a person has to look at.
EVENTS = ("failed", "given_up", "refused")


def policy() -> Policy | None:
    """Who is told what; None where nobody said so (MSP_TELLING)."""
    return read_policy("") if os.environ.get(VARIABLE, "").strip() else None


def of_runbook(told: Policy, run: RunbookRun, title: str) -> list[Message]:
    """Of a run that has ended. Made again, they are the same messages."""
    outcome = RUNBOOKS.get(run.outcome or "")
    if outcome is None:
        return []
    result = Result(
        key=f"runbook:{run.key}",
        customer=run.customer,
        outcome=outcome,
        title=title,
        host=run.host,
        at=run.ended or run.at,
        found=_texts(run.body, "found"),
        did=_texts(run.body, "did"),
        reason=str(run.body.get("reason", "")),
    )
    return choosing.messages(result, told)


def of_event(told: Policy, outcome: EventOutcome, about: str) -> list[Message]:
    """Of what became of an event, where a person has to look at it. about: the host, or whatever the event was about.

    One of nobody's (a host that is not known) is told as the policy says by default.
    """
    if outcome.outcome not in EVENTS:
        return []
    did = tuple(f"{work['duty']}: {work['status']}" for work in outcome.work)
    title = f"an automatic answer was {outcome.outcome.replace('_', ' ')}"
    key = f"event:{outcome.event}"
    result = Result(key, outcome.customer, GAVE_UP, title, about, outcome.at, (), did, outcome.why)
    return choosing.messages(result, told)


def _texts(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(map(str, body.get(name, ())))
