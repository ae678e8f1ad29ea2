# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries out a plan of a reconciliation in NetBox: exactly that, in batches, each only while NetBox is as planned.

Before each batch it makes sure that the lease is still its own and reads what the batch concerns. Every write is looked
for before it is made, so a run that was killed anywhere is gone on with and nothing is made twice. What was written by
this plan is known by the plan's id in NetBox's change log and journal. It deletes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import batched
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import devices
from ansible_collections.msp.ops.plugins.plugin_utils.desk.devices import Catalogue, Connected, Space
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.leases import Lease
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Change
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.plan import (
    ABANDONED,
    CREATE,
    FACTS,
    MARK,
    STATUS,
    Plan,
    Planned,
    Step,
    touched,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.answers import plain, same_moment
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import BATCH, Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import (
    DEVICE,
    ENDPOINTS,
    OBJECT_TYPES,
    bare_address,
)

JOURNAL = "extras/journal-entries"
LOG = "core/object-changes"
_PRESENT = ("name", "serial", "last_updated", "custom_fields", "primary_ip4", "primary_ip6")
_FIELDS = {kind: (*_PRESENT, "asset_tag", "role", "device_type") if kind == DEVICE else _PRESENT for kind in ENDPOINTS}
# How many interfaces a device has: a new one has those of its type.
_INTERFACES = "interface_count"
# NetBox's clock is known to the second.
_CLOCK = dt.timedelta(seconds=5)

Row = Mapping[str, Any]


def message(plan: Plan) -> str:
    """What NetBox's change log says of every write of a plan."""
    return f"Discovery plan {plan.id}"


def is_ours(words: object) -> bool:
    """Was a row of the change log written by a plan?"""
    return str(words or "").startswith("Discovery plan ")


@dataclass
class Applied:
    """What was done. refused is by step what NetBox did not take."""

    steps: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    refused: dict[str, MspError] = field(default_factory=dict)


@dataclass
class Place:
    """Where a plan is carried out.

    fresh: no run before this one can have written anything of it. since: a moment before NetBox was read for it, by
    NetBox's clock; None where nobody remembers it.
    """

    register: Register
    store: Store
    space: Space
    catalogue: Catalogue
    lease: Lease
    fresh: bool
    since: dt.datetime | None = None
    batch: int = BATCH


def apply(plan: Plan, place: Place, done: frozenset[str] = frozenset()) -> Applied:
    """Carry out the steps that are not done. Refuses to write on a NetBox that is not as the plan was made on."""
    return _Run(plan, place, done).run()


class _Run:
    """One plan being carried out."""

    def __init__(self, plan: Plan, place: Place, done: frozenset[str]) -> None:
        self.plan, self.place = plan, place
        self.register, self.store = place.register, place.store
        self.message = message(plan)
        self.todo = [step for step in plan.steps if step.id not in done]
        self.applied = Applied()
        # Last update of what this run wrote itself, by asset.
        self.written: dict[str, str] = {}
        self.made: set[tuple[str, int]] = set()  # what this plan made, in whichever run: object type and id
        self.just_made: dict[int, Row] = {}  # devices that this run made, as NetBox answered
        self.journaled: set[str] = set()
        self.withheld: dict[str, set[str]] = {}  # by step what somebody else was given before it was this one's turn
        if self.todo and not place.fresh:
            self._read_log()

    def run(self) -> Applied:
        new = [[step] for step in self.todo if step.kind == CREATE]
        for part in batched(new, self.place.batch):
            self._batch(self._creates, part)
        of_asset: dict[str, list[Step]] = {}
        for step in self.todo:
            if step.kind != CREATE:
                of_asset.setdefault(step.asset or "", []).append(step)
        for part in batched((of_asset[key] for key in sorted(of_asset)), self.place.batch):
            self._batch(self._changes, part)
        return self.applied

    def _batch(self, work: Callable[[Sequence[Step]], None], groups: Sequence[Sequence[Step]]) -> None:
        """The steps of some assets at once. NetBox takes a request as a whole or not at all: where it refuses one, the
        halves are tried, down to the asset that it is about.
        """
        try:
            work([step for group in groups for step in group if step.id not in self.applied.steps])
        except MspError as error:
            if error.code != "MSP-REG-007":
                raise
            if len(groups) == 1:
                self.applied.refused |= {step.id: error for step in groups[0] if step.id not in self.applied.steps}
                return
            half = len(groups) // 2
            self._batch(work, groups[:half])
            self._batch(work, groups[half:])

    # -- before a batch -----------------------------------------------------------------------------------------------

    def _read_log(self) -> None:
        """What an earlier run of this plan wrote before it was cut off."""
        fields = ("changed_object_type", "changed_object_id", "action", "message")
        for row in self.register.rows(LOG, fields=fields, filters={"q": self.plan.id}):
            if row["message"] == self.message and row["action"]["value"] == "create":
                self.made.add((row["changed_object_type"], row["changed_object_id"]))
        for row in self.register.rows(JOURNAL, fields=("comments",), filters={"q": self.plan.id}):
            self.journaled |= {step.id for step in self.todo if str(row["comments"]).endswith(self._signature(step))}

    def _hold(self) -> None:
        """The lease is still ours, and lasts for the next batch."""
        lease = self.place.lease
        if not leases.held(self.store, lease) or leases.take(self.store, lease.name, lease.holder).fence != lease.fence:
            raise MspError(
                "MSP-REC-003",
                f"the lease {lease.name!r} to be this run's until its end",
                "it ran out, or another run took it over",
                "run again: what was written is recognised, and the rest is gone on with",
            )

    def _present(self, keys: Iterable[str]) -> dict[str, Row]:
        """The assets as they are now; refused where they are not as the plan was made on."""
        found: dict[str, Row] = {}
        wanted = sorted(keys)
        for kind, endpoint in ENDPOINTS.items():
            if ids := [_id(key) for key in wanted if key.startswith(f"{kind}:")]:
                rows = self.register.rows(endpoint, fields=_FIELDS[kind], filters={"id": ids})
                found |= {f"{kind}:{row['id']}": row for row in rows}
        changed = [key for key in wanted if key not in found or not self._as_planned(key, found[key])]
        if not self.place.fresh and changed:
            changed = [key for key in changed if key not in found or not self._our_own_doing(key)]
        if changed:
            raise self._refused(", ".join(f"{self._called(key)} ({key})" for key in changed))
        return found

    def _as_planned(self, key: str, row: Row) -> bool:
        seen = self.written.get(key) or self.plan.based_on.get(key, "")
        return same_moment(str(row["last_updated"]), seen)

    def _our_own_doing(self, key: str) -> bool:
        """Is what an asset's change log says last of it a write of this plan? Then it is as the plan left it."""
        kind = key.partition(":")[0]
        filters = {"changed_object_type": OBJECT_TYPES[kind], "changed_object_id": _id(key)}
        since = {"time_after": self.plan.based_on[key]} if self.plan.based_on.get(key) else {}
        rows = self.register.rows(LOG, fields=("message", "time"), filters={**filters, **since})
        return bool(rows) and rows[-1]["message"] == self.message

    def _called(self, key: str) -> str:
        return next((step.name for step in self.plan.steps if step.asset == key), key)

    def _refused(self, what: str) -> MspError:
        return MspError(
            "MSP-REC-002",
            f"NetBox as plan {self.plan.id} of {self.plan.customer} was made on",
            f"changed since: {what}",
            "make a new plan and look at it; nothing of the next steps was written",
        )

    # -- what becomes a device ----------------------------------------------------------------------------------------

    def _creates(self, steps: Sequence[Step]) -> None:
        self._hold()
        there, foreign = self._since_planned()
        by_name = {row["name"].casefold(): int(row["id"]) for row in there}
        ids = {step.id: by_name[step.values["name"].casefold()] for step in steps if _named(step) in by_name}
        givers = self._givers(steps, ids)
        if not foreign:
            ids |= self._make([step for step in steps if step.id not in ids])
        made = [step for step in steps if step.id in ids]
        try:
            self._complete(made, ids, givers)
        except MspError as error:
            if error.code != "MSP-REG-007" or len(made) != 1:
                raise
            # The device is there and is told of; what of its network NetBox does not take, the next plan tries again.
            self.applied.refused[made[0].id] = error
        self._finish(made, {step.id: f"{DEVICE}:{ids[step.id]}" for step in made})
        if foreign:
            raise self._refused(f"added: {', '.join(foreign)}")

    def _givers(self, steps: Sequence[Step], ids: Mapping[str, int]) -> dict[str, Row]:
        """The assets that give up an address, read before anything is made. ids is what a killed run made of these
        steps: that is told of, whatever becomes of the rest.
        """
        try:
            return self._present(touched(steps))
        except MspError as error:
            if error.code == "MSP-REC-002":
                made = [step for step in steps if step.id in ids]
                self._finish(made, {step.id: f"{DEVICE}:{ids[step.id]}" for step in made})
            raise

    def _since_planned(self) -> tuple[list[Row], list[str]]:
        """The customer's assets that are newer than the plan: those that it made, and the names of the others."""
        if self.place.fresh and not self._anybody_added():
            return [], []
        ours: list[Row] = []
        foreign: list[str] = []
        for kind, endpoint in ENDPOINTS.items():
            filters = {"tenant_id": self.place.space.tenant, "id__gt": self.plan.newest.get(kind, 0)}
            for row in self.register.rows(endpoint, fields=("name",), filters=filters):
                if (OBJECT_TYPES[kind], row["id"]) in self.made:
                    ours.append(row)
                else:
                    foreign.append(f"{row['name']} ({kind}:{row['id']})")
        return ours, foreign

    def _anybody_added(self) -> bool:
        """Whether anybody but plans made an asset since NetBox was read, whoever's: its change log is quick to say."""
        if self.place.since is None:
            return True
        since = {"action": "create", "time_after": self.place.since - _CLOCK}
        return any(
            not is_ours(row["message"])
            for kind in ENDPOINTS
            for row in self.register.rows(
                LOG, fields=("message",), filters={**since, "changed_object_type": OBJECT_TYPES[kind]}
            )
        )

    def _make(self, steps: Sequence[Step]) -> dict[str, int]:
        taken = devices.tags_held(
            self.register, [step.values["asset_tag"] for step in steps if step.values.get("asset_tag")]
        )
        rows = [self._new(step, taken) for step in steps]
        told = (*_FIELDS[DEVICE], _INTERFACES)
        made = self.register.create(devices.DEVICES, rows, message=self.message, returns=told)
        self.made |= {(OBJECT_TYPES[DEVICE], int(row["id"])) for row in made}
        self.just_made |= {int(row["id"]): row for row in made}
        return {step.id: int(row["id"]) for step, row in zip(steps, made, strict=True)}

    def _new(self, step: Step, taken: frozenset[str]) -> dict[str, Any]:
        values, space = step.values, self.place.space
        site = space.site(values.get("address"))
        if site is None:
            raise MspError(
                "MSP-REC-004",
                f"a site of {self.plan.customer} in NetBox, where a device can stand",
                "a customer without sites",
                "add the site to the contract file and run playbooks/onboard.yml, then run again",
            )
        custom = {names.OPERATING_SYSTEM: values.get("os"), names.DISCOVERY: values.get(names.DISCOVERY)}
        more: dict[str, Any] = {"custom_fields": {name: value for name, value in custom.items() if value}}
        if values.get("asset_tag") and values["asset_tag"].casefold() not in taken:
            more["asset_tag"] = values["asset_tag"]
        if values.get("description"):
            more["description"] = values["description"]
        return devices.body(
            space,
            site,
            self.place.catalogue.of(values["class"], self.message),
            name=values["name"],
            status=names.UNLISTED,
            asset_class=values["class"],
            serial=values.get("serial", ""),
            **more,
        )

    def _complete(self, steps: Sequence[Step], ids: Mapping[str, int], givers: Mapping[str, Row]) -> None:
        """Interface, hardware addresses, address and primary address of devices that were just made."""
        self._let_go(steps, givers)
        wanted = [_connected(step, ids[step.id]) for step in steps]
        bare = [id for id, row in self.just_made.items() if row.get(_INTERFACES) == 0]
        primary = devices.connect(self.register, DEVICE, wanted, self.place.space, self.message, bare=bare)
        has = {id: self.just_made[id] for id in primary if id in self.just_made}
        if older := [id for id in primary if id not in has]:
            rows = self.register.rows(devices.DEVICES, fields=_FIELDS[DEVICE], filters={"id": older})
            has |= {int(row["id"]): row for row in rows}
        lacking = [{"id": id, **value} for id, value in primary.items() if not _same(has[id], value)]
        self.register.update(devices.DEVICES, lacking, message=self.message)

    # -- what is known ------------------------------------------------------------------------------------------------

    def _changes(self, steps: Sequence[Step]) -> None:
        self._hold()
        present = self._present(touched(steps))
        statuses = [step for step in steps if step.kind == STATUS]
        for step in statuses:
            self._status(step, present)
        assets = {step.id: step.asset or "" for step in steps}
        self._finish(statuses, assets)
        facts = [step for step in steps if step.kind == FACTS]
        tags = self._taken_tags(facts)
        self._let_go(facts, present)
        rows: dict[str, dict[str, Any]] = {}
        for kind in ENDPOINTS:
            of_kind = [step for step in facts if (step.asset or "").startswith(f"{kind}:")]
            wanted = [_connected(step, _id(step.asset or ""), present[step.asset or ""]) for step in of_kind]
            for id, primary in devices.connect(self.register, kind, wanted, self.place.space, self.message).items():
                rows[f"{kind}:{id}"] = dict(primary)
        for step in facts:
            if step.values.get("address") and step.asset not in rows:
                self.withheld.setdefault(step.id, set()).add("address")
        for step in (*facts, *(one for one in steps if one.kind == MARK)):
            self._collect(step, rows.setdefault(step.asset or "", {}), tags)
        self._send({key: differing for key, row in rows.items() if (differing := _differing(row, present[key]))})
        self._finish([step for step in steps if step.kind != STATUS], assets)

    def _taken_tags(self, facts: Sequence[Step]) -> frozenset[str]:
        """Asset tags that somebody else was given since the plan was made."""
        tags = {step.values["fields"]["asset_tag"]: step for step in facts if _tag(step)}
        taken = devices.tags_held(self.register, list(tags), but=[_id(step.asset or "") for step in tags.values()])
        for tag, step in tags.items():
            if tag.casefold() in taken:
                self.withheld.setdefault(step.id, set()).add("asset_tag")
        return taken

    def _status(self, step: Step, present: Mapping[str, Row]) -> None:
        """The contract status, if nobody changed the asset meanwhile: NetBox itself looks, with If-Match."""
        key = step.asset or ""
        wanted = step.values[names.CONTRACT_STATUS]
        if plain(present[key]["custom_fields"]).get(names.CONTRACT_STATUS) != wanted:
            row = {"id": _id(key), "custom_fields": dict(step.values)}
            seen = str(present[key]["last_updated"])
            endpoint = ENDPOINTS[key.partition(":")[0]]
            made = self.register.update_if_unchanged(endpoint, row, seen, message=self.message)
            self.written[key] = str(made["last_updated"])

    def _let_go(self, steps: Sequence[Step], present: Mapping[str, Row]) -> None:
        """An address that is taken over is no longer its former holder's primary one: NetBox insists on that order."""
        rows: dict[str, dict[str, Any]] = {}
        for step in steps:
            giver = str(step.values.get("address_from") or "")
            for family in ("primary_ip4", "primary_ip6") if giver else ():
                held = present[giver].get(family)
                if held and bare_address(held["address"]) == step.values["address"]:
                    rows.setdefault(giver, {})[family] = None
        self._send(rows)

    def _collect(self, step: Step, row: dict[str, Any], taken: frozenset[str]) -> None:
        """Add what a step writes to an asset to that asset's row."""
        if step.kind == MARK:
            row.setdefault("custom_fields", {}).update(step.values)
            return
        fields = step.values.get("fields", {})
        row |= {name: new for name, new in fields.items() if name != "asset_tag" or new.casefold() not in taken}
        custom = step.values.get("custom", {})
        if custom:
            row.setdefault("custom_fields", {}).update(custom)
        if step.values.get("retype"):
            row["role"], row["device_type"] = self.place.catalogue.of(custom[names.ASSET_CLASS], self.message)

    def _send(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Write to assets, and remember what NetBox then says of when they were updated."""
        for kind, endpoint in ENDPOINTS.items():
            keys = sorted((key for key in rows if key.startswith(f"{kind}:")), key=_id)
            bodies = [{"id": _id(key), **rows[key]} for key in keys]
            for row in self.register.update(endpoint, bodies, message=self.message):
                self.written[f"{kind}:{row['id']}"] = str(row["last_updated"])

    # -- after a batch ------------------------------------------------------------------------------------------------

    def _finish(self, steps: Sequence[Step], assets: Mapping[str, str]) -> None:
        """The journal, the list of changes, and last that the steps are done."""
        if not steps:
            return
        entries = [
            {
                "assigned_object_type": OBJECT_TYPES[assets[step.id].partition(":")[0]],
                "assigned_object_id": _id(assets[step.id]),
                "kind": "warning" if _warns(step) else "info",
                "comments": f"{step.journal} {self._signature(step)}",
            }
            for step in steps
            if step.journal and step.id not in self.journaled
        ]
        self.register.create(JOURNAL, entries, message=self.message, returns=("created",))
        ids = {step.id for step in steps}
        done = [self._done(one) for one in self.plan.changes if one.step in ids]
        changes = [self.plan.recorded(one, assets[one.step]) for one in done if one is not None]
        self.store.record_changes(changes)
        self.store.record_steps(self.plan.id, ids)
        self.applied.steps += sorted(ids)
        self.applied.changes += changes

    def _done(self, one: Planned) -> Planned | None:
        """What of a change was done; None where nothing was."""
        withheld = self.withheld.get(one.step)
        if not withheld or one.kind != "changed":
            return one
        left = [change for change in one.detail["changes"] if change["what"] not in withheld]
        return replace(one, detail={**one.detail, "changes": left}) if left else None

    def _signature(self, step: Step) -> str:
        return f"(plan {self.plan.id}, step {step.id})"


def abandon(store: Store, plan: Plan) -> None:
    """Nobody goes on with this plan."""
    store.record_steps(plan.id, [ABANDONED])


def _connected(step: Step, id: int, present: Row | None = None) -> Connected:
    """What a step gives an asset. The primary address that the plan found to be its own no more gives way."""
    values = step.values
    giver = values.get("address_from")
    take = (giver.partition(":")[0], _id(giver)) if giver else None
    held = [(present or {}).get(family) for family in ("primary_ip4", "primary_ip6")]
    former = [one["id"] for one in held if one and bare_address(one["address"]) == step.before.get("address")]
    return Connected(id, tuple(values.get("macs", ())), values.get("address"), take, former[0] if former else None)


def _differing(row: Mapping[str, Any], present: Row) -> dict[str, Any]:
    """The part of a row that NetBox does not have yet."""
    has = plain(present["custom_fields"])
    found: dict[str, Any] = {}
    for name, value in row.items():
        if name == "custom_fields":
            custom = {key: new for key, new in value.items() if (has.get(key) or None) != new}
            found |= {"custom_fields": custom} if custom else {}
        elif name in ("primary_ip4", "primary_ip6", "role", "device_type"):
            found |= {} if _same(present, {name: value}) else {name: value}
        elif present.get(name) != value:
            found[name] = value
    return found


def _same(row: Row, related: Mapping[str, int]) -> bool:
    """Does a row refer to these objects already?"""
    return all((row[name] or {}).get("id") == id for name, id in related.items())


def _warns(step: Step) -> bool:
    return step.values.get(names.DISCOVERY) in (names.MISSING, names.CONFLICT)


def _tag(step: Step) -> str:
    return str(step.values.get("fields", {}).get("asset_tag") or "")


def _named(step: Step) -> str:
    return str(step.values["name"]).casefold()


def _id(key: str) -> int:
    return int(key.partition(":")[2])
