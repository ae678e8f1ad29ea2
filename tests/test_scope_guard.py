"""The scope guard in real runs of ansible-playbook: who ends up in the target group, and what stops a run.

Needs no lab: the hosts have documentation addresses, and a run that tried to reach one would fail.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

GUARD = """
- name: Guard
  hosts: all:localhost
  gather_facts: false
  roles:
    - role: msp_scope_guard
      run_once: true
      msp_scope_guard_read_only: {read_only}
{offboarding}      msp_scope_guard_names: "{{{{ by_name | default([]) }}}}"
      msp_scope_guard_fail_without_targets: {must_have}
- name: Note who would be touched
  hosts: msp_targets
  gather_facts: false
  tasks:
    - name: Keep the names
      ansible.builtin.set_fact:
        touched: "{{{{ ansible_play_hosts_all }}}}"
      run_once: true
      delegate_to: localhost
      delegate_facts: true
- name: A play on localhost, after the work
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Write the names
      ansible.builtin.copy:
        content: "{{{{ touched | default([]) | to_json }}}}"
        dest: "{directory}/touched.json"
        mode: "0600"
      vars:
        ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
"""
RUNNING = {"start": "2020-01-01", "end": None}


def asset(status: str, **changes: Any) -> dict[str, Any]:
    msp = {"customer": "jansen", "timezone": "Europe/Amsterdam", "status": status, "contract": RUNNING, **changes}
    return {"ansible_host": "192.0.2.1", "msp": msp}


HOSTS: dict[str, dict[str, Any]] = {
    "srv.jansen": asset("contracted"),
    "ws.jansen": asset("contracted"),
    "till.jansen": asset("unlisted"),
    "phone.jansen": asset("excluded"),
    "old.former": asset("contracted", customer="former", contract={"start": "2019-01-01", "end": "2020-12-31"}),
    "stray": {"ansible_host": "192.0.2.9"},
}


@dataclass(frozen=True)
class Outcome:
    status: int
    text: str
    touched: list[str] | None


Run = Callable[..., Outcome]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def go(
        *arguments: str,
        read_only: bool = False,
        offboarding: bool = False,
        must_have: bool = True,
        hosts: dict[str, dict[str, Any]] = HOSTS,
        groups: dict[str, list[str]] | None = None,
        playbook: str | None = None,
    ) -> Outcome:
        children = {name: {"hosts": dict.fromkeys(members)} for name, members in (groups or {}).items()}
        inventory = tmp_path / "hosts.yml"
        inventory.write_text(json.dumps({"all": {"hosts": hosts, "children": children}}))
        path = tmp_path / "playbook.yml"
        text = GUARD.format(
            read_only=str(read_only).lower(),
            offboarding="      msp_scope_guard_offboarding: true\n" if offboarding else "",
            must_have=str(must_have).lower(),
            directory=tmp_path,
        )
        path.write_text(playbook.replace("DIRECTORY", str(tmp_path)) if playbook else text)
        answer = subprocess.run(
            ["ansible-playbook", "-i", str(inventory), str(path), *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                # The recording of runs has its own tests; here it would only write to somebody's store.
                "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
                "NO_COLOR": "1",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        written = tmp_path / "touched.json"
        touched = json.loads(written.read_text()) if written.exists() else None
        return Outcome(answer.returncode, answer.stdout + answer.stderr, touched)

    return go


def test_only_contracted_hosts_are_touched_and_the_others_are_counted_with_the_reason(run: Run) -> None:
    outcome = run()

    assert outcome.status == 0, outcome.text
    assert outcome.touched == ["srv.jansen", "ws.jansen"]
    assert "jansen: 2 in scope, 2 out (1 status unlisted; 1 status excluded)" in outcome.text
    assert "former: 0 in scope, 1 out (1 the contract has ended)" in outcome.text
    assert "(no customer): 0 in scope, 1 out" in outcome.text


def test_the_inventorys_group_comes_in_as_a_whole_where_the_guard_agrees_with_it(run: Run) -> None:
    outcome = run(groups={"status_contracted": ["srv.jansen", "ws.jansen"]})

    assert outcome.touched == ["srv.jansen", "ws.jansen"]
    assert "item=srv.jansen" not in outcome.text


def test_a_group_that_holds_more_than_the_guard_lets_in_is_not_believed(run: Run) -> None:
    outcome = run(groups={"status_contracted": ["srv.jansen", "ws.jansen", "till.jansen", "old.former"]})

    assert outcome.touched == ["srv.jansen", "ws.jansen"]


def test_a_limit_to_one_contracted_host_works_with_localhost_in_it(run: Run) -> None:
    outcome = run("--limit", "srv.jansen,localhost", groups={"status_contracted": ["srv.jansen", "ws.jansen"]})

    assert outcome.touched == ["srv.jansen"]


def test_a_limit_without_localhost_is_an_error_and_not_half_a_run(run: Run) -> None:
    outcome = run("--limit", "srv.jansen")

    assert outcome.status != 0
    assert "MSP-SCP-003" in outcome.text


def test_an_unlisted_host_is_refused_even_by_name(run: Run) -> None:
    outcome = run("--limit", "till.jansen,localhost")

    assert outcome.status != 0
    assert "MSP-SCP-004" in outcome.text
    assert "1 x status unlisted" in outcome.text
    assert outcome.touched is None


def test_a_named_host_with_a_ticket_is_touched(run: Run) -> None:
    outcome = run("--limit", "till.jansen,localhost", "-e", "out_of_scope_ticket=T-123")

    assert outcome.touched == ["till.jansen"]
    assert "named, ticket T-123 (status unlisted)" in outcome.text


@pytest.mark.parametrize("limit", ["customer_jansen,localhost", "*.jansen,localhost", "all,localhost"])
def test_a_ticket_never_opens_a_whole_group(run: Run, limit: str) -> None:
    outcome = run("--limit", limit, "-e", "out_of_scope_ticket=T-123", groups={"customer_jansen": list(HOSTS)[:4]})

    assert outcome.touched == ["srv.jansen", "ws.jansen"]


def test_a_ticket_in_the_inventory_is_none(run: Run) -> None:
    hosts = {**HOSTS, "till.jansen": {**HOSTS["till.jansen"], "out_of_scope_ticket": "T-123"}}

    outcome = run("--limit", "till.jansen,localhost", hosts=hosts)

    assert outcome.touched is None
    assert "MSP-SCP-004" in outcome.text


def test_a_ticket_that_cannot_be_looked_up_is_refused(run: Run) -> None:
    outcome = run("--limit", "till.jansen,localhost", "-e", '{"out_of_scope_ticket": "because I may"}')

    assert outcome.status != 0
    assert "MSP-SCP-001" in outcome.text


def test_a_read_only_run_may_look_at_one_named_host_and_then_at_nothing_else(run: Run) -> None:
    outcome = run("-e", "by_name=till.jansen", read_only=True, groups={"status_contracted": ["srv.jansen"]})

    assert outcome.touched == ["till.jansen"]
    assert "named, read-only (status unlisted)" in outcome.text


def test_a_changing_run_may_not_touch_the_same_host_by_name_alone(run: Run) -> None:
    outcome = run("-e", "by_name=till.jansen", read_only=False)

    assert outcome.touched is None
    assert "MSP-SCP-004" in outcome.text


def test_a_host_asked_for_that_is_not_there_is_an_error(run: Run) -> None:
    outcome = run("-e", "by_name=til.jansen", read_only=True)

    assert outcome.status != 0
    assert "MSP-SCP-002" in outcome.text


LEFT = {**HOSTS, "left.jansen": asset("ended")}


def test_a_run_that_withdraws_access_touches_the_named_host_that_has_ended_and_no_other(run: Run) -> None:
    outcome = run("--limit", "left.jansen,srv.jansen,localhost", offboarding=True, hosts=LEFT)

    assert outcome.touched == ["left.jansen"]
    assert "1 named, status ended" in outcome.text
    assert "1 status contracted: access is withdrawn where it is ended" in outcome.text


@pytest.mark.parametrize("limit", ["srv.jansen", "till.jansen", "old.former", "stray", "*.jansen", "status_ended"])
def test_a_host_that_is_not_ended_and_named_keeps_our_access_whatever_the_ticket(run: Run, limit: str) -> None:
    words = ("--limit", f"{limit},localhost", "-e", "out_of_scope_ticket=T-1")
    outcome = run(*words, offboarding=True, hosts=LEFT, groups={"status_ended": ["left.jansen"]})

    assert outcome.status != 0
    assert "MSP-SCP-007" in outcome.text
    assert outcome.touched is None


def test_an_inventory_cannot_say_that_a_playbook_withdraws_access(run: Run) -> None:
    hosts = {name: {**own, "msp_scope_guard_offboarding": True} for name, own in LEFT.items()}

    outcome = run("--limit", "left.jansen,srv.jansen,localhost", hosts=hosts)

    assert outcome.touched == ["srv.jansen"]


@pytest.mark.parametrize(
    "extra",
    [
        "msp_scope_guard_read_only=true",
        "msp_scope_guard_offboarding=true",
        '{"__msp_scope_guard": {"remaining": ["stray"]}}',
    ],
)
def test_what_a_playbook_says_of_itself_cannot_be_said_on_the_command_line(run: Run, extra: str) -> None:
    outcome = run("-e", extra, "-e", "by_name=till.jansen")

    assert outcome.status != 0
    assert "MSP-SCP-006" in outcome.text
    assert outcome.touched is None


def test_an_extra_variable_cannot_make_a_host_contracted(run: Run) -> None:
    outcome = run("-e", json.dumps({"msp": asset("contracted")["msp"]}))

    assert outcome.touched == ["srv.jansen", "ws.jansen"]


def test_an_inventory_without_hosts_is_an_error_and_not_a_silent_success(run: Run) -> None:
    outcome = run(hosts={})

    assert outcome.status != 0
    assert "MSP-SCP-004" in outcome.text


def test_a_run_without_targets_goes_on_where_the_playbook_says_so(run: Run) -> None:
    outcome = run(hosts={"till.jansen": HOSTS["till.jansen"]}, must_have=False)

    assert outcome.status == 0, outcome.text
    assert outcome.touched == []


def test_a_host_let_in_by_one_playbook_is_not_left_to_the_next(run: Run) -> None:
    first = GUARD.format(read_only="true", offboarding="", must_have="true", directory="DIRECTORY")
    second = GUARD.format(read_only="false", offboarding="", must_have="true", directory="DIRECTORY/never")
    second = second.replace("by_name", "nobody")

    outcome = run("-e", "by_name=till.jansen", playbook=first + second)

    assert outcome.status != 0
    assert "MSP-SCP-005" in outcome.text
    assert outcome.touched == ["till.jansen"]


def test_a_name_from_netbox_is_never_run_as_a_template(run: Run, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    evil = asset("contracted", customer="{{ lookup('pipe', 'touch " + str(proof) + "') }}")

    outcome = run("--check", hosts={"evil": evil})

    assert outcome.status == 0, outcome.text
    assert not proof.exists()


OWN_FACTS = """
- name: Learn something of each host
  hosts: msp_targets
  gather_facts: false
  serial: 1
  tasks:
    - name: Know nothing of it yet
      ansible.builtin.assert:
        that: ansible_facts.learnt is undefined
    - name: Learn it
      ansible.builtin.set_fact:
        learnt: "{{ inventory_hostname }}"
        cacheable: true
"""


def test_after_the_guard_each_host_has_facts_of_its_own(run: Run) -> None:
    guard = GUARD.format(read_only="false", offboarding="", must_have="true", directory="DIRECTORY")

    outcome = run(playbook=guard + OWN_FACTS)

    assert outcome.status == 0, outcome.text
