# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""In which order machines are brought to their standard, and when it stops."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import place
from ansible_collections.msp.ops.plugins.plugin_utils.standards import course
from ansible_collections.msp.ops.plugins.plugin_utils.standards.course import FAILED, LOST, WELL, Candidate
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import data

NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
PILOT = frozenset({"tag_msp_ring_pilot"})
PLANNED = data(**{"rates": {"at_once": 2, "most_failures": 1, "most_lost": 1}})
DONE: dict[str, Any] = {"outcome": "ok", "enforce": {}}
ASKED = {"control": "firewall-open", "reason": "needs a decision first: tcp/80"}
OWED: dict[str, Any] = {"outcome": "ok", "enforce": {"msp_baseline_linux": ["ssh-root-login"]}}


def office(pilots: int = 1, others: int = 4, plan: Any = PLANNED) -> tuple[course.Ring, ...]:
    hosts = [Candidate(f"p{number}", f"device:{number}", PILOT, plan) for number in range(pilots)]
    hosts += [Candidate(f"b{number}", f"device:{100 + number}", frozenset(), plan) for number in range(others)]
    return course.course(hosts, NOW)


def test_the_rings_of_the_patch_plan_go_one_after_the_other_in_batches_that_end_with_them() -> None:
    found = office(pilots=3, others=3)

    assert [ring.title for ring in found] == ["ring pilot of office", "ring broad of office"]
    assert {host[0] for host in course.queue(found)[:3]} == {"p"}
    assert course.batches(found) == [2, 1, 2, 1]


def test_without_a_plan_the_machine_that_its_hash_puts_first_goes_alone() -> None:
    hosts = [Candidate(f"pc{number}", f"device:{number}", frozenset()) for number in range(20)]

    found = course.course(hosts, NOW)

    first = min(hosts, key=lambda one: place(one.asset))
    assert [(ring.title, len(ring.hosts)) for ring in found] == [(course.ALONE, 1), (course.REST, 19)]
    assert course.queue(found)[0] == first.host
    assert course.batches(found) == [1] + [1] * 19


def test_who_is_in_no_ring_of_its_plan_comes_last() -> None:
    hosts = [
        Candidate("p", "device:1", PILOT, PLANNED),
        Candidate("both", "device:2", PILOT | {"tag_msp_ring_broad"}, PLANNED),
    ]

    assert course.queue(course.course(hosts, NOW)) == ["p", "both"]
    assert course.course(hosts, NOW)[-1].name == course.REST


def test_a_plan_that_cannot_be_read_stops_everything() -> None:
    with pytest.raises(MspErrors):
        office(plan={"name": "office"})


def test_nobody_is_no_pattern_for_everybody() -> None:
    told = course.told((), {})

    assert (told["queue"], told["pattern"], told["batches"]) == ([], "!all", [1])


@pytest.mark.parametrize(
    ("outcomes", "why"),
    [
        ({}, ""),
        ({"p0": WELL}, ""),
        ({"p0": FAILED}, "ring pilot of office: none of its 1 hosts is well"),
        ({"p0": LOST}, ""),
        ({"p0": LOST, "b0": WELL}, ""),
        (
            {"p0": LOST, "b0": FAILED},
            "ring pilot of office: p0 gave no answer, and b0, which went instead, is not well",
        ),
        (
            {"p0": LOST, "b0": LOST},
            "ring pilot of office: p0 gave no answer, and b0, which went instead, is not well",
        ),
        ({"p0": WELL, "b0": FAILED}, ""),
        ({"p0": WELL, "b0": FAILED, "b1": FAILED}, "ring broad of office: 2 of 4 failed, 1 may"),
        ({"p0": WELL, "b0": LOST, "b1": LOST}, "ring broad of office: 2 of 4 gave no answer, 1 may"),
        ({"p0": WELL, "b0": FAILED, "b1": LOST}, ""),
    ],
)
def test_no_batch_begins_after_more_failed_or_were_lost_than_the_plan_allows(
    outcomes: dict[str, str], why: str
) -> None:
    assert course.stop(office(), outcomes) == why


