"""What a host, a source or NetBox says reaches a terminal as characters, and nothing in it is obeyed there."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards.software_set import Package
from ansible_collections.msp.ops.plugins.plugin_utils.desk import software as software_desk
from ansible_collections.msp.ops.plugins.plugin_utils.desk import who as desk
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching.progress_lines import one_line
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.words import plain
from ansible_collections.msp.ops.plugins.plugin_utils.standards.lately import Lately
from ansible_collections.msp.ops.tests.unit.hostile import TEXTS, anything, places, put
from msp_cli import __main__ as entry
from msp_cli import console, software, who

AT = dt.datetime(2026, 11, 20, 9, 30, tzinfo=dt.UTC)
STANDARD = Lately("linux-server", "1.0", "unknown", AT, drift=("banner",), why="the last check failed")
ANSWER = desk.Answer("bakery", "Bakery", "till", "contracted", None, None, (), None, None, standard=STANDARD)
RUNS = software_desk.Runs("bakery", "device:1", "srv1", Package("ssl", "3.0", "amd64", "Debian"), "debian-12", AT)


def obeyed(text: str) -> set[str]:
    return {character for character in text if not character.isprintable() and character != "\n"}


@pytest.mark.parametrize("text", TEXTS)
def test_who(text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    plain_lines = len(who._text("till", desk.Found([ANSWER])).splitlines())
    for place in places(ANSWER):
        found = desk.Found([put(ANSWER, place, text)])
        monkeypatch.setattr(desk, "who", lambda *_asked, found=found: found)

        who.main(["till"])
        said = capsys.readouterr().out
        assert obeyed(said) == set()
        assert len(said.splitlines()) <= plain_lines

        who.main(["till", "--json"])
        said = capsys.readouterr().out
        assert obeyed(said) == set()
        json.loads(said)


@pytest.mark.parametrize("text", TEXTS)
def test_a_store_or_a_netbox_that_fails_with_strange_words(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = MspError("MSP-REG-002", "an answer", text, "look")
    monkeypatch.setattr(desk, "who", lambda *_asked: desk.Found(silent={"NetBox": error}))

    assert who.main(["till"]) == 1

    said = capsys.readouterr()
    assert obeyed(said.out + said.err) == set()
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("text", TEXTS)
def test_software(text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class NoStore:
        def __enter__(self) -> None:
            return None

        def __exit__(self, *_error: object) -> None:
            return None

    monkeypatch.setattr(Store, "open", lambda **_options: NoStore())
    for place in places(RUNS):
        answer = software_desk.Answer("ssl", (put(RUNS, place, text),), 1, 2)
        monkeypatch.setattr(software_desk, "who_runs", lambda *_asked, answer=answer: answer)
        for more in ([], ["--json"]):
            software.main(["ssl", *more])
            assert obeyed(capsys.readouterr().out) == set()


@pytest.mark.parametrize("text", TEXTS)
def test_an_error_of_ours(text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(_arguments: object) -> int:
        raise MspError("MSP-REG-002", "an answer", text, "look")

    monkeypatch.setattr(who, "main", fails)

    assert entry.main(["who", "x"]) == 1
    assert obeyed(capsys.readouterr().err) == set()


@pytest.mark.thorough
@given(text=anything)
def test_tables_and_json_of_any_text(text: str) -> None:
    shown = console.table(["a", "b"], [[text, 1], ["x", text]])
    assert obeyed(shown) == set()
    assert len(shown.splitlines()) <= 4

    said = console.as_json({text: [text]})
    assert obeyed(said) == set()
    assert json.loads(said) == {text: [text]}


@given(text=anything)
def test_progress_is_one_line(text: str) -> None:
    assert "\n" not in one_line(text)
    assert obeyed(one_line(text)) == set()


@given(text=anything)
def test_a_journal_entry_has_no_words_that_markdown_takes_for_more(text: str) -> None:
    said = plain(text)
    assert obeyed(said) == set()
    assert "\n" not in said
    assert not set(said) & set("`*_#<>[]|\\!~")
