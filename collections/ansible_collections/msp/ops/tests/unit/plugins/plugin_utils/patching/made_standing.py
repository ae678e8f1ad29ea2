# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A customer with something of everything that a report on patching tells of: each state, each wait, each outcome."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Contract, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.patching import deciding, events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.compliance import Past, compliance
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import RingTargets, Target
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.planning import Available
from ansible_collections.msp.ops.plugins.plugin_utils.patching.progress import progress
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import (
    Entry,
    HostResult,
    Judged,
    Manifest,
    Scan,
    Update,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import fold
from ansible_collections.msp.ops.plugins.plugin_utils.patching.standing import Standing, UnderWay, standing
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import plan as made_plan

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
NOW = dt.datetime(2026, 6, 20, 12, tzinfo=dt.UTC)
SLUG = "bakkerij-jansen"
NAMES = (
    "jansen-srv01",
    "jansen-nas01",
    "till-front",
    "till-back",
    "office-pc01",
    "office-pc02",
    "oven-panel",
    "jansen-vpn01",
)
MEMBERS = {name: Member(f"device:{number}", name, frozenset()) for number, name in enumerate(NAMES, 1)}
PLATFORM = "debian-12"


def customer(language: str = "nl", name: str = "Bakkerij Jansen") -> Customer:
    terms = Contract("BJ-2025-001", dt.date(2025, 1, 1), None, language=language, timezone="Europe/Amsterdam")
    return Customer(1, SLUG, name, terms)


def judged(name: str, before: str, after: str, patch_class: str = "security", **more: Any) -> Judged:
    return Judged(Update(name, "amd64", before, after, None, True, **more), patch_class, "high", "vendor", "")


def scan(name: str, *updates: Judged, **more: Any) -> Scan:
    made = {"at": NOW - 5 * HOUR, "metadata_at": NOW - 6 * HOUR, "updates": updates, "outcome": "ok", **more}
    member = MEMBERS[name]
    return Scan(SLUG, member.key, f"{name}.{SLUG}", made.pop("at"), made.pop("outcome"), PLATFORM, "apt", **made)


OPENSSL = judged("openssl", "3.0.15-1~deb12u1", "3.0.17-1~deb12u2")
KERNEL = judged("linux-image-amd64", "6.1.140-1", "6.1.158-1")
TZDATA = judged("tzdata", "2025a-0+deb12u1", "2025b-0+deb12u2", "routine")
HELD = judged("libreoffice-core", "4:7.4.7-1", "4:7.4.8-1", held="hold")
POSTGRES = judged("postgresql-15", "15.12-0+deb12u2", "15.14-0+deb12u1")
OLD = scan("oven-panel", OPENSSL, KERNEL, at=NOW - 12 * DAY)
SCANS: Mapping[str, tuple[Scan | None, Scan | None]] = {
    MEMBERS[name].key: (found, found)
    for name, found in {
        "jansen-srv01": scan("jansen-srv01", OPENSSL, KERNEL, TZDATA, POSTGRES),
        "jansen-nas01": scan("jansen-nas01"),
        "till-front": scan("till-front", TZDATA),
        "till-back": scan("till-back", POSTGRES),
        "office-pc01": scan("office-pc01", HELD),
        "jansen-vpn01": scan("jansen-vpn01", reboot=("linux-image-6.1.0-42-amd64",), services=("docker.service",)),
    }.items()
} | {
    MEMBERS["oven-panel"].key: (OLD, scan("oven-panel", outcome="unreachable", updates=None, error="no route")),
}


def _since(days: float, *found: Judged) -> dict[tuple[str, str, str, str], dt.datetime]:
    return {(PLATFORM, one.update.name, "amd64", one.update.candidate): NOW - days * DAY for one in found}


AVAILABLE: Available = {
    **_since(17, KERNEL),
    **_since(3, OPENSSL),
    **_since(2, TZDATA),
    **_since(30, POSTGRES),
    **_since(9, HELD),
    (PLATFORM, "nginx", "amd64", "1.22.1-9+deb12u3"): NOW - 24 * DAY,
    (PLATFORM, "curl", "amd64", "7.88.1-10+deb12u14"): NOW - 20.5 * DAY,
}
TARGETS = {name: Target(f"{name}.{SLUG}", member.key, name, PLATFORM) for name, member in MEMBERS.items()}


def plan(**changed: Any) -> Plan:
    return made_plan(
        **{
            "name": "jansen",
            "exclusions": [
                {
                    "package": "postgresql-*",
                    "assets": ["jansen-srv01", "till-back"],
                    "reason": "The maker of the till's software supports version 15.12 only",
                    "owner": "A. de Vries",
                    "expires": "2026-12-31",
                }
            ],
            **changed,
        }
    )


def _planned(at: dt.datetime, manifest: Manifest, *rings: tuple[str, ...]) -> events.Planned:
    names = ("pilot", "broad")
    targets = tuple(
        RingTargets(name, tuple(TARGETS[host] for host in hosts)) for name, hosts in zip(names, rings, strict=True)
    )
    return events.Planned(at, "security", manifest.hash(), at + 14 * DAY, targets, "timer")


def _ended(
    name: str, outcome: str, at: dt.datetime, changes: dict[str, tuple[str, str]], reason: str = "", **more: Any
) -> events.HostEnded:
    result = HostResult(
        TARGETS[name].host,
        TARGETS[name].asset,
        outcome,
        at,
        {package: before for package, (before, _after) in changes.items()},
        {package: after for package, (_before, after) in changes.items()},
        reason=reason,
        **more,
    )
    return events.HostEnded(at, result, 74)


def _approved(manifest: Manifest, at: dt.datetime) -> events.Approved:
    return events.Approved(at, manifest.hash(), "A. de Vries", "Agreed by mail")


LAST_MONTH = Manifest.of(
    Entry(PLATFORM, name, "amd64", version, patch_class="security")
    for name, version in (
        ("nginx", "1.22.1-9+deb12u3"),
        ("curl", "7.88.1-10+deb12u14"),
        ("vim", "2:9.0.1378-2+deb12u2"),
    )
)
THIS = Manifest.of(
    Entry(PLATFORM, one.update.name, "amd64", one.update.candidate, patch_class="security") for one in (OPENSSL, KERNEL)
)
BEGAN = NOW - 19 * DAY


def _last_month() -> Past:
    nginx = {"nginx:amd64": ("1.22.1-9+deb12u2", "1.22.1-9+deb12u3")}
    both = {**nginx, "curl:amd64": ("7.88.1-10+deb12u12", "7.88.1-10+deb12u14")}
    later = BEGAN + 2 * DAY
    return Past(
        f"{SLUG}-20260601T200000-0f3cbb1c",
        (
            _planned(BEGAN, LAST_MONTH, ("till-front",), ("jansen-srv01", "till-back", "office-pc02")),
            _approved(LAST_MONTH, BEGAN + HOUR),
            _ended("till-front", "patched", BEGAN + 3 * HOUR, both, rebooted=True, healthy=True),
            _ended("jansen-srv01", "patched", later, {**both, "vim:amd64": ("2:9.0.1378-2", "2:9.0.1378-2+deb12u2")}),
            _ended("till-back", "failed", later + HOUR / 4, nginx, "nginx.service has failed"),
            _ended("till-back", "rolled back", later + HOUR / 2, {"nginx:amd64": nginx["nginx:amd64"][::-1]}),
            _ended("office-pc02", "lost", later + HOUR, {}, "no answer since 22:00"),
        ),
        LAST_MONTH,
    )


def _this_month() -> Past:
    began = NOW - 2 * DAY
    host = TARGETS["jansen-nas01"].host
    change = {"openssl:amd64": ("3.0.15-1~deb12u1", "3.0.17-1~deb12u2")}
    return Past(
        f"{SLUG}-20260618T120000-7a1d22c9",
        (
            _planned(began, THIS, ("jansen-nas01",), ("jansen-srv01", "oven-panel")),
            _approved(THIS, began),
            events.RingOpened(began + 8 * HOUR, "pilot"),
            events.BatchStarted(began + 8 * HOUR, "pilot", (host,)),
            _ended("jansen-nas01", "patched", began + 8 * HOUR + HOUR / 20, change, healthy=True),
            events.SoakStarted(began + 9 * HOUR, "pilot", NOW + 8 * HOUR),
        ),
        THIS,
    )


def made(**changed: Any) -> Standing:
    """The customer at noon on 20 June 2026. changed are items of the plan."""
    the_plan = plan(**changed)
    past = [_last_month(), _this_month()]
    since = NOW - 90 * DAY
    found = compliance(the_plan, MEMBERS.values(), SCANS, AVAILABLE, past, since=since, now=NOW)
    rollout = fold(past[1].rollout, past[1].events)
    world = deciding.World(in_scope=frozenset(target.host for target in TARGETS.values()))
    how_far = progress(rollout, the_plan, NOW, deciding.decide(rollout, the_plan, NOW, world))
    under_way = UnderWay.of(how_far, THIS, (host.target for host in rollout.hosts.values()))
    return standing([(the_plan, found)], [under_way], past, ["label-printer"], since=since, now=NOW)


def nobody() -> Standing:
    """A customer without a plan, and without a history."""
    return standing([], [], [], [], since=NOW - 90 * DAY, now=NOW)


def many(number: int) -> Standing:
    """A customer with so many machines, each with an update that waits and a history."""
    members = [Member(f"device:{n}", f"pc{n:05}", frozenset()) for n in range(number)]
    scans = {m.key: (replace(scan("till-front", OPENSSL), asset=m.key),) * 2 for m in members}
    the_plan = plan()
    found = compliance(the_plan, members, scans, AVAILABLE, [], since=NOW - DAY, now=NOW)
    return standing([(the_plan, found)], [], [], [], since=NOW - DAY, now=NOW)