@given(st.integers(1, 60), st.data())
def test_without_a_plan_one_machine_may_be_off_however_few_there_are(hosts: int, draw: st.DataObject) -> None:
    found = course.course((Candidate(f"pc{n}", f"device:{n}", frozenset()) for n in range(hosts)), NOW)
    order = course.queue(found)
    off = draw.draw(st.sampled_from(order))

    for done in range(hosts + 1):
        outcomes = {host: LOST if host == off else WELL for host in order[:done]}
        assert course.stop(found, outcomes) == ""


@given(st.integers(3, 60))
def test_who_goes_instead_of_the_first_goes_alone(hosts: int) -> None:
    found = course.course((Candidate(f"pc{n}", f"device:{n}", frozenset()) for n in range(hosts)), NOW)
    order = course.queue(found)

    assert course.batches(found)[:2] == [1, 1]
    assert sum(course.batches(found)) == hosts
    assert course.stop(found, {order[0]: LOST, order[1]: WELL}) == ""
    assert course.stop(found, {order[0]: LOST, order[1]: LOST})
    assert course.stop(found, {order[0]: LOST, order[1]: FAILED})
    assert course.stop(found, {order[0]: FAILED})


@given(st.integers(2, 60), st.data())
def test_no_more_than_a_tenth_or_one_of_the_rest_may_be_off(hosts: int, draw: st.DataObject) -> None:
    found = course.course((Candidate(f"pc{n}", f"device:{n}", frozenset()) for n in range(hosts)), NOW)
    first, *rest = course.queue(found)
    off = draw.draw(st.sets(st.sampled_from(rest)))

    outcomes = {first: WELL, **{host: LOST if host in off else WELL for host in rest}}

    assert bool(course.stop(found, outcomes)) == (len(off) > max(1, len(rest) // 10))


def test_a_plan_that_lets_none_be_lost_is_obeyed_and_its_percents_let_one() -> None:
    none = data(**{"rates": {"at_once": 2, "most_failures": 1, "most_lost": 0}})
    assert "gave no answer, 0 may" in course.stop(office(plan=none), {"p0": WELL, "b0": LOST})
    nought = data(**{"rates": {"at_once": 2, "most_failures": 1, "most_lost": "0%"}})
    assert "gave no answer, 0 may" in course.stop(office(plan=nought), {"p0": WELL, "b0": LOST})
    tenth = data(**{"rates": {"at_once": 2, "most_failures": 1, "most_lost": "10%"}})
    assert course.stop(office(plan=tenth), {"p0": WELL, "b0": LOST}) == ""


def test_of_a_ring_that_is_not_through_nothing_is_asked_yet() -> None:
    found = office(pilots=3)
    assert course.stop(found, {"p0": FAILED}) == ""
    assert course.stop(found, {"p0": FAILED, "p1": LOST, "p2": WELL}) == ""


def test_fewer_well_than_the_plan_wants_begin_no_next_ring() -> None:
    plan = data(**{"rings.0.successes": 2, "rates": {"at_once": 2, "most_failures": 2, "most_lost": 2}})
    found = office(pilots=3, plan=plan)

    assert course.stop(found, {"p0": WELL, "p1": FAILED, "p2": FAILED}) == (
        "ring pilot of office: 1 of 3 are well, the plan wants 2"
    )
    # A run of one host of it cannot have two.
    assert course.stop(office(pilots=1, plan=plan), {"p0": WELL}) == ""


@given(st.integers(1, 5), st.integers(0, 9), st.data())
def test_every_host_is_in_one_batch_once_and_a_stop_never_goes_away(
    pilots: int, others: int, draw: st.DataObject
) -> None:
    found = office(pilots, others)
    hosts = course.queue(found)
    assert sorted(hosts) == sorted({*hosts}) and len(hosts) == pilots + others
    assert sum(course.batches(found)) == len(hosts)

    outcomes: dict[str, str] = {}
    stopped = False
    for host in hosts:
        outcomes[host] = draw.draw(st.sampled_from([WELL, FAILED, LOST]))
        now = bool(course.stop(found, outcomes))
        assert now or not stopped
        stopped = now
    bad = [outcome for outcome in outcomes.values() if outcome != WELL]
    assert not stopped or bad


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        (None, None, None),
        (DONE, None, WELL),
        ({"outcome": "unreachable", "unreachable": True}, None, LOST),
        ({"outcome": "not attempted"}, None, LOST),
        ({"unreachable": True, "msg": "no route"}, None, LOST),
        ({"outcome": "failed"}, None, FAILED),
        ({"failed": True, "msg": "MSP-STD-012"}, None, FAILED),
        ({"outcome": "ok"}, None, FAILED),
        (OWED, None, FAILED),
        (OWED, {"skipped": True}, FAILED),
        (OWED, OWED, FAILED),
        (OWED, {"outcome": "failed"}, FAILED),
        (OWED, {"unreachable": True}, LOST),
        (OWED, DONE, WELL),
        # What was left as it is for want of a measurement fails nobody; what was brought about has to be seen.
        ({**DONE, "unmeasured": [{"control": "sudo-who"}]}, None, WELL),
        (OWED, {**DONE, "unmeasured": [{"control": "sudo-who"}]}, WELL),
        (OWED, {**DONE, "unmeasured": [{"control": "ssh-root-login"}]}, FAILED),
        ({**DONE, "undecided": [ASKED]}, None, WELL),
        (OWED, {**DONE, "undecided": [ASKED]}, WELL),
    ],
)
def test_only_a_measurement_makes_a_host_well(before: Any, after: Any, outcome: str | None) -> None:
    assert course.outcome(before, after) == outcome


