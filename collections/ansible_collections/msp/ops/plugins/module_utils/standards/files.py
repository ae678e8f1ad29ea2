# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files as they are: what kind, whose, with which rights, with which lines. Opens nothing for writing.

What was too much to look at whole is not measured; a part of it never stands for the whole.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import stat
from collections.abc import Iterator

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader, Unmeasurable

MOST_PATHS = 20000
MOST_WRONG = 200
MOST_LINES = 200
LONGEST_LINE = 300
MOST_BYTES = 8 * 1024 * 1024
_TYPES = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "directory"),
    (stat.S_ISLNK, "link"),
    (stat.S_ISFIFO, "fifo"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "character device"),
    (stat.S_ISBLK, "block device"),
)


def type_of(mode: int) -> str:
    return next((name for test, name in _TYPES if test(mode)), "unknown")


def rights(mode: int) -> str:
    """ "0644", with the bits for set user, set group and sticky in the first figure."""
    return "%04o" % stat.S_IMODE(mode)


def beyond(mode: int, most: str) -> int:
    """The rights that go beyond the most that are allowed."""
    return stat.S_IMODE(mode) & ~int(most, 8)


def names_by_number(text: str) -> dict[int, str]:
    """Of /etc/passwd or /etc/group: the first name that a number has."""
    found: dict[int, str] = {}
    for line in text.splitlines():
        words = line.split(":")
        if len(words) >= 3 and words[2].isdigit():
            found.setdefault(int(words[2]), words[0])
    return found


def owners(reader: Reader) -> tuple[dict[int, str], dict[int, str]]:
    """Users and groups of this host's own files: no directory is asked."""
    text = reader.host.text
    return names_by_number(text("/etc/passwd")), names_by_number(text("/etc/group"))


def whose(reader: Reader, found: os.stat_result) -> tuple[str, str]:
    users, groups = reader.once(owners)
    return users.get(found.st_uid, str(found.st_uid)), groups.get(found.st_gid, str(found.st_gid))


def look(host: Host, path: str) -> os.stat_result | None:
    """The entry itself, not what a link points at; None when there is none."""
    try:
        return os.lstat(host.path(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def file(reader: Reader, path: str) -> dict:
    """sha256 is of a file of at most 8 MiB."""
    found = look(reader.host, path)
    if found is None:
        nothing = ("type", "mode", "owner", "group", "sha256", "size", "target")
        return {"exists": False, **dict.fromkeys(nothing)}
    owner, group = whose(reader, found)
    regular = stat.S_ISREG(found.st_mode)
    return {
        "exists": True,
        "type": type_of(found.st_mode),
        "mode": rights(found.st_mode),
        "owner": owner,
        "group": group,
        "sha256": _digest(reader.host.path(path)) if regular and found.st_size <= MOST_BYTES else None,
        "size": found.st_size if regular else None,
        "target": reader.host.link(path),
    }


def _digest(place: str) -> str:
    # It may have become a link or a pipe since it was looked at: neither is followed or waited for.
    with open(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as handle:
        return hashlib.sha256(handle.read(MOST_BYTES + 1)).hexdigest()


def expand(host: Host, patterns: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    """Every path that is there, once, and whether it was named as it is, without a pattern."""
    base = host.root.rstrip("/")
    seen: set[str] = set()
    for pattern in patterns:
        exact = not glob.has_magic(pattern)
        if not exact and not host.privileged:
            _may_look(base, pattern)
        for place in [host.path(pattern)] if exact else glob.iglob(glob.escape(base) + pattern):
            path = place[len(base) :]
            if path in seen or look(host, path) is None:
                continue
            if len(seen) >= MOST_PATHS:
                raise Unmeasurable("there are more than %d paths like %s" % (MOST_PATHS, pattern))
            seen.add(path)
            yield path, exact


def _may_look(base: str, pattern: str) -> None:
    """glob passes over a directory that it may not look into, as if nothing were in it."""
    parts = pattern.split("/")
    for depth in range(1, len(parts)):
        for place in glob.glob(glob.escape(base) + "/".join(parts[:depth]) + "/"):
            if not os.access(place, os.R_OK | os.X_OK):
                raise Unmeasurable("%s cannot be looked into without the rights of root" % place[len(base) :])


def listed(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """An argument that may be one text or several."""
    return (value,) if isinstance(value, str) else value


def file_rights(
    reader: Reader,
    paths: str | tuple[str, ...],
    mode: str,
    owner: str | tuple[str, ...] = (),
    group: str | tuple[str, ...] = (),
) -> dict:
    """What goes beyond the rights, or is another's.

    A link has no rights of its own. One that a pattern finds is judged by whose it is; one that was named without a
    pattern is wrong, since what was meant is not there.
    """
    wrong: list[str] = []
    checked = 0
    for path, exact in expand(reader.host, listed(paths)):
        found = look(reader.host, path)
        if found is None:
            continue
        checked += 1
        user, users_group = whose(reader, found)
        foreign = bool(owner and user not in listed(owner)) or bool(group and users_group not in listed(group))
        if stat.S_ISLNK(found.st_mode):
            if exact or foreign:
                wrong.append("%s link to %s %s:%s" % (path, reader.host.link(path), user, users_group))
        elif foreign or beyond(found.st_mode, mode):
            wrong.append("%s %s %s:%s" % (path, rights(found.st_mode), user, users_group))
    return {"wrong": sorted(wrong)[:MOST_WRONG], "count": len(wrong), "checked": checked}


def file_lines(reader: Reader, paths: str | tuple[str, ...], pattern: str) -> dict:
    """Lines that the pattern is found in. Lines that begin with # or ; are comments. Links to files are followed."""
    search = re.compile(pattern).search
    found: list[str] = []
    count = 0
    for path, _exact in sorted(expand(reader.host, listed(paths))):
        for line in _lines(reader.host, path):
            bare = line.strip()
            if bare and not bare.startswith(("#", ";")) and search(bare):
                count += 1
                if len(found) < MOST_LINES:
                    found.append("%s: %s" % (path, bare[:LONGEST_LINE]))
    return {"lines": found, "count": count}


def _lines(host: Host, path: str) -> list[str]:
    """Nothing for what is no file: a directory or a device beside the files of a pattern has no lines."""
    try:
        about = os.stat(host.path(path))
    except FileNotFoundError:
        return []
    if not stat.S_ISREG(about.st_mode):
        return []
    if about.st_size > MOST_BYTES:
        raise Unmeasurable("%s is larger than %d bytes" % (path, MOST_BYTES))
    return host.text(path).splitlines()
