# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dates, numbers and yes or no as people write them in the Netherlands and elsewhere, made exact.

Pure. Never guesses: what can be read in two ways is refused as Ambiguous, what is no value at all as ValueError.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.currencies import CURRENCIES

_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?")
_EUROPEAN = re.compile(r"(\d{1,2})[-.](\d{1,2})[-.](\d{4})")
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
# What a spreadsheet writes behind a day that has no time of day.
_MIDNIGHT = re.compile(r"[T ] *(?:0?0:00(?::00(?:\.0+)?)?|12:00(?::00)? ?AM)$", re.IGNORECASE)
_MONEY = "|".join(("€", "£", r"\$", *sorted(CURRENCIES)))
_CURRENCY = re.compile(rf"^(?:{_MONEY})\s*|\s*(?:{_MONEY})$")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*")
YES = frozenset({"yes", "y", "true", "1", "ja", "j", "waar", "x"})
NO = frozenset({"no", "n", "false", "0", "nee", "onwaar"})


class Ambiguous(ValueError):
    """The text has two readings; the message names both."""


def date(value: Any, *, dayfirst: bool | None = None) -> dt.date:
    """A calendar date.

    Understood: ISO, day-month-year with - or . (nobody writes the month first with those), and with / when only one
    order is possible or dayfirst says which. Midnight behind any of them says nothing. A spreadsheet's date, or an ISO
    one, with a time of day keeps its day; behind the others a time of day is an error.
    """
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    text = _MIDNIGHT.sub("", str(value).strip())
    if match := _ISO.fullmatch(text):
        year, month, day = map(int, match.groups())
    elif match := _EUROPEAN.fullmatch(text):
        day, month, year = map(int, match.groups())
    elif match := _SLASHED.fullmatch(text):
        first, second, year = map(int, match.groups())
        day, month = _order(text, first, second, dayfirst)
    else:
        raise ValueError(f"{text!r} is no date")
    try:
        return dt.date(year, month, day)
    except ValueError:
        raise ValueError(f"{text!r} is no day of the calendar") from None


def _order(text: str, first: int, second: int, dayfirst: bool | None) -> tuple[int, int]:
    if dayfirst is not None:
        return (first, second) if dayfirst else (second, first)
    if first > 12 or first == second:
        return first, second
    if second > 12:
        return second, first
    raise Ambiguous(f"{text!r} is both the {first}th day of month {second} and the {second}th day of month {first}")


def number(value: Any) -> Decimal:
    """An exact decimal number, with a point or a comma, with or without separators of thousands; never a float.

    A currency may stand before or behind it.
    With both signs in it the last one is the decimal sign. "1.250" and "1,250" have two readings and are refused.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no number")
    if isinstance(value, int | Decimal):
        return _finite(Decimal(value))
    if isinstance(value, float):  # a spreadsheet stores numbers so; its shortest text is what was typed
        return _finite(Decimal(repr(value)))
    text = re.sub(r"\s", "", _CURRENCY.sub("", str(value).strip(), count=1))
    text = re.sub(r",-{1,2}$", ",00", text)  # 1.250,- is how a Dutch invoice rounds
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{str(value)!r} is no number")
    signs = [character for character in text if character in ".,"]
    if not signs:
        return Decimal(text)
    if len(set(signs)) == 2:
        return _mixed(text, signs)
    whole, *groups = re.split(r"[.,]", text.lstrip("+-"))
    if len(signs) > 1:
        return _thousands(text, whole, groups)
    if len(groups[0]) == 3 and len(whole) <= 3 and whole != "0":
        raise Ambiguous(f"{text!r} is both {whole}{groups[0]} and {whole} and {groups[0]} thousandths")
    return Decimal(text.replace(",", "."))


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError(f"{value} is no number")
    return value


def _mixed(text: str, signs: list[str]) -> Decimal:
    decimal = signs[-1]
    whole, fraction = text.rsplit(decimal, 1)
    if decimal in whole:
        raise ValueError(f"{text!r} is no number")
    first, *groups = re.split(r"[.,]", whole.lstrip("+-"))
    exact = _thousands(whole, first, groups)
    return Decimal(f"{exact}.{fraction}")


def _thousands(text: str, whole: str, groups: list[str]) -> Decimal:
    if not 1 <= len(whole) <= 3 or any(len(group) != 3 for group in groups):
        raise ValueError(f"{text!r} is no number")
    return Decimal(re.sub(r"[.,]", "", text))


def yes(value: Any) -> bool:
    """A plain yes or no, in English or Dutch."""
    text = str(value).strip().casefold()
    if text in YES:
        return True
    if text in NO:
        return False
    raise ValueError(f"{str(value)!r} is neither yes nor no")
