# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module patch_install does on the host: start, look, check, roll back. Each answers within moments.

The work itself is never done here, but in a unit of systemd (work.py). What is returned, by name:

    state     of the rollout on this host, as looking.py has them
    phase     how far the work is; null when there is none
    refusals  why nothing was begun: list of errors with their four sentences
    plan      what would be or is to be done: {"installs", "removes", "also", "there", "absent", "held", "download",
              "retires", "reboots", "stays"}
    result    what became of the host, once that is known: the fields of records.HostResult but host and asset
    log       where the host keeps what the programs printed
    healthy   for "check" alone: whether every check afterwards passes now; null where one has nothing to compare with
    why       which check does not pass; or why nothing was begun where that is no refusal
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install import (
    checks,
    earlier,
    freezing,
    holds,
    identity,
    looking,
    managers,
    outcome,
    preflight,
    pruning,
    timers,
    units,
    work,
)
from ansible_collections.msp.ops.plugins.module_utils.patching.install.keeping import (
    BEFORE,
    FINISH,
    REQUEST,
    STATUS,
    TIMERS,
    TOP,
    Attempt,
    Rollout,
    make_current,
    rollouts,
)
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import (
    Advice,
    Manager,
    Simulation,
    States,
    broken,
)
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs, privileged
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Package, Request

INSTALL, ROLLBACK = "install", "rollback"
TAKEN = "MSP-PAT-114"
# The package manager cannot even be asked what it would do: nothing is begun.
UNASKED = ("MSP-PAT-060", "MSP-PAT-061", "MSP-PAT-182")
# So often it is seen whether the work has come to its end, in seconds.
GLANCE = 0.5
# And so many times longer than a glance takes there is none: a slow host has better things to do.
REST = 9


