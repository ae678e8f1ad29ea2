# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""rpm's versions compare as rpm compares them. tests/test_patch_dnf.py asks a real rpm the same."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.patching.rpmversion import compare, plain

# In their order, as rpm has it.
ORDERED = (
    "a-1", "1.a-1", "1.0~rc1-1", "1.0~rc1^git1-1", "1.0-1", "1.0-1.el9", "1.0-1.el9_4", "1.0-2", "1.0-10", "1.0^git1-1",
    "1.0^git1.1-1", "1.0a-1", "1.0.1-1", "1.1-1", "1.9-1", "1.10-1", "5.14.0-70.13.1-1", "1:0.1-1", "2:0-1",
)  # fmt: skip
VERSIONS = st.from_regex(r"([0-9]:)?[0-9a-z][0-9a-z.~^_+]{0,6}-[0-9a-z.~^]{1,4}", fullmatch=True)


@pytest.mark.parametrize(("older", "newer"), list(itertools.combinations(ORDERED, 2)))
def test_versions_are_in_the_order_that_rpm_has(older: str, newer: str) -> None:
    assert compare(older, newer) < 0 < compare(newer, older)


@pytest.mark.parametrize(
    ("one", "other"),
    [("0:1.0-1", "1.0-1"), ("1.00-1", "1.0-1"), ("1_0-1", "1.0-1"), ("1.0-01", "1.0-1"), ("1..0-1", "1.0-1")],
)
def test_two_ways_to_write_one_version_are_equal(one: str, other: str) -> None:
    assert compare(one, other) == 0


@pytest.mark.thorough
@given(VERSIONS, VERSIONS, VERSIONS)
@settings(max_examples=60)
def test_the_order_is_an_order(first: str, second: str, third: str) -> None:
    assert (compare(first, second) > 0) == (compare(second, first) < 0)
    if compare(first, second) <= 0 and compare(second, third) <= 0:
        assert compare(first, third) <= 0


def test_an_epoch_of_zero_is_not_printed() -> None:
    assert [plain(text) for text in ("0:1.0-1", "1:1.0-1", "1.0-1")] == ["1.0-1", "1:1.0-1", "1.0-1"]
