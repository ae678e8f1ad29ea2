# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One customer's verification: all parts of the report joined, before any language or layout. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ansible_collections.msp.ops.plugins.plugin_utils.contract import status
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Resolution
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.verification import compare as comparing
from ansible_collections.msp.ops.plugins.plugin_utils.verification import unlisted
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import Compared, Evidence
from ansible_collections.msp.ops.plugins.plugin_utils.verification.questions import Question, questions
from ansible_collections.msp.ops.plugins.plugin_utils.verification.unlisted import Thing

Audits = Mapping[str, tuple[Audit | None, Audit | None]]
PERIOD_DAYS = 30


@dataclass(frozen=True, slots=True)
class Effort:
    """Minutes spent outside the contract in the period, by people and by automation."""

    person_minutes: float
    automation_minutes: float


@dataclass(frozen=True, slots=True)
class Served:
    """A known asset that is not in service: tracked, excluded or ended, with when it was last seen."""

    asset: Asset
    status: str
    last_seen: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Counts:
    contracted: int
    found: int
    differs: int
    absent: int
    not_audited: int
    unlisted: int
    warranty_ending: int
    security_updates: int
    os_ended: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What the report shows. now is UTC; today is the customer's calendar date.

    things are in no contract; perhaps are those that may be an asset, which only a person can tell.
    """

    customer: Customer
    made_by: str
    now: dt.datetime
    today: dt.date
    period: tuple[dt.datetime, dt.datetime]
    evidence_until: dt.datetime | None
    compared: tuple[Compared, ...]
    things: tuple[Thing, ...]
    perhaps: tuple[Thing, ...]
    others: tuple[Served, ...]
    questions: tuple[Question, ...]
    effort: Effort | None
    counts: Counts
    contract_ended: bool

    @property
    def language(self) -> str:
        return language(self.customer)

    @property
    def zone(self) -> ZoneInfo:
        return zone(self.customer)


def language(customer: Customer) -> str:
    """The customer's language where we speak it, else English."""
    wanted = customer.contract.language if customer.contract else "en"
    return wanted if wanted in names.LANGUAGES else "en"


def zone(customer: Customer) -> ZoneInfo:
    """The customer's time zone; UTC where the contract names none that exists."""
    try:
        return ZoneInfo(customer.contract.timezone if customer.contract else "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def verify(
    customer: Customer,
    assets: Sequence[Asset],
    audits: Audits,
    facts: Mapping[str, Mapping[str, object]],
    sightings: Sequence[Sighting],
    *,
    resolution: Resolution,
    presumed: Mapping[str, str],
    now: dt.datetime,
    made_by: str,
    effort: Effort | None = None,
    vendor_of: Callable[[str], str] = lambda _mac: "",
) -> Verification:
    """Join contract and evidence. facts: asset key to the facts of its last good audit. resolution: who is who.
    presumed: by thing in conflict, the asset that it is taken for (identity/presumed.py).
    """
    today = now.astimezone(zone(customer)).date()
    sightings = _with_names(sightings, assets)
    seen, things = unlisted.sort_out(resolution, sightings, assets, vendor_of, presumed)
    sure, perhaps = [t for t in things if not t.maybe], tuple(t for t in things if t.maybe)
    doubted = _doubted(perhaps)
    contracted = [a for a in assets if a.status == names.CONTRACTED]
    waiting = [a for a in assets if a.status not in names.CONTRACT_STATUSES or a.status == names.UNLISTED]
    compared = [
        comparing.compare(a, _evidence(a, audits, facts, seen, doubted), now, today, customer.contract)
        for a in sorted(contracted, key=lambda a: (a.name.lower(), a.key))
    ]
    held = [unlisted.of_asset(a, seen.get(a.key, ()), vendor_of) for a in sorted(waiting, key=lambda a: a.name.lower())]
    others = _others(assets, audits, seen)
    unknown = (*held, *sure)
    moments = [a.at for pair in audits.values() for a in pair if a is not None] + [s.last_seen for s in sightings]
    return Verification(
        customer=customer,
        made_by=made_by,
        now=now,
        today=today,
        period=(now - dt.timedelta(days=PERIOD_DAYS), now),
        evidence_until=max(moments, default=None),
        compared=tuple(compared),
        things=unknown,
        perhaps=perhaps,
        others=others,
        questions=questions(compared, (*unknown, *perhaps), [o.asset for o in others if _ended_but_seen(o, now)]),
        effort=effort,
        counts=_counts(compared, unknown),
        contract_ended=customer.contract is not None and customer.contract.ended(today),
    )


def _with_names(sightings: Sequence[Sighting], assets: Sequence[Asset]) -> list[Sighting]:
    """Sightings whose place says by which asset they were made, with its name: a reader knows no keys."""
    called = {asset.key: asset.name for asset in assets}

    def named(sighting: Sighting) -> Sighting:
        by = called.get(str(sighting.place.get("seen_by")))
        return dataclasses.replace(sighting, place={**sighting.place, "seen_by": by}) if by else sighting

    return [named(sighting) for sighting in sightings]


def _evidence(
    asset: Asset,
    audits: Audits,
    facts: Mapping[str, Mapping[str, object]],
    seen: Mapping[str, tuple[Sighting, ...]],
    doubted: Mapping[str, dt.datetime],
) -> Evidence:
    ok, attempt = audits.get(asset.key, (None, None))
    return Evidence(ok, attempt, facts.get(asset.key), seen.get(asset.key, ()), doubted.get(asset.key))


def _doubted(things: Iterable[Thing]) -> dict[str, dt.datetime]:
    """By asset, when something was last seen that may be it."""
    found: dict[str, dt.datetime] = {}
    for thing in things:
        for asset in thing.maybe:
            if thing.last_seen is not None:
                found[asset.key] = max(thing.last_seen, found.get(asset.key, thing.last_seen))
    return found


def _others(assets: Sequence[Asset], audits: Audits, seen: Mapping[str, tuple[Sighting, ...]]) -> tuple[Served, ...]:
    found = []
    for asset in sorted(assets, key=lambda a: (str(a.status), a.name.lower(), a.key)):
        if asset.status in (names.TRACKED, names.EXCLUDED, names.ENDED):
            moments = [s.last_seen for s in seen.get(asset.key, ())]
            moments += [a.at for a in audits.get(asset.key, ()) if a is not None and a.outcome != comparing.UNREACHABLE]
            found.append(Served(asset, str(asset.status), max(moments, default=None)))
    return tuple(found)


def _ended_but_seen(other: Served, now: dt.datetime) -> bool:
    fresh = dt.timedelta(days=comparing.FRESH_DAYS)
    return other.status == names.ENDED and other.last_seen is not None and now - other.last_seen <= fresh


def _counts(compared: Sequence[Compared], things: Sequence[Thing]) -> Counts:
    states = [one.state for one in compared]
    return Counts(
        contracted=len(compared),
        found=sum(state in comparing.FOUND for state in states),
        differs=states.count(comparing.DIFFERS),
        absent=states.count(comparing.ABSENT),
        not_audited=states.count(comparing.NOT_AUDITED),
        unlisted=len(things),
        warranty_ending=sum(one.warranty.state == status.WARRANTY_ENDING for one in compared),
        security_updates=sum(one.condition.security or 0 for one in compared),
        os_ended=sum(one.condition.support == comparing.SUPPORT_ENDED for one in compared),
    )
