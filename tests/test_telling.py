"""Telling people and tickets, and answers to tickets, by the playbooks: a real store, a real mail server, a stand-in
for Zammad. Addresses and tokens come from the environment and from a customer's encrypted file, and are shown nowhere.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest
import sqlalchemy as sa

from ansible_collections.msp.ops.plugins.plugin_utils.desk import telling
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import outbox
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.telling import policy
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import GAVE_UP, Result
from ansible_collections.msp.ops.plugins.plugin_utils.tickets.catalogue import known
from tests.post import Mailbox, mail_server
from tests.stand_in_zammad import TOKEN, StandInZammad, stand_in_zammad

ROOT = Path(__file__).resolve().parents[1]
AT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
# What hosts and requesters say would be run by whoever took it for a template.
TEMPLATE = "{{ lookup('pipe', 'touch MARK') }}"
POLICY = """
channels:
  desk: {environment: MSP_CHANNEL_DESK}
  own: {secret: telling.mail}
tickets: {system: zammad, url: "URL", token: {environment: MSP_ZAMMAD_TOKEN}, group: Service Desk}
default: {language: en, time_zone: UTC, gave_up: [desk]}
customers:
  bakkerij-jansen:
    {language: nl, organization: Bakkerij Jansen, requester: it@bakkerij-jansen.example, gave_up: [desk, own, tickets]}
"""


@dataclass
class Desk:
    """A store and a policy, and a way to run playbooks with them."""

    folder: Path
    mailbox: Mailbox
    zammad: StandInZammad
    opens: dict[str, str]

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'evidence.db'}"

    @property
    def mark(self) -> Path:
        """A file that is there when a template was run."""
        return self.folder / "ran"

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_INVENTORY": os.devnull,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "MSP_TELLING": str(self.folder / "telling.yml"),
            "MSP_SECRETS": str(self.folder / "secrets"),
            "MSP_STORE_URL": self.url,
            "MSP_DURABLE_PATHS": str(self.folder),
            "XDG_STATE_HOME": str(self.folder),
            "HOME": str(self.folder),
            "MSP_CHANNEL_DESK": self.mailbox.address("desk@example.com"),
            "MSP_ZAMMAD_TOKEN": TOKEN,
            **self.opens,
        }

    def play(self, name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook at its most talkative; nothing that it prints may show an address or a token."""
        command = ["ansible-playbook", "-vvv", "-e", json.dumps(variables), *arguments, str(ROOT / "playbooks" / name)]
        done = subprocess.run(
            command, env=self.environment(), cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
        )
        for secret in (TOKEN, "mailto:", f":{self.mailbox.port}"):
            assert secret not in done.stdout + done.stderr
        return done

    def tell(self) -> None:
        said = TEMPLATE.replace("MARK", str(self.mark))
        result = Result("run1", "bakkerij-jansen", GAVE_UP, "schijf vol", "till", AT, found=(said,), reason="te veel")
        with Store.open(self.url) as store:
            telling.tell(store, policy.read((self.folder / "telling.yml").read_text(), "telling.yml"), result)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    with mail_server() as mailbox, stand_in_zammad() as zammad:
        opens = _secrets(tmp_path, mailbox.address("it@bakkerij-jansen.example"))
        made = Desk(tmp_path, mailbox, zammad, opens)
        (tmp_path / "telling.yml").write_text(POLICY.replace("URL", zammad.url))
        Store.open(made.url, upgrade=True).close()
        yield made


def _secrets(folder: Path, address: str) -> dict[str, str]:
    """The customer's file of secrets, encrypted by SOPS; what opens it."""
    file = folder / "secrets" / "bakkerij-jansen.yml"
    file.parent.mkdir()
    file.write_text(json.dumps({"telling": {"mail": address}}))
    identity = pyrage.x25519.Identity.generate()
    (folder / "key").write_text(f"{identity}\n")
    (folder / "key").chmod(0o600)
    program = Path(sys.executable).parent / "sops"
    subprocess.run([program, "encrypt", "--age", str(identity.to_public()), "--in-place", file], check=True)
    return {"SOPS_AGE_KEY_FILE": str(folder / "key")}


def test_what_gave_up_reaches_people_and_the_ticket_system_and_is_told_once(desk: Desk) -> None:
    desk.tell()
    desk.zammad.next_answers += [(401, {})]

    locked_out = desk.play("deliver.yml")
    assert locked_out.returncode != 0
    assert "MSP-TIC-002" in locked_out.stdout
    to = sorted(address for mail in desk.mailbox.received for address in mail.recipients)
    assert to == ["desk@example.com", "it@bakkerij-jansen.example"]
    with Store.open(desk.url) as store:
        assert [(message.channel, tries) for message, _due, tries in outbox.waiting(store)] == [("tickets", 0)]
        store.database.write(lambda connection: connection.execute(sa.text("UPDATE message_work SET due = 0")))

    preview = desk.play("deliver.yml", "--check")
    assert preview.returncode == 0, preview.stdout
    assert "run1:tickets" in preview.stdout
    assert desk.zammad.tickets == {}

    done = desk.play("deliver.yml")
    assert done.returncode == 0, done.stdout
    assert "changed=1" in done.stdout
    (ticket,) = desk.zammad.tickets.values()
    assert ticket["title"] == "till: schijf vol vraagt om een technicus"
    assert "lookup('pipe'" in desk.zammad.said("1")[0]["body"]
    assert len(desk.mailbox.received) == 2
    assert not desk.mark.exists()


def test_a_ticket_gets_a_draft_and_its_answer_when_a_person_says_so_and_a_second_run_changes_nothing(
    desk: Desk,
) -> None:
    text = f"De printer doet het niet, hij staat op offline. {TEMPLATE.replace('MARK', str(desk.mark))}"
    ref = desk.zammad.ask("Printer", text, organization="Bakkerij Jansen")

    drafted = desk.play("answers.yml")
    assert drafted.returncode == 0, drafted.stdout
    (note,) = desk.zammad.said(ref)[1:]
    assert note["internal"]
    key = note["body"].partition("-e release=")[2].partition("\n")[0]
    assert f'"{key}"' in drafted.stdout

    sent = desk.play("answers.yml", release=key, approved_by="A. de Vries")
    assert sent.returncode == 0, sent.stdout
    (answer,) = [one for one in desk.zammad.said(ref)[1:] if not one["internal"]]
    assert answer["body"] == known()["printer"].answer["nl"]

    again = desk.play("answers.yml")
    assert again.returncode == 0, again.stdout
    assert "changed=0" in again.stdout
    assert len(desk.zammad.said(ref)) == 3
    assert not desk.mark.exists()
