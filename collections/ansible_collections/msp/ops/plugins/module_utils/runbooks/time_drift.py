# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook time_drift: how far the clock is off, by time servers that it asks itself; the time service started again.

The clock is only ever set by the host's own time service, and not where it is further off than may be stepped: a clock
that jumps back by hours breaks databases, tickets of Kerberos and whoever counts on the order of things.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit import virtualisation
from ansible_collections.msp.ops.plugins.module_utils.runbooks import answer, sntp, units, words
from ansible_collections.msp.ops.plugins.module_utils.runbooks.answer import Answer
from ansible_collections.msp.ops.plugins.module_utils.runbooks.sntp import Offset
from ansible_collections.msp.ops.plugins.module_utils.runbooks.units import Unit
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import Tools
from ansible_collections.msp.ops.plugins.module_utils.standards import services
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader

SPEC: dict[str, dict[str, Any]] = {
    "max_seconds": {"type": "float", "default": 1.0},
    "step_seconds": {"type": "float", "default": 300.0},
    "servers": {"type": "list", "elements": "str", "default": []},
}
WAIT_SECONDS, POLL_SECONDS = 60.0, 2.0
# The unit of each time service, by the name that the audit gives it; Red Hat and Debian name chrony's differently.
_UNITS = {
    "chrony": ("chrony.service", "chronyd.service"),
    "systemd-timesyncd": ("systemd-timesyncd.service",),
    "ntpsec": ("ntpsec.service", "ntpd.service"),
}
CHRONY = "chrony"
# A domain controller is where others have their time from.
_DOMAIN_CONTROLLERS = ("samba-ad-dc.service", "samba.service")


class Clock(NamedTuple):
    """offset is None where no server told."""

    container: bool
    controller: bool
    service: str
    unit: Unit | None
    offset: float | None
    servers: int


def act(tools: Tools, given: dict[str, Any]) -> Answer:
    reader = Reader(tools.host)
    service = str(reader.once(services.clock)["service"])
    asked = given["servers"] or services.servers(reader, service, running=False)
    told = sntp.measure(asked)
    clock = Clock(
        virtualisation.collect(tools.host)["type"] in virtualisation.CONTAINERS,
        any(units.show(tools, name).up for name in _DOMAIN_CONTROLLERS),
        service,
        _unit(tools, service),
        told.seconds,
        len(told.told),
    )
    found, before = tell(clock, told), measured(clock)
    if holds(clock, given["max_seconds"]):
        return answer.nothing_to_do(found, before)
    if why_not := not_ours(clock, asked, given["step_seconds"]):
        return answer.gave_up(found, before, why_not)
    unit = clock.unit.name if clock.unit else ""
    if tools.check:
        return answer.would_mend(found, before, ["start %s again, and wait until the clock is right" % unit])
    return _restart(tools, given, clock, asked, found)


def _unit(tools: Tools, service: str) -> Unit | None:
    for name in _UNITS.get(service, ()):
        unit = units.show(tools, name)
        if unit.load != "not-found":
            return unit
    return None


def _restart(tools: Tools, given: dict[str, Any], clock: Clock, asked: Sequence[str], found: list[str]) -> Answer:
    unit = clock.unit
    if unit is None:
        raise ValueError("a clock without a unit is not ours")
    tools.programs.run("systemctl", "reset-failed", "--", unit.name)
    asked_to = tools.programs.run("systemctl", "restart", "--no-ask-password", "--", unit.name)
    did = ["started %s again" % unit.name]
    now, stepped = clock, False
    until = time.monotonic() + WAIT_SECONDS
    while asked_to.status == 0 and time.monotonic() < until:
        if clock.service == CHRONY and not stepped:
            stepped = _step(tools, did)
        now = clock._replace(offset=sntp.measure(asked).seconds, unit=units.show(tools, unit.name))
        if holds(now, given["max_seconds"]):
            break
        time.sleep(POLL_SECONDS)
    left = ""
    if asked_to.status:
        left = "%s does not start: %s" % (unit.name, words.plain(asked_to.reason()))
        now = clock._replace(unit=units.show(tools, unit.name))
    elif not holds(now, given["max_seconds"]):
        left = "%s was started again, and after %d seconds %s" % (unit.name, WAIT_SECONDS, _off(now.offset))
    return answer.acted(found, did, measured(clock), measured(now), left)


def _step(tools: Tools, did: list[str]) -> bool:
    """Chrony turns the clock slowly; once it has chosen a source it is told to set it at once."""
    tracking = tools.programs.run("chronyc", "-c", "tracking", seconds=10)
    if tracking.status != 0 or tracking.out.strip().split(",")[-1] == "Not synchronised":
        return False
    if tools.programs.run("chronyc", "makestep", seconds=10).status != 0:
        return False
    did.append("had chrony set the clock at once")
    return True


# -- decisions, pure -----------------------------------------------------------------------------------------------


def holds(clock: Clock, most: float) -> bool:
    """The clock is right, and somebody keeps it so."""
    return clock.offset is not None and abs(clock.offset) <= most and (clock.container or _kept(clock))


def _kept(clock: Clock) -> bool:
    return clock.unit is not None and clock.unit.up


def not_ours(clock: Clock, asked: Sequence[str], most_step: float) -> str:
    """Why the clock is not for a runbook to set; "" where it is."""
    if clock.container:
        return "this host is a container, and has the clock of the machine below it: look at that one"
    if clock.controller:
        return "this host is a domain controller, and others have their time from it: a person sets its clock"
    if clock.unit is None:
        return "no time service is installed that this runbook knows (chrony, systemd-timesyncd, ntpsec)"
    if clock.unit.load != "loaded" or (clock.unit.enabled == "disabled" and not clock.unit.up):
        how = clock.unit.load if clock.unit.load != "loaded" else "disabled"
        return "%s is %s: somebody took it out of use" % (clock.unit.name, how)
    if clock.offset is None:
        if not asked:
            return "no time server is configured, so nobody can say how far the clock is off"
        return "no time server answers (%s): look at the way to them, UDP port %d" % (words.listed(asked), sntp.PORT)
    if abs(clock.offset) > most_step:
        return "%s, and more than %g seconds are not stepped by a runbook: look what depends on the time here first" % (
            _off(clock.offset),
            most_step,
        )
    return ""


def tell(clock: Clock, told: Offset) -> list[str]:
    found = [_off(clock.offset) if told.told else "nobody told the time"]
    found += ["%s says %+.3f seconds" % (words.plain(one.server, 80), one.offset) for one in told.told]
    found += ["%s told nothing: %s" % (words.plain(name, 80), words.plain(why)) for name, why in told.silent.items()]
    if clock.unit is None:
        return [*found, "no time service is installed that this runbook knows"]
    return [*found, "%s is %s (%s)" % (clock.unit.name, clock.unit.active, clock.unit.sub)]


def _off(offset: float | None) -> str:
    if offset is None:
        return "nobody can say how far the clock is off"
    return "the clock is %.3f seconds %s" % (abs(offset), "behind" if offset > 0 else "ahead")


def measured(clock: Clock) -> dict[str, Any]:
    return {
        "seconds_off": None if clock.offset is None else round(clock.offset, 3),
        "servers_that_told": clock.servers,
        "service": clock.service,
        "service_active": clock.unit.active if clock.unit else "none",
    }
