# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Minutes outside the contract: what was measured, by whom, and on which asset only where the evidence says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Effort, EffortSummary, RunHost, Ticket
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.spent import Spent, spent
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.reconciliation.made_news import DAY, NOW, booking
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import SLUG


def summary(*rows: Effort) -> EffortSummary:
    """The sums are the store's; only the rows are read here."""
    return EffortSummary(SLUG, NOW - 7 * DAY, NOW, 0, 0, 0, 0, 0, 0, 0, rows)


def host(name: str, seconds: float, **values: Any) -> RunHost:
    told: dict[str, Any] = {"customer": SLUG, "asset": f"device:{name}", "in_scope": False, **values}
    return RunHost(run="r1", host=name, seconds=seconds, **told)


def ticket(ref: str, asset: str | None, source: str = "desk", whose: str = SLUG) -> Ticket:
    return Ticket(whose, source, ref, NOW - DAY, asset=asset)


def of(
    *rows: Effort, hosts: Mapping[str, Sequence[RunHost]] | None = None, tickets: Sequence[Ticket] = ()
) -> Spent | None:
    return spent(summary(*rows), hosts or {}, tickets)


@pytest.mark.parametrize(
    "told", [None, summary(), summary(booking("a", 90, in_contract=True))], ids=["never", "no row", "inside only"]
)
def test_without_a_minute_outside_the_contract_nothing_was_measured(told: EffortSummary | None) -> None:
    assert spent(told, {}, ()) is None


def test_people_and_automation_are_counted_apart_and_who_was_not_measured_has_no_number() -> None:
    found = of(booking("a", 20), booking("b", 5), booking("c", 60, in_contract=True))
    assert found is not None
    assert (found.person, found.automation, [row.key for row in found.rows]) == (25, None, ["a", "b"])


def test_a_measured_zero_is_a_measurement() -> None:
    found = of(booking("a", 0.0, by="automation"))
    assert found is not None and (found.person, found.automation) == (None, 0.0)


def test_a_runs_minutes_go_to_its_hosts_outside_the_contract_by_their_seconds() -> None:
    hosts = [host("1", 30), host("2", 90), host("3", 500, in_scope=True), host("4", 500, customer="harbour-dental")]
    found = of(booking("a", 8, run="r1"), hosts={"r1": hosts})
    assert found is not None and found.by_asset == {"device:1": 2.0, "device:2": 6.0}


def test_hosts_without_a_second_share_alike_and_a_host_that_is_no_asset_keeps_its_share_to_itself() -> None:
    found = of(booking("a", 8, run="r1"), hosts={"r1": [host("1", 0), host("2", 0, asset=None)]})
    assert found is not None and found.by_asset == {"device:1": 4.0}


def test_where_no_run_says_it_the_ticket_names_the_asset() -> None:
    found = of(booking("a", 20, ticket="4711"), booking("b", 7, ticket="4711"), tickets=[ticket("4711", "device:1")])
    assert found is not None and found.by_asset == {"device:1": 27.0}


@pytest.mark.parametrize(
    "tickets",
    [
        [],
        [ticket("4711", None)],
        [ticket("4711", "device:1"), ticket("4711", "device:2", source="other")],
        [ticket("4711", "device:1"), ticket("4711", None, source="other")],
        [ticket("4711", "device:1", whose="harbour-dental")],
        [ticket("4712", "device:1")],
    ],
    ids=["no ticket", "no asset", "two systems disagree", "one system knows none", "another customer's", "another"],
)
def test_a_ticket_that_does_not_say_which_asset_says_nothing(tickets: list[Ticket]) -> None:
    found = of(booking("a", 20, ticket="4711"), tickets=tickets)
    assert found is not None and (found.person, found.by_asset) == (20, {})
