# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which asset in NetBox a listed asset is: by serial, then asset tag, then name, within the customer.

Pure. Never chooses between two readings: what contradicts itself is an error, and so is a serial or asset tag that
NetBox has with another customer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.assets import ListedAsset, same
from ansible_collections.msp.ops.plugins.plugin_utils.contract.plan import Existing

DEVICES = "dcim/devices"
MACHINES = "virtualization/virtual-machines"


@dataclass(frozen=True, slots=True)
class Known:
    """An asset in NetBox with the endpoint it lives at."""

    endpoint: str
    asset: Existing

    @property
    def title(self) -> str:
        name = self.asset.text("name") or "without a name"
        kind = "device" if self.endpoint == DEVICES else "virtual machine"
        return f"{kind} {name} (id {self.asset.id})"


@dataclass(frozen=True, slots=True)
class Match:
    """A listed asset and the one in NetBox that it is; None: it is new."""

    listed: ListedAsset
    known: Known | None


def match(
    listed: Sequence[ListedAsset], own: Sequence[Known], foreign: Sequence[Known]
) -> tuple[list[Match], list[MspError]]:
    """Every listed asset with its counterpart among the customer's own, and every contradiction.

    foreign are assets outside the customer that have one of the listed serials or asset tags.
    """
    errors: list[MspError] = []
    matches = []
    for asset in listed:
        errors += _elsewhere(asset, foreign)
        candidates, found = _candidates(asset, own)
        errors += found
        matches.append(Match(asset, candidates[0] if candidates and not found else None))
    errors += _claimed_twice(matches)
    return matches, errors


def _where(asset: ListedAsset) -> str:
    return f"{asset.row.name} ({' and '.join(asset.places)})"


def _elsewhere(asset: ListedAsset, foreign: Iterable[Known]) -> Iterator[MspError]:
    row = asset.row
    for other in foreign:
        for name, what in (("serial", "serial"), ("asset_tag", "asset tag")):
            said = getattr(row, name)
            if said and same(said) == same(other.asset.text(name)):
                owner = other.asset.labels.get("tenant") or "no customer"
                yield MspError(
                    "MSP-CON-021",
                    f"{what} {said} of {_where(asset)} to be this customer's only",
                    f"NetBox has it as {other.title} of {owner}",
                    "correct the list; or, if the asset changed hands, set its tenant in NetBox by hand",
                )


def _candidates(asset: ListedAsset, own: Sequence[Known]) -> tuple[list[Known], list[MspError]]:
    """The asset's counterparts, the strongest first, and why they cannot be trusted."""
    row = asset.row
    found: list[tuple[str, Known]] = []
    for name in ("serial", "asset_tag", "name"):
        said = same(getattr(row, name))
        found += [(name, known) for known in own if said and said == same(known.asset.text(name))]
    errors = []
    different = {(known.endpoint, known.asset.id) for _name, known in found}
    if len(different) > 1:
        words = " and ".join(f"by {name.replace('_', ' ')} {known.title}" for name, known in found)
        errors.append(_unclear(asset, "one asset in NetBox", f"more than one: {words}"))
    elif found:
        errors += _doubts(asset, found[0][1], {name for name, _known in found})
    return [known for _name, known in found], errors


def _doubts(asset: ListedAsset, known: Known, matched_by: set[str]) -> Iterator[MspError]:
    row = asset.row
    if row.virtual is not None and row.virtual != (known.endpoint == MACHINES):
        wanted = "a virtual machine" if row.virtual else "a device"
        yield _unclear(asset, f"{wanted} in NetBox", known.title)
    if "serial" in matched_by:
        return
    for name, what in (("serial", "serial"), ("asset_tag", "asset tag")):
        said, has = getattr(row, name), known.asset.text(name)
        # Matched by asset tag with another serial, or by name with another serial or tag: replaced hardware, or a typo.
        if said and has and same(said) != same(has):
            yield _unclear(asset, f"{what} {said} on {known.title}", f"the {what} {has}")


def _unclear(asset: ListedAsset, expected: str, found: str) -> MspError:
    return MspError(
        "MSP-CON-022",
        f"{_where(asset)} to be {expected}",
        found,
        "correct the list; or NetBox, when the hardware was really replaced (rename or retire the old asset there)",
    )


def _claimed_twice(matches: Sequence[Match]) -> Iterator[MspError]:
    first: dict[tuple[str, int], ListedAsset] = {}
    for found in matches:
        if found.known is None:
            continue
        other = first.setdefault((found.known.endpoint, found.known.asset.id), found.listed)
        if other is not found.listed:
            yield _unclear(found.listed, "an asset of its own", f"{found.known.title}, which is also {_where(other)}")
