# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of authorized keys, read and replaced by root in places that others can change while that goes on.

A file is opened by the directories on its way, one after the other, and no link is followed then: whoever changes the
way meanwhile changes what is found, and never what is written. A replaced file keeps its owner, rights and labels.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Collection
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

_MOST_BYTES = 16 * 1024 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOUNTS = "/proc/self/mountinfo"


class KeyFile(NamedTuple):
    """path is as sshd is told it, place where it is when links are followed."""

    path: str
    place: str
    text: bytes
    about: os.stat_result

    def same(self, other: os.stat_result) -> bool:
        mine = self.about
        return (mine.st_dev, mine.st_ino, mine.st_size, mine.st_mtime_ns) == (
            other.st_dev,
            other.st_ino,
            other.st_size,
            other.st_mtime_ns,
        )


def read(path: str) -> KeyFile | None:
    """None where there is no such file, or what is there is no plain file, which sshd reads nothing of."""
    place = os.path.realpath(path)
    try:
        directory = _entered(os.path.dirname(place))
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        # Not to be waited for, should it be a pipe.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        number = os.open(os.path.basename(place), flags, dir_fd=directory)
    except FileNotFoundError:
        return None
    finally:
        os.close(directory)
    about = os.fstat(number)
    if not stat.S_ISREG(about.st_mode):
        os.close(number)
        return None
    with os.fdopen(number, "rb") as stream:
        if about.st_size > _MOST_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        return KeyFile(path, place, stream.read(), about)


def _entered(directory: str) -> int:
    """A directory, opened. directory has no link in it; one that is there now was put there meanwhile."""
    number = os.open("/", _DIRECTORY)
    for name in directory.strip("/").split("/"):
        if not name:
            continue
        try:
            following = os.open(name, _DIRECTORY, dir_fd=number)
        finally:
            os.close(number)
        number = following
    return number


def obstacle(file: KeyFile, trusted: Collection[int] = (0,)) -> str:
    """Why this file must not or cannot be replaced; empty where it can. trusted: whose links may lead anywhere."""
    for link, owner in _links(file.path):
        if owner not in trusted and owner != file.about.st_uid:
            return "%s is a link of somebody who does not own what it leads to" % link
    if file.place in _mounted():
        return "%s is mounted there, and can be changed outside alone" % file.place
    directory = _entered(os.path.dirname(file.place))
    try:
        if os.fstatvfs(directory).f_flag & os.ST_RDONLY:
            return "%s is on a file system that cannot be written to" % file.place
    finally:
        os.close(directory)
    return ""


def _links(path: str) -> list[tuple[str, int]]:
    """The links on the way to a file, and whose each is."""
    found: list[tuple[str, int]] = []
    waiting = [part for part in path.split("/") if part]
    here = "/"
    while waiting and len(found) <= 40:
        one = os.path.join(here, waiting.pop(0))
        about = os.lstat(one)
        if not stat.S_ISLNK(about.st_mode):
            here = os.path.normpath(one)
            continue
        found.append((one, about.st_uid))
        target = os.readlink(one)
        here = "/" if target.startswith("/") else here
        waiting = [part for part in target.split("/") if part] + waiting
    return found


def _mounted() -> set[str]:
    """Where something is mounted (proc_pid_mountinfo(5), the fifth field)."""
    with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as lines:
        return {line.split()[4].replace("\\040", " ") for line in lines}


def replace(file: KeyFile, text: bytes) -> None:
    """Put another text in its place, in one step. Raises MspError (MSP-OFF-008), and OSError."""
    name = os.path.basename(file.place)
    partial = ".msp-%s" % secrets.token_hex(8)
    directory = _entered(os.path.dirname(file.place))
    try:
        _write(directory, partial, file, text)
        try:
            if not file.same(os.stat(name, dir_fd=directory, follow_symlinks=False)):
                raise MspError(
                    "MSP-OFF-008",
                    "%s to stay as it was while keys were taken out of it" % file.path,
                    "somebody changed it meanwhile",
                    "run it again; their change is kept",
                )
            os.replace(partial, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            os.unlink(partial, dir_fd=directory)
            raise
        os.fsync(directory)
    finally:
        os.close(directory)


def _write(directory: int, name: str, like: KeyFile, text: bytes) -> None:
    """A new file with the owner, the rights and the labels (ACL, SELinux) of the other."""
    number = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        with os.fdopen(number, "wb") as stream:
            stream.write(text)
            stream.flush()
            os.fchown(number, like.about.st_uid, like.about.st_gid)
            os.fchmod(number, stat.S_IMODE(like.about.st_mode))
            for label, value in _labels(like).items():
                os.setxattr(number, label, value)
            os.fsync(number)
    except BaseException:
        os.unlink(name, dir_fd=directory)
        raise


def _labels(file: KeyFile) -> dict[str, bytes]:
    directory = _entered(os.path.dirname(file.place))
    try:
        number = os.open(os.path.basename(file.place), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    finally:
        os.close(directory)
    try:
        return {label: os.getxattr(number, label) for label in os.listxattr(number)}
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        # A file system that has no labels.
        return {}
    finally:
        os.close(number)
