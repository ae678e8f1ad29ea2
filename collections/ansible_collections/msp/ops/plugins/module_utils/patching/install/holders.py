# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds a lock of the package manager, asked of the kernel. It takes no lock itself."""

from __future__ import annotations

import fcntl
import os
import struct

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

# struct flock of a 64-bit off_t, as fcntl(2) has it: type, whence, start, length, process; and room for its padding.
_FLOCK = "@hhqqi4x"


def holder(path: str) -> int | None:
    """The process that holds a lock on this file; None when nobody does. 0: one that cannot be seen from here."""
    try:
        number = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _whence, _start, _length, process = struct.unpack(_FLOCK, fcntl.fcntl(number, fcntl.F_GETLK, asked))
    finally:
        os.close(number)
    return None if kind == fcntl.F_UNLCK else max(process, 0)


def named(host: Host, process: int) -> str:
    """A process as a person knows it: its command line and its number."""
    if process == 0:
        return "a process outside of this container"
    try:
        words = host.text("/proc/%d/cmdline" % process).split("\0")
    except OSError:
        words = []
    command = " ".join(word for word in words if word)[:200] or host.line("/proc/%d/comm" % process) or "?"
    return "%s (process %d)" % (command, process)


def held(host: Host, paths: tuple[str, ...]) -> list[str]:
    """The locks that somebody holds, each with the holder."""
    found = []
    for path in paths:
        process = holder(path)
        if process is not None:
            found.append("%s by %s" % (path, named(host, process)))
    return found


def by_number(host: Host, path: str) -> int | None:
    """The process whose number is in a file of dnf's; None where there is none, or that process is gone."""
    text = host.line(path) or ""
    alive = text.isdigit() and host.exists("/proc/%s/stat" % text)
    return int(text) if alive else None
