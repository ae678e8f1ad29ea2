"""The audit against what people run today for less: setup, package_facts and service_facts.

Both over ssh to the lab's real hosts, as root, with the same connection, forks and pipelining, in turns. The log is
what `ansible-playbook -v` prints; the events of a job carry the same.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from bench import harness
from lab import hosts, paths, podman, progress

NAME = "bench-audit"
ROUNDS = int(os.environ.get("MSP_BENCH_ROUNDS", "5"))
TIME = 0.6

HEAD = "- hosts: all\n  gather_facts: false\n  become: true\n  tasks:\n"
OURS = HEAD + "    - msp.ops.asset_audit:\n"
THEIRS = HEAD + "".join(f"    - ansible.builtin.{name}:\n" for name in ("setup", "package_facts", "service_facts"))
# As ansible.cfg of the project, without the callback that records the run.
CONFIG = f"""\
[defaults]
collections_path = {harness.ROOT / "collections"}
forks = 20
inject_facts_as_vars = false
[ssh_connection]
pipelining = true
ssh_args = -C -o ControlMaster=auto -o ControlPersist=60s
"""


@dataclass(frozen=True)
class Place:
    """The directory of one bench run: playbooks, inventory, the state that the audit leaves."""

    path: Path
    env: Mapping[str, str]

    def play(self, name: str) -> harness.Process:
        command = ["ansible-playbook", "-v", "-i", str(self.path / "hosts.json"), str(self.path / f"{name}.yml")]
        return harness.measure(command, env=self.env, cwd=self.path)


def run() -> harness.Outcome:
    ground = paths.lab_paths(NAME)
    ground.make()
    rows = [row for row in hosts.up(NAME, ground.hosts, progress.step) if row["present"]]
    try:
        with tempfile.TemporaryDirectory(prefix="msp-bench-") as directory:
            place = prepare(Path(directory), rows, hosts.ssh_environment(ground.hosts))
            return measure(place, rows)
    finally:
        hosts.down(NAME, ground.hosts)


def prepare(path: Path, rows: Sequence[Mapping[str, Any]], ssh: Mapping[str, str]) -> Place:
    texts = {"ours.yml": OURS, "theirs.yml": THEIRS, "ansible.cfg": CONFIG, "hosts.json": inventory(rows)}
    for name, text in texts.items():
        (path / name).write_text(text)
    env = {
        **ssh,
        "ANSIBLE_CONFIG": str(path / "ansible.cfg"),
        "XDG_STATE_HOME": str(path / "state"),
        "MSP_DURABLE_PATHS": str(path),
    }
    return Place(path, env)


def inventory(rows: Sequence[Mapping[str, Any]]) -> str:
    """The same Python for both, so that neither pays for looking for one."""
    found = {
        row["name"]: {
            "ansible_host": row["address"],
            "ansible_python_interpreter": "/usr/bin/python3",
            "msp": {"customer": row["customer"], "asset": {"key": f"device:{number}", "facts_hash": None}},
        }
        for number, row in enumerate(rows, 1)
    }
    return json.dumps({"all": {"hosts": found}})


def measure(place: Place, rows: Sequence[Mapping[str, Any]]) -> harness.Outcome:
    runs: dict[str, list[harness.Process]] = {"ours": [], "theirs": []}
    for name in ("theirs", "ours"):
        place.play(name)
    for _round in range(ROUNDS):
        for name, measured in runs.items():
            measured.append(place.play(name))
    for row in rows:
        podman.run("exec", str(row["container"]), "sh", "-c", "rm -f /var/cache/apt/*.bin")
    stale = place.play("ours")
    return outcome(runs, stale, len(rows), summary(place))


def summary(place: Place) -> tuple[float, int]:
    """The median seconds on the host, and how many audits were spooled."""
    lines = [line for file in (place.path / "state").rglob("*.jsonl") for line in file.read_text().splitlines()]
    audits = [json.loads(line)["data"] for line in lines if '"kind":"audit"' in line]
    failed = [audit["host"] for audit in audits if audit["outcome"] != "ok"]
    if failed or not audits:
        raise MspError("MSP-AUD-002", "every audit of the bench to end well", f"{failed or 'none'}", "run it again")
    return statistics.median(audit["seconds"] for audit in audits), len(audits)


def outcome(
    runs: Mapping[str, Sequence[harness.Process]], stale: harness.Process, count: int, audits: tuple[float, int]
) -> harness.Outcome:
    seconds = {name: statistics.median(one.seconds for one in found) for name, found in runs.items()}
    result = harness.Outcome("audit")
    for name, title in (("ours", "asset_audit"), ("theirs", "setup + package_facts + service_facts")):
        found = runs[name]
        spread = f"{min(one.seconds for one in found):.2f} to {max(one.seconds for one in found):.2f}"
        result.figures += [
            harness.Figure(f"{title}: time", seconds[name], "s", f"median of {len(found)}, {spread}; {count} hosts"),
            harness.Figure(f"{title}: CPU", statistics.median(one.cpu_seconds for one in found), "s", "controller"),
            harness.Figure(f"{title}: memory", max(one.peak_mb for one in found), "MB", "largest process"),
            harness.Figure(f"{title}: log", max(len(one.output) for one in found) / 1000, "kB", "-v"),
        ]
    result.figures += [
        harness.Figure("asset_audit: on the host", audits[0], "s", f"median of {audits[1]} audits"),
        harness.Figure("asset_audit: apt's cache out of date", stale.seconds, "s", "once, all hosts"),
    ]
    result.targets.append(harness.Target("time, ours to theirs", seconds["ours"] / seconds["theirs"], TIME))
    result.notes.append(
        "more content than theirs: origins, patch history, pending and security updates, support end, reboot, "
        "encryption, administrators, listeners with their programs, time, neighbours"
    )
    return result
