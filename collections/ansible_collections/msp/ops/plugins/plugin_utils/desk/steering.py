# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What people have to do with rollouts: they approve, pause, resume and abort them, and look how far they are.

It waits for no run and gives no host anything to do: what a person asks is an event, and the next round heeds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_plans, rollouts
from ansible_collections.msp.ops.plugins.plugin_utils.desk.opened import Opened, manifest_of
from ansible_collections.msp.ops.plugins.plugin_utils.desk.ticks import Setting
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StoredRollout
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import asking, events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import Assignment
from ansible_collections.msp.ops.plugins.plugin_utils.patching.history import TRIES
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

TICK, STATUS = "tick", "status"
ACTIONS = (TICK, *asking.ACTIONS, STATUS)
# What the store says when a controller with a later lease has written (evidence.writing.append_event).
AFTER_A_LATER_LEASE = "MSP-EVD-019"


def asked(store: Store, arguments: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """Record what a person asks of a rollout: approve, pause, resume, abort. The only open one where none is named.

    It waits for no run that is at work: what that decided on an older history the store refuses, and it decides anew.
    Raises MSP-PAT-075 where others write faster than this, again and again.
    """
    for _unused in range(TRIES):
        stored = _one(store, arguments["customer"], arguments["rollout"])
        if arguments["action"] == asking.APPROVE:
            manifest_of(stored)
        one = Opened.of(store, stored, max((event.fence or 0 for event in stored.events), default=stored.fence or 0))
        event = asking.ask(
            one.rollout,
            arguments["action"],
            by=arguments["by"],
            reason=arguments["reason"],
            at=store.now(),
            manifest=arguments["manifest"],
        )
        if check or _added(one, event):
            said = f"{one.rollout.id}: {arguments['action']} by {event.by}: {event.reason}"
            return {"changed": True, "rollouts": [{"rollout": one.rollout.id, "plan": one.plan}], "summary": [said]}
    raise MspError(
        "MSP-PAT-075",
        f"to add what {arguments['by']} asks to the rollout",
        f"that another run wrote first, {TRIES} times",
        "look for runs that do not end (awx, cron, timers), then ask again; nothing was recorded",
    )


def _added(one: Opened, event: asking.Asked) -> bool:
    """False: a run wrote meanwhile, or took the lease over; what is asked is asked of the history with that in it."""
    try:
        return one.history.decided(event)
    except MspError as error:
        if error.code != AFTER_A_LATER_LEASE:
            raise
        return False


def status(store: Store, register: Register, customer: str, language: str = "en") -> dict[str, Any]:
    """What a person sees of a customer's open rollouts at any time: what the store says, and apart from that what comes
    next. Writes nothing.
    """
    return status_with(store, patch_plans.plans_of_slug(register, customer, store.now()), customer, language)


def status_with(store: Store, assignment: Assignment, customer: str, language: str = "en") -> dict[str, Any]:
    """The same with NetBox's plans as they were read."""
    found = [events.of(stored) for stored in store.rollouts(customer, open_only=True)]
    targets = (target for history in found for target in _targets(history))
    setting = Setting(customer, {target.asset: target.host for target in targets}, wait=0, language=language)
    said = rollouts.standing_with(store, assignment, setting).as_dict()
    return {name: said[name] for name in ("rollouts", "summary", "halted")} | {"changed": False}


def _targets(history: list[events.Event]) -> Iterator[events.Target]:
    for event in history:
        if isinstance(event, events.Planned):
            yield from (target for ring in event.rings for target in ring.hosts)


def _one(store: Store, customer: str, rollout: str) -> StoredRollout:
    found = store.rollouts(customer, open_only=True)
    chosen = [one for one in found if rollout in ("", one.id)]
    if len(chosen) == 1:
        return chosen[0]
    raise MspError(
        "MSP-PAT-142",
        f"one open rollout of {customer}" + (f" with the id {rollout}" if rollout else ", or the id of one of them"),
        ", ".join(one.id for one in found) or "none open",
        "say which with patch_rollout; playbooks/patch_status.yml lists them",
    )
