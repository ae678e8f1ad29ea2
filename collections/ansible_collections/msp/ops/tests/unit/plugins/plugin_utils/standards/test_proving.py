# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What counts as an answer to a proof, and ssh's arguments for a connection that no master keeps open."""

from __future__ import annotations

import shlex

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.standards import proving


@pytest.mark.parametrize("given", ["-C -o ControlMaster=auto -o ControlPersist=60s", "", None])
def test_its_own_connection_comes_first_for_ssh_takes_the_first_value(given: str | None) -> None:
    words = shlex.split(proving.own_connection(given))

    assert words[:4] == ["-o", "ControlMaster=no", "-o", "ControlPath=none"]
    assert words[4:] == shlex.split(given or "")


@pytest.mark.parametrize(
    ("said", "silent"),
    [
        ({"state": "disarmed"}, False),
        ({"failed": True, "error": {"code": "MSP-STD-082"}, "msg": "x"}, False),
        ({"unreachable": True, "msg": "Failed to connect"}, True),
        ({"failed": True, "msg": "MODULE FAILURE", "module_stderr": "sudo: a password is required"}, True),
        ({}, True),
    ],
)
def test_only_what_the_guard_itself_says_is_an_answer(said: dict, silent: bool) -> None:
    assert (proving.silence(said) is not None) is silent


def test_why_there_is_none_is_kept_in_a_line() -> None:
    said = {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "sudo:\n a password is required\n"}

    assert proving.silence(said) == "MODULE FAILURE sudo: a password is required"


def test_a_host_that_brings_back_now_is_asked_again() -> None:
    assert not proving.is_over({"state": "reverting"})
    assert proving.is_over({"state": "disarmed"})
    assert proving.is_over({"failed": True, "error": {}})


def test_a_good_answer_and_an_error_without_a_failed_login_are_told_as_they_are() -> None:
    good = {"state": "disarmed"}
    error = {"failed": True, "msg": "x", "error": {"code": "MSP-STD-088"}}

    assert proving.told(good, "timed out") == good
    assert proving.told(error, "") == error
