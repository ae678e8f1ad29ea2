"""When work may be done: right in UTC whatever the clocks do, merged, cut by freezes, and found in bounded time."""

from __future__ import annotations

import datetime as dt
import itertools
import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.patching import recurrence, windows
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Recurrence, Window
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import (
    AMSTERDAM,
    local,
    plan,
    utc,
    window,
)

SECURITY, EMERGENCY, ROUTINE = "security", "emergency", "routine"
HOUR = dt.timedelta(hours=1)


def walls(made: Any, start: str, end: str, zone: ZoneInfo = AMSTERDAM) -> list[str]:
    """Openings as a clock on the wall shows them."""
    found = windows.openings(made, SECURITY, local(start, zone), local(end, zone))
    return [f"{one.start.astimezone(zone):%m-%d %H:%M} {one.end.astimezone(zone):%H:%M}" for one in found]


def days(made: Any, start: str, end: str) -> list[str]:
    return [words.partition(" ")[0] for words in walls(made, start, end)]


# -- the clocks ---------------------------------------------------------------------------------------------------


def test_a_window_of_two_hours_is_two_hours_in_the_night_the_clocks_go_forward() -> None:
    made = window("FREQ=DAILY", "01:00")
    assert walls(made, "2026-03-28T00:00", "2026-03-30T00:00") == ["03-28 01:00 03:00", "03-29 01:00 04:00"]
    assert {
        one.end - one.start
        for one in windows.openings(made, SECURITY, local("2026-03-27T00:00"), local("2026-03-31T00:00"))
    } == {2 * HOUR}


def test_a_window_of_two_hours_is_two_hours_in_the_night_the_clocks_go_back() -> None:
    made = window("FREQ=DAILY", "01:30")
    (one,) = windows.openings(made, SECURITY, local("2026-10-25T00:00"), local("2026-10-25T12:00"))
    assert (one.start, one.end) == (utc("2026-10-24T23:30"), utc("2026-10-25T01:30"))
    assert f"{one.end.astimezone(AMSTERDAM):%H:%M}" == "02:30"


def test_a_start_that_the_clocks_skip_moves_on_by_what_they_skip() -> None:
    assert walls(window("FREQ=DAILY", "02:30"), "2026-03-29T00:00", "2026-03-30T00:00") == ["03-29 03:30 05:30"]


def test_of_a_start_that_the_clocks_show_twice_the_first_is_meant() -> None:
    made = window("FREQ=DAILY", "02:30")
    (one,) = windows.openings(made, SECURITY, local("2026-10-25T00:00"), local("2026-10-25T12:00"))
    assert one.start == utc("2026-10-25T00:30")


def test_a_half_hour_change_of_the_clocks_is_one_too() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    made = window("FREQ=DAILY", "02:10", timezone=zone.key)
    assert walls(made, "2026-10-04T00:00", "2026-10-05T00:00", zone) == ["10-04 02:40 04:40"]


