# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How customers' assets stand against their standards, told to NetBox where it changed.

The evidence comes first: when NetBox does not answer, no check is lost, and the next run brings NetBox up to it. What
is wrong with one customer or asset keeps no other from being told of; nothing of that one stays compliant by silence.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import field_states
from ansible_collections.msp.ops.plugins.plugin_utils.desk.gather import one_customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk.standard_assets import Holdings, holdings
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import some
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import customers
from ansible_collections.msp.ops.plugins.plugin_utils.register.snapshot import Selection, read
from ansible_collections.msp.ops.plugins.plugin_utils.standards import standing
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import COMPLIANT, DRIFT, UNKNOWN, WAIVED
from ansible_collections.msp.ops.plugins.plugin_utils.standards.standing import OfAsset
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import zone

MESSAGE = "msp.ops standards: an asset's state changed"
_WORDS = {
    COMPLIANT: names.COMPLIANT,
    WAIVED: names.WAIVED,
    DRIFT: names.DRIFT,
    UNKNOWN: names.UNKNOWN,
}
# Why nothing is known of an asset, for people.
_WHY = {
    standing.NEVER: "never checked",
    standing.BROKEN: "the last check did not succeed",
    standing.OLD: "the last check is too old",
}


@dataclass(frozen=True, slots=True)
class States:
    """One customer: its assets, those without a standard, what NetBox had and was given, and what it refused.

    wrong is by asset (all of them where the name is "") why nobody knows how it stands: it is unknown then.
    """

    customer: str
    assets: tuple[OfAsset, ...]
    without: tuple[str, ...]
    changes: field_states.Changes
    refused: Mapping[str, str]
    wrong: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        return {
            "standards": {name: _told(found) for name, found in sorted(self._by_standard().items())},
            "without_standard": list(self.without),
            "netbox_writes": len(self.changes),
            "refused": dict(self.refused),
            "wrong": dict(self.wrong),
        }

    def lines(self) -> list[str]:
        """A line a standard, and one for what has none or a wrong one."""
        said = [
            f"{self.customer}, standard {name}: "
            + ", ".join(f"{number} {state}" for state, number in _counts(found).items())
            for name, found in sorted(self._by_standard().items())
        ]
        if self.without:
            said.append(f"{self.customer}: {len(self.without)} contracted without a standard")
        return said + [f"{name or self.customer}: unknown, {why}" for name, why in sorted(self.wrong.items())]

    def _by_standard(self) -> dict[str, list[OfAsset]]:
        found: dict[str, list[OfAsset]] = {}
        for asset in self.assets:
            found.setdefault(asset.standard, []).append(asset)
        return found


@dataclass(frozen=True, slots=True)
class Told:
    """All customers that were asked for: how each stands, and everything that went wrong."""

    states: tuple[States, ...]
    errors: tuple[MspError, ...]

    def as_dict(self) -> dict[str, Any]:
        """The result of msp.ops.standard_register; failed where anything went wrong."""
        result: dict[str, Any] = {
            "changed": any(one.changes for one in self.states),
            "customers": {one.customer: one.as_dict() for one in self.states},
            "summary": [line for one in self.states for line in one.lines()],
        }
        if self.errors:
            whole = self.errors[0] if len(self.errors) == 1 else MspErrors(list(self.errors))
            result |= {"failed": True, "msg": str(whole), "error": whole.as_dict()}
        return result

    def diff(self) -> dict[str, dict[str, str | None]]:
        return field_states.diff(one.changes for one in self.states)


def tell(store: Store, register: Register, slugs: Sequence[str], *, check: bool) -> Told:
    """How every asset of these customers stands, told to NetBox. With check nothing is written.

    What is wrong with a customer is told at the end, with all others': it keeps none of them waiting.
    """
    found: list[States] = []
    errors: list[MspError] = []
    for slug in slugs or [one.slug for one in customers(register)]:
        try:
            one, wrong = _known(store, register, one_customer(register, slug), check=check)
        except MspError as error:
            errors += field_states.of_customer(slug, error)
            if error.code in field_states.NO_NETBOX:
                break
            continue
        found.append(one)
        errors += [error for each in wrong for error in field_states.of_customer(slug, each)]
    return Told(tuple(found), tuple(errors))


