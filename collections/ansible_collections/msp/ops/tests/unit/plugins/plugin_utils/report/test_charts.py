# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Small charts as inline SVG."""

from __future__ import annotations

import datetime as dt
import re

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.report.charts import Part, stacked_bar, timeline

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
