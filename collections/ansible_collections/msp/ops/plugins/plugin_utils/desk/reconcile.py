# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reconciles what was seen with what NetBox says: read both, find, plan, have it approved, carry it out.

Reads for all customers at once; plans and writes customer by customer, under a lease each. The evidence store keeps
the plan before the first write, so a run that was killed anywhere is gone on with by the next. Nothing is written to
NetBox but a plan's steps, and nothing at all where there is nothing to say.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import applying, deciding, devices, holding
from ansible_collections.msp.ops.plugins.plugin_utils.desk.applying import Applied, Place
from ansible_collections.msp.ops.plugins.plugin_utils.desk.devices import Catalogue, Space
from ansible_collections.msp.ops.plugins.plugin_utils.desk.identifying import Identified, OnFile, identify, on_file
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.leases import Lease
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    Change,
    Coverage,
    Decision,
    StoredPlan,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.identity.collector import without_collector
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import findings as finding_of
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import news, words
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.earlier import Earlier, earlier
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.findings import CONFLICT, Finding, Known
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.given import given_values
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.plan import (
    CREATE,
    Plan,
    carried_out,
    done,
    is_open,
    loaded,
    stored,
)
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.planning import Taken
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.planning import plan as plan_of
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import (
    DEVICE,
    VIRTUAL_MACHINE,
    assets_of,
    customers,
)

# What is read of an asset here: less than a verification needs, of very many.
_COMMON = ("name", "serial", "tenant", "platform", "primary_ip4", "primary_ip6", "last_updated", "custom_fields")
FIELDS = {DEVICE: (*_COMMON, "asset_tag", "device_type"), VIRTUAL_MACHINE: _COMMON}
# Looks that are older prove nothing any more: enough for three monthly ones.
HISTORY = dt.timedelta(days=100)
# Customers that are worked on at the same time: NetBox's usual number of workers.
SIDE_BY_SIDE = 3
# Who approved a plan where nobody has to.
NOBODY, NOT_NEEDED = "msp.ops.reconcile", "no approval is required"


@dataclass(frozen=True, slots=True)
class Options:
    """needed: complete looks in a row that have to miss a thing, by kind of source. patience: how long nobody must have
    seen it, by asset class. check: write nothing anywhere.
    """

    needed: Mapping[str, int] = field(default_factory=dict)
    require_approval: bool = False
    check: bool = False
    patience: Mapping[str, dt.timedelta] = field(default_factory=dict)


@dataclass(slots=True)
class Reconciled:
    """What came of one customer."""

    customer: str
    findings: tuple[Finding, ...] = ()
    plan: Plan | None = None  # None: nothing to tell NetBox
    approved: bool = False
    applied: Applied = field(default_factory=Applied)
    news: tuple[Change, ...] = ()
    resumed: tuple[str, ...] = ()  # plans of a run before this one that were brought to their end
    given_up: tuple[str, ...] = ()  # plans that NetBox changed underneath
    called: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """One customer in the result of msp.ops.reconcile."""
        return {
            "counts": finding_of.count(self.findings),
            "plan": self.plan.id if self.plan else None,
            "steps": len(self.plan.steps) if self.plan else 0,
            "approved": self.approved,
            "applied": len(self.applied.steps),
            "changes": [self._change(one) for one in (*self.news, *self.applied.changes)],
            "conflicts": [self._conflict(one) for one in self.findings if one.kind == CONFLICT],
            "resumed": list(self.resumed),
            "given_up": list(self.given_up),
        }

    def _change(self, one: Change) -> dict[str, Any]:
        return {"kind": one.kind, "thing": one.thing, "asset": one.asset, "name": one.detail.get("name", one.thing)}

    def _conflict(self, one: Finding) -> dict[str, Any]:
        return {
            "thing": one.thing,
            "name": one.name,
            "why": one.why,
            "evidence": words.evidence(one.seen),
            "sides": words.sides(one, self.called),
        }


@dataclass(frozen=True, slots=True)
class Read:
    """One customer as NetBox has it now, and the looks that the evidence store keeps."""

    customer: Customer
    assets: Sequence[Asset]
    space: Space
    looks: Sequence[Coverage]
    decisions: tuple[Decision, ...]
    on_file: Callable[[], OnFile]


