# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a match teaches: the ids by which an asset is known again when its name is another. Pure: no I/O.

Only what lasts is learnt (directory and MDM id, serial number, UUID, card), and only of sightings that identifying
evidence, an audit or a name tied to the asset: an address alone teaches nothing. A value is learnt of one asset. What
NetBox or a person says goes before what was learnt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import (
    IDENTIFYING,
    Ids,
    Kind,
    Profile,
    gather,
    of_asset,
    of_identity,
)
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Resolution, Verdict
from ansible_collections.msp.ops.plugins.plugin_utils.identity.resolve import resolve

Token = tuple[str, str]  # a key of an identity, and one value as it is compared
Owners = Mapping[Token, str]  # by token the asset that it was learnt of

_LASTING = {
    Kind.SERIAL: "serial",
    Kind.UUID: "uuid",
    Kind.DIRECTORY_ID: "directory_id",
    Kind.MDM_ID: "mdm_id",
    Kind.MAC: "macs",
    Kind.WEAK_MAC: "macs",
}


# What a match teaches can settle a conflict, whose match teaches again: this often at most.
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Known:
    """Who is who. on_record and profiles are what was compared, by asset and by sighting; owners is what is remembered
    from now on.
    """

    on_record: Mapping[str, Profile]
    profiles: Mapping[str, Profile]
    resolution: Resolution
    owners: Owners


def identify(
    customer: str,
    assets: Sequence[Asset],
    sightings: Sequence[Sighting],
    *,
    facts: Mapping[str, Mapping[str, Any]],
    audits: Mapping[str, tuple[Audit | None, Audit | None]],
    said: Mapping[str, Sequence[Ids]],
    owners: Owners,
    history: Iterable[Sighting] = (),
) -> Known:
    """Hold sightings against assets, with what earlier matches taught (owners) and what these ones teach.

    The next run knows what this one learns; so that it finds the same, what is learnt of an asset in conflict counts at
    once. said: by asset, what a person or its making said of it.
    """
    history, remembered = tuple(history), owners
    for _round in range(_ROUNDS):
        told = taught(assets, said, remembered)
        record, seen = gather(assets, sightings, facts=facts, audits=audits, remembered=told, history=history)
        on_record, profiles = ({one.key: one for one in of} for of in (record, seen))
        resolution = resolve(customer, record, seen)
        more = learnt(resolution, on_record, profiles, said, remembered)
        doubtful = resolution.doubtful_assets()
        if not any(key in doubtful and remembered.get(token) != key for token, key in more.items()):
            break
        remembered = more
    return Known(on_record, profiles, resolution, more)


def tokens(profile: Profile) -> frozenset[Token]:
    """The lasting ids that a sighting shows, or that are on record of an asset."""
    known = profile.known()
    return frozenset((key, value) for kind, key in _LASTING.items() for value in known.get(kind, ()))


def taught(assets: Iterable[Asset], said: Mapping[str, Sequence[Ids]], owners: Owners) -> dict[str, tuple[Ids, ...]]:
    """By asset, each identity that is remembered of it: what a person or its making said, and what was learnt, but for
    what NetBox or a person says of another asset.
    """
    learnt_of: dict[str, list[Token]] = defaultdict(list)
    for token, key in owners.items():
        learnt_of[key].append(token)
    holders = _holders(assets, said) if owners else {}
    found: dict[str, tuple[Ids, ...]] = {key: tuple(entries) for key, entries in said.items()}
    for key, mine in learnt_of.items():
        entry: dict[str, list[str]] = {}
        for name, value in sorted(mine):
            if holders.get((name, value), {key}) == {key}:
                entry.setdefault(name, []).append(value)
        if entry:
            found[key] = (*found.get(key, ()), entry)
    return found


def _holders(assets: Iterable[Asset], said: Mapping[str, Sequence[Ids]]) -> dict[Token, set[str]]:
    """By value, the assets that NetBox or a person gives it to."""
    found: dict[Token, set[str]] = defaultdict(set)
    for asset in assets:
        if asset.serial or asset.macs or asset.key in said:
            for token in tokens(of_asset(asset, remembered=said.get(asset.key, ()))):
                found[token].add(asset.key)
    return found


def learnt(
    resolution: Resolution,
    on_record: Mapping[str, Profile],
    profiles: Mapping[str, Profile],
    said: Mapping[str, Sequence[Ids]],
    before: Owners,
) -> dict[Token, str]:
    """All that is to be remembered from now on. on_record includes what was remembered before: what was left out there
    is void.
    """
    recorded: dict[Token, set[str]] = defaultdict(set)
    for key, record in on_record.items():
        for token in tokens(record):
            recorded[token].add(key)
    told = {key: frozenset().union(*(tokens(of_identity(one)) for one in entries)) for key, entries in said.items()}
    claimed: dict[Token, set[str]] = defaultdict(set)
    for token, key in _shown(resolution, on_record, profiles):
        # What is on its record anyway is not kept twice, but for what a person said: who asks by that value finds it.
        if recorded[token] <= {key} and (key not in recorded[token] or token in told.get(key, ())):
            claimed[token].add(key)
    found = {token: next(iter(keys)) for token, keys in claimed.items() if len(keys) == 1}
    return found | {token: key for token, key in before.items() if key in recorded[token]}


def _shown(
    resolution: Resolution, on_record: Mapping[str, Profile], profiles: Mapping[str, Profile]
) -> Iterator[tuple[Token, str]]:
    """The lasting ids of what was matched, with the asset."""
    disputed = {(one.kind, one.value) for one in resolution.disputed}
    for entity in resolution.of(Verdict.MATCHED):
        if entity.asset is None:
            continue
        seen = [profiles[key] for key in entity.sightings]
        for profile in _tied(entity.asset, on_record[entity.asset], seen):
            known = profile.known()
            for kind, key in _LASTING.items():
                for value in known.get(kind, ()):
                    if (kind, value) not in disputed:
                        yield (key, value), entity.asset


def _tied(asset: str, record: Profile, seen: Sequence[Profile]) -> list[Profile]:
    """Those of an asset's sightings that an audit, something identifying or a name ties to it, one by way of others."""
    known, tied, left = _words(record), [], list(seen)
    found = left
    while found:
        found = [one for one in left if one.asset == asset or known & _words(one)]
        left = [one for one in left if one.asset != asset and not known & _words(one)]
        known = known.union(*map(_words, found))
        tied += found
    return tied


def _words(profile: Profile) -> frozenset[tuple[Kind, str]]:
    known = profile.known()
    return frozenset((kind, value) for kind in (*IDENTIFYING, Kind.NAME) for value in known.get(kind, ()))
