# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What NetBox reads in one shape and writes in another is no change; anything else is, and only that is written."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.register.difference import Change, body, difference

SITE = {"id": 3, "url": "https://netbox.example.com/api/dcim/sites/3/", "display": "Utrecht", "slug": "utrecht"}
TAGS = [
    {"id": 1, "url": "…", "display": "A", "name": "A", "slug": "a"},
    {"id": 2, "url": "…", "display": "B", "name": "B", "slug": "b"},
]


@pytest.mark.parametrize(
    ("read", "wanted"),
    [
        (SITE, 3),
        (SITE, {"slug": "utrecht"}),
        (SITE, "utrecht"),
        ({"value": "active", "label": "Active"}, "active"),
        ("", None),
        (None, ""),
        ("12.50", Decimal("12.5")),
        (12.5, "12.50"),
        (12, 12.0),
        ("2026-03-01", dt.date(2026, 3, 1)),
        ("2026-03-01T10:00:00Z", dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)),
        (TAGS, [{"slug": "b"}, {"slug": "a"}]),
        (TAGS, [2, 1]),
        (TAGS, ["b", "a"]),
        ([], []),
        ([["nl", "Nederlands"]], [["nl", "Nederlands"]]),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}),
        (True, True),
    ],
)
def test_the_same_in_another_shape_is_no_difference(read: Any, wanted: Any) -> None:
    name = "tags" if read is TAGS else "field"

    assert difference({name: read}, {name: wanted}) == {}


@pytest.mark.parametrize(
    ("read", "wanted", "before"),
    [
        (SITE, 4, 3),
        (SITE, None, 3),
        (SITE, {"slug": "delft"}, {"slug": "utrecht"}),
        (SITE, "delft", "utrecht"),
        (None, 3, None),
        ({"value": "active", "label": "Active"}, "offline", "active"),
        ("12.50", Decimal("12.51"), "12.50"),
        ("abc", 5, "abc"),
        (True, False, True),
        (None, False, None),
        (1, True, 1),
        (
            [["en", "English"], ["nl", "Dutch"]],
            [["nl", "Dutch"], ["en", "English"]],
            [["en", "English"], ["nl", "Dutch"]],
        ),
        ("2026-03-01", dt.date(2026, 3, 2), "2026-03-01"),
        ({"a": 1, "b": 2}, {"a": 1}, {"a": 1, "b": 2}),
    ],
)
def test_another_value_is_a_difference_with_what_was_there(read: Any, wanted: Any, before: Any) -> None:
    assert difference({"field": read}, {"field": wanted}) == {"field": Change(before, wanted)}


def test_a_removed_tag_is_a_difference() -> None:
    changes = difference({"tags": TAGS}, {"tags": [{"slug": "a"}]})

    assert changes["tags"].before == [{"slug": "a"}, {"slug": "b"}]


def test_only_the_custom_fields_that_differ_are_written() -> None:
    current = {"custom_fields": {"one": {"value": "nl", "label": "Nederlands"}, "two": "x", "theirs": "stays"}}

    changes = difference(current, {"custom_fields": {"one": "nl", "two": "y"}})

    assert body(changes) == {"custom_fields": {"two": "y"}}


def test_what_is_not_asked_for_is_left_alone() -> None:
    assert difference({"name": "a", "comments": "theirs"}, {"name": "a"}) == {}


def test_a_body_is_json() -> None:
    changes = difference({}, {"fee": Decimal("12.50"), "count": Decimal("3"), "start": dt.date(2026, 1, 1)})

    assert body(changes) == {"fee": 12.5, "count": 3, "start": "2026-01-01"}


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(10**6), 10**6), st.text(max_size=8), st.dates())
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


@given(st.dictionaries(st.text(min_size=1, max_size=5), VALUES, max_size=5))
def test_what_was_written_is_no_difference_when_it_is_read_back(wanted: dict[str, Any]) -> None:
    written = body(difference({}, wanted))

    assert difference(written, wanted) == {}


@given(st.dictionaries(st.text(min_size=1, max_size=5), VALUES, max_size=5), st.data())
def test_order_of_related_objects_says_nothing(current: dict[str, Any], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(TAGS))

    assert difference({**current, "tags": shuffled}, {"tags": [{"slug": "a"}, {"slug": "b"}]}) == {}
