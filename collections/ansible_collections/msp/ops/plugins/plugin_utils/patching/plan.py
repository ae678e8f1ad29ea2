# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A patch plan as dataclasses: when, in which order and how carefully a customer's assets are patched.

Pure: no I/O. Knows nothing of text (reading_plan.py makes a Plan of a config context) and computes no window
(windows.py does). All durations are elapsed time. Moments are UTC; what recurs is on the customer's wall clock.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import EMERGENCY

REBOOTS = NEVER, IF_NEEDED, ALWAYS = ("never", "if_needed", "always")
ROLLBACKS = DOWNGRADE, NONE = ("downgrade", "none")
# automatic: every class without being asked, no class, or all but the routine one.
AUTOMATICS = EVERYTHING, NOTHING, ONLY_SECURITY = (True, False, "security")


@dataclass(frozen=True, slots=True)
class Limit:
    """A number of hosts, or a part of them in percent."""

    number: int
    percent: bool = False

    def at_least_one(self, hosts: int) -> int:
        """How many of so many hosts may be worked on at once."""
        return max(1, self.of(hosts))

    def of(self, hosts: int) -> int:
        """How many of so many hosts, rounded down: 10 % of 15 failures allowed is one failure."""
        return math.floor(hosts * self.number / 100) if self.percent else self.number

    def __str__(self) -> str:
        return f"{self.number}%" if self.percent else str(self.number)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """An RRULE on the customer's wall clock at a time of day. since anchors it (DTSTART); None where it needs none."""

    rule: str
    at: dt.time
    since: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """When work may be done. cutoff before its end no new host is begun and nothing reboots any more."""

    name: str
    recurrence: Recurrence
    duration: dt.timedelta
    cutoff: dt.timedelta

    @property
    def usable(self) -> dt.timedelta:
        """How long hosts can be begun in one opening; zero or less where nothing fits."""
        return self.duration - self.cutoff


@dataclass(frozen=True, slots=True)
class Batch:
    """A moment that comes again and again, at which everything deferred so far is taken together."""

    name: str
    recurrence: Recurrence


@dataclass(frozen=True, slots=True)
class ClassRule:
    """What holds for one class of updates; both durations count from when an update became available.

    windows are names; any_time (emergency only): it waits for none. batch None: taken as soon as it is deferred enough.
    """

    name: str
    deferral: dt.timedelta
    deadline: dt.timedelta
    windows: tuple[str, ...]
    any_time: bool = False
    batch: str | None = None


@dataclass(frozen=True, slots=True)
class Ring:
    """Assets that go together, in the plan's order. tag is a ring tag's slug; percent of what bears no ring tag.

    soak is how long the ring must have run well before the next begins, emergency_soak the same in an emergency;
    successes are the fewest that are a pass.
    """

    name: str
    tag: str | None
    percent: int | None
    soak: dt.timedelta
    emergency_soak: dt.timedelta
    successes: int

    def soak_for(self, patch_class: str) -> dt.timedelta:
        """How long this ring soaks in a rollout of this class."""
        return self.emergency_soak if patch_class == EMERGENCY else self.soak


@dataclass(frozen=True, slots=True)
class Freeze:
    """From start until before end nothing is installed; emergencies only where emergency is True."""

    start: dt.datetime
    end: dt.datetime
    reason: str
    emergency: bool


@dataclass(frozen=True, slots=True)
class Rates:
    """Of a ring: hosts at once, and how many may fail and how many may be lost before the rollout stops by itself."""

    at_once: Limit
    most_failures: Limit
    most_lost: Limit


@dataclass(frozen=True, slots=True)
class Apart:
    """Assets (by name or key) of which never more than one is down."""

    name: str
    assets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnitCheck:
    """A systemd unit is active."""

    kind: ClassVar[str] = "unit"
    unit: str


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """A port of the host (or of another host, asked from there) takes a connection."""

    kind: ClassVar[str] = "tcp"
    port: int
    host: str
    timeout: dt.timedelta


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """An address, asked from the host, answers with this status, and with this text in it where one is given."""

    kind: ClassVar[str] = "http"
    url: str
    status: int
    contains: str
    timeout: dt.timedelta


