# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Zammad's adapter, against a stand-in on loopback: what it asks, what answers mean, what is never done twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import NotDeliveredError
from ansible_collections.msp.ops.plugins.plugin_utils.telling.tickets import NewTicket
from ansible_collections.msp.ops.plugins.plugin_utils.telling.zammad import PAGE, Zammad, tag
from tests.stand_in_zammad import GROUP, TOKEN, StandInZammad, stand_in_zammad

NOW = dt.datetime.now(dt.UTC)
HOUR = dt.timedelta(hours=1)
TICKET = NewTicket("run1:tickets", "till: disk full", "Found:\n  - <b>full</b>", "it@bakkerij-jansen.example")
NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def there() -> Iterator[StandInZammad]:
    with stand_in_zammad() as zammad:
        yield zammad


@pytest.fixture
def zammad(there: StandInZammad) -> Iterator[Zammad]:
    opened = Zammad(there.url, TOKEN, GROUP)
    yield opened
    opened.close()


def test_a_ticket_is_opened_as_plain_text_for_its_requester_and_found_by_its_key(
    there: StandInZammad, zammad: Zammad
) -> None:
    ref = zammad.open_ticket(TICKET)

    (article,) = there.said(ref)
    assert (article["body"], article["content_type"]) == (TICKET.text, "text/plain")
    assert there.tickets[int(ref)]["customer"] == TICKET.requester
    assert zammad.find_by_key(TICKET.key, NOW) == ref
    assert zammad.find_by_key("run2:tickets", NOW) is None


def test_a_ticket_is_found_although_the_answer_that_it_was_opened_was_lost(
    there: StandInZammad, zammad: Zammad
) -> None:
    there.lose = True
    with pytest.raises(NotDeliveredError) as caught:
        zammad.open_ticket(TICKET)
    there.lose = False

    assert not caught.value.never
    assert len(there.tickets) == 1
    assert zammad.find_by_key(TICKET.key, NOW) == "1"


def test_it_is_found_among_pages_of_others_and_not_looked_for_before_its_time(
    there: StandInZammad, zammad: Zammad
) -> None:
    for number in range(2 * PAGE + 7):
        there.ask(f"old {number}", "text", at=NOW - 24 * HOUR)
    ref = zammad.open_ticket(TICKET)
    for number in range(5):
        there.ask(f"newer {number}", "text")
    there.requests.clear()

    assert zammad.find_by_key(TICKET.key, NOW) == ref
    assert zammad.find_by_key("another", NOW) is None

    assert {int(path == "tags") for _method, path in there.requests} == {0, 1}
    assert sum(path == "tags" for _method, path in there.requests) == 12


def test_a_note_is_for_technicians_and_added_once_for_a_key(there: StandInZammad, zammad: Zammad) -> None:
    ref = there.ask("Printer", "De printer doet het niet")
    zammad.draft_answer(ref, "Zet hem uit en aan.", "draft:1")
    zammad.draft_answer(ref, "Zet hem uit en aan.", "draft:1")
    zammad.add_note(ref, "Zet hem uit en aan.", "draft:2")

    notes = there.said(ref)[1:]
    assert [(one["internal"], one["type"]) for one in notes] == [(True, "note")] * 2
    assert tag("draft:1") in notes[0]["body"]


def test_an_answer_goes_to_who_asked_by_mail_and_once(there: StandInZammad, zammad: Zammad) -> None:
    ref = there.ask("Printer", "De printer doet het niet", email="piet@example.com")
    zammad.send_answer(ref, "Zet hem uit.\n\nEn aan.", "answer:1")
    there.articles[-1]["body"] = "<p>Zet hem uit.</p><p>En aan.</p>"  # as a server may give back what it got
    zammad.send_answer(ref, "Zet hem uit.\n\nEn aan.", "answer:1")

    (answer,) = there.said(ref)[1:]
    assert (answer["to"], answer["type"], answer["internal"]) == ("piet@example.com", "email", False)
    assert not zammad.answered(ref, besides="Zet hem uit.\n\nEn aan.")
    assert zammad.answered(ref, besides="something else")


@pytest.mark.parametrize(
    ("sender", "internal", "counts"),
    [("Agent", False, True), ("Agent", True, False), ("System", False, False)],
)
def test_what_an_agent_wrote_to_the_requester_is_an_answer_and_nothing_else(
    there: StandInZammad, zammad: Zammad, sender: str, internal: bool, counts: bool
) -> None:
    ref = there.ask("Printer", "De printer doet het niet")
    there.reply(ref, "We are on our way", internal=internal, sender=sender)
    assert zammad.answered(ref, besides="x") is counts


