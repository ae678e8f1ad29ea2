# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a customer stands: every update that waits is told once, with what it waits for; every attempt is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.patching import standing as standings
from ansible_collections.msp.ops.plugins.plugin_utils.patching.compliance import STATES, UNKNOWN
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import CLASSES
from ansible_collections.msp.ops.plugins.plugin_utils.patching.standing import WAITS, Stuck, Wait, as_dict_of, waits
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import utc
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_standing import (
    DAY,
    HOUR,
    NOW,
    SLUG,
    made,
    nobody,
)

THIS = f"{SLUG}-20260618T120000-7a1d22c9"


def of(kind: str, found: tuple[Wait, ...]) -> Wait:
    (one,) = (wait for wait in found if wait.kind == kind)
    return one


def test_what_waits_for_what() -> None:
    found = made().plans[0].waits
    rollout = of(standings.IN_ROLLOUT, found)
    assert (rollout.rollout, rollout.updates, rollout.assets) == (
        THIS,
        ("linux-image-amd64", "openssl"),
        ("jansen-srv01",),
    )
    assert (rollout.until, rollout.deadline) == (NOW + 8 * HOUR, NOW - 3 * DAY)
    deferred = of(standings.DEFERRED, found)
    assert (deferred.assets, deferred.until) == (("jansen-srv01", "till-front"), utc("2026-07-21T10:00"))
    held = of(standings.HELD, found)
    assert (held.updates, held.what) == (("libreoffice-core",), ("hold",))
    excluded = of(standings.EXCLUDED, found)
    assert excluded.assets == ("jansen-srv01", "till-back")
    assert excluded.what == ("The maker of the till's software supports version 15.12 only (A. de Vries)",)
    assert excluded.deadline is None
    # What an old scan of a silent machine found proves nothing, and is in no rollout by its word.
    assert of(standings.NOT_KNOWN, found).assets == ("oven-panel",)


def test_what_is_due_and_in_no_rollout_waits_for_a_new_one_and_what_never_comes_for_nothing() -> None:
    of_plan = made().plans[0]
    found = tuple(waits(of_plan.plan, of_plan.compliance, [], NOW, {}))
    assert of(standings.NEXT_RUN, found).updates == ("linux-image-amd64", "openssl")
    never = made(**{"batches.monthly": {"rule": "FREQ=DAILY;UNTIL=20260101", "start": "2025-12-31T12:00"}})
    assert of(standings.NEVER, never.plans[0].waits).updates == ("tzdata",)


def test_what_was_given_up_waits_for_a_person_and_not_for_a_new_rollout() -> None:
    of_plan = made().plans[0]
    why = "r7 with it was aborted by anna"
    given_up = {
        ("debian-12", "openssl", "amd64", "3.0.17-1~deb12u2"): why,
        ("debian-12", "openssl", "amd64", "9"): "r8",
    }
    found = tuple(waits(of_plan.plan, of_plan.compliance, [], NOW, given_up))
    given = of(standings.GIVEN_UP, found)
    assert (given.updates, given.what) == (("openssl",), (why,))
    assert of(standings.NEXT_RUN, found).updates == ("linux-image-amd64",)


def test_every_update_that_waits_waits_for_one_thing() -> None:
    for found in (made(), made(exclusions=[]), made(automatic=False)):
        (one,) = found.plans
        items = [(asset.name, item.package) for asset in one.compliance.of_assets for item in asset.waiting]
        told = [(asset, package) for wait in one.waits for asset in wait.assets for package in wait.updates]
        assert set(items) <= set(told)
        assert {wait.kind for wait in one.waits} <= set(WAITS)
        order = [(CLASSES.index(wait.patch_class), WAITS.index(wait.kind)) for wait in one.waits]
        assert order == sorted(order)


def test_every_attempt_is_told_the_newest_first_and_what_was_there_already_is_none() -> None:
    found = made().attempts
    assert [(one.name, one.outcome) for one in found] == [
        ("jansen-nas01", "patched"),
        ("office-pc02", "lost"),
        ("till-back", "rolled back"),
        ("till-back", "failed"),
        ("jansen-srv01", "patched"),
        ("till-front", "patched"),
    ]
    assert found[4].changes[0] == ("curl:amd64", "7.88.1-10+deb12u12", "7.88.1-10+deb12u14")
    assert (found[3].reason, found[5].rebooted) == ("nginx.service has failed", True)


@pytest.mark.parametrize("days", [0, 10])
def test_only_what_was_done_in_the_period_is_told(days: int) -> None:
    found = made()
    of_plan = found.plans[0]
    since = NOW - days * DAY
    told = standings.standing([(of_plan.plan, of_plan.compliance)], [], [], [], since=since, now=NOW)
    assert told.attempts == ()


def test_assets_are_counted_by_state_and_the_worst_come_first() -> None:
    found = made()
    assert found.counts == {"in time": 3, "waived": 1, "owed": 1, "late": 1, UNKNOWN: 2}
    states = [STATES.index(asset.state) for asset in found.assets]
    assert states == sorted(states, reverse=True)
    assert sum(nobody().counts.values()) == 0


def test_the_data_is_plain_and_leaves_nothing_out() -> None:
    found = replace(made(), stuck=(Stuck("r9", "routine", "its plan is gone"),))
    data = as_dict_of(found)
    assert json.loads(json.dumps(data)) == data
    (plan,) = data["plans"]
    assert {asset["name"]: len(asset["waiting"]) for asset in plan["assets"]}["jansen-srv01"] == 4
    owing = next(asset for asset in plan["assets"] if asset["name"] == "jansen-vpn01")
    assert owing["owed"] == ["reboot: linux-image-6.1.0-42-amd64", "restart docker.service"]
    assert plan["time_to_patch"]["security"]["unknown"] == 1
    assert len(data["history"]) == 6
    assert data["rollouts"][0]["rollout"] == THIS
    assert data["stuck"] == [{"rollout": "r9", "class": "routine", "why": "its plan is gone"}]
    assert data["without_plan"] == ["label-printer"]
