# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is the host a machine of its own, or a guest of what.

Read from systemd where it runs, else from what containers and hypervisors leave in files.
"""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

CONTAINERS = frozenset(("podman", "docker", "lxc", "lxc-libvirt", "systemd-nspawn", "openvz", "wsl", "rkt", "proot"))
CONTAINERS = CONTAINERS | frozenset(("container-other", "pouch"))
_BY_VENDOR = (
    ("qemu", "kvm"),
    ("kvm", "kvm"),
    ("vmware", "vmware"),
    ("innotek", "oracle"),
    ("xen", "xen"),
    ("microsoft corporation virtual", "microsoft"),
    ("amazon ec2", "amazon"),
    ("google compute engine", "google"),
    ("parallels", "parallels"),
)


def from_files(container: str | None, docker: bool, cpuinfo: str, vendor: str) -> str | None:
    """The type without systemd-detect-virt; None for a machine of its own."""
    if container:
        return container
    if docker:
        return "docker"
    lowered = vendor.lower()
    for mark, name in _BY_VENDOR:
        if mark in lowered:
            return name
    return "vm-other" if " hypervisor " in cpuinfo.replace("\n", " ") else None


def collect(host: Host) -> dict:
    answer = host.run("systemd-detect-virt")
    words = answer.out.split()
    if answer.started and words:
        kind = None if words[0] == "none" else words[0]
    else:
        vendor = " ".join(host.line("/sys/class/dmi/id/" + name) or "" for name in ("sys_vendor", "product_name"))
        kind = from_files(
            host.line("/run/systemd/container") or ("podman" if host.exists("/run/.containerenv") else None),
            host.exists("/.dockerenv"),
            host.text("/proc/cpuinfo") if host.exists("/proc/cpuinfo") else "",
            vendor,
        )
    return {"role": "guest" if kind else "physical", "type": kind}
