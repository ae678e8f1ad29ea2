# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A playbook run by a real ansible-runner leaves nothing behind, and its environment in no file while it runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk import running
from ansible_collections.msp.ops.plugins.plugin_utils.desk.playbooks import Work
from ansible_collections.msp.ops.plugins.plugin_utils.desk.running import FAILED, LOST, OK, Local

SECRET = "nbt_made.for-a-test-0123456789"  # noqa: S105


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Local:
    """A project of one playbook, with an ansible.cfg of its own."""
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr(running, "MEMORY", kept)
    monkeypatch.setenv("NETBOX_TOKEN", SECRET)
    monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "ansible.cfg"))
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    tasks = [
        {
            "ansible.builtin.command": {"argv": ["grep", "-rl", SECRET, str(kept)]},
            "register": "found",
            "failed_when": "found.rc != wanted | int",
        }
    ]
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    (tmp_path / "probe.yml").write_text(json.dumps(play))
    return Local(tmp_path, "localhost,")


@pytest.mark.thorough
def test_no_file_has_the_environment_while_it_runs_and_nothing_is_left(local: Local) -> None:
    ran = local.run(Work("probe.yml", "", {"wanted": 1}), lambda: True)
    assert (ran.status, ran.said) == (OK, "")
    assert list(running.MEMORY.iterdir()) == []


@pytest.mark.thorough
def test_a_run_that_failed_says_where_and_what(local: Local) -> None:
    ran = local.run(Work("probe.yml", "", {"wanted": 0}), lambda: True)
    assert ran.status == FAILED
    assert ran.said.startswith("localhost: The command exited with a non-zero")
    assert list(running.MEMORY.iterdir()) == []


@pytest.mark.thorough
def test_a_run_is_ended_when_the_work_is_anothers(local: Local) -> None:
    assert local.run(Work("probe.yml", "", {"wanted": 1}), lambda: False).status == LOST


def test_what_a_killed_worker_left_is_removed_and_that_of_one_that_runs_is_not(local: Local) -> None:
    ours, gone = running.MEMORY / f"msp-worker-{os.getpid()}-a", running.MEMORY / "msp-worker-4194399-b"
    for path in (ours, gone, running.MEMORY / "msp-worker-x-c", running.MEMORY / "other"):
        path.mkdir()
    (running.MEMORY / "msp-worker-4194398-d").symlink_to(ours)
    assert running.sweep() == [gone.name]
    assert ours.is_dir()
