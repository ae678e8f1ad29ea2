# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What comes in is received once, had by one worker at a time, and ended once, whatever dies in between."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import export, incoming, retention
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.incoming import Claim
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import EventOutcome, Incoming
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

AT = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)


def event(name: str, subject: str = "netbox dcim.device 1", seconds: int = 0) -> Incoming:
    return Incoming(name, "netbox", subject, AT + dt.timedelta(seconds=seconds), {"action": "updated"})


def ended(claimed: Claim, outcome: str = "done", customer: str = "bakery") -> list[EventOutcome]:
    return [EventOutcome(one.id, customer, "device:1", AT, outcome, "because") for one in claimed.events]


def taken(store: Store, holder: str = "worker one", seconds: float = 60) -> Claim:
    found = incoming.claim(store, holder, seconds)
    assert found is not None
    return found


def test_an_event_that_is_told_again_is_received_once(store: Store) -> None:
    assert incoming.receive(store, [event("a"), event("b")]) == ["a", "b"]
    assert incoming.receive(store, [event("a"), event("c")]) == ["c"]
    assert incoming.waiting(store).waiting == 3


def test_an_event_that_has_ended_is_not_taken_in_again(store: Store) -> None:
    incoming.receive(store, [event("a")])
    claimed = taken(store)
    assert incoming.end(store, claimed, ended(claimed))

    assert incoming.receive(store, [event("a")]) == []
    assert incoming.claim(store, "worker two") is None
    found = incoming.event(store, "a")
    assert found is not None
    assert found[1] is not None
    assert (found[1].outcome, found[1].why) == ("done", "because")


def test_what_waits_of_one_subject_is_claimed_together_oldest_first(store: Store) -> None:
    incoming.receive(store, [event("late", seconds=9), event("other", "netbox dcim.device 2")])
    incoming.receive(store, [event("early", seconds=1)])

    claims = {claimed.subject: claimed for claimed in (taken(store), taken(store, "worker two"))}

    assert [one.id for one in claims["netbox dcim.device 1"].events] == ["early", "late"]
    assert [one.id for one in claims["netbox dcim.device 2"].events] == ["other"]
    assert incoming.claim(store, "worker three") is None


def test_a_subject_that_is_worked_on_waits_with_what_came_after(store: Store) -> None:
    incoming.receive(store, [event("a")])
    claimed = taken(store)
    incoming.receive(store, [event("b", seconds=5)])

    assert incoming.claim(store, "worker two") is None
    assert incoming.waiting(store).held == 1
    assert incoming.end(store, claimed, ended(claimed))
    assert [one.id for one in taken(store, "worker two").events] == ["b"]


def test_what_a_dead_worker_had_is_taken_over_and_the_late_one_can_neither_end_nor_renew_it(store: Store) -> None:
    incoming.receive(store, [event("a")])
    late = taken(store, seconds=0)

    second = taken(store, "worker two")

    assert second.tries == 2
    assert not incoming.renew(store, late)
    assert not incoming.end(store, late, ended(late))
    assert not incoming.put_back(store, late, 0, tried=True)
    assert incoming.end(store, second, ended(second))
    assert not incoming.end(store, second, ended(second))


def test_a_claim_that_ran_out_is_nobodys_even_before_another_takes_it(store: Store) -> None:
    incoming.receive(store, [event("a")])
    late = taken(store, seconds=0)
    assert not incoming.end(store, late, ended(late))
    assert not incoming.renew(store, late)


def test_what_is_put_back_waits_its_time_and_counts_as_a_try_only_where_it_was_one(store: Store) -> None:
    incoming.receive(store, [event("a")])
    assert incoming.put_back(store, taken(store), 0, tried=False)
    assert taken_again(store).tries == 1
    incoming.receive(store, [event("b", "netbox dcim.device 2")])
    assert incoming.put_back(store, taken(store), 3600, tried=True)
    assert incoming.claim(store, "worker one") is None


def test_what_the_last_said_of_why_it_did_not_end_is_kept_for_the_next(store: Store) -> None:
    incoming.receive(store, [event("a")])
    incoming.put_back(store, taken(store), 0, tried=True, why="no route to host")
    assert taken_again(store).why == "no route to host"


