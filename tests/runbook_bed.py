"""What tests of runbooks stand on: two hosts, an evidence store, and problems that are really made on them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import runbooks
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import RunbookRun
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from lab import hosts
from tests import patch_bed

ROOT = Path(__file__).resolve().parent.parent
CUSTOMER = "harbour-dental"
# Wrong passwords as a program gives them to PAM, each from a host of its own.
WRONG_LOGINS = """
import ctypes, sys
pam, libc = ctypes.CDLL("libpam.so.0"), ctypes.CDLL(None)
libc.calloc.restype, libc.strdup.restype = ctypes.c_void_p, ctypes.c_void_p
libc.calloc.argtypes, libc.strdup.argtypes = [ctypes.c_size_t] * 2, [ctypes.c_char_p]
class Response(ctypes.Structure):
    _fields_ = [("text", ctypes.c_void_p), ("code", ctypes.c_int)]
Responses = ctypes.POINTER(ctypes.POINTER(Response))
ASK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, Responses, ctypes.c_void_p)
class Conversation(ctypes.Structure):
    _fields_ = [("ask", ASK), ("data", ctypes.c_void_p)]
@ASK
def ask(count, messages, answers, data):
    made = libc.calloc(count, ctypes.sizeof(Response))
    answers[0] = ctypes.cast(made, ctypes.POINTER(Response))
    for number in range(count):
        answers[0][number].text = libc.strdup(b"wrong")
    return 0
pam.pam_set_item.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
for host in sys.argv[2:]:
    handle, talk = ctypes.c_void_p(), Conversation(ask, None)
    assert pam.pam_start(b"lab", sys.argv[1].encode(), ctypes.byref(talk), ctypes.byref(handle)) == 0
    pam.pam_set_item(handle, 4, host.encode())  # PAM_RHOST
    assert pam.pam_authenticate(handle, 0) != 0
    pam.pam_end(handle, 0)
