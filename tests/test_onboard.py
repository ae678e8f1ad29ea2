"""Onboarding against a real NetBox: a contract file and asset lists go in, once, and a rerun writes nothing.

Everything is done with the token of the automation's own user, so that its rights are enough for it.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract import status
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import apply as model
from ansible_collections.msp.ops.plugins.plugin_utils.register import customers as reading
from ansible_collections.msp.ops.plugins.plugin_utils.register import names, onboarding
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from lab import customers as example
from lab.api import NetBox
from lab.machines import MACHINES

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
TODAY = dt.datetime.now(dt.UTC).date()
NETWORKS = {"bakkerij-jansen": "10.203.0.0/24", "harbour-dental": "10.203.1.0/24"}
CONTRACT = """\
customer: {{slug: {slug}, name: {slug} bv}}
contract: {{id: C-{slug}, start: 2026-01-01, currency: EUR, language: nl, timezone: Europe/Amsterdam}}
sites:
  - {{slug: hq, name: Head office, prefixes: [{{prefix: 192.168.1.0/24, scan: true}}]}}
scope: {{server: {{covered: true}}, private: {{covered: false}}}}
assets: [{{file: {file}}}]
"""


@dataclass(frozen=True)
class Desk:
    """The automation at work: its NetBox, its token, and a place for files."""

    netbox: NetBox
    token: str

    def register(self, token: str | None = None) -> Register:
        return Register.connect(self.netbox.url, token or self.token)

    def onboard(self, contract: Path, *, token: str | None = None, **options: Any) -> onboarding.Plan:
        """Plan and apply; returns what was planned."""
        customer, listed = onboarding.load(contract, **options)
        with self.register(token) as register:
            plan = onboarding.plan(register, customer, listed)
            onboarding.apply(register, plan)
        return plan

    def assets(self, slug: str) -> dict[str, Asset]:
        with self.register() as register:
            return {asset.name: asset for asset in reading.assets(register, slug)}

    def written_by(self, contract: Path, **options: Any) -> list[tuple[str, str, str]]:
        """What NetBox logged while a contract file was onboarded: (action, type, object)."""
        before = {row["id"] for row in self.netbox.all("core/object-changes/")}
        self.onboard(contract, **options)
        rows = [row for row in self.netbox.all("core/object-changes/") if row["id"] not in before]
        return [(row["action"]["value"], row["changed_object_type"], row["object_repr"]) for row in rows]


def play(desk: Desk, directory: Path, *arguments: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
    """playbooks/onboard.yml, as a person runs it."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "playbooks/onboard.yml"]
    environment = {
        **os.environ,
        **desk.netbox.env(token or desk.token),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "XDG_STATE_HOME": str(directory),
        "MSP_STORE_URL": f"sqlite:///{directory / 'evidence.db'}",
        "MSP_DURABLE_PATHS": str(directory),
    }
    return subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=300
    )


def csv_customer(directory: Path, slug: str, rows: Sequence[str], headings: str = "name;class;serial;ip") -> Path:
    """A customer with one CSV list; returns its contract file."""
    place = directory / slug
    place.mkdir(parents=True, exist_ok=True)
    (place / "a.csv").write_text("\n".join([headings, *rows]) + "\n", encoding="utf-8")
    (place / "contract.yml").write_text(CONTRACT.format(slug=slug, file="a.csv"), encoding="utf-8")
    return place / "contract.yml"


def lab_hosts() -> list[Mapping[str, Any]]:
    """The lab's hosts as lab/hosts.py describes them, without starting one."""
    return [
        {
            "name": machine.name,
            "customer": machine.customer,
            "subnet": NETWORKS[machine.customer],
            "address": machine.address(ipaddress.IPv4Network(NETWORKS[machine.customer])),
            "mac": machine.mac,
        }
        for machine in MACHINES
    ]


def test_without_our_model_in_netbox_onboarding_says_which_playbook_to_run(
    fresh_netbox: NetBox, tmp_path: Path
) -> None:
    before = fresh_netbox.changes()

    with pytest.raises(MspError) as caught:
        Desk(fresh_netbox, fresh_netbox.token).onboard(csv_customer(tmp_path, "acme", ["srv;server;S1;"]))

    assert caught.value.code == "MSP-CON-020"
    assert "playbooks/netbox.yml" in caught.value.action
    assert fresh_netbox.changes() == before


