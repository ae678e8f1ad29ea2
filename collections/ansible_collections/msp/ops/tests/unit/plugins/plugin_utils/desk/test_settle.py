# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is written for a signed sheet: whose entry counts as done, whether the rights suffice."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import settle
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import ENDPOINTS, OBJECT_TYPES
from ansible_collections.msp.ops.plugins.plugin_utils.verification import decisions
from ansible_collections.msp.ops.plugins.plugin_utils.verification.decisions import Plan, Transition

NOW = dt.datetime(2026, 11, 23, 15, 30, tzinfo=dt.UTC)
SHEET = "VER-bakkerij-jansen-1"
CUSTOMER = Customer(1, "bakkerij-jansen", "Bakkerij Jansen", None)
ASSET = Asset(kind="device", id=7, name="jansen-srv01", customer=CUSTOMER.slug, status="contracted", last_updated=NOW)
SEEN = {"name": "till02", "class": "", "serial": "", "mac": "b8:27:eb:4a:10:9c", "address": "192.0.2.57"}


class Recorder:
    """A register with these tables and rights, which notes what would be written; NetBox itself is not needed here."""

    def __init__(self, tables: dict[str, list[dict[str, Any]]] | None = None, refused: tuple[str, ...] = ()) -> None:
        self.tables = tables or {}
        self.refused = refused
        self.written: list[tuple[str, dict[str, Any]]] = []

    def rows(self, endpoint: str, *, filters: dict[str, Any] | None = None, **_options: Any) -> list[dict[str, Any]]:
        tenants = (filters or {}).get("tenant_id")
        return [row for row in self.tables.get(endpoint, []) if tenants is None or row["tenant"]["id"] in tenants]

    def sheets(self, _slug: str) -> list[Any]:
        return []

    def row(self, _endpoint: str, _id: int, fields: tuple[str, ...]) -> dict[str, Any]:
        return dict.fromkeys(fields)

    def allowed(self, endpoint: str) -> frozenset[str]:
        return frozenset(right for right in ("view", "add", "change") if f"{endpoint} {right}" not in self.refused)

    def create(self, endpoint: str, rows: list[dict[str, Any]], **_options: Any) -> list[dict[str, Any]]:
        self.written += [(endpoint, row) for row in rows]
        return [{"primary_mac_address": None, **row, "id": 99} for row in rows]

    def update(self, endpoint: str, rows: list[dict[str, Any]], **_options: Any) -> list[dict[str, Any]]:
        self.written += [(endpoint, row) for row in rows]
        return rows

    def update_if_unchanged(self, endpoint: str, row: dict[str, Any], _seen: str, **_options: Any) -> None:
        self.written.append((endpoint, row))

    def journal(self, kind: str, number: int, _text: str) -> None:
        self.written.append(("journal", {"kind": kind, "id": number}))


def transition(key: str = "device:7", asset: Asset | None = ASSET, after: str = "ended", **keys: str) -> Transition:
    before = "contracted" if key.startswith("device:") else "unlisted"
    return Transition(9, key, "x", before, after, asset, {**SEEN, "key": key, **keys})


def plan(*transitions: Transition, sheet: str = SHEET) -> Plan:
    decided = {"agreed": 0, "waiting": (), "decisions": (), "done": True}
    return Plan(sheet, CUSTOMER.slug, NOW, "M. Jansen", NOW.date(), transitions=transitions, **decided)  # type: ignore[arg-type]


def use(recorder: Recorder) -> Any:
    return recorder


# Whose journal entry


def entry(comments: str) -> dict[str, Any]:
    return {"assigned_object_type": "dcim.device", "assigned_object_id": 7, "comments": comments}


def journaled(comments: str) -> frozenset[str]:
    return settle._journaled(use(Recorder({settle.JOURNAL: [entry(comments)]})), SHEET)


def test_our_own_entry_about_the_sheet_says_that_it_is_done() -> None:
    assert journaled(settle.journal_text(plan(), transition())) == {"device:7"}


