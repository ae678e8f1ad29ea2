# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The work itself, as it runs on the host in a unit of systemd: nobody has to be connected.

    install   download, install, restart services or reboot, check
    rollback  the same with older versions
    repair    what an earlier attempt was cut off in, and on from there
    resume    what is left after the reboot: the proof and the checks
    restore   the hook of the unit: put back what was held, whatever happened

Each phase is on the disk before it begins, so that a look always knows how far it came. It never kills a package
manager, and begins nothing after the deadline, nor while only what was begun may come to its end (keeping.FINISH), but
to repair what was cut off.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install import (
    checks,
    identity,
    managers,
    outcome,
    preflight,
    stale,
    timers,
    units,
)
from ansible_collections.msp.ops.plugins.module_utils.patching.install import request as requests
from ansible_collections.msp.ops.plugins.module_utils.patching.install.keeping import (
    BEFORE,
    FINISH,
    REQUEST,
    STATUS,
    Attempt,
    make_current,
)
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import Cut, broken
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs

PREPARING, DOWNLOADING, INSTALLING, REPAIRING = "preparing", "downloading", "installing", "repairing"
RESTARTING, REBOOTING, CHECKING, FINISHED = "restarting", "rebooting", "checking", "finished"
MODES = ("install", "rollback", "repair", "resume", "restore")


