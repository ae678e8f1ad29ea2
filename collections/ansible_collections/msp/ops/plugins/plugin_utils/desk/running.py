# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a playbook for the worker, here by ansible-runner. What became of it is read from the run, never from its words
on the screen.

ansible-runner keeps a run in a directory, the environment with its secrets among it. It is in memory where the system
has that, the file with the environment is taken away as soon as the run has begun, and the directory at its end; what a
worker left that was killed goes when the next one starts.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.msp.ops.plugins.plugin_utils.desk.playbooks import Work

OK, FAILED, LOST = "ok", "failed", "lost"
PREFIX = "msp-worker-"
MEMORY = Path("/dev/shm")  # noqa: S108 - TemporaryDirectory makes one of our own in it, of mode 0700
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

        with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=place()) as directory:
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
                status_handler=_forget_environment,
                **options,
            )
            if done.status == "canceled":
                return Ran(LOST, "ansible-runner", "the work was taken over by another worker")
            if done.status == "successful":
                return Ran(OK, "ansible-runner")
            said = first_error(done.events) or f"ansible-playbook ended with {done.status} (exit status {done.rc})"
            return Ran(FAILED, "ansible-runner", said)


def place() -> str | None:
    """Where runs are kept: in memory, where there is such a place; else where temporary files are."""
    return str(MEMORY) if os.access(MEMORY, os.W_OK) else None


def sweep() -> list[str]:
    """Remove what workers left that are gone; returned is what was removed. Those of other users are not ours."""
    removed = []
    for path in sorted(Path(place() or tempfile.gettempdir()).glob(f"{PREFIX}*-*")):
        owner = path.name.removeprefix(PREFIX).partition("-")[0]
        gone = owner.isdigit() and not Path(f"/proc/{owner}").exists()
        if gone and not path.is_symlink() and path.stat().st_uid == os.geteuid():
            shutil.rmtree(path)
            removed.append(path.name)
    return removed


def _forget_environment(status: Mapping[str, Any], runner_config: Any = None) -> None:
    """ansible-runner writes down what it starts, with all of its environment, before it says that it runs."""
    if status.get("status") != "starting" and runner_config is not None:
        Path(runner_config.artifact_dir, "command").unlink(missing_ok=True)


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
