"""The second factor on real hosts: real sshd and PAM, the real ssh client with real codes, the automation throughout.

Nothing here knows a code but by RFC 6238 from what the page of an enrolment shows. The security key is made of software
(tests/security_key.py), what asks and checks it is not.
"""

from __future__ import annotations

import base64
import contextlib
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
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import lockout_plan, lockout_units, second_factor
from ansible_collections.msp.ops.plugins.plugin_utils.standards import judging, model, probing
from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    Agreement,
    Assigned,
    AssignedControl,
    Waiver,
)
from lab import hosts, podman
from lab.image import USER
from lab.machines import NEWCOMERS
from tests import patch_bed, security_key
from tests.patch_bed import until

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
LAB = "-".join(filter(None, ("mfa-test", os.environ.get("PYTEST_XDIST_WORKER"))))
# Debian 12 and 13: the second has a program of its own for each login by ssh.
NAMES = TWELVE, THIRTEEN = ("harbour-app01", "harbour-app02")
AN_HOUR = lockout_plan.SECONDS_MOST
GLASS = "msp-breakglass"
# Where the lab's hosts have everybody's.
KEYS = "/etc/ssh/authorized_keys.d"
PASSWORD = "made-up-for-this-test-only"  # noqa: S105
# Four get a code, cees a security key, and bert nothing.
CODED = ("anna", "dora", "emma", "fred")
PEOPLE = (*CODED, "bert", "cees")
PREPARE = f"""
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
for name in {" ".join(PEOPLE)} {GLASS}; do
  useradd --create-home --shell /bin/bash $name
  echo $name:{PASSWORD} | chpasswd
done
printf 'Defaults:fred passwd_tries=1\\nfred ALL=(ALL:ALL) ALL\\n' >/etc/sudoers.d/fred
echo 'PasswordAuthentication no' >/etc/ssh/sshd_config.d/00-msp-passwords.conf
systemctl reload ssh
"""


