"""The digest from a playbook: a made NetBox, a real store; what a host calls itself is never a template on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.reconciliation.made_news import change
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.register.conftest import MadeNetBox
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import SLUG

ROOT = Path(__file__).resolve().parents[1]

PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - msp.ops.discovery_digest:
        customer: CUSTOMER
        path: FOLDER
        made_by: Example IT
      register: told
    - ansible.builtin.copy:
        content: "{{ {'told': told, 'mail': told.text ~ '.'} | to_json }}"
        dest: RESULT
        mode: "0600"
      check_mode: false
"""


@pytest.fixture
def netbox() -> Iterator[MadeNetBox]:
    made = MadeNetBox()
    terms = {
        "msp_contract_id": "C-1",
        "msp_contract_start": "2026-01-01",
        "msp_language": {"value": "nl", "label": "Nederlands"},
        "msp_timezone": "Europe/Amsterdam",
    }
    made.tables["tenancy/tenants"] = [{"id": 1, "slug": SLUG, "name": "Bakkerij Jansen", "custom_fields": terms}]
    yield made
    made.stop()


@pytest.fixture
def told_store(store_url: str, tmp_path: Path) -> str:
    """The address of a store with one change to tell."""
    with Store.open(store_url, upgrade=True) as store:
        store.record_changes([change("new", key="k1", name=hostile(tmp_path))])
    return store_url


def hostile(tmp_path: Path) -> str:
    return "{{ lookup('pipe', 'touch " + str(tmp_path / "ran") + "') }}"


def play(netbox: MadeNetBox, store_url: str, tmp_path: Path, *options: str, customer: str = SLUG) -> dict[str, Any]:
    """What the module returned and what a mail of its text would say."""
    playbook, result, settings = (tmp_path / name for name in ("play.yml", "result.json", "ansible.cfg"))
    settings.write_text("[defaults]\n")
    words = {"CUSTOMER": customer, "FOLDER": str(tmp_path / "reports"), "RESULT": str(result)}
    text = PLAY
    for word, value in words.items():
        text = text.replace(word, value)
    playbook.write_text(text)
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(settings),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        "NETBOX_API": netbox.url,
        "NO_PROXY": "127.0.0.1",
        "NETBOX_TOKEN": netbox.token,
        "MSP_STORE_URL": store_url,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), str(playbook), "-i", "localhost,", *options]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stdout + done.stderr}
    return {**json.loads(result.read_text(encoding="utf-8")), "output": done.stdout}


def test_a_playbook_tells_the_news_once_in_the_customers_language_and_a_template_in_a_hosts_name_stays_text(
    netbox: MadeNetBox, told_store: str, tmp_path: Path
) -> None:
    would = play(netbox, told_store, tmp_path, "--check", "--diff")
    assert would["told"]["changed"] is True and not (tmp_path / "reports").exists()
    assert "+Wat er veranderde bij Bakkerij Jansen" in would["output"]

    first = play(netbox, told_store, tmp_path)
    again = play(netbox, told_store, tmp_path)

    assert first["told"]["changed"] is True and first["told"]["counts"]["new"] == 1
    assert first["told"]["text"] == Path(first["told"]["text_file"]).read_text(encoding="utf-8")
    assert Path(first["told"]["page"]).parent == tmp_path / "reports" / SLUG
    assert (again["told"]["changed"], again["told"]["page"], again["told"]["text"]) == (False, None, "")
    assert netbox.written == []
    assert "{{lookup('pipe'" in "".join(first["mail"].split())
    assert not (tmp_path / "ran").exists()


def test_a_customer_that_netbox_does_not_know_is_an_error_with_its_code(
    netbox: MadeNetBox, told_store: str, tmp_path: Path
) -> None:
    found = play(netbox, told_store, tmp_path, customer="nobody")
    assert "MSP-REG-009" in found["failed"]
    assert not (tmp_path / "reports").exists()
