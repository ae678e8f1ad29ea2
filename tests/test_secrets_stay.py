"""No known secret of a whole demo run, nor of a standardise run, is in anything that is left of it, or was on a command
line while it ran.

The secrets are collected from where they are kept or made here. Looked through are the folder that the run wrote, every
cell of the evidence store and of NetBox's database, the logs of NetBox and PostgreSQL, what Ansible leaves at home and
in its temporary folders, each host's files and journal, and all command lines of this machine, the hosts' among them.
Each of these is shown to be looked at by a secret that is leaked there on purpose.
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

import psycopg
import pytest
from psycopg import sql

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.codec import Facts
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
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
    assert {"ansible-playbook", "ssh", "msp"} <= demonstrated.watcher.seen
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
    connect: Callable[[], psycopg.Connection]
    database: Callable[[], list[Place]]


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
            for number in ("first", "second"):
                extra = ["-e", f"customer={HARBOUR}", "-e", "msp_baseline_linux_guard_seconds=600", "-e", BECOME]
                _run(place, environment, "ansible-playbook", "-vv", "--diff", "playbooks/standardise.yml", *extra)
                (place / f"{number}.ran").touch()
            _run(place, environment, "./msp", "who", HOST)
        yield Standardised(
            place,
            str(row["container"]),
            known,
            watcher,
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


def _run(place: Path, environment: Mapping[str, str], *command: str) -> None:
    done = subprocess.run(command, env=dict(environment), cwd=ROOT, capture_output=True, text=True, check=False)
    with (place / "said.log").open("a") as log:
        log.write(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


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

    assert (standardised.place / "second.ran").exists()
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
