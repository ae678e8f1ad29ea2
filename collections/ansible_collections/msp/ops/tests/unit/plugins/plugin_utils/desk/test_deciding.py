# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which rows of NetBox's change log are a person's decision, whose it was, and when the log is read at all."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.desk import deciding
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Coverage, Sheet
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
ASSET = Asset("device", 7, "till", "bakery", "tracked", last_updated=NOW - HOUR)
LOOK = Coverage("bakery", deciding.SOURCE, NOW - 2 * HOUR, complete=True)


def row(before: str | None = "unlisted", after: str | None = "tracked", **more: Any) -> dict[str, Any]:
    return {
        "time": "2026-03-02T07:00:00+00:00",
        "user_name": "jansen",
        "changed_object_type": "dcim.device",
        "changed_object_id": 7,
        "message": "",
        "prechange_data": {"custom_fields": {names.CONTRACT_STATUS: before}},
        "postchange_data": {"custom_fields": {names.CONTRACT_STATUS: after}},
        **more,
    }


class Stores:
    """A register with this change log, and a store with one signed sheet; notes what was asked."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.log, self.asked = list(rows), list[dict[str, Any]]()

    def rows(self, _endpoint: str, *, filters: dict[str, Any], **_options: Any) -> list[dict[str, Any]]:
        self.asked.append(filters)
        return self.log

    def sheet(self, _id: str) -> Sheet:
        return Sheet("VER-1", "bakery", NOW, "x", signed_by="M. Jansen")


def decided(*rows: dict[str, Any], asset: Asset = ASSET, looks: Any = (LOOK,)) -> tuple[list[Any], list[Any]]:
    stores: Any = Stores(*rows)
    found = deciding.decided(stores, stores, {"bakery": [asset]}, {"bakery": looks}, NOW)
    return [(d.before, d.after, d.who, d.how) for d in found["bakery"]], stores.asked


@pytest.mark.parametrize(
    ("logged", "decision"),
    [
        (row(), ("unlisted", "tracked", "jansen", "netbox")),
        (row(before=None), ("", "tracked", "jansen", "netbox")),
        # What onboarding gives a device that NetBox had before was agreed in a contract, and answers no question.
        (row(before=None, message="msp.ops: contract file of bakery"), None),
        (row(message="msp.ops: contract file of bakery"), ("unlisted", "tracked", "jansen", "netbox")),
        (row(before="tracked"), None),  # something else of the asset was changed
        (row(message="Discovery plan 0123456789abcdef0123"), None),
        (
            row(message="Verification sheet VER-1: unlisted to tracked"),
            ("unlisted", "tracked", "M. Jansen", "sheet VER-1"),
        ),
        (row(prechange_data=None), ("", "tracked", "jansen", "netbox")),
        (row(changed_object_id=8), None),  # another customer's
        (row(changed_object_type="virtualization.virtualmachine"), None),
    ],
)
def test_a_contract_status_that_a_person_changed_is_a_decision(logged: dict[str, Any], decision: Any) -> None:
    assert decided(logged)[0] == ([decision] if decision else [])


def test_the_log_is_read_from_the_last_look_on_and_not_at_all_where_nothing_moved() -> None:
    (asked,) = decided(row())[1]
    assert asked["time_after"] == LOOK.at - deciding.OVERLAP
    assert decided(row(), asset=replace(ASSET, last_updated=NOW - 9 * HOUR))[1] == []
    (first,) = decided(row(), looks=())[1]
    assert first["time_after"] == NOW - deciding.FIRST


def test_a_look_of_the_future_or_of_another_source_does_not_hide_a_decision() -> None:
    assert decided(row(), looks=(replace(LOOK, at=NOW + 9 * HOUR),), asset=replace(ASSET, last_updated=NOW))[0]
    assert decided(row(), looks=(replace(LOOK, source="nmap", at=NOW),))[0]
