# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an asset in NetBox and what is seen of it differ: what was promised, and what is only a fact. Pure: no I/O.

What was promised (name, serial number, asset tag, class, status) is shown and never overwritten; an empty field
promises nothing. Facts (addresses, hardware addresses, operating system) follow what is seen.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.seen import CLASSES, Seen, host
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import plain

# Classes that say whose a thing is or that nobody knows; what it is does not contradict them.
_ANY_TYPE = frozenset({None, "private", "other"})


@dataclass(frozen=True, slots=True)
class Difference:
    """what: name, serial, asset_tag, class, os, address or mac."""

    what: str
    before: str
    after: str

    def as_dict(self) -> dict[str, str]:
        return {"what": self.what, "before": self.before, "after": self.after}


def promises(asset: Asset, told: Seen) -> tuple[Difference, ...]:
    """What was promised and is seen otherwise."""
    return tuple(_promises(asset, told))


def _promises(asset: Asset, told: Seen) -> Iterator[Difference]:
    if told.called and host(asset.name) not in {host(name) for name in told.called}:
        yield Difference("name", asset.name, told.called[0])
    for what, promised, found in (
        ("serial", asset.serial, told.serial),
        ("asset_tag", asset.asset_tag or "", told.asset_tag),
    ):
        if promised and found and plain(promised) != plain(found):
            yield Difference(what, promised, found)
    found_class = CLASSES.get(told.certain_type)
    if found_class and asset.asset_class not in _ANY_TYPE and asset.asset_class != found_class:
        yield Difference("class", str(asset.asset_class), found_class)


def facts(asset: Asset, told: Seen, *, audited: bool) -> tuple[Difference, ...]:
    """What of the facts differs. audited: the operating system is the audits' to tell."""
    return tuple(_facts(asset, told, audited=audited))


def _facts(asset: Asset, told: Seen, *, audited: bool) -> Iterator[Difference]:
    system = str(asset.custom_fields.get(names.OPERATING_SYSTEM) or "")
    # A guess fills what is empty. Scans guess differently each time.
    found = told.certain_os if system else told.os
    if found and not audited and found != system:
        yield Difference("os", system, found)
    new = sorted(set(told.macs) - set(asset.macs))
    if new:
        yield Difference("mac", ", ".join(asset.macs), ", ".join(new))
    address = wanted_address(asset, told)
    if address:
        yield Difference("address", asset.address or "", address)


def wanted_address(asset: Asset, told: Seen) -> str | None:
    """The address it should be reached at, where NetBox names one that it has no more, or none."""
    family = ipaddress.ip_address(asset.address).version if asset.address else None
    current = [one for one in told.addresses if family in (None, ipaddress.ip_address(one).version)]
    if not current or asset.address in current:
        return None
    ordered = sorted(current, key=lambda one: (one not in asset.addresses, ipaddress.ip_address(one).version))
    return ordered[0]
