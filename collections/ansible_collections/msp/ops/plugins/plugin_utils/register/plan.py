# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must be written in NetBox so that it holds the model. Pure: it compares declarations with rows, no I/O.

Check mode and apply share this plan. Nothing is ever deleted: what an older version of ours left and no declaration
speaks of any more is only reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.register.declaration import Item, Section
from ansible_collections.msp.ops.plugins.plugin_utils.register.difference import Change, difference

Row = Mapping[str, Any]
HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Step:
    """One object to create (id is None) or to change."""

    section: str
    key: str
    id: int | None
    changes: Mapping[str, Change]
    renamed_from: str | None = None
    hidden: tuple[str, ...] = ()

    def shown(self, side: str) -> dict[str, Any]:
        """Before or after, for a person: what is hidden is not in it."""
        return {
            name: HIDDEN if name in self.hidden and getattr(change, side) else getattr(change, side)
            for name, change in self.changes.items()
        }


@dataclass(slots=True)
class Plan:
    """Steps in the order of the model, what stands in the way, and what is ours no longer."""

    steps: list[Step] = field(default_factory=list)
    refusals: list[MspError] = field(default_factory=list)
    obsolete: list[str] = field(default_factory=list)

    def rights(self, section: Section) -> set[str]:
        """What the steps of a section need."""
        return {"add" if step.id is None else "change" for step in self.steps if step.section == section.name}

    def diff(self) -> dict[str, dict[str, Any]]:
        """Before and after, as Ansible shows them: only what changes, by section and name."""
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for step in self.steps:
            if step.id is not None:
                before.setdefault(step.section, {})[step.renamed_from or step.key] = step.shown("before")
            after.setdefault(step.section, {})[step.key] = step.shown("after")
        return {"before": before, "after": after}

    def summary(self) -> dict[str, dict[str, list[str]]]:
        """Per section the keys created, changed and renamed."""
        found: dict[str, dict[str, list[str]]] = {}
        for step in self.steps:
            what = "created" if step.id is None else "renamed" if step.renamed_from else "changed"
            found.setdefault(step.section, {}).setdefault(what, []).append(step.key)
        return found


def plan(sections: Iterable[Section], rows: Mapping[str, Sequence[Row]]) -> Plan:
    """Compare the model with what NetBox has; rows maps a section's name to all its rows."""
    made = Plan()
    for section in sections:
        used: set[Any] = set()
        for item in section.items:
            _plan_item(made, section, item, rows[section.name], used)
        made.obsolete += _obsolete(section, rows[section.name], used)
    return made


def is_ours(section: Section, key: str) -> bool:
    """True for a key in the part of NetBox's names that this project reserves for itself."""
    return key.startswith(section.prefixes)


def _plan_item(made: Plan, section: Section, item: Item, rows: Sequence[Row], used: set[Any]) -> None:
    found = [row for row in rows if row[section.key] == item.key]
    old = [row for row in rows if row[section.key] in item.formerly] if not found else []
    if len(found) > 1 or len(old) > 1:
        made.refusals.append(_ambiguous(section, item, len(found or old)))
        used |= {row["id"] for row in found or old}
        return
    row = next(iter(found or old), None)
    if row is None:
        wanted = {section.key: item.key, **item.body, **item.once}
        changes = {name: Change(None, value) for name, value in wanted.items()}
        made.steps.append(Step(section.name, item.key, None, changes, hidden=section.hidden))
        return
    used.add(row["id"])
    row = {**row, **{name: row.get(told) for name, told in section.told_by.items()}}
    # An older NetBox has no such property, and would show a change for ever.
    wanted = {name: value for name, value in item.body.items() if name in row}
    wanted = {
        name: _at_least(row[name], value) if name in section.includes else value for name, value in wanted.items()
    }
    changes = difference(row, {section.key: item.key, **wanted})
    if refused := [name for name in section.fixed if name in changes]:
        made.refusals += [_fixed(section, item, row, name, changes[name]) for name in refused]
    elif changes:
        renamed = row[section.key] if old else None
        made.steps.append(Step(section.name, item.key, row["id"], changes, renamed, section.hidden))


def _at_least(have: Any, wanted: Any) -> Any:
    """What is declared, and behind it what people added."""
    if isinstance(wanted, Mapping):
        return {**(have or {}), **wanted}
    if not isinstance(have, list):
        return wanted
    if wanted and isinstance(wanted[0], list):
        declared = {pair[0] for pair in wanted}
        return [*wanted, *(pair for pair in have if pair[0] not in declared)]
    if have and isinstance(have[0], Mapping):
        # Related objects: by name where the declaration has it, by id where people added it.
        known = {other for item in have for other in (item.get("name"), item.get("slug"))}
        if set(wanted) <= known:
            return [item["id"] for item in have]
        return [*wanted, *(item["id"] for item in have)]
    return [*wanted, *(item for item in have if item not in wanted)]


def _obsolete(section: Section, rows: Sequence[Row], used: set[Any]) -> list[str]:
    return sorted(
        f"{section.name}: {row[section.key]}"
        for row in rows
        if row["id"] not in used
        and is_ours(section, row[section.key])
        and not (section.free_prefixes and row[section.key].startswith(section.free_prefixes))
    )


def _fixed(section: Section, item: Item, row: Row, name: str, change: Change) -> MspError:
    return MspError(
        "MSP-MOD-003",
        f"{section.name} {item.key} with {name} {change.after!r}",
        f"{row[section.key]!r} exists with {name} {change.before!r}, and NetBox can't change that",
        "rename the one that exists (its values stay with it), run this again, then move its values over",
    )


def _ambiguous(section: Section, item: Item, count: int) -> MspError:
    return MspError(
        "MSP-MOD-004",
        f"one object of {section.name} that is or was {item.key!r}",
        f"{count}",
        "rename all but the one that is to be kept, and run this again",
    )
