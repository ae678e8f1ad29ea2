# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A proof is asked over a connection of its own, until it is known what became of the host."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ansible_collections.msp.ops.plugins.action import lockout_guard
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.standards import proving

LOST_AFTER = 420
ARGUMENTS: dict[str, Any] = {
    "state": "proven",
    "name": "ssh",
    "lost_after": LOST_AFTER,
    "because": None,
    "seconds": 120,
}


class Ssh:
    transport = "ssh"

    def __init__(self) -> None:
        self.done: list[str] = []
        self.options = {"ssh_args": "-C -o ControlMaster=auto -o ControlPersist=60s"}

    def reset(self) -> None:
        self.done.append("reset with " + self.options["ssh_args"])

    def get_option(self, name: str) -> str:
        return self.options[name]

    def set_option(self, name: str, value: str) -> None:
        self.options[name] = value


class Task:
    check_mode = False

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid


class Bare(lockout_guard.ActionModule):
    """With a task that knows little. answers: what the host says, one after the other; an exception is raised."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[dict[str, Any]] = []
        self.ssh = Ssh()
        self._connection = self.ssh
        self._task = Task("b827eb4a-1001-5d3f-a001-00000000002a")

    def _execute_module(self, **words: Any) -> dict[str, Any]:
        self.sent.append({**words["module_args"], "ssh_args": self.ssh.options["ssh_args"]})
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept. No test waits."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(slept))
    return slept


def prove(action: Bare) -> dict[str, Any]:
    return action._prove(dict(ARGUMENTS), {}, "srv01.harbour-dental")


def test_the_proof_uses_no_master_and_the_old_one_is_told_to_stop_first(clock: list[float]) -> None:
    action = Bare({"state": "disarmed", "login": True})

    found = prove(action)

    assert found == {"state": "disarmed", "login": True, "tries": 1}
    assert action.ssh.done == ["reset with -C -o ControlMaster=auto -o ControlPersist=60s"]
    assert action.sent[0]["ssh_args"].startswith("-o ControlMaster=no -o ControlPath=none ")
    assert clock == []


def test_a_login_that_does_not_work_is_tried_until_the_host_has_brought_back(clock: list[float]) -> None:
    error = MspError("MSP-STD-082", "a login", "the host brought it back", "see why")
    brought_back = {"failed": True, "msg": str(error), "error": error.as_dict()}
    action = Bare(
        AnsibleConnectionFailure("Connection timed out"),
        {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "sudo: a password is required"},
        AnsibleError("Missing sudo password"),
        {"state": "reverting"},
        brought_back,
    )

    found = prove(action)

    assert (found["tries"], found["failed"], found["error"]["code"]) == (5, True, "MSP-STD-082")
    assert "the host brought it back; the last login that was tried before said: Missing sudo password" in found["msg"]
    assert clock == [proving.SECONDS_BETWEEN] * 4


def test_a_host_that_stays_silent_is_lost_with_its_last_reason(clock: list[float]) -> None:
    action = Bare(AnsibleConnectionFailure("Connection\n refused"))

    with pytest.raises(MspError) as caught:
        prove(action)

    assert caught.value.code == "MSP-STD-090"
    assert "Connection refused" in caught.value.found
    assert "srv01.harbour-dental" in caught.value.expected
    assert LOST_AFTER < sum(clock) < LOST_AFTER + 10


def test_the_controllers_patience_does_not_travel_to_the_host(clock: list[float]) -> None:
    action = Bare({"state": "disarmed"})
    prove(action)

    assert action.sent[0].keys() == {"state", "name", "seconds", "run", "ssh_args"}


def test_a_connection_of_another_kind_is_reset_and_no_more(clock: list[float]) -> None:
    action = Bare({"state": "disarmed"})
    action.ssh.transport = "paramiko"

    prove(action)

    assert len(action.ssh.done) == 1
    assert "ControlPath=none" not in action.ssh.options["ssh_args"]


def revert(action: Bare) -> dict[str, Any]:
    return action._revert({**ARGUMENTS, "state": "reverted", "because": "not valid"}, {}, "srv01.harbour-dental")


def test_a_change_is_brought_back_by_the_connection_that_is_there_which_may_be_the_last(clock: list[float]) -> None:
    action = Bare({"state": "reverted", "changed": True})

    assert revert(action) == {"state": "reverted", "changed": True}
    assert action.ssh.done == [] and "ControlPath=none" not in action.sent[0]["ssh_args"]


def test_without_rights_to_bring_a_change_back_the_host_is_waited_for(clock: list[float]) -> None:
    error = MspError("MSP-STD-089", "the change to pass", "not valid", "correct it; the host is as it was before")
    brought_back = {"failed": True, "msg": str(error), "error": error.as_dict()}
    action = Bare(AnsibleError("Missing sudo password"), {"state": "reverting"}, brought_back)

    found = revert(action)

    assert (found["tries"], found["error"]["code"]) == (2, "MSP-STD-089")
    assert "not valid; the last login that was tried before said: Missing sudo password" in found["msg"]
    assert [sent["ssh_args"].startswith("-o ControlMaster=no ") for sent in action.sent] == [False, True, True]


def test_a_host_that_cannot_be_asked_to_bring_back_is_lost_in_the_end(clock: list[float]) -> None:
    with pytest.raises(MspError) as caught:
        revert(Bare(AnsibleError("Missing sudo password")))

    assert caught.value.code == "MSP-STD-090"


def test_a_host_that_does_not_answer_when_its_guard_is_armed_has_failed_and_is_not_unreachable() -> None:
    """A play may ignore what is unreachable, and would go on to the change."""
    action = Bare(AnsibleConnectionFailure("Connection\n timed out"))

    with pytest.raises(MspError) as caught:
        action._arm({**ARGUMENTS, "state": "armed"}, {}, "srv01.harbour-dental")

    assert (caught.value.code, caught.value.found) == ("MSP-STD-092", "Connection timed out")
    assert "srv01.harbour-dental" in caught.value.expected


def test_all_tasks_of_a_run_say_that_they_are_of_it_and_those_of_another_do_not() -> None:
    words = []
    for uuid in (
        "b827eb4a-1001-5d3f-a001-00000000002a",
        "b827eb4a-1001-5d3f-a001-00000000a7c1",
        "b827eb4a-1001-77b2-0e9c-00000000002a",
    ):
        action = Bare({"state": "armed"})
        action._task = Task(uuid)
        action._arm({**ARGUMENTS, "state": "armed"}, {}, "srv01.harbour-dental")
        words.append(action.sent[0]["run"])

    assert words[0] == words[1] != words[2]
    assert words[0]
