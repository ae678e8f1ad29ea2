# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel does now: its settings, its modules, what is mounted how. Loads and sets nothing."""

from __future__ import annotations

import os
import re

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import (
    Absent,
    Reader,
    Unmeasurable,
    joined,
    layered,
)

# Beside the interfaces in net.ipv4.conf and its like.
_NO_INTERFACES = ("all", "default")
_MODPROBE = tuple(place + "/modprobe.d" for place in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"))


def setting_path(name: str) -> str:
    """sysctl(8): the separator that comes first separates, the other one is part of a name (an interface eth0.100)."""
    first = re.search(r"[./]", name)
    if first and first.group() == ".":
        name = name.translate(str.maketrans("./", "/."))
    return "/proc/sys/" + name


def setting(reader: Reader, name: str) -> dict:
    """value; of a name with a star by interface, without those two that stand for all of them and for new ones."""
    place = setting_path(name)
    if "*" in place:
        return {"value": _of_interfaces(reader, name, *place.split("*", 1))}
    if not reader.host.exists(place):
        raise Absent("this kernel has no setting %s" % name)
    return {"value": _value(reader, place)}


def _of_interfaces(reader: Reader, name: str, before: str, behind: str) -> dict[str, str]:
    host = reader.host
    places = {one: before + one + behind for one in host.names(before) if one not in _NO_INTERFACES}
    found = {one: _value(reader, place) for one, place in places.items() if host.exists(place)}
    if not found:
        raise Absent("this kernel has no setting %s" % name)
    return found


def _value(reader: Reader, place: str) -> str:
    return " ".join(reader.host.text(place).split())


def module(reader: Reader, name: str) -> dict:
    """loaded: also when it is built in. blocked: modprobe runs a program that does nothing instead of loading it.

    A line "blacklist" alone does not block: it only keeps devices from loading the module by themselves.
    """
    bare = name.replace("-", "_")
    # A kernel that can load no module at all has no such file.
    loadable = reader.host.exists("/proc/modules") or not reader.host.exists("/proc/sys/kernel/ostype")
    loaded = bare in reader.once(_built_in) or (loadable and bare in reader.once(_loaded))
    return {"loaded": loaded, "blocked": not loadable or bare in reader.once(_blocked)}


def blocked_by(lines: list[str]) -> set[str]:
    """Modules that an install line of modprobe.d(5) replaces by a program that does nothing; the last line counts."""
    last: dict[str, bool] = {}
    for line in lines:
        words = line.split()
        if len(words) >= 3 and words[0] == "install":
            last[words[1].replace("-", "_")] = os.path.basename(words[2]) in ("false", "true")
    return {name for name, nothing in last.items() if nothing}


def _loaded(reader: Reader) -> set[str]:
    return {line.split()[0] for line in reader.host.text("/proc/modules").splitlines() if line.strip()}


def _built_in(reader: Reader) -> set[str]:
    place = "/lib/modules/%s/modules.builtin" % os.uname().release
    if not reader.host.exists(place):
        return set()
    names = [os.path.basename(line.strip()) for line in reader.host.text(place).splitlines()]
    return {name[: -len(".ko")].replace("-", "_") for name in names if name.endswith(".ko")}


def _blocked(reader: Reader) -> set[str]:
    host = reader.host
    lines = [line for place in layered(host, _MODPROBE, ".conf") for line in joined(host.text(place))]
    return blocked_by(lines)


def unescape(text: str) -> str:
    """The kernel and fstab(5) write a space as \\040."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)


def parse_mounts(text: str) -> dict[str, dict]:
    """/proc/self/mountinfo by mount point. What was mounted last lies on top.

    The options are those of the mount, with those of the file system behind it: nosuid is of the first kind, size of
    the second.
    """
    found: dict[str, dict] = {}
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        before, after = left.split(" "), right.split(" ")
        if separator and len(before) >= 6 and len(after) >= 3:
            options = before[5].split(",") + after[2].split(",")
            # The file system may be writable where this mount of it is not.
            kept = [one for one in options if one and not (one == "rw" and before[5].startswith("ro"))]
            found[unescape(before[4])] = {
                "fstype": after[0],
                "source": unescape(after[1]),
                "options": sorted(set(kept)),
            }
    return found


def parse_fstab(text: str) -> dict[str, list[str]]:
    """The options by mount point."""
    found = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 4 and not fields[0].startswith("#"):
            found[unescape(fields[1]).rstrip("/") or "/"] = sorted(fields[3].split(","))
    return found


def mount(reader: Reader, path: str) -> dict:
    now, kept = reader.once(_mounts).get(path), reader.once(_fstab).get(path)
    return {
        "mounted": now is not None,
        "fstype": now["fstype"] if now else None,
        "source": now["source"] if now else None,
        "options": now["options"] if now else [],
        "in_fstab": kept is not None,
        "fstab_options": kept or [],
    }


def _mounts(reader: Reader) -> dict[str, dict]:
    found = parse_mounts(reader.host.text("/proc/self/mountinfo"))
    if "/" not in found:
        raise Unmeasurable("/proc/self/mountinfo does not tell what is mounted on /")
    return found


def _fstab(reader: Reader) -> dict[str, list[str]]:
    host: Host = reader.host
    return parse_fstab(host.text("/etc/fstab")) if host.exists("/etc/fstab") else {}
