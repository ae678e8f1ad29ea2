"""./msp demo: the whole job on this machine, from nothing to a report that customer and MSP can sign, and beyond: what
discovery finds that nobody listed.

Everything it makes is its own: the lab named "demo", and build/demo/ for the store, the customers' files and reports.
It never reads or writes the NetBox or the evidence store that the environment names.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk.gather import gather, one_customer
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import Verification
from lab import customers, hosts, lab, plans
from lab.api import NetBox
from msp_cli import demo_discovery
from msp_cli.console import ROOT, step, table
from msp_cli.jobs import Job

HELP = "the whole job on a lab of its own: two customers, audited, with a report each"
NAME = "demo"
BUILD = ROOT / "build" / "demo"
MADE_BY = "Example IT"
# The asset that the controller plays where no container runs.
ALONE = "jansen-srv01.bakkerij-jansen"


def main(arguments: Sequence[str]) -> int:
    if arguments:
        raise MspError("MSP-CLI-004", "no arguments", " ".join(arguments), "run ./msp demo alone")
    began = time.monotonic()
    running = lab.up(NAME)
    # The demo's evidence may go with the machine, also where the machine is a container.
    os.environ["MSP_DURABLE_PATHS"] = str(BUILD)
    reports, verifications = run(running, BUILD)
    slugs = [one.customer.slug for one in verifications]
    news: list[Path] = []
    if running.hosts:
        job = Job(BUILD, environment(running, BUILD))
        news = demo_discovery.look(job, running, store_url(BUILD), slugs, MADE_BY)
        verifications = verify(running, store_url(BUILD), slugs)
    print(told(running, Done(reports, news, verifications), time.monotonic() - began))
    return 0


@dataclass(frozen=True)
class Done:
    """What the demo made: the reports, what is new on the networks, and what the reports are made of."""

    reports: Sequence[Path]
    news: Sequence[Path]
    verifications: Sequence[Verification]


def told(running: lab.Lab, done: Done, seconds: float) -> str:
    """What the demo ends with: the summary, how to look further, and as the last line the first customer's report."""
    return "\n".join(
        (
            summary(done.verifications),
            "",
            demo_discovery.strangers(done.verifications, store_url(BUILD)),
            "",
            f"NetBox: {running.url} (user {running.admin_user}, password in {running.paths.admin_password})",
            f"done in {seconds:.0f} s; ./msp lab down --name {NAME} stops the lab",
            *(f"what is new: {path}" for path in done.news),
            *(f"report: {path}" for path in reversed(done.reports)),
        )
    )


def run(running: lab.Lab, build: Path) -> tuple[list[Path], list[Verification]]:
    """The whole job on a lab; the reports, and what they are made of.

    Everything it writes is below build, which in a container must be declared durable (MSP_DURABLE_PATHS).
    """
    build.mkdir(parents=True, exist_ok=True)
    job = Job(build, environment(running, build))
    with step("evidence store"):
        job.command("store", "./msp", "store", "upgrade")
    contracts = customers.write(running.hosts, build / "customers")
    job.play("our fields, tags and filters in NetBox", "playbooks/netbox.yml")
    for slug, contract in contracts.items():
        job.play(f"onboard {slug}", "playbooks/onboard.yml", "-e", json.dumps({"contract_file": str(contract)}))
    with step("a patch plan for each customer"):
        plans.load(NetBox(running))
    settings: dict[str, object] = {"report_directory": str(build / "reports"), "report_made_by": MADE_BY}
    what, audited = "every contracted host", list(contracts)
    where: tuple[str, ...] = ()
    if not running.hosts:
        what, audited = "this machine", [ALONE.rpartition(".")[2]]
        where = alone(build)
        settings["msp_audit_become"] = False
    job.play(f"audit {what}, and report", "playbooks/audit.yml", *where, "-e", json.dumps(settings))
    reports = [newest(build / "reports" / slug) for slug in audited]
    return reports, verify(running, store_url(build), list(contracts))


def store_url(build: Path) -> str:
    return f"sqlite:///{build / 'evidence.db'}"


def environment(running: lab.Lab, build: Path) -> dict[str, str]:
    """What the playbooks need: the lab's NetBox and hosts, and a store and spool below build."""
    state = build / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    return {
        **running.env(),
        **(hosts.ssh_environment(running.paths.hosts) if running.hosts else {}),
        "MSP_STORE_URL": store_url(build),
        "XDG_STATE_HOME": str(state),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    }


def alone(build: Path) -> tuple[str, ...]:
    """Where no container runs this machine plays one of the contracted servers; the report says what differs.

    An inventory of its own says so: NetBox may not choose a connection that runs on the controller. Nothing else is
    audited, for nothing else is there. Returns the arguments that say so to ansible-playbook.
    """
    print(f"msp: auditing this machine alone, as {ALONE}", file=sys.stderr)
    path = build / "alone.yml"
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    path.write_text(json.dumps({"all": {"hosts": {ALONE: local}}}, indent=2))
    return ("-i", "inventories/demo", "-i", str(path), "--limit", f"{ALONE},localhost")


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
        return [gather(register, store, one_customer(register, slug), now=now, made_by=MADE_BY) for slug in slugs]


def newest(folder: Path) -> Path:
    return max(folder.glob("*.html"), key=lambda path: path.stat().st_mtime)
