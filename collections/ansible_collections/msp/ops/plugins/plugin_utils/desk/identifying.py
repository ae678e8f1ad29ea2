# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is who among what was seen at one customer, by all that the evidence store knows. Only reads.

The report and the reconciliation ask here, so that one thing is never an asset to the one and unlisted to the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.identity import evidence, learning
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Profile
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Resolution
from ansible_collections.msp.ops.plugins.plugin_utils.identity.resolve import resolve
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.earlier import Earlier, earlier

# Sources whose earlier states tell which network cards go from machine to machine.
_TELLING = ("audit", "mdm", "directory", "dhcp", "lldp")


@dataclass(frozen=True, slots=True)
class Identified:
    """What was seen, and who it is. profiles are of sightings, by their key; on_record is what is known of each asset,
    audits its last good audit and its last one. remembered is by id the asset that earlier matches taught it of.
    """

    sightings: Sequence[Sighting]
    audits: Mapping[str, tuple[Audit | None, Audit | None]]
    earlier: Earlier
    on_record: Mapping[str, Profile]
    profiles: Mapping[str, Profile]
    resolution: Resolution
    remembered: learning.Owners

    def learnt(self) -> dict[learning.Token, str]:
        """What is to be remembered from now on: that of before, and what these matches teach."""
        said = self.earlier.remembered
        return learning.learnt(self.resolution, self.on_record, self.profiles, said, self.remembered)


def identified(store: Store, slug: str, assets: Sequence[Asset]) -> Identified:
    """Every sighting of a customer held against its assets."""
    before = earlier(store.changes(slug))
    remembered = store.remembered(slug)
    sightings = store.sightings(slug)
    audits = store.last_audits(slug)
    history = [state for states in store.histories(slug, _TELLING).values() for state in states]
    on_record, seen = evidence.gather(
        assets,
        sightings,
        facts=_facts(sightings),
        audits=audits,
        remembered=learning.taught(assets, before.remembered, remembered),
        history=history,
    )
    by_key = {one.key: one for one in on_record}
    profiles = {one.key: one for one in seen}
    return Identified(sightings, audits, before, by_key, profiles, resolve(slug, on_record, seen), remembered)


def _facts(sightings: Sequence[Sighting]) -> dict[str, dict[str, Any]]:
    """What the last audit of each asset found of who it is: its own sighting says that, without all the packages."""
    return {
        one.asset: {
            "machine": {key: one.identity.get(key) for key in ("serial", "uuid", "asset_tag")},
            "hostname": {"name": next(iter(one.identity.get("names") or ()), None)},
            "interfaces": [
                {"addresses": one.identity.get("addresses") or []},
                *({"mac": mac} for mac in one.identity.get("macs") or ()),
            ],
        }
        for one in sightings
        if one.source == "audit" and one.asset
    }
