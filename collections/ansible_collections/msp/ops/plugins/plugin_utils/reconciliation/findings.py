# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What reconciliation finds at one customer: match, unlisted, missing, changed, conflict, with the evidence. Pure.

Every thing that was seen is in one finding, and so is every asset that is gone. An asset that nobody ever saw is in
none: no source should have seen it, so nothing is known.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import records as evidence
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Coverage, Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Profile, profile_key
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Candidate, Entity, Resolution, Verdict
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import missing, seen
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.differences import Difference, promises
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.seen import Network, Seen
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import FRESH_DAYS, UNREACHABLE

MATCH, UNLISTED, MISSING, CHANGED, CONFLICT = KINDS = ("match", "unlisted", "missing", "changed", "conflict")
# What was agreed about these leaves nothing to find: they are known, and nobody waits for them.
CLOSED = (names.EXCLUDED, names.ENDED)
# An unknown thing that nobody saw for this long is no news any more.
FRESH = dt.timedelta(days=FRESH_DAYS)


@dataclass(frozen=True, slots=True)
class Finding:
    """kind is one of KINDS. thing is identity's key; asset is set where it is one; seen is None where nobody told.

    certain is False for an unlisted thing that leaves nothing by which it would be known again.
    """

    kind: str
    customer: str
    thing: str
    asset: Asset | None = None
    seen: Seen | None = None
    differences: tuple[Difference, ...] = ()
    misses: Mapping[str, int] = field(default_factory=dict)
    why: str = ""
    sides: tuple[Candidate, ...] = ()
    certain: bool = True

    @property
    def name(self) -> str:
        if self.asset is not None:
            return self.asset.name
        return self.seen.name if self.seen else self.thing


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one customer at one moment. profiles are those of the sightings, by identity's key."""

    customer: str
    assets: Sequence[Asset]
    sightings: Sequence[Sighting]
    profiles: Mapping[str, Profile]
    resolution: Resolution
    coverages: Sequence[Coverage] = ()
    audits: Mapping[str, tuple[Audit | None, Audit | None]] = field(default_factory=dict)
    networks: Sequence[Network] = ()
    needed: Mapping[str, int] = field(default_factory=dict)  # complete looks that have to miss a thing, by kind
    patience: Mapping[str, dt.timedelta] = field(default_factory=dict)  # how long nobody must have seen it, by class
    gone: Mapping[str, dt.datetime | None] = field(default_factory=dict)  # last seen when it was found gone, by asset
    gone_since: Mapping[str, dt.datetime] = field(default_factory=dict)  # when that was found, by asset


def findings(known: Known, now: dt.datetime) -> tuple[Finding, ...]:
    """Every finding, sorted by kind and thing."""
    finder = _Finder(known, now)
    found = [*finder.of_entities(), *finder.of_unseen()]
    return tuple(sorted(found, key=lambda one: (KINDS.index(one.kind), one.thing)))


def count(found: Iterable[Finding]) -> dict[str, int]:
    """How many of each kind."""
    counted = dict.fromkeys(KINDS, 0)
    for one in found:
        counted[one.kind] += 1
    return counted


def seen_assets(found: Iterable[Finding]) -> Iterator[evidence.Seen]:
    """When each asset was seen by anything that is the asset, for who asks without reconciling: the inventory."""
    for one in found:
        if one.asset is not None and one.seen is not None:
            told = one.seen
            place = {"switch": told.switch, "port": told.port, "prefix": told.prefix}
            yield evidence.Seen(
                one.customer,
                one.asset.key,
                told.first_seen,
                told.last_seen,
                told.sources,
                {name: value for name, value in place.items() if value},
            )