@pytest.mark.parametrize(
    "words",
    [
        f"{SHEET} came back today, not applied yet",
        f"Contract status: to be set as agreed in verification sheet {SHEET}",
        f"Note: {settle.journal_text(plan(), transition())}",
        settle.journal_text(plan(sheet=f"{SHEET}1"), transition()),
        settle.journal_text(plan(sheet=f"{SHEET}-b"), transition()),
        settle.journal_text(plan(sheet="VER-other"), dataclasses.replace(transition(), remark=f"instead of {SHEET}")),
    ],
)
def test_an_entry_that_only_mentions_the_sheet_does_not(words: str) -> None:
    assert journaled(words) == frozenset()


# Rights


def test_every_missing_right_is_named_at_once() -> None:
    missing = ("dcim/devices add", "dcim/mac-addresses add", "extras/journal-entries add", "ipam/ip-addresses change")

    with pytest.raises(MspError) as refused:
        settle._permitted(use(Recorder(refused=missing)), [transition("mac:1", None, "contracted")])

    assert refused.value.code == "MSP-REG-003"
    named = ("dcim.add_device,", "dcim.add_macaddress", "extras.add_journalentry", "ipam.change_ipaddress")
    assert [right for right in named if right not in refused.value.found] == []


def test_a_plan_is_refused_for_a_missing_right_and_not_only_its_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = use(Recorder(refused=("dcim/devices change",)))
    for name, value in (("assets", [ASSET]), ("zone", dt.UTC)):
        monkeypatch.setattr(settle, name, lambda *_unused, value=value: value)
    monkeypatch.setattr(decisions, "plan", lambda *_unused, **__: plan(transition()))
    filled = decisions.FilledSheet(SHEET, CUSTOMER.slug, (), "M. Jansen", NOW)

    with pytest.raises(MspError) as refused:
        settle.plan_sheet(recorder, recorder, filled, CUSTOMER, now=NOW)

    assert "dcim.change_device" in refused.value.found


def test_a_right_that_the_sheet_does_not_need_is_not_asked_for() -> None:
    refused = ("dcim/devices add", "ipam/ip-addresses add", "virtualization/virtual-machines change")

    settle._permitted(use(Recorder(refused=refused)), [transition()])


@pytest.mark.parametrize(
    "one",
    [
        transition(),
        transition(asset=dataclasses.replace(ASSET, status="ended")),
        transition("mac:1", None, "contracted"),
        transition("mac:1", None, "contracted", mac=""),
        transition("mac:1", None, "contracted", address=""),
        transition("mac:1", dataclasses.replace(ASSET, status=None), "tracked"),
    ],
)
def test_nothing_is_written_that_was_not_asked_for_before(one: Transition) -> None:
    recorder = Recorder({"dcim/sites": [{"id": 1, "tenant": {"id": 1}}]})

    settle.apply_plan(use(recorder), use(recorder), CUSTOMER, plan(one))

    written = {
        "extras/journal-entries" if endpoint == "journal" else endpoint for endpoint, _unused in recorder.written
    }
    assert written == set(settle.rights([one]))


# What was seen and is an asset by now


@pytest.mark.parametrize("kind", ["device", "virtual-machine"])
def test_a_seen_thing_that_somebody_made_an_asset_since_gets_the_status_that_was_decided(kind: str) -> None:
    recorder, asset = Recorder(), dataclasses.replace(ASSET, kind=kind, status=None)

    settle.apply_plan(use(recorder), use(recorder), CUSTOMER, plan(transition("mac:1", asset, "contracted")))

    endpoint = ENDPOINTS[kind]
    fields = {names.CONTRACT_STATUS: "contracted"}
    assert recorder.written[0] == (endpoint, {"id": 7, "custom_fields": fields})
    assert recorder.written[-1] == ("journal", {"kind": OBJECT_TYPES[kind], "id": 7})
