"""The programs that are killed: one host's part of a rotation, run on the host, and the controller's, run here.

Each counts what it is about to do to a disk or another program (Python's own audit events, sys.addaudithook), and ends
itself with SIGKILL before the one that it was told. So every step between two of these is a crash point, and a change
of the code brings its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.local_admin import doing
from ansible_collections.msp.ops.plugins.module_utils.patching.install import freezing
from ansible_collections.msp.ops.plugins.plugin_utils.local_admin import rotation
from lab import podman

PROGRAM = "/root/rotate"
KILLED = 137
# On the host. Between two events lies a crash point; `point` is one more, where no event is.
HOST = """
import json, os, signal, subprocess, sys
asked = json.load(sys.stdin)
kill_at, seen = asked.pop("kill_at"), 0
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.local_admin import crypting, doing

def point():
    global seen
    if seen == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    seen += 1

def hook(event, arguments):
    if event in ("os.rename", "os.mkdir", "os.remove") or (
        event == "open" and str(arguments[0]).startswith(("/var/lib/msp-ops", "/etc/shadow"))
    ):
        point()

def give(account, made):
    point()
    program = subprocess.Popen(["chpasswd", "-e"], stdin=subprocess.PIPE)
    point()
    program.stdin.write(("%s:%s\\n" % (account, made)).encode())
    point()
    program.stdin.close()
    point()
    program.wait()
    point()
    return ""

if "fits" in asked:
    kept = [row.split(":")[1] for row in open("/etc/shadow") if row.startswith(asked["account"] + ":")][0]
    print(json.dumps([crypting.fits(word, kept) for word in asked["fits"]]))
else:
    sys.addaudithook(hook)
    print(json.dumps(doing.Desk(Host(), give).act({"version": None, "password": None, "loud": False, **asked})))
"""


class Killed(Exception):
    """A program that ended itself where it was told."""


def give_desk(container: str, place: Path) -> None:
    """Put the host's part on a host, as files."""
    program = place / f"desk-{container}"
    code = freezing.sources()
    assert doing.__name__.replace(".", "/") + ".py" in code
    empty = dict.fromkeys(freezing.packages(list(code)), "")
    for name, text in {"__main__.py": HOST, **empty, **code}.items():
        path = program / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    podman.run("cp", str(program), f"{container}:{PROGRAM}")


class Host:
    """The host's part, spoken to as the action speaks to the module. kill_at: of setting a password, the step."""

    def __init__(self, container: str, account: str = "root", kill_at: int | None = None) -> None:
        self.container = container
        self.account = account
        self.kill_at = kill_at

    def ask(self, kill_at: int | None = None, **asked: Any) -> Any:
        sent = json.dumps({"account": self.account, "kill_at": kill_at, **asked})
        done = podman.attempt("exec", "-i", self.container, "python3", PROGRAM, stdin=sent)
        if done.returncode == KILLED:
            raise Killed
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def look(self) -> rotation.Looked:
        return rotation.read(self.container, self.ask(state="look"))

    def set(self, version: str, password: str) -> None:
        self.ask(self.kill_at, state="set", version=version, password=password)

    def fits(self, passwords: list[str]) -> list[bool]:
        return list(self.ask(fits=passwords))


# -- the controller -----------------------------------------------------------------------------------------------


def controller(container: str, asset: str, kill_at: int | None, environment: dict[str, str]) -> int:
    """Run one rotation in a program of its own; its status, KILLED where it ended itself."""
    command = [sys.executable, "-m", "tests.admin_crash", container, asset, json.dumps(kill_at)]
    root = Path(__file__).resolve().parent.parent
    path = os.pathsep.join([str(root), str(root / "collections")])
    done = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, **environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -9), done.stderr[-3000:]
    return KILLED if done.returncode == -9 else 0


def _rotate(container: str, asset: str, kill_at: int | None) -> None:
    import datetime as dt
    import signal

    from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
    from ansible_collections.msp.ops.plugins.plugin_utils.desk import escrowing, local_admins
    from tests.admin_bed import CUSTOMER

    seen = 0

    def hook(event: str, _arguments: object) -> None:
        nonlocal seen
        if event in ("os.link", "os.rename", "os.mkdir", "os.remove", "subprocess.Popen", "msp.record"):
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    def audited(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            sys.audit("msp.record")
            found = call(*arguments, **named)
            sys.audit("msp.record")
            return found

        return run

    with escrowing.at_hand(CUSTOMER) as escrow:
        assert escrow.store is not None
        escrow.store.record_security = audited(escrow.store.record_security)  # type: ignore[method-assign]
        sys.addaudithook(hook)
        local_admins.turn(
            escrow,
            Subject(container, CUSTOMER, asset),
            local_admins.Asked("root", force=True),
            Host(container),  # type: ignore[arg-type]
            dt.datetime.now(dt.UTC),
            dry=False,
        )


if __name__ == "__main__":
    _rotate(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
