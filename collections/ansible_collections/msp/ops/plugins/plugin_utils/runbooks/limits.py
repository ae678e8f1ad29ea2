# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""May a runbook run on an asset now? Limits against loops, and the ways to stop it.

A runbook that runs again and again on one asset mends nothing, whatever it says; one that fails at several assets in a
row is wrong itself. Pure: decides from what ran before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import RunbookRun
from ansible_collections.msp.ops.plugins.plugin_utils.register.names import EVERY_RUNBOOK

DAY = dt.timedelta(days=1)
# A run that found its problem and could do nothing about it says nothing against the runbook, and does nothing that
# could go round in a loop; but somebody is told each time, so it has a limit too: so many times that of the others.
IDLE = 4
# A run that has not ended after so long never will: its controller died, and that is a failure.
PATIENCE = dt.timedelta(hours=1)
# A run that found nothing to do used nothing up.
FREE = ("nothing_to_do",)


@dataclass(frozen=True, slots=True)
class Limits:
    """per_asset_a_day: so many runs on one asset in 24 hours that did something. After failures at so many different
    assets within hours, the runbook runs nowhere until that time has passed."""

    per_asset_a_day: int
    failures: int
    within_hours: float

    @property
    def looks_back(self) -> dt.timedelta:
        """How much of what ran before the decision needs."""
        return max(DAY, dt.timedelta(hours=self.within_hours))


def stopped(runbook: str, stops: Collection[str]) -> bool:
    """Whether a customer has stopped this runbook, or all."""
    return runbook in stops or EVERY_RUNBOOK in stops


def refused(limits: Limits, customer: str, asset: str, before: Sequence[RunbookRun], now: dt.datetime) -> str | None:
    """Why it may not run on this asset now, as a sentence; None where it may. before: what ran of it, anywhere."""
    mine = [
        run
        for run in before
        if (run.customer, run.asset) == (customer, asset) and run.at > now - DAY and run.outcome not in FREE
    ]
    acted = [run for run in mine if did_something(run)]
    if len(acted) >= limits.per_asset_a_day:
        return (
            f"it ran {len(acted)} times on this asset in the last 24 hours, and may {limits.per_asset_a_day} times: "
            "what it does does not last"
        )
    if len(mine) >= IDLE * limits.per_asset_a_day:
        return f"it was asked for {len(mine)} times on this asset in the last 24 hours, and could mostly do nothing"
    recent = now - dt.timedelta(hours=limits.within_hours)
    failed = {(run.customer, run.asset) for run in before if run.at > recent and failure(run, now)}
    if len(failed) >= limits.failures:
        return (
            f"it did not help at {len(failed)} assets in the last {limits.within_hours:g} hours: the runbook, or "
            "something that all of them share, is broken"
        )
    return None


def did_something(run: RunbookRun) -> bool:
    """Whether a run changed anything on the host, as far as anybody knows; one that has not ended may have."""
    return run.outcome != "gave_up" or bool(run.body.get("did"))


def failure(run: RunbookRun, now: dt.datetime) -> bool:
    """Whether a run counts against its runbook: it broke, it did something that did not help, or it never ended."""
    if run.outcome is None:
        return run.at < now - PATIENCE
    return run.outcome == "failed" or (run.outcome == "gave_up" and did_something(run))
