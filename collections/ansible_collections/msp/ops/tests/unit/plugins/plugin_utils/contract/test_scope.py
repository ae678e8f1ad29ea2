# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the scope guard lets in, as a table and as properties that hold for anything an inventory can say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract import scope
from ansible_collections.msp.ops.plugins.plugin_utils.contract.scope import Decision, Request, decide
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.recording import place_of
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

NOW = dt.datetime(2026, 6, 30, 22, 30, tzinfo=dt.UTC)  # 1 July, half past midnight, in Amsterdam
RUNNING = {"start": "2025-01-01", "end": None}


def said(**changes: Any) -> dict[str, Any]:
    return {
        "customer": "bakkerij-jansen",
        "timezone": "Europe/Amsterdam",
        "status": "contracted",
        "contract": RUNNING,
    } | changes


@pytest.mark.parametrize(
    ("msp", "reason"),
    [
        (None, "no msp variable: not an asset of any customer"),
        ({}, "no msp variable: not an asset of any customer"),
        ("contracted", "no msp variable: not an asset of any customer"),
        (said(status="unlisted"), "status unlisted"),
        (said(status="tracked"), "status tracked"),
        (said(status="excluded"), "status excluded"),
        (said(status="ended"), "status ended"),
        (said(status="Contracted"), "no contract status"),
        (said(status=["contracted"]), "no contract status"),
        (said(status=None), "no contract status"),
        (said(contract=None), "the customer has no contract"),
        (said(contract={}), "the customer has no contract"),
        (said(contract={"start": None, "end": None}), "the contract's dates can't be read"),
        (said(contract={"start": "2025-01-01", "end": "some day"}), "the contract's dates can't be read"),
        (said(contract={"start": "2025-01-01", "end": "2026-06-30"}), "the contract has ended"),
        (said(contract={"start": "2026-07-02", "end": None}), "the contract has not started"),
    ],
)
def test_a_host_outside_the_contract_is_refused_with_the_reason(msp: object, reason: str) -> None:
    decision = decide("till", msp, Request(), NOW)

    assert not decision.in_scope
    assert decision.reason == reason


@pytest.mark.parametrize(
    "contract",
    [
        RUNNING,
        {"start": "2025-01-01"},
        {"start": "2025-01-01", "end": "2026-07-01"},
        {"start": "2026-07-01", "end": "2026-07-01"},
    ],
)
def test_a_contracted_host_is_in_scope_on_every_day_of_the_contract(contract: Mapping[str, Any]) -> None:
    decision = decide("srv", said(contract=contract), Request(), NOW)

    assert decision == Decision("srv", "bakkerij-jansen", True, "contracted")


def test_the_last_day_ends_at_midnight_of_the_customer() -> None:
    contract = {"start": "2025-01-01", "end": "2026-06-30"}

    assert not decide("srv", said(contract=contract), Request(), NOW).in_scope
    assert decide("srv", said(contract=contract, timezone="Europe/London"), Request(), NOW).in_scope is True
    assert decide("srv", said(contract=contract, timezone="Nowhere/At All"), Request(), NOW).in_scope is True


def test_a_contract_that_has_not_started_may_be_audited_but_not_worked_under() -> None:
    msp = said(contract={"start": "2026-08-01", "end": None})

    assert decide("srv", msp, Request(read_only=True), NOW).in_scope
    assert not decide("srv", msp, Request(read_only=False), NOW).in_scope


def test_a_named_host_with_a_ticket_is_let_in_and_recorded_as_outside_the_contract() -> None:
    decision = decide("till", said(status="unlisted"), Request(ticket="T-123", named=frozenset({"till"})), NOW)

    assert decision.in_scope
    assert decision.outside_contract
    assert decision.reason == "named, ticket T-123 (status unlisted)"


def test_a_ticket_does_not_make_a_contracted_host_work_outside_the_contract() -> None:
    decision = decide("srv", said(), Request(ticket="T-123", named=frozenset({"srv"})), NOW)

    assert decision.in_scope
    assert not decision.outside_contract


def test_a_run_for_one_host_leaves_even_contracted_ones_alone() -> None:
    decision = decide("srv", said(), Request(read_only=True, only=frozenset({"till"})), NOW)

    assert not decision.in_scope


