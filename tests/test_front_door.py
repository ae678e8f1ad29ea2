"""No known secret of a whole demo run, nor of a standardise run, is in anything that is left of it, or was on a command
line while it ran.

The secrets are collected from where they are kept or made here. Looked through are the folder that the run wrote, every
cell of the evidence store and of NetBox's database, the logs of NetBox and PostgreSQL, what Ansible leaves at home and
in its temporary folders, each host's files and journal, and all command lines of this machine, the hosts' among them.
Each of these is shown to be looked at by a secret that is leaked there on purpose.

The server that was standardised then turns hostile: it says templates, markup, shell and escape sequences wherever
Linux lets it. What it says is stored, written to NetBox and reported as text, letter for letter; nothing of it runs.
"""

from __future__ import annotations

import csv
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openpyxl
import psycopg
import pytest
from psycopg import sql

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.codec import Facts
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.tests.unit.hostile import Markup
from lab import hosts as lab_hosts
from lab import netbox as lab_netbox
from lab import podman, postgres
from lab.api import NetBox
from lab.lab import Lab
from lab.progress import step
from tests.demonstrated import SNAPSHOT, Demonstrated, secrets_of
from tests.secret_search import Place, Watcher, forms, places_below, places_in_postgres
from tests.test_standards import STANDARD

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
# What a person or a program could read on a host later. Without the kernel's own trees.
ON_HOST = "/etc /home /root /opt /run /srv /tmp /usr/local /var"


def on_host(container: str, canaries: Mapping[str, str]) -> list[Place]:
    """Which files, and whether lines of the journal, hold a secret. The patterns travel on standard input."""
    patterns = b"\n".join(sorted({form for secret in canaries.values() for form in forms(secret)}))
    script = (
        f"cat >/dev/shm/patterns; grep -rlaF -D skip -f /dev/shm/patterns {ON_HOST} 2>/dev/null; "
        "journalctl --no-pager --all -o export 2>/dev/null | grep -aqF -f /dev/shm/patterns && echo the journal; "
        "rm -f /dev/shm/patterns"
    )
    said = podman.attempt("exec", "-i", container, "sh", "-c", script, stdin=patterns.decode())
    return [Place(f"{container}: {line}", "a secret") for line in said.stdout.splitlines()]


def in_netbox(lab: Lab, database: str, canaries: Mapping[str, str]) -> list[Place]:
    """NetBox keeps its tokens as digests and its passwords hashed, so no table is left out."""
    with lab.cluster.connect(database) as connection:
        return places_in_postgres(connection, canaries)


def at_home(lab: Lab) -> Sequence[Path]:
    """Where the lab keeps its secrets: these places are theirs."""
    return [lab.paths.secrets, lab.paths.env, lab.paths.hosts / "ssh" / "id_ed25519", lab.paths.postgres]


def containers(hosts: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(host["container"]) for host in hosts if host["present"]]


@pytest.fixture(scope="module")
def canaries(lab: Lab) -> dict[str, str]:
    return secrets_of(lab)


def test_no_secret_is_left_of_a_demo_run(
    demonstrated: Demonstrated, lab: Lab, hosts: Sequence[Mapping[str, Any]], canaries: Mapping[str, str]
) -> None:
    assert len(list(demonstrated.kept.rglob("*"))) > 20
    assert places_below(demonstrated.kept, canaries) == []
    assert in_netbox(lab, f"snapshot_{SNAPSHOT}", canaries) == []
    assert places_below(lab.paths.base, canaries, homes=at_home(lab)) == []
    assert [place for container in containers(hosts) for place in on_host(container, canaries)] == []


def test_no_secret_was_on_a_command_line_of_a_demo_run(demonstrated: Demonstrated) -> None:
    assert demonstrated.watcher.found == []
    # What lives for milliseconds (./msp hands over) is seen at most times; what carries secrets lives longer.
    assert {"ansible-playbook", "ssh"} <= demonstrated.watcher.seen
    assert demonstrated.watcher.looks > 100


HARBOUR = "harbour-quay"
HOST = "harbour-app01"
CONTRACT = f"""
customer: {{slug: {HARBOUR}, name: Harbour Quay}}
contract:
  {{id: HQ-1, start: 2026-01-01, monthly_fee: "100", included_hours: 1, hourly_rate: "90", currency: EUR, language: nl,
   timezone: Europe/Amsterdam, report_contact: quay@harbour-quay.example.com}}
sites: [{{slug: quay, name: Quay}}]
scope: {{server: {{covered: true}}}}
assets: [{{file: assets.csv, source: list}}]
"""
LOOKUP = f"{{{{ lookup('msp.ops.secret', 'become.password', customer='{HARBOUR}') }}}}"
BECOME = json.dumps({"ansible_become_password": LOOKUP})


