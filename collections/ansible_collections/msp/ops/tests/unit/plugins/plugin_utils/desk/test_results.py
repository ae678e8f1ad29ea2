# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a runbook or an event came to is told once, to whom the policy says, and only where a person should know."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.desk import results
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import EventOutcome, RunbookRun
from ansible_collections.msp.ops.plugins.plugin_utils.telling import policy as policies
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import LINE, TEXT

AT = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
POLICY = """
channels:
  desk: {environment: DESK_ADDRESS}
default: {language: en, time_zone: Europe/Amsterdam, gave_up: [desk], mended: [desk]}
"""
RUN = RunbookRun(
    *("k1", "bakery", "device:1", "till.bakery", "disk_full", AT),
    outcome="gave_up",
    ended=AT,
    body={"found": ["/var is 97 % full."], "did": [], "reason": "nothing may be cleaned"},
)


@pytest.fixture
def told() -> policies.Policy:
    return policies.read(POLICY, "telling.yml")


def test_a_runbook_that_gave_up_is_told_with_what_it_found_and_the_same_way_each_time(told: policies.Policy) -> None:
    (message,) = results.of_runbook(told, RUN, "The disk is full")
    assert results.of_runbook(told, RUN, "The disk is full") == [message]
    assert (message.kind, message.customer) == (TEXT, "bakery")
    assert "nothing may be cleaned" in message.body["text"]
    assert "/var is 97 % full." in message.body["text"]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("mended", [LINE]), ("failed", [TEXT]), ("nothing_to_do", []), ("would_mend", []), (None, [])],
)
def test_what_is_told_of_a_runbook(told: policies.Policy, outcome: str | None, expected: list[str]) -> None:
    found = results.of_runbook(told, replace(RUN, outcome=outcome), "The disk is full")
    assert [message.kind for message in found] == expected


@pytest.mark.parametrize(
    ("outcome", "customer", "expected"),
    [
        ("failed", "bakery", 1),
        ("refused", "bakery", 1),
        ("given_up", "bakery", 1),
        ("refused", "", 1),
        ("done", "bakery", 0),
        ("nothing", "bakery", 0),
        ("superseded", "bakery", 0),
    ],
)
def test_what_a_person_has_to_look_at_is_told_also_where_it_is_nobodys(
    told: policies.Policy, outcome: str, customer: str, expected: int
) -> None:
    work = ({"duty": "audit", "status": "failed"},)
    found = results.of_event(told, EventOutcome("e1", customer, "", AT, outcome, "no such host", work), "till")
    assert len(found) == expected
    assert all("no such host" in message.body["text"] for message in found)


def test_without_a_policy_nobody_is_told_and_one_that_is_wrong_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MSP_TELLING", raising=False)
    assert results.policy() is None
    (tmp_path / "telling.yml").write_text("channels: []\n")
    monkeypatch.setenv("MSP_TELLING", str(tmp_path / "telling.yml"))
    with pytest.raises(MspErrors, match="MSP-TEL-002"):
        results.policy()
