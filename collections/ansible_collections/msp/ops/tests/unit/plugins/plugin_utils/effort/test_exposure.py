# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Time and minutes are put to the asset and the state that they are of, whole and once; what can't be is told."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.effort.exposure import MONTH, Held, Work, cells, spans, worked
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.effort.made import (
    FAR_OFF,
    LONG_AGO,
    SINCE,
    UNTIL,
    held,
    minutes,
    ticket,
)

DAY = dt.timedelta(days=1)
DATES = st.none() | st.dates(SINCE.date() - 40 * DAY, UNTIL.date() + 40 * DAY)
TIMES = st.integers(-30, 400).map(lambda days: SINCE + days * DAY)
STEPS = st.dictionaries(TIMES, st.sampled_from([True, False, None]), max_size=4).map(
    lambda of: tuple(sorted(of.items()))
)
ASSETS = st.builds(held, st.just("a"), waived=STEPS, warranty_end=DATES, support_end=DATES)


@settings(max_examples=60)
@given(ASSETS)
def test_the_spans_of_an_asset_are_its_whole_time_without_a_gap(asset: Held) -> None:
    found = list(spans(asset))

    assert (found[0].since, found[-1].until) == (SINCE, UNTIL)
    assert all(one.until == other.since for one, other in pairwise(found))
    assert sum(one.months for one in found) == pytest.approx(12)


@pytest.mark.thorough
@settings(max_examples=60)
@given(st.lists(ASSETS, min_size=1, max_size=1), st.lists(st.tuples(TIMES, st.floats(0, 500)), max_size=6))
def test_every_minute_within_the_time_is_counted_once_and_none_outside_it(
    assets: list[Held], spent: list[tuple[dt.datetime, float]]
) -> None:
    works = [Work("a", at, amount, str(number), ()) for number, (at, amount) in enumerate(spent)]

    found = cells(assets, works)

    counted = [work for cell in found.values() for work in cell.works]
    assert sorted(work.ticket for work in counted) == [work.ticket for work in works if SINCE <= work.at < UNTIL]
    assert sum(cell.minutes for cell in found.values()) == pytest.approx(sum(work.minutes for work in counted))


def test_an_asset_is_out_of_warranty_from_the_day_after_the_last_day_on() -> None:
    before, after = spans(held("a", warranty_end=dt.date(2025, 9, 30)))

    assert (before.state, after.state) == ((False, False, False), (False, True, False))
    assert after.since == dt.datetime(2025, 10, 1, tzinfo=dt.UTC)


def test_what_nobody_knows_is_neither_so_nor_not() -> None:
    (span,) = spans(held("a", waived=(), warranty_end=None, support_end=LONG_AGO))

    assert span.state == (None, None, True)


def test_a_waiver_that_came_and_went_cuts_the_time() -> None:
    asset = held("a", waived=((SINCE + MONTH, True), (SINCE + 3 * MONTH, False)), warranty_end=FAR_OFF)

    assert [(span.state[0], round(span.months, 6)) for span in spans(asset)] == [(None, 1), (True, 2), (False, 9)]


def test_minutes_come_to_the_asset_of_their_ticket_and_bear_its_time() -> None:
    found = worked(
        [ticket("1", "device:1", SINCE + DAY), ticket("2", "device:2", SINCE)],
        [minutes("1", 30, key="b"), minutes("1", 15, key="a"), minutes("2", 5)],
    )

    assert found.works == (
        Work("device:1", SINCE + DAY, 45, "desk 1", ("a", "b")),
        Work("device:2", SINCE, 5, "desk 2", ("row:2",)),
    )
    assert (found.timed, found.untimed, found.loose) == (("desk 1", "desk 2"), (), ())


def test_what_automation_did_and_what_is_charged_by_the_hour_costs_nothing_more() -> None:
    found = worked(
        [ticket("1", "device:1", SINCE), ticket("2", "device:1", SINCE)],
        [minutes("1", 30, by="automation"), minutes("2", 60, inside=False)],
    )

    assert found.works == ()
    assert (found.timed, found.untimed) == (("desk 2",), ("desk 1",))  # for the one nobody wrote minutes down


def test_minutes_that_belong_to_no_one_asset_are_told_and_counted_nowhere() -> None:
    found = worked(
        [ticket("1", None, SINCE), ticket("2", "device:1", SINCE), ticket("2", "device:2", SINCE, source="other")],
        [minutes(None, 10), minutes("1", 20), minutes("2", 30), minutes("3", 40)],
    )

    assert found.works == ()
    assert found.loose == ("row:1", "row:2", "row:3", "row:None")


def test_a_closed_ticket_without_a_minute_is_untimed_and_an_open_one_is_not_yet() -> None:
    opened = ticket("2", "device:1", SINCE)
    still = type(opened)(opened.customer, opened.source, opened.ref, opened.opened, None, "", opened.asset)

    for written in ([minutes("1", 0)], [minutes("1", 0), minutes("2", 30)]):
        found = worked([ticket("1", "device:1", SINCE), still], written)
        assert (found.timed, found.untimed) == ((), ("desk 1",))