dates = st.one_of(st.none(), st.dates().map(str), st.text(max_size=12), st.integers())
contracts = st.one_of(
    st.none(), st.text(max_size=5), st.fixed_dictionaries({}, optional={"start": dates, "end": dates})
)
anything = st.one_of(
    st.none(),
    st.text(max_size=10),
    st.lists(st.integers(), max_size=2),
    st.fixed_dictionaries(
        {},
        optional={
            "customer": st.one_of(st.text(max_size=8), st.none(), st.integers()),
            "status": st.one_of(st.sampled_from(names.CONTRACT_STATUSES), st.text(max_size=10), st.none()),
            "contract": contracts,
            "timezone": st.one_of(st.sampled_from(["Europe/Amsterdam", "UTC"]), st.text(max_size=10), st.integers()),
        },
    ),
)
hosts = st.sampled_from(["a", "b", "c"])
host_sets = st.frozensets(hosts, max_size=2)
requests = st.builds(
    Request,
    read_only=st.booleans(),
    offboarding=st.booleans(),
    ticket=st.one_of(st.none(), st.just("T-1")),
    only=host_sets,
    named=host_sets,
)
times = st.datetimes(timezones=st.just(dt.UTC), min_value=dt.datetime(1990, 1, 1), max_value=dt.datetime(2090, 1, 1))  # noqa: DTZ001


@given(hosts, anything, requests, times)
def test_nothing_outside_the_contract_is_a_target_unless_named_with_a_ticket_or_named_to_be_looked_at(
    host: str, msp: Any, request: Request, now: dt.datetime
) -> None:
    decision = decide(host, msp, request, now)

    if not decision.in_scope:
        return
    assert not request.only or host in request.only
    named = host in request.only or host in request.named
    if request.offboarding:
        assert named and msp["status"] == "ended"
        assert decision.outside_contract
        return
    if decision.outside_contract:
        assert named
        assert request.ticket or request.read_only
        return
    # Inside the contract: told here in other words than in the code, a day of slack for the time zone.
    assert msp["status"] == "contracted"
    end = msp["contract"].get("end")
    assert end is None or dt.date.fromisoformat(end) >= now.date() - dt.timedelta(days=1)
    start = dt.date.fromisoformat(msp["contract"]["start"])
    assert request.read_only or start <= now.date() + dt.timedelta(days=1)


@given(hosts, anything, requests, times)
def test_access_is_withdrawn_from_exactly_the_hosts_that_have_ended_and_are_named(
    host: str, msp: Any, request: Request, now: dt.datetime
) -> None:
    decision = decide(host, msp, replace(request, offboarding=True), now)

    ended = isinstance(msp, dict) and msp.get("status") == "ended"
    asked = host in request.only or (host in request.named and not request.only)
    assert decision.in_scope == (ended and asked)
    assert decision.outside_contract == decision.in_scope


@given(hosts, anything, requests, times)
def test_no_host_is_one_to_work_on_and_one_to_withdraw_from_without_a_ticket_or_only_to_look(
    host: str, msp: Any, request: Request, now: dt.datetime
) -> None:
    plain = replace(request, ticket=None, read_only=False)

    both = [decide(host, msp, replace(plain, offboarding=leaving), now).in_scope for leaving in (False, True)]

    assert both != [True, True]


@given(hosts, anything, times)
def test_who_asks_for_nothing_special_changes_contracted_hosts_only(host: str, msp: Any, now: dt.datetime) -> None:
    decision = decide(host, msp, Request(), now)

    assert not decision.outside_contract
    assert not decision.in_scope or msp["status"] == "contracted"


@given(st.lists(st.tuples(hosts, anything), max_size=8), requests, times)
def test_the_summary_counts_every_host_once(
    said_by_hosts: list[tuple[str, Any]], request: Request, now: dt.datetime
) -> None:
    decisions = [decide(host, msp, request, now) for host, msp in said_by_hosts]

    rows = scope.summary(decisions)

    assert sum(row.in_scope + row.out for row in rows) == len(decisions)
    assert sum(row.outside_contract for row in rows) == sum(decision.outside_contract for decision in decisions)


