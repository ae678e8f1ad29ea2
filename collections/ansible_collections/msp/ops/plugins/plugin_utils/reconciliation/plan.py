# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A plan: what NetBox has to be told so that it says what is there, step by step, and what it rests on. Pure: no I/O.

The same steps on the same NetBox have the same id, so a plan that was approved is known again. Nothing is merged,
nothing deleted, and nothing that was promised is overwritten.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import event_key
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Change, StoredPlan

# In this order: what is made, what is filled in, what was agreed on, what is shown.
# Recorded as a step of a plan that nobody will go on with.
ABANDONED = "abandoned"

CREATE, FACTS, STATUS, MARK = STEP_KINDS = ("create", "facts", "status", "mark")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing or asset, and what is written to it.

    asset is None for what NetBox does not know yet. values are what is written, before what NetBox had of them, lines
    the same in words. journal is the entry that says why ("" for a mere fact); it is evidence and not part of the id.
    """

    id: str
    kind: str
    thing: str
    asset: str | None
    name: str
    values: Mapping[str, Any]
    before: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[tuple[str, str], ...] = ()
    journal: str = ""

    @classmethod
    def of(cls, kind: str, thing: str, asset: str | None, name: str, values: Mapping[str, Any], **more: Any) -> Step:
        """A step with the id that what it does gives it."""
        key = event_key(kind, asset or thing, _sorted(values), _sorted(more.get("before", {})))
        return cls(key[:12], kind, thing, asset, name, values, **more)


@dataclass(frozen=True, slots=True)
class Planned:
    """A change that is recorded once its step is done. asset is None for a step that makes one."""

    step: str
    kind: str
    thing: str
    asset: str | None
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """All of one customer. based_on is last_updated by asset, newest the highest id NetBox had by kind of asset, after
    stands for the plans that were carried out before.
    """

    id: str
    customer: str
    made: dt.datetime
    after: str
    based_on: Mapping[str, str]
    newest: Mapping[str, int]
    steps: tuple[Step, ...]
    changes: tuple[Planned, ...]

    @classmethod
    def of(
        cls,
        customer: str,
        made: dt.datetime,
        *,
        after: str,
        based_on: Mapping[str, str],
        newest: Mapping[str, int],
        steps: tuple[Step, ...],
        changes: tuple[Planned, ...],
    ) -> Plan:
        """A plan with the id that its steps and what it rests on give it."""
        base = newest if any(step.kind == CREATE for step in steps) else {}
        key = event_key(customer, after, _sorted(based_on), _sorted(base), [step.id for step in steps])
        return cls(key[:20], customer, made, after, based_on, dict(base), steps, changes)

    def diff(self) -> dict[str, str]:
        """Before and after, a line a fact: Ansible's diff."""
        lines = [(f"{step.name}: ", pair) for step in self.steps for pair in step.lines]
        return {
            "before": "".join(f"{name}{before}\n" for name, (before, _after) in lines if before),
            "after": "".join(f"{name}{after}\n" for name, (_before, after) in lines if after),
        }

    def recorded(self, change: Planned, asset: str | None) -> Change:
        """A change as it is recorded once its step is done."""
        key = event_key(self.id, change.step, change.kind)
        return Change(key, self.customer, self.made, change.kind, change.thing, asset, change.detail, self.id)


def touched(steps: Iterable[Step]) -> tuple[str, ...]:
    """The assets that these steps write to, those whose address is taken over among them."""
    found = {key for step in steps for key in (step.asset, step.values.get("address_from")) if key}
    return tuple(sorted(found))


def stored(plan: Plan) -> StoredPlan:
    """The plan as the evidence store keeps it."""
    body = {
        "after": plan.after,
        "based_on": dict(plan.based_on),
        "newest": dict(plan.newest),
        "steps": [
            {
                "id": step.id,
                "kind": step.kind,
                "thing": step.thing,
                "asset": step.asset,
                "name": step.name,
                "values": dict(step.values),
                "before": dict(step.before),
                "lines": [list(pair) for pair in step.lines],
                "journal": step.journal,
            }
            for step in plan.steps
        ],
        "changes": [
            {"step": c.step, "kind": c.kind, "thing": c.thing, "asset": c.asset, "detail": dict(c.detail)}
            for c in plan.changes
        ],
    }
    return StoredPlan(plan.id, plan.customer, plan.made, body)


def loaded(kept: StoredPlan) -> Plan:
    """The plan as it was made, out of the store."""
    body = kept.body
    steps = tuple(
        Step(**{**one, "lines": tuple((before, after) for before, after in one["lines"])}) for one in body["steps"]
    )
    changes = tuple(Planned(**one) for one in body["changes"])
    return Plan(kept.id, kept.customer, kept.made, body["after"], body["based_on"], body["newest"], steps, changes)


def done(kept: StoredPlan) -> bool:
    """Were all of its steps carried out?"""
    return all(step["id"] in kept.steps for step in kept.body["steps"])


def is_open(kept: StoredPlan) -> bool:
    """Was it approved, and neither carried out to its end nor given up?"""
    return kept.approved_by is not None and ABANDONED not in kept.steps and not done(kept)


def carried_out(plans: Iterable[StoredPlan]) -> str:
    """All plans that were carried out, as one word: another plan rests on NetBox after exactly these."""
    finished = sorted(one.id for one in plans if done(one))
    return event_key(*finished)[:12] if finished else ""


def _sorted(values: Any) -> str:
    """One text of a value, whatever the order of its keys."""
    if isinstance(values, Mapping):
        return "{" + ",".join(f"{key}:{_sorted(value)}" for key, value in sorted(values.items())) + "}"
    if isinstance(values, list | tuple):
        return "[" + ",".join(map(_sorted, values)) + "]"
    return repr(values)
