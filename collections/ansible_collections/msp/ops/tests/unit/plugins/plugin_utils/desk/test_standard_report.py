# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A report on a real store and a made NetBox: what is read, written, and left as it is."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Contract, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import standard_pace, standard_report, surcharges
from ansible_collections.msp.ops.plugins.plugin_utils.desk.standard_report import (
    EndsFile,
    Reports,
    Wishes,
    reports,
    wishes_of,
)
from ansible_collections.msp.ops.plugins.plugin_utils.effort.uplift import OfCustomer
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    Audit,
    Effort,
    Seen,
    StandardCheck,
    Ticket,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import customers
from ansible_collections.msp.ops.plugins.plugin_utils.register.snapshot import Selection, read
from ansible_collections.msp.ops.plugins.plugin_utils.standards import assigning, catalogue
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    COMPLIANT,
    DRIFT,
    FIXED,
    WAIVED,
    ControlRecord,
)
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan_netbox import (
    SLUG,
    TERMS,
    asset,
    customer,
)
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.register.conftest import MadeNetBox
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.standards import made_standard

DAY = dt.timedelta(days=1)
STANDARD = {"name": "linux-server"}
SERVER: dict[str, Any] = {"msp_standard": STANDARD}
WAIVER = {**made_standard.WAIVER, "expires": "2099-12-31", "agreed": {**made_standard.AGREED, "on": "2020-01-01"}}
WAIVED_SERVER = {"msp_standard": {**STANDARD, "waivers": {"ssh-tries": WAIVER}}}
WRONG = {"msp_standard": {**STANDARD, "parameters": {"ssh-tries": {"most": 99}}}}
NAMES = ["standards-report.html", "standards-report.json", "standards-report.txt"]


def warranted(number: int, context: Mapping[str, Any], end: str) -> dict[str, Any]:
    found = asset(number, context)
    return {**found, "custom_fields": {**found["custom_fields"], "msp_warranty_end": end}}


class Made:
    """A customer with a machine that drifts, one with an exception, one that nobody looked at, and others besides."""

    def __init__(self, store: Store, netbox: MadeNetBox, folder: Path) -> None:
        self.store, self.netbox, self.folder = store, netbox, folder
        devices = [
            asset(1, SERVER),
            asset(2, WAIVED_SERVER),
            asset(3, SERVER),
            asset(4, {}),
            asset(5, WRONG),
            warranted(6, {}, "2020-05-31"),
            asset(7, {}, kind="printer"),
            asset(8, SERVER, status="tracked"),
        ]
        customer(netbox, devices)
        terms = {
            **TERMS,
            "msp_language": {"value": "en", "label": "English"},
            "msp_hourly_rate": 90,
            "msp_surcharges": {"server": {"out_of_warranty": "25.00"}},
        }
        netbox.tables["tenancy/tenants"][0]["custom_fields"] = terms
        self.now = store.now()
        for days in (40, 12, 1):
            self.check(1, days, ssh_root_login=DRIFT if days < 40 else COMPLIANT)
            self.check(2, days, ssh_tries=WAIVED)

    def check(self, number: int, days: float, phase: str = "check", run: str | None = None, **statuses: str) -> None:
        """A good check so many days ago: compliant, but for what is given ("_" stands for "-")."""
        found = assigning.assign(STANDARD, None, today=dt.date(2026, 11, 26))
        records = tuple(
            ControlRecord(
                one.control.id,
                one.control.severity,
                statuses.get(one.control.id.replace("-", "_"), COMPLIANT),
                "permitrootlogin: no",
                "permitrootlogin: yes",
            ).as_dict()
            for one in found.controls
        )
        at = self.now - days * DAY
        host = f"srv{number:02}"
        self.store.record_standard_checks(
            [StandardCheck(SLUG, f"device:{number}", host, at, phase, "ok", "linux-server", "1.0", records, run=run)]
        )

    def report(self, *slugs: str, dry_run: bool = False, **wishes: Any) -> Reports:
        with self.netbox.connect(retries=0) as register:
            return reports(self.store, register, slugs, Wishes(self.folder, "Noordkaap IT", **wishes), dry_run=dry_run)

    def data(self) -> Any:
        return json.loads((self.folder / SLUG / NAMES[1]).read_text())