def test_what_is_wrong_in_any_standard_is_all_said_before_the_first_host_is_touched() -> None:
    wrong = {"name": "no-such-standard"}
    hosts = [Candidate(f"pc{number}", f"device:{number}", frozenset(), None, wrong) for number in range(2)]
    hosts.append(Candidate("pc9", "device:9", frozenset(), None, {"nome": "linux-server"}))

    with pytest.raises(MspErrors) as refused:
        course.sound(hosts, dt.datetime(2026, 11, 26, tzinfo=dt.UTC))

    said = [str(one) for one in refused.value.errors]
    assert any("(on pc0, pc1)" in line for line in said)
    assert any("(on pc9)" in line for line in said)


def test_what_was_agreed_today_is_agreed_by_the_day_where_the_customer_is() -> None:
    agreed = {"by": "A. Bakker", "on": "2026-11-27", "reference": "mail"}
    waiver = {"reason": "The till", "owner": "Noor", "expires": "2027-01-31", "agreed": agreed}
    held = {"name": "linux-server", "waivers": {"ssh-root-login": waiver}}
    half_past_twelve = dt.datetime(2026, 11, 26, 23, 30, tzinfo=dt.UTC)

    course.sound([Candidate("pc", "device:1", frozenset(), None, held, None, "Europe/Amsterdam")], half_past_twelve)
    with pytest.raises(MspErrors, match="MSP-STD-022"):
        course.sound([Candidate("pc", "device:1", frozenset(), None, held, None, "Europe/London")], half_past_twelve)


def test_who_failed_is_named_at_the_end() -> None:
    assert course.failed({"a": WELL, "b": FAILED, "c": LOST}, {"b": "does not hold it"}) == "b: does not hold it"
    assert course.failed({"a": WELL, "c": LOST}, {"c": "no route"}) == ""


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ({"outcome": "failed", "msg": "MSP-STD-163: it broke"}, None, "MSP-STD-163: it broke"),
        (OWED, None, "does not hold ssh-root-login"),
        (OWED, {"skipped": True}, "does not hold ssh-root-login"),
        (OWED, {"outcome": "unreachable", "msg": "no route"}, "no route"),
        ({"outcome": "ok"}, None, "its measurement says nothing"),
        (
            OWED,
            {**DONE, "unmeasured": [{"control": "ssh-root-login"}]},
            "could not be measured again: ssh-root-login",
        ),
    ],
)
def test_why_a_host_is_not_well_is_what_its_measurement_says(before: Any, after: Any, why: str) -> None:
    assert course.reason(before, after) == why


