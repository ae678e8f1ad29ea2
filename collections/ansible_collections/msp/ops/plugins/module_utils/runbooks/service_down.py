# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook service_down: why a service is down, a few starts, and proof that it stays.

A service that somebody took out of use (masked, disabled) is never started, nor one whose own needs are not met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.runbooks import answer, units, words
from ansible_collections.msp.ops.plugins.module_utils.runbooks.answer import Answer
from ansible_collections.msp.ops.plugins.module_utils.runbooks.units import Unit
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import Tools

SPEC: dict[str, dict[str, Any]] = {
    "unit": {"type": "str", "required": True},
    "attempts": {"type": "int", "default": 1},
    "stable_seconds": {"type": "int", "default": 20},
    "left_alone": {"type": "list", "elements": "str", "default": []},
}
# What is started with the machine, or by what is.
_ON = ("enabled", "enabled-runtime", "alias", "linked", "linked-runtime", "generated", "indirect")


def act(tools: Tools, given: dict[str, Any]) -> Answer:
    name = given["unit"]
    unit = units.settled(tools, name)
    before = units.measured(unit)
    found = tell(unit)
    if unit.up or done_well(unit):
        return answer.nothing_to_do(found, before)
    needs = {one: units.show(tools, one) for one in unit.needs} if unit.load == "loaded" else {}
    found += units.lines(tools, name)
    if why_not := not_ours(unit, needs, given["left_alone"]):
        return answer.gave_up(found, before, why_not)
    if tools.check:
        return answer.would_mend(found, before, ["start %s, at most %d times" % (name, given["attempts"])])
    return _start(tools, given, unit, found)


def _start(tools: Tools, given: dict[str, Any], unit: Unit, found: list[str]) -> Answer:
    did, left = [], ""
    # What waits for its next automatic restart is not stopped, so start would do nothing.
    verb = "restart" if unit.active == "activating" else "start"
    for number in range(given["attempts"]):
        # A unit that was started too often is not started again before that is forgotten.
        tools.programs.run("systemctl", "reset-failed", "--", unit.name)
        asked = tools.programs.run("systemctl", verb, "--no-ask-password", "--no-block", "--", unit.name)
        did.append("started %s%s" % (unit.name, " once more" if number else ""))
        left = "systemd does not start it: %s" % words.plain(asked.reason()) if asked.status else ""
        left = left or units.ended_again(tools, unit.name, given["stable_seconds"])
        if not left:
            break
    after = units.show(tools, unit.name)
    if left:
        found += [line for line in units.lines(tools, unit.name) if line not in found]
        left = "%s was started %d time(s), and %s" % (unit.name, len(did), left)
    return answer.acted(found, did, units.measured(unit), units.measured(after), left)


# -- decisions, pure -----------------------------------------------------------------------------------------------


def done_well(unit: Unit) -> bool:
    """A job that ran to its end is not down, nor what a timer or a socket starts when it is time."""
    idle = unit.load == "loaded" and unit.active == "inactive" and unit.result == "success" and unit.condition
    return idle and (unit.triggered or (unit.once and bool(unit.since)))


def not_ours(unit: Unit, needs: Mapping[str, Unit], left_alone: Sequence[str]) -> str:
    """Why it is not for a runbook to start this service, as it stands; "" where it is."""
    name = unit.name
    if unit.load == "not-found":
        return "there is no service %s on this host: it was removed, or the monitoring asks for a wrong name" % name
    if unit.load == "masked":
        return "%s is masked: somebody made sure that it is not started" % name
    if unit.load != "loaded":
        return "systemd cannot read %s (%s): mend its file" % (name, words.plain(unit.load_error or unit.load))
    if name in left_alone:
        return "%s is on the customer's list of services that a person starts" % name
    if unit.enabled not in _ON and not unit.wanted:
        return "%s is %s, so nothing starts it with the machine: somebody took it out of use, or starts it by hand" % (
            name,
            words.plain(unit.enabled or "not enabled", 40),
        )
    if unit.once:
        return "%s is a job that runs once and failed: what it does twice only a person can judge" % name
    if not unit.condition:
        return "a condition in the file of %s is not met, so systemd does not start it" % name
    for need in sorted(needs):
        if needs[need].load in ("masked", "not-found") or needs[need].active == "failed":
            how = needs[need].load if needs[need].load != "loaded" else needs[need].active
            return "%s needs %s, which is %s: look at that first" % (name, need, how)
    return ""


def tell(unit: Unit) -> list[str]:
    stands = "%s is %s (%s)" % (unit.name, unit.active or "unknown", unit.sub or unit.load)
    if unit.load != "loaded":
        return ["%s: systemd says %s" % (unit.name, unit.load)]
    found = [stands]
    if not unit.up:
        found.append(units.why(unit) if unit.since or unit.result != "success" else "it was not started since the boot")
        if unit.result == "success" and unit.since and not unit.once:
            found.append("somebody or something stopped it, or it ended by itself")
    if unit.since:
        found.append("it was last started %s" % words.plain(unit.since, 60))
    if unit.restarts:
        found.append("systemd has started it again %d times by itself" % unit.restarts)
    return found
