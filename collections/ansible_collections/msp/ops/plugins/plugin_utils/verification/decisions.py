# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filled sheet read back: is it one of ours and whole, what was decided, which contract statuses change. Pure.

Refuses with every offending row named; nothing of a refused sheet is applied.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sheet, Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity import evidence
from ansible_collections.msp.ops.plugins.plugin_utils.identity.resolve import resolve
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.verification import compare
from ansible_collections.msp.ops.plugins.plugin_utils.verification import sheet as sheets

_DMY = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})")
# What a sheet says of a thing is held against NetBox alone, so when it was seen makes no difference.
_SHEET, _SOME_DAY = "sheet", dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EXCEL_DAY_ZERO = dt.date(1899, 12, 30)


@dataclass(frozen=True, slots=True)
class FilledRow:
    """One row as it came back. number is the row a person sees in the spreadsheet."""

    number: int
    keys: Mapping[str, str]
    digest: str
    agreed: str | None
    decision: str | None
    remark: str


@dataclass(frozen=True, slots=True)
class FilledSheet:
    """A workbook as it came back. agreed and decision hold our words, or what was typed when it is none of them.

    written: by key the name of every row that was written, as the workbook itself says it. It only serves to name what
    is missing: what counts as whole is the digest in the evidence store.
    """

    id: str
    customer: str
    rows: tuple[FilledRow, ...]
    signed_by: str
    signed_on: object
    written: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transition:
    """One contract status that changes. asset is None for a thing that NetBox does not know yet."""

    row: int
    key: str
    name: str
    before: str
    after: str
    asset: Asset | None
    keys: Mapping[str, str]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What applying the sheet does. waiting: rows without a decision, or not agreed without saying what then."""

    sheet: str
    customer: str
    written: dt.datetime
    signed_by: str
    signed_on: dt.date
    transitions: tuple[Transition, ...]
    agreed: int
    waiting: tuple[str, ...]
    decisions: tuple[Mapping[str, str], ...]
    done: bool

    def diff(self) -> dict[str, str]:
        """Statuses before and after, a line an asset: Ansible's diff."""
        return {
            side: "".join(f"{t.name}: {getattr(t, side)}\n" for t in self.transitions) for side in ("before", "after")
        }

    def as_dict(self) -> dict[str, object]:
        """The result of msp.ops.verification_sheet."""
        return {
            "changed": bool(self.transitions) or not self.done,
            "sheet_id": self.sheet,
            "signed_by": self.signed_by,
            "signed_on": self.signed_on.isoformat(),
            "transitions": [
                {
                    "row": t.row,
                    "key": t.key,
                    "name": t.name,
                    "before": t.before,
                    "after": t.after,
                    "created": t.asset is None,
                }
                for t in self.transitions
            ],
            "agreed": self.agreed,
            "waiting": list(self.waiting),
        }


def plan(
    filled: FilledSheet,
    customer: str,
    known_sheets: Sequence[Sheet],
    assets: Sequence[Asset],
    *,
    today: dt.date,
    journaled: Collection[str] = (),
    signed_by: str = "",
    signed_on: object = None,
) -> Plan:
    """Check the sheet against what was written, the customer asked for and NetBox; then say what changes.

    known_sheets: the customer's sheets in the evidence store. journaled: keys of the assets whose journal has our own
    entry about this sheet: with them it is done, whatever happened to them since. signed_by, signed_on: for a sheet
    signed on paper.
    """
    record = _recorded(filled, customer, known_sheets)
    _untouched(filled, record)
    signer, day = _signature(filled, record, today, signed_by, signed_on)
    answers = _answers(filled)
    # Who applied first decided: the same sheet again finishes or repeats that, with other answers it is another sheet.
    if record.decisions and _bare(record.decisions) != _bare(answers):
        raise MspError(
            "MSP-VER-002",
            f"the answers with which sheet {filled.id} was applied before",
            "other answers in the same sheet",
            "write a new sheet with playbooks/audit.yml and have that one filled in",
        )
    transitions = _transitions(filled, assets, journaled, begun=record.applied is not None)
    return Plan(
        sheet=filled.id,
        customer=customer,
        written=record.written,
        signed_by=signer,
        signed_on=day,
        transitions=tuple(transitions),
        agreed=sum(a["agreed"] == sheets.AGREED for a in answers),
        waiting=tuple(row.keys["name"] for row in filled.rows if _target(row) is None),
        decisions=tuple(answers),
        done=record.applied is not None,
    )