# -- the calendar -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "start", "expected"),
    [
        ("FREQ=MONTHLY;BYDAY=3TU", "22:00", ["01-20", "02-17", "03-17"]),
        ("FREQ=MONTHLY;BYDAY=TU;BYSETPOS=3", "22:00", ["01-20", "02-17", "03-17"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "22:00", ["01-30", "02-27", "03-31"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "22:00", ["01-31", "03-31"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "22:00", ["01-31", "02-28", "03-31"]),
        ("FREQ=MONTHLY", "2026-01-31T22:00", ["01-31", "03-31"]),
        ("FREQ=WEEKLY;INTERVAL=3", "2025-12-03T22:00", ["01-14", "02-04", "02-25", "03-18"]),
        ("FREQ=WEEKLY;BYDAY=SU;UNTIL=20260118", "22:00", ["01-04", "01-11", "01-18"]),
        ("FREQ=WEEKLY;BYDAY=SU;UNTIL=20260118T205959Z", "22:00", ["01-04", "01-11"]),
        ("FREQ=WEEKLY;BYDAY=SU;UNTIL=20260118T210000Z", "22:00", ["01-04", "01-11", "01-18"]),
        ("FREQ=WEEKLY;BYDAY=SU;UNTIL=20260118T215959", "22:00", ["01-04", "01-11"]),
        ("FREQ=DAILY;COUNT=3", "2025-12-31T22:00", ["01-01", "01-02"]),
        ("FREQ=YEARLY;BYMONTH=2;BYDAY=-1SA", "22:00", ["02-28"]),
        ("FREQ=YEARLY;BYWEEKNO=10;BYDAY=WE", "22:00", ["03-04"]),
        ("FREQ=YEARLY;BYYEARDAY=60", "22:00", ["03-01"]),
        ("RRULE:FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=1", "22:00", ["02-01"]),
    ],
)
def test_a_rule_is_on_its_days(rule: str, start: str, expected: list[str]) -> None:
    assert days(window(rule, start), "2026-01-01T00:00", "2026-04-01T00:00") == expected


def test_a_leap_day_comes_in_leap_years_and_is_found_over_the_years_between() -> None:
    made = window("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "22:00")
    found = [windows.next_opening(made, SECURITY, local(f"{year}-03-01T00:00")) for year in (2026, 2028, 2096)]
    assert [one and f"{one.start:%Y-%m-%d}" for one in found] == ["2028-02-29", "2032-02-29", "2104-02-29"]


def test_a_rule_counts_from_its_first_day_and_not_before() -> None:
    made = window("FREQ=DAILY;INTERVAL=2", "2026-01-10T22:00")
    assert days(made, "2026-01-01T00:00", "2026-01-15T00:00") == ["01-10", "01-12", "01-14"]


# -- whole openings -----------------------------------------------------------------------------------------------


def two(first: dict[str, str], second: dict[str, str], **changed: Any) -> Any:
    made = {"windows.a": first, "windows.b": second, "classes.security.windows": ["a", "b"]}
    return plan(**made, **changed)


def daily(start: str, duration: str, cutoff: str) -> dict[str, str]:
    return {"rule": "FREQ=DAILY", "start": start, "duration": duration, "cutoff": cutoff}


def test_windows_that_overlap_are_one_opening_that_closes_with_the_last_of_them() -> None:
    made = two(daily("20:00", "2h", "1h"), daily("21:30", "2h", "30m"))
    (one,) = windows.openings(made, SECURITY, local("2026-01-05T12:00"), local("2026-01-06T12:00"))
    assert (one.start, one.end) == (local("2026-01-05T20:00"), local("2026-01-05T23:30"))
    assert (one.closes, one.windows) == (local("2026-01-05T23:00"), ("a", "b"))


def test_a_window_within_another_does_not_close_it() -> None:
    made = two(daily("20:00", "4h", "1h"), daily("21:00", "1h", "30m"))
    (one,) = windows.openings(made, SECURITY, local("2026-01-05T12:00"), local("2026-01-06T12:00"))
    assert (one.closes, one.end) == (local("2026-01-05T23:00"), local("2026-01-06T00:00"))


def test_windows_that_touch_are_one_opening_and_windows_apart_are_two() -> None:
    touching = two(daily("20:00", "1h", "30m"), daily("21:00", "1h", "30m"))
    apart = two(daily("20:00", "1h", "30m"), daily("21:01", "1h", "30m"))
    span = (SECURITY, local("2026-01-05T12:00"), local("2026-01-06T12:00"))
    assert [len(windows.openings(made, *span)) for made in (touching, apart)] == [1, 2]


def test_an_opening_that_reaches_beyond_what_is_asked_for_is_whole() -> None:
    made = window("FREQ=DAILY", "22:00", "4h", "1h")
    (one,) = windows.openings(made, SECURITY, local("2026-01-06T01:30"), local("2026-01-06T01:45"))
    assert (one.start, one.end) == (local("2026-01-05T22:00"), local("2026-01-06T02:00"))


def test_a_window_without_an_end_is_always_open() -> None:
    made = window("FREQ=DAILY", "00:00", "24h", "1h")
    for text in ("2026-01-05T00:00", "2026-01-05T23:59", "2026-03-29T03:00", "2026-10-25T02:30"):
        found = windows.open_at(made, SECURITY, local(text))
        # On the day the clocks go back it is open for 24 of 25 hours.
        assert found is not None and found.accepts(local(text))


def test_at_the_cutoff_no_new_host_is_begun_and_the_opening_goes_on() -> None:
    made = window("FREQ=DAILY", "22:00", "2h", "30m")
    cases = {"21:59": None, "22:00": True, "23:29": True, "23:30": False, "23:59": False}
    for at, accepts in cases.items():
        moment = local(f"2026-01-05T{at}")
        found = windows.open_at(made, SECURITY, moment)
        assert (found.accepts(moment) if found else None) is accepts, at
    assert windows.open_at(made, SECURITY, local("2026-01-06T00:00")) is None


def test_the_next_opening_is_the_present_one_until_it_closes() -> None:
    made = window("FREQ=DAILY", "22:00", "2h", "30m")
    cases = {"22:00": "01-05", "23:29": "01-05", "23:30": "01-06", "12:00": "01-05"}
    for at, day in cases.items():
        found = windows.next_opening(made, SECURITY, local(f"2026-01-05T{at}"))
        assert found is not None and f"{found.start:%m-%d}" == day, at


def test_a_rule_that_has_ended_has_no_next_opening() -> None:
    made = window("FREQ=DAILY;COUNT=3", "2026-01-05T22:00")
    assert windows.next_opening(made, SECURITY, local("2026-01-08T23:00")) is None


def test_an_emergency_may_go_at_any_time() -> None:
    found = windows.open_at(plan(), EMERGENCY, local("2026-01-05T12:00"))
    assert found is not None and found.accepts(local("2026-01-05T12:00")) and found.windows == ()


# -- freezes ------------------------------------------------------------------------------------------------------


def frozen(start: str, end: str, emergency: str = "refused") -> Any:
    freeze = {"from": start, "until": end, "reason": "Stocktaking", "emergency": emergency}
    return window("FREQ=DAILY", "20:00", "4h", "1h", freezes=[freeze])


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-01-05", "2026-01-05", []),
        ("2026-01-05T22:00", "2026-01-06T22:00", [("20:00", "21:00", "22:00")]),
        ("2026-01-05T12:00", "2026-01-05T21:00", [("21:00", "23:00", "00:00")]),
        ("2026-01-05T21:30", "2026-01-05T22:00", [("20:00", "20:30", "21:30"), ("22:00", "23:00", "00:00")]),
        ("2026-01-05T20:30", "2026-01-05T23:30", []),  # what is left on each side is shorter than the cutoff
    ],
)
def test_a_freeze_cuts_what_it_lies_on_and_a_cut_end_has_the_cutoff_too(
    start: str, end: str, expected: list[tuple[str, str, str]]
) -> None:
    found = windows.openings(frozen(start, end), SECURITY, local("2026-01-05T12:00"), local("2026-01-06T12:00"))
    assert [
        tuple(f"{moment.astimezone(AMSTERDAM):%H:%M}" for moment in (one.start, one.closes, one.end)) for one in found
    ] == expected


@pytest.mark.parametrize(("emergency", "open_"), [("allowed", True), ("refused", False)])
def test_a_freeze_says_whether_it_holds_for_emergencies(emergency: str, open_: bool) -> None:
    made = frozen("2026-01-05", "2026-01-07", emergency)
    assert (windows.open_at(made, EMERGENCY, local("2026-01-06T12:00")) is not None) == open_
    assert windows.open_at(made, SECURITY, local("2026-01-06T21:00")) is None


def test_an_emergency_goes_on_when_a_freeze_that_refuses_it_ends() -> None:
    found = windows.next_opening(frozen("2026-01-05", "2026-01-07"), EMERGENCY, local("2026-01-06T12:00"))
    assert found is not None and found.start == local("2026-01-08T00:00")


def test_freezes_that_overlap_cut_once() -> None:
    freezes = [
        {"from": start, "until": end, "reason": "x", "emergency": "refused"}
        for start, end in (("2026-01-05T20:00", "2026-01-05T22:00"), ("2026-01-05T21:00", "2026-01-05T21:30"))
    ]
    made = window("FREQ=DAILY", "20:00", "4h", "1h", freezes=freezes)
    (one,) = windows.openings(made, SECURITY, local("2026-01-05T12:00"), local("2026-01-06T12:00"))
    assert (one.start, one.end) == (local("2026-01-05T22:00"), local("2026-01-06T00:00"))


# -- deferral, batch, deadline ------------------------------------------------------------------------------------


def test_what_is_deferred_waits_for_its_batch() -> None:
    # 20 January is the third Tuesday: what is there a week before goes with it, what came later waits a month.
    cases = {"2026-01-13T12:00": "2026-01-20T12:00", "2026-01-13T12:01": "2026-02-17T12:00"}
    for available, expected in cases.items():
        assert windows.installable_from(plan(), ROUTINE, local(available)) == local(expected)


def test_without_a_batch_what_is_deferred_long_enough_goes() -> None:
    made = plan(**{"classes.security.deferral": "36h"})
    assert windows.installable_from(made, SECURITY, utc("2026-03-28T12:00")) == utc("2026-03-30T00:00")


def test_a_batch_that_has_ended_never_comes() -> None:
    made = plan(**{"batches.monthly": {"rule": "FREQ=DAILY;COUNT=2", "start": "2026-01-05T12:00"}})
    assert windows.installable_from(made, ROUTINE, utc("2026-01-01T12:00")) is None


def test_moments_of_a_batch_are_on_the_wall_clock() -> None:
    found = windows.batch_moments(
        plan().batches["monthly"], AMSTERDAM, utc("2026-03-01T00:00"), utc("2026-05-01T00:00")
    )
    assert found == [utc("2026-03-17T11:00"), utc("2026-04-21T10:00")]


def test_a_deadline_is_elapsed_time_across_a_change_of_the_clocks() -> None:
    assert windows.deadline(plan(), SECURITY, utc("2026-03-28T12:00")) == utc("2026-04-11T12:00")


# -- rules that never happen --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "since"),
    [
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", None),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", None),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6", None),
        ("FREQ=WEEKLY;INTERVAL=2;BYMONTH=2;BYDAY=MO;BYSETPOS=3", dt.date(2026, 1, 5)),
        ("FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29", dt.date(2026, 1, 1)),
    ],
)
def test_a_rule_that_never_happens_is_known_in_bounded_time(rule: str, since: dt.date | None) -> None:
    made = Recurrence(rule, dt.time(22, 0), since)
    assert recurrence.refusal(made) == ""
    began = time.process_time()
    assert recurrence.following(made, AMSTERDAM, recurrence.EARLIEST) is None
    assert time.process_time() - began < 2  # without the shift a daily rule takes many times as long


