"""Discovery as a customer has it: real scans of the lab's own networks, a real NetBox, a host that nobody listed."""

from __future__ import annotations

import configparser
import datetime as dt
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from dateutil import rrule

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.observe.sources import parse
from lab import hosts as lab_hosts
from lab import podman
from lab.api import NetBox
from lab.lab import Lab
from msp_cli import demo, demo_discovery
from msp_cli.jobs import Job

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
NEWCOMER = "jansen-ws02"
JANSEN, HARBOUR = "bakkerij-jansen", "harbour-dental"


@dataclass(frozen=True)
class World:
    """Two customers, onboarded and audited once, and what it takes to look at their networks."""

    lab: Lab
    netbox: NetBox
    build: Path

    def discover(self, sources: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
        """playbooks/discover.yml with these sources, as a person runs it."""
        listed = self.build / "discovery.yml"
        listed.write_text(yaml.safe_dump({"discover_sources": sources}))
        return self.play("discover.yml", "-e", f"@{listed}", "-e", f"report_directory={self.reports}", *arguments)

    def play(self, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), f"playbooks/{playbook}", *arguments],
            cwd=ROOT,
            env={**os.environ, **demo.environment(self.lab, self.build), "MSP_DURABLE_PATHS": str(self.build)},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    @property
    def reports(self) -> Path:
        return self.build / "reports"

    def digests(self, customer: str) -> list[Path]:
        return sorted((self.reports / customer).glob("digest-*.txt"))

    def devices(self, customer: str, status: str) -> dict[str, dict[str, Any]]:
        found = self.netbox.all(f"dcim/devices/?tenant={customer}&cf_msp_contract_status={status}")
        return {row["name"]: row for row in found}

    def writes(self) -> int:
        return int(self.netbox.call("GET", "core/object-changes/?limit=1")["count"])

    def store(self) -> Store:
        return Store.open(demo.store_url(self.build))


@pytest.fixture(scope="module")
def world(
    lab: Lab, hosts: list[dict[str, object]], fresh_netbox: NetBox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    build = tmp_path_factory.mktemp("discover")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MSP_DURABLE_PATHS", str(build))
        demo.run(lab, build)
        yield World(lab, fresh_netbox, build)
    unplug(lab)


def unplug(lab: Lab) -> None:
    """Take the newcomer off the network again: other tests count the lab's hosts."""
    container = f"msp-{lab.name}-{NEWCOMER}"
    if any(row["Names"][0] == container for row in lab_hosts.containers(lab.name)):
        podman.run("rm", "--force", "--time", "0", "--volumes", container)


# These networks are the lab's own, so the scans may be fast.
SCANS: dict[str, Any] = {
    JANSEN: [{"source": "nmap", "services": True, "rate": 2000}],
    HARBOUR: [{"source": "nmap", "rate": 2000}],
}


@pytest.fixture(scope="module")
def looked(world: World) -> World:
    """After the first look at both networks."""
    done = world.discover(SCANS)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return world


def test_a_till_that_no_contract_names_becomes_a_device_that_the_helpdesk_sees(looked: World) -> None:
    found = looked.devices(JANSEN, "unlisted")

    till = next(row for row in looked.lab.hosts if row["name"] == "jansen-till02")
    (device,) = [
        row for row in found.values() if (row["primary_ip4"] or {}).get("address", "").startswith(till["address"])
    ]
    macs = looked.netbox.all(f"dcim/mac-addresses/?device_id={device['id']}")
    assert [row["mac_address"].lower() for row in macs] == [till["mac"]]
    entries = looked.netbox.all(f"extras/journal-entries/?assigned_object_id={device['id']}")
    assert any("nmap" in entry["comments"] for entry in entries)


def test_the_customer_is_told_in_its_own_language(looked: World) -> None:
    (told,) = looked.digests(JANSEN)

    text = told.read_text(encoding="utf-8")
    till = next(row for row in looked.lab.hosts if row["name"] == "jansen-till02")
    assert till["address"] in text
    assert "Nieuw" in text
    assert told.with_suffix(".html").exists()


def test_what_is_in_the_contract_and_was_seen_is_no_news(looked: World) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in looked.digests(JANSEN))

    assert "jansen-srv01" not in text
    assert {row["name"] for row in looked.devices(JANSEN, "contracted").values()} >= {"jansen-srv01", "jansen-nas01"}
    assert len(looked.devices(JANSEN, "unlisted")) <= 2  # the till, and the lab's own gateway where it answers


