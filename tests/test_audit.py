"""The audit on real hosts over ssh, from the contract in NetBox to the evidence store and back to NetBox.

The tests stand on one first audit of both customers, the demo's; those that change something put it back.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.audit import schema
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from lab import hosts as lab_hosts
from lab import podman
from lab.api import NetBox
from lab.lab import Lab
from tests.demonstrated import Demonstrated

ROOT = Path(__file__).resolve().parent.parent
JANSEN, HARBOUR = "bakkerij-jansen", "harbour-dental"
APT_HISTORY = "/var/log/apt/history.log"
pytestmark = pytest.mark.lab


@dataclass
class Ran:
    status: int
    output: str

    @property
    def summary(self) -> str:
        """The line of the run that counts the hosts."""
        found = re.search(r"\d+ host\(s\): .*", self.output)
        return found.group() if found else ""


@dataclass
class Desk:
    """A controller with its own state: runs playbooks against the lab."""

    netbox: NetBox
    lab: Lab
    place: Path

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.place / 'evidence.db'}"

    def play(self, *arguments: str, env: Mapping[str, str] | None = None) -> Ran:
        environment = {
            **os.environ,
            **self.netbox.env(),
            **lab_hosts.ssh_environment(self.lab.paths.hosts),
            "MSP_STORE_URL": self.store_url,
            "XDG_STATE_HOME": str(self.place / "state"),
            "XDG_CACHE_HOME": str(self.place / "cache"),
            "MSP_DURABLE_PATHS": str(self.place),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            **(env or {}),
        }
        command = ["ansible-playbook", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return Ran(done.returncode, done.stdout + done.stderr)

    def audit(self, *arguments: str, env: Mapping[str, str] | None = None) -> Ran:
        return self.play("playbooks/audit.yml", "-e", f"report_directory={self.place / 'reports'}", *arguments, env=env)

    def who(self, term: str) -> dict[str, Any]:
        """The one thing that ./msp who knows by this term."""
        variables = {"MSP_STORE_URL": self.store_url, "MSP_DURABLE_PATHS": str(self.place)}
        done = subprocess.run(
            [sys.executable, "msp_cli/__main__.py", "who", term, "--json"],
            cwd=ROOT,
            env={**os.environ, **self.netbox.env(), **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (answer,) = json.loads(done.stdout)["answers"]
        return dict(answer)

    def last(self, customer: str) -> dict[str, tuple[Audit | None, Audit]]:
        """By the host's name without its customer: the last audit that worked, and the last attempt."""
        with Store.open(self.store_url) as store:
            found = store.last_audits(customer).values()
        return {last.host.partition(".")[0]: (ok, last) for ok, last in found if last is not None}

    def facts(self, customer: str, host: str) -> dict[str, Any]:
        last_ok = self.last(customer)[host][0]
        assert last_ok is not None
        with Store.open(self.store_url) as store:
            return store.facts(str(last_ok.facts_hash))

    def hashes(self) -> dict[str, str | None]:
        return {
            host: ok.facts_hash
            for customer in (JANSEN, HARBOUR)
            for host, (ok, _last) in self.last(customer).items()
            if ok is not None
        }

    def custom_fields(self, name: str) -> dict[str, Any]:
        (device,) = self.netbox.all(f"dcim/devices/?name={name}")
        return dict(device["custom_fields"])

    def container(self, host: str) -> str:
        return str(next(row["container"] for row in self.lab.hosts if row["name"] == host))

    def on(self, host: str, *command: str) -> str:
        return podman.run("exec", self.container(host), *command)