@pytest.fixture
def netbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[MadeNetBox]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    controls = made_standard.controls()
    monkeypatch.setattr(catalogue, "catalogue", lambda: controls)
    monkeypatch.setattr(catalogue, "shipped", lambda: made_standard.shipped(controls))
    made = MadeNetBox()
    yield made
    made.stop()


@pytest.fixture
def made(store: Store, netbox: MadeNetBox, tmp_path: Path) -> Made:
    return Made(store, netbox, tmp_path / "reports")


def test_a_report_joins_netbox_and_the_store_and_says_it_three_times(made: Made) -> None:
    result = made.report().as_dict()

    assert sorted(path.name for path in (made.folder / SLUG).iterdir()) == NAMES
    said = " ".join((made.folder / SLUG / NAMES[2]).read_text().split())
    assert "1 machine differs from its standard: srv01" in said
    assert "1 machine differs only as was agreed with you: srv02" in said
    assert "Of 1 machine we do not know: srv03" in said
    assert "Of 1 machine it can't be read which standard is meant for it: srv05" in said
    assert "2 machines in the contract have no standard: srv04, srv06" in said
    assert "Is permitrootlogin: yes" in said
    assert "Is</dt><dd>permitrootlogin: yes" in (made.folder / SLUG / NAMES[0]).read_text()
    data = made.data()
    assert data["assets"] == {"compliant": 0, "waived": 1, "unknown": 1, "drift": 1}
    assert (data["customer"], [one["control"] for one in data["top"]]) == (SLUG, ["ssh-root-login"])
    found = result["customers"][SLUG]
    assert (found["changed"], found["page"].endswith(NAMES[0]), made.netbox.written) == (True, True, [])


def test_since_when_and_what_is_new_come_from_the_changes_and_not_from_the_last_check(made: Made) -> None:
    made.report()
    data = made.data()
    began = (made.now - 12 * DAY).isoformat()
    worst = data["of_assets"][0]
    assert (worst["name"], worst["deviations"][0]["since"]) == ("srv01", began)
    assert [(one["asset"], one["control"], one["at"]) for one in data["new"]] == [("srv01", "ssh-root-login", began)]
    made.report(new_days=5)
    assert made.data()["new"] == []


def test_the_course_of_a_control_goes_as_far_back_as_was_asked(made: Made) -> None:
    made.report(days=45)
    (standard,) = made.data()["standards"]
    course = [one["share"] for one in standard["course"]]
    assert len(course) == 7
    assert course[-1] is not None and course[-1] < max(share for share in course if share is not None)
    root = next(one for one in standard["controls"] if one["control"] == "ssh-root-login")
    assert root["counts"]["drift"] == root["counts"]["unknown"] == root["counts"]["compliant"] == 1


def test_a_second_report_of_the_same_changes_nothing(made: Made) -> None:
    assert made.report().as_dict()["changed"]
    again = made.report()
    assert (again.as_dict()["changed"], again.diff()) == (False, [])


def test_a_preview_writes_nothing_and_shows_what_it_would_say(made: Made) -> None:
    found = made.report(dry_run=True)
    (diff,) = found.diff()
    assert found.as_dict()["changed"] and not made.folder.exists()
    assert diff["before"] == "" and "Machine by machine" in diff["after"]


def test_where_netbox_cannot_be_read_there_is_no_report_at_all(made: Made) -> None:
    made.netbox.failures = [500] * 9
    with pytest.raises(MspError):
        made.report()
    assert not made.folder.exists()


def test_a_slug_that_is_no_customer_is_refused(made: Made) -> None:
    with pytest.raises(MspError) as refused:
        made.report("nobody")
    assert refused.value.code == "MSP-REG-009"


