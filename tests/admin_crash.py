"""The programs that are killed: one host's part of a rotation, on the host, and the controller's part, here.

Each counts what it is about to do to a disk or another program (Python's own audit events, sys.addaudithook), and ends
itself with SIGKILL before the one that it was told. So every step between two of these is a crash point, and a change
of the code brings its own.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.local_admin import doing
from ansible_collections.msp.ops.plugins.module_utils.patching.install import freezing
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk import escrowing, local_admins
from ansible_collections.msp.ops.plugins.plugin_utils.local_admin import rotation
from lab import podman

PROGRAM = "/root/rotate"
# On the host: each request in a process of its own, which may end itself. Between two events lies a crash point; and
# point() is one more, where no event is.
HOST = """
import json, os, signal, subprocess, sys
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.local_admin import crypting, doing

def work(asked):
    kill_at, seen = asked.pop("kill_at"), [0]

    def point():
        if seen[0] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        seen[0] += 1

    def hook(event, arguments):
        if event in ("os.rename", "os.mkdir", "os.remove") or (
            event == "open" and str(arguments[0]).startswith(("/var/lib/msp-ops", "/etc/shadow"))
        ):
            point()

    def give(account, made, lock):
        point()
        program = subprocess.Popen(["chpasswd", "-e"], stdin=subprocess.PIPE, pass_fds=(lock,))
        point()
        program.stdin.write(("%s:%s\\n" % (account, made)).encode())
        point()
        program.stdin.close()
        point()
        program.wait()
        point()
        return ""

    if "fits" in asked:
        # A chpasswd whose module was killed comes to its end first.
        doing.Desk(Host(), give).act({"state": "look", "account": asked["account"]})
        kept = [row.split(":")[1] for row in open("/etc/shadow") if row.startswith(asked["account"] + ":")][0]
        return [crypting.fits(word, kept) for word in asked["fits"]]
    sys.addaudithook(hook)
    return doing.Desk(Host(), give).act({"version": None, "password": None, "loud": False, **asked})

for line in sys.stdin:
    asked = json.loads(line)
    number = asked.pop("number")
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        os.write(into, json.dumps(work(asked)).encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as stream:
        said = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps([number, status, json.loads(said) if said else None]), flush=True)
"""
EVENTS = ("os.link", "os.rename", "os.mkdir", "os.remove", "msp.step")
_numbers = itertools.count()


class Killed(Exception):
    """A program that ended itself where it was told."""


class Desk:
    """The host's part of a rotation of root's password, on a host; it speaks to it over one connection."""

    def __init__(self, container: str, place: Path) -> None:
        program = place / f"desk-{container}"
        code = freezing.sources()
        assert doing.__name__.replace(".", "/") + ".py" in code
        empty = dict.fromkeys(freezing.packages(list(code)), "")
        for name, text in {"__main__.py": HOST, **empty, **code}.items():
            path = program / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        podman.run("exec", container, "rm", "-rf", PROGRAM)
        podman.run("cp", str(program), f"{container}:{PROGRAM}")
        self.container = container
        self.kill_at: int | None = None
        self._process = subprocess.Popen(
            ["podman", "exec", "-i", container, "python3", PROGRAM],
            env={**os.environ, **podman.environment()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def ask(self, kill_at: int | None = None, **asked: Any) -> Any:
        """Raises Killed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        # An answer to somebody who was killed meanwhile may still be there.
        mine = f"{os.getpid()}-{next(_numbers)}"
        sent = {"number": mine, "account": "root", "kill_at": kill_at, **asked}
        self._process.stdin.write(json.dumps(sent) + "\n")
        self._process.stdin.flush()
        number = ""
        while number != mine:
            number, status, said = json.loads(self._process.stdout.readline())
        if status == -signal.SIGKILL:
            raise Killed
        assert status == 0, "see what the host printed"
        return said

    def look(self) -> rotation.Looked:
        sys.audit("msp.step")
        return rotation.read(self.container, self.ask(state="look"))

    def set(self, version: str, password: str) -> None:
        sys.audit("msp.step")
        self.ask(self.kill_at, state="set", version=version, password=password)
        sys.audit("msp.step")

    def fits(self, passwords: list[str]) -> list[bool]:
        """Which of them is the one that root has."""
        return list(self.ask(fits=passwords))


# -- the controller -----------------------------------------------------------------------------------------------


def rotate(desk: Desk, asset: Subject, environment: dict[str, str]) -> None:
    """One rotation, as the action does it but for the way to the host. Raises Killed where the host's part was."""
    with escrowing.at_hand(asset.customer, environment) as escrow:
        assert escrow.store is not None
        escrow.store.record_security = _audited(escrow.store.record_security)  # type: ignore[method-assign]
        asked = local_admins.Asked("root", force=True)
        now = dt.datetime.now(dt.UTC)
        local_admins.turn(escrow, asset, asked, desk, now, dry=False)  # type: ignore[arg-type]


def killed(desk: Desk, asset: Subject, environment: dict[str, str], kill_at: int) -> bool:
    """The same in a process of its own, which ends itself before that step; False where it came to its end."""
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event: str, _arguments: object) -> None:
            nonlocal seen
            if event in EVENTS:
                if seen == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1

        with contextlib.suppress(BaseException):
            sys.addaudithook(hook)
            rotate(desk, asset, environment)
            os._exit(0)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status != 0


def _audited(call: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **named: Any) -> Any:
        sys.audit("msp.step")
        found = call(*arguments, **named)
        sys.audit("msp.step")
        return found

    return run


@contextlib.contextmanager
def desks(containers: dict[str, str], place: Path) -> Iterator[dict[str, Desk]]:
    """One for each host, by name."""
    made = {name: Desk(container, place) for name, container in containers.items()}
    try:
        yield made
    finally:
        for desk in made.values():
            desk.close()