def test_what_goes_with_an_end_is_done_with_it_or_not_at_all(store: Store) -> None:
    incoming.receive(store, [event("a")])
    claimed = taken(store)

    def breaks(_connection: object) -> None:
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        incoming.end(store, claimed, ended(claimed), breaks)
    assert incoming.outcomes(store, "bakery") == []
    assert incoming.end(store, claimed, ended(claimed), lambda _connection: None)


def taken_again(store: Store) -> Claim:
    return taken(store, "worker two")


def test_an_outcome_that_nobody_knows_is_refused_and_each_event_needs_one(store: Store) -> None:
    incoming.receive(store, [event("a")])
    claimed = taken(store)
    with pytest.raises(MspError, match="MSP-EVD-007"):
        incoming.end(store, claimed, ended(claimed, "perhaps"))
    with pytest.raises(ValueError, match="each event"):
        incoming.end(store, claimed, [])
    assert incoming.end(store, claimed, ended(claimed))


def test_of_many_workers_each_event_is_had_by_one(store: Store) -> None:
    incoming.receive(store, [event(f"e{number}", f"subject {number % 7}") for number in range(40)])
    had: list[str] = []
    start = threading.Barrier(4)

    def work(name: str) -> None:
        start.wait()
        while (claimed := incoming.claim(store, name)) is not None:
            had.extend(one.id for one in claimed.events)
            assert incoming.end(store, claimed, ended(claimed))

    workers = [threading.Thread(target=work, args=(f"worker {number}",)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    # One that found its neighbours at work may have gone home early; what is left is had now.
    while (claimed := incoming.claim(store, "the last")) is not None:
        had.extend(one.id for one in claimed.events)
        assert incoming.end(store, claimed, ended(claimed))
    assert Counter(had) == Counter(f"e{number}" for number in range(40))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@pytest.mark.thorough
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["receive", "work", "die", "put back"]), st.integers(0, 5), st.integers(0, 2)),
        max_size=30,
    )
)
def test_whatever_is_told_twice_or_dies_every_event_ends_exactly_once(
    sqlite_url: str, steps: list[tuple[str, int, int]]
) -> None:
    with Store.open(sqlite_url) as store:
        before = {one.event for one in incoming.outcomes(store, "bakery")}
        told: set[str] = set()
        ends: Counter[str] = Counter()

        def work(claimed: Claim | None) -> None:
            if claimed is not None and incoming.end(store, claimed, ended(claimed)):
                ends.update(one.id for one in claimed.events)

        for step, name, subject in steps:
            if step == "receive":
                new = event(f"{len(before)}-{name}", f"subject {subject}")
                incoming.receive(store, [new])
                told.add(new.id)
            elif step == "work":
                work(incoming.claim(store, "one"))
            elif step == "die":
                incoming.claim(store, "dead", 0)
            elif (claimed := incoming.claim(store, "two")) is not None:
                incoming.put_back(store, claimed, 0, tried=True)
        while (claimed := incoming.claim(store, "last")) is not None:
            work(claimed)

        assert ends == Counter(dict.fromkeys(told, 1))
        assert {one.event for one in incoming.outcomes(store, "bakery")} == before | told


def test_events_of_a_customer_are_exported_and_removed_with_what_became_of_them(store: Store) -> None:
    incoming.receive(store, [event("a"), event("b", "netbox dcim.device 2"), event("waits", "subject 3", 99)])
    for customer in ("bakery", "dentist"):
        claimed = taken(store)
        assert incoming.end(store, claimed, ended(claimed, customer=customer))

    told = list(export.export(store, "bakery"))

    assert sum(isinstance(one, Incoming) for one in told) == 1
    assert [one.customer for one in told if isinstance(one, EventOutcome)] == ["bakery"]
    assert export.customers(store) == ["bakery", "dentist"]
    removed = retention.prune(store, "bakery", 0, apply=True)
    assert (removed["event_outcomes"], removed["incoming_events"]) == (1, 1)
    assert incoming.waiting(store).waiting == 1


def test_an_unknown_event_is_none_and_the_newest_of_a_source_is_known(store: Store) -> None:
    assert incoming.event(store, "a") is None
    assert incoming.newest(store, "netbox") is None
    incoming.receive(store, [event("a", seconds=5), replace(event("b", seconds=7), source="alertmanager")])
    assert incoming.newest(store, "netbox") == AT + dt.timedelta(seconds=5)
