# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Merging what sources say: purchase the earliest, warranty end the latest, every source kept."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract import warranty
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import WarrantySource

DAYS = st.one_of(st.none(), st.dates(dt.date(2015, 1, 1), dt.date(2035, 1, 1)))
SOURCES = st.lists(st.builds(WarrantySource, st.sampled_from("abcd"), DAYS, DAYS), max_size=8)


@given(SOURCES)
def test_purchase_is_the_earliest_and_warranty_the_latest_said(said: list[WarrantySource]) -> None:
    merged = warranty.merge((), said)

    assert merged.purchase == min((s.purchase for s in said if s.purchase), default=None)
    assert merged.end == max((s.warranty_end for s in said if s.warranty_end), default=None)


@given(SOURCES, SOURCES)
def test_no_source_that_knows_a_date_is_lost(known: list[WarrantySource], said: list[WarrantySource]) -> None:
    before = warranty.merge((), known).sources

    after = warranty.merge(before, said)

    spoken = {s.source for s in said}
    kept = {s.source for s in after.sources}
    assert {s.source for s in before if s.source not in spoken} <= kept
    assert all(s in after.sources for s in before if s.source not in spoken)


@given(SOURCES, SOURCES)
def test_saying_the_same_again_changes_nothing(known: list[WarrantySource], said: list[WarrantySource]) -> None:
    once = warranty.merge(warranty.merge((), known).sources, said)

    assert warranty.merge(once.sources, said) == once


@given(SOURCES, SOURCES)
def test_what_is_kept_is_what_is_said_and_what_is_said_no_more(
    known: list[WarrantySource], said: list[WarrantySource]
) -> None:
    before = warranty.merge((), known).sources

    gone = warranty.unsaid(before, said)

    kept = warranty.merge(before, said).sources
    assert warranty.merge(warranty.merge((), said).sources, gone).sources == kept
    assert warranty.unsaid(kept, [*said, *gone]) == []


@given(SOURCES)
def test_the_order_of_rows_does_not_matter(said: list[WarrantySource]) -> None:
    assert warranty.merge((), said) == warranty.merge((), reversed(said))


def test_a_source_that_corrects_itself_replaces_its_own_word_only() -> None:
    known = [
        WarrantySource("dealer", warranty_end=dt.date(2026, 1, 1)),
        WarrantySource("vendor", warranty_end=dt.date(2025, 1, 1)),
    ]

    merged = warranty.merge(known, [WarrantySource("dealer", warranty_end=dt.date(2024, 1, 1))])

    assert merged.end == dt.date(2025, 1, 1)
    assert merged.disagree
