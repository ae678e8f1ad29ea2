"""./msp who refuses what nothing can be called, before it asks anybody. What it answers is in tests/test_who.py."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import who as desk
from ansible_collections.msp.ops.plugins.plugin_utils.standards.lately import Lately
from msp_cli import who


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The terms that NetBox and store were asked for; both know nothing."""
    terms: list[str] = []

    def answer(term: str, *_others: object) -> desk.Found:
        terms.append(term)
        return desk.Found()

    monkeypatch.setattr(desk, "who", answer)
    return terms


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("", "nothing"),
        ("   ", "nothing but space"),
        ("\t\n", "nothing but space"),
        ("x" * 256, "256 characters"),
        ("\udcff\udcfe", "other bytes"),  # as Python hands on an argument that is not in UTF-8
    ],
)
def test_a_term_that_nothing_can_be_called_is_refused_and_nobody_is_asked(
    term: str, found: str, asked: list[str]
) -> None:
    with pytest.raises(MspError) as refused:
        who.main([term])

    assert refused.value.code == "MSP-CLI-007"
    assert refused.value.found.startswith(found)
    assert asked == []


@pytest.mark.parametrize("term", ["x", "x" * 255, " x "])
def test_any_other_is_asked_for_without_the_space_around_it(term: str, asked: list[str]) -> None:
    assert who.main([term]) == who.NOTHING_FOUND

    assert asked == [term.strip()]


def test_how_it_stands_against_its_standard_is_a_line_and_a_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at = dt.datetime(2026, 11, 20, 9, 30, tzinfo=dt.UTC)
    standard = Lately("linux-server", "1.0", "unknown", at, drift=("banner",), why="the last check ended with failed")
    answer = desk.Answer("bakery", "Bakery", "till", "contracted", None, None, (), None, None, standard=standard)
    monkeypatch.setattr(desk, "who", lambda *_asked: desk.Found([answer]))

    assert who.main(["till"]) == 0
    said = capsys.readouterr().out
    line = "linux-server 1.0: unknown, the last check ended with failed; checked 2026-11-20 09:30 UTC"
    assert f"  standard   {line}\n" in said
    assert who.main(["till", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["answers"]
    assert told["standard"]["drift"] == ["banner"]
    assert told["standard"]["checked"] == "2026-11-20T09:30:00+00:00"
