# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The open questions."""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.plugin_utils.report.catalogue import WORDS
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.verification.page import sentence
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import asset, small_office


def test_questions_are_numbered_from_one_and_start_with_what_is_not_in_the_contract() -> None:
    asked = small_office().verification().questions
    assert [q.number for q in asked] == list(range(1, len(asked) + 1))
    assert [q.kind for q in asked[:2]] == ["unlisted", "unlisted"]


def test_every_kind_of_trouble_is_asked_about() -> None:
    kinds = {q.kind for q in small_office().verification().questions}
    assert kinds >= {
        *("unlisted", "never_seen", "in_use", "differs_hostname"),
        *("warranty_ending", "warranty_expired", "warranty_disagree", "os_ended"),
    }


def test_of_an_absent_asset_nothing_is_asked_but_whether_it_is_used() -> None:
    asked = small_office().verification().questions
    assert [q.kind for q in asked if q.subject == "device:4"] == ["never_seen"]


def test_an_ended_asset_that_is_still_seen_is_asked_about() -> None:
    made = small_office()
    made.assets = [asset(9, "old-nas", status="ended", macs=("b8:27:eb:4a:10:9c",))]
    assert [q.kind for q in made.verification().questions if q.subject == "device:9"] == ["ended"]


def test_every_question_is_a_question_in_both_languages() -> None:
    for language in ("nl", "en"):
        made = small_office(language)
        verification = made.verification()
        for question in verification.questions:
            words = sentence(question, Words(language), Formats(language, verification.zone))
            assert words.endswith("?") and "None" not in words and "{" not in words


def test_every_question_in_the_catalogue_ends_in_a_question_mark() -> None:
    assert [key for key, words in WORDS.items() if key.startswith("question.") for w in words if w[-1] != "?"] == []
