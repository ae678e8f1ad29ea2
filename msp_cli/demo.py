"""./msp demo: the whole job on this machine, from nothing to a report that customer and MSP can sign.

Everything it makes is its own: the lab named "demo", and build/demo/ for the store, the customers' files and reports.
It never reads or writes the NetBox or the evidence store that the environment names.
"""

from __future__ import annotations

import datetime as dt
import getpass
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk.gather import gather
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import Verification
from lab import customers, hosts, lab
from msp_cli.console import ROOT, step, table

HELP = "the whole job on a lab of its own: two customers, audited, with a report each"
NAME = "demo"
BUILD = ROOT / "build" / "demo"
REPORTS = BUILD / "reports"
MADE_BY = "Example IT"
# The asset that the controller plays where no container runs.
ALONE = "jansen-srv01"


def main(arguments: Sequence[str]) -> int:
    if arguments:
        raise MspError("MSP-CLI-004", "no arguments", " ".join(arguments), "run ./msp demo alone")
    began = time.monotonic()
    BUILD.mkdir(parents=True, exist_ok=True)
    running = lab.up(NAME)
    env = environment(running)
    os.environ.update(env)
    Store.open(env["MSP_STORE_URL"], upgrade=True).close()
    contracts = customers.write(running.hosts, BUILD / "customers")
    play("our fields, tags and filters in NetBox", "playbooks/netbox.yml")
    for slug, contract in contracts.items():
        play(f"onboard {slug}", "playbooks/onboard.yml", "-e", f"contract_file={contract}")
    if not running.hosts:
        play_alone(running)
    play("audit every contracted host, and report", "playbooks/audit.yml", *report_arguments())
    print(summary(verify(running, env["MSP_STORE_URL"], list(contracts))))
    print(f"NetBox: {running.url} (user {running.admin_user}, password in {running.paths.admin_password})")
    print(f"done in {time.monotonic() - began:.0f} s; ./msp lab down --name {NAME} stops the lab")
    for slug in reversed(contracts):
        print(f"report: {newest_report(slug)}")
    return 0


def report_arguments() -> list[str]:
    return ["-e", json.dumps({"report_directory": str(REPORTS), "report_made_by": MADE_BY})]


def environment(running: lab.Lab) -> dict[str, str]:
    """What the playbooks need: the lab's NetBox and hosts, and a store and spool below build/demo."""
    state = BUILD / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    return {
        **running.env(),
        **(hosts.ssh_environment(running.paths.hosts) if running.hosts else {}),
        "MSP_STORE_URL": f"sqlite:///{BUILD / 'evidence.db'}",
        "XDG_STATE_HOME": str(state),
        # The demo's evidence may go with the machine, also where the machine is a container.
        "MSP_DURABLE_PATHS": str(BUILD),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    }


def play(title: str, *arguments: str) -> None:
    """Run one playbook; what it prints goes to a log, whose end is shown when it fails."""
    log = BUILD / f"{Path(arguments[0]).stem}.log"
    with step(title), log.open("w") as output:
        status = subprocess.run(
            ["ansible-playbook", *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if status:
        print("".join(log.read_text().splitlines(keepends=True)[-40:]), file=sys.stderr)
        raise MspError("MSP-CLI-005", f"{arguments[0]} to succeed", f"exit status {status}", f"read {log}")


def play_alone(running: lab.Lab) -> None:
    """Where no container runs: this machine plays one of the contracted servers, and the report says what differs."""
    print(f"msp: auditing this machine alone, as {ALONE} of the first customer", file=sys.stderr)
    with Register.connect(running.url, running.token) as register:
        found = register.rows("dcim/devices", fields=["id", "custom_fields"], filters={"name": ALONE})
        changes = [
            {"id": row["id"], "custom_fields": {names.CONNECTION: "local"}}
            for row in found
            if (row["custom_fields"].get(names.CONNECTION) or {}).get("value") != "local"
        ]
        register.update("dcim/devices", changes, message=f"{getpass.getuser()}: the demo audits this machine")


def summary(verifications: Sequence[Verification]) -> str:
    """A row per customer: what was promised, what was found of it."""
    header = (
        "customer",
        "contracted",
        "found",
        "differ",
        "absent",
        "not audited",
        "not in contract",
        "security updates",
    )
    rows = []
    for verification in verifications:
        c = verification.counts
        what = (c.contracted, c.found, c.differs, c.absent, c.not_audited, c.unlisted, c.security_updates)
        rows.append((verification.customer.name, *what))
    return table(header, rows)


def verify(running: lab.Lab, store_url: str, slugs: Sequence[str]) -> list[Verification]:
    """Contract and evidence of every customer, joined as the reports join them."""
    now = dt.datetime.now(dt.UTC)
    with Register.connect(running.url, running.token) as register, Store.open(store_url) as store:
        return [gather(register, store, slug, now=now, made_by=MADE_BY) for slug in slugs]


def newest_report(slug: str) -> Path:
    return max((REPORTS / slug).glob("*.html"), key=lambda path: path.stat().st_mtime)
