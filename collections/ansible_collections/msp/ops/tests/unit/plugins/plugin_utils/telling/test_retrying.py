# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a message is tried again: ever later, never together, not for ever."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.telling import retrying

CHANCES = st.floats(0, 1)


@given(st.integers(1, retrying.MOST - 1), CHANCES)
def test_every_try_has_its_limits_and_the_whole_takes_eight_to_sixteen_hours(tries: int, chance: float) -> None:
    delay = retrying.again(tries, chance)
    assert delay is not None
    assert retrying.FIRST / 2 <= delay <= retrying.LONGEST
    for luck in (0.0, chance, 1.0):
        delays = (retrying.again(one, luck) or dt.timedelta() for one in range(1, retrying.MOST))
        assert dt.timedelta(hours=8) < sum(delays, dt.timedelta()) < dt.timedelta(hours=16.5)


@given(st.integers(1, retrying.MOST - 2), CHANCES)
def test_the_delay_grows_with_every_try_whatever_chance_does(tries: int, chance: float) -> None:
    first, second = retrying.again(tries, chance), retrying.again(tries + 1, chance)
    assert first is not None
    assert second is not None
    assert first <= second
    assert retrying.again(tries, 0.0) == (retrying.again(tries, 1.0) or dt.timedelta()) / 2


@given(st.integers(retrying.MOST, 10_000), CHANCES)
def test_after_the_last_try_it_is_given_up(tries: int, chance: float) -> None:
    assert retrying.again(tries, chance) is None


@given(st.floats(0, 1e9), CHANCES)
def test_a_pause_that_is_asked_for_is_kept_but_not_for_ever(seconds: float, chance: float) -> None:
    pause = retrying.asked(seconds, chance)
    assert dt.timedelta(seconds=1) <= pause <= retrying.LATEST * 1.25
    assert pause >= min(dt.timedelta(seconds=seconds), retrying.LATEST)
