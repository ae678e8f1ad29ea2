# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The spool comes to the store before anything is told of it; where that takes too long, it is said."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_states
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Scan
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.desk.made_desk import NOW, ONE, SLUG

SCAN = Scan(SLUG, "device:1", ONE, NOW, "unreachable", error="no route to host")


@pytest.fixture
def spooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scan that waits in the spool."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    spool.put([SCAN])
    return spool.default_directory()


def test_what_waits_in_the_spool_is_in_the_store_after_it_and_in_check_mode_it_stays(
    store: Store, spooled: Path
) -> None:
    assert patch_states.delivered(store, check=True) == []
    assert store.last_scans(SLUG) == {}

    assert patch_states.delivered(store, check=False) == []

    assert store.last_scans(SLUG)["device:1"][1] == SCAN
    assert spool.waiting(spooled) == []


def test_a_spool_that_another_run_delivers_for_too_long_is_named_and_nothing_is_lost(
    store: Store, spooled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patch_states, "DELIVERY_SECONDS", 0.0)
    with (spooled / ".deliver.lock").open("w", encoding="utf-8") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        with pytest.raises(MspError) as refused:
            patch_states.delivered(store, check=False)

    assert refused.value.code == "MSP-PAT-144"
    assert len(spool.waiting(spooled)) == 1
