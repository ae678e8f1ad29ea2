# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What changed at a customer since they were last told: from recorded changes to news. Pure.

Every change is in exactly one item, and a thing whose coming or going changed more than once stands where it ended.
No changes are no news. What a source or host said stays text: nothing here reads it as anything else.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Change
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.spent import Spent
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import shown

# In the order of the page: what a person has to look at comes first.
GROUPS = NEW, CONFLICT, GONE, BACK, MOVED, CHANGED, SETTLED = (
    "new",
    "conflict",
    "gone",
    "back",
    "moved",
    "changed",
    "settled",
)

# What a person can do about an item. The words are in report/catalogue.py under "digest.todo.".
AGREE = "agree"  # it is in no contract: agree on it
AGREE_IF_NEW = "agree_if_new"  # the same, if it turned out to be in no contract
COMPARE = "compare"  # a machine can't tell whose evidence it is
IN_USE = "in_use"  # a known thing is gone
PASSED_BY = "passed_by"  # a thing in no contract is gone
EXPECTED = "expected"  # nothing, if it was meant
REPLACED = "replaced"  # another serial number
KEPT = "kept"  # decided, and never asked again
WELCOME = "welcome"  # it is there again
SOLVED = "solved"  # no longer in conflict

DECIDED = "decided: "
CONFIRMED = "confirmed by "  # a person said which asset it is
YEARS = range(1971, 9998)  # a moment outside of these is a broken clock, and can't be shown in every zone


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thing hangs. Empty: not known."""

    switch: str = ""
    port: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One piece of evidence for one side of a conflict."""

    kind: str
    value: str
    source: str
    at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Side:
    """What a thing in conflict may be, and why."""

    asset: str
    name: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing with its changes of the period, oldest first; what is known of it comes from the newest that says it.

    moves, differences, misses, sides, why, how and gone_since are those of its changes. minutes outside the contract
    are None where the evidence names none for this asset.
    """

    group: str
    thing: str
    asset: str | None
    changes: tuple[Change, ...]
    todo: str
    name: str
    kind: str
    vendor: str
    model: str
    os: str
    serial: str
    addresses: tuple[str, ...]
    macs: tuple[str, ...]
    sources: tuple[str, ...]
    place: Place
    first_seen: dt.datetime | None
    last_seen: dt.datetime | None
    moves: tuple[tuple[Place, Place], ...]
    differences: tuple[Difference, ...]
    misses: tuple[tuple[str, int], ...]
    sides: tuple[Side, ...]
    why: str
    how: str
    gone_since: dt.datetime | None
    minutes: float | None

    @property
    def keys(self) -> tuple[str, ...]:
        """The changes behind this item, as the evidence store calls them."""
        return tuple(change.key for change in self.changes)


@dataclass(frozen=True, slots=True)
class News:
    """Everything recorded in (since, until]. since None: from the beginning."""

    customer: Customer
    since: dt.datetime | None
    until: dt.datetime
    items: tuple[Item, ...]
    changes: int
    spent: Spent | None = field(default=None)

    def of(self, group: str) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.group == group)

    @property
    def counts(self) -> dict[str, int]:
        """Items by group, every group named."""
        return {group: len(self.of(group)) for group in GROUPS}


def until(changes: Iterable[Change]) -> dt.datetime | None:
    """The end of a period: when the newest of its changes was recorded. Never the clock of who asks."""
    return max(map(_recorded, changes), default=None)


def news(
    customer: Customer, changes: Iterable[Change], since: dt.datetime | None, spent: Spent | None = None
) -> News | None:
    """A customer's news: their changes recorded after since, each key once. None where there are none."""
    theirs = {c.key: c for c in changes if c.customer == customer.slug and (since is None or _recorded(c) > since)}
    ordered = sorted(theirs.values(), key=_moment)
    end = until(ordered)
    if end is None:
        return None
    minutes = spent.by_asset if spent is not None else {}
    items = [_item(group, found, minutes) for group, found in _grouped(ordered)]
    items.sort(key=lambda i: (GROUPS.index(i.group), i.name.casefold(), i.thing, i.keys))
    return News(customer, since, end, tuple(items), len(ordered), spent)


def decided(how: str) -> tuple[str, str] | None:
    """Status and person of a settlement that was a decision ("decided: tracked by J. Jansen"), else None."""
    if not how.startswith(DECIDED):
        return None
    status, _by, who = how.removeprefix(DECIDED).partition(" by ")
    return status, who


def _recorded(change: Change) -> dt.datetime:
    return change.recorded_at or change.at


def _moment(change: Change) -> tuple[dt.datetime, dt.datetime, int, str]:
    """Oldest first; of one moment, what came before what ended."""
    return _recorded(change), change.at, GROUPS.index(change.kind), change.key


def _grouped(ordered: Sequence[Change]) -> list[tuple[str, list[Change]]]:
    """Changes that belong in one item, with its group.

    A thing that came, went or was decided is shown once, with all that happened to it. One that only moved or changed
    is shown once for each of the two.
    """
    subjects: dict[str, list[Change]] = defaultdict(list)
    assets = _assets(ordered)
    for change in ordered:
        subjects[_subject(change, assets)].append(change)
    found: list[tuple[str, list[Change]]] = []
    for its in subjects.values():
        if ended := _ended(its):
            found.append((ended, its))
        else:
            parts = [(kind, [c for c in its if c.kind == kind]) for kind in (MOVED, CHANGED)]
            found += [part for part in parts if part[1]]
    return found


def _assets(changes: Iterable[Change]) -> dict[str, set[str]]:
    """By thing: the assets that it became."""
    found: dict[str, set[str]] = defaultdict(set)
    for change in changes:
        if change.asset:
            found[change.thing].add(change.asset)
    return found