def test_looking_again_writes_nothing_and_tells_nothing(looked: World) -> None:
    before, told = looked.writes(), looked.digests(JANSEN)

    done = looked.discover(SCANS)

    assert done.returncode == 0, done.stdout[-3000:]
    assert looked.writes() == before
    assert looked.digests(JANSEN) == told


def test_the_inventory_serves_what_was_discovered_and_the_guard_keeps_playbooks_away(looked: World) -> None:
    source = looked.build / "seen.yml"
    source.write_text("plugin: msp.ops.netbox\nseen_today: true\n")
    listed = subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), "-i", str(source), "--list"],
        cwd=ROOT,
        env={**os.environ, **demo.environment(looked.lab, looked.build), "MSP_DURABLE_PATHS": str(looked.build)},
        capture_output=True,
        text=True,
        check=True,
    )
    groups = json.loads(listed.stdout)

    assert "jansen-srv01.bakkerij-jansen" in groups["seen_today"]["hosts"]
    assert "jansen-nas01.bakkerij-jansen" not in groups["seen_today"]["hosts"]
    assert groups["unlisted"]["hosts"]
    refused = looked.play("audit.yml", "--check", "--limit", "unlisted,localhost")
    assert refused.returncode != 0
    assert "MSP-SCP" in refused.stdout + refused.stderr


def test_a_host_that_somebody_plugged_in_is_found_by_the_next_look_which_says_what_it_is_and_what_it_cost(
    looked: World,
) -> None:
    known = set(looked.devices(JANSEN, "unlisted"))
    job = Job(looked.build, demo.environment(looked.lab, looked.build))

    digests = demo_discovery.look(job, looked.lab, demo.store_url(looked.build), [JANSEN, HARBOUR], "Example IT")

    newcomer = next(row for row in lab_hosts.known(looked.lab.paths.hosts) if row["name"] == NEWCOMER)
    (name,) = set(looked.devices(JANSEN, "unlisted")) - known
    device = looked.devices(JANSEN, "unlisted")[name]
    assert device["primary_ip4"]["address"].startswith(newcomer["address"])
    (told,) = [path.with_suffix(".txt").read_text(encoding="utf-8") for path in digests]
    assert newcomer["address"] in told
    assert "Door medewerkers: 0:25 uur." in told
    verifications = demo.verify(looked.lab, demo.store_url(looked.build), [JANSEN])
    rows = demo_discovery.strangers(verifications, demo.store_url(looked.build)).splitlines()
    (row,) = [row for row in rows if newcomer["address"] in row]
    assert row.split()[-1] == "25"


def test_what_is_at_the_gateways_address_is_confirmed_by_a_person_and_netbox_learns_it_once_that_is_approved(
    looked: World,
) -> None:
    def mark() -> str | None:
        found = looked.devices(JANSEN, "contracted")["jansen-gw01"]["custom_fields"]["msp_discovery"]
        return str(found["value"]) if found else None

    assert mark() == "conflict"
    who = ["-e", 'approved_by="A. de Vries"', "-e", 'reason="Went past it"']

    done = looked.play("confirm.yml", "-e", f"customer={JANSEN}", "-e", "discover_require_approval=true", *who)

    assert done.returncode == 0, done.stdout[-3000:]
    assert mark() == "conflict"
    with looked.store() as store:
        plan = store.plans(JANSEN)[0]
    assert plan.approved_by is None
    done = looked.play("reconcile.yml", "-e", f"plan={plan.id}", *who)
    assert done.returncode == 0, done.stdout[-3000:]
    assert mark() is None
    with looked.store() as store:
        assert store.plans(JANSEN)[0].approved_by == "A. de Vries"


