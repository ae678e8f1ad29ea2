# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is on the device of a volume, whether somebody uses it, and how far the volume is set up. Changes nothing."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import stat
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit.disks import Blocks
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.encryption import header, tables
from ansible_collections.msp.ops.plugins.module_utils.encryption.header import Header
from ansible_collections.msp.ops.plugins.module_utils.encryption.tools import Tools
from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import KEY_FILE, Volume
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards.kernel import parse_mounts

LUKS = "crypto_LUKS"
# Of a device without any signature: how much is read at once, up to which size all of it, and else at how many places.
_PIECE, _WHOLE, _PLACES = 64 * 1024, 256 * 1024 * 1024, 2048
# In that much at its beginning a table of partitions names its disk, whatever the size of a sector.
_TABLE = 24 * 1024


def look(tools: Tools, host: Host, volume: Volume) -> dict[str, Any]:
    """Facts of a volume.

    there: the device is. luks: its header as header.as_dict(), else None. content: what else lies on it, in words;
    empty where it is blank. content_id: by what that content on this host is known from any other. busy: who uses the
    device itself, in words. mapped: it is open under its name. other_mapping: or under that one. mounted: where.
    crypttab, fstab: their line is as it has to be. key_file: there is one. key_fault: what is wrong with it, in words.
    taken: what has the place of the volume, in words.
    """
    there, device = host.exists(volume.device), host.path(volume.device)
    real = host.real(volume.device)
    found: dict[str, Any] = {"there": there, "real": real, "luks": None, "content": [], "busy": [], "key_file": False}
    found.update(content_id="", key_fault="", mapped=False, other_mapping=None, mounted=[])
    found.update(crypttab=False, fstab=False, taken=[])
    if not there:
        return found
    signatures = _signatures(tools, device)
    types = sorted({str(one["type"]) for one in signatures})
    head = read_header(tools, device) if LUKS in types else None
    mapping = _mapping(host, os.path.basename(real)) if head is not None else None
    found["luks"] = None if head is None else header.as_dict(head)
    if head is None:
        piece = _unnamed(device, signatures) if signatures else _not_blank(device)
        found["content"] = types + _parts(host, os.path.basename(real))
        found["content"] = found["content"] or (["data of an unknown kind"] if piece else [])
        found["content_id"] = _known_as(host, signatures, piece) if found["content"] else ""
    if mapping is None:
        found["busy"] = _busy(host, os.path.basename(real), device)
    else:
        found["mapped"] = mapping[1] == volume.name
        found["other_mapping"] = None if found["mapped"] else mapping[1]
        found["mounted"] = _mounted(host, mapping[0])
    found["key_file"] = volume.unlock == KEY_FILE and host.exists(volume.key_path)
    if head is not None and found["key_file"]:
        found["key_fault"] = _key_fault(host, volume, head)
    if head is not None:
        found["crypttab"] = tables.has(_text(host, tables.CRYPTTAB), tables.crypttab_line(volume, head.uuid))
        found["fstab"] = tables.has(_text(host, tables.FSTAB), tables.fstab_line(volume))
    found["taken"] = _taken(host, volume, found["mapped"], found["mounted"])
    return found


def _key_fault(host: Host, volume: Volume, head: Header) -> str:
    """What is wrong with the key file; that it opens the volume is not tried, for that takes seconds and memory."""
    about = os.stat(host.path(volume.key_path))
    if about.st_mode & 0o077 or about.st_uid != os.geteuid():
        return "others than root can read its key file"
    if head.host_digests and header.digest(host.data(volume.key_path)) not in head.host_digests:
        return "its key file is not the key that it was given"
    return ""


def read_header(tools: Tools, device: str) -> Header:
    """Raises MspError (MSP-ENC-008) where cryptsetup cannot read it."""
    said = tools.ask("cryptsetup", "luksDump", device)
    more = ""
    if said.status == 0 and "\nVersion:" in said.out and "Version:       \t2" in said.out:
        asked = tools.ask("cryptsetup", "luksDump", "--dump-json-metadata", device)
        said, more = (asked, "") if asked.status else (said, asked.out)
    try:
        if said.status:
            raise ValueError(said.last_line)
        return header.read(said.out, more)
    except (ValueError, KeyError, TypeError) as error:
        raise MspError(
            "MSP-ENC-008",
            "cryptsetup to read the header of %s" % device,
            str(error)[:200],
            "install cryptsetup where it is missing; else bring the header back from a backup of it",
        ) from error


