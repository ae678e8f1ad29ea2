"""A made customer of ten thousand hosts on which two hundred thousand updates wait, and what its hosts answer.

Three platforms, each with some hundred packages in old versions; every host lacks twenty of them, the same ones as
others of its kind or not, as it happens in a fleet that was installed over years. All of it comes from a seed.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.patching.answering import CHECK, Work
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import Assignment, assign
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import (
    EMERGENCY,
    ROUTINE,
    SECURITY,
    Judged,
    Scan,
    Update,
    Version,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

CUSTOMER = "large-office"
HOSTS, EACH = 10_000, 20
PACKAGES = 300
PLATFORMS = ("debian-11", "debian-12", "debian-13")
SEED = 20261126
DAY = dt.timedelta(days=1)
# Since when the versions can be had: long enough for any deferral of the plan below.
KNOWN = 20 * DAY
PLAN: dict[str, Any] = {
    "name": "large",
    "timezone": "Europe/Amsterdam",
    "automatic": True,
    "classes": {
        "emergency": {"deadline": "48h", "windows": "any"},
        "security": {"deadline": "28d", "windows": ["always"]},
        "routine": {"deferral": "7d", "deadline": "75d", "windows": ["always"]},
    },
    "windows": {"always": {"rule": "FREQ=DAILY", "start": "00:00", "duration": "24h", "cutoff": "1m"}},
    "rings": [
        {"name": "pilot", "tag": "msp-ring-pilot", "percent": 5, "soak": "0m", "successes": 1},
        {"name": "early", "tag": "msp-ring-early", "percent": 25, "soak": "0m", "successes": 1},
        {"name": "broad", "tag": "msp-ring-broad", "percent": 70, "soak": "0m", "successes": 1},
    ],
    "apart": [{"name": f"pair-{one}", "assets": [f"host-{one:05}", f"host-{one + 1:05}"]} for one in range(0, 40, 2)],
    "rates": {"at_once": "25%", "most_failures": "1%", "most_lost": "5%"},
    "checks": {"before": [], "after": [{"unit": "ssh.service"}, {"baseline": ["units", "ports"]}]},
    "reboot": "if_needed",
    "rollback": "downgrade",
    "exclusions": [
        {
            "package": "package-29*",
            "assets": [f"host-{one:05}" for one in range(0, 1000, 10)],
            "reason": "The maker of the till's software supports the old version only",
            "owner": "A. de Vries",
            "expires": "2099-12-31",
        }
    ],
}


def assignment() -> Assignment:
    """The plan of every host, as NetBox renders it for each."""
    return assign((member, {names.CONTEXT_PATCH_PLAN: PLAN}) for member in members())


def members() -> Iterator[Member]:
    for number in range(HOSTS):
        yield Member(f"device:{number + 1}", f"host-{number:05}", frozenset({"msp-contracted"}))


def host_names() -> dict[str, str]:
    """Inventory names by asset key."""
    return {member.key: f"{member.name}.{CUSTOMER}" for member in members()}


def scans(now: dt.datetime) -> Iterator[Scan]:
    """First, long ago, one host of each platform that lacked everything; then every host as it is today."""
    chance = random.Random(SEED)  # noqa: S311 (no secret)
    offered = {platform: [_judged(chance, number) for number in range(PACKAGES)] for platform in PLATFORMS}
    hosts = host_names()
    for number, member in enumerate(members()):
        platform = PLATFORMS[number % len(PLATFORMS)]
        if number < len(PLATFORMS):
            yield _scan(member, hosts, platform, now - KNOWN, offered[platform])
        chosen = chance.sample(offered[platform], EACH)
        yield _scan(member, hosts, platform, now - dt.timedelta(minutes=chance.randrange(600)), chosen)


def _scan(member: Member, hosts: Mapping[str, str], platform: str, at: dt.datetime, updates: list[Judged]) -> Scan:
    lists = at - dt.timedelta(minutes=5)
    return Scan(CUSTOMER, member.key, hosts[member.key], at, "ok", platform, "apt", tuple(updates), lists)


def _judged(chance: random.Random, number: int) -> Judged:
    """An update as apt tells it: some versions in between, some of them with holes that they close."""
    patch_class = chance.choices((EMERGENCY, SECURITY, ROUTINE), (1, 45, 54))[0]
    fixes = patch_class != ROUTINE
    between = tuple(
        Version(
            f"1.{number}-{step}",
            "Debian-Security/security" if fixes else "Debian/stable",
            fixes,
            tuple(f"CVE-2026-{chance.randrange(10_000, 99_999)}" for _unused in range(2 if fixes else 0)),
            changelog=True,
        )
        for step in range(1, 4)
    )
    update = Update(
        name=f"package-{number:03}",
        architecture="amd64",
        installed=f"1.{number}-0",
        candidate=between[-1].version,
        origin=between[-1].origin,
        security=fixes,
        versions=between,
        cves=tuple(cve for version in between for cve in version.cves),
        needs=chance.choice(("nothing", "restart", "reboot")),
        source=f"source-{number // 3:03}",
    )
    severity = {EMERGENCY: "critical", SECURITY: "high", ROUTINE: "unknown"}[patch_class]
    return Judged(update, patch_class, severity, "vendor" if fixes else "unknown", "made for the bench")


def answer(work: Work, now: dt.datetime, assets: Mapping[str, str]) -> dict[str, Any]:
    """What a host on which all goes well answers. assets are keys by inventory name."""
    if work.operation == CHECK:
        return {"state": "finished", "healthy": True, "why": ""}
    packages = {f"{one['name']}:{one['architecture']}": one["version"] for one in work.arguments["packages"][:EACH]}
    result = {
        "host": work.host,
        "asset": assets[work.host],
        "outcome": "patched",
        "at": now.isoformat(),
        "before": dict.fromkeys(packages, "1.0-0"),
        "after": packages,
        "rebooted": None,
        "healthy": True,
        "kept_files": [],
        "restarted": ["ssh.service"],
        "reason": "",
        "detail": {"steps": [{"phase": "finished", "at": now.timestamp()}]},
    }
    return {"state": "finished", "changed": True, "result": result}
