# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What people asked of rollouts is in the customer's journal once, whatever happens in between. NetBox is made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_journal
from ansible_collections.msp.ops.plugins.plugin_utils.desk.opened import plain_entry
from ansible_collections.msp.ops.plugins.plugin_utils.desk.patch_journal import JOURNAL, tell, tell_at_once
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Entry, Manifest
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan_netbox import SLUG, customer
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import RINGS
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.register.conftest import MadeNetBox

JANSEN = Customer(1, SLUG, "Bakkerij Jansen", None)
NOW = dt.datetime.now(dt.UTC)
MANIFEST = Manifest.of([Entry("debian-12", "openssl", "amd64", "2", patch_class="security")])
OTHERS = {"id": 900, "assigned_object_type": "tenancy.tenant", "assigned_object_id": 2, "comments": "of somebody else"}


class Made:
    """A store with a rollout, and a NetBox that keeps what is written to its journal."""

    def __init__(self, store: Store, netbox: MadeNetBox) -> None:
        self.store, self.netbox = store, netbox
        customer(netbox, [])
        netbox.tables[JOURNAL] = [OTHERS]
        netbox.filters[JOURNAL] = ["id", "id__lt", "assigned_object_type", "assigned_object_id"]
        self.rollout = self.plan(NOW)

    def plan(self, at: dt.datetime, manifest: str = "") -> str:
        manifest = manifest or MANIFEST.hash()
        planned = events.Planned(at, "security", manifest, at + dt.timedelta(days=14), RINGS, "timer")
        body = {"manifest": [plain_entry(entry) for entry in MANIFEST.entries], "plan": "office"}
        stored = events.starting(SLUG, "office", "plan", planned, body)
        self.store.record_rollout(stored, fence=0)
        return stored.id

    def ask(self, event: events.Event, rollout: str = "") -> None:
        stored = self.store.rollout(rollout or self.rollout)
        assert stored is not None
        self.store.append_event(stored.id, len(stored.events) + 1, events.stored(event), 0)

    def tell(self, *, check: bool = False) -> list[str]:
        with self.netbox.connect(retries=0) as register:
            return tell(self.store, register, JANSEN, check=check)

    def keep(self) -> None:
        """What was posted to the made NetBox is there from now on."""
        for method, endpoint, rows in self.netbox.written:
            assert (method, endpoint) == ("POST", JOURNAL)
            self.netbox.tables[JOURNAL] += [{**row, "id": len(self.netbox.tables[JOURNAL]) + 1} for row in rows]
        self.netbox.written.clear()

    def journal(self) -> list[dict[str, Any]]:
        return [row for row in self.netbox.tables[JOURNAL] if row is not OTHERS]


@pytest.fixture
def netbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[MadeNetBox]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = MadeNetBox()
    yield made
    made.stop()


@pytest.fixture
def made(store: Store, netbox: MadeNetBox) -> Made:
    return Made(store, netbox)


def test_an_approval_is_written_to_the_tenant_once(made: Made) -> None:
    made.ask(events.Approved(NOW, MANIFEST.hash(), "A. de Vries", "Agreed by mail"))

    assert made.tell(check=True) and made.netbox.written == []
    first = made.tell()
    made.keep()
    again = made.tell()

    (entry,) = made.journal()
    assert (entry["assigned_object_type"], entry["assigned_object_id"], entry["kind"]) == (
        "tenancy.tenant",
        1,
        "success",
    )
    assert first == [entry["comments"]]
    assert "approved by A. de Vries" in entry["comments"] and "Agreed by mail" in entry["comments"]
    assert (again, made.netbox.written) == ([], [])


def test_where_nobody_asked_anything_netbox_is_not_asked_either(made: Made) -> None:
    made.ask(events.Approved(NOW, MANIFEST.hash(), events.THE_PLAN, "automatic"))
    assert made.tell() == []
    assert JOURNAL not in {endpoint for _method, endpoint, _query in made.netbox.seen}


def test_a_run_that_died_after_the_write_writes_nothing_twice_and_goes_on_with_the_rest(made: Made) -> None:
    made.ask(events.Approved(NOW, MANIFEST.hash(), "anna", "agreed"))
    made.tell()  # and dies: nothing of it is noted anywhere but in NetBox
    made.keep()
    made.ask(events.Paused(NOW, "anna", "stocktaking"))

    made.tell()
    made.keep()

    assert [row["comments"].split(" by ")[0].split()[-1] for row in made.journal()] == ["approved", "paused"]


def test_where_netbox_does_not_answer_it_is_a_warning_and_the_next_run_writes_it(made: Made) -> None:
    made.ask(events.Approved(NOW, MANIFEST.hash(), "anna", "agreed"))

    def down() -> Register:
        raise MspError("MSP-REG-001", "NetBox to answer", "nothing", "start it")

    why = tell_at_once(made.store, down, SLUG)
    assert "MSP-PAT-164" in why and "MSP-REG-001" in why

    made.netbox.refusal = (503, {"detail": "made to fail"})
    assert "MSP-PAT-164" in tell_at_once(made.store, made.netbox.connect, SLUG)
    made.netbox.refusal = None
    made.netbox.written.clear()
    assert tell_at_once(made.store, made.netbox.connect, SLUG) == ""
    made.keep()
    assert len(made.journal()) == 1


def test_a_lost_answer_of_netbox_is_no_second_entry(made: Made) -> None:
    """NetBox took the entry, and its answer never came."""
    made.ask(events.Approved(NOW, MANIFEST.hash(), "anna", "agreed"))
    made.netbox.refusal = (502, b"<html>")
    with pytest.raises(MspError):
        made.tell()
    made.netbox.refusal = None
    made.keep()
    assert made.tell() == []
    assert len(made.journal()) == 1


def test_of_two_runs_at_once_one_writes_and_the_other_leaves_it_to_that_one(made: Made) -> None:
    made.ask(events.Approved(NOW, MANIFEST.hash(), "anna", "agreed"))
    with leases.holding(made.store, f"patch-journal:{SLUG}"):
        assert made.tell() == []
    assert made.netbox.written == []
    assert len(made.tell()) == 1


def test_what_another_run_wrote_before_the_lease_was_ours_is_not_written_again(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.ask(events.Approved(NOW, MANIFEST.hash(), "anna", "agreed"))
    holding = leases.holding

    def late(*arguments: Any, **more: Any) -> Any:
        monkeypatch.setattr(leases, "holding", holding)
        made.tell()
        made.keep()
        return holding(*arguments, **more)

    monkeypatch.setattr(leases, "holding", late)
    assert made.tell() == []
    assert len(made.journal()) == 1


def test_an_old_rollout_that_is_open_is_not_forgotten_and_one_that_is_over_is(made: Made) -> None:
    old = NOW - patch_journal.PAST - dt.timedelta(days=1)
    still_open, over = made.plan(old, "a" * 16), made.plan(old, "b" * 16)
    made.ask(events.Paused(NOW, "anna", "until further notice"), still_open)
    made.ask(events.AbortAsked(old, "anna", "wrong"), over)
    made.ask(events.Aborted(old), over)
    (entry,) = made.tell()
    assert still_open in entry
