# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is who, by all that the evidence store knows: the report and the reconciliation have one answer."""

from __future__ import annotations

import datetime as dt

from ansible_collections.msp.ops.plugins.plugin_utils.desk import identifying
from ansible_collections.msp.ops.plugins.plugin_utils.desk.identifying import identified
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Change, Observation, Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Verdict
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import NOW, asset

CARD, OTHER, DOCK = "b8:27:eb:00:00:01", "3c:2a:f4:77:01:aa", "f0:9f:c2:00:00:01"
SLUG = "bakkerij-jansen"


def test_what_an_audit_found_of_who_it_is_comes_from_its_own_sighting() -> None:
    identity = {"serial": "S-1", "uuid": "U-1", "macs": ["b8:27:eb:00:00:01"], "names": ["srv", "srv.x"]}
    audit = Sighting("bakery", "audit", "asset=device:1", NOW, NOW, 1, identity, "device:1", {}, {})
    other = Sighting("bakery", "nmap", "mac=x", NOW, NOW, 1, identity, None, {}, {})
    (facts,) = identifying._facts([audit, other]).values()
    assert facts["machine"] == {"serial": "S-1", "uuid": "U-1", "asset_tag": None}
    assert facts["hostname"] == {"name": "srv"} and {"mac": "b8:27:eb:00:00:01"} in facts["interfaces"]


def test_what_a_thing_was_when_its_asset_was_made_is_remembered(store: Store) -> None:
    known = asset(name="seen-till")
    store.record_observations([Observation(SLUG, "dhcp", NOW, {"macs": [CARD], "names": ["till02"]})])
    assert not identified(store, SLUG, [known]).resolution.of(Verdict.MATCHED)
    told = {"identity": {"macs": [CARD], "names": ["till02"]}}
    store.record_changes([Change("k1", SLUG, NOW, "new", f"mac:{CARD}", known.key, told)])
    (entity,) = identified(store, SLUG, [known]).resolution.of(Verdict.MATCHED)
    assert entity.asset == known.key


def test_what_was_confirmed_of_a_machine_that_was_exchanged_is_void_and_the_rest_stays(store: Store) -> None:
    known = asset(name="pc-01", serial="S-NEW")
    for key, taught in (("k1", {"serial": ["S-OLD"], "directory_id": ["d-old"]}), ("k2", {"mdm_id": ["m-1"]})):
        store.record_changes([Change(key, SLUG, NOW, "settled", key, known.key, {"identity": taught})])
    store.record_observations(
        [
            Observation(SLUG, "directory", NOW, {"directory_id": "d-old", "names": ["pc-99"]}),
            Observation(SLUG, "mdm", NOW, {"mdm_id": "m-1", "names": ["pc-98"]}),
        ]
    )
    (entity,) = identified(store, SLUG, [known]).resolution.of(Verdict.MATCHED)
    assert entity.sightings == ("mdm:mdm_id=m-1",)


def test_a_machine_that_was_matched_by_its_name_once_is_known_by_its_account(store: Store) -> None:
    known = [asset(1, "lt-0001"), asset(2, "lt-0002")]

    def told(days: int, **names: str) -> dict[str, str | None]:
        at = NOW - dt.timedelta(days=days)
        store.record_observations(
            Observation(SLUG, "directory", at, {"directory_id": i, "names": [name]}) for i, name in names.items()
        )
        who = identified(store, SLUG, known)
        store.remember(SLUG, who.learnt())
        return {key.rpartition("=")[2]: one.asset for one in who.resolution.entities for key in one.sightings}

    first = told(9, d1="lt-0001", d2="lt-0002")
    assert first == {"d1": "device:1", "d2": "device:2"}
    assert told(8, d1="lt-0002", d2="lt-0001") == first
    assert told(7, d1="lt-0099") == first


def test_a_dock_that_went_from_laptop_to_laptop_is_known_by_what_the_store_kept(store: Store) -> None:
    def told(days: int, name: str, *cards: str) -> Observation:
        identity = {"mdm_id": f"id-{name}", "macs": list(cards), "names": [name]}
        return Observation(SLUG, "mdm", NOW - dt.timedelta(days=days), identity)

    store.record_observations([told(9, "lt-0001", CARD, DOCK), told(9, "lt-0002", OTHER)])
    assert not any(profile.moving_macs for profile in identified(store, SLUG, []).profiles.values())
    store.record_observations([told(1, "lt-0001", CARD), told(1, "lt-0002", OTHER, DOCK)])
    who = identified(store, SLUG, [])
    assert [profile.moving_macs for profile in who.profiles.values() if profile.moving_macs] == [{DOCK}]
    assert len(who.resolution.entities) == 2
