# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What counts today: contract status past a contract's end, and the four states of a warranty."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract import status
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Contract, WarrantySource
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

TODAY = dt.date(2026, 3, 1)
DATES = st.dates(dt.date(2000, 1, 1), dt.date(2060, 1, 1))
STATUSES = st.sampled_from([*names.CONTRACT_STATUSES, None, "", "something else"])


def contract(end: dt.date | None) -> Contract:
    return Contract(id="C-1", start=dt.date(2000, 1, 1), end=end)


def asset(end: dt.date | None, *sources: dt.date | None) -> Asset:
    return Asset(
        kind="device",
        id=1,
        name="a",
        customer="c",
        status=names.CONTRACTED,
        warranty_end=end,
        warranty_sources=tuple(WarrantySource(str(n), warranty_end=source) for n, source in enumerate(sources)),
    )


@given(STATUSES, DATES, DATES)
def test_past_its_end_a_contract_has_ended_for_every_status(field: str | None, end: dt.date, today: dt.date) -> None:
    found = status.effective_status(field, contract(end), today)

    assert found in names.CONTRACT_STATUSES
    if today > end:
        assert found == names.ENDED
    elif field in names.CONTRACT_STATUSES:
        assert found == field


def test_the_last_day_of_a_contract_still_counts() -> None:
    assert status.effective_status(names.CONTRACTED, contract(TODAY), TODAY) == names.CONTRACTED


@given(STATUSES)
def test_an_open_ended_contract_never_ends(field: str | None) -> None:
    found = status.effective_status(field, contract(None), dt.date.max)

    assert found == (field if field in names.CONTRACT_STATUSES else names.UNLISTED)


@given(STATUSES, DATES)
def test_nothing_is_contracted_without_a_contract(field: str | None, today: dt.date) -> None:
    assert status.effective_status(field, None, today) != names.CONTRACTED


@pytest.mark.parametrize(
    ("days", "state"),
    [
        (-1, status.WARRANTY_EXPIRED),
        (0, status.WARRANTY_ENDING),
        (90, status.WARRANTY_ENDING),
        (91, status.WARRANTY_IN),
        (None, status.WARRANTY_UNKNOWN),
    ],
)
def test_a_warranty_is_in_ending_expired_or_unknown(days: int | None, state: str) -> None:
    end = None if days is None else TODAY + dt.timedelta(days=days)

    assert status.warranty_state(asset(end), TODAY) == state


@given(st.one_of(st.none(), DATES), st.lists(st.one_of(st.none(), DATES), max_size=4), DATES)
def test_the_latest_source_decides_the_warranty(
    field: dt.date | None, sources: list[dt.date | None], today: dt.date
) -> None:
    known = [end for end in [field, *sources] if end is not None]

    found = status.warranty_state(asset(field, *sources), today)

    assert (found == status.WARRANTY_UNKNOWN) == (not known)
    assert (found == status.WARRANTY_EXPIRED) == (bool(known) and max(known) < today)


@given(DATES, DATES)
def test_a_warranty_only_ages(end: dt.date, today: dt.date) -> None:
    order = [status.WARRANTY_IN, status.WARRANTY_ENDING, status.WARRANTY_EXPIRED]

    now, tomorrow = (status.warranty_state_on(end, day) for day in (today, today + dt.timedelta(days=1)))

    assert order.index(now) <= order.index(tomorrow)