@dataclass(frozen=True, slots=True)
class Gathered:
    """One customer as both stores have it now."""

    customer: Customer
    who: Identified
    known: Known
    space: Space
    decisions: tuple[Decision, ...]
    changes: tuple[Change, ...]
    plans: tuple[StoredPlan, ...]


def reconcile(
    register: Register, store: Store, slugs: Sequence[str], options: Options, now: dt.datetime
) -> list[Reconciled]:
    """Plan and, where that needs nobody's approval or has it, carry out. One customer's error stops no other."""
    return _Reconciliation(register, store, options, now).all(slugs, apply=True)


def plan(
    register: Register, store: Store, slugs: Sequence[str], options: Options, now: dt.datetime
) -> list[Reconciled]:
    """Plan, and keep the plans to be approved. Nothing is written to NetBox."""
    return _Reconciliation(register, store, options, now).all(slugs, apply=False)


def approve(store: Store, plan_id: str, *, by: str, reason: str, check: bool = False) -> StoredPlan:
    """Somebody says yes to a plan. The first to say so stays."""
    if not by.strip() or not reason.strip():
        raise MspError(
            "MSP-REC-005",
            "who approves the plan, and why",
            f"approved_by {by!r}, reason {reason!r}",
            "give both: they stay with the plan",
        )
    kept = _kept(store, plan_id)
    return kept if check else store.approve_plan(plan_id, by=by, reason=reason)


def apply(register: Register, store: Store, plan_id: str, options: Options) -> Reconciled:
    """Carry out exactly this plan, or what is left of it. Refused where NetBox changed since it was made."""
    kept = _kept(store, plan_id)
    found = Reconciled(kept.customer, plan=loaded(kept), approved=kept.approved_by is not None)
    if done(kept):
        return found
    if options.require_approval and kept.approved_by is None:
        raise MspError(
            "MSP-REC-001",
            f"plan {plan_id} of {kept.customer} to be approved",
            "nobody approved it; another plan's approval does not count for it",
            "look at it and approve it, with who and why; or make a new plan",
        )
    if options.check:
        return found
    with leases.holding(store, _lease(kept.customer)) as lease:
        kept = _kept(store, plan_id)  # another run may have carried it out meanwhile
        _same_past(store, kept)
        if kept.approved_by is None:
            kept = store.approve_plan(plan_id, by=NOBODY, reason=NOT_NEEDED)
        tenant = customers(register, [kept.customer])[0].id
        space = devices.spaces(register, [tenant], sites=True)[tenant]
        place = Place(register, store, space, Catalogue(register), lease, fresh=False)
        found.applied = applying.apply(loaded(kept), place, kept.steps)
        _all_taken(store, loaded(kept), found.applied)
    return found


