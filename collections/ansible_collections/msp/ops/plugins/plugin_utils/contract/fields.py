# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How scope rules, surcharges and warranty sources are written in NetBox's JSON custom fields, and read back.

Pure. Reading skips what it does not understand in one entry (a person may have edited it), never the whole field.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import ScopeRule, SurchargeRule, WarrantySource
from ansible_collections.msp.ops.plugins.plugin_utils.register import names


def scope_to_json(rules: Iterable[ScopeRule]) -> dict[str, dict[str, Any]]:
    """{"server": {"covered": true, "in_use": "mdm", "in_use_days": 30, "hours": "24x7"}}, without what is not set."""
    written: dict[str, dict[str, Any]] = {}
    for rule in sorted(rules, key=lambda rule: rule.asset_class):
        entry: dict[str, Any] = {"covered": rule.covered}
        for name in ("in_use", "in_use_days", "hours"):
            if getattr(rule, name) is not None:
                entry[name] = getattr(rule, name)
        written[rule.asset_class] = entry
    return written


def scope_from_json(value: Any) -> tuple[ScopeRule, ...]:
    """The rules in a custom field's value. A rule whose "covered" is not a plain yes counts as not covered."""
    if not isinstance(value, Mapping):
        return ()
    rules = []
    for asset_class, entry in value.items():
        if asset_class not in names.ASSET_CLASSES or not isinstance(entry, Mapping):
            continue
        days = entry.get("in_use_days")
        rules.append(
            ScopeRule(
                asset_class=str(asset_class),
                covered=entry.get("covered") is True,
                in_use=_text(entry.get("in_use")),
                in_use_days=days if isinstance(days, int) and not isinstance(days, bool) else None,
                hours=_text(entry.get("hours")),
            )
        )
    return tuple(sorted(rules, key=lambda rule: rule.asset_class))


def surcharges_to_json(rules: Iterable[SurchargeRule]) -> dict[str, dict[str, str]] | None:
    """{"server": {"out_of_warranty": "25.00"}}, amounts exact as text; None where the contract has no table."""
    written: dict[str, dict[str, str]] = {}
    for rule in sorted(rules, key=lambda rule: (rule.asset_class, rule.reason)):
        written.setdefault(rule.asset_class, {})[rule.reason] = str(rule.amount)
    return written or None


def surcharges_from_json(value: Any) -> tuple[SurchargeRule, ...]:
    """The table in a custom field's value. What is no amount of at least 0 was never agreed on."""
    rules = []
    for asset_class, amounts in value.items() if isinstance(value, Mapping) else ():
        for reason, written in amounts.items() if isinstance(amounts, Mapping) else ():
            number = isinstance(written, int | float) and not isinstance(written, bool)  # a person may have typed it
            amount = _money(str(written) if number else written)
            known = asset_class in names.ASSET_CLASSES and reason in names.SURCHARGED
            if known and amount is not None and amount >= 0:
                rules.append(SurchargeRule(str(asset_class), str(reason), amount))
    return tuple(sorted(rules, key=lambda rule: (rule.asset_class, rule.reason)))


def sources_to_json(sources: Iterable[WarrantySource]) -> list[dict[str, str]]:
    """[{"source": "dealer", "purchase": "2024-03-01", "warranty_end": "2027-02-28"}], without what is not known."""
    written = []
    for source in sources:
        entry = {"source": source.source}
        if source.purchase:
            entry["purchase"] = source.purchase.isoformat()
        if source.warranty_end:
            entry["warranty_end"] = source.warranty_end.isoformat()
        if source.price is not None:
            entry["price"] = str(source.price)
        written.append(entry)
    return written


def sources_from_json(value: Any) -> tuple[WarrantySource, ...]:
    """The sources in a custom field's value."""
    if not isinstance(value, list):
        return ()
    return tuple(
        WarrantySource(
            str(entry["source"]),
            _date(entry.get("purchase")),
            _date(entry.get("warranty_end")),
            _money(entry.get("price")),
        )
        for entry in value
        if isinstance(entry, Mapping) and entry.get("source")
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _date(value: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _money(value: Any) -> Decimal | None:
    try:
        amount = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        return None
    return amount if amount is not None and amount.is_finite() else None