def test_a_machine_out_of_warranty_gets_the_tables_amount_with_why_nothing_was_measured(made: Made) -> None:
    made.store.record_seen([Seen(SLUG, "device:6", made.now - 20 * DAY, made.now)])
    made.report()
    by_name = {one["name"]: one for one in made.data()["surcharges"]}
    warranty = by_name["srv06"]["surcharges"][0]
    assert (warranty["amount"], warranty["basis"], warranty["measured"]["lack"]) == ("25.00", "table", "no minutes")
    waived = by_name["srv02"]["surcharges"][0]
    assert (waived["reason"], waived["amount"], waived["proofs"][0]["what"]) == ("waived", "0", "ssh-tries")


def test_a_system_without_support_is_shown_by_the_audit_that_found_it(made: Made) -> None:
    system = {
        "name": "Debian GNU/Linux 10 (buster)",
        "support_end": "2024-06-30",
        "support_end_source": "its own table",
    }
    facts = made.store.put_facts({"os": system, "packages": [], "updates": {"known": False, "pending": []}})
    made.store.record_audit(
        Audit(SLUG, "device:4", "srv04", made.now - DAY, "ok", facts, {"support_end": "2024-06-30"})
    )
    made.report()
    (old,) = (one for one in made.data()["surcharges"] if one["name"] == "srv04")
    assert old["surcharges"][0]["proofs"] == [
        {"what": "Debian GNU/Linux 10 (buster)", "day": "2024-06-30", "said": "its own table"}
    ]


def effort(key: str, at: dt.datetime, minutes: float, *, run: str | None = None, ticket: str | None = None) -> Effort:
    made = Effort(key=key, customer=SLUG, at=at, minutes=minutes, planned=True, in_contract=True, by="person")
    return replace(made, run=run, ticket=ticket)


def test_hours_are_measured_once_enough_jobs_were(made: Made) -> None:
    for number in range(5):
        run = f"run-{number}"
        made.check(1, 100 + number, "after", run, ssh_root_login=FIXED)
        made.store.record_effort([effort(f"row-{number}", made.now - (100 + number) * DAY, 10.0 + number, run=run)])
    made.report()
    quote = made.data()["quote"]
    # One control of six minutes by hand is left to do; five times that took 10 to 14 minutes.
    assert (quote["basis"], quote["changes"], round(quote["hours"] * 60)) == ("measured", 1, 12)
    assert quote["jobs"][0]["effort"] == ["row-0"]
    assert quote["hours_low"] < quote["hours"] < quote["hours_high"]


def test_where_nobody_wrote_a_run_down_hours_are_from_the_table(made: Made) -> None:
    made.check(1, 100, "after", "run-1", ssh_root_login=FIXED)
    assert standard_pace.pace(made.store, [SLUG], made.now) is None
    made.report()
    assert made.data()["quote"]["basis"] == "table"


def of_customer(made: Made) -> OfCustomer:
    with made.netbox.connect(retries=0) as register:
        (one,) = customers(register)
        snapshot = read(register, Selection((one.id,), {}), follow=False).snapshot
    return surcharges.of_customer(made.store, snapshot, one, made.now)


def test_an_assets_time_begins_when_it_was_first_seen_and_one_that_never_was_has_none(made: Made) -> None:
    first = made.now - 20 * DAY
    made.store.record_seen([Seen(SLUG, "device:4", first, made.now)])
    found = {one.asset: one for one in of_customer(made).assets}
    assert set(found) == {"device:1", "device:2", "device:4"}
    assert found["device:4"].since == first
    assert found["device:1"].since == made.now - 40 * DAY
    assert found["device:2"].waived == ((made.now - 40 * DAY, True),)
    assert found["device:1"].waived == ((made.now - 40 * DAY, False),)


def test_the_first_audit_counts_as_when_an_asset_was_seen_and_not_the_last(made: Made) -> None:
    facts = made.store.put_facts({"os": {"id": "debian", "version": "12"}, "packages": []})
    for days in (1, 35, 30):
        made.store.record_audit(Audit(SLUG, "device:4", "srv04", made.now - days * DAY, "ok", facts))
    made.store.record_audit(Audit(SLUG, "device:4", "srv04", made.now - 40 * DAY, "unreachable", error="off"))
    found = {one.asset: one for one in of_customer(made).assets}
    assert found["device:4"].since == made.now - 35 * DAY