class _Reconciliation:
    """One run over some customers."""

    def __init__(self, register: Register, store: Store, options: Options, now: dt.datetime) -> None:
        self.register, self.store, self.options, self.now = register, store, options, now
        self.catalogue = Catalogue(register)
        self.tenants: list[int] = []
        self.stopped = threading.Event()
        self.sites: dict[int, tuple[int, ...]] = {}
        self.sites_lock = threading.Lock()
        # What NetBox says happened when is by NetBox's clock.
        skew = dt.timedelta(seconds=register.clock_skew or 0)
        self.netbox_now = now + skew
        # now is the caller's, and no clock's perhaps.
        self.began = None if register.clock_skew is None else dt.datetime.now(dt.UTC) + skew

    def all(self, slugs: Sequence[str], *, apply: bool) -> list[Reconciled]:
        wanted = customers(self.register, slugs or None)
        pool = ThreadPoolExecutor(max_workers=SIDE_BY_SIDE, thread_name_prefix="reconcile")
        # Tens of thousands of small objects that all live to the end: nothing for a collector to find.
        with without_collector(), pool:
            try:
                found = self._read(wanted, pool, everybody=not slugs)
            except MspError:
                pool.shutdown(wait=False, cancel_futures=True)  # nobody needs what is still to be read of the store
                raise
            outcomes = list(pool.map(lambda one: self._tried(one, apply=apply), found))
        if errors := [one for one in outcomes if isinstance(one, MspError)]:
            raise errors[0] if len(errors) == 1 else MspErrors(errors)
        return [one for one in outcomes if isinstance(one, Reconciled)]

    def _tried(self, read: Read, *, apply: bool) -> Reconciled | MspError | None:
        """One customer, or why not. None where NetBox is gone: the next customer would fare as the one before."""
        if self.stopped.is_set():
            return None
        try:
            return self._one(self._gathered(read), apply=apply)
        except MspError as error:
            if error.code in ("MSP-REG-002", "MSP-REG-003"):
                self.stopped.set()
            return error

    # -- reading ------------------------------------------------------------------------------------------------------

    def _read(self, wanted: Sequence[Customer], pool: Executor | None, *, everybody: bool) -> list[Read]:
        """NetBox, for all of them at once; meanwhile the evidence store, one after the other."""
        if not wanted:
            return []
        tenants = {one.id: one.slug for one in wanted}
        # The looks first: what a look saw is in the store when the look is.
        looks = {one.slug: self.store.coverages(one.slug, self.now - HISTORY) for one in wanted}
        told = {one.slug: self._on_file(one.slug, pool) for one in wanted}
        assets = assets_of(self.register, tenants, everybody=everybody, fields=FIELDS)
        spaces = devices.spaces(self.register, list(tenants))
        self.tenants = self.tenants or list(tenants)
        decisions = deciding.decided(self.register, self.store, assets, looks, self.netbox_now)
        return [
            Read(one, assets[one.slug], spaces[one.id], looks[one.slug], tuple(decisions[one.slug]), told[one.slug])
            for one in wanted
        ]

    def _on_file(self, slug: str, pool: Executor | None) -> Callable[[], OnFile]:
        """What the store has of a customer, for when it is needed; where there is a pool, it is read from now on."""
        return pool.submit(on_file, self.store, slug).result if pool else partial(on_file, self.store, slug)

    def _gathered(self, read: Read) -> Gathered:
        """Who is who at one customer."""
        slug = read.customer.slug
        looks = [one for one in read.looks if one.source != deciding.SOURCE]
        # Changes are what runs like this one write down after they wrote to NetBox: those of before NetBox was read.
        told = replace(read.on_file(), changes=self.store.changes(slug))
        who = identify(told, slug, read.assets)
        return Gathered(
            read.customer,
            who,
            self._known(read, who, looks),
            read.space,
            read.decisions,
            tuple(told.changes),
            tuple(self.store.plans(slug)),
        )

    def _known(self, read: Read, who: Identified, looks: Sequence[Coverage]) -> Known:
        return Known(
            customer=read.customer.slug,
            assets=read.assets,
            sightings=who.sightings,
            profiles=who.profiles,
            resolution=who.resolution,
            coverages=looks,
            audits=who.audits,
            networks=tuple(one.network for one in read.space.prefixes),
            needed=self.options.needed,
            patience=self.options.patience,
            gone=who.earlier.gone,
            gone_since=who.earlier.gone_since,
        )

    # -- one customer -------------------------------------------------------------------------------------------------

    def _one(self, gathered: Gathered, *, apply: bool) -> Reconciled:
        if self.options.check or not apply:
            return self._planned(gathered)
        if not any(map(is_open, gathered.plans)):
            found = self._planned(gathered)
            return self._carried_out(gathered, found) if self._may(found) else found
        with self._held(gathered) as lease:
            resumed, given_up = self._finish(gathered, lease)
        again = self._gathered(self._read([gathered.customer], None, everybody=False)[0])
        found = self._planned(again)
        found = self._carried_out(again, found) if self._may(found) else found
        found.resumed, found.given_up = resumed, given_up
        return found

    def _planned(self, gathered: Gathered) -> Reconciled:
        """What is found and what it leads to; kept in the store, unless it is only looked at."""
        slug, known = gathered.customer.slug, gathered.known
        before = earlier(gathered.changes)
        found = finding_of.findings(known, self.now)
        called = {one.key: one.name for one in known.assets}
        made = self._plan(gathered, found, before)
        told = [
            *news.moved(found, self.store.histories(slug, news.PLACING), self.now),
            *news.conflicts(slug, found, before, called, self.now),
            *news.decided(gathered.decisions, called, self.now),
        ]
        recorded = {one.key for one in gathered.changes}
        fresh = tuple(one for one in told if one.key not in recorded)
        result = Reconciled(slug, found, made if made.steps else None, news=fresh, called=called)
        if not self.options.check:
            self.store.record_decisions(gathered.decisions)
            self.store.record_changes(fresh)
            self.store.record_seen(finding_of.seen_assets(found))
            self.store.remember(slug, gathered.who.learnt())
            self.store.record_coverages([deciding.look(slug, known.assets, self.netbox_now)])
            if made.steps:
                self.store.record_plan(stored(made))
                kept = _kept(self.store, made.id)
                result.approved = kept.approved_by is not None
        return result

    def _plan(self, gathered: Gathered, found: Sequence[Finding], before: Earlier) -> Plan:
        """What NetBox would not give to this customer's assets is left out."""
        known = gathered.known
        values = given_values(gathered.changes, gathered.plans)
        after = carried_out(gathered.plans)

        def made(taken: Taken) -> Plan:
            on_record = gathered.who.on_record
            return plan_of(
                known, found, before, now=self.now, after=after, on_record=on_record, given=values, taken=taken
            )

        first = made(Taken())
        taken = holding.taken(self.register, first, known.assets, gathered.space)
        return made(taken) if taken else first

    def _may(self, found: Reconciled) -> bool:
        """Is there something to carry out that nobody has to approve any more?"""
        return found.plan is not None and (found.approved or not self.options.require_approval)

    def _carried_out(self, gathered: Gathered, found: Reconciled) -> Reconciled:
        plan = found.plan
        if plan is None:
            return found
        with self._held(gathered) as lease:
            kept = _kept(self.store, plan.id)
            fresh = kept.approved_by is None
            _same_past(self.store, kept)
            if fresh:
                self.store.approve_plan(plan.id, by=NOBODY, reason=NOT_NEEDED)
            place = self._place(gathered, lease, plan, fresh=fresh)
            found.applied = applying.apply(loaded(kept), place, kept.steps)
            _all_taken(self.store, plan, found.applied)
        found.approved = True
        return found

    def _finish(self, gathered: Gathered, lease: Lease) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Bring to their end the plans that a run before this one began, or somebody approved."""
        resumed, given_up = [], []
        for kept in self.store.plans(gathered.customer.slug):
            if not is_open(kept):
                continue
            plan = loaded(kept)
            try:
                _same_past(self.store, kept)
                applied = applying.apply(plan, self._place(gathered, lease, plan, fresh=False), kept.steps)
                _all_taken(self.store, plan, applied)
                resumed.append(plan.id)
            except MspError as error:
                if error.code != "MSP-REC-002":
                    raise
                applying.abandon(self.store, plan)
                given_up.append(plan.id)
        return tuple(resumed), tuple(given_up)

    def _place(self, gathered: Gathered, lease: Lease, plan: Plan, *, fresh: bool) -> Place:
        space = gathered.space
        if any(step.kind == CREATE for step in plan.steps) and not space.sites:
            space = replace(space, sites=self._sites(gathered.customer.id))
        return Place(self.register, self.store, space, self.catalogue, lease, fresh, self.began)

    def _sites(self, tenant: int) -> tuple[int, ...]:
        """Where a new device of a customer can stand; those of all customers of the run are read once."""
        with self.sites_lock:
            if not self.sites:
                self.sites = devices.sites_of(self.register, self.tenants)
            return self.sites.get(tenant, ())

    @contextmanager
    def _held(self, gathered: Gathered) -> Iterator[Lease]:
        with leases.holding(self.store, _lease(gathered.customer.slug)) as lease:
            yield lease


def _lease(customer: str) -> str:
    return f"reconcile:{customer}"


def _kept(store: Store, plan_id: str) -> StoredPlan:
    kept = store.plan(plan_id)
    if kept is None:
        raise MspError(
            "MSP-REC-006",
            "a plan that this evidence store keeps",
            f"no plan {plan_id!r}",
            "make a plan first, and use the id that it prints",
        )
    return kept


def _same_past(store: Store, kept: StoredPlan) -> None:
    """No other plan was carried out since this one was made."""
    others = [one for one in store.plans(kept.customer) if one.id != kept.id]
    if carried_out(others) != kept.body["after"]:
        raise MspError(
            "MSP-REC-002",
            f"no plan of {kept.customer} to be carried out since plan {kept.id} was made",
            "another one was",
            "make a new plan and look at it; nothing was written",
        )


def _all_taken(store: Store, plan: Plan, applied: Applied) -> None:
    """What NetBox refused is named; the rest was written. The next run plans anew."""
    if applied.refused:
        applying.abandon(store, plan)
        called = {step.id: step.name for step in plan.steps}
        raise MspErrors(
            [
                MspError(
                    "MSP-REC-007",
                    f"NetBox to take what was found of {called[step]} ({plan.customer})",
                    f"{error.found}",
                    "correct what NetBox names; everything else of the plan was written, and the next run plans anew",
                )
                for step, error in applied.refused.items()
            ]
        )


# -- the module --------------------------------------------------------------------------------------------------------

REQUIRED = [("action", "approve", ("plan", "approved_by", "reason")), ("action", "apply", ("plan",))]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of the module did."""

    customers: tuple[Reconciled, ...]
    requests: int
    writes: int
    check: bool

    def diff(self) -> dict[str, str]:
        """Every plan's lines: Ansible's diff."""
        plans = [(one.customer, one.plan.diff()) for one in self.customers if one.plan]
        return {
            side: "".join(f"{line}\n" for slug, lines in plans for line in (f"# {slug}", *lines[side].splitlines()))
            for side in ("before", "after")
        }

    def as_dict(self) -> dict[str, Any]:
        """The result of msp.ops.reconcile."""
        recorded = sum(len(one.news) + len(one.applied.changes) for one in self.customers)
        planned = self.check and any(one.plan for one in self.customers)
        return {
            "changed": bool(planned or self.writes or recorded or any(one.resumed for one in self.customers)),
            "customers": {one.customer: one.as_dict() for one in self.customers},
            "plans": {one.customer: one.plan.id for one in self.customers if one.plan},
            "netbox_writes": self.writes,
            "requests": self.requests,
            "recorded": recorded,
        }


