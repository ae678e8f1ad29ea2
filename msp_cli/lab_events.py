"""The chain of events of a lab: NetBox tells a receiver, and a worker does what follows. For ./msp lab up --events.

The store is the one that the environment names, and an inventory of the lab's own NetBox goes with it. What runs
already is left alone; ./msp lab down ends it with the rest of the lab.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from lab import events, hosts, paths, processes
from lab.lab import Lab
from lab.processes import Process
from lab.progress import step
from msp_cli.console import ROOT

# Of the environment, what tells where the evidence store is.
STORE = ("MSP_STORE_URL", "MSP_DURABLE_PATHS", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HOME")


def up(lab: Lab) -> list[tuple[str, str]]:
    """Start what does not run; what a person needs to know of it, as rows."""
    place = lab.paths.base / "events"
    paths.make_dir(place, 0o700)
    Store.open(upgrade=True).close()
    env = {
        **lab.env(),
        **hosts.ssh_environment(lab.paths.hosts),
        **{name: os.environ[name] for name in STORE if name in os.environ},
        "MSP_WEBHOOK_SECRET": _secret(place / "secret"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    }
    state = _read(place / "state.json")
    if not _alive(state, "receiver"):
        receiver = events.start(lab.paths, "netbox", env, step, port=_free(state.get("port")))
        state |= {"receiver": asdict(receiver.process), "port": receiver.port}
        _write(place / "state.json", state)
    url = f"http://127.0.0.1:{state['port']}/netbox"
    _declare(env, url, lab.paths.logs / "declared.log")
    if not _alive(state, "worker"):
        state["worker"] = asdict(_worker(lab, env))
        _write(place / "state.json", state)
    with Store.open() as store:
        kept = store.name
    return [
        ("receiver", f"{url}, {lab.paths.logs / 'rulebook-netbox.log'}"),
        ("worker", str(lab.paths.logs / "events-worker.log")),
        ("store", kept),
    ]


def _secret(path: Path) -> str:
    if not path.exists():
        paths.write_private(path, secrets.token_hex(32))
    return path.read_text()


def _declare(env: dict[str, str], url: str, log: Path) -> None:
    """NetBox's side, as anybody declares it."""
    with step("declaring the model and the webhook in NetBox"):
        done = subprocess.run(
            ["ansible-playbook", "playbooks/netbox.yml", "-e", f"netbox_model_events_url={url}"],
            cwd=ROOT,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        log.write_text(done.stdout + done.stderr)
    if done.returncode:
        raise MspError(
            "MSP-CLI-005",
            "playbooks/netbox.yml to succeed",
            f"exit status {done.returncode}",
            f"read {log}",
        )


def _worker(lab: Lab, env: dict[str, str]) -> Process:
    return processes.start(
        [sys.executable, ROOT / "msp_cli/__main__.py", "worker", "--reports", lab.paths.base / "events" / "reports"],
        log=lab.paths.logs / "events-worker.log",
        cwd=ROOT,
        mark=lab.paths.base,
        env={**env, "PATH": os.environ["PATH"]},
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}


def _write(path: Path, state: dict[str, Any]) -> None:
    paths.write_private(path, json.dumps(state))


def _alive(state: dict[str, Any], name: str) -> bool:
    return name in state and processes.alive(Process(**state[name]))


def _free(port: int | None) -> int | None:
    """The port of before, for NetBox knows it; another where somebody else has it now."""
    return port if port and not events.listens(port) else None
