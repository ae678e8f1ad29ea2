# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the controller makes of a host's answers while it is patched: ask again, start, or it is over. Pure: no I/O.

A host that says nothing is asked until the patience is used up, and is lost then; never taken for done.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import OUTCOMES, HostResult

# The states of a host's answer, as module_utils/patching/install/looking.py has them; and the controller's own.
NONE, WORKING, REBOOTING, FINISHED, CUT_OFF = "none", "working", "rebooting", "finished", "cut off"
LOST = "lost"
# The actions that a caller asks for.
BEGIN, LOOK, CHECK = "start", "look", "check"
# What to do next.
ASK, START, OVER = "ask", "start", "over"


@dataclass(frozen=True, slots=True)
class Patience:
    """wait: how long the end is waited for. lost_after: how long a host may be silent, a reboot included."""

    wait: dt.timedelta
    lost_after: dt.timedelta


@dataclass(frozen=True, slots=True)
class Course:
    """How far the talk with one host is.

    began: since when it is asked. heard: its last answer, None when there was none. asked: the action itself was asked
    for, not only a look. joined: a look found this rollout at work. rebooting: since when it is about to reboot.
    """

    began: dt.datetime
    heard: dt.datetime | None = None
    asked: bool = False
    joined: bool = False
    rebooting: dt.datetime | None = None

    def after(self, state: str, *, asked: bool, now: dt.datetime) -> Course:
        """The course after an answer."""
        return Course(
            began=self.began,
            heard=now,
            asked=self.asked or asked,
            joined=self.joined or state in (WORKING, REBOOTING, CUT_OFF),
            rebooting=(self.rebooting or now) if state == REBOOTING else None,
        )


def next_step(action: str, state: str | None, course: Course, patience: Patience, now: dt.datetime) -> str:
    """What to do after an answer. state None: there was none; course: with this answer in it.

    A host that never answered is not waited for, unless its work is known to have begun (action "look"). One that is at
    work when the wait is over is left at work. One that was asked to reboot has as long for it as it may be silent.
    """
    if state is None:
        return _silent(action, course, patience, now)
    if state in (NONE, FINISHED):
        joined = action == LOOK or (action == BEGIN and course.joined and state == FINISHED)
        return OVER if course.asked or joined else START
    if state == CUT_OFF:
        return OVER
    if course.rebooting is not None and now - course.rebooting >= patience.lost_after:
        return OVER
    return OVER if now - course.began >= patience.wait else ASK


def lingering(linger: float, course: Course, patience: Patience, now: dt.datetime) -> float:
    """For how many seconds a host that is at work may keep its answer back: no longer than its end is waited for."""
    return max(0.0, min(linger, (patience.wait - (now - course.began)).total_seconds()))


def pause(state: str | None, phase: str | None, poll: float, linger: float) -> float:
    """Seconds before the next question. Who is at work waits with the answer by itself, but for a reboot."""
    return 0.0 if linger > 0 and state == WORKING and phase != REBOOTING else poll


def _silent(action: str, course: Course, patience: Patience, now: dt.datetime) -> str:
    if course.heard is None and action != LOOK:
        return OVER
    return OVER if now - (course.heard or course.began) >= patience.lost_after else ASK


def over(
    host: str, asset: str, said: Mapping[str, Any] | str, course: Course, *, patience: Patience, now: dt.datetime
) -> dict[str, Any]:
    """The task's result at the end of the talk: the host's last answer, or the reason why there is none."""
    if isinstance(said, str):
        gone = plain(lost(host, asset, course, said, now))
        return {"state": LOST, "changed": False, "phase": None, "refusals": [], "plan": None, "result": gone}
    found = {name: value for name, value in said.items() if not name.startswith("_") and name != "invocation"}
    result = None if said.get("result") is None else result_of(host, asset, said["result"])
    if course.rebooting is not None and now - course.rebooting >= patience.lost_after:
        result = not_rebooted(host, asset, course, now)
    changed = bool(said.get("changed")) if result is None else course.joined and moved(result)
    return {**found, "changed": changed, "result": None if result is None else plain(result)}


