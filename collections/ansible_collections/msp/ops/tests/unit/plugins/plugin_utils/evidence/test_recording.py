# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run leaves behind: a row a host, and minutes that add up to the time that passed."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract import scope
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.recording import (
    Place,
    Recording,
    customer_in,
    place_of,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Run

START = dt.datetime(2026, 3, 1, 9, 0, tzinfo=dt.UTC)


def recording(*, planned: bool = True, ticket: str | None = None, check: bool = False) -> Recording:
    run = Run("r1", "playbooks/audit.yml", START, None, "anna", "ctl", check, out_of_scope_ticket=ticket)
    return Recording(run, planned=planned)


def test_the_seconds_of_a_host_are_those_of_its_tasks() -> None:
    run = recording()
    run.task_started("a", "1", 10.0)
    run.task_started("b", "1", 10.0)
    run.task_ended("b", "1", 10.5)
    run.task_ended("a", "1", 12.0)
    run.task_started("a", "2", 12.0)
    run.task_ended("a", "2", 13.0)
    _run, hosts, _effort = run.finished(START + dt.timedelta(seconds=4), {"a": {"ok": 2}, "b": {"ok": 1}}, {})
    assert {host.host: host.seconds for host in hosts} == {"a": 3.0, "b": 0.5}


def test_a_task_that_ends_twice_or_never_began_counts_no_seconds() -> None:
    run = recording()
    run.task_ended("a", "1", 5.0)
    run.task_started("a", "2", 10.0)
    run.task_ended("a", "2", 11.0)
    run.task_ended("a", "2", 99.0)
    _run, hosts, _effort = run.finished(START, {"a": {}}, {})
    assert hosts[0].seconds == 1.0


@pytest.mark.parametrize(
    ("counts", "outcome"),
    [
        ({"ok": 3}, "ok"),
        ({"ok": 3, "rescued": 1, "ignored": 2}, "ok"),
        ({"ok": 3, "failures": 1}, "failed"),
        ({"unreachable": 1}, "failed"),
    ],
)
def test_a_run_failed_when_a_host_failed_or_was_unreachable(counts: dict[str, int], outcome: str) -> None:
    run, hosts, _effort = recording().finished(START, {"a": counts, "b": {"ok": 1}}, {})
    assert run.outcome == outcome
    assert hosts[0].failed == counts.get("failures", 0)


def test_minutes_are_shared_by_seconds_inside_and_outside_the_contract() -> None:
    run = recording(planned=False, ticket="T-1")
    for host, seconds in (("a", 30.0), ("b", 60.0), ("c", 30.0)):
        run.task_started(host, "1", 0.0)
        run.task_ended(host, "1", seconds)
    places = {
        "a": Place("one", "device:1", True),
        "b": Place("one", "device:2", False),
        "c": Place("two", "device:3", True),
    }
    done, _hosts, effort = run.finished(START + dt.timedelta(minutes=2), {name: {} for name in places}, places)
    assert {(row.customer, row.in_contract): row.minutes for row in effort} == {
        ("one", True): 0.5,
        ("one", False): 1.0,
        ("two", True): 0.5,
    }
    assert all(row.by == "automation" and not row.planned and row.ticket == "T-1" for row in effort)
    assert done.extra["customers"] == ["one", "two"]


def test_a_run_on_nobodys_host_is_nobodys_effort() -> None:
    _run, hosts, effort = recording().finished(START + dt.timedelta(minutes=2), {"localhost": {"ok": 1}}, {})
    assert hosts[0].customer is None
    assert effort == []


def test_what_the_controller_does_for_one_customer_is_that_customers_and_inside_the_contract() -> None:
    run = recording()
    run.task_started("localhost", "1", 0.0)
    run.task_ended("localhost", "1", 5.0, customer="one")
    run.task_started("localhost", "2", 5.0)
    run.task_ended("localhost", "2", 6.0)
    done, [host], [effort] = run.finished(START + dt.timedelta(minutes=2), {"localhost": {"ok": 2}}, {})
    assert (host.customer, host.asset, host.in_scope, host.seconds) == ("one", None, True, 6.0)
    assert (effort.customer, effort.in_contract, effort.minutes) == ("one", True, 2.0)
    assert done.extra["customers"] == ["one"]


def test_items_of_a_loop_are_shared_by_their_seconds_and_those_of_the_hosts() -> None:
    run = recording()
    run.task_started("srv", "1", 0.0)
    run.task_ended("srv", "1", 2.0)
    run.task_started("localhost", "2", 2.0)
    run.item_ended("localhost", "2", 3.0, customer="one")
    run.item_ended("localhost", "2", 9.0)
    run.item_ended("localhost", "2", 14.0, customer="two")
    run.task_ended("localhost", "2", 14.0)
    places = {"srv": Place("one", "device:1", False)}
    done, hosts, effort = run.finished(START + dt.timedelta(minutes=8), {"localhost": {}, "srv": {}}, places)
    assert {host.host: (host.customer, host.seconds) for host in hosts} == {
        "localhost": (None, 12.0),
        "srv": ("one", 2.0),
    }
    assert {(row.customer, row.in_contract): row.minutes for row in effort} == {
        ("one", False): 2.0,
        ("one", True): 1.0,
        ("two", True): 5.0,
    }
    assert done.extra["customers"] == ["one", "two"]


def test_a_host_is_whose_its_variable_says_whatever_a_result_says() -> None:
    run = recording()
    run.task_started("srv", "1", 0.0)
    run.task_ended("srv", "1", 2.0, customer="two")
    done, [host], [effort] = run.finished(START, {"srv": {}}, {"srv": Place("one", "device:1", True)})
    assert (host.customer, effort.customer, done.extra["customers"]) == ("one", "one", ["one"])


def test_an_item_of_a_task_that_never_began_counts_no_seconds() -> None:
    run = recording()
    run.item_ended("a", "1", 5.0, customer="one")
    _run, hosts, effort = run.finished(START, {"a": {}}, {})
    assert (hosts[0].seconds, hosts[0].customer, effort) == (0.0, None, [])


def test_a_preview_is_recorded_and_books_no_minutes() -> None:
    run = recording(check=True)
    run.task_started("a", "1", 0.0)
    run.task_ended("a", "1", 60.0)
    places = {"a": Place("one", "device:1", True)}
    done, hosts, effort = run.finished(START + dt.timedelta(minutes=1), {"a": {"ok": 1}}, places)
    assert (done.check_mode, done.outcome, done.extra["customers"]) == (True, "ok", ["one"])
    assert hosts[0].seconds == 60.0
    assert effort == []


@pytest.mark.parametrize("slug", ["bakkerij-jansen", "Old_Customer", "3m"])
def test_of_a_result_the_customers_slug_is_taken(slug: str) -> None:
    assert customer_in({"customer": slug, "token": "s3cret"}) == slug


@pytest.mark.parametrize("said", [None, "", 3, ["one"], {"slug": "one"}, "two words", "{{ x }}", "a" * 101, "one\n"])
def test_of_a_result_nothing_that_is_no_slug_is_taken(said: object) -> None:
    assert customer_in({"customer": said}) is None


@given(
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.tuples(st.floats(0, 1e4), st.sampled_from(["one", "two", None]), st.sampled_from([True, False, None])),
        min_size=1,
    ),
    st.integers(0, 100_000),
)
def test_minutes_of_all_customers_add_up_to_the_time_that_passed(
    told: dict[str, tuple[float, str | None, bool | None]], seconds: int
) -> None:
    run = recording()
    for host, (spent, _customer, _scope) in told.items():
        run.task_started(host, "1", 0.0)
        run.task_ended(host, "1", spent)
    places = {host: Place(customer, None, scope) for host, (_spent, customer, scope) in told.items()}
    _run, _hosts, effort = run.finished(START + dt.timedelta(seconds=seconds), {host: {} for host in told}, places)
    expected = seconds / 60 if any(place.customer for place in places.values()) else 0
    assert sum(row.minutes for row in effort) == pytest.approx(expected, abs=0.001)
    assert len({row.key for row in effort}) == len(effort)


