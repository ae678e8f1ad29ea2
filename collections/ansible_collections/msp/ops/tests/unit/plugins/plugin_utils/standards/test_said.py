# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of a control is data: it is worded in each language, and comes out of the store as it went in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils import standards
from ansible_collections.msp.ops.plugins.plugin_utils.report.catalogue import WORDS
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.standards import said
from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue
from ansible_collections.msp.ops.plugins.plugin_utils.standards.control_schema import ABSENT
from ansible_collections.msp.ops.plugins.plugin_utils.standards.said import Phrase, Text, phrase

NL, EN = Words("nl"), Words("en")


def test_a_phrase_is_worded_in_each_language_and_what_a_host_wrote_stays() -> None:
    text = phrase("line", about="maxauthtries", text=phrase("at_most", value="4"))
    assert said.worded(text, EN) == said.english(text) == "maxauthtries: at most 4"
    assert said.worded(text, NL) == "maxauthtries: hoogstens 4"
    assert said.worded("no route to host", NL) == "no route to host"


def test_several_texts_are_joined_as_the_language_does() -> None:
    values: list[Text] = ["1", phrase("no")]
    assert said.worded(said.several(said.ANY, values), NL) == "1 of nee"
    assert said.worded(said.several(said.ALL, values), EN) == "1, no"
    assert said.worded(said.several(said.LINES, values), EN) == "1; no"


def test_what_is_there_in_both_languages_is_kept_in_both() -> None:
    text = said.both({"nl": "er is geen ssh-server", "en": "there is no ssh server"})
    assert said.read(said.kept(text)) == text
    assert (said.worded(text, NL), said.worded(text, EN)) == ("er is geen ssh-server", "there is no ssh server")


def test_a_key_that_is_missing_is_a_defect() -> None:
    with pytest.raises(KeyError):
        phrase("no_such_words")


TEXTS = st.recursive(
    st.text(max_size=20),
    lambda inner: (
        st.builds(lambda what: phrase("also", what=what), inner)
        | st.builds(said.several, st.sampled_from([said.ALL, said.ANY, said.LINES]), st.lists(inner, max_size=4))
    ),
    max_leaves=10,
)


@pytest.mark.thorough
@settings(max_examples=60, deadline=None)
@given(text=TEXTS.filter(lambda text: isinstance(text, Phrase)))
def test_a_phrase_comes_out_of_a_record_as_it_went_in_and_can_be_shown(text: Text) -> None:
    assert said.read(said.kept(text)) == text
    for words in (NL, EN):
        shown = said.worded(text, words)
        assert len(shown) <= said.LONGEST and (shown.isprintable() or not shown)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "permitrootlogin: no",
        '["',
        '["also"]',
        '["also",{}]',
        '["also",{"what":1}]',
        '["also",["x"]]',
        '["no_such_words",{"what":"x"}]',
        '["both",{"en":"x"}]',
        '["also",{"what":["no_such_words",{}]}]',
        '["' * 20_000,
        "[" * 20_000,
    ],
)
def test_what_is_no_phrase_of_ours_stands_for_itself(text: str) -> None:
    assert said.read(text) == text


def test_of_very_many_values_no_more_is_kept_than_can_be_shown() -> None:
    text = said.several(said.ALL, [f"package-{number}" for number in range(100_000)])
    assert len(said.kept(text)) < 2000
    assert len(said.english(text)) == said.LONGEST and said.english(text).endswith("...")


def about() -> set[str]:
    """The keys of everything that a control of ours checks, but for what its own name says."""
    checks = [check for one in catalogue().values() for check in one.checks]
    checks += [when.check for one in catalogue().values() for when in one.not_applicable_when]
    checks += [decision.check for one in catalogue().values() for decision in one.decide_when]
    found = set()
    for check in checks:
        field = "" if check.field in ("", "value") or check.rule == ABSENT else f".{check.field}"
        if field or not {"name", "path", "paths"} & set(check.probe):
            found.add(f"said.about.{check.probe['kind']}{field}")
    return found


def test_everything_that_a_control_checks_has_its_words_and_nothing_else_has() -> None:
    assert {key for key in WORDS if key.startswith("said.about.")} == about()


def test_every_other_key_is_said() -> None:
    files = [Path(path) / name for path in standards.__path__ for name in ("said.py", "rules.py", "judging.py")]
    files += [Path(path) / "scanning.py" for path in standards.__path__]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    keys = {key.removeprefix("said.") for key in WORDS if key.startswith("said.") and key not in about()}
    assert {key for key in keys if not re.search(rf'"(said\.)?{key}"|f"{key.rpartition(".")[0]}\.\{{', text)} == set()
