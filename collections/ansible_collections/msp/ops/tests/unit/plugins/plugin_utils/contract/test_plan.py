# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From wanted and existing to changes: only what differs, in an order that can be written."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract.plan import (
    CUSTOM,
    TAGS,
    Existing,
    Ref,
    Wanted,
    changes,
    stages,
    summary,
)

SITE, DEVICE = Ref("dcim/sites", "hq"), Ref("dcim/devices", "srv")
VALUES = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b"])
FIELDS = st.dictionaries(st.sampled_from("abc"), VALUES)


def test_what_is_as_it_should_be_needs_no_change() -> None:
    existing = Existing(7, {"name": "srv", "site": 3}, {"fee": 1250.5, "rules": {"days": 30}}, ("x", "y"))
    wanted = [
        Wanted(SITE, Existing(3, {"name": "HQ"}), created={"name": "Head office"}),
        Wanted(
            DEVICE,
            existing,
            fields={"name": "srv", "site": SITE, "description": ""},
            created={"status": "active"},
            custom={"fee": Decimal("1250.50"), "rules": {"days": 30}, "end": None},
            tags=("x",),
        ),
    ]

    assert changes(wanted) == []


def test_only_what_differs_is_changed_and_before_is_kept() -> None:
    existing = Existing(7, {"name": "old", "serial": "S"}, {"a": 1, "b": 2}, ("other",))

    [change] = changes(
        [Wanted(DEVICE, existing, {"name": "new", "serial": "S"}, custom={"a": 1, "b": 3}, tags=("msp",))]
    )

    assert change.action == "update"
    assert change.before == {"name": "old", CUSTOM: {"b": 2}, TAGS: ("other",)}
    assert change.after == {"name": "new", CUSTOM: {"b": 3}, TAGS: ("msp", "other")}


def test_an_empty_field_is_filled_and_a_filled_one_left() -> None:
    empty, filled = Existing(1, {}, {"status": None}), Existing(2, {}, {"status": "unlisted"})

    found = changes([Wanted(DEVICE, item, custom_empty={"status": "contracted"}) for item in (empty, filled)])

    assert [(change.id, change.after) for change in found] == [(1, {CUSTOM: {"status": "contracted"}})]


def test_a_reference_to_something_new_is_a_difference() -> None:
    [site, device] = changes([Wanted(SITE, None), Wanted(DEVICE, Existing(7, {"site": 3}), {"site": SITE})])

    assert (site.action, device.after) == ("create", {"site": SITE})
    assert device.as_dict()["after"] == {"site": "hq"}


def test_what_is_for_later_is_an_update_even_of_something_new() -> None:
    address = Ref("ipam/ip-addresses", "192.0.2.1")
    found = changes(
        [
            Wanted(DEVICE, None, {"name": "srv"}),
            Wanted(DEVICE, None, {"primary_ip4": address}, later=True),
            Wanted(address, None),
        ]
    )

    order = ("dcim/devices", "ipam/ip-addresses")
    steps = [[(change.ref.endpoint, change.action) for change in stage] for stage in stages(found, order)]

    assert steps == [[("dcim/devices", "create")], [("ipam/ip-addresses", "create")], [("dcim/devices", "update")]]
    assert summary(found)["dcim/devices"] == {"create": 1, "update": 1}


@given(FIELDS, FIELDS, FIELDS, FIELDS)
def test_carrying_the_change_out_leaves_nothing_to_change(
    fields: dict[str, object], custom: dict[str, object], had: dict[str, object], had_custom: dict[str, object]
) -> None:
    wanted = Wanted(DEVICE, Existing(1, had, had_custom), fields, custom=custom)

    for change in changes([wanted]):
        had = had | {name: value for name, value in change.after.items() if name != CUSTOM}
        had_custom = had_custom | dict(change.after.get(CUSTOM, {}))

    assert changes([Wanted(DEVICE, Existing(1, had, had_custom), fields, custom=custom)]) == []
