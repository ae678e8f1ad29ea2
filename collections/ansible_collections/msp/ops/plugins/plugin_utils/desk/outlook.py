# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may begin: what was done by all of a customer's rollouts, what is due in the light of that, and new rollouts."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk.opened import Opened, plain_entry, sound
from ansible_collections.msp.ops.plugins.plugin_utils.desk.ticks import Setting
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StoredRollout
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events, planning
from ansible_collections.msp.ops.plugins.plugin_utils.patching.aftermath import Aftermath, Down, Seen
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import Assigned
from ansible_collections.msp.ops.plugins.plugin_utils.patching.compliance import FRESH
from ansible_collections.msp.ops.plugins.plugin_utils.patching.feasible import faults
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import EMERGENCY, ROUTINE, Manifest, Scan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import HALTED, Rollout
from ansible_collections.msp.ops.plugins.plugin_utils.patching.wording import named

# Rollouts made in this time say what was installed since a scan, and who was left not well.
PAST = dt.timedelta(days=120)


class Outlook:
    """A customer's scans and rollouts so far, and what follows from them. It writes nothing.

    notes: what a person should know; refused: plans with which no rollout may begin, by name, and why.
    """

    def __init__(self, store: Store, setting: Setting, now: dt.datetime) -> None:
        self.store, self.setting, self.now = store, setting, now
        self.customer = setting.customer
        scans = {asset: good for asset, (good, _last) in store.last_scans(self.customer).items() if good is not None}
        self.scanned = {asset: good.at for asset, good in scans.items()}
        self.fresh = {asset: good for asset, good in scans.items() if now - _known_since(good) <= FRESH}
        self.available = store.versions_seen(self.customer)
        self.past: list[StoredRollout] = []
        self.ends: list[tuple[str, str, list[events.Event], Manifest]] = []
        self.since: planning.Since = {}
        self.left: list[Down] = []
        self.seen = Seen()
        self.notes: list[str] = []
        self.refused: dict[str, str] = {}
        self._given_up: dict[str, dict[planning.Key, str]] = {}
        self._due: dict[str, list[planning.Due]] = {}

    def look_back(self) -> None:
        """What was done so far, by all rollouts, and what is due in the light of that."""
        self.past, self.ends = self.store.rollouts(self.customer, since=self.now - PAST), []
        after = Aftermath()
        since = planning.installed_since(self.fresh, self._histories(after))
        self.ends.reverse()
        # What was given up stays so, however long ago that was.
        self.ends += ends_before(self.store, self.customer, self.now - PAST)
        self.left, self.seen, self.since = after.left(), after.seen, since
        self._given_up, self._due = {}, {}

    def _histories(self, after: Aftermath) -> Iterator[tuple[list[events.Event], Manifest]]:
        """The oldest first, and one at a time: a history of thousands of hosts is large."""
        for stored in reversed(self.past):
            history = events.of(stored)
            if stored.over:
                after.read(stored.id, history)
            for _stored, manifest in sound([stored]):
                self.ends.append((stored.plan, stored.id, planning.ends(history), manifest))
                yield history, manifest

    def due(self, assigned: Assigned) -> list[planning.Due]:
        """What is due does not change while a round lasts."""
        name = assigned.plan.name
        if name not in self._due:
            self._due[name] = self._find_due(assigned)
        return self._due[name]

    def _find_due(self, assigned: Assigned, besides: Container[planning.Package] = ()) -> list[planning.Due]:
        return planning.due(
            assigned.plan,
            self._members(assigned),
            self.fresh,
            self.available,
            self.now,
            since=self.since,
            without=self.given_up(assigned.plan.name),
            besides=besides,
        )

    def _members(self, assigned: Assigned) -> list[Member]:
        return [member for member in assigned.members if member.key in self.setting.hosts]

    def given_up(self, plan: str) -> dict[planning.Key, str]:
        """What an abort or a rollback leaves out until somebody asks for it again, and why."""
        if plan not in self._given_up:
            again = self.setting.again.packages if self.setting.again is not None else ()
            found = planning.given_up(plan, self.ends)
            self._given_up[plan] = {key: why for key, why in found.items() if not planning.asked_for(key, again)}
        return self._given_up[plan]

    def beginning(self, plans: Iterable[Assigned], open_ones: Mapping[str, Opened]) -> Iterator[StoredRollout]:
        """A new rollout for every plan and class of which something is due and no other stands in its way."""
        for assigned in plans:
            name = assigned.plan.name
            members, given_up = self._members(assigned), self.given_up(name)
            for said in planning.still_waiting(
                assigned.plan, members, self.fresh, self.now, since=self.since, keys=given_up
            ):
                self.notes.append(f"plan {name}: not tried again by itself: {said} (patch_again)")
            for found in self._new(assigned, open_ones):
                ended = ((one.plan, events.of(one), one.id) for one in self.past if one.over)
                asked = self.setting.again is not None
                if why := planning.not_again(found, name, ended, self.now, asked=asked):
                    self.notes.append(f"plan {name}, {found.patch_class}: {why}")
                elif self._usable(assigned):
                    yield self._starting(assigned, found)

    def _new(self, assigned: Assigned, open_ones: Mapping[str, Opened]) -> Iterator[planning.Due]:
        """What is due and no open rollout of its class has, where it need not wait for the end of that."""
        name = assigned.plan.name
        ours = [one for one in open_ones.values() if one.plan == name and not one.rollout.over]
        for one in self.due(assigned):
            before = [other for other in ours if other.rollout.patch_class == one.patch_class]
            stopped = [other for other in ours if other not in before and other.rollout.side is not None]
            found = self._without_stopped(assigned, one, stopped)
            if found is None:
                continue
            if not before:
                yield found
                continue
            has = _packages(before)
            more = [entry for entry in found.manifest.entries if planning.package(entry) not in has]
            if not more or any(one.damaged for one in before):
                continue
            if _beside(found.patch_class, [one.rollout for one in before]):
                yield from self._of_class(assigned, found.patch_class, has | _packages(stopped))
                continue
            waits = named(sorted({f"{entry.name} {entry.version}" for entry in more}))
            ids = ", ".join(one.rollout.id for one in before)
            self.notes.append(f"plan {name}, {found.patch_class}: {waits} waits for the end of {ids}")

    def _without_stopped(
        self, assigned: Assigned, found: planning.Due, stopped: Sequence[Opened]
    ) -> planning.Due | None:
        """What is due without the packages that a rollout of another class has which waits for a person.

        Who stopped one did not mean its class: a newer version, or the same as an emergency, waits for that person too.
        """
        has = _packages(stopped)
        held = [entry for entry in found.manifest.entries if planning.package(entry) in has]
        if not held:
            return found
        waits = named(sorted({f"{entry.name} {entry.version}" for entry in held}))
        why = ", ".join(f"{one.rollout.id} is {one.rollout.side}" for one in stopped)
        self.notes.append(f"plan {assigned.plan.name}, {found.patch_class}: {waits} waits for a person: {why}")
        return next(iter(self._of_class(assigned, found.patch_class, has)), None)

    def _of_class(
        self, assigned: Assigned, patch_class: str, besides: Container[planning.Package]
    ) -> list[planning.Due]:
        return [one for one in self._find_due(assigned, besides) if one.patch_class == patch_class]

    def _usable(self, assigned: Assigned) -> bool:
        """Whether validation lets a rollout begin with this plan; where not, the run says so and ends in an error."""
        name = assigned.plan.name
        if name not in self.refused and (wrong := faults(assigned.plan, assigned.members, self.now)):
            found = MspError(
                "MSP-PAT-186",
                f"a patch plan {name} without an error, to begin a rollout with it",
                "; ".join(f"{one.why.code} {one.path}: {one.why.found}" for one in wrong),
                "correct it in NetBox; playbooks/patch_calendar.yml says all that is wrong with it",
            )
            self.refused[name] = str(found)
        return name not in self.refused

    def _starting(self, assigned: Assigned, found: planning.Due) -> StoredRollout:
        plan = assigned.plan
        first = planning.planned(
            plan, found, assigned.members, self.setting.hosts, self.fresh, now=self.now, by=self.setting.by
        )
        body: dict[str, Any] = {"manifest": [plain_entry(one) for one in found.manifest.entries], "plan": plan.name}
        if self.setting.again is not None:
            body["again"] = dataclasses.asdict(self.setting.again)
        return events.starting(self.customer, plan.name, hashing.facts_hash({"plan": repr(plan)}), first, body)


def ends_before(
    store: Store, customer: str, before: dt.datetime
) -> list[tuple[str, str, list[events.Event], Manifest]]:
    """How the rollouts that were made before a moment ended (plan, id, events, manifest), the newest first: for
    planning.given_up(). What their hosts did is not read.
    """
    found = sound(store.rollouts(customer, before=before, kinds=planning.END_KINDS))
    return [(stored.plan, stored.id, events.of(stored), manifest) for stored, manifest in found]


def _packages(rollouts: Iterable[Opened]) -> frozenset[planning.Package]:
    return frozenset(planning.package(entry) for one in rollouts for entry in one.manifest.entries)


def _known_since(scan: Scan) -> dt.datetime:
    """What a scan says is as old as the package lists that it read."""
    return min(scan.at, scan.metadata_at or scan.at)


def _beside(patch_class: str, before: Sequence[Rollout]) -> bool:
    """Whether a rollout may begin beside those of its plan and class that are open.

    An emergency waits for no soak of another, and security fixes do not wait until a person looks after what halted.
    """
    return patch_class == EMERGENCY or (patch_class != ROUTINE and all(one.side == HALTED for one in before))
