# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What assets cost more is what the work on them says, drawn to all customers' mean, with an interval that holds."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.effort import uplift as module
from ansible_collections.msp.ops.plugins.plugin_utils.effort.exposure import MONTH, Held, Worked, worked
from ansible_collections.msp.ops.plugins.plugin_utils.effort.uplift import (
    FEW_ASSETS,
    FEW_CUSTOMERS,
    FEW_MONTHS,
    FEW_TICKETS,
    NO_MINUTES,
    UNTIMED,
    Lack,
    OfCustomer,
    Uplift,
    uplifts,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.effort.made import (
    FAR_OFF,
    LONG_AGO,
    SINCE,
    UNTIL,
    by_chance,
    held,
    minutes,
    office,
    ticket,
)

NAMES = ("anchor", "bakery", "clinic", "dairy", "estate", "foundry", "garage", "harbour", "inn", "joinery")


def portfolio(seed: int, customers: int = 6, more: float = 20.0, **changed: float) -> list[OfCustomer]:
    chance = random.Random(seed)  # noqa: S311 - a simulation
    return [office(name, chance, having=8, lacking=12, base=15.0, more=more, **changed) for name in NAMES[:customers]]


def of(found: dict[module.Place, Uplift | Lack], customer: str) -> Uplift:
    one = found[customer, names.FOR_WARRANTY, "server"]
    assert isinstance(one, Uplift)
    return one


def lack(found: dict[module.Place, Uplift | Lack], customer: str, reason: str = names.FOR_WARRANTY) -> Lack:
    one = found[customer, reason, "server"]
    assert isinstance(one, Lack)
    return one


@pytest.mark.thorough
@pytest.mark.parametrize("unlike", [0.0, 0.5])
def test_the_true_uplift_lies_in_the_interval_as_often_as_is_said(unlike: float) -> None:
    """Also where some assets are worse than others without a reason that anybody knows."""
    chance = random.Random(11)  # noqa: S311 - a simulation
    inside = total = 0
    for _portfolio in range(25):
        truth = {name: max(0.0, chance.gauss(12, 6)) for name in NAMES}
        found = uplifts(
            office(
                name,
                chance,
                having=chance.randint(4, 15),
                lacking=chance.randint(6, 25),
                base=chance.uniform(6, 18),
                more=more,
                unlike=unlike,
            )
            for name, more in truth.items()
        )
        measured = {name: one for (name, _r, _c), one in found.items() if isinstance(one, Uplift)}
        assert len(measured) > 6
        inside += sum(one.low <= truth[name] <= one.high for name, one in measured.items())
        total += len(measured)

    assert 0.86 < inside / total < 0.96


def test_an_uplift_is_found_where_there_is_one_and_none_where_there_is_none() -> None:
    there = uplifts(portfolio(3, more=30.0))
    none = uplifts(portfolio(4, more=0.0))

    assert all(of(there, name).low > 0 for name in NAMES[:6])
    assert all(of(none, name).low < 0 < of(none, name).high for name in NAMES[:6])


def test_the_less_is_known_of_a_customer_the_nearer_it_is_to_the_mean_of_all() -> None:
    chance = random.Random(5)  # noqa: S311 - a simulation
    small = office("small", chance, having=3, lacking=3, base=15.0, more=120.0)
    large = office("large", chance, having=40, lacking=60, base=15.0, more=120.0)

    found = uplifts([*portfolio(6), small, large])

    one, other = of(found, "small"), of(found, "large")
    assert one.weight < other.weight
    assert abs(one.minutes - one.common) < abs(one.own - one.common)
    assert other.minutes == pytest.approx(other.own, rel=0.15)


def test_every_row_behind_a_number_is_named() -> None:
    customers = portfolio(8)
    one = of(uplifts(customers), "bakery")
    told = customers[1].worked
    assert told is not None
    old = {work.ticket: work for work in told.works if "-old" in work.asset}
    new = {work.ticket: work for work in told.works if "-new" in work.asset}

    for side, works, assets in ((one.having, old, 8), (one.lacking, new, 12)):
        assert side.tickets == tuple(sorted(works))
        assert side.effort == tuple(sorted(key for work in works.values() for key in work.effort))
        assert side.minutes == pytest.approx(sum(work.minutes for work in works.values()))
        assert len(side.assets) == assets
        assert side.months == pytest.approx(assets * 12)
    assert one.own == pytest.approx(one.having.minutes / 96 - one.lacking.minutes / 144)
    assert one.customers == 6


def test_a_class_that_takes_more_work_is_no_reason() -> None:
    """Servers are out of warranty here and workstations in it: there is nothing alike to hold them against."""
    chance = random.Random(2)  # noqa: S311 - a simulation
    found = {}
    for name in NAMES[:4]:
        servers = [held(f"{name}-s{number}", warranty_end=LONG_AGO) for number in range(6)]
        desks = [held(f"{name}-w{number}", asset_class="workstation") for number in range(6)]
        busy = {one.asset: 60.0 for one in servers} | {one.asset: 5.0 for one in desks}
        found[name] = OfCustomer(name, (*servers, *desks), by_chance(chance, (*servers, *desks), busy, 30.0))

    assert lack(uplifts(found.values()), "anchor") == Lack(FEW_ASSETS, 0, 3)


def test_one_reason_is_not_charged_for_the_work_of_another() -> None:
    """Out of support costs 40 minutes, out of warranty nothing; most old machines are both."""
    chance = random.Random(9)  # noqa: S311 - a simulation
    customers = []
    for name in NAMES:
        kinds = {"both": (16, LONG_AGO, LONG_AGO, 50.0), "neither": (16, None, None, 10.0)}
        kinds |= {"warranty": (6, LONG_AGO, None, 10.0), "support": (6, None, LONG_AGO, 50.0)}
        assets: list[Held] = []
        busy: dict[str, float] = {}
        for kind, (count, warranty, support, a_month) in kinds.items():
            for number in range(count):
                one = held(f"{name}-{kind}{number}")
                one = replace(one, warranty_end=warranty or one.warranty_end, support_end=support or one.support_end)
                assets.append(one)
                busy[one.asset] = a_month
        customers.append(OfCustomer(name, tuple(assets), by_chance(chance, assets, busy, 30.0)))

    found = uplifts(customers)

    ended = found["anchor", names.FOR_SUPPORT, "server"]
    assert isinstance(ended, Uplift)
    assert ended.common == pytest.approx(40, abs=6)
    assert of(found, "anchor").common == pytest.approx(0, abs=6)


def test_what_several_pairs_say_is_weighed_by_the_months_of_both_their_sides() -> None:
    """In support two old servers take 30 minutes a month more than four new ones; out of support five take 6 less."""
    assets: list[Held] = []
    rates: dict[str, float] = {}
    for kind, count, warranty, support, rate in (
        ("a", 2, LONG_AGO, FAR_OFF, 40.0),
        ("b", 4, FAR_OFF, FAR_OFF, 10.0),
        ("c", 5, LONG_AGO, LONG_AGO, 4.0),
        ("d", 1, FAR_OFF, LONG_AGO, 10.0),
    ):
        for number in range(count):
            assets.append(held(f"{kind}{number}", warranty_end=warranty, support_end=support))
            rates[f"{kind}{number}"] = rate
    told = worked(
        [ticket(name, name, SINCE + MONTH) for name in rates],
        [minutes(name, 12 * rate) for name, rate in rates.items()],
    )

    one = of(uplifts([*portfolio(3), OfCustomer("several", tuple(assets), told)]), "several")

    # 24 months against 48 weigh 16, and 60 against 12 weigh 10.
    assert one.own == pytest.approx((16 * 30 - 10 * 6) / 26)


def test_what_nobody_knows_of_an_asset_puts_it_on_neither_side() -> None:
    customers = [
        replace(
            one,
            assets=tuple(replace(asset, warranty_end=None) if "-new" in asset.asset else asset for asset in one.assets),
        )
        for one in portfolio(3)
    ]

    assert lack(uplifts(customers), "anchor") == Lack(FEW_ASSETS, 0, 3)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (None, Lack(NO_MINUTES)),
        (Worked((), (), tuple(str(number) for number in range(10)), ()), Lack(UNTIMED, 1.0, 0.2)),
        (Worked((), (), (), ()), Lack(FEW_TICKETS, 0, 5)),
    ],
)
def test_where_nobody_wrote_down_what_was_done_nothing_is_measured_and_it_is_said_why(
    told: Worked | None, why: Lack
) -> None:
    silent = replace(portfolio(1)[0], customer="silent", worked=told)

    assert lack(uplifts([*portfolio(3), silent]), "silent") == why


