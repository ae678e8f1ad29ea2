"""Verification on a real NetBox and a real store: report, sheet, the customer's answers, and what becomes of them."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import settle
from ansible_collections.msp.ops.plugins.plugin_utils.desk.gather import gather, one_customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk.handover import Handover, hand_over
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Observation
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.apply import apply as declare
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.verification import workbook
from ansible_collections.msp.ops.plugins.plugin_utils.verification.decisions import Plan
from lab.api import NetBox

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parent.parent
OFFICE, BEFORE, HANDED_OVER = "office", "before", "handed-over"
SLUG = "bakkerij-jansen"
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
TODAY = NOW.date()
MAC, ADDRESS = "b8:27:eb:4a:10:9c", "192.0.2.57"
ASSETS = ("jansen-nas01", "jansen-srv01", "jansen-ws01")

Answers = Mapping[str, Mapping[str, str]]


@dataclasses.dataclass(frozen=True)
class Office:
    """What tests start from, made once: NetBox as a snapshot, and what is beside it before and after a report."""

    netbox: NetBox
    place: Path
    token: str = dataclasses.field(repr=False)

    @contextlib.contextmanager
    def world(self, place: Path) -> Iterator[World]:
        url = f"sqlite:///{place / 'evidence.db'}"
        with Register.connect(self.netbox.url, self.token) as register, Store.open(url, upgrade=True) as store:
            yield World(self.netbox, register, store, url, place / "reports", self.token)

    @contextlib.contextmanager
    def copied(self, state: str, place: Path) -> Iterator[World]:
        """NetBox put back, and what there was before the sheet or after it in another place."""
        self.netbox.reset(OFFICE)
        shutil.copytree(self.place / state, place, dirs_exist_ok=True)
        with self.world(place) as world:
            yield world


@pytest.fixture(scope="module")
def office(fresh_netbox: NetBox, tmp_path_factory: pytest.TempPathFactory) -> Office:
    """A customer with three contracted assets, and the automation's own user."""
    place = tmp_path_factory.mktemp("office")
    with Register.connect(fresh_netbox.url, fresh_netbox.token) as register:
        declare(register, TODAY, token_file=str(place / "token"))
        _customer(register)
    fresh_netbox.snapshot(OFFICE)
    made = Office(fresh_netbox, place, (place / "token").read_text().strip())
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MSP_DURABLE_PATHS", str(place))
        (place / BEFORE).mkdir()
        with made.world(place / BEFORE) as world:
            _evidence(world.store, {row["name"]: row["id"] for row in fresh_netbox.all("dcim/devices/")})
        with made.copied(BEFORE, place / HANDED_OVER) as world:
            world.report()
    return made


def _customer(register: Register) -> None:
    terms = {names.CONTRACT_ID: "C-1", names.CONTRACT_START: "2026-01-01", names.LANGUAGE: "en"}
    tags = [{"slug": names.TAG_CUSTOMER}]
    tenants = [
        {"name": "Bakkerij Jansen", "slug": SLUG, "tags": tags, "custom_fields": terms},
        {"name": "Harbour Dental", "slug": "harbour-dental", "tags": tags, "custom_fields": terms},
    ]
    tenant = register.create("tenancy/tenants", tenants)[0]["id"]
    site = register.create("dcim/sites", [{"name": "Shop", "slug": "shop", "tenant": tenant}])[0]["id"]
    vrf = register.create("ipam/vrfs", [{"name": "Bakkerij Jansen"}])[0]["id"]
    register.create("ipam/prefixes", [{"prefix": "192.0.2.0/24", "tenant": tenant, "vrf": vrf}])
    role = register.create("dcim/device-roles", [{"name": "Server", "slug": "server", "color": "9e9e9e"}])[0]["id"]
    maker = register.create("dcim/manufacturers", [{"name": "HPE", "slug": "hpe"}])[0]["id"]
    kind = {"manufacturer": maker, "model": "ML30", "slug": "ml30"}
    device_type = register.create("dcim/device-types", [kind])[0]["id"]
    fields = {names.CONTRACT_STATUS: "contracted", names.ASSET_CLASS: "server"}
    common = {"tenant": tenant, "site": site, "role": role, "device_type": device_type, "custom_fields": fields}
    register.create("dcim/devices", [{"name": name, "serial": f"S-{name}", **common} for name in ASSETS])


