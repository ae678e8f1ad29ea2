# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an asset's last check alone says of it: nothing that is old or failed is taken for well."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StandardCheck
from ansible_collections.msp.ops.plugins.plugin_utils.standards.compliance import FRESH
from ansible_collections.msp.ops.plugins.plugin_utils.standards.lately import Lately, lately
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    COMPLIANT,
    DRIFT,
    ERROR,
    FIXED,
    NOT_APPLICABLE,
    UNKNOWN,
    WAIVED,
)

NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
TODAY = NOW.date()
DAY = dt.timedelta(days=1)


def record(control: str, status: str, expires: dt.date | None = None) -> dict[str, Any]:
    waiver = None if expires is None else {"reason": "r", "owner": "o", "expires": expires.isoformat(), "agreed": {}}
    return {"control": control, "severity": "high", "status": status, "waiver": waiver}


def check(*records: dict[str, Any], at: dt.datetime = NOW - DAY) -> StandardCheck:
    return StandardCheck("harbour-dental", "device:7", "srv01", at, "check", "ok", "linux-server", "1.0", records)


def by(good: StandardCheck | None, last: StandardCheck | None = None) -> Lately | None:
    return lately(good, last or good, NOW, TODAY)


def test_what_nobody_ever_checked_has_no_line() -> None:
    assert by(None) is None


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        ((COMPLIANT, FIXED, NOT_APPLICABLE), COMPLIANT),
        ((COMPLIANT, ERROR), UNKNOWN),
        ((COMPLIANT, UNKNOWN, DRIFT), DRIFT),
        ((), UNKNOWN),
    ],
)
def test_it_is_as_bad_as_its_worst_control(statuses: tuple[str, ...], state: str) -> None:
    found = by(check(*(record(f"c{number}", status) for number, status in enumerate(statuses))))
    assert found is not None and found.state == state
    assert found.drift == tuple(f"c{number}" for number, status in enumerate(statuses) if status == DRIFT)


def test_a_waiver_holds_on_its_last_day_and_is_drift_the_day_after() -> None:
    found = by(check(record("banner", WAIVED, TODAY), record("journal", WAIVED, TODAY - DAY)))
    assert found is not None
    assert (found.state, found.waived, found.drift) == (DRIFT, ("banner",), ("journal",))


def test_a_last_attempt_that_failed_makes_it_unknown_and_what_was_found_before_is_still_told() -> None:
    good = check(record("banner", DRIFT), record("cron", ERROR))
    found = by(good, replace(good, at=NOW, outcome="unreachable", error="no route", records=()))
    assert found == Lately(
        *("linux-server", "1.0", UNKNOWN, NOW - DAY, ("banner",), (), ("cron",)),
        "the last check ended with unreachable: no route",
    )


@pytest.mark.parametrize(("age", "state"), [(FRESH, COMPLIANT), (FRESH + DAY, UNKNOWN)])
def test_a_check_that_is_old_proves_nothing(age: dt.timedelta, state: str) -> None:
    found = by(check(record("banner", COMPLIANT), at=NOW - age))
    assert found is not None and found.state == state
    assert bool(found.why) == (state == UNKNOWN)
