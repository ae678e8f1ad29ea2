# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One unit of systemd as a runbook sees it: how it stands and why, what it last said, and whether a start lasts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.patching.install.units import parse_show
from ansible_collections.msp.ops.plugins.module_utils.runbooks import words
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import Tools

POLL_SECONDS = 0.5
START_SECONDS = 90.0
LINES = 5
_PROPERTIES = (
    *("LoadState", "LoadError", "ActiveState", "SubState", "UnitFileState", "Result", "ExecMainStatus", "NRestarts"),
    *("MainPID", "InvocationID", "Type", "RemainAfterExit", "ConditionResult", "AssertResult"),
    *("ActiveEnterTimestamp", "Requires", "Requisite", "BindsTo", "WantedBy", "RequiredBy", "TriggeredBy"),
)
ACTIVE = ("active", "reloading", "refreshing")
MOVING = ("activating", "deactivating", "maintenance")


class Unit(NamedTuple):
    """invocation is another one for each start. since is when it was last active, as systemd writes it, and "" where
    it never was since the boot. needs: the units without which it does not start."""

    name: str
    load: str
    active: str
    sub: str
    enabled: str
    result: str
    exit_status: int
    restarts: int
    process: int
    invocation: str
    once: bool
    condition: bool
    since: str
    wanted: bool
    triggered: bool
    needs: tuple[str, ...]
    load_error: str = ""

    @property
    def up(self) -> bool:
        return self.active in ACTIVE

    @property
    def moving(self) -> bool:
        """On its way somewhere; one that waits for its next automatic restart is down."""
        return self.active in MOVING and not self.sub.startswith("auto-restart")


def parse(name: str, text: str) -> Unit:
    """`systemctl show` of one unit."""
    fields = (parse_show(text) or [{}])[0]

    def many(*names: str) -> tuple[str, ...]:
        return tuple(sorted({one for key in names for one in fields.get(key, "").split()}))

    return Unit(
        name,
        fields.get("LoadState", ""),
        fields.get("ActiveState", ""),
        fields.get("SubState", ""),
        fields.get("UnitFileState", ""),
        fields.get("Result", ""),
        _number(fields.get("ExecMainStatus", "")),
        _number(fields.get("NRestarts", "")),
        _number(fields.get("MainPID", "")),
        fields.get("InvocationID", ""),
        fields.get("Type") == "oneshot" and fields.get("RemainAfterExit") != "yes",
        fields.get("ConditionResult") != "no" and fields.get("AssertResult") != "no",
        fields.get("ActiveEnterTimestamp", ""),
        any(one.endswith((".target", ".service")) for one in many("WantedBy", "RequiredBy")),
        bool(many("TriggeredBy")),
        many("Requires", "Requisite", "BindsTo"),
        fields.get("LoadError", ""),
    )


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def show(tools: Tools, name: str) -> Unit:
    wanted = "--property=" + ",".join(_PROPERTIES)
    return parse(name, tools.must("systemctl", "show", "--no-pager", wanted, "--", name))


def settled(tools: Tools, name: str, seconds: float = 30.0) -> Unit:
    """The unit when it is on its way nowhere any more, or how it stands when the time is over."""
    return _until(lambda: show(tools, name), lambda found: not found.moving, seconds)


def ended_again(tools: Tools, name: str, seconds: float) -> str:
    """Why a unit that was just started is no good, "" where it stays active, as one and the same, for so long."""
    first = settled(tools, name, START_SECONDS)
    if not first.up:
        return "it does not start: %s" % why(first)

    def other(found: Unit) -> bool:
        return not found.up or (found.invocation, found.process) != (first.invocation, first.process)

    began = time.monotonic()
    last = _until(lambda: show(tools, name), other, seconds)
    if not other(last):
        return ""
    return "it ended again after %s: %s" % (words.span(time.monotonic() - began), why(last))


def _until(read: Callable[[], Unit], enough: Callable[[Unit], bool], seconds: float) -> Unit:
    until = time.monotonic() + seconds
    found = read()
    while not enough(found) and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
        found = read()
    return found


def why(unit: Unit) -> str:
    """How it stands, in systemd's own words and a number."""
    if unit.result == "exit-code":
        return "its program ended with status %d" % unit.exit_status
    said = {
        "signal": "its program was ended by signal %d" % unit.exit_status,
        "core-dump": "its program crashed (signal %d)" % unit.exit_status,
        "oom-kill": "the kernel ended it, for the memory was used up",
        "start-limit-hit": "systemd started it again and again, and has stopped doing so",
        "timeout": "it did not get ready, or did not end, in time",
        "watchdog": "it gave no sign of life in time",
        "resources": "systemd could not get what it needs to start it",
        "success": "it ended, without an error",
    }
    return said.get(unit.result, "systemd says %s" % words.plain(unit.result or unit.active or "nothing", 40))


def lines(tools: Tools, name: str) -> list[str]:
    """What it last said, for a sentence each; nothing where the journal does not tell."""
    done = tools.programs.run(
        *("journalctl", "--unit=" + name, "--lines=%d" % LINES, "--output=cat", "--no-pager", "--quiet"), seconds=20
    )
    found = [words.plain(line) for line in done.out.splitlines() if line.strip()] if done.status == 0 else []
    return ['it last said: "%s"' % line for line in found[-LINES:]]


def measured(unit: Unit) -> dict[str, Any]:
    return {
        "active": unit.active,
        "state": unit.sub,
        "result": unit.result,
        "exit_status": unit.exit_status,
        "automatic_restarts": unit.restarts,
    }
