"""Which recurrence rules a plan may have, and what is said of the others. What they mean is in test_windows.py."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.patching import recurrence
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Recurrence
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import AMSTERDAM

AT, SINCE = dt.time(22, 0), dt.date(2026, 1, 5)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("", "no part"),
        ("FREQ", "no part"),
        ("FREQ=", "no part"),
        ("BYDAY=TU", "no FREQ"),
        ("FREQ=WEEKLY;FREQ=DAILY", "FREQ is there twice"),
        ("FREQ=HOURLY", "FREQ is HOURLY, and may be DAILY"),
        ("FREQ=MINUTELY;INTERVAL=30", "FREQ is MINUTELY"),
        ("FREQ=SECONDLY", "FREQ is SECONDLY"),
        ("FREQ=DAILY;BYHOUR=3", "BYHOUR is not for the rule: the time of day stands in start"),
        ("FREQ=DAILY;BYEASTER=0", "BYEASTER is no part"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL has '0'"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL has '-1'"),
        ("FREQ=DAILY;INTERVAL=1,2", "INTERVAL has '1,2'"),
        ("FREQ=DAILY;COUNT=-1", "COUNT has '-1'"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "COUNT and UNTIL"),
        ("FREQ=DAILY;UNTIL=20260230", "UNTIL is 20260230"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL is tomorrow"),
        ("FREQ=DAILY;UNTIL=99991231", "UNTIL is 99991231"),
        ("FREQ=WEEKLY;BYDAY=DI", "BYDAY has 'DI'"),
        ("FREQ=WEEKLY;BYDAY=TU,", "BYDAY has ''"),
        ("FREQ=WEEKLY;BYDAY=3TU", "BYDAY with a number is not for FREQ=WEEKLY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY is not for FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY has '32'"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY has '0'"),
        ("FREQ=YEARLY;BYMONTH=-1;BYMONTHDAY=1", "BYMONTH has '-1'"),
        ("FREQ=MONTHLY;BYYEARDAY=60", "BYYEARDAY is not for FREQ=MONTHLY"),
        ("FREQ=YEARLY;BYWEEKNO=10", "BYWEEKNO needs a BYDAY"),
        ("FREQ=YEARLY;BYWEEKNO=10;BYDAY=1MO", "BYWEEKNO needs a BYDAY"),
        ("FREQ=DAILY;BYMONTH=2;BYSETPOS=1", "BYSETPOS is not for FREQ=DAILY"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS needs a BYDAY"),
        ("FREQ=WEEKLY;BYDAY=MO;WKST=XX", "WKST is XX"),
    ],
)
def test_a_rule_that_is_none_is_refused_with_the_reason(rule: str, said: str) -> None:
    assert said in recurrence.refusal(Recurrence(rule, AT, SINCE))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU", "INTERVAL counts from a first day"),
        ("FREQ=DAILY;COUNT=5", "COUNT counts from a first day"),
        ("FREQ=WEEKLY", "does not say on which day"),
        ("FREQ=MONTHLY", "does not say on which day"),
        ("FREQ=YEARLY;BYMONTH=3", "does not say on which day"),
    ],
)
def test_a_rule_that_counts_from_a_day_needs_one(rule: str, said: str) -> None:
    assert said in recurrence.refusal(Recurrence(rule, AT))
    assert recurrence.refusal(Recurrence(rule, AT, SINCE)) == ""


@pytest.mark.thorough
@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.builds(
            "{}={}".format,
            st.sampled_from((*recurrence._PARTS, "BYHOUR", "X")),
            st.sampled_from(
                ("DAILY", "WEEKLY", "MONTHLY", "YEARLY", "1", "-1", "5", "31", "TU", "-1SA,MO", "20260301")
            ),
        ),
        min_size=1,
        max_size=4,
    ).map(";".join)
)
def test_whatever_is_not_refused_is_expanded_in_order_at_its_time_of_day(rule: str) -> None:
    made = Recurrence(rule, AT, SINCE)
    if recurrence.refusal(made):
        return
    first, last = dt.datetime.fromisoformat("2026-01-01"), dt.datetime.fromisoformat("2026-04-01")
    found = recurrence.moments(made, AMSTERDAM, first, last)
    assert found == sorted(set(found))
    assert all(one.time() == AT and one.date() >= SINCE for one in found)
    if found:
        assert recurrence.following(made, AMSTERDAM, first) == found[0]