# -- properties ---------------------------------------------------------------------------------------------------

ZONES = st.sampled_from(
    ["Europe/Amsterdam", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
)
RULES = st.sampled_from(
    [
        "FREQ=DAILY",
        "FREQ=WEEKLY;BYDAY=SU,WE",
        "FREQ=MONTHLY;BYDAY=3TU",
        "FREQ=MONTHLY;BYMONTHDAY=31,-1",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU",
    ]
)
TIMES = st.builds(dt.time, st.integers(0, 23), st.sampled_from([0, 10, 30]))
STARTS = st.integers(0, 2500).map(lambda day: dt.datetime(2025, 1, 1, 7, tzinfo=dt.UTC) + dt.timedelta(days=day))


@st.composite
def made_windows(draw: Any) -> tuple[Window, ZoneInfo]:
    minutes = draw(st.integers(1, 3000))
    made = Recurrence(draw(RULES), draw(TIMES), dt.date(2024, 1, 7))
    return Window("w", made, dt.timedelta(minutes=minutes), dt.timedelta(minutes=draw(st.integers(0, minutes)))), (
        ZoneInfo(draw(ZONES))
    )


@settings(max_examples=60, deadline=None)
@given(made_windows(), STARTS)
def test_every_occurrence_is_as_long_as_agreed_and_starts_when_the_rule_says(
    made: tuple[Window, ZoneInfo], start: dt.datetime
) -> None:
    one, zone = made
    found = windows.occurrences(one, zone, start, start + dt.timedelta(days=45))
    assert found == sorted(found)
    for opening in found:
        assert opening.end - opening.start == one.duration
        assert opening.end - opening.closes == one.cutoff
        wall = opening.start.astimezone(zone)
        if wall.time() != one.recurrence.at:
            # Only where the clocks skip it: an hour before, they were that much behind.
            gap = wall.utcoffset() - (opening.start - 3 * HOUR).astimezone(zone).utcoffset()  # type: ignore[operator]
            assert gap > dt.timedelta(0)
            assert (wall.replace(tzinfo=None) - gap).time() == one.recurrence.at
        assert wall.fold == 0


@pytest.mark.thorough
@settings(max_examples=40, deadline=None)
@given(made_windows(), made_windows(), STARTS, st.integers(0, 40), st.integers(1, 200))
def test_openings_are_in_order_apart_and_outside_freezes(
    first: tuple[Window, ZoneInfo], second: tuple[Window, ZoneInfo], start: dt.datetime, day: int, hours: int
) -> None:
    def entry(one: Window) -> dict[str, str]:
        minutes = [int(value.total_seconds()) // 60 for value in (one.duration, one.cutoff)]
        at = f"2024-01-07T{one.recurrence.at:%H:%M}"
        return {"rule": one.recurrence.rule, "start": at, "duration": f"{minutes[0]}m", "cutoff": f"{minutes[1]}m"}

    begins = (start + dt.timedelta(days=day)).replace(tzinfo=None)
    ends = begins + dt.timedelta(hours=hours)
    freeze = {
        "from": f"{begins:%Y-%m-%dT%H:%M}",
        "until": f"{ends:%Y-%m-%dT%H:%M}",
        "reason": "x",
        "emergency": "refused",
    }
    zone = first[1]
    made = two(entry(first[0]), entry(second[0]), timezone=zone.key, freezes=[freeze])
    (held,) = made.freezes

    found = windows.openings(made, SECURITY, start, start + dt.timedelta(days=45))

    assert all(one.start < one.closes <= one.end for one in found)
    assert all(one.end < other.start for one, other in itertools.pairwise(found))
    assert all(one.end <= held.start or one.start >= held.end for one in found)
    # One that goes on for longer than is looked around is cut where the looking ends.
    for one in [one for one in found if one.end - one.start < windows.AROUND][:4]:
        assert windows.open_at(made, SECURITY, one.start) == one
        assert windows.next_opening(made, SECURITY, one.closes - dt.timedelta(seconds=1)) == one
        assert windows.next_opening(made, SECURITY, one.closes) != one