@dataclasses.dataclass
class World:
    """One test's NetBox, its own store and folder, and the register as the automation."""

    netbox: NetBox
    register: Register
    store: Store
    store_url: str
    folder: Path
    token: str = dataclasses.field(repr=False)

    def customer(self, slug: str = SLUG) -> Customer:
        return one_customer(self.register, slug)

    def report(self, *, dry_run: bool = False, now: dt.datetime = NOW) -> Handover:
        verification = gather(self.register, self.store, self.customer(), now=now, made_by="Example IT")
        return hand_over(self.store, verification, self.folder, dry_run=dry_run)

    @property
    def sheet(self) -> Path:
        """The one that was handed over."""
        (sheet,) = (path for path in self.folder.rglob("*.xlsx") if not path.name.startswith("filled"))
        return sheet

    def plan(self, sheet: Path, slug: str = SLUG) -> Plan:
        filled = settle.read_sheet(sheet)
        return settle.plan_sheet(self.register, self.store, filled, self.customer(slug), now=NOW)

    def apply(self, sheet: Path, register: Register | None = None) -> Plan:
        using = register or self.register
        filled = settle.read_sheet(sheet)
        customer = one_customer(using, SLUG)
        plan = settle.plan_sheet(using, self.store, filled, customer, now=NOW)
        settle.apply_plan(using, self.store, customer, plan)
        return plan

    def statuses(self) -> dict[str, str]:
        rows = self.netbox.all("dcim/devices/")
        return {row["name"]: row["custom_fields"][names.CONTRACT_STATUS]["value"] for row in rows}

    def journal(self) -> list[str]:
        return [row["comments"] for row in self.netbox.all("extras/journal-entries/")]


