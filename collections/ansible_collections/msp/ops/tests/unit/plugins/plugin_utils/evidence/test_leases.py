# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One controller at a time, by the database's clock: a lease is refused, runs out, is taken over, is told apart."""

from __future__ import annotations

import threading

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

NAME = "reconcile:bakery"


def test_a_lease_that_another_holds_is_refused_with_its_holder_named(store: Store) -> None:
    leases.take(store, NAME, "controller one")

    with pytest.raises(MspError) as caught:
        leases.take(store, NAME, "controller two")

    assert caught.value.code == "MSP-EVD-015"
    assert "controller one" in str(caught.value)
    leases.take(store, "reconcile:dentist", "controller two")


def test_its_own_holder_renews_it_under_the_same_number(store: Store) -> None:
    first = leases.take(store, NAME, "controller one", seconds=5)
    again = leases.take(store, NAME, "controller one", seconds=500)

    assert again.fence == first.fence
    assert again.expires > first.expires


def test_a_lease_that_ran_out_is_anybodys_and_the_late_one_is_told_apart(store: Store) -> None:
    late = leases.take(store, NAME, "controller one", seconds=0)

    taken = leases.take(store, NAME, "controller two")

    assert taken.fence == late.fence + 1
    assert leases.held(store, taken)
    assert not leases.held(store, late)
    leases.release(store, late)
    assert leases.held(store, taken)


def test_a_lease_that_was_let_go_is_free_at_once(store: Store) -> None:
    with leases.holding(store, NAME) as lease:
        assert leases.held(store, lease)

    assert not leases.held(store, lease)
    assert leases.take(store, NAME, "controller two").fence == lease.fence + 1


def test_of_many_who_try_at_once_one_gets_it(store: Store) -> None:
    won: list[str] = []
    start = threading.Barrier(6)

    def attempt(holder: str) -> None:
        start.wait()
        try:
            leases.take(store, NAME, holder)
        except MspError:
            return
        won.append(holder)

    threads = [threading.Thread(target=attempt, args=(f"controller {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
