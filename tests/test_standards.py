"""Standards from NetBox's config context to the last control: playbooks standardise and standard_scan on real hosts.

Two new servers, Debian 12 and 13, go from a row in a contract to compliant and audited; what people then break on them
by hand is found, told, put right, and gone. Another program than ours looks at the end whether it is so.
"""

from __future__ import annotations

import csv
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
from lab import image, podman
from lab.api import NetBox
from lab.lab import Lab
from lab.progress import step
from tests.standard_drifts import DRIFTS, LOOKS, ONLY

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
WHARF = "harbour-wharf"
FLEET = ("harbour-app01", "harbour-app02")
CONTRACT = """
customer: {slug: harbour-wharf, name: Harbour Wharf}
contract:
  {id: HW-1, start: 2026-01-01, monthly_fee: "100", included_hours: 1, hourly_rate: "90", currency: EUR, language: nl,
   timezone: Europe/Amsterdam, report_contact: wharf@harbour-wharf.example.com}
sites: [{slug: quay, name: Quay}]
scope: {server: {covered: true}}
assets: [{file: assets.csv, source: list}]
"""
# The lab's own: who logs in, and where its packages come from.
MIRRORS = image.mirrors()
SOURCES = [f"{address}/*" for address in ((MIRRORS.debian, MIRRORS.security) if MIRRORS else ())]
STANDARD: dict[str, Any] = {
    "name": "linux-server",
    "parameters": {
        # The kernel of a container passes on what its host does.
        "firewall-active": {"forward": "drop"},
        "accounts-password-weak": {"expire": True},
        "updates-automatic": {"policy": "none"},
        "sudo-who": {"allowed": ["root", "%sudo", image.USER]},
        "sudo-people": {"remove": True},
        "sudo-nopasswd": {"allowed": [f"{image.USER}: ALL"]},
        "repositories-allowed": {"allowed": SOURCES},
        "repositories-signed": {"distribution": SOURCES},
        "software-required": {"packages": ["less"]},
        "software-forbidden": {"packages": ["telnetd", "lab-game"]},
        "software-allowed": {"remove": True},
        "firewall-open": {"ports": ["tcp/22", "tcp/443 from 192.0.2.0/24"]},
    },
}


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
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=1800
        )
        return Ran(done.returncode, done.stdout + done.stderr)

    def standardise(self, *arguments: str) -> Ran:
        # On a machine that is busy with much else no guard is to strike; that it does is tested in test_lockout.py.
        patient = "msp_baseline_linux_guard_seconds=600"
        return self.play("standardise", "-e", f"customer={WHARF}", "-e", patient, *arguments)

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
        assert {
            one.control for one in found.values() if one.status not in ("compliant", "fixed", "not applicable")
        } == set()
        assert wharf.device(host)["custom_fields"][names.FACTS_HASH]
        assert wharf.device(host)["custom_fields"][names.STANDARD_STATE]["value"] == "compliant"


def spoil(wharf: Wharf, number: int, host: str) -> set[str]:
    """Everything that people do by hand, on one host."""
    chosen = {name: script for name, script in DRIFTS.items() if ONLY.get(name, number) == number}
    for script in chosen.values():
        wharf.sh(host, script)
    wharf.sh(host, "systemctl reload ssh; systemctl restart systemd-journald")
    return set(chosen)


@pytest.fixture(scope="module")
def spoiled(wharf: Wharf) -> dict[str, set[str]]:
    """What was changed on each host."""
    return {host: spoil(wharf, number, host) for number, host in enumerate(FLEET)}


def looked_at(wharf: Wharf, host: str) -> dict[str, bool]:
    """Whether each control holds, without any of our code."""
    names_of = list(LOOKS)
    scripts = "".join(
        f"if ( {LOOKS[name]} ) >/dev/null 2>&1; then echo {name} yes; else echo {name} no; fi\n" for name in names_of
    )
    lines = wharf.on(host, "sh", "-c", scripts).splitlines()
    return {name: said == "yes" for name, said in (line.split() for line in lines)}


