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
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Change, Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.identity import learning
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Profile
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Resolution
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.earlier import Earlier, earlier

# Sources whose earlier states tell which network cards go from machine to machine.
_TELLING = ("audit", "mdm", "directory", "dhcp", "lldp")


@dataclass(frozen=True, slots=True)
class OnFile:
    """What the evidence store has of a customer, from which is told who is who. remembered is by asset, history are
    earlier states of what was seen."""

    sightings: Sequence[Sighting]
    audits: Mapping[str, tuple[Audit | None, Audit | None]]
    changes: Sequence[Change]
    remembered: learning.Owners
    history: Sequence[Sighting]


@dataclass(frozen=True, slots=True)
class Identified:
    """What was seen, and who it is. audits are by asset: its last good audit and its last one."""

    sightings: Sequence[Sighting]
    audits: Mapping[str, tuple[Audit | None, Audit | None]]
    earlier: Earlier
    known: learning.Known

    @property
    def resolution(self) -> Resolution:
        return self.known.resolution

    @property
    def on_record(self) -> Mapping[str, Profile]:
        """What is known of each asset, by its key."""
        return self.known.on_record

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """What the sightings say of who they are of, by their keys."""
        return self.known.profiles

    def learnt(self) -> learning.Owners:
        """What is to be remembered from now on: that of before, and what these matches teach."""
        return self.known.owners


def on_file(store: Store, slug: str) -> OnFile:
    """All of it, as it is now."""
    changes = store.changes(slug)
    history = tuple(state for states in store.histories(slug, _TELLING).values() for state in states)
    return OnFile(store.sightings(slug), store.last_audits(slug), changes, store.remembered(slug), history)


def identified(store: Store, slug: str, assets: Sequence[Asset]) -> Identified:
    """Every sighting of a customer held against its assets."""
    return identify(on_file(store, slug), slug, assets)


def identify(told: OnFile, slug: str, assets: Sequence[Asset]) -> Identified:
    """The same of what was read before."""
    before = earlier(told.changes)
    known = learning.identify(
        slug,
        assets,
        told.sightings,
        facts=_facts(told.sightings),
        audits=told.audits,
        said=before.remembered,
        owners=told.remembered,
        history=told.history,
    )
    return Identified(told.sightings, told.audits, before, known)


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
