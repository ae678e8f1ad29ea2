"""The README's steps to one's own NetBox do what they say: taken out of README.md and typed, on the lab, as they are.

Only addresses and secrets are the lab's: they are in ~/msp.env, as the README has it for cron.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.verification import workbook
from lab import customers
from lab import hosts as lab_hosts
from lab.api import NetBox
from lab.lab import Lab

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CUSTOMER = "acme"
# What of this checkout the commands use.
CHECKOUT = ("ansible.cfg", "collections", "inventories", "msp", "msp_cli", "playbooks", "requirements.lock", "roles")


def step(number: int) -> str:
    """The commands of a numbered step."""
    found = re.search(rf"^{number}\. .*?^ +```sh\n(.*?)^ +```$", README, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no step {number} with commands"
    return found[1]


def cron() -> str:
    """The command of the cron line."""
    (line,) = re.findall(r"^(?:[\d*]+ +){5}(.*)$", README, re.MULTILINE)
    return str(line)


@dataclass(frozen=True)
class Office:
    """An MSP's own machine: a home with msp.env, and a checkout with the customer's files."""

    place: Path

    @property
    def checkout(self) -> Path:
        return self.place / "msp.ops"

    def type(self, commands: str, *, program: str = "bash") -> str:
        """Run commands in a shell that has what a login has; stop at the first that fails."""
        done = subprocess.run(
            [program, "-ec", commands],
            cwd=self.checkout,
            env={"HOME": str(self.place / "home"), "PATH": "/usr/local/bin:/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log_in_and_type(self, commands: str) -> str:
        return self.type(f". ~/msp.env; source .venv/bin/activate\n{commands}")

    def audits(self) -> list[Audit]:
        with Store.open(f"sqlite:///{self.place / 'evidence.db'}") as store:
            return store.audits(CUSTOMER)


@pytest.fixture(scope="module")
def office(
    fresh_netbox: NetBox, lab: Lab, hosts: list[dict[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    """Everything up to step 2 done: addresses and secrets exported, and an evidence store."""
    made = Office(tmp_path_factory.mktemp("office"))
    made.checkout.mkdir()
    for entry in CHECKOUT:
        (made.checkout / entry).symlink_to(ROOT / entry)
    (made.checkout / ".venv").symlink_to(sys.prefix)
    exports = {
        **fresh_netbox.env(),
        **lab_hosts.ssh_environment(lab.paths.hosts),
        "MSP_STORE_URL": f"sqlite:///{made.place / 'evidence.db'}",
        "MSP_DURABLE_PATHS": str(made.place),
    }
    home = made.place / "home"
    home.mkdir()
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in exports.items()]
    (home / "msp.env").write_text("".join(lines))
    contract = customers.write(hosts, made.place / "written")["bakkerij-jansen"]
    shutil.copytree(contract.parent, made.checkout / "customers" / CUSTOMER)
    contract = made.checkout / "customers" / CUSTOMER / contract.name
    contract.write_text(contract.read_text().replace("slug: bakkerij-jansen", f"slug: {CUSTOMER}"))
    made.log_in_and_type("\n".join(line for line in step(2).splitlines() if "export" not in line))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MSP_DURABLE_PATHS", str(made.place))
        yield made


@pytest.fixture(scope="module")
def onboarded(office: Office) -> Office:
    """Steps 3 and 4 done."""
    office.log_in_and_type(step(3))
    office.log_in_and_type(step(4))
    return office


@pytest.fixture(scope="module")
def audited(onboarded: Office) -> Office:
    """Step 5 done."""
    onboarded.log_in_and_type(step(5))
    return onboarded


def test_step_5_audits_the_customer_and_writes_report_and_sheet(audited: Office) -> None:
    outcomes = {audit.host: audit.outcome for audit in audited.audits()}

    assert outcomes[f"jansen-srv01.{CUSTOMER}"] == "ok"
    assert outcomes[f"jansen-nas01.{CUSTOMER}"] == "unreachable"
    (report,) = (audited.checkout / "reports" / CUSTOMER).glob("*.html")
    assert "Example IT" in report.read_text(encoding="utf-8")
    assert len(list(report.parent.glob("*.xlsx"))) == 1


def test_step_6_reads_the_filled_sheet_back(audited: Office) -> None:
    (sheet,) = (audited.checkout / "reports" / CUSTOMER).glob("*.xlsx")
    book = openpyxl.load_workbook(sheet)
    book.worksheets[0].cell(workbook.SIGNER_ROW, 4).value = "Jan Jansen"
    with Store.open(f"sqlite:///{audited.place / 'evidence.db'}") as store:
        (written,) = store.sheets(CUSTOMER)
    book.worksheets[0].cell(workbook.SIGNED_ON_ROW, 4).value = written.written.date().isoformat()
    book.save(audited.checkout / "acme-verification.xlsx")

    said = audited.log_in_and_type(step(6))

    assert "Jan Jansen" in said


def test_the_cron_line_audits_every_customer_from_the_bare_environment_that_cron_gives(onboarded: Office) -> None:
    before = len(onboarded.audits())

    onboarded.type(cron().replace("/opt/msp.ops", str(onboarded.checkout)), program="sh")

    assert len(onboarded.audits()) > before
    assert list((onboarded.checkout / "reports" / CUSTOMER).glob("*.html"))
