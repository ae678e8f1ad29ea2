"""Every asset in one ring: by its tag, else by a hash that no other asset can change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.patching import rings
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member, divide
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import member, plan

PILOT, EARLY, BROAD = "msp-ring-pilot", "msp-ring-early", "msp-ring-broad"


def ring(name: str, tag: str | None = None, percent: int | None = None, successes: int = 1) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "soak": "0h", "successes": successes}
    made |= {"tag": tag} if tag else {}
    return made | ({"percent": percent} if percent else {})


def made(*found: dict[str, Any]) -> Plan:
    return plan(rings=list(found))


THREE = made(ring("pilot", PILOT, 5), ring("early", EARLY, 25), ring("broad", BROAD, 70))


def codes(found: Plan, *members: Member) -> list[tuple[str, str]]:
    return [(one.level, one.why.code) for one in rings.findings(found, divide(found, members))]


def names(found: Plan, *members: Member) -> dict[str, list[str]]:
    return {name: [one.name for one in there] for name, there in divide(found, members).rings.items()}


def test_a_tag_decides_before_the_hash() -> None:
    assert names(THREE, member(1, PILOT), member(2, EARLY, "office"), member(3, BROAD)) == {
        "pilot": ["host01"],
        "early": ["host02"],
        "broad": ["host03"],
    }


def test_the_hash_divides_about_as_the_percentages_say() -> None:
    sizes = divide(THREE, [member(number) for number in range(4000)]).sizes
    assert 140 < sizes["pilot"] < 260 and 900 < sizes["early"] < 1100 and 2650 < sizes["broad"] < 2950


def test_a_place_is_the_same_everywhere_and_for_ever() -> None:
    # Written down: another hash would move every customer's assets.
    assert [rings.place(f"device:{number}") for number in (1, 2, 3)] == [3886, 9629, 3933]


def test_an_asset_with_two_ring_tags_is_in_none_and_an_error() -> None:
    both = member(1, PILOT, BROAD)
    assert divide(THREE, [both]).in_several == (both,)
    assert ("error", "MSP-PAT-011") in codes(THREE, both, member(2, PILOT), member(3, EARLY), member(4, BROAD))


def test_an_asset_whose_ring_tag_no_ring_has_is_in_none_and_an_error() -> None:
    strange = member(1, "msp-ring-late")
    assert divide(THREE, [strange]).in_none == (strange,)
    assert ("error", "MSP-PAT-012") in codes(THREE, strange)


def test_without_percentages_an_asset_without_a_tag_is_in_none_and_an_error() -> None:
    tagged = made(ring("pilot", PILOT), ring("broad", BROAD))
    assert codes(tagged, member(1, PILOT), member(2, BROAD), member(3)) == [("error", "MSP-PAT-012")]
    assert codes(tagged, member(1, PILOT), member(2, BROAD)) == []


def test_percentages_that_do_not_add_up_are_an_error() -> None:
    few, many = made(ring("a", percent=10), ring("b", percent=80)), made(ring("a", percent=60), ring("b", percent=60))
    everybody = [member(number) for number in range(60)]
    (found,) = [one for one in rings.findings(few, divide(few, everybody)) if one.why.code == "MSP-PAT-010"]
    assert found.why.found == "10 + 80 = 90"
    assert ("error", "MSP-PAT-012") in codes(few, *everybody)  # those beyond 90 % are in none
    assert codes(many, *everybody) == [("error", "MSP-PAT-010")]


@pytest.mark.parametrize(("successes", "level"), [(0, "warning"), (1, "error")])
def test_an_empty_ring_is_a_warning_where_it_may_be_and_one_that_can_never_pass_an_error(
    successes: int, level: str
) -> None:
    found = made(ring("pilot", PILOT, successes=2), ring("early", EARLY, successes=successes), ring("broad", BROAD))
    assert codes(found, member(1, PILOT), member(2, BROAD)) == [("error", "MSP-PAT-013"), (level, "MSP-PAT-013")]


TAGS = st.frozensets(st.sampled_from([PILOT, EARLY, BROAD, "msp-ring-late", "office"]), max_size=3)
MEMBERS = st.dictionaries(st.integers(1, 5000), TAGS, max_size=12).map(
    lambda found: [member(number, *tags) for number, tags in found.items()]
)


@settings(max_examples=60, deadline=None)
@given(MEMBERS)
def test_every_asset_is_in_exactly_one_place(members: list[Member]) -> None:
    found = divide(THREE, members)
    everywhere = [*(one for there in found.rings.values() for one in there), *found.in_none, *found.in_several]
    assert sorted(one.key for one in everywhere) == sorted(one.key for one in members)


@pytest.mark.thorough
@settings(max_examples=60, deadline=None)
@given(MEMBERS, MEMBERS)
def test_an_asset_more_moves_no_other(members: list[Member], more: list[Member]) -> None:
    known = {one.key for one in members}
    grown = divide(THREE, [*members, *(one for one in more if one.key not in known)])
    for name, there in divide(THREE, members).rings.items():
        assert [one for one in grown.rings[name] if one.key in known] == list(there)


@settings(max_examples=30, deadline=None)
@given(st.permutations([member(number, *([PILOT] if number % 3 else [])) for number in range(8)]))
def test_the_order_of_assets_means_nothing(members: list[Member]) -> None:
    assert divide(THREE, members) == divide(THREE, sorted(members, key=lambda one: one.key))
