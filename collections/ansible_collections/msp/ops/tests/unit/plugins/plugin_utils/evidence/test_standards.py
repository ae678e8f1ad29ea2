# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What checks of controls leave in the store: the checks, what turned and what is, in whatever order they are told."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import (
    codec,
    controls,
    deliver,
    export,
    hashing,
    retention,
    spool,
    statistics,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    CHECK_PHASES,
    NOT_ASSIGNED,
    Audit,
    ControlChange,
    StandardCheck,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    COMPLIANT,
    DRIFT,
    FIXED,
    UNKNOWN,
    WAIVED,
    ControlRecord,
)

NOW = dt.datetime.now(dt.UTC)
AT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
OLD, RECENT = NOW - 400 * DAY, NOW - 5 * DAY
WAIVER = {"reason": "the till needs it", "owner": "Anna", "expires": "2027-01-31", "agreed": {"by": "Piet"}}


def records(**statuses: str) -> tuple[Mapping[str, Any], ...]:
    """The records of some controls; "_" in a name stands for "-"."""
    return tuple(
        ControlRecord(
            name.replace("_", "-"), "high", status, "no", f"{status} found", "", WAIVER if status == WAIVED else None
        ).as_dict()
        for name, status in statuses.items()
    )


def check(at: dt.datetime = AT, phase: str = "check", **statuses: str) -> StandardCheck:
    return StandardCheck(
        "bakery", "device:1", "till", at, phase, "ok", "linux-server", "1.0", records(**statuses), run="r1"
    )


GOOD = check(ssh_root_login=DRIFT, journal=COMPLIANT, firewall=WAIVED)
AWAY = replace(
    GOOD, at=AT + DAY, outcome="unreachable", error="no route to host", records=records(ssh_root_login=UNKNOWN)
)
REFUSED = replace(GOOD, at=AT + DAY, outcome="failed", error="no such standard", records=None)


def turned(store: Store, customer: str = "bakery") -> list[tuple[str, dt.datetime, str | None, str]]:
    return [(one.control, one.at, one.previous, one.status) for one in store.control_changes(customer)]


def now(store: Store) -> dict[str, tuple[str, dt.datetime]]:
    return {one.control: (one.status, one.since) for one in store.control_states("bakery")}


def test_a_check_comes_back_as_it_was_told_and_is_told_once(store: Store) -> None:
    many = replace(GOOD, asset="device:2", records=records(**{f"c{number}": DRIFT for number in range(50)}))
    store.record_standard_checks([GOOD, many])
    store.record_standard_checks([GOOD, replace(GOOD, customer="dentist", records=())])

    assert store.last_standard_checks("bakery") == {"device:1": (GOOD, GOOD), "device:2": (many, many)}
    assert store.last_standard_checks("bakery", "device:2") == {"device:2": (many, many)}
    nothing, _attempt = store.last_standard_checks("dentist")["device:1"]
    assert nothing is not None and nothing.records == ()
    assert statistics.store(store.database).rows["standard_checks"] == 3


def test_equal_records_are_stored_once_for_all_hosts(store: Store) -> None:
    store.record_standard_checks([replace(GOOD, asset=f"device:{number}") for number in range(20)])
    assert statistics.store(store.database).rows["facts"] == 1


def test_the_last_good_check_and_the_last_attempt_are_told_apart(store: Store) -> None:
    store.record_standard_checks([AWAY, GOOD, replace(AWAY, asset="device:2")])

    assert store.last_standard_checks("bakery")["device:1"] == (GOOD, AWAY)
    assert store.last_standard_checks("bakery")["device:2"] == (None, replace(AWAY, asset="device:2"))
    assert store.controls_measured("bakery") == {"device:1": [AT]}


def test_what_was_brought_about_is_the_last_word_of_its_time(store: Store) -> None:
    before, after = check(phase="before", journal=DRIFT), check(phase="after", journal=FIXED)
    store.record_standard_checks([after, before])

    assert store.last_standard_checks("bakery")["device:1"] == (after, after)
    assert turned(store) == [("journal", AT, None, DRIFT), ("journal", AT, DRIFT, FIXED)]
    assert now(store) == {"journal": (FIXED, AT)}


def test_what_a_control_is_and_since_when_and_what_turned(store: Store) -> None:
    store.record_standard_checks([check(journal=COMPLIANT, banner=DRIFT)])
    store.record_standard_checks([check(AT + DAY, journal=DRIFT, banner=DRIFT)])
    store.record_standard_checks([check(AT + 2 * DAY, journal=DRIFT, cron=COMPLIANT)])

    assert turned(store) == [
        ("banner", AT, None, DRIFT),
        ("journal", AT, None, COMPLIANT),
        ("journal", AT + DAY, COMPLIANT, DRIFT),
        ("banner", AT + 2 * DAY, DRIFT, NOT_ASSIGNED),
        ("cron", AT + 2 * DAY, None, COMPLIANT),
    ]
    journal = next(one for one in store.control_states() if one.control == "journal")
    assert (journal.status, journal.since, journal.last_at) == (DRIFT, AT + DAY, AT + 2 * DAY)
    assert (journal.standard, journal.severity, journal.desired, journal.found) == (
        "linux-server",
        "high",
        "no",
        "drift found",
    )
    assert set(now(store)) == {"journal", "cron"}
    assert store.control_states("dentist") == []


