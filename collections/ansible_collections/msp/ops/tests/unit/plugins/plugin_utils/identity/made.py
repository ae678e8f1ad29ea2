# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Made assets and sightings for the tests of identity. Nothing in them exists."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity import evidence
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Profile
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Entity, Resolution
from ansible_collections.msp.ops.plugins.plugin_utils.identity.resolve import resolve

NOW = dt.datetime(2026, 11, 23, 6, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
SLUG = "bakkerij-jansen"
# Burned-in cards, and one of each other kind.
CARD, OTHER, THIRD = "b8:27:eb:4a:10:9c", "3c:2a:f4:77:01:aa", "f0:9f:c2:00:00:01"
VIRTUAL, CLONED = "00:50:56:9a:00:01", "00:50:56:9a:00:02"
PRIVATE, PRIVATE_TOO = "a2:11:22:33:44:55", "fa:66:77:88:99:00"
SERIAL, SIBLING = "PF2ABC12", "5CD94410XW"
UUID, UUID_TOO = "4c4c4544-0038-4810-8053-b4c04f564d31", "564d874f-39f5-a37f-4b5d-0a1b2c3d4e5f"


def asset(number: int = 1, name: str = "lt-0042", /, **changes: Any) -> Profile:
    """What is on record of an asset. remembered, facts and audited go to evidence.of_asset, the rest is NetBox's."""
    more = {word: changes.pop(word) for word in ("facts", "audited", "remembered") if word in changes}
    kind = changes.pop("kind", "device")
    values: dict[str, Any] = {"customer": SLUG, "status": "contracted", "asset_class": "workstation", **changes}
    return evidence.of_asset(Asset(kind=kind, id=number, name=name, **values), **more)


def seen(
    source: str = "dhcp",
    /,
    *,
    at: dt.datetime = NOW,
    since: dt.datetime | None = None,
    customer: str = SLUG,
    of: str | None = None,
    thing: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    place: Mapping[str, Any] | None = None,
    **identity: Any,
) -> Profile:
    """A sighting, last at a time and first 20 days before. of: the asset that an audit was of."""
    return evidence.of_sighting(
        Sighting(
            customer=customer,
            source=source,
            thing=thing or repr(sorted(identity.items())),
            first_seen=since or at - 20 * DAY,
            last_seen=at,
            count=3,
            identity=identity,
            asset=of,
            attributes=attributes or {},
            place=place or {},
        )
    )


def resolved(assets: Sequence[Profile], *sightings: Profile) -> Resolution:
    return resolve(SLUG, assets, sightings)


def verdicts(result: Resolution) -> list[tuple[str, str, int]]:
    """(verdict, asset or key, number of sightings) of every entity."""
    return [(one.verdict.value, one.asset or one.key, len(one.sightings)) for one in result.entities]


def entity_of(result: Resolution, sighting: Profile) -> Entity:
    return result.by_sighting()[sighting.key]


def sides(entity: Entity) -> dict[str, set[str]]:
    """What speaks for or against each candidate: by key, the kinds with "+" or "-"."""
    return {
        one.key: {f"{'-' if r.weight < 0 else '+'}{r.kind}" for r in one.reasons if r.weight}
        for one in entity.candidates
    }


def machine(serial: str | None, uuid: str | None = None, card: str | Iterable[str] = (), **more: Any) -> dict[str, Any]:
    """The facts of an audit."""
    cards = [card] if isinstance(card, str) else list(card)
    addresses = more.pop("addresses", [])
    return {
        "machine": {"serial": serial, "uuid": uuid},
        "hostname": {"name": more.pop("name", None)},
        "interfaces": [{"name": f"eth{i}", "mac": c, "addresses": addresses} for i, c in enumerate(cards)],
        **more,
    }
