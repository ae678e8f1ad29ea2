# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an asset is held to, out of its config context: every control with its parameters and its waiver.

Pure. What is in a config context is data of others: any JSON may come, and gives an Assigned or MspErrors with all that
is wrong in it, nothing else and nothing in part.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract.forms import shown
from ansible_collections.msp.ops.plugins.plugin_utils.contract.yamlfile import Path, dotted
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.standards import catalogue as files
from ansible_collections.msp.ops.plugins.plugin_utils.standards import forms, reading_standards, standard_schema
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    Agreement,
    Assigned,
    AssignedControl,
    Control,
    Standard,
    Waiver,
)

HERE: Path = (names.CONTEXT_STANDARD,)
OWN: Path = (names.CONTEXT_STANDARDS,)


# A choice that stands for another one: whether the asset has a patch plan decides.
BY_PLAN = "by-plan"
_WITH_PLAN, _WITHOUT_PLAN = "none", "security"


def assign(context: Any, own: Any, *, today: dt.date, planned: bool = False) -> Assigned:
    """What stands under msp_standard, with the MSP's own standards (what stands under msp_standards) or None.

    planned: the asset has a patch plan, so it need not update by itself. Raises MspErrors with everything that is wrong
    in either.
    """
    found = assign_of(context, own, files.catalogue(), files.shipped(), today=today)
    return dataclasses.replace(found, controls=tuple(_by_plan(held, planned=planned) for held in found.controls))


def _by_plan(held: AssignedControl, *, planned: bool) -> AssignedControl:
    chosen = _WITH_PLAN if planned else _WITHOUT_PLAN
    return dataclasses.replace(
        held, parameters={name: chosen if value == BY_PLAN else value for name, value in held.parameters.items()}
    )


def assign_of(
    context: Any, own: Any, controls: Mapping[str, Control], shipped: Mapping[str, Standard], *, today: dt.date
) -> Assigned:
    """The same, of these controls and these standards."""
    if context is None:
        advice = "give the asset a config context that names one; docs/standards.md has an example"
        raise MspErrors([MspError("MSP-STD-010", f"the key {HERE[0]} in the asset's config context", "none", advice)])
    wrong = list(forms.violations({} if own is None else own, standard_schema.STANDARDS, OWN, "MSP-STD-012"))
    found = {} if wrong or own is None else {name: reading_standards.standard(name, own[name]) for name in own}
    wrong += _shadowing(found, shipped)
    known = {**found, **shipped}
    wrong += reading_standards.contradictions(found, known, controls, OWN)
    form = list(forms.violations(context, standard_schema.ASSIGNMENT, HERE, "MSP-STD-011"))
    wrong += form
    if not form:
        # A name is only looked up where the MSP's own standards could be read.
        wrong += _contradictions(context, None if _formless(wrong) else known, controls, today)
    if wrong:
        raise MspErrors(wrong)
    assigned = _assigned(context, known, controls)
    if at_odds := list(_at_odds(assigned)):
        raise MspErrors(at_odds)
    return assigned


# What one control has a directory's groups do with sudo, and others would find that nobody agreed on.
_GIVES, _AGREES, _EVERYTHING = "sso-sudo", ("sudo-who", "sudo-people"), ": ALL"


def _at_odds(assigned: Assigned) -> Iterator[MspError]:
    """Controls of which one would undo what another one brings about, run after run."""
    held = {one.control.id: one.parameters for one in assigned.controls}
    rules = held[_GIVES]["rules"] if _GIVES in held else ()
    groups = [rule.removesuffix(_EVERYTHING) for rule in rules if rule.endswith(_EVERYTHING)]
    for id in _AGREES:
        if id in held and (missing := [group for group in groups if group not in held[id]["allowed"]]):
            yield MspError(
                "MSP-SSO-009",
                f"in allowed of {id} every group that {_GIVES} lets do everything",
                f"not {', '.join(missing)}",
                f"agree to it in {id} too, with all that is in its list now, or take it out of {_GIVES}",
            )


def _formless(errors: list[MspError]) -> bool:
    return any(error.code == "MSP-STD-012" for error in errors)


def _shadowing(found: Mapping[str, Standard], shipped: Mapping[str, Standard]) -> Iterator[MspError]:
    for name in sorted(found):
        if name in shipped:
            wanted = f"in {dotted(OWN)} names that none of the standards that come with msp.ops has"
            advice = f"choose another name, and let it extend {name}"
            yield MspError("MSP-STD-021", wanted, name, advice)


