# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host keeps of a rollout, below /var/lib/msp-ops/patch: for root only, each file whole or not at all.

    ROLLOUT/current              the name of the last attempt that systemd took on
    ROLLOUT/ATTEMPT/request.json what was asked
    ROLLOUT/ATTEMPT/before.json  the host as it was before
    ROLLOUT/ATTEMPT/timers.json  the timers that were held back, and how they were
    ROLLOUT/ATTEMPT/status.json  how far the work is, and what became of it
    ROLLOUT/ATTEMPT/finish.json  there while only what was begun may come to its end
    ROLLOUT/ATTEMPT/log          what the programs printed
    ROLLOUT/ATTEMPT/work.pyz     the program that does the work

It decides nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

TOP = "/var/lib/msp-ops/patch"
CURRENT = "current"
REQUEST, BEFORE, TIMERS, STATUS = "request.json", "before.json", "timers.json", "status.json"
FINISH = "finish.json"
LOG, PROGRAM = "log", "work.pyz"


class Attempt:
    """The directory of one attempt."""

    def __init__(self, place: str) -> None:
        self.place = place

    @property
    def name(self) -> str:
        return os.path.basename(self.place)

    @property
    def log(self) -> str:
        return os.path.join(self.place, LOG)

    @property
    def program(self) -> str:
        return os.path.join(self.place, PROGRAM)

    def read(self, name: str) -> dict | None:
        """One of its files; None when it is not there. MSP-PAT-101 when it is damaged."""
        path = os.path.join(self.place, name)
        try:
            with open(path, encoding="utf-8") as stream:
                found = json.load(stream)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise damaged(path, str(error)) from error
        if not isinstance(found, dict):
            raise damaged(path, "no mapping")
        return found

    def has(self, name: str) -> bool:
        return os.path.exists(os.path.join(self.place, name))

    def drop(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.place, name))

    def write(self, name: str, document: dict) -> None:
        write_whole(os.path.join(self.place, name), json.dumps(document, sort_keys=True))


class Rollout:
    """The directory of one rollout."""

    def __init__(self, name: str, top: str = TOP) -> None:
        self.place = os.path.join(top, name)
        self._top = top

    def begin(self, name: str) -> Attempt:
        """A new attempt, with a directory that only root can enter. It counts once it is made the current one."""
        attempt = Attempt(os.path.join(self.place, name))
        os.makedirs(self._top, mode=0o700, exist_ok=True)
        os.makedirs(self.place, mode=0o700, exist_ok=True)
        os.mkdir(attempt.place, 0o700)
        return attempt

    def forget(self, attempt: Attempt) -> None:
        """An attempt that systemd refused: nothing of it was done."""
        shutil.rmtree(attempt.place, ignore_errors=True)

    def current(self) -> Attempt | None:
        try:
            with open(os.path.join(self.place, CURRENT), encoding="utf-8") as stream:
                name = stream.read().strip()
        except FileNotFoundError:
            return None
        return Attempt(os.path.join(self.place, os.path.basename(name))) if name else None

    def attempts(self) -> list[Attempt]:
        """All that are there, oldest first."""
        try:
            names = sorted(os.listdir(self.place))
        except FileNotFoundError:
            return []
        places = [os.path.join(self.place, name) for name in names]
        return [Attempt(place) for place in places if os.path.isdir(place)]


def rollouts(top: str) -> list[Rollout]:
    """All that this host keeps, by name."""
    try:
        names = sorted(os.listdir(top))
    except FileNotFoundError:
        return []
    return [Rollout(name, top) for name in names if os.path.isdir(os.path.join(top, name))]


def make_current(attempt: Attempt) -> None:
    write_whole(os.path.join(os.path.dirname(attempt.place), CURRENT), attempt.name + "\n")


def write_whole(path: str, text: str) -> None:
    """The old file or the new one is there, whenever the power goes."""
    place = os.path.dirname(path)
    number, name = tempfile.mkstemp(dir=place, prefix=".new-")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    directory = os.open(place, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def damaged(path: str, why: str) -> MspError:
    return MspError(
        "MSP-PAT-101",
        "the record of a rollout on this host, as it was written",
        "%s: %s" % (path, why),
        "look at the disk of the host; move the file away when the work it tells of is known to be over",
    )
