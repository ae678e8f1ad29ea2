# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a match teaches, and that what was taught stays true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.identity import evidence, learning
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Ids, Profile
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Resolution, Verdict
from ansible_collections.msp.ops.plugins.plugin_utils.identity.resolve import resolve
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.identity.made import (
    CARD,
    OTHER,
    SERIAL,
    SIBLING,
    SLUG,
    THIRD,
    UUID,
    machine,
    seen,
)

Said = Mapping[str, Sequence[Ids]]


def listed(number: int, name: str = "", **more: Any) -> Asset:
    """An asset as a list has it: by its name, unless more is said."""
    return Asset("device", number, name or f"lt-000{number}", SLUG, "contracted", asset_class="workstation", **more)


def account(number: int, name: str) -> Profile:
    return seen("directory", directory_id=f"d{number}", names=[name], thing=f"d{number}")


class Memory:
    """One customer from one reconciliation to the next."""

    def __init__(self, *assets: Asset, said: Said | None = None) -> None:
        self.assets, self.said = list(assets), said or {}
        self.owners: dict[learning.Token, str] = {}

    def look(self, sightings: Iterable[Profile], facts: Mapping[str, Any] | None = None) -> Resolution:
        """Who is who; and learn of it."""
        taught = learning.taught(self.assets, self.said, self.owners)
        on_record = [
            evidence.of_asset(one, (facts or {}).get(one.key), remembered=taught.get(one.key, ()))
            for one in self.assets
        ]
        profiles = {one.key: one for one in sightings}
        result = resolve(SLUG, on_record, list(profiles.values()))
        by_key = {one.key: one for one in on_record}
        self.owners = learning.learnt(result, by_key, profiles, self.said, self.owners)
        return result


def whose(result: Resolution) -> dict[str, str | None]:
    return {key.rpartition(":")[2]: one.asset for one in result.entities for key in one.sightings}


def test_an_account_that_was_matched_by_its_name_is_that_asset_under_any_other_name() -> None:
    memory = Memory(listed(1))
    memory.look([account(1, "lt-0001")])
    assert whose(memory.look([account(1, "lt-0077")])) == {"d1": "device:1"}


def test_two_that_swap_names_stay_who_they_were() -> None:
    memory = Memory(listed(1), listed(2))
    memory.look([account(1, "lt-0001"), account(2, "lt-0002")])
    swapped = memory.look([account(1, "lt-0002"), account(2, "lt-0001")])
    assert whose(swapped) == {"d1": "device:1", "d2": "device:2"}


def test_an_account_under_the_name_of_an_asset_that_has_none_is_asked_about() -> None:
    memory = Memory(listed(1), listed(2))
    memory.look([account(1, "lt-0001")])
    result = memory.look([account(1, "lt-0002")])
    assert [one.verdict for one in result.entities] == [Verdict.CONFLICT]
    assert memory.owners == {("directory_id", "d1"): "device:1"}


def test_a_successor_under_the_old_name_is_not_the_renamed_machine() -> None:
    memory = Memory(listed(1))
    memory.look([account(1, "lt-0001")])
    result = memory.look([account(1, "lt-0001-old"), account(2, "lt-0001")])
    assert whose(result) == {"d1": "device:1", "d2": None}


@given(st.integers(1, 6).flatmap(lambda n: st.tuples(st.just(n), st.permutations(range(1, n + 1)), st.integers(0, n))))
def test_whoever_swaps_names_or_gets_a_new_one_stays_who_it_was(case: tuple[int, list[int], int]) -> None:
    count, order, fresh = case
    memory = Memory(*(listed(number) for number in range(1, count + 1)))
    memory.look([account(number, f"lt-000{number}") for number in range(1, count + 1)])
    learnt = dict(memory.owners)
    names = {number: f"lt-000{place}" if place > fresh else f"new-000{place}" for number, place in enumerate(order, 1)}
    after = memory.look([account(number, name) for number, name in names.items()])
    assert whose(after) == {f"d{number}": f"device:{number}" for number in names}
    assert memory.owners == learnt


def test_the_card_of_a_machine_with_a_known_serial_number_is_learnt_once() -> None:
    memory = Memory(listed(1, serial=SERIAL))
    found = [seen("mdm", serial=SERIAL, uuid=UUID, mdm_id="m1", macs=[CARD]), seen("dhcp", macs=[CARD])]
    memory.look(found)
    learnt = dict(memory.owners)
    assert {key for key, _value in learnt} == {"uuid", "mdm_id", "macs"}  # NetBox has the serial number
    memory.look(found)
    assert memory.owners == learnt


def test_an_audit_teaches_nothing_that_is_not_on_record_with_it() -> None:
    memory = Memory(listed(1))
    audit = seen("audit", of="device:1", serial=SERIAL, macs=[CARD], names=["lt-0001"])
    memory.look([audit], {"device:1": machine(SERIAL, None, CARD)})
    assert memory.owners == {}


def test_an_address_teaches_nothing() -> None:
    memory = Memory(listed(1, macs=(CARD,)))
    lease = seen("dhcp", macs=[CARD], addresses=["10.0.0.7"])
    result = memory.look([lease, seen("directory", directory_id="d9", addresses=["10.0.0.7"], thing="d9")])
    assert whose(result)["d9"] == "device:1"
    assert memory.owners == {}


def test_what_is_in_conflict_or_disputed_teaches_nothing() -> None:
    memory = Memory(listed(1), listed(2, "lt-0001"))
    memory.look([account(1, "lt-0001")])
    assert memory.owners == {}
    memory = Memory(listed(1), listed(2))
    cards = [seen("audit", of=f"device:{n}", serial=s, macs=[THIRD]) for n, s in ((1, SERIAL), (2, SIBLING))]
    memory.look(cards)
    assert {key for key, _value in memory.owners} == {"serial"}


def test_what_netbox_or_a_person_says_of_another_asset_is_no_longer_remembered() -> None:
    found = [seen("mdm", serial=SERIAL, mdm_id="m1", macs=[CARD], names=["lt-0001"])]
    memory = Memory(listed(1, serial=SERIAL), listed(2))
    memory.look(found)
    assert memory.owners["macs", CARD] == memory.owners["mdm_id", "m1"] == "device:1"
    memory.assets[1] = listed(2, macs=(CARD,))
    memory.said = {"device:2": ({"mdm_id": ["m1"]},)}
    memory.look([])
    assert memory.owners == {}


def test_another_serial_number_in_netbox_makes_void_what_was_learnt() -> None:
    memory = Memory(listed(1))
    memory.look([seen("audit", of="device:1", serial=SERIAL, macs=[CARD])])
    assert memory.owners
    memory.assets[0] = listed(1, serial=SIBLING)
    memory.look([])
    assert memory.owners == {}


def test_what_was_learnt_of_an_asset_stays_while_it_is_not_seen_and_goes_with_the_asset() -> None:
    memory = Memory(listed(1), listed(2))
    memory.look([account(1, "lt-0001")])
    memory.look([])
    assert memory.owners == {("directory_id", "d1"): "device:1"}
    del memory.assets[0]
    memory.look([])
    assert memory.owners == {}


def test_what_a_person_confirmed_is_found_by_its_ids_as_well() -> None:
    memory = Memory(listed(1, macs=(OTHER,)), said={"device:1": ({"macs": [CARD], "mdm_id": ["m1"]},)})
    memory.look([seen("dhcp", macs=[CARD])])
    assert memory.owners == {("macs", CARD): "device:1"}
