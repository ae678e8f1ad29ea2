# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compliance at any moment is what was known by then; drift is new once; what nobody looked at is not compliant."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    AFTER,
    BEFORE,
    CHECK,
    NOT_ASSIGNED,
    ControlChange,
    ControlState,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards import compliance
from ansible_collections.msp.ops.plugins.plugin_utils.standards.compliance import (
    FRESH,
    course,
    new_drift,
    tally,
    top_deviations,
    waived,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    COMPLIANT,
    DRIFT,
    ERROR,
    FIXED,
    HIGH,
    LOW,
    MEDIUM,
    NOT_APPLICABLE,
    STATUSES,
    UNKNOWN,
    WAIVED,
)

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def changes(asset: str, *found: tuple[float, str], control: str = "ssh-root-login", **more: str) -> list[ControlChange]:
    """What a control of an asset became, so many days ago; each of them another than the one before."""
    made, previous = [], None
    for ago, status in found:
        at = NOW - ago * DAY
        phase = more.get("phase", CHECK)
        severity = more.get("severity", HIGH)
        made.append(ControlChange("acme", asset, control, at, phase, status, previous, "linux-server", severity))
        previous = status
    return made


def daily(first: float, last: float = 0) -> list[dt.datetime]:
    return [NOW - ago * DAY for ago in range(int(first), int(last) - 1, -1)]


def shares(found: Sequence[compliance.Moment]) -> list[float | None]:
    return [moment.whole.share for moment in found]


def test_a_share_is_of_what_the_controls_say_anything_of() -> None:
    found = tally([COMPLIANT, FIXED, DRIFT, WAIVED, UNKNOWN, ERROR, NOT_APPLICABLE, NOT_APPLICABLE])

    assert (found.held, found.known, found.share) == (6, 4, 2 / 6)


@pytest.mark.parametrize("statuses", [[], [UNKNOWN, ERROR], [NOT_APPLICABLE]])
def test_where_nothing_is_known_there_is_no_share(statuses: list[str]) -> None:
    assert tally(statuses).share is None


@settings(max_examples=80)
@given(st.lists(st.sampled_from(STATUSES), max_size=12))
def test_knowing_less_never_makes_a_share_better(statuses: list[str]) -> None:
    share = tally(statuses).share
    for place, status in enumerate(statuses):
        if status != NOT_APPLICABLE:
            less = tally([*statuses[:place], UNKNOWN, *statuses[place + 1 :]]).share
            assert less is None or (share is not None and less <= share)


def test_the_course_says_what_was_so_at_each_moment() -> None:
    found = course(
        [*changes("a", (30, COMPLIANT), (10, DRIFT), (5, COMPLIANT)), *changes("b", (20, COMPLIANT))],
        {"a": daily(30), "b": daily(20)},
        {"a", "b"},
        [NOW, NOW - 8 * DAY, NOW - 25 * DAY, NOW - 31 * DAY],
    )

    assert shares(found) == [None, 1.0, 0.5, 1.0]
    assert [moment.whole.held for moment in found] == [0, 1, 2, 2]
    assert found[2].of_controls["linux-server", "ssh-root-login"].counts[DRIFT] == 1
    assert found[2].of_standard("linux-server") == found[2].whole
    assert found[2].of_standard("other").held == 0


def test_changes_that_were_delivered_late_count_at_their_time() -> None:
    made = changes("a", (30, COMPLIANT), (10, DRIFT), (5, COMPLIANT))
    moments = [NOW - 7 * DAY, NOW]

    assert course(made[::-1], {"a": daily(30)}, {"a"}, moments) == course(made, {"a": daily(30)}, {"a"}, moments)


def test_what_was_fixed_counts_as_it_was_after_and_not_before() -> None:
    made = [*changes("a", (5, DRIFT), phase=BEFORE), *changes("a", (5, FIXED), phase=AFTER)]

    (found,) = course(made[::-1], {"a": [NOW - 5 * DAY]}, {"a"}, [NOW])

    assert found.whole.counts[FIXED] == 1


def test_an_asset_that_nobody_checked_for_long_is_unknown_also_in_the_past() -> None:
    made = changes("a", (100, COMPLIANT))
    checked = {"a": [NOW - 100 * DAY, NOW - 10 * DAY]}

    found = course(made, checked, {"a"}, [NOW - 100 * DAY + FRESH, NOW - 60 * DAY, NOW])

    assert shares(found) == [1.0, None, 1.0]


def test_an_asset_that_went_is_left_out_from_its_last_check_on_and_one_that_stays_is_unknown() -> None:
    made = [*changes("gone", (50, DRIFT)), *changes("stays", (50, DRIFT))]
    checked = {"gone": daily(50, 40), "stays": daily(50, 40)}
    moments = [NOW - 40 * DAY, NOW - 39 * DAY, NOW]

    found = course(made, checked, {"stays"}, moments)

    assert [moment.whole.held for moment in found] == [2, 1, 1]
    assert found[-1].whole.counts[UNKNOWN] == 1