def _recorded(filled: FilledSheet, customer: str, known_sheets: Sequence[Sheet]) -> Sheet:
    if filled.customer != customer:
        raise MspError(
            "MSP-VER-001",
            f"a sheet of customer {customer}",
            f"sheet {filled.id} of customer {filled.customer}",
            "give this sheet with its own customer, or this customer's sheet",
        )
    record = next((s for s in known_sheets if s.id == filled.id), None)
    if record is None or record.customer != customer:
        raise MspError(
            "MSP-VER-006",
            f"a sheet that was written for {customer}, as the evidence store lists them",
            f"sheet {filled.id!r}, which was never written",
            "use the sheet that playbooks/audit.yml wrote, with the evidence store it was written with",
        )
    newer = [s for s in known_sheets if (s.applied or s.decisions) and s.id != record.id and s.written > record.written]
    if newer:
        last = max(newer, key=lambda s: s.written)
        raise MspError(
            "MSP-VER-002",
            f"a sheet not older than the last one applied, {last.id} of {last.written:%Y-%m-%d %H:%M} UTC",
            f"sheet {filled.id} of {record.written:%Y-%m-%d %H:%M} UTC",
            "write a new sheet with playbooks/audit.yml: what the customer decided since then would be undone",
        )
    return record


def _untouched(filled: FilledSheet, record: Sheet) -> None:
    """Every row that was written is there once, with its key columns as written, and nothing beside."""
    ours = [row for row in filled.rows if row.keys.get("key") or row.digest]
    errors = [_stray(row) for row in filled.rows if not (row.keys.get("key") or row.digest)]
    errors += [_edited(row) for row in ours if sheets.row_digest(filled.customer, row.keys) != row.digest]
    there = Counter(row.keys.get("key", "") for row in ours)
    errors += [_repeated(key, ours) for key, count in there.items() if count > 1]
    errors += [_missing(key, name) for key, name in filled.written.items() if key not in there]
    if errors:
        raise MspErrors(errors)
    whole = sheets.digest(filled.customer, [row.keys for row in filled.rows])
    if whole != record.digest:
        raise MspError(
            "MSP-VER-003",
            f"the {filled.id} that was written, with all of its rows",
            f"{len(filled.rows)} rows that are not together what was written: a row is missing, added or replaced",
            "take the sheet that was sent and copy the answers into it",
        )


def _stray(row: FilledRow) -> MspError:
    said = next(filter(None, (*row.keys.values(), row.agreed, row.decision, row.remark)), "")
    return MspError(
        "MSP-VER-003",
        "only rows that were written, below the headings",
        f"row {row.number} ({said[:40]}), which is not a row of ours",
        "remove it; what it says belongs in the column for remarks",
    )


def _edited(row: FilledRow) -> MspError:
    return MspError(
        "MSP-VER-003",
        f"row {row.number} ({_called(row)}) with its key columns as written",
        "an edited key column (asset, name, class, serial, address, MAC or status)",
        "restore the row from the sheet that was sent, and answer only in the columns to fill in",
    )


def _repeated(key: str, rows: Sequence[FilledRow]) -> MspError:
    numbers = [str(row.number) for row in rows if row.keys.get("key") == key]
    return MspError(
        "MSP-VER-003",
        f"one row for {key}",
        f"{len(numbers)} rows: {', '.join(numbers)}",
        "keep the row that has the answer and remove the others",
    )


def _missing(key: str, name: str) -> MspError:
    return MspError(
        "MSP-VER-003",
        f"the row of {name} ({key})",
        "no such row",
        "restore it from the sheet that was sent; a row without an answer changes nothing",
    )