class _Finder:
    """One customer at one moment, ready to be looked through."""

    def __init__(self, known: Known, now: dt.datetime) -> None:
        self.known = known
        self.now = now
        self.assets = {one.key: one for one in known.assets}
        self.sightings = {profile_key(one): one for one in known.sightings}
        self.looked = missing.looks(known.coverages)
        self.doubtful = self._doubtful()
        self.doubted = seen.disputed(known.resolution)

    def _doubtful(self) -> dict[str, list[missing.Answer]]:
        """By asset, who saw something that may be it."""
        found: dict[str, list[missing.Answer]] = {}
        for entity in self.known.resolution.of(Verdict.CONFLICT):
            for key in {side.key for side in entity.candidates if side.is_asset}:
                found.setdefault(key, []).extend(missing.Answer.of(self.sightings[one]) for one in entity.sightings)
        return found

    def of_entities(self) -> Iterator[Finding]:
        known = self.known
        for entity in known.resolution.entities:
            sightings = [self.sightings[key] for key in entity.sightings]
            told = seen.of(entity.key, sightings, known.profiles, self.doubted, known.networks)
            if entity.verdict is Verdict.MATCHED and entity.asset is not None:
                yield self._of_asset(self.assets[entity.asset], told, entity)
            elif self.now - told.last_seen <= FRESH:
                conflict = entity.verdict is Verdict.CONFLICT
                yield Finding(
                    CONFLICT if conflict else UNLISTED,
                    known.customer,
                    entity.key,
                    seen=told,
                    why=str(entity.why),
                    sides=entity.candidates if conflict else (),
                    certain=entity.identified,
                )

    def of_unseen(self) -> Iterator[Finding]:
        """Assets without a sighting: only what an audit once reached can be gone."""
        for key in self.known.resolution.unseen:
            asset = self.assets[key]
            if asset.status not in CLOSED:
                counted = self._misses(asset, None)
                if self._is_gone(asset, None, counted):
                    yield Finding(MISSING, self.known.customer, key, asset, misses=counted)

    def _of_asset(self, asset: Asset, told: Seen, entity: Entity) -> Finding:
        """A known asset that somebody saw, now or once."""
        base = Finding(MATCH, self.known.customer, entity.key, asset, told, why=str(entity.why))
        if asset.status in CLOSED:
            return base
        counted = self._misses(asset, told)
        if self._is_gone(asset, told.last_seen, counted):
            return replace(base, kind=MISSING, misses=counted)
        if (asset.status or names.UNLISTED) == names.UNLISTED:
            return replace(base, kind=UNLISTED)
        differing = promises(asset, told)
        return replace(base, kind=CHANGED, differences=differing) if differing else base

    def _misses(self, asset: Asset, told: Seen | None) -> dict[str, int]:
        answers = [*map(missing.Answer.of, told.sightings if told else ()), *self._audited(asset.key)]
        addresses = {*asset.addresses, *(told.addresses if told else ()), *((asset.address,) if asset.address else ())}
        doubtful = self.doubtful.get(asset.key, ())
        return missing.misses(answers, addresses, asset.asset_class, self.looked, self.now, doubtful=doubtful)

    def _audited(self, key: str) -> list[missing.Answer]:
        """Every audit that got an answer from the host, even a bad one."""
        audits = self.known.audits.get(key, (None, None))
        answered = [one for one in audits if one is not None and one.outcome != UNREACHABLE]
        return [missing.Answer("audit", one.at) for one in answered]

    def _is_gone(self, asset: Asset, told: dt.datetime | None, counted: Mapping[str, int]) -> bool:
        """What was found gone stays so until somebody sees it, even where the looks that said so are kept no more."""
        last = max((at for at in (told, *(one.at for one in self._audited(asset.key))) if at), default=None)
        if missing.is_missing(counted, self.known.needed):
            wait = missing.patient(asset.asset_class, self.known.patience)
            return last is None or not dt.timedelta(0) <= self.now - last < wait
        if asset.custom_fields.get(names.DISCOVERY) != names.MISSING or asset.key not in self.known.gone:
            return False
        before = self.known.gone[asset.key]
        if last is None or last == before:
            return True
        # A clock that was ahead when it was last seen is no measure of when it was seen again.
        moments = [at for at in (before, self.known.gone_since.get(asset.key)) if at is not None]
        return bool(moments) and last <= min(moments)
