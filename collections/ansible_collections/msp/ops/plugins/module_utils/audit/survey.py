# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One audit of one host: every probe in turn, each on its own and bounded in time.

A probe that fails, hangs or may not look is an entry in `unknown` (what, why) and the value null or an empty list;
it never ends the audit, and it never turns into "nothing there".
"""

from __future__ import annotations

import datetime
import os
import time

from ansible_collections.msp.ops.plugins.module_utils.audit import (
    accounts,
    boot,
    disks,
    listening,
    machine,
    neighbours,
    network,
    operating_system,
    packages,
    patches,
    reboot,
    timesync,
    updates,
    virtualisation,
)
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.probing import probe

SCHEMA = 1


def fqdn(name: str, hosts: str) -> str | None:
    """The full name of this host in /etc/hosts; no name server is asked."""
    if "." in name:
        return name
    for line in hosts.splitlines():
        words = line.split("#")[0].split()
        if name in words[1:]:
            return next((word for word in words[1:] if word.startswith(name + ".")), None)
    return None


def audit(host: Host, now: float) -> tuple[dict, dict]:
    """The facts (same host, same facts) and what changes every minute."""
    try:
        return _facts(host, now)
    finally:
        host.close()


def _facts(host: Host, now: float) -> tuple[dict, dict]:
    manager, installed = probe(host, "packages", packages.collect, (None, []))
    # The slow programs start first and work while files are read.
    updates.prepare(host, manager, installed)
    reboot.prepare(host)
    host.prepare("systemd-detect-virt")
    host.prepare("ip", "-j", "addr")
    host.prepare("ip", "-j", "neigh")

    facts: dict = {"schema": SCHEMA}
    facts["os"] = probe(host, "os", operating_system.collect, None)
    facts["hostname"] = probe(host, "hostname", _hostname, {"name": None, "fqdn": None})
    facts["virtualisation"] = probe(host, "virtualisation", virtualisation.collect, {"role": None, "type": None})
    kind = facts["virtualisation"]["type"]
    facts["machine"] = probe(host, "machine", machine.collect, None, kind)
    facts["disks"], facts["encryption"] = probe(host, "disks", disks.collect, ([], None), kind)
    facts["interfaces"] = probe(host, "interfaces", network.collect, [])
    facts["administrators"] = probe(host, "administrators", accounts.collect, [])
    facts["time"] = probe(host, "time", timesync.collect, {"synchronised": None, "service": None}, kind)
    facts["listening"], passing = probe(host, "listening", listening.collect, ([], []))
    facts["patches"] = probe(host, "patches", patches.collect, {"last": None, "history": []}, manager)
    booted = probe(host, "uptime", boot.collect, None)
    seen = probe(host, "neighbours", neighbours.collect, {"neighbours": [], "lldp": []})
    nothing: tuple[dict, dict] = (updates.result(None, "the probe failed"), {})
    facts["updates"], origins = probe(host, "updates", updates.collect, nothing, manager, installed)
    facts["packages"] = packages.rows(installed, origins)
    facts["reboot"] = probe(
        host,
        "reboot",
        reboot.collect,
        {"needed": None, "reasons": []},
        kind,
        installed if manager == "rpm" else [],
        booted,
    )
    listed = probe(host, "metadata", updates.metadata_time, None, manager)
    facts["unknown"] = [{"what": what, "why": why} for what, why in sorted(host.notes)]
    volatile = {
        "at": datetime.datetime.fromtimestamp(now, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "uptime_seconds": None if booted is None else max(0, int(now - booted)),
        "metadata_age_seconds": None if listed is None else max(0, int(now - listed)),
        "neighbours": seen["neighbours"],
        "lldp": seen["lldp"],
        "listening": passing,
    }
    return facts, volatile


def _hostname(host: Host) -> dict:
    name = os.uname().nodename
    hosts = host.text("/etc/hosts") if host.exists("/etc/hosts") else ""
    return {"name": name.split(".")[0], "fqdn": fqdn(name, hosts)}


def timed(host: Host) -> dict:
    """The whole result as the module gives it back: facts, volatile, and how long the audit took."""
    started = time.monotonic()
    facts, volatile = audit(host, time.time())
    return {"facts": facts, "volatile": volatile, "seconds": round(time.monotonic() - started, 3)}
