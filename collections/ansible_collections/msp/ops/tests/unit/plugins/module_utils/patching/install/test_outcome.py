# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""patched is said only where everything was proved; a look never takes what was cut off for done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.patching.install import doing, identity, looking, outcome, work
from ansible_collections.msp.ops.plugins.module_utils.patching.install.apt import ADVICE
from ansible_collections.msp.ops.plugins.module_utils.patching.install.outcome import Found

GOOD_CHECK = {"kind": "tcp", "what": "127.0.0.1:22", "ok": True, "why": ""}
BAD_CHECK = {"kind": "unit", "what": "a.service", "ok": False, "why": "it is failed (failed)"}
PROVED = Found(program=0, checks=(GOOD_CHECK,), rebooted=True)


def test_what_is_proved_is_patched_and_well() -> None:
    assert outcome.decide(PROVED) == ("patched", "")
    assert outcome.healthy(PROVED) is True
    assert outcome.decide(replace(PROVED, back=True)) == ("rolled back", "")


@pytest.mark.parametrize(
    ("changed", "said", "healthy"),
    [
        (
            {"lacking": ("a:all is at 1, not at 2",), "program": 100, "errors": ("E: no",)},
            "status 100: E: no; a:all is at",
            True,
        ),
        ({"checks": (GOOD_CHECK, BAD_CHECK)}, "check unit a.service: it is failed", False),
        ({"restarts_failed": ("b.service: timeout",)}, "restart of b.service: timeout failed", False),
        ({"rebooted": False, "reboot_why": "it runs on"}, "it runs on", True),
        ({"rebooted": False}, "not proved", True),
    ],
)
def test_what_lacks_one_proof_is_failed_and_says_which(changed: dict[str, Any], said: str, healthy: bool) -> None:
    found = replace(PROVED, **changed)

    what, why = outcome.decide(found)

    assert (what, outcome.healthy(found)) == ("failed", healthy)
    assert said in why


def test_where_nothing_was_checked_nobody_knows_whether_it_is_well() -> None:
    assert outcome.healthy(Found()) is None


@settings(max_examples=80)
@given(
    st.lists(st.sampled_from(["x:all is half-configured"]), max_size=2),
    st.lists(st.sampled_from([GOOD_CHECK, BAD_CHECK]), max_size=3),
    st.lists(st.just("s.service: no"), max_size=1),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, 0, 100]),
)
def test_patched_never_hides_anything(
    lacking: list[str], checks: list[dict], restarts: list[str], rebooted: bool | None, program: int | None
) -> None:
    found = Found(tuple(lacking), program, (), tuple(checks), tuple(restarts), rebooted)

    everything = not lacking and BAD_CHECK not in checks and not restarts and rebooted is not False

    assert (outcome.decide(found)[0] == "patched") is everything


BOOT = {"container": False, "boot_id": "a", "first_process": "1", "kernel": "6.1"}
LATER = {**BOOT, "boot_id": "b", "first_process": "2"}


@pytest.mark.parametrize(
    ("before", "now", "another"),
    [
        (BOOT, BOOT, False),
        (BOOT, {**BOOT, "first_process": "2"}, False),  # a machine of its own is known by its boot id alone
        (BOOT, LATER, True),
        ({**BOOT, "container": True}, {**BOOT, "container": True, "boot_id": "b"}, False),  # its host was rebooted
        ({**BOOT, "container": True}, {**LATER, "container": True}, True),
        ({}, LATER, False),
        (BOOT, {**BOOT, "boot_id": None}, False),
    ],
)
def test_a_reboot_is_known_by_the_right_sign(before: dict, now: dict, another: bool) -> None:
    assert identity.another_boot(before, now) is another


@pytest.mark.parametrize(
    ("status", "boot", "unsound", "expected"),
    [
        (None, BOOT, False, ("cut off", "repair")),
        ({"phase": "installing"}, BOOT, False, ("cut off", "repair")),
        ({"phase": "installing"}, LATER, True, ("cut off", "repair")),
        ({"phase": "repairing", "repairs": 1}, BOOT, True, ("cut off", "repair")),
        ({"phase": "repairing", "repairs": 2}, BOOT, True, ("cut off", "report")),
        ({"phase": "rebooting", "reboot": {"boot": BOOT}}, BOOT, False, ("rebooting", "report")),
        ({"phase": "rebooting", "reboot": {"boot": BOOT}}, LATER, False, ("cut off", "resume")),
        ({"phase": "finished", "outcome": "failed"}, BOOT, True, ("finished", "repair")),
        ({"phase": "finished", "outcome": "failed", "repairs": 1}, BOOT, True, ("finished", "report")),
        ({"phase": "finished", "outcome": "failed"}, BOOT, False, ("finished", "report")),
        ({"phase": "finished", "outcome": "patched"}, BOOT, True, ("finished", "report")),
    ],
)
def test_a_look_knows_what_to_do(status: dict | None, boot: dict, unsound: bool, expected: tuple[str, str]) -> None:
    assert looking.decide(status, boot=boot, unsound=unsound, ours=True) == expected


def test_a_database_that_somebody_else_left_unfinished_is_not_touched() -> None:
    status = {"phase": "finished", "outcome": "failed"}

    assert looking.decide(status, boot=BOOT, unsound=True, ours=False) == ("finished", "report")


@pytest.mark.parametrize(
    ("status", "said", "cut"),
    [
        ({}, [], False),
        ({"program": 0}, [], False),
        ({"program": 100}, [], False),
        ({"program": -9}, ["the package manager was killed (signal 9)"], True),
        ({"undone": ["a:noarch"]}, ["a:noarch was cut off, and could not be installed once more"], False),
        ({"scripts": [["POSTIN", "a"]]}, ["the script POSTIN of a failed"], False),
        ({"steps": ["downloading", "installing"]}, [], True),
        ({"steps": ["downloading", "installing", "preparing", "repairing"]}, [], True),
        ({"steps": ["downloading", "installing", "checking"]}, [], False),
        ({"steps": ["installing", "finished", "preparing"]}, [], False),
    ],
)
def test_a_status_tells_what_the_package_manager_did_not_bring_to_its_end(
    status: dict, said: list[str], cut: bool
) -> None:
    found = {**status, "steps": [{"phase": phase} for phase in status.get("steps", ())]}

    assert (work.unended(found), work.interrupted(found)) == (said, cut)


def test_what_cannot_be_repaired_is_a_persons() -> None:
    error = doing._beyond_repair({"phase": "installing", "repairs": 2}, ADVICE)

    assert error.code == "MSP-PAT-119"
    assert "installing" in error.found and "ended from outside" in error.found
    assert "OSError: no" in doing._beyond_repair({"phase": "checking", "crash": "OSError: no"}, ADVICE).found
