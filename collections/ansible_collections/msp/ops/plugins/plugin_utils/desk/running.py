# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a playbook for the worker, here by ansible-runner. What became of it is read from the run, never from its words
on the screen; nothing of it is left on the disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.msp.ops.plugins.plugin_utils.desk.playbooks import Work

OK, FAILED, LOST = "ok", "failed", "lost"
# What a person needs of an error; the whole is in the run's own log.
LONGEST = 600
_BROKEN = ("runner_on_failed", "runner_on_unreachable", "runner_item_on_failed")


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a run: OK, FAILED, or LOST where it was ended because somebody else has the work now.

    how says what ran it; said is the first error, empty where there was none.
    """

    status: str
    how: str
    said: str = ""


class Runner(Protocol):
    def run(self, work: Work, ours: Callable[[], bool]) -> Ran:
        """Run it to its end. ours is asked from time to time; where it says no, the run is ended at once."""


@dataclass(frozen=True)
class Local:
    """ansible-runner on this machine. root is the project's directory; inventory is Ansible's own when empty."""

    root: Path
    inventory: str = ""

    def run(self, work: Work, ours: Callable[[], bool]) -> Ran:
        import ansible_runner

        with tempfile.TemporaryDirectory(prefix="msp-worker-") as directory:
            options: dict[str, Any] = {"limit": work.limit} if work.limit else {}
            if self.inventory:
                options["inventory"] = self.inventory
            done = ansible_runner.run(
                private_data_dir=directory,
                project_dir=str(self.root),
                playbook=work.playbook,
                extravars=dict(work.variables),
                quiet=True,
                suppress_env_files=True,
                cancel_callback=lambda: not ours(),
                **options,
            )
            if done.status == "canceled":
                return Ran(LOST, "ansible-runner", "the work was taken over by another worker")
            if done.status == "successful":
                return Ran(OK, "ansible-runner")
            said = first_error(done.events) or f"ansible-playbook ended with {done.status} (exit status {done.rc})"
            return Ran(FAILED, "ansible-runner", said)


def first_error(events: Iterable[Mapping[str, Any]]) -> str:
    """What the first task that broke said, and on which host; of a loop, what the item said."""
    for event in events:
        if event.get("event") not in _BROKEN:
            continue
        data = event.get("event_data") or {}
        if data.get("ignore_errors"):
            continue
        result = data.get("res") or {}
        said = str(result.get("msg") or result.get("stderr") or "no message")
        return f"{data.get('host', '?')}: {' '.join(said.split())}"[:LONGEST]
    return ""