def test_check_mode_finds_every_change_and_nothing_else_and_says_what_it_takes(
    wharf: Wharf, spoiled: dict[str, set[str]]
) -> None:
    ran = wharf.standardise("--check", "--diff")

    assert ran.status == 0, ran.output[-6000:]
    for host in FLEET:
        # On record is what was: a check keeps nothing.
        assert {one.status for one in wharf.states(host).values()} <= {"compliant", "fixed", "not applicable"}
        # Where there is no firewall, nothing can be said of what it lets in.
        unanswered = {"firewall-open"} if "firewall-active" in spoiled[host] else set()
        assert {name for name, holds in looked_at(wharf, host).items() if not holds} - unanswered == spoiled[host]
    for control in set().union(*spoiled.values()):
        assert re.search(rf"^[-+ ]*{control}: ", ran.output, re.MULTILINE), control
    number = sum(len(controls) for controls in spoiled.values())
    assert f"To bring these 2 machines to their standard takes {number} changes on 2 machines" in ran.output


def test_apply_puts_every_change_right_and_somebody_else_agrees(wharf: Wharf, spoiled: dict[str, set[str]]) -> None:
    ran = wharf.standardise()

    assert ran.status == 0, ran.output[-8000:]
    for host in FLEET:
        states = wharf.states(host)
        assert {control for control, one in states.items() if one.status == "fixed"} == spoiled[host]
        assert {one.status for one in states.values()} == {"fixed", "compliant", "not applicable"}
        found = looked_at(wharf, host)
        assert [name for name, holds in found.items() if not holds] == []
        measured = {control for control, one in states.items() if one.status != "not applicable"}
        assert measured <= set(LOOKS)
        # No guard is at work any more.
        assert wharf.sh(host, "ls /var/lib/msp-ops/guard").split() == ["lock"]


def test_after_it_a_check_is_clean_and_a_second_run_changes_nothing(wharf: Wharf, spoiled: dict[str, set[str]]) -> None:
    checked = wharf.standardise("--check")
    ran = wharf.standardise()

    assert checked.status == ran.status == 0
    assert "Nothing has to change." in checked.output
    assert set(re.findall(r"changed=(\d+)", checked.output + ran.output)) == {"0"}, ran.output[-4000:]


REFUSED: Mapping[str, tuple[str, ...]] = {
    "a parameter outside its limits": ("MSP-STD-018", "ssh-auth-tries", "99"),
    "an unknown control": ("MSP-STD-016", "ssh-rot-login"),
    "a waiver without an owner": ("MSP-STD-019", "ssh-banner", "owner"),
    "a cycle of standards": ("MSP-STD-015", "one -> two -> one"),
}
WRONG: Mapping[str, Any] = {
    names.CONTEXT_STANDARD: {
        "name": "one",
        "parameters": {"ssh-auth-tries": {"most": 99}, "ssh-rot-login": {"allowed": "no"}},
        "waivers": {
            "ssh-banner": {
                "reason": "The till shows it",
                "expires": "2099-01-01",
                "agreed": {"by": "M. Jansen", "on": "2026-11-03", "reference": "mail"},
            }
        },
    },
    names.CONTEXT_STANDARDS: {
        name: {
            "version": "1",
            "title": {"en": name, "nl": name},
            "class": "linux-server",
            "extends": other,
            "controls": {},
        }
        for name, other in (("one", "two"), ("two", "one"))
    },
}


def test_all_that_is_wrong_in_a_standard_is_refused_and_named_before_any_host_is_touched(wharf: Wharf) -> None:
    (tenant,) = wharf.netbox.all(f"tenancy/tenants/?slug={WHARF}")
    before = {host: wharf.states(host) for host in FLEET}
    # Beside the other one and stronger; without a profile, for NetBox would refuse some of it itself.
    wharf.netbox.create(
        "extras/config-contexts/", {"name": "wrong", "weight": 9000, "tenants": [tenant["id"]], "data": WRONG}
    )

    ran = wharf.standardise()

    assert ran.status != 0
    errors = re.split(r"(?=MSP-STD-\d{3}: )", " ".join(ran.output.split()))
    for title, words in REFUSED.items():
        assert any(all(word in error for word in words) for error in errors), (title, ran.output[-3000:])
    assert "TASK [Measure]" not in ran.output
    assert {host: wharf.states(host) for host in FLEET} == before