def lying_on(tools: Tools, device: str) -> list[str]:
    """The types of all signatures on a device: file systems, partition tables, members of LVM and RAID, LUKS."""
    return sorted({str(one["type"]) for one in _signatures(tools, device)})


def _signatures(tools: Tools, device: str) -> list[dict[str, Any]]:
    done = tools.ask("wipefs", "--no-act", "--json", device)
    if done.status:
        raise MspError(
            "MSP-ENC-008",
            "wipefs to say what lies on %s" % device,
            "status %d: %s" % (done.status, done.last_line),
            "look at the disk: nothing is done to one that cannot be read",
        )
    if not done.out.strip():
        return []
    return list(json.loads(done.out)["signatures"])


def _parts(host: Host, name: str) -> list[str]:
    return ["partition %s" % part for part in Blocks(host).parts(name)]


def _not_blank(path: str) -> bytes:
    """A piece that is not all zeros (or ones, as erased flash reads), where no signature tells what lies there.

    Of a large device pieces are read, one at some place of each of so many equal parts, the same places each time: data
    that fills two parts in a row is found.
    """
    with open(path, "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        part = max(_PIECE, size // _PLACES) if size > _WHOLE else _PIECE
        places = random.Random(size)  # noqa: S311 - nothing secret
        for begin in range(0, size, part):
            stream.seek(begin + places.randrange(max(1, part - _PIECE + 1)))
            piece = stream.read(_PIECE)
            if piece.count(0) != len(piece) and piece.count(255) != len(piece):
                return piece
    return b""


def _unnamed(path: str, signatures: list[dict[str, Any]]) -> bytes:
    """By what one content is told from another where wipefs knows no UUID of it, as of a table of partitions."""
    if all(one.get("uuid") for one in signatures):
        return b""
    with open(path, "rb") as stream:
        return stream.read(_TABLE)


def _known_as(host: Host, signatures: list[dict[str, Any]], piece: bytes) -> str:
    """A short name of what lies there: of another machine, also of a copy of this one, or of another disk, it differs.

    What has no UUID is named by what it begins with, or by where one looked.
    """
    told = [host.line("/etc/machine-id") or "", *sorted(json.dumps(one, sort_keys=True) for one in signatures)]
    return hashlib.sha256("\n".join(told).encode("utf-8") + piece).hexdigest()[:8]


def _busy(host: Host, name: str, path: str) -> list[str]:
    """Who has the device: the kernel itself says that somebody does, and what of it can be named is."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISBLK(mode):
            os.close(os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
        elif not stat.S_ISREG(mode):
            return ["no block device"]
        return []
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
    holders = host.names("/sys/class/block/%s/holders" % name)
    mounts = _mounted(host, name)
    return ["mounted on %s" % point for point in mounts] + ["part of %s" % one for one in holders] or ["in use"]


def _mapping(host: Host, name: str) -> tuple[str, str] | None:
    """The opened volume on a device: its name in the kernel, and that of its mapping."""
    blocks = Blocks(host)
    for one in host.names("/sys/class/block/%s/holders" % name):
        if blocks.crypt(one):
            return one, host.line("/sys/class/block/%s/dm/name" % one) or one
    return None


def _mounted(host: Host, name: str) -> list[str]:
    number = host.line("/sys/class/block/%s/dev" % name)
    text = host.text("/proc/self/mountinfo")
    rows = [line for line in text.splitlines() if line.split(" ")[2] == number]
    return sorted(parse_mounts("\n".join(rows)))


def _taken(host: Host, volume: Volume, mapped: bool, mounted: list[str]) -> list[str]:
    """What has the place of the volume: something else is open under its name, or mounted at its mount point."""
    taken = []
    if not mapped and host.exists(volume.mapped):
        taken.append("another device is open as %s" % volume.name)
    if volume.mount in parse_mounts(host.text("/proc/self/mountinfo")) and volume.mount not in mounted:
        taken.append("something else is mounted on %s" % volume.mount)
    elif not mounted and host.names(volume.mount):
        taken.append("%s is not empty, and a mount would hide what is in it" % volume.mount)
    return taken


def _text(host: Host, path: str) -> str:
    return host.text(path) if host.exists(path) else ""
