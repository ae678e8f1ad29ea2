"""playbooks/access_scan.yml and access_report.yml on a real NetBox and a real host: from a contract's row to the page.

Microsoft 365 comes from exported files, which are made.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access.made_access import policy, registration, user
from lab import hosts, podman
from lab.api import NetBox
from lab.image import USER
from lab.machines import NEWCOMERS
from tests import patch_bed

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
LAB = "-".join(filter(None, ("access-play", os.environ.get("PYTEST_XDIST_WORKER"))))
HOST, CUSTOMER = "harbour-app02", "harbour-quay"
CONTRACT = f"""
customer: {{slug: {CUSTOMER}, name: Harbour Quay}}
contract:
  {{id: HQ-1, start: 2026-01-01, monthly_fee: "100", included_hours: 1, hourly_rate: "90", currency: EUR, language: en,
   timezone: Europe/Amsterdam, report_contact: quay@harbour-quay.example.com}}
sites: [{{slug: quay, name: Quay}}]
scope: {{server: {{covered: true}}}}
assets: [{{file: assets.csv, source: list}}]
"""
NAMED = {"break_glass": ["nood"], "microsoft_365": {"break_glass": ["nood@bakkerijjansen.example"]}}
PREPARE = """
set -e
for name in anna nood; do useradd --create-home --shell /bin/bash $name; done
echo 'anna:made-for-this-test' | chpasswd
echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/10-lab.conf
systemctl reload ssh
"""


@dataclass
class Quay:
    """The customer with its server, and a controller with a state of its own."""

    netbox: NetBox
    bed: patch_bed.Bed
    place: Path

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.place / 'evidence.db'}"

    def play(self, name: str, *arguments: str) -> str:
        environment = {
            **os.environ,
            **self.netbox.env(),
            **hosts.ssh_environment(self.bed.state_dir),
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
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        return done.stdout

    def scan(self) -> str:
        return self.play("access_scan", "-e", f"@{self.place / 'access.yml'}")

    def report(self, *arguments: str) -> str:
        folder = f"report_directory={self.place / 'reports'}"
        return self.play("access_report", "-e", f"customer={CUSTOMER}", "-e", folder, *arguments)

    def data(self) -> Any:
        return json.loads((self.place / "reports" / CUSTOMER / "access-report.json").read_text())


@pytest.fixture(scope="module")
def quay(fresh_netbox: NetBox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quay]:
    if reason := hosts.available():
        pytest.skip(reason)
    place = tmp_path_factory.mktemp("quay")
    machines = [machine for machine in NEWCOMERS if machine.name == HOST]
    with patch_bed.bed(LAB, machines, tmp_path_factory.mktemp("host"), (), patch_bed.Bed) as bed:
        made = Quay(fresh_netbox, bed, place)
        bed.sh(HOST, PREPARE)
        _onboard(made)
        yield made


def _onboard(made: Quay) -> None:
    os.environ["MSP_DURABLE_PATHS"] = str(made.place)
    Store.open(made.store_url, upgrade=True).close()
    made.play("netbox")
    (made.place / "contract.yml").write_text(CONTRACT)
    row = made.bed.rows[HOST]
    with (made.place / "assets.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Name", "Class", "Vendor", "Model", "Serial", "Site", "Address"])
        machine = [row["machine"][key] for key in ("vendor", "model", "serial")]
        writer.writerow([HOST, "server", *machine, "quay", row["address"]])
    made.play("onboard", "-e", f"contract_file={made.place / 'contract.yml'}")
    (tenant,) = made.netbox.all(f"tenancy/tenants/?slug={CUSTOMER}")
    (profile,) = made.netbox.all(f"extras/config-context-profiles/?name={names.PROFILE_ACCESS}")
    body = {"name": "quay", "profile": profile["id"], "tenants": [tenant["id"]]}
    made.netbox.create("extras/config-contexts/", {**body, "data": {names.CONTEXT_ACCESS: NAMED}})
    people = [registration("anna"), registration("bert", registered=False), registration("nood")]
    exports = {
        "registrations": {"value": people},
        "users": {"value": [user(people[0]), user(people[1], enabled=False), user(people[2])]},
        "policies": {"value": [policy("All", excludeUsers=[people[2]["id"]])]},
    }
    source = {}
    for name, content in exports.items():
        (made.place / f"{name}.json").write_text(json.dumps(content))
        source[name] = str(made.place / f"{name}.json")
    (made.place / "access.yml").write_text(json.dumps({"access_microsoft_365": {CUSTOMER: source}}))


def test_from_the_host_and_from_entra_to_the_page_of_the_customer(quay: Quay) -> None:
    quay.scan()
    quay.report()

    data = quay.data()
    assert data["people"]["counts"] == {"password": 1, "single": 0, "unknown": 0, "two": 0, "local": 0}
    (machine,) = data["machines"]
    accounts = {one["name"]: (one["kind"], one["network"]["second_factor"]) for one in machine["accounts"]}
    assert accounts == {
        "anna": ("person", "impossible"),
        "nood": ("break-glass", "closed"),
        # Who measured is the automation.
        USER: ("automation", "impossible"),
    }
    people = {one["name"].split("@")[0]: (one["group"], one["state"]) for one in data["microsoft_365"]["people"]}
    assert people == {
        "anna": ("member", "enforced"),
        "bert": ("disabled", "to enrol"),
        "nood": ("break-glass", "registered"),
    }
    # Every number is followed back to its row.
    with Store.open(quay.store_url) as store:
        looks = store.last_access_checks(CUSTOMER)
    assert {asset: good.at.isoformat() for asset, (good, _last) in looks.items() if good} == {
        machine["asset"]: machine["at"],
        "microsoft-365": data["microsoft_365"]["at"],
    }
    text = (quay.place / "reports" / CUSTOMER / "access-report.txt").read_text()
    assert "1 person gets in over the network with a password alone: anna" in " ".join(text.split())


def test_a_host_that_does_not_answer_makes_its_accounts_unknown_and_only_what_is_new_is_written(quay: Quay) -> None:
    files = {path: path.read_bytes() for path in (quay.place / "reports" / CUSTOMER).iterdir()}
    assert "changed=0" in quay.report()
    podman.run("stop", "--time", "0", quay.bed.container(HOST))
    quay.scan()

    shown = quay.report("--check", "--diff")

    assert "changed=1" in shown and "+- Of 1 machine we do not know who can log in: harbour-app02" in shown
    assert {path: path.read_bytes() for path in (quay.place / "reports" / CUSTOMER).iterdir()} == files
    quay.report()
    (machine,) = quay.data()["machines"]
    assert machine["unknown"] == "broken" and "MSP-AUD-003" in machine["error"]
    assert {one["network"]["second_factor"] for one in machine["accounts"]} == {"unknown"}