def test_changes_are_told_of_a_time_and_what_was_before_it_is_known(store: Store) -> None:
    store.record_standard_checks([check(AT + days * DAY, journal=status) for days, status in enumerate((DRIFT, FIXED))])

    (found,) = store.control_changes("bakery", since=AT + DAY, until=AT + 2 * DAY)
    assert found == ControlChange(
        *("bakery", "device:1", "journal", AT + DAY, "check", FIXED, DRIFT),
        *("linux-server", "high", "no", "fixed found", ""),
    )
    assert store.control_changes("bakery", until=AT) == []


def test_nobody_that_did_not_answer_stays_compliant(store: Store) -> None:
    store.record_standard_checks([check(ssh_root_login=COMPLIANT), AWAY])
    assert now(store) == {"ssh-root-login": (UNKNOWN, AT + DAY)}
    store.record_standard_checks([check(AT + 2 * DAY, ssh_root_login=COMPLIANT), replace(REFUSED, at=AT + 3 * DAY)])
    (state,) = store.control_states("bakery")
    assert (state.status, state.reason) == (UNKNOWN, "no such standard")


def in_orders(store: Store, orders: Sequence[Sequence[StandardCheck]]) -> list[object]:
    """What the store tells of checks delivered in each of these orders, which are customers of their own meanwhile."""
    for turn in itertools.zip_longest(*orders):
        store.record([replace(one, customer=f"c{number}") for number, one in enumerate(turn) if one is not None])
    return [
        (turned(store, f"c{number}"), [replace(one, customer="") for one in store.control_states(f"c{number}")])
        for number in range(len(orders))
    ]


@pytest.mark.thorough
def test_told_late_or_again_it_comes_to_the_same_as_in_order(store: Store) -> None:
    """Every third order of four checks, and one that knows of no control and cannot come before the one it follows."""
    told = [
        check(journal=DRIFT, banner=COMPLIANT),
        check(AT + DAY, "before", journal=COMPLIANT, banner=COMPLIANT),
        check(AT + DAY, "after", journal=COMPLIANT, banner=DRIFT),
        check(AT + 2 * DAY, journal=DRIFT),
        replace(REFUSED, at=AT + 3 * DAY),
    ]
    orders = [order for order in itertools.permutations(told) if order.index(told[3]) < order.index(told[4])]
    expected, *others = in_orders(store, [told, *([*order, *order] for order in orders[::3])])
    assert others == [expected] * len(others)


STATUS = st.sampled_from([COMPLIANT, DRIFT, UNKNOWN, FIXED])
HISTORY = st.lists(st.tuples(STATUS, STATUS, st.sampled_from(CHECK_PHASES)), min_size=1, max_size=6)
ORDERED = HISTORY.flatmap(lambda found: st.tuples(st.just(found), st.permutations(range(len(found)))))


@pytest.mark.thorough
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories=st.lists(ORDERED, min_size=6, max_size=8))
def test_no_order_of_delivery_changes_what_is_told(
    new_sqlite_store: Callable[[], Store], histories: Sequence[tuple[list[tuple[str, str, str]], list[int]]]
) -> None:
    told = [
        [
            check(AT + number * DAY, phase, journal=first, banner=second)
            for number, (first, second, phase) in enumerate(history)
        ]
        for history, _order in histories
    ]
    mixed = [[made[number] for number in order] for made, (_history, order) in zip(told, histories, strict=True)]
    with new_sqlite_store() as store:
        found = in_orders(store, [*told, *mixed])
        assert found[len(told) :] == found[: len(told)]


def test_what_is_told_last_of_all_though_it_was_first_is_unknown_where_a_later_check_knew_of_nothing(
    store: Store,
) -> None:
    store.record_standard_checks([REFUSED])
    assert store.control_states("bakery") == []
    store.record_standard_checks([check(journal=COMPLIANT)])
    assert now(store) == {"journal": (UNKNOWN, AT + DAY)}


