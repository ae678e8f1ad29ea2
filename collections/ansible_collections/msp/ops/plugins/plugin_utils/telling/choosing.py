# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which results are worth telling, to whom, and when. Pure.

What gave up is told at once, for a person has to go on with it. What was mended is told once a day. Where there was
nothing to do, or only a preview, nobody is told.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from ansible_collections.msp.ops.plugins.plugin_utils.telling import wording
from ansible_collections.msp.ops.plugins.plugin_utils.telling.policy import Manner, Policy
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import (
    GAVE_UP,
    LINE,
    MENDED,
    TEXT,
    TICKET,
    TICKETS,
    Message,
    Result,
)


def messages(result: Result, policy: Policy) -> list[Message]:
    """What the channels are to be told of a result; one message for each channel, with a key of its own."""
    manner = policy.of(result.customer)
    if result.outcome == GAVE_UP:
        return [_now(result, manner, channel) for channel in manner.gave_up]
    if result.outcome == MENDED:
        return [_line(result, manner, channel) for channel in manner.mended]
    return []


def next_daily(after: dt.datetime, at: dt.time, zone: ZoneInfo) -> dt.datetime:
    """The next time that the wall clock of a zone shows this time, strictly after a moment; in UTC.

    A time that the clock leaves out is the moment at which it does; of one that it shows twice it is the first.
    """
    day = after.astimezone(zone).date()
    for ahead in (0, 1, 2):
        moment = dt.datetime.combine(day + dt.timedelta(days=ahead), at, zone).astimezone(dt.UTC)
        if moment > after:
            return moment
    raise AssertionError("a day has no more than two dates")


def _now(result: Result, manner: Manner, channel: str) -> Message:
    subject, text = wording.gave_up(result, manner.language, ZoneInfo(manner.time_zone))
    if channel != TICKETS:
        return Message(_key(result, channel), result.customer, TEXT, channel, subject, {"text": text})
    body = {"text": text, "requester": manner.requester}
    return Message(_key(result, channel), result.customer, TICKET, channel, subject, body)


def _line(result: Result, manner: Manner, channel: str) -> Message:
    zone = ZoneInfo(manner.time_zone)
    line = wording.mended(result, manner.language, zone)
    due = next_daily(result.at, manner.daily_at, zone)
    return Message(_key(result, channel), result.customer, LINE, channel, "", {"text": line}, due)


def _key(result: Result, channel: str) -> str:
    return f"{result.key}:{channel}"