class Desk:
    """One call of the module on one host. check: nothing is changed, and what would be is told."""

    def __init__(self, host: Host, programs: Programs, *, check: bool = False, top: str = TOP) -> None:
        self.host = host
        self.programs = programs
        self.check = check
        self.top = top
        self._manager, self._lacking = managers.choose(host, programs)

    @property
    def manager(self) -> Manager:
        if self._manager is None:
            raise RuntimeError("act() has refused a host without a package manager before anybody asks")
        return self._manager

    def act(self, action: str, request: Request) -> dict:
        if error := self._unfit():
            return refused([error])
        if action in ("start", "rollback") and request.late(time.time()):
            return answer(looking.NONE, why=_late(request))
        do = {"start": self.start, "look": self.look, "check": self.well, "rollback": self.rollback}[action]
        try:
            return do(request)
        except MspError as error:
            if error.code not in UNASKED or action not in ("start", "rollback"):
                raise
            return refused([error])

    def _unfit(self) -> MspError | None:
        for lacking, there in (
            ("root's rights", privileged()),
            ("systemd as process 1", self.host.exists("/run/systemd/system")),
            ("package manager that is known (%s)" % self._lacking, self._manager is not None),
        ):
            if not there:
                return MspError(
                    "MSP-PAT-102",
                    "root's rights, systemd, and apt or dnf 4 on the host",
                    "no %s" % lacking,
                    "run it with become; a host that lacks one of them is patched by hand, or excluded in the plan",
                )
        return None

    def start(self, request: Request) -> dict:
        rollout = Rollout(request.rollout, self.top)
        if busy := self._busy(request):
            return busy
        if damaged := self._damaged():
            return damaged
        what, found = self._prepared(request)
        left = earlier.left_open(rollout.attempts())
        if not what.needed and left is None:
            return self._nothing(request, what, found, rollout)
        errors = preflight.refusals(request, self._with_checks(found, request))
        plan = _plan(what, found.simulation, found.download)
        if errors:
            return refused(errors, plan)
        if self.check:
            return answer(looking.NONE, changed=True, plan=plan)
        mine = _without_left_out(request, what)
        return self._begin(rollout, mine, INSTALL, self._targets(what), self._with_debts(plan, left))

    def _prepared(self, request: Request) -> tuple[preflight.Todo, preflight.Readings]:
        """What is to be done here, without what is left out; and what was found. Lists are renewed where that helps."""
        what, found = self._seen(request, {})
        if found.simulation.gone and not self.check and self.manager.refresh().started:
            what, found = self._seen(request, {})
        unseen = [package for package in what.needed if package.key in request.unseen]
        lacking = holds.lacking(unseen, found.simulation.gone, self.manager)
        return self._seen(request, lacking) if lacking else (what, found)

    def _seen(self, request: Request, lacking: dict[str, str]) -> tuple[preflight.Todo, preflight.Readings]:
        states = self.manager.states()
        what = preflight.todo(request.packages, states, self.manager)
        what = holds.sort_out(what, states, self.manager, lacking)
        return what, preflight.gather(request, self.manager, self.host, what, self._targets(what))

    def _targets(self, what: preflight.Todo) -> list[str]:
        return [self.manager.named(package) for package in what.needed]

    def _with_debts(self, plan: dict, left: Attempt | None) -> dict:
        """The plan, with what an earlier attempt left to a reboot; unless one was made, by it or by somebody since."""
        status = left.read(STATUS) if left else None
        kept = left.read(REQUEST) if left else None
        if not status or not kept or "boot" not in status or status.get("reboot", {}).get("proved"):
            return plan
        if identity.another_boot(status["boot"], identity.boot(self.host)):
            return dict(plan, rebooted=not plan["installs"])
        return dict(plan, reboots=sorted({*plan["reboots"], *kept["plan"]["reboots"]}))

    def rollback(self, request: Request) -> dict:
        rollout = Rollout(request.rollout, self.top)
        if busy := self._busy(request):
            return busy
        if damaged := self._damaged():
            return damaged
        states = self.manager.states()
        packages, stays = self._way_back(rollout, states)
        what = preflight.Todo(tuple(packages), held=tuple(_held(packages, states)))
        if not packages and not self._to_be_proved(rollout):
            why = "; ".join(["nothing of this rollout is on the host", *stays])
            return answer(looking.NONE, result=result_of(outcome.NOTHING, why))
        targets, missing = self.manager.sources(packages, states) if packages else ([], [])
        found = preflight.gather(request, self.manager, self.host, what, targets, back=True)
        errors = [_no_way_back(missing, self.manager.advice)] if missing else preflight.refusals(request, found)
        plan = _plan(what, found.simulation, found.download, stays)
        if errors:
            return refused(errors, plan)
        if self.check:
            return answer(looking.NONE, changed=True, plan=plan)
        back = Request(**dict(vars(request), packages=tuple(packages)))
        return self._begin(rollout, back, ROLLBACK, targets, plan)

    @staticmethod
    def _to_be_proved(rollout: Rollout) -> bool:
        """Something was moved and never proved. That the versions are back, whoever did it, does not make it well."""
        left = earlier.left_open(rollout.attempts())
        return left is not None and bool(earlier.moved(left))

    def look(self, request: Request) -> dict:
        """What became of it; and what was cut off is taken up again, unless this is check mode.

        finish_only is written down for the work, which may be running: it looks for that before it begins any more.
        One that comes after begin_by only tells: what it was sent for may not be so any more.
        """
        attempt = Rollout(request.rollout, self.top).current()
        if attempt is not None and not self.check and not request.late(time.time()):
            self._let_finish_only(attempt, request)
        working = self._linger(request, attempt)
        if attempt is None:
            ours = working is not None and working.startswith(request.rollout + " ")
            return answer(looking.WORKING if ours else looking.NONE)
        status = attempt.read(STATUS)
        ours = working == units.description(request.rollout, attempt.name)
        if ours:
            return answer(looking.WORKING, phase=(status or {}).get("phase"), log=attempt.log)
        state, do = self._decide(status)
        do = do if working is None else looking.REPORT
        phase = (status or {}).get("phase")
        said = result(attempt) if state == looking.FINISHED else None
        if state == looking.CUT_OFF and do == looking.REPORT and working is None:
            said = result_of(outcome.FAILED, str(_beyond_repair(status or {}, self.manager.advice)), phase=phase)
        told = answer(state, phase=phase, result=said, log=attempt.log, will=do)
        if self.check or working is not None:
            return told
        told["changed"] = not request.late(time.time()) and self._put_back(attempt)
        return told if do == looking.REPORT else self._take_up(attempt, do, request, told)

    def _take_up(self, attempt: Attempt, do: str, request: Request, told: dict) -> dict:
        """Go on with what was cut off, or mend it. told: what a look says of it before."""
        if request.late(time.time()):
            return dict(told, result=None, why=_late(request))
        error = self._run(attempt, do, request.rollout)
        if error is None:
            return dict(told, state=looking.WORKING, changed=True, result=None)
        return told if error.code == TAKEN else dict(told, result=result_of(outcome.FAILED, str(error)))

    @staticmethod
    def _let_finish_only(attempt: Attempt, request: Request) -> None:
        if not request.finish_only:
            attempt.drop(FINISH)
        elif not attempt.has(FINISH):
            attempt.write(FINISH, {"at": time.time()})

    def _linger(self, request: Request, attempt: Attempt | None) -> str | None:
        """What systemd says of the unit of the work, as soon as this attempt has ended or the time for it is over.

        A host that is about to reboot says so at once: a question that it could not answer any more would be lost.
        """
        end = time.monotonic() + (0 if self.check else request.linger)
        while True:
            began = time.monotonic()
            working = units.working(self.programs)
            ours = attempt is not None and working == units.description(request.rollout, attempt.name)
            now = time.monotonic()
            if attempt is None or not ours or now >= end:
                return working
            if (attempt.read(STATUS) or {}).get("phase") == work.REBOOTING:
                return working
            time.sleep(min(max(GLANCE, REST * (now - began)), end - now))

    def well(self, request: Request) -> dict:
        """Is the host well now, held against what it was before the rollout first touched it? Changes nothing.

        Checks are asked until they pass, as after the work. A command is not run in check mode, as before the work:
        nobody knows what it changes.
        """
        if wrong := preflight.another_machine(request, identity.machine_id(self.host)):
            return answer(looking.NONE, healthy=False, why=str(wrong))
        was = earlier.first(Rollout(request.rollout, self.top).attempts())
        asked = [check for check in request.after if not (self.check and check["kind"] == "command")]
        checker = checks.Checker(self.host, self.programs, was["baseline"] if was else None)
        results = checker.until_well(asked, 0 if self.check else request.check_seconds)
        healthy, why = checks.verdict(results)
        return answer(looking.FINISHED if was else looking.NONE, healthy=healthy, why=why)

    def _decide(self, status: dict | None) -> tuple[str, str]:
        """The state of what is not at work, and what to do about it."""
        boot = identity.boot(self.host)
        unsound = ours = False
        if status is not None and status.get("outcome") == outcome.FAILED:
            ours = bool(self.manager.interrupted() or self.manager.damage() or work.unended(status))
            unsound = ours or bool(broken(self.manager.states()))
            ours = ours or bool(status.get("unsound"))
        return looking.decide(status, boot=boot, unsound=unsound, ours=ours)

    def _put_back(self, attempt: Attempt) -> bool:
        """Timers that are still held although nobody works: the power went before the hook could run."""
        kept = attempt.read(TIMERS)
        if kept is None or kept["restored"]:
            return False
        timers.restore(self.programs, attempt)
        return True

    def _damaged(self) -> dict | None:
        """A refusal where nothing can even be asked of the package database."""
        damage = self.manager.damage()
        return refused([preflight.unfinished((damage,), self.manager.advice)]) if damage else None

    def _busy(self, request: Request) -> dict | None:
        working = units.working(self.programs)
        if working is None:
            return None
        if working.startswith(request.rollout + " "):
            return self.look(request)
        return refused([_taken(working)])

    def _nothing(self, request: Request, what: preflight.Todo, found: preflight.Readings, rollout: Rollout) -> dict:
        """Everything is there, or held back. Where this rollout itself did it, it says so again, from its record."""
        plan = _plan(what, Simulation(), 0)
        if wrong := preflight.another_machine(request, found.machine_id):
            return refused([wrong], plan)
        last = rollout.current()
        status = last.read(STATUS) if last else None
        if last and status and status.get("outcome") == outcome.PATCHED:
            return answer(looking.FINISHED, plan=plan, phase=status["phase"], result=result(last), log=last.log)
        said = ["every package is at its version already, or newer"] if what.there or not what.left_out else []
        said += ["not installed: " + ", ".join(what.absent)] if what.absent else []
        said += ["held back: " + ", ".join(what.left_out)] if what.left_out else []
        same = dict(result_of(outcome.NOTHING, "; ".join(said)), held=plan["held"], there=_there(plan, ()))
        if not self.check and earlier.first(rollout.attempts()) is None:
            self._keep_as_it_is(rollout)
        return answer(looking.FINISHED, plan=plan, result=same)

    def _keep_as_it_is(self, rollout: Rollout) -> None:
        """A host that needs nothing, for whoever asks later whether it is as well as it was then."""
        now = time.time()
        attempt = rollout.begin(_name(now))
        attempt.write(BEFORE, self._before([], INSTALL, self.manager.states(), now))
        attempt.write(STATUS, {"phase": work.FINISHED, "outcome": outcome.NOTHING, "at": now})

    def _with_checks(self, found: preflight.Readings, request: Request) -> preflight.Readings:
        """With the checks before the work. A command is not run in check mode: nobody knows what it changes."""
        asked = [check for check in request.before if not (self.check and check["kind"] == "command")]
        results = checks.Checker(self.host, self.programs, None).all(asked)
        unwell = tuple("%(kind)s %(what)s: %(why)s" % result for result in results if result["ok"] is False)
        return preflight.Readings(**dict(vars(found), unwell=unwell))

    def _begin(self, rollout: Rollout, request: Request, mode: str, targets: list[str], plan: dict) -> dict:
        """Write down the host as it is and what is to be done, and give it to systemd; unless it is too late by now."""
        now, states, attempts = time.time(), self.manager.states(), rollout.attempts()
        attempt = rollout.begin(_name(now))
        attempt.write(REQUEST, {"request": request.as_dict(), "mode": mode, "targets": targets, "plan": plan})
        attempt.write(BEFORE, self._before(attempts, mode, states, now))
        freezing.write(attempt.program)
        if request.late(time.time()):
            rollout.forget(attempt)
            return answer(looking.NONE, plan=plan, why=_late(request))
        error = self._run(attempt, mode, request.rollout)
        if error is not None:
            rollout.forget(attempt)
            return refused([error], plan)
        make_current(attempt)
        if request.open_rollouts is not None:
            pruning.prune(self.top, (request.rollout, *request.open_rollouts), states, now)
        return answer(looking.WORKING, changed=True, plan=plan, log=attempt.log)

    def _before(self, attempts: list[Attempt], mode: str, states: States, now: float) -> dict:
        """What the work is held against: the host as it was before the rollout first touched it.

        Where an earlier attempt left something open, an installation has the versions of then too. A way back has
        those of now, for it is what it moves itself that it tells of.
        """
        first, boot = earlier.first(attempts), identity.boot(self.host)
        versions = {state.key: state.version for state in states.values()}
        if first is not None and mode == INSTALL and earlier.left_open(attempts) is not None:
            return dict(first, packages=earlier.packages(attempts, versions), boot=boot)
        known = checks.baseline(self.host, self.programs)
        if first is not None:
            known = dict(first["baseline"], invocations=known["invocations"])
        else:
            known["broken"] = earlier.broken(rollouts(self.top), known["down"])
        return {"at": now, "packages": versions, "baseline": known, "boot": boot}

    def _run(self, attempt: Attempt, mode: str, rollout: str) -> MspError | None:
        what = units.description(rollout, attempt.name)
        arguments = units.start_arguments(sys.executable, attempt.program, mode, attempt.place, what)
        said = units.start(self.programs, arguments)
        if said.status == 0:
            return None
        if units.refused_by_systemd(said):
            return _taken("another rollout")
        return MspError(
            "MSP-PAT-115",
            "systemd to take on the work",
            said.reason(),
            "see on the host why systemd-run fails (systemctl status, journalctl)",
        )

    def _way_back(self, rollout: Rollout, states: States) -> tuple[list[Package], list[str]]:
        """What this rollout moved, at the versions before it, as far as it is not there again; and what stays."""
        before: dict[str, str] = {}
        touched: set[str] = set()
        for attempt in rollout.attempts():
            kept, was, status = attempt.read(REQUEST), attempt.read(BEFORE), attempt.read(STATUS)
            if not kept or not was or not status or kept["mode"] != INSTALL:
                continue
            before = before or was["packages"]
            after = status.get("after", {})
            touched |= {row["name"] + ":" + row["architecture"] for row in kept["request"]["packages"]}
            moved = {key for key in set(was["packages"]) | set(after) if after.get(key) != was["packages"].get(key)}
            touched |= moved if after else set()
        there = [states[key] for key in sorted(touched & set(states))]
        # One that is kept beside its older version is not taken back: the older one is still there, to boot.
        moved = {state.key for state in there if not state.sound or before.get(state.key) != state.version}
        beside = {state.key for state in there if state.sound and before.get(state.key) in state.others}
        back = [key for key in sorted(moved - beside) if key in before]
        stays = ["%s %s stays beside %s" % (key, states[key].version, before[key]) for key in sorted(moved & beside)]
        stays += ["%s came with it and stays" % key for key in sorted(moved - set(before))]
        return [Package(key.rpartition(":")[0], key.rpartition(":")[2], before[key]) for key in back], stays


