# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A person says which thing is which asset, and the next reconciliation knows it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.desk import confirming
from ansible_collections.msp.ops.plugins.plugin_utils.desk.confirming import confirm
from ansible_collections.msp.ops.plugins.plugin_utils.desk.identifying import identified
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Change, Observation
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Verdict
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import NOW, SLUG, asset

CARD, OTHER, THIRD = "b8:27:eb:4a:10:9c", "3c:2a:f4:77:01:aa", "f0:9f:c2:00:00:01"
GATEWAY = asset(1, "gw01", address="192.0.2.1")
LAPTOP = asset(2, "lt-0042", macs=(OTHER,), address="192.0.2.42")
SAID: dict[str, Any] = {"by": "A. de Vries", "reason": "Went past all of them"}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[Asset]:
    """The assets that NetBox has, to be changed by a test."""
    there = [GATEWAY, LAPTOP]
    monkeypatch.setattr(confirming, "assets", lambda _register, _slug: there)
    return there


def told(store: Store, source: str, **identity: Any) -> None:
    store.record_observations([Observation(SLUG, source, NOW, identity)])


def matched(store: Store, known: list[Asset]) -> dict[str, str | None]:
    return {one.key: one.asset for one in identified(store, SLUG, known).resolution.of(Verdict.MATCHED)}


def test_all_that_can_be_one_asset_only_are_confirmed_at_once_and_known_from_then_on(
    store: Store, known: list[Asset]
) -> None:
    told(store, "arp", macs=[CARD], addresses=["192.0.2.1"])
    told(store, "dhcp", macs=[THIRD], names=["lt-0042"])
    assert matched(store, known) == {}

    found = confirm(None, store, SLUG, {}, **SAID)  # type: ignore[arg-type]

    assert [(one.thing, one.asset) for one in found] == [(f"mac:{CARD}", GATEWAY)]
    assert matched(store, known) == {GATEWAY.key: GATEWAY.key}
    (change,) = store.changes(SLUG)
    assert (change.kind, change.asset, change.detail["how"]) == ("settled", GATEWAY.key, "confirmed by A. de Vries")
    assert change.detail["reason"] == "Went past all of them"
    assert confirm(None, store, SLUG, {}, **SAID) == []  # type: ignore[arg-type]


def test_a_new_network_card_is_confirmed_by_its_name(store: Store, known: list[Asset]) -> None:
    told(store, "dhcp", macs=[THIRD], names=["lt-0042"])

    confirm(None, store, SLUG, {f"mac:{THIRD}": "lt-0042"}, **SAID)  # type: ignore[arg-type]

    assert matched(store, known) == {LAPTOP.key: LAPTOP.key}


def test_what_has_nothing_but_its_address_is_known_by_it_for_as_long_as_netbox_gives_it_that(
    store: Store, known: list[Asset]
) -> None:
    told(store, "nmap", addresses=["192.0.2.1"])
    confirm(None, store, SLUG, {}, **SAID)  # type: ignore[arg-type]

    assert matched(store, known) == {GATEWAY.key: GATEWAY.key}
    known[0] = asset(1, "gw01", address="192.0.2.254")
    assert matched(store, known) == {}


def test_a_preview_keeps_nothing(store: Store, known: list[Asset]) -> None:
    told(store, "nmap", addresses=["192.0.2.1"])
    assert len(confirm(None, store, SLUG, {}, check=True, **SAID)) == 1  # type: ignore[arg-type]
    assert store.changes(SLUG) == [] and len(known) == 2


@pytest.mark.parametrize(
    ("things", "by", "refusal"),
    [
        ({}, " ", ("MSP-REC-005", "who confirms it")),
        ({"mac:00:00:5e:00:53:99": "gw01"}, "A", ("MSP-REC-009", f"in conflict: mac:{THIRD}")),
        ({f"mac:{THIRD}": "gw01"}, "A", ("MSP-REC-010", "lt-0042 (device:2)")),
    ],
)
def test_what_cannot_be_confirmed_is_refused_and_says_what_can(
    things: dict[str, str], by: str, refusal: tuple[str, str], store: Store, known: list[Asset]
) -> None:
    told(store, "dhcp", macs=[THIRD], names=["lt-0042"])
    with pytest.raises(MspError, match=refusal[0]) as error:
        confirm(None, store, SLUG, things, by=by, reason="seen")  # type: ignore[arg-type]
    assert refusal[1] in str(error.value)
    assert store.changes(SLUG) == [] and len(known) == 2


