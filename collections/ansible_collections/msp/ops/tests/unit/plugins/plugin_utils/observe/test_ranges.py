# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is left of ranges of addresses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.observe import ranges

RANGES = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: (min(pair), max(pair))), max_size=8
)


def numbers(found: list[ranges.Range]) -> list[int]:
    return [number for first, last in found for number in range(first, last + 1)]


@given(RANGES, RANGES)
def test_what_is_left_is_what_a_set_would_leave(some: list[ranges.Range], holes: list[ranges.Range]) -> None:
    apart = ranges.without([(0, 40)], ranges.without([(0, 40)], some))  # the same addresses, without overlap

    left = ranges.without(apart, holes)

    assert numbers(left) == sorted(set(numbers(some)) - set(numbers(holes)))


@given(RANGES)
def test_networks_hold_the_addresses_of_the_ranges_and_no_other(some: list[ranges.Range]) -> None:
    apart = ranges.without([(0, 40)], ranges.without([(0, 40)], some))

    for version in (4, 6):
        found = list(ranges.networks(version, apart))
        assert numbers([ranges.of_network(one) for one in found]) == numbers(apart)
