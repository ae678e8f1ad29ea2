# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drafted answers in the store: one for a ticket, one decision, and what follows from it goes out once."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import answers, codec, export, outbox, retention
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import (
    ANSWER,
    DELIVERED,
    DRAFT,
    TICKETS,
    Message,
    Outcome,
)
from ansible_collections.msp.ops.plugins.plugin_utils.tickets.records import DECLINED, RELEASED, Decision, Draft

ONE = Draft("d1", "bakery", "zammad", "17", "printer", "nl", "Zet hem uit en aan.", "it speaks of a printer")
NOTE = Message("draft:d1", "bakery", DRAFT, TICKETS, "", {"ref": "17"})
SEND = Message(answers.sending("d1"), "bakery", ANSWER, TICKETS, "", {"ref": "17", "text": ONE.text})
YES = Decision("d1", RELEASED, "Anna", "read it")


def test_a_ticket_has_one_draft_and_its_note_goes_out_once(store: Store) -> None:
    assert answers.record_draft(store, ONE, [NOTE])
    assert not answers.record_draft(store, replace(ONE, text="another"), [replace(NOTE, key="another")])

    (found,) = answers.drafts(store)
    assert replace(found.draft, made=None) == ONE
    assert (found.decision, found.sent) == (None, "")
    assert [message for message, _due, _tries in outbox.waiting(store)] == [NOTE]


def test_the_first_decision_stays_and_only_what_follows_from_it_is_told(store: Store) -> None:
    answers.record_draft(store, ONE, [])
    no = replace(YES, decision=DECLINED, by="Bert")

    assert answers.decide(store, no, []).by == "Bert"
    assert answers.decide(store, YES, [SEND]).decision == DECLINED

    assert outbox.waiting(store) == []
    (found,) = answers.drafts(store, key="d1")
    assert found.decision is not None
    assert found.decision.by == "Bert"


def test_a_draft_says_what_became_of_its_answer(store: Store) -> None:
    answers.record_draft(store, ONE, [SEND], YES)
    (claim,) = outbox.claim(store, "one")
    outbox.settle(store, claim, Outcome(claim.message.key, claim.fence, DELIVERED, ref="17"))

    (found,) = answers.drafts(store, customer="bakery")
    assert (found.sent, answers.drafts(store, customer="dentist")) == (DELIVERED, [])


def test_a_ticket_system_is_never_read_back(store: Store) -> None:
    assert answers.position(store, "zammad") is None
    for to in (5, 9, 7):
        answers.advance(store, "zammad", to)
    answers.advance(store, "other", 2)
    assert answers.position(store, "zammad") == 9


def test_retention_and_export_have_a_customers_drafts_and_nobody_elses(store: Store) -> None:
    answers.record_draft(store, ONE, [], YES)
    answers.record_draft(store, replace(ONE, key="d2", customer="dentist"), [])
    kinds = [codec.encode(record).count('"answer_') for record in export.export(store, "bakery")]
    assert kinds == [1, 1]
    removed = retention.prune(store, "bakery", 0, apply=True)
    assert (removed["answer_drafts"], removed["answer_decisions"]) == (1, 1)
    assert [one.draft.key for one in answers.drafts(store)] == ["d2"]
