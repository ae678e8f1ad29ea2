# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tickets that people open, the known problems they are held against, and drafted answers, as dataclasses. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

LANGUAGES = ("nl", "en")

# What a person, or the customer's policy, decided about a draft.
RELEASED, EDITED, DECLINED = DECISIONS = ("released", "edited", "refused")

# Where a draft stands.
WAITING, GOING, SENT, STUCK, ENDED = STATES = ("drafted", "released", "sent", "not sent", "ended")


@dataclass(frozen=True, slots=True)
class Asked:
    """A ticket as somebody opened it: only while it is looked at, never kept."""

    ref: str
    customer: str
    title: str
    text: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Problem:
    """A known problem: how people say it, by language; what a text must and must not speak of; what is answered.

    needs: groups of beginnings of words; of every group the text has one at least. unless: beginnings of words that say
    it is about something else. guide and runbook name what is offered, where there is one.
    """

    name: str
    wordings: Mapping[str, tuple[str, ...]]
    needs: tuple[tuple[str, ...], ...]
    unless: tuple[str, ...]
    answer: Mapping[str, str]
    guide: str = ""
    runbook: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """The known problem that a ticket fits, and how well: its score, and that of the next one."""

    problem: str
    score: float
    second: float


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer that was drafted for a ticket. ref is the ticket's; nothing of what was asked is in it.

    why says in words on what grounds the problem was chosen.
    """

    key: str
    customer: str
    source: str
    ref: str
    problem: str
    language: str
    text: str
    why: str
    made: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a draft, by whom. text is what goes out, where a person changed it."""

    draft: str
    decision: str
    by: str
    reason: str
    text: str = ""
    at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A draft with what was decided, and the last outcome of its sending ("" where there is none yet)."""

    draft: Draft
    decision: Decision | None = None
    sent: str = ""
    reason: str = ""
