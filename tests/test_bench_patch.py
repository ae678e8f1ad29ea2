"""The bench of patching decides for what it says: a made customer goes through the steps of real runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from bench import _deciding, _made_patches, patch
from bench.harness import Outcome, Process

HOSTS = 120


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The made customer, smaller."""
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    monkeypatch.setattr(_made_patches, "HOSTS", HOSTS)
    monkeypatch.setattr(_deciding, "SETTING", replace(_deciding.SETTING, hosts=_made_patches.host_names()))
    with Store.open(f"sqlite:///{tmp_path / 'evidence.db'}", upgrade=True) as opened:
        _deciding.make(opened)
        yield opened


def test_every_host_has_its_updates_and_a_run_begins_a_rollout_of_each_class(store: Store) -> None:
    scans = [good for good, _last in store.last_scans(_made_patches.CUSTOMER).values() if good is not None]
    assert [len(scan.updates or ()) for scan in scans] == [_made_patches.EACH] * HOSTS

    preview = _deciding.preview(store)
    assert store.rollouts(_made_patches.CUSTOMER) == []
    ran = _deciding.tick(store)

    assert preview["rollouts"] == ran["rollouts"] == ["emergency active", "security active", "routine active"]
    assert len(ran["seconds"]) == len(ran["asked"]) > 1
    assert ran["asked"][0] > 0


def test_a_rollout_that_is_brought_far_on_has_an_event_for_each_host_and_goes_on_from_there(store: Store) -> None:
    _deciding.tick(store)

    far = _deciding.go_far(store)
    ran = _deciding.tick(store)

    assert far["events"] > _deciding.FAR * HOSTS
    assert ran["rollouts"][1] in ("security active", "security complete", "security gate")
    assert ran["asked"][0] > 0


def test_the_ratio_is_that_of_all_runs_of_a_rollout_to_one_upgrade() -> None:
    def took(seconds: float) -> Process:
        return Process(seconds, seconds / 2, 100.0, "")

    ours = [patch.Ours(took(9), (took(40), took(8))), patch.Ours(took(9), (took(44), took(8), took(1)))]
    outcome = Outcome("patch")

    patch._outcome(outcome, ours, [took(40), took(60)], 18)

    (ratio,) = outcome.targets
    assert (ratio.value, ratio.met) == (50.5 / 50, True)
    figures = {one.name: one.value for one in outcome.figures}
    assert (figures["rollout: time"], figures["rollout: run 1"], figures["rollout: run 3"]) == (50.5, 42, 1)


def test_two_ways_that_end_with_different_packages_are_no_comparison() -> None:
    patch._same({"pc01": ["bash 2"]}, {"pc01": ["bash 2"]})
    with pytest.raises(RuntimeError, match="bash 1"):
        patch._same({"pc01": ["bash 1"]}, {"pc01": ["bash 2"]})
