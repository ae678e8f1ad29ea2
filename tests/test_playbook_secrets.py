"""The lookup msp.ops.secret in real runs of Ansible: by ansible-vault and by SOPS alike, and never shown.

The secret is a template: whoever took it for one would make a file. What a run printed at its most talkative, what
ansible-runner kept of it, the evidence of the run and all command lines are searched for it.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ansible_runner
import pyrage
import pytest

from tests.secret_search import Watcher, places_below

ROOT = Path(__file__).resolve().parent.parent
CUSTOMER = "bakkerij-jansen"
PLAYBOOK = """\
- hosts: localhost
  gather_facts: false
  connection: local
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - ansible.builtin.copy:
        content: "{{ lookup('msp.ops.secret', wanted | default('backup.password'), customer='bakkerij-jansen') }}"
        dest: "{{ target }}"
        mode: "0600"
      diff: true
      no_log: true
"""


@dataclass
class Kept:
    """A directory of a customer's secrets, one of them in it, and what opens it."""

    folder: Path
    secret: str
    opens: Mapping[str, str]

    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_INVENTORY": os.devnull,
            "MSP_SECRETS": str(self.folder / "secrets"),
            "MSP_STORE_URL": f"sqlite:///{self.folder / 'evidence.db'}",
            "MSP_DURABLE_PATHS": str(self.folder),
            "XDG_STATE_HOME": str(self.folder),
            "HOME": str(self.folder),
            **self.opens,
        }

    @property
    def target(self) -> Path:
        return self.folder / "target"

    def play(self, **variables: str) -> subprocess.CompletedProcess[str]:
        given = json.dumps({"target": str(self.target), **variables})
        command = ["ansible-playbook", "-vvvv", "--diff", "-e", given, str(self.folder / "play.yml")]
        return subprocess.run(command, env=self.env(), cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(params=["ansible-vault", "SOPS"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    folder = tmp_path / "secrets"
    folder.mkdir()
    mark = tmp_path / "ran"
    secret = f"{{{{ lookup('pipe', 'touch {mark}') }}}}-{secrets.token_hex(12)}"
    file = folder / f"{CUSTOMER}.yml"
    file.write_text(json.dumps({"backup": {"password": secret}}))
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    programs = Path(sys.executable).parent
    if request.param == "SOPS":
        identity = pyrage.x25519.Identity.generate()
        (tmp_path / "key").write_text(f"{identity}\n")
        (tmp_path / "key").chmod(0o600)
        command = [str(programs / "sops"), "encrypt", "--age", str(identity.to_public()), "--in-place", str(file)]
        opens = {"SOPS_AGE_KEY_FILE": str(tmp_path / "key")}
    else:
        (tmp_path / "password").write_text(secrets.token_hex(12))
        (tmp_path / "password").chmod(0o600)
        opens = {"ANSIBLE_VAULT_PASSWORD_FILE": str(tmp_path / "password")}
        command = [str(programs / "ansible-vault"), "encrypt", str(file)]
    made = Kept(tmp_path, secret, opens)
    subprocess.run(command, env=made.env(), cwd=tmp_path, check=True, capture_output=True)
    assert secret not in file.read_text()
    return made


def test_the_secret_arrives_letter_for_letter_and_is_in_nothing_that_is_left(kept: Kept) -> None:
    canaries = {"the secret": kept.secret, "what opens it": Path(next(iter(kept.opens.values()))).read_text().strip()}
    with Watcher(canaries) as watcher:
        done = kept.play()

    assert done.returncode == 0, done.stdout + done.stderr
    assert kept.target.read_text() == kept.secret
    assert not (kept.folder / "ran").exists()
    assert watcher.found == []
    assert any("ansible-playbook" in line for line in watcher.seen)
    kept.target.unlink()
    (kept.folder / "said").write_text(done.stdout + done.stderr)
    left = [place for place in places_below(kept.folder, canaries) if place.path not in kept.opens.values()]
    assert left == []


def test_ansible_runner_keeps_nothing_of_it(kept: Kept) -> None:
    (kept.folder / "env").mkdir()

    done = ansible_runner.run(
        private_data_dir=str(kept.folder),
        project_dir=str(ROOT),
        playbook=str(kept.folder / "play.yml"),
        extravars={"target": str(kept.target)},
        envvars=kept.env(),
        suppress_env_files=True,
        quiet=True,
        verbosity=3,
    )

    assert done.status == "successful", done.stdout.read()
    assert kept.target.read_text() == kept.secret
    kept.target.unlink()
    assert places_below(kept.folder, {"the secret": kept.secret}) == []
    assert (kept.folder / "artifacts").is_dir()


def test_a_secret_that_is_not_there_stops_the_run_and_names_file_and_name(kept: Kept) -> None:
    done = kept.play(wanted="backup.passwort")

    assert done.returncode == 2
    assert "MSP-SEC-009" in done.stdout + done.stderr or "no_log" in done.stdout
    assert not kept.target.exists()
    assert kept.secret not in done.stdout + done.stderr


def test_without_what_opens_it_the_run_stops(kept: Kept) -> None:
    kept.opens = {}

    done = kept.play()

    assert done.returncode == 2
    assert not kept.target.exists()
    assert kept.secret not in done.stdout + done.stderr