@pytest.fixture
def world(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A sheet was handed over."""
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    with office.copied(HANDED_OVER, tmp_path) as made:
        yield made


@pytest.fixture
def unreported(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """There is evidence, and no report yet."""
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    with office.copied(BEFORE, tmp_path) as made:
        yield made


def _evidence(store: Store, ids: Mapping[str, int]) -> None:
    """srv01 is as promised, ws01 calls itself otherwise, nas01 does not answer, till02 is in no contract."""
    for name, called in (("jansen-srv01", "jansen-srv01"), ("jansen-ws01", "reception-old")):
        body = {"schema": 1, "hostname": {"name": called}, "machine": {"serial": f"S-{name}"}}
        found = store.put_facts(body)
        at = NOW - dt.timedelta(hours=1)
        store.record_audit(Audit(SLUG, f"device:{ids[name]}", f"{name}.{SLUG}", at, "ok", facts_hash=found))
    gone = f"device:{ids['jansen-nas01']}"
    store.record_audit(Audit(SLUG, gone, f"jansen-nas01.{SLUG}", NOW, "unreachable", error="no route to host"))
    seen = {"macs": [MAC], "addresses": [ADDRESS], "names": ["jansen-till02"]}
    place = {"seen_by": "jansen-srv01"}
    store.record_observations([Observation(SLUG, "neighbours", NOW, seen, place=place)])


def fill_in(path: Path, answers: Answers, *, signed: bool = True) -> Path:
    """What the customer does with the sheet: answers by the asset's name, a name and a date; saved as another file."""
    book = openpyxl.load_workbook(path)
    page = book.worksheets[0]
    columns = {str(c.value).removeprefix("msp:"): int(c.column or 0) for c in page[workbook.NAMES_ROW]}
    for row in range(workbook.HEADER_ROW + 1, page.max_row + 1):
        for column, value in answers.get(str(page.cell(row, columns["name"]).value), {}).items():
            page.cell(row, columns[column]).value = value
    if signed:
        page.cell(workbook.SIGNER_ROW, 4).value = "Marieke Jansen"
        page.cell(workbook.SIGNED_ON_ROW, 4).value = TODAY
    out = io.BytesIO()
    book.save(out)
    filled = path.with_name(f"filled-{path.name}")
    filled.write_bytes(out.getvalue())
    return filled


DECIDED: Answers = {
    "jansen-nas01": {"agreed": "no", "decision": "end", "remark": "Sold *last* <b>year</b>"},
    "jansen-srv01": {"agreed": "yes"},
    "jansen-ws01": {"agreed": "no", "decision": "track only"},
    "jansen-till02": {"decision": "add to contract"},
}
AFTER = {
    "jansen-nas01": "ended",
    "jansen-srv01": "contracted",
    "jansen-ws01": "tracked",
    "jansen-till02": "contracted",
}


def test_the_report_joins_contract_and_evidence_and_a_second_run_writes_nothing(unreported: World) -> None:
    before = unreported.netbox.changes()
    preview = unreported.report(dry_run=True)
    assert not unreported.folder.exists() and unreported.store.sheets(SLUG) == []

    first = unreported.report()
    again = unreported.report()

    assert preview.changed == first.changed == (str(first.report), str(first.sheet))
    assert again.changed == ()
    html = first.report.read_text()
    assert [html.count(f'data-state="{s}"') for s in ("present", "differs", "absent")] == [1, 1, 1]
    assert f'data-thing="mac:{MAC}"' in html
    assert [(s.id, s.applied) for s in unreported.store.sheets(SLUG)] == [(first.sheet_id, None)]
    assert unreported.netbox.changes() == before


def test_a_sheet_that_somebody_is_filling_in_is_never_written_again(world: World) -> None:
    sheet = world.sheet
    sheet.write_bytes(b"half filled in")
    world.report(now=NOW + dt.timedelta(minutes=1))
    assert sheet.read_bytes() == b"half filled in"


def test_a_signed_sheet_sets_the_statuses_and_says_why_in_the_journal(world: World) -> None:
    filled = fill_in(world.sheet, DECIDED)
    (handed,) = world.store.sheets(SLUG)

    plan = world.apply(filled)

    assert len(plan.transitions) == 3
    assert world.statuses() == AFTER
    assert len(world.journal()) == 3
    for entry in world.journal():
        assert handed.id in entry
        assert f"written {TODAY}, signed by Marieke Jansen on {TODAY}" in entry
    assert any(entry.endswith("Remark: Sold last b year /b") for entry in world.journal())
    applied = world.store.sheet(handed.id)
    assert applied is not None and (applied.signed_by, applied.signed_on) == ("Marieke Jansen", TODAY)


def test_what_was_seen_and_agreed_becomes_a_device_that_is_known_from_then_on(world: World) -> None:
    world.apply(fill_in(world.sheet, DECIDED))

    (device,) = world.netbox.all("dcim/devices/?name=jansen-till02")
    (address,) = world.netbox.all(f"ipam/ip-addresses/?device_id={device['id']}")
    (card,) = world.netbox.all(f"dcim/mac-addresses/?device_id={device['id']}")
    assert (device["primary_ip4"]["address"], address["vrf"]["name"]) == (f"{ADDRESS}/24", "Bakkerij Jansen")
    assert card["mac_address"].lower() == MAC
    assert device["tenant"]["slug"] == SLUG
    verification = gather(world.register, world.store, world.customer(), now=NOW, made_by="Example IT")
    assert verification.things == ()
    assert {one.asset.name: one.state for one in verification.compared} == {
        "jansen-srv01": "present",
        "jansen-till02": "seen",
    }


def test_the_same_sheet_a_second_time_writes_nothing_even_where_a_status_changed_since(world: World) -> None:
    filled = fill_in(world.sheet, DECIDED)
    world.apply(filled)
    (nas,) = world.netbox.all("dcim/devices/?name=jansen-nas01")
    world.netbox.change(f"dcim/devices/{nas['id']}/", {"custom_fields": {names.CONTRACT_STATUS: "contracted"}})
    before = world.netbox.changes()

    again = world.apply(filled)

    assert again.as_dict()["changed"] is False
    assert world.netbox.changes() == before
    assert world.statuses()["jansen-nas01"] == "contracted"


class Killed(Exception):
    """The run ends here, as if the machine went off."""


class CutOff(Register):
    """The real register, whose run ends before its second write."""

    def _send(self, verb: str, endpoint: str, **options: Any) -> Any:
        if verb in ("post", "patch") and self.writes >= 1:
            raise Killed
        return super()._send(verb, endpoint, **options)


def test_a_run_that_is_killed_after_every_single_write_ends_as_one_that_was_not(world: World) -> None:
    filled = fill_in(world.sheet, DECIDED)

    killed = 0
    done = False
    while not done and killed < 60:
        try:
            with CutOff.connect(world.netbox.url, world.token) as register:
                world.apply(filled, register)
            done = True
        except Killed:
            killed += 1

    assert done and killed > 10
    assert world.statuses() == AFTER
    assert len(world.journal()) == 3
    assert len(world.netbox.all("dcim/interfaces/")) == 1
    before = world.netbox.changes()
    assert world.apply(filled).transitions == ()
    assert world.netbox.changes() == before


def refused(world: World, filled: Path, code: str, *words: str, slug: str = SLUG) -> None:
    """The sheet is refused with this code and these words, and nothing is written anywhere."""
    before = world.netbox.changes()
    with pytest.raises(MspError) as error:
        world.plan(filled, slug)
    assert error.value.code == code
    assert [word for word in words if word not in str(error.value)] == []
    assert world.netbox.changes() == before
    assert all(sheet.applied is None for sheet in world.store.sheets(SLUG))


def test_another_customers_sheet_is_refused(world: World) -> None:
    refused(world, fill_in(world.sheet, DECIDED), "MSP-VER-001", slug="harbour-dental")


def test_an_edited_key_column_is_refused_with_the_row_named(world: World) -> None:
    filled = fill_in(world.sheet, {"jansen-srv01": {"serial": "OTHER"}})
    refused(world, filled, "MSP-VER-003", "row 10", "jansen-srv01")


def test_an_unsigned_sheet_is_refused(world: World) -> None:
    refused(world, fill_in(world.sheet, DECIDED, signed=False), "MSP-VER-005")


def test_an_unknown_decision_is_refused_with_the_row_named(world: World) -> None:
    filled = fill_in(world.sheet, {"jansen-srv01": {"decision": "burn"}})
    refused(world, filled, "MSP-VER-004", "jansen-srv01")


def test_an_asset_that_changed_in_netbox_since_is_refused_and_named(world: World) -> None:
    filled = fill_in(world.sheet, DECIDED)
    (device,) = world.netbox.all("dcim/devices/?name=jansen-srv01")
    world.netbox.change(f"dcim/devices/{device['id']}/", {"custom_fields": {names.CONTRACT_STATUS: "excluded"}})
    refused(world, filled, "MSP-VER-007", "jansen-srv01", "excluded")


def test_a_sheet_older_than_the_last_one_applied_is_refused(unreported: World) -> None:
    old = fill_in(unreported.report(now=NOW - dt.timedelta(days=2)).sheet, {})
    new = unreported.report().sheet
    unreported.apply(fill_in(new, DECIDED))
    before = unreported.netbox.changes()
    with pytest.raises(MspError) as error:
        unreported.apply(old)
    assert error.value.code == "MSP-VER-002"
    assert unreported.netbox.changes() == before


def test_an_asset_that_changes_between_plan_and_write_stops_the_run_and_the_next_one_says_so(world: World) -> None:
    filled = settle.read_sheet(fill_in(world.sheet, DECIDED))
    customer = world.customer()
    plan = settle.plan_sheet(world.register, world.store, filled, customer, now=NOW)
    (device,) = world.netbox.all("dcim/devices/?name=jansen-nas01")
    world.netbox.change(f"dcim/devices/{device['id']}/", {"custom_fields": {names.CONTRACT_STATUS: "excluded"}})

    with pytest.raises(MspError) as stopped:
        settle.apply_plan(world.register, world.store, customer, plan)

    assert stopped.value.code == "MSP-REG-008"
    with pytest.raises(MspError) as named:
        settle.plan_sheet(world.register, world.store, filled, customer, now=NOW)
    assert named.value.code == "MSP-VER-007" and "jansen-nas01" in str(named.value)


def test_netbox_that_refuses_to_show_devices_is_an_error_and_not_an_empty_report(world: World) -> None:
    allowed = ["tenancy.tenant", "extras.customfield"]
    token = world.netbox.token_for([{"object_types": allowed, "actions": ["view"]}])
    with Register.connect(world.netbox.url, token) as register, pytest.raises(MspError) as error:
        gather(register, world.store, world.customer(), now=NOW, made_by="Example IT")
    assert error.value.code == "MSP-REG-003" and "dcim.view_device" in str(error.value)


def play(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        **world.netbox.env(world.token),
        "MSP_STORE_URL": world.store_url,
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "XDG_STATE_HOME": str(world.folder.parent / "state"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)


def _task(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The result of the task that reads the sheet."""
    (play,) = json.loads(done.stdout[done.stdout.index("{") :])["plays"]
    (task,) = [one for one in play["tasks"] if one["task"]["name"].startswith("Read the sheet")]
    return dict(task["hosts"]["localhost"])


def test_the_playbook_previews_applies_and_then_changes_nothing(world: World) -> None:
    filled = fill_in(world.sheet, DECIDED)
    what = ("playbooks/verify.yml", "-e", f"customer={SLUG}", "-e", f"sheet={filled}")

    before = world.netbox.changes()
    preview = _task(play(world, *what, "--check", "--diff"))
    assert world.netbox.changes() == before
    first, second = _task(play(world, *what)), _task(play(world, *what))

    assert preview["changed"] and "jansen-nas01: ended" in preview["diff"]["after"]
    assert preview["transitions"] == first["transitions"]
    assert (first["changed"], second["changed"]) == (True, False)
    assert world.statuses() == AFTER
    assert recorded(world) == [("ok", False), ("ok", False), ("ok", True)]
    assert booked(world) == [True, True]


def recorded(world: World) -> list[tuple[str | None, bool]]:
    """Outcome and check mode of this customer's runs, the newest first."""
    runs = world.store.runs(SLUG)
    assert {tuple(run.extra["customers"]) for run in runs} == {(SLUG,)}
    return [(run.outcome, run.check_mode) for run in runs]


def booked(world: World) -> list[bool]:
    """Every booking of minutes for this customer: whether it is inside the contract."""
    now = dt.datetime.now(dt.UTC)
    effort = world.store.effort_minutes(SLUG, now - dt.timedelta(hours=1), now + dt.timedelta(hours=1))
    return [row.in_contract for row in effort.rows if row.minutes > 0] if effort else []


def test_the_playbook_ends_in_one_clear_error_for_a_sheet_that_is_none(world: World) -> None:
    broken = world.folder / "sheet.xlsx"
    broken.write_bytes(b"name;status\n")
    done = play(world, "playbooks/verify.yml", "-e", f"customer={SLUG}", "-e", f"sheet={broken}")
    assert done.returncode != 0
    assert _task(done)["error"]["code"] == "MSP-VER-006"
    assert recorded(world) == [("failed", False)]


def test_a_customer_that_is_not_in_netbox_gets_no_run_and_no_minutes(world: World) -> None:
    done = play(world, "playbooks/verify.yml", "-e", "customer=jansenn", "-e", "sheet=any.xlsx")
    assert _task(done)["error"]["code"] == "MSP-REG-009"
    assert len(world.store.runs()) == 1
    assert world.store.runs("jansenn") == []
