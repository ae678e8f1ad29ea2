"""When schedules start: rules that AWX takes, at the customer's own clock."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.awx.recurrence import offset, rule

ZONE = "Europe/Amsterdam"
EVERY = ("15 minutes", "30 minutes", "hour", "day", "week", "month")


@st.composite
def schedules(draw: st.DrawFn) -> dict[str, Any]:
    every = draw(st.sampled_from(EVERY))
    made: dict[str, Any] = {
        "name": draw(st.text(min_size=1, max_size=8)),
        "every": every,
        "spread": draw(st.booleans()),
    }
    if every in ("day", "week", "month"):
        made["at"] = f"{draw(st.integers(0, 23)):02d}:{draw(st.integers(0, 59)):02d}"
    if every == "week":
        made["on"] = draw(st.sampled_from(["MO", "SU"]))
    if every == "month":
        made["on_day"] = draw(st.integers(1, 28))
    return made


@pytest.mark.thorough
@given(schedules(), st.text(min_size=1, max_size=12))
def test_a_rule_has_what_awx_asks_for_and_is_the_same_every_time(schedule: dict[str, Any], slug: str) -> None:
    text = rule(schedule, ZONE, slug)
    assert text == rule(schedule, ZONE, slug)
    assert re.fullmatch(
        r"DTSTART;TZID=Europe/Amsterdam:20260101T\d{6} RRULE:FREQ=[A-Z]+;INTERVAL=\d+(;[A-Z]+=[A-Z0-9]+)?", text
    )
    rrulestr(text.replace(" RRULE", "\nRRULE"), tzids=ZoneInfo)


@pytest.mark.thorough
@given(schedules(), st.text(min_size=1, max_size=12))
def test_a_spread_moves_within_its_interval_and_never_into_another_day(schedule: dict[str, Any], slug: str) -> None:
    first, second = (_minute(rule({**schedule, "spread": value}, ZONE, slug)) for value in (False, True))
    assert 0 <= second - first < {"15 minutes": 15, "30 minutes": 30}.get(schedule["every"], 60)
    assert second < 24 * 60


def _minute(text: str) -> int:
    """The minute of the day at which a rule begins; its day is always the same."""
    found = re.search(r":20260101T(\d\d)(\d\d)00 ", text)
    assert found
    return int(found[1]) * 60 + int(found[2])


def test_three_in_the_morning_is_three_in_summer_too() -> None:
    text = rule({"name": "x", "every": "day", "at": "03:00"}, ZONE, "acme")
    runs = rrulestr(text.replace(" RRULE", "\nRRULE"), tzids=ZoneInfo)
    winter = runs.after(datetime(2026, 3, 1, tzinfo=ZoneInfo(ZONE)))
    summer = runs.after(datetime(2026, 7, 1, tzinfo=ZoneInfo(ZONE)))
    assert winter
    assert summer
    assert (winter.hour, summer.hour) == (3, 3)
    assert winter.utcoffset() != summer.utcoffset()


def test_customers_do_not_all_start_in_the_same_minute() -> None:
    assert len({offset(f"customer-{n}", "Discover hourly", "hour") for n in range(200)}) > 40


@pytest.mark.parametrize(
    ("every", "said"),
    [
        ("15 minutes", "MINUTELY;INTERVAL=15"),
        ("hour", "HOURLY;INTERVAL=1"),
        ("month", "MONTHLY;INTERVAL=1;BYMONTHDAY=1"),
    ],
)
def test_the_words_mean_what_they_say(every: str, said: str) -> None:
    assert rule({"name": "x", "every": every, "on_day": 1}, ZONE, "acme").endswith(f"RRULE:FREQ={said}")
