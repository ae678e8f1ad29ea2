# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host is asked: always which machine is meant, what may not be moved, and how patient the checks are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.msp.ops.plugins.module_utils.patching.install.spec import SPEC
from ansible_collections.msp.ops.plugins.plugin_utils.desk.questions import Questions
from ansible_collections.msp.ops.plugins.plugin_utils.patching.answering import Work
from ansible_collections.msp.ops.plugins.plugin_utils.patching.portion import Portion
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Entry
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Host
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import (
    EVENING,
    HOUR,
    TARGETS,
    plan,
)

HOST = Host(replace(TARGETS["till"], machine_id="8a1f"), 0)
PORTION = Portion((Entry("debian-12", "openssl", "amd64", "2"),), ("postgresql-*",), ("openssl:amd64",))
PATIENT = plan(checks={"before": [], "after": [{"unit": "till.service"}, {"tcp": 8080, "timeout": "5m"}]})


def all_of(asked: Questions) -> dict[str, Work]:
    return {
        "look": asked.look(begin_by=EVENING, finish_only=True),
        "check": asked.check(),
        "start": asked.start(begin_by=EVENING, closes=EVENING + HOUR, open_rollouts=["r1"]),
        "rollback": asked.back(begin_by=EVENING, closes=EVENING + HOUR),
    }


ASKED = all_of(Questions("r1", HOST, 600, PATIENT, PORTION))


@pytest.mark.parametrize("operation", list(ASKED))
def test_every_question_names_the_machine_what_may_not_move_and_how_long_a_check_may_take(operation: str) -> None:
    work = ASKED[operation]
    assert (work.host, work.rollout, work.operation) == ("till", "r1", operation)
    said = work.arguments
    assert (said["action"], said["machine_id"], said["excluded"]) == (operation, "8a1f", ["postgresql-*"])
    assert said["check_seconds"] == 300
    assert set(said) <= set(SPEC)


def test_a_start_says_what_by_when_and_what_no_scan_saw() -> None:
    said = ASKED["start"].arguments
    assert said["packages"] == [{"name": "openssl", "architecture": "amd64", "version": "2"}]
    assert said["unseen"] == ["openssl:amd64"]
    assert (said["begin_by"], said["deadline"]) == (EVENING.isoformat(), (EVENING + HOUR).isoformat())


def test_the_way_back_outside_of_the_windows_reboots_nothing() -> None:
    asked = Questions("r1", HOST, 600, plan(reboot="always"), PORTION)
    inside, outside = asked.back(begin_by=EVENING, closes=EVENING + HOUR), asked.back(begin_by=EVENING, closes=None)
    assert (inside.arguments["reboot"], inside.arguments["deadline"]) == ("always", (EVENING + HOUR).isoformat())
    assert outside.arguments["reboot"] == "never"
    assert "deadline" not in outside.arguments


def test_checks_that_are_not_patient_have_a_minute_and_a_host_without_an_id_names_none() -> None:
    said = Questions("r1", Host(TARGETS["till"], 0), 600, plan(), PORTION).check().arguments
    assert said["check_seconds"] == 60
    assert "machine_id" not in said


def test_a_look_needs_no_plan() -> None:
    said = Questions("r1", HOST, 600).look(begin_by=EVENING, finish_only=True).arguments
    assert said == {
        **{"rollout": "r1", "action": "look", "wait": 600, "machine_id": "8a1f", "finish_only": True},
        "begin_by": EVENING.isoformat(),  # after that it only tells: another run may know more
    }