@dataclass
class Standardised:
    """A standardise run with everything that a run can need secrets for, and what it left."""

    place: Path
    host: str
    canaries: Mapping[str, str]
    watcher: Watcher
    environment: Mapping[str, str]
    connect: Callable[[], psycopg.Connection]
    database: Callable[[], list[Place]]

    def play(self, name: str, *arguments: str) -> str:
        """What a playbook said, with the password for sudo by the lookup."""
        command = ["ansible-playbook", f"playbooks/{name}.yml", "-e", BECOME, *arguments]
        return _run(self.place, self.environment, *command)

    def sh(self, script: str) -> str:
        return podman.run("exec", self.host, "sh", "-c", script)


@pytest.fixture(scope="module")
def standardised(
    demonstrated: Demonstrated,
    lab: Lab,
    postgres_cluster: postgres.Cluster,
    canaries: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Standardised]:
    """One new server: onboarded, standardised and audited, with its password for sudo in a file of ansible-vault and
    the evidence store in a PostgreSQL that wants a password.
    """
    netbox = demonstrated.netbox
    demonstrated.put_back()
    place = tmp_path_factory.mktemp("standardised")
    every = lab_hosts.up(lab.name, lab.paths.hosts, step, also=[HOST])
    (row,) = (row for row in every if row["name"] == HOST)
    made = {name: f"Kanarie-{secrets.token_urlsafe(18)}" for name in ("store", "vault", "become")}
    known = {
        **canaries,
        "the store's password": made["store"],
        "the vault's password": made["vault"],
        "the secret by lookup": made["become"],
    }
    database = f"secrets_{secrets.token_hex(4)}"
    role = database
    with postgres_cluster.connect() as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(made["store"]))
        )
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(role))
        )
    socket = quote(str(postgres_cluster.data), safe="")
    environment = {
        **os.environ,
        **netbox.env(),
        **lab_hosts.ssh_environment(lab.paths.hosts),
        "MSP_STORE_URL": f"postgresql+psycopg://{role}:{made['store']}@/{database}?host={socket}",
        "XDG_STATE_HOME": str(place / "state"),
        "XDG_CACHE_HOME": str(place / "cache"),
        "MSP_DURABLE_PATHS": str(place),
        "MSP_SECRETS": str(place / "secrets"),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(place / "home" / "vault"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_LOG_PATH": str(place / "ansible.log"),
        "ANSIBLE_LOCAL_TEMP": str(place / "tmp"),
    }
    try:
        _write(place, row, made, environment)
        with Watcher(known) as watcher:
            _run(place, environment, "./msp", "store", "upgrade")
            _run(place, environment, "ansible-playbook", "playbooks/onboard.yml", "-e", f"contract_file={place}/c.yml")
            _assign(netbox)
            extra = ["-e", f"customer={HARBOUR}", "-e", "msp_baseline_linux_guard_seconds=600", "-e", BECOME]
            _run(place, environment, "ansible-playbook", "-vv", "--diff", "playbooks/standardise.yml", *extra)
            _run(place, environment, "./msp", "who", HOST)
        yield Standardised(
            place,
            str(row["container"]),
            known,
            watcher,
            environment,
            lambda: postgres_cluster.connect(database),
            lambda: in_netbox(lab, lab_netbox.DATABASE, known),
        )
    finally:
        podman.run("rm", "--force", "--time", "0", "--volumes", str(row["container"]))
        lab_hosts.up(lab.name, lab.paths.hosts, step)
        postgres_cluster.drop_database(database)


def _write(place: Path, row: Mapping[str, Any], made: Mapping[str, str], environment: Mapping[str, str]) -> None:
    for folder in ("home", "secrets", "state", "tmp"):
        (place / folder).mkdir(mode=0o700)
    (place / "home" / "vault").write_text(made["vault"])
    (place / "home" / "vault").chmod(0o600)
    (place / "c.yml").write_text(CONTRACT)
    with (place / "assets.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Name", "Class", "Vendor", "Model", "Serial", "Site", "Address"])
        machine = [row["machine"][key] for key in ("vendor", "model", "serial")]
        writer.writerow([HOST, "server", *machine, "quay", row["address"]])
    kept = place / "secrets" / f"{HARBOUR}.yml"
    kept.write_text(json.dumps({"become": {"password": made["become"]}}))
    encrypt = [str(Path(sys.executable).parent / "ansible-vault"), "encrypt", str(kept)]
    subprocess.run(encrypt, env=dict(environment), cwd=ROOT, check=True, capture_output=True)
    # The account wants its password for sudo: without the lookup nothing works.
    user = environment["ANSIBLE_REMOTE_USER"]
    script = (
        f"chpasswd && grep -rl NOPASSWD /etc/sudoers /etc/sudoers.d | xargs -r sed -i 's/NOPASSWD://g'; "
        f"! su {user} -c 'sudo -n true' 2>/dev/null"
    )
    _with_input(str(row["container"]), script, f"{user}:{made['become']}\n")


