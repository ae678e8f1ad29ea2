"""Standards from NetBox's config context to the last control: playbooks standardise and standard_scan on real hosts.

Two new servers, Debian 12 and 13, go from a row in a contract to compliant and audited; what people then break on them
by hand is found, told, put right, and gone. Another program than ours looks at the end whether it is so.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import ControlState
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from lab import hosts as lab_hosts
from lab import podman
from lab.api import NetBox
from lab.lab import Lab
from lab.progress import step

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
WHARF = "harbour-wharf"
TWELVE, THIRTEEN = FLEET = ("harbour-app01", "harbour-app02")
CONTRACT = """
customer: {slug: harbour-wharf, name: Harbour Wharf}
contract:
  {id: HW-1, start: 2026-01-01, monthly_fee: "100", included_hours: 1, hourly_rate: "90", currency: EUR, language: nl,
   timezone: Europe/Amsterdam, report_contact: wharf@harbour-wharf.example.com}
sites: [{slug: quay, name: Quay}]
scope: {server: {covered: true}}
assets: [{file: assets.csv, source: list}]
"""
STANDARD: dict[str, Any] = {"name": "linux-server"}


@dataclass
class Ran:
    status: int
    output: str


@dataclass
class Wharf:
    """The customer with its servers, and a controller with a state of its own."""

    netbox: NetBox
    lab: Lab
    rows: dict[str, Mapping[str, Any]]
    place: Path

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.place / 'evidence.db'}"

    def play(self, name: str, *arguments: str) -> Ran:
        environment = {
            **os.environ,
            **self.netbox.env(),
            **lab_hosts.ssh_environment(self.lab.paths.hosts),
            "MSP_STORE_URL": self.store_url,
            "XDG_STATE_HOME": str(self.place / "state"),
            "XDG_CACHE_HOME": str(self.place / "cache"),
            "MSP_DURABLE_PATHS": str(self.place),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "NO_COLOR": "1",
        }
        command = ["ansible-playbook", f"playbooks/{name}.yml", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        return Ran(done.returncode, done.stdout + done.stderr)

    def standardise(self, *arguments: str) -> Ran:
        return self.play("standardise", "-e", f"customer={WHARF}", *arguments)

    def on(self, host: str, *command: str) -> str:
        return podman.run("exec", str(self.rows[host]["container"]), *command)

    def sh(self, host: str, script: str) -> str:
        return self.on(host, "sh", "-ec", script).strip()

    def device(self, host: str) -> Mapping[str, Any]:
        (device,) = self.netbox.all(f"dcim/devices/?name={host}")
        return device

    def states(self, host: str) -> dict[str, ControlState]:
        """What the evidence store has of every control of a host."""
        asset = f"device:{self.device(host)['id']}"
        with Store.open(self.store_url) as store:
            return {one.control: one for one in store.control_states(WHARF) if one.asset == asset}

    def assign(self, **standard: Any) -> None:
        (context,) = self.netbox.all("extras/config-contexts/")
        self.netbox.change(
            f"extras/config-contexts/{context['id']}/", {"data": {names.CONTEXT_STANDARD: {**STANDARD, **standard}}}
        )


@pytest.fixture(scope="module")
def wharf(
    fresh_netbox: NetBox, lab: Lab, hosts: Sequence[Mapping[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Wharf]:
    """Onboarded, with a standard; nothing was done on the hosts."""
    place = tmp_path_factory.mktemp("standards")
    every = lab_hosts.up(lab.name, lab.paths.hosts, step, also=FLEET)
    rows: dict[str, Mapping[str, Any]] = {str(row["name"]): row for row in every if row["name"] in FLEET}
    made = Wharf(fresh_netbox, lab, rows, place)
    try:
        _onboard(made)
        yield made
    finally:
        podman.run("rm", "--force", "--time", "0", "--volumes", *(str(row["container"]) for row in rows.values()))
        lab_hosts.up(lab.name, lab.paths.hosts, step)


def _onboard(made: Wharf) -> None:
    os.environ["MSP_DURABLE_PATHS"] = str(made.place)
    Store.open(made.store_url, upgrade=True).close()
    ran = made.play("netbox")
    assert ran.status == 0, ran.output[-4000:]
    contract = made.place / "contract.yml"
    contract.write_text(CONTRACT)
    with (made.place / "assets.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Name", "Class", "Vendor", "Model", "Serial", "Site", "Address"])
        for name, row in made.rows.items():
            machine = [row["machine"][key] for key in ("vendor", "model", "serial")]
            writer.writerow([name, "server", *machine, "quay", row["address"]])
    ran = made.play("onboard", "-e", f"contract_file={contract}")
    assert ran.status == 0, ran.output[-4000:]
    (tenant,) = made.netbox.all(f"tenancy/tenants/?slug={WHARF}")
    (profile,) = made.netbox.all(f"extras/config-context-profiles/?name={names.PROFILE_STANDARD}")
    body = {"name": "wharf", "profile": profile["id"], "tenants": [tenant["id"]]}
    made.netbox.create("extras/config-contexts/", {**body, "data": {names.CONTEXT_STANDARD: STANDARD}})


def test_new_machines_go_from_contract_row_to_compliant_and_audited_in_one_run(wharf: Wharf) -> None:
    ran = wharf.standardise()

    assert ran.status == 0, ran.output[-6000:]
    for host in FLEET:
        found = wharf.states(host)
        assert {one.control for one in found.values() if one.status not in ("compliant", "fixed", "not applicable")} == set()
        assert wharf.device(host)["custom_fields"][names.FACTS_HASH]
        assert wharf.device(host)["custom_fields"][names.STANDARD_STATE]["value"] == "compliant"


def test_the_second_run_changes_nothing(wharf: Wharf) -> None:
    ran = wharf.standardise()

    assert ran.status == 0, ran.output[-4000:]
    assert set(re.findall(r"changed=(\d+)", ran.output)) == {"0"}, ran.output[-4000:]
