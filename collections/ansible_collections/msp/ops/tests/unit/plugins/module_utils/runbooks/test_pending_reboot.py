# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a host is restarted, and what proves that it was."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host, Output
from ansible_collections.msp.ops.plugins.module_utils.runbooks import pending_reboot
from ansible_collections.msp.ops.plugins.module_utils.runbooks.pending_reboot import Standing
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.runbooks.made_tools import made_tools

WAITS = Standing(True, ("asked for by libc6",), 1000.0, (), (), ())
STANDINGS = st.builds(
    Standing,
    st.sampled_from([True, False, None]),
    st.sampled_from([(), ("asked for by libc6",)]),
    st.one_of(st.none(), st.floats(0, 1e9)),
    st.lists(st.sampled_from(["a.service", "b.service"]), unique=True).map(tuple),
    st.sampled_from([(), ("anna (bash)",)]),
    st.sampled_from([(), ("patches are being installed",)]),
)


@pytest.mark.thorough
@given(STANDINGS, st.booleans())
def test_it_is_restarted_only_when_that_is_allowed_and_cuts_nobody_off(now: Standing, allowed: bool) -> None:
    if not pending_reboot.not_now(now, allowed=allowed):
        assert allowed and now.needed is not None and not now.people and not now.busy and now.booted is not None


@pytest.mark.parametrize(
    ("changes", "allowed", "why"),
    [
        ({}, False, "this is no time for it"),
        ({"people": ("anna (bash)",)}, True, "somebody works on it: anna (bash)"),
        ({"busy": ("the service backup.service runs",)}, True, "must not be cut off: the service backup.service runs"),
        ({"needed": None, "reasons": ()}, True, "no sign"),
        ({"booted": None}, True, "could not be proved"),
    ],
)
def test_what_is_in_the_way_is_named(changes: dict[str, object], allowed: bool, why: str) -> None:
    assert why in pending_reboot.not_now(WAITS._replace(**changes), allowed=allowed)  # type: ignore[arg-type]


@pytest.mark.thorough
@given(STANDINGS, STANDINGS)
def test_nothing_but_a_later_start_without_a_loss_is_proof(before: Standing, now: Standing) -> None:
    if not pending_reboot.not_proved(pending_reboot.measured(before), now):
        assert before.booted is not None and now.booted is not None and now.booted > before.booted
        assert not (now.needed is not False and now.reasons)
        assert set(now.down) <= set(before.down)


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (WAITS, "did not go down"),
        (WAITS._replace(booted=2000.0), "still waits for a restart: asked for by libc6"),
        (Standing(False, (), 2000.0, ("db.service",), (), ()), "down since: db.service"),
    ],
)
def test_a_restart_that_did_not_help_says_why(now: Standing, why: str) -> None:
    assert why in pending_reboot.not_proved(pending_reboot.measured(WAITS), now)


@pytest.mark.parametrize(
    ("line", "blocks"),
    [
        ("apt 0 root 812 apt shutdown:idle Installing updates block", True),
        ("NetworkManager 0 root 1 NetworkManager sleep Turns off networks delay", False),
        ("UPower 0 root 1 upowerd sleep Pause delay", False),
        ("player 1000 anna 7 player idle:sleep Playing block", False),
        ("", False),
    ],
)
def test_only_a_program_that_blocks_a_shutdown_is_in_the_way(line: str, blocks: bool) -> None:
    assert pending_reboot.blocks(line) is blocks


def test_somebody_at_a_terminal_is_seen_and_we_are_not() -> None:
    def sitting() -> list[str]:
        return [one for one in pending_reboot.at_terminals(Host()) if "(sleep)" in one]

    before = sitting()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("sleep", ["sleep", "60"])  # noqa: S606
    try:
        seen: list[str] = []
        while not seen and os.waitpid(pid, os.WNOHANG) == (0, 0):
            seen = [one for one in sitting() if one not in before]
        assert len(seen) == 1
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)


def test_a_host_is_looked_at_after_it_has_started_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools, programs = made_tools(tmp_path)
    states = iter(["starting\n", "starting\n", "degraded\n"])
    monkeypatch.setattr(pending_reboot, "POLL_SECONDS", 0.0)
    programs.run = lambda *_argv, **_more: Output(1, next(states))  # type: ignore[method-assign]

    pending_reboot._wait_until_started(tools)

    assert next(states, None) is None


def test_what_runs_without_a_terminal_is_nobody_who_works_there() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as child:
        try:
            assert pending_reboot._at(Host(), str(child.pid))[0] == 0
        finally:
            child.kill()