def _name(now: float) -> str:
    """The name of an attempt that is begun now; the oldest one sorts first."""
    return "%s-%06d-%d" % (time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now)), now % 1 * 1e6, os.getpid())


def _without_left_out(request: Request, what: preflight.Todo) -> Request:
    """What this host is held to afterwards: all of the manifest but what was left out."""
    left = {text.partition(": ")[0] for text in what.left_out}
    packages = tuple(package for package in request.packages if package.key not in left)
    return Request(**dict(vars(request), packages=packages))


def _there(plan: dict, asked: Iterable[str]) -> list[str]:
    """The keys of what the host has of the manifest, in whatever version. asked: what it was to install, and had."""
    return sorted({*plan["there"], *asked, *(text.partition(": ")[0] for text in plan.get("held", ()))})


def _held(packages: list[Package], states: States) -> list[str]:
    return [package.key for package in packages if states[package.key].held]


def _taken(by: str) -> MspError:
    return MspError(
        TAKEN,
        "no other rollout at work on the host",
        "systemd has %s, for %s" % (units.UNIT, by),
        "wait for its end; systemctl status %s on the host shows it" % units.UNIT,
    )


def _late(request: Request) -> str:
    by = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(request.begin_by))
    return "not begun: it was to be by %s, and another controller may have taken over since" % by


