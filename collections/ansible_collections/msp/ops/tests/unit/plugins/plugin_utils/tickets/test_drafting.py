# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A draft goes out after a person released it, or where the customer's policy names its problem; never otherwise."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import DELIVERED, FAILED, GIVEN_UP, REFUSED
from ansible_collections.msp.ops.plugins.plugin_utils.tickets import drafting
from ansible_collections.msp.ops.plugins.plugin_utils.tickets.catalogue import known
from ansible_collections.msp.ops.plugins.plugin_utils.tickets.records import (
    DECISIONS,
    DECLINED,
    EDITED,
    ENDED,
    GOING,
    RELEASED,
    SENT,
    STUCK,
    WAITING,
    Asked,
    Decision,
    Match,
    Standing,
)

ASKED = Asked("17", "bakery", "VPN van Piet", "Piet zijn vpn werkt niet", dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
MATCH = Match("vpn", 0.7, 0.1)
GUIDES = {"vpn": "https://example.com/vpn"}
DRAFT = drafting.drafted(ASKED, MATCH, known()["vpn"], source="zammad", language="nl", guides=GUIDES)
YES = Decision(DRAFT.key, RELEASED, "Anna", "")


def test_a_draft_has_the_answer_in_the_requesters_language_with_the_guide_and_nothing_of_what_was_asked() -> None:
    assert DRAFT.text.startswith("Goedendag,")
    assert DRAFT.text.endswith("De handleiding vindt u hier: https://example.com/vpn")
    assert "Piet" not in f"{DRAFT}"
    without = drafting.drafted(ASKED, MATCH, known()["vpn"], source="zammad", language="en", guides={})
    assert without.text == known()["vpn"].answer["en"]


def test_a_ticket_has_one_key_whatever_it_is_called_now() -> None:
    again = drafting.drafted(
        replace(ASKED, title="x"), MATCH, known()["printer"], source="zammad", language="en", guides={}
    )
    other = drafting.drafted(ASKED, MATCH, known()["vpn"], source="another", language="nl", guides={})
    assert again.key == DRAFT.key != other.key


def test_the_note_says_that_it_is_not_sent_and_how_it_would_be_and_which_runbook_may_help() -> None:
    disk = known()["disk_full"]
    note = drafting.note(replace(DRAFT, problem="disk_full"), disk, None).body["text"]
    assert "It is not sent" in note
    assert f"-e release={DRAFT.key}" in note
    assert "runbook disk_full" in note
    assert note.endswith(DRAFT.text)
    assert "It is not sent" not in drafting.note(DRAFT, disk, drafting.by_policy(DRAFT, ("vpn",))).body["text"]


@given(st.lists(st.sampled_from(sorted(known()))))
def test_a_policy_decides_of_nothing_that_it_does_not_name(named: list[str]) -> None:
    decided = drafting.by_policy(DRAFT, tuple(named))
    assert (decided is not None) == ("vpn" in named)
    assert decided is None or (decided.decision, decided.by) == (RELEASED, drafting.POLICY)


@given(st.sampled_from(DECISIONS), st.text(max_size=20))
def test_only_a_release_sends_and_it_sends_what_was_released(decision: str, text: str) -> None:
    told = drafting.answer(DRAFT, replace(YES, decision=decision, text=text), "answer:1")
    assert len(told) == (decision in (RELEASED, EDITED))
    assert all(one.body == {"ref": "17", "text": text or DRAFT.text} for one in told)


@pytest.mark.parametrize(
    ("text", "decision", "kept"),
    [("", RELEASED, ""), ("  \n", RELEASED, ""), (DRAFT.text + "\n", RELEASED, ""), ("Anders.", EDITED, "Anders.")],
)
def test_a_person_releases_it_as_it_is_or_with_another_text(text: str, decision: str, kept: str) -> None:
    made = drafting.released(Standing(DRAFT), "Anna", "", text)
    assert (made.decision, made.text) == (decision, kept)


def test_what_was_decided_is_decided_and_nobody_decides_without_a_name() -> None:
    for decide in (functools.partial(drafting.released, text=""), drafting.refused):
        with pytest.raises(MspError, match="MSP-TIC-006"):
            decide(Standing(DRAFT, YES), by="Bert", reason="")
        with pytest.raises(MspError, match="MSP-TIC-005"):
            decide(Standing(DRAFT), by="  ", reason="")
    with pytest.raises(MspError, match="MSP-TIC-007"):
        drafting.released(Standing(DRAFT), "Anna", "", "x" * (drafting.LONGEST + 1))


@pytest.mark.parametrize(
    ("decision", "sent", "state"),
    [
        (None, "", WAITING),
        (RELEASED, "", GOING),
        (EDITED, FAILED, GOING),
        (RELEASED, DELIVERED, SENT),
        (RELEASED, REFUSED, STUCK),
        (RELEASED, GIVEN_UP, STUCK),
        (DECLINED, "", ENDED),
    ],
)
def test_where_a_draft_stands(decision: str | None, sent: str, state: str) -> None:
    standing = Standing(DRAFT, None if decision is None else replace(YES, decision=decision), sent, "why")
    assert drafting.state(standing) == state
    assert drafting.as_dict(standing)["state"] == state
