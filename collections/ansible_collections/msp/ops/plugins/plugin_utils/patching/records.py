# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What waits on a host, what of it is to be installed, and what became of that, as dataclasses. Pure: no I/O.

All times are timezone-aware UTC. customer is the tenant's slug; asset is contract.records.Asset.key.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing

# Classes of updates, most urgent first: what is exploited, or critical and exposed; what closes a hole; the rest.
EMERGENCY, SECURITY, ROUTINE = CLASSES = ("emergency", "security", "routine")
# Severities, worst first. "unknown": nobody rated it, which is not the same as low.
SEVERITIES = ("critical", "high", "medium", "low", "unknown")
# Who decided a severity or a class, most trusted first.
RULES = ("known exploited", "vendor", "cvss", "unknown")


@dataclass(frozen=True, slots=True)
class Version:
    """One version that lies between the installed one and the candidate, the candidate itself included.

    origin is label and suite ("Debian-Security/bookworm-security"); security: it came from a security archive. cves are
    those that its own changelog entry names; empty with changelog False means that nobody could read it.
    """

    version: str
    origin: str | None
    security: bool
    cves: tuple[str, ...] = ()
    changelog: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """One package that has a newer version, as a host's package manager told it.

    security is None where the manager has no metadata that could say ("no metadata" is never "nothing to do"). held
    says why the package does not move: "hold", "phased 30 %", "versionlock", "pinned"; empty: it moves. installs and
    removes are the packages that come and go with it. needs is what takes effect only after it: "reboot", "restart",
    "nothing" or "unknown"; services are the units that run with its files ("init.scope" is systemd itself). vendor is
    the vendor's own word for its severity, as printed; advisories are ids such as "DSA-5999-1". source is the source
    package that it is built from, source_from and source_to that one's versions, which trackers count by; empty where
    the manager does not tell.
    """

    name: str
    architecture: str
    installed: str
    candidate: str
    origin: str | None
    security: bool | None
    versions: tuple[Version, ...] = ()
    cves: tuple[str, ...] = ()
    advisories: tuple[str, ...] = ()
    vendor: str = ""
    held: str = ""
    installs: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    needs: str = "unknown"
    services: tuple[str, ...] = ()
    source: str = ""
    source_from: str = ""
    source_to: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """An update with its class. rule is one of RULES, source what said so ("CISA KEV 2026-11-20: CVE-2026-1234").

    exploited: a CVE of it is known to be exploited. cvss is the worst score known, epss the highest probability. kept
    is the day of the scan that judged it so, where the last one knew less ("2026-11-20", carried.py); else empty.
    """

    update: Update
    patch_class: str
    severity: str
    rule: str
    source: str
    exploited: bool = False
    cvss: float | None = None
    epss: float | None = None
    kept: str = ""


# The words that begin what a host owes (owing.py); after RESTART comes the unit.
REBOOT, RESTART = "reboot", "restart "
# How an attempt to learn what waits on an asset ended.
SCAN_OUTCOMES = ("ok", "no metadata", "failed", "unreachable", "no_python")


@dataclass(frozen=True, slots=True)
class Scan:
    """One attempt to learn what waits on one asset. updates is None unless outcome is "ok".

    outcome: one of SCAN_OUTCOMES. platform is the distribution and release that
    packages are built for ("debian-12", "fedora-41"). metadata_at is when its package lists were last renewed.
    machine_id is the host's own, "" where it has none or nobody asked. blind says why its list may lack updates, a
    sentence each (no security archive, a source that was never fetched, a broken package database): with any of them
    nothing is known of what waits. Of what is installed already, and not in force: booted_at is when the host started
    (by its own clock), reboot why it needs to again ((): it says that it does not), services the units that run with
    replaced files; each None where nothing on the host can tell. feeds are those that its classes rest on, of an
    earlier scan too where it lacked them: by kind the day of the oldest ("kev": "2026-11-20"). owed_since is when that
    was first found which it finds owed, in the words of owing.py; a scan has it once it is recorded.
    """

    customer: str
    asset: str
    host: str
    at: dt.datetime
    outcome: str
    platform: str = ""
    manager: str = ""
    updates: tuple[Judged, ...] | None = None
    metadata_at: dt.datetime | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    run: str | None = None
    machine_id: str = ""
    blind: tuple[str, ...] = ()
    booted_at: dt.datetime | None = None
    reboot: tuple[str, ...] | None = None
    services: tuple[str, ...] | None = None
    feeds: Mapping[str, str] = field(default_factory=dict)
    owed_since: Mapping[str, dt.datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One version of one package that a rollout installs, on the hosts of one platform that have an older one."""

    platform: str
    name: str
    architecture: str
    version: str
    origin: str | None = field(default=None, compare=False)
    advisories: tuple[str, ...] = field(default=(), compare=False)
    patch_class: str = field(default=ROUTINE, compare=False)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a rollout installs, frozen when it was planned. The order of the entries means nothing."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Manifest:
        return cls(tuple(sorted(set(entries))))

    def hash(self) -> str:
        """What an approval names: it changes with any package, version, platform, origin, advisory or class."""
        return hashing.facts_hash({"entries": [_plain(entry) for entry in self.entries]})

    def for_platform(self, platform: str) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.platform == platform)


def _plain(entry: Entry) -> Mapping[str, Any]:
    return {name: getattr(entry, name) for name in Entry.__slots__}


# What became of a host in a rollout. "lost" is a host that did not answer, or not again; "reboot owed" one on which all
# is installed and well, and only the reboot that was wanted did not come.
OUTCOMES = ("patched", "nothing", "refused", "failed", "lost", "rolled back", "reboot owed")


@dataclass(frozen=True, slots=True)
class HostResult:
    """What became of one host, as it was proved on the host. detail is for people; nothing decides by it.

    before and after are versions by "name:architecture", of the packages that the work touched. rebooted is None where
    no reboot was wanted; True only with the proof (a new boot id or start of PID 1, and the expected kernel). owed is
    what is installed and not in force yet: "reboot: linux-image-6.1.0-42-amd64", "restart docker.service". held is what
    stayed because the host itself holds it back ("nginx: hold"). there are the packages of the manifest that the host
    has in any version, by "name:architecture"; None where nobody told.
    """

    host: str
    asset: str
    outcome: str
    at: dt.datetime
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    rebooted: bool | None = None
    healthy: bool | None = None
    kept_files: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    owed: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    there: tuple[str, ...] | None = None
