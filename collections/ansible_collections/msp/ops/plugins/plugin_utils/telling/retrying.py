# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a message that was not delivered is tried again, and when it is given up. Pure: chance is given."""

from __future__ import annotations

import datetime as dt

FIRST = dt.timedelta(minutes=1)
LONGEST = dt.timedelta(hours=4)
# With the delays above the last try is eight to sixteen hours after the first: longer than most nights.
MOST = 12
# What the far side asks for is believed up to here.
LATEST = dt.timedelta(hours=1)
# How long a message waits while its channel or the ticket system is not set up well.
UNTIL_MENDED = dt.timedelta(minutes=15)


def again(tries: int, chance: float) -> dt.timedelta | None:
    """The time until the next try, after so many; None: there is none. chance is from 0 to 1.

    It doubles with every try, and half of it is left to chance: those that failed together do not come back together.
    """
    if tries >= MOST:
        return None
    whole = min(LONGEST, FIRST * (1 << max(0, tries - 1)))
    return whole / 2 + whole / 2 * chance


def asked(seconds: float, chance: float) -> dt.timedelta:
    """The time until the next try where the far side asked for a pause of so many seconds, and a little more."""
    pause = min(max(dt.timedelta(seconds=seconds), dt.timedelta(seconds=1)), LATEST)
    return pause + pause / 4 * chance
