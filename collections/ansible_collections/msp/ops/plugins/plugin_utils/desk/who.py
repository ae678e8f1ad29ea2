# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the helpdesk asks first of a name, address, hardware address or serial number: whose is it, and how is it.

A few filtered requests to NetBox and one question to the store, side by side. Writes nothing. A source that did not
answer is reported as such and never read as "not known".
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.contract.status import effective_status
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Known, Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity import evidence, learning
from ansible_collections.msp.ops.plugins.plugin_utils.identity.resolve import resolve
from ansible_collections.msp.ops.plugins.plugin_utils.standards.lately import Lately, lately
from ansible_collections.msp.ops.plugins.plugin_utils.verification import compare
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import Compared, Evidence
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import zone

if TYPE_CHECKING:
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
    from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

# Longer than this the last audit is no help to who is on the phone.
AUDITS_SINCE = dt.timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing that bears what was asked for. asset is None where NetBox has none, or did not answer."""

    customer: str
    customer_name: str
    name: str
    status: str | None
    asset: Asset | None
    compared: Compared | None
    sightings: tuple[Sighting, ...]
    last_good: Audit | None
    last_attempt: Audit | None
    contract_end: dt.date | None = None
    timezone: str = "UTC"
    standard: Lately | None = None

    @property
    def last_seen(self) -> dt.datetime | None:
        moments = [s.last_seen for s in self.sightings]
        moments += [a.at for a in (self.last_good, self.last_attempt) if a and a.outcome != compare.UNREACHABLE]
        return max(moments, default=None)


@dataclass(slots=True)
class Found:
    """All answers, and the sources that did not answer, with why."""

    answers: list[Answer] = field(default_factory=list)
    silent: dict[str, MspError] = field(default_factory=dict)


def who(term: str, open_register: Callable[[], Register], open_store: Callable[[], Store], now: dt.datetime) -> Found:
    """Everything that NetBox and the store know by this term. The two are asked at the same time."""
    found = Found()
    with ThreadPoolExecutor(max_workers=1) as beside:
        waiting = beside.submit(_from_register, term, open_register)
        store = _try(found, "store", open_store)
        known = _try(found, "store", lambda: store.who(term)) if store is not None else None
        register, assets = _try(found, "netbox", waiting.result) or (None, [])
    customers: dict[str, Customer] = {}
    if register is not None:
        there = {asset.key for asset in assets}
        remembered = _try(found, "store", lambda: _remembered(store, known or ())) if store is not None else None
        absent = {k.asset for k in known or () if k.asset} | (remembered or set())
        absent -= there
        more = _try(found, "netbox", lambda: _by_keys(register, sorted(absent)))
        assets += more or []
        customers = _try(found, "netbox", lambda: _customers(register, assets, known or ())) or {}
        register.close()
        found.answers += [_of_asset(a, customers.get(a.customer), known or (), store, now) for a in assets]
    joined = {s.thing for answer in found.answers for s in answer.sightings}
    for one in known or ():
        if not any(one.asset == answer.asset.key for answer in found.answers if answer.asset) and not (
            one.asset is None and {s.thing for s in one.sightings} <= joined
        ):
            found.answers.append(_of_thing(one, customers.get(one.customer), "netbox" in found.silent))
    if store is not None:
        store.close()
    return found


def _try(found: Found, source: str, work: Callable[[], Any]) -> Any:
    """The source's answer, or None with its error kept."""
    try:
        return work()
    except MspError as error:
        found.silent[source] = error
        return None


def _remembered(store: Store, known: Iterable[Known]) -> set[str]:
    """The assets that earlier matches taught the ids of, where the things that bear the term show one of them."""
    found: set[str] = set()
    for one in known:
        if one.asset is None:
            shown = frozenset().union(*(learning.tokens(evidence.of_sighting(s)) for s in one.sightings))
            owners = store.remembered(one.customer, values={value for _key, value in shown})
            found |= {owners[token] for token in shown if token in owners}
    return found


def _from_register(term: str, open_register: Callable[[], Register]) -> tuple[Register, list[Asset]]:
    register = open_register()
    with ThreadPoolExecutor(max_workers=5) as pool:
        asked = [pool.submit(question) for question in _questions(register, term)]
        found = {asset.key: asset for one in asked for asset in one.result()}
    return register, [asset for _key, asset in sorted(found.items())]


def _questions(register: Register, term: str) -> list[Callable[[], list[Asset]]]:
    """The requests for this kind of term. A name may also be a serial number or an asset tag."""
    if hardware := compare.mac(term):
        return [lambda: _owners(register, "dcim/mac-addresses", {"mac_address": hardware.upper()})]
    try:
        address = str(ipaddress.ip_address(term.partition("/")[0]))
    except ValueError:
        pass
    else:
        return [lambda: _owners(register, "ipam/ip-addresses", {"address": address})]
    # The inventory calls a host NAME.CUSTOMER.
    names = [term, *([term.rpartition(".")[0]] if "." in term else [])]
    asked: list[tuple[str, dict[str, Any]]] = [
        ("device", {"name__ie": names}),
        ("device", {"serial": term}),
        ("device", {"asset_tag": term}),
        ("virtual-machine", {"name__ie": names}),
        ("virtual-machine", {"serial": term}),
    ]
    return [functools.partial(_assets, register, kind, filters) for kind, filters in asked]


def _assets(register: Register, kind: str, filters: dict[str, Any]) -> list[Asset]:
    from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import ASSET_FIELDS, ENDPOINTS, asset_of

    rows = register.rows(ENDPOINTS[kind], fields=ASSET_FIELDS[kind], filters=filters)
    return [asset_of(kind, row) for row in rows]


