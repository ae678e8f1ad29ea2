"""Real hosts of the lab, as often as wanted as they were at first, and a NetBox that has them as those of a customer.

Each turn starts the hosts anew, with an evidence store of its own.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from bench import harness
from lab import hosts, image, lab, paths, podman, progress
from lab.api import EMPTY, NetBox
from lab.machines import Machine

CONTRACT = """
customer: {{slug: {slug}, name: Bench}}
contract:
  {{id: B-1, start: 2026-01-01, monthly_fee: "100", included_hours: 1, hourly_rate: "90", currency: EUR, language: en,
   timezone: Europe/Amsterdam, report_contact: it@{slug}.example.com}}
sites: [{{slug: {site}, name: Site}}]
scope: {{{asset_class}: {{covered: true}}}}
assets: [{{file: assets.csv, source: list}}]
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """Whose hosts they are: the customer's slug and site, the class that all of them have, and which they are."""

    customer: str
    site: str
    asset_class: str
    machines: Sequence[Machine]


@dataclass
class Fleet:
    """The place of one bench run. Each turn has hosts and a store of its own."""

    kind: Kind
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

    def next_turn(self) -> list[dict[str, Any]]:
        """Hosts as they were at the start, and an empty store."""
        self.turn += 1
        self.own_store()
        return self.start()

    def own_store(self) -> None:
        """The empty store of this turn."""
        (self.place / f"turn{self.turn}").mkdir(mode=0o700)
        Store.open(self.environment()["MSP_STORE_URL"], upgrade=True).close()

    def start(self) -> list[dict[str, Any]]:
        """Every host anew."""
        machines = self.kind.machines
        podman.run("rm", "--force", "--ignore", "--time", "0", "--volumes", *map(self.ground.container, machines))
        with ThreadPoolExecutor(len(machines)) as pool:
            keys = list(pool.map(lambda machine: hosts.start(self.ground, machine, {}), machines))
        rows = [hosts.describe(self.ground, *each) for each in zip(machines, keys, strict=True)]
        named = {machine.name: found for machine, found in zip(machines, keys, strict=True)}
        hosts.write_ssh_files(self.ground.state_dir, rows, named)
        return rows

    def onboard(self, rows: Sequence[Mapping[str, Any]], contexts: Mapping[str, Mapping[str, Any]]) -> None:
        """The customer and its hosts in NetBox, by our own playbooks; contexts are by the names of their profiles."""
        self.own_store()
        kind = self.kind
        terms = CONTRACT.format(slug=kind.customer, site=kind.site, asset_class=kind.asset_class)
        (self.place / "contract.yml").write_text(terms)
        with (self.place / "assets.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["Name", "Class", "Vendor", "Model", "Serial", "Site", "Address"])
            for row in rows:
                machine = row["machine"]
                known = [machine["vendor"], machine["model"], machine["serial"], kind.site, row["address"]]
                writer.writerow([row["name"], kind.asset_class, *known])
        self.play("playbooks/netbox.yml")
        self.play("playbooks/onboard.yml", "-e", f"contract_file={self.place / 'contract.yml'}")
        (tenant,) = self.netbox.all(f"tenancy/tenants/?slug={kind.customer}")
        for profile, data in contexts.items():
            (found,) = self.netbox.all(f"extras/config-context-profiles/?name={profile}")
            body = {"name": profile, "profile": found["id"], "tenants": [tenant["id"]], "data": data}
            self.netbox.create("extras/config-contexts/", body)

    def static_inventory(self, more: Mapping[str, Mapping[str, str]] | None = None, **variables: Any) -> Path:
        """The hosts for somebody who has no NetBox; more is by host what else is known of it."""
        known = {
            one.name: {"ansible_host": self.ground.address(one), **(more or {}).get(one.name, {})}
            for one in self.kind.machines
        }
        path = self.place / "hosts.json"
        path.write_text(json.dumps({"all": {"hosts": known, "vars": variables}}))
        return path


@contextmanager
def lab_of(name: str, machines: Sequence[Machine], place: Path) -> Iterator[tuple[NetBox, hosts.Ground]]:
    """An empty NetBox, and the ground for hosts, which go afterwards. NetBox stays: the next run goes on with it."""
    os.environ["MSP_DURABLE_PATHS"] = str(place)
    netbox = NetBox(lab.up(name, hosts=False))
    if f"snapshot_{EMPTY}" in netbox.lab.cluster.databases():
        netbox.reset()
    else:
        netbox.snapshot(EMPTY)
    state = netbox.lab.paths.hosts
    image.ensure({machine.recipe for machine in machines if machine.recipe}, progress.step)
    paths.make_dir(state, 0o700)
    try:
        yield netbox, hosts.Ground(name, state, hosts.ensure_key(state), hosts.ensure_networks(name))
    finally:
        hosts.down(name, state)
