# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A report on a real store and a made NetBox: what is read, written, and left as it is."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Contract, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_report
from ansible_collections.msp.ops.plugins.plugin_utils.desk.opened import plain_entry
from ansible_collections.msp.ops.plugins.plugin_utils.desk.patch_report import Report, Wishes, report, wishes_of
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import RingTargets, Target
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import (
    Entry,
    HostResult,
    Judged,
    Manifest,
    Scan,
    Update,
)
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import data
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan_netbox import (
    SLUG,
    asset,
    customer,
)
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.register.conftest import MadeNetBox

TERMS = Contract("C-1", dt.date(2026, 1, 1), None, language="en", timezone="Europe/Amsterdam")
JANSEN = Customer(1, SLUG, "Bakkerij Jansen", TERMS)
PILOT = [{"id": 1, "slug": "msp-ring-pilot", "name": "pilot", "display": "pilot"}]
MANIFEST = Manifest.of([Entry("debian-12", "openssl", "amd64", "2", patch_class="security")])
HOUR = dt.timedelta(hours=1)


class Made:
    """A customer with three machines: one patched, one on which the same waits, one that nobody looked at."""

    def __init__(self, store: Store, netbox: MadeNetBox, folder: Path) -> None:
        self.store, self.netbox, self.folder = store, netbox, folder
        context = {"msp_patch_plan": data(**{"rings.0.soak": "48h"})}
        customer(netbox, [asset(1, context, tags=PILOT), asset(2, context), asset(3, context)])
        self.now = store.now()
        waiting = Judged(Update("openssl", "amd64", "1", "2", None, True), "security", "high", "vendor", "")
        store.record_scans(
            Scan(SLUG, f"device:{n}", f"srv0{n}.x", self.now - 3 * HOUR, "ok", "debian-12", "apt", (waiting,), self.now)
            for n in (1, 2)
        )
        self.rollout = self._rollout()

    def _rollout(self) -> str:
        began = self.now - 2 * HOUR
        one, two = (Target(f"srv0{n}.x", f"device:{n}", f"srv0{n}", "debian-12") for n in (1, 2))
        rings = (RingTargets("pilot", (one,)), RingTargets("broad", (two,)))
        planned = events.Planned(began, "security", MANIFEST.hash(), began + 300 * HOUR, rings, "timer")
        body = {"manifest": [plain_entry(entry) for entry in MANIFEST.entries], "plan": "office"}
        stored = events.starting(SLUG, "office", "plan", planned, body)
        self.store.record_rollout(stored, fence=0)
        versions = ({"openssl:amd64": "1"}, {"openssl:amd64": "2"})
        result = HostResult(one.host, one.asset, "patched", began + HOUR, *versions)
        history: tuple[events.Event, ...] = (
            events.Approved(began, MANIFEST.hash(), events.THE_PLAN, "automatic"),
            events.RingOpened(began, "pilot"),
            events.BatchStarted(began, "pilot", (one.host,)),
            events.HostEnded(began + HOUR, result, 60),
            events.SoakStarted(began + HOUR, "pilot", began + 49 * HOUR),
        )
        for number, event in enumerate(history, 2):
            self.store.append_event(stored.id, number, events.stored(event), 0)
        return stored.id

    def report(self, days: int = 90, *, dry_run: bool = False) -> Report:
        with self.netbox.connect(retries=0) as register:
            return report(self.store, register, JANSEN, Wishes(self.folder, "Noordkaap IT", days), dry_run=dry_run)


@pytest.fixture
def netbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[MadeNetBox]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = MadeNetBox()
    yield made
    made.stop()


@pytest.fixture
def made(store: Store, netbox: MadeNetBox, tmp_path: Path) -> Made:
    return Made(store, netbox, tmp_path / "reports")


def test_a_report_joins_netbox_and_the_store_and_says_it_three_times(made: Made) -> None:
    found = made.report()

    folder = made.folder / SLUG
    assert sorted(path.name for path in folder.iterdir()) == [
        "patch-report.html",
        "patch-report.json",
        "patch-report.txt",
    ]
    said = (folder / "patch-report.txt").read_text()
    assert "Of 3 machines with an update plan, 2 are up to date in time." in said
    assert "Of 1 machine we do not know: srv03" in said
    assert "The rollout under way" in said and "group pilot has to run well until" in said
    assert "openssl 1 to 2" in (folder / "patch-report.html").read_text()
    data = json.loads((folder / "patch-report.json").read_text())
    assert (data["customer"], data["assets"]["in time"], data["assets"]["unknown"]) == (SLUG, 2, 1)
    (plan,) = data["plans"]
    assert [(wait["kind"], wait["assets"], wait["rollout"]) for wait in plan["waits"]] == [
        ("rollout", ["srv02"], made.rollout)
    ]
    assert [(one["name"], one["outcome"]) for one in data["history"]] == [("srv01", "patched")]
    assert data["rollouts"][0]["state"] == "soaking"
    assert found.as_dict()["page"].endswith("patch-report.html")
    assert made.netbox.written == []


