# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all probes of one round trip share: the host, and everything that was read once for many of them.

Ten questions about the ssh server run sshd once. What failed or hung once is not tried again for the next question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host, Output


class Absent(Exception):
    """What is asked about is not on this host. Never raised for what could not be looked at."""


class Unmeasurable(Exception):
    """It may be there, and nobody could say how it stands."""


class Reader:
    def __init__(self, host: Host, today: int = 0) -> None:
        """today is in days since 1970, as the password database counts them."""
        self.host = host
        self.today = today
        self._known: dict[tuple, tuple[Any, Exception | None]] = {}

    def once(self, read: Callable[..., Any], *arguments: Any) -> Any:
        """What read(reader, *arguments) gave the first time, or what it raised then."""
        key = (read, *arguments)
        if key not in self._known:
            try:
                self._known[key] = (read(self, *arguments), None)
            except Exception as error:
                self._known[key] = (None, error)
        value, failure = self._known[key]
        if failure is not None:
            raise failure
        return value

    def noted(self, what: str, read: Callable[..., Any], *arguments: Any) -> Any:
        """A collector of the audit, read once. A note that it left about what raises Unmeasurable."""
        return self.once(_noted, what, read, *arguments)

    def answer(self, *argv: str, unprivileged: bool = False) -> Output:
        """What a program printed; Absent when there is none, Unmeasurable when it failed."""
        found = self.host.run(*argv, unprivileged=unprivileged)
        if not found.started:
            raise Absent("%s is not on this host" % argv[0])
        if found.status != 0:
            raise Unmeasurable("%s %s" % (argv[0], found.reason()))
        return found


def _noted(reader: Reader, what: str, read: Callable[..., Any], *arguments: Any) -> Any:
    host = reader.host
    before, host.notes = host.notes, set()
    try:
        value = read(host, *arguments)
        why = sorted(reason for about, reason in host.notes if about == what)
    finally:
        host.notes = before
    if why:
        raise Unmeasurable("; ".join(why))
    return value


def layered(host: Host, places: Iterable[str], ending: str) -> list[str]:
    """The files of several directories as systemd, modprobe and sysctl take them, in the order of their names.

    places are the strongest first: a name that is in two of them counts once, from the stronger one. A link to
    /dev/null there takes the file out, which reading it as an empty file does.
    """
    chosen: dict[str, str] = {}
    for place in places:
        for name in host.names(place):
            if name.endswith(ending):
                chosen.setdefault(name, "%s/%s" % (place, name))
    return [chosen[name] for name in sorted(chosen)]


def joined(text: str) -> list[str]:
    """Lines, where a backslash at the end of one takes the next along."""
    return text.replace("\\\n", " ").splitlines()
