# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the answers of a host make of the controls that it is held to: one record for each of them, always.

Pure. No evidence is never a pass: what was not measured is unknown, what could not be measured is an error, and a
control says nothing of a host only where it declares that itself. Every sentence is made of what was measured, never of
what a task said that it did, and is kept as data: who reads it has a language (said.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.standards import model, probing, rules, said
from ansible_collections.msp.ops.plugins.plugin_utils.standards.control_schema import ABSENT
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    Assigned,
    AssignedControl,
    Check,
    Control,
    ControlRecord,
    Waiver,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.said import Text, phrase

# By distribution, as a host's platform begins, the family that controls speak of.
FAMILIES: Mapping[str, str] = {
    "debian": model.DEBIAN,
    "ubuntu": model.UBUNTU,
    **dict.fromkeys(("redhat", "rhel", "centos", "rocky", "almalinux", "ol", "fedora"), model.REDHAT),
}
NOT_MEASURED = phrase("not_measured")
_UNDECIDED, _LEFT = "undecided", "left"
_OK, _ABSENT, _ERROR = ("ok", "absent", "error")


def judge(
    assigned: Assigned,
    answers: Mapping[str, Any] | None,
    platform: str,
    *,
    today: dt.date,
    unmeasured: Text = "",
) -> tuple[ControlRecord, ...]:
    """A record for every control, in their order. answers is by the ids of probing.probes() what the host answered.

    platform is "debian-12" or "rhel-9"; a family alone serves. Without answers everything is unknown, because of
    unmeasured: why nobody measured.
    """
    if answers is None or not platform:
        reason = unmeasured or (NOT_MEASURED if answers is None else phrase("no_platform"))
        found = [_Found(model.UNKNOWN, reason=reason) for _held in assigned.controls]
    else:
        ids = probing.probes(assigned)[1]
        found = [_found(held, ids, answers, platform) for held in assigned.controls]
        found = _decided(assigned.controls, found, ids, answers)
    return tuple(_record(held, one, today) for held, one in zip(assigned.controls, found, strict=True))


def after(before: Iterable[ControlRecord], later: Iterable[ControlRecord]) -> tuple[ControlRecord, ...]:
    """The later records, in which what was drift before and is compliant now is fixed."""
    drifted = {record.control: record for record in before if record.status == model.DRIFT}
    return tuple(
        replace(record, status=model.FIXED, reason=phrase("was", found=drifted[record.control].found))
        if record.status == model.COMPLIANT and record.control in drifted
        else record
        for record in later
    )


def family(platform: str) -> str:
    """The family of a platform such as "debian-12"; a distribution of none is its own."""
    distribution = platform.casefold().partition("-")[0]
    return FAMILIES.get(distribution, distribution)


def enforced(record: ControlRecord, control: Control, today: dt.date) -> bool:
    """Whether a control is to be brought about where it was found so: never while a waiver holds, and never undecided.

    By a role, or by a person where the record is left to one.
    """
    if record.waiver is not None and today <= dt.date.fromisoformat(str(record.waiver["expires"])):
        return False
    if record.status == model.ERROR:
        return control.enforce_unmeasured
    return record.status == model.DRIFT and not undecided(record)


def undecided(record: ControlRecord) -> bool:
    """Whether somebody has to decide before this drift is brought about; its reason says what."""
    return record.status == model.DRIFT and isinstance(record.reason, said.Phrase) and record.reason.key == _UNDECIDED


def left(record: ControlRecord) -> bool:
    """Whether this drift is where no role reaches, so that a person has to put it right; its reason says where."""
    return record.status == model.DRIFT and says_left(record.reason)


def says_left(reason: Text) -> bool:
    """Whether the reason of a drift is that no role reaches it."""
    return isinstance(reason, said.Phrase) and reason.key == _LEFT


@dataclass(frozen=True, slots=True)
class _Found:
    """undecided is what has to be decided before it is brought about, left why no role can do that: both in words."""

    status: str
    found: Text = ""
    reason: Text = ""
    undecided: Text = ""
    left: Text = ""


def _record(held: AssignedControl, found: _Found, today: dt.date) -> ControlRecord:
    status, reason = found.status, found.reason
    if status == model.DRIFT and held.waiver is not None:
        status, reason = _waived(held.waiver, today)
    out_of_reach = status == model.DRIFT and bool(found.left) and not found.undecided
    if status == model.DRIFT and found.undecided:
        reason = phrase(_UNDECIDED, why=_joined(text for text in (found.undecided, reason) if text))
    elif out_of_reach:
        reason = phrase(_LEFT, why=_joined(text for text in (found.left, reason) if text))
    return ControlRecord(
        control=held.control.id,
        severity=held.control.severity,
        status=status,
        desired=_desired(held),
        found=found.found,
        reason=reason,
        waiver=None if held.waiver is None else held.waiver.as_dict(),
        left=out_of_reach or not held.enforced,
    )


def _waived(waiver: Waiver, today: dt.date) -> tuple[str, Text]:
    told = {"day": waiver.expires.isoformat(), "owner": waiver.owner, "why": waiver.reason}
    if waiver.holds(today):
        return model.WAIVED, phrase("waived", **told)
    return model.DRIFT, phrase("waiver_expired", **told)


def _desired(held: AssignedControl) -> Text:
    wanted = [
        _line(check, held, rules.wanted(check.rule, probing.value_of(check.value, held.parameters)))
        for check in held.control.checks
    ]
    return _joined(wanted)


def _joined(lines: Iterable[Text]) -> Text:
    """What two checks say alike is said once."""
    return said.several(said.LINES, dict.fromkeys(lines))


def _line(check: Check, held: AssignedControl, text: Text) -> Text:
    """What a check is about, and a text: "permitrootlogin: no"."""
    probe = probing.resolved(check.probe, held.parameters)
    return phrase("line", about=_about(probe, check.field), text=text)


def _about(probe: Mapping[str, Any], field: str) -> Text:
    """What a probe looks at, and what of it: in words of the catalogue, where it has them."""
    kind, thing = str(probe["kind"]), _thing(probe)
    # "value" is all that many probes give: it names nothing.
    key = f"about.{kind}.{field}" if field not in ("", "value") else f"about.{kind}"
    if said.known(key):
        return phrase(key, thing=thing) if thing else phrase(key)
    what = thing or kind.replace("_", " ")
    return what if field in ("", "value") else f"{what} {field.replace('_', ' ')}"


def _thing(probe: Mapping[str, Any]) -> str:
    """The one thing that a probe is asked of; of several files the first, and how many more."""
    for name in ("name", "path"):
        if name in probe:
            return said.short(str(probe[name]))
    paths = probe.get("paths")
    if isinstance(paths, list) and paths:
        return said.short(f"{paths[0]} + {len(paths) - 1}" if len(paths) > 1 else str(paths[0]))
    return ""


# -- one control --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one check came to. holds is None where it could not be told, and text then says why.

    left is why no role can make it hold, where it is so.
    """

    holds: bool | None
    text: Text
    absent: bool = False
    left: Text = ""


def _found(held: AssignedControl, ids: Mapping[str, str], answers: Mapping[str, Any], platform: str) -> _Found:
    control = held.control
    if family(platform) not in control.platforms:
        reason = phrase("platforms", platforms=", ".join(control.platforms), platform=said.short(platform))
        return _Found(model.NOT_APPLICABLE, reason=reason)
    unsure: list[Text] = []
    for condition in control.not_applicable_when:
        answer = _answer(condition.check, held, ids, answers)
        if answer.absent if condition.check.rule == ABSENT else answer.holds and not answer.absent:
            return _Found(model.NOT_APPLICABLE, reason=said.both(condition.because.by_language))
        if answer.holds is None:
            unsure.append(_line(condition.check, held, answer.text))
    if unsure:
        return _Found(model.ERROR, reason=phrase("unsure", why=_joined(unsure)))
    return _checked([(check, _answer(check, held, ids, answers)) for check in control.checks], held)


def _decided(
    controls: Sequence[AssignedControl], found: Sequence[_Found], ids: Mapping[str, str], answers: Mapping[str, Any]
) -> list[_Found]:
    """What was found, each with what there is to decide: for the control itself, or for one that it goes with."""
    by_id = {held.control.id: held for held in controls}
    made = []
    for held, one in zip(controls, found, strict=True):
        group = [held, *(by_id[id] for id in held.control.together if id in by_id)]
        open_ = [text for each in group for text in _to_decide(each, ids, answers)]
        made.append(replace(one, undecided=_joined(open_)) if open_ else one)
    return made


def _to_decide(held: AssignedControl, ids: Mapping[str, str], answers: Mapping[str, Any]) -> Iterator[Text]:
    """What there is to decide. What can't be told is to be looked at by somebody too."""
    for decision in held.control.decide_when:
        if decision.unless_chosen in held.chosen:
            continue
        answer = _answer(decision.check, held, ids, answers)
        if answer.holds is not False and not answer.absent:
            line = _line(decision.check, held, answer.text)
            yield phrase("decide", what=line, because=said.both(decision.because.by_language))


def _checked(checked: list[tuple[Check, _Answer]], held: AssignedControl) -> _Found:
    """One check that does not hold is enough for drift, whatever the others could tell."""
    lines = [(answer.holds, _line(check, held, answer.text)) for check, answer in checked]
    wrong = [line for holds, line in lines if holds is False]
    untold = [line for holds, line in lines if holds is None]
    if wrong:
        left = [answer.left for _check, answer in checked if answer.holds is False]
        # As long as a role can put anything of it right, it does.
        why = _joined(left) if all(left) else ""
        return _Found(model.DRIFT, _joined(wrong), _joined(untold) if untold else "", left=why)
    if untold:
        return _Found(model.ERROR, reason=_joined(untold))
    return _Found(model.COMPLIANT, _joined(line for _holds, line in lines))


def _in_force(measured: Any, field: str, found: Any) -> Iterable[Any]:
    """What has to fit: all of it, where a setting is one for some and another for the rest (sshd's Match blocks)."""
    each = measured.get("each") if field == "value" and isinstance(measured, Mapping) else None
    return each or (found,)


def _answer(check: Check, held: AssignedControl, ids: Mapping[str, str], answers: Mapping[str, Any]) -> _Answer:
    answer = answers.get(ids[probing.key(probing.resolved(check.probe, held.parameters))])
    state = answer.get("state") if isinstance(answer, Mapping) else None
    if not isinstance(answer, Mapping) or state not in (_OK, _ABSENT, _ERROR):
        return _Answer(None, phrase("no_answer"))
    if state != _OK:
        why = rules.shown(answer.get("reason"))
        if state == _ABSENT:
            return _Answer(False, phrase("absent", why=why), absent=True)
        return _Answer(None, phrase("unmeasurable", why=why))
    if check.rule == ABSENT:
        return _Answer(False, phrase("there"))
    value = probing.value_of(check.value, held.parameters)
    try:
        found = rules.at(answer.get("value"), check.field)
        holds = all(rules.holds(check.rule, one, value) for one in _in_force(answer["value"], check.field, found))
        left = "" if holds else _out_of_reach(check, value, answer["value"])
        return _Answer(holds, rules.seen(check.rule, found, value, held=holds), left=left)
    except rules.Unfit as unfit:
        return _Answer(None, unfit.said)


def _out_of_reach(check: Check, value: Any, measured: Any) -> Text:
    """Why no role can make a check hold: what it changes is as it should be, and something else is not. Else empty."""
    if not isinstance(measured, Mapping) or "within_reach" not in measured:
        return ""
    try:
        if not rules.holds(check.rule, rules.at(measured["within_reach"], check.field), value):
            return ""
        places = rules.at(measured.get("out_of_reach"), check.field)
        # Of Match blocks only those that are weaker; what follows them is no block.
        each = list(_in_force(measured, check.field, None))[1:]
        if isinstance(places, list):
            fine = [place for place, one in zip(places, each, strict=False) if rules.holds(check.rule, one, value)]
            places = [place for place in places if place not in fine]
        where = rules.shown(places)
    except rules.Unfit:
        # It says nothing of this field: a role may reach all of that.
        return ""
    key = f"out_of_reach.{check.probe['kind']}"
    return phrase(key if said.known(key) else "out_of_reach", where=where)
