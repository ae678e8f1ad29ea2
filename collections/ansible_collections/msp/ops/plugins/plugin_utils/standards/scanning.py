# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what a host answered to the record of one check, and what is told of it and to be brought about. Pure: no I/O.

Every control that the asset is held to is in the record, also when the host did not answer: it is unknown then.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit.packed import unpack
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit import outcome as audit_outcome
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StandardCheck
from ansible_collections.msp.ops.plugins.plugin_utils.standards import judging
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    DRIFT,
    ERROR,
    FIXED,
    NOT_APPLICABLE,
    Assigned,
    AssignedControl,
    ControlRecord,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.said import LINES, Text, english, phrase, several, short

OK, FAILED, UNREACHABLE, NOT_ATTEMPTED = "ok", "failed", "unreachable", "not attempted"
# What is not as a standard asks, or nobody knows.
_OFF = (DRIFT, ERROR)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one attempt. answers are the host's, by probe; error is set when outcome is not "ok"."""

    outcome: str
    answers: Mapping[str, Any] = field(default_factory=dict)
    platform: str = ""
    seconds: float | None = None
    error: MspError | None = None


def read(host: str, result: Mapping[str, Any]) -> Answer:
    """The attempt in what msp.ops.control_facts returned for a host, which is never trusted to have the right shape."""
    if result.get("failed") or not isinstance(result.get("packed"), str):
        said = audit_outcome.words_of(result)
        if reason := audit_outcome.lacks_python(said):
            return Answer(FAILED, error=audit_outcome.no_python(host, reason))
        return Answer(FAILED, error=failed(host, str(result.get("msg") or said)))
    try:
        found = unpack(result["packed"])
        answers, platform, seconds = found["answers"], found["platform"], float(found["seconds"])
        if not isinstance(answers, dict) or not isinstance(platform, str) or not math.isfinite(seconds):
            raise ValueError("answers that are no mapping, a platform that is no text, or seconds without an end")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        return Answer(FAILED, error=malformed(host, str(error)))
    return Answer(OK, answers, platform, seconds)


def check(
    subject: Subject,
    assigned: Assigned,
    answer: Answer,
    at: dt.datetime,
    today: dt.date,
    *,
    phase: str,
    drifted: Iterable[ControlRecord] = (),
    run: str | None = None,
) -> tuple[StandardCheck, tuple[ControlRecord, ...]]:
    """The record of one attempt, and its controls. drifted are the records of the measurement before, if there was one.

    today is the day where the customer is: waivers end there.
    """
    unmeasured = "" if answer.error is None else _unmeasured(answer.outcome, answer.error)
    answers = answer.answers if answer.outcome == OK else None
    found = judging.judge(assigned, answers, answer.platform, today=today, unmeasured=unmeasured)
    found = judging.after(drifted, found)
    record = StandardCheck(
        subject.customer,
        subject.asset,
        subject.host,
        at,
        phase,
        answer.outcome,
        assigned.standard,
        assigned.version,
        tuple(one.as_dict() for one in found),
        None if answer.error is None else str(answer.error),
        run,
    )
    return record, found


def _unmeasured(outcome: str, error: MspError) -> Text:
    """Why nobody knows any of the controls."""
    return phrase(f"attempt.{outcome.replace(' ', '_')}", why=short(error.found))


def drift(rows: Iterable[Mapping[str, Any]]) -> tuple[ControlRecord, ...]:
    """The records that a result of msp.ops.standard_scan has as drift. Raises MSP-STD-162 for anything else."""
    try:
        return tuple(
            ControlRecord(
                control=str(row["control"]),
                severity=str(row["severity"]),
                status=str(row["status"]),
                desired=str(row["desired"]),
                found=str(row["found"]),
                reason=str(row["reason"]),
                left=row.get("left") is True,
            )
            for row in rows
        )
    except (KeyError, TypeError) as error:
        raise MspError(
            "MSP-STD-162",
            "in before the drift that msp.ops.standard_scan returned",
            f"{type(error).__name__}: {error}",
            "hand on RESULT.drift as it is",
        ) from error