def test_two_controllers_that_deliver_at_once_tell_one_story(store: Store, url: str) -> None:
    barrier = Barrier(2)
    told = [check(AT + number * DAY, journal=(DRIFT, COMPLIANT)[number % 2]) for number in range(8)]

    def put(own: Sequence[StandardCheck]) -> None:
        with Store.open(url) as mine:
            for one in own:
                barrier.wait(timeout=30)
                mine.record_standard_checks([one])

    threads = [Thread(target=put, args=(told[start::2],)) for start in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [status for _control, _at, _previous, status in turned(store)] == [DRIFT, COMPLIANT] * 4
    assert now(store) == {"journal": (COMPLIANT, AT + 7 * DAY)}


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GOOD, records=None),
        replace(GOOD, outcome="fine"),
        replace(GOOD, phase="during"),
        replace(GOOD, records=records(journal="splendid")),
        replace(GOOD, records=records(journal=DRIFT) * 2),
        replace(GOOD, records=({"status": DRIFT},)),
        replace(GOOD, records=7),  # type: ignore[arg-type]  # as a line of the spool may have it
        replace(GOOD, records=("ssh",)),  # type: ignore[arg-type]
        replace(AWAY, records=records(journal=COMPLIANT)),
        replace(GOOD, at=AT.replace(tzinfo=None)),
    ],
)
def test_a_check_that_contradicts_itself_is_refused(store: Store, wrong: StandardCheck) -> None:
    with pytest.raises(MspError) as caught:
        store.record_standard_checks([wrong])
    assert caught.value.code == "MSP-EVD-007"
    assert store.last_standard_checks("bakery") == {}


def test_whatever_a_host_says_of_a_control_is_kept_and_breaks_nothing(store: Store) -> None:
    nasty = "a\x00b\ud800c'; DROP TABLE audits; --{{ lookup('pipe', 'id') }}\U0001f4a9"
    said = replace(GOOD, records=({**GOOD.records[0], "found": nasty},))  # type: ignore[index]
    store.record_standard_checks([said])
    assert store.last_standard_checks("bakery")["device:1"] == (said, said)
    (state,) = store.control_states("bakery")
    assert "DROP TABLE audits" in state.found


def test_a_check_goes_through_the_spool_and_a_wrong_one_is_set_aside(
    store: Store, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    for one in (GOOD, AWAY, REFUSED):
        assert codec.decode(codec.encode(one)) == one
    spool.put([GOOD, AWAY, replace(GOOD, at=AT + 9 * DAY, outcome="fine")])
    (rejected,) = deliver.deliver(store).rejected
    assert "MSP-EVD-007" in rejected
    assert store.last_standard_checks("bakery") == {"device:1": (GOOD, AWAY)}


@pytest.mark.parametrize("data", [{"at": "2026-03-01T09:30:00"}, {"more": 1}, {"at": None, "asset": None}])
def test_a_line_that_is_no_check_is_refused(store: Store, data: object) -> None:
    line = json.loads(codec.encode(GOOD))
    line["data"].update(data)
    with pytest.raises((ValueError, MspError, AttributeError)):
        store.record([codec.decode(json.dumps(line))])


# Retention and export


def test_old_checks_go_and_what_a_control_was_when_the_kept_time_began_stays(store: Store) -> None:
    for customer in ("bakery", "dentist"):
        old = [
            replace(check(OLD + days * DAY, journal=status), customer=customer)
            for days, status in enumerate((DRIFT, COMPLIANT, DRIFT))
        ]
        store.record_standard_checks([*old, replace(check(RECENT, journal=DRIFT), customer=customer)])

    removed = retention.prune(store, "bakery", 365, apply=True)

    assert (removed["standard_checks"], removed["control_changes"], removed["control_states"]) == (3, 2, 0)
    assert turned(store) == [("journal", OLD + 2 * DAY, None, DRIFT)]
    assert now(store) == {"journal": (DRIFT, OLD + 2 * DAY)}
    assert len(turned(store, "dentist")) == 3


def test_the_last_good_check_stays_for_as_long_as_somebody_tries_and_goes_with_the_asset(store: Store) -> None:
    good, gone = check(OLD, journal=DRIFT), replace(check(OLD, journal=DRIFT), asset="device:2")
    away = replace(AWAY, at=RECENT, records=records(journal=UNKNOWN))
    store.record_standard_checks([good, gone, away])

    removed = retention.prune(store, "bakery", 365, apply=True)

    assert store.last_standard_checks("bakery") == {"device:1": (good, away)}
    assert (removed["standard_checks"], removed["control_changes"], removed["control_states"]) == (1, 1, 1)


def test_facts_that_only_a_check_names_go_with_it_and_shared_ones_stay(store: Store) -> None:
    shared = controls.body(records(journal=DRIFT))
    store.put_facts(shared)
    store.record_audit(Audit("dentist", "device:9", "h", RECENT, "ok", hashing.facts_hash(shared)))
    store.record_standard_checks([check(OLD, journal=DRIFT), check(OLD + DAY, journal=COMPLIANT)])

    assert retention.prune(store, "bakery", 365, apply=True)["facts"] == 1
    assert store.facts(hashing.facts_hash(shared)) == shared


def test_a_customer_takes_its_checks_and_changes_along_and_nobody_elses(store: Store) -> None:
    store.record_standard_checks([GOOD, replace(GOOD, customer="dentist"), AWAY])

    lines = [json.loads(codec.encode(record)) for record in export.export(store, "bakery")]

    kinds = [line["kind"] for line in lines]
    assert kinds.count("standard_check") == 2
    assert kinds.count("control_change") == 3 + 3  # one is unknown now, two are no longer held to
    assert "dentist" not in json.dumps(lines)
    assert export.customers(store) == ["bakery", "dentist"]
