# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What turned from one check of an asset to the next: told once, and the same in whatever parts it is gone through."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import controls
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.controls import Check, Said
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import CHECK_PHASES, NOT_ASSIGNED
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import COMPLIANT, DRIFT, STATUSES, UNKNOWN


def check(at: int, *statuses: str | None, records: bool = True, phase: str = "check") -> Check:
    """A check of the controls c0, c1, ...; None: it does not have that one."""
    found = [
        {"control": f"c{number}", "severity": "high", "status": status, "desired": "no", "found": f"at {at}"}
        for number, status in enumerate(statuses)
        if status is not None
    ]
    return Check(at, phase, "linux-server", found if records else None, "no answer")


def told(turns: list[controls.Turn]) -> list[tuple[str, int, str]]:
    return [(turn.control, turn.at, turn.said.status) for turn in turns]


def test_what_stays_as_it_is_turns_once_and_what_was_found_last_is_kept() -> None:
    turns, states = controls.follow({}, [check(1, DRIFT), check(2, DRIFT), check(3, COMPLIANT), check(4, COMPLIANT)])

    assert told(turns) == [("c0", 1, DRIFT), ("c0", 3, COMPLIANT)]
    assert states == {"c0": Said(COMPLIANT, "linux-server", "high", "no", "at 4", "", 3)}


def test_what_an_asset_is_no_longer_held_to_is_told_and_forgotten() -> None:
    turns, states = controls.follow({}, [check(1, DRIFT, COMPLIANT), check(2, None, COMPLIANT), check(3, DRIFT)])

    assert told(turns) == [
        ("c0", 1, DRIFT),
        ("c1", 1, COMPLIANT),
        ("c0", 2, NOT_ASSIGNED),
        ("c0", 3, DRIFT),
        ("c1", 3, NOT_ASSIGNED),
    ]
    assert set(states) == {"c0"}


def test_a_check_that_knows_of_no_control_leaves_none_of_them_as_it_was() -> None:
    turns, states = controls.follow({}, [check(1, COMPLIANT, DRIFT), check(2, records=False)])

    assert told(turns)[2:] == [("c0", 2, UNKNOWN), ("c1", 2, UNKNOWN)]
    assert {said.reason for said in states.values()} == {"no answer"}


def test_at_one_time_what_was_before_comes_before_what_was_after() -> None:
    ordered = sorted((check(1, DRIFT, phase=phase) for phase in CHECK_PHASES), key=lambda one: one.order)
    assert [one.phase for one in ordered] == ["before", "check", "after"]


STATUS = st.one_of(st.none(), st.sampled_from(STATUSES))
CHECKS = st.lists(st.tuples(st.tuples(STATUS, STATUS, STATUS), st.booleans()), max_size=8).map(
    lambda found: [check(at, *statuses, records=records) for at, (statuses, records) in enumerate(found)]
)


@settings(max_examples=60, deadline=None)
@given(CHECKS, st.integers(0, 8))
def test_gone_through_in_two_parts_it_comes_to_the_same(checks: list[Check], cut: int) -> None:
    turns, states = controls.follow({}, checks)
    first, between = controls.follow({}, checks[:cut])
    second, last = controls.follow(between, checks[cut:])

    assert (first + second, last) == (turns, states)


@settings(max_examples=60, deadline=None)
@given(CHECKS)
def test_the_last_turn_of_each_control_is_what_it_is_and_no_turn_says_the_same_again(checks: list[Check]) -> None:
    turns, states = controls.follow({}, checks)

    of_each: dict[str, list[controls.Turn]] = {}
    for turn in turns:
        of_each.setdefault(turn.control, []).append(turn)
    for control, found in of_each.items():
        statuses = [turn.said.status for turn in found]
        assert all(one != other for one, other in itertools.pairwise(statuses))
        if statuses[-1] == NOT_ASSIGNED:
            assert control not in states
        else:
            assert (states[control].status, states[control].since) == (statuses[-1], found[-1].at)
    assert states.keys() <= of_each.keys()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(STATUSES), max_size=40))
def test_records_come_back_from_their_facts_as_they_were(statuses: list[str]) -> None:
    records = tuple(
        {"control": f"c{number}", "status": status, "waiver": {"owner": "Ann\x00a"}}
        for number, status in enumerate(statuses)
    )
    assert controls.records(controls.body(records), {}) == records
    assert sum(controls.counts(records).values()) == len(records)
