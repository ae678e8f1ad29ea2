# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which known problem a ticket fits: measured on tickets nothing was tuned on; none when it is not certain."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.tickets import language, matching
from ansible_collections.msp.ops.plugins.plugin_utils.tickets.catalogue import known
from ansible_collections.msp.ops.plugins.plugin_utils.tickets.records import Asked

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
NONE = "none"
HERE = Path(__file__).parent


def asked(text: str, title: str = "") -> Asked:
    return Asked("1", "bakery", title, text, AT)


def labelled(name: str) -> Iterator[tuple[str, Asked]]:
    data = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))
    yield from ((problem, asked(text, title)) for problem, pairs in data.items() for title, text in pairs)


def matched(ticket: Asked) -> str:
    found = matching.matcher().match(ticket)
    return found.problem if found else NONE


def test_of_tickets_that_nothing_was_tuned_on_hardly_one_gets_a_wrong_answer() -> None:
    outcomes: Counter[str] = Counter()
    for problem, ticket in labelled("held_out.yml"):
        found = matched(ticket)
        outcomes["wanted"] += problem != NONE
        outcomes["drafted"] += found != NONE
        outcomes["right"] += found == problem != NONE
    precision, recall = outcomes["right"] / outcomes["drafted"], outcomes["right"] / outcomes["wanted"]
    print(
        f"precision {precision:.3f}, recall {recall:.3f}, of {outcomes['wanted']} that fit and all others: {outcomes}"
    )
    assert precision >= 0.97
    assert recall >= 0.9


@pytest.mark.parametrize("name", ["tuning.yml", "held_out.yml"])
def test_the_labelled_tickets_have_every_problem_and_many_that_fit_none(name: str) -> None:
    counts = Counter(problem for problem, _ticket in labelled(name))
    assert set(counts) == {*known(), NONE}
    assert counts[NONE] * 2 >= len(known())


def test_the_tickets_of_the_tuning_all_come_out_right() -> None:
    assert [ticket.text for problem, ticket in labelled("tuning.yml") if matched(ticket) != problem] == []


@pytest.mark.parametrize("problem", list(known()))
def test_every_wording_of_a_problem_comes_to_that_problem(problem: str) -> None:
    for wordings in known()[problem].wordings.values():
        assert {matched(asked(wording)) for wording in wordings} == {problem}


@pytest.mark.parametrize(
    "text",
    [
        "De printer doet het niet en mijn wachtwoord is verlopen",
        "My mailbox is full. Also the VPN does not connect.",
        "De VPN werkt niet en de printer print niet",
    ],
)
def test_a_ticket_about_two_problems_gets_no_answer_to_one_of_them(text: str) -> None:
    assert matched(asked(text)) == NONE


@pytest.mark.parametrize(
    "text",
    [
        "Bedankt, gelukt!\n\nOp 3 maart 2026 om 10:00 schreef Helpdesk:\n> De printer doet het niet",
        "See below.\n-- \nThe printer is not working",
        "Prima.\nMet vriendelijke groet,\nPiet (de VPN werkt niet)",
    ],
)
def test_what_is_quoted_and_what_stands_below_a_signature_is_not_the_question(text: str) -> None:
    assert matched(asked(text)) == NONE


@given(st.text(max_size=300), st.text(max_size=60))
def test_whatever_somebody_writes_is_matched_or_not_and_never_fails(text: str, title: str) -> None:
    found = matching.matcher().match(asked(text, title))
    assert found is None or found.score >= matching.ENOUGH
    assert found is None or found.score - found.second >= matching.MARGIN


WORDS = sorted({word for one in known().values() for group in one.needs for word in group})


@pytest.mark.thorough
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=30))
def test_words_alone_never_bring_about_an_answer_that_is_not_clear(words: list[str]) -> None:
    found = matching.matcher().match(asked(" ".join(words)))
    if found is not None:
        problem = known()[found.problem]
        said = matching.words(" ".join(words))
        assert all(
            any(one.startswith(matching.folded(word)) for one in said for word in group) for group in problem.needs
        )
        assert not said & {word for word in problem.unless if len(word) < matching.WHOLE}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("De printer doet het niet", "nl"),
        ("The printer is not working", "en"),
        ("VPN", "xx"),
        ("printer offline", "xx"),
        ("Hallo, kunnen jullie mijn password resetten?", "nl"),
        ("My Bureaublad is not there any more", "en"),
    ],
)
def test_the_language_is_the_requesters_where_it_is_plain_and_else_the_customers(text: str, wanted: str) -> None:
    assert language.of(asked(text), "xx") == wanted


def test_of_the_labelled_tickets_no_language_is_taken_for_the_other() -> None:
    for name, one in known().items():
        for spoken, wordings in one.wordings.items():
            found = {language.of(asked(wording), spoken) for wording in wordings}
            assert found == {spoken}, name