"""
PAM = """\
auth required pam_faillock.so preauth deny=3 unlock_time=0
auth [success=1 default=ignore] pam_unix.so nodelay
auth [default=die] pam_faillock.so authfail deny=3 unlock_time=0
auth required pam_permit.so
"""
# Takes a processor of every fourth when it is started first, and is well when it is started again: a worker that hangs.
SPIN = """#!/usr/bin/python3
import os, pathlib, signal
spun = pathlib.Path("/run/spun")
well = spun.exists()
spun.touch()
for number in range((os.cpu_count() or 1) // 4):
    if os.fork() == 0:
        break
while not well:
    pass
signal.pause()
"""
RENEW = """#!/bin/sh
set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $1 -subj '/CN=shop.example.com' \\
  -addext subjectAltName=DNS:shop.example.com -keyout /etc/ssl/shop.key -out /etc/ssl/shop.pem.new 2>/dev/null
mv /etc/ssl/shop.pem.new /etc/ssl/shop.pem
"""
UNIT = "[Unit]\nStartLimitBurst=100\n[Service]\nType=exec\nExecStart={}\n[Install]\nWantedBy=multi-user.target\n"
TLS = "/usr/bin/openssl s_server -quiet -accept 8443 -cert /etc/ssl/shop.pem -key /etc/ssl/shop.key"


@dataclass
class Ran:
    status: int
    output: str
    results: Mapping[str, Mapping[str, Any]]


@dataclass
class Bed(patch_bed.Bed):
    """The hosts, and the controller's own store."""

    environment: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        self.environment = {
            "MSP_STORE_URL": f"sqlite:///{self.place / 'evidence.db'}",
            "MSP_DURABLE_PATHS": str(self.place),
            "XDG_STATE_HOME": str(self.place / "xdg"),
            "XDG_CACHE_HOME": str(self.place / "cache"),
        }
        Store.open(self.environment["MSP_STORE_URL"], upgrade=True).close()

    def write(self, host: str, path: str, text: str, mode: str = "0644") -> None:
        script = f"mkdir -p $(dirname {path}) && cat >{path} && chmod {mode} {path}"
        subprocess.run(
            ["podman", "exec", "-i", self.container(host), "sh", "-c", script], input=text, text=True, check=True
        )

    def unit(self, host: str, name: str, command: str) -> None:
        """A service that starts with the machine, started."""
        self.write(host, f"/etc/systemd/system/{name}.service", UNIT.format(command))
        self.sh(host, f"systemctl daemon-reload; systemctl enable -q --now {name}")

    def wrong_logins(self, host: str, account: str, *sources: str) -> None:
        self.write(host, "/etc/pam.d/lab", PAM)
        self.on(host, "python3", "-c", WRONG_LOGINS, account, *sources)

    # -- playbooks ------------------------------------------------------------------------------------------------

    def _inventory(self, place: Path, asked: Mapping[str, Mapping[str, Any]]) -> Path:
        found = {
            name: {
                "ansible_host": self.rows[name]["address"],
                "ansible_port": self.rows[name]["port"],
                "ansible_python_interpreter": "/usr/bin/python3",
                "asked": one,
                "msp": {
                    "customer": CUSTOMER,
                    "timezone": "Europe/Amsterdam",
                    "status": "contracted",
                    "contract": {"start": "2026-01-01", "end": None},
                    "asset": {"key": self.asset(name)},
                },
            }
            for name, one in asked.items()
        }
        local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        every = {"hosts": dict.fromkeys(asked)}
        groups = {"status_contracted": every, f"customer_{CUSTOMER.replace('-', '_')}": every}
        path = place / "inventory.yml"
        path.write_text(json.dumps({"all": {"hosts": {**found, "localhost": local}, "children": groups}}))
        return path

    def _place(self) -> Path:
        self.number += 1
        place = self.place / f"run{self.number}"
        place.mkdir()
        return place

    def _run(self, command: Sequence[str], place: Path) -> Ran:
        environment = {
            **os.environ,
            **hosts.ssh_environment(self.state_dir),
            **self.environment,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.place / "c"),
            "NO_COLOR": "1",
        }
        done = subprocess.run(
            list(command), cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in place.glob("*.json")}
        return Ran(done.returncode, done.stdout + done.stderr, found)

    def answers(self, asked: Mapping[str, Mapping[str, Mapping[str, Any]]], *arguments: str) -> Mapping[str, Any]:
        """By host and runbook its parameters and its policy; what msp.ops.runbook answered, by host and runbook."""
        place = self._place()
        names = sorted({name for one in asked.values() for name in one})
        tasks: list[dict[str, Any]] = [
            {
                "msp.ops.runbook": {
                    "name": name,
                    "parameters": f"{{{{ asked.{name}.parameters | default({{}}) }}}}",
                    "policy": f"{{{{ asked.{name}.policy | default({{}}) }}}}",
                },
                "register": name,
                "when": f"'{name}' in asked",
                "ignore_errors": True,
            }
            for name in names
        ]
        copy = {
            "content": f"{{{{ {{{', '.join(f'{one!r}: {one}' for one in names)}}} | to_json }}}}",
            "dest": f"{place}/{{{{ inventory_hostname }}}}.json",
            "mode": "0600",
        }
        tasks.append({"ansible.builtin.copy": copy, "delegate_to": "localhost", "become": False, "check_mode": False})
        play = {"hosts": "all:!localhost", "gather_facts": False, "become": True, "strategy": "free", "tasks": tasks}
        (place / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
        inventory = self._inventory(place, asked)
        ran = self._run(["ansible-playbook", "-i", str(inventory), str(place / "play.yml"), *arguments], place)
        assert ran.status == 0 and set(ran.results) == set(asked), ran.output[-6000:]
        return ran.results

    def playbook(self, name: str, target: str, *arguments: str, among: Sequence[str] = ()) -> Ran:
        """One of the shipped playbooks, as an engineer starts it."""
        place = self._place()
        inventory = self._inventory(place, {name: {} for name in (target, *among)})
        command = ["ansible-playbook", "-i", str(inventory), f"playbooks/runbooks/{name}.yml", "-e", f"target={target}"]
        return self._run([*command, *arguments], place)

    def recorded(self, host: str) -> list[RunbookRun]:
        with Store.open(self.environment["MSP_STORE_URL"]) as store:
            return runbooks.runs(store, CUSTOMER, asset=self.asset(host))
