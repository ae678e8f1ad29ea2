"""The next three months of a plan, as data."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.patching.calendar import (
    Calendar,
    Use,
    calendar,
    clock_changes,
    months_on,
)
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import (
    AMSTERDAM,
    local,
    member,
    plan,
    utc,
)

NOW = utc("2026-02-10T08:00")
MEMBERS = [member(1, "msp-ring-pilot"), *(member(number) for number in range(2, 6))]


def made(now: dt.datetime = NOW, **changed: Any) -> Calendar:
    return calendar(plan(**changed), MEMBERS, now)


def uses(found: Calendar, day: str) -> list[Use]:
    return [
        use
        for visit in found.visits
        if f"{visit.opening.start.astimezone(AMSTERDAM):%m-%d}" == day
        for use in visit.uses
    ]


def test_it_is_of_three_months_from_midnight_where_the_customer_is() -> None:
    found = made()
    assert (found.start, found.end) == (local("2026-02-10T00:00"), local("2026-05-10T00:00"))


@pytest.mark.parametrize(
    ("day", "end"),
    [
        ("2026-11-30", "2027-02-28"),
        ("2027-11-30", "2028-02-29"),
        ("2026-10-31", "2027-01-31"),
        ("2026-12-01", "2027-03-01"),
    ],
)
def test_three_months_on_is_the_same_day_or_the_last_of_the_month(day: str, end: str) -> None:
    assert months_on(dt.date.fromisoformat(day), 3) == dt.date.fromisoformat(end)


def test_every_window_is_in_it_and_any_ring_may_be_due_in_a_class_without_batches() -> None:
    found = made()
    assert len(found.visits) == 26  # Tuesdays and Thursdays from 10 February to 7 May
    assert uses(found, "02-12") == [Use("security", ("pilot", "broad"), due=False)]


def test_a_batch_has_its_rings_in_the_windows_of_its_course() -> None:
    found = made()
    # The third Tuesday is the 17th; its batch is taken at noon, so the pilot goes that night.
    assert Use("routine", ("pilot",), due=True) in uses(found, "02-17")
    assert Use("routine", ("broad",), due=True) in uses(found, "02-19")
    assert [use.patch_class for use in uses(found, "02-24")] == ["security"]
    assert [f"{one.at.astimezone(AMSTERDAM):%m-%d %H:%M}" for one in found.batches] == [
        "02-17 12:00",
        "03-17 12:00",
        "04-21 12:00",
    ]
    assert {(one.batch, one.classes) for one in found.batches} == {("monthly", ("routine",))}


def test_the_course_of_a_batch_before_the_first_day_goes_on_in_it() -> None:
    found = made(local("2026-02-18T08:00"))
    assert Use("routine", ("broad",), due=True) in uses(found, "02-19")


def test_rings_without_assets_are_not_due() -> None:
    found = calendar(plan(), MEMBERS[:1], NOW)
    assert uses(found, "02-12") == [Use("security", ("pilot",), due=False)]


def test_a_window_that_a_freeze_takes_away_is_not_in_it() -> None:
    freeze = {"from": "2026-02-11", "until": "2026-02-13", "reason": "x", "emergency": "allowed"}
    past = {"from": "2026-01-11", "until": "2026-01-13", "reason": "x", "emergency": "allowed"}
    found = made(freezes=[freeze, past])
    assert uses(found, "02-12") == []
    assert [one.start for one in found.freezes] == [local("2026-02-11T00:00")]


def test_changes_of_the_clocks_are_in_it() -> None:
    (change,) = made().clock_changes
    assert (change.at, change.by) == (utc("2026-03-29T01:00"), dt.timedelta(hours=1))


def test_clocks_go_back_too_and_by_half_an_hour_where_they_do() -> None:
    def changes(zone: str) -> list[tuple[dt.datetime, int]]:
        found = clock_changes(ZoneInfo(zone), utc("2026-09-01T00:00"), utc("2026-12-01T00:00"))
        return [(one.at, int(one.by.total_seconds() // 60)) for one in found]

    assert changes("Europe/Amsterdam") == [(utc("2026-10-25T01:00"), -60)]
    assert changes("Australia/Lord_Howe") == [(utc("2026-10-03T15:30"), 30)]
    assert changes("UTC") == []


def test_as_values_it_is_plain_json_in_utc() -> None:
    found = json.loads(json.dumps(made().as_dict()))
    assert found["start"] == "2026-02-09T23:00:00+00:00"
    assert found["windows"][0] == {
        "start": "2026-02-10T21:00:00+00:00",
        "closes": "2026-02-11T00:00:00+00:00",
        "end": "2026-02-11T01:00:00+00:00",
        "windows": ["night"],
        "classes": [{"class": "security", "rings": ["pilot", "broad"], "due": False}],
    }
    assert found["batches"][0] == {"at": "2026-02-17T11:00:00+00:00", "batch": "monthly", "classes": ["routine"]}
    assert found["clock_changes"] == [{"at": "2026-03-29T01:00:00+00:00", "minutes": 60}]
