# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much evidence weighs: the order that people are told, and what outweighs what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import IDENTIFYING, Kind
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Worth
from ansible_collections.msp.ops.plugins.plugin_utils.identity.weighing import (
    DEFAULT,
    LISTED,
    WEIGHTS,
    Evidence,
    hardware,
    score,
)

ORDER = (
    (Kind.SERIAL,),
    (Kind.UUID,),
    (Kind.ASSET_TAG,),
    (Kind.DIRECTORY_ID, Kind.MDM_ID),
    (Kind.MAC,),
    (Kind.WEAK_MAC,),
    (Kind.NAME,),
    (Kind.ADDRESS,),
)


def of(families: str = "", systems: str = "", **known: str) -> Evidence:
    kinds = {Kind(kind): frozenset(values.split()) for kind, values in known.items()}
    return Evidence(kinds, frozenset(families.split()), frozenset(systems.split()))


def total(mine: Evidence, theirs: Evidence) -> int:
    return score(mine, theirs, {}).total


def test_the_kinds_weigh_in_the_order_that_was_asked_for() -> None:
    weights = [{WEIGHTS[kind] for kind in kinds} for kinds in ORDER]
    assert all(len(one) == 1 for one in weights)
    flat = [one.pop() for one in weights]
    assert flat == sorted(flat, reverse=True)
    assert len(set(flat)) == len(flat)


def test_no_sum_of_what_a_successor_inherits_reaches_a_serial_number_or_accepts_hearsay() -> None:
    inherited = WEIGHTS[Kind.NAME] + WEIGHTS[Kind.ADDRESS]
    assert inherited < WEIGHTS[Kind.ASSET_TAG]
    assert WEIGHTS[Kind.HEARD] + LISTED < DEFAULT.accept <= WEIGHTS[Kind.ADDRESS]
    assert WEIGHTS[Kind.PRIVATE_MAC] < DEFAULT.accept


def test_another_serial_number_outweighs_name_and_card() -> None:
    mine, theirs = of(serial="a1", mac="m", name="n"), of(serial="zz9999", mac="m", name="n")
    assert total(mine, theirs) < 0
    assert score(mine, theirs, {}).contradicted


def test_another_card_or_id_is_no_word_against_the_same_serial_number() -> None:
    mine, theirs = of(serial="s", mac="a", mdm_id="x"), of(serial="s", mac="b", mdm_id="y")
    assert total(mine, theirs) == WEIGHTS[Kind.SERIAL]
    assert total(of(name="n", mac="a"), of(name="n", mac="b")) < WEIGHTS[Kind.NAME]


def test_a_reinstalled_system_is_no_word_against_the_same_card_but_another_type_is() -> None:
    card = WEIGHTS[Kind.MAC]
    assert total(of(systems="windows", mac="m"), of(systems="linux", mac="m")) == card
    assert total(of(systems="windows", name="n"), of(systems="linux", name="n")) < DEFAULT.accept
    assert total(of(families="phone", mac="m"), of(families="printer", mac="m")) < DEFAULT.accept


def test_a_disputed_value_decides_nothing() -> None:
    mine, theirs = of(serial="s", mac="m"), of(serial="s", mac="m")
    for worth, decisive, shared in (
        (Worth.MANY, False, False),
        (Worth.MOVING, False, False),
        (Worth.SHARED, False, True),
    ):
        found = score(mine, theirs, {(Kind.SERIAL, "s"): worth, (Kind.MAC, "m"): Worth.MOVING})
        assert (found.decisive, found.shared) == (decisive, shared)
        assert found.total < DEFAULT.accept or shared


def test_a_name_out_of_reverse_dns_counts_where_the_thing_says_none_itself() -> None:
    assert total(of(heard_name="n"), of(name="n")) == WEIGHTS[Kind.HEARD]
    assert total(of(heard_name="n", name="x"), of(name="n")) == 0


def test_hardware_is_what_is_left_behind_by_no_machine() -> None:
    assert hardware(of(mac="m").known, {})
    assert not hardware(of(mac="m").known, {(Kind.MAC, "m"): Worth.MOVING})
    assert not hardware(of(directory_id="d", name="n", private_mac="p").known, {})


values = st.sampled_from(["a", "b", "c"])
evidences = st.dictionaries(st.sampled_from([*IDENTIFYING, Kind.NAME]), st.frozensets(values, min_size=1)).map(Evidence)


@given(evidences, evidences)
def test_a_score_is_the_same_from_both_sides(mine: Evidence, theirs: Evidence) -> None:
    one, other = score(mine, theirs, {}), score(theirs, mine, {})
    assert (one.total, one.decisive, one.contradicted) == (other.total, other.decisive, other.contradicted)
    assert one.support >= one.total
