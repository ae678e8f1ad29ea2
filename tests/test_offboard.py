"""playbooks/offboard.yml on a real NetBox and a real host: what lets us in is gone, what is the customer's stays.

Real logins by ssh throughout. The host is this module's own, so no other test misses what is withdrawn from it.
"""

from __future__ import annotations

import base64
import csv
import datetime as dt
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk import escrowing
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import keeping
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import SecurityEvent
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.offboarding import standing
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from lab import hosts
from lab.api import NetBox
from lab.image import USER
from lab.machines import NEWCOMERS
from tests import patch_bed

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
LAB = "-".join(filter(None, ("offboard", os.environ.get("PYTEST_XDIST_WORKER"))))
HOST, CUSTOMER = "harbour-app02", "harbour-quay"
CONTRACT = f"""
customer: {{slug: {CUSTOMER}, name: Harbour Quay}}
contract:
  {{id: HQ-1, start: 2026-01-01, monthly_fee: "100", included_hours: 1, hourly_rate: "90", currency: EUR, language: nl,
   timezone: Europe/Amsterdam, report_contact: quay@harbour-quay.example.com}}
sites: [{{slug: quay, name: Quay}}]
scope: {{server: {{covered: true}}}}
assets: [{{file: assets.csv, source: list}}]
"""
GLASS, TECHNICIAN = "msp-breakglass", "msp-technician"
# The accounts and files as the role msp_local_admin makes them. The lab mounts the key of the automation, which no
# customer's host does, so here it lies at home. More logins are refused here than sshd bears with (PerSourcePenalties).
# anna can log in, and is not root by anything yet.
PREPARE = f"""
set -e
written='# Written by msp.ops. What is changed here is changed back.'
printf '%s\\n' 'AuthorizedKeysFile .ssh/authorized_keys' 'PerSourcePenalties no' >/etc/ssh/sshd_config.d/00-own.conf
useradd --create-home --shell /bin/bash anna
for name in {GLASS} {TECHNICIAN}; do
  useradd --create-home --shell /bin/bash --comment 'Written by msp.ops' $name
  echo "$name:made-for-this-test" | chpasswd
  echo "kept by $name" >/home/$name/notes
done
for name in break-glass:{GLASS} technician:{TECHNICIAN}; do
  printf '%s\\n%s ALL=(ALL:ALL) PASSWD: ALL\\n' "$written" ${{name#*:}} >/etc/sudoers.d/zz-msp-${{name%:*}}
  chmod 0440 /etc/sudoers.d/zz-msp-${{name%:*}}
  printf '%s\\nMatch User %s\\n    DenyUsers %s\\n' "$written" ${{name#*:}} ${{name#*:}} \\
    >/etc/ssh/sshd_config.d/00-msp-${{name%:*}}.conf
done
chmod 0600 /etc/ssh/sshd_config.d/*
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

    @property
    def ours(self) -> Path:
        return self.bed.state_dir / "ssh" / "id_ed25519"

    @property
    def annas(self) -> Path:
        return self.place / "anna"

    @property
    def name(self) -> str:
        return f"{HOST}.{CUSTOMER}"

    def run(self, playbook: str, *arguments: str) -> tuple[int, str]:
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
        command = ["ansible-playbook", f"playbooks/{playbook}.yml", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        return done.returncode, done.stdout + done.stderr

    def play(self, playbook: str, *arguments: str) -> str:
        status, output = self.run(playbook, *arguments)
        assert status == 0, output[-6000:]
        return output

    def offboard(self, *arguments: str) -> tuple[int, str]:
        return self.run("offboard", "--limit", f"{self.name},localhost", *arguments)

    def log_in(self, account: str, key: Path, command: str = "id -un") -> tuple[int, str]:
        """A real login of its own, by one key and nothing else."""
        options = ("-F", str(self.bed.state_dir / "ssh" / "options"), "-i", str(key), "-o", "IdentitiesOnly=yes")
        more = ("-o", "BatchMode=yes", "-o", "ControlPath=none", f"{account}@{self.bed.rows[HOST]['address']}", command)
        done = subprocess.run(
            ["ssh", *options, *more], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode, (done.stdout + done.stderr).strip()

    def file(self, path: str) -> bytes:
        return base64.b64decode(self.bed.sh(HOST, f"base64 -w0 {path}"))

    def events(self, *actions: str) -> list[SecurityEvent]:
        with Store.open(self.store_url) as store:
            return store.security_events(CUSTOMER, actions=actions or standing.ACTIONS)

    def asset(self) -> dict[str, object]:
        (row,) = self.netbox.all(f"dcim/devices/?name={HOST}")
        return row

    def journal(self) -> list[str]:
        rows = self.netbox.all(f"extras/journal-entries/?assigned_object_id={self.asset()['id']}")
        return [row["comments"] for row in rows if standing.OURS in row["comments"]]


@dataclass(frozen=True)
class Keys:
    """What is in an authorized_keys, and what of it is to stay: every byte of it, however odd."""

    before: bytes
    after: bytes


def authorized_keys(quay: Quay) -> dict[str, Keys]:
    """By file. The automation's account has no key of the customer's."""
    ours, annas = (key.with_suffix(".pub").read_bytes().strip() for key in (quay.ours, quay.annas))
    body = ours.split()[1]
    plain, limited = ours + b"\n", b'command="echo \\"no\\"",no-pty ssh-ed25519 ' + body + b" another comment\n"
    # A comment lets nobody in, and ours behind somebody's key is one too.
    old, odd = b"# old key: " + ours + b"\r\n", b"\xff\xfe\n"
    hers = b'\tfrom="*,!192.0.2.7"  ' + annas + b" not " + body + b"\n"
    with_hers = Keys(plain + old + hers + limited + odd + annas, old + hers + odd + annas)
    return {
        "/root/.ssh/authorized_keys": with_hers,
        "/home/anna/.ssh/authorized_keys": with_hers,
        f"/home/{USER}/.ssh/authorized_keys": Keys(old + plain + odd + limited, old + odd),
    }


@pytest.fixture(scope="module")
def quay(fresh_netbox: NetBox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quay]:
    if reason := hosts.available():
        pytest.skip(reason)
    place = tmp_path_factory.mktemp("quay")
    machines = [machine for machine in NEWCOMERS if machine.name == HOST]
    with patch_bed.bed(LAB, machines, tmp_path_factory.mktemp("host"), (), patch_bed.Bed) as bed:
        made = Quay(fresh_netbox, bed, place)
        _onboard(made)
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "anna@example.com", "-f", str(made.annas)]
        subprocess.run(keygen, stdin=subprocess.DEVNULL, check=True)
        bed.sh(HOST, PREPARE)
        for path, keys in authorized_keys(made).items():
            folder, text = path.rpartition("/")[0], base64.b64encode(keys.before).decode()
            bed.sh(HOST, f"install -d -m 0700 {folder}; echo {text} | base64 -d >{path}")
            bed.sh(HOST, f"chown -R --reference={folder}/.. {folder}")
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


def untouched(quay: Quay) -> bool:
    """Whether the host is as it was prepared, and lets us in."""
    same = all(quay.file(path) == keys.before for path, keys in authorized_keys(quay).items())
    return same and quay.log_in(USER, quay.ours) == (0, USER)


def test_a_contracted_host_keeps_our_access_whatever_is_asked(quay: Quay) -> None:
    status, output = quay.offboard("-e", "out_of_scope_ticket=T-1")

    assert status != 0
    assert "MSP-SCP-007" in output and "status contracted" in output
    assert untouched(quay)


def test_a_host_that_nobody_of_the_customer_could_administer_is_left_alone(quay: Quay) -> None:
    device = quay.asset()
    quay.netbox.change("dcim/devices/", [{"id": device["id"], "custom_fields": {names.CONTRACT_STATUS: names.ENDED}}])

    status, output = quay.offboard()

    assert status != 0
    assert "MSP-OFF-004" in output and "offboard_leave_closed=true" in output
    assert untouched(quay)
    assert quay.events() == []


def test_a_preview_says_what_would_be_withdrawn_and_changes_nothing(quay: Quay) -> None:
    # Now anna has a way: her key, and sudo with her own password.
    quay.bed.sh(HOST, "echo anna:hers-and-nobody-elses | chpasswd; usermod -aG sudo anna")

    status, output = quay.offboard("--check", "--diff")

    assert status == 0, output[-6000:]
    lines = (f"-account {GLASS}, which is open", "-file /etc/sudoers.d/zz-msp-technician", "in /root/.ssh")
    for line in lines:
        assert line in output
    assert untouched(quay)
    assert quay.events() == [] and quay.journal() == []


def test_our_access_is_withdrawn_and_all_that_is_the_customers_stays(quay: Quay) -> None:
    key = f"device:{quay.asset()['id']}"
    place = f"{CUSTOMER}/{key}/local-admin/root"
    held = (CUSTOMER, key, quay.name, dt.datetime.now(dt.UTC), escrowing.PREFIX + keeping.IN_FORCE, place, "rotation")
    with Store.open(quay.store_url) as store:
        store.record_security([SecurityEvent(*held)])
    quay.bed.sh(HOST, f"systemd-run --quiet --uid={TECHNICIAN} --unit=lab-session sleep infinity")
    passwords = quay.bed.sh(HOST, f"grep -e ^{GLASS}: -e ^{TECHNICIAN}: /etc/shadow | cut -d: -f2").split()

    status, output = quay.offboard()

    assert status == 0, output[-6000:]
    # Nothing lets us in, and what lets the customer in does.
    for account in (USER, "root", "anna"):
        status, said = quay.log_in(account, quay.ours)
        assert status != 0 and "Permission denied" in said
    assert quay.log_in("anna", quay.annas, "echo hers-and-nobody-elses | sudo -S -p '' id -un") == (0, "root")
    files = authorized_keys(quay)
    assert {path: quay.file(path) for path in files} == {path: keys.after for path, keys in files.items()}
    # The accounts are closed with what was theirs behind the lock, and nobody is in by them.
    shadow = [line.split(":") for line in quay.bed.sh(HOST, f"grep -e ^{GLASS}: -e ^{TECHNICIAN}: /etc/shadow").split()]
    assert [(row[1], row[7]) for row in shadow] == [(f"!{one}", "1") for one in passwords]
    assert quay.bed.sh(HOST, f"pgrep -u {TECHNICIAN} || echo none") == "none"
    assert quay.bed.sh(HOST, f"cat /home/{GLASS}/notes") == f"kept by {GLASS}"
    assert quay.bed.sh(HOST, "ls /etc/sudoers.d /etc/ssh/sshd_config.d | grep zz-msp -e 00-msp || echo none") == "none"
    # What the customer is told, in Dutch, and what is on record.
    assert f"Wij kunnen niet meer inloggen op {quay.name}." in output
    assert f"./msp escrow fetch {CUSTOMER} {quay.name} --purpose local-admin --name root" in " ".join(output.split())
    nearly, withdrawn = quay.events()
    assert [nearly.action, withdrawn.action] == list(standing.ACTIONS)
    assert "anna by ssh (key), sudo" in withdrawn.extra["ways_left"]
    (entry,) = quay.journal()
    assert entry.startswith(f"Access withdrawn from {quay.name} by ")


def test_a_second_run_finds_it_withdrawn_by_the_refusal_and_the_record_and_writes_nothing(quay: Quay) -> None:
    before = (quay.events(), quay.journal())

    status, output = quay.offboard()

    assert status == 0, output[-6000:]
    assert f"{quay.name}: already withdrawn" in " ".join(output.split())
    assert "changed=0" in output and "changed=1" not in output
    assert (quay.events(), quay.journal()) == before


def test_the_minutes_are_recorded_as_work_outside_the_contract_from_its_end_on(quay: Quay) -> None:
    now = dt.datetime.now(dt.UTC)
    with Store.open(quay.store_url) as store:
        found = store.effort_minutes(CUSTOMER, now - dt.timedelta(hours=1), now)

    assert found is not None
    runs = sorted((row.at, row.in_contract) for row in found.rows if row.what == "playbooks/offboard.yml")
    # Refused by the guard while it was contracted; left alone; withdrawn; found withdrawn. A preview counts no minutes.
    assert [inside for _at, inside in runs] == [True, False, False, False]
