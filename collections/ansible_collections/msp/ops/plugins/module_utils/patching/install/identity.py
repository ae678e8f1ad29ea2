# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which machine this is, and which boot of it: what proves that a reboot happened. It changes nothing.

A container shares the kernel of its host, whose boot id does not change when the container reboots: there the start of
process 1 tells one boot from another.
"""

from __future__ import annotations

import os

from ansible_collections.msp.ops.plugins.module_utils.audit import reboot, virtualisation
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

BOOT_ID = "/proc/sys/kernel/random/boot_id"
_MARKS = ("/run/reboot-required", "/var/run/reboot-required")


def machine_id(host: Host) -> str | None:
    return host.line("/etc/machine-id")


def parse_start(stat: str) -> str:
    """The start of a process out of its /proc/PID/stat, in the kernel's ticks; its name may have brackets in it."""
    words = stat.rpartition(")")[2].split()
    return words[19] if len(words) > 19 else ""


def boot(host: Host) -> dict:
    """This boot: {"container", "boot_id", "first_process", "kernel"}."""
    kind = virtualisation.collect(host)["type"]
    return {
        "container": kind in virtualisation.CONTAINERS,
        "boot_id": host.line(BOOT_ID),
        "first_process": parse_start(host.text("/proc/1/stat")),
        "kernel": os.uname().release,
    }


def another_boot(before: dict, now: dict) -> bool:
    """Whether the machine was started anew between the two."""
    what = "first_process" if now["container"] else "boot_id"
    return bool(before.get(what)) and bool(now.get(what)) and before[what] != now[what]


def expected_kernel(host: Host, now: dict) -> str | None:
    """What should run after a reboot; None in a container, which has no kernel of its own, and where nothing tells."""
    return None if now["container"] else reboot.newest_kernel(now["kernel"], host.names("/boot"))


def reboot_reasons(host: Host, now: dict) -> list[str]:
    """Why the host should be rebooted, by its own marks; empty when none says so."""
    reasons = []
    for name in _MARKS:
        if host.exists(name):
            packages = sorted(set((host.line(name + ".pkgs") or "").split()))
            reasons.append("asked for by %s" % (", ".join(packages) or "the system"))
            break
    newest = expected_kernel(host, now)
    if newest and newest != now["kernel"]:
        reasons.append("kernel %s is installed, %s runs" % (newest, now["kernel"]))
    return reasons
