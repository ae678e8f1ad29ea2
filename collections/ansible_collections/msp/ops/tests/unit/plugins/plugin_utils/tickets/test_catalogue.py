# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The known problems: each whole, in both languages, without promises; and a wrong one refuses them all."""

from __future__ import annotations

import re

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.tickets.catalogue import PLACE, known, load

PROMISES = re.compile(
    r"\b(guarantee|garander|within \d|binnen \d|will be solved|wordt opgelost|vandaag nog|immediately|asap)",
    re.IGNORECASE,
)


def test_there_is_a_first_dozen() -> None:
    assert len(known()) == len(list(PLACE.glob("*.yml"))) == 12


@pytest.mark.parametrize("name", list(known()))
def test_an_answer_is_short_polite_and_promises_nothing_in_both_languages(name: str) -> None:
    problem = known()[name]
    for spoken, greeting, ending in (("nl", "Goedendag,", "Met vriendelijke groet"), ("en", "Hello,", "Kind regards")):
        answer = problem.answer[spoken]
        assert answer.startswith(greeting)
        assert answer.endswith(ending)
        assert len(answer) < 900
        assert not PROMISES.search(answer)
        assert not re.search(r"https?://|[<>{}]", answer)
    dutch, english = (answer.count("\n\n") for answer in problem.answer.values())
    assert dutch == english


@pytest.mark.parametrize("name", ["account_locked", "new_phone_mfa", "phishing_reported", "mailbox_full"])
def test_where_secrets_are_near_an_answer_never_asks_for_one(name: str) -> None:
    for answer in known()[name].answer.values():
        assert not re.search(
            r"(send|stuur|geef|give us|reply with)[^.]*(wachtwoord|password|\bcode\b)", answer, re.IGNORECASE
        )


@pytest.mark.parametrize(
    ("before", "after"),
    [("needs:", "need:"), ("answer:", "answers:"), ("Goedendag,", ""), ("wordings:", "wordings: [")],
)
def test_one_that_is_not_whole_refuses_all_with_its_file_named(before: str, after: str) -> None:
    texts = {file.stem: file.read_text(encoding="utf-8") for file in PLACE.glob("*.yml")}
    if not after:
        texts["vpn"] = re.sub(r"  nl: \|\n(    .*\n|\n)+", "  nl: short\n", texts["vpn"])
    else:
        texts["vpn"] = texts["vpn"].replace(before, after)
    with pytest.raises(MspErrors) as caught:
        load(texts)
    assert {error.code for error in caught.value.errors} == {"MSP-TIC-004"}
    assert "vpn.yml" in str(caught.value)