@pytest.fixture(scope="module")
def desk(fresh_netbox: NetBox, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A NetBox with our model, and the automation's own token."""
    token_file = tmp_path_factory.mktemp("token") / "token"
    with Register.connect(fresh_netbox.url, fresh_netbox.token) as register:
        model.apply(register, TODAY, token_file=str(token_file))
    return Desk(fresh_netbox, token_file.read_text(encoding="utf-8").strip())


@pytest.fixture(scope="module")
def demo(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The demo's two customers, onboarded."""
    written = example.write(lab_hosts(), tmp_path_factory.mktemp("customers"), TODAY)
    for contract in written.values():
        desk.onboard(contract)
    return written


def test_a_preview_shows_every_object_and_writes_nothing(desk: Desk, tmp_path: Path) -> None:
    contract = csv_customer(tmp_path, "preview", ["srv;server;PRE-1;192.168.1.10"])
    before = desk.netbox.changes()

    shown = play(desk, tmp_path, "--check", "--diff", "-e", f"contract_file={contract}")

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "changed=1" in shown.stdout
    for line in ("+tenancy/tenants preview:", "+dcim/devices preview/srv:", "+    msp_contract_status: contracted"):
        assert line in shown.stdout
    assert desk.netbox.changes() == before


def test_the_playbook_brings_a_customer_in_and_its_second_run_writes_nothing(
    desk: Desk, tmp_path: Path, store_url: str
) -> None:
    contract = csv_customer(tmp_path, "played", ["srv;server;PLAY-1;192.168.1.10"])
    store = Store.open(store_url, upgrade=True)

    first = play(desk, tmp_path, "-e", f"contract_file={contract}")
    before = desk.netbox.changes()
    second = play(desk, tmp_path, "--diff", "-e", f"contract_file={contract}")

    assert "changed=1" in first.stdout, first.stdout + first.stderr
    assert "changed=0" in second.stdout, second.stdout + second.stderr
    assert desk.netbox.changes() == before
    assert desk.assets("played")["srv"].address == "192.168.1.10"
    with store:
        runs = store.runs("played")
        effort = store.effort_minutes("played", runs[-1].started, dt.datetime.now(dt.UTC))
    assert [(run.playbook, run.outcome) for run in runs] == [("playbooks/onboard.yml", "ok")] * 2
    assert effort is not None
    assert effort.inside == effort.minutes > 0
    assert {row.run for row in effort.rows} == {run.id for run in runs}


def test_the_demo_customers_come_in_with_contract_sites_and_prefixes(desk: Desk, demo: dict[str, Path]) -> None:
    with desk.register() as register:
        jansen, harbour = reading.customers(register, ["bakkerij-jansen", "harbour-dental"])

    assert jansen.contract is not None
    assert harbour.contract is not None
    assert (jansen.contract.language, str(jansen.contract.hourly_rate)) == ("nl", "97.5")
    assert (harbour.contract.currency, harbour.contract.timezone) == ("GBP", "Europe/London")
    assert {rule.asset_class for rule in jansen.contract.scope if rule.covered} == {
        *("server", "workstation", "network", "mobile")
    }
    [prefix] = desk.netbox.all("ipam/prefixes/?tenant=bakkerij-jansen")
    assert prefix["scope"]["slug"] == "bakkerij-jansen-bakkerij"
    assert prefix["custom_fields"][names.SCAN_ALLOWED] is True
    assert prefix["custom_fields"][names.SCAN_EXCLUDE] == ["10.203.0.200-10.203.0.219"]


def test_the_demo_assets_show_every_status_and_every_state_of_warranty(desk: Desk, demo: dict[str, Path]) -> None:
    for slug in demo:
        found = desk.assets(slug).values()
        assert {status.warranty_state(asset, TODAY) for asset in found} == set(status.WARRANTY_STATES), slug
        assert names.CONTRACTED in {asset.status for asset in found}

    jansen, harbour = desk.assets("bakkerij-jansen"), desk.assets("harbour-dental")
    assert (jansen["telefoon-lotte"].status, harbour["harbour-scan01"].status) == (names.EXCLUDED, names.TRACKED)
    assert "jansen-till02" not in jansen
    server = jansen["jansen-srv01"]
    assert {source.source for source in server.warranty_sources} == {"dealer", "fabrikant"}
    assert server.warranty_end == max(source.warranty_end for source in server.warranty_sources if source.warranty_end)
    assert (server.serial, server.address, server.macs) == ("EXS7K2041", "10.203.0.10", (MACHINES[0].mac,))
    assert harbour["harbour-phone01"].address is None


def test_a_second_run_with_the_same_files_writes_nothing(desk: Desk, demo: dict[str, Path]) -> None:
    for contract in demo.values():
        assert desk.written_by(contract) == []


def test_one_changed_warranty_date_is_one_write_to_one_device(
    desk: Desk, demo: dict[str, Path], tmp_path: Path
) -> None:
    directory = example.write(lab_hosts(), tmp_path, TODAY)["bakkerij-jansen"].parent
    listing = directory / "apparatuur.csv"
    text = listing.read_text(encoding="utf-8-sig")
    old, new = f"{TODAY + dt.timedelta(days=45):%d-%m-%Y}", f"{TODAY + dt.timedelta(days=410):%d-%m-%Y}"
    assert text.count(old) == 1
    listing.write_text(text.replace(old, new), encoding="utf-8-sig")

    written = desk.written_by(directory / "contract.yml")

    assert written == [("update", "dcim.device", "jansen-ws01 (BJ-0002)")]
    assert desk.assets("bakkerij-jansen")["jansen-ws01"].warranty_end == TODAY + dt.timedelta(days=410)
    desk.onboard(demo["bakkerij-jansen"])


def test_a_row_that_vanished_is_reported_and_its_asset_left_alone(desk: Desk, tmp_path: Path) -> None:
    desk.onboard(csv_customer(tmp_path, "shrink", ["a;server;SH-1;", "b;server;SH-2;"]))
    contract = csv_customer(tmp_path, "shrink", ["a;server;SH-1;"])
    before = desk.netbox.changes()

    plan = desk.onboard(contract)

    assert [(item.kind, item.name, item.status) for item in plan.vanished] == [("device", "b", names.CONTRACTED)]
    assert desk.netbox.changes() == before
    assert set(desk.assets("shrink")) == {"a", "b"}


def test_what_a_source_says_no_more_of_an_asset_is_shown_every_time_and_kept(desk: Desk, tmp_path: Path) -> None:
    headings = "name;class;source;warranty until"
    ledger, vendor = ["a;server;ledger;2030-01-31", "b;server;ledger;2030-02-28"], ["a;;vendor;2031-01-31"]
    desk.onboard(csv_customer(tmp_path, "unsaid", [*ledger, *vendor], headings))
    contract = csv_customer(tmp_path, "unsaid", ["a;server;ledger;2030-01-31", "b;server;ledger;"], headings)
    before = desk.netbox.changes()

    first = desk.onboard(contract)
    shown = play(desk, tmp_path, "-e", f"contract_file={contract}")

    assert [item.name for item in first.vanished] == ["a", "b"]
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "Vanished: warranty statement a (vendor: warranty until 2031-01-31). It still counts" in shown.stdout
    assert "Vanished: warranty statement b (ledger: warranty until 2030-02-28). It still counts" in shown.stdout
    assert desk.netbox.changes() == before
    assert desk.assets("unsaid")["a"].warranty_end == dt.date(2031, 1, 31)


def test_a_status_agreed_with_the_customer_outlives_every_onboarding(desk: Desk, tmp_path: Path) -> None:
    contract = csv_customer(tmp_path, "agreed", ["a;server;AG-1;"])
    desk.onboard(contract)
    device = desk.assets("agreed")["a"]
    desk.netbox.change(f"dcim/devices/{device.id}/", {"custom_fields": {names.CONTRACT_STATUS: names.EXCLUDED}})

    written = desk.written_by(contract)

    assert written == []
    assert desk.assets("agreed")["a"].status == names.EXCLUDED


def test_a_serial_of_another_customer_stops_everything(desk: Desk, tmp_path: Path) -> None:
    desk.onboard(csv_customer(tmp_path, "first", ["a;server;SAME-1;"]))
    contract = csv_customer(tmp_path, "second", ["b;server;OTHER-1;", "c;server;same-1;"])
    before = desk.netbox.changes()

    with pytest.raises(MspErrors) as caught:
        desk.onboard(contract)

    [error] = caught.value.errors
    assert error.code == "MSP-CON-021"
    assert "first bv" in error.found
    assert desk.netbox.changes() == before


def test_two_customers_may_use_the_same_private_network(desk: Desk, tmp_path: Path) -> None:
    for slug in ("twin-one", "twin-two"):
        desk.onboard(csv_customer(tmp_path, slug, [f"gw;network;{slug};192.168.1.1"]))

    assert desk.assets("twin-one")["gw"].address == desk.assets("twin-two")["gw"].address == "192.168.1.1"


def test_a_workbook_with_a_broken_row_is_refused_whole_unless_that_row_may_be_skipped(
    desk: Desk, tmp_path: Path
) -> None:
    contract = csv_customer(tmp_path, "broken", [])
    contract.write_text(CONTRACT.format(slug="broken", file="a.xlsx"), encoding="utf-8")
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Assets"
    for row in (["Name", "Class", "Warranty until"], ["a", "server", TODAY], ["b", "server", "#REF!"]):
        sheet.append(row)
    book.save(contract.parent / "a.xlsx")
    before = desk.netbox.changes()

    refused = play(desk, tmp_path, "-e", f"contract_file={contract}")

    assert refused.returncode != 0
    assert "MSP-CON-012" in refused.stdout + refused.stderr
    assert "sheet Assets, row 3, column C" in refused.stdout + refused.stderr
    assert desk.netbox.changes() == before
    plan = desk.onboard(contract, skip_bad_rows=True)
    assert [row.name for row in plan.skipped] == ["b"]
    assert set(desk.assets("broken")) == {"a"}


def test_errors_of_the_contract_and_of_its_lists_are_named_together(desk: Desk, tmp_path: Path) -> None:
    contract = csv_customer(tmp_path, "mixed", ["a;boat;M-1;192.168.1.300"])
    text = contract.read_text(encoding="utf-8").replace("currency: EUR", "currency: EUX")
    contract.write_text(text.replace("[{file: a.csv}]", "[{file: a.csv}, {file: gone.csv}]"), encoding="utf-8")

    with pytest.raises(MspErrors) as caught:
        desk.onboard(contract)

    said = str(caught.value)
    assert len(caught.value.errors) == 4
    for what in ("found EUX", "gone.csv", "a.csv, row 2, column 2 (class)", "a.csv, row 2, column 4 (ip)"):
        assert what in said


def test_a_contract_file_with_five_errors_names_them_all_and_writes_nothing(desk: Desk, tmp_path: Path) -> None:
    contract = csv_customer(tmp_path, "wrong", ["a;server;W-1;"])
    text = contract.read_text(encoding="utf-8")
    for old, new in (
        ("2026-01-01", "01-01-2026"),
        ("currency: EUR", "currency: EUX"),
        ("language: nl", "langage: nl"),
        ("Europe/Amsterdam", "Europe/Amsterdm"),
    ):
        text = text.replace(old, new)
    contract.write_text(text, encoding="utf-8")
    before = desk.netbox.changes()

    refused = play(desk, tmp_path, "-e", f"contract_file={contract}")

    assert refused.returncode != 0
    said = refused.stdout + refused.stderr
    for code in ("MSP-CON-003", "MSP-CON-004", "MSP-CON-005", "MSP-CON-007"):
        assert code in said
    assert "5 error(s)" in said
    assert "did you mean language?" in said
    assert desk.netbox.changes() == before


def test_a_run_that_netbox_refused_half_way_is_completed_by_the_next(desk: Desk, tmp_path: Path) -> None:
    contract = csv_customer(tmp_path, "halfway", ["a;server;HW-1;192.168.1.10", "b;server;HW-2;192.168.1.11"])
    types = (
        *("tenancy.tenant", "ipam.vrf", "ipam.prefix", "dcim.site", "dcim.manufacturer", "dcim.devicetype"),
        *("dcim.devicerole", "dcim.platform", "dcim.device", "dcim.interface"),
    )
    unread = ("ipam.ipaddress", "dcim.macaddress", "virtualization.virtualmachine", "virtualization.vminterface")
    reads = (*types, *unread, "extras.customfield", "extras.tag", "extras.journalentry")
    token = desk.netbox.token_for(
        [
            {"object_types": list(reads), "actions": ["view"]},
            {"object_types": list(types), "actions": ["add", "change"]},
        ]
    )

    with pytest.raises(MspError) as caught:
        desk.onboard(contract, token=token)

    assert caught.value.code == "MSP-REG-003"
    assert "ipam.add_ipaddress" in caught.value.expected
    assert {asset.address for asset in desk.assets("halfway").values()} == {None}
    desk.onboard(contract)
    assert {asset.address for asset in desk.assets("halfway").values()} == {"192.168.1.10", "192.168.1.11"}
    assert desk.written_by(contract) == []
    [entry] = [
        row for row in desk.netbox.all("extras/journal-entries/") if row["assigned_object"]["name"] == "halfway bv"
    ]
    assert entry["comments"].startswith("Onboarded: contract C-halfway; ")


def test_what_a_list_says_is_never_run_as_a_template(desk: Desk, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as short:  # a name in NetBox has room for 64 characters
        trap = Path(short)
    evil = f"{{{{ lookup('pipe', 'mkdir {trap}') }}}}"
    desk.onboard(csv_customer(tmp_path, "inert", [f"{evil};server;IN-1;", "b;server;IN-2;"]))
    contract = csv_customer(tmp_path, "inert", ["b;server;IN-2;"])

    shown = play(desk, tmp_path, "--diff", "-e", f"contract_file={contract}")

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert f"Vanished: device {evil}" in shown.stdout
    assert not trap.exists()
    assert set(desk.assets("inert")) == {evil, "b"}