def test_what_would_not_be_known_again_is_refused_and_left_out_of_all_the_plain_ones(
    store: Store, known: list[Asset]
) -> None:
    known[:] = [asset(1, "gw01", address=None), asset(2, "pr01", serial="S-NEW", macs=(), address="192.0.2.9")]
    told(store, "nmap", addresses=["192.0.2.1"], names=["gw01"])
    told(store, "mdm", serial="S-NEX", macs=[CARD], names=["pr01"])
    told(store, "arp", macs=[THIRD], addresses=["192.0.2.9"])
    things = {one.key for one in identified(store, SLUG, known).resolution.of(Verdict.CONFLICT)}
    assert "address:192.0.2.1" in things

    with pytest.raises(MspError, match="MSP-REC-012") as error:
        confirm(None, store, SLUG, {"address:192.0.2.1": "gw01"}, **SAID)  # type: ignore[arg-type]

    assert "192.0.2.1" in str(error.value) and "gw01" in str(error.value)
    plain = confirm(None, store, SLUG, {}, **SAID)  # type: ignore[arg-type]
    assert "address:192.0.2.1" not in {one.thing for one in plain}
    assert all(one.detail["thing"] != "address:192.0.2.1" for one in store.changes(SLUG))


def test_a_thing_with_another_serial_number_than_netbox_has_cannot_be_confirmed(
    store: Store, known: list[Asset]
) -> None:
    known[:] = [asset(2, "lt-0042", serial="S-OLD", macs=(OTHER,))]
    told(store, "mdm", serial="S-NEW", macs=[OTHER], names=["lt-0042"])
    with pytest.raises(MspError, match="MSP-REC-012") as error:
        confirm(None, store, SLUG, {f"mac:{OTHER}": "lt-0042"}, **SAID)  # type: ignore[arg-type]
    assert "S-NEW" in str(error.value) and store.changes(SLUG) == []


def test_the_same_confirmation_again_records_nothing_and_has_changed_nothing(
    store: Store, known: list[Asset], monkeypatch: pytest.MonkeyPatch
) -> None:
    told(store, "dhcp", macs=[THIRD], names=["lt-0042"])
    arguments = {
        "customers": [SLUG],
        "things": {f"mac:{THIRD}": LAPTOP.key},
        "approved_by": "A. de Vries",
        "reason": "seen",
    }
    before = identified(store, SLUG, known)
    monkeypatch.setattr(confirming, "identified", lambda *_: before)  # another run looks at the same moment

    said = [confirming.confirmed(store, None, arguments, check=check) for check in (True, False, False, True)]  # type: ignore[arg-type]

    assert [one["changed"] for one in said] == [True, True, False, False]
    assert len(store.changes(SLUG)) == 1


def test_two_customers_at_once_are_refused() -> None:
    arguments = {"customers": ["a", "b"], "things": {}, "approved_by": "A", "reason": "seen"}
    with pytest.raises(MspError, match="MSP-REC-011"):
        confirming.confirmed(None, None, arguments, check=False)  # type: ignore[arg-type]


def test_what_an_asset_was_made_of_is_still_known_after_a_second_card_was_confirmed(
    store: Store, known: list[Asset]
) -> None:
    known[:] = [asset(3, "till02")]
    made_of = {"identity": {"macs": [CARD], "names": ["till02"]}}
    store.record_changes([Change("k1", SLUG, NOW, "new", f"mac:{CARD}", "device:3", made_of)])
    told(store, "arp", macs=[CARD], addresses=["192.0.2.57"])
    told(store, "dhcp", macs=[THIRD], names=["till02"])
    assert matched(store, known) == {"device:3": "device:3"}

    confirm(None, store, SLUG, {f"mac:{THIRD}": "till02"}, **SAID)  # type: ignore[arg-type]

    (entity,) = identified(store, SLUG, known).resolution.entities
    assert (entity.asset, len(entity.sightings)) == ("device:3", 2)
