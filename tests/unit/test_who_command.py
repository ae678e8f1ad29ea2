"""./msp who refuses what nothing can be called, before it asks anybody. What it answers is in tests/test_who.py."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import who as desk
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