def test_a_decision_is_kept_with_who_and_when_and_nobody_is_asked_again(looked: World) -> None:
    name, device = next(iter(looked.devices(JANSEN, "unlisted").items()))
    looked.netbox.change(f"dcim/devices/{device['id']}/", {"custom_fields": {"msp_contract_status": "tracked"}})

    done = looked.discover(SCANS)

    assert done.returncode == 0, done.stdout[-3000:]
    with looked.store() as store:
        (decision,) = store.decisions(JANSEN)
    assert (decision.asset, decision.before, decision.after) == (f"device:{device['id']}", "unlisted", "tracked")
    assert decision.who == looked.lab.admin_user
    assert dt.datetime.now(dt.UTC) - decision.at < dt.timedelta(hours=1)
    assert name not in looked.devices(JANSEN, "unlisted")
    written = looked.writes()
    looked.discover(SCANS)
    assert looked.writes() == written
    assert name not in looked.devices(JANSEN, "unlisted")


def test_a_source_that_fails_stops_no_other_proves_nothing_and_ends_the_play_in_an_error(looked: World) -> None:
    sources = {JANSEN: [{"source": "dhcp", "format": "isc", "file": "/nowhere/dhcpd.leases"}, *SCANS[JANSEN]]}

    done = looked.discover(sources)

    assert done.returncode != 0
    assert "MSP-OBS-055" in done.stdout
    with looked.store() as store:
        looks = store.coverages(JANSEN)
    last = {one.source: one for one in looks}
    assert not last["dhcp"].complete
    assert "/nowhere/dhcpd.leases" in last["dhcp"].reason
    assert last["nmap"].complete


@pytest.mark.parametrize(
    ("wanted", "code"),
    [(["198.51.100.0/24"], "MSP-OBS-002"), (["0.0.0.0/0"], "MSP-OBS-002"), (["-oN", "scan.txt"], "MSP-OBS-001")],
)
def test_no_other_prefix_than_the_customers_allowed_ones_is_ever_scanned(
    looked: World, wanted: Sequence[str], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tripwire, started = tmp_path / "nmap", tmp_path / "started"
    tripwire.write_text(f"#!/bin/sh\ntouch {started}\nexit 1\n")
    tripwire.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    done = looked.discover({JANSEN: [{"source": "nmap", "prefixes": list(wanted)}]})

    assert done.returncode != 0
    assert code in done.stdout
    assert wanted[0] in done.stdout
    assert not started.exists()
    with looked.store() as store:
        last = [one for one in store.coverages(JANSEN) if one.source == "nmap"][-1]
    assert (last.complete, last.seen) == (False, 0)


def asked(world: World) -> int:
    """How many looks through a customer's sources there were; NetBox's own change log is none."""
    with world.store() as store:
        return sum(one.source != "netbox" for one in store.coverages(JANSEN))


def test_a_list_of_sources_with_errors_asks_nobody_and_names_them_all(looked: World) -> None:
    before = asked(looked)

    done = looked.discover({JANSEN: [{"source": "nmapp"}, {"source": "dhcp"}, *SCANS[JANSEN]]})

    assert done.returncode != 0
    assert "source 1 of bakkerij-jansen" in done.stdout
    assert "source 2 of bakkerij-jansen" in done.stdout
    assert "Hold it against what is agreed" in done.stdout  # the other customers' look is not lost
    assert asked(looked) == before


def test_a_preview_looks_and_plans_and_leaves_nothing(looked: World) -> None:
    with looked.store() as store:
        before = len(store.coverages(HARBOUR)), len(store.changes(HARBOUR))
    written = looked.writes()

    done = looked.discover({HARBOUR: SCANS[HARBOUR]}, "--check", "--diff")

    assert done.returncode == 0, done.stdout[-3000:]
    with looked.store() as store:
        assert (len(store.coverages(HARBOUR)), len(store.changes(HARBOUR))) == before
    assert looked.writes() == written


def test_a_password_in_the_list_is_in_no_output_at_any_verbosity(looked: World) -> None:
    secret = "Sup3r-s3cret-directory-password"  # noqa: S105 (made up)
    live = {"source": "directory", "server": "ldaps://127.0.0.1:1", "user": "cn=x", "password": secret, "base": "dc=x"}

    done = looked.discover({JANSEN: [live]}, "-vvvv")

    assert done.returncode != 0
    assert secret not in done.stdout + done.stderr
    assert secret.encode() not in (looked.build / "evidence.db").read_bytes()


@pytest.fixture
def installed(looked: World, tmp_path: Path) -> Callable[[str], str]:
    """An example as a person fills it in: this checkout, this world's environment and sources, a folder for reports."""
    there = demo.environment(looked.lab, looked.build) | {
        "MSP_DURABLE_PATHS": f"{looked.build}:{tmp_path}",
        "NO_PROXY": "127.0.0.1",
        "HOME": str(tmp_path),
    }
    (tmp_path / "environment").write_text("".join(f'{name}="{value}"\n' for name, value in there.items()))
    shell = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in there.items())
    (tmp_path / "environment.sh").write_text(shell)
    (tmp_path / "discovery.yml").write_text(yaml.safe_dump({"discover_sources": {HARBOUR: SCANS[HARBOUR]}}))
    (tmp_path / "secrets.yml").write_text((ROOT / "docs/examples/discovery/secrets.yml").read_text())
    paths = {"/opt/msp.ops": str(ROOT), "/etc/msp": str(tmp_path), "/srv/reports": str(tmp_path / "reports")}

    def fill_in(name: str) -> str:
        text = (ROOT / "docs/examples/discovery" / name).read_text(encoding="utf-8")
        for path, ours in paths.items():
            text = text.replace(path, ours)
        return text

    return fill_in


