# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The worker against a real store, with a NetBox and a runner that are made: what becomes of what came in.

The whole way with a real NetBox and real playbooks is in tests/test_events.py.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import held_work, receiving
from ansible_collections.msp.ops.plugins.plugin_utils.desk.held_work import HELD_SECONDS, Held
from ansible_collections.msp.ops.plugins.plugin_utils.desk.playbooks import Work
from ansible_collections.msp.ops.plugins.plugin_utils.desk.running import FAILED, LOST, OK, Ran, first_error
from ansible_collections.msp.ops.plugins.plugin_utils.desk.working import TRIES, Told, Worker
from ansible_collections.msp.ops.plugins.plugin_utils.events.records import Event
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import incoming, leases, outbox
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import EventOutcome
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.telling import policy as policies

CHANGED = ("custom_fields.msp_contract_status",)


@dataclass
class MadeNetBox:
    """Two assets of one customer, as the client reads them. down: it does not answer."""

    status: dict[int, str] = field(default_factory=lambda: {1: "contracted", 2: "contracted"})
    standard: bool = True
    down: bool = False
    journals: list[tuple[int, str, str]] = field(default_factory=list)
    refuses_journals: bool = False
    asked: Callable[[], object] | None = None

    def __enter__(self) -> Self:
        if self.down:
            raise MspError("MSP-REG-002", "an answer", "none", "wait")
        return self

    def __exit__(self, *_unused: object) -> None:
        return None

    def row(self, endpoint: str, id: int, _fields: Sequence[str] = ()) -> dict[str, Any]:
        if self.asked is not None:
            self.asked()
        if endpoint == "extras/config-contexts":
            return {"id": id, "data": {"msp_patch_plan": {}}, "tenants": []}
        if endpoint == "tenancy/tenants":
            fields = {"msp_contract_id": "B-1", "msp_contract_start": "2020-01-01"}
            return {"id": 7, "slug": "bakery", "name": "Bakery", "custom_fields": fields}
        if id not in self.status:
            raise MspError("MSP-REG-009", "it", "nothing", "check")
        context = {"msp_standard": {"name": "linux-server"}} if self.standard else {}
        return {
            "id": id,
            "name": f"till{id}",
            "tenant": {"id": 7, "slug": "bakery"},
            "tags": [],
            "custom_fields": {"msp_contract_status": {"value": self.status[id], "label": ""}},
            "config_context": context,
        }

    def rows(self, endpoint: str, **_filters: Any) -> list[dict[str, Any]]:
        if endpoint == "tenancy/tenants":
            fields = {"msp_contract_id": "B-1", "msp_contract_start": "2020-01-01"}
            slugs = ("bakery", "dentist", "garage")
            return [{"id": id, "slug": slug, "name": slug, "custom_fields": fields} for id, slug in enumerate(slugs, 7)]
        return [{"id": id, "name": f"till{id}"} for id in self.status] if endpoint == "dcim/devices" else []

    def journal(self, _kind: str, id: int, text: str, *, level: str = "info") -> None:
        if self.refuses_journals:
            raise MspError("MSP-REG-007", "that NetBox takes it", "HTTP 400", "correct it")
        self.journals.append((id, text, level))


@dataclass
class MadeRunner:
    """Answers for each playbook; during is done while one runs."""

    answers: Mapping[str, Ran] = field(default_factory=dict)
    ran: list[Work] = field(default_factory=list)
    during: Callable[[Callable[[], bool]], None] | None = None

    def run(self, work: Work, ours: Callable[[], bool]) -> Ran:
        self.ran.append(work)
        if self.during:
            self.during(ours)
        return self.answers.get(work.playbook, Ran(OK, "made"))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    with Store.open(f"sqlite:///{tmp_path / 'evidence.db'}", upgrade=True) as opened:
        yield opened


def worker(store: Store, netbox: MadeNetBox, runner: MadeRunner | None = None, name: str = "one") -> Worker:
    return Worker(store, cast(Callable[[], Register], lambda: netbox), runner or MadeRunner(), holder=name)


