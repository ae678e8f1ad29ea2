"""What the tests of events share: a lab's NetBox that tells a real ansible-rulebook, a store, and workers."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import incoming
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import EventOutcome
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from lab import events as lab_events
from lab import hosts as lab_hosts
from lab.api import NetBox
from lab.events import Receiver
from lab.lab import Lab
from lab.progress import step

ROOT = Path(__file__).resolve().parent.parent
SECRET = "made-for-a-test-0123456789abcdef0123456789"  # noqa: S105
TOKEN = "made-for-a-test-too-0123456789"  # noqa: S105
WAIT = 180.0


@dataclass
class Bed:
    """A store of its own, the lab's NetBox, and what was started."""

    lab: Lab
    netbox: NetBox
    place: Path
    receivers: dict[str, Receiver] = field(default_factory=dict)

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.place / 'evidence.db'}"

    @property
    def env(self) -> dict[str, str]:
        return {
            **self.netbox.env(),
            **lab_hosts.ssh_environment(self.lab.paths.hosts),
            "MSP_STORE_URL": self.store_url,
            "XDG_STATE_HOME": str(self.place / "state"),
            "XDG_CACHE_HOME": str(self.place / "cache"),
            "MSP_DURABLE_PATHS": str(self.place),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "MSP_WEBHOOK_SECRET": SECRET,
            "MSP_ALERT_TOKEN": TOKEN,
        }

    def receiver(self, sender: str = "netbox") -> Receiver:
        """The running receiver of a sender, started on first use; a new one on the same port after kill()."""
        if sender not in self.receivers:
            self.receivers[sender] = lab_events.start(self.lab.paths, sender, self.env, step)
        return self.receivers[sender]

    def restart(self, sender: str = "netbox", **more: str) -> Receiver:
        old = self.receivers[sender]
        self.receivers[sender] = lab_events.start(self.lab.paths, sender, {**self.env, **more}, step, port=old.port)
        return self.receivers[sender]

    def close(self) -> None:
        for receiver in self.receivers.values():
            lab_events.stop(receiver)

    def play(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ansible-playbook", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.env, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )

    @contextmanager
    def worker(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A worker as it runs at an MSP, ended gently."""
        log = (self.place / f"worker-{time.monotonic_ns()}.log").open("w")
        with log:
            process = subprocess.Popen(
                [sys.executable, "msp_cli/__main__.py", "worker", "--reports", str(self.place / "reports"), *arguments],
                cwd=ROOT,
                env={**os.environ, **self.env},
                stderr=log,
                text=True,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                process.wait(WAIT)

    def work(self, *arguments: str) -> str:
        """A worker that ends when nothing is due; what it said."""
        done = subprocess.run(
            [*(sys.executable, "msp_cli/__main__.py", "worker", "--once"), *arguments],
            cwd=ROOT,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def outcomes(self, customer: str = "") -> list[EventOutcome]:
        with Store.open(self.store_url) as store:
            return incoming.outcomes(store, customer)

    def forget_what_was_before(self) -> None:
        """Take in what NetBox's change log has of before there was a webhook, and end it without any work."""
        done = self.play("playbooks/catch_up.yml")
        assert done.returncode == 0, done.stdout + done.stderr
        with Store.open(self.store_url) as store:
            while (claimed := incoming.claim(store, "the test")) is not None:
                ends = [EventOutcome(one.id, "", "", one.at, "nothing", "of before") for one in claimed.events]
                assert incoming.end(store, claimed, ends)

    def work_without_netbox(self) -> str:
        """One look of a worker to which NetBox does not answer."""
        nowhere = {"NETBOX_API": f"http://127.0.0.1:{lab_events.free_port()}"}
        done = subprocess.run(
            [sys.executable, "msp_cli/__main__.py", "worker", "--once"],
            cwd=ROOT,
            env={**os.environ, **self.env, **nowhere},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stderr

    def _waiting(self) -> incoming.Waiting:
        with Store.open(self.store_url) as store:
            return incoming.waiting(store)

    def waiting(self) -> int:
        """How much has come in and has not ended."""
        found = self._waiting()
        return found.waiting + found.held

    def due(self) -> bool:
        return self._waiting().oldest is not None


def until(condition: Callable[[], Any], what: str, seconds: float = WAIT) -> Any:
    """Wait for a condition, and return what it came to."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} seconds: {what}"
        time.sleep(0.05)
    return found


def signature(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha512).hexdigest()


def post(receiver: Receiver, body: Any, **headers: str) -> requests.Response:
    """What NetBox would send: signed, unless headers say otherwise."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {"Content-Type": "application/json", "X-Hook-Signature": signature(raw), **headers}
    return requests.post(f"{receiver.url}netbox", data=raw, headers={k: v for k, v in told.items() if v}, timeout=30)


def alerts(*given: Mapping[str, Any]) -> dict[str, Any]:
    """A call of Alertmanager."""
    return {"version": "4", "groupKey": "{}", "status": "firing", "receiver": "msp", "alerts": list(given)}


def tell(receiver: Receiver, body: Any, token: str = TOKEN) -> requests.Response:
    """What monitoring would send, with its token."""
    return requests.post(receiver.url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def kinds(outcomes: Sequence[EventOutcome]) -> list[str]:
    return [one.outcome for one in outcomes]
