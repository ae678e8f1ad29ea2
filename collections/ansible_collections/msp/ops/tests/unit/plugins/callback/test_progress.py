# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The callback msp.ops.progress, told what Ansible would tell it: lines without a terminal, a view in one."""

from __future__ import annotations

import io
import sys
import threading
import types
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.callback import progress
from ansible_collections.msp.ops.plugins.callback.progress import INSTALL, ROLLOUT, CallbackModule
from ansible_collections.msp.ops.plugins.plugin_utils.patching import live_view
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.test_watching import result, told


class Display:
    """What a callback needs of Ansible's display."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.verbosity = 0
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def display(self, line: str) -> None:
        self.lines.append(line)

    def warning(self, line: str) -> None:
        self.warnings.append(line)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


class Run:
    """A run that tells its callback of results."""

    def __init__(self, view: str = "auto") -> None:
        self.display = Display()
        self.callback = CallbackModule(display=self.display)
        options = {"view": view}
        self.callback.get_option = options.__getitem__  # type: ignore[method-assign]
        self.callback.set_option = options.__setitem__  # type: ignore[method-assign]

    def tell(self, said: dict[str, Any], action: str = ROLLOUT, host: str = "localhost", how: str = "ok") -> None:
        one = types.SimpleNamespace(
            task=types.SimpleNamespace(action=action), host=types.SimpleNamespace(name=host), result=said
        )
        getattr(self.callback, f"v2_runner_on_{how}")(one)

    def end(self) -> None:
        self.callback.v2_playbook_on_stats(None)


def terminal(monkeypatch: pytest.MonkeyPatch, term: str = "xterm") -> Screen:
    """A terminal in the place of stdout. Not a fixture: pytest puts its own stdout in place after those."""
    made = Screen()
    monkeypatch.setattr(sys, "stdout", made)
    monkeypatch.setattr(sys, "stderr", Screen())
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return made


def test_without_a_terminal_it_is_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    run = Run()
    run.tell(told(language="en"))
    assert run.display.lines[0] == "r1 (security): active, 1 of 4 hosts done"
    begun = len(run.display.lines)

    run.tell(result("patched"), INSTALL, "db1")
    # Where errors are ignored, a result does not say itself how it ended.
    run.tell({"msg": "it broke"}, INSTALL, "db2", "failed")
    run.tell({"msg": "no route"}, INSTALL, "mail", "unreachable")
    run.tell(told(tasks={}))

    assert [line.partition(";")[0] for line in run.display.lines[begun:]] == [
        "db1: patched",
        "db2: lost: it broke",
        "mail: lost: no route",
    ]
    run.end()
    assert run.display.warnings == []


def test_in_a_terminal_it_is_a_view_that_is_left_standing_and_the_terminal_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = terminal(monkeypatch)
    run = Run()
    run.tell(told(language="en"))
    assert sys.stdout is not screen  # lines of the run go above the view
    print("a line of the run")
    run.tell(result("failed", reason="nginx is down"), INSTALL, "db1")
    run.end()

    assert sys.stdout is screen
    said = screen.getvalue()
    assert "r1 (security): active" in said and "a line of the run" in said
    assert "1 failed" in said.rpartition("a line of the run")[2]
    assert said.find("\x1b[?25h") - said.find("\x1b[?25l") == len("\x1b[?25l")  # the cursor was never gone
    assert said.count("\x1b[?25l") == 1
    assert run.display.lines == []
    assert not [one for one in threading.enumerate() if "_run" in one.name]


def test_the_view_is_drawn_anew_by_the_clock_and_only_under_the_lock_under_which_workers_are_born(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal(monkeypatch)
    monkeypatch.setattr(progress, "SECONDS", 0.01)
    run = Run()
    drawn = threading.Event()
    held: list[bool] = []
    view = live_view.view

    def watched(*arguments: Any) -> Any:
        held.append(run.display._lock._is_owned())  # type: ignore[attr-defined]
        drawn.set()
        return view(*arguments)

    monkeypatch.setattr(live_view, "view", watched)
    run.tell(told())
    with run.display._lock:
        drawn.clear()
        assert not drawn.wait(0.1)  # who holds the lock forks in peace
    assert drawn.wait(5)
    run.end()
    number = len(held)
    assert all(held) and number > 1
    assert run.callback._screen is None


@pytest.mark.parametrize(
    ("view", "term"), [("lines", "xterm"), ("auto", "dumb"), ("auto", ""), ("auto", "under ansible-runner")]
)
def test_who_wants_lines_or_has_no_real_terminal_gets_them(
    view: str, term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = terminal(monkeypatch, term)
    if term == "under ansible-runner":
        monkeypatch.setenv("AWX_ISOLATED_DATA_DIR", "/runner/artifacts/1")
    run = Run(view)
    run.tell(told())
    run.end()
    assert run.display.lines and screen.getvalue() == ""


def test_who_wants_nothing_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    run = Run("none")
    run.tell(told())
    run.tell(result("patched"), INSTALL, "db1")
    run.end()
    assert (run.display.lines, screen.getvalue()) == ([], "")


def test_without_the_library_it_says_so_once_and_goes_on_in_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal(monkeypatch)
    monkeypatch.setattr(live_view, "LIBRARY_ERROR", ImportError("No module named 'rich'"))
    run = Run()
    run.tell(told())
    run.tell(result("patched"), INSTALL, "db1")
    run.end()
    assert len(run.display.warnings) == 1 and "MSP-PAT-163" in run.display.warnings[0]
    assert len(run.display.lines) > 1


def test_other_tasks_are_not_looked_at() -> None:
    run = Run()
    run.tell({"rollouts": object()}, "ansible.builtin.debug")
    assert run.callback._watched is None
