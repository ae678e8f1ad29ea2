"""./msp rollouts: once, followed, and for a program; what a look says is desk/test_steering.py's."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk import steering
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import progress
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import NOON
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.test_watching import told
from msp_cli import rollouts

STUCK = {"rollout": "r2", "class": "routine", "why": "NetBox has no patch plan office any more"}


def status(*more: dict[str, Any], number: int | None = None) -> dict[str, Any]:
    """What the desk says of one open rollout, and of more."""
    (first,) = told()["rollouts"]
    open_ones = [{**first, **({"number": number} if number else {})}, *more]
    lines = progress.lines(progress.of(first), NOON) + [f"{one['rollout']}: {one['why']}" for one in more]
    return {"rollouts": open_ones, "summary": lines, "halted": []}


NOTHING: dict[str, Any] = {"rollouts": [], "summary": [], "halted": []}


class Looks:
    """A desk that says one thing after the other; and a clock that does not wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[dict[str, Any]] = []
        self.waited: list[float] = []
        opened: Callable[..., Any] = lambda *_some, **_more: contextlib.nullcontext()  # noqa: E731
        monkeypatch.setattr(Store, "open", opened)
        monkeypatch.setattr(Register, "connect", opened)
        monkeypatch.setattr(steering, "status", lambda *_some: self.said.pop(0))
        monkeypatch.setattr(time, "sleep", self.waited.append)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Looks]:
    made = Looks(monkeypatch)
    yield made
    assert made.said == []  # no look more or less than was wanted


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Screen:
    made = Screen()
    monkeypatch.setattr(sys, "stdout", made)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return made


def plain(screen: Screen) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())


def test_once_it_is_lines_in_a_pipe(looks: Looks, capsys: pytest.CaptureFixture[str]) -> None:
    looks.said = [status(STUCK)]
    assert rollouts.main(["bakkerij-jansen"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("r1 (security): active, 1 of 4 hosts done\n")
    assert "r2: NetBox has no patch plan office any more" in said
    assert looks.waited == []


def test_once_it_is_a_view_in_a_terminal_and_what_cannot_be_drawn_is_a_line(
    looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks.said = [status(STUCK)]
    screen = terminal(monkeypatch)
    assert rollouts.main(["bakkerij-jansen", "--language", "nl"]) == 0
    assert "r1 (beveiliging): bezig, 1 van 4 apparaten klaar" in plain(screen) and "█" in screen.getvalue()
    assert "r2: NetBox has no patch plan office any more" in plain(screen)


@pytest.mark.parametrize(("language", "words"), [("en", "No rollout is under way."), ("nl", "Er loopt geen ronde.")])
def test_where_none_is_open_it_says_so(
    language: str, words: str, looks: Looks, capsys: pytest.CaptureFixture[str]
) -> None:
    looks.said = [NOTHING]
    assert rollouts.main(["bakkerij-jansen", "--follow", "--language", language]) == 0
    assert capsys.readouterr().out == f"{words}\n"


def test_followed_in_a_pipe_it_tells_what_is_news_and_ends_when_no_rollout_is_open(
    looks: Looks, capsys: pytest.CaptureFixture[str]
) -> None:
    looks.said = [status(number=4), status(number=4), status(number=5), status(number=5), NOTHING]
    assert rollouts.main(["bakkerij-jansen", "--follow"]) == 0
    said = capsys.readouterr().out
    assert said.count("r1 (security)") == 2
    assert said.endswith("No rollout is under way.\n")
    assert looks.waited == [rollouts.SECONDS] * 4


def test_followed_in_a_terminal_it_leaves_the_last_view_standing(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    looks.said = [status(), status(), NOTHING]
    screen = terminal(monkeypatch)
    assert rollouts.main(["bakkerij-jansen", "--follow"]) == 0
    last = plain(screen).rpartition("r1 (security)")[2]
    assert "3 at work" in last and last.rstrip().endswith("No rollout is under way.")


def test_for_a_program_it_is_data(looks: Looks, capsys: pytest.CaptureFixture[str]) -> None:
    looks.said = [status(STUCK)]
    assert rollouts.main(["bakkerij-jansen", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == status(STUCK)["rollouts"]
