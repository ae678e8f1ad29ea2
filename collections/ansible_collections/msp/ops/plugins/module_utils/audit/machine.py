# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The machine: maker, model, serial, processor, memory.

A container has no machine of its own: what the kernel shows there is its host's, which must never identify the
container. Only where somebody mounted another description over the kernel's does it count.
"""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.module_utils.audit import placeholders, virtualisation
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

# SMBIOS reference specification, table 17: system enclosure or chassis types.
_CHASSIS = {
    "3": "desktop", "4": "desktop", "5": "desktop", "6": "desktop", "7": "desktop", "8": "laptop", "9": "laptop",
    "10": "laptop", "11": "handset", "13": "all-in-one", "14": "laptop", "15": "desktop", "16": "desktop",
    "17": "server", "22": "server", "23": "server", "25": "server", "28": "blade", "29": "blade enclosure",
    "30": "tablet", "31": "convertible", "32": "detachable", "33": "IoT gateway", "34": "embedded", "35": "desktop",
    "36": "desktop",
}  # fmt: skip
_NEEDS_ROOT = ("product_serial", "product_uuid")
_DMI = "/sys/class/dmi/id/"


def parse_cpuinfo(text: str) -> dict:
    """Model, sockets, cores and threads of /proc/cpuinfo. A count that the kernel does not state is null."""
    model, sockets, cores, threads = None, set(), set(), 0
    physical = ""
    for line in text.splitlines():
        key, separator, value = line.partition(":")
        key, value = key.strip(), value.strip()
        if not separator:
            continue
        if key == "processor":
            threads += 1
        elif key == "physical id":
            physical = value
            sockets.add(value)
        elif key == "core id":
            cores.add((physical, value))
        elif key in ("model name", "cpu", "Model") and not model:
            model = " ".join(value.split())
    return {"model": model, "sockets": len(sockets) or None, "cores": len(cores) or None, "threads": threads or None}


def parse_meminfo(text: str) -> int | None:
    """Bytes of memory that the kernel manages."""
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "MemTotal:" and words[1].isdigit():
            return int(words[1]) * 1024
    return None


def from_dmi(values: dict) -> dict:
    """What the firmware says of the machine, placeholders removed."""
    return {
        "vendor": placeholders.real(values.get("sys_vendor")),
        "model": placeholders.real(values.get("product_name")),
        "serial": placeholders.real(values.get("product_serial")) or placeholders.real(values.get("chassis_serial")),
        "uuid": placeholders.real_uuid(values.get("product_uuid")),
        "asset_tag": placeholders.real(values.get("chassis_asset_tag")),
        "chassis": _CHASSIS.get(str(values.get("chassis_type"))),
    }


def collect(host: Host, kind: str | None) -> dict:
    """kind is the type of virtualisation."""
    values: dict = {}
    if kind in virtualisation.CONTAINERS and not _mounted(host):
        host.unknown("machine", "a container (%s) has no hardware of its own" % kind)
    elif host.exists(_DMI):
        for name in ("sys_vendor", "product_name", "chassis_asset_tag", "chassis_type") + _NEEDS_ROOT:
            values[name] = host.line(_DMI + name)
        if host.privileged:
            values["chassis_serial"] = host.line(_DMI + "chassis_serial")
        else:
            host.unknown("machine.serial", "serial and UUID can be read by root only")
    else:
        _device_tree(host, values)
    facts = from_dmi(values)
    facts["cpu"] = parse_cpuinfo(host.text("/proc/cpuinfo"))
    facts["memory_bytes"] = parse_meminfo(host.text("/proc/meminfo"))
    return facts


def _mounted(host: Host) -> bool:
    """The kernel's own directory is a link into /sys/devices."""
    return host.exists(_DMI) and host.link(_DMI.rstrip("/")) is None


def _device_tree(host: Host, values: dict) -> None:
    """Boards without SMBIOS (most ARM ones) have a device tree."""
    model, serial = host.line("/proc/device-tree/model"), host.line("/proc/device-tree/serial-number")
    values.update({"product_name": model, "product_serial": serial})
    if not model and not serial:
        host.unknown("machine", "the firmware gives no SMBIOS data and no device tree")
