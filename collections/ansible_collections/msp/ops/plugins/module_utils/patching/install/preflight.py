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
from ansible_collections.msp.ops.plugins.module_utils.patching.install import dpkg, holders, identity, space
from ansible_collections.msp.ops.plugins.module_utils.patching.install.apt import Apt, Simulation, wanted
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Package, Request

MOST_CLOCK_SECONDS = 60.0
_PAUSE = 0.5


@dataclass(frozen=True)
class Todo:
    """What of the manifest this host still needs, has already, and does not have in any version."""

    needed: tuple[Package, ...]
    there: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


@dataclass(frozen=True)
class Readings:
    """What was found on the host before the work. clock: seconds that this host is ahead of the controller."""

    todo: Todo
    machine_id: str | None
    clock: float | None
    now: float
    broken: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    simulation: Simulation = field(default_factory=lambda: Simulation([], [], [], ""))
    short: tuple[str, ...] = ()
    unwell: tuple[str, ...] = ()
    download: int = 0


def refusals(request: Request, found: Readings) -> list[MspError]:
    """Why nothing may be done; empty: go on."""
    errors = [_machine(request, found), _clock(found), _window(request, found), _database(found), _locked(found)]
    errors += [_held(found), _gone(found), _removes(found), _unsolved(found), _short(found), _unwell(found)]
    return [error for error in errors if error is not None]


def _machine(request: Request, found: Readings) -> MspError | None:
    if request.machine_id in (None, found.machine_id):
        return None
    return MspError(
        "MSP-PAT-103",
        "the machine with the id %s at this address" % request.machine_id,
        "the id %s" % found.machine_id,
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
    if not found.broken:
        return None
    return MspError(
        "MSP-PAT-106",
        "a package database without anything unfinished",
        "; ".join(found.broken[:5]),
        "see what stopped it (dpkg --audit), then dpkg --configure -a on the host",
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
    if not found.todo.held:
        return None
    return MspError(
        "MSP-PAT-108",
        "no package of the manifest on hold",
        ", ".join(found.todo.held),
        "take it off hold on the host (apt-mark unhold), or leave it out with an exclusion in the plan",
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


def _unsolved(found: Readings) -> MspError | None:
    if not found.simulation.error:
        return None
    return MspError(
        "MSP-PAT-111",
        "a manifest that can be installed together",
        found.simulation.error,
        "see on the host with apt-get --simulate install what is in the way",
    )


def _short(found: Readings) -> MspError | None:
    if not found.short:
        return None
    return MspError(
        "MSP-PAT-112",
        "room for the work",
        "; ".join(found.short),
        "make room on the host (apt-get clean, old kernels, logs)",
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


def todo(packages: tuple[Package, ...], states: dict[str, dpkg.State], apt: Apt) -> Todo:
    """What of a manifest is still to be installed on a host with these packages."""
    needed, there, absent, held = [], [], [], []
    for package in packages:
        state = states.get(package.key)
        if state is None:
            absent.append(package.key)
        elif state.sound and dpkg.not_older(apt.programs, state.version, package.version):
            there.append(package.key)
        else:
            needed.append(package)
            if state.held:
                held.append(package.key)
    return Todo(tuple(needed), tuple(there), tuple(absent), tuple(held))


def gather(request: Request, apt: Apt, host: Host, what: Todo, targets: list[str], *, back: bool = False) -> Readings:
    """Everything that refusals() judges, but for the checks. targets: what apt is to install, in its words."""
    states = apt.states()
    now = time.time()
    simulation = apt.simulate(targets, back=back) if targets else Simulation([], [], [], "")
    broken = [] if back else dpkg.broken(states)
    download: int | None = 0
    short: list[str] = []
    if targets and not simulation.gone and not simulation.error:
        download = apt.download_bytes(targets, back=back)
        if download is None:
            short = ["apt does not say how much it would fetch"]
        else:
            sizes = _space(apt, host, states, simulation, download)
            short = space.lacking(space.reading(sorted({*request.margins, *sizes})), sizes, request.margins)
    return Readings(
        todo=what,
        machine_id=identity.machine_id(host),
        clock=None if request.controller_time is None else now - request.controller_time,
        now=now,
        broken=tuple(broken + (["dpkg was cut off while it wrote its database"] if dpkg.interrupted() else [])),
        locks=tuple(_wait_for_locks(host, apt, request.lock_timeout) if targets else ()),
        simulation=simulation,
        short=tuple(short),
        download=download or 0,
    )


def _wait_for_locks(host: Host, apt: Apt, seconds: int) -> list[str]:
    """Who holds apt's locks still, after waiting for them as long as apt itself would."""
    end = time.monotonic() + seconds
    while True:
        held = holders.held(host, apt.locks)
        if not held or time.monotonic() >= end:
            return held
        time.sleep(_PAUSE)


def _space(
    apt: Apt, host: Host, states: dict[str, dpkg.State], simulation: Simulation, download: int
) -> dict[str, int]:
    """What the work needs, by path."""
    sizes = apt.sizes([(key, after) for key, _before, after in simulation.installs])
    changes = []
    for key, _before, after in simulation.installs:
        size = states[key].size if key in states else 0
        # Where apt does not know a size, it is taken for as large as it was.
        changes.append((size, sizes.get((key, after), size)))
    kernels = sum(1 for key, before, _after in simulation.installs if key.startswith("linux-image-") and before is None)
    kernel = space.kernel_size("/boot", identity.boot(host)["kernel"])
    return space.needs(download=download, changes=changes, kernels=kernels, kernel=kernel, archives=apt.archives)


def targets_of(packages: tuple[Package, ...]) -> list[str]:
    return [wanted(package) for package in packages]