def scans(world: World) -> int:
    with world.store() as store:
        return sum(one.source == "nmap" and one.complete for one in store.coverages(HARBOUR))


def test_the_crontab_line_works_as_written(looked: World, installed: Callable[[str], str]) -> None:
    (line,) = [line for line in installed("crontab").splitlines() if not line.startswith("#")]
    *_when, command = line.split(maxsplit=5)
    before = scans(looked)

    # What cron gives a job.
    bare = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "HOME": "/"}
    done = subprocess.run(["/bin/sh", "-c", command], env=bare, cwd="/", capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert scans(looked) == before + 1


def test_the_systemd_service_works_as_written(looked: World, installed: Callable[[str], str], tmp_path: Path) -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(installed("msp-discover.service"))
    service = unit["Service"]
    before = scans(looked)

    # What systemd gives a service: its directory, and the lines of the environment file.
    lines = Path(service["EnvironmentFile"]).read_text(encoding="utf-8").splitlines()
    bare = {"PATH": "/usr/bin:/bin"} | {
        name: value.strip('"') for name, _, value in (ln.partition("=") for ln in lines)
    }
    done = subprocess.run(
        shlex.split(service["ExecStart"]),
        env=bare,
        cwd=service["WorkingDirectory"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert scans(looked) == before + 1
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze on this machine: nobody checked the units' syntax")
    units = [tmp_path / f"msp-discover.{kind}" for kind in ("service", "timer")]
    for one in units:
        one.write_text(installed(one.name))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


VARIABLE = re.compile(r"{{ *(\w+) *}}")


def test_every_variable_of_the_example_list_is_in_the_example_of_secrets_and_we_read_the_list(
    installed: Callable[[str], str],
) -> None:
    given = yaml.safe_load(installed("secrets.yml"))
    text = installed("discovery.yml")
    assert set(VARIABLE.findall(text)) == set(given)
    listed = yaml.safe_load(VARIABLE.sub("filled-in", text))["discover_sources"]
    assert {one.kind for sources in listed.values() for one in parse("acme", sources)} == {
        *("nmap", "dhcp", "directory", "mdm", "network")
    }


def test_awxs_form_has_a_rule_that_awx_reads_its_variables_come_from_its_credentials_and_we_read_its_sources(
    installed: Callable[[str], str],
) -> None:
    """A stand-in for AWX: nothing of it runs here."""
    form = yaml.safe_load(installed("awx.yml"))
    starts, rule = form["schedule"]["rrule"].split(" ")
    moments = rrule.rrulestr(f"{starts}\n{rule}", tzids=ZoneInfo)
    first, second = itertools.islice(iter(moments), 2)
    assert second - first == dt.timedelta(hours=1)
    template, types = form["job_template"], {one["name"]: one for one in form["credential_types"]}
    assert (ROOT / template["playbook"]).exists()
    assert set(template["credentials"]) == set(types)
    injected = {name for one in types.values() for name in one["injectors"].get("extra_vars", ())}
    assert set(VARIABLE.findall(json.dumps(template["extra_vars"]))) == injected
    for one in types.values():
        assert set(VARIABLE.findall(json.dumps(one["injectors"]))) == {field["id"] for field in one["inputs"]["fields"]}
    for sources in template["extra_vars"]["discover_sources"].values():
        assert parse("acme", sources)