def told(
    assigned: Assigned,
    answer: Answer,
    found: Iterable[ControlRecord],
    before: Mapping[str, str] | None,
    *,
    today: dt.date,
    diff: bool,
) -> dict[str, Any]:
    """The result of msp.ops.standard_scan. before is what each control was when this controller last measured."""
    records = tuple(found)
    result: dict[str, Any] = {
        "outcome": answer.outcome,
        "standard": assigned.standard,
        "version": assigned.version,
        "counts": dict(Counter(record.status for record in records)),
    }
    if answer.error is not None:
        result.update(msg=str(answer.error), error=answer.error.as_dict())
        return result
    by_id = {held.control.id: held for held in assigned.controls}
    to_do = [record for record in records if judging.enforced(record, by_id[record.control].control, today)]
    undecided = [record for record in records if judging.undecided(record)]
    roles: dict[str, list[str]] = {}
    parameters: dict[str, dict[str, Any]] = {}
    left: list[str] = []
    for record in to_do:
        (left if record.left else roles.setdefault(by_id[record.control].control.role, [])).append(record.control)
    for held in assigned.controls:
        parameters.setdefault(held.control.role, {})[held.control.id] = dict(held.parameters)
    result.update(
        drift=[record.told() for record in to_do],
        fixed=[record.control for record in records if record.status == FIXED],
        new=None if before is None else [one.control for one in to_do if before.get(one.control) not in _OFF],
        undecided=[record.told() for record in undecided],
        unmeasured=[record.told() for record in records if record.status == ERROR and record not in to_do],
        enforce=roles,
        left=left,
        held=[record.control for record in records if _held(record, by_id[record.control], today)],
        parameters=parameters,
        seconds=answer.seconds,
    )
    if diff and (shown := _diff(records, [*to_do, *undecided])):
        result["diff"] = shown
    return result


def _held(record: ControlRecord, assigned: AssignedControl, today: dt.date) -> bool:
    """Whether the host is held to it today: it is not waived, and there is something on the host that it is about."""
    waived = assigned.waiver is not None and assigned.waiver.holds(today)
    return not waived and record.status != NOT_APPLICABLE


def _diff(records: Iterable[ControlRecord], to_do: Iterable[ControlRecord]) -> dict[str, str]:
    """What is found and what it should be; of what was put right, what it was."""
    rows = [(one.control, _shown(one), one.desired) for one in to_do]
    rows += [(one.control, one.reason, one.found) for one in records if one.status == FIXED]
    if not rows:
        return {}
    return {
        "before": "".join(f"{control}: {english(found)}\n" for control, found, _desired in rows),
        "after": "".join(f"{control}: {english(desired)}\n" for control, _found, desired in rows),
    }


def _shown(record: ControlRecord) -> Text:
    """What was found, or why that is not known; of what is left to somebody both."""
    texts = (record.found, record.reason if judging.undecided(record) or judging.left(record) else "")
    return several(LINES, [text for text in texts if text]) or record.reason


def left_alone(result: Mapping[str, Any]) -> Iterator[str]:
    """What will be left as it is although it is not known to be as it should be, out of a result of told()."""
    if result.get("undecided"):
        yield str(to_decide(result["undecided"]))
    if result.get("unmeasured"):
        # The reasons are in the result: a program that does not run has the same one for many controls.
        yield "not measured, so left as it is: " + ", ".join(row["control"] for row in result["unmeasured"])


def to_decide(rows: Iterable[Mapping[str, Any]]) -> MspError:
    """Why controls were not brought about that somebody has to decide on. rows are a scan's undecided ones."""
    controls: dict[str, list[str]] = {}
    for row in rows:
        controls.setdefault(str(row["reason"]), []).append(str(row["control"]))
    return MspError(
        "MSP-STD-200",
        f"a decision before {', '.join(id for ids in controls.values() for id in ids)} can be brought about",
        "; ".join(controls),
        "choose it in the control's parameters for this asset or in its standard (docs/standards.md, What is asked"
        " first), or agree on a waiver; nothing of these controls was changed",
    )


def failed(host: str, said: str) -> MspError:
    return audit_outcome.not_ended(
        "MSP-STD-163",
        "the measurement",
        host,
        said,
        "run it again for this host alone (--limit 'NAME,localhost') with -vvv; when the right to become root is"
        " lacking, give it",
    )


def not_begun(host: str, why: str) -> MspError:
    return MspError(
        "MSP-STD-199",
        f"{host} to be measured and brought to its standard",
        why or "the run ended before it was its turn",
        "see what ended the run, then run it again",
    )


def hung(host: str, seconds: float) -> MspError:
    return audit_outcome.not_ended_in_time(
        "MSP-STD-164",
        "the measurement",
        host,
        seconds,
        "log in to the host and see what hangs there (a file server that is gone, a failing disk), then measure again",
    )


def malformed(host: str, why: str) -> MspError:
    return audit_outcome.of_no_shape("MSP-STD-165", "an answer", host, "docs/standards.md", why)


def records(result: Mapping[str, Any] | None) -> tuple[ControlRecord, ...] | None:
    """What a result of msp.ops.standard_scan says of its controls: those to be brought about or to be decided on as
    they are, of the others only how many are what. None where the host was not measured.
    """
    if not isinstance(result, Mapping) or result.get("outcome") != OK:
        return None
    undecided = tuple(
        replace(one, reason=phrase("undecided", why=one.reason)) for one in drift(result.get("undecided", ()))
    )
    listed = drift(result["drift"]) + undecided
    others: Counter[str] = Counter(result["counts"])
    others.subtract(record.status for record in listed)
    return listed + tuple(
        ControlRecord("", "", status, "", "") for status, number in others.items() for _each in range(number)
    )