@dataclass(frozen=True, slots=True)
class CommandCheck:
    """A command on the host ends with 0. It is a list of arguments and never seen by a shell."""

    kind: ClassVar[str] = "command"
    command: tuple[str, ...]
    timeout: dt.timedelta


@dataclass(frozen=True, slots=True)
class BaselineCheck:
    """Afterwards it is as it was before: no other unit has failed ("units"), no listening port is gone ("ports")."""

    kind: ClassVar[str] = "baseline"
    compare: tuple[str, ...]


Check = UnitCheck | TcpCheck | HttpCheck | CommandCheck | BaselineCheck
BASELINES = ("units", "ports")


def plain(check: Check) -> dict[str, Any]:
    """A check as arguments for a host: kind and its fields, durations in whole seconds, tuples as lists."""
    found: dict[str, Any] = {"kind": check.kind}
    for name, value in asdict(check).items():
        if isinstance(value, dt.timedelta):
            found[name] = int(value.total_seconds())
        else:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


@dataclass(frozen=True, slots=True)
class Checks:
    """What must be well before a host is touched, and after. A baseline is taken before and compared after."""

    before: tuple[Check, ...] = ()
    after: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A package (a pattern with * and ?) that is left as it is, on some assets (by name or key) or on all.

    expires is the last day on which it holds, in the customer's zone.
    """

    package: str
    assets: tuple[str, ...]
    reason: str
    owner: str
    expires: dt.date

    def holds(self, asset_names: frozenset[str], today: dt.date) -> bool:
        """Whether it holds today on the asset that bears these names (its key among them)."""
        return today <= self.expires and (not self.assets or not asset_names.isdisjoint(self.assets))

    def covers(self, package: str) -> bool:
        """Whether this package is one of those that it leaves as they are."""
        return fnmatch.fnmatchcase(package, self.package)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything of one plan. rings are in order; classes has all of records.CLASSES; names are unique in their kind.

    rings, windows and all else is one for everybody of a plan; checks, reboot and rollback may differ per asset.
    """

    name: str
    zone: ZoneInfo
    classes: Mapping[str, ClassRule]
    rings: tuple[Ring, ...]
    windows: Mapping[str, Window]
    batches: Mapping[str, Batch]
    freezes: tuple[Freeze, ...]
    rates: Rates
    apart: tuple[Apart, ...]
    checks: Checks
    reboot: str
    rollback: str
    stateful_tag: str
    exclusions: tuple[Exclusion, ...]
    automatic: bool | str
    preset: str | None = None

    def without_approval(self, patch_class: str) -> bool:
        """Whether a rollout of this class needs nobody's approval."""
        if self.automatic == ONLY_SECURITY:
            return patch_class != "routine"
        return self.automatic is True

    def exclusions_on(self, asset_names: frozenset[str], moment: dt.datetime) -> tuple[Exclusion, ...]:
        """Those that hold on an asset: asked once for each of thousands, and for none of its packages."""
        if not self.exclusions:
            return ()
        today = moment.astimezone(self.zone).date()
        return tuple(one for one in self.exclusions if one.holds(asset_names, today))

    def shared(self) -> Plan:
        """The plan without what may differ per asset: equal for all assets of one plan."""
        return replace(self, checks=Checks(), reboot=IF_NEEDED, rollback=NONE)


def exclusion_of(package: str, exclusions: Iterable[Exclusion]) -> Exclusion | None:
    """The one that leaves a package as it is, or None. exclusions are those that hold on its asset."""
    return next((one for one in exclusions if one.covers(package)), None)


def respects(freeze: Freeze, patch_class: str) -> bool:
    """Whether this freeze holds a class back."""
    return not (patch_class == EMERGENCY and freeze.emergency)
