# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is there room for the work: what it needs on each file system against what is free there. Pure, but for reading().

Estimates lean to the safe side: dpkg unpacks a new package beside the old one, so the largest counts twice.
"""

from __future__ import annotations

import os

MIB = 1024 * 1024
# A kernel and its first file system in /boot, where no other is there to be measured.
KERNEL = 120 * MIB


class Disk:
    """One file system: the paths of ours that are on it, and its free bytes."""

    __slots__ = ("free", "paths")

    def __init__(self, paths: list[str], free: int) -> None:
        self.paths = paths
        self.free = free


def needs(*, download: int, changes: list[tuple[int, int]], kernels: int, kernel: int, archives: str) -> dict[str, int]:
    """Bytes by path. changes: (size before, size after) of each package; kernel: what one takes in /boot."""
    growth = sum(max(0, after - before) for before, after in changes)
    largest = max((after for _before, after in changes), default=0)
    return {archives: download, "/usr": growth + largest, "/boot": kernels * kernel}


def lacking(disks: list[Disk], wanted: dict[str, int], margins: dict[str, int]) -> list[str]:
    """A sentence for each file system on which the work does not fit. margins in MiB, by path."""
    found = []
    for disk in disks:
        need = sum(wanted.get(path, 0) for path in disk.paths)
        margin = max((margins.get(path, 0) for path in disk.paths), default=0) * MIB
        if need + margin > disk.free:
            found.append(
                "%s has %d MiB free, and the work needs %d MiB and leaves %d MiB"
                % (disk.paths[0], disk.free // MIB, -(-need // MIB), margin // MIB)
            )
    return found


def reading(paths: list[str]) -> list[Disk]:
    """The file systems that these paths are on. A path that is not there does not count."""
    found: dict[int, Disk] = {}
    for path in paths:
        try:
            device, state = os.stat(path).st_dev, os.statvfs(path)
        except FileNotFoundError:
            continue
        free = state.f_bavail * state.f_frsize
        found.setdefault(device, Disk([], free)).paths.append(path)
    return list(found.values())


def kernel_size(boot: str, release: str) -> int:
    """What the running kernel takes in /boot; where it is not to be seen, a common size."""
    try:
        names = [name for name in os.listdir(boot) if name.endswith("-" + release)]
    except FileNotFoundError:
        return KERNEL
    size = sum(os.stat(os.path.join(boot, name)).st_size for name in names)
    return size or KERNEL
