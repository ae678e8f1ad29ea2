# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A result is told once; what cannot be told now is told later; a channel that is not set up holds up nobody else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk import telling
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import outbox
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.telling import policy, retrying
from ansible_collections.msp.ops.plugins.plugin_utils.telling.addresses import Secrets
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import (
    DELIVERED,
    FAILED,
    GAVE_UP,
    GIVEN_UP,
    MENDED,
    REFUSED,
    Message,
    Result,
)
from tests.post import Mailbox, mail_server
from tests.stand_in_zammad import TOKEN, StandInZammad, stand_in_zammad

AT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
RESULT = Result("run1", "bakery", GAVE_UP, "disk full", "till", AT, reason="what grew is not in the policy")
FILE = """
channels: {{desk: {{environment: DESK}}, own: {{environment: OWN}}}}
tickets: {{system: zammad, url: "{url}", token: {{environment: ZAMMAD}}, group: Service Desk}}
default: {{language: en, time_zone: UTC, gave_up: [desk], mended: [desk]}}
customers: {{bakery: {{gave_up: [desk, tickets], requester: it@bakery.example}}, dentist: {{gave_up: [tickets]}}}}
"""


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A mail server, and an apprise that does not pause between mails."""
    from apprise.plugins.email import NotifyEmail

    monkeypatch.setattr(NotifyEmail, "request_rate_per_sec", 0)
    with mail_server() as running:
        yield running


@pytest.fixture
def there() -> Iterator[StandInZammad]:
    with stand_in_zammad() as running:
        yield running


@pytest.fixture
def store(sqlite_template: bytes, tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "evidence.db").write_bytes(sqlite_template)
    with Store.open(f"sqlite:///{tmp_path}/evidence.db") as opened:
        yield opened


class Desk:
    """A policy and its channels, and a way to make whatever waits due now."""

    def __init__(self, store: Store, mailbox: Mailbox, there: StandInZammad) -> None:
        self.store = store
        self.policy = policy.read(FILE.format(url=there.url), "telling.yml")
        self.environment = {"DESK": mailbox.address("desk@example.com"), "ZAMMAD": TOKEN}

    def deliver(self) -> telling.Counts:
        channels = telling.Channels(self.policy, Secrets(str, "", self.environment))
        return telling.deliver(self.store, self.policy, channels, chance=lambda: 0.0)

    def tell(self, result: Result) -> int:
        return telling.tell(self.store, self.policy, result)

    def outcomes(self, key: str) -> list[str]:
        return [one.outcome for one in outbox.outcomes(self.store, key)]


@pytest.fixture
def desk(store: Store, mailbox: Mailbox, there: StandInZammad) -> Desk:
    return Desk(store, mailbox, there)


def test_what_gave_up_goes_to_people_and_to_a_ticket_once(desk: Desk, mailbox: Mailbox, there: StandInZammad) -> None:
    assert desk.tell(RESULT) == 2
    assert desk.tell(RESULT) == 0

    assert desk.deliver() == telling.Counts(delivered=2)
    assert desk.deliver() == telling.Counts()

    (mail,) = mailbox.received
    assert b"what grew is not in the policy" in mail.content
    (ticket,) = there.tickets.values()
    assert (ticket["title"], ticket["customer"]) == ("till: disk full needs an engineer", "it@bakery.example")
    assert outbox.outcomes(desk.store, "run1:tickets")[0].ref == str(ticket["id"])


def test_what_was_mended_in_a_day_is_one_mail_for_a_customer(desk: Desk, mailbox: Mailbox) -> None:
    for number in range(3):
        desk.tell(replace(RESULT, key=f"run{number}", outcome=MENDED, at=AT + number * dt.timedelta(minutes=1)))
    desk.tell(replace(RESULT, key="run9", outcome=MENDED, customer="dentist"))

    assert desk.deliver() == telling.Counts(delivered=4)

    subjects = sorted(line for mail in mailbox.received for line in mail.content.splitlines() if b"Subject:" in line)
    assert subjects == [
        b"Subject: bakery: 3 problems mended by themselves",
        b"Subject: dentist: 1 problem mended by itself",
    ]


def test_a_ticket_is_not_opened_twice_where_the_answer_was_lost(desk: Desk, there: StandInZammad) -> None:
    desk.tell(RESULT)
    there.lose = True
    assert desk.deliver() == telling.Counts(delivered=1, put_back=1)
    there.lose = False
    _due_now(desk.store)

    assert desk.deliver() == telling.Counts(delivered=1)

    assert len(there.tickets) == 1
    assert desk.outcomes("run1:tickets") == [FAILED, DELIVERED]


def test_a_ticket_is_not_opened_twice_where_who_opened_it_died_before_saying_so(
    desk: Desk, there: StandInZammad
) -> None:
    desk.tell(replace(RESULT, customer="bakery"))
    claims = outbox.claim(desk.store, "who dies", seconds=0)
    (claim,) = [one for one in claims if one.message.channel == "tickets"]
    channels = telling.Channels(desk.policy, Secrets(str, "", desk.environment))
    telling._deliver([claim], desk.policy, channels)

    assert desk.deliver().delivered == 2

    assert len(there.tickets) == 1


def test_a_channel_that_is_not_set_up_is_named_and_holds_up_nobody_else(desk: Desk, mailbox: Mailbox) -> None:
    outbox.put(desk.store, [Message("a", "bakery", "text", "own", "s", {"text": "t"})])
    outbox.put(desk.store, [Message("b", "bakery", "text", "gone", "s", {"text": "t"})])
    outbox.put(desk.store, [Message("c", "bakery", "text", "desk", "s", {"text": "t"})])

    counts = desk.deliver()

    assert (counts.delivered, counts.put_back) == (1, 2)
    assert sorted(one[:11] for one in counts.troubles) == ["MSP-TEL-006", "MSP-TEL-009"]
    assert counts.as_dict()["failed"]
    assert {(message.key, tries) for message, _due, tries in outbox.waiting(desk.store)} == {("a", 0), ("b", 0)}
    assert desk.outcomes("a") == []


def test_a_ticket_without_a_requester_waits_and_the_policy_is_named(desk: Desk, there: StandInZammad) -> None:
    desk.tell(replace(RESULT, customer="dentist"))
    assert [one[:11] for one in desk.deliver().troubles] == ["MSP-TEL-010"]
    assert there.tickets == {}


def test_what_is_never_taken_is_refused_and_what_is_not_taken_now_is_tried_until_it_is_given_up(
    desk: Desk, there: StandInZammad, mailbox: Mailbox
) -> None:
    outbox.put(desk.store, [Message("note", "bakery", "draft", "tickets", "", {"text": "t", "ref": "99"})])
    outbox.put(desk.store, [Message("mail", "bakery", "text", "desk", "s", {"text": "t"})])
    mailbox.refuses = "451 come back later"

    assert desk.deliver() == telling.Counts(refused=1, put_back=1)
    for _each in range(retrying.MOST - 2):
        _due_now(desk.store)
        assert desk.deliver() == telling.Counts(put_back=1)
    _due_now(desk.store)
    last = desk.deliver()

    assert last == telling.Counts(given_up=1)
    assert "MSP-TEL-011" in last.as_dict()["msg"]
    assert desk.outcomes("note") == [REFUSED]
    assert desk.outcomes("mail") == [FAILED] * (retrying.MOST - 1) + [GIVEN_UP]
    assert outbox.waiting(desk.store) == []


def test_a_server_that_asks_for_a_pause_gets_it_and_no_try_is_lost(desk: Desk, there: StandInZammad) -> None:
    outbox.put(
        desk.store, [Message("note", "bakery", "draft", "tickets", "", {"text": "t", "ref": there.ask("x", "y")})]
    )
    there.next_answers.append((429, {"Retry-After": "600"}))
    assert desk.deliver() == telling.Counts(put_back=1)
    ((_message, due, tries),) = outbox.waiting(desk.store)
    assert tries == 0
    assert due > desk.store.now() + dt.timedelta(minutes=9)


def _due_now(store: Store) -> None:
    """As if the time had come."""
    import sqlalchemy as sa

    store.database.write(lambda connection: connection.execute(sa.text("UPDATE message_work SET due = 0")))
