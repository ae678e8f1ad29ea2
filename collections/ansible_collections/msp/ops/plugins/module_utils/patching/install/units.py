# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""systemd's units: which are active, which were started anew; and the one transient unit in which the work is done.

Its name is fixed, so that systemd itself refuses a second one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Output
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs

UNIT = "msp-patch.service"
# A shutdown and a person who stops the unit wait this long for a package manager to come to an end.
SECONDS_TO_STOP = 1800
_WORKING = ("active", "activating", "deactivating", "reloading")
# What comes and goes with people and connections: login sessions, and one unit for each connection to a socket.
_PASSING = re.compile(r"(user@|user-runtime-dir@|session-|run-)|.*@\d+-")


class Unit:
    """One unit of systemd. invocation changes each time it is started; result is how its last run ended.

    there: whether it has a unit file, or is made by a program; one that was removed is not there. wanted: a target
    wants it, so it is to run whenever the host does.
    """

    __slots__ = ("active", "invocation", "name", "on_demand", "result", "sub", "there", "transient", "wanted")

    def __init__(
        self,
        name: str,
        active: str,
        sub: str,
        invocation: str,
        *,
        transient: bool,
        on_demand: bool = False,
        result: str = "",
        there: bool = True,
        wanted: bool = False,
    ) -> None:
        self.name = name
        self.active = active
        self.sub = sub
        self.invocation = invocation
        self.transient = transient
        self.on_demand = on_demand
        self.result = result
        self.there = there
        self.wanted = wanted

    @property
    def lasting(self) -> bool:
        return not self.transient and not _PASSING.match(self.name)


def parse_show(text: str) -> list[dict[str, str]]:
    """`systemctl show` of several units: properties by name, for each."""
    found = []
    for paragraph in text.strip().split("\n\n"):
        fields = {
            name: value for name, equals, value in (line.partition("=") for line in paragraph.split("\n")) if equals
        }
        if fields:
            found.append(fields)
    return found


def parse_units(text: str) -> dict[str, Unit]:
    found = {}
    for fields in parse_show(text):
        name = fields.get("Id", "")
        found[name] = Unit(
            name,
            fields.get("ActiveState", ""),
            fields.get("SubState", ""),
            fields.get("InvocationID", ""),
            transient=fields.get("Transient") == "yes",
            on_demand=starts_on_demand(fields),
            result=fields.get("Result", ""),
            there=fields.get("LoadState", "loaded") == "loaded",
            wanted=_is_wanted(fields),
        )
    return found


def starts_on_demand(fields: dict[str, str]) -> bool:
    """Whether a unit is started when somebody asks for it or a timer says so, and ends by itself when it is done.

    What a target wants is there to stay, even where a bus or a socket could start it too (docker, avahi-daemon).
    """
    if _is_wanted(fields):
        return False
    return bool(fields.get("BusName") or fields.get("TriggeredBy") or fields.get("UnitFileState") == "static")


def _is_wanted(fields: dict[str, str]) -> bool:
    by = " ".join(fields.get(name, "") for name in ("WantedBy", "RequiredBy", "UpheldBy")).split()
    return any(name.endswith(".target") for name in by)


def services(programs: Programs, named: Iterable[str] = ()) -> dict[str, Unit]:
    """Every service and socket that systemd has loaded, and those of these names.

    systemd forgets a unit that came to a good end and that nothing refers to: only by its name is it told of again.
    """
    asked: tuple[str, ...] = ("Id", "LoadState", "ActiveState", "SubState", "InvocationID", "Transient", "Result")
    asked += ("BusName", "TriggeredBy", "UnitFileState", "WantedBy", "RequiredBy", "UpheldBy")
    answer = programs.run(
        "systemctl", "show", *("--property=" + name for name in asked), "*.service", "*.socket", *named
    )
    if answer.status != 0:
        raise OSError("systemctl show %s" % answer.reason())
    return parse_units(answer.out)


def running(found: dict[str, Unit]) -> list[str]:
    """The lasting ones that do their work: services that run, sockets that listen."""
    return sorted(
        unit.name
        for unit in found.values()
        if unit.lasting and unit.active == "active" and unit.sub in ("running", "listening")
    )


def on_demand(found: dict[str, Unit]) -> list[str]:
    """Those of the running ones that may end by themselves."""
    return [name for name in running(found) if found[name].on_demand]


def at_rest(found: dict[str, Unit]) -> list[str]:
    """The ones that came to a good end, or were not started yet since the boot."""
    return sorted(
        unit.name for unit in found.values() if unit.there and unit.active == "inactive" and unit.result == "success"
    )


def failed(found: dict[str, Unit]) -> list[str]:
    """Those that have failed, and those that systemd is about to start again because they did."""
    return sorted(unit.name for unit in found.values() if unit.lasting and (unit.active == "failed" or _again(unit)))


def down(found: dict[str, Unit]) -> list[str]:
    """Those that have failed, and those that are to run and do not. One that was disabled or removed is neither."""
    idle = [unit.name for unit in found.values() if unit.lasting and unit.wanted and unit.active == "inactive"]
    return sorted({*failed(found), *idle})


def _again(unit: Unit) -> bool:
    return unit.sub.startswith("auto-restart") and unit.result not in ("", "success")


def started_anew(before: dict[str, str], found: dict[str, Unit]) -> list[str]:
    """The services that ran before and have been started again since. before: invocations by name."""
    return sorted(
        name
        for name, invocation in before.items()
        if name.endswith(".service") and name in found and found[name].invocation not in ("", invocation)
    )


def invocations(found: dict[str, Unit]) -> dict[str, str]:
    names = running(found)
    return {name: found[name].invocation for name in names if found[name].invocation}


def working(programs: Programs) -> str | None:
    """What the unit of the work says of itself while it is there: "ROLLOUT ATTEMPT"; None when it is not."""
    answer = programs.run(
        "systemctl", "show", "--property=ActiveState", "--property=Description", "--property=LoadState", UNIT
    )
    if answer.status != 0:
        raise OSError("systemctl show %s" % answer.reason())
    fields = parse_show(answer.out)[0]
    return fields.get("Description", "") if fields.get("ActiveState") in _WORKING else None


def description(rollout: str, attempt: str) -> str:
    return "%s %s" % (rollout, attempt)


def start_arguments(interpreter: str, program: str, mode: str, place: str, what: str) -> list[str]:
    """systemd-run's arguments. The hook runs however the unit ends, and puts back what was held."""
    hook = " ".join(_quoted(word) for word in (interpreter, program, "restore", place))
    return [
        "systemd-run",
        "--unit=" + UNIT,
        "--collect",
        "--quiet",
        "--no-ask-password",
        "--description=" + what,
        "--property=Type=exec",
        # Only the program itself is told to stop: it lets a package manager that runs come to its end.
        "--property=KillMode=mixed",
        "--property=TimeoutStopSec=%d" % SECONDS_TO_STOP,
        "--property=ExecStopPost=" + hook,
        "--",
        interpreter,
        program,
        mode,
        place,
    ]


def start(programs: Programs, arguments: list[str]) -> Output:
    return programs.run(*arguments)


def refused_by_systemd(answer: Output) -> bool:
    """A unit of that name is there already."""
    return answer.status != 0 and any(
        said in answer.err for said in ("already loaded", "already exists", "fragment file")
    )


def _quoted(word: str) -> str:
    """One word of a command line in systemd's own notation."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return '"%s"' % plain
