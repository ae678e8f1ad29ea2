# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A probe of a host on its own and bounded in time: one that fails or hangs is noted, and ends nothing else."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

SECONDS_A_PROBE = 30


class ProbeTimeout(Exception):
    """A probe used up its time."""


def probe(
    host: Host,
    what: str,
    collect: Callable[..., Any],
    default: Any,
    *arguments: Any,
    seconds: float | None = None,
) -> Any:
    """The probe's answer, or the default and a note that says why."""
    most = SECONDS_A_PROBE if seconds is None else seconds
    try:
        with _limit(host, most):
            return collect(host, *arguments)
    except ProbeTimeout:
        host.unknown(what, "no answer within %d seconds" % most)
    except Exception as error:
        host.unknown(what, "%s: %s" % (type(error).__name__, str(error)[:200]))
    return default


@contextmanager
def _limit(host: Host, seconds: float) -> Iterator[None]:
    """Raise ProbeTimeout when the time is over, and again each second until the probe has let go.

    Only the main thread can be interrupted so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(_number: int, _frame: object) -> None:
        if not host.starting:
            raise ProbeTimeout

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
