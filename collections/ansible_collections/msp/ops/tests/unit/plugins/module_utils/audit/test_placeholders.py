# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which serials, tags and UUIDs are none."""

from __future__ import annotations

import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit import placeholders

NO_SERIALS = [
    None,
    "",
    " ",
    "None",
    "NULL",
    "0",
    "0000000",
    "XXXXXXXX",
    "0123456789",
    "1234567890",
    "123456789",
    "To be filled by O.E.M.",
    "To Be Filled By O.E.M.",
    "Default string",
    "System Serial Number",
    "Chassis Serial Number",
    "Not Specified",
    "Not Applicable",
    "N/A",
    "Unknown",
    "empty",
    "OEM",
    "........",
    "-",
    "INVALID",
    "No Asset Tag",
]


@pytest.mark.parametrize("text", NO_SERIALS)
def test_what_a_maker_leaves_in_the_firmware_is_no_serial(text: str | None) -> None:
    assert placeholders.real(text) is None


@pytest.mark.parametrize("text", ["EXS7K2041", "4242", "7XQ0Z3J", "PF-1A2B3C", "CZ3132X5Y0", "5CD1234567"])
def test_a_real_serial_stays_what_it_is(text: str) -> None:
    assert placeholders.real(text) == text


def test_space_around_and_inside_a_serial_is_tidied() -> None:
    assert placeholders.real("  AB  12345X \n") == "AB 12345X"


@given(st.sampled_from([text for text in NO_SERIALS if text]), st.data())
def test_case_space_and_punctuation_do_not_make_a_placeholder_real(text: str, data: st.DataObject) -> None:
    noise = data.draw(st.lists(st.sampled_from(" .-_\t"), min_size=len(text), max_size=len(text)))
    upper = data.draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    noisy = "".join((c.upper() if u else c.lower()) + n for c, u, n in zip(text, upper, noise, strict=True))

    assert placeholders.real(noisy) is None


@given(st.sampled_from(string.ascii_letters + string.digits), st.integers(min_value=1, max_value=40))
def test_one_character_repeated_is_never_a_serial(character: str, times: int) -> None:
    assert placeholders.is_placeholder(character * times)


@given(st.text())
def test_any_text_is_either_a_placeholder_or_kept_without_loss(text: str) -> None:
    found = placeholders.real(text)

    assert found is None or found == " ".join(text.split())


@given(st.uuids(version=4))
def test_a_random_uuid_is_kept_in_lower_case(value: uuid.UUID) -> None:
    assert placeholders.real_uuid(str(value).upper()) == str(value)


@pytest.mark.parametrize(
    "text",
    [
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "03000200-0400-0500-0006-000700080009",
        "Not Settable",
        "",
        None,
    ],
)
def test_a_uuid_that_many_machines_share_is_none(text: str | None) -> None:
    assert placeholders.real_uuid(text) is None
