# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an update takes to come into effect: a reboot, restarts of services, or nothing; measured before it is there.

The kernel knows which files every process has mapped, and dpkg which package each file is of. What cannot be seen so
(another user's process without root's rights; a script that an interpreter has read) is "unknown", never "nothing".
"""

from __future__ import annotations

import os
import re

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.patching import shape

# A running system keeps these until it is started again: the kernel with its modules, what every process stands on, the
# first process, and the bus that nothing may lose.
_KERNEL = re.compile(
    r"(linux-(image|modules|firmware|generic|virtual|lowlatency|kvm|aws|azure|gcp|oracle|raspi)|pve-kernel|proxmox-kernel"
    r"|raspberrypi-kernel)(-|$)"
)
CORE = frozenset(("libc6", "systemd", "dbus", "dbus-daemon", "dbus-broker", "intel-microcode", "amd64-microcode"))
# Files that a program reads and does not map, and how the programs are called that read them.
_SCRIPTS = {".py": "python", ".pm": "perl", ".pl": "perl", ".rb": "ruby", ".php": "php", ".js": "node", ".jar": "java"}
INFO = "/var/lib/dpkg/info"
_UNIT = re.compile(r"/([^/\s]+\.service|init\.scope)(?=/|$)")


class Running:
    """Which units run with which files.

    units: path to names of units, "" for what is in no unit of the system (somebody's session). programs: the names of
    all programs that run. hidden: how many processes could not be looked into.
    """

    def __init__(self, hidden: int = 0) -> None:
        self.units: dict[str, set[str]] = {}
        self.programs: set[str] = set()
        self.hidden = hidden

    def add(self, path: str, unit: str) -> None:
        self.units.setdefault(merged(path), set()).add(unit)


def merged(path: str) -> str:
    """One name for a file that is reached by two, since /bin and /lib became links into /usr."""
    return "/usr" + path if path.startswith(("/bin/", "/sbin/", "/lib")) else path


def unit_of(cgroups: str) -> str:
    """The system's unit in /proc/PID/cgroup; "" for a session's process, or where no control group tells."""
    for line in cgroups.splitlines():
        path = line.rpartition(":")[2]
        if "/user.slice/" in path:
            return ""
        found = _UNIT.findall(path)
        if found:
            return str(found[-1])
    return ""


def parse_maps(text: str) -> set[str]:
    """The files in /proc/PID/maps. One that was replaced already is not of the package any more."""
    found = set()
    for line in text.splitlines():
        words = line.split(None, 5)
        if len(words) == 6 and words[5].startswith("/") and not words[5].endswith(" (deleted)"):
            found.add(words[5])
    return found


def collect(host: Host) -> Running:
    """Every process of this system, but the scan itself and what it was started by, nor what is in a container."""
    found = Running()
    ours = ancestors(host, os.getpid())
    root = _identity(host, "/")
    for name in host.names("/proc"):
        if name.isdigit() and int(name) not in ours:
            _look(host, name, root, found)
    if found.hidden:
        host.unknown("running services", "%d process(es) could not be looked into" % found.hidden)
    return found


def _look(host: Host, number: str, root: tuple[int, int] | None, found: Running) -> None:
    place = "/proc/" + number
    try:
        files = parse_maps(host.text(place + "/maps"))
        if not files or _identity(host, place + "/root") not in (None, root):
            return
        words = host.text(place + "/cmdline").split("\0")
        unit = unit_of(host.text(place + "/cgroup"))
    except (FileNotFoundError, ProcessLookupError):
        # It ended while it was looked at.
        return
    except OSError:
        found.hidden += 1
        return
    found.programs.add(os.path.basename(words[0]).lstrip("-"))
    found.programs.add(os.path.basename(host.link(place + "/exe") or ""))
    # A script is named in the command line of its interpreter.
    for path in files | {word for word in words if word.startswith("/")}:
        found.add(path, unit)


def _identity(host: Host, name: str) -> tuple[int, int] | None:
    try:
        told = os.stat(host.path(name))
    except OSError:
        return None
    return told.st_dev, told.st_ino


def ancestors(host: Host, number: int) -> set[int]:
    """A process and those that started it, up to the first one, which is everybody's."""
    found: set[int] = set()
    while number > 1 and number not in found:
        found.add(number)
        try:
            number = int(host.text("/proc/%d/stat" % number).rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            break
    return found


def files_of(host: Host, name: str, architecture: str) -> list[str] | None:
    """What dpkg installed of a package; None where its list cannot be read."""
    for file in ("%s:%s" % (name, architecture), name):
        try:
            return host.text("%s/%s.list" % (INFO, file)).splitlines()
        except OSError:
            continue
    return None


def replaced_since(host: Host, booted: float | None) -> list[str]:
    """What dpkg has installed since then of what a running system keeps; all of it where nobody knows since when.

    dpkg writes the list of a package's files anew each time it unpacks the package.
    """
    found = set()
    for file in host.names(INFO):
        name = file[: -len(".list")].partition(":")[0]
        if file.endswith(".list") and name in CORE:
            at = host.modified("%s/%s" % (INFO, file))
            if booted is None or (at is not None and at > booted):
                found.add(name)
    return sorted(found)


def judge(name: str, files: list[str] | None, running: Running) -> tuple[str, list[str]]:
    """What the update of a package needs, and which units run with its files."""
    users: set[str] = set()
    for path in files or []:
        users |= running.units.get(merged(path), set())
    units = sorted(users - {""})
    if name in CORE or _KERNEL.match(name):
        return shape.REBOOT, units
    if users:
        return shape.RESTART, units
    if files is None or running.hidden or _read_by_somebody(files, running.programs):
        return shape.UNKNOWN, units
    return shape.NOTHING, units


def _read_by_somebody(files: list[str], programs: set[str]) -> bool:
    readers = {_SCRIPTS[os.path.splitext(path)[1]] for path in files if os.path.splitext(path)[1] in _SCRIPTS}
    return any(program.startswith(tuple(readers)) for program in programs) if readers else False


def waiting(text: str) -> list[str]:
    """`needrestart -b`: the units that run with replaced files already."""
    lines = (line.partition(": ") for line in text.splitlines())
    return sorted({value.strip() for name, _colon, value in lines if name == "NEEDRESTART-SVC"})