def _subject(change: Change, assets: Mapping[str, set[str]]) -> str:
    """Whom a change is about: its asset, else the one asset that its thing became, else the thing."""
    became = assets.get(change.thing, set())
    asset = change.asset or (next(iter(became)) if len(became) == 1 else None)
    return f"asset {asset}" if asset else f"thing {change.thing}"


def _ended(changes: Sequence[Change]) -> str:
    """The group in which a thing ended; "" for one that neither came nor went nor was decided.

    What was new in this period and is there again was away in between: it is still new.
    """
    ended, new = "", False
    for kind in (change.kind for change in changes if change.kind not in (MOVED, CHANGED)):
        new = new or kind == NEW
        ended = NEW if kind == BACK and new else kind
    return ended


def _item(group: str, changes: Sequence[Change], minutes: Mapping[str, float]) -> Item:
    details = [change.detail for change in reversed(changes)]
    newest = changes[-1]
    asset = next((change.asset for change in reversed(changes) if change.asset), None)
    settled = [d for d in details if str(d.get("how")).startswith((DECIDED, CONFIRMED))]
    how = _first(settled or details, "how")
    differences = tuple(d for change in changes for d in _differences(change.detail))
    names = (_first(details, key) for key in ("name", "serial", "addresses", "macs"))
    return Item(
        group=group,
        thing=newest.thing,
        asset=asset,
        changes=tuple(changes),
        todo=_todo(group, changes, how, differences),
        name=next(filter(None, names), "") or shown(newest.thing),
        kind=_first(details, "type"),
        vendor=_first(details, "vendor"),
        model=_first(details, "model"),
        os=_first(details, "os"),
        serial=_first(details, "serial"),
        addresses=next(filter(None, (_many(d.get("addresses")) for d in details)), ()),
        macs=next(filter(None, (_many(d.get("macs")) for d in details)), ()),
        sources=tuple(sorted({source for d in details for source in _many(d.get("sources"))})),
        place=next((p for p in map(_place_now, details) if p != Place()), Place()),
        first_seen=min(filter(None, (moment(d.get("first_seen")) for d in details)), default=None),
        last_seen=max(filter(None, (moment(d.get("last_seen")) for d in details)), default=None),
        moves=tuple(
            (_place(c.detail.get("before")), _place(c.detail.get("after"))) for c in changes if c.kind == MOVED
        ),
        differences=differences,
        misses=next(filter(None, map(_misses, details)), ()),
        sides=next(filter(None, map(_sides, details)), ()),
        why=_first(details, "why"),
        how=how,
        gone_since=min(filter(None, (moment(d.get("gone_since")) for d in details)), default=None),
        minutes=minutes.get(asset) if asset else None,
    )


def _todo(group: str, changes: Sequence[Change], how: str, differences: Iterable[Difference]) -> str:
    unlisted = any(change.kind == NEW or change.detail.get("status") == "unlisted" for change in changes)
    if group == SETTLED:
        if decided(how):
            return KEPT
        return AGREE_IF_NEW if unlisted else SOLVED
    if group == GONE:
        return PASSED_BY if unlisted else IN_USE
    if group == CHANGED and any(d.what == "serial" for d in differences):
        return REPLACED
    return {NEW: AGREE, CONFLICT: COMPARE, BACK: WELCOME}.get(group, EXPECTED)


def moment(value: object) -> dt.datetime | None:
    """A time of a change's detail; None for what is none. A time without a zone is UTC."""
    if not isinstance(value, str | dt.datetime):
        return None
    try:
        found = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if found.year not in YEARS:
        return None
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)


def _many(value: object) -> tuple[str, ...]:
    """One value or a list as texts, each once, empty ones left out."""
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(dict.fromkeys(filter(None, map(shown, values))))


def _words(value: object) -> str:
    return ", ".join(_many(value))


def _first(details: Iterable[Mapping[str, Any]], key: str) -> str:
    """The first of the details that says something of this."""
    return next(filter(None, (next(iter(_many(d.get(key))), "") for d in details)), "")


def _place(value: object) -> Place:
    found = value if isinstance(value, Mapping) else {}
    return Place(*(shown(found.get(name)) for name in ("switch", "port", "prefix")))


def _place_now(detail: Mapping[str, Any]) -> Place:
    """Where a thing is after this change: a move says it in "after"."""
    after = _place(detail.get("after"))
    return after if after != Place() else _place(detail)


def _differences(detail: Mapping[str, Any]) -> list[Difference]:
    rows = detail.get("changes")
    return [
        Difference(shown(row.get("what")), _words(row.get("before")), _words(row.get("after")))
        for row in (rows if isinstance(rows, list | tuple) else ())
        if isinstance(row, Mapping)
    ]


def _misses(detail: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    found = detail.get("misses")
    if not isinstance(found, Mapping):
        return ()
    return tuple(sorted((shown(source), n) for source, n in found.items() if isinstance(n, int) and n > 0))


def _sides(detail: Mapping[str, Any]) -> tuple[Side, ...]:
    found = detail.get("sides")
    return tuple(
        _side(side) for side in (found if isinstance(found, list | tuple) else ()) if isinstance(side, Mapping)
    )


def _side(side: Mapping[str, Any]) -> Side:
    rows = side.get("reasons")
    reasons = [
        Reason(shown(r.get("kind")), _words(r.get("value")), shown(r.get("source")), moment(r.get("at")))
        for r in (rows if isinstance(rows, list | tuple) else ())
        if isinstance(r, Mapping)
    ]
    asset = shown(side.get("asset"))
    return Side(asset, shown(side.get("name")) or asset, tuple(reasons))