def test_what_somebody_stopped_waits_for_a_person(made: Made) -> None:
    stored = made.store.rollout(made.rollout)
    assert stored is not None
    happened: tuple[events.Event, ...] = (
        events.AbortAsked(made.now, "anna", "the maker sends another"),
        events.Aborted(made.now, ("srv02.x",)),
    )
    for number, event in enumerate(happened, len(stored.events) + 1):
        made.store.append_event(made.rollout, number, events.stored(event), 0)
    made.report()
    (plan,) = json.loads((made.folder / SLUG / "patch-report.json").read_text())["plans"]
    (wait,) = plan["waits"]
    assert (wait["kind"], wait["updates"], wait["what"]) == (
        "given up",
        ["openssl"],
        [f"{made.rollout} with it was aborted by anna"],
    )


def test_what_somebody_stopped_long_ago_waits_for_a_person_still(made: Made) -> None:
    at = made.now - 200 * 24 * HOUR
    over: tuple[events.Event, ...] = (events.AbortAsked(made.now, "anna", "wrong"), events.Aborted(made.now))
    for number, end in enumerate(over, 7):
        made.store.append_event(made.rollout, number, events.stored(end), 0)
    manifest = Manifest.of([Entry("debian-12", "nginx", "amd64", "2", patch_class="security")])
    rings = (RingTargets("broad", (Target("srv02.x", "device:2", "srv02", "debian-12"),)),)
    planned = events.Planned(at, "security", manifest.hash(), at + 300 * HOUR, rings, "timer")
    body = {"manifest": [plain_entry(entry) for entry in manifest.entries], "plan": "office"}
    stored = events.starting(SLUG, "office", "plan", planned, body)
    made.store.record_rollout(stored, fence=0)
    ended: tuple[events.Event, ...] = (events.AbortAsked(at, "bram", "breaks the till"), events.Aborted(at))
    for number, end in enumerate(ended, 2):
        made.store.append_event(stored.id, number, events.stored(end), 0)
    nginx = Judged(Update("nginx", "amd64", "1", "2", None, True), "security", "high", "vendor", "")
    scanned = made.now - HOUR
    made.store.record_scans([Scan(SLUG, "device:2", "srv02.x", scanned, "ok", "debian-12", "apt", (nginx,), scanned)])

    made.report()

    (plan,) = json.loads((made.folder / SLUG / "patch-report.json").read_text())["plans"]
    (wait,) = plan["waits"]
    assert (wait["kind"], wait["what"]) == ("given up", [f"{stored.id} with it was aborted by bram"])


def test_a_second_report_of_the_same_changes_nothing(made: Made) -> None:
    assert made.report().as_dict()["changed"]
    again = made.report()
    assert (again.as_dict()["changed"], again.files.changed) == (False, ())


def test_a_preview_writes_nothing_and_shows_what_it_would_say(made: Made) -> None:
    found = made.report(dry_run=True)
    assert found.as_dict()["changed"] and not made.folder.exists()
    assert found.files.diff()["before"] == "" and "Machine by machine" in found.files.diff()["after"]


def test_a_rollout_whose_plan_is_gone_is_told_and_not_left_out(made: Made) -> None:
    made.netbox.tables["dcim/devices"] = [
        {**row, "config_context": {}, "local_context_data": None} for row in made.netbox.tables["dcim/devices"]
    ]
    found = made.report()
    assert [one.rollout for one in found.standing.stuck] == [made.rollout]
    assert found.standing.without == ("srv01", "srv02", "srv03")
    assert "NetBox has no patch plan office" in " ".join(found.files.diff()["after"].split())


def test_where_netbox_or_the_plan_cannot_be_read_there_is_no_report_at_all(made: Made) -> None:
    made.netbox.failures = [500] * 9
    with pytest.raises(MspError):
        made.report()
    assert not made.folder.exists()


def test_only_the_period_is_told_of_and_it_begins_with_a_day_of_the_customer(made: Made) -> None:
    since = made.report(1).standing.since
    local = since.astimezone(made.report().standing.plans[0].plan.zone)
    assert (local.hour, local.minute, local.second) == (0, 0, 0)
    assert dt.timedelta(days=1) <= made.now - since < dt.timedelta(days=2, hours=2)


@pytest.mark.parametrize("days", [0, -1, patch_report.LONGEST_DAYS + 1])
def test_days_that_make_no_sense_are_refused(days: int) -> None:
    with pytest.raises(MspError) as refused:
        wishes_of({"path": "x", "made_by": "y", "days": days})
    assert refused.value.code == "MSP-PAT-165"
    assert replace(wishes_of({"path": "x", "made_by": "y", "days": 1}), days=2).days == 2
