"""Five real hosts with Debian's pending security updates, as often as wanted in the very same state; and their NetBox.

What they fetch lies on each of them already: a mirror's speed is nobody's merit. Each turn starts them anew.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from bench import harness
from lab import hosts, image, lab, paths, podman, progress
from lab.api import EMPTY, NetBox
from lab.machines import NEWCOMERS

NAME = "bench-patch"
CUSTOMER = "bench-office"
MACHINES = [machine for machine in NEWCOMERS if machine.name.startswith("harbour-pc")]
CONTRACT = f"""
customer: {{slug: {CUSTOMER}, name: Bench Office}}
contract:
  {{id: BO-1, start: 2026-01-01, monthly_fee: "100", included_hours: 1, hourly_rate: "90", currency: EUR, language: en,
   timezone: Europe/Amsterdam, report_contact: office@bench-office.example.com}}
sites: [{{slug: office, name: Office}}]
scope: {{workstation: {{covered: true}}}}
assets: [{{file: assets.csv, source: list}}]
"""
CHECKS = {"before": [], "after": [{"unit": "ssh.service"}, {"baseline": ["units", "ports"]}]}
PLAN: dict[str, Any] = {
    "name": "office",
    "timezone": "Europe/Amsterdam",
    "automatic": True,
    "classes": {name: {"deadline": "14d", "windows": ["always"]} for name in ("emergency", "security", "routine")},
    "windows": {"always": {"rule": "FREQ=DAILY", "start": "00:00", "duration": "24h", "cutoff": "1m"}},
    "rings": [{"name": "all", "tag": "msp-ring-all", "percent": 100, "soak": "0m", "successes": len(MACHINES)}],
    "rates": {"at_once": len(MACHINES), "most_failures": 0, "most_lost": 0},
    "checks": CHECKS,
    "reboot": "never",
    "rollback": "none",
}
# The archives whose updates are security updates; the release itself, which the image was made of, has none.
SOURCES = (0, 2)
LISTS, FETCHED = "/var/lib/apt/lists", "/var/cache/apt/archives"
FETCH = "apt-get -qq update && apt-get -qqy --download-only dist-upgrade && rm -f /var/cache/apt/archives/lock"
INSTALLED = ("dpkg-query", "--show", "--showformat=${Package}:${Architecture} ${Version} ${db:Status-Status}\n")


@dataclass
class Office:
    """The place of one bench run. Each turn has hosts and a store of its own."""

    netbox: NetBox
    place: Path
    ground: hosts.Ground
    turn: int = 0

    def environment(self) -> dict[str, str]:
        own = self.place / f"turn{self.turn}"
        return {
            **self.netbox.env(),
            **hosts.ssh_environment(self.ground.state_dir),
            "MSP_STORE_URL": f"sqlite:///{own / 'evidence.db'}",
            "XDG_STATE_HOME": str(own / "state"),
            "XDG_CACHE_HOME": str(self.place / "cache"),
            "MSP_DURABLE_PATHS": str(self.place),
            "ANSIBLE_CONFIG": str(harness.ROOT / "ansible.cfg"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(own / "c"),
        }

    def play(self, *arguments: str) -> harness.Process:
        return harness.measure(["ansible-playbook", *arguments], env=self.environment())

    def next_turn(self) -> None:
        """Hosts as they were at the start, and an empty store."""
        self.turn += 1
        own = self.place / f"turn{self.turn}"
        own.mkdir(mode=0o700)
        Store.open(f"sqlite:///{own / 'evidence.db'}", upgrade=True).close()
        rows = self.start()
        with ThreadPoolExecutor(len(rows)) as pool:
            list(pool.map(self._as_at_the_start, rows))

    def start(self) -> list[dict[str, Any]]:
        """Every host anew."""
        podman.run("rm", "--force", "--ignore", "--time", "0", "--volumes", *map(self.ground.container, MACHINES))
        with ThreadPoolExecutor(len(MACHINES)) as pool:
            keys = list(pool.map(lambda machine: hosts.start(self.ground, machine, {}), MACHINES))
        rows = [hosts.describe(self.ground, *each) for each in zip(MACHINES, keys, strict=True)]
        named = {machine.name: found for machine, found in zip(MACHINES, keys, strict=True)}
        hosts.write_ssh_files(self.ground.state_dir, rows, named)
        return rows

    def _as_at_the_start(self, row: Mapping[str, Any]) -> None:
        container = str(row["container"])
        for name, target in (("lists", LISTS), ("archives", FETCHED)):
            podman.run("cp", f"{self.place / name}/.", f"{container}:{target}")
        podman.run("cp", str(self.place / "sources.list"), f"{container}:/etc/apt/sources.list")

    def installed(self) -> dict[str, list[str]]:
        """Every package of every host, with its version and state."""
        return {one.name: podman.run("exec", self.ground.container(one), *INSTALLED).splitlines() for one in MACHINES}

    def static_inventory(self) -> Path:
        """The hosts for somebody who has no NetBox."""
        found = {one.name: {"ansible_host": self.ground.address(one)} for one in MACHINES}
        path = self.place / "hosts.json"
        path.write_text(json.dumps({"all": {"hosts": found}}))
        return path


@contextmanager
def office(place: Path) -> Iterator[Office]:
    """Everything but the first turn; removed again afterwards, but for NetBox, which the next run goes on with."""
    os.environ["MSP_DURABLE_PATHS"] = str(place)
    netbox = NetBox(lab.up(NAME, hosts=False))
    if f"snapshot_{EMPTY}" in netbox.lab.cluster.databases():
        netbox.reset()
    else:
        netbox.snapshot(EMPTY)
    state = netbox.lab.paths.hosts
    image.ensure({machine.recipe for machine in MACHINES if machine.recipe}, progress.step)
    paths.make_dir(state, 0o700)
    try:
        made = Office(netbox, place, hosts.Ground(NAME, state, hosts.ensure_key(state), hosts.ensure_networks(NAME)))
        rows = made.start()
        _fetch(made, rows[0])
        _onboard(made, rows)
        yield made
    finally:
        hosts.down(NAME, state)


def _fetch(made: Office, row: Mapping[str, Any]) -> None:
    """What one host fetches is what all of them get."""
    container = str(row["container"])
    lines = podman.run("exec", container, "cat", "/etc/apt/sources.list").splitlines()
    (made.place / "sources.list").write_text("".join(f"{lines[number]}\n" for number in SOURCES))
    podman.run("cp", str(made.place / "sources.list"), f"{container}:/etc/apt/sources.list")
    podman.run("exec", container, "sh", "-c", FETCH)
    for name, source in (("lists", LISTS), ("archives", FETCHED)):
        podman.run("cp", f"{container}:{source}", str(made.place / name))


def _onboard(made: Office, rows: list[dict[str, Any]]) -> None:
    """The customer, its five workstations and its plan in NetBox, by our own playbooks."""
    (made.place / "turn0").mkdir(mode=0o700)
    Store.open(made.environment()["MSP_STORE_URL"], upgrade=True).close()
    (made.place / "contract.yml").write_text(CONTRACT)
    with (made.place / "assets.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Name", "Class", "Vendor", "Model", "Serial", "Site", "Address"])
        for row in rows:
            machine = row["machine"]
            known = [machine["vendor"], machine["model"], machine["serial"], "office", row["address"]]
            writer.writerow([row["name"], "workstation", *known])
    made.play("playbooks/netbox.yml")
    made.play("playbooks/onboard.yml", "-e", f"contract_file={made.place / 'contract.yml'}")
    (tenant,) = made.netbox.all(f"tenancy/tenants/?slug={CUSTOMER}")
    (profile,) = made.netbox.all(f"extras/config-context-profiles/?name={names.PROFILE_PATCH_PLAN}")
    body = {"name": "office", "profile": profile["id"], "tenants": [tenant["id"]]}
    made.netbox.create("extras/config-contexts/", {**body, "data": {names.CONTEXT_PATCH_PLAN: PLAN}})
