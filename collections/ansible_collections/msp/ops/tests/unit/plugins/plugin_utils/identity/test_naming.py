# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which names say something of one machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.identity.naming import distinctive, label


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("LT-0042.corp.example.", "lt-0042"),
        ("jansen-srv01", "jansen-srv01"),
        ("server1", "server1"),
        ("pc-04", "pc-04"),
        ("DESKTOP-4F7K2QX", "desktop-4f7k2qx"),
        ("iPhone-van-Piet", "iphone-van-piet"),
        ("NPI53F106", "npi53f106"),
        ("till02", "till02"),
    ],
)
def test_a_name_that_somebody_gave_is_kept(name: str, kept: str) -> None:
    assert distinctive(name) == kept


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "localhost", "localhost.localdomain", "iPhone", "iphone-2", "iPad", "DESKTOP", "android",
        "android-3f2a9c81d0e4b567", "Galaxy-S21", "Galaxy-Tab-A8", "pixel-7-pro", "SM-G991B", "MacBook-Pro",
        "macbookpro-3", "raspberrypi", "ubuntu", "unknown", "10-0-0-7.dyn.example", "dhcp-192-0-2-7", "10.0.0.7", "::1",
        "pc", "x", "none", "00000000", "12345", "a" * 70,
    ],
)  # fmt: skip
def test_a_stock_name_a_product_and_a_spelt_address_are_none(name: str) -> None:
    assert distinctive(name) == ""


def test_a_label_is_the_first_part_in_lower_case() -> None:
    assert (label("Till02.Shop.Example"), label("192.0.2.7"), label("x" * 64)) == ("till02", "", "")


@given(st.text(max_size=80))
def test_any_text_has_one_answer_and_keeps_it(name: str) -> None:
    once = distinctive(name)
    assert distinctive(once) == once
