# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""May the work be done on this host, and what would it do. refusals() is pure; gather() looks, and changes nothing.

Every refusal says its reason, and all of them are said at once. Where there is one, nothing was done.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install import identity, space
from ansible_collections.msp.ops.plugins.module_utils.patching.install.apt import ADVICE
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import (
    Advice,
    Cost,
    Manager,
    Simulation,
    States,
    older,
)
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import broken as unsound
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Package, Request

MOST_CLOCK_SECONDS = 60.0
# What apt and dnf say of a package that is a file, or is there already.
NO_ARCHIVE = ("", "local-deb", "@commandline", "@System")
_PAUSE = 0.5


@dataclass(frozen=True)
class Todo:
    """What of the manifest this host still needs, has already, and does not have in any version.

    left_out: what it would need and keeps back, "KEY: WHY" each. held: what is on hold and would have to go back.
    """

    needed: tuple[Package, ...]
    there: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Readings:
    """What was found on the host before the work. clock: seconds that this host is ahead of the controller.

    older: what would go back to an older version; strays: what no archive offers; excluded: what would move although
    the plan leaves it as it is; advice: what a person does about it, with this package manager.
    """

    todo: Todo
    machine_id: str | None
    clock: float | None
    now: float
    broken: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    simulation: Simulation = field(default_factory=Simulation)
    older: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    unwell: tuple[str, ...] = ()
    download: int = 0
    advice: Advice = ADVICE


def refusals(request: Request, found: Readings) -> list[MspError]:
    """Why nothing may be done; empty: go on."""
    errors = [another_machine(request, found.machine_id), _clock(found), _window(request, found), _database(found)]
    errors += [_locked(found), *_of_simulation(found), _short(found), _unwell(found)]
    return [error for error in errors if error is not None]


def _of_simulation(found: Readings) -> list[MspError | None]:
    """What the manager would do, and must not."""
    errors = [_held(found), _gone(found), _removes(found), _older(found), _stray(found), _excluded(found)]
    return [*errors, _unsolved(found)]


def another_machine(request: Request, machine_id: str | None) -> MspError | None:
    if request.machine_id in (None, machine_id):
        return None
    return MspError(
        "MSP-PAT-103",
        "the machine with the id %s at this address" % request.machine_id,
        "the id %s" % machine_id,
        "see which machine answers here; when it was installed anew, audit it first",
    )


def _clock(found: Readings) -> MspError | None:
    if found.clock is None or abs(found.clock) <= MOST_CLOCK_SECONDS:
        return None
    return MspError(
        "MSP-PAT-104",
        "a clock within %d seconds of the controller's" % MOST_CLOCK_SECONDS,
        "it is %d seconds %s" % (abs(found.clock), "ahead" if found.clock > 0 else "behind"),
        "repair the host's time synchronisation (or the controller's)",
    )


def _window(request: Request, found: Readings) -> MspError | None:
    return window_ended(request) if request.over(found.now) else None


def window_ended(request: Request) -> MspError:
    return MspError(
        "MSP-PAT-105",
        "to begin before the window's end",
        "it ended at %s" % time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(request.deadline)),
        "nothing: the next window takes it",
    )


def _database(found: Readings) -> MspError | None:
    return unfinished(found.broken, found.advice) if found.broken else None


def unfinished(broken: tuple[str, ...], advice: Advice) -> MspError:
    return MspError(
        "MSP-PAT-106",
        "a package database without anything unfinished",
        "; ".join(broken[:5]),
        advice.unfinished,
    )


def _locked(found: Readings) -> MspError | None:
    if not found.locks:
        return None
    return MspError(
        "MSP-PAT-107",
        "nobody else to install packages",
        "held: " + "; ".join(found.locks),
        "wait until that process is done, or see why it is not; raise lock_timeout where it takes longer",
    )


def _held(found: Readings) -> MspError | None:
    held = [*found.todo.held, *("%s (%s)" % one for one in found.simulation.held)]
    if not held:
        return None
    return MspError(
        "MSP-PAT-108",
        "nothing on hold that has to move",
        ", ".join(held),
        found.advice.hold,
    )


def _gone(found: Readings) -> MspError | None:
    if not found.simulation.gone:
        return None
    return MspError(
        "MSP-PAT-109",
        "the versions of the manifest at the host's mirrors",
        "not there: " + ", ".join(found.simulation.gone),
        "scan again and plan a new rollout: the mirror has moved on, or is not the one that was scanned",
    )


def _removes(found: Readings) -> MspError | None:
    if not found.simulation.removes:
        return None
    return MspError(
        "MSP-PAT-110",
        "a manifest that needs nothing removed",
        "it would remove " + ", ".join(found.simulation.removes),
        "decide by hand on this host whether that may go",
    )


def _older(found: Readings) -> MspError | None:
    if not found.older:
        return None
    return MspError(
        "MSP-PAT-146",
        "a manifest that takes nothing back to an older version",
        "it would take back " + ", ".join(found.older),
        "decide by hand on this host whether that may be; else leave out what needs it with an exclusion in the plan",
    )


