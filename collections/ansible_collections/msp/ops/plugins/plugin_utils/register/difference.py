# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must be written so that an object becomes what it should be; nothing when it already is. Pure: no I/O.

NetBox reads in another shape than it writes: a related object reads as a whole object and is written as its id or as
what identifies it, a choice reads as {value, label}, a decimal as text or number, a list of tags in any order.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

# Lists of scalars in which the order says nothing. Lists of objects are always sets to us.
UNORDERED = frozenset({"object_types", "actions", "allowed_ips", "tags", "groups", "users", "permissions"})


@dataclass(frozen=True, slots=True)
class Change:
    """One field: how it was read, in the shape of what is wanted, and what is to be written."""

    before: Any
    after: Any


def difference(current: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, Change]:
    """The fields of desired (in NetBox's write shape) that current (as read) does not have already."""
    changes: dict[str, Change] = {}
    for name, wanted in desired.items():
        have = current.get(name)
        if name == "custom_fields":
            inside = difference(have or {}, wanted or {})
            if inside:
                changes[name] = Change(
                    {key: change.before for key, change in inside.items()},
                    {key: change.after for key, change in inside.items()},
                )
            continue
        before = as_written(have, wanted)
        if not same(before, wanted, unordered=name in UNORDERED):
            changes[name] = Change(before, wanted)
    return changes


def body(changes: Mapping[str, Change]) -> dict[str, Any]:
    """What to send for these changes."""
    return {name: _json(change.after) for name, change in changes.items()}


def as_written(have: Any, wanted: Any) -> Any:
    """What was read, in the shape in which wanted is given."""
    if isinstance(have, list):
        sample = wanted[0] if isinstance(wanted, Sequence) and not isinstance(wanted, str) and wanted else None
        return [as_written(item, sample) for item in have]
    if not isinstance(have, Mapping):
        return have
    if set(have) == {"value", "label"}:
        return have["value"]
    if "id" in have and ("url" in have or "display" in have):
        return _identity(have, wanted)
    return have


def same(before: Any, wanted: Any, *, unordered: bool = False) -> bool:
    """True when writing wanted over before would change nothing."""
    if _nothing(before) and _nothing(wanted):
        return True
    if isinstance(before, (list, tuple)) and isinstance(wanted, (list, tuple)):
        if unordered or any(isinstance(item, Mapping) for item in wanted):
            return _same_set(before, wanted)
        return len(before) == len(wanted) and all(same(*pair) for pair in zip(before, wanted, strict=True))
    if isinstance(before, Mapping) and isinstance(wanted, Mapping):
        return before.keys() == wanted.keys() and all(same(before[key], wanted[key]) for key in wanted)
    return _same_scalar(before, wanted)


def _identity(have: Mapping[str, Any], wanted: Any) -> Any:
    """A related object as its id, or by the attributes that wanted names it with."""
    if isinstance(wanted, Mapping):
        return {key: as_written(have.get(key), value) for key, value in wanted.items()}
    if isinstance(wanted, str):
        return next((have[key] for key in ("slug", "name") if have.get(key) == wanted), have.get("slug", have["id"]))
    return have["id"]


def _same_set(before: Sequence[Any], wanted: Sequence[Any]) -> bool:
    rest = list(before)
    for item in wanted:
        match = next((index for index, other in enumerate(rest) if same(other, item)), None)
        if match is None:
            return False
        del rest[match]
    return not rest


def _same_scalar(before: Any, wanted: Any) -> bool:
    if isinstance(before, bool) or isinstance(wanted, bool):
        return before is wanted
    if isinstance(wanted, dt.datetime):
        return _moment(before) == wanted
    if isinstance(wanted, dt.date):
        return str(before) == wanted.isoformat()
    if isinstance(wanted, (int, float, Decimal)) or isinstance(before, (int, float, Decimal)):
        number = _number(before)
        return number is not None and number == _number(wanted)
    return bool(before == wanted)


def _nothing(value: Any) -> bool:
    """NetBox keeps an empty text where others say null."""
    return value is None or value == ""


def _number(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None


def _moment(value: Any) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(str(value))
    except ValueError:
        return None


def _json(value: Any) -> Any:
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    return value
