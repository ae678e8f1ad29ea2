"""./msp rollouts: once, followed, for a program, and what a person asks with it; what a look says is
desk/test_steering.py's.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import steering
from ansible_collections.msp.ops.plugins.plugin_utils.desk.opened import plain_entry
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import asking, events, progress
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Entry, Manifest
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import DAY, NOON, RINGS
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


# What a person asks

CUSTOMER = "bakkerij-jansen"
MANIFEST = Manifest.of([Entry("debian-12", "openssl", "amd64", "2", patch_class="security")])
WHO = ("--by", "A. de Vries", "--reason", "the till hangs")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sqlite_url: str, sqlite_store: Store) -> Store:
    """The evidence store, at night: there is no NetBox, and nothing in the environment that says where one is."""
    monkeypatch.setenv("MSP_STORE_URL", sqlite_url)
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    for name in ("NETBOX_API", "NETBOX_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def nowhere(*_some: Any, **_more: Any) -> Register:
        raise AssertionError("NetBox was asked for")

    monkeypatch.setattr(Register, "connect", nowhere)
    return sqlite_store


def opened(store: Store, plan: str = "office", days: int = 0) -> str:
    at = store.now() - days * DAY
    planned = events.Planned(at, "security", MANIFEST.hash(), at + 9 * DAY, RINGS, "timer")
    body = {"manifest": [plain_entry(entry) for entry in MANIFEST.entries]}
    stored = events.starting(CUSTOMER, plan, plan, planned, body)
    store.record_rollout(stored, fence=0)
    return stored.id


def test_where_netbox_does_not_answer_what_the_store_knows_is_shown_and_it_is_an_error(
    alone: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def down(*_some: Any, **_more: Any) -> Register:
        raise MspError("MSP-REG-002", "an answer from NetBox", "nothing", "start it")

    monkeypatch.setattr(Register, "connect", down)
    rollout = opened(alone)
    with pytest.raises(MspError) as refused:
        rollouts.main([CUSTOMER])
    assert refused.value.code == "MSP-REG-002"
    said = capsys.readouterr().out
    assert said.startswith(f"{rollout} (security): planned, 0 of 4 hosts done\n")
    assert f"manifest: {MANIFEST.hash()}" in said
    with pytest.raises(MspError):
        rollouts.main([CUSTOMER, "--json"])
    assert capsys.readouterr().out == ""  # a program gets all or nothing


def last(store: Store, rollout: str) -> events.Event:
    stored = store.rollout(rollout)
    assert stored is not None
    return events.of(stored)[-1]


def test_it_knows_what_the_playbook_knows() -> None:
    assert rollouts.ACTIONS == asking.ACTIONS


@pytest.mark.parametrize(
    ("action", "more", "kind"),
    [
        ("pause", (), events.Paused),
        ("abort", (), events.AbortAsked),
        ("approve", ("--manifest", MANIFEST.hash()), events.Approved),
    ],
)
def test_with_the_store_alone_a_person_is_heard(
    alone: Store, action: str, more: tuple[str, ...], kind: type, capsys: pytest.CaptureFixture[str]
) -> None:
    rollout = opened(alone)
    assert rollouts.main([CUSTOMER, action, *WHO, *more]) == 0
    event: Any = last(alone, rollout)
    assert (type(event), event.by, event.reason) == (kind, "A. de Vries", "the till hangs")
    said = capsys.readouterr().out
    assert said.startswith(f"{rollout}: {action} by A. de Vries: the till hangs\n")
    assert "shows it in NetBox" in said


def test_what_was_paused_is_resumed(alone: Store) -> None:
    rollout = opened(alone)
    rollouts.main([CUSTOMER, "pause", *WHO])
    assert rollouts.main([CUSTOMER, "resume", *WHO]) == 0
    assert isinstance(last(alone, rollout), events.Resumed)


def test_of_several_it_has_to_be_said_which(alone: Store, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = opened(alone, days=1), opened(alone, plan="till")
    with pytest.raises(MspError) as refused:
        rollouts.main([CUSTOMER, "pause", *WHO])
    assert refused.value.code == "MSP-PAT-142" and first in refused.value.found and second in refused.value.found
    assert rollouts.main([CUSTOMER, "pause", *WHO, "--rollout", second, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["rollout"] == second
    assert isinstance(last(alone, first), events.Planned)


def test_another_manifest_is_not_approved(alone: Store) -> None:
    rollout = opened(alone)
    with pytest.raises(MspError) as refused:
        rollouts.main([CUSTOMER, "approve", *WHO, "--manifest", "other"])
    assert refused.value.code == "MSP-PAT-072"
    assert isinstance(last(alone, rollout), events.Planned)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pause"], "say --by, --reason"),
        (["pause", "--by", "anna"], "say --reason"),
        (["approve", *WHO], "say --manifest"),
        (["pause", *WHO, "--manifest", "x"], "--manifest is what an approval approves"),
        (["pause", *WHO, "--follow"], "--follow is to look"),
        (["--by", "anna"], "say also what you ask, one of approve, pause, resume, abort"),
        (["stop", *WHO], "invalid choice"),
    ],
)
def test_who_forgets_something_is_told_and_nothing_is_recorded(
    alone: Store, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rollout = opened(alone)
    assert rollouts.main([CUSTOMER, *arguments]) == 2
    assert said in capsys.readouterr().err
    assert isinstance(last(alone, rollout), events.Planned)
