# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run is at: every host is counted once in some state, whatever the tasks returned, and in whatever order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.patching import progress
from ansible_collections.msp.ops.plugins.plugin_utils.patching.deciding import decide
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import OUTCOMES
from ansible_collections.msp.ops.plugins.plugin_utils.patching.watching import Watched
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import (
    BROAD,
    DAY,
    EVENING,
    EVERYBODY,
    HOUR,
    batch,
    plan,
    rollout,
)

AT = EVENING + 2 * DAY + HOUR
HOSTS = ("db1", "db2", "mail")


def told(**more: Any) -> dict[str, Any]:
    """A round that began the three hosts of the broad ring."""
    found = rollout(*BROAD, batch("broad", *HOSTS, at=EVENING + 2 * DAY))
    world = replace(EVERYBODY, running=frozenset(HOSTS))
    said = progress.as_dict(progress.progress(found, plan(), AT, decide(found, plan(), AT, world)))
    return {
        "rollouts": [{**said, "steps": []}],
        "tasks": {host: {"rollout": "r1", "action": "start"} for host in HOSTS},
        "language": "nl",
        **more,
    }


def result(outcome: str, **more: Any) -> dict[str, Any]:
    return {"state": "finished", "result": {"outcome": outcome, "reason": "", **more}}


def counts(watched: Watched) -> dict[str, int]:
    (one,) = watched.rollouts
    return dict(one.rings[1].hosts)


def test_a_host_that_ends_is_counted_where_it_is_now() -> None:
    watched = Watched().heard(told())
    assert (counts(watched), set(watched.asked), watched.language) == ({"working": 3}, set(HOSTS), "nl")

    watched = watched.ended("db1", result("patched"), AT).ended("db2", result("failed", reason="nginx\nis down"), AT)

    assert counts(watched) == {"patched": 1, "working": 1, "failed": 1}
    assert [(one.host, one.state, one.why) for one in watched.rollouts[0].hosts] == [
        ("mail", "working", ""),
        ("db2", "failed", "nginx is down"),
    ]
    assert set(watched.asked) == {"mail"}


@pytest.mark.parametrize(
    "said", [{"unreachable": True, "msg": "no route"}, {"failed": True, "msg": "it broke"}, {"unreachable": True}]
)
def test_a_host_without_an_answer_is_lost(said: dict[str, Any]) -> None:
    watched = Watched().heard(told()).ended("db1", said, AT)
    assert counts(watched) == {"working": 2, "lost": 1}
    assert watched.rollouts[0].hosts[-1].why == said.get("msg", "")


@pytest.mark.parametrize("said", [{"state": "working", "result": None}, {"state": "finished", "healthy": True}, {}])
def test_who_is_at_work_still_or_was_only_checked_stays_where_it_is(said: dict[str, Any]) -> None:
    watched = Watched().heard(told()).ended("db1", said, AT)
    assert (counts(watched), "db1" in watched.asked) == ({"working": 3}, False)


def test_who_was_not_asked_changes_nothing() -> None:
    watched = Watched().heard(told())
    assert watched.ended("till", result("failed"), AT) is watched
    twice = watched.ended("db1", result("patched"), AT)
    assert twice.ended("db1", result("failed"), AT) is twice


def test_the_next_round_has_the_last_word() -> None:
    watched = Watched().heard(told()).ended("db1", result("failed"), AT)
    assert counts(watched.heard(told(tasks={}))) == {"working": 3}
    assert watched.heard(told(tasks={})).asked == {}


def test_what_a_person_asked_leaves_the_view_as_it_is() -> None:
    watched = Watched().heard(told())
    asked = watched.heard({"rollouts": [{"rollout": "r1", "plan": "office"}], "summary": []})
    assert asked.rollouts == watched.rollouts
    assert watched.heard({"rollouts": [], "tasks": {}}).rollouts == ()


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"failed": True, "rollouts": []},
        {"rollouts": "many"},
        {"rollouts": [{"rings": []}]},
        {"rollouts": [], "tasks": {"db1": {}}},
        {"rollouts": [7]},
    ],
)
def test_what_has_another_shape_changes_nothing(said: dict[str, Any]) -> None:
    watched = Watched().heard(told())
    assert watched.heard(said) is watched


WATCHED = Watched().heard(told())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((*HOSTS, "till", "nobody")), st.sampled_from((*OUTCOMES, "working")))))
def test_every_host_is_counted_once(ends: list[tuple[str, str]]) -> None:
    watched = WATCHED
    for host, outcome in ends:
        watched = watched.ended(host, result(outcome), AT)
    assert sum(counts(watched).values()) == len(HOSTS)
    assert all(number > 0 for number in counts(watched).values())
    named = [one.host for one in watched.rollouts[0].hosts]
    assert len(named) == len(set(named))
