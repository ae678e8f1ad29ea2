"""Two real servers of the lab, a release of Debian each, as often as wanted as they were at first; and their NetBox.

Each turn starts them anew, with an evidence store of its own.
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
from bench import _patched_office, harness
from lab import hosts, image, lab, paths, podman, progress
from lab.api import EMPTY, NetBox
from lab.machines import NEWCOMERS

NAME = "bench-standards"
CUSTOMER = "bench-wharf"
MACHINES = [machine for machine in NEWCOMERS if machine.name.startswith("harbour-app")]
REQUIRED, FORBIDDEN = ["less"], ["telnetd", "lab-game"]
CONTRACT = f"""
customer: {{slug: {CUSTOMER}, name: Bench Wharf}}
contract:
  {{id: BW-1, start: 2026-01-01, monthly_fee: "100", included_hours: 1, hourly_rate: "90", currency: EUR, language: en,
   timezone: Europe/Amsterdam, report_contact: wharf@bench-wharf.example.com}}
sites: [{{slug: quay, name: Quay}}]
scope: {{server: {{covered: true}}}}
assets: [{{file: assets.csv, source: list}}]
"""
# All hosts in one ring and at once, as a plain play takes them.
PLAN: dict[str, Any] = {
    **_patched_office.PLAN,
    "rings": [{**_patched_office.PLAN["rings"][0], "successes": len(MACHINES)}],
    "rates": {**_patched_office.PLAN["rates"], "at_once": len(MACHINES)},
}


def standard() -> dict[str, Any]:
    """What the hosts are held to: the shipped standard, with the lab's own mirrors and the account that logs in."""
    mirrors = image.mirrors()
    sources = [f"{address}/*" for address in ((mirrors.debian, mirrors.security) if mirrors else ())]
    return {
        "name": "linux-server",
        "parameters": {
            # The kernel of a container passes on what its host does.
            "firewall-active": {"forward": "drop"},
            "sudo-who": {"allowed": ["root", "%sudo", image.USER]},
            "sudo-nopasswd": {"allowed": [f"{image.USER}: ALL"]},
            "repositories-allowed": {"allowed": sources},
            "repositories-signed": {"distribution": sources},
            "software-required": {"packages": REQUIRED},
            "software-forbidden": {"packages": FORBIDDEN},
        },
    }


@dataclass
class Wharf:
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
            "NO_COLOR": "1",
        }

    def play(self, *arguments: str) -> harness.Process:
        return harness.measure(["ansible-playbook", *arguments], env=self.environment())

    def next_turn(self) -> None:
        """Hosts as they were at the start, and an empty store."""
        self.turn += 1
        self._own_store()
        self.start()

    def start(self) -> list[dict[str, Any]]:
        """Every host anew."""
        podman.run("rm", "--force", "--ignore", "--time", "0", "--volumes", *map(self.ground.container, MACHINES))
        with ThreadPoolExecutor(len(MACHINES)) as pool:
            keys = list(pool.map(lambda machine: hosts.start(self.ground, machine, {}), MACHINES))
        rows = [hosts.describe(self.ground, *each) for each in zip(MACHINES, keys, strict=True)]
        named = {machine.name: found for machine, found in zip(MACHINES, keys, strict=True)}
        hosts.write_ssh_files(self.ground.state_dir, rows, named)
        return rows

    def states(self) -> dict[str, list[str]]:
        """By control what it is on each host, by the last measurement of this turn."""
        found: dict[str, list[str]] = {}
        with Store.open(self.environment()["MSP_STORE_URL"]) as store:
            for one in store.control_states(CUSTOMER):
                found.setdefault(one.control, []).append(one.status)
        return found

    def static_inventory(self) -> Path:
        """The hosts for somebody who has no NetBox, and what a plain play has to know."""
        known = {
            one.name: {
                "ansible_host": self.ground.address(one),
                "sources": podman.run("exec", self.ground.container(one), "cat", "/etc/apt/sources.list"),
            }
            for one in MACHINES
        }
        more = {"required": REQUIRED, "forbidden": FORBIDDEN, "login": image.USER}
        path = self.place / "hosts.json"
        path.write_text(json.dumps({"all": {"hosts": known, "vars": more}}))
        return path

    def _own_store(self) -> None:
        (self.place / f"turn{self.turn}").mkdir(mode=0o700)
        Store.open(self.environment()["MSP_STORE_URL"], upgrade=True).close()

    def onboard(self, rows: list[dict[str, Any]]) -> None:
        """The customer, its servers, its plan and its standard in NetBox, by our own playbooks."""
        self._own_store()
        (self.place / "contract.yml").write_text(CONTRACT)
        with (self.place / "assets.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["Name", "Class", "Vendor", "Model", "Serial", "Site", "Address"])
            for row in rows:
                machine = row["machine"]
                known = [machine["vendor"], machine["model"], machine["serial"], "quay", row["address"]]
                writer.writerow([row["name"], "server", *known])
        self.play("playbooks/netbox.yml")
        self.play("playbooks/onboard.yml", "-e", f"contract_file={self.place / 'contract.yml'}")
        self._context(names.PROFILE_PATCH_PLAN, {names.CONTEXT_PATCH_PLAN: PLAN})
        self._context(names.PROFILE_STANDARD, {names.CONTEXT_STANDARD: standard()})

    def _context(self, profile: str, data: Mapping[str, Any]) -> None:
        (tenant,) = self.netbox.all(f"tenancy/tenants/?slug={CUSTOMER}")
        (found,) = self.netbox.all(f"extras/config-context-profiles/?name={profile}")
        body = {"name": profile, "profile": found["id"], "tenants": [tenant["id"]], "data": data}
        self.netbox.create("extras/config-contexts/", body)


@contextmanager
def wharf(place: Path) -> Iterator[Wharf]:
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
        made = Wharf(netbox, place, hosts.Ground(NAME, state, hosts.ensure_key(state), hosts.ensure_networks(NAME)))
        made.onboard(made.start())
        yield made
    finally:
        hosts.down(NAME, state)
