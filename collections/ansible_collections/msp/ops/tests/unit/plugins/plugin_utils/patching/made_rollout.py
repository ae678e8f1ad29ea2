# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rollout for tests: two rings, one host in the first and three in the second, and the events of its way."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.deciding import World
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Event, RingTargets, Target
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import HostResult
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Rollout, fold
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import plan as made_plan

MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
# A Tuesday at noon; the window opens at 22:00 in Amsterdam, which is 20:00 UTC, and takes hosts until 23:00 UTC.
NOON = dt.datetime(2026, 6, 9, 12, tzinfo=dt.UTC)
EVENING = NOON.replace(hour=20)
NAMES = ("till", "db1", "db2", "mail")
TARGETS = {name: Target(name, f"device:{number}", name, "debian-12") for number, name in enumerate(NAMES)}
RINGS = (
    RingTargets("pilot", (TARGETS["till"],)),
    RingTargets("broad", (TARGETS["db1"], TARGETS["db2"], TARGETS["mail"])),
)
PLANNED = events.Planned(NOON, "security", "hash", NOON + 14 * DAY, RINGS, "anna")
APPROVED = events.Approved(NOON, "hash", "anna", "looked at it")
EVERYBODY = World(in_scope=frozenset(NAMES))


def plan(**changed: Any) -> Plan:
    """The plan of the rollout: three hosts at once, one may fail and one be lost, nobody is asked for security."""
    return made_plan(**{"rates": {"at_once": 3, "most_failures": 1, "most_lost": 1}, **changed})


def rollout(*history: Event) -> Rollout:
    """A rollout that was planned, and then this."""
    return fold("r1", (PLANNED, *history))


def opened(ring: str, at: dt.datetime = EVENING) -> events.RingOpened:
    return events.RingOpened(at, ring)


def batch(ring: str, *hosts: str, at: dt.datetime = EVENING) -> events.BatchStarted:
    return events.BatchStarted(at, ring, hosts)


def ended(
    host: str, outcome: str = "patched", at: dt.datetime = EVENING, seconds: float | None = None, **more: Any
) -> events.HostEnded:
    return events.HostEnded(at, HostResult(host, TARGETS[host].asset, outcome, at, **more), seconds)


def soaking(ring: str, at: dt.datetime = EVENING, soak: dt.timedelta = DAY) -> events.SoakStarted:
    return events.SoakStarted(at, ring, at + soak)


def passed(ring: str, at: dt.datetime = EVENING + DAY, **unwell: str) -> events.GatePassed:
    return events.GatePassed(at, ring, events.Counts(), "well", unwell)


def failed(ring: str, at: dt.datetime = EVENING + DAY, **unwell: str) -> events.GateFailed:
    return events.GateFailed(at, ring, events.Counts(), "not well", unwell)


PILOT: tuple[Event, ...] = (
    APPROVED,
    opened("pilot"),
    batch("pilot", "till"),
    ended("till"),
    soaking("pilot"),
)
BROAD: tuple[Event, ...] = (*PILOT, passed("pilot"), opened("broad", EVENING + 2 * DAY))