def options_of(arguments: Mapping[str, Any], *, check: bool) -> Options:
    """The module's arguments as options; how many looks have to miss a thing must be a number of looks."""
    needed = {}
    for kind, value in (arguments["misses"] or {}).items():
        if not str(value).isdecimal() or int(value) < 1:
            raise MspError(
                "MSP-REC-008",
                f"a whole number of looks, 1 or more, under misses for {kind!r}",
                f"{value!r}",
                "give for instance nmap: 3",
            )
        needed[str(kind)] = int(value)
    return Options(needed, bool(arguments["require_approval"]), check, _patience(arguments["patience"] or {}))


def _patience(days: Mapping[str, Any]) -> dict[str, dt.timedelta]:
    found = {}
    for name, value in days.items():
        if name not in names.ASSET_CLASSES or not str(value).isdecimal():
            raise MspError(
                "MSP-REC-013",
                f"a whole number of days under patience, by class of asset ({', '.join(names.ASSET_CLASSES)})",
                f"{value!r} for {name!r}",
                "give for instance workstation: 14",
            )
        found[str(name)] = dt.timedelta(days=int(value))
    return found


def approved(store: Store, arguments: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """The module's action approve."""
    before = _kept(store, arguments["plan"]).approved_by
    kept = approve(store, arguments["plan"], by=arguments["approved_by"], reason=arguments["reason"], check=check)
    return {"changed": before is None, "plan": kept.id, "approved_by": kept.approved_by or arguments["approved_by"]}


def run(register: Register, store: Store, arguments: Mapping[str, Any], options: Options, now: dt.datetime) -> Outcome:
    """The module's other actions."""
    action, slugs = arguments["action"], arguments["customers"]
    if action == "apply":
        found = [apply(register, store, arguments["plan"], options)]
    else:
        found = (plan if action == "plan" else reconcile)(register, store, slugs, options, now)
    return Outcome(tuple(found), register.requests, register.writes, options.check)
