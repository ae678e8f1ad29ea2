"""The second factor on real hosts: a real sshd and PAM, the real ssh client with real codes, and the automation throughout.

Nothing here knows a code but by RFC 6238 from what the page of an enrolment shows. The security key is made of software
(tests/security_key.py), what asks and checks it is not.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import os
import re
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import lockout_plan, lockout_units, second_factor
from ansible_collections.msp.ops.plugins.plugin_utils.standards import judging, model, probing
from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Agreement, Assigned, AssignedControl, Waiver
from lab import hosts
from lab.image import USER
from lab.machines import NEWCOMERS
from tests import browser, patch_bed, security_key
from tests.patch_bed import until

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
LAB = "-".join(filter(None, ("mfa-test", os.environ.get("PYTEST_XDIST_WORKER"))))
# Debian 12 and 13: the second has a program of its own for each login by ssh.
NAMES = TWELVE, THIRTEEN = ("harbour-app01", "harbour-app02")
AN_HOUR = lockout_plan.SECONDS_MOST
GLASS = "msp-breakglass"
PASSWORD = "made-up-for-this-test-only"
PEOPLE = ("anna", "bert", "cees", "dora", "emma", "fred")
PREPARE = f"""
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
for name in {" ".join(PEOPLE)} {GLASS}; do useradd --create-home --shell /bin/bash $name; echo $name:{PASSWORD} | chpasswd; done
echo 'anna ALL=(ALL:ALL) ALL' >/etc/sudoers.d/anna
echo 'PasswordAuthentication no' >/etc/ssh/sshd_config.d/00-msp-passwords.conf
systemctl reload ssh
"""


def totp(secret: str, at: float) -> str:
    """RFC 6238, of six figures and half a minute."""
    key = base64.b32decode(secret)
    digest = hmac.new(key, struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    (number,) = struct.unpack(">I", digest[digest[-1] & 15 :][:4])
    return f"{(number & 0x7FFFFFFF) % 10**6:06d}"


@dataclass(frozen=True)
class Shown:
    """What a page shows a person."""

    secret: str
    codes: tuple[str, ...]
    page: Path

    def code(self, steps: int = 0) -> str:
        """The code of now, or of so many half minutes later."""
        return totp(self.secret, time.time() + 30 * steps)


@dataclass
class Ran:
    status: int
    output: str


@dataclass
class Bed(patch_bed.Bed):
    pages: dict[tuple[str, str], Shown] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **hosts.ssh_environment(self.state_dir),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            "ANSIBLE_TIMEOUT": "10",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.place / "c"),
            "NO_COLOR": "1",
        }

    def inventory(self, *names: str) -> Path:
        msp = {
            "customer": "harbour",
            "customer_name": "Harbour",
            "language": "nl",
            "status": "contracted",
            "contract": {"id": "H-1", "start": "2020-01-01", "end": None},
        }
        own = {"ansible_python_interpreter": "/usr/bin/python3", "msp": msp}
        rows = {name: {"ansible_host": self.rows[name]["address"], **own} for name in names or NAMES}
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        path = self.place / f"inventory-{len(rows)}.yml"
        path.write_text(json.dumps({"all": {"hosts": {**rows, "localhost": local}}}), encoding="utf-8")
        return path

    def playbook(self, *arguments: str, **more: str) -> Ran:
        done = subprocess.run(
            ["ansible-playbook", "-i", str(self.inventory()), *arguments],
            cwd=ROOT, env={**self.environment, **more}, capture_output=True, text=True, check=False, timeout=300,
        )
        return Ran(done.returncode, done.stdout + done.stderr)

    def tasks(self, *tasks: Mapping[str, Any], on: Sequence[str] = NAMES, arguments: Sequence[str] = ()) -> Ran:
        self.number += 1
        path = self.place / f"play{self.number}.yml"
        play = {"hosts": ",".join(on), "gather_facts": False, "become": True, "tasks": list(tasks)}
        path.write_text(json.dumps([play]), encoding="utf-8")
        return self.playbook(str(path), *arguments)

    def role(self, *controls: str, on: Sequence[str] = NAMES, arguments: Sequence[str] = (), **chosen: Any) -> Ran:
        """The role msp_mfa with the controls' own parameters, but for those that are chosen."""
        return self.tasks(role(self, *controls, **chosen), on=on, arguments=arguments)

    def measure(self, *on: str, **chosen: Any) -> dict[str, dict[str, model.ControlRecord]]:
        """What a scan would make of each host, with the waivers that are chosen."""
        assigned = assigned_with(self, **chosen)
        sent = probing.probes(assigned)[0]
        results = self.place / f"facts{self.number}"
        results.mkdir()
        keep = {"content": "{{ found | to_json }}", "dest": f"{results}/{{{{ inventory_hostname }}}}", "mode": "0600"}
        ran = self.tasks(
            {"msp.ops.control_facts": {"probes": sent, "plain": True}, "register": "found"},
            {"ansible.builtin.copy": keep, "delegate_to": "localhost", "become": False},
            on=on or NAMES,
        )
        assert ran.status == 0, ran.output
        made = {}
        for path in results.iterdir():
            found = json.loads(path.read_text(encoding="utf-8"))
            rows = judging.judge(assigned, found["answers"], found["platform"], today=dt.date(2026, 11, 27))
            made[path.name] = {row.control: row for row in rows}
        return made

    def statuses(self, *on: str, **chosen: Any) -> dict[str, dict[str, str]]:
        return {host: {id_: row.status for id_, row in rows.items()} for host, rows in self.measure(*on, **chosen).items()}

    def enrol(self, host: str, account: str, *more: str) -> Ran:
        """The playbook. What the page shows is kept for the person."""
        directory = self.place / "pages"
        words = [f"host={host}", f"account={account}", f"directory={directory}", *more]
        ran = self.playbook("playbooks/mfa_enrol.yml", *(part for word in words for part in ("-e", word)))
        page = directory / f"mfa-{host}-{account}.html"
        if page.exists():
            self.pages[host, account] = shown(page)
        return ran

    def ssh(self, host: str, account: str, answer: str = "", *options: str, key: bool = True) -> Ran:
        """A login over a connection of its own. answer is typed at every question; it says on whose account it ends."""
        asks = self.place / "askpass"
        if not asks.exists():
            asks.write_text('#!/bin/sh\nprintf "%s\\n" "$1" >>"$ASKED"; printf "%s\\n" "$ANSWER"\n')
            asks.chmod(0o700)
        asked = self.place / "asked"
        asked.write_text("")
        secret = self.state_dir / "ssh" / "id_ed25519" if account == USER else self.place / f"key-{account}"
        alone = ["-F", str(self.state_dir / "ssh" / "options"), "-o", "ControlPath=none", "-o", "IdentitiesOnly=yes"]
        alone += ["-o", "NumberOfPasswordPrompts=1", "-o", "BatchMode=no", *options]
        alone += ["-i", str(secret)] if key else ["-o", "PubkeyAuthentication=no"]
        done = subprocess.run(
            ["ssh", *alone, f"{account}@{self.rows[host]['address']}", "id", "-un"],
            env={**os.environ, "SSH_ASKPASS": str(asks), "SSH_ASKPASS_REQUIRE": "force", "ANSWER": answer, "ASKED": str(asked)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
        )
        return Ran(done.returncode, done.stdout.strip() + done.stderr + asked.read_text())

    def enters(self, host: str, account: str, answer: str = "", *options: str, key: bool = True) -> bool:
        ran = self.ssh(host, account, answer, *options, key=key)
        return ran.status == 0 and ran.output.startswith(account)

    def automation_works(self) -> bool:
        return all(self.enters(host, USER) for host in NAMES)


def shown(page: Path) -> Shown:
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<p class="typed code">([A-Z2-7 ]+)</p>', text)
    assert found, "the page shows no secret"
    codes = tuple(one.replace(" ", "") for one in re.findall(r'<li class="code">([0-9 ]+)</li>', text))
    return Shown(found[1].replace(" ", ""), codes, page)


MFA = [control for control in catalogue().values() if control.role == model.MFA]


def chosen_of(bed: Bed, **chosen: Any) -> dict[str, dict[str, Any]]:
    management = [str(bed.rows[TWELVE]["subnet"])]
    made = {one.id: {name: parameter.default for name, parameter in one.parameters.items()} for one in MFA}
    made["mfa-automation"]["management"] = management
    made["mfa-sudo"]["services"] = ["sudo", "sudo-i"]
    made["mfa-console"]["services"] = ["login", "lightdm"]
    for name, value in chosen.items():
        control, _dash, parameter = name.partition("__")
        made[f"mfa-{control}"][parameter] = value
    return made


def assigned_with(bed: Bed, *, waived: str = "", **chosen: Any) -> Assigned:
    waiver = Waiver("the till", "jan", dt.date(2027, 1, 1), Agreement("A. Visser", dt.date(2026, 11, 1), "mail"))
    parameters = chosen_of(bed, **chosen)
    held = tuple(
        AssignedControl(one, parameters[one.id], waiver if one.id == waived else None, frozenset()) for one in MFA
    )
    return Assigned("test", "1", "linux", held)


def role(bed: Bed, *controls: str, **chosen: Any) -> dict[str, Any]:
    arguments = {
        "msp_mfa_enforce": list(controls),
        "msp_mfa_parameters": chosen_of(bed, **chosen),
        "msp_mfa_guard_seconds": AN_HOUR,
    }
    return {"ansible.builtin.include_role": {"name": "msp_mfa"}, "vars": arguments}


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    if reason := hosts.available():
        pytest.skip(reason)
    machines = [machine for machine in NEWCOMERS if machine.name in NAMES]
    with patch_bed.bed(LAB, machines, tmp_path_factory.mktemp("mfa"), (), Bed) as made:
        script = PREPARE
        for name in PEOPLE:
            path = made.place / f"key-{name}"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
            public = path.with_suffix(".pub").read_text().strip()
            script += f"install -d -m 700 -o {name} -g {name} /home/{name}/.ssh\n"
            script += f"echo '{public}' >/home/{name}/.ssh/authorized_keys\n"
        ran = made.tasks({"ansible.builtin.shell": f"set -e\n{script}"})
        assert ran.status == 0, ran.output
        yield made


def test_it_begins(bed: Bed) -> None:
    print(bed.statuses())
    print(bed.enrol(TWELVE, "anna").output)
    print(bed.pages)
    print(bed.measure(TWELVE))
    print(bed.role("mfa-automation", "mfa-ssh", "mfa-sudo", "mfa-console").output)
    print(bed.statuses())
    print(bed.measure(TWELVE))
    s = bed.pages[TWELVE, "anna"]
    print(bed.ssh(TWELVE, "anna", "123456"))
    print(bed.ssh(TWELVE, "anna", s.code()))
    print(bed.ssh(TWELVE, "anna", s.code()))
    print(bed.ssh(TWELVE, "bert"))
    print(bed.automation_works())
    print(bed.sh(TWELVE, "cat /etc/pam.d/sshd | head; cat /etc/ssh/sshd_config.d/00-msp-mfa*; journalctl -n 60 --no-pager | grep -v systemd"))
    assert False
