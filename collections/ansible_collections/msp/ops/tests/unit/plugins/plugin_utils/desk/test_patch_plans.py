# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A customer's patch plans out of a made NetBox: judged, and shown as a calendar that is written once."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_plans
from ansible_collections.msp.ops.plugins.plugin_utils.desk.gather import one_customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk.patch_plans import Outcome, Wishes
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import data, utc
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan_netbox import SLUG, asset, customer
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.register.conftest import MadeNetBox, made

__all__ = ["made"]
NOW = utc("2026-02-10T08:00")
PILOT = [{"id": 1, "slug": "msp-ring-pilot", "name": "pilot", "display": "pilot"}]


def look(netbox: MadeNetBox, wishes: Wishes | None = None, now: dt.datetime = NOW, *, dry_run: bool = False) -> Outcome:
    with netbox.connect() as register:
        return patch_plans.look(register, one_customer(register, SLUG), wishes or Wishes(), now, dry_run=dry_run)


def fill(netbox: MadeNetBox, **changed: Any) -> None:
    context = {"msp_patch_plan": data(**changed)}
    customer(netbox, [asset(1, context, tags=PILOT), asset(2, context), asset(3, context, kind="workstation")])


def test_only_contracted_servers_and_workstations_have_a_plan(made: MadeNetBox) -> None:
    context = {"msp_patch_plan": data()}
    others = [
        asset(4, context, status="unlisted"),
        asset(5, context, status="excluded"),
        asset(6, context, kind="printer"),
        asset(7, context, kind=None),
    ]
    customer(made, [asset(1, context, tags=PILOT), asset(2, context), *others])
    (one,) = look(made).plans
    assert [member.name for member in one.assigned.members] == ["srv01", "srv02", "srv07"]
    assert one.assigned.members[0].tags == {"msp-ring-pilot"}


def test_a_plan_that_works_has_its_calendar_and_nothing_is_written_without_a_folder(made: MadeNetBox) -> None:
    fill(made)
    found = look(made).as_dict()
    (plan,) = found["plans"]
    assert (found["changed"], found["findings"], found["customer"]) == (False, [], SLUG)
    assert (plan["name"], plan["assets"], plan["rings"], plan["page"]) == ("office", 3, {"pilot": 1, "broad": 2}, None)
    assert len(plan["calendar"]["windows"]) == 26
    assert "failed" not in found and made.written == []


def test_a_calendar_is_written_once(made: MadeNetBox, tmp_path: Path) -> None:
    fill(made)
    wishes = Wishes(tmp_path, "Example IT")
    would = look(made, wishes, dry_run=True)
    assert would.as_dict()["changed"] is True and list(tmp_path.iterdir()) == []

    first, again = look(made, wishes), look(made, wishes)

    (plan,) = first.as_dict()["plans"]
    page, text = Path(plan["page"]), Path(plan["text_file"])
    assert page.name == "patch-calendar-office.html" and page.parent == tmp_path / SLUG
    assert "<h1>Bakkerij Jansen</h1>" in page.read_text() and "Updatekalender" in text.read_text()
    assert (first.as_dict()["changed"], again.as_dict()["changed"]) == (True, False)
    (diff,) = would.diff()
    assert (diff["before"], diff["after"]) == ("", text.read_text())
    assert again.diff() == []


def test_a_diff_shows_what_the_calendar_said_before(made: MadeNetBox, tmp_path: Path) -> None:
    fill(made)
    wishes = Wishes(tmp_path, "Example IT")
    before = Path(look(made, wishes).as_dict()["plans"][0]["text_file"]).read_text()
    fill(made, **{"windows.night.start": "23:00"})
    (diff,) = look(made, wishes, dry_run=True).diff()
    assert diff["before"] == before and "23:00–03:00" in diff["after"]


def test_a_plan_with_an_error_fails_with_all_its_findings_and_writes_nothing(made: MadeNetBox, tmp_path: Path) -> None:
    fill(made, **{"rings.0.soak": "12d", "apart": [{"name": "pair", "assets": ["srv01", "srv99"]}]})
    outcome = look(made, Wishes(tmp_path, "Example IT"))
    found = outcome.as_dict()
    assert found["failed"] is True and "MSP-PAT-017" in found["msg"] and "MSP-PAT-021" not in found["msg"]
    assert [one["code"] for one in found["findings"]] == ["MSP-PAT-017", "MSP-PAT-021"]
    assert set(found["findings"][0]) == {"level", "path", "code", "expected", "found", "action"}
    assert (found["plans"][0]["calendar"], found["plans"][0]["page"], outcome.diff()) == (None, None, [])
    assert list(tmp_path.iterdir()) == []


def test_a_warning_alone_is_no_failure(made: MadeNetBox) -> None:
    fill(made, apart=[{"name": "pair", "assets": ["srv01", "srv99"]}])
    found = look(made).as_dict()
    assert [one["level"] for one in found["findings"]] == ["warning"] and "failed" not in found


def test_a_plan_that_cannot_be_read_is_told_whole(made: MadeNetBox) -> None:
    fill(made, reboot="x", rollback="y")
    with pytest.raises(MspErrors) as raised:
        look(made)
    assert [error.found for error in raised.value.errors] == [
        "x (on srv01, srv02, srv03)",
        "y (on srv01, srv02, srv03)",
    ]


def test_a_customer_without_a_plan_is_told(made: MadeNetBox) -> None:
    customer(made, [asset(1, {}), asset(2, {"ntp": []})])
    with pytest.raises(MspError, match=r"MSP-PAT-002.*2 contracted servers and workstations without one"):
        look(made)


def test_some_assets_without_a_plan_are_a_warning(made: MadeNetBox) -> None:
    context = {"msp_patch_plan": data()}
    customer(made, [asset(1, context, tags=PILOT), asset(2, context), asset(3, {})])
    (finding,) = look(made).findings
    assert (finding.why.code, finding.why.found) == ("MSP-PAT-023", "none for 1: srv03")


@pytest.mark.parametrize("minutes", [0, -5, 1441])
def test_what_one_host_needs_is_a_time_of_a_day_at_most(minutes: int) -> None:
    with pytest.raises(MspError, match="MSP-PAT-024"):
        patch_plans.wishes_of({"host_minutes": minutes})


def test_arguments_become_wishes() -> None:
    assert patch_plans.wishes_of({"host_minutes": 45, "path": "reports", "made_by": "Example IT"}) == Wishes(
        Path("reports"), "Example IT", dt.timedelta(minutes=45)
    )