def test_a_control_that_is_no_longer_assigned_is_left_out() -> None:
    (found,) = course(changes("a", (9, DRIFT), (5, NOT_ASSIGNED)), {"a": daily(9)}, {"a"}, [NOW])

    assert found.of_controls == {}


def test_drift_is_new_when_it_came_since_then_also_where_it_was_mended() -> None:
    made = [
        *changes("old", (30, COMPLIANT), (20, DRIFT)),
        *changes("new", (30, COMPLIANT), (5, DRIFT)),
        *changes("mended", (30, COMPLIANT), (8, DRIFT), (6, FIXED)),
    ]

    found = new_drift(made, NOW - 10 * DAY)

    assert [(one.asset, one.before, one.now) for one in found] == [
        ("mended", COMPLIANT, FIXED),
        ("new", COMPLIANT, DRIFT),
    ]
    assert (found[0].at, found[0].now_at) == (NOW - 8 * DAY, NOW - 6 * DAY)


def test_drift_that_came_twice_is_told_twice_each_with_its_end() -> None:
    made = changes("a", (30, COMPLIANT), (8, DRIFT), (6, FIXED), (4, DRIFT), (2, UNKNOWN))

    found = new_drift(made, NOW - 10 * DAY)

    assert [(one.before, one.now, one.now_at) for one in found] == [
        (COMPLIANT, FIXED, NOW - 6 * DAY),
        (FIXED, UNKNOWN, NOW - 2 * DAY),
    ]


@pytest.mark.parametrize("silence", [UNKNOWN, ERROR])
def test_drift_of_which_nothing_was_known_for_a_while_is_not_new(silence: str) -> None:
    assert new_drift(changes("a", (30, DRIFT), (9, silence), (5, DRIFT)), NOW - 10 * DAY) == ()


def test_the_first_check_of_a_control_and_a_waiver_that_ended_say_so() -> None:
    made = [*changes("first", (5, DRIFT)), *changes("ended", (30, WAIVED), (5, DRIFT))]
    again = changes("again", (30, DRIFT), (9, NOT_ASSIGNED), (4, DRIFT))

    found = {one.asset: one.before for one in new_drift([*made, *again], NOW - 10 * DAY)}

    assert found == {"first": None, "ended": WAIVED, "again": None}


def test_the_gravest_new_drift_comes_first() -> None:
    made = [*changes("a", (5, DRIFT), severity=LOW), *changes("b", (4, DRIFT), severity=HIGH)]

    assert [one.asset for one in new_drift(made, NOW - 10 * DAY)] == ["b", "a"]


def state(asset: str, control: str, severity: str, status: str = DRIFT, ago: int = 3) -> ControlState:
    return ControlState("acme", asset, control, status, NOW - ago * DAY, NOW, "linux-server", severity)


def test_top_deviations_are_the_gravest_and_then_the_most_common() -> None:
    found = top_deviations(
        [
            *(state(asset, "banner", LOW) for asset in "abcd"),
            *(state(asset, "time", MEDIUM, ago=place) for place, asset in enumerate("ab", 4)),
            state("a", "logging", MEDIUM),
            state("a", "ssh", HIGH),
            *(state(status, "sudo", HIGH, status) for status in (WAIVED, UNKNOWN, COMPLIANT)),
        ],
        most=3,
    )

    assert [(one.control, one.assets) for one in found] == [("ssh", ("a",)), ("time", ("a", "b")), ("logging", ("a",))]
    assert found[1].since == NOW - 5 * DAY


def test_an_asset_is_waived_while_one_of_its_controls_is() -> None:
    made = [
        *changes("a", (30, COMPLIANT), (20, WAIVED), (15, UNKNOWN), (10, DRIFT), control="one"),
        *changes("a", (30, COMPLIANT), (12, WAIVED), (5, COMPLIANT), (2, NOT_ASSIGNED), control="two"),
        *changes("a", (2, NOT_ASSIGNED), control="one"),
    ]

    assert waived(made) == {
        "a": ((NOW - 30 * DAY, False), (NOW - 20 * DAY, True), (NOW - 5 * DAY, False), (NOW - 2 * DAY, None))
    }


def test_an_asset_of_which_nobody_ever_knew_anything_has_no_step() -> None:
    assert waived(changes("a", (9, UNKNOWN))) == {}


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from("pq"), st.sampled_from([*STATUSES, NOT_ASSIGNED]))))
def test_steps_of_waivers_are_in_order_and_each_is_another_than_the_one_before(
    found: list[tuple[int, str, str]],
) -> None:
    made = [change for ago, control, status in found for change in changes("a", (ago, status), control=control)]

    steps = waived(made).get("a", ())

    assert [at for at, _state in steps] == sorted({at for at, _state in steps})
    assert all(one[1] is not other[1] for one, other in pairwise(steps))
    assert not steps or steps[0][1] is not None
