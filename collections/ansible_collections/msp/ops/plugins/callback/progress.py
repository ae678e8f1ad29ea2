# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The callback msp.ops.progress: shows how far rollouts are while a run works on them, below the lines of the run.

It reads the results of msp.ops.rollout and msp.ops.patch_install and nothing else, and writes nothing but the screen.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: notification
short_description: Show how far patch rollouts are while a run works on them
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Shows what M(msp.ops.rollout) tells of a customer's rollouts, and what became of each host since. Rings and their
    hosts by state, who is at work or not well and why, until when the window takes hosts, when it is likely done, and
    what comes next.
  - In a terminal that is a view below the lines of the run, drawn anew every second. Elsewhere it is plain lines, one
    for each host that ends.
  - Under ansible-runner, and so in AWX, it is always lines.
  - Tasks of other modules are not looked at.
requirements:
  - rich, for the view in a terminal
options:
  view:
    description:
      - V(auto) draws in a terminal and else writes lines. V(lines) writes lines everywhere. V(none) shows nothing.
    type: str
    choices: [auto, lines, none]
    default: auto
    env:
      - name: MSP_PROGRESS
    ini:
      - section: callback_msp_progress
        key: view
seealso:
  - module: msp.ops.rollout
"""

EXAMPLES = r"""
enable: |
  [defaults]
  callbacks_enabled = msp.ops.evidence, msp.ops.progress
"""

import atexit
import datetime as dt
import os
import sys
import threading
from typing import Any

from ansible.plugins.callback import CallbackBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

ROLLOUT = "msp.ops.rollout"
INSTALL = "msp.ops.patch_install"
SECONDS = 1.0
# ansible-runner sets it for each run.
RUNNER = "AWX_ISOLATED_DATA_DIR"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class CallbackModule(CallbackBase):
    """Shows progress."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "msp.ops.progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display: Any = None, options: Any = None) -> None:
        super().__init__(display=display, options=options)
        self._watched: Any = None
        self._screen: _Screen | None = None

    # What Ansible tells

    def v2_runner_on_ok(self, result: Any) -> None:
        self._hear(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._hear(result, failed=True)  # the result itself does not say so where errors are ignored

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._hear(result, unreachable=True)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if self._screen is not None:
            self._screen.close()
        self._screen, self._watched = None, None

    # What we do with it

    def _hear(self, result: Any, **how: bool) -> None:
        action = str(result.task.action)
        if action not in (ROLLOUT, INSTALL) or self.get_option("view") == "none":
            return
        # Imported here: a run that patches nothing pays nothing for it.
        from ansible_collections.msp.ops.plugins.plugin_utils.patching import watching

        if self._watched is None:
            self._watched = watching.Watched()
        if action == ROLLOUT:
            self._heard({**result.result, **how})
        else:
            self._ended(str(result.host.name), {**result.result, **how})

    def _heard(self, said: dict[str, Any]) -> None:
        self._watched = self._watched.heard(said)
        if self._drawn():
            return
        if self._watched.asked:  # what nobody is asked for the playbook itself shows at its end
            from ansible_collections.msp.ops.plugins.plugin_utils.patching import progress_lines

            for line in progress_lines.begun(self._watched, _now()):
                self._display.display(line)

    def _ended(self, host: str, said: dict[str, Any]) -> None:
        before, self._watched = self._watched, self._watched.ended(host, said, _now())
        if self._drawn():
            return
        from ansible_collections.msp.ops.plugins.plugin_utils.patching import progress_lines

        if line := progress_lines.ended(before, self._watched, host, said, _now()):
            self._display.display(line)

    def _drawn(self) -> bool:
        """Draw it in the terminal. False where there is none, or nothing to draw with."""
        if self._screen is None and self.get_option("view") == "auto" and _terminal() and self._watched.rollouts:
            self._screen = self._open()
        if self._screen is None:
            return False
        self._screen.show(self._watched)
        return True

    def _open(self) -> _Screen | None:
        from ansible_collections.msp.ops.plugins.plugin_utils.patching import live_view

        try:
            live_view.required()
        except MspError as error:
            self._display.warning(str(error))
            self.set_option("view", "lines")
            return None
        return _Screen(self._display)


def _terminal() -> bool:
    """Whether somebody looks at a terminal. ansible-runner (and so AWX) has one that only a log is made of."""
    if RUNNER in os.environ or os.environ.get("TERM", "dumb") in ("", "dumb"):
        return False
    return bool(sys.stdout and sys.stdout.isatty())


class _Screen:
    """The view below the lines of the run, drawn every second.

    Whoever draws holds the display's lock: Ansible takes it before it forks a worker, so that no worker is born while
    a lock of the screen is held that nobody would ever let go of in it.
    """

    def __init__(self, display: Any) -> None:
        from rich.console import Console
        from rich.live import Live

        self._lock = display._lock
        self._watched: Any = None
        self._over = threading.Event()
        with self._lock:
            self._live = Live(
                console=Console(file=sys.stdout),
                auto_refresh=False,
                get_renderable=self._view,
                vertical_overflow="crop",
            )
            self._live.start()
            # The cursor stays: a run that is killed could not bring it back.
            self._live.console.show_cursor(True)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def show(self, watched: Any) -> None:
        with self._lock:
            self._watched = watched
            self._live.refresh()

    def close(self) -> None:
        """Leave the last state standing, and the terminal as it was."""
        self._over.set()
        self._thread.join(2 * SECONDS)
        with self._lock:
            self._live.stop()
        atexit.unregister(self.close)

    def _view(self) -> Any:
        from ansible_collections.msp.ops.plugins.plugin_utils.patching import live_view

        return live_view.view(self._watched, _now()) if self._watched is not None else ""

    def _run(self) -> None:
        while not self._over.wait(SECONDS):
            with self._lock:
                if not self._over.is_set():
                    self._live.refresh()
