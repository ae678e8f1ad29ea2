# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Small charts as inline SVG."""

from __future__ import annotations

import datetime as dt
import re

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.report.charts import Part, Point, course, stacked_bar, timeline

parts = st.lists(st.builds(Part, st.text(), st.integers(0, 10_000), st.sampled_from(["good", "bad"])), max_size=5)


@given(parts)
def test_every_part_that_is_not_zero_is_visible_and_the_bar_is_exactly_as_wide(found: list[Part]) -> None:
    drawn = [
        (float(x), float(w)) for x, w in re.findall(r'x="([\d.]+)" y="0" width="([\d.]+)"', stacked_bar(found, "t"))
    ]
    assert len(drawn) == sum(part.value > 0 for part in found)
    assert all(width >= 8 for _x, width in drawn)
    assert not drawn or abs(drawn[-1][0] + drawn[-1][1] - 600) < 0.5


def test_a_title_is_escaped() -> None:
    assert "<script>" not in stacked_bar([Part("x", 1, "good")], '"><script>')


@given(st.dates(dt.date(2000, 1, 1), dt.date(2060, 1, 1)))
def test_a_timeline_never_leaves_its_track(end: dt.date) -> None:
    for x, width in re.findall(
        r'x="(-?[\d.]+)" y="[\d.]+" width="([\d.]+)"', timeline(end, dt.date(2026, 11, 23), "good", "t")
    ):
        assert float(x) >= 0 and float(x) + float(width) <= 100.01


START = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
END = START + dt.timedelta(days=90)
points = st.lists(
    st.tuples(st.integers(0, 89), st.none() | st.floats(0, 1)).map(
        lambda made: Point(START + dt.timedelta(days=made[0]), made[1])
    ),
    max_size=6,
    unique_by=lambda point: point.at,
).map(lambda found: sorted(found, key=lambda point: point.at))


@given(points)
def test_a_course_never_leaves_its_chart_and_draws_what_is_known_and_nothing_else(found: list[Point]) -> None:
    drawn = course(found, END, "good", "t")
    steps = re.findall(r"[ML]([\d.]+) ([\d.]+)H([\d.]+)", drawn)
    assert len(steps) == sum(point.share is not None for point in found)
    assert all(0 <= float(x0) <= float(x1) <= 300 and 3 <= float(y) <= 45 for x0, y, x1 in steps)


def test_a_course_is_higher_where_more_is_so_and_has_a_gap_where_nobody_knows() -> None:
    days = [START + dt.timedelta(days=n) for n in (0, 30, 60)]
    up = course([Point(days[0], 0.5), Point(days[1], 1.0)], END, "good", "t")
    assert 'd="M0.0 24.0H100.0L100.0 3.0H300.0"' in up
    gap = course([Point(days[0], 0.5), Point(days[1], None), Point(days[2], 0.5)], END, "good", "t")
    assert 'd="M0.0 24.0H100.0M200.0 24.0H300.0"' in gap


def test_a_course_of_nothing_is_nothing_and_its_title_is_escaped() -> None:
    assert course([], END, "good", "t") == course([Point(END, 1.0)], END, "good", "t") == ""
    assert "<script>" not in course([Point(START, 1.0)], END, "good", '"><script>')