def _stray(found: Readings) -> MspError | None:
    if not found.strays:
        return None
    return MspError(
        "MSP-PAT-147",
        "packages that an archive of the host's offers",
        "from none: " + ", ".join(found.strays),
        "see on the host where they would come from, and give it an archive that has them",
    )


def _excluded(found: Readings) -> MspError | None:
    if not found.excluded:
        return None
    return MspError(
        "MSP-PAT-180",
        "a manifest that leaves what the plan excludes on this host at its version",
        "it would move " + ", ".join(found.excluded),
        "leave out what needs it with an exclusion in the plan too, or end the exclusion of what is named",
    )


def _unsolved(found: Readings) -> MspError | None:
    if not found.simulation.error:
        return None
    return MspError(
        "MSP-PAT-111",
        "a manifest that can be installed together",
        found.simulation.error,
        found.advice.unsolved,
    )


def _short(found: Readings) -> MspError | None:
    if not found.short:
        return None
    return MspError(
        "MSP-PAT-112",
        "room for the work",
        "; ".join(found.short),
        found.advice.room,
    )


def _unwell(found: Readings) -> MspError | None:
    if not found.unwell:
        return None
    return MspError(
        "MSP-PAT-113",
        "a host that is well before it is touched",
        "; ".join(found.unwell),
        "repair what is named first: patching it now would hide whose fault it is",
    )


def todo(packages: tuple[Package, ...], states: States, manager: Manager) -> Todo:
    """What of a manifest is still to be installed on a host with these packages."""
    needed, there, absent = [], [], []
    for package in packages:
        state = manager.state_of(package, states)
        if state is None:
            absent.append(package.key)
        elif state.sound and manager.compare(state.version, package.version) >= 0:
            there.append(package.key)
        else:
            needed.append(package)
    return Todo(tuple(needed), tuple(there), tuple(absent))


def gather(
    request: Request, manager: Manager, host: Host, what: Todo, targets: list[str], *, back: bool = False
) -> Readings:
    """Everything that refusals() judges, but for the checks. targets: what to install, in the manager's words."""
    states = manager.states()
    now = time.time()
    simulation = manager.simulate(targets, states, back=back) if targets else Simulation()
    cost: Cost | None = Cost()
    short: list[str] = []
    if targets and not simulation.gone and not simulation.held and not simulation.error:
        cost = manager.cost(simulation, targets, states, back=back)
        if cost is None:
            short = ["%s does not say how much it would fetch" % manager.name]
        else:
            sizes = _space(manager, host, cost)
            short = space.lacking(space.reading(sorted({*request.margins, *sizes})), sizes, request.margins)
    return Readings(
        **_judged(request, manager, simulation, what.needed, back=back),
        todo=what,
        machine_id=identity.machine_id(host),
        clock=None if request.controller_time is None else now - request.controller_time,
        now=now,
        broken=tuple([] if back else unsound(states)) + tuple(filter(None, [manager.interrupted()])),
        locks=tuple(_wait_for_locks(manager, request.lock_timeout) if targets else ()),
        short=tuple(short),
        download=cost.fetch if cost else 0,
        advice=manager.advice,
    )


def _judged(
    request: Request, manager: Manager, simulation: Simulation, asked: tuple[Package, ...], *, back: bool
) -> dict:
    """A simulation, with what must not be in it. On the way back what is asked for goes back, excluded or not."""
    moves = [move for move in simulation.installs if move.before is not None and request.excludes(move.key)]
    spared = {package.key for package in asked} if back else set()
    return {
        "simulation": simulation,
        "older": tuple([] if back else older(manager, simulation)),
        "strays": () if back else tuple(move.key for move in simulation.installs if move.source in NO_ARCHIVE),
        "excluded": tuple(
            "%s from %s to %s" % (move.key, move.before, move.after) for move in moves if move.key not in spared
        ),
    }


def once_more(request: Request, manager: Manager, targets: list[str], *, back: bool) -> list[MspError]:
    """What is in the way by now, of what the manager would do: the lists, or the host, may be others since."""
    simulation = manager.simulate(targets, manager.states(), back=back)
    judged = _judged(request, manager, simulation, request.packages, back=back)
    found = Readings(Todo(request.packages), None, None, 0.0, advice=manager.advice, **judged)
    return [error for error in _of_simulation(found) if error is not None]


def _wait_for_locks(manager: Manager, seconds: int) -> list[str]:
    """Who holds the manager's locks still, after waiting for them as long as it would itself."""
    end = time.monotonic() + seconds
    while True:
        held = manager.holders()
        if not held or time.monotonic() >= end:
            return held
        time.sleep(_PAUSE)


def _space(manager: Manager, host: Host, cost: Cost) -> dict[str, int]:
    """What the work needs, by path."""
    return space.needs(
        download=cost.fetch,
        changes=list(cost.changes),
        kernels=cost.kernels,
        kernel=space.kernel_size("/boot", identity.boot(host)["kernel"]),
        archives=manager.archives,
    )
