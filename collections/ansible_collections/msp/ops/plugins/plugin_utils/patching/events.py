# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a rollout, each a dataclass, and how they are written in the evidence store and read back. Pure.

An event says what happened and is never taken back. Whether it may happen now is rollout.py's to say, what happens next
deciding.py's.
"""

from __future__ import annotations

import datetime as dt
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache, partial
from typing import Any, ClassVar

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StoredEvent, StoredRollout
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import HostResult

# Who approves where the plan needs nobody: no person's login has a space in it.
THE_PLAN = "the plan"


@dataclass(frozen=True, slots=True)
class Target:
    """One host that a rollout is for. name is the asset's own, platform what records.Entry names its packages by.

    machine_id is that of the machine that was scanned, "" where it has none: another one at its address is not touched.
    """

    host: str
    asset: str
    name: str
    platform: str = ""
    machine_id: str = ""

    @property
    def names(self) -> frozenset[str]:
        """All that a plan may call it by."""
        return frozenset((self.host, self.asset, self.name))


@dataclass(frozen=True, slots=True)
class RingTargets:
    """The hosts of one ring, in the order in which they are begun."""

    name: str
    hosts: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a ring's hosts. Every host that was targeted is in exactly one of them, but unwell and silent:

    those are done (patched, or nothing to do) and were not well, or gave no answer, when the gate asked them. Nor
    doubted: those are done and say that they are well, and prove nothing, for another rollout left them not well.
    """

    patched: int = 0
    nothing: int = 0
    refused: int = 0
    failed: int = 0
    rolled_back: int = 0
    lost: int = 0
    undone: int = 0
    left: int = 0
    unwell: int = 0
    silent: int = 0
    owed: int = 0
    doubted: int = 0


@dataclass(frozen=True, slots=True)
class _Event:
    at: dt.datetime
    kind: ClassVar[str]
    closes: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Planned(_Event):
    """The rollout as it begins. manifest is the hash of what it installs; from deadline on it is expired."""

    kind: ClassVar[str] = "planned"
    patch_class: str
    manifest: str
    deadline: dt.datetime
    rings: tuple[RingTargets, ...]
    by: str


@dataclass(frozen=True, slots=True)
class Approved(_Event):
    """by may be THE_PLAN; reason says then which rule of it."""

    kind: ClassVar[str] = "approved"
    manifest: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Paused(_Event):
    kind: ClassVar[str] = "paused"
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Resumed(_Event):
    """After a halt, what failed or was lost in the ring is offered again, and the ring soaks anew."""

    kind: ClassVar[str] = "resumed"
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class AbortAsked(_Event):
    """Nothing is begun any more. The rollout is over once it is known what became of what was begun."""

    kind: ClassVar[str] = "abort asked"
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class RingOpened(_Event):
    kind: ClassVar[str] = "ring opened"
    ring: str


@dataclass(frozen=True, slots=True)
class BatchStarted(_Event):
    """Written before the first of its hosts is touched."""

    kind: ClassVar[str] = "batch started"
    ring: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RollbackStarted(_Event):
    """Written before the first of its hosts is touched."""

    kind: ClassVar[str] = "rollback started"
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostEnded(_Event):
    """What became of a host that was begun. seconds is how long it took, None where that was not seen."""

    kind: ClassVar[str] = "host result"
    result: HostResult
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class HostIdle(_Event):
    """A look at a host that was begun: the work never reached it. It may be begun again."""

    kind: ClassVar[str] = "host idle"
    host: str


@dataclass(frozen=True, slots=True)
class HostLeft(_Event):
    """No business of the rollout while it is so: out of the contract, or excluded."""

    kind: ClassVar[str] = "host left"
    host: str
    reason: str


@dataclass(frozen=True, slots=True)
class HostBack(_Event):
    """A host that had left is the rollout's business again."""

    kind: ClassVar[str] = "host back"
    host: str


@dataclass(frozen=True, slots=True)
class SoakStarted(_Event):
    kind: ClassVar[str] = "soak started"
    ring: str
    until: dt.datetime


@dataclass(frozen=True, slots=True)
class GatePassed(_Event):
    """unwell has the hosts that were not well when the gate asked, silent those without an answer, each with why.

    doubted has the assets, by key, that prove nothing: another rollout left them not well, and how.
    """

    kind: ClassVar[str] = "gate passed"
    ring: str
    counts: Counts
    why: str
    unwell: Mapping[str, str] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    doubted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GateFailed(_Event):
    """The rollout halts with it. Who resumes it says that those doubted are well."""

    kind: ClassVar[str] = "gate failed"
    ring: str
    counts: Counts
    why: str
    unwell: Mapping[str, str] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    doubted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Halted(_Event):
    """doubted as in a gate: who resumes it says that those are well."""

    kind: ClassVar[str] = "halted"
    why: str
    doubted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completed(_Event):
    kind: ClassVar[str] = "completed"
    closes: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Aborted(_Event):
    """undone are the hosts that do not have what the rollout installs, or of which that is not known."""

    kind: ClassVar[str] = "aborted"
    closes: ClassVar[bool] = True
    undone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Superseded(_Event):
    """by says what came: a new rollout installs it, on the hosts that have the old one too."""

    kind: ClassVar[str] = "superseded"
    closes: ClassVar[bool] = True
    by: str
    undone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expired(_Event):
    kind: ClassVar[str] = "expired"
    closes: ClassVar[bool] = True
    undone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RolledBack(_Event):
    kind: ClassVar[str] = "rolled back"
    closes: ClassVar[bool] = True
    hosts: tuple[str, ...]
    undone: tuple[str, ...] = ()


