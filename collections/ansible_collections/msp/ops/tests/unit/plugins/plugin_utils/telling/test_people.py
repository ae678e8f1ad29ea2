# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""People are told by apprise: a mail that a mail server takes, Slack, Teams; and nothing of an address is shown."""

from __future__ import annotations

import email
import email.policy
import json
import logging
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.telling.people import Channel
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import NotDeliveredError
from tests.post import Hook, Mailbox, hook, mail_server

TEXT = "Found:\n  - <b>/var</b> is full & *rising*\n  - <!channel> <https://example.com|click>\n"
SUBJECT = "till: schijf vol \u2013 één technicus"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as running:
        yield running


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Hook]:
    with hook(tmp_path) as running:
        yield running


def test_a_mail_is_delivered_with_its_subject_and_text_as_they_are(mailbox: Mailbox) -> None:
    Channel("desk", mailbox.address("it@bakery.example")).send(SUBJECT, TEXT)

    (received,) = mailbox.received
    message = email.message_from_bytes(received.content, EmailMessage, policy=email.policy.default)
    assert received.recipients == ["it@bakery.example"]
    assert message["Subject"] == SUBJECT
    plain = message.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().replace("\r\n", "\n").strip() == TEXT.strip()
    html = message.get_body(("html",))
    assert html is None or "<b>/var</b>" not in html.get_content()


def test_a_mail_server_that_takes_nothing_is_worth_another_try(mailbox: Mailbox) -> None:
    mailbox.refuses = "451 come back later"
    with pytest.raises(NotDeliveredError) as caught:
        Channel("desk", mailbox.address("it@bakery.example")).send(SUBJECT, TEXT)
    assert not caught.value.never
    assert mailbox.received == []


def test_slack_gets_the_text_and_takes_nothing_in_it_for_its_own(there: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    from apprise.plugins.slack import NotifySlack

    monkeypatch.setattr(NotifySlack, "webhook_url", there.url)
    Channel("chat", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?verify=no").send(SUBJECT, TEXT)

    ((path, body),) = there.received
    assert path.endswith("/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")
    said = json.loads(body)
    assert "/var" in json.dumps(said)
    assert "<!channel>" not in json.dumps(said)
    assert "<https://example.com" not in json.dumps(said)


def test_teams_gets_the_text_in_a_card(there: Hook) -> None:
    Channel("chat", there.teams_address()).send(SUBJECT, TEXT)

    ((path, body),) = there.received
    assert "/workflows/" in path
    said = json.dumps(json.loads(body), ensure_ascii=False)
    assert SUBJECT in said
    assert "AdaptiveCard" in said


@pytest.mark.parametrize(
    ("status", "never", "later"), [(404, True, None), (410, True, None), (429, False, 60.0), (500, False, None)]
)
def test_a_refusal_is_told_by_its_status_alone(there: Hook, status: int, never: bool, later: float | None) -> None:
    there.status = status
    with pytest.raises(NotDeliveredError) as caught:
        Channel("chat", there.teams_address()).send(SUBJECT, TEXT)

    assert (caught.value.never, caught.value.later) == (never, later)
    assert caught.value.reason == f"the service of channel chat did not take it: status {status}"


def test_nothing_of_an_address_reaches_a_log_or_a_screen(
    there: Hook, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    there.status = 500
    channel = Channel("chat", there.teams_address())
    with caplog.at_level(logging.DEBUG), pytest.raises(NotDeliveredError):
        channel.send(SUBJECT, TEXT)

    assert there.signature in there.received[0][0]
    shown = capfd.readouterr()
    for seen in (caplog.text, shown.out, shown.err, repr(channel)):
        assert there.signature not in seen


@pytest.mark.parametrize("address", ["", "no address", "nosuch://a/b", "slack://a/b/c mailto://x:y@example.com"])
def test_an_address_that_apprise_does_not_know_is_an_error_that_does_not_show_it(address: str) -> None:
    with pytest.raises(MspError) as caught:
        Channel("desk", address)
    assert caught.value.code == "MSP-TEL-008"
    assert not address or address not in str(caught.value)
