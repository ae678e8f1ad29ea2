# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Since when a host runs, by its kernel and its first process. Nothing is written."""

from __future__ import annotations

import os

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host


def parse_boot_time(stat: str, first_process: str, hertz: int) -> float | None:
    """The kernel's boot (/proc/stat) and the start of process 1 after it, which is later in a container."""
    boot = next((line.split()[1] for line in stat.splitlines() if line.startswith("btime ")), None)
    # The name in brackets may have spaces and brackets in it.
    after_name = first_process.rpartition(")")[2].split()
    if boot is None or len(after_name) < 20:
        return None
    return float(boot) + float(after_name[19]) / hertz


def collect(host: Host) -> float | None:
    found = parse_boot_time(host.text("/proc/stat"), host.text("/proc/1/stat"), os.sysconf("SC_CLK_TCK"))
    if found is None:
        host.unknown("uptime", "the kernel does not say when it started")
    return found