class Work:
    """One attempt that is being worked on."""

    def __init__(self, attempt: Attempt, host: Host, programs: Programs) -> None:
        self.attempt = attempt
        self.host = host
        self.programs = programs
        manager, why = managers.choose(host, programs)
        if manager is None:
            raise OSError(why)
        self.manager = manager
        kept = attempt.read(REQUEST) or {}
        self.request = requests.restore(kept["request"])
        self.targets = [str(target) for target in kept["targets"]]
        self.plan = kept["plan"]
        self.back = kept["mode"] == "rollback"
        self.before = attempt.read(BEFORE) or {}
        self.status = attempt.read(STATUS) or {}
        self.stopped = False
        # Whether what was simulated before the work may be another thing by now.
        self.outdated = False
        # Where in the log this run begins: what an earlier one complained of may be mended since.
        self.begins = os.path.getsize(attempt.log) if os.path.exists(attempt.log) else 0

    def phase(self, name: str, **values: object) -> None:
        """Write down what is going to be done now, before it is."""
        now = time.time()
        self.status.update(values, phase=name, at=now)
        self.status.setdefault("steps", []).append({"phase": name, "at": now})
        self._write()

    def _write(self) -> None:
        try:
            self.attempt.write(STATUS, self.status)
        except OSError as error:
            # A full disk: the work goes on, and a look finds out by itself how far it came.
            sys.stderr.write("the status cannot be written: %s\n" % error)

    def crashed(self, error: Exception) -> None:
        """Write down what ended the work from inside; systemd's journal has the whole of it."""
        self.status["crash"] = "%s: %s" % (type(error).__name__, str(error)[:300])
        self._write()

    def install(self) -> None:
        self._prepare()
        if self.targets and not self._download():
            return
        self._install_and_go_on()

    def repair(self) -> None:
        """Mend what was left in the middle first; then install what is still missing, if there is time left."""
        self.status["repairs"] = int(self.status.get("repairs", 0)) + 1
        cut = self._cut()
        self._prepare()
        if self._has_nothing_to_end():
            return
        self.outdated = True
        self.phase(REPAIRING)
        undone = self.manager.repair(cut, self.attempt.log, self.request.lock_timeout)
        # What that complained of counts; what was complained of before it is mended, but for what could not be.
        self.status.update(program=None, undone=undone, scripts=self._failed_scripts())
        if not self._missing():
            self._after_install(None)
        elif why := self._hindered():
            self._after_install(None, notes=("%s before the rest could be installed" % why,))
        elif self._download():
            self._install_and_go_on()

    def _has_nothing_to_end(self) -> bool:
        """Whether nothing was ever installed, and may not be any more; it is over then."""
        over = preflight.window_ended(self.request) if self.request.over(time.time()) else None
        why = stopped() if self._finish_only() else over
        if why is None or self._has_installed():
            return False
        self._end(outcome.REFUSED, "nothing was installed: %s" % why)
        return True

    def _has_installed(self) -> bool:
        """Whether the rollout ever came so far on this host that something of it may be there."""
        asked = {package.key for package in self.request.packages}
        began = any(step["phase"] == INSTALLING for step in self.status.get("steps", ()))
        return began or not asked.isdisjoint(self._moved())

    def _finish_only(self) -> bool:
        """Whether the rollout was stopped. The way back is what a stopped one does: it goes on to its end."""
        return not self.back and self.attempt.has(FINISH)

    def _hindered(self) -> str:
        """What keeps the work from beginning anything more; empty: nothing."""
        if self.stopped:
            return "somebody stopped the work"
        if self._finish_only():
            return "the rollout was stopped"
        return "the window ended" if self.request.over(time.time()) else ""

    def _cut(self) -> Cut:
        """What the package manager may have left in the middle."""
        asked = {package.key for package in self.request.packages}
        return Cut(
            before=dict(self.before.get("packages", {})),
            allowed=frozenset(asked | {row["package"] for row in self.plan["installs"]}),
            ended=not interrupted(self.status),
            scripts=frozenset(package for _script, package in self.status.get("scripts", ())),
        )

    def resume(self) -> None:
        """After the reboot: is it proved, and is the host well."""
        self._prepare()
        asked = self.status.get("reboot", {})
        now = identity.boot(self.host)
        why = ""
        if not identity.another_boot(asked.get("boot", {}), now):
            why = "the host has not been started anew"
        elif asked.get("kernel") and asked["kernel"] != now["kernel"]:
            why = "kernel %s runs, and %s was expected" % (now["kernel"], asked["kernel"])
        self.status["reboot"] = dict(asked, proved=not why, why=why, after=now)
        self._check_and_finish()

    def _prepare(self) -> None:
        make_current(self.attempt)
        self.phase(PREPARING, pid=os.getpid(), rollout=self.request.rollout, attempt=self.attempt.name)
        self.status["held"], self.status["loose"] = timers.hold(self.programs, self.attempt)

    def _download(self) -> bool:
        """Fetch everything before anything is changed; False when the work ended there."""
        self.phase(DOWNLOADING)
        timeout = self.request.lock_timeout
        status = self.manager.download(self.targets, self.attempt.log, timeout, back=self.back)
        if status != 0:
            # The mirror may have moved on since the lists were fetched.
            self.manager.refresh()
            self.outdated = True
            status = self.manager.download(self.targets, self.attempt.log, timeout, back=self.back)
        if status != 0:
            said = "; ".join(self.manager.errors(self._said(self.begins))) or "no word"
            return self._end(
                outcome.FAILED, "nothing was installed: the download ended with status %d: %s" % (status, said)
            )
        if self.stopped:
            return self._end(outcome.FAILED, "somebody stopped the work before anything was installed")
        if self._has_nothing_to_end():
            return False
        if why := self._hindered():
            self._after_install(None, notes=("%s before the rest could be installed" % why,))
        return not why

    def _end(self, what: str, why: str) -> bool:
        self._read_back()
        self.phase(FINISHED, outcome=what, reason=why, healthy=None)
        return False

    def _install_and_go_on(self) -> None:
        program = None
        if self.targets:
            if why := self._in_the_way():
                if self._has_installed():
                    self._after_install(None, notes=("the rest was not installed: %s" % why,))
                else:
                    self._end(outcome.REFUSED, "nothing was installed: %s" % why)
                return
            self.phase(INSTALLING)
            timeout = self.request.lock_timeout
            program = self.manager.install(self.targets, self.attempt.log, timeout, back=self.back)
        self._after_install(program)

    def _in_the_way(self) -> str:
        """What the preflight would refuse by now. It is asked once more where lists or packages may be others since."""
        if not self.outdated:
            return ""
        errors = preflight.once_more(self.request, self.manager, self.targets, back=self.back)
        return "; ".join(str(error) for error in errors)

    def _after_install(self, program: int | None, notes: tuple[str, ...] = ()) -> None:
        self.status["program"] = program
        self.status["scripts"] = self._failed_scripts()
        self.status["errors"] = self.manager.errors(self._said(self.begins)) if program else []
        kept, replaced = self.manager.configuration(self._said(), float(self.before.get("at", time.time())))
        self.status.update(kept_files=kept, replaced_files=replaced)
        self.status["notes"] = [*notes, *self._notes(replaced)]
        if self._missing():
            self._check_and_finish()
            return
        wanted, why = self._reboot()
        self.status["reboot"] = {"wanted": wanted, "reasons": why, "proved": None}
        if not wanted:
            self._restart_services()
            self._check_and_finish()
        elif hindered := self._hindered():
            why_not = "a reboot is wanted (%s), and %s before it" % ("; ".join(why), hindered)
            self.status["reboot"].update(proved=False, why=why_not, late=True)
            self._check_and_finish()
        else:
            self._ask_for_reboot()

    def _notes(self, replaced: list[str]) -> list[str]:
        """What a person has to know although it is no failure."""
        found = [
            "%s had been edited, and the package's own replaced it (what was there lies beside it)" % name
            for name in replaced
        ]
        found += ["%s had to go: no more are kept" % name for name in self.plan["retires"]]
        found += [str(line) for line in self.status["loose"]]
        return found + [str(line) for line in self.plan["stays"]]

    def _failed_scripts(self) -> list[list[str]]:
        return self.manager.failed_scripts(self._said(self.begins))

    def _reboot(self) -> tuple[bool, list[str]]:
        """Whether this rollout reboots the host, and why it should be."""
        reasons = identity.reboot_reasons(self.host, identity.boot(self.host))
        reasons += self.manager.reboot_reasons(self._moved())
        reasons += ["suggested by the maker of %s" % name for name in self.plan["reboots"]]
        # A reboot that was owed, and that somebody else made, is made.
        if self.request.reboot == requests.ALWAYS and not self.plan.get("rebooted"):
            return True, reasons or ["the plan wants it always"]
        return self.request.reboot == requests.IF_NEEDED and bool(reasons), reasons

    def _moved(self) -> list[str]:
        """The keys of all packages that are at another version than before this rollout."""
        before = self.before.get("packages", {})
        return [state.key for state in self.manager.states().values() if before.get(state.key) != state.version]

    def _ask_for_reboot(self) -> None:
        now = identity.boot(self.host)
        self.status["reboot"].update(boot=now, kernel=identity.expected_kernel(self.host, now))
        self.phase(REBOOTING)
        answer = self.programs.run("systemctl", "reboot")
        if answer.status != 0:
            self.status["reboot"].update(proved=False, why="systemd refused to reboot: %s" % answer.reason())
            self._check_and_finish()

    def _restart_services(self) -> None:
        finish_only = self._finish_only()
        may = self.request.restart_services and not finish_only
        if may:
            self.phase(RESTARTING)
        method, names, lacks = stale.services(self.host, self.manager.stale())
        why = "the rollout was stopped" if finish_only else "the plan restarts no services"
        result = stale.restart(self.programs, names) if may else stale.spare(names, why)
        self.status["restarts"] = dict(result, method=method, needed=names, lacks=lacks)

    def _check_and_finish(self) -> None:
        self.phase(CHECKING)
        known = self.before.get("baseline")
        checker = checks.Checker(self.host, self.programs, known)
        results = checker.until_well(list(self.request.after), self.request.check_seconds)
        self._read_back()
        reboot, restarts = self.status.get("reboot", {}), self.status.get("restarts", {})
        found = outcome.Found(
            lacking=tuple(self._missing()),
            program=self.status.get("program"),
            errors=tuple(self.status.get("errors", ())),
            checks=tuple(results),
            restarts_failed=tuple("%(unit)s: %(why)s" % one for one in restarts.get("failed", ())),
            rebooted=reboot.get("proved") if reboot.get("wanted") else None,
            reboot_why=reboot.get("why", ""),
            late=bool(reboot.get("late")),
            back=self.back,
            notes=tuple(self.status.get("notes", ())),
        )
        what, why = outcome.decide(found)
        self.status.update(boot=identity.boot(self.host), owed=outcome.owed(reboot, restarts))
        self.phase(FINISHED, outcome=what, reason=why, healthy=outcome.healthy(found), checks=results)

    def _read_back(self) -> None:
        """What the package database has now, and which services were started anew since before."""
        states = self.manager.states()
        self.status["after"] = {state.key: state.version for state in states.values()}
        self.status["unsound"] = broken(states) + unended(self.status)
        known = self.before.get("baseline", {}).get("invocations", {})
        self.status["restarted"] = units.started_anew(known, units.services(self.programs))

    def _missing(self) -> list[str]:
        """What of the manifest is not there as it should be; on the way back the version must be the very one."""
        states = self.manager.states()
        found = []
        for package in self.request.packages:
            state = self.manager.state_of(package, states)
            if state is None:
                if not self.back and package.key not in self.before.get("packages", {}):
                    continue
                found.append("%s is not installed any more" % package.key)
                continue
            newer = self.manager.compare(state.version, package.version)
            if not state.sound:
                found.append("%s %s is %s" % (state.key, state.version, state.status))
            elif newer < 0 or (self.back and newer):
                found.append("%s is at %s, not at %s" % (state.key, state.version, package.version))
        return found + unended(self.status)

    def _said(self, since: int = 0) -> str:
        """What the programs printed, from a place in the log on."""
        try:
            with open(self.attempt.log, "rb") as stream:
                stream.seek(since)
                return stream.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""


