# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the controller makes of a host's answers: silence is never done, and what a host says is never trusted."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.patching import installing
from ansible_collections.msp.ops.plugins.plugin_utils.patching.installing import Course, Patience

NOW = dt.datetime(2026, 11, 26, 1, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
PATIENCE = Patience(wait=60 * MINUTE, lost_after=10 * MINUTE)
SAID: dict[str, Any] = {
    "outcome": "patched",
    "at": NOW.timestamp(),
    "before": {"a:all": "1.0"},
    "after": {"a:all": "1.1"},
    "rebooted": None,
    "healthy": True,
    "kept_files": [],
    "restarted": ["a.service"],
    "reason": "",
    "detail": {},
}


@pytest.mark.parametrize(
    ("linger", "began", "seconds"),
    [(20, 30, 20), (0, 30, 0), (20, 60, 0), (20, 61, 0), (3600, 59, 60)],
)
def test_a_host_keeps_its_answer_back_for_no_longer_than_its_end_is_waited_for(
    linger: float, began: int, seconds: float
) -> None:
    talk = Course(NOW - began * MINUTE)
    assert installing.lingering(linger, talk, PATIENCE, NOW) == seconds


@pytest.mark.parametrize(
    ("state", "phase", "linger", "seconds"),
    [
        ("working", "installing", 20, 0),
        ("working", None, 20, 0),  # it was begun just now
        ("working", "rebooting", 20, 3),
        ("working", "installing", 0, 3),
        ("rebooting", "rebooting", 20, 3),
        (None, None, 20, 3),  # no answer
    ],
)
def test_who_is_at_work_is_asked_at_once_for_it_waits_by_itself(
    state: str | None, phase: str | None, linger: float, seconds: float
) -> None:
    assert installing.pause(state, phase, 3.0, linger) == seconds


def course(*, heard: int | None = 0, asked: bool = False, joined: bool = False, rebooting: int | None = None) -> Course:
    """Minutes before NOW."""
    return Course(
        NOW - 30 * MINUTE,
        None if heard is None else NOW - heard * MINUTE,
        asked,
        joined,
        None if rebooting is None else NOW - rebooting * MINUTE,
    )


@pytest.mark.parametrize(
    ("action", "state", "talk", "step"),
    [
        ("start", "none", course(), "start"),
        ("start", "finished", course(), "start"),  # of an earlier attempt: it may have to be done again
        ("start", "finished", course(joined=True), "over"),
        ("start", "finished", course(asked=True), "over"),
        ("start", "working", course(), "ask"),
        ("start", "rebooting", course(rebooting=9), "ask"),
        ("start", "rebooting", course(rebooting=10), "over"),
        ("start", "cut off", course(), "over"),
        ("rollback", "finished", course(joined=True), "start"),
        ("rollback", "finished", course(asked=True, joined=True), "over"),
        ("look", "none", course(), "over"),
        ("look", "finished", course(), "over"),
        ("look", "working", course(), "ask"),
        ("start", None, course(heard=None), "over"),
        ("look", None, course(heard=None), "over"),  # asked for half an hour without a word
        ("start", None, course(heard=9), "ask"),
        ("start", None, course(heard=10), "over"),
    ],
)
def test_the_next_step(action: str, state: str | None, talk: Course, step: str) -> None:
    assert installing.next_step(action, state, talk, PATIENCE, NOW) == step


@pytest.mark.parametrize(("action", "step"), [("start", "over"), ("rollback", "over"), ("look", "ask")])
def test_a_host_that_never_answered_is_waited_for_only_where_its_work_has_begun(action: str, step: str) -> None:
    assert installing.next_step(action, None, Course(NOW), PATIENCE, NOW) == step


def test_work_that_takes_longer_than_the_wait_is_left_at_work() -> None:
    long = Course(NOW - 60 * MINUTE, NOW, asked=True, joined=True)

    assert installing.next_step("start", "working", long, PATIENCE, NOW) == "over"
    found = installing.over("h", "device:1", {"state": "working", "result": None}, long, patience=PATIENCE, now=NOW)
    assert (found["state"], found["result"]) == ("working", None)


@settings(max_examples=100)
@given(st.lists(st.sampled_from(["none", "working", "rebooting", "finished", "cut off", None]), max_size=12))
def test_a_host_is_asked_to_begin_only_where_it_said_that_nothing_is_at_work(states: list[str | None]) -> None:
    """And never again once it answered: a start that was lost on the way is found by the look after it."""
    talk, answered, ask = Course(NOW), 0, "look"
    for number, state in enumerate(states):
        now = NOW + number * MINUTE
        if state is not None:
            talk = talk.after(state, asked=ask == "start", now=now)
            answered += ask == "start"
        step = installing.next_step("start", state, talk, PATIENCE, now)
        if step == "over":
            break
        assert step == "ask" or (state in ("none", "finished") and not answered)
        ask = "start" if step == "start" else "look"


def test_silence_is_lost_with_the_reason() -> None:
    found = installing.over(
        "h", "device:1", "No route to host", course(heard=12, asked=True), patience=PATIENCE, now=NOW
    )

    assert (found["state"], found["result"]["outcome"]) == ("lost", "lost")
    assert "MSP-PAT-120" in found["result"]["reason"] and "No route to host" in found["result"]["reason"]
    assert "2026-11-26 00:48:00 UTC" in found["result"]["reason"]


def test_a_host_that_runs_on_after_it_was_asked_to_reboot_has_failed() -> None:
    said = {"state": "rebooting", "result": None}

    found = installing.over("h", "device:1", said, course(rebooting=10), patience=PATIENCE, now=NOW)

    assert (found["result"]["outcome"], found["result"]["rebooted"]) == ("failed", False)
    assert "MSP-PAT-121" in found["result"]["reason"]


def test_what_is_owed_held_and_there_is_read_and_handed_on() -> None:
    told = {"owed": ["restart docker.service"], "held": ["nginx:amd64: hold"], "there": ["openssl:amd64"]}
    found = installing.result_of("h", "device:1", {**SAID, **told})
    assert (found.owed, found.held, found.there) == (
        ("restart docker.service",),
        ("nginx:amd64: hold",),
        ("openssl:amd64",),
    )
    assert installing.returned(installing.plain(found)) == found
    silent = installing.result_of("h", "device:1", SAID)
    assert (silent.owed, silent.held, silent.there) == ((), (), None)
    assert installing.returned(installing.plain(silent)) == silent


def test_a_result_is_read_with_its_host() -> None:
    found = installing.plain(installing.result_of("h", "device:1", SAID))

    assert (found["host"], found["asset"], found["at"]) == ("h", "device:1", "2026-11-26T01:00:00+00:00")
    assert found["restarted"] == ["a.service"]


@pytest.mark.parametrize(
    "changed",
    [
        {"outcome": "perfect"},
        {"at": "soon"},
        {"at": 1e300},
        {"before": ["a"]},
        {"rebooted": "yes"},
        {"healthy": 1},
        {"kept_files": "a"},
        {"detail": 3},
    ],
)
def test_an_answer_of_another_shape_is_an_error(changed: dict[str, Any]) -> None:
    with pytest.raises(MspError) as error:
        installing.result_of("h", "device:1", {**SAID, **changed})

    assert error.value.code == "MSP-PAT-122"


@pytest.mark.parametrize(
    ("changed", "joined", "moved"),
    [
        ({}, True, True),
        ({}, False, False),  # an earlier run's result, told again
        ({"after": SAID["before"], "restarted": []}, True, False),
        ({"after": SAID["before"], "restarted": [], "rebooted": True}, True, True),
    ],
)
def test_changed_is_what_this_run_moved(changed: dict[str, Any], joined: bool, moved: bool) -> None:
    said = {"state": "finished", "changed": False, "result": {**SAID, **changed}, "invocation": {}}

    found = installing.over("h", "device:1", said, course(asked=True, joined=joined), patience=PATIENCE, now=NOW)

    assert found["changed"] is moved
    assert "invocation" not in found
