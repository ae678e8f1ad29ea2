# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is who: the sightings of one customer become things, and things are matched to its assets. Pure: no I/O.

A machine merges only what identifying evidence joins and nothing contradicts; what is contested is a conflict, with the
evidence for each side, for a person. Never across customers. The order of the input decides nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.identity import grouping
from ansible_collections.msp.ops.plugins.plugin_utils.identity.collector import without_collector
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Profile
from ansible_collections.msp.ops.plugins.plugin_utils.identity.following import Followers
from ansible_collections.msp.ops.plugins.plugin_utils.identity.judging import Judge
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Resolution
from ansible_collections.msp.ops.plugins.plugin_utils.identity.telling import entities
from ansible_collections.msp.ops.plugins.plugin_utils.identity.things import Thing, cross_check
from ansible_collections.msp.ops.plugins.plugin_utils.identity.weighing import DEFAULT, Settings


def resolve(
    customer: str, assets: Sequence[Profile], sightings: Sequence[Profile], settings: Settings = DEFAULT
) -> Resolution:
    """Every sighting in exactly one entity, matched to an asset, new, or a conflict.

    Four steps: join sightings by what identifies (grouping), hold every bundle with hardware of its own against the
    assets (judging), look whether all that came to one asset can be one machine (things), and give what shows only a
    name or an address to who bears it (following).
    """
    _one_customer(customer, (*assets, *sightings))
    _once(assets)
    _once(sightings)
    with without_collector():
        return _resolved(customer, assets, sightings, settings)


def _resolved(customer: str, assets: Sequence[Profile], sightings: Sequence[Profile], settings: Settings) -> Resolution:
    records = [grouping.bundle(one) for one in assets]
    bundles, ledger = grouping.join([grouping.bundle(one) for one in sightings], records, settings)
    judge = Judge(records, ledger, settings)
    by_asset = {one.key: Thing(asset=record) for one, record in zip(assets, records, strict=True)}
    others: list[Thing] = []
    loose: list[grouping.Bundle] = []
    for one in bundles:
        verdict = judge.decide(one)
        if verdict is None:
            loose.append(one)
        elif verdict.asset is not None:
            by_asset[verdict.asset].take(one, verdict)
        else:
            others.append(Thing.of(one, verdict))
    others += cross_check(by_asset.values(), ledger)
    judge.unheard(others, by_asset)
    judge.taken_over(others, by_asset)
    things = [*by_asset.values(), *others]
    things += Followers(things, ledger, settings).place(loose)
    return Resolution(
        customer,
        entities(things, ledger),
        tuple(sorted(key for key, thing in by_asset.items() if not thing.bundles)),
        ledger.disputed(),
    )


def _one_customer(customer: str, profiles: Iterable[Profile]) -> None:
    for one in profiles:
        if one.customer != customer:
            raise MspError(
                "MSP-IDN-001",
                f"assets and sightings of the customer {customer!r} only",
                f"{one.key} of {one.customer!r}",
                "resolve each customer apart; identity never looks across customers",
            )


def _once(profiles: Iterable[Profile]) -> None:
    seen: dict[str, int] = defaultdict(int)
    for one in profiles:
        seen[one.key] += 1
        if seen[one.key] > 1:
            raise MspError(
                "MSP-IDN-002",
                "every asset and every sighting once",
                f"{one.key} of {one.customer!r} twice",
                "give each thing of a source in its newest state only (Store.sightings does)",
            )
