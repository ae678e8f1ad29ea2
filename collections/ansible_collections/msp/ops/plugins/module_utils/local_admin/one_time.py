# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A login that works once: what is granted, below /var/lib/msp-ops/one-time/msp-technician. Root only.

    grant   ID BEGIN END, times in seconds since 1970: one login may begin; the program that PAM runs renames it to
    used    the same: that login began, and what it starts (sudo) goes on until its end
    lock    held while a login is granted or ended

Of two logins at the same moment one renames the grant, and the other finds none. What is here is no password.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.local_admin import crypting, keeping
from ansible_collections.msp.ops.plugins.module_utils.patching.install.keeping import write_whole

TOP = "/var/lib/msp-ops/one-time"
ACCOUNT = "msp-technician"
GRANT, USED = "grant", "used"
TIMER, SERVICE = "msp-one-time-end.timer", "msp-one-time-end.service"
UNITS = "/etc/systemd/system"
MOST_MINUTES = 24 * 60
GRANTED, ENDED, STATUS = STATES = ("granted", "ended", "status")
# Its end came, but for the password, which opens nothing any more: what one-time-end says then.
UNFINISHED, NEARLY_OVER = "MSP-ADM-026", "75"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
SPEC: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": list(STATES), "default": STATUS},
    "id": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "minutes": {"type": "int", "default": 60},
}
# Runs a program with a text for its standard input; what it returns is why it could not.
Runner = Callable[[list, str], str]


class Grant(NamedTuple):
    id: str
    begin: int
    end: int
    used: bool

    def holds(self, now: int) -> bool:
        return self.begin <= now < self.end


