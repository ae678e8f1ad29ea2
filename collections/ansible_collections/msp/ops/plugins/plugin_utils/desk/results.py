# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a runbook or an event came to, on its way to people: put into the outbox where somebody said who is told what.

It is on record before it is told. A policy that is wrong is an error for who runs it, and loses no result.
"""

from __future__ import annotations

import os

from ansible_collections.msp.ops.plugins.plugin_utils.desk import telling
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import EventOutcome, RunbookRun
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.telling.addresses import VARIABLE, read_policy
from ansible_collections.msp.ops.plugins.plugin_utils.telling.policy import Policy
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import GAVE_UP, MENDED, Result

# What of a runbook's outcomes is told, and as what: one that broke has to be looked at as well.
RUNBOOKS = {"mended": MENDED, "gave_up": GAVE_UP, "failed": GAVE_UP}
# What of an event's outcomes a person has to look at.
EVENTS = ("failed", "given_up", "refused")


def policy() -> Policy | None:
    """Who is told what; None where nobody said so (MSP_TELLING)."""
    return read_policy("") if os.environ.get(VARIABLE, "").strip() else None


def of_runbook(store: Store, told: Policy, run: RunbookRun, title: str) -> int:
    """A run that has ended; how many messages are new."""
    outcome = RUNBOOKS.get(run.outcome or "")
    if outcome is None:
        return 0
    result = Result(
        key=f"runbook:{run.key}",
        customer=run.customer,
        outcome=outcome,
        title=title,
        host=run.host,
        at=run.ended or run.at,
        found=tuple(map(str, run.body.get("found", ()))),
        did=tuple(map(str, run.body.get("did", ()))),
        reason=str(run.body.get("reason", "")),
    )
    return telling.tell(store, told, result)


def of_event(store: Store, told: Policy, outcome: EventOutcome, host: str) -> int:
    """What became of an event that a person has to look at; how many messages are new. A customer is known."""
    if outcome.outcome not in EVENTS or not outcome.customer:
        return 0
    did = tuple(f"{work['duty']}: {work['status']}" for work in outcome.work)
    title = f"an automatic answer was {outcome.outcome.replace('_', ' ')}"
    key = f"event:{outcome.event}"
    result = Result(key, outcome.customer, GAVE_UP, title, host or outcome.asset, outcome.at, (), did, outcome.why)
    return telling.tell(store, told, result)
