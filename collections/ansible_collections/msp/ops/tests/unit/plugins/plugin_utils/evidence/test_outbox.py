# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The outbox: told twice is told once; one delivers each message; none is lost, none is tried for ever."""

from __future__ import annotations

import datetime as dt
import json
import threading
from dataclasses import replace

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import codec, export, outbox, retention
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import (
    DELIVERED,
    FAILED,
    GIVEN_UP,
    LINE,
    REFUSED,
    TEXT,
    Claim,
    Message,
    Outcome,
)

ONE = Message("k1", "bakery", TEXT, "desk", "Disk full on till", {"text": "full", "lines": ["a", "b"]})
TWO = replace(ONE, key="k2", customer="dentist")
MINUTE = dt.timedelta(minutes=1)


def ended(claim: Claim, outcome: str, ref: str = "", reason: str = "") -> Outcome:
    return Outcome(claim.message.key, claim.fence, outcome, ref, reason)


def test_what_is_put_in_comes_out_as_it_was_once_however_often_it_is_put_in(store: Store) -> None:
    assert outbox.put(store, [ONE, TWO]) == 2
    assert outbox.put(store, [ONE, replace(TWO, subject="told in other words")]) == 0

    claims = outbox.claim(store, "one")

    assert [claim.message for claim in claims] == [ONE, TWO]
    assert [claim.tries for claim in claims] == [1, 1]
    assert outbox.put(store, []) == 0


def test_a_message_that_one_delivers_is_nobody_elses_until_the_claim_runs_out(store: Store) -> None:
    outbox.put(store, [ONE])
    (late,) = outbox.claim(store, "one", seconds=0)
    (taken,) = outbox.claim(store, "two")

    assert taken.fence == late.fence + 1
    assert outbox.claim(store, "three") == []
    assert not outbox.settle(store, late, ended(late, REFUSED))
    assert not outbox.put_back(store, late, MINUTE, "no answer", counts=True)
    assert outbox.outcomes(store, "k1") == []
    assert outbox.settle(store, taken, ended(taken, DELIVERED, ref="17"))
    assert outbox.claim(store, "four", seconds=0) == []


def test_a_delivery_that_is_told_late_still_counts_so_that_nobody_delivers_it_again(store: Store) -> None:
    outbox.put(store, [ONE])
    (late,) = outbox.claim(store, "one", seconds=0)
    (taken,) = outbox.claim(store, "two", seconds=0)

    assert outbox.settle(store, late, ended(late, DELIVERED))

    assert not outbox.put_back(store, taken, MINUTE, "no answer", counts=True)
    assert outbox.claim(store, "three") == []
    assert [one.outcome for one in outbox.outcomes(store, "k1")] == [DELIVERED]


def test_the_lines_of_one_customer_for_one_channel_are_claimed_together_and_no_others(store: Store) -> None:
    line = replace(ONE, kind=LINE)
    other = replace(line, key="k9", channel="chat")
    later = replace(line, key="k8", not_before=store.now() + MINUTE)
    outbox.put(store, [replace(line, key=f"k{number}") for number in range(3)])
    outbox.put(store, [other, later, replace(line, key="k7", customer="dentist"), replace(ONE, key="k6")])

    assert [claim.message.key for claim in outbox.claim(store, "one", limit=1)] == ["k0", "k1", "k2"]
    assert [claim.message.key for claim in outbox.claim(store, "two", limit=9)] == ["k6", "k7", "k9"]


def test_what_is_put_back_is_due_later_and_says_why(store: Store) -> None:
    outbox.put(store, [ONE])
    (taken,) = outbox.claim(store, "one")
    assert outbox.put_back(store, taken, MINUTE, "no answer", counts=True)

    assert outbox.claim(store, "one") == []
    ((message, due, tries),) = outbox.waiting(store)
    assert (message, tries) == (ONE, 1)
    assert due > store.now()
    (outcome,) = outbox.outcomes(store, "k1")
    assert (outcome.outcome, outcome.reason) == (FAILED, "no answer")


def test_who_was_only_asked_to_come_back_later_has_not_tried(store: Store) -> None:
    outbox.put(store, [ONE])
    (first,) = outbox.claim(store, "one")
    outbox.put_back(store, first, dt.timedelta(0), "busy", counts=False)
    (again,) = outbox.claim(store, "one")

    assert (again.tries, again.fence) == (1, first.fence + 1)
    assert outbox.outcomes(store, "k1") == []


def test_what_is_not_due_yet_is_not_delivered(store: Store) -> None:
    outbox.put(store, [replace(ONE, not_before=store.now() + MINUTE), replace(TWO, not_before=store.now() - MINUTE)])
    assert [claim.message.key for claim in outbox.claim(store, "one")] == ["k2"]


@pytest.mark.parametrize("outcome", [REFUSED, GIVEN_UP])
def test_what_was_refused_or_given_up_is_over_and_says_why(store: Store, outcome: str) -> None:
    outbox.put(store, [ONE])
    (taken,) = outbox.claim(store, "one", seconds=0)
    assert outbox.settle(store, taken, ended(taken, outcome, reason="nobody lives there"))
    assert outbox.waiting(store) == []
    (found,) = outbox.outcomes(store, "k1")
    assert (found.outcome, found.reason) == (outcome, "nobody lives there")


def test_of_many_who_deliver_at_once_each_message_goes_to_one(store: Store) -> None:
    wanted = [replace(ONE, key=f"k{number:02}") for number in range(30)]
    outbox.put(store, wanted)
    start = threading.Barrier(5)
    got: list[str] = []

    def attempt(holder: str) -> None:
        start.wait()
        while claims := outbox.claim(store, holder, limit=4):
            got.extend(claim.message.key for claim in claims)

    threads = [threading.Thread(target=attempt, args=(f"worker {number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got) == [one.key for one in wanted]


def test_retention_takes_what_is_over_and_leaves_what_is_not(store: Store) -> None:
    outbox.put(store, [ONE, replace(ONE, key="k3"), TWO])
    (taken,) = [claim for claim in outbox.claim(store, "one", seconds=0) if claim.message.key == "k1"]
    outbox.settle(store, taken, ended(taken, DELIVERED))

    removed = retention.prune(store, "bakery", 0, apply=True)

    assert (removed["messages"], removed["message_outcomes"]) == (1, 1)
    assert [message.key for message, _due, _tries in outbox.waiting(store)] == ["k2", "k3"]
    assert [message.key for message, _due, _tries in outbox.waiting(store, "bakery")] == ["k3"]


def test_a_customers_messages_are_exported_with_what_became_of_them_and_nobody_elses(store: Store) -> None:
    outbox.put(store, [ONE, TWO])
    for claim in outbox.claim(store, "one"):
        outbox.settle(store, claim, ended(claim, DELIVERED, ref=claim.message.customer))
    lines = [json.loads(codec.encode(record)) for record in export.export(store, "bakery")]
    told = {line["kind"]: line["data"] for line in lines}
    assert set(told) == {"message", "message_outcome"}
    assert (told["message"]["key"], told["message_outcome"]["ref"]) == ("k1", "bakery")
    assert export.customers(store) == ["bakery", "dentist"]