def _owners(register: Register, endpoint: str, filters: dict[str, Any]) -> list[Asset]:
    """The assets on whose interfaces an address is."""
    keys = []
    for row in register.rows(endpoint, fields=("assigned_object",), filters=filters):
        holder = row["assigned_object"] or {}
        for kind, name in (("device", "device"), ("virtual-machine", "virtual_machine")):
            if isinstance(holder.get(name), dict):
                keys.append(f"{kind}:{holder[name]['id']}")
    return _by_keys(register, keys)


def _by_keys(register: Register, keys: Sequence[str]) -> list[Asset]:
    found = []
    for kind in ("device", "virtual-machine"):
        if ids := [int(key.partition(":")[2]) for key in keys if key.partition(":")[0] == kind]:
            found += _assets(register, kind, {"id": ids})
    return found


def _customers(register: Register, assets: Iterable[Asset], known: Iterable[Known]) -> dict[str, Customer]:
    from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import CUSTOMER_FIELDS, customer_of

    slugs = sorted({a.customer for a in assets if a.customer} | {k.customer for k in known})
    rows = register.rows("tenancy/tenants", fields=CUSTOMER_FIELDS, filters={"slug": slugs}) if slugs else []
    return {row["slug"]: customer_of(row) for row in rows}


def _of_asset(
    asset: Asset, customer: Customer | None, known: Sequence[Known], store: Store | None, now: dt.datetime
) -> Answer:
    contract = customer.contract if customer else None
    mine = next((k for k in known if k.asset == asset.key and k.customer == asset.customer), None)
    good, attempt = (mine.last_good, mine.last_attempt) if mine else _audits(store, asset, now)
    facts = store.facts(good.facts_hash) if store and good and good.facts_hash else None
    owners = store.remembered(asset.customer, asset=asset.key) if store else {}
    sightings = _sightings_of(asset, facts, good, known, owners)
    today = now.astimezone(zone(customer)).date() if customer else now.date()
    compared = compare.compare(asset, Evidence(good, attempt, facts, sightings), now, today, contract)
    checks = store.last_standard_checks(asset.customer, asset.key) if store else {}
    checked, tried = checks.get(asset.key, (None, None))
    return Answer(
        customer=asset.customer,
        customer_name=customer.name if customer else asset.customer,
        name=asset.name,
        status=effective_status(asset.status, contract, today),
        asset=asset,
        compared=compared,
        sightings=sightings,
        last_good=good,
        last_attempt=attempt,
        contract_end=contract.end if contract else None,
        timezone=contract.timezone if contract else "UTC",
        standard=lately(checked, tried, now, today),
    )


def _sightings_of(
    asset: Asset, facts: dict[str, Any] | None, good: Audit | None, known: Sequence[Known], owners: learning.Owners
) -> tuple[Sighting, ...]:
    """What was seen of this asset, or of what may be it, as far as the store knows it by the term asked for."""
    told = {evidence.profile_key(s): s for k in known if k.customer == asset.customer for s in k.sightings}
    on_record, seen = evidence.gather(
        [asset],
        list(told.values()),
        facts={asset.key: facts} if facts else {},
        audits={asset.key: (good, None)},
        remembered=learning.taught([asset], {}, owners),
    )
    of_this = [
        one
        for one in resolve(asset.customer, on_record, seen).entities
        if one.asset == asset.key or any(side.key == asset.key for side in one.candidates)
    ]
    return tuple(told[key] for one in of_this for key in one.sightings)


def _audits(store: Store | None, asset: Asset, now: dt.datetime) -> tuple[Audit | None, Audit | None]:
    """(last good, last attempt), for an asset that the store does not know by the term asked for."""
    found = store.audits(asset.customer, asset.key, now - AUDITS_SINCE) if store else []
    return next((audit for audit in found if audit.outcome == "ok"), None), found[0] if found else None


def _of_thing(known: Known, customer: Customer | None, netbox_silent: bool) -> Answer:
    """What only the store knows. Without NetBox's answer its contract status is not known."""
    words = [
        value for s in known.sightings for value in (*s.identity.get("names", ()), *s.identity.get("addresses", ()))
    ]
    return Answer(
        customer=known.customer,
        customer_name=customer.name if customer else known.customer,
        name=str(words[0]) if words else known.last_attempt.host if known.last_attempt else known.asset or "?",
        status=None if netbox_silent else "unlisted",
        asset=None,
        compared=None,
        sightings=known.sightings,
        last_good=known.last_good,
        last_attempt=known.last_attempt,
    )


def wrong(answer: Answer) -> list[str]:
    """What is wrong with it, in short lines; empty when nothing is known to be."""
    said = []
    attempt, one = answer.last_attempt, answer.compared
    if attempt is not None and attempt.outcome != "ok":
        why = f": {compare.text(attempt.error)}" if attempt.error else ""
        said.append(f"the last audit ended with {attempt.outcome}{why}")
    if one is None:
        return said
    said += [f"{d.what} is {d.found}, promised was {d.promised}" for d in one.differences]
    if answer.standard is not None and answer.standard.drift:
        said.append(f"not as its standard wants it: {', '.join(answer.standard.drift)}")
    if one.state == compare.ABSENT:
        said.append("absent: no source sees it")
    if one.condition.support == compare.SUPPORT_ENDED:
        said.append(f"{one.condition.os} is out of support since {one.condition.support_end}")
    if one.condition.security:
        said.append(f"{one.condition.security} security updates pending")
    if one.condition.reboot:
        said.append("a restart is needed")
    if one.condition.encrypted is False:
        said.append("the disk is not encrypted")
    return said
