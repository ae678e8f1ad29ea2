# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which names and numbers discovery itself gave to assets: any other that NetBox has is a person's. Pure: no I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Change, StoredPlan
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.plan import FACTS

# By asset and field the values.
Given = Mapping[str, Mapping[str, Collection[str]]]
_NUMBERS = ("serial", "asset_tag")


def given_values(changes: Iterable[Change], plans: Iterable[StoredPlan]) -> Given:
    """What devices were made with, and what any plan filled in since."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for one in changes:
        if one.kind == "new" and one.asset and (identity := one.detail.get("identity")):
            found[one.asset]["name"].add(one.detail["name"])
            for field in _NUMBERS:
                found[one.asset][field].update(identity.get(field, ()))
    for kept in plans:
        for step in kept.body["steps"]:
            for field, value in step["values"].get("fields", {}).items() if step["kind"] == FACTS else ():
                found[step["asset"]][field].add(value)
    return {asset: {field: values for field, values in of.items() if values} for asset, of in found.items()}