def _contradictions(
    context: Mapping[str, Any], known: Mapping[str, Standard] | None, controls: Mapping[str, Control], today: dt.date
) -> Iterator[MspError]:
    name, parameters, waivers = context["name"], context.get("parameters", {}), context.get("waivers", {})
    if known is not None and name not in known:
        yield reading_standards.unknown_standard(name, known, (*HERE, "name"))
    elif known is not None:
        yield from _of_standard(context, known, parameters)
    yield from reading_standards.choices(parameters, controls, (*HERE, "parameters"))
    for id in sorted(waivers):
        if id not in controls:
            yield reading_standards.unknown_control(id, controls, (*HERE, "waivers"))
        yield from _of_waiver(waivers[id], (*HERE, "waivers", id), today)


def _of_standard(
    context: Mapping[str, Any], known: Mapping[str, Standard], parameters: Mapping[str, Any]
) -> Iterator[MspError]:
    """The version that is asked for is there, and nothing is chosen in a control that the standard leaves out."""
    standard = known[context["name"]]
    wanted = context.get("version")
    if wanted is not None and wanted != standard.version:
        yield MspError(
            "MSP-STD-014",
            f"{dotted((*HERE, 'version'))} to be a version of {standard.name} that is known ({standard.version})",
            wanted,
            f"read what changed since, then write {standard.version}; or leave the version out",
        )
    for id, why in sorted(reading_standards.left_out(reading_standards.lineage(standard.name, known)).items()):
        if id in parameters:
            yield MspError(
                "MSP-STD-020",
                f"in {dotted((*HERE, 'parameters'))} no control that {standard.name} leaves out ({shown(why)})",
                id,
                "remove the parameters, or take the control up again in the standard",
            )


def _of_waiver(data: Any, here: Path, today: dt.date) -> Iterator[MspError]:
    """A waiver has reason, owner, expiry and the customer's agreement, of days that there are."""
    wrong = list(forms.violations(data, standard_schema.WAIVER, here, "MSP-STD-019"))
    yield from wrong
    if wrong:
        return
    for path, text in (((*here, "expires"), data["expires"]), ((*here, "agreed", "on"), data["agreed"]["on"])):
        if _day(text) is None:
            yield MspError("MSP-STD-022", f"{dotted(path)} to be a day of the calendar", text, "correct the date")
    agreed = _day(data["agreed"]["on"])
    if agreed is not None and agreed > today:
        wanted = f"{dotted((*here, 'agreed', 'on'))} to be {today.isoformat()} or before: agreed is agreed"
        yield MspError("MSP-STD-022", wanted, agreed.isoformat(), "correct the date")


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


# -- what is assigned: only of data that has its form and does not contradict itself ------------------------------


def _assigned(context: Mapping[str, Any], known: Mapping[str, Standard], controls: Mapping[str, Control]) -> Assigned:
    standard = known[context["name"]]
    chosen = reading_standards.chosen(reading_standards.lineage(standard.name, known))
    parameters, waivers = context.get("parameters", {}), context.get("waivers", {})
    return Assigned(
        standard=standard.name,
        version=standard.version,
        asset_class=standard.asset_class,
        controls=tuple(
            AssignedControl(
                control=control,
                parameters=_values(control, {**chosen[id], **parameters.get(id, {})}),
                waiver=_longest(control, waivers),
                chosen=frozenset({**chosen[id], **parameters.get(id, {})}),
            )
            for id, control in controls.items()
            if id in chosen
        ),
        unused=tuple(sorted({*parameters, *waivers} - set(chosen))),
    )


def _values(control: Control, chosen: Mapping[str, Any]) -> dict[str, Any]:
    # Copies: what a role or a module is given is nobody else's.
    return {name: copy.deepcopy(chosen.get(name, parameter.default)) for name, parameter in control.parameters.items()}


def _longest(control: Control, waivers: Mapping[str, Any]) -> Waiver | None:
    """The waiver of a control, or of the one that it is a part of; of both the one that holds longest."""
    found = [_waiver(waivers[id]) for id in (control.id, control.waived_with) if id in waivers]
    return max(found, key=lambda one: one.expires, default=None)


def _waiver(data: Mapping[str, Any]) -> Waiver:
    agreed = data["agreed"]
    return Waiver(
        reason=data["reason"].strip(),
        owner=data["owner"].strip(),
        expires=dt.date.fromisoformat(data["expires"]),
        agreed=Agreement(agreed["by"].strip(), dt.date.fromisoformat(agreed["on"]), agreed["reference"].strip()),
    )