def _with_input(container: str, script: str, text: str) -> None:
    done = podman.attempt("exec", "-i", container, "sh", "-c", script, stdin=text)
    assert done.returncode == 0, done.stderr


def _run(place: Path, environment: Mapping[str, str], *command: str) -> str:
    done = subprocess.run(command, env=dict(environment), cwd=ROOT, capture_output=True, text=True, check=False)
    with (place / "said.log").open("a") as log:
        log.write(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def _assign(netbox: NetBox) -> None:
    (tenant,) = netbox.all(f"tenancy/tenants/?slug={HARBOUR}")
    (profile,) = netbox.all(f"extras/config-context-profiles/?name={names.PROFILE_STANDARD}")
    body = {"name": HARBOUR, "profile": profile["id"], "tenants": [tenant["id"]]}
    netbox.create("extras/config-contexts/", {**body, "data": {names.CONTEXT_STANDARD: STANDARD}})


def in_store(run: Standardised) -> list[Place]:
    with run.connect() as connection:
        return places_in_postgres(connection, run.canaries)


def test_no_secret_is_left_of_a_standardise_run(standardised: Standardised, lab: Lab) -> None:
    homes = [standardised.place / "home"]

    assert "Bring about the baseline" in (standardised.place / "ansible.log").read_text()
    assert places_below(standardised.place, standardised.canaries, homes=homes) == []
    assert in_store(standardised) == []
    assert standardised.database() == []
    assert places_below(lab.paths.base, standardised.canaries, homes=at_home(lab)) == []
    assert on_host(standardised.host, standardised.canaries) == []


def test_no_secret_was_on_a_command_line_of_a_standardise_run(standardised: Standardised) -> None:
    assert standardised.watcher.found == []
    assert {"ansible-playbook", "ssh", "sudo"} <= standardised.watcher.seen


def test_a_secret_that_leaks_is_found_wherever_it_leaks(standardised: Standardised, netbox: NetBox, lab: Lab) -> None:
    run = standardised
    leaked = {"leaked on purpose": f"Gelekt-{secrets.token_hex(12)}"}
    (secret,) = leaked.values()
    run.canaries = leaked
    (device,) = netbox.all(f"dcim/devices/?name={HOST}")

    netbox.change(f"dcim/devices/{device['id']}/", {"comments": f"see {secret}"})
    _with_input(run.host, "cat >>/var/log/some.log", secret)
    _with_input(run.host, "systemd-cat -t leak && journalctl --sync", secret)
    (lab.paths.logs / "leak.log").write_text(secret)
    (run.place / "state" / "leak.json").write_text(json.dumps([secret]))
    try:
        with run.connect() as connection, Store.open(_url_of(connection)) as store:
            store.record([Facts({"packages": [{"name": secret, "version": "1"}]})])
        with Watcher(leaked) as watcher:
            for _ in range(20):
                podman.run("exec", run.host, "true", secret)

        with lab.cluster.connect(lab_netbox.DATABASE) as connection:
            tables = {place.path.partition(".")[0] for place in places_in_postgres(connection, leaked)}
        assert {"dcim_device", "core_objectchange"} <= tables
        assert {place.path for place in on_host(run.host, leaked)} >= {
            f"{run.host}: /var/log/some.log",
            f"{run.host}: the journal",
        }
        assert [place.path for place in places_below(lab.paths.base, leaked, homes=at_home(lab))] == [
            str(lab.paths.logs / "leak.log")
        ]
        assert [place.path for place in places_below(run.place, leaked)] == [str(run.place / "state" / "leak.json")]
        assert in_store(run) != []
        assert {place.what for place in watcher.found} == {"leaked on purpose"}
    finally:
        (lab.paths.logs / "leak.log").unlink()
        shutil.rmtree(run.place / "state", ignore_errors=True)


def _url_of(connection: psycopg.Connection) -> str:
    info = connection.info
    return f"postgresql+psycopg://{info.user}@/{info.dbname}?host={quote(info.host, safe='')}"


MARKS = "/tmp/msp-hostile"  # noqa: S108 (what must never be there)
RUNS = f"{{{{ lookup('pipe','touch {MARKS}') }}}}"
MARKUP = "<img src=x onerror=alert(1)>"
SHELL = f"$(touch {MARKS});`touch {MARKS}`"
SCREEN = "\x1b[31mred\x9b2J"
# Each is said by the host in its own place.
SAYS = {
    "system": f"Evil {RUNS}{MARKUP}{SCREEN}",
    "package": f"{{{{7*7}}}}{MARKUP}",
    "version": f"1.0{SHELL}",
    "account": f"{{{{7*7}}}}{SHELL}",
    "serial": "=1+1{{7*7}}<u>x</u>",
}
# A compromised host says what it wants: by the files that everything on it reads.
HOSTILE = r"""
import pathlib
release = pathlib.Path("/etc/os-release")
text = release.resolve().read_text()
release.unlink()
quoted = says["system"].replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
lines = [line for line in text.splitlines() if not line.startswith("PRETTY_NAME=")]
release.write_text("\n".join([f'PRETTY_NAME="{quoted}"', *lines]) + "\n")
with open("/var/lib/dpkg/status", "a") as status:
    status.write(f"\nPackage: {says['package']}\nStatus: install ok installed\nVersion: {says['version']}\n"
                 "Architecture: all\nMaintainer: x\nDescription: x\n")
with open("/etc/passwd", "a") as passwd:
    passwd.write(f"{says['account']}:x:0:0:{says['system']}:/root:/bin/bash\n")
unit = pathlib.Path("/etc/systemd/system/evil\\x24x.service")
unit.write_text(f"[Unit]\nDescription={says['system']}\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n")
"""


@pytest.fixture(scope="module")
def hostile(standardised: Standardised, lab: Lab) -> Standardised:
    """The same server, which now says all of that."""
    run = standardised
    code = "import json, sys; code, says = json.load(sys.stdin); exec(code)"
    _with_input(run.host, f"python3 -c '{code}'", json.dumps([HOSTILE, SAYS]))
    serial = next((lab.paths.hosts / "machines" / HOST).rglob("product_serial"))
    serial.write_text(f"{SAYS['serial']}\n")
    return run


def test_what_a_hostile_host_says_is_stored_reported_and_shown_as_text_and_nothing_of_it_runs(
    hostile: Standardised, netbox: NetBox
) -> None:
    run, reports = hostile, hostile.place / "reports"
    here = Path(MARKS)
    here.unlink(missing_ok=True)
    named = ["--limit", f"{HOST}.{HARBOUR},localhost"]

    said = run.play("audit", "-e", json.dumps({"report_directory": str(reports)}), *named)
    said += run.play("standard_scan", "-e", f"customer={HARBOUR}", *named)
    said += run.play("standards_report", "-e", json.dumps({"customer": HARBOUR, "report_directory": str(reports)}))
    for command in (["who", HOST], ["who", HOST, "--json"], ["software", "dpkg"]):
        said += _run(run.place, run.environment, "./msp", *command)

    # Nothing ran, here or there.
    assert not here.exists()
    assert run.sh(f"ls {MARKS} 2>/dev/null || true") == ""
    # What a terminal would obey is nowhere; Ansible's own colours are off.
    assert {character for character in said if not character.isprintable()} <= {"\n", "\t"}
    # It is stored, letter for letter.
    with run.connect() as connection:
        for what in ("package", "version", "account"):
            assert places_in_postgres(connection, {what: SAYS[what]}) != [], what
        assert places_in_postgres(connection, {"system": f"Evil {RUNS}{MARKUP}"}) != []
    # NetBox has text, and took none of it for a template.
    (device,) = netbox.all(f"dcim/devices/?name={HOST}")
    assert any(RUNS in str(value) for value in device["custom_fields"].values()), device["custom_fields"]
    # On the pages it is text.
    pages = sorted(reports.rglob("*.html"))
    assert len(pages) == 2
    for page in pages:
        markup = Markup(page.read_text())
        assert markup.elements.isdisjoint({("img", ""), ("u", ""), ("script", "")}), page
        assert not any(name.startswith("on") for _tag, name in markup.elements), page
    assert any(MARKUP in Markup(page.read_text()).words for page in pages)
    for book in reports.rglob("*.xlsx"):
        cells = [cell for sheet in openpyxl.load_workbook(book) for row in sheet.iter_rows() for cell in row]
        assert all(cell.data_type != "f" for cell in cells)
        assert any(str(cell.value).startswith(SAYS["serial"]) or SAYS["serial"] in str(cell.value) for cell in cells)
