"""What a plan answers by itself: limits, approval, exclusions, what may differ per asset."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.patching import plan as plans
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Limit, exclusion_of
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import local, plan


@pytest.mark.parametrize(
    ("limit", "hosts", "of", "at_least_one"),
    [
        (Limit(3), 100, 3, 3),
        (Limit(0), 100, 0, 1),
        (Limit(10, percent=True), 15, 1, 1),
        (Limit(10, percent=True), 9, 0, 1),
        (Limit(100, percent=True), 9, 9, 9),
        (Limit(25, percent=True), 40, 10, 10),
    ],
)
def test_a_limit_is_a_number_or_a_part_rounded_down(limit: Limit, hosts: int, of: int, at_least_one: int) -> None:
    assert (limit.of(hosts), limit.at_least_one(hosts)) == (of, at_least_one)


@pytest.mark.parametrize(
    ("automatic", "expected"),
    [
        (True, {"emergency": True, "security": True, "routine": True}),
        (False, {"emergency": False, "security": False, "routine": False}),
        ("security", {"emergency": True, "security": True, "routine": False}),
    ],
)
def test_automatic_says_which_classes_need_no_approval(automatic: bool | str, expected: dict[str, bool]) -> None:
    made = plan(automatic=automatic)
    assert {name: made.without_approval(name) for name in made.classes} == expected


def test_an_exclusion_covers_its_packages_on_its_assets_until_the_end_of_its_last_day() -> None:
    everywhere = {"package": "linux-image-*", "reason": "r", "owner": "o", "expires": "2026-03-31"}
    somewhere = {**everywhere, "package": "nginx", "assets": ["srv01", "device:7"]}
    made = plan(exclusions=[everywhere, somewhere])
    day, last = local("2026-03-01T12:00"), local("2026-03-31T23:59")

    def covered(package: str, *names: str, at: dt.datetime = day) -> bool:
        return exclusion_of(package, made.exclusions_on(frozenset(names), at)) is not None

    assert covered("linux-image-amd64", "device:1", at=last) and not covered("linux-image", "device:1")
    assert not covered("linux-image-amd64", "device:1", at=last + dt.timedelta(minutes=1))
    assert covered("nginx", "device:1", "srv01") and covered("nginx", "device:7")
    assert not covered("nginx", "device:1", "srv02") and not covered("NGINX", "srv01")


def test_what_may_differ_per_asset_is_not_in_what_is_shared() -> None:
    one, other = plan(checks={"after": [{"tcp": 80}]}, reboot="never", rollback="none"), plan(reboot="always")
    assert one != other and one.shared() == other.shared()
    assert one.shared() != replace(other, rates=replace(other.rates, most_lost=Limit(9))).shared()


def test_a_freeze_holds_back_every_class_but_an_emergency_that_it_allows() -> None:
    freeze = {"from": "2026-12-24", "until": "2026-12-26", "reason": "x", "emergency": "allowed"}
    (allows,) = plan(freezes=[freeze]).freezes
    refuses = replace(allows, emergency=False)
    assert [plans.respects(allows, name) for name in ("emergency", "security", "routine")] == [False, True, True]
    assert plans.respects(refuses, "emergency")
