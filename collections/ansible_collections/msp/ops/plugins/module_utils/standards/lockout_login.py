# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""By which login this program came to the host: the process of the ssh server that it descends from.

So the host itself knows whether two calls came over one connection, whatever the controller's ssh does with masters.
"""

from __future__ import annotations

import os

# sshd-session since OpenSSH 9.8. What is nearest serves one connection only; the listener above it serves them all.
_SERVERS = ("sshd", "sshd-session", "sshd-auth", "dropbear")


def login(pid: int | None = None, proc: str = "/proc") -> str | None:
    """The login's process as "PID:START"; None where it is no login by ssh, but the machine's own or a container's."""
    number = os.getpid() if pid is None else pid
    while number > 1:
        try:
            with open("%s/%d/stat" % (proc, number), encoding="utf-8", errors="replace") as stream:
                name, parent, start = parse_stat(stream.read())
        except FileNotFoundError:
            # A parent that ended meanwhile, or one outside of this namespace.
            return None
        if name in _SERVERS:
            return "%d:%s" % (number, start)
        number = parent
    return None


def parse_stat(text: str) -> tuple[str, int, str]:
    """/proc/PID/stat: the program's name, its parent and its start. A name may hold blanks and brackets."""
    before, _bracket, after = text.rpartition(")")
    fields = after.split()
    return before.partition("(")[2], int(fields[1]), fields[19]