def _called(row: FilledRow) -> str:
    return row.keys.get("name") or row.keys.get("key") or "empty"


def _signature(
    filled: FilledSheet, record: Sheet, today: dt.date, signed_by: str, signed_on: object
) -> tuple[str, dt.date]:
    signer = " ".join((signed_by or filled.signed_by).split())
    given = signed_on if signed_on not in (None, "") else filled.signed_on
    day = read_date(given)
    if record.applied is not None and record.signed_by and record.signed_on:
        # What the journal tells is what the store has: a signature that is given again must be the recorded one.
        if signer in ("", record.signed_by) and (given in (None, "") or day == record.signed_on):
            return record.signed_by, record.signed_on
        raise MspError(
            "MSP-VER-002",
            f"sheet {record.id} as it was applied before, signed by {record.signed_by} on {record.signed_on}",
            f"name {signer!r}, date {str(given or '')!r}",
            "give that name and date; for another signature write a new sheet with playbooks/audit.yml",
        )
    # A day of slack on both sides: the signer's calendar date may be another than ours.
    slack = dt.timedelta(days=1)
    if signer and day is not None and record.written.date() - slack <= day <= today + slack:
        return signer, day
    found = f"name {signer!r}, date {str(given or '')!r}"
    raise MspError(
        "MSP-VER-005",
        f"who signed the sheet and when, not before it was written ({record.written:%Y-%m-%d}) and not in the future",
        found,
        "fill in both cells above the table, or give signed_by and signed_on (YYYY-MM-DD) for a sheet signed on paper",
    )


def read_date(value: object) -> dt.date | None:
    """A calendar date from a date cell, an ISO date, day-month-year, or a spreadsheet's day number."""
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _EXCEL_DAY_ZERO + dt.timedelta(days=int(value)) if 20000 < value < 80000 else None
    words = str(value or "").strip()
    try:
        return dt.date.fromisoformat(words[:10])
    except ValueError:
        pass
    found = _DMY.fullmatch(words)
    try:
        return dt.date(int(found[3]), int(found[2]), int(found[1])) if found else None
    except ValueError:
        return None


def _answers(filled: FilledSheet) -> list[Mapping[str, str]]:
    """What was answered, row by row; every answer that is none is named at once."""
    errors = [error for row in filled.rows for error in _refused(row)]
    if errors:
        raise MspErrors(errors)
    return [
        {
            "key": row.keys["key"],
            "name": row.keys["name"],
            "agreed": row.agreed or "",
            "decision": row.decision or "",
            "remark": row.remark,
        }
        for row in sorted(filled.rows, key=lambda r: r.keys["key"])
    ]


def _refused(row: FilledRow) -> Iterable[MspError]:
    where = f"row {row.number} ({_called(row)})"
    status = row.keys.get("status", "")
    allowed = sheets.choices(status)
    if row.agreed not in (None, sheets.AGREED, sheets.NOT_AGREED):
        yield MspError(
            "MSP-VER-004", f"yes or no under agreed in {where}", repr(row.agreed), "choose from the list in that cell"
        )
    if row.decision is not None and row.decision not in allowed:
        yield MspError(
            "MSP-VER-004",
            f"one of {', '.join(allowed)} as decision in {where}",
            repr(row.decision),
            "choose from the list in that cell",
        )
    elif row.agreed == sheets.AGREED and status == names.CONTRACTED and row.decision not in (None, sheets.KEEP):
        yield MspError(
            "MSP-VER-004",
            f"one answer in {where}",
            f"agreed and yet {row.decision}",
            "answer agreed, or not agreed with what should happen",
        )
    elif row.agreed == sheets.AGREED and status == names.UNLISTED and row.decision is None:
        yield MspError(
            "MSP-VER-004",
            f"a decision in {where}, which is not in the contract",
            "agreed, without saying to what",
            f"choose one of {', '.join(allowed)}",
        )


def _target(row: FilledRow) -> str | None:
    """The status that was decided for a row; None while it waits for an answer."""
    if row.decision == sheets.KEEP or (row.agreed == sheets.AGREED and row.decision is None):
        return row.keys["status"]
    return row.decision


