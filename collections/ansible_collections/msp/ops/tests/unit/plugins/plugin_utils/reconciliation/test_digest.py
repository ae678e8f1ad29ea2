# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From recorded changes to news: every change once, nobody else's, and each thing where it ended."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import CHANGES, Change
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import digest
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.digest import GROUPS, Place, moment, news
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.spent import Spent
from ansible_collections.msp.ops.plugins.plugin_utils.report.catalogue import WORDS
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import shown
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.reconciliation.made_news import (
    DAY,
    HOUR,
    NOW,
    SINCE,
    a_week,
    change,
    iso,
    of,
    some_changes,
    whose,
)

# As often as usual, without a clock: the machine may be busy.
SOME = settings(deadline=None)
TILL, NAS = "mac:b8:27:eb:4a:10:9c", "device:4"


def kinds(*wanted: str) -> list[Change]:
    """Changes of one thing, an hour apart."""
    return [change(kind, at=NOW + n * HOUR) for n, kind in enumerate(wanted)]


def test_every_kind_of_change_has_its_group() -> None:
    assert sorted(GROUPS) == sorted(CHANGES)


def test_no_changes_are_no_news() -> None:
    assert news(whose(), [], SINCE) is None
    assert news(whose(), [change("new", whose="harbour-dental")], SINCE) is None
    assert news(whose(), [change("new", at=SINCE - DAY)], SINCE) is None


@pytest.mark.parametrize(
    ("happened", "group"),
    [
        (("new",), "new"),
        (("gone",), "gone"),
        (("gone", "back"), "back"),
        (("back", "gone"), "gone"),
        (("new", "gone"), "gone"),
        (("new", "gone", "back"), "new"),
        (("new", "moved", "changed"), "new"),
        (("new", "settled"), "settled"),
        (("new", "conflict"), "conflict"),
        (("conflict", "settled"), "settled"),
        (("conflict", "settled", "conflict"), "conflict"),
        (("conflict", "new"), "new"),
        (("moved", "gone"), "gone"),
        (("settled", "moved"), "settled"),
    ],
)
def test_a_thing_that_came_went_or_was_decided_stands_once_where_it_ended(
    happened: tuple[str, ...], group: str
) -> None:
    (item,) = of(*kinds(*happened)).items
    assert (item.group, tuple(c.kind for c in item.changes)) == (group, happened)


def test_a_thing_that_only_moved_and_changed_is_in_both_groups_each_move_and_change_once() -> None:
    found = of(*kinds("moved", "changed", "moved"))
    assert [(item.group, len(item.changes)) for item in found.items] == [("moved", 2), ("changed", 1)]


def test_of_one_moment_what_came_is_before_what_ended() -> None:
    (item,) = of(change("settled", key="a"), change("new", key="b")).items
    assert (item.group, item.keys) == ("settled", ("b", "a"))


def test_a_thing_and_the_asset_it_became_are_one() -> None:
    (item,) = of(
        change("new", TILL),
        change("new", TILL, key="applied", asset="device:7", at=NOW + HOUR),
        change("settled", "device:7", asset="device:7", at=NOW + 2 * HOUR),
    ).items
    assert (item.group, item.asset, len(item.changes)) == ("settled", "device:7", 3)


def test_a_thing_that_two_assets_were_taken_for_joins_neither() -> None:
    found = of(
        change("conflict", "serial:X"),
        change("changed", "serial:X", asset="device:1"),
        change("changed", "serial:X", asset="device:2"),
    )
    assert sorted((i.group, str(i.asset)) for i in found.items) == [
        ("changed", "device:1"),
        ("changed", "device:2"),
        ("conflict", "None"),
    ]


def test_the_period_ends_when_the_newest_change_was_recorded_whatever_the_controllers_clock_said() -> None:
    ahead = change("new", at=NOW + 30 * DAY)
    ahead = Change(ahead.key, ahead.customer, ahead.at, ahead.kind, ahead.thing, recorded_at=NOW)
    found = of(ahead, change("gone", NAS, at=NOW - DAY))
    assert (found.since, found.until) == (SINCE, NOW)


def test_the_first_digest_begins_at_the_beginning() -> None:
    found = news(whose(), [change("new", at=SINCE - 400 * DAY)], None)
    assert found is not None and (found.since, found.changes) == (None, 1)


def test_what_is_known_comes_from_the_newest_change_that_says_it() -> None:
    first: dict[str, Any] = {
        "name": "pc",
        "vendor": "HP",
        "sources": ["nmap"],
        "first_seen": iso(NOW - DAY),
        "last_seen": iso(NOW),
    }
    later: dict[str, Any] = {
        "name": "desk",
        "sources": ["dhcp:hq"],
        "first_seen": iso(NOW),
        "last_seen": iso(NOW + HOUR),
        "vendor": "",
    }
    (item,) = of(change("new", **first), change("gone", at=NOW + HOUR, **later)).items
    assert (item.name, item.vendor, item.sources) == ("desk", "HP", ("dhcp:hq", "nmap"))
    assert (item.first_seen, item.last_seen) == (NOW - DAY, NOW + HOUR)


