# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told, as dataclasses. Pure.

A result is what a runbook, an alert or an event came to. A message is one thing that one channel is to be told; an
outcome is what became of one attempt to tell it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# What a result may have come to; nothing_to_do and would_mend are never told.
NOTHING, WOULD, MENDED, GAVE_UP = RESULTS = ("nothing_to_do", "would_mend", "mended", "gave_up")

# What a message is: a text for people now, a line of the text of a day, a ticket, or something for a ticket that is
# there: a drafted answer, which only technicians see, or an answer to the one who asked.
TEXT, LINE, TICKET, DRAFT, ANSWER = KINDS = ("text", "line", "ticket", "draft", "answer")

# The channel that is the ticket system.
TICKETS = "tickets"

DELIVERED, FAILED, REFUSED, GIVEN_UP = OUTCOMES = ("delivered", "failed", "refused", "given_up")


@dataclass(frozen=True, slots=True)
class Result:
    """What there is to tell. key names it once and for all: the same result told again is told once.

    title says in a few words what it is about, host on what; found, did and reason are sentences of the part that did
    the work, in its own language.
    """

    key: str
    customer: str
    outcome: str
    title: str
    host: str
    at: dt.datetime
    found: tuple[str, ...] = ()
    did: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One thing for one channel. not_before: when it is due, at once without it; it is not kept with the message."""

    key: str
    customer: str
    kind: str
    channel: str
    subject: str
    body: Mapping[str, Any]
    not_before: dt.datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this process delivers now. made: when it was put into the outbox; tries: with this one."""

    message: Message
    made: dt.datetime
    tries: int
    holder: str
    fence: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt. ref is the ticket that it led to; reason says why it was not delivered."""

    key: str
    fence: int
    outcome: str
    ref: str = ""
    reason: str = ""
    at: dt.datetime | None = None


class NotDeliveredError(Exception):
    """Somebody could not be told. reason is for a person, and holds no secret.

    never: the far side will not take this, however often it is tried. later: it asked to be left alone for so many
    seconds. With neither of them it is worth another try.
    """

    def __init__(self, reason: str, *, never: bool = False, later: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.never = never
        self.later = later
