# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which services run with files that were replaced under them, and their restart, one by one.

The package manager's own tool is asked (needrestart in list mode, dnf needs-restarting) where it is installed. Where it
is not, the kernel is asked which processes have program files mapped that are deleted: a real measurement, which sees
programs and libraries, and not scripts. Which way it was is named.
"""

from __future__ import annotations

import os
import re

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs
from ansible_collections.msp.ops.plugins.module_utils.patching.install.units import UNIT

NEEDRESTART, MAPS = "needrestart", "deleted files in /proc/*/maps"
SECONDS_TO_RESTART = 180
# A restart of these ends sessions, containers or the network, or is refused; as needrestart's own configuration has it.
NEVER = re.compile(
    r"(dbus|dbus-broker|systemd-logind|auditd|NetworkManager|networking|wpa_supplicant|iwd|docker|containerd|gdm3?|sddm"
    r"|lightdm|xdm|lxdm|display-manager|user@.*|getty@.*|serial-getty@.*|console-getty|openvpn.*|libvirtd"
    r"|virtqemud)\.service"
)
_SERVICE = re.compile(r"/([^/]+\.service)(?:/|$)")
_PROGRAM_FILES = ("/usr/", "/lib", "/bin/", "/sbin/", "/opt/")


def parse_needrestart(text: str) -> list[str]:
    """The services in `needrestart -b -r l`."""
    found = [line.partition(": ")[2].strip() for line in text.splitlines() if line.startswith("NEEDRESTART-SVC:")]
    return sorted({name if "." in name else name + ".service" for name in found if name})


def parse_maps(text: str) -> list[str]:
    """Program files in a process's maps that are not on the disk any more."""
    found = set()
    for line in text.splitlines():
        words = line.split(None, 5)
        if len(words) == 6 and "x" in words[1] and words[5].endswith(" (deleted)"):
            path = words[5][: -len(" (deleted)")]
            if path.startswith(_PROGRAM_FILES):
                found.add(path)
    return sorted(found)


def parse_service(text: str) -> str | None:
    """The service that a process belongs to, out of its /proc/PID/cgroup; None for one that belongs to none."""
    for line in text.splitlines():
        hierarchy, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        if (hierarchy == "0" or controllers == "name=systemd") and "/user.slice/" not in path:
            found = _SERVICE.findall(path)
            if found:
                return str(found[-1])
    return None


def needrestart(programs: Programs) -> tuple[str, list[str] | None, str]:
    """How it was measured, the services (None: it does not say), and what that lacks."""
    if not programs.find("needrestart"):
        return NEEDRESTART, None, "needrestart is not installed"
    answer = programs.run("needrestart", "-b", "-r", "l")
    if answer.status != 0:
        return NEEDRESTART, None, "needrestart %s" % answer.reason()
    return NEEDRESTART, parse_needrestart(answer.out), ""


def services(host: Host, asked: tuple[str, list[str] | None, str]) -> tuple[str, list[str], str]:
    """How it was measured, the services that run old code, and what the measurement lacks ("" when nothing).

    asked: what the package manager's own tool said, None where it said nothing, and what that lacks.
    """
    method, names, lacks = asked
    if names is not None and not lacks:
        return method, names, ""
    found = _by_maps(host)
    if names is not None:
        return "%s and %s" % (method, MAPS), sorted({*names, *found}), ""
    return MAPS, found, lacks + ": services in scripts are not seen"


def _by_maps(host: Host) -> list[str]:
    found = set()
    for number in (name for name in host.names("/proc") if name.isdigit() and int(name) != os.getpid()):
        try:
            old = parse_maps(host.text("/proc/%s/maps" % number))
            service = parse_service(host.text("/proc/%s/cgroup" % number)) if old else None
        except OSError:
            # The process has ended meanwhile.
            continue
        if service:
            found.add(service)
    return sorted(found)


def spare(names: list[str], why: str) -> dict:
    """What restart() would say where none of them may be restarted."""
    return {"done": [], "failed": [], "left": [{"unit": name, "why": why} for name in names if name != UNIT]}


def restart(programs: Programs, names: list[str]) -> dict:
    """Restart them one by one: {"failed": [{"unit", "why"}], "left": [{"unit", "why"}], "done": [names]}."""
    done, left, failed = [], [], []
    for name in names:
        if name == UNIT:
            continue
        if NEVER.fullmatch(name):
            left.append({"unit": name, "why": "its restart would end sessions, containers or the network: reboot"})
            continue
        answer = programs.run("systemctl", "restart", "--", name, seconds=SECONDS_TO_RESTART)
        if answer.status == 0:
            done.append(name)
        else:
            failed.append({"unit": name, "why": answer.reason()})
    return {"done": done, "failed": failed, "left": left}
