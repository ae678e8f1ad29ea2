# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is an event worth taking in by its time? Pure.

One that is very old tells of what has long been seen to otherwise; one of a time to come has a clock that is wrong, or
was made up. A retry of a sender that was refused keeps the time at which it was first sent.
"""

from __future__ import annotations

import datetime as dt

from ansible_collections.msp.ops.plugins.plugin_utils.events.records import FIRING, Event

# A sender that could not reach us for a night is still heard in the morning.
OLDEST = dt.timedelta(hours=24)
# An alert that fires says what is so now; its time is when that began.
OLDEST_ALERT = dt.timedelta(days=30)
# How far two clocks may be apart.
CLOCKS = dt.timedelta(minutes=5)


def ignored(event: Event, now: dt.datetime) -> str | None:
    """Why an event is not taken in by its time; None where it is."""
    at, oldest = event.at, OLDEST_ALERT if event.action == FIRING else OLDEST
    if at < now - oldest:
        return f"it is of {at:%Y-%m-%d %H:%M} UTC, more than {oldest.total_seconds() / 3600:g} hours ago"
    if at > now + CLOCKS:
        ahead = at - now
        return (
            f"it is of {at:%Y-%m-%d %H:%M} UTC, which is {ahead.total_seconds():.0f} seconds from now: compare clocks"
        )
    return None