class Place:
    def __init__(self, account: str, top: str = TOP) -> None:
        self.path = os.path.join(top, account)
        self._top = top

    def granted(self, now: int) -> Grant | None:
        """What holds now; None where nothing does."""
        for name in (GRANT, USED):
            found = self._read(name)
            if found is not None and found.holds(now):
                return found
        return None

    def _read(self, name: str) -> Grant | None:
        try:
            with open(os.path.join(self.path, name), encoding="ascii") as stream:
                words = stream.read().split()
        except (OSError, UnicodeDecodeError):
            return None
        if len(words) != 3 or not words[1].isdigit() or not words[2].isdigit():
            return None
        return Grant(words[0], int(words[1]), int(words[2]), name == USED)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else grants or ends meanwhile. Raises MspError (MSP-ADM-008)."""
        for path in (os.path.dirname(self._top), self._top, self.path):
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o755 if path == os.path.dirname(self._top) else 0o700)
        expected = "nobody else to grant or end a login at the same time"
        with keeping.locked(os.path.join(self.path, keeping.LOCK), expected):
            yield

    def grant(self, id: str, begin: int, end: int) -> None:
        self.forget()
        write_whole(os.path.join(self.path, GRANT), "%s %d %d\n" % (id, begin, end))

    def forget(self) -> None:
        for name in (GRANT, USED):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.path, name))


class Desk:
    def __init__(
        self, host: Host, run: Runner, ask: Callable[[list], str], gate: Callable[[], dict], check: bool = False
    ) -> None:
        """gate measures what PAM does for the account: local_admins.once(). ask runs a program and returns what it
        said."""
        self.host = host
        self.run = run
        self.ask = ask
        self.gate = gate
        self.check = check

    def act(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The module's result. Raises MspError."""
        place = Place(ACCOUNT)
        if asked["state"] == STATUS:
            return {"changed": False, **_told(place.granted(int(time.time())))}
        with contextlib.nullcontext() if self.check else place.locked():
            # Of when it is this one's turn.
            now = int(time.time())
            return self._end(place, now) if asked["state"] == ENDED else self._grant(ACCOUNT, place, asked, now)

    def _grant(self, account: str, place: Place, asked: dict[str, Any], now: int) -> dict[str, Any]:
        id, password, minutes = asked["id"] or "", asked["password"] or "", asked["minutes"]
        if not _ID.fullmatch(id) or not password or not 1 <= minutes <= MOST_MINUTES:
            raise MspError(
                "MSP-ADM-020",
                "an id, a password, and from 1 to %d minutes" % MOST_MINUTES,
                "id %.70r, %s, %d minutes" % (id, "a password" if password else "no password", minutes),
                "use playbooks/one_time_login.yml",
            )
        found = self.gate()
        wrong = [*found["missing"], *found["program"]] + ([] if found["exists"] else ["no account %s" % account])
        if wrong:
            raise MspError(
                "MSP-ADM-021",
                "an account %s for which PAM lets one login in and no more" % account,
                "; ".join(wrong),
                "bring the control technician-once about first (playbooks/standardise.yml); nothing was granted",
            )
        there = place.granted(now)
        if there is not None:
            raise MspError(
                "MSP-ADM-022",
                "no other login of %s that was granted and is not over" % account,
                "%s, until %s" % (there.id, _shown(there.end)),
                "wait until it is over, or end it (-e end=true)",
            )
        grant = Grant(id, now, now + 60 * minutes, False)
        if not self.check:
            # What ends it comes first, and what lets in last: whatever is cut off in between lets nobody in.
            self._arm(grant.end)
            self._must("give the account a password", ["chpasswd", "-e"], self._line(account, password))
            place.grant(id, grant.begin, grant.end)
        return {"changed": True, **_told(grant)}

    def _line(self, account: str, password: str) -> str:
        return "%s:%s" % (account, crypting.hashed(password, "sha512"))

    def _arm(self, end: int) -> None:
        # Of the wall clock, and made up for after a boot: the end comes whatever happens until then.
        at = dt.datetime.fromtimestamp(end, dt.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        text = (
            "# Written by msp.ops: the end of a login that was granted once.\n"
            "[Unit]\nDescription=End of a login that works once (msp.ops)\n"
            "[Timer]\nOnCalendar=%s\nPersistent=true\nAccuracySec=1s\n[Install]\nWantedBy=timers.target\n"
        ) % at
        write_whole(os.path.join(UNITS, TIMER), text)
        self._must("load the timer of its end", ["systemctl", "daemon-reload"])
        self._must("start the timer of its end", ["systemctl", "enable", "--quiet", TIMER])
        self._must("start the timer of its end", ["systemctl", "restart", TIMER])

    def _end(self, place: Place, now: int) -> dict[str, Any]:
        there = place.granted(now)
        if there is None and not self.gate()["open"]:
            return {"changed": False, **_told(None)}
        if not self.check:
            place.forget()
            why = self.run(["systemctl", "start", SERVICE], "")
            if why:
                raise self._unfinished(why)
        return {
            "changed": True,
            **_told(None),
            "ended": None if there is None else there.id,
            "was_used": there is not None and there.used,
        }

    def _unfinished(self, why: str) -> MspError:
        """By the status of what ends it: whether no more than the password is left."""
        status = self.ask(["systemctl", "show", "--property", "ExecMainStatus", "--value", SERVICE]).strip()
        if status == NEARLY_OVER:
            return MspError(
                UNFINISHED,
                "the host to take away the password of a login that is over",
                why,
                "see journalctl -u %s on the host: whoever was in is out and nobody is let in any more, and the host "
                "tries again until the password is gone too" % SERVICE,
            )
        return MspError(
            "MSP-ADM-027",
            "the host to end a login that was granted",
            why,
            "see journalctl -u %s on the host: nobody is let in by it any more, but whoever was in may still be; bring "
            "the control technician-once about, and end it again" % SERVICE,
        )

    def _must(self, what: str, command: list, text: str = "") -> None:
        why = self.run(command, text)
        if why:
            raise MspError(
                "MSP-ADM-023",
                "the host to %s" % what,
                why,
                "put that right on the host; no login was granted",
            )


def _told(grant: Grant | None) -> dict[str, Any]:
    if grant is None:
        return {"granted": None, "until": None, "used": None}
    return {"granted": grant.id, "until": _shown(grant.end), "used": grant.used}


def _shown(at: int) -> str:
    return dt.datetime.fromtimestamp(at, dt.timezone.utc).isoformat()
