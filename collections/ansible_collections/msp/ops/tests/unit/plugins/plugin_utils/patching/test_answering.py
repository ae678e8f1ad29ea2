# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hosts answer, and what that means for a rollout: never done without proof, never well without an answer."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.patching import answering, installing
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import HostEnded, HostIdle, Target
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import HostResult
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import WORKING, Host

BEGUN = dt.datetime(2026, 11, 17, 21, 0, tzinfo=dt.UTC)
NOW = BEGUN + dt.timedelta(minutes=12)
HOST = Host(Target("srv01.bakkerij-jansen", "device:1", "srv01"), 0, WORKING, begun=BEGUN)


def said(outcome: str, minutes: int = 10) -> dict[str, Any]:
    """A result as msp.ops.patch_install returns it."""
    at = BEGUN + dt.timedelta(minutes=minutes)
    result = HostResult(HOST.name, "device:1", outcome, at, {"a:all": "1"}, {"a:all": "2"}, healthy=True)
    return {"state": "finished", "result": installing.plain(result)}


def test_a_result_is_what_the_host_read_back_and_how_long_it_took() -> None:
    found = answering.event_of(HOST, said("patched"), NOW)

    assert isinstance(found, HostEnded)
    assert (found.result.outcome, found.result.after, found.seconds) == ("patched", {"a:all": "2"}, 600.0)


@pytest.mark.parametrize(("outcome", "minutes"), [("refused", 10), ("lost", 10), ("patched", -5)])
def test_what_did_no_work_or_ended_before_it_was_begun_says_nothing_of_how_long_work_takes(
    outcome: str, minutes: int
) -> None:
    found = answering.event_of(HOST, said(outcome, minutes), NOW)

    assert isinstance(found, HostEnded)
    assert found.seconds is None


def test_work_that_was_gone_on_with_after_a_resume_says_nothing_of_how_long_work_takes() -> None:
    """What came to its end before the resume took as long as it took."""
    for resumed, seconds in ((5, None), (12, 600.0)):
        host = replace(HOST, since=BEGUN + dt.timedelta(minutes=resumed))
        found = answering.event_of(host, said("patched"), NOW)
        assert isinstance(found, HostEnded)
        assert found.seconds == seconds


@pytest.mark.parametrize("answer", [None, {"failed": True, "msg": "broken\n pipe"}, {"unreachable": True, "msg": "no"}])
def test_no_answer_is_lost_and_never_done(answer: dict[str, Any] | None) -> None:
    found = answering.event_of(HOST, answer, NOW)

    assert isinstance(found, HostEnded)
    assert found.result.outcome == "lost"
    assert found.result.reason in ("no answer came back", "broken pipe", "no")


def test_who_has_no_trace_of_the_work_is_idle_and_who_is_at_it_stays_at_work() -> None:
    assert answering.event_of(HOST, {"state": "none", "result": None}, NOW) == HostIdle(NOW, HOST.name)
    for state in ("working", "rebooting", "cut off"):
        assert answering.event_of(HOST, {"state": state, "result": None}, NOW) is None


def test_whoever_does_not_say_that_it_is_well_is_not() -> None:
    answers: dict[str, dict[str, Any] | None] = {
        "well": {"healthy": True},
        "ill": {"healthy": False, "why": "unit nginx.service: it is failed"},
        "unsure": {"state": "finished", "healthy": None, "why": "baseline: nothing to compare with"},
        "away": installing.silent("no route to host"),
        "broken": {"failed": True, "healthy": True, "msg": "no Python"},
        "nothing": None,
    }

    found = answering.health([*answers, "never asked"], answers)

    assert found.well == {"well"}
    assert found.unwell == {"ill": "unit nginx.service: it is failed"}
    assert found.unsure == {"unsure": "baseline: nothing to compare with"}
    assert found.silent == {
        "away": "no route to host",
        "broken": "no Python",
        "nothing": "no answer came back",
        "never asked": "no answer came back",
    }
