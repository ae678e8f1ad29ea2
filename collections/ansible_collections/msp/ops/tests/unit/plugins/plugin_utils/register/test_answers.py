# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the client asks and what NetBox's answers mean."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.register.answers import base_url, plain, ranges


@pytest.mark.parametrize(
    ("given_address", "used"),
    [
        ("https://netbox.example.com", "https://netbox.example.com"),
        ("https://netbox.example.com/", "https://netbox.example.com"),
        ("https://netbox.example.com/api/", "https://netbox.example.com"),
        ("https://example.com/netbox/api", "https://example.com/netbox"),
        ("netbox.example.com:8443", "https://netbox.example.com:8443"),
        ("http://user:secret@127.0.0.1:8000/?x=1#y", "http://127.0.0.1:8000"),
    ],
)
def test_an_address_is_taken_as_people_write_it(given_address: str, used: str) -> None:
    assert base_url(given_address) == used


def test_an_address_that_is_none_is_not_repeated_in_the_error() -> None:
    with pytest.raises(MspError) as caught:
        base_url("ftp://user:secret@netbox.example.com")

    assert "secret" not in str(caught.value)


def test_custom_fields_become_what_is_written() -> None:
    read = {
        "select": {"value": "nl", "label": "Nederlands"},
        "several": [{"value": "a", "label": "A"}],
        "object": {"id": 5, "url": "http://netbox.example.com/api/dcim/sites/5/", "display": "X"},
        "json": {"server": {"covered": True}},
        "text": "x",
        "nothing": None,
    }

    assert plain(read) == {
        "select": "nl",
        "several": ["a"],
        "object": 5,
        "json": {"server": {"covered": True}},
        "text": "x",
        "nothing": None,
    }


@given(st.integers(1, 10**7), st.integers(0, 10**7), st.integers(1, 16))
def test_ranges_cover_every_id_once_and_have_no_end(lowest: int, more: int, slices: int) -> None:
    found = ranges(lowest, lowest + more, slices)

    assert found[0][0] == lowest
    assert found[-1][1] is None
    assert all(first[1] == second[0] for first, second in pairwise(found))
    assert len(found) <= slices * 4