def comes(store: Store, id: int = 1, request: str = "r", **more: Any) -> None:
    changes = {"changed": CHANGED, **more}
    event = Event("netbox", "dcim.device", str(id), "updated", dt.datetime.now(dt.UTC), (request, str(id)), **changes)
    receiving.take(store, [event], dt.datetime.now(dt.UTC))


def stepped(one: Worker) -> Told:
    told = one.step()
    assert told is not None
    return told


def outcomes(store: Store) -> list[EventOutcome]:
    return incoming.outcomes(store, "bakery")


def test_each_duty_runs_in_its_order_and_netbox_is_told_once(store: Store) -> None:
    netbox, runner = MadeNetBox(), MadeRunner()
    comes(store)
    assert stepped(worker(store, netbox, runner)).outcome == "done"

    assert [work.playbook for work in runner.ran] == ["playbooks/audit.yml", "playbooks/standardise.yml"]
    assert {work.limit for work in runner.ran} == {"till1.bakery,localhost"}
    (outcome,) = outcomes(store)
    assert [work["duty"] for work in outcome.work] == ["audit", "standardise"]
    assert netbox.journals == [(1, "Automatic answer: audit, standardise: done", "success")]
    assert worker(store, netbox).step() is None


def test_the_first_that_fails_ends_it_with_what_it_said(store: Store) -> None:
    runner = MadeRunner({"playbooks/audit.yml": Ran(FAILED, "made", "till1: no route to host")})
    comes(store)
    told = stepped(worker(store, MadeNetBox(), runner))
    assert (told.outcome, told.why) == ("failed", "till1: no route to host")
    assert len(runner.ran) == 1


def test_the_object_as_it_is_now_decides_and_not_the_event(store: Store) -> None:
    netbox, runner = MadeNetBox({1: "excluded"}), MadeRunner()
    comes(store)
    comes(store, 99, "gone")
    assert {stepped(worker(store, netbox, runner)).outcome for _event in range(2)} == {"nothing"}
    assert runner.ran == []
    assert netbox.journals == []


def test_a_netbox_that_does_not_answer_is_waited_for_and_is_no_try(store: Store) -> None:
    netbox = MadeNetBox(down=True)
    comes(store)
    for _again in range(TRIES + 2):
        told = stepped(worker(store, netbox))
        assert (told.outcome, "MSP-REG-002" in told.why) == ("put back", True)
        assert worker(store, netbox).step() is None  # not at once
        store.database.write(_all_due)
    netbox.down = False
    assert stepped(worker(store, netbox)).outcome == "done"


def _all_due(connection: Any) -> None:
    import sqlalchemy as sa

    connection.execute(sa.text("UPDATE event_work SET due = 0, expires = 0"))


def test_what_waits_for_netbox_is_tried_again_ever_later(store: Store) -> None:
    """A quarter of the time that it has waited, at least five seconds and at most five minutes."""
    import sqlalchemy as sa

    for minutes, least, most in ((0, 4, 6), (4, 55, 65), (600, 299, 301)):
        at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)
        event = Event("netbox", "dcim.device", str(minutes), "updated", at, (f"r{minutes}",), changed=CHANGED)
        receiving.take(store, [event], dt.datetime.now(dt.UTC))
        assert stepped(worker(store, MadeNetBox(down=True))).outcome == "put back"
        query = sa.text("SELECT due FROM event_work WHERE event = :id").bindparams(id=event.id)
        with store.database.read() as connection:
            due = int(connection.execute(query).scalar_one()) / 1e6
        assert least <= due - dt.datetime.now(dt.UTC).timestamp() <= most


def test_who_lost_the_claim_while_netbox_was_slow_begins_nothing(store: Store) -> None:
    """NetBox takes so long that the claim runs out and another worker takes it."""
    runner = MadeRunner()
    netbox = MadeNetBox(asked=lambda: store.database.write(_stolen))
    comes(store)
    assert stepped(worker(store, netbox, runner)).outcome == "lost"
    assert runner.ran == []
    assert outcomes(store) == []


