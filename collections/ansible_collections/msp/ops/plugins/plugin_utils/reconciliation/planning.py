# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From findings to a plan: what becomes a device, which facts follow, what is shown as missing or in conflict. Pure.

A contracted or tracked asset keeps all that was promised of it: only empty fields are filled, addresses and hardware
addresses added, the operating system set. An unlisted one follows what is seen. An address is taken from another asset
only where that one is seen elsewhere.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.desired import UNKNOWN
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Profile
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Candidate
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import differences, expected, words
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.differences import Difference
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.earlier import Earlier
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.expected import Making
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.findings import (
    CHANGED,
    CLOSED,
    CONFLICT,
    FRESH,
    MISSING,
    UNLISTED,
    Finding,
    Known,
    findings,
)
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.given import Given
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.plan import (
    CREATE,
    FACTS,
    MARK,
    STATUS,
    STEP_KINDS,
    Plan,
    Planned,
    Step,
    touched,
)
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.seen import Seen, clean, host
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Taken:
    """Addresses and asset tags (in lower case) that somebody in NetBox has who is none of the customer's assets."""

    addresses: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.addresses or self.tags)


# How often what a plan makes is looked at anew: what was freed by the first look is made in the second.
_LOOKS = 4


def plan(
    known: Known,
    found: Sequence[Finding],
    before: Earlier,
    *,
    now: dt.datetime,
    after: str,
    on_record: Mapping[str, Profile],
    given: Given,
    taken: Taken,
) -> Plan:
    """What NetBox has to be told. Nothing to tell is a plan without steps. on_record is what identity read of each
    asset, given the names and numbers that discovery gave it, taken what NetBox would not give to anybody else.
    """
    return _Planner(known, found, before, on_record=on_record, given=given, taken=taken, now=now).plan(after)