def totp(secret: str, at: float) -> str:
    """RFC 6238, of six figures and half a minute."""
    key = base64.b32decode(secret)
    digest = hmac.new(key, struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    (number,) = struct.unpack(">I", digest[digest[-1] & 15 :][:4])
    return f"{(number & 0x7FFFFFFF) % 10**6:06d}"


# The half minute whose code was the first one of a secret.
FIRST: dict[str, float] = {}


@dataclass(frozen=True)
class Shown:
    """What a page shows a person."""

    secret: str
    codes: tuple[str, ...]
    page: Path

    def code(self, steps: int = 0) -> str:
        """The code of now, or of so many half minutes later. Whoever gave a first code waits for the next one, as a
        person would: it works once."""
        until(lambda: time.time() // 30 > FIRST.get(self.secret, 0), "the next code")
        return totp(self.secret, time.time() + 30 * steps)

    def first_code(self) -> str:
        """The code of now, which the host is to take for half a minute more at least."""
        FIRST[self.secret] = time.time() // 30
        return totp(self.secret, time.time())


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
            cwd=ROOT,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=patch_bed.SECONDS,
        )
        return Ran(done.returncode, done.stdout + done.stderr)

    def written(self, *tasks: Mapping[str, Any], on: Sequence[str] = NAMES) -> Path:
        """A playbook of these tasks."""
        self.number += 1
        path = self.place / f"play{self.number}.yml"
        play = {"hosts": ",".join(on), "gather_facts": False, "become": True, "tasks": list(tasks)}
        path.write_text(json.dumps([play]), encoding="utf-8")
        return path

    def tasks(self, *tasks: Mapping[str, Any], on: Sequence[str] = NAMES, arguments: Sequence[str] = ()) -> Ran:
        return self.playbook(str(self.written(*tasks, on=on)), *arguments)

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
        return {
            host: {id_: row.status for id_, row in rows.items()} for host, rows in self.measure(*on, **chosen).items()
        }

    @property
    def directory(self) -> Path:
        return self.place / "pages"

    def enrol(self, host: str, account: str, *more: str, verbose: str = "-v") -> Ran:
        """The playbook. What the page shows is kept for the person, whose first code is not given yet."""
        words = [f"host={host}", f"account={account}", f"directory={self.directory}", *more]
        ran = self.playbook("playbooks/mfa_enrol.yml", verbose, *(part for word in words for part in ("-e", word)))
        self.look_at_pages()
        return ran

    def confirm(self, host: str, account: str, code: str = "") -> Ran:
        """A person logs in there, and gives the first code."""
        given = code or self.pages[host, account].first_code()
        return self.as_person(host, account, f"{given}\n", "msp-mfa-confirm")

    def look_at_pages(self) -> None:
        for host in NAMES:
            for account in PEOPLE:
                page = self.directory / f"mfa-{host}-{account}.html"
                if page.exists():
                    self.pages[host, account] = shown(page)

    @property
    def askpass(self) -> Path:
        """What ssh asks in the place of a person: it answers with ANSWER, and notes the question in the file ASKED."""
        path = self.place / "askpass"
        if not path.exists():
            path.write_text('#!/bin/sh\nprintf "%s\\n" "$1" >>"$ASKED"; printf "%s\\n" "$ANSWER"\n')
            path.chmod(0o700)
        return path

    def proof(self, password: str) -> list[str]:
        """Arguments of a play by which the role proves break-glass: a real login with the password, from here."""
        options = self.state_dir / "ssh" / "options"
        alone = ["-F", str(options), "-o", "ControlPath=none", "-o", "PubkeyAuthentication=no", "-o", "BatchMode=no"]
        task = {
            "name": "Log in as break-glass",
            "ansible.builtin.command": {
                "argv": ["ssh", *alone, "{{ __msp_mfa_break_glass }}@{{ ansible_host }}", "true"]
            },
            "environment": {
                "SSH_ASKPASS": str(self.askpass),
                "SSH_ASKPASS_REQUIRE": "force",
                "ANSWER": password,
                "ASKED": os.devnull,
            },
            "delegate_to": "localhost",
            "become": False,
        }
        path = self.place / "proof.yml"
        path.write_text(json.dumps([task]), encoding="utf-8")
        return ["-e", f"msp_mfa_break_glass_proof={path}"]

    def ssh(self, host: str, account: str, answer: str = "", *options: str, key: bool = True) -> Ran:
        """A login over a connection of its own. answer is typed at every question; it says on whose account it ends."""
        asked = self.place / "asked"
        asked.write_text("")
        secret = self.state_dir / "ssh" / "id_ed25519" if account == USER else self.place / f"key-{account}"
        alone = ["-F", str(self.state_dir / "ssh" / "options"), "-o", "ControlPath=none", "-o", "IdentitiesOnly=yes"]
        alone += ["-o", "NumberOfPasswordPrompts=1", "-o", "BatchMode=no", *options]
        alone += ["-i", str(secret)] if key else ["-o", "PubkeyAuthentication=no"]
        done = subprocess.run(
            ["ssh", *alone, f"{account}@{self.rows[host]['address']}", "id", "-un"],
            env={
                **os.environ,
                "SSH_ASKPASS": str(self.askpass),
                "SSH_ASKPASS_REQUIRE": "force",
                "ANSWER": answer,
                "ASKED": str(asked),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Ran(done.returncode, done.stdout.strip() + done.stderr + asked.read_text())

    def enters(self, host: str, account: str, answer: str = "", *options: str, key: bool = True) -> bool:
        ran = self.ssh(host, account, answer, *options, key=key)
        return ran.status == 0 and ran.output.startswith(account)

    def through(self, by: str) -> tuple[str, ...]:
        """Options of ssh by which it comes from another host, with nothing of it on that."""
        secret, options = self.state_dir / "ssh" / "id_ed25519", self.state_dir / "ssh" / "options"
        jump = f"ssh -F {options} -i {secret} -o IdentitiesOnly=yes -W %h:%p {USER}@{self.rows[by]['address']}"
        return ("-o", f"ProxyCommand={jump}")

    def as_person(self, host: str, account: str, typed: str, *command: str) -> Ran:
        """What a person does in a session there, with what is typed."""
        argv = ["exec", "-i", "-u", account, self.container(host), *command]
        done = podman.attempt(*argv, stdin=typed)
        return Ran(done.returncode, done.stdout + done.stderr)


def shown(page: Path) -> Shown:
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<p class="typed code">([A-Z2-7 ]+)</p>', text)
    assert found, "the page shows no secret"
    codes = tuple(one.replace(" ", "") for one in re.findall(r'<li class="code">([0-9 ]+)</li>', text))
    return Shown(found[1].replace(" ", ""), codes, page)


MFA = [control for control in catalogue().values() if control.role == model.MFA]


def chosen_of(bed: Bed, **chosen: Any) -> dict[str, dict[str, Any]]:
    management = [str(bed.rows[TWELVE]["gateway"]), "2001:db8:10::/64"]
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
            script += f"echo '{public}' >{KEYS}/{name}\n"
        ran = made.tasks({"ansible.builtin.shell": f"set -e\n{script}"})
        assert ran.status == 0, ran.output
        yield made


@pytest.fixture(autouse=True)
def the_automation_works_throughout(bed: Bed) -> Iterator[None]:
    """By a fresh login of its own, in whatever state a test leaves the hosts."""
    yield
    assert [host for host in NAMES if bed.enters(host, USER)] == list(NAMES)


class Processes:
    """The command line of every process of this machine, those of the hosts among them, as long as it is looked at."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Processes:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.01):
            for place in Path("/proc").iterdir():
                with contextlib.suppress(OSError):
                    self.seen.add((place / "cmdline").read_bytes())


def test_before_anybody_is_enrolled_nobody_is_asked_and_the_automations_key_opens_from_anywhere(bed: Bed) -> None:
    found = bed.measure()

    for rows in found.values():
        assert {row.control for row in rows.values() if row.status == "not applicable"} == {
            "mfa-enrolled",
            "mfa-ssh",
            "mfa-sudo",
            "mfa-console",
        }
        assert rows["mfa-automation"].status == "drift"
    assert bed.enters(TWELVE, "anna")
    assert bed.enters(THIRTEEN, USER, "", *bed.through(TWELVE))


def test_a_secret_is_on_its_host_and_on_one_page_and_nowhere_else(bed: Bed) -> None:
    with Processes() as processes:
        ran = bed.enrol(TWELVE, "anna", verbose="-vvvvv")
    assert ran.status == 0, ran.output
    mine = bed.pages[TWELVE, "anna"]
    secrets = [mine.secret, *mine.codes]

    assert stat.S_IMODE(mine.page.stat().st_mode) == 0o600 and stat.S_IMODE(mine.page.parent.stat().st_mode) == 0o700
    kept = f"{second_factor.WAITING}/anna"
    assert bed.sh(TWELVE, f"stat -c '%U %a' {kept} {second_factor.WAITING}").split() == ["root", "600", "root", "700"]
    assert bed.sh(TWELVE, f"head -1 {kept}") == mine.secret
    assert len(set(mine.codes)) == 8
    assert [one for one in secrets if one in ran.output] == []
    journal = bed.sh(TWELVE, "journalctl --no-pager -o cat")
    assert "anna was given a new second factor, a code" in journal
    assert [one for one in secrets if one in journal] == []
    assert any(b"ansible-playbook" in line for line in processes.seen)
    assert [one for one in secrets if any(one.encode() in line for line in processes.seen)] == []
    elsewhere = [path for path in bed.place.rglob("*") if path.is_file() and path != mine.page]
    assert [path for path in elsewhere if mine.secret.encode() in path.read_bytes()] == []
    # Who has one keeps it, unless it is asked for.
    ran = bed.enrol(TWELVE, "anna")
    assert ran.status == 0 and "anna on harbour-app01: waits for its first code" in ran.output, ran.output
    assert "changed=0" in ran.output
    assert bed.sh(TWELVE, f"head -1 {kept}") == mine.secret == shown(mine.page).secret


def test_it_counts_and_is_in_force_once_the_person_gave_a_first_code(bed: Bed) -> None:
    """By herself on the machine, or told to whoever ran the playbook; by the machine's clock."""
    mine = bed.pages[TWELVE, "anna"]
    assert "anna (its first code is awaited)" in bed.measure(TWELVE)[TWELVE]["mfa-enrolled"].told()["found"]
    # Nobody else's, no wrong one, and none of a phone whose clock is two minutes ahead.
    assert bed.confirm(TWELVE, "bert", mine.code()).status != 0
    wrong = bed.confirm(TWELVE, "anna", "12345")
    assert wrong.status == 1 and "That is not the code" in wrong.output, wrong.output
    ahead = bed.confirm(TWELVE, "anna", mine.code(4))
    assert ahead.status == 1 and "120 seconds away" in ahead.output, ahead.output
    told = bed.playbook(
        "playbooks/mfa_enrol.yml", *("-e", f"host={TWELVE}", "-e", "account=anna", "-e", f"code={mine.code(-10)}")
    )
    assert told.status != 0 and "MSP-MFA-021" in told.output and "behind this host" in told.output, told.output
    assert not bed.there(TWELVE, f"{second_factor.STATE}/anna")

    right = bed.confirm(TWELVE, "anna")
    assert right.status == 0 and "That is right" in right.output, right.output
    assert bed.sh(TWELVE, f"head -1 {second_factor.STATE}/anna") == mine.secret
    assert "anna" not in bed.measure(TWELVE)[TWELVE]["mfa-enrolled"].told()["found"]
    until(lambda: "anna gave the first code" in bed.sh(TWELVE, "journalctl -t msp-mfa -o cat"), "a line in the log")


def test_who_is_never_asked_or_is_not_there_gets_no_secret(bed: Bed) -> None:
    def attempt(account: str, **more: Any) -> dict[str, Any]:
        asked = {"account": account, "directory": str(bed.directory), "never": [GLASS], **more}
        return {"msp.ops.mfa_enrol": asked, "ignore_errors": True}

    ran = bed.tasks(
        attempt(USER),
        attempt(GLASS),
        attempt("nobody-here"),
        attempt("../x"),
        attempt("bert", method="security key"),
        *(attempt(account) for account in CODED),
        on=NAMES,
    )
    bed.look_at_pages()

    for code, number in (("MSP-MFA-012", 4), ("MSP-MFA-011", 2), ("MSP-MFA-010", 2), ("MSP-MFA-014", 2)):
        assert len(re.findall(f'"code": "{code}"', ran.output)) == number, (code, ran.output)
    assert set(bed.pages) == {(host, account) for host in NAMES for account in CODED}
    assert sorted(bed.sh(THIRTEEN, f"ls {second_factor.WAITING}").split()) == sorted(CODED)
    # Here by what they told whoever enrolled them.
    for account in CODED:
        codes = {host: bed.pages[host, account].first_code() for host in NAMES}
        told = {"account": account, "code": f"{{{{ {codes!r}[inventory_hostname] }}}}"}
        ran = bed.tasks({"msp.ops.mfa_enrol": told}, on=NAMES)
        assert ran.status == 0, ran.output
    assert sorted(bed.sh(THIRTEEN, f"ls {second_factor.STATE}").split()) == sorted(CODED)


ALL = ("mfa-automation", "mfa-ssh", "mfa-sudo", "mfa-console")


def test_the_role_asks_those_who_are_enrolled_and_a_second_run_changes_nothing(bed: Bed) -> None:
    before = bed.measure()
    checked = bed.role(*ALL, on=[TWELVE], arguments=["--check", "--diff"])
    assert checked.status == 0, checked.output
    assert "+    AuthenticationMethods publickey,keyboard-interactive:pam" in checked.output
    assert bed.enters(TWELVE, "anna")
    ran = bed.role(*ALL, arguments=bed.proof(PASSWORD))
    assert ran.status == 0, ran.output
    # While the guard was armed.
    assert (
        ran.output.index("Arm the guard") < ran.output.index("Log in as break-glass") < ran.output.index("Log in anew")
    )
    after = bed.measure()
    again = bed.role(*ALL)

    for host in NAMES:
        assert {before[host][name].status for name in ALL} == {"drift"}
        assert {after[host][name].status for name in ALL} == {"compliant"}
        # Nobody but people can enrol people: that is left to them, and they are named.
        left = after[host]["mfa-enrolled"]
        assert (left.status, left.left) == ("drift", True)
        assert "people without a second factor: bert, cees" in left.told()["found"]
    assert again.status == 0 and set(re.findall(r"changed=(\d+)", again.output)) == {"0"}, again.output
    # Who is not enrolled is not asked.
    assert bed.enters(TWELVE, "bert") and bed.enters(THIRTEEN, "bert")


# Of each person no more than three attempts in half a minute: a fourth one would be refused for that alone.
@pytest.mark.parametrize("host", NAMES)
def test_ssh_takes_key_and_code_and_neither_alone_nor_a_code_of_yesterday(bed: Bed, host: str) -> None:
    anna = bed.pages[host, "anna"]
    assert not bed.enters(host, "anna", anna.code(), key=False)
    without = bed.ssh(host, "anna", "")
    assert without.status != 0 and "Verification code" in without.output
    assert not bed.enters(host, "anna", totp(anna.secret, time.time() - 24 * 60 * 60))
    assert bed.enters(host, "anna", anna.code())


@pytest.mark.parametrize("host", NAMES)
def test_a_code_works_once_and_so_does_a_recovery_code(bed: Bed, host: str) -> None:
    dora, emma = bed.pages[host, "dora"], bed.pages[host, "emma"]
    used = dora.code()
    assert bed.enters(host, "dora", used)
    assert not bed.enters(host, "dora", used)
    # It was not the number of attempts: the next code works.
    assert bed.enters(host, "dora", dora.code(1))
    assert bed.enters(host, "emma", emma.codes[0])
    assert not bed.enters(host, "emma", emma.codes[0])
    assert bed.enters(host, "emma", emma.codes[1])


def test_sudo_takes_code_and_password_and_neither_alone(bed: Bed) -> None:
    fred = bed.pages[TWELVE, "fred"]
    sudo = ("sudo", "-k", "-S", "id", "-un")

    assert bed.as_person(TWELVE, "fred", f"\n{PASSWORD}\n", *sudo).status != 0
    assert bed.as_person(TWELVE, "fred", f"{fred.code()}\nwrong\n", *sudo).status != 0
    ran = bed.as_person(TWELVE, "fred", f"{fred.codes[0]}\n{PASSWORD}\n", *sudo)
    assert ran.status == 0 and "root" in ran.output, ran.output


# A terminal, as a person has one: each answer when it is asked for.
LOGIN = """
import os, pty, sys, time
answers = [("login:", "fred"), ("Verification code:", sys.argv[1]), ("Password:", sys.argv[2])]
answers.append(("$ ", "touch ~/here; exit"))
child, terminal = pty.fork()
if not child:
    os.execv("/bin/login", ["login"])
said = ""
while not os.waitpid(child, os.WNOHANG)[0]:
    try:
        said += os.read(terminal, 1000).decode("utf-8", "replace")
    except OSError:
        # login hangs up whoever else may listen there, for a moment nobody has the other end.
        time.sleep(0.01)
        continue
    if answers and answers[0][0] in said:
        said = ""
        os.write(terminal, (answers.pop(0)[1] + "\\n").encode())
    elif "incorrect" in said:
        os.kill(child, 9)
print(said)
"""


def test_the_console_takes_code_and_password(bed: Bed) -> None:
    fred = bed.pages[THIRTEEN, "fred"]

    def log_in(code: str) -> bool:
        bed.sh(THIRTEEN, "rm -f /home/fred/here")
        bed.on(THIRTEEN, "python3", "-c", LOGIN, code, PASSWORD)
        return bed.there(THIRTEEN, "/home/fred/here")

    assert not log_in("12345")
    assert log_in(fred.code())


def test_a_security_key_alone_opens_where_its_owner_gave_the_pin_and_no_other_key_does(
    bed: Bed, tmp_path: Path
) -> None:
    key = security_key.SoftwareSecurityKey()
    public = tmp_path / "software.pub"
    public.write_text(key.line + "\n")
    bed.sh(TWELVE, f"echo '{key.line}' >>{KEYS}/cees")
    assert bed.enters(TWELVE, "cees")
    ran = bed.enrol(TWELVE, "cees", "method='security key'")
    assert ran.status == 0, ran.output

    with security_key.agent(key, tmp_path) as agent:
        options = ("-o", f"IdentityAgent={agent}", "-i", str(public))
        assert bed.enters(TWELVE, "cees", "", *options)
        assert key.signed == 1
        # The plain one, which cees has too.
        assert not bed.enters(TWELVE, "cees")
        key.flags = security_key.TOUCHED
        refused = bed.ssh(TWELVE, "cees", "", *options)
        assert refused.status != 0 and key.signed == 2, refused.output
    assert "user verification" in bed.sh(TWELVE, "journalctl --no-pager -o cat -t sshd | tail -5")
    found = bed.measure(TWELVE)[TWELVE]
    assert found["mfa-ssh"].status == "compliant"
    assert found["mfa-enrolled"].told()["found"] == "people without a second factor: bert"


def test_automation_and_break_glass_come_in_from_the_management_addresses_alone(bed: Bed) -> None:
    for account in (USER, GLASS):
        ran = bed.ssh(THIRTEEN, account, PASSWORD, *bed.through(TWELVE), key=account == USER)
        assert ran.status != 0 and "Permission denied" in ran.output, ran.output
    assert bed.enters(THIRTEEN, GLASS, PASSWORD, key=False)
    assert not bed.enters(THIRTEEN, GLASS, "wrong", key=False)
    # People do come in from there.
    assert bed.enters(THIRTEEN, "bert", "", *bed.through(TWELVE))


OFFICE = "/etc/ssh/sshd_config.d/00-lab.conf"
DRIFTS = {
    "mfa-ssh": f"echo 'Match Group msp-mfa Address 198.51.100.0/24' >{OFFICE}; "
    f"echo 'AuthenticationMethods publickey' >>{OFFICE}",
    "mfa-automation": "rm /etc/ssh/sshd_config.d/00-msp-mfa-automation.conf",
    "mfa-sudo": "sed -i '1i auth sufficient pam_permit.so' /etc/pam.d/sudo",
    "mfa-console": "sed -i '/msp.ops mfa/,/msp.ops mfa/d' /etc/pam.d/login",
}


def test_what_people_change_is_found_and_put_right_but_for_what_is_theirs(bed: Bed) -> None:
    bed.sh(TWELVE, "set -e; cp /etc/pam.d/sudo /root/sudo; " + "; ".join(DRIFTS.values()) + "; systemctl reload ssh")
    found = bed.measure(TWELVE)[TWELVE]
    waived = bed.measure(TWELVE, waived="mfa-sudo")[TWELVE]

    assert {found[name].status for name in DRIFTS} == {"drift"}
    assert "anna: publickey (Match Group msp-mfa Address 198.51.100.0/24)" in found["mfa-ssh"].told()["found"]
    # A Match block of somebody else is no work of a role.
    assert found["mfa-ssh"].left and "00-lab.conf" in found["mfa-ssh"].told()["reason"]
    assert f"{USER} comes in from 192.0.2.1" in found["mfa-automation"].told()["found"]
    assert "sudo: fred" in found["mfa-sudo"].told()["found"] and "login: fred" in found["mfa-console"].told()["found"]
    assert waived["mfa-sudo"].status == "waived"

    ran = bed.role(*ALL, on=[TWELVE])
    assert ran.status == 0, ran.output
    after = bed.measure(TWELVE)[TWELVE]
    assert {name for name in ALL if after[name].status == "compliant"} == {*ALL} - {"mfa-ssh"}
    bed.sh(
        TWELVE,
        f"rm {OFFICE}; sed -i '/sufficient pam_permit/d' /etc/pam.d/sudo; systemctl reload ssh",
    )
    assert bed.statuses(TWELVE)[TWELVE]["mfa-ssh"] == "compliant"
    assert bed.sh(TWELVE, "cmp /etc/pam.d/sudo /root/sudo && echo same") == "same"


def test_nobody_is_locked_out_whom_nobody_decided_about(bed: Bed) -> None:
    undecided = bed.measure(THIRTEEN, ssh__who="everybody")[THIRTEEN]["mfa-ssh"]
    refused = bed.role("mfa-ssh", on=[THIRTEEN], ssh__who="everybody")
    assert "MSP-MFA-003" in refused.output and "found none for bert, cees" in " ".join(refused.output.split())
    assert bed.enters(THIRTEEN, "bert")
    decided = {"ssh__who": "everybody", "ssh__locked_out": ["bert", "cees"]}
    ran = bed.role("mfa-ssh", on=[THIRTEEN], **decided)
    assert ran.status == 0, ran.output

    assert judging.undecided(undecided) and "bert" in undecided.told()["reason"]
    assert not bed.enters(THIRTEEN, "bert", "123456")
    assert bed.statuses(THIRTEEN, **decided)[THIRTEEN]["mfa-ssh"] == "compliant"
    # A new account is shut out from its first moment.
    bed.sh(THIRTEEN, f"useradd -m -s /bin/bash gina; cp {KEYS}/bert {KEYS}/gina")
    ran = bed.ssh(
        THIRTEEN, "gina", "123456", "-i", str(bed.place / "key-bert"), "-o", "PubkeyAuthentication=yes", key=False
    )
    assert ran.status != 0
    bed.sh(THIRTEEN, "userdel -r gina")


def test_a_lost_phone_a_new_secret_and_none_any_more(bed: Bed) -> None:
    """On the other host everything of the same person goes on working."""
    old = bed.pages[TWELVE, "emma"]
    ran = bed.enrol(TWELVE, "emma", "again=true")
    assert ran.status == 0 and "until then the old one is" in ran.output, ran.output
    new = bed.pages[TWELVE, "emma"]
    assert new.secret != old.secret

    assert bed.enters(TWELVE, "emma", old.codes[2])
    right = bed.confirm(TWELVE, "emma")
    assert right.status == 0, right.output
    assert not bed.enters(TWELVE, "emma", old.code())
    assert not bed.enters(TWELVE, "emma", old.codes[3])
    assert bed.enters(TWELVE, "emma", new.code())
    ran = bed.enrol(TWELVE, "emma", "withdraw=true")
    assert ran.status == 0 and "emma on harbour-app01: has none any more" in ran.output, ran.output
    assert bed.enters(TWELVE, "emma") and not bed.there(TWELVE, f"{second_factor.STATE}/emma")
    assert "emma" in bed.measure(TWELVE)[TWELVE]["mfa-enrolled"].told()["found"]
    assert bed.enters(THIRTEEN, "emma", bed.pages[THIRTEEN, "emma"].codes[4])


# Nobody saw that PAM would not let the automation in, as long as the ssh server did not ask it.
UNSEEN = f"""
set -e
echo 'UsePAM no' >/etc/ssh/sshd_config.d/zz-lab.conf
rm -f /etc/ssh/sshd_config.d/00-msp-mfa-ssh.conf
sed -i '1i account required pam_access.so accessfile=/etc/lab-access' /etc/pam.d/sshd
echo '-:{USER}:ALL' >/etc/lab-access
# Without PAM sshd lets nobody in whose password is locked; this one is none that fits.
usermod --password '*' {USER}
systemctl reload ssh
"""


def test_the_host_brings_it_back_where_the_automation_is_locked_out(bed: Bed) -> None:
    written = "/etc/ssh/sshd_config.d/00-msp-mfa-ssh.conf"
    bed.sh(THIRTEEN, UNSEEN)
    # The server reads its files anew, and is not there for a moment.
    until(lambda: bed.enters(THIRTEEN, USER), "the automation to get in past PAM")
    played = subprocess.Popen(
        ["ansible-playbook", "-i", str(bed.inventory()), str(bed.written(role(bed, "mfa-ssh"), on=[THIRTEEN]))],
        cwd=ROOT,
        env={**bed.environment, "ANSIBLE_TIMEOUT": "4"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until(lambda: bed.there(THIRTEEN, written), "the change")
        until(lambda: not bed.enters(THIRTEEN, USER), "the lockout")
        # Its time is up: what the host's own timer starts.
        bed.on(THIRTEEN, "systemctl", "start", lockout_units.SERVICE)
        out, _none = played.communicate(timeout=patch_bed.SECONDS)
    finally:
        played.kill()

    assert "MSP-STD-089" in out and "directory /etc/ssh/sshd_config.d" in out, out
    assert bed.enters(THIRTEEN, USER)
    assert not bed.there(THIRTEEN, written)


def test_where_break_glass_cannot_log_in_what_was_there_is_back(bed: Bed) -> None:
    bed.sh(
        THIRTEEN, "rm /etc/ssh/sshd_config.d/zz-lab.conf; sed -i '/pam_access/d' /etc/pam.d/sshd; systemctl reload ssh"
    )
    failed = bed.role("mfa-ssh", on=[THIRTEEN], arguments=bed.proof("another password"))

    assert "MSP-STD-089" in failed.output and "Log in as break-glass" in failed.output, failed.output
    assert not bed.there(THIRTEEN, "/etc/ssh/sshd_config.d/00-msp-mfa-ssh.conf")
