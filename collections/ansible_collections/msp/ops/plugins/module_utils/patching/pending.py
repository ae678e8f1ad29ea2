# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One scan of one host, whatever its package manager: who is asked, and what is the same for all of them.

The shape of the answer is described in patching/shape.py. Only a refresh that was asked for changes anything.
"""

from __future__ import annotations

import datetime
import re
import time

from ansible_collections.msp.ops.plugins.module_utils.audit import (
    boot,
    operating_system,
    packages,
    reboot,
    virtualisation,
)
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.probing import probe
from ansible_collections.msp.ops.plugins.module_utils.patching import apt, dnf, effects, shape

_MACHINE_ID = re.compile(r"[0-9a-f]{32}")
_NEEDRESTART = ("needrestart", "-b", "-l", "-r", "l")


def timed(host: Host, wanted: shape.Wanted) -> dict:
    """The whole answer, and how long it took. Ends what it started, whatever happens."""
    started = time.monotonic()
    try:
        found = scan(host, wanted)
    finally:
        host.close()
    return dict(found, seconds=round(time.monotonic() - started, 3))


def scan(host: Host, wanted: shape.Wanted) -> dict:
    found = _ask(host, wanted)
    found["schema"] = shape.SCHEMA
    found["platform"] = probe(host, "platform", platform, "")
    found["machine_id"] = probe(host, "machine id", machine_id, "")
    booted = probe(host, "uptime", boot.collect, None)
    found["booted_at"] = None if booted is None else _iso(booted)
    found["reboot"] = probe(host, "reboot", _reboot, {"needed": None, "reasons": []}, found["manager"], booted)
    found["services"] = probe(host, "services", _services, None)
    notes = host.notes | {(note["what"], note["why"]) for note in found["unknown"]}
    found["unknown"] = [{"what": what, "why": why} for what, why in sorted(notes)]
    return found


def _ask(host: Host, wanted: shape.Wanted) -> dict:
    if apt.here(host):
        return apt.collect(host, wanted)
    if dnf.here(host):
        return dnf.collect(host, wanted)
    return shape.answer("", shape.FAILED, "the host has no package manager that is known (apt or dnf)")


def platform(host: Host) -> str:
    """What packages are built for: "debian-12", "ubuntu-24.04"."""
    found = operating_system.platform(host)
    if not found:
        host.unknown("platform", "there is no os-release")
    return found


def machine_id(host: Host) -> str:
    """What tells this machine from any other at its address. An image that was never started has another word there."""
    found = host.line("/etc/machine-id") or ""
    if _MACHINE_ID.fullmatch(found):
        return found
    host.unknown("machine id", "there is none in /etc/machine-id, so nobody can tell whether it is still this machine")
    return ""


def _reboot(host: Host, manager: str, booted: float | None) -> dict:
    """Of what is installed already, as the audit measures it.

    With apt also what the running system has in an older version: Debian's packages leave no mark of it by themselves.
    """
    kind = virtualisation.collect(host)["type"]
    rpms = packages.collect(host)[1] if manager == "dnf" else []
    found = reboot.collect(host, kind, rpms, booted)
    late = effects.replaced_since(host, booted) if manager == "apt" and booted is not None else []
    if late:
        more = {"%s was updated after the last boot" % name for name in late}
        found = {"needed": True, "reasons": sorted({*found["reasons"], *more})}
    return found


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _services(host: Host) -> list[str] | None:
    answer = host.run(*_NEEDRESTART) if host.privileged else None
    if answer is None or answer.status != 0:
        why = "only root can tell" if answer is None else "needrestart " + answer.reason()
        host.unknown("services that run with replaced files", why)
        return None
    return effects.waiting(answer.out)