class _Planner:
    """One plan in the making. It knows which names, tags and addresses are taken."""

    def __init__(
        self,
        known: Known,
        found: Sequence[Finding],
        before: Earlier,
        *,
        on_record: Mapping[str, Profile],
        given: Given,
        taken: Taken,
        now: dt.datetime,
    ) -> None:
        self.known = known
        self.on_record, self.given, self.taken, self.now = on_record, given, taken, now
        self.before = before
        self.assets = {one.key: one for one in known.assets}
        self.called = {key: one.name for key, one in self.assets.items()}
        self.found = sorted(found, key=lambda one: one.thing)
        self.of_asset = {one.asset.key: one for one in self.found if one.asset is not None}
        self.names = {one.name.casefold() for one in known.assets}
        self.tags = {one.asset_tag.casefold() for one in known.assets if one.asset_tag} | taken.tags
        self.macs = {mac for one in known.assets for mac in one.macs}
        self.holders = {a: one.key for one in known.assets for a in (*one.addresses, one.address) if a}
        self.resolution = known.resolution
        self.told_of = frozenset(one.thing for one in self.found if one.kind == CONFLICT)
        self.making: dict[str, tuple[Making, Finding, Seen]] = {}  # by thing
        self.looked_at: set[str] = set()
        self.filled: dict[str, Step] = {}  # the step of facts, by asset
        self.steps: list[Step] = []
        self.changes: list[Planned] = []

    def plan(self, after: str) -> Plan:
        for _look in range(_LOOKS):
            if not self._look():
                break
        self.disputes = _disputes(self.found)
        self.doubtful = self.resolution.doubtful_assets()
        for making, finding, told in self.making.values():
            self._created(making, finding, told)
        self._marks()
        self.steps.sort(key=lambda one: (STEP_KINDS.index(one.kind), one.asset or "", one.thing))
        newest = {kind: max((a.id for a in self.known.assets if a.kind == kind), default=0) for kind in _KINDS}
        steps = tuple(self.steps)
        based_on = {key: words.iso(self.assets[key].last_updated) or "" for key in touched(steps)}
        return Plan.of(
            self.known.customer,
            self.now,
            after=after,
            based_on=based_on,
            newest=newest,
            steps=steps,
            changes=tuple(self.changes),
        )

    def _look(self) -> bool:
        """Plan for what is found that nothing is planned for yet, and find anew what is the case after that."""
        before = len(self.making), len(self.filled)
        for finding in self.found:
            new = finding.asset is None and finding.kind == UNLISTED and finding.thing not in self.making
            if new and finding.certain and finding.seen:
                self._create(finding, finding.seen)
        for asset in sorted(self.assets.values(), key=lambda one: (one.kind, one.id)):
            self._asset(asset, self.of_asset.get(asset.key))
        if before == (len(self.making), len(self.filled)):
            return False
        making = [one for one, _finding, _told in self.making.values()]
        filled = {key: step.values for key, step in self.filled.items()}
        known = expected.known(self.known, self.on_record, making, filled, self.before.remembered)
        if known is self.known:
            return False
        self.resolution = known.resolution
        self._found(findings(known, self.now), making)
        return True

    def _found(self, found: Iterable[Finding], making: Sequence[Making]) -> None:
        """These are the findings now. What is only planned is called by its thing: it has no number in NetBox yet."""
        things = {one.key: one.thing for one in making}
        self.called |= {one.thing: one.values["name"] for one in making}
        self.found = [
            replace(one, sides=tuple(_of_thing(side, things) for side in one.sides))
            for one in sorted(found, key=lambda one: one.thing)
        ]
        self.of_asset = {one.asset.key: one for one in self.found if one.asset is not None}

    # -- what NetBox does not know ------------------------------------------------------------------------------------

    def _create(self, finding: Finding, told: Seen) -> None:
        asset_class = told.asset_class or "other"
        values: dict[str, Any] = {"name": self._name(told), "class": asset_class}
        if told.serial:
            values["serial"] = told.serial
        if told.asset_tag and told.asset_tag.casefold() not in self.tags:
            values["asset_tag"] = told.asset_tag
            self.tags.add(told.asset_tag.casefold())
        made_by = clean(f"{told.vendor} {told.model}", 200)
        if made_by:
            values["description"] = made_by
        if told.os:
            values["os"] = told.os
        if macs := self._free_macs(told.macs):
            values["macs"] = macs
        values |= self._address(None, _preferred(told.addresses))
        identity = identity_of(told)
        first = next(iter(told.called or told.names), None)
        if first and values["name"] != clean(first, 64):
            # NetBox takes a name once. It is this one's as well, and what is heard of that name may be either.
            identity["names"] = list(dict.fromkeys([*told.own_names, first]))
        making = Making(len(self.making) + 1, finding.thing, values, identity)
        self.making[finding.thing] = making, finding, told

    def _created(self, making: Making, finding: Finding, told: Seen) -> None:
        values = dict(making.values)
        joined = self.of_asset.get(making.key)
        if joined is not None and joined.seen is not None:
            # What is seen may be known by the device that is made, and say more of it.
            more = {"class": joined.seen.asset_class, "os": joined.seen.os}
            values |= {key: value for key, value in more.items() if value}
        journal = f"Contract status: {names.UNLISTED}. Seen, and in no contract. {words.evidence(told)}"
        address = _preferred(told.addresses)
        if address in self.taken.addresses:
            journal += f" Its address {address} is somebody else's in NetBox."
        disputes = self.disputes.get(making.thing, [])
        if disputes:
            values[names.DISCOVERY] = names.CONFLICT
            journal += f" Discovery: {names.CONFLICT}. {self._why(names.CONFLICT, finding, disputes)}"
        lines = tuple(("", line) for line in _described(values))
        step = Step.of(CREATE, finding.thing, None, values["name"], values, lines=lines, journal=journal)
        detail = {**words.detail(finding), "name": values["name"], "status": names.UNLISTED}
        self._add(step, ("new", {**detail, "identity": making.identity}))
        # A conflict that there was before is told of by itself, or with the assets that it may be about.
        if fresh := [one for one in disputes if one.thing not in self.told_of and not _about_assets(one)]:
            self.changes.append(Planned(step.id, "conflict", step.thing, None, self._conflict(finding, fresh)))

    def _name(self, told: Seen) -> str:
        """A name that no asset of the customer has: NetBox takes a name once."""
        rest = told.key.partition(":")[2] or told.key
        first = next(iter(told.called or told.names), f"seen-{rest}")
        for name in (clean(first, 64), clean(f"{first[:30]} ({rest})", 64), clean(f"seen-{told.key}", 64)):
            if name.casefold() not in self.names:
                self.names.add(name.casefold())
                return name
        return ""

    def _free_macs(self, macs: Iterable[str]) -> list[str]:
        """Those that no asset has yet; each is given away once."""
        free = sorted(set(macs) - self.macs)
        self.macs |= set(free)
        return free

    def _address(self, asset: Asset | None, address: str | None) -> dict[str, Any]:
        """The address and, where another asset has it, that one; nothing where that one may still be there."""
        if address is None or address in self.taken.addresses:
            return {}
        holder = self.holders.get(address)
        if holder is not None and (asset is None or holder != asset.key):
            if not self._elsewhere(holder, address):
                return {}
            self.holders[address] = asset.key if asset else ""
            return {"address": address, "address_from": holder}
        self.holders[address] = asset.key if asset else ""
        return {"address": address}

    def _elsewhere(self, holder: str, address: str) -> bool:
        """Is the asset that NetBox says has this address seen somewhere else now?"""
        finding = self.of_asset.get(holder)
        if finding is None or finding.seen is None or finding.kind == MISSING:
            return False
        return bool(finding.seen.addresses) and address not in finding.seen.addresses

    # -- what NetBox knows --------------------------------------------------------------------------------------------

    def _asset(self, asset: Asset, finding: Finding | None) -> None:
        if finding is None or finding.seen is None or finding.kind == MISSING or asset.status in CLOSED:
            return
        if asset.key in self.looked_at:
            return
        self.looked_at.add(asset.key)
        self._facts(asset, finding, finding.seen)
        if asset.status is None:
            values = {names.CONTRACT_STATUS: names.UNLISTED}
            lines = (("contract status: none", f"contract status: {names.UNLISTED}"),)
            journal = f"Contract status: none to {names.UNLISTED}. Seen, and in no contract. "
            step = Step.of(
                STATUS,
                finding.thing,
                asset.key,
                asset.name,
                values,
                before={names.CONTRACT_STATUS: None},
                lines=lines,
                journal=journal + words.evidence(finding.seen),
            )
            self._add(step, ("new", {**words.detail(finding), "status": names.UNLISTED}))

    def _facts(self, asset: Asset, finding: Finding, told: Seen) -> None:
        fields, custom = self._filled(asset, told)
        values: dict[str, Any] = {}
        before: dict[str, Any] = {}
        audited = self.known.audits.get(asset.key, (None, None))[0] is not None
        changes = []
        for one in differences.facts(asset, told, audited=audited):
            if one.what == "os":
                custom[names.OPERATING_SYSTEM] = one.after
                changes.append(one)
            elif one.what == "address":
                values |= self._address(asset, one.after)
                changes += [one] if "address" in values else []
            elif macs := self._free_macs(one.after.split(", ")):
                values["macs"] = macs
                changes.append(Difference("mac", one.before, ", ".join(macs)))
        if fields:
            values["fields"] = fields
            before["fields"] = {name: _field(asset, name) for name in fields}
            changes += [Difference(name, str(_field(asset, name) or ""), str(new)) for name, new in fields.items()]
        if custom:
            values["custom"] = custom
            if names.ASSET_CLASS in custom and asset.kind == DEVICE and asset.vendor == UNKNOWN:
                values["retype"] = True
            before["custom"] = {name: asset.custom_fields.get(name) for name in custom}
        if "address" in values:
            before["address"] = asset.address
        if not values:
            return
        if names.ASSET_CLASS in custom:
            changes.append(Difference("class", asset.asset_class or "", custom[names.ASSET_CLASS]))
        lines = tuple((f"{d.what}: {d.before}" if d.before else "", f"{d.what}: {d.after}") for d in changes)
        step = Step.of(FACTS, finding.thing, asset.key, asset.name, values, before=before, lines=lines)
        self.filled[asset.key] = step
        told_of = [one.as_dict() for one in changes if one.before and one.what != "class"]
        self._add(step, *[("changed", {**words.detail(finding), "changes": told_of})] * bool(told_of))

    def _filled(self, asset: Asset, told: Seen) -> tuple[dict[str, Any], dict[str, Any]]:
        """Fields and custom fields: of what was promised only what is empty, of an unlisted thing all that changed and
        that no person wrote.
        """
        follows = (asset.status or names.UNLISTED) == names.UNLISTED
        ours = self.given.get(asset.key, {}) if follows else {}
        fields: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        if told.serial and told.serial != asset.serial and (not asset.serial or asset.serial in ours.get("serial", ())):
            fields["serial"] = told.serial
        tag = told.asset_tag
        if (
            asset.kind == DEVICE
            and tag
            and tag.casefold() not in self.tags
            and (not asset.asset_tag or asset.asset_tag in ours.get("asset_tag", ()))
        ):
            fields["asset_tag"] = tag
            self.tags.add(tag.casefold())
        called = told.called or told.names
        if asset.name in ours.get("name", ()) and called and host(asset.name) not in {host(one) for one in called}:
            name = self._rename(asset, called[0])
            fields |= {"name": name} if name else {}
        if told.asset_class and (not asset.asset_class or (follows and asset.asset_class == "other")):
            custom[names.ASSET_CLASS] = told.asset_class
        return fields, custom

    def _rename(self, asset: Asset, called: str) -> str:
        """The name it gives itself now, where no other asset has it. One made of several alike keeps its own."""
        name = clean(called, 64)
        if name.casefold() in self.names or asset.name.casefold().startswith(f"{name[:30].casefold()} ("):
            return ""
        self.names.add(name.casefold())
        return name

    # -- what a person has to look at ---------------------------------------------------------------------------------

    def _marks(self) -> None:
        for key in sorted(self.assets):
            asset, disputes = self.assets[key], self.disputes.get(key, [])
            has = asset.custom_fields.get(names.DISCOVERY) or ""
            wanted = self._mark(asset, has, disputes)
            if wanted != has:
                self._change_mark(asset, has, wanted, disputes)

    def _mark(self, asset: Asset, has: str, disputes: Sequence[Finding]) -> str:
        finding = self.of_asset.get(asset.key)
        if asset.status in CLOSED:
            return ""
        if disputes:
            return names.CONFLICT
        if finding is None:
            # Nobody says anything of it: what is known stays, but for a conflict that is no more.
            return has if has != names.CONFLICT else ""
        return {MISSING: names.MISSING, CHANGED: names.CHANGED}.get(finding.kind, "")

    def _change_mark(self, asset: Asset, has: str, wanted: str, disputes: Sequence[Finding]) -> None:
        finding = self.of_asset.get(asset.key)
        told = finding.seen if finding else None
        said = self._why(wanted, finding, disputes) or self._fine(asset, has)
        journal = f"Discovery: {has or 'fine'} to {wanted or 'fine'}. {said} {words.evidence(told)}".strip()
        step = Step.of(
            MARK,
            finding.thing if finding else asset.key,
            asset.key,
            asset.name,
            {names.DISCOVERY: wanted or None},
            before={names.DISCOVERY: has or None},
            lines=((f"discovery: {has or 'fine'}", f"discovery: {wanted or 'fine'} ({said})"),),
            journal=journal,
        )
        self._add(step, *self._transitions(asset, has, wanted, finding, disputes))

    def _why(self, mark: str, finding: Finding | None, disputes: Sequence[Finding]) -> str:
        if mark == names.MISSING:
            return words.missed(finding.misses if finding else {}, finding.seen if finding else None)
        if mark == names.CONFLICT:
            return " ".join(words.conflict(one, self.called) for one in disputes)
        differing = finding.differences if finding and mark == names.CHANGED else ()
        said = [f"{d.what}: {words.plain(d.before)} promised, {words.plain(d.after)} seen" for d in differing]
        return "; ".join(said)

    def _fine(self, asset: Asset, has: str) -> str:
        """Why nothing is shown of it any more."""
        if asset.status in CLOSED:
            return f"{asset.status}: nothing is looked for any more"
        if has == names.CONFLICT:
            # A conflict that nobody settled is none any more once it is old.
            return _OLD if asset.key in self.doubtful else "no longer in conflict"
        return "seen again" if has == names.MISSING else "as promised again"

    def _transitions(
        self, asset: Asset, has: str, wanted: str, finding: Finding | None, disputes: Sequence[Finding]
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        base = words.detail(finding) if finding else {"name": asset.name}
        if self._back(asset, has, wanted, finding):
            yield "back", {**base, "gone_since": words.iso(self.before.gone_since.get(asset.key))}
        if has == names.CONFLICT or (has and asset.status in CLOSED):
            yield "settled", {**base, "how": self._fine(asset, has)}
        if wanted == names.MISSING:
            yield "gone", {**base, "misses": dict(finding.misses) if finding else {}}
        if wanted == names.CONFLICT:
            yield "conflict", self._conflict(finding or asset, disputes)
        if wanted == names.CHANGED:
            yield "changed", {**base, "changes": [d.as_dict() for d in (finding.differences if finding else ())]}
        if has == names.CHANGED and wanted == "" and asset.status not in CLOSED:
            yield "settled", {**base, "how": self._fine(asset, has)}

    def _back(self, asset: Asset, has: str, wanted: str, finding: Finding | None) -> bool:
        """Was it gone, and did somebody see it since? Not where it may be something else, or nobody looks for it."""
        told = finding.seen if finding else None
        if told is None or asset.status in CLOSED or wanted not in ("", names.CHANGED):
            return False
        if has == names.CONFLICT and asset.key in self.before.gone:
            before = self.before.gone[asset.key]
            return before is None or told.last_seen > before
        return has == names.MISSING

    def _conflict(self, about: Finding | Asset, disputes: Sequence[Finding]) -> dict[str, Any]:
        base = words.detail(about) if isinstance(about, Finding) else {"name": about.name}
        sides = [side for one in disputes for side in words.sides(one, self.called)]
        why = "; ".join(dict.fromkeys(one.why for one in disputes))
        return {**base, "why": why, "sides": sides, "things": [one.thing for one in disputes]}

    def _add(self, step: Step, *changes: tuple[str, Mapping[str, Any]]) -> None:
        self.steps.append(step)
        self.changes += [Planned(step.id, kind, step.thing, step.asset, detail) for kind, detail in changes]


_KINDS = (DEVICE, "virtual-machine")
_OLD = f"what it was about was not seen for {FRESH.days} days"


def _of_thing(side: Candidate, things: Mapping[str, str]) -> Candidate:
    return replace(side, key=things[side.key], is_asset=False) if side.key in things else side


def _about_assets(finding: Finding) -> bool:
    return any(side.is_asset for side in finding.sides)


def _disputes(found: Iterable[Finding]) -> dict[str, list[Finding]]:
    """The conflicts that each asset, and each thing that is no asset yet, is a side of."""
    disputes: dict[str, list[Finding]] = {}
    for one in found:
        for side in one.sides if one.kind == CONFLICT else ():
            disputes.setdefault(side.key, []).append(one)
    return disputes


def _preferred(addresses: Sequence[str]) -> str | None:
    """The newest IPv4 address, else the newest."""
    return sorted(addresses, key=lambda one: ipaddress.ip_address(one).version)[0] if addresses else None


def _field(asset: Asset, name: str) -> Any:
    return getattr(asset, name)


def _described(values: Mapping[str, Any]) -> Iterator[str]:
    """A new device as a person reads it."""
    yield f"new device, contract status {names.UNLISTED}"
    for key in ("class", "serial", "asset_tag", "description", "os", "address"):
        if values.get(key):
            yield f"{key}: {values[key]}"
    if values.get("macs"):
        yield f"mac: {', '.join(values['macs'])}"
    if values.get(names.DISCOVERY):
        yield f"discovery: {values[names.DISCOVERY]}"
    if values.get("address_from"):
        yield f"address taken over from {values['address_from']}, which is seen elsewhere"


def identity_of(told: Seen) -> dict[str, Any]:
    """What identified the thing when it became a device: the next run knows it again by this."""
    found: dict[str, list[str]] = {
        "serial": [told.serial],
        "asset_tag": [told.asset_tag],
        "macs": list(told.macs),
        "names": list(told.own_names),
    }
    for key in ("uuid", "directory_id", "mdm_id"):
        found[key] = list(dict.fromkeys(str(one.identity[key]) for one in told.sightings if one.identity.get(key)))
    return {key: kept for key, values in found.items() if (kept := [value for value in values if value])}
