# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What people ask of rollouts, between and in the middle of ticks, on a real store."""

from __future__ import annotations

import datetime as dt

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import steering
from ansible_collections.msp.ops.plugins.plugin_utils.desk.opened import Opened
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.patching import asking, events
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.desk.made_desk import (
    CONTENT,
    ONE,
    SLUG,
    Desk,
    asked,
    well,
)


def test_what_waits_for_a_person_is_approved_by_its_manifest_alone(desk: Desk) -> None:
    desk.content = {**CONTENT, "automatic": False}
    desk.waits()
    desk.tick(well)
    right = asked("approve", "agreed", manifest=desk.store.rollouts(SLUG)[0].manifest_hash)

    with pytest.raises(MspError) as refused:
        steering.asked(desk.store, asked("approve", manifest="other"), check=False)
    assert refused.value.code == "MSP-PAT-072"
    steering.asked(desk.store, right, check=True)
    assert desk.rollout().approval is None
    steering.asked(desk.store, right, check=False)

    approval = desk.rollout().approval
    assert approval is not None
    assert (approval.by, approval.reason) == ("anna", "agreed")
    desk.tick(well)
    assert desk.rollout().hosts[ONE].state == "patched"


def test_a_pause_in_the_middle_of_a_batch_holds_from_the_next_step_on(desk: Desk) -> None:
    desk.waits()
    first = desk.round()

    steering.asked(desk.store, asked("pause", "the baker calls"), check=False)
    desk.round(first.tick, {ONE: well(ONE, "start")}, last=True)
    desk.tick(well)

    assert desk.rollout().hosts[ONE].state == "patched"
    assert [host.begins for host in desk.rollout().hosts.values()] == [1, 0, 0]
    steering.asked(desk.store, asked("resume"), check=False)
    desk.to_the_end()
    assert [host.begins for host in desk.rollout().hosts.values()] == [1, 1, 1]


def test_what_a_person_asks_while_another_run_writes_and_takes_over_is_recorded_after_that(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading and writing another controller takes the lease, and writes."""
    desk.waits()
    desk.tick(well)
    ask = asking.ask
    told: list[bool] = []

    def meanwhile(*arguments: object, **more: object) -> asking.Asked:
        if not told:
            lease = leases.take(desk.store, f"patch:{SLUG}", "another")
            leases.release(desk.store, lease)
            one = Opened.of(desk.store, desk.store.rollouts(SLUG)[0], lease.fence)
            told.append(one.history.decided(events.Paused(desk.store.now(), "bert", "first")))
        return ask(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(asking, "ask", meanwhile)
    steering.asked(desk.store, asked("abort", "second"), check=False)

    assert told == [True]
    kinds = [event.kind for event in events.of(desk.store.rollouts(SLUG)[0])]
    assert kinds[-2:] == ["paused", "abort asked"]


def test_others_that_always_write_first_are_told_of(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.waits()
    desk.tick(well)
    monkeypatch.setattr(steering, "_added", lambda _one, _event: False)

    with pytest.raises(MspError) as refused:
        steering.asked(desk.store, asked("pause"), check=False)

    assert refused.value.code == "MSP-PAT-075"


@pytest.mark.parametrize(("rollout", "found"), [("", "none open"), ("r9", "none open")])
def test_a_person_speaks_of_an_open_rollout(desk: Desk, rollout: str, found: str) -> None:
    with pytest.raises(MspError) as refused:
        steering.asked(desk.store, asked("pause", rollout=rollout), check=False)

    assert (refused.value.code, refused.value.found) == ("MSP-PAT-142", found)


def test_the_status_is_of_the_open_rollouts_and_writes_nothing(desk: Desk) -> None:
    desk.waits()
    assert steering.status(desk.store, None, SLUG)["rollouts"] == []  # type: ignore[arg-type]
    desk.tick(well)
    before = desk.rollout().number

    found = steering.status(desk.store, None, SLUG)  # type: ignore[arg-type]

    assert found["rollouts"][0]["rings"][0]["hosts"] == {"patched": 1}
    assert found["changed"] is False
    assert desk.rollout().number == before


def test_the_status_is_what_the_store_says_and_what_comes_next_is_told_apart_from_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No tick ran: the schedule may be dead."""
    desk.content = {**CONTENT, "automatic": False}
    desk.waits()
    desk.tick(well)
    desk.content = CONTENT

    (approved,) = steering.status(desk.store, None, SLUG)["rollouts"]  # type: ignore[arg-type]
    assert (approved["state"], approved["next"], approved["why"]) == ("planned", "step", "automatic: true")
    clock = desk.store.now
    monkeypatch.setattr(desk.store, "now", lambda: clock() + dt.timedelta(days=15))
    found = steering.status(desk.store, None, SLUG)  # type: ignore[arg-type]

    (late,) = found["rollouts"]
    assert (late["state"], late["side"], late["over"]) == ("planned", None, False)
    assert late["why"].startswith("the deadline ")
    assert "planned, 0 of 3 hosts done" in found["summary"][0]


def test_the_status_begins_no_host_that_only_the_next_tick_would(desk: Desk) -> None:
    desk.content = {**CONTENT, "automatic": False}
    desk.waits()
    desk.tick(well)
    manifest = desk.store.rollouts(SLUG)[0].manifest_hash
    steering.asked(desk.store, asked("approve", "agreed", manifest=manifest), check=False)

    (said,) = steering.status(desk.store, None, SLUG)["rollouts"]  # type: ignore[arg-type]

    assert (said["state"], said["why"]) == ("approved", "ring pilot begins")
    assert said["rings"][0]["hosts"] == {"waiting": 1}