def _known(store: Store, register: Register, customer: Customer, *, check: bool) -> tuple[States, list[MspError]]:
    """How a customer stands, and what is wrong; where nothing can be said, all that NetBox shows is unknown."""
    try:
        return states(store, register, customer, check=check)
    except MspError as error:
        if error.code in field_states.NO_NETBOX:
            raise
        have = field_states.read(register, customer.slug, names.STANDARD_STATE)
        wanted = {asset: names.UNKNOWN for asset, before in have.items() if before is not None}
        changes, refused = _written(register, field_states.differing(have, wanted), check=check)
        return States(customer.slug, (), (), changes, refused, {"": f"{error.code}: {error.found}"}), [error]


def states(store: Store, register: Register, customer: Customer, *, check: bool) -> tuple[States, list[MspError]]:
    """How every asset of a customer stands now; NetBox is told of those that changed. With check nothing is written."""
    now = store.now()
    today = now.astimezone(zone(customer)).date()
    snapshot = read(register, Selection((customer.id,), {}), follow=False).snapshot
    found = holdings(snapshot, customer, today)
    assets = of_assets(store, customer, found, now, today)
    wanted = {one.asset: _WORDS[one.state] for one in assets}
    wanted |= {asset.key: names.UNKNOWN for asset, _why in found.wrong}
    have = field_states.read(register, customer.slug, names.STANDARD_STATE)
    changes, refused = _written(register, field_states.differing(have, wanted), check=check)
    wrong = {asset.name: " ".join(why.split()) for asset, why in found.wrong}
    without = tuple(sorted(asset.name for asset in found.without))
    return States(customer.slug, assets, without, changes, refused, wrong), _errors(found)


def of_assets(
    store: Store, customer: Customer, found: Holdings, now: dt.datetime, today: dt.date
) -> tuple[OfAsset, ...]:
    """How each asset that is held to a standard stands, by the store's last checks. today: in the customer's zone."""
    checks = store.last_standard_checks(customer.slug)
    since = standing.began(store.control_changes(customer.slug))
    return tuple(
        standing.of_asset(
            one.asset.key,
            one.asset.name,
            one.assigned,
            checks.get(one.asset.key, (None, None)),
            since,
            now=now,
            today=today,
        )
        for one in found.held
    )


def _errors(found: Holdings) -> list[MspError]:
    """What is wrong with assignments, each once with the assets that have it."""
    told: dict[str, list[str]] = {}
    for asset, why in found.wrong:
        told.setdefault(" ".join(why.split()), []).append(asset.name)
    return [
        MspError(
            "MSP-STD-060",
            "an assignment of a standard that can be read, for every asset that has one",
            f"{why} (on {some(sorted(on))})",
            "correct the config contexts that NetBox merges for them; until then their state is unknown",
        )
        for why, on in sorted(told.items())
    ]


def _written(
    register: Register, changes: field_states.Changes, *, check: bool
) -> tuple[dict[str, tuple[str | None, str | None]], dict[str, str]]:
    return field_states.written(register, names.STANDARD_STATE, changes, MESSAGE, check=check)


def _counts(found: Sequence[OfAsset]) -> dict[str, int]:
    counted = Counter(asset.state for asset in found)
    return {state: counted[state] for state in standing.STATES}


def _told(found: Sequence[OfAsset]) -> dict[str, Any]:
    return {
        "assets": _counts(found),
        "unknown": {one.name: _why(one) for one in found if one.state == UNKNOWN},
        "drift": {
            one.name: sorted(each.control for each in one.deviations if each.status == DRIFT)
            for one in found
            if one.state == DRIFT
        },
    }


def _why(asset: OfAsset) -> str:
    """Why nothing is known of an asset: its check, or controls that nobody could measure."""
    if asset.unknown:
        return _WHY[asset.unknown] + (f": {asset.error}" if asset.error else "")
    return "not measured: " + ", ".join(id for id, status in asset.statuses.items() if status in ("unknown", "error"))