@pytest.mark.parametrize(
    ("detail", "name"),
    [
        ({"name": "pc", "serial": "S1"}, "pc"),
        ({"name": "", "serial": "S1", "addresses": ["192.0.2.9"]}, "S1"),
        ({"addresses": ["192.0.2.9"], "macs": ["b8:27:eb:4a:10:9c"]}, "192.0.2.9"),
        ({"macs": ["b8:27:eb:4a:10:9c"]}, "b8:27:eb:4a:10:9c"),
        ({}, TILL),
    ],
)
def test_a_thing_without_a_name_is_called_by_what_it_has(detail: dict[str, Any], name: str) -> None:
    assert of(change("new", **detail)).items[0].name == name


@pytest.mark.parametrize(
    ("changes", "todo"),
    [
        ([change("new")], digest.AGREE),
        ([change("conflict")], digest.COMPARE),
        ([change("gone", asset=NAS)], digest.IN_USE),
        ([change("gone", status="unlisted")], digest.PASSED_BY),
        (kinds("new", "gone"), digest.PASSED_BY),
        ([change("back")], digest.WELCOME),
        ([change("moved")], digest.EXPECTED),
        ([change("changed", changes=[{"what": "os", "before": "a", "after": "b"}])], digest.EXPECTED),
        ([change("changed", changes=[{"what": "serial", "before": "a", "after": "b"}])], digest.REPLACED),
        ([change("settled", how="decided: tracked by J. Jansen")], digest.KEPT),
        ([change("settled", how="no longer in conflict")], digest.SOLVED),
        ([change("new"), change("settled", how="no longer in conflict", at=NOW + HOUR)], digest.AGREE_IF_NEW),
    ],
)
def test_every_item_says_what_a_person_can_do(changes: list[Change], todo: str) -> None:
    (item,) = of(*changes).items
    assert item.todo == todo
    assert f"digest.todo.{todo}" in WORDS


def test_where_a_thing_is_after_it_moved_is_where_it_moved_to() -> None:
    before, after = {"switch": "sw1", "port": "3"}, {"switch": "sw2", "port": "8", "prefix": "192.0.2.0/24"}
    (item,) = of(change("moved", before=before, after=after)).items
    assert item.moves == ((Place("sw1", "3"), Place("sw2", "8", "192.0.2.0/24")),)
    assert item.place == Place("sw2", "8", "192.0.2.0/24")


def test_minutes_stand_only_at_the_asset_that_the_evidence_names() -> None:
    found = of(change("new", asset="device:7"), change("gone", NAS), spent=Spent(9, None, (), {"device:7": 9.0}))
    assert [(item.asset, item.minutes) for item in found.items] == [("device:7", 9.0), (None, None)]


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("decided: tracked by J. Jansen", ("tracked", "J. Jansen")),
        ("decided: excluded by A. by Night", ("excluded", "A. by Night")),
        ("decided: ended", ("ended", "")),
        ("no longer in conflict", None),
        ("", None),
    ],
)
def test_a_decision_is_told_from_any_other_settlement(how: str, found: tuple[str, str] | None) -> None:
    assert digest.decided(how) == found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("  a\tb\r\nc ", "a b c"),
        ("{{ 7*7 }} <b>", "{{ 7*7 }} <b>"),
        ("\x1b[31mred\x00\u202e", "?[31mred??"),
        ("\ud800", "?"),
        (7, "7"),
        ({"a": 1}, ""),
        (["a"], ""),
        ("x" * 300, "x" * 199 + "…"),
    ],
)
def test_a_value_is_one_line_of_text_without_what_a_screen_would_obey(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("2026-11-23T06:00:00+00:00", NOW),
        ("2026-11-23T06:00:00Z", NOW),
        ("2026-11-23T06:00:00", NOW),
        ("2026-11-23T08:00:00+02:00", NOW),
        ("0001-01-01T00:00:00+00:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (1763877600, None),
        ([], None),
    ],
)
def test_a_time_that_is_none_is_not_known(value: object, found: dt.datetime | None) -> None:
    assert moment(value) == found


def test_a_week_has_one_of_everything_and_what_was_decided_within_it_once() -> None:
    found = a_week()
    assert found.counts == {
        "new": 2,
        "conflict": 1,
        "gone": 1,
        "back": 1,
        "moved": 1,
        "changed": 1,
        "settled": 1,
    }
    assert found.of("settled")[0].keys == ("5512cc8e0b", "e1904bb7d6")


@pytest.mark.thorough
@SOME
@given(some_changes())
def test_every_change_of_the_period_is_in_exactly_one_place_and_none_of_another_customer(made: list[Change]) -> None:
    theirs = {c.key for c in made if c.customer == whose().slug and (c.recorded_at or c.at) > SINCE}
    found = news(whose(), made, SINCE)
    told = Counter(key for item in found.items for key in item.keys) if found else Counter()
    assert told == Counter(theirs)
    if found:
        assert sum(found.counts.values()) == len(found.items)
        assert found.until == max(c.recorded_at or c.at for c in made if c.key in theirs)
        assert found.changes == len(theirs)


@pytest.mark.thorough
@SOME
@given(some_changes(), st.randoms(use_true_random=False))
def test_the_order_in_which_changes_are_told_does_not_matter(made: list[Change], how: random.Random) -> None:
    other = [*made, *made[:3]]
    how.shuffle(other)
    assert repr(news(whose(), made, SINCE)) == repr(news(whose(), other, SINCE))