def _beyond_repair(status: dict, advice: Advice) -> MspError:
    return MspError(
        "MSP-PAT-119",
        "work that was cut off to be repaired and gone on with",
        "it was cut off while %s, and again in each of %d repairs (%s)"
        % (status.get("phase"), status.get("repairs", 0), status.get("crash", "ended from outside")),
        advice.repair,
    )


def _no_way_back(missing: list[str], advice: Advice) -> MspError:
    return MspError(
        "MSP-PAT-116",
        "the versions before the rollout at a mirror, or among the files that the package manager kept",
        "not to be had: " + ", ".join(missing),
        advice.back,
    )


def _plan(what: preflight.Todo, found: Simulation, download: int, stays: list[str] | None = None) -> dict:
    """also: what comes beside what was asked for; retires, reboots: as in the simulation; stays: on a way back."""
    asked = {package.key for package in what.needed}
    return {
        "installs": [{"package": move.key, "from": move.before, "to": move.after} for move in found.installs],
        "also": [move.key for move in found.installs if move.key not in asked],
        "removes": list(found.removes),
        "retires": list(found.retires),
        "reboots": list(found.reboots),
        "stays": stays or [],
        "there": list(what.there),
        "absent": list(what.absent),
        "held": list(what.left_out),
        "download": download,
    }


