# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be deleted on a disk that is full: a fixed policy, what of it there is, and its deletion.

The policy is code and not data, so nobody widens it by an alert. Of the files that are there chosen() decides, and is
pure. A file is deleted by a descriptor of its directory, reached from the root without following any link, and only
where it is still the same one that was chosen: in a directory that others may write to, a name says nothing.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

DAY = 86400
MOST_FILES = 100_000
DEEPEST = 12
# What logrotate and its like have put away: NAME.1, NAME.2.gz, NAME-20261127.xz, NAME.old.
_ROTATED = re.compile(r".+(\.[0-9]{1,4}|-[0-9]{8}|\.old)(\.(gz|xz|bz2|zst))?$|.+\.[0-9]{1,4}\.log(\.(gz|xz|bz2|zst))?$")
PACKAGES, JOURNAL, LOGS, TEMPORARY = KINDS = ("packages", "journal", "logs", "temporary")


class Area(NamedTuple):
    """A directory of which files may go. skipped: directories below it that are not looked into, by their first name.

    idle_owner: a file goes only where its owner has no process. rotated: only by a name that rotation gave.
    changed: how its place in the directory is, counts for its age too (ctime), and when it was last read.
    """

    top: str
    kind: str
    skipped: tuple[str, ...] = ()
    idle_owner: bool = False
    rotated: bool = False
    changed: bool = False


# A private directory of a service is that service's; the X server's and others' sockets lie in hidden ones.
_OF_SERVICES = ("systemd-private-", "snap-private-", "snap.", ".X11-unix", ".ICE-unix", ".font-unix", ".XIM-unix")
AREAS = (
    Area("/var/log", LOGS, ("journal", "audit", "installer"), rotated=True),
    Area("/tmp", TEMPORARY, _OF_SERVICES, idle_owner=True, changed=True),
    Area("/var/tmp", TEMPORARY, _OF_SERVICES, idle_owner=True, changed=True),
)


class File(NamedTuple):
    """A regular file as lstat told it. below: its path from the area's top, its own name last."""

    area: Area
    below: tuple[str, ...]
    device: int
    inode: int
    links: int
    owner: int
    size: int
    modified: float
    changed: float
    read: float

    @property
    def path(self) -> str:
        return "/".join((self.area.top, *self.below))


class Rules(NamedTuple):
    """kinds: which of KINDS. Ages in days."""

    kinds: tuple[str, ...]
    log_days: int
    temporary_days: int


def chosen(
    files: Iterable[File],
    rules: Rules,
    now: float,
    device: int,
    in_use: Collection[tuple[int, int]],
    busy_users: Collection[int],
) -> list[File]:
    """Those that may be deleted. Of what is in doubt nothing is."""
    return [one for one in files if not _kept(one, rules, now, device, in_use, busy_users)]


def _kept(
    one: File,
    rules: Rules,
    now: float,
    device: int,
    in_use: Collection[tuple[int, int]],
    busy_users: Collection[int],
) -> bool:
    area = one.area
    days = {LOGS: rules.log_days, TEMPORARY: rules.temporary_days}.get(area.kind)
    if area not in AREAS or area.kind not in rules.kinds or days is None:
        return True
    last = max(one.modified, one.changed, one.read) if area.changed else one.modified
    return (
        one.device != device
        or one.links != 1
        or last > now - days * DAY
        or (one.device, one.inode) in in_use
        or (area.idle_owner and one.owner in busy_users)
        or (area.rotated and not _ROTATED.fullmatch(one.below[-1]))
        or any(part in ("", ".", "..") or "/" in part for part in one.below)
        or one.below[0].startswith(area.skipped)
    )


# -- on the disk ---------------------------------------------------------------------------------------------------


def there(area: Area, device: int, root: str = "/") -> list[File]:
    """Every regular file of an area, on this file system. root is another directory in tests."""
    found: list[File] = []
    waiting: list[tuple[str, ...]] = [()]
    while waiting and len(found) < MOST_FILES:
        below = waiting.pop()
        with _directory(area, below, root) as number:
            if number is None or os.fstat(number).st_dev != device:
                continue
            for name in os.listdir(number):
                told = _told(name, number)
                if told is None or (not below and name.startswith(area.skipped)):
                    continue
                if stat.S_ISDIR(told.st_mode) and len(below) < DEEPEST:
                    waiting.append((*below, name))
                elif stat.S_ISREG(told.st_mode):
                    found.append(_file(area, (*below, name), told))
    return found


def delete(one: File, root: str = "/") -> bool:
    """Whether it was still the same file, and is gone."""
    with _directory(one.area, one.below[:-1], root) as number:
        if number is None:
            return False
        told = _told(one.below[-1], number)
        if told is None or not stat.S_ISREG(told.st_mode) or _file(one.area, one.below, told) != one:
            return False
        try:
            os.unlink(one.below[-1], dir_fd=number)
        except OSError:
            return False
        return True


@contextmanager
def _directory(area: Area, below: tuple[str, ...], root: str) -> Iterator[int | None]:
    """A descriptor of a directory, step by step from the root; None where a step is a link or not there."""
    number: int | None = None
    try:
        number = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in (*area.top.strip("/").split("/"), *below):
            try:
                deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=number)
            except OSError:
                os.close(number)
                number = None
                break
            os.close(number)
            number = deeper
        yield number
    finally:
        if number is not None:
            os.close(number)


def _told(name: str, number: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=number, follow_symlinks=False)
    except OSError:
        return None


def _file(area: Area, below: tuple[str, ...], told: os.stat_result) -> File:
    times = (told.st_mtime, told.st_ctime, told.st_atime)
    return File(area, below, told.st_dev, told.st_ino, told.st_nlink, told.st_uid, told.st_blocks * 512, *times)
