# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Disks, and whether what is on them is encrypted: read from sysfs, no device is opened.

Encryption is what the kernel does now (dm-crypt below a file system) or what udev recognised on a closed volume.
Hardware encryption inside a disk is not visible here.
"""

from __future__ import annotations

import os
import re

from ansible_collections.msp.ops.plugins.module_utils.audit import placeholders, virtualisation
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

_NO_DISK = re.compile(r"(loop|ram|zram|dm-|md|sr|fd|nbd|drbd|zd)\d")
_BLOCK = "/sys/class/block/"
_SECTOR = 512


def parse_mounts(text: str) -> list[tuple[str, str, str, str]]:
    """/proc/self/mountinfo as (major:minor, mount point, type, source)."""
    found = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        before, after = left.split(" "), right.split(" ")
        if separator and len(before) >= 5 and len(after) >= 2:
            found.append((before[2], _unescape(before[4]), after[0], _unescape(after[1])))
    return found


def parse_swaps(text: str) -> list[str]:
    """Devices and files of /proc/swaps, without compressed memory."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return [_unescape(row[0]) for row in rows if row and not row[0].startswith("/dev/zram")]


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)


def crypt_kind(uuid: str | None) -> str | None:
    """dm/uuid begins with CRYPT-LUKS2-, CRYPT-LUKS1-, CRYPT-PLAIN-, CRYPT-TCRYPT- ... for a dm-crypt device."""
    words = (uuid or "").split("-")
    return words[1] if len(words) > 1 and words[0] == "CRYPT" else None


class Blocks:
    """The tree of block devices in sysfs: what lies on what."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.all = host.names(_BLOCK)

    def crypt(self, name: str) -> str | None:
        return crypt_kind(self.host.line(_BLOCK + name + "/dm/uuid"))

    def encrypted_below(self, name: str, depth: int = 0) -> bool:
        """Is everything that this device writes encrypted, by itself or by all of what it lies on?"""
        if self.crypt(name):
            return True
        below = self.host.names(_BLOCK + name + "/slaves")
        return bool(below) and depth < 16 and all(self.encrypted_below(one, depth + 1) for one in below)

    def parts(self, disk: str) -> list[str]:
        return [name for name in self.all if name != disk and self.host.exists("%s%s/%s" % (_BLOCK, disk, name))]

    def encrypted_above(self, name: str, depth: int = 0) -> bool:
        """Is there an encrypted volume somewhere on this device, opened or closed?"""
        if self.crypt(name) or self.locked(name):
            return True
        above = self.host.names(_BLOCK + name + "/holders") + (self.parts(name) if depth == 0 else [])
        return depth < 16 and any(self.encrypted_above(one, depth + 1) for one in above)

    def locked(self, name: str) -> bool:
        """A LUKS volume as udev recognised it."""
        number = self.host.line(_BLOCK + name + "/dev")
        try:
            return bool(number) and "E:ID_FS_TYPE=crypto_LUKS" in self.host.text("/run/udev/data/b%s" % number)
        except OSError:
            return False

    def of_number(self, number: str) -> str | None:
        target = self.host.link("/sys/dev/block/" + number)
        return os.path.basename(target) if target else None

    def of_source(self, source: str) -> str | None:
        """A device by its name under /dev, where the file system has an anonymous number (btrfs)."""
        if not source.startswith("/dev/"):
            return None
        name = os.path.basename(self.host.real(source))
        return name if name in self.all else None


def collect(host: Host, kind: str | None) -> tuple[list[dict], dict]:
    """The disks and the state of encryption. kind is the type of virtualisation."""
    if kind in virtualisation.CONTAINERS:
        host.unknown("disks", "a container (%s) has no disks of its own" % kind)
        host.unknown("encryption", "a container (%s) has no disks of its own" % kind)
        return [], {"root": None, "swap": None, "volumes": [], "unencrypted": []}
    blocks = Blocks(host)
    disks = [_disk(host, blocks, name) for name in host.names("/sys/block") if not _NO_DISK.match(name)]
    return [disk for disk in disks if disk["bytes"]], _encryption(host, blocks)


def _disk(host: Host, blocks: Blocks, name: str) -> dict:
    place = "/sys/block/%s/" % name
    size = host.line(place + "size") or "0"
    serial = host.line(place + "device/serial") or host.line(place + "serial") or _scsi_serial(host, place)
    return {
        "name": name,
        "bytes": int(size) * _SECTOR if size.isdigit() else 0,
        "model": placeholders.real(host.line(place + "device/model")),
        "serial": placeholders.real(serial),
        "encrypted": blocks.encrypted_above(name),
    }


def _scsi_serial(host: Host, place: str) -> str | None:
    """SCSI vital product data page 80h: four bytes of header, then the serial number."""
    try:
        return host.data(place + "device/vpd_pg80")[4:].decode("ascii", "ignore").strip("\0 ") or None
    except OSError:
        return None


def _encryption(host: Host, blocks: Blocks) -> dict:
    volumes = []
    for name in blocks.all:
        if blocks.crypt(name):
            mapped = host.line(_BLOCK + name + "/dm/name")
            below = host.names(_BLOCK + name + "/slaves")
            volumes.append({"name": mapped or name, "kind": blocks.crypt(name), "on": below, "open": True})
        elif blocks.locked(name) and not host.names(_BLOCK + name + "/holders"):
            volumes.append({"name": name, "kind": "LUKS", "on": [], "open": False})
    root, unencrypted = None, set()
    for number, point, fstype, source in parse_mounts(host.text("/proc/self/mountinfo")):
        device = blocks.of_number(number) or blocks.of_source(source)
        if device is None or re.match(r"loop\d", device):
            if point == "/":
                host.unknown("encryption.root", "the root file system (%s) lies on no block device" % fstype)
            continue
        encrypted = blocks.encrypted_below(device)
        root = encrypted if point == "/" else root
        # A boot loader must be able to read these.
        if not encrypted and not point.startswith(("/boot", "/efi")):
            unencrypted.add(point)
    swaps = parse_swaps(host.text("/proc/swaps")) if host.exists("/proc/swaps") else []
    on_devices = [blocks.of_source(swap) for swap in swaps]
    swap = all(d is not None and blocks.encrypted_below(d) for d in on_devices) if swaps else None
    return {
        "root": root,
        "swap": swap,
        "volumes": sorted(volumes, key=lambda v: v["name"]),
        "unencrypted": sorted(unencrypted),
    }
