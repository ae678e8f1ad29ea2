"""Rollouts in very many made worlds, and in some with a real store. The unit tests play a few of them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import fold
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.simulated import make
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.test_rollout_world import check

LENGTHS = (30, 80, 200, 400, 900)


def numbers(seed: int) -> list[int]:
    chosen = random.Random(seed)  # noqa: S311 (no secret)
    return [chosen.randrange(1440) for _unused in range(chosen.choice(LENGTHS))]


def test_in_very_many_worlds_no_host_is_patched_twice_forgotten_or_left_unknown() -> None:
    """Also that the worlds are wild: every end, every step and many deaths of controllers happen in them."""
    ends: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    kills = 0
    for seed in range(1000):
        sim = check(numbers(seed))
        ends[sim.rollout.side or sim.rollout.state_at(sim.now())] += 1
        kinds.update(event.kind for event in sim.history)
        kills += sim.kills
    assert set(ends) >= {"complete", "halted", "aborted", "expired", "superseded", "rolled back"}
    assert set(kinds) == set(events.KINDS)
    assert min(ends[end] for end in ("complete", "halted", "aborted", "expired", "superseded", "rolled back")) > 15
    assert kills > 1000


def test_a_real_store_takes_and_refuses_what_the_made_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    with Store.open(f"sqlite:///{tmp_path / 'evidence.db'}", upgrade=True) as store:
        for seed in range(60):
            sim, name = make(numbers(seed)), f"r{seed}"
            made = events.starting(f"customer-{seed}", "office", "plan", sim.planned, {})
            store.record_rollout(replace(made, id=name), fence=0)
            sim.keep = lambda number, event, fence, name=name: store.append_event(  # type: ignore[misc]
                name, number, events.stored(event), fence
            )
            check([], sim)
            stored = store.rollout(name)
            assert stored is not None
            assert events.of(stored) == sim.history
            assert stored.over == sim.rollout.over == fold(name, events.of(stored)).over