def test_what_has_to_be_decided_is_said_by_the_last_measurement() -> None:
    asked: dict[str, Any] = {**DONE, "undecided": [ASKED]}
    for before, after in ((asked, None), (OWED, asked), (asked, {"skipped": True}), (asked, {"unreachable": True})):
        why = course.undecided(before, after)
        assert "MSP-STD-200" in why and "firewall-open" in why and "tcp/80" in why
    assert (course.undecided(asked, DONE), course.undecided(None, None), course.undecided(OWED, None)) == ("", "", "")


# -- freezes ------------------------------------------------------------------------------------------------------

FREEZE = {"from": "2026-11-26", "until": "2026-11-27", "reason": "stock-taking", "emergency": "allowed"}


@pytest.mark.parametrize(("hours", "holds"), [(-14, False), (-12, True), (0, True), (34, True), (36, False)])
def test_while_a_patch_plan_is_frozen_its_hosts_are_only_measured(hours: int, holds: bool) -> None:
    plan = data(**{"timezone": "UTC", "freezes": [FREEZE]})
    hosts = [Candidate("p", "device:1", PILOT, plan), Candidate("free", "device:2", frozenset())]

    found = course.course(hosts, NOW + hours * dt.timedelta(hours=1))

    assert sorted(course.queue(found)) == ["free", "p"]
    why = "office is frozen until 2026-11-28 00:00 (stock-taking)"
    assert course.told(found, {})["frozen"] == ({"p": why} if holds else {})


def test_a_frozen_ring_stops_nothing() -> None:
    plan = data(**{"timezone": "UTC", "freezes": [FREEZE]})

    assert course.stop(office(plan=plan), {"p0": FAILED, "b0": FAILED}) == ""


def test_what_is_frozen_fails_nobody_and_what_is_not_begun_has_no_outcome() -> None:
    plan = data(**{"timezone": "UTC", "freezes": [FREEZE]})
    hosts = [Candidate("p", "device:1", PILOT, plan), Candidate("free", "device:2", frozenset())]
    found = course.course(hosts, NOW)

    result = course.results(found, {"p": (OWED, None), "free": (None, None)})

    assert (result["outcomes"], result["why"], result["stop"], course.ended(result)) == ({}, {}, "", None)


def test_who_was_done_before_the_freeze_began_counts() -> None:
    plan = data(**{"timezone": "UTC", "freezes": [FREEZE]})
    found = office(others=1, plan=plan)

    result = course.results(found, {"p0": (OWED, OWED), "b0": (OWED, None)})

    assert (result["outcomes"], result["stop"]) == ({"p0": FAILED}, "")
    assert course.ended(result) is not None


def test_what_is_left_to_a_person_fails_no_host_and_stops_no_ring() -> None:
    found = office(others=1)
    left: dict[str, Any] = {**DONE, "drift": [{"control": "ssh-root-login"}], "left": ["ssh-root-login"]}

    result = course.results(found, {"p0": (OWED, left), "b0": (left, None)})

    assert (result["outcomes"], result["stop"], course.ended(result)) == ({"p0": WELL, "b0": WELL}, "", None)


# -- the end ------------------------------------------------------------------------------------------------------


def test_a_run_ends_well_only_where_nothing_failed_and_nothing_is_to_be_decided() -> None:
    found = office(others=1)
    asked: dict[str, Any] = {**DONE, "undecided": [ASKED]}

    well = course.results(found, {"p0": (OWED, DONE), "b0": (DONE, None)})
    failed = course.results(found, {"p0": (OWED, DONE), "b0": (OWED, OWED)})
    decide = course.results(found, {"p0": (asked, None), "b0": (DONE, None)})

    assert course.ended(well) is None
    error = course.ended(failed)
    assert error is not None and (error.code, error.found) == ("MSP-STD-160", "b0: does not hold ssh-root-login")
    # No ring stops for a decision, and no run ends well without it.
    assert (decide["stop"], decide["outcomes"]) == ("", {"p0": WELL, "b0": WELL})
    error = course.ended(decide)
    assert error is not None and error.found.startswith("p0: MSP-STD-200: ") and "tcp/80" in error.found
