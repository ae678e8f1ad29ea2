# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hangs is ended in time, and an alarm that was set before still rings."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.audit.limit import TimeIsUp, limit


def hang() -> None:
    """Read from a pipe that nobody writes to, inside of code that swallows every Exception."""
    reading, writing = os.pipe()
    try:
        with suppress(Exception):
            os.read(reading, 1)
    finally:
        os.close(reading)
        os.close(writing)


def test_what_hangs_is_ended_even_where_exceptions_are_swallowed() -> None:
    with pytest.raises(TimeIsUp), limit(0.05):
        hang()


def test_what_ends_in_time_leaves_no_alarm_and_the_handler_as_it_was() -> None:
    before = signal.getsignal(signal.SIGALRM)
    others, _unused = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        with limit(60):
            pass

        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        assert signal.getsignal(signal.SIGALRM) is before
    finally:
        signal.setitimer(signal.ITIMER_REAL, others)


def test_an_alarm_that_was_set_before_rings_when_it_would_have() -> None:
    class TaskTimeout(BaseException):
        pass

    def ring(*_unused: object) -> None:
        raise TaskTimeout

    before = signal.signal(signal.SIGALRM, ring)
    others, _unused = signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(TimeIsUp), limit(0.05):
            hang()
        with pytest.raises(TaskTimeout):
            hang()
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, others)
