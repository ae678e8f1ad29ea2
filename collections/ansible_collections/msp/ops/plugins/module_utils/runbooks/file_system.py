# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One file system: how full it is, what is big on it and what grew, and what deleted files are still held open.

Reads only. Follows no link, stays on the one file system, and ends after so many entries and seconds: a disk that is
full may have millions of files on it.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.patching.effects import unit_of

MOST_ENTRIES, MOST_SECONDS = 300_000, 20.0
SHOWN = 5
DAY = 86400
BLOCK = 512
DELETED = " (deleted)"


class Fullness(NamedTuple):
    """As df tells it: what is kept for root counts as used. inodes are 0 where the file system does not count them."""

    bytes_total: int
    bytes_free: int
    percent_used: int
    inodes_free: int
    inodes_percent_used: int

    @property
    def worst(self) -> int:
        return max(self.percent_used, self.inodes_percent_used)


class Big(NamedTuple):
    """A file or a directory with what lies in it directly. grown: the bytes in files written within the last day."""

    path: str
    size: int
    grown: int
    entries: int = 0


class Held(NamedTuple):
    """A deleted file that a process keeps open: its room comes back when the process lets go."""

    size: int
    process: int
    command: str
    unit: str
    path: str


class Looked(NamedTuple):
    """complete is False where the look ended before everything was seen."""

    files: list[Big]
    directories: list[Big]
    grown: int
    complete: bool