RUNNING = {"contract": {"start": "2026-01-01", "end": None}, "timezone": "Europe/Amsterdam"}


@pytest.mark.parametrize(
    ("variable", "place"),
    [
        ({"status": "contracted", "asset": {"key": "device:1"}}, Place("one", "device:1", True)),
        ({"status": "unlisted", "asset": {"key": "device:1"}}, Place("one", "device:1", False)),
        ({"status": "contracted", "contract": {}}, Place("one", None, False)),
        ({"status": "contracted", "contract": {"start": "2025-01-01", "end": "2026-02-28"}}, Place("one", None, False)),
        ({"status": "contracted", "asset": "text"}, Place("one", None, True)),
    ],
)
def test_a_host_is_whose_its_variable_says(variable: dict[str, object], place: Place) -> None:
    assert place_of({"customer": "one", **RUNNING, **variable}, START, read_only=False) == place


@pytest.mark.parametrize("variable", [None, "text"])
def test_a_host_without_the_variable_is_nobodys(variable: object) -> None:
    assert place_of(variable, START, read_only=False) == Place()


@pytest.mark.parametrize("read_only", [False, True])
def test_work_before_the_first_day_of_the_contract_is_outside_it_unless_it_only_looks(read_only: bool) -> None:
    variable = {"customer": "one", "status": "contracted", "contract": {"start": "2026-03-02", "end": None}}
    assert place_of(variable, START, read_only=read_only).in_scope is read_only
    decision = scope.decide("a", variable, scope.Request(read_only, "T-1", frozenset("a")), START)
    assert decision.outside_contract is not read_only
