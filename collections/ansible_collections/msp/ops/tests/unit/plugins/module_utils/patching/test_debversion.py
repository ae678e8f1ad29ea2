# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Debian versions compare as dpkg compares them."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.patching.debversion import compare, key

# In their order, as dpkg has it.
ORDERED = (
    "0~~", "0~~a", "0~", "0", "0+b1", "1.0~rc1-1", "1.0-1~deb12u1", "1.0-1~deb12u2", "1.0-1", "1.0-1+b1", "1.0-1.1",
    "1.0-2", "1.0-10", "1.0a-1", "1.0+dfsg-1", "1.0.1-1", "1.9", "1.10", "1:0.1", "2:0",
)  # fmt: skip
VERSIONS = st.from_regex(r"([0-9]:)?[0-9][0-9a-z.+~]{0,6}(-[0-9a-z+.~]{1,4})?", fullmatch=True)


def test_versions_are_in_the_order_that_dpkg_has() -> None:
    assert sorted(sorted(ORDERED), key=key) == list(ORDERED)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.0-0"), ("0:1.0", "1.0"), ("1.00", "1.0"), ("1.0-01", "1.0-1")])
def test_two_ways_to_write_one_version_are_equal(one: str, other: str) -> None:
    assert compare(one, other) == 0


@pytest.mark.thorough
@given(VERSIONS, VERSIONS, VERSIONS)
@settings(max_examples=60)
def test_the_order_is_an_order(first: str, second: str, third: str) -> None:
    back = compare(*reversed((first, second)))
    assert (compare(first, second) > 0) == (back < 0)
    if compare(first, second) <= 0 and compare(second, third) <= 0:
        assert compare(first, third) <= 0


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not on this machine")
@given(VERSIONS, VERSIONS)
@settings(max_examples=40)
def test_dpkg_itself_says_the_same(one: str, other: str) -> None:
    older = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0

    assert older == (compare(one, other) < 0)