Event = (
    Planned
    | Approved
    | Paused
    | Resumed
    | AbortAsked
    | RingOpened
    | BatchStarted
    | RollbackStarted
    | HostEnded
    | HostIdle
    | HostLeft
    | HostBack
    | SoakStarted
    | GatePassed
    | GateFailed
    | Halted
    | Completed
    | Aborted
    | Superseded
    | Expired
    | RolledBack
)
KINDS: Mapping[str, type[Event]] = {one.kind: one for one in typing.get_args(Event)}


def stored(event: Event) -> StoredEvent:
    """An event as the evidence store takes it."""
    body = {item.name: _plain(getattr(event, item.name)) for item in fields(event) if item.name != "at"}
    return StoredEvent(event.kind, event.at, body, event.closes)


def read(event: StoredEvent) -> Event:
    """An event as the evidence store gives it. MSP-PAT-071 where this code does not know it."""
    kind = KINDS.get(event.kind)
    if kind is None:
        raise _unreadable(event, "a kind that this version does not know")
    try:
        hints = _hints(typing.cast(type, kind))
        values = {name: _reader(hints[name])(value) for name, value in event.body.items()}
        found: Event = kind(at=event.at, **values)
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(event, f"{type(error).__name__}: {error}") from error
    return found


def of(rollout: StoredRollout) -> list[Event]:
    """The events of a stored rollout, oldest first."""
    return [read(event) for event in rollout.events]


def starting(customer: str, plan: str, plan_hash: str, planned: Planned, body: Mapping[str, Any]) -> StoredRollout:
    """The rollout to record, its first event with it. The id fits in a file name, and tells whose it is and of when.

    Two plans may have the same to install at the same moment, and a plan the same again within a second: the plan's
    name and the whole moment are in the id's last part.
    """
    made = planned.at.astimezone(dt.UTC)
    what = {"plan": plan, "class": planned.patch_class, "manifest": planned.manifest, "at": made.isoformat()}
    own = hashing.facts_hash(what)
    name = f"{customer}-{made:%Y%m%dT%H%M%S}-{own[:8]}"
    return StoredRollout(name, customer, plan, plan_hash, made, planned.manifest, body, (stored(planned),))


def _unreadable(event: StoredEvent, found: str) -> MspError:
    return MspError(
        "MSP-PAT-071",
        f"event {event.number} ({event.kind}) of a rollout as this version of msp.ops writes it",
        found,
        "use the version of msp.ops that wrote it, or a newer one",
    )


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {
            item.name: _plain(told) for item in fields(value) if (told := getattr(value, item.name)) != _usual(item)
        }
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _usual(item: Any) -> Any:
    return item.default_factory() if item.default_factory is not MISSING else item.default


@cache
def _hints(record: type) -> Mapping[str, Any]:
    return typing.get_type_hints(record)


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """What makes of a plain value what a field of this type has; made once, for a rollout names thousands of hosts."""
    if isinstance(kind, types.UnionType):
        (one,) = (_reader(one) for one in typing.get_args(kind) if one is not types.NoneType)
        return lambda value: None if value is None else one(value)
    if kind is dt.datetime:
        return _moment
    if typing.get_origin(kind) is tuple:
        each = _reader(typing.get_args(kind)[0])
        return lambda value: tuple(map(each, _of(list, value)))
    if is_dataclass(kind):
        record = typing.cast(type, kind)
        readers = {name: _reader(hint) for name, hint in _hints(record).items()}
        return lambda value: record(**{name: readers[name](one) for name, one in _of(dict, value).items()})
    if typing.get_origin(kind) is not None:
        return partial(_of, dict)
    return float if kind is float else partial(_of, kind)


def _of(kind: Any, value: Any) -> Any:
    if kind is not Any and not isinstance(value, kind):
        raise TypeError(f"{value!r} where {kind.__name__} was expected")
    return value


def _moment(text: str) -> dt.datetime:
    found = dt.datetime.fromisoformat(_of(str, text))
    if found.tzinfo is None:
        raise ValueError("a time without its zone")
    return found
