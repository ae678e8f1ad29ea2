# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guard over a change that could lock everybody out: saves, starts the host's own timer, disarms, brings back.

What a host keeps, below /var/lib/msp-ops/guard, for root only:

    lock                 held by the call that is at work
    current/plan.json    what is guarded, until when, and the login that armed it
    current/copy-N       what was saved
    current/back.sh      what brings it back, in rounds (lockout_script.py)
    current/armed        there until a login is proven or the script begins: one of two renames it, never both
    current/reverting    there while the script is at work, or was cut off
    current/reverted     there between its rounds, until a call has told what was brought back
    current/ended        there when there are no more rounds, until a call has told it
    last.json            the last time that something was brought back, once it was told
    unfinished/          what was saved, where not all of it could be brought back

Once `armed` is there, nothing that the controller does or fails to do keeps the host from bringing everything back.
Nothing that a run changes after that stays either: until it is told, each round brings back what differs.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install.keeping import write_whole
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs, privileged
from ansible_collections.msp.ops.plugins.module_utils.standards import lockout_login, lockout_script, lockout_units
from ansible_collections.msp.ops.plugins.module_utils.standards.lockout_plan import (
    ARMED,
    OF_THE_CONTROLLER,
    PROVEN,
    REVERTED,
    SPEC,
    STATUS,
    TOP,
    Wanted,
    parse,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.lockout_saving import Saving
from ansible_collections.msp.ops.plugins.module_utils.standards.lockout_script import (
    DISARMED,
    DONE,
    ENDED,
    REVERTING,
    TOKEN,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.lockout_units import (
    BOOT_UNIT,
    NOW_UNIT,
    SERVICE,
    TIMER,
)

__all__ = ["ARMED", "OF_THE_CONTROLLER", "PROVEN", "REVERTED", "SPEC", "STATUS", "TOP", "Guard", "parse"]

UNITS_DIRECTORY = "/etc/systemd/system"
PLAN, LAST, UNFINISHED = "plan.json", "last.json", "unfinished"
NONE = "none"
_STATES = (TOKEN, REVERTING, DONE, ENDED)
SECONDS_TO_BRING_BACK = 600


class Guard:
    """The host's one guard. The arguments are seams for tests."""

    def __init__(
        self,
        programs: Programs | None = None,
        *,
        top: str = TOP,
        units_directory: str = UNITS_DIRECTORY,
        sysctls: str = "/proc/sys",
    ) -> None:
        self.programs = Programs() if programs is None else programs
        self.top = top
        self.place = os.path.join(top, "current")
        self.boot_unit = os.path.join(units_directory, BOOT_UNIT)
        self.boot_link = os.path.join(units_directory, "multi-user.target.wants", BOOT_UNIT)
        self.saving = Saving(self.programs, self.place, sysctls)

    def act(self, wanted: Wanted, *, dry: bool) -> dict[str, Any]:
        """One call. dry: nothing is armed, proven or brought back."""
        if not privileged():
            raise _impossible("to run as root", "another user", "set become for the task")
        if wanted.state == STATUS:
            return self.now()
        if dry:
            if wanted.state == ARMED:
                self.saving.look(wanted)
            if wanted.state == REVERTED and wanted.because:
                raise self._failed(wanted, "nothing was changed, and nothing is brought back in check mode")
            return self.now()
        with self._alone():
            if wanted.state == ARMED:
                return self.arm(wanted)
            return self.prove(wanted) if wanted.state == PROVEN else self.revert(wanted)

    def now(self) -> dict[str, Any]:
        """Where the guard stands. Nothing is done, and nothing counts as told."""
        state = self._state()
        found: dict[str, Any] = {"changed": False, "state": DONE if state == ENDED else state}
        if state == NONE:
            return found
        plan = self._plan()
        found["guarded"] = plan["name"]
        if state == TOKEN:
            found["until"] = plan["until"]
        if state in (DONE, ENDED):
            found.update(self._report())
        return found

    def arm(self, wanted: Wanted) -> dict[str, Any]:
        state = self._state()
        if state == TOKEN and self._timer_waits():
            plan = self._plan()
            raise MspError(
                "MSP-STD-081",
                "no guard to be armed on the host, so that %s can be" % wanted.name,
                "the guard of %s, armed until %s" % (plan["name"], plan["until"]),
                "wait until the other run is over or the host has brought it back, then run again",
            )
        if state != NONE:
            # Armed by a call that was killed; or brought back, and nobody was told.
            raise self._told(self._bring_back())
        # What a call left behind that was killed before it had armed, or after it had disarmed.
        self._forget()
        os.mkdir(self.place, 0o700)
        try:
            return self._arm(wanted)
        except BaseException:
            self._forget()
            raise

    def _arm(self, wanted: Wanted) -> dict[str, Any]:
        saved = self.saving.save(wanted)
        until = dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=wanted.seconds)
        text = until.isoformat(timespec="seconds")
        plan = {"name": wanted.name, "until": text, "login": lockout_login.login(), "run": wanted.run}
        write_whole(self._file(PLAN), json.dumps(plan, sort_keys=True))
        write_whole(self._script, lockout_script.script(self.place, saved, self._rounds(wanted)))
        boot = lockout_units.boot_unit(self._script, wanted.units)
        write_whole(self.boot_unit, boot)
        os.chmod(self.boot_unit, 0o644)
        os.makedirs(os.path.dirname(self.boot_link), exist_ok=True)
        os.symlink(self.boot_unit, self.boot_link)
        write_whole(self._file(TOKEN), "")
        answer = self.programs.run(*lockout_units.timer(self._script, wanted.name, wanted.seconds))
        if answer.status != 0:
            raise _impossible("systemd to take on the timer %s" % TIMER, "systemd-run " + answer.reason(), _LOOK)
        return {"changed": False, "state": ARMED, "guarded": wanted.name, "until": text}

    def _rounds(self, wanted: Wanted) -> lockout_script.Rounds:
        # What a boot finds is brought back at once, so its timer begins with the time between two rounds.
        at_boot = lockout_units.timer(self._script, wanted.name, lockout_units.between(wanted.seconds))
        return lockout_script.Rounds(
            lockout_units.rounds(wanted.seconds), tuple(at_boot), (self.boot_link, self.boot_unit)
        )

    def prove(self, wanted: Wanted) -> dict[str, Any]:
        """The call itself came by a new login: that is the proof. Only its being new is looked at here."""
        state = self._state()
        if state == NONE or (state == TOKEN and not self._is_of(wanted)):
            raise MspError(
                "MSP-STD-083",
                "the guard of %s that this run armed to be armed on the host" % wanted.name,
                self._whose(state, wanted),
                "see docs/errors.md for how that can be; what was changed since may not be guarded: look at the host",
            )
        login = lockout_login.login()
        if state == TOKEN:
            self._compare(self._plan()["login"], login)
            # Either this rename or the script's comes about.
            with contextlib.suppress(FileNotFoundError):
                os.rename(self._file(TOKEN), self._file(DISARMED))
                self._forget()
                return {"changed": False, "state": DISARMED, "guarded": wanted.name, "login": login is not None}
        if self._working():
            return {"changed": False, "state": REVERTING, "guarded": wanted.name}
        raise self._told(self._bring_back())

    def _is_of(self, wanted: Wanted) -> bool:
        """Whether the guard is the one that this run armed by this name."""
        plan = self._plan()
        return (plan["name"], plan.get("run", "")) == (wanted.name, wanted.run)

    def _whose(self, state: str, wanted: Wanted) -> str:
        """Which guard is armed, where it is not the one that this run armed by this name."""
        if state == NONE:
            return "none is armed"
        name = self._plan()["name"]
        return "another run's is" if name == wanted.name else "the one of %s is" % name

    def _compare(self, before: str | None, login: str | None) -> None:
        if before is not None and (login is None or login == before):
            raise MspError(
                "MSP-STD-088",
                "a proof by a new login over ssh, as the guard was armed by one",
                "the same connection as when it was armed" if login else "no login by ssh",
                "take ControlPath out of ssh's configuration for this host, and run again; the host brings back by "
                "itself what was there before",
            )

    def revert(self, wanted: Wanted) -> dict[str, Any]:
        """Bring back at once; fail with the reason, where there is one.

        Who gives a reason brings back his own change, never what another run is at work on.
        """
        state = self._state()
        found: dict[str, Any] = {"changed": False, "state": NONE}
        mine = state != NONE and (self._is_of(wanted) if wanted.because else self._plan()["name"] == wanted.name)
        if mine:
            report = self._bring_back()
            if report["not_brought_back"]:
                raise self._told(report)
            found = {"changed": True, "state": REVERTED, "guarded": wanted.name, **report}
        if wanted.because:
            back = "; ".join(found.get("brought_back") or ["nothing had changed"])
            told = "the host is as it was before: %s" % back if mine else "nothing had to be brought back now"
            raise self._failed(wanted, told)
        return found

    def _failed(self, wanted: Wanted, told: str) -> MspError:
        return MspError(
            "MSP-STD-089",
            "the change of what is guarded (%s) to pass its validation and its proof" % wanted.name,
            wanted.because,
            "correct what it says, then run again; %s" % told,
        )

    def _told(self, report: dict[str, Any]) -> MspError:
        """That the host is as it was before, or what of it is not."""
        name, back, not_back = report["guarded"], report["brought_back"], report["not_brought_back"]
        if not_back:
            return MspError(
                "MSP-STD-087",
                "the host to bring back all that was saved of %s" % name,
                "what did not work: %s; what did: %s" % ("; ".join(not_back), "; ".join(back) or "nothing"),
                "log in by the console and put it right; what was saved is in %s" % os.path.join(self.top, UNFINISHED),
            )
        later = "; what was changed after that is still there, for the guard has ended by itself"
        return MspError(
            "MSP-STD-082",
            "a login to be proven in time, after the change of %s" % name,
            "the host brought back what was there before, last at %s: %s%s"
            % (report["at"], "; ".join(back) or "all the same", later if report["ended"] else ""),
            "see why nobody could log in (or why the run did not come so far), correct it and run again",
        )

    def _bring_back(self) -> dict[str, Any]:
        """Run the script, also where it ran before: what was changed since goes too. Then tell what was brought back.

        A guard that has ended by itself is only told: what is there now may be somebody's repair.
        """
        reason = ""
        if self._state() != ENDED:
            answer = self.programs.run(*lockout_units.bring_back(self._script), seconds=SECONDS_TO_BRING_BACK)
            reason = answer.reason()
        with self._between_rounds():
            if self._state() not in (DONE, ENDED):
                raise MspError(
                    "MSP-STD-087",
                    "the host to bring back what was saved of %s" % self._plan()["name"],
                    "the script did not come to its end: systemd-run %s" % reason,
                    "look at journalctl -u %s on the host; what was saved is in %s" % (NOW_UNIT, self.place),
                )
            return self._tell()

    def _report(self) -> dict[str, Any]:
        return {
            "guarded": self._plan()["name"],
            "at": self._lines(lockout_script.AT)[0],
            "brought_back": self._lines(lockout_script.SAID),
            "not_brought_back": self._lines(lockout_script.FAILED),
            "ended": self._state() == ENDED,
        }

    def _tell(self) -> dict[str, Any]:
        """What was brought back, which counts as told now. What was saved stays only where not all of it is back."""
        report = self._report()
        write_whole(os.path.join(self.top, LAST), json.dumps(report, sort_keys=True))
        self._end()
        if report["not_brought_back"]:
            kept = os.path.join(self.top, UNFINISHED)
            shutil.rmtree(kept, ignore_errors=True)
            os.rename(self.place, kept)
        shutil.rmtree(self.place, ignore_errors=True)
        return report

    def _forget(self) -> None:
        """The guard is over, or never was: no timer, no unit, no copies."""
        with self._between_rounds() if os.path.isdir(self.place) else contextlib.nullcontext():
            self._end()
            shutil.rmtree(self.place, ignore_errors=True)

    def _end(self) -> None:
        """No timer, no unit of the boot, and nothing that a script could find to do which waits for its turn."""
        # A service that is there now only waits. What is not there any more cannot be stopped, and need not be.
        self.programs.run("systemctl", "stop", TIMER, SERVICE)
        for path in (self.boot_link, self.boot_unit, *map(self._file, _STATES)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    @contextlib.contextmanager
    def _between_rounds(self) -> Iterator[None]:
        """While the script is not at work, and cannot begin to be."""
        with open(self._file(lockout_script.WORKING), "w", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def _state(self) -> str:
        # Twice, for a round goes back and forth: what was looked for first may only be there now.
        for name in _STATES * 2:
            if os.path.exists(self._file(name)):
                return name
        return NONE

    def _plan(self) -> dict[str, Any]:
        with open(self._file(PLAN), encoding="utf-8") as stream:
            found: dict[str, Any] = json.load(stream)
        return found

    def _lines(self, name: str) -> list[str]:
        with open(self._file(name), encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()

    @property
    def _script(self) -> str:
        return self._file(lockout_script.SCRIPT)

    def _file(self, name: str) -> str:
        return os.path.join(self.place, name)

    def _timer_waits(self) -> bool:
        return self._active(TIMER) or self._working()

    def _working(self) -> bool:
        """Whether the script runs now, whoever started it."""
        return any(self._active(name) for name in (SERVICE, NOW_UNIT + ".service", BOOT_UNIT))

    def _active(self, unit: str) -> bool:
        answer = self.programs.run("systemctl", "show", "--property=ActiveState", "--value", unit)
        if answer.status != 0:
            raise _impossible("systemd to say what its units do", "systemctl show " + answer.reason(), _LOOK)
        return answer.out.strip() in ("active", "activating", "deactivating", "reloading")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        os.makedirs(self.top, mode=0o700, exist_ok=True)
        os.chmod(self.top, 0o700)
        with open(os.path.join(self.top, "lock"), "w", encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise MspError(
                    "MSP-STD-081",
                    "no other call of lockout_guard at work on the host",
                    "one that is",
                    "wait until the other run is over, then run again",
                ) from error
            yield


_LOOK = "look at what systemd says on the host (systemctl status, journalctl); this call changed nothing"


def _impossible(expected: str, found: str, action: str) -> MspError:
    return MspError("MSP-STD-084", expected, found, action)