def _transitions(
    filled: FilledSheet, assets: Sequence[Asset], journaled: Collection[str], *, begun: bool
) -> list[Transition]:
    """The statuses still to change. Once begun, the sheet is accepted: rows that change nothing stop it no more."""
    by_key = {asset.key: asset for asset in assets}
    made_since = _made_since(filled, assets)
    found, errors = [], []
    for row in filled.rows:
        target = _target(row)
        key, before = row.keys["key"], row.keys["status"]
        if begun and target in (None, before):
            continue
        held = _held(key)
        asset = by_key.get(key) if held else made_since.get(row.number)
        if asset is not None and asset.key in journaled:
            continue
        now = (asset.status or names.UNLISTED) if asset else None
        if (held or asset is not None) and now not in (before, target or before):
            errors.append(_changed(row, before, now))
        elif target is not None and target != before:
            found.append(Transition(row.number, key, row.keys["name"], before, target, asset, row.keys, row.remark))
    if errors:
        raise MspErrors(errors)
    return found


def _held(key: str) -> bool:
    """Is this the key of an asset in NetBox, and not of a thing that was only seen?"""
    return key.startswith(("device:", "virtual-machine:"))


def _made_since(filled: FilledSheet, assets: Sequence[Asset]) -> dict[int, Asset]:
    """By row, the NetBox asset that a thing without one has got since: made by this sheet before it was cut off, or by
    hand."""
    rows = {f"{_SHEET}:{row.number}": row for row in filled.rows if not _held(row.keys["key"])}
    told = [_sighting(filled.customer, row) for row in rows.values()]
    on_record, seen = evidence.gather(assets, told, facts={}, audits={}, remembered={})
    of_row = resolve(filled.customer, on_record, seen).by_sighting()
    by_key = {asset.key: asset for asset in assets}
    # A name alone says so only of what a run that was cut off has made: nothing else of it is known, and no row is its.
    own = {row.keys["key"] for row in filled.rows}
    known = {one.key for one in on_record if one.serials or one.macs or one.weak_macs} | own
    bare = [asset for asset in reversed(assets) if asset.key not in known]
    by_name = {compare.plain(asset.name.partition(".")[0]): asset for asset in bare}
    found: dict[int, Asset] = {}
    for key, row in rows.items():
        asset = by_key.get(of_row[key].asset or "")
        if asset is None and row.decision is not None:
            asset = by_name.get(compare.plain(asset_name(row.keys).partition(".")[0]))
        if asset is not None:
            found[row.number] = asset
    return found


def _sighting(customer: str, row: FilledRow) -> Sighting:
    """A row of a thing without an asset, as something that was seen."""
    identity = {
        "serial": row.keys["serial"],
        "macs": [part.strip() for part in row.keys["mac"].split(",")],
        "addresses": [row.keys["address"]],
        "names": [row.keys["name"]],
    }
    return Sighting(customer, _SHEET, str(row.number), _SOME_DAY, _SOME_DAY, 1, identity, None, {}, {})


def asset_name(keys: Mapping[str, str]) -> str:
    """What a thing is called once it is an asset: its own name, else what it was seen by."""
    name = keys["name"].strip()
    return (f"seen-{keys['key'].partition(':')[2]}" if name in (keys["address"], keys["mac"]) else name)[:64]


def _changed(row: FilledRow, before: str, now: str | None) -> MspError:
    return MspError(
        "MSP-VER-007",
        f"{row.keys['name']} (row {row.number}) in NetBox with status {before}, as when the sheet was written",
        f"status {now}" if now else "no such asset of this customer",
        "find out who changed it, write a new sheet with playbooks/audit.yml and have that one answered",
    )


def _bare(decisions: Iterable[Mapping[str, object]]) -> list[tuple[str, ...]]:
    fields = ("key", "agreed", "decision", "remark")
    return sorted(tuple(str(d.get(f) or "") for f in fields) for d in decisions)
