# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What follows from an event: which playbooks, for whom, with what. Pure: decides from the event and from the object as
it was read again.

The event says what to look at; the object says what is so. An event that has been overtaken comes to nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.events.records import CREATED, DELETED, FIRING, Event
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import EventOutcome
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

# What a duty is called, here and in the evidence store; desk/playbooks.py says which playbook it is.
AUDIT, STANDARDISE, OFFBOARD, CALENDAR, DRIFT_CHECK, RUNBOOK = DUTIES = (
    *("audit", "standardise", "offboard", "patch_calendar", "standard_scan", "runbook"),
)
STATUS_FIELD = f"custom_fields.{names.CONTRACT_STATUS}"
TAGS = "tags"
LOCAL_CONTEXT = "local_context_data"
CONTEXT = "extras.configcontext"
ASSET_KINDS = ("dcim.device", "virtualization.virtualmachine")
# What of an asset anything follows from.
WATCHED = frozenset({STATUS_FIELD, TAGS, LOCAL_CONTEXT})
# The label of an alert that names a runbook, and what the labels with its parameters begin with.
RUNBOOK_LABEL = "msp_runbook"
PARAMETER_LABEL = "msp_parameter_"
# Whose asset an alert is about; and for which customer an event was handed on.
CUSTOMER_LABEL = "msp_customer"
# The same duty on the same asset is done so often in 24 hours: what sets off itself ends there.
A_DAY = 6
DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class AssetNow:
    """An asset as it was read again. status is the contract status that counts today; held: a standard is asked of it.

    host is its name in the inventory; alike: other assets of the customer that would have the same.
    """

    key: str
    host: str
    customer: str
    status: str
    tags: frozenset[str] = frozenset()
    held: bool = False
    alike: int = 0


@dataclass(frozen=True, slots=True)
class Duty:
    """One piece of work. asset and host are empty for what is about the customer as a whole."""

    name: str
    customer: str
    asset: str = ""
    host: str = ""
    runbook: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done, or why nothing is. refused: somebody wanted what is not done, and a person should know."""

    duties: tuple[Duty, ...] = ()
    why: str = ""
    refused: bool = False
    # Whom the event was about, where that is known.
    customer: str = ""
    asset: str = ""
    # It concerns each of these customers, and is handed on as one event for each.
    each: tuple[str, ...] = ()


def of_interest(event: Event) -> bool:
    """Whether anything can follow from an event of NetBox. A receiver that is told of everything keeps only these."""
    if event.kind == CONTEXT:
        return True
    if event.kind not in ASSET_KINDS:
        return False
    return event.action == CREATED or event.changed is None or bool(WATCHED & set(event.changed))


def of_asset(changed: Collection[str] | None, action: str, asset: AssetNow | None) -> Verdict:
    """From a change of an asset. changed is what changed in all events that are handled together; None: who knows."""
    if action == DELETED:
        return Verdict(why="it was deleted in NetBox; there is nothing to do on a host that nobody answers for")
    if asset is None:
        return Verdict(why="NetBox has no such asset of a customer with a contract, or hides it from this token")
    everything = changed is None
    changed = frozenset(changed or ())
    duties: list[Duty] = []

    def add(name: str) -> None:
        if name not in {duty.name for duty in duties}:
            duties.append(Duty(name, asset.customer, asset.key, asset.host))

    if everything or STATUS_FIELD in changed:
        if asset.status == names.CONTRACTED:
            add(AUDIT)
            if asset.held:
                add(STANDARDISE)
        if asset.status == names.ENDED:
            add(OFFBOARD)
    if TAGS in changed and names.TAG_REMEDIATE in asset.tags and asset.status == names.CONTRACTED and asset.held:
        add(STANDARDISE)
    if LOCAL_CONTEXT in changed and asset.status == names.CONTRACTED:
        duties.append(Duty(CALENDAR, asset.customer))
        if asset.held:
            add(DRIFT_CHECK)
    if not duties:
        return Verdict(why=f"nothing follows from this change of an asset that is {asset.status}")
    return Verdict(tuple(duties)) if not asset.alike else _alike(asset)


def of_context(data: Mapping[str, Any] | None, customers: Collection[str], customer: str | None = None) -> Verdict:
    """From a change of a config context with this data (None: it is gone) that concerns these customers.

    customer: the one for whom it was handed on; who is none of them any more has nothing to be done.
    """
    if customer is None and len(customers) > 1:
        return Verdict(each=tuple(sorted(customers)))
    whom = customers if customer is None else set(customers) & {customer}
    said = set(data or ())
    plan = data is None or names.CONTEXT_PATCH_PLAN in said
    standard = data is None or bool(said & {names.CONTEXT_STANDARD, names.CONTEXT_STANDARDS})
    duties = [
        Duty(name, one)
        for one in sorted(whom)
        for name, wanted in ((CALENDAR, plan), (DRIFT_CHECK, standard))
        if wanted
    ]
    if not duties:
        why = "the config context has neither a patch plan nor a standard, or concerns no customer"
        return Verdict(why=why, customer=customer or "")
    return Verdict(tuple(duties), customer=duties[0].customer)


def of_alert(event: Event, asset: AssetNow | None, known: Collection[str], why_none: str = "") -> Verdict:
    """From an alert. known are the runbooks there are; why_none says why the host it names is no one asset."""
    if event.action != FIRING:
        return Verdict(why="the alert is over")
    runbook = event.labels.get(RUNBOOK_LABEL, "")
    if not runbook:
        return Verdict(why=f"the alert names no runbook in the label {RUNBOOK_LABEL}")
    if runbook not in known:
        return Verdict(why=f"there is no runbook {runbook[:60]!r}; there are {', '.join(sorted(known))}", refused=True)
    if asset is None or asset.status != names.CONTRACTED:
        said = why_none or "no asset has this name"
        return Verdict(
            why=said if asset is None else f"{asset.host} is {asset.status}, not contracted",
            refused=True,
        )
    if asset.alike:
        return _alike(asset)
    parameters = {
        name.removeprefix(PARAMETER_LABEL): value
        for name, value in sorted(event.labels.items())
        if name.startswith(PARAMETER_LABEL)
    }
    return Verdict((Duty(RUNBOOK, asset.customer, asset.key, asset.host, runbook, parameters),))


def _alike(asset: AssetNow) -> Verdict:
    return Verdict(
        why=f"{asset.alike + 1} assets of {asset.customer} would be the host {asset.host}: give each its own name",
        refused=True,
    )


def worn_out(duty: Duty, before: Sequence[EventOutcome], now: dt.datetime) -> str | None:
    """Why a duty is not done again, as a sentence; None where it is. before: what became of this customer's events.

    A runbook has limits of its own.
    """
    if duty.name == RUNBOOK:
        return None
    done = sum(
        work.get("duty") == duty.name and work.get("asset", "") == duty.asset
        for outcome in before
        if outcome.at > now - DAY
        for work in outcome.work
    )
    if done < A_DAY:
        return None
    return (
        f"{duty.name} was done {done} times in the last 24 hours for the same reason: what it does seems to set it off "
        "again"
    )
