# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at who can log in, in the store: kept once by what was found, told as the last good and the last one."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
import sqlalchemy as sa

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import codec, export, retention
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import MICROSOFT_365, AccessCheck
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

NOW = dt.datetime.now(dt.UTC)
AT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
FOUND = {"accounts": [f'{{"name":"a{number}"}}' for number in range(80)], "closed": 3, "directory": []}
GOOD = AccessCheck("bakery", "device:1", "till", AT, "ok", FOUND, None, "r1")
AWAY = AccessCheck("bakery", "device:1", "till", AT + DAY, "unreachable", None, "MSP-AUD-003: no answer")


def count(store: Store, name: str) -> int:
    with store.database.read() as connection:
        table = tables().metadata.tables[name]
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_the_last_good_look_and_the_last_attempt_are_told(store: Store) -> None:
    cloud = replace(GOOD, asset=MICROSOFT_365, host="Microsoft 365", found={"people": []})
    store.record_access_checks([AWAY, GOOD, cloud, replace(GOOD, customer="dentist")])
    assert store.last_access_checks("bakery") == {"device:1": (GOOD, AWAY), MICROSOFT_365: (cloud, cloud)}
    store.record_access_checks([again := replace(GOOD, at=AT + 2 * DAY)])
    assert store.last_access_checks("bakery")["device:1"] == (again, again)
    assert store.last_access_checks("nobody") == {}


def test_one_that_never_answered_has_no_good_look(store: Store) -> None:
    store.record_access_checks([AWAY])
    assert store.last_access_checks("bakery") == {"device:1": (None, AWAY)}


def test_what_is_the_same_on_many_days_is_kept_once_and_told_again_changes_nothing(store: Store) -> None:
    looks = [replace(GOOD, at=AT + days * DAY) for days in range(5)]
    store.record_access_checks(looks)
    store.record_access_checks(looks)
    assert (count(store, "access_checks"), count(store, "facts")) == (5, 1)


@pytest.mark.parametrize(
    "wrong", [{"outcome": "fine"}, {"found": None}, {"outcome": "failed"}, {"outcome": "unreachable"}]
)
def test_a_look_that_contradicts_itself_is_refused(store: Store, wrong: dict[str, object]) -> None:
    with pytest.raises(MspError, match="MSP-EVD-007"):
        store.record_access_checks([replace(GOOD, **wrong)])  # type: ignore[arg-type]
    assert count(store, "facts") == 0


def test_it_goes_through_the_spool_as_it_is() -> None:
    assert [codec.decode(codec.encode(one)) for one in (GOOD, AWAY)] == [GOOD, AWAY]


def test_old_looks_go_but_the_last_good_one_of_what_is_still_looked_at(store: Store) -> None:
    old = [replace(GOOD, at=NOW - days * DAY, found={"accounts": [str(days)]}) for days in (500, 450, 400)]
    gone = replace(old[0], asset="device:2")
    recent = replace(AWAY, at=NOW - DAY)
    store.record_access_checks([*old, gone, recent])
    removed = retention.prune(store, "bakery", 365, apply=True)
    assert (removed["access_checks"], removed["facts"]) == (3, 2)
    assert store.last_access_checks("bakery") == {"device:1": (old[2], recent)}
    retention.prune(store, "bakery", 0, apply=True)
    assert (count(store, "access_checks"), count(store, "facts")) == (0, 0)


def test_a_customers_looks_are_exported_and_nobody_elses(store: Store) -> None:
    store.record_access_checks([GOOD, AWAY, replace(GOOD, customer="dentist")])
    assert export.customers(store) == ["bakery", "dentist"]
    assert [one for one in export.export(store, "bakery") if isinstance(one, AccessCheck)] == [GOOD, AWAY]


def test_what_an_old_look_shares_with_a_recent_one_stays(store: Store) -> None:
    recent = replace(GOOD, at=NOW - DAY)
    store.record_access_checks([replace(GOOD, at=NOW - 500 * DAY), recent])
    removed = retention.prune(store, "bakery", 365, apply=True)
    assert (removed["access_checks"], removed["facts"]) == (1, 0)
    assert store.last_access_checks("bakery") == {"device:1": (recent, recent)}