def silent(why: str) -> dict[str, Any]:
    """The task's result when a host that was only to be checked did not answer: it is not known to be well."""
    said = {"state": LOST, "changed": False, "phase": None, "refusals": [], "plan": None, "result": None}
    return {**said, "healthy": None, "why": why or "no reason given"}


def lost(host: str, asset: str, course: Course, said: str, now: dt.datetime) -> HostResult:
    """A host that did not answer, or not again. Nobody knows what it has installed: the next look tells."""
    error = MspError(
        "MSP-PAT-120",
        f"{host} to answer" + (" again" if course.heard else ""),
        f"silence since {course.heard or course.began:%Y-%m-%d %H:%M:%S} UTC ({said or 'no reason given'})",
        "see whether it is switched on and starts; once it answers, the next run looks what became of it",
    )
    return HostResult(host=host, asset=asset, outcome="lost", at=now, reason=str(error))


def not_rebooted(host: str, asset: str, course: Course, now: dt.datetime) -> HostResult:
    """A host that answers, was asked to reboot, and has not done so."""
    since = course.rebooting or course.began
    error = MspError(
        "MSP-PAT-121",
        f"{host} to reboot",
        f"it answers, and runs on since it was asked to at {since:%Y-%m-%d %H:%M:%S} UTC",
        "see what keeps it up (systemctl list-jobs, systemd-inhibit --list), and reboot it by hand",
    )
    return HostResult(host=host, asset=asset, outcome="failed", at=now, rebooted=False, reason=str(error))


def result_of(host: str, asset: str, said: Mapping[str, Any]) -> HostResult:
    """What the host says became of it. MSP-PAT-122 when that has not the shape it should: a host is never trusted."""
    try:
        found = HostResult(
            host=host,
            asset=asset,
            outcome=_one_of(OUTCOMES, said["outcome"]),
            at=dt.datetime.fromtimestamp(float(said["at"]), dt.UTC),
            before=_versions(said["before"]),
            after=_versions(said["after"]),
            rebooted=_truth(said["rebooted"]),
            healthy=_truth(said["healthy"]),
            kept_files=_texts(said["kept_files"]),
            restarted=_texts(said["restarted"]),
            reason=str(said["reason"]),
            detail=dict(said["detail"]),
            owed=_texts(said.get("owed", [])),
            held=_texts(said.get("held", [])),
            there=None if said.get("there") is None else _texts(said["there"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise MspError(
            "MSP-PAT-122",
            f"an answer of {host} in the shape that msp.ops.patch_install describes",
            f"{type(error).__name__}: {error}",
            "look at the host again; when it stays, see what answers there in the place of Python",
        ) from error
    return found


def plain(result: HostResult) -> dict[str, Any]:
    """A result as a task returns it; the time as text, UTC."""
    found = asdict(result)
    found.update(at=result.at.isoformat(), kept_files=list(result.kept_files), restarted=list(result.restarted))
    found.update(owed=list(result.owed), held=list(result.held))
    found.update(there=None if result.there is None else list(result.there))
    return found


def returned(said: Mapping[str, Any]) -> HostResult:
    """The result that a task returned (plain); what a host says itself is result_of's."""
    at = dt.datetime.fromisoformat(str(said["at"])).timestamp()
    return result_of(str(said["host"]), str(said["asset"]), {**said, "at": at})


def moved(result: HostResult) -> bool:
    """Whether anything on the host changed."""
    return dict(result.before) != dict(result.after) or result.rebooted is True or bool(result.restarted)


def _one_of(words: tuple[str, ...], word: object) -> str:
    if word not in words:
        raise ValueError(f"outcome {word!r}")
    return str(word)


def _versions(said: object) -> dict[str, str]:
    if not isinstance(said, Mapping):
        raise TypeError("versions that are no mapping")
    return {str(name): str(version) for name, version in said.items()}


def _truth(said: object) -> bool | None:
    if said is not None and not isinstance(said, bool):
        raise TypeError(f"{said!r} is neither true, false nor null")
    return said


def _texts(said: object) -> tuple[str, ...]:
    if not isinstance(said, list):
        raise TypeError("no list")
    return tuple(str(text) for text in said)
