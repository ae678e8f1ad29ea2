# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""New tickets get a draft once, in the requester's language; nothing goes out before a person or the policy says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import telling, ticket_answers
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import answers, outbox
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.telling import policy
from ansible_collections.msp.ops.plugins.plugin_utils.telling.addresses import Secrets
from ansible_collections.msp.ops.plugins.plugin_utils.telling.zammad import Zammad
from ansible_collections.msp.ops.plugins.plugin_utils.tickets.catalogue import known
from tests.stand_in_zammad import GROUP, TOKEN, StandInZammad, stand_in_zammad

FILE = """
channels: {{}}
tickets: {{system: zammad, url: "{url}", token: {{environment: ZAMMAD}}, group: Service Desk}}
default: {{language: en, time_zone: UTC, gave_up: [tickets]}}
customers:
  bakery: {{organization: Bakkerij Jansen, language: nl, send_answers: [{send}]}}
"""
PRINTER = ("Printer", "Goedemorgen, de printer doet het niet, hij staat op offline. Piet")


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
    """The store, the ticket system, and a policy that sends the answers named."""

    def __init__(self, store: Store, there: StandInZammad, send: str = "") -> None:
        self.store, self.there = store, there
        self.policy = policy.read(FILE.format(url=there.url, send=send), "telling.yml")

    def look(self, *, dry_run: bool = False) -> ticket_answers.Looked:
        system = Zammad(self.there.url, TOKEN, GROUP)
        try:
            return ticket_answers.look(self.store, self.policy, system, dry_run=dry_run)
        finally:
            system.close()

    def deliver(self) -> telling.Counts:
        return telling.deliver(
            self.store, self.policy, telling.Channels(self.policy, Secrets(str, "", {"ZAMMAD": TOKEN}))
        )

    def ask(self, title: str, text: str, organization: str = "Bakkerij Jansen") -> str:
        return self.there.ask(title, text, organization=organization, email=f"{len(organization)}@example.com")

    def sent(self, ref: str) -> list[str]:
        """What the requester got."""
        return [one["body"] for one in self.there.said(ref)[1:] if not one["internal"]]


@pytest.fixture
def desk(store: Store, there: StandInZammad) -> Desk:
    return Desk(store, there)


def test_a_ticket_that_fits_gets_one_draft_for_technicians_in_its_language_and_nothing_goes_out(desk: Desk) -> None:
    ref = desk.ask(*PRINTER)

    looked = desk.look()
    assert [(one.ref, one.problem, one.language) for one in looked.drafts] == [(ref, "printer", "nl")]
    assert desk.look().drafts == ()
    assert desk.deliver() == telling.Counts(delivered=1)
    assert desk.deliver() == telling.Counts()

    (note,) = desk.there.said(ref)[1:]
    assert note["internal"]
    assert known()["printer"].answer["nl"] in note["body"]
    assert desk.sent(ref) == []


def test_a_look_in_check_mode_leaves_nothing_behind(desk: Desk) -> None:
    desk.ask(*PRINTER)
    assert len(desk.look(dry_run=True).drafts) == 1
    assert (answers.drafts(desk.store), outbox.waiting(desk.store)) == ([], [])
    assert len(desk.look().drafts) == 1


def test_tickets_that_fit_nothing_and_those_of_strangers_leave_nothing_behind(desk: Desk) -> None:
    desk.ask("Factuur", "Ik heb een vraag over de factuur van oktober.")
    desk.ask(*PRINTER, organization="Somebody Else")
    looked = desk.look()
    assert (looked.read, looked.strangers, looked.drafts) == (2, 1, ())
    assert answers.drafts(desk.store) == []


def test_nothing_that_the_requester_wrote_is_kept(desk: Desk) -> None:
    desk.ask("Printer van Annemarie", "De printer van Annemarie doet het niet, hij staat op offline")
    desk.look()
    desk.deliver()
    with desk.store.database.read() as connection:
        import sqlalchemy as sa

        from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables

        kept = [str(row) for table in tables().metadata.sorted_tables for row in connection.execute(sa.select(table))]
    assert len(kept) > 3
    assert [row for row in kept if "Annemarie" in row] == []


