# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what is wanted and what is there to the list of changes: the one code path of check mode and apply.

Pure. Knows nothing of customers; desired.py says what is wanted, register/onboarding.py carries the changes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

CUSTOM = "custom_fields"
TAGS = "tags"


@dataclass(frozen=True, slots=True)
class Ref:
    """An object by its endpoint and our key for it, whether it exists yet or is made by an earlier change."""

    endpoint: str
    key: str

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True, slots=True)
class Existing:
    """One object as NetBox has it: foreign keys as ids, choices as values, tags as slugs.

    labels are the names of those foreign keys, for people.
    """

    id: int
    fields: Mapping[str, Any]
    custom: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A field as text, empty when it is not set."""
        value = self.fields.get(name)
        return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object as it should be.

    fields and custom are set whenever they differ; created and custom_empty only fill what is not there yet: the first
    when the object is made, the second also in an existing object's empty field. later: these fields refer to objects
    that need this one first (a device's primary address), so they are set when everything else is there.
    """

    ref: Ref
    existing: Existing | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    created: Mapping[str, Any] = field(default_factory=dict)
    custom: Mapping[str, Any] = field(default_factory=dict)
    custom_empty: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    later: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One object to create or to change, with the values before and after of what changes.

    id is None for an object that does not exist yet; with later it does by the time of this change.
    """

    ref: Ref
    id: int | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)
    later: bool = False

    @property
    def action(self) -> str:
        return "create" if self.id is None and not self.later else "update"

    def as_dict(self) -> dict[str, Any]:
        """The change for a result: what, on which object, from what to what."""
        return {
            "action": self.action,
            "endpoint": self.ref.endpoint,
            "object": self.ref.key,
            "before": _shown(
                dict(self.before) | {name: self.labels[name] for name in self.before if name in self.labels}
            ),
            "after": _shown(self.after),
        }


def changes(wanted: Iterable[Wanted]) -> list[Change]:
    """What has to happen, in the order of what is wanted; nothing for what is as it should be."""
    wanted = list(wanted)
    known = {item.ref: item.existing.id for item in wanted if item.existing is not None}
    found = []
    for item in wanted:
        change = _creation(item) if item.existing is None else _correction(item, item.existing, known)
        if change is not None:
            found.append(change)
    return found


def _creation(item: Wanted) -> Change:
    after: dict[str, Any] = {**item.created, **item.fields}
    custom = {name: value for name, value in {**item.custom_empty, **item.custom}.items() if value is not None}
    if custom:
        after[CUSTOM] = custom
    if item.tags:
        after[TAGS] = tuple(sorted(item.tags))
    return Change(item.ref, None, {}, after, later=item.later)


def _correction(item: Wanted, existing: Existing, known: Mapping[Ref, int]) -> Change | None:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name, value in item.fields.items():
        if not _equal(value, existing.fields.get(name), known):
            before[name], after[name] = existing.fields.get(name), value
    custom = {name: value for name, value in item.custom.items() if not _equal(value, existing.custom.get(name), known)}
    for name, value in item.custom_empty.items():
        if existing.custom.get(name) in (None, "", []):
            custom[name] = value
    if custom:
        before[CUSTOM] = {name: existing.custom.get(name) for name in custom}
        after[CUSTOM] = custom
    if missing := set(item.tags) - set(existing.tags):
        before[TAGS], after[TAGS] = existing.tags, tuple(sorted({*existing.tags, *missing}))
    return Change(item.ref, existing.id, before, after, existing.labels, item.later) if after else None


def _equal(wanted: Any, found: Any, known: Mapping[Ref, int]) -> bool:
    if isinstance(wanted, Ref):
        return wanted in known and known[wanted] == found
    if wanted in (None, "") and found in (None, ""):
        return True
    if isinstance(wanted, Decimal) and isinstance(found, int | float) and not isinstance(found, bool):
        return wanted == Decimal(str(found))
    return bool(wanted == found)


def stages(found: Iterable[Change], order: Sequence[str]) -> list[list[Change]]:
    """The changes in groups that can be written together: by endpoint in the order given, what is for later at the end.

    Creations and corrections of one endpoint are groups of their own.
    """
    groups: dict[tuple[bool, int, str], list[Change]] = {}
    for change in found:
        groups.setdefault((change.later, order.index(change.ref.endpoint), change.action), []).append(change)
    return [groups[key] for key in sorted(groups)]


def summary(found: Sequence[Change]) -> dict[str, dict[str, int]]:
    """{"dcim/devices": {"create": 3, "update": 1}}, in the order of the changes."""
    counts: dict[str, dict[str, int]] = {}
    for change in found:
        by_action = counts.setdefault(change.ref.endpoint, {})
        by_action[change.action] = by_action.get(change.action, 0) + 1
    return counts


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: shown(value) for name, value in values.items()}


def shown(value: Any) -> Any:
    """A value for a result or a diff: references by key, exact numbers as text."""
    if isinstance(value, Mapping):
        return _shown(value)
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    if isinstance(value, Ref | Decimal):
        return str(value)
    return value
