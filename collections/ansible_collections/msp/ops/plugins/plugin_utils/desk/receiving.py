# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The door for events: what a webhook brought is read, and is in the evidence store before its sender is answered.

Whoever sent it was proved to be who it is before (a signature, a token): that is the webhook's. Nothing here acts on
what came in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.events import alertmanager, arrival, duties, netbox, zabbix
from ansible_collections.msp.ops.plugins.plugin_utils.events.reading import bad
from ansible_collections.msp.ops.plugins.plugin_utils.events.records import (
    ALERTMANAGER,
    NETBOX,
    SOURCES,
    Event,
    incoming,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import incoming as kept
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

TAKEN, KNOWN, NOTHING = "taken", "known already", "nothing follows from it"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one event at the door: TAKEN, KNOWN, NOTHING, or why it was not taken in."""

    event: Event
    answer: str


def read(sender: str, body: Any, customer: str = "") -> list[Event]:
    """The events in what a sender's webhook brought. MSP-EVT-001 says what was expected.

    customer: whose monitoring it is; its alerts are about this customer's hosts, whatever they say.
    """
    if sender not in SOURCES:
        raise bad(f"one of {', '.join(SOURCES)} as sender", repr(sender)[:40])
    if not isinstance(body, Mapping):
        raise bad("a JSON object as the body of a webhook", type(body).__name__)
    if sender == NETBOX:
        return [netbox.of_webhook(body)]
    found = alertmanager.of_webhook(body) if sender == ALERTMANAGER else zabbix.of_webhook(body)
    if not customer:
        return found
    return [replace(one, labels={**one.labels, duties.CUSTOMER_LABEL: customer}) for one in found]


def take(store: Store, events: list[Event], now: dt.datetime) -> list[Answer]:
    """Take events in, in one transaction. Returned is what became of each, in their order."""
    left = {event.id: why for event in events if (why := _left(event, now))}
    wanted = {event.id: incoming(event) for event in events if event.id not in left}
    new = set(kept.receive(store, wanted.values()))
    return [Answer(event, left.get(event.id) or (TAKEN if event.id in new else KNOWN)) for event in events]


def _left(event: Event, now: dt.datetime) -> str | None:
    """Why an event is not kept; None where it is."""
    if event.source == NETBOX and not duties.of_interest(event):
        return NOTHING
    return arrival.ignored(event, now)