def stopped() -> MspError:
    return MspError(
        "MSP-PAT-181",
        "a rollout that goes on",
        "somebody stopped it before anything was installed on this host",
        "nothing: the host is begun again when the rollout is resumed, or by the next one",
    )


def unended(status: dict) -> list[str]:
    """What a status itself tells of a package manager that did not do all of its work, a sentence each."""
    found = ["the script %s of %s failed" % (script, package) for script, package in status.get("scripts", ())]
    found += ["%s was cut off, and could not be installed once more" % key for key in status.get("undone", ())]
    program = status.get("program")
    return found + (["the package manager was killed (signal %d)" % -program] if program and program < 0 else [])


def interrupted(status: dict) -> bool:
    """The package manager was killed, or the work was cut off while it ran."""
    program = status.get("program")
    later = (INSTALLING, RESTARTING, REBOOTING, CHECKING, FINISHED)
    phases = [step["phase"] for step in status.get("steps", ()) if step["phase"] in later]
    return phases[-1:] == [INSTALLING] or bool(program and program < 0)


def main(argv: list[str]) -> int:
    mode, place = argv
    attempt, programs = Attempt(place), Programs()
    if mode not in MODES:
        raise ValueError("no such mode: %s" % mode)
    if mode == "restore":
        left = timers.restore(programs, attempt)
        for name in left:
            sys.stderr.write("%s is not as it was\n" % name)
        return 1 if left else 0
    work = Work(attempt, Host(), programs)
    # systemd says that it wants an end (a shutdown, a person): what runs comes to its end, and nothing new begins.
    signal.signal(signal.SIGTERM, lambda _number, _frame: setattr(work, "stopped", True))
    do = {"install": work.install, "rollback": work.install, "repair": work.repair, "resume": work.resume}[mode]
    try:
        do()
    except Exception as error:
        # A look finds the work cut off, and says why when it cannot be gone on with.
        work.crashed(error)
        raise
    finally:
        work.host.close()
    return 0
