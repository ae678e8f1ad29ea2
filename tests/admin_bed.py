"""What tests of local passwords stand on: two hosts, an escrow that people can open, and real logins with passwords."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrage
import yaml

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk import escrowing
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import keeping
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Place
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import SecurityEvent
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.local_admin import login
from lab import hosts, podman
from tests import admin_crash, patch_bed

ROOT = Path(__file__).resolve().parent.parent
CUSTOMER = "harbour-dental"
BREAK_GLASS, TECHNICIAN = "msp-breakglass", "msp-technician"
# Types a password where a program asks for one on a terminal, and ends as the program does.
TERMINAL = """
import os, pty, select, sys
password = sys.stdin.readline().rstrip("\\n")
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
said, asked = b"", False
while True:
    ready, _w, _x = select.select([terminal], [], [], 30)
    if not ready:
        os.kill(pid, 9)
        break
    try:
        data = os.read(terminal, 1024)
    except OSError:
        break
    if not data:
        break
    said += data
    if not asked and b"assword" in said:
        os.write(terminal, password.encode() + b"\\n")
        asked = True
status = os.waitpid(pid, 0)[1]
sys.stdout.write(said.decode("utf-8", "replace"))
sys.exit(os.waitstatus_to_exitcode(status))
"""
CONTROLS = (
    *("local-admin-noticed", "local-admin-password", "local-admin-unused", "break-glass-account", "break-glass-login"),
    *("break-glass-password", "break-glass-tested", "break-glass-unused", "technician-once", "technician-login"),
)


@dataclass
class Ran:
    status: int
    output: str
    results: Mapping[str, Mapping[str, Any]]


@dataclass
class Bed(patch_bed.Bed):
    """The hosts, and the controller's own store and escrow."""

    identity: Any = field(default=None)
    environment: dict[str, str] = field(default_factory=dict)
    waivers: dict[str, Any] = field(default_factory=dict)
    days: dict[str, int] = field(default_factory=dict)
    desks: dict[str, admin_crash.Desk] = field(default_factory=dict)

    def prepare(self) -> None:
        self.identity = pyrage.x25519.Identity.generate()
        recipients = self.place / "recipients"
        recipients.mkdir()
        (recipients / f"{CUSTOMER}.txt").write_text(f"{self.identity.to_public()}\n", encoding="utf-8")
        self.environment = {
            "MSP_STORE_URL": f"sqlite:///{self.place / 'evidence.db'}",
            "MSP_ESCROW": str(self.place / "escrow"),
            "MSP_ESCROW_RECIPIENTS": str(recipients),
            "MSP_DURABLE_PATHS": str(self.place),
            "XDG_STATE_HOME": str(self.place / "xdg"),
            "XDG_CACHE_HOME": str(self.place / "cache"),
            "MSP_WHO": "anna",
        }
        os.environ["MSP_DURABLE_PATHS"] = str(self.place)
        Store.open(self.environment["MSP_STORE_URL"], upgrade=True).close()

    # -- playbooks ------------------------------------------------------------------------------------------------

    def standard(self, host: str) -> dict[str, Any]:
        addresses = [f"{self.rows[host]['gateway']}/32"]
        chosen: dict[str, dict[str, Any]] = {name: {} for name in CONTROLS}
        for name in ("break-glass-login", "technician-login"):
            chosen[name] = {"addresses": addresses}
        for name, days in self.days.items():
            chosen[name] = {**chosen[name], "days": days}
        return {
            "standard": {"name": "keys-under-glass", "waivers": self.waivers},
            "standards_own": {
                "keys-under-glass": {
                    "version": "1",
                    "title": {"en": "Keys under glass", "nl": "Sleutels achter glas"},
                    "class": "linux-server",
                    "controls": chosen,
                }
            },
        }

    def inventory(self, place: Path, targets: Sequence[str]) -> Path:
        found = {
            name: {
                "ansible_host": self.rows[name]["address"],
                "ansible_port": self.rows[name]["port"],
                "ansible_python_interpreter": "/usr/bin/python3",
                "msp": {
                    "customer": CUSTOMER,
                    "timezone": "Europe/Amsterdam",
                    "status": "contracted",
                    "contract": {"start": "2026-01-01", "end": None},
                    "asset": {"key": self.asset(name)},
                    **self.standard(name),
                },
            }
            for name in targets
        }
        local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        every = {"hosts": dict.fromkeys(targets)}
        groups = {"status_contracted": every, f"customer_{CUSTOMER.replace('-', '_')}": every}
        path = place / "inventory.yml"
        path.write_text(
            json.dumps({"all": {"hosts": {**found, "localhost": local}, "children": groups}}), encoding="utf-8"
        )
        return path

    def run_environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **hosts.ssh_environment(self.state_dir),
            **self.environment,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.place / "c"),
            "NO_COLOR": "1",
        }

    def command(
        self, targets: Sequence[str], tasks: Sequence[Mapping[str, Any]] | None = None, playbook: str = ""
    ) -> tuple[list[str], Path]:
        self.number += 1
        place = self.place / f"run{self.number}"
        place.mkdir()
        inventory = self.inventory(place, targets)
        if tasks is None:
            return ["ansible-playbook", "-i", str(inventory), str(self._without_netbox(playbook, place))], place
        registered = [str(task["register"]) for task in tasks if "register" in task]
        # The text of a missing one would be an error of its own.
        shown = ", ".join(f"'{name}': {name} | default(none)" for name in registered)
        copy = {
            "content": f"{{{{ {{{shown}}} | to_json }}}}",
            "dest": f"{place}/{{{{ inventory_hostname }}}}.json",
            "mode": "0600",
        }
        keep = {"ansible.builtin.copy": copy, "delegate_to": "localhost", "become": False, "check_mode": False}
        play = {"hosts": "all:!localhost", "gather_facts": False, "become": True, "strategy": "free"}
        (place / "play.yml").write_text(
            json.dumps([{**play, "tasks": [{"block": list(tasks), "always": [keep]}]}]), encoding="utf-8"
        )
        return ["ansible-playbook", "-i", str(inventory), str(place / "play.yml")], place

    @staticmethod
    def _without_netbox(name: str, place: Path) -> Path:
        """A playbook as it is, but for the one task that tells NetBox: there is none here."""
        plays = yaml.safe_load((ROOT / "playbooks" / f"{name}.yml").read_text(encoding="utf-8"))
        for play in plays:
            play["tasks"] = [task for task in play.get("tasks", []) if "msp.ops.standard_register" not in task]
        path = place / f"{name}.yml"
        path.write_text(json.dumps(plays), encoding="utf-8")
        return path

    def perform(
        self,
        targets: Sequence[str],
        tasks: Sequence[Mapping[str, Any]] | None = None,
        *arguments: str,
        playbook: str = "",
    ) -> Ran:
        """Play tasks, or one of the playbooks, over real ssh; what the tasks registered, by host."""
        command, place = self.command(targets, tasks, playbook)
        done = subprocess.run(
            [*command, *arguments],
            cwd=ROOT,
            env=self.run_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in place.glob("*.json")}
        return Ran(done.returncode, done.stdout + done.stderr, found)

    def standardise(self, targets: Sequence[str], *arguments: str) -> Ran:
        """As playbooks/standardise.yml does it: measure, bring about, measure again."""
        role = {
            "ansible.builtin.include_role": {"name": "msp_local_admin"},
            "vars": {
                "msp_local_admin_enforce": "{{ before.enforce.msp_local_admin }}",
                "msp_local_admin_parameters": (
                    "{{ before.parameters.msp_local_admin | dict2items"
                    " | selectattr('key', 'in', before.held) | items2dict }}"
                ),
                "msp_local_admin_guard_seconds": 600,
            },
            "when": "before.enforce | length > 0",
        }
        after = {"phase": "after", "before": "{{ before.drift }}"}
        tasks: list[dict[str, Any]] = [
            {"msp.ops.standard_scan": {"phase": "before"}, "register": "before"},
            role,
            {"msp.ops.standard_scan": after, "register": "after", "when": "not ansible_check_mode"},
        ]
        return self.perform(targets, tasks, *arguments)

    def rotate(self, targets: Sequence[str], *arguments: str, **more: Any) -> Ran:
        """The rotation of both accounts, as playbooks/rotate.yml does it."""
        glass = {"account": BREAK_GLASS, "purpose": "break-glass", "days": 92, "tested_days": 31}
        tasks = [
            {"msp.ops.local_admin": {"account": "root", **more}, "register": "root"},
            {"msp.ops.local_admin": {**glass, **more}, "register": "glass"},
        ]
        return self.perform(targets, tasks, *arguments)

    def drift(self, host: str) -> set[str]:
        """Which controls are drift or waived drift on a host now, measured."""
        ran = self.perform([host], [{"msp.ops.standard_scan": {}, "register": "found"}])
        assert ran.status == 0, ran.output
        return {str(row["control"]) for row in ran.results[host]["found"]["drift"]}

    # -- the escrow -----------------------------------------------------------------------------------------------

    def subject(self, host: str) -> Subject:
        return Subject(host, CUSTOMER, self.asset(host))

    def place_of(self, host: str, account: str) -> Place:
        return Place(CUSTOMER, self.asset(host), "local-admin" if account == "root" else "break-glass", account)

    @contextlib.contextmanager
    def escrow(self) -> Iterator[escrowing.Escrowed]:
        with escrowing.at_hand(CUSTOMER, self.environment) as found:
            yield found

    def escrowed(self, host: str, account: str = "root") -> list[str]:
        """The passwords that a person would be given, the likeliest first; nobody is on record for it."""
        with self.escrow() as escrow:
            found = keeping.opened(escrow.escrow, [self.identity], self.place_of(host, account))
            return [secret.value for secret in found.every]

    def fetch(self, host: str, account: str = "root") -> str:
        """As a person does it with ./msp escrow fetch."""
        with self.escrow() as escrow:
            found = escrow.fetch(self.place_of(host, account), [self.identity], why="a test", ticket="T-1")
            return found.every[0].value

    def events(self, host: str) -> list[SecurityEvent]:
        with Store.open(self.environment["MSP_STORE_URL"]) as store:
            return store.security_events(CUSTOMER, self.asset(host))

    # -- logins with a password -----------------------------------------------------------------------------------

    def ssh(self, host: str, account: str, password: str, become: str = login.BECOME) -> str:
        """Log in from here, and become root; what it said when that did not work, else nothing.

        become: what becomes root in the place of that. It gets the password, and is to answer 0.
        """
        door = login.Door(
            address=str(self.rows[host]["address"]),
            port=int(self.rows[host]["port"]),
            arguments=f"-F {self.state_dir / 'ssh' / 'options'}",
            become=become,
        )
        try:
            login.try_login(door, account, password, host)
        except MspError as error:
            return error.found
        return ""

    def ssh_from(self, other: str, host: str, account: str, password: str) -> int:
        """Log in from another host; 0 where that works."""
        ssh = ["ssh", "-o", "StrictHostKeyChecking=no", "-o", "PubkeyAuthentication=no", "-o", "ConnectTimeout=10"]
        ssh += ["-o", "NumberOfPasswordPrompts=1"]
        return self.types(other, password, *ssh, "-l", account, str(self.rows[host]["address"]), "true").returncode

    def logs_in(self, host: str) -> bool:
        """Whether the automation does, with its key."""
        alone = ("-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "BatchMode=yes")
        command = ["ssh", "-F", str(self.state_dir / "ssh" / "config"), *alone, host, "sudo", "-n", "true"]
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0

    @contextlib.contextmanager
    def terminal(self, host: str) -> Iterator[Path]:
        """Somebody who is logged in on a terminal; the file with all that it shows."""
        shown = self.place / f"terminal-{host}"
        command = ["ssh", "-tt", "-F", str(self.state_dir / "ssh" / "config"), "-o", "ControlPath=none", host]
        with shown.open("w", encoding="utf-8") as stream:
            process = subprocess.Popen(
                [*command, "echo here; exec sleep 600"], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
            )
            try:
                patch_bed.until(lambda: "here" in shown.read_text(encoding="utf-8"), f"a terminal on {host}")
                yield shown
            finally:
                process.kill()
                process.wait()

    def types(self, host: str, password: str, *command: str, user: str = "root") -> subprocess.CompletedProcess[str]:
        """Run a program on a terminal of the host, and type the password where it asks."""
        words = ("exec", "-i", "-u", user, self.container(host), "python3", "-c", TERMINAL, *command)
        return podman.attempt(*words, stdin=password + "\n", timeout=120)

    def becomes(self, host: str, account: str, password: str) -> bool:
        """Whether somebody who is logged in as another becomes the account with the password, by su."""
        done = self.types(host, password, "su", "-", account, "-c", "id -un", user="nobody")
        return done.returncode == 0 and bool(re.search(rf"^{account}\r?$", done.stdout, re.MULTILINE))

    def journal(self, host: str, tag: str) -> list[tuple[str, str]]:
        """Priority and text of what was written under a tag."""
        text = self.sh(host, f"journalctl -t {tag} -o json --no-pager 2>/dev/null || true")
        rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [(str(row["PRIORITY"]), str(row["MESSAGE"])) for row in rows]


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