def test_a_closed_ticket_needs_no_answer(there: StandInZammad, zammad: Zammad) -> None:
    ref = there.ask("Printer", "De printer doet het niet", state="closed")
    assert zammad.answered(ref, besides="x")


def test_new_tickets_are_those_that_requesters_opened_and_nobody_answered(there: StandInZammad, zammad: Zammad) -> None:
    there.ask("Too old", "text", at=NOW - 48 * HOUR)
    there.ask("Closed", "text", state="closed")
    there.reply(there.ask("Answered", "text"), "We are on our way")
    zammad.open_ticket(TICKET)
    wanted = there.ask(
        "Html", "<p>De printer</p><script>x()</script><p>doet het niet</p>",
        organization="Bakkerij Jansen", content_type="text/html",
    )  # fmt: skip
    there.reply(wanted, "We have received your mail", sender="System")

    (found,), upto = zammad.read_new(None, NOW - 24 * HOUR)

    assert (found.ref, found.organization, found.text) == (wanted, "Bakkerij Jansen", "De printer\ndoet het niet")
    assert upto == int(wanted)


def test_the_next_look_reads_on_from_there_and_what_may_have_been_late_again(
    there: StandInZammad, zammad: Zammad
) -> None:
    for number in range(PAGE + 20):
        there.ask(f"ticket {number}", "text", at=NOW - 48 * HOUR)
    read, upto = zammad.read_new(PAGE + 18, NOW)
    assert [one.ref for one in read][-2:] == [str(PAGE + 19), str(PAGE + 20)]
    assert (len(read), upto) == (52, PAGE + 20)
    assert zammad.read_new(upto + 50, NOW) == ([], upto + 50)


def test_an_empty_zammad_has_nothing_new(zammad: Zammad) -> None:
    assert zammad.read_new(None, NOW) == ([], 0)
    assert zammad.find_by_key("x", NOW) is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_may_not_is_an_error_with_its_code_that_does_not_show_it(
    there: StandInZammad, status: int
) -> None:
    zammad = Zammad(there.url, TOKEN if status == 403 else "another-token", "Another group")
    with pytest.raises(MspError) as caught:
        zammad.open_ticket(TICKET)
    zammad.close()
    assert caught.value.code == "MSP-TIC-002"
    assert "token" not in repr(zammad)
    assert "another-token" not in str(caught.value)


def test_what_zammad_will_never_take_is_not_worth_another_try(there: StandInZammad, zammad: Zammad) -> None:
    for attempt in (
        lambda: zammad.open_ticket(NewTicket("k", "title", "text", "nobody")),
        lambda: zammad.add_note("99", "text", "k"),
        lambda: zammad.add_note("99/../users", "text", "k"),
    ):
        with pytest.raises(NotDeliveredError) as caught:
            attempt()
        assert caught.value.never


@pytest.mark.parametrize(
    ("header", "pause"), [({"Retry-After": "7"}, 7.0), ({}, 60.0), ({"Retry-After": "soon"}, 60.0)]
)
def test_a_server_that_is_asked_too_much_says_when_to_come_back(
    there: StandInZammad, zammad: Zammad, header: dict[str, str], pause: float
) -> None:
    there.next_answers.append((429, header))
    with pytest.raises(NotDeliveredError) as caught:
        zammad.open_ticket(TICKET)
    assert (caught.value.later, caught.value.never) == (pause, False)


def test_a_read_is_tried_again_at_once_and_a_write_is_not(there: StandInZammad, zammad: Zammad) -> None:
    there.next_answers += [(502, {}), (503, {})]
    assert zammad.find_by_key("x", NOW) is None
    there.next_answers.append((503, {}))
    with pytest.raises(NotDeliveredError) as caught:
        zammad.open_ticket(TICKET)
    assert (caught.value.never, caught.value.later) == (False, None)
    assert [method for method, _path in there.requests].count("POST") == 1


@pytest.mark.parametrize(
    "ask",
    [
        lambda zammad: zammad.read_new(None, NOW),
        lambda zammad: zammad.find_by_key("x", NOW),
        lambda zammad: zammad.answered("1", besides=""),
    ],
)
def test_no_answer_never_reads_as_nothing_there(ask: Callable[[Zammad], object]) -> None:
    zammad = Zammad(NOBODY, TOKEN, GROUP, retries=0)
    with pytest.raises(NotDeliveredError):
        ask(zammad)
    zammad.close()


def test_something_else_than_zammad_is_named(there: StandInZammad) -> None:
    there.next_answers += [(302, {"Location": "https://example.com"}), (200, {})]
    zammad = Zammad(there.url, TOKEN, GROUP)
    for _each in range(2):
        with pytest.raises(MspError) as caught:
            zammad.read_new(None, NOW)
        assert caught.value.code == "MSP-TIC-003"
    zammad.close()
