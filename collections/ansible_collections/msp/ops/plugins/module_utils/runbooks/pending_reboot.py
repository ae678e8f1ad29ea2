# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook pending_reboot: why a host waits for its restart, whether it may be restarted now, and that it was.

The controller restarts it: the module asks for that (needs), and is asked again afterwards with what it measured before.
Whether this is the time for it is the controller's to say (allowed), and never an alert's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit import boot, packages, reboot, virtualisation
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.patching.effects import ancestors
from ansible_collections.msp.ops.plugins.module_utils.patching.install import holders, units
from ansible_collections.msp.ops.plugins.module_utils.runbooks import answer, words
from ansible_collections.msp.ops.plugins.module_utils.runbooks.answer import Answer
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import Tools

SPEC: dict[str, dict[str, Any]] = {
    "allowed": {"type": "bool", "default": False},
    "blocking_units": {"type": "list", "elements": "str", "default": []},
    "after": {"type": "dict"},
}
WAIT_SECONDS, POLL_SECONDS = 180.0, 1.0
# Clocks are set while a machine starts: a start is a later one only by more than this.
MARGIN = 1.0
_LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock")
_WAITS_FOR_LOGIN = frozenset(("agetty", "login", "getty", "mingetty", "sulogin"))


class Standing(NamedTuple):
    """needed is None where the host keeps no sign. people: who sits at a terminal. busy: what must not be cut off."""

    needed: bool | None
    reasons: tuple[str, ...]
    booted: float | None
    down: tuple[str, ...]
    people: tuple[str, ...]
    busy: tuple[str, ...]


def act(tools: Tools, given: dict[str, Any]) -> Answer:
    if given["after"] is not None:
        return _after(tools, given["after"])
    now = measure(tools, given["blocking_units"])
    found, before = tell(now), measured(now)
    if now.needed is False:
        return answer.nothing_to_do(found, before)
    if why_not := not_now(now, allowed=given["allowed"]):
        return answer.gave_up(found, before, why_not)
    if tools.check:
        return answer.would_mend(found, before, ["restart the host"])
    why = "the host was not restarted yet: that is the controller's part, which has not come"
    return answer.gave_up(found, before, why, needs=answer.REBOOT)


def _after(tools: Tools, before: dict[str, Any]) -> Answer:
    _wait_until_started(tools)
    now = measure(tools, ())
    left = not_proved(before, now)
    started = now.booted is not None and now.booted > float(before.get("boot_time_seconds") or 0) + MARGIN
    return answer.acted(tell(now), ["restarted the host"] if started else [], before, measured(now), left)


def _wait_until_started(tools: Tools) -> None:
    """Until systemd has started everything, whatever came of it: only then is it known which services are down."""
    until = time.monotonic() + WAIT_SECONDS
    while tools.programs.run("systemctl", "is-system-running").out.strip() in ("initializing", "starting"):
        if time.monotonic() > until:
            return
        time.sleep(POLL_SECONDS)


def measure(tools: Tools, blocking: Sequence[str]) -> Standing:
    host = tools.host
    reboot.prepare(host)
    booted = boot.collect(host)
    manager, installed = packages.collect(host)
    kind = virtualisation.collect(host)["type"]
    found = reboot.collect(host, kind, installed if manager == "rpm" else [], booted)
    services = units.services(tools.programs, blocking)
    working = units.working(tools.programs)
    busy = ["the service %s runs" % name for name in blocking if name in services and services[name].active == "active"]
    busy += ["patches are being installed (%s)" % words.plain(working)] if working is not None else []
    busy += ["%s is held" % words.plain(one) for one in holders.held(host, _LOCKS)] if host.privileged else []
    return Standing(
        found["needed"],
        tuple(found["reasons"]),
        booted,
        tuple(units.down(services)),
        tuple(at_terminals(host)),
        tuple(busy + inhibitors(tools)),
    )


def at_terminals(host: Host) -> list[str]:
    """Who has a program at a terminal: somebody's shell, or what runs in it. Not we, nor what waits for a login."""
    ours, found = ancestors(host, os.getpid()), set()
    for number in host.names("/proc"):
        if number.isdigit() and int(number) not in ours:
            terminal, owner, command = _at(host, number)
            if terminal and command not in _WAITS_FOR_LOGIN:
                found.add("%s (%s)" % (_user(host, owner), words.plain(command, 40)))
    return sorted(found)


def _at(host: Host, number: str) -> tuple[int, str, str]:
    """The terminal's number, 0 for none; the owner's number and the program's name."""
    try:
        stat = host.text("/proc/%s/stat" % number)
        owner = str(os.stat(host.path("/proc/" + number)).st_uid)
    except OSError:
        return 0, "", ""  # it has ended
    rest = stat.rpartition(")")[2].split()
    return int(rest[4]), owner, stat.partition("(")[2].rpartition(")")[0]


def _user(host: Host, number: str) -> str:
    for line in host.text("/etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2] == number:
            return fields[0]
    return "user %s" % number


def inhibitors(tools: Tools) -> list[str]:
    """Programs that have asked systemd not to go down now."""
    done = tools.programs.run("systemd-inhibit", "--list", "--no-legend", "--no-pager", seconds=20)
    lines = done.out.splitlines() if done.status == 0 else []
    return ["asked not to be shut down: %s" % words.plain(line) for line in lines if blocks(line)]


def blocks(line: str) -> bool:
    """A line of `systemd-inhibit --list` that blocks a shutdown; a delay only holds it up for seconds."""
    fields = line.split()
    return bool(fields) and fields[-1] == "block" and any("shutdown" in one.split(":") for one in fields)


# -- decisions, pure -----------------------------------------------------------------------------------------------


def not_now(now: Standing, *, allowed: bool) -> str:
    """Why the host is not to be restarted now; "" where it is."""
    if now.needed is None:
        return "the host keeps no sign of whether it has to be restarted: look at it, and restart it by hand if so"
    because = words.listed(now.reasons)
    if not allowed:
        return "it has to be restarted (%s), and this is no time for it: plan it, or wait for the window" % because
    if now.people:
        return "it has to be restarted (%s), and somebody works on it: %s" % (because, words.listed(now.people))
    if now.busy:
        return "it has to be restarted (%s), and something must not be cut off: %s" % (because, words.listed(now.busy))
    if now.booted is None:
        return "it does not say when it started, so a restart could not be proved"
    return ""


def not_proved(before: dict[str, Any], now: Standing) -> str:
    """What is wrong after the restart; "" where all is well."""
    was = before.get("boot_time_seconds")
    if was is None or now.booted is None or now.booted <= float(was) + MARGIN:
        return "the host was to be restarted, and runs since before that: it did not go down"
    if now.needed is not False and now.reasons:
        return "the host was restarted, and still waits for a restart: %s" % words.listed(now.reasons)
    lost = sorted(set(now.down) - set(before.get("units_down") or ()))
    if lost:
        return "the host was restarted, and these services are down since: %s" % words.listed(lost)
    return ""


def tell(now: Standing) -> list[str]:
    if now.needed is None:
        return ["the host keeps no sign of whether it has to be restarted"]
    found = ["it has to be restarted: %s" % words.plain(one) for one in now.reasons] or ["no restart is pending"]
    found += ["at a terminal: %s" % one for one in now.people] + list(now.busy)
    return found + ["down: %s" % one for one in now.down]


def measured(now: Standing) -> dict[str, Any]:
    return {
        "reboot_needed": now.needed,
        "reasons": len(now.reasons),
        "boot_time_seconds": None if now.booted is None else round(now.booted, 2),
        "units_down": list(now.down),
        "people_at_terminals": len(now.people),
    }