def _stolen(connection: Any) -> None:
    import sqlalchemy as sa

    connection.execute(sa.text("UPDATE event_work SET fence = fence + 1, holder = 'another'"))


def test_a_claim_is_ours_by_our_own_clock_for_less_than_it_lasts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that hangs renews nothing; who waits for it must not go on meanwhile."""
    comes(store)
    claimed = incoming.claim(store, "one", HELD_SECONDS)
    assert claimed is not None
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    held = Held(store, claimed, "one", since=100.0)
    assert held.ours()
    now[0] += HELD_SECONDS - held_work.MARGIN_SECONDS
    assert not held.ours()
    assert held.certain()  # the store still has it so, and renews it
    assert held.ours()


def test_a_context_of_several_customers_is_handed_on_as_one_event_for_each(store: Store) -> None:
    """What fails for one keeps nothing from the others, and each has its own on record."""
    event = Event("netbox", "extras.configcontext", "5", "updated", dt.datetime.now(dt.UTC), ("r",), changed=("data",))
    receiving.take(store, [event], dt.datetime.now(dt.UTC))
    runner = MadeRunner()
    runner.during = lambda _ours: None
    failing = MadeRunner({"playbooks/patch_calendar.yml": Ran(FAILED, "made", "no plan")})

    assert stepped(worker(store, MadeNetBox(), runner)).outcome == "done"
    ends = {stepped(worker(store, MadeNetBox(), failing)).outcome}
    ends |= {stepped(worker(store, MadeNetBox(), runner)).outcome for _other in range(2)}

    assert ends == {"failed", "done"}
    assert worker(store, MadeNetBox()).step() is None
    told = {customer: incoming.outcomes(store, customer) for customer in ("bakery", "dentist", "garage")}
    assert {customer: len(one) for customer, one in told.items()} == {"bakery": 1, "dentist": 1, "garage": 1}
    assert sorted(work.variables["customer"] for work in [*runner.ran, *failing.ran]) == sorted(told)
    receiving.take(store, [event], dt.datetime.now(dt.UTC))
    assert worker(store, MadeNetBox()).step() is None


def test_a_runbook_that_another_runs_there_is_waited_for_and_is_no_failure(store: Store) -> None:
    busy = Ran(FAILED, "made", "till1: MSP-EVD-015: expected the lease 'runbook bakery/device:1' to be free")
    comes(store)
    assert stepped(worker(store, MadeNetBox(), MadeRunner({"playbooks/audit.yml": busy}))).outcome == "put back"
    store.database.write(_all_due)
    assert stepped(worker(store, MadeNetBox())).outcome == "done"


def test_a_journal_that_netbox_refuses_is_said_and_the_event_has_ended(store: Store) -> None:
    comes(store)
    told = stepped(worker(store, MadeNetBox(refuses_journals=True)))
    assert (told.outcome, "NetBox was not told: MSP-REG-007" in told.why) == ("done", True)
    assert [one.outcome for one in outcomes(store)] == ["done"]


def test_what_a_host_says_makes_no_link_in_netboxs_journal(store: Store) -> None:
    netbox = MadeNetBox()
    said = "till1: ![x](https://example.com/y) <b>"
    comes(store)
    stepped(worker(store, netbox, MadeRunner({"playbooks/audit.yml": Ran(FAILED, "made", said)})))
    ((_id, text, _level),) = netbox.journals
    assert "\\!\\[x\\]\\(https://example.com/y\\) \\<b\\>" in text


def test_after_four_workers_that_died_on_it_a_person_has_to_look(store: Store) -> None:
    comes(store)
    for _died in range(TRIES):
        assert incoming.claim(store, "dead", 0) is not None
    told = stepped(worker(store, MadeNetBox()))
    assert (told.outcome, "4 workers" in told.why) == ("given_up", True)


def test_what_nobody_could_end_is_told_with_the_last_error_also_where_it_is_nobodys(store: Store) -> None:
    told = policies.read(
        "channels: {desk: {environment: DESK}}\n"
        "default: {language: en, time_zone: Europe/Amsterdam, gave_up: [desk]}\n",
        "telling.yml",
    )
    comes(store)
    for _died in range(TRIES):
        claimed = incoming.claim(store, "broke")
        assert claimed is not None
        incoming.put_back(store, claimed, 0, tried=True, why="MSP-REG-011: no contract start")
    one = worker(store, MadeNetBox())
    one.told = told
    assert stepped(one).outcome == "given_up"
    ((message, _due, _tries),) = outbox.waiting(store)
    assert "MSP-REG-011: no contract start" in message.body["text"]


def test_an_asset_that_another_works_on_is_left_for_later_and_is_no_try(store: Store) -> None:
    runner = MadeRunner()
    comes(store)
    with leases.holding(store, "work bakery/device:1"):
        assert stepped(worker(store, MadeNetBox(), runner)).outcome == "put back"
    assert runner.ran == []
    store.database.write(_all_due)
    assert stepped(worker(store, MadeNetBox(), runner)).outcome == "done"


def test_nothing_is_done_on_an_asset_while_something_is_done_about_its_customer_and_the_other_way_round(
    store: Store,
) -> None:
    comes(store)
    with leases.holding(store, "work bakery"):
        assert stepped(worker(store, MadeNetBox())).outcome == "put back"
    store.database.write(_all_due)
    comes(store, 2, "local", changed=("local_context_data",))
    seen: list[str] = []

    def meanwhile(_ours: Callable[[], bool]) -> None:
        if not seen:
            seen.append("now")
            seen.append(stepped(worker(store, MadeNetBox(), name="two")).outcome)

    assert stepped(worker(store, MadeNetBox(), MadeRunner(during=meanwhile))).outcome == "done"
    assert seen == ["now", "put back"]


def test_assets_of_one_customer_are_worked_on_side_by_side(store: Store) -> None:
    comes(store, 1)
    comes(store, 2)
    seen: list[str] = []

    def meanwhile(_ours: Callable[[], bool]) -> None:
        if not seen:
            seen.append(stepped(worker(store, MadeNetBox(), name="two")).outcome)

    assert stepped(worker(store, MadeNetBox(), MadeRunner(during=meanwhile))).outcome == "done"
    assert seen == ["done"]


def test_who_lost_what_he_was_at_says_nothing_of_it(store: Store) -> None:
    runner = MadeRunner({"playbooks/audit.yml": Ran(LOST, "made", "taken over")})
    comes(store)
    assert stepped(worker(store, MadeNetBox(), runner)).outcome == "lost"
    assert outcomes(store) == []


def test_a_storm_is_one_piece_of_work(store: Store) -> None:
    runner = MadeRunner()
    for number in range(30):
        comes(store, 1, f"request {number}")
    told = stepped(worker(store, MadeNetBox(), runner))
    assert (told.events, len(runner.ran)) == (30, 2)
    assert sorted({one.outcome for one in outcomes(store)}) == ["done", "superseded"]


def test_what_sets_itself_off_again_ends(store: Store) -> None:
    """A playbook whose own work is the next event."""
    netbox, runner = MadeNetBox(standard=False), MadeRunner()
    numbers = iter(range(100))
    runner.during = lambda _ours: comes(store, 1, f"again {next(numbers)}")
    comes(store)
    ends = []
    while (told := worker(store, netbox, runner).step()) is not None:
        ends.append(told.outcome)
    assert ends == ["done"] * 6 + ["refused"]
    assert netbox.journals[-1][2] == "warning"


def test_the_first_error_of_a_run_is_what_a_person_needs() -> None:
    def event(kind: str, **data: Any) -> dict[str, Any]:
        return {"event": kind, "event_data": {"host": "till", **data}}

    events = [
        event("runner_on_ok", res={"msg": "fine"}),
        event("runner_on_failed", ignore_errors=True, res={"msg": "ignored"}),
        event("runner_on_failed", res={"msg": "two\nlines   of it"}),
        event("runner_on_failed", res={"msg": "later"}),
    ]
    assert first_error(events) == "till: two lines of it"
    assert first_error([]) == ""
    assert len(first_error([event("runner_on_failed", res={"msg": "x" * 5000})])) == 600