def percent(used: int, available: int) -> int:
    """Rounded up, as df does: 100 only where nothing is left."""
    whole = used + available
    return -(-100 * used // whole) if whole > 0 else 0


def fullness(place: str) -> Fullness:
    told = os.statvfs(place)
    used = told.f_blocks - told.f_bfree
    return Fullness(
        told.f_blocks * told.f_frsize,
        told.f_bavail * told.f_frsize,
        percent(used, told.f_bavail),
        told.f_favail,
        percent(told.f_files - told.f_ffree, told.f_favail) if told.f_files else 0,
    )


def mounts(mountinfo: str) -> dict[str, str]:
    """/proc/self/mountinfo: the type of file system at each mount point, the last one mounted there."""
    found = {}
    for line in mountinfo.splitlines():
        words = line.split(" ")
        if len(words) > 9 and "-" in words[6:]:
            point = re.sub(r"\\([0-7]{3})", lambda one: chr(int(one.group(1), 8)), words[4])
            found[point] = words[words.index("-", 6) + 1]
    return found


# -- what is on it -------------------------------------------------------------------------------------------------


def look(top: str, now: float) -> Looked:
    """The biggest files, the directories with the most in them, and what was written within the last day."""
    walk = _Walk(now)
    walk.through(top)
    return Looked(
        sorted(walk.files, key=lambda one: -one.size)[:SHOWN],
        sorted(walk.directories, key=lambda one: (-one.grown, -one.size))[:SHOWN],
        walk.grown,
        walk.complete,
    )


class _Walk:
    def __init__(self, now: float) -> None:
        self.now = now
        self.files: list[Big] = []
        self.directories: list[Big] = []
        self.grown = 0
        self.complete = True
        self._left = MOST_ENTRIES
        self._until = time.monotonic() + MOST_SECONDS
        self._linked: set[int] = set()

    def through(self, top: str) -> None:
        device = os.lstat(top).st_dev
        waiting = [top]
        while waiting:
            if self._left <= 0 or time.monotonic() > self._until:
                self.complete = False
                return
            waiting += self._directory(waiting.pop(), device)

    def _directory(self, path: str, device: int) -> list[str]:
        """What is directly in it is counted; the directories below it, of the same file system, come back."""
        below, size, grown, entries = [], 0, 0, 0
        for entry, told in entries_of(path, device):
            self._left -= 1
            entries += 1
            if stat.S_ISDIR(told.st_mode):
                below.append(os.path.join(path, entry))
            elif self._first(told):
                count = told.st_blocks * BLOCK
                lately = count if told.st_mtime > self.now - DAY else 0
                size, grown = size + count, grown + lately
                if count:
                    self._file(Big(os.path.join(path, entry), count, lately))
        self.grown += grown
        self.directories = _most([*self.directories, Big(path, size, grown, entries)])
        return below

    def _first(self, told: os.stat_result) -> bool:
        """A file that has several names has its room once."""
        if told.st_nlink > 1:
            if told.st_ino in self._linked:
                return False
            self._linked.add(told.st_ino)
        return True

    def _file(self, one: Big) -> None:
        self.files.append(one)
        if len(self.files) > 50 * SHOWN:
            self.files = sorted(self.files, key=lambda each: -each.size)[:SHOWN]


def _most(found: list[Big]) -> list[Big]:
    if len(found) <= 50 * SHOWN:
        return found
    return sorted(found, key=lambda one: (-one.grown, -one.size))[:SHOWN]


def entries_of(path: str, device: int) -> Iterator[tuple[str, os.stat_result]]:
    """The names in a directory with what lstat says of them; none where it is of another file system, or gone."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if os.fstat(number).st_dev != device:
            return
        for name in os.listdir(number):
            try:
                told = os.stat(name, dir_fd=number, follow_symlinks=False)
            except OSError:
                continue
            if told.st_dev == device:
                yield (name, told)
    finally:
        os.close(number)


# -- who holds what ------------------------------------------------------------------------------------------------


def opened(host: Host) -> Iterator[tuple[str, str, os.stat_result]]:
    """Every open file of every process, as the process' number, the file's link and what stat says of it."""
    for number in host.names("/proc"):
        if not number.isdigit():
            continue
        place = host.path("/proc/%s/fd" % number)
        for name in _names(place):
            try:
                yield (number, os.readlink(os.path.join(place, name)), os.stat(os.path.join(place, name)))
            except OSError:
                continue  # closed meanwhile


def held(host: Host, device: int) -> list[Held]:
    """The deleted files of this file system that are still open, the biggest first, each of them once."""
    found: dict[int, Held] = {}
    for number, link, told in opened(host):
        if told.st_dev == device and stat.S_ISREG(told.st_mode) and told.st_nlink == 0:
            name = link[: -len(DELETED)] if link.endswith(DELETED) else link
            found.setdefault(told.st_ino, Held(told.st_blocks * BLOCK, int(number), *_who(host, number), name))
    return sorted(found.values(), key=lambda one: -one.size)


def in_use(host: Host) -> set[tuple[int, int]]:
    """Device and inode of every file that a process has open or mapped."""
    found = {(told.st_dev, told.st_ino) for _number, _link, told in opened(host)}
    for number in host.names("/proc"):
        if number.isdigit():
            found |= mapped(_text(host, "/proc/%s/maps" % number))
    return found


def mapped(maps: str) -> set[tuple[int, int]]:
    """/proc/PID/maps: address, rights, offset, device (major:minor in hex), inode, path."""
    found = set()
    for line in maps.splitlines():
        words = line.split(None, 5)
        if len(words) > 4 and words[4] not in ("", "0"):
            major, _colon, minor = words[3].partition(":")
            found.add((os.makedev(int(major, 16), int(minor, 16)), int(words[4])))
    return found


def running_users(host: Host) -> set[int]:
    """The numbers of all users that a process belongs to."""
    found = set()
    for number in host.names("/proc"):
        if number.isdigit():
            lines = [line.split() for line in _text(host, "/proc/%s/status" % number).splitlines()]
            found |= {int(word) for words in lines if words[:1] == ["Uid:"] for word in words[1:]}
    return found


def _who(host: Host, number: str) -> tuple[str, str]:
    return host.line("/proc/%s/comm" % number) or "?", unit_of(_text(host, "/proc/%s/cgroup" % number))


def _text(host: Host, name: str) -> str:
    """A file of /proc; "" where its process has ended."""
    try:
        return host.text(name)
    except OSError:
        return ""


def _names(place: str) -> list[str]:
    try:
        return os.listdir(place)
    except OSError:
        return []


def as_measured(found: Fullness) -> dict[str, Any]:
    return dict(found._asdict())
