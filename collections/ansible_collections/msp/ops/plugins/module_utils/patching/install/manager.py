# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the work needs of a package manager. Its two sides are apt.py and dnf.py; nobody else knows which it is.

Targets are packages at their versions, in the manager's own words. A manager never decides whether something may be
done: it says what it would do, and does what it is told.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Output
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Package


class State:
    """One package as the host has it. key is NAME:ARCHITECTURE; size in bytes; others: older versions kept beside."""

    __slots__ = ("held", "key", "others", "size", "status", "version")

    def __init__(
        self, key: str, version: str, status: str, *, held: bool, size: int, others: tuple[str, ...] = ()
    ) -> None:
        self.key = key
        self.version = version
        self.status = status
        self.held = held
        self.size = size
        self.others = others

    @property
    def sound(self) -> bool:
        return self.status == "installed"


States = dict[str, State]


@dataclass(frozen=True)
class Move:
    """One package that would come. before: None where it is new. source: the archive it comes from, "" for none."""

    key: str
    before: str | None
    after: str
    source: str


@dataclass(frozen=True)
class Cost:
    """What the work takes: bytes to fetch, (size before, size after) of each package, kernels that come to /boot."""

    fetch: int = 0
    changes: tuple[tuple[int, int], ...] = ()
    kernels: int = 0


@dataclass(frozen=True)
class Simulation:
    """What the manager would do.

    gone: what no archive has; held: targets that the host keeps from coming, each with by what; error: why it cannot be
    done.
    retires: older versions that go because only so many are kept beside each other; reboots: packages after which
    their vendor suggests a reboot. cost: None where the manager is asked for it apart.
    """

    installs: tuple[Move, ...] = ()
    removes: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    held: tuple[tuple[str, str], ...] = ()
    error: str = ""
    retires: tuple[str, ...] = ()
    reboots: tuple[str, ...] = ()
    cost: Cost | None = field(default=None)


@dataclass(frozen=True)
class Advice:
    """What a person does about it, in the manager's own commands."""

    unfinished: str
    hold: str
    unsolved: str
    room: str
    back: str
    repair: str


@dataclass(frozen=True)
class Cut:
    """What an earlier attempt may have left in the middle.

    before: versions by key, before the rollout; allowed: keys that may be moved to mend it. ended: the manager itself
    came to its end, so that only what it complained of is in doubt; scripts: packages of which a script failed.
    """

    before: dict[str, str]
    allowed: frozenset[str]
    ended: bool = True
    scripts: frozenset[str] = frozenset()


class Manager(ABC):
    """The seam. back: the way back, to older versions. Statuses are those of programs, 0 is well."""

    name: str
    # Where what is fetched lies.
    archives: str
    advice: Advice

    @abstractmethod
    def damage(self) -> str:
        """What is wrong with the package database as such, in a sentence; empty: it can be read."""

    @abstractmethod
    def states(self) -> States:
        """Every package that is installed, or not quite; OSError where nothing answers."""

    @abstractmethod
    def interrupted(self) -> str:
        """What tells that the database was being written when something ended that; empty: nothing."""

    @abstractmethod
    def compare(self, one: str, other: str) -> int:
        """Negative, zero or positive, as version one is older than, equal to or newer than other."""

    def state_of(self, package: Package, states: States) -> State | None:
        """What the host has of a package, in whatever version."""
        return states.get(package.key)

    @abstractmethod
    def named(self, package: Package) -> str:
        """One package at its version, as a target."""

    @abstractmethod
    def lacks(self, package: Package, gone: Iterable[str]) -> bool:
        """Whether a package at its version is among those that a simulation says no archive has."""

    @abstractmethod
    def kept_back(self, packages: list[Package], states: States) -> dict[str, str]:
        """By key, those that the host keeps from coming to these versions, and by what: a hold, a pin, a phase, a lock.

        A version that no archive has is not held, nor is one that is older than what the host would choose by itself.
        """

    @abstractmethod
    def sources(self, packages: list[Package], states: States) -> tuple[list[str], list[str]]:
        """The targets of the way back to these packages, and those that are not to be had any more."""

    @abstractmethod
    def simulate(self, targets: list[str], states: States, *, back: bool = False) -> Simulation:
        """What it would do for these targets."""

    @abstractmethod
    def refresh(self) -> Output:
        """Renew the package lists."""

    @abstractmethod
    def cost(self, found: Simulation, targets: list[str], states: States, *, back: bool = False) -> Cost | None:
        """What a simulation would take; None where the manager does not say."""

    @abstractmethod
    def holders(self) -> list[str]:
        """Who keeps the manager from working, each as "LOCK by PROGRAM"."""

    @abstractmethod
    def download(self, targets: list[str], log: str, lock_timeout: int, *, back: bool = False) -> int:
        """Fetch everything; nothing is installed."""

    @abstractmethod
    def install(self, targets: list[str], log: str, lock_timeout: int, *, back: bool = False) -> int:
        """Install what was fetched, remove nothing."""

    @abstractmethod
    def repair(self, cut: Cut, log: str, lock_timeout: int) -> list[str]:
        """Bring to its end what was cut off, where that moves nothing but what is allowed.

        What comes back are the keys of packages for which that could not be done, and whose state does not tell.
        """

    @abstractmethod
    def errors(self, text: str) -> list[str]:
        """The lines of a log in which it says what went wrong, the first ones, each once."""

    @abstractmethod
    def failed_scripts(self, text: str) -> list[list[str]]:
        """[script, package] of those that failed although the manager went on."""

    @abstractmethod
    def configuration(self, text: str, since: float) -> tuple[list[str], list[str]]:
        """Edited configuration files since a moment: those that stayed, and those that the package's own replaced."""

    @abstractmethod
    def stale(self) -> tuple[str, list[str] | None, str]:
        """How it was measured, the services that run old code (None: nobody says), and what that lacks."""

    @abstractmethod
    def reboot_reasons(self, moved: Iterable[str]) -> list[str]:
        """Why the host should be rebooted, as far as the manager can tell. moved: keys of what the work moved."""


def broken(found: States) -> list[str]:
    """The packages that are neither installed nor gone, each with its state."""
    return ["%s is %s" % (state.key, state.status) for state in found.values() if not state.sound]


def older(manager: Manager, found: Simulation) -> list[str]:
    """What a simulation would take back to an older version, a sentence each."""
    return [
        "%s from %s to %s" % (move.key, move.before, move.after)
        for move in found.installs
        if move.before is not None and manager.compare(move.after, move.before) < 0
    ]
