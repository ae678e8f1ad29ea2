# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One purchase date and one warranty end out of what several sources say: the earliest and the latest.

Pure. Nothing is dropped by a merge: a later word of the same source replaces its earlier one, nothing else does; and
what it says no more, of a date or at all, is kept until a person takes it away (unsaid tells of it).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import WarrantySource


@dataclass(frozen=True, slots=True)
class Warranty:
    """The merged dates, and every source behind them in the order of their names."""

    purchase: dt.date | None
    end: dt.date | None
    sources: tuple[WarrantySource, ...]

    @property
    def disagree(self) -> bool:
        """True when two sources name different last days of warranty."""
        return len({source.warranty_end for source in self.sources if source.warranty_end}) > 1


def merge(known: Iterable[WarrantySource], said: Iterable[WarrantySource] = ()) -> Warranty:
    """Join what was known with what is said now.

    Several rows of one source in what is said are one statement: the earliest purchase and the latest end of them.
    """
    by_name = {source.source: source for source in known}
    for name, source in _statements(said).items():
        by_name[name] = _over(by_name[name], source) if name in by_name else source
    sources = tuple(by_name[name] for name in sorted(by_name) if _says_something(by_name[name]))
    purchases = [source.purchase for source in sources if source.purchase]
    ends = [source.warranty_end for source in sources if source.warranty_end]
    return Warranty(min(purchases, default=None), max(ends, default=None), sources)


def unsaid(known: Iterable[WarrantySource], said: Iterable[WarrantySource]) -> list[WarrantySource]:
    """What was known and no source says any more: of each such source that part alone."""
    now = _statements(said)
    gone = [_without(source, now.get(source.source)) for source in known]
    return [source for source in gone if _says_something(source)]


def _statements(said: Iterable[WarrantySource]) -> dict[str, WarrantySource]:
    """One statement by the name of its source."""
    now: dict[str, WarrantySource] = {}
    for source in said:
        before = now.get(source.source)
        now[source.source] = source if before is None else _join(before, source)
    return now


def _over(before: WarrantySource, now: WarrantySource) -> WarrantySource:
    price = before.price if now.price is None else now.price
    return WarrantySource(now.source, now.purchase or before.purchase, now.warranty_end or before.warranty_end, price)


def _without(before: WarrantySource, now: WarrantySource | None) -> WarrantySource:
    if now is None:
        return before
    return WarrantySource(
        before.source,
        None if now.purchase else before.purchase,
        None if now.warranty_end else before.warranty_end,
        before.price if now.price is None else None,
    )


def _join(one: WarrantySource, other: WarrantySource) -> WarrantySource:
    purchases = [day for day in (one.purchase, other.purchase) if day]
    ends = [day for day in (one.warranty_end, other.warranty_end) if day]
    price = one.price if one.price is not None else other.price
    return WarrantySource(one.source, min(purchases, default=None), max(ends, default=None), price)


def _says_something(source: WarrantySource) -> bool:
    return any(value is not None for value in (source.purchase, source.warranty_end, source.price))
