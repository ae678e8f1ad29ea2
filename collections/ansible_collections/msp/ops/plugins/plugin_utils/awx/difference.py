# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be done so that AWX holds what it should: steps in their order, and how they look as a diff. Pure.

Only what is declared is compared: what AWX keeps beyond that is its own affair. An object of ours that is declared no
more is removed, and one of somebody else is never: where it has a name that we need, nothing at all is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.awx.model import KEPT, SECTIONS, Found, Key, Wanted

# What AWX never tells, and what a right is looked up by.
_NOT_COMPARED = frozenset({"lookup_organization"})
Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a module. state is present or absent; before and after are what changes, for the diff."""

    section: str
    key: Key
    state: str
    arguments: Mapping[str, Any]
    secrets: Mapping[str, str]
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def shown(self) -> str:
        return ", ".join(self.key)


def plan(wanted: Sequence[Wanted], found: Sequence[Found], *, most_removed: int) -> list[Step]:
    """The steps, or MspErrors where one of them must not be done."""
    there = {(one.section, one.key): one for one in found}
    needed = {(one.section, one.key) for one in wanted}
    if strangers := [there[key] for key in needed & there.keys() if not there[key].ours]:
        raise MspErrors([_not_ours(one) for one in sorted(strangers, key=lambda one: (one.section, one.key))])
    gone = [one for one in found if one.ours and one.section not in KEPT and (one.section, one.key) not in needed]
    if len(gone) > most_removed:
        raise _too_many(gone, most_removed)
    steps = [step for one in wanted if (step := _step(one, there.get((one.section, one.key)))) is not None]
    order = {name: place for place, name in enumerate(SECTIONS)}
    steps.sort(key=lambda step: order[step.section])
    gone.sort(key=lambda one: (-order[one.section], one.key))
    return [*_together([_removal(one) for one in gone if not _goes_with(one, gone)]), *_together(steps)]


def _goes_with(right: Found, gone: Sequence[Found]) -> bool:
    """Whether a right ends by itself, with its team or with what it is a right on."""
    if right.section != "roles":
        return False
    team, _role, kind, name = right.key
    ending = {"job_templates": "job_templates", "workflows": "workflow_job_templates"}[kind]
    return any((one.section, one.key) in {("teams", (team,)), (ending, (name,))} for one in gone)


def _together(steps: Sequence[Step]) -> list[Step]:
    """Rights of one team of one kind in one step: one call instead of one for each object."""
    made: list[Step] = []
    rights: dict[Key, list[Step]] = {}
    for step in steps:
        if step.section != "roles":
            made.append(step)
        else:
            rights.setdefault(step.key[:2], []).append(step)
    for (team, role), those in rights.items():
        given: Table = {name: those[0].arguments[name] for name in ("lookup_organization", "team", "role")}
        for one in those:
            given.setdefault(one.key[2], []).append(one.key[3])
        added = those[0].state == "present"
        table: Table = {name: given[name] for name in ("job_templates", "workflows") if name in given}
        nothing: Table = {}
        before, after = (nothing, table) if added else (table, nothing)
        made.append(Step("roles", (team, role), those[0].state, given, {}, before, after))
    return made


def _step(one: Wanted, there: Found | None) -> Step | None:
    if there is None:
        return Step(one.section, one.key, "present", one.arguments, one.secrets, {}, _shown(one.arguments))
    changed = [name for name in one.arguments if name not in _NOT_COMPARED and not same(one, there, name)]
    if not changed:
        return None
    before = {name: there.arguments.get(name) for name in changed}
    after = {name: one.arguments[name] for name in changed}
    return Step(one.section, one.key, "present", one.arguments, one.secrets, before, after)


def same(one: Wanted, there: Found, name: str) -> bool:
    """Whether an argument would change nothing."""
    should, is_now = one.arguments[name], there.arguments.get(name)
    if name in ("inputs", "notification_configuration") and one.section != "credential_types":
        # AWX adds what it holds by itself, and shows nothing of a secret. What is declared no more is a change.
        now = {key: value for key, value in (is_now or {}).items() if key not in one.secrets}
        if name == "inputs":
            return bool(should == now)
        return all(key in now and now[key] == value for key, value in should.items())
    return bool(should == is_now)


def _removal(one: Found) -> Step:
    return Step(one.section, one.key, "absent", one.arguments, {}, _shown(one.arguments), {})


def _shown(arguments: Mapping[str, Any]) -> Table:
    """Without what is the same for all of them anyway: every prompt is off."""
    return {name: value for name, value in arguments.items() if not (name.startswith("ask_") and value is False)}


def diff(steps: Iterable[Step]) -> dict[str, Table]:
    """Before and after, by section and object."""
    sides: dict[str, Table] = {"before": {}, "after": {}}
    for step in steps:
        for side, values in (("before", step.before), ("after", step.after)):
            if values:
                sides[side].setdefault(step.section, {})[step.shown] = dict(values)
    return sides


def summary(steps: Iterable[Step]) -> dict[str, dict[str, list[str]]]:
    """What is made, changed and removed, by section."""
    said: dict[str, dict[str, list[str]]] = {}
    for step in steps:
        what = "removed" if step.state == "absent" else "changed" if step.before else "made"
        said.setdefault(step.section, {}).setdefault(what, []).append(step.shown)
    return said


def _not_ours(one: Found) -> MspError:
    return MspError(
        "MSP-AWX-004",
        f"no object of somebody else with a name that is needed ({one.section})",
        f"{', '.join(one.key)}, whose description does not end in [msp.ops]",
        "rename one of the two, or write [msp.ops] at the end of its description in AWX if this is to take it over",
    )


def _too_many(gone: Sequence[Found], most: int) -> MspError:
    names = ", ".join(sorted({one.key[0] for one in gone})[:5])
    return MspError(
        "MSP-AWX-005",
        f"at most {most} objects to remove in one run",
        f"{len(gone)} ({names} and others)",
        "see whether a customer is missing by mistake; if not, give awx_most_removed",
    )
