# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From things to what is answered: a stable key, the candidates with their reasons, the times. Pure: no I/O."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import (
    IDENTIFYING,
    Kind,
    Profile,
)
from ansible_collections.msp.ops.plugins.plugin_utils.identity.grouping import Bundle, Ledger
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Candidate, Entity, Reason
from ansible_collections.msp.ops.plugins.plugin_utils.identity.things import Side, Thing
from ansible_collections.msp.ops.plugins.plugin_utils.identity.weighing import Point

# What an entity is called by, as verification.unlisted calls its things.
_KEYS = (
    (Kind.MAC, "mac"),
    (Kind.WEAK_MAC, "mac"),
    (Kind.SERIAL, "serial"),
    (Kind.UUID, "uuid"),
    (Kind.ASSET_TAG, "asset_tag"),
    (Kind.DIRECTORY_ID, "directory_id"),
    (Kind.MDM_ID, "mdm_id"),
    (Kind.PRIVATE_MAC, "mac"),
    (Kind.ADDRESS, "address"),
    (Kind.NAME, "name"),
    (Kind.HEARD, "name"),
)
_CANDIDATES = 10


def entities(things: Iterable[Thing], ledger: Ledger) -> tuple[Entity, ...]:
    """Every thing with sightings, sorted by key."""
    seen = [thing for thing in things if thing.bundles]
    keys = _keys(seen, ledger)
    of_profile = {
        key: (keys[id(thing)], thing.key is not None) for thing in seen for one in thing.bundles for key in one.keys
    }
    found = [_entity(thing, keys[id(thing)], of_profile, ledger) for thing in seen]
    return tuple(sorted(found, key=lambda one: one.key))


def _keys(things: Sequence[Thing], ledger: Ledger) -> dict[int, str]:
    """A key of its own for each. Two that would have the same are called by their first sighting."""
    wanted = {id(thing): thing.key or _key(thing.bundles, ledger) for thing in things}
    count: dict[str, int] = defaultdict(int)
    for key in wanted.values():
        count[key] += 1
    return {
        id(thing): wanted[id(thing)] if count[wanted[id(thing)]] == 1 else min(k for b in thing.bundles for k in b.keys)
        for thing in things
    }


def _key(bundles: Sequence[Bundle], ledger: Ledger) -> str:
    for kind, word in _KEYS:
        values = {v for one in bundles for v in ledger.valid(one, kind)}
        if values:
            return f"{word}:{min(values)}"
    return min(key for one in bundles for key in one.keys)


def _entity(thing: Thing, key: str, of_profile: Mapping[str, tuple[str, bool]], ledger: Ledger) -> Entity:
    members = sorted((m for one in thing.bundles for m in one.members), key=lambda one: one.key)
    firsts = [m.first_seen for m in members if m.first_seen is not None]
    lasts = [m.last_seen for m in members if m.last_seen is not None]
    lasting = (*IDENTIFYING, Kind.NAME)
    return Entity(
        key=key,
        verdict=thing.verdict,
        why=thing.why,
        asset=thing.key,
        sightings=tuple(m.key for m in members),
        candidates=_candidates(thing, key, of_profile),
        identified=thing.key is not None or any(ledger.valid(one, kind) for one in thing.bundles for kind in lasting),
        first_seen=min(firsts, default=None),
        last_seen=max(lasts, default=None),
    )


def _candidates(thing: Thing, key: str, of_profile: Mapping[str, tuple[str, bool]]) -> tuple[Candidate, ...]:
    """Each side once, with all that speaks for and against it, best first."""
    sides: dict[tuple[str, bool], list[Side]] = defaultdict(list)
    for side in thing.sides:
        if side.asset is not None:
            sides[side.asset, True].append(side)
        elif side.other is not None:
            sides[of_profile[side.other.keys[0]]].append(side)
    found = [_candidate(name, is_asset, of) for (name, is_asset), of in sides.items() if name != key or is_asset]
    found.sort(key=lambda one: (-one.score, one.key))
    return tuple(found[:_CANDIDATES])


def _candidate(name: str, is_asset: bool, sides: Iterable[Side]) -> Candidate:
    said = [_reason(point, side.mine) for side in sides for point in side.points]
    said.sort(key=lambda one: (-_stamp(one.at), one.source, one.weight))
    reasons: dict[tuple[str, str], Reason] = {}
    for one in said:
        reasons.setdefault((one.kind, one.value), one)
    ordered = tuple(sorted(reasons.values(), key=lambda one: (-one.weight, one.kind, one.value)))
    return Candidate(name, is_asset, sum(one.weight for one in ordered), ordered)


def _reason(point: Point, mine: Bundle) -> Reason:
    """Who said it, last: of several sources the newest, at equal times the last by key."""
    kind = str(point.kind)
    who = mine.members if len(mine.members) == 1 else [one for one in mine.members if _says(one, kind, point.values)]
    newest = max(who or mine.members, key=lambda one: (_stamp(one.last_seen), one.key))
    return Reason(kind, ", ".join(point.values), point.weight, newest.source, newest.last_seen)


_FIELDS = {
    "serial": "serials",
    "uuid": "uuids",
    "asset_tag": "asset_tags",
    "directory_id": "directory_ids",
    "mdm_id": "mdm_ids",
    "mac": "macs",
    "weak_mac": "weak_macs",
    "private_mac": "private_macs",
    "moving_mac": "moving_macs",
    "name": "names",
    "heard_name": "heard",
    "address": "addresses",
}


def _says(one: Profile, kind: str, values: Sequence[str]) -> bool:
    if kind == "certain":
        return one.asset in values
    if kind in ("type", "system"):
        return (one.family if kind == "type" else one.system) in values
    said: frozenset[str] = getattr(one, _FIELDS.get(kind, "names"))
    return any(value in said for value in values)


def _stamp(moment: dt.datetime | None) -> float:
    return moment.timestamp() if moment is not None else 0.0