def test_work_is_joined_with_its_tickets_and_nothing_measured_is_not_no_work(made: Made) -> None:
    assert of_customer(made).worked is None
    made.store.record_tickets([Ticket(SLUG, "desk", "104", made.now - 5 * DAY, asset="device:1")])
    made.store.record_effort([effort("row", made.now - 5 * DAY, 30.0, ticket="104")])
    worked = of_customer(made).worked
    assert worked is not None
    assert [(work.asset, work.minutes, work.effort) for work in worked.works] == [("device:1", 30.0, ("row",))]


def test_a_customer_without_a_contract_is_suggested_nothing(made: Made) -> None:
    nobody = Customer(1, SLUG, "Bakkerij Jansen", None)
    old = Asset("device", 6, "srv06", SLUG, "contracted", "server", warranty_end=dt.date(2020, 5, 31))
    assert surcharges.suggested(made.store, nobody, [old], [], {}, today=made.now.date()) == []
    terms = Contract("C", dt.date(2026, 1, 1), None)
    (one,) = surcharges.suggested(made.store, replace(nobody, contract=terms), [old], [], {}, today=made.now.date())
    assert (one.amount, one.surcharges[0].basis) == (Decimal(0), "nothing")


ARGUMENTS: dict[str, Any] = {"path": "x", "made_by": "y", "days": 1, "new_days": 1, "end_of_life": None}


def ended(made: Made, tmp_path: Path) -> Path:
    """A file that says that a package of the customer's is at its end, and an audit that found the package."""
    row = {"name": "redis-server", "version": "6:6.2.14-1", "architecture": "amd64", "origin": "packages.redis.example"}
    facts = {"os": {"id": "debian", "version": "12"}, "packages": [row], "updates": {"known": True, "pending": []}}
    audit = Audit(SLUG, "device:1", "srv01", made.now - DAY, "ok", made.store.put_facts(facts))
    made.store.record_audit(audit)
    release = {"name": "6.2", "eolFrom": "2025-03-31"}
    product = {"name": "redis", "label": "Redis", "releases": [release]}
    path = tmp_path / "ends.json"
    path.write_text(json.dumps({"generated_at": "2026-01-01T00:00:00+00:00", "result": product}))
    return path


def test_software_is_told_by_audits_and_its_end_by_the_file_that_is_given(made: Made, tmp_path: Path) -> None:
    path = ended(made, tmp_path)
    made.report()
    without = made.data()["software"]
    assert (without["found"], without["ends_of_life_of"]) == ([], None)
    assert without["not_audited"] == ["srv02", "srv03", "srv04", "srv05", "srv06"]
    made.report(ends=EndsFile(str(path)))
    (found,) = made.data()["software"]["found"]
    assert (found["kind"], found["package"], found["since"], found["assets"]) == (
        "end of life",
        "redis-server",
        "2025-03-31",
        ["srv01"],
    )


def test_a_file_of_ends_that_is_none_stops_everything(made: Made, tmp_path: Path) -> None:
    with pytest.raises(MspError) as refused:
        made.report(ends=EndsFile(str(tmp_path / "nothing.json")))
    assert (refused.value.code, made.folder.exists()) == ("MSP-STD-106", False)


def test_a_file_of_ends_is_asked_for_with_its_checksum_and_its_day() -> None:
    given = {"path": "ends.json", "sha256": None, "date": "2026-11-20"}
    assert wishes_of({**ARGUMENTS, "end_of_life": given}).ends == EndsFile("ends.json", "", dt.date(2026, 11, 20))
    assert wishes_of(ARGUMENTS).ends is None
    with pytest.raises(MspError) as refused:
        wishes_of({**ARGUMENTS, "end_of_life": {**given, "date": "yesterday"}})
    assert refused.value.code == "MSP-STD-141"


@pytest.mark.parametrize("name", ["days", "new_days"])
@pytest.mark.parametrize("days", [0, standard_report.LONGEST_DAYS + 1])
def test_days_that_make_no_sense_are_refused(name: str, days: int) -> None:
    with pytest.raises(MspError) as refused:
        wishes_of({**ARGUMENTS, name: days})
    assert refused.value.code == "MSP-STD-140"
