# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What msp.ops asks of a ticket system: the one interface, which each system has an adapter for. Pure: types only.

Every call may raise NotDeliveredError where the system did not do it, and MspError where it is not set up well. What an
adapter is asked to do twice it does once, where it is told that it may have been done before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A ticket to open. key names it once and for all; requester is the mail address that it is opened for."""

    key: str
    title: str
    text: str
    requester: str


@dataclass(frozen=True, slots=True)
class ReadTicket:
    """A ticket that somebody opened, as its system tells it. organization: the requester's, or ""."""

    ref: str
    organization: str
    title: str
    text: str
    at: dt.datetime


class TicketSystem(Protocol):
    """A ticket system, open. name tells systems apart where tickets are kept by number."""

    name: str

    def open_ticket(self, ticket: NewTicket) -> str:
        """Open a ticket; its reference."""

    def find_by_key(self, key: str, since: dt.datetime) -> str | None:
        """The ticket that was opened for a key since then, or None: certainly, and not as far as an index knows."""

    def add_note(self, ref: str, text: str, key: str) -> None:
        """Add a note for technicians; a ticket has one note for a key."""

    def draft_answer(self, ref: str, text: str, key: str) -> None:
        """Show technicians a drafted answer, which nobody else sees."""

    def send_answer(self, ref: str, text: str, key: str) -> None:
        """Answer the requester; a ticket has the same answer once."""

    def answered(self, ref: str, besides: str) -> bool:
        """Whether somebody answered the requester with something else, or closed the ticket without this answer."""

    def read_new(self, after: int | None, since: dt.datetime) -> tuple[Sequence[ReadTicket], int]:
        """Tickets that requesters opened and nobody answered yet, and the number up to which tickets were read.

        after: the number up to which they were read before; without it those that were opened since then.
        """