def test_the_summary_shows_customers_with_something_out_of_scope_first_and_stays_short() -> None:
    decisions = [Decision(f"h{number}", f"customer-{number:03}", True, "contracted") for number in range(100)]
    decisions.append(Decision("till", "zebra", False, "status unlisted"))

    texts = scope.lines(scope.summary(decisions))

    assert texts[0] == "zebra: 0 in scope, 1 out (1 status unlisted)"
    assert texts[-1] == "81 more customers: 81 in scope, 0 out"
    assert len(texts) == 21


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("till.jansen,localhost", {"till.jansen", "localhost"}),
        ("till.jansen:srv.jansen", {"till.jansen", "srv.jansen"}),
        ("customer_jansen", set()),
        ("all", set()),
        ("till*", set()),
        ("~till.*", set()),
        ("!till.jansen", set()),
        ("all:&till.jansen", set()),
        ("@retry.txt", set()),
        ("till[0:3]", set()),
        ("", set()),
    ],
)
def test_only_a_plain_name_in_the_limit_names_a_host(limit: str, expected: set[str]) -> None:
    assert scope.names_in(limit, {"all", "customer_jansen"}) == expected


@pytest.mark.parametrize("value", ["T-123", "#4711", "INC0012", "acme/42"])
def test_a_ticket_number_is_taken_as_it_is(value: str) -> None:
    assert scope.ticket_from(value) == value


@pytest.mark.parametrize("value", ["{{ x }}", "because I say so", "T" * 65, "-"])
def test_what_is_no_ticket_number_is_refused(value: str) -> None:
    with pytest.raises(MspError) as caught:
        scope.ticket_from(value)

    assert caught.value.code == "MSP-SCP-001"


@pytest.mark.parametrize("value", [None, ""])
def test_no_ticket_is_no_ticket(value: str | None) -> None:
    assert scope.ticket_from(value) is None


def test_a_host_asked_for_that_the_play_does_not_have_is_an_error() -> None:
    with pytest.raises(MspError) as caught:
        scope.check_named(Request(only=frozenset({"til"})), ["till", "srv"])

    assert caught.value.code == "MSP-SCP-002"
    assert "til" in caught.value.found


def test_no_target_is_an_error_that_says_what_was_found() -> None:
    decisions = [Decision("a", "c", False, "status unlisted"), Decision("b", "c", False, "status unlisted")]

    with pytest.raises(MspError) as caught:
        scope.check_targets(decisions)

    assert caught.value.code == "MSP-SCP-004"
    assert caught.value.found == "2 x status unlisted"


def test_no_host_to_withdraw_access_from_is_an_error_that_says_how_one_is_named() -> None:
    decision = decide("srv", said(), Request(offboarding=True, named=frozenset({"srv"}), ticket="T-1"), NOW)

    with pytest.raises(MspError) as caught:
        scope.check_targets([decision], offboarding=True)

    assert caught.value.code == "MSP-SCP-007"
    assert caught.value.found == "1 x status contracted: access is withdrawn where it is ended"


def test_what_is_withdrawn_from_a_host_that_has_ended_is_work_outside_the_contract() -> None:
    msp = said(status="ended", contract={"start": "2025-01-01", "end": "2026-01-31"})
    decision = decide("srv", msp, Request(offboarding=True, only=frozenset({"srv"})), NOW)

    assert decision == Decision("srv", "bakkerij-jansen", True, "named, status ended", outside_contract=True)
    # What is recorded of the run says the same of the host.
    assert place_of(msp, NOW, read_only=False).in_scope is False


def test_one_target_among_hosts_that_are_refused_is_enough() -> None:
    scope.check_targets([Decision("a", "c", False, "status unlisted"), Decision("b", "c", True, "contracted")])


def test_a_host_left_in_the_group_by_an_earlier_guard_stops_the_run() -> None:
    decisions = [Decision("srv", "c", True, "contracted"), Decision("till", "c", False, "status unlisted")]

    with pytest.raises(MspError) as caught:
        scope.check_group({"srv", "till"}, decisions, "msp_targets")

    assert caught.value.code == "MSP-SCP-005"
    assert "till" in caught.value.found