@pytest.fixture(scope="module")
def desk(lab: Lab, demonstrated: Demonstrated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Both customers onboarded and audited once."""
    place = tmp_path_factory.mktemp("desk")
    demonstrated.put_back(place)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MSP_DURABLE_PATHS", str(place))
        yield Desk(demonstrated.netbox, lab, place)


@pytest.fixture(scope="module")
def first(desk: Desk) -> Ran:
    """The audit of both, which ended well."""
    return Ran(0, (desk.place / "audit.log").read_text())


def test_every_host_of_the_run_is_counted_and_the_absent_one_is_named(desk: Desk, first: Ran) -> None:
    outcomes = {host: last.outcome for c in (JANSEN, HARBOUR) for host, (_ok, last) in desk.last(c).items()}

    assert {host: outcomes[host] for host in ("jansen-srv01", "jansen-ws01", "harbour-srv01", "harbour-db01")} == {
        "jansen-srv01": "ok",
        "jansen-ws01": "ok",
        "harbour-srv01": "ok",
        "harbour-db01": "ok",
    }
    assert outcomes["jansen-nas01"] == "unreachable"
    assert "jansen-till02" not in outcomes
    assert re.match(r"\d+ host\(s\): 5 ok, \d+ unreachable", first.summary)
    assert "jansen-nas01.bakkerij-jansen: MSP-AUD-003" in first.output


def test_an_asset_without_an_address_is_not_attempted_and_not_called_absent(desk: Desk, first: Ran) -> None:
    assert "jansen-phone01" not in desk.last(JANSEN)
    assert "jansen-phone01.bakkerij-jansen: MSP-AUD-007" in first.output


@pytest.mark.parametrize(
    ("customer", "host", "version"),
    [(JANSEN, "jansen-srv01", "12"), (HARBOUR, "harbour-srv01", "13"), (HARBOUR, "harbour-db01", "11")],
)
def test_debian_11_12_and_13_are_audited_in_the_shape_of_the_schema(
    desk: Desk, first: Ran, customer: str, host: str, version: str
) -> None:
    facts = desk.facts(customer, host)
    last_ok = desk.last(customer)[host][0]

    assert last_ok is not None
    jsonschema.validate({"facts": facts, "volatile": last_ok.volatile, "seconds": last_ok.seconds}, schema.SCHEMA)
    assert facts["os"]["version"].split(".")[0] == version
    assert len(facts["packages"]) > 100
    assert {"sshd"} <= {row["process"] for row in facts["listening"] if row["port"] == 22}


def test_a_host_tells_the_serial_of_its_machine_and_a_placeholder_is_none(desk: Desk, first: Ran) -> None:
    machines = {row["name"]: row["machine"] for row in desk.lab.hosts}

    assert desk.facts(JANSEN, "jansen-srv01")["machine"]["serial"] == machines["jansen-srv01"]["serial"]
    assert machines["harbour-ws01"]["serial"].startswith("To be filled")
    assert desk.facts(HARBOUR, "harbour-ws01")["machine"]["serial"] is None


def test_pending_updates_are_those_that_apt_itself_would_install(desk: Desk, first: Ran) -> None:
    said = desk.on("jansen-ws01", "apt-get", "--simulate", "dist-upgrade")
    expected = dict(re.findall(r"^Inst (\S+) \[(\S+)\]", said, re.MULTILINE))

    updates = desk.facts(JANSEN, "jansen-ws01")["updates"]

    assert expected
    assert {row["name"]: row["from"] for row in updates["pending"]} == expected
    secure = set(re.findall(r"^Inst (\S+) \[\S+\] \([^)]*Debian-Security", said, re.MULTILINE))
    assert secure <= {row["name"] for row in updates["pending"] if row["security"]}


def test_installed_packages_are_those_that_dpkg_lists(desk: Desk, first: Ran) -> None:
    said = desk.on("harbour-db01", "dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\\n")

    packages = desk.facts(HARBOUR, "harbour-db01")["packages"]

    assert sorted(f"{row['name']} {row['version']} {row['architecture']}" for row in packages) == sorted(
        said.splitlines()
    )
    assert all(row["origin"] for row in packages)


def test_a_host_tells_when_it_was_last_patched_and_the_helpdesk_is_told(desk: Desk, first: Ran) -> None:
    # Debian 11 gets no point release any more, so what is newer than the release stays in its other archives.
    *_installed, patched = re.findall(r"Start-Date: (\S+)  (\S+)", desk.on("harbour-db01", "cat", APT_HISTORY))

    assert desk.facts(HARBOUR, "harbour-db01")["patches"]["last"] == "{}T{}Z".format(*patched)
    assert desk.who("harbour-db01")["last_patched"] == "{}T{}+00:00".format(*patched)
    assert desk.who("jansen-ws01")["last_patched"] is None


def test_netbox_gets_hash_system_and_end_of_support(desk: Desk, first: Ran) -> None:
    fields = desk.custom_fields("harbour-db01")

    assert fields["msp_facts_hash"] == desk.hashes()["harbour-db01"]
    assert fields["msp_operating_system"] == "Debian GNU/Linux 11 (bullseye)"
    assert fields["msp_os_support_end"] == "2026-08-31"


def test_the_unlisted_till_is_seen_as_a_neighbour_and_known_to_nobody(desk: Desk, first: Ran) -> None:
    address = next(row["address"] for row in desk.lab.hosts if row["name"] == "jansen-till02")

    with Store.open(desk.store_url) as store:
        seen = [one for one in store.sightings(JANSEN) if address in one.identity.get("addresses", ())]

    assert {(one.source, one.asset) for one in seen} == {("neighbours", None)}


def test_the_log_of_the_run_carries_no_list_of_packages(first: Ran) -> None:
    assert "libc6" not in first.output
    assert len(first.output) < 20_000


def test_a_second_audit_has_the_same_hash_writes_nothing_to_netbox_and_changes_nothing_on_the_host(
    desk: Desk, first: Ran
) -> None:
    hashes, changes = desk.hashes(), desk.netbox.changes()
    desk.on("jansen-ws01", "sh", "-c", "rm -f /var/cache/apt/*.bin; touch /stamp")

    ran = desk.audit("--limit", "jansen-ws01.bakkerij-jansen,localhost")

    assert ran.status == 0, ran.output
    assert desk.hashes() == hashes
    assert desk.netbox.changes() == changes
    assert "NetBox brought up to date for 0" in ran.summary
    changed = desk.on("jansen-ws01", "find", "/", "-xdev", "-newer", "/stamp", "-not", "-type", "d").split()
    # What logging in and sudo leave: logs, the time of a login, systemd's own state.
    left = [name for name in changed if not name.startswith(("/var/log/", "/run/", "/var/lib/systemd/"))]
    assert left == []


@pytest.fixture(scope="module")
def poor(desk: Desk, first: Ran) -> Ran:
    """An audit without root, of one host that is as it should be and of one without Python."""
    desk.on("harbour-ws01", "sh", "-c", "for p in /usr/bin/python3*; do mv $p /opt/; done")
    try:
        limit = "jansen-srv01.bakkerij-jansen,harbour-ws01.harbour-dental,localhost"
        ran = desk.audit("--limit", limit, "-e", "msp_audit_become=false")
    finally:
        desk.on("harbour-ws01", "sh", "-c", "mv /opt/python3* /usr/bin/")
    assert ran.status == 0, ran.output
    return ran


def test_without_root_the_audit_says_what_it_could_not_see(desk: Desk, poor: Ran) -> None:
    facts = desk.facts(JANSEN, "jansen-srv01")

    assert facts["machine"]["serial"] is None
    assert facts["updates"]["known"] is True
    assert {"machine.serial", "listening.process", "administrators"} <= {row["what"] for row in facts["unknown"]}


def test_a_host_without_python_is_recorded_so_and_the_run_goes_on(desk: Desk, poor: Ran) -> None:
    last_ok, last = desk.last(HARBOUR)["harbour-ws01"]

    assert last.outcome == "no_python"
    assert last_ok is not None
    assert "MSP-AUD-001" in str(last.error)
    assert poor.summary.startswith("2 host(s): 1 ok, 1 without Python")


def test_in_check_mode_nothing_is_kept_anywhere(desk: Desk, first: Ran) -> None:
    with Store.open(desk.store_url) as store:
        before = len(store.audits(JANSEN))
    changes = desk.netbox.changes()

    ran = desk.audit("--check", "--diff", "--limit", "jansen-srv01.bakkerij-jansen,localhost")

    with Store.open(desk.store_url) as store:
        assert len(store.audits(JANSEN)) == before
    assert ran.status == 0, ran.output
    assert desk.netbox.changes() == changes
    assert "not recorded (check mode)" in ran.summary


@dataclass(frozen=True)
class Outage:
    """Three audits of one host: the first can't reach the store, the second may not write to NetBox, the last can."""

    began: dt.datetime
    storeless: Ran
    spooled: list[Path]
    refused: Ran
    hash_then: str
    mended: Ran


@pytest.fixture(scope="module")
def outage(desk: Desk, first: Ran) -> Outage:
    netbox, limit = desk.netbox, ("--limit", "jansen-srv01.bakkerij-jansen,localhost")
    began = desk.last(JANSEN)["jansen-srv01"][1].at
    storeless = desk.audit(*limit, env={"MSP_STORE_URL": "postgresql+psycopg://nobody@127.0.0.1:9/none"})
    spooled = [path for path in (desk.place / "state").rglob("*.jsonl") if '"kind":"audit"' in path.read_text()]
    (device,) = netbox.all("dcim/devices/?name=jansen-srv01")
    netbox.change(f"dcim/devices/{device['id']}/", {"custom_fields": {"msp_facts_hash": "stale"}})
    reader = netbox.token_for([{"object_types": _all_types(netbox), "actions": ["view"]}])
    refused = desk.audit(*limit, env={"NETBOX_TOKEN": reader})
    hash_then = desk.custom_fields("jansen-srv01")["msp_facts_hash"]
    return Outage(began, storeless, spooled, refused, hash_then, desk.audit(*limit))


def test_a_store_that_does_not_answer_costs_no_evidence(desk: Desk, outage: Outage) -> None:
    with Store.open(desk.store_url) as store:
        audits = [one for one in store.audits(JANSEN) if one.host.startswith("jansen-srv01")]

    assert outage.storeless.status != 0
    assert "MSP-EVD-001" in outage.storeless.output
    assert outage.spooled
    assert outage.mended.status == 0, outage.mended.output
    assert len([one for one in audits if one.at > outage.began]) == 3


def test_a_netbox_that_refuses_the_write_is_brought_up_to_the_store_by_the_next_run(desk: Desk, outage: Outage) -> None:
    assert outage.refused.status != 0
    assert re.search(r"MSP-REG-00[37]", outage.refused.output)
    assert outage.hash_then == "stale"
    assert outage.mended.status == 0, outage.mended.output
    assert desk.custom_fields("jansen-srv01")["msp_facts_hash"] == desk.hashes()["jansen-srv01"]


def _all_types(netbox: NetBox) -> list[str]:
    wanted = ("dcim", "virtualization", "ipam", "tenancy", "extras", "core")
    rows = netbox.all("core/object-types/")
    return [f"{row['app_label']}.{row['model']}" for row in rows if row["app_label"] in wanted and row["public"]]


def test_a_host_that_is_nobodys_asset_is_refused_by_the_module(desk: Desk, first: Ran, tmp_path: Path) -> None:
    row = next(row for row in desk.lab.hosts if row["name"] == "jansen-till02")
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"till": {"ansible_host": row["address"]}}}}))
    playbook = tmp_path / "play.yml"
    playbook.write_text("- hosts: all\n  gather_facts: false\n  tasks:\n    - msp.ops.asset_audit:\n")

    ran = desk.play("-i", str(inventory), str(playbook))

    assert ran.status != 0
    assert "MSP-AUD-005" in ran.output
