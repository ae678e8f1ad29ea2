# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""An end for something that may hang in a read, as a connection to a host can. It never ends a process.

By the alarm clock of the process, as Ansible's own `timeout` of a task does it: only a signal wakes a read that hangs.
There is one such clock, so an alarm that was set before rings when it would have.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class TimeIsUp(BaseException):
    """Not an Exception: what hangs may be inside of code that swallows those."""


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raise TimeIsUp inside the block when it takes longer. Only in the main thread, where a worker of Ansible runs."""
    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, _ring)
    outer, _interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if outer:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, outer - (time.monotonic() - began)))


def _ring(_signal: int, _frame: object) -> NoReturn:
    raise TimeIsUp
