# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Estimates are drawn to their common mean as far as they are uncertain, and the intervals hold what they promise."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.effort.shrinkage import LEVEL, Estimate, shrink

VALUES = st.floats(-1000, 1000)
ERRORS = st.floats(0.1, 1000)
ESTIMATES = st.lists(st.builds(Estimate, VALUES, ERRORS), min_size=3, max_size=8)


@pytest.mark.thorough
@settings(max_examples=40, deadline=None)
@given(ESTIMATES)
def test_each_lies_between_what_was_found_and_what_all_found_and_within_its_interval(found: list[Estimate]) -> None:
    least, most = min(one.value for one in found), max(one.value for one in found)
    for one in shrink(found):
        assert least - 1e-6 <= one.mean <= most + 1e-6
        assert one.low < one.mean < one.high
        assert 0 < one.weight < 1


@pytest.mark.thorough
@settings(max_examples=30, deadline=None)
@given(ESTIMATES, st.floats(-500, 500), st.floats(0.5, 20))
def test_another_unit_or_another_zero_changes_the_words_and_not_the_answer(
    found: list[Estimate], shift: float, factor: float
) -> None:
    scaled = shrink([Estimate(shift + factor * one.value, factor * one.error) for one in found])
    for one, other in zip(shrink(found), scaled, strict=True):
        assert other.mean == pytest.approx(shift + factor * one.mean, rel=1e-6, abs=1e-3)
        assert other.low == pytest.approx(shift + factor * one.low, rel=1e-6, abs=1e-3)
        assert other.weight == pytest.approx(one.weight, abs=1e-6)


def test_what_is_less_certain_is_drawn_further() -> None:
    certain, uncertain, _other, _more = shrink([Estimate(20, 1), Estimate(20, 8), Estimate(4, 2), Estimate(6, 2)])

    assert certain.mean > uncertain.mean > uncertain.common
    assert certain.weight > 0.9
    assert uncertain.weight < 0.7
    assert certain.high - certain.low < uncertain.high - uncertain.low


def test_those_that_agree_are_drawn_together_and_those_that_do_not_are_left_apart() -> None:
    alike = shrink([Estimate(value, 5) for value in (9, 10, 11, 10, 9, 11)])
    apart = shrink([Estimate(value, 5) for value in (-90, 10, 110, 60, -40, 10)])

    assert max(one.weight for one in alike) < 0.35
    assert min(one.weight for one in apart) > 0.95
    # Together they know more than one alone, whose interval is 2 * 1.64 * 5 wide.
    assert max(one.high - one.low for one in alike) < 13


def test_eight_schools_come_out_as_they_are_published() -> None:
    """The textbook's example (Gelman and others, Bayesian Data Analysis, 5.5), with means as its samplers give them."""
    effects, errors = (28, 8, -3, 7, -1, 1, 18, 12), (15, 10, 16, 11, 9, 11, 10, 18)
    found = shrink([Estimate(effect, error) for effect, error in zip(effects, errors, strict=True)])

    assert [one.mean for one in found] == pytest.approx([11.4, 7.9, 6.1, 7.6, 5.1, 6.1, 10.6, 8.4], abs=0.2)
    assert found[0].common == pytest.approx(7.9, abs=0.2)


@pytest.mark.parametrize("few", [[], [Estimate(1, 1)], [Estimate(1, 1), Estimate(2, 1)]])
def test_too_few_are_not_drawn_together(few: list[Estimate]) -> None:
    with pytest.raises(ValueError, match="too few"):
        shrink(few)


@pytest.mark.parametrize("bad", [Estimate(1, 0), Estimate(float("nan"), 1), Estimate(1, float("inf"))])
def test_what_is_no_estimate_is_refused(bad: Estimate) -> None:
    with pytest.raises(ValueError, match="an error above 0"):
        shrink([Estimate(1, 1), Estimate(2, 1), bad])


@pytest.mark.thorough
@pytest.mark.parametrize(("customers", "spread"), [(3, 4.0), (6, 0.0), (6, 4.0), (12, 8.0)])
def test_the_true_value_lies_in_the_interval_as_often_as_is_said(customers: int, spread: float) -> None:
    chance = random.Random(7)  # noqa: S311 - a simulation
    inside = total = 0
    while total < 360:
        truth = [chance.gauss(10, spread) for _each in range(customers)]
        errors = [chance.uniform(2, 8) for _each in range(customers)]
        found = [Estimate(chance.gauss(true, error), error) for true, error in zip(truth, errors, strict=True)]
        inside += sum(one.low <= true <= one.high for one, true in zip(shrink(found), truth, strict=True))
        total += customers

    # Too wide is no lie but too narrow is: 0.9 with three deviations of chance below it.
    assert inside / total > LEVEL - 0.05
