# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""No surcharge without its evidence: that the asset is so, and that it costs more."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import (
    Asset,
    Contract,
    SurchargeRule,
    WarrantySource,
)
from ansible_collections.msp.ops.plugins.plugin_utils.effort.surcharge import (
    MEASURED,
    NOT_SHOWN,
    NOTHING,
    TABLE,
    Cause,
    OfAsset,
    Proof,
    Support,
    causes,
    price,
    suggested,
)
from ansible_collections.msp.ops.plugins.plugin_utils.effort.uplift import (
    FEW_CUSTOMERS,
    NO_RATE,
    Lack,
    Side,
    Uplift,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Agreement, Waiver

TODAY = dt.date(2026, 6, 1)
YESTERDAY = TODAY - dt.timedelta(days=1)
TILL = Asset("device", 4, "till", "bakkerij-jansen", "contracted", "workstation")
CONTRACT = Contract("BJ-1", dt.date(2025, 1, 1), None, hourly_rate=Decimal("90.00"))
TABLED = replace(CONTRACT, surcharges=(SurchargeRule("workstation", names.FOR_WARRANTY, Decimal("6.00")),))
OLD = Cause(names.FOR_WARRANTY, (Proof("dealer", YESTERDAY),))
PLACE = ("bakkerij-jansen", names.FOR_WARRANTY, "workstation")
FEW = Lack(FEW_CUSTOMERS, 1, 3)


def waiver(expires: dt.date) -> Waiver:
    return Waiver("the maker of the till", "anna", expires, Agreement("J. Jansen", dt.date(2026, 1, 5), "mail"))


def measured(minutes: float, low: float, high: float) -> Uplift:
    side = Side(("device:4",), 12.0, 60.0, ("desk 1",), ("row:1",))
    return Uplift(*PLACE, minutes, low, high, minutes, 1.0, 0.5, minutes, 5, side, side)


def found(one: Uplift | Lack, contract: Contract = CONTRACT) -> OfAsset:
    return suggested(TILL, [OLD], contract, {PLACE: one})


def test_what_was_measured_to_cost_more_is_charged_at_the_hourly_rate() -> None:
    (one,) = found(measured(8.0, 3.0, 13.0), TABLED).surcharges

    assert (one.basis, one.amount, one.table) == (MEASURED, Decimal("12.00"), Decimal("6.00"))


@pytest.mark.parametrize(
    ("contract", "high", "basis", "amount"),
    [
        # 6.00 at 90 an hour is 4 minutes.
        (TABLED, 3.9, NOT_SHOWN, "0"),
        (TABLED, 4.1, TABLE, "6.00"),
        (CONTRACT, 3.9, NOT_SHOWN, "0"),
        (CONTRACT, 4.1, NOT_SHOWN, "0"),
    ],
)
def test_measuring_that_can_not_tell_nothing_from_the_table_leaves_the_table(
    contract: Contract, high: float, basis: str, amount: str
) -> None:
    (one,) = found(measured(1.0, -2.0, high), contract).surcharges

    assert (one.basis, one.amount) == (basis, Decimal(amount))


@pytest.mark.parametrize(("contract", "basis", "amount"), [(TABLED, TABLE, "6.00"), (CONTRACT, NOTHING, "0")])
def test_where_too_little_was_measured_the_table_says_or_nobody(contract: Contract, basis: str, amount: str) -> None:
    (one,) = found(FEW, contract).surcharges

    assert (one.basis, one.amount, one.measured) == (basis, Decimal(amount), FEW)


def test_minutes_without_an_hourly_rate_are_no_amount() -> None:
    (one,) = found(measured(8.0, 3.0, 13.0), replace(TABLED, hourly_rate=None)).surcharges

    assert (one.basis, one.amount, one.measured) == (TABLE, Decimal("6.00"), Lack(NO_RATE))


def test_an_asset_of_no_class_is_not_charged() -> None:
    one = suggested(replace(TILL, asset_class=None), [OLD], TABLED, {PLACE: measured(8.0, 3.0, 13.0)})

    assert [each.basis for each in one.surcharges] == [NOTHING]


def test_the_amounts_of_several_causes_add_up() -> None:
    ended = Cause(names.FOR_SUPPORT, (Proof("debian 10", YESTERDAY, "distro-info"),))
    both = {PLACE: measured(8.0, 3.0, 13.0), (PLACE[0], names.FOR_SUPPORT, PLACE[2]): measured(10.0, 4.0, 16.0)}

    assert suggested(TILL, [OLD, ended], CONTRACT, both).amount == Decimal("27.00")


@pytest.mark.thorough
@settings(max_examples=80)
@given(
    st.floats(-50, 50),
    st.floats(0, 50),
    st.none() | st.decimals(0, 100, places=2),
    st.none() | st.decimals(1, 200, places=2),
    st.booleans(),
)
def test_nothing_is_charged_without_a_measured_uplift_or_a_table(
    minutes: float, off: float, table: Decimal | None, rate: Decimal | None, known: bool
) -> None:
    rules = () if table is None else (SurchargeRule("workstation", names.FOR_WARRANTY, table),)
    contract = replace(CONTRACT, hourly_rate=rate, surcharges=rules)
    (one,) = found(measured(minutes, minutes - off, minutes + off) if known else FEW, contract).surcharges

    assert one.amount >= 0
    if one.basis == MEASURED:
        assert known
        assert rate is not None
        assert minutes - off > 0
        assert one.amount == price(minutes, rate)
    elif one.basis == TABLE:
        assert one.amount == table
    else:
        assert one.amount == 0


def test_a_cause_names_what_shows_it() -> None:
    asset = replace(
        TILL,
        warranty_end=YESTERDAY,
        warranty_sources=(
            WarrantySource("dealer", None, YESTERDAY),
            WarrantySource("maker", None, dt.date(2025, 1, 1)),
        ),
    )
    ended = Support("debian 10", YESTERDAY, "distro-info")

    assert list(causes(asset, [("ssh-root-login", waiver(TODAY))], ended, TODAY)) == [
        Cause(names.FOR_WAIVED, (Proof("ssh-root-login", dt.date(2026, 1, 5), "J. Jansen, mail"),)),
        Cause(names.FOR_WARRANTY, (Proof("dealer", YESTERDAY), Proof("maker", dt.date(2025, 1, 1)))),
        Cause(names.FOR_SUPPORT, (Proof("debian 10", YESTERDAY, "distro-info"),)),
    ]


def test_the_last_day_itself_is_no_cause_and_neither_is_what_nobody_knows_or_a_waiver_that_ended() -> None:
    last = replace(TILL, warranty_end=TODAY)

    assert list(causes(last, [("a", waiver(YESTERDAY))], Support("debian 12", TODAY, "distro-info"), TODAY)) == []
    assert list(causes(TILL, [], None, TODAY)) == []


def test_a_date_that_a_person_typed_in_netbox_is_named_so() -> None:
    (one,) = causes(replace(TILL, warranty_end=YESTERDAY), [], None, TODAY)

    assert one.proofs == (Proof("NetBox", YESTERDAY),)


def test_a_cause_without_a_proof_can_not_be_made() -> None:
    with pytest.raises(ValueError, match="without a proof"):
        Cause(names.FOR_WAIVED, ())
