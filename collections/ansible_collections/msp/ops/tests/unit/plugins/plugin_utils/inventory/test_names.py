# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Host names are safe, cannot collide between customers, and stay when others come or go."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.inventory.names import group_part, host_names, host_part
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import DEVICE, VIRTUAL_MACHINE, Machine

CUSTOMERS = {1: "bakkerij-jansen", 2: "harbour-dental"}


def machine(id: int, name: str | None, *, kind: str = DEVICE, tenant: int = 1) -> Machine:
    nothing = (None,) * 6
    return Machine(kind, id, name, "", None, tenant, *nothing, None, (), (), {}, None, "")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("jansen-srv01", "jansen-srv01"),
        ("Front Desk_1", "front-desk_1"),
        ("Café à la carte", "cafe-a-la-carte"),
        ("srv01.example.com", "srv01.example.com"),
        ("..srv..01--x", "srv.01-x"),
        ("{{ lookup('pipe', 'id') }}", "lookup-pipe-id"),
        ("a:b,c&!d/e\n", "a-b-c-d-e"),
        ("漢字", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_name_keeps_only_what_a_host_name_can_hold(name: str | None, part: str) -> None:
    assert host_part(name) == part


@given(st.text(max_size=40))
def test_no_name_becomes_a_pattern_a_path_or_a_template(name: str) -> None:
    assert re.fullmatch(r"([a-z0-9]([a-z0-9._-]*[a-z0-9])?)?", host_part(name))


@given(st.text(max_size=20))
def test_a_group_part_needs_no_cleaning_by_ansible(slug: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_]*", group_part(slug))


def test_an_asset_without_a_name_is_called_by_its_key() -> None:
    found, _unused = host_names([machine(57, None), machine(12, "  ", kind=VIRTUAL_MACHINE)], CUSTOMERS)

    assert found == {
        "device:57": "device-57.bakkerij-jansen",
        "virtual-machine:12": "virtual-machine-12.bakkerij-jansen",
    }


def test_one_name_at_two_customers_is_two_names_without_a_warning() -> None:
    found, warnings = host_names([machine(1, "srv01"), machine(2, "srv01", tenant=2)], CUSTOMERS)

    assert found == {"device:1": "srv01.bakkerij-jansen", "device:2": "srv01.harbour-dental"}
    assert warnings == []


def test_the_lowest_id_keeps_a_shared_name_and_the_others_get_their_number() -> None:
    machines = [machine(60, "SRV"), machine(57, "srv"), machine(12, "srv", kind=VIRTUAL_MACHINE), machine(70, "srv")]

    found, warnings = host_names(machines, CUSTOMERS)

    assert found == {
        "virtual-machine:12": "srv.bakkerij-jansen",
        "device:57": "srv-d57.bakkerij-jansen",
        "device:60": "srv-d60.bakkerij-jansen",
        "device:70": "srv-d70.bakkerij-jansen",
    }
    assert len(warnings) == 3


def test_a_device_goes_before_a_virtual_machine_of_the_same_number() -> None:
    found, _unused = host_names([machine(5, "srv", kind=VIRTUAL_MACHINE), machine(5, "srv")], CUSTOMERS)

    assert found == {"device:5": "srv.bakkerij-jansen", "virtual-machine:5": "srv-v5.bakkerij-jansen"}


def test_a_number_never_takes_the_name_another_asset_really_has() -> None:
    found, _unused = host_names([machine(1, "srv"), machine(2, "srv"), machine(3, "srv-d2")], CUSTOMERS)

    assert found["device:3"] == "srv-d2.bakkerij-jansen"
    assert found["device:2"] == "srv-d2-d2.bakkerij-jansen"


NAMES = st.sampled_from([None, "srv", "SRV", "srv-d1", "srv-d2", "srv-v1", "device-3", "x y"])
MACHINES = st.dictionaries(
    st.tuples(st.sampled_from([DEVICE, VIRTUAL_MACHINE]), st.integers(1, 6)), st.tuples(NAMES, st.integers(1, 2))
)


@given(MACHINES)
def test_every_asset_has_one_host_name_of_its_own(
    wanted: dict[tuple[str, int], tuple[str | None, int]],
) -> None:
    machines = [machine(id, name, kind=kind, tenant=tenant) for (kind, id), (name, tenant) in wanted.items()]

    found, _unused = host_names(machines, CUSTOMERS)

    assert found.keys() == {one.key for one in machines}
    assert len(set(found.values())) == len(machines)
    assert all(found[one.key].endswith(f".{CUSTOMERS[one.tenant]}") for one in machines)
