# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of a host's answer to "what is pending": what every package manager's collect() returns. Pure; no I/O.

`collect(host, wanted) -> dict` of patching/apt.py and patching/dnf.py both return answer(...):

    outcome      "ok", "no metadata" (the host has no package lists, or none that tell security updates from others: it
                 is unknown what is pending) or "failed" (a program broke, a refresh that was asked for did not work)
    why          one sentence for a person; null when outcome is "ok"
    manager      "apt" or "dnf"
    metadata_at  when the package lists were last renewed, "2026-11-20T04:00:00Z"; null when nothing on the disk tells
    refreshed    true when this scan renewed the lists itself
    changed      true when that changed a list: the only thing that a scan ever changes on a host
    updates      list of update(...), sorted by name, architecture; null unless outcome is "ok"
    installs     what a transaction of all updates would install that is not there: list of change(...); null: not known
    removes      what it would remove: list of change(...); null: not known
    broken       what is wrong with the package database, one sentence each; empty: it is sound
    warnings     what a person should know before trusting the list, one sentence each (no security archive, a source
                 that was never fetched, an archive that is pinned away)
    blind        why the list may lack updates that wait, one sentence each: those of the warnings and of broken that
                 say so. With any of them nobody knows that nothing waits
    unknown      what could not be measured: {"what", "why"}, sorted

The dispatcher (patching/pending.py) adds, the same for every manager:

    schema       SCHEMA
    machine_id   of /etc/machine-id, 32 digits; "" where the host has none
    booted_at    when the host was started, by its own clock, "2026-11-20T04:00:00Z"; null: it does not say
    platform     distribution and release that packages are built for: "debian-12", "ubuntu-24.04", "fedora-41"
    reboot       {"needed": true, false or null, "reasons": [...]}: of what is installed already, as the audit says it
    services     units that run with replaced files already, as needrestart says; null: nothing on the host can tell
    seconds      how long the scan took on the host

One update (the fields of plugin_utils/patching/records.py's Update):

    name, architecture, installed, candidate
    origin       of the candidate, label and suite ("Debian-Security/bookworm-security", for dnf the repository's id)
    security     true when any version between came from a security archive (for dnf: is in a security advisory); null
                 when the host has nothing that could tell
    versions     list of version(...): every version above the installed one up to the candidate, oldest first
    cves         of all versions, sorted; advisories: sorted ids ("DSA-5999-1", "FEDORA-2026-0123456789")
    vendor       the vendor's own word for the severity, as printed ("Important"); "" when it has none; the worst where
                 several security advisories lie between
    notices      list of notice(...): the advisories themselves, sorted by id; empty where the manager knows none (apt)
    held         why it does not move: "hold", "phased 30 %", "pinned", "versionlock", "excluded" (by dnf's
                 configuration), "dependencies" (they cannot be met), "broken database" (the manager refuses to work
                 until it is repaired); "" when it moves
    installs     names of packages that are not there yet and come with it; removes: names of packages that go with it
    needs        what takes effect only after it: "reboot", "restart", "nothing", "unknown"
    services     units that run with its files now, sorted; "init.scope" is systemd itself
    source       the source package that it is built from, source_from and source_to that one's versions before and
                 after; "" where the manager does not tell
"""

from __future__ import annotations

from typing import Any

SCHEMA = 1
OK, NO_METADATA, FAILED = "ok", "no metadata", "failed"
REBOOT, RESTART, NOTHING, UNKNOWN = "reboot", "restart", "nothing", "unknown"
HOLD, PINNED, DEPENDENCIES, BROKEN, VERSIONLOCK = "hold", "pinned", "dependencies", "broken database", "versionlock"
EXCLUDED = "excluded"


class Wanted:
    """What a scan is asked for. Seconds and counts are limits; what they leave out is said in `unknown`."""

    __slots__ = ("changelogs", "lock_timeout", "refresh")

    def __init__(self, *, refresh: bool = False, lock_timeout: int = 60, changelogs: bool = False) -> None:
        self.refresh = refresh
        self.lock_timeout = lock_timeout
        self.changelogs = changelogs


def answer(manager: str, outcome: str, why: str | None = None, **values: Any) -> dict:
    """An answer; what is not given is unknown (null) or empty. An outcome that is not "ok" never has updates."""
    found: dict = {
        "outcome": outcome,
        "why": why,
        "manager": manager,
        "metadata_at": None,
        "refreshed": False,
        "changed": False,
        "updates": None,
        "installs": None,
        "removes": None,
        "broken": [],
        "warnings": [],
        "blind": [],
        "unknown": [],
    }
    return _filled(found, values)


def update(name: str, architecture: str, installed: str, candidate: str, **values: Any) -> dict:
    found: dict = {
        "name": name,
        "architecture": architecture,
        "installed": installed,
        "candidate": candidate,
        "origin": None,
        "security": None,
        "versions": [],
        "cves": [],
        "advisories": [],
        "vendor": "",
        "notices": [],
        "held": "",
        "installs": [],
        "removes": [],
        "needs": UNKNOWN,
        "services": [],
        "source": "",
        "source_from": "",
        "source_to": "",
    }
    return _filled(found, values)


def version(
    number: str, origin: str | None, security: bool, cves: list[str] | None = None, *, changelog: bool = False
) -> dict:
    """cves are those of this version's own changelog entry; empty with changelog false means that nobody read it."""
    found = sorted(set(cves or []))
    return {"version": number, "origin": origin, "security": security, "cves": found, "changelog": changelog}


def notice(identity: str, kind: str, severity: str, cves: list[str], *, reboot: bool = False) -> dict:
    """One advisory of a vendor. kind is "security", "bugfix", "enhancement", "newpackage" or "unknown".

    severity is the vendor's word, "" when it gave none; reboot: the vendor suggests a reboot after this package.
    """
    return {"id": identity, "type": kind, "severity": severity, "cves": sorted(set(cves)), "reboot": reboot}


def change(name: str, architecture: str, number: str) -> dict:
    return {"name": name, "architecture": architecture, "version": number}


def _filled(found: dict, values: dict) -> dict:
    """A name that the shape does not have is a slip of the caller, and an error here rather than on the controller."""
    odd = sorted(set(values) - set(found))
    if odd:
        raise TypeError("not in the shape: %s" % ", ".join(odd))
    found.update(values)
    return found