def answer(state: str, *, changed: bool = False, **values: object) -> dict:
    found: dict = {"state": state, "changed": changed, "phase": None, "refusals": [], "plan": None, "result": None}
    found.update(log=None, will=looking.REPORT)
    found.update(values)
    return found


def refused(errors: list[MspError], plan: dict | None = None) -> dict:
    why = "; ".join(str(error) for error in errors)
    said = [error.as_dict() for error in errors]
    return answer(looking.FINISHED, refusals=said, plan=plan, result=result_of(outcome.REFUSED, why, refusals=said))


def result_of(what: str, why: str, **detail: object) -> dict:
    """A result where nothing was touched."""
    return {
        "outcome": what,
        "at": time.time(),
        "before": {},
        "after": {},
        "rebooted": None,
        "healthy": None,
        "kept_files": [],
        "restarted": [],
        "reason": why,
        "owed": [],
        "held": [],
        "there": [],
        "detail": detail,
    }


def result(attempt: Attempt) -> dict:
    """What became of the host, out of what this attempt wrote down."""
    kept, was, status = attempt.read(REQUEST) or {}, attempt.read(BEFORE) or {}, attempt.read(STATUS) or {}
    before, after = was.get("packages", {}), status.get("after", {})
    asked = {row["name"] + ":" + row["architecture"] for row in kept["request"]["packages"]}
    moved = {key for key in set(before) | set(after) if before.get(key) != after.get(key)}
    keys = sorted(moved | asked & set(before))
    reboot, plan = status.get("reboot", {}), kept.get("plan", {"there": []})
    return {
        "outcome": status["outcome"],
        "at": status["at"],
        "before": {key: before[key] for key in keys if key in before},
        "after": {key: after[key] for key in keys if key in after},
        "rebooted": reboot.get("proved") if reboot.get("wanted") else None,
        "healthy": status.get("healthy"),
        "kept_files": status.get("kept_files", []),
        "restarted": status.get("restarted", []),
        "reason": status.get("reason", ""),
        "owed": status.get("owed", []),
        "held": plan.get("held", []),
        "there": _there(plan, asked & set(before)),
        "detail": {
            "attempt": attempt.name,
            "log": attempt.log,
            "program": status.get("program"),
            "errors": status.get("errors", []),
            "unsound": status.get("unsound", []),
            "checks": status.get("checks", []),
            "restarts": status.get("restarts", {}),
            "reboot": reboot,
            "repairs": status.get("repairs", 0),
            "held": status.get("held", []),
            "steps": status.get("steps", []),
            "scripts": status.get("scripts", []),
            "replaced_files": status.get("replaced_files", []),
            "also": plan.get("also", []),
            "absent": plan.get("absent", []),
        },
    }
