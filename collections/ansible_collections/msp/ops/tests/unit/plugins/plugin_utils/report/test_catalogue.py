# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Both languages say the same things, and all that is said is in the catalogue."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils import (
    access,
    offboarding,
    patching,
    reconciliation,
    report,
    standards,
    telling,
    tickets,
    verification,
)
from ansible_collections.msp.ops.plugins.plugin_utils.report.catalogue import LANGUAGES, WORDS
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words

PLACES = [
    Path(path)
    for package in (
        *(access, offboarding, patching, reconciliation, report, standards, telling, tickets, verification),
    )
    for path in package.__path__
]


def fields(sentence: str) -> set[str]:
    return {name for _text, name, _spec, _conversion in string.Formatter().parse(sentence) if name}


def test_every_sentence_is_there_in_every_language_with_the_same_values() -> None:
    assert [
        k for k, s in WORDS.items() if len(s) != len(LANGUAGES) or len({frozenset(fields(x)) for x in s}) != 1
    ] == []
    assert [k for k, s in WORDS.items() if not all(x.strip() == x and x for x in s)] == []


def test_whatever_has_a_form_for_one_has_a_form_for_many() -> None:
    ones, manies = ({k.rpartition(".")[0] for k in WORDS if k.endswith(end)} for end in (".one", ".many"))
    assert ones == manies


def code() -> str:
    """All code and templates that speak, without the catalogue itself."""
    files = (path for place in PLACES for path in place.rglob("*") if path.suffix in (".py", ".j2"))
    return "\n".join(path.read_text() for path in files if path.name != "catalogue.py")


def test_every_key_that_is_said_is_in_the_catalogue() -> None:
    said = set(re.findall(r'\bt(?:\.count)?\(\s*"([a-z_.]*[a-z_])"', code()))
    assert len(said) > 50
    assert {key for key in said if not {key, f"{key}.one"} & set(WORDS)} == set()


@pytest.mark.thorough
def test_every_key_of_the_catalogue_is_said_as_it_is_or_by_its_beginning() -> None:
    text = code()

    def is_said(key: str) -> bool:
        key = key.removesuffix(".one").removesuffix(".many")
        beginning = key.rpartition(".")[0]
        return any(f'"{words}' in text for words in (f'{key}"', f'{beginning}"', f"{beginning}."))

    # What is said of controls has a test of its own: standards/test_said.py.
    assert [key for key in WORDS if not key.startswith("said.") and not is_said(key)] == []


def test_a_value_with_braces_stays_as_it_is() -> None:
    assert Words("en")("question.in_use", name="{since} {{ x }}") == (
        "We could not check {since} {{ x }}. Is it still in use?"
    )


def test_a_number_chooses_its_form() -> None:
    t = Words("nl")
    assert t.count("summary.all", 1) == "Uw contract noemt 1 apparaat."
    assert t.count("summary.all", 0) == "Uw contract noemt 0 apparaten."


def test_a_word_that_is_not_ours_stays_as_it_is() -> None:
    assert (Words("nl").name("source", "nmap"), Words("nl").name("source", "my-scanner")) == (
        "netwerkscan",
        "my-scanner",
    )


def test_a_key_that_is_missing_is_a_defect() -> None:
    with pytest.raises(KeyError):
        Words("nl")("no.such.key")
