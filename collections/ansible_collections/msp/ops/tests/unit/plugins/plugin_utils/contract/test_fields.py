# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Scope rules, surcharges and warranty sources survive NetBox's JSON fields; a broken entry harms only itself."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract import fields
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import ScopeRule, SurchargeRule, WarrantySource
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

TEXT = st.one_of(st.none(), st.text(min_size=1, max_size=10))
RULES = st.lists(
    st.builds(
        ScopeRule, st.sampled_from(names.ASSET_CLASSES), st.booleans(), TEXT, st.none() | st.integers(1, 99), TEXT
    ),
    unique_by=lambda rule: rule.asset_class,
)
SURCHARGES = st.lists(
    st.builds(
        SurchargeRule,
        st.sampled_from(names.ASSET_CLASSES),
        st.sampled_from(names.SURCHARGED),
        st.decimals(0, 10**6, places=2),
    ),
    unique_by=lambda rule: (rule.asset_class, rule.reason),
)
DAYS = st.one_of(st.none(), st.dates())
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from([*names.ASSET_CLASSES, *names.SURCHARGED, "source", "covered"]), inner)
    ),
)


@given(RULES)
def test_scope_rules_read_back_as_they_were_written(rules: list[ScopeRule]) -> None:
    written = json.loads(json.dumps(fields.scope_to_json(rules)))

    assert set(fields.scope_from_json(written)) == set(rules)


@given(SURCHARGES)
def test_surcharges_read_back_as_they_were_written(rules: list[SurchargeRule]) -> None:
    written = json.loads(json.dumps(fields.surcharges_to_json(rules)))

    assert (written is None) == (not rules)
    assert set(fields.surcharges_from_json(written)) == set(rules)


def test_what_is_no_amount_was_never_agreed_on_and_harms_nothing_else() -> None:
    written = {
        "server": {"waived": True, "out_of_warranty": "-5.00", "out_of_support": "40.00", "old": "1.00"},
        "ship": {"waived": "1.00"},
        "printer": "3.00",
        "mobile": {"waived": "free", "out_of_warranty": 2.5},
    }

    assert fields.surcharges_from_json(written) == (
        SurchargeRule("mobile", "out_of_warranty", Decimal("2.5")),
        SurchargeRule("server", "out_of_support", Decimal("40.00")),
    )


@given(st.lists(st.builds(WarrantySource, st.text(min_size=1), DAYS, DAYS)))
def test_warranty_sources_read_back_as_they_were_written(sources: list[WarrantySource]) -> None:
    written = json.loads(json.dumps(fields.sources_to_json(sources)))

    assert fields.sources_from_json(written) == tuple(sources)


@given(ANYTHING)
def test_whatever_a_person_left_in_a_field_reads_without_failing(value: Any) -> None:
    assert all(rule.asset_class in names.ASSET_CLASSES for rule in fields.scope_from_json(value))
    assert all(source.source for source in fields.sources_from_json(value))
    assert all(rule.amount >= 0 for rule in fields.surcharges_from_json(value))


def test_a_rule_that_does_not_plainly_say_covered_is_not_covered() -> None:
    rules = fields.scope_from_json(
        {"server": {"covered": "no"}, "printer": {"covered": True}, "ship": {"covered": True}}
    )

    assert rules == (ScopeRule("printer", True), ScopeRule("server", False))


def test_a_date_that_is_none_is_left_out_and_its_source_kept() -> None:
    sources = fields.sources_from_json(
        [{"source": "dealer", "purchase": "31-12-2024", "warranty_end": "2027-01-01"}, 7]
    )

    assert sources == (WarrantySource("dealer", None, dt.date(2027, 1, 1)),)
