"""Rollouts from NetBox's plan to the last host: playbooks patch_scan and patch on six real hosts in three rings.

A tick is one run of the playbook, as a schedule would start it. Five hosts install Debian's own pending security
updates and a made package beside them; the sixth has dnf. The tests go on where the one before them ended: a rollout
that goes to its end, then one that stops.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StoredRollout
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events, journal
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Rollout, fold
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from lab import hosts as lab_hosts
from lab import podman
from lab.api import NetBox
from lab.lab import Lab
from lab.progress import step
from lab.repository import MAIN, ON_HOST, SECURITY, Package, Repository
from lab.rpms import DnfHost, Notice, Rpm
from tests.patch_bed import until

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
OFFICE = "harbour-office"
CANARY, EARLY, BROAD = "harbour-pc01", ("harbour-pc02", "harbour-pc03"), ("harbour-pc04", "harbour-pc05")
FLEET = (CANARY, *EARLY, *BROAD)
# It has dnf, and is a canary too.
TILL_HOST = "harbour-pos01"
HOSTS = (*FLEET, TILL_HOST)
# Six hosts, three rings of them: nothing needs more ticks.
MOST_TICKS = 10
# What nothing but a made source leaves out: Debian's own.
ARCHIVE, AWAY = "/etc/apt/sources.list", "/root/sources.list"
CONTRACT = """
customer: {slug: harbour-office, name: Harbour Office}
contract:
  {id: HO-1, start: 2026-01-01, monthly_fee: "100", included_hours: 1, hourly_rate: "90", currency: EUR, language: en,
   timezone: Europe/Amsterdam, report_contact: office@harbour-office.example.com}
