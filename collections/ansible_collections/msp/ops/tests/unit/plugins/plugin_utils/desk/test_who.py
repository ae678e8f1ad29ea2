# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said to be wrong with a thing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk.who import Answer, wrong
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import Evidence, compare
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import (
    NOW,
    TODAY,
    asset,
    audit,
    customer,
    facts,
)


def answer(body: dict[str, Any] | None = None, **changes: Any) -> Answer:
    one, good = asset(), audit(summary={"encrypted": changes.pop("encrypted", True)})
    evidence = Evidence(good, good, body or facts())
    made = Answer(
        customer=one.customer,
        customer_name="Bakkerij Jansen",
        name=one.name,
        status="contracted",
        asset=one,
        compared=compare(one, evidence, NOW, TODAY, customer().contract),
        sightings=(),
        last_good=good,
        last_attempt=good,
    )
    return dataclasses.replace(made, **changes)


def test_of_a_machine_in_order_nothing_is_wrong() -> None:
    assert wrong(answer()) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"hostname": {"name": "other"}}, "hostname is other, promised was jansen-srv01"),
        ({"updates": {"known": True, "total": 9, "security": 4}}, "4 security updates pending"),
        ({"reboot": {"needed": True}}, "a restart is needed"),
        (
            {"os": {"name": "Debian GNU/Linux", "version": "11", "support_end": "2026-08-31"}},
            "Debian GNU/Linux 11 is out of support since 2026-08-31",
        ),
    ],
)
def test_each_trouble_is_said_in_a_line(body: dict[str, Any], said: str) -> None:
    assert wrong(answer(facts(**body))) == [said]


def test_a_disk_without_encryption_is_said_and_one_that_was_not_measured_is_not() -> None:
    assert wrong(answer(encrypted=False)) == ["the disk is not encrypted"]
    assert wrong(answer(encrypted=None)) == []


def test_a_last_audit_that_failed_is_said_with_why() -> None:
    failed = audit(outcome="unreachable", error="timed out")
    assert wrong(answer(last_attempt=failed))[0] == "the last audit ended with unreachable: timed out"
