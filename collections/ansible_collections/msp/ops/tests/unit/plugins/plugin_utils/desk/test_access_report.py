# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report on logins on a real store and a made NetBox: what is read, written, and left as it is."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.access import keeping
from ansible_collections.msp.ops.plugins.plugin_utils.desk import access_report
from ansible_collections.msp.ops.plugins.plugin_utils.desk.access_report import Reports
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import MICROSOFT_365, AccessCheck
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access import made_access
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan_netbox import SLUG, asset, customer
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.register.conftest import MadeNetBox

DAY = dt.timedelta(days=1)
NAMES = ["access-report.html", "access-report.json", "access-report.txt"]
ACCESS = {
    "msp_access": {
        "break_glass": ["nood"],
        "automation": ["backup"],
        "microsoft_365": {"break_glass": ["nood@bakkerijjansen.example"]},
    }
}


@pytest.fixture
def netbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[MadeNetBox]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = MadeNetBox()
    yield made
    made.stop()


class Made:
    """A customer whose first machine was seen, whose second was not, and whose third has names that can't be read."""

    def __init__(self, store: Store, netbox: MadeNetBox, folder: Path) -> None:
        self.store, self.netbox, self.folder = store, netbox, folder
        devices = [
            asset(1, ACCESS),
            asset(2, {}),
            asset(3, {"msp_access": {"break_glass": "nood"}}),
            asset(4, {}, kind="printer"),
            asset(5, ACCESS, status="tracked"),
        ]
        customer(netbox, devices)
        at = store.now() - DAY
        seen = [
            made_access.look(f"device:{n}", told, at)
            for n, told in ((1, made_access.FILE_SERVER), (3, made_access.TILL))
        ]
        cloud = AccessCheck(SLUG, MICROSOFT_365, "Microsoft 365", at, "ok", made_access.cloud())
        for one in (*seen, cloud):
            keeping.keep(one, dry=False)

    def report(self, *slugs: str, dry_run: bool = False) -> Reports:
        with self.netbox.connect(retries=0) as register:
            return access_report.reports(self.store, register, slugs, self.folder, "Noordkaap IT", dry_run=dry_run)

    def data(self) -> Any:
        return json.loads((self.folder / SLUG / NAMES[1]).read_text())


@pytest.fixture
def made(store: Store, netbox: MadeNetBox, tmp_path: Path) -> Made:
    return Made(store, netbox, tmp_path / "reports")


def test_what_waits_is_delivered_and_told_three_times(made: Made) -> None:
    result = made.report().as_dict()

    assert spool.waiting() == []
    assert sorted(path.name for path in (made.folder / SLUG).iterdir()) == NAMES
    data = made.data()
    assert [(one["name"], one["unknown"]) for one in data["machines"]] == [
        ("srv01", ""),
        ("srv02", "never"),
        ("srv03", ""),
    ]
    kinds = {one["name"]: one["kind"] for one in data["machines"][0]["accounts"]}
    assert (kinds["nood"], kinds["msp"], kinds["anna"]) == ("break-glass", "automation", "person")
    groups = {one["name"]: one["group"] for one in data["microsoft_365"]["people"]}
    assert groups["nood@bakkerijjansen.example"] == "break-glass"
    found = result["customers"][SLUG]
    assert found["blind"] == ["srv02"] and "MSP-ACC-010" in found["wrong"]["srv03"]
    assert found["people"] == data["people"]["counts"]
    assert made.netbox.written == []


def test_again_on_the_same_day_nothing_is_written(made: Made) -> None:
    assert made.report().as_dict()["changed"] is True
    before = {path: path.stat().st_mtime_ns for path in (made.folder / SLUG).iterdir()}
    assert made.report(SLUG).as_dict()["changed"] is False
    assert {path: path.stat().st_mtime_ns for path in (made.folder / SLUG).iterdir()} == before


def test_a_preview_writes_nothing_and_leaves_the_spool(made: Made) -> None:
    result = made.report(dry_run=True)
    assert result.as_dict()["changed"] is True and "Wie kan inloggen" in result.diff()[0]["after"]
    assert not made.folder.exists() and len(spool.waiting()) == 3
    assert made.store.last_access_checks(SLUG) == {}