sites: [{slug: office, name: Office}]
scope: {workstation: {covered: true}}
assets: [{file: assets.csv, source: list}]
"""
PLAN: dict[str, Any] = {
    "name": "office",
    "timezone": "Europe/Amsterdam",
    "automatic": True,
    "classes": {
        "emergency": {"deadline": "48h", "windows": "any"},
        "security": {"deadline": "14d", "windows": ["always"]},
        "routine": {"deadline": "30d", "windows": ["always"]},
    },
    "windows": {"always": {"rule": "FREQ=DAILY", "start": "00:00", "duration": "24h", "cutoff": "1m"}},
    "rings": [
        {"name": "canary", "tag": "msp-ring-pilot", "soak": "1m", "successes": 1},
        {"name": "early", "tag": "msp-ring-early", "soak": "0m", "successes": 2},
        {"name": "broad", "tag": "msp-ring-broad", "soak": "0m", "successes": 2},
    ],
    "rates": {"at_once": 2, "most_failures": 0, "most_lost": 0},
    "checks": {"before": [], "after": [{"unit": "ssh.service"}, {"baseline": ["units", "ports"]}]},
    "reboot": "never",
    "rollback": "none",
}
RESTART = "#!/bin/sh\nset -e\nsystemctl daemon-reload\nsystemctl enable --quiet {0}\nsystemctl restart {0}\n"


def till(version: str, *, works: bool = True) -> Package:
    """A service that its own script restarts."""
    unit = "[Service]\nExecStart=/bin/sh /usr/lib/lab-till/run\n[Install]\nWantedBy=multi-user.target\n"
    return Package(
        "lab-till",
        version,
        files={
            "/usr/lib/lab-till/run": "exec sleep infinity\n" if works else "exit 3\n",
            "/lib/systemd/system/lab-till.service": unit,
        },
        scripts={"postinst": RESTART.format("lab-till.service")},
    )


@dataclass
class Ran:
    status: int
    output: str


@dataclass
class Office:
    """The customer with its five hosts, and a controller with a state of its own."""

    netbox: NetBox
    lab: Lab
    rows: dict[str, Mapping[str, Any]]
    place: Path

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.place / 'evidence.db'}"

    def environment(self) -> dict[str, str]:
        return {
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

    def play(self, name: str, *arguments: str) -> Ran:
        command = ["ansible-playbook", f"playbooks/{name}.yml", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment(), capture_output=True, text=True, check=False, timeout=600
        )
        return Ran(done.returncode, done.stdout + done.stderr)

    def scan(self, *arguments: str) -> Ran:
        ran = self.play("patch_scan", *arguments)
        assert ran.status == 0, ran.output[-4000:]
        return ran

    def tick(self, *arguments: str) -> Ran:
        return self.play("patch", "-e", f"customer={OFFICE}", *arguments)

    def stored(self) -> list[StoredRollout]:
        """The newest first."""
        with Store.open(self.store_url) as store:
            return store.rollouts(OFFICE)

    def rollout(self, number: int = 0) -> Rollout:
        found = self.stored()[number]
        return fold(found.id, events.of(found))

    def until_over(self) -> list[Ran]:
        """Ticks, as a schedule gives them, until the newest rollout is over or stopped by itself."""
        ran: list[Ran] = []
        while not ran or not (self.rollout().over or self.rollout().side):
            ran.append(self.tick())
            halted = bool(self.stored()) and self.rollout().side
            assert ran[-1].status == 0 or halted, ran[-1].output[-4000:]
            assert len(ran) <= MOST_TICKS, ran[-1].output[-4000:]
            self.soaked()
        return ran

    def soaked(self) -> None:
        """Wait for the end of a soak: a tick before it is one more of those that only wait."""
        ends = [ring.soak_until for ring in self.rollout().rings if ring.soak_until]
        until(lambda: all(end < dt.datetime.now(dt.UTC) for end in ends), "the soak ends")

    def on(self, host: str, *command: str) -> str:
        return podman.run("exec", str(self.rows[host]["container"]), *command)

    def version(self, host: str, package: str) -> str:
        return self.on(host, "dpkg-query", "--show", "--showformat=${Version}", package)

    def state(self, host: str) -> str | None:
        (device,) = self.netbox.all(f"dcim/devices/?name={host}")
        found = device["custom_fields"][names.PATCHING]
        return str(found["value"]) if found else None

    def offer(self, suite: str, packages: Sequence[Package]) -> None:
        """What the hosts' made source has from now on."""
        repository = Repository(self.place / "repository")
        repository.publish(suite, packages)
        for host in FLEET:
            repository.copy_to(str(self.rows[host]["container"]))

    def owed(self, host: str) -> tuple[str, ...]:
        """What the newest rollout left to be started anew."""
        result = self.rollout().hosts[f"{host}.{OFFICE}"].result
        assert result is not None
        return result.owed

    def boot(self, some: Sequence[str]) -> None:
        """Boot these hosts, as a person does."""
        if some:
            podman.run("restart", *(str(self.rows[host]["container"]) for host in some))
        for host in some:
            lab_hosts.wait_for_sshd(str(self.rows[host]["container"]), str(self.rows[host]["address"]))

    def pending(self) -> dict[str, set[str]]:
        """The security updates that wait, by host, as the last scans have them."""
        with Store.open(self.store_url) as store:
            scans = [good for good, _last in store.last_scans(OFFICE).values() if good]
        return {
            scan.host: {one.update.name for one in scan.updates or () if one.patch_class == "security"}
            for scan in scans
        }

    def onboard(self) -> None:
        """A contract with all its hosts."""
        contract = self.place / "contract.yml"
        contract.write_text(CONTRACT)
        with (self.place / "assets.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["Name", "Class", "Vendor", "Model", "Serial", "Site", "Address"])
            for name, row in self.rows.items():
                made = [row["machine"][key] for key in ("vendor", "model", "serial")]
                writer.writerow([name, "workstation", *made, "office", row["address"]])
        ran = self.play("onboard", "-e", f"contract_file={contract}")
        assert ran.status == 0, ran.output[-4000:]

    def put_in_ring(self, host: str, ring: str) -> None:
        (device,) = self.netbox.all(f"dcim/devices/?name={host}")
        self.netbox.change(f"dcim/devices/{device['id']}/", {"tags": [{"slug": names.TAG_RING_PREFIX + ring}]})


@pytest.fixture(scope="module")
def office(
    fresh_netbox: NetBox, lab: Lab, hosts: Sequence[Mapping[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    """Onboarded, with its plan; the hosts have the first version of what is made for them, and newer ones wait."""
    place = tmp_path_factory.mktemp("patching")
    every = lab_hosts.up(lab.name, lab.paths.hosts, step, also=HOSTS)
    rows: dict[str, Mapping[str, Any]] = {str(row["name"]): row for row in every if row["name"] in HOSTS}
    made = Office(fresh_netbox, lab, rows, place)
    try:
        _onboard(made)
        made.offer(MAIN, [till("1.0")])
        with ThreadPoolExecutor(len(FLEET)) as pool:
            list(pool.map(lambda host: made.on(host, "sh", "-c", INSTALL), FLEET))
        made.offer(SECURITY, [till("1.1")])
        _with_dnf(DnfHost(str(rows[TILL_HOST]["container"])))
        yield made
    finally:
        podman.run("rm", "--force", "--time", "0", "--volumes", *(str(row["container"]) for row in rows.values()))
        lab_hosts.up(lab.name, lab.paths.hosts, step)


# Of Debian's own only security updates wait: what comes between its point releases is routine, and another rollout's.
INSTALL = f"""
set -e
sed -i /-updates/d {ARCHIVE}
echo force-unsafe-io > /etc/dpkg/dpkg.cfg.d/lab
dpkg -i {ON_HOST}/pool/{MAIN}/lab-till_1.0_all.deb
"""


def _with_dnf(host: DnfHost) -> None:
    """A host of rpm's; what waits on it needs a package that it does not have."""
    old, drawer = Rpm("lab-till", "1.0"), Rpm("lab-drawer", "1.0")
    new = Rpm("lab-till", "1.1", requires=("lab-drawer",))
    fix = Notice("LAB-SA-2026:0002", "security", "Important", (new,), ("CVE-2026-1002",))
    host.convert()
    host.publish("base", [old])
    host.publish("updates", [new, drawer], [fix])
    host.configure({"base": {}, "updates": {}})
    host.run("dnf", "--quiet", "--assumeyes", "install", old.nevra)


def _onboard(made: Office) -> None:
    os.environ["MSP_DURABLE_PATHS"] = str(made.place)
    Store.open(made.store_url, upgrade=True).close()
    assert made.play("netbox").status == 0
    made.onboard()
    (tenant,) = made.netbox.all(f"tenancy/tenants/?slug={OFFICE}")
    (profile,) = made.netbox.all(f"extras/config-context-profiles/?name={names.PROFILE_PATCH_PLAN}")
    body = {"name": "office", "profile": profile["id"], "tenants": [tenant["id"]]}
    made.netbox.create("extras/config-contexts/", {**body, "data": {names.CONTEXT_PATCH_PLAN: PLAN}})
    for ring, some in (("pilot", (CANARY, TILL_HOST)), ("early", EARLY), ("broad", BROAD)):
        for name in some:
            made.put_in_ring(name, ring)


@pytest.mark.slow
def test_debians_own_updates_go_through_three_rings_to_the_end_one_batch_a_tick_and_netbox_says_so(
    office: Office,
) -> None:
    office.scan()
    assert {office.state(host) for host in HOSTS} == {"waiting"}
    pending = office.pending()
    assert pending.pop(f"{TILL_HOST}.{OFFICE}") == {"lab-till"}
    assert all(waiting > {"lab-till", "openssl"} for waiting in pending.values()) and len(pending) == len(FLEET)
    preview = office.tick("--check", "--diff")
    assert preview.status == 0, preview.output[-4000:]
    assert office.stored() == []
    assert "2 of 2 waiting hosts of ring canary" in preview.output

    ran = office.until_over()

    assert [one.status for one in ran] == [0] * len(ran), ran[-1].output[-4000:]
    assert {office.version(host, "lab-till") for host in FLEET} == {"1.1"}
    # What is installed is not in force while something runs the old code, and the plan leaves boots to a person.
    expected = {host: "waiting" if office.owed(host) else "up-to-date" for host in HOSTS}
    assert {host: office.state(host) for host in HOSTS} == expected
    assert expected[TILL_HOST] == "up-to-date"
    history = events.of(office.stored()[0])
    order = [event.ring for event in history if isinstance(event, events.BatchStarted)]
    assert order == ["canary", "early", "broad"]
    assert [event.ring for event in history if isinstance(event, events.GatePassed)] == ["canary", "early", "broad"]
    assert isinstance(history[-1], events.Completed)
    rollout = office.rollout()
    assert {host.state for host in rollout.hosts.values()} == {"patched"}
    first, second, _third = rollout.rings
    assert first.soak_until is not None and second.opened is not None and second.opened >= first.soak_until
    # Whoever looks at the run sees each host as it ends.
    said = "\n".join(one.output for one in ran)
    assert re.search(rf"^{CANARY}\.{OFFICE}: patched; [12] of 6 done, [01] at work", said, re.MULTILINE), said[-4000:]


def test_in_the_canary_ring_a_host_with_apt_and_one_with_dnf_were_patched_together(office: Office) -> None:
    hosts = office.rollout().hosts
    with_apt, with_dnf = (hosts[f"{name}.{OFFICE}"].result for name in (CANARY, TILL_HOST))

    assert with_apt is not None and with_dnf is not None
    assert (with_apt.outcome, with_apt.after["lab-till:all"]) == ("patched", "1.1")
    assert with_dnf.outcome == "patched"
    assert with_dnf.after == {"lab-till:noarch": "1.1-1", "lab-drawer:noarch": "1.0-1"}
    assert with_dnf.detail["also"] == ["lab-drawer:noarch"]
    assert office.on(TILL_HOST, "rpm", "--query", "lab-till").strip() == "lab-till-1.1-1.noarch"


def test_after_it_and_what_is_owed_nothing_is_due_and_a_tick_writes_nothing(office: Office) -> None:
    before = office.stored()
    office.boot([host for host in HOSTS if office.owed(host)])

    office.scan()
    ran = office.tick()

    assert ran.status == 0, ran.output[-4000:]
    assert office.stored() == before
    assert office.pending() == {f"{host}.{OFFICE}": set() for host in HOSTS}
    assert {office.state(host) for host in HOSTS} == {"up-to-date"}
    assert re.search(r"localhost .*changed=0", ran.output)


def test_the_report_tells_of_what_was_done_on_each_host(office: Office) -> None:
    reports = office.place / "reports"
    ran = office.play("patch_report", "-e", f"customer={OFFICE}", "-e", f"report_directory={reports}")

    assert ran.status == 0, ran.output[-4000:]
    data = json.loads((reports / OFFICE / "patch-report.json").read_text())
    assert data["assets"] == {"in time": 6, "waived": 0, "owed": 0, "late": 0, "unknown": 0}
    assert {(one["name"], one["outcome"]) for one in data["history"]} == {(host, "patched") for host in HOSTS}
    changes = {one["name"]: one["changes"] for one in data["history"]}
    assert all(["lab-till:all", "1.0", "1.1"] in changes[host] for host in FLEET)
    assert all("openssl:amd64" in {name for name, _old, _new in changes[host]} for host in FLEET)
    assert ["lab-till:noarch", "1.0-1", "1.1-1"] in changes[TILL_HOST]
    (plan,) = data["plans"]
    # What came along with an update is none.
    updates = [name for one in changes.values() for name, _old, _new in one if name != "lab-drawer:noarch"]
    assert (plan["waits"], plan["time_to_patch"]["security"]["measured"]) == ([], len(updates))


def test_what_breaks_its_service_stops_at_the_canary_and_the_other_rings_keep_what_they_have(office: Office) -> None:
    for host in FLEET:
        office.on(host, "mv", ARCHIVE, AWAY)
    office.offer(SECURITY, [till("1.2", works=False)])
    office.scan()

    ran = office.until_over()

    assert ran[-1].status != 0
    stopped = office.rollout()
    assert stopped.side == "halted"
    assert stopped.hosts[f"{CANARY}.{OFFICE}"].state == "failed"
    assert office.version(CANARY, "lab-till") == "1.2"
    assert {office.version(host, "lab-till") for host in (*EARLY, *BROAD)} == {"1.1"}
    again = office.tick()
    assert "halted" in again.output
    assert {office.version(host, "lab-till") for host in (*EARLY, *BROAD)} == {"1.1"}


def test_a_person_aborts_it_and_nothing_of_it_is_tried_again_by_itself(office: Office) -> None:
    ran = office.tick(
        *("-e", "patch_action=abort", "-e", 'patch_by="A. de Vries"', "-e", 'patch_reason="The maker sends another"')
    )

    assert ran.status == 0, ran.output[-4000:]
    assert office.rollout().side == "aborted"
    again = office.tick()
    assert again.status == 0, again.output[-4000:]
    assert "was aborted by A. de Vries" in again.output
    (tenant,) = office.netbox.all(f"tenancy/tenants/?slug={OFFICE}")
    on_it = f"assigned_object_type=tenancy.tenant&assigned_object_id={tenant['id']}"
    told = [str(entry["comments"]) for entry in office.netbox.all(f"extras/journal-entries/?{on_it}")]
    (entry,) = (words for words in told if journal.OURS in words)
    assert "aborted by A. de Vries" in entry and "The maker sends another" in entry
    assert {office.version(host, "lab-till") for host in (*EARLY, *BROAD)} == {"1.1"}
