# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host keeps of an account whose password is rotated, below /var/lib/msp-ops/local-admin/ACCOUNT. Root only.

    state.json   the versions that were set, or were about to be, each with what tells its hash from another's
    uses         a line for each time that the password was used, written by the program that PAM runs
    announced    there while the management logs in itself to see whether it works
    loud         there where each login is to be told to everybody
    lock         held while a password is looked at or set, also by a chpasswd whose module was killed

Neither a password nor a hash is in any of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install.keeping import write_whole

TOP = "/var/lib/msp-ops/local-admin"
STATE, USES, ANNOUNCED, LOUD, LOCK = "state.json", "uses", "announced", "loud", "lock"
SECONDS_TO_WAIT = 60
_FORMAT = 1
# As many of the older ones are known again, should somebody bring back an older /etc/shadow.
_MOST = 20


class Version(NamedTuple):
    """digest tells its hash from another's. uses is how many lines the file of uses had when it was begun.

    begun and done are in seconds since 1970. done None: nobody saw the host take it yet.
    """

    name: str
    digest: str
    begun: int
    uses: int
    done: int | None = None


class State(NamedTuple):
    """Versions, oldest first; tested is when a login with the newest one was last seen to work."""

    versions: tuple[Version, ...] = ()
    tested: int | None = None

    def of(self, digest: str) -> Version | None:
        """The version of which this is the hash."""
        return next((one for one in reversed(self.versions) if one.digest == digest), None)

    def named(self, name: str) -> Version | None:
        return next((one for one in reversed(self.versions) if one.name == name), None)

    def with_(self, version: Version) -> State:
        """This version in the place of the one of its name, or after all others."""
        others = [one for one in self.versions if one.name != version.name]
        return State((*others, version)[-_MOST:], self.tested)


class Use(NamedTuple):
    """One use of the password: PAM's type and service, from where, and whether it was announced."""

    at: int
    kind: str
    service: str
    origin: str
    announced: bool

    def told(self) -> str:
        return "%d %s %s %s%s" % (self.at, self.kind, self.service, self.origin, " announced" if self.announced else "")


# One of which nobody knows more.
UNKNOWN = Use(0, "unknown", "unknown", "-", False)


def parse_uses(text: str) -> list[Use]:
    """Every line; one that is in no known form is a use of which nobody knows more."""
    found = []
    for line in text.splitlines():
        words = line.split(" ")
        if len(words) == 5 and words[0].isdigit() and words[4] in ("announced", "-"):
            found.append(Use(int(words[0]), words[1], words[2], words[3], words[4] == "announced"))
        else:
            found.append(UNKNOWN)
    return found


@contextlib.contextmanager
def locked(path: str, expected: str) -> Iterator[int]:
    """Hold a file that one program holds at a time. Raises MspError (MSP-ADM-008): expected is what it says was."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + SECONDS_TO_WAIT
        while True:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise MspError(
                        "MSP-ADM-008",
                        expected,
                        "one that holds %s for more than %d seconds" % (os.path.basename(path), SECONDS_TO_WAIT),
                        "see what hangs on the host (fuser %s), end it, and run it again" % path,
                    ) from None
                time.sleep(0.05)
        yield number
    finally:
        os.close(number)


class Place:
    """The directory of one account."""

    def __init__(self, account: str, top: str = TOP) -> None:
        self.path = os.path.join(top, account)
        self._top = top

    def make(self) -> None:
        for path in (os.path.dirname(self._top), self._top, self.path):
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o755 if path == os.path.dirname(self._top) else 0o700)

    def made(self) -> bool:
        return os.path.isdir(self.path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[int]:
        """Nobody else looks or sets meanwhile; the file that is locked, for whoever is to hold it on. Raises MspError
        (MSP-ADM-008)."""
        with locked(os.path.join(self.path, LOCK), "no other program to set this password at the same time") as number:
            yield number

    def state(self) -> State:
        """Raises MspError (MSP-ADM-002) where it is damaged: what is in force is then not known."""
        path = os.path.join(self.path, STATE)
        try:
            with open(path, encoding="utf-8") as stream:
                found = json.load(stream)
            if found["format"] != _FORMAT:
                raise ValueError("its format is %r" % (found["format"],))
            versions = tuple(Version(**row) for row in found["versions"])
            return State(versions, found["tested"])
        except FileNotFoundError:
            return State()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MspError(
                "MSP-ADM-002",
                "the state of an account in %s, as it was written" % path,
                str(error)[:200],
                "look at the disk of the host; then move the file away, and the password is rotated anew",
            ) from error

    def keep(self, state: State) -> None:
        self.make()
        document: dict[str, Any] = {
            "format": _FORMAT,
            "versions": [one._asdict() for one in state.versions],
            "tested": state.tested,
        }
        write_whole(os.path.join(self.path, STATE), json.dumps(document, sort_keys=True))

    def uses(self) -> list[Use]:
        try:
            with open(os.path.join(self.path, USES), encoding="utf-8", errors="replace") as stream:
                return parse_uses(stream.read())
        except FileNotFoundError:
            return []

    def announce(self, until: int) -> None:
        self.make()
        write_whole(os.path.join(self.path, ANNOUNCED), "%d\n" % until)

    def be_quiet(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.path, ANNOUNCED))

    def loud(self, yes: bool) -> bool:
        """Whether that changed anything."""
        path = os.path.join(self.path, LOUD)
        if os.path.exists(path) == yes:
            return False
        if yes:
            self.make()
            write_whole(path, "")
        else:
            os.unlink(path)
        return True
