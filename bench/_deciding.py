"""Decides for the made customer as a run of the playbook does, in a process of its own; prints what it took as JSON.

STORE_URL and one of the COMMANDS are its arguments. A run is up to three rounds, and after each every host answers.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.desk import rollouts
from ansible_collections.msp.ops.plugins.plugin_utils.desk.ticks import Setting, Tick
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.leases import Lease
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import deciding, events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import SECURITY, HostResult
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Rollout, fold
from bench import _made_patches as made

SETTING = Setting(made.CUSTOMER, made.host_names(), wait=1200, by="bench")
ROUNDS = 3
# So much of a rollout is behind it where it is far on.
FAR = 0.6


def make(store: Store) -> dict[str, Any]:
    """Fill the store."""
    store.record_scans(made.scans(store.now()))
    return {}


def preview(store: Store) -> dict[str, Any]:
    """What a run would do, from the store's rows to the words for a person; nothing is written."""
    start = time.perf_counter()
    said = rollouts.preview_with(store, made.assignment(), SETTING).as_dict()
    return {"seconds": [time.perf_counter() - start], "asked": [0], "rollouts": _states(said)}


def tick(store: Store) -> dict[str, Any]:
    """One run, round by round: seconds, and how many hosts each gave something to do."""
    lease = _lease(store)
    assets = {host: key for key, host in SETTING.hosts.items()}
    handed, answers = Tick(lease.holder, lease.fence, store.now()), dict[str, Any]()
    seconds, asked = list[float](), list[int]()
    for number in range(1, ROUNDS + 1):
        start = time.perf_counter()
        setting = replace(SETTING, last=number == ROUNDS)
        said = rollouts.round_with(store, made.assignment(), setting, handed, answers).as_dict()
        handed = Tick.of(json.loads(json.dumps(said["tick"])))
        seconds.append(time.perf_counter() - start)
        asked.append(len(handed.work))
        if not handed.work:
            break
        answers = {one.host: made.answer(one, store.now(), assets) for one in handed.work}
    leases.release(store, lease)
    return {"seconds": seconds, "asked": asked, "rollouts": _states(said)}


def go_far(store: Store) -> dict[str, Any]:
    """Bring the security rollout so far on as many runs would, without their waiting: its history is as long then."""
    lease = _lease(store)
    (stored,) = [
        one for one in store.rollouts(made.CUSTOMER, open_only=True) if one.body["plan"] and _class_of(one) == SECURITY
    ]
    (assigned,) = made.assignment().plans
    found = fold(stored.id, events.of(stored))
    world = deciding.World(frozenset(SETTING.hosts.values()))

    def write(event: events.Event) -> None:
        nonlocal found
        store.append_event(stored.id, found.number + 1, events.stored(event), lease.fence)
        found = found.after(event)

    while sum(host.done for host in found.hosts.values()) < FAR * len(found.hosts):
        now = store.now()
        for event in _next(found, assigned.plan, now, world):
            write(event)
    leases.release(store, lease)
    return {"events": found.number}


def _next(found: Rollout, plan: Any, now: dt.datetime, world: deciding.World) -> list[events.Event]:
    """The events of one step in which all goes well."""
    decision = deciding.decide(found, plan, now, world)
    if isinstance(decision, deciding.Record):
        return [decision.event]
    if isinstance(decision, deciding.Start):
        return [decision.event]
    if isinstance(decision, deciding.Look):
        return [_patched(found, name, now) for name in decision.hosts]
    if isinstance(decision, deciding.Judge):
        return [deciding.verdict(found, plan, decision.ring, now, unwell={}, silent={})]
    raise RuntimeError(f"the made rollout does not go on: {decision}")


def _patched(found: Rollout, name: str, now: dt.datetime) -> events.Event:
    asset = found.hosts[name].target.asset
    versions = {f"package-{number:03}:amd64": f"1.{number}-3" for number in range(made.EACH)}
    result = HostResult(name, asset, "patched", now, dict.fromkeys(versions, "1.0-0"), versions, healthy=True)
    return events.HostEnded(now, result, 60.0)


def _class_of(stored: Any) -> str:
    return str(stored.events[0].body["patch_class"])


def _lease(store: Store) -> Lease:
    return leases.take(store, rollouts.lease_name(made.CUSTOMER), leases.somebody(), 3600)


def _states(said: Mapping[str, Any]) -> list[str]:
    return [f"{one['class']} {one['side'] or one['state']}" for one in said["rollouts"]]


COMMANDS: Mapping[str, Callable[[Store], dict[str, Any]]] = {
    "make": make,
    "preview": preview,
    "tick": tick,
    "far": go_far,
}


def main(url: str, what: str) -> None:
    with Store.open(url, upgrade=what == "make") as store:
        print(json.dumps(COMMANDS[what](store)))


if __name__ == "__main__":
    main(*sys.argv[1:])
