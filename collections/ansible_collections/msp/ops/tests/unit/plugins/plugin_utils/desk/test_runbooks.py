# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run of a runbook against a real store and a made host: on record before anything is done, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk import runbooks
from ansible_collections.msp.ops.plugins.plugin_utils.desk.runbooks import Asked, Unreachable
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases, outbox
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import runbooks as kept
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import RunbookRun
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.catalogue import declared
from ansible_collections.msp.ops.plugins.plugin_utils.telling import policy as policies

TILL = Subject("till.bakery", "bakery", "device:1")
ASKED = Asked(declared("service_down"), {"unit": "shop.service"}, event="e1", run="r1")
MENDED = {
    "outcome": "mended",
    "changed": True,
    "found": ["It is down."],
    "did": ["Started it."],
    "reason": "",
    "before": {"active": "failed"},
    "after": {"active": "active"},
}
REBOOT = {**MENDED, "outcome": "gave_up", "did": [], "needs": "reboot", "before": {"pending": True}}


@dataclass
class MadeHost:
    """Answers in turn; an exception is raised. seen is the store's record at each moment that it is asked."""

    store: Store
    answers: list[Any]
    rebooted: Mapping[str, Any] = field(default_factory=dict)
    asked: list[tuple[dict[str, Any], Any]] = field(default_factory=list)
    seen: list[list[RunbookRun]] = field(default_factory=list)

    def ask(self, parameters: Mapping[str, Any], *, after: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        self.asked.append((dict(parameters), after))
        self.seen.append(kept.runs(self.store, "bakery"))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return dict(answer)

    def reboot(self) -> Mapping[str, Any]:
        return self.rebooted


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    with Store.open(f"sqlite:///{tmp_path / 'evidence.db'}", upgrade=True) as opened:
        yield opened


def last(store: Store) -> RunbookRun:
    return kept.runs(store, "bakery")[-1]


def test_a_run_is_on_record_before_the_host_is_asked_and_ends_with_what_it_said(store: Store) -> None:
    host = MadeHost(store, [MENDED])
    done = runbooks.run(store, TILL, ASKED, host, dry=False)
    ((begun,),) = host.seen
    assert (begun.outcome, begun.event, begun.run, begun.parameters["unit"]) == (None, "e1", "r1", "shop.service")
    assert (done["outcome"], done["key"]) == ("mended", begun.key)
    assert (last(store).outcome, last(store).body["did"]) == ("mended", ["Started it."])
    assert last(store).minutes_by_hand == ASKED.declared.minutes_by_hand


def test_a_preview_asks_the_host_and_leaves_no_record(store: Store) -> None:
    done = runbooks.run(store, TILL, ASKED, MadeHost(store, [{**MENDED, "outcome": "would_mend"}]), dry=True)
    assert done["outcome"] == "would_mend"
    assert kept.runs(store, "bakery") == []


@pytest.mark.parametrize("stops", [("all",), ("disk_full", "service_down")])
def test_what_the_customer_stopped_asks_nothing_of_the_host(store: Store, stops: tuple[str, ...]) -> None:
    host = MadeHost(store, [])
    with pytest.raises(MspError, match=r"MSP-RUN-100.*has stopped it"):
        runbooks.run(store, TILL, replace(ASKED, stops=stops), host, dry=False)
    assert host.asked == []


def test_a_parameter_of_another_form_asks_nothing_of_the_host(store: Store) -> None:
    host = MadeHost(store, [])
    with pytest.raises(MspError, match="MSP-RUN-01"):
        runbooks.run(store, TILL, replace(ASKED, parameters={"unit": "$(id).service"}), host, dry=False)
    assert host.asked == []
    assert kept.runs(store, "bakery") == []


def test_the_limit_of_a_day_asks_nothing_of_the_host(store: Store) -> None:
    times = ASKED.declared.limits.per_asset_a_day
    for _run in range(times):
        runbooks.run(store, TILL, ASKED, MadeHost(store, [MENDED]), dry=False)
    host = MadeHost(store, [])
    with pytest.raises(MspError, match=r"MSP-RUN-100.*in the last 24 hours"):
        runbooks.run(store, TILL, ASKED, host, dry=False)
    assert (host.asked, len(kept.runs(store, "bakery"))) == ([], times)


def test_a_module_that_broke_and_a_host_that_did_not_answer_are_outcomes_on_record(store: Store) -> None:
    done = runbooks.run(store, TILL, ASKED, MadeHost(store, [{"failed": True, "msg": "no python"}]), dry=False)
    assert (done["outcome"], last(store).body["reason"]) == ("failed", "no python")
    done = runbooks.run(store, TILL, ASKED, MadeHost(store, [Unreachable("no route to host")]), dry=False)
    assert (done["outcome"], done["changed"]) == ("gave_up", False)
    assert "no route to host" in last(store).body["reason"]


def test_a_restart_comes_back_and_is_measured_again_by_what_was_before(store: Store) -> None:
    host = MadeHost(store, [REBOOT, MENDED])
    assert runbooks.run(store, TILL, ASKED, host, dry=False)["outcome"] == "mended"
    assert host.asked[1][1]["before"] == {"pending": True}


@pytest.mark.parametrize(
    ("answers", "rebooted"),
    [([REBOOT], {"failed": True, "msg": "timed out"}), ([REBOOT, Unreachable("no route")], {})],
)
def test_a_host_that_does_not_come_back_has_been_restarted_on_record(
    store: Store, answers: list[Any], rebooted: Mapping[str, Any]
) -> None:
    done = runbooks.run(store, TILL, ASKED, MadeHost(store, list(answers), rebooted), dry=False)
    assert (done["outcome"], done["changed"]) == ("gave_up", True)
    assert "restarted the host" in last(store).body["did"]


def test_two_at_once_on_one_asset_are_refused_and_a_dead_one_holds_it_for_half_a_minute(store: Store) -> None:
    name = "runbook bakery/device:1"
    with leases.holding(store, name), pytest.raises(MspError, match="MSP-EVD-015"):
        runbooks.run(store, TILL, ASKED, MadeHost(store, []), dry=False)

    class Killed(BaseException):
        """As a process that is killed: nothing is put on record any more."""

    lease = leases.take(store, name, "a process that was killed", runbooks.LEASE_SECONDS)
    assert (lease.expires - store.now()).total_seconds() <= 30
    leases.release(store, lease)
    with pytest.raises(Killed):
        runbooks.run(store, TILL, ASKED, MadeHost(store, [Killed()]), dry=False)
    assert last(store).outcome is None
    assert runbooks.run(store, TILL, ASKED, MadeHost(store, [MENDED]), dry=False)["outcome"] == "mended"


@pytest.mark.thorough
def test_a_run_longer_than_its_lease_keeps_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runbooks, "LEASE_SECONDS", 2.0)
    renewed: list[bool] = []

    @dataclass
    class Slow(MadeHost):
        def ask(self, parameters: Mapping[str, Any], *, after: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
            began = self.store.now()
            while (self.store.now() - began).total_seconds() < 3.0:
                renewed.append(leases.live(self.store, "runbook bakery/device:1") != [])
            return super().ask(parameters, after=after)

    runbooks.run(store, TILL, ASKED, Slow(store, [MENDED]), dry=False)
    assert all(renewed)


def test_who_has_to_know_is_told_when_it_is_on_record(store: Store) -> None:
    told = policies.read(
        "channels: {desk: {environment: DESK}}\n"
        "default: {language: en, time_zone: Europe/Amsterdam, gave_up: [desk]}\n",
        "telling.yml",
    )
    host = MadeHost(store, [{**MENDED, "outcome": "gave_up", "reason": "it does not stay up"}])
    runbooks.run(store, TILL, ASKED, host, dry=False, told=told)
    ((message, _due, _tries),) = outbox.waiting(store)
    assert "it does not stay up" in message.body["text"]