def test_an_answer_goes_out_after_a_person_released_it_and_once(desk: Desk) -> None:
    ref = desk.ask(*PRINTER)
    (draft,) = desk.look().drafts
    assert [one["state"] for one in ticket_answers.listed(desk.store)] == ["drafted"]

    ticket_answers.release(desk.store, draft.key, by="Anna", dry_run=True)
    desk.deliver()
    assert desk.sent(ref) == []
    ticket_answers.release(desk.store, draft.key, by="Anna")
    desk.deliver()
    desk.deliver()

    assert desk.sent(ref) == [known()["printer"].answer["nl"]]
    (standing,) = answers.drafts(desk.store)
    assert standing.decision is not None
    assert (standing.decision.by, standing.sent) == ("Anna", "delivered")
    assert ticket_answers.listed(desk.store) == []
    with pytest.raises(MspError, match="MSP-TIC-006"):
        ticket_answers.release(desk.store, draft.key, by="Bert")


def test_a_person_may_send_another_text_or_none(desk: Desk) -> None:
    first, second = desk.ask(*PRINTER), desk.ask("vpn", "De VPN werkt niet, hij geeft een foutmelding")
    one, two = desk.look().drafts
    ticket_answers.release(desk.store, one.key, by="Anna", text="Ik kom eraan.")
    ticket_answers.refuse(desk.store, two.key, by="Anna", reason="I called")
    desk.deliver()
    assert (desk.sent(first), desk.sent(second)) == (["Ik kom eraan."], [])
    with pytest.raises(MspError, match="MSP-TIC-006"):
        ticket_answers.refuse(desk.store, "nothing", by="Anna")


def test_who_was_answered_by_a_person_meanwhile_is_not_answered_again_and_the_list_says_so(desk: Desk) -> None:
    ref = desk.ask(*PRINTER)
    (draft,) = desk.look().drafts
    ticket_answers.release(desk.store, draft.key, by="Anna")
    desk.there.reply(ref, "Ik ben onderweg")

    counts = desk.deliver()

    assert (counts.delivered, counts.refused) == (1, 1)
    assert desk.sent(ref) == ["Ik ben onderweg"]
    (told,) = ticket_answers.listed(desk.store)
    assert (told["state"], told["reason"]) == ("not sent", telling.OVERTAKEN)


def test_an_answer_whose_receipt_was_lost_is_not_sent_again(desk: Desk) -> None:
    import sqlalchemy as sa

    ref = desk.ask(*PRINTER)
    (draft,) = desk.look().drafts
    desk.deliver()
    ticket_answers.release(desk.store, draft.key, by="Anna")
    desk.there.lose = True
    assert desk.deliver() == telling.Counts(put_back=1)
    desk.there.lose = False
    desk.store.database.write(lambda connection: connection.execute(sa.text("UPDATE message_work SET due = 0")))
    assert desk.deliver() == telling.Counts(delivered=1)
    assert len(desk.sent(ref)) == 1


def test_a_policy_sends_the_answers_that_it_names_and_no_other(store: Store, there: StandInZammad) -> None:
    desk = Desk(store, there, send="printer")
    named, other = desk.ask(*PRINTER), desk.ask("vpn", "De VPN werkt niet, hij geeft een foutmelding")
    desk.look()
    desk.deliver()
    assert (len(desk.sent(named)), desk.sent(other)) == (1, [])
    assert [one["problem"] for one in ticket_answers.listed(store, "bakery")] == ["vpn"]


def test_a_policy_that_names_a_problem_that_nobody_knows_is_refused_before_anything_is_read(
    store: Store, there: StandInZammad
) -> None:
    with pytest.raises(MspError, match=r"MSP-TIC-008.*printer"):
        Desk(store, there, send="printr").look()
    assert there.requests == []


def test_a_ticket_system_that_does_not_answer_is_an_error_and_no_ticket_is_passed_over(desk: Desk) -> None:
    desk.ask(*PRINTER)
    desk.there.next_answers += [(503, {})] * 4
    with pytest.raises(MspError, match="MSP-TIC-009"):
        desk.look()
    assert len(desk.look().drafts) == 1