@pytest.mark.parametrize(
    ("timed", "untimed", "still_open", "why"),
    [
        (0, 4, 20, Lack(UNTIMED, 1.0, 0.2)),  # twenty open ones say nothing of four closed ones
        (3, 1, 20, Lack(UNTIMED, 0.25, 0.2)),
        (4, 1, 0, None),
        (4, 1, 20, None),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_only_closed_tickets_say_whether_minutes_are_written_down(
    timed: int, untimed: int, still_open: int, why: Lack | None, inside: bool
) -> None:
    """Minutes outside the contract are written down too, and what is still open has no end to write down."""
    closed = [ticket(f"closed{number}", "device:1", SINCE) for number in range(timed + untimed)]
    opened = [replace(ticket(f"open{number}", "device:1", SINCE), closed=None) for number in range(still_open)]
    written = [minutes(one.ref, 30, inside=inside) for one in closed[:timed]] + [minutes(one.ref, 30) for one in opened]

    assert module._unmeasured(worked([*closed, *opened], written)) == why


@given(st.lists(st.booleans(), max_size=30), st.lists(st.booleans(), max_size=30))
def test_open_tickets_change_nothing_of_it(closed: list[bool], still_open: list[bool]) -> None:
    tickets = [ticket(f"closed{number}", "device:1", SINCE) for number in range(len(closed))]
    opened = [replace(ticket(f"open{number}", "device:1", SINCE), closed=None) for number in range(len(still_open))]
    both = [*zip(tickets, closed, strict=True), *zip(opened, still_open, strict=True)]
    rows = [minutes(one.ref, 10) for one, written in both if written]
    ours = [row for row in rows if str(row.ticket).startswith("closed")]

    assert module._unmeasured(worked([*tickets, *opened], rows)) == module._unmeasured(worked(tickets, ours))


def test_too_few_assets_months_or_customers_are_said_to_be_too_few() -> None:
    chance = random.Random(1)  # noqa: S311 - a simulation
    few = office("few", chance, having=2, lacking=12, base=15.0, more=20.0)
    begun = UNTIL - 2 * MONTH
    short = office("short", chance, having=5, lacking=12, base=15.0, more=20.0)
    short = replace(short, assets=tuple(replace(asset, since=begun) for asset in short.assets))

    found = uplifts([*portfolio(3), few, short])
    alone = uplifts(portfolio(3, customers=2))

    assert lack(found, "few") == Lack(FEW_ASSETS, 2, 3)
    assert lack(found, "short").kind == FEW_MONTHS
    assert lack(found, "short").has == pytest.approx(10)
    assert lack(alone, "anchor") == Lack(FEW_CUSTOMERS, 2, 3)


def test_a_reason_that_no_asset_has_is_not_spoken_of() -> None:
    assert {reason for _customer, reason, _class in uplifts(portfolio(3))} == {names.FOR_WARRANTY}


def test_assets_without_a_ticket_are_not_certain_to_need_none() -> None:
    """All is quiet at one customer: what it says by itself is as uncertain as a few tickets are."""
    begun = UNTIL - 4.2 * MONTH
    quiet_assets = [held(f"q-old{number}", warranty_end=LONG_AGO, since=begun) for number in range(3)]
    quiet_assets += [held(f"q-new{number}", since=begun) for number in range(3)]
    told = worked(
        [ticket(str(number), "q-new0", UNTIL - MONTH) for number in range(5)],
        [minutes(str(number), 1.0) for number in range(5)],
    )

    one = of(uplifts([*portfolio(3), OfCustomer("quiet", tuple(quiet_assets), told)]), "quiet")

    assert one.having.minutes == 0
    assert one.error > 5
    assert one.high - one.low > 10


@pytest.mark.thorough
@settings(max_examples=15, deadline=None)
@given(st.permutations(range(5)), st.integers(0, 50))
def test_the_order_of_customers_and_assets_changes_nothing(order: list[int], seed: int) -> None:
    customers = portfolio(seed, customers=5)
    shuffled = [replace(customers[place], assets=customers[place].assets[::-1]) for place in order]

    one, other = uplifts(customers), uplifts(shuffled)

    assert one.keys() == other.keys()
    for place, found in one.items():
        against = other[place]
        assert isinstance(found, Uplift)
        assert isinstance(against, Uplift)
        assert (found.having.tickets, found.having.effort) == (against.having.tickets, against.having.effort)
        assert (found.minutes, found.low, found.high) == pytest.approx((against.minutes, against.low, against.high))
