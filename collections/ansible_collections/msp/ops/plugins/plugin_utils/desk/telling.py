# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells people and tickets: a result into the outbox, and the outbox to where it goes.

The decisions are in telling/ (what is told, when it is tried again); here are the store, the channels and the clock.
A channel or a ticket system that is not set up well holds up its own messages alone, and is named.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases, outbox
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.telling import choosing, retrying, wording
from ansible_collections.msp.ops.plugins.plugin_utils.telling.addresses import Secrets
from ansible_collections.msp.ops.plugins.plugin_utils.telling.people import Channel
from ansible_collections.msp.ops.plugins.plugin_utils.telling.policy import Place, Policy
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import (
    ANSWER,
    DELIVERED,
    DRAFT,
    GIVEN_UP,
    LINE,
    REFUSED,
    TICKETS,
    Claim,
    NotDeliveredError,
    Outcome,
    Result,
)
from ansible_collections.msp.ops.plugins.plugin_utils.telling.tickets import NewTicket, TicketSystem
from ansible_collections.msp.ops.plugins.plugin_utils.telling.zammad import Zammad

OVERTAKEN = "somebody answered the requester, or closed the ticket, before"


@dataclass(frozen=True, slots=True)
class Counts:
    """What a delivery came to: how many messages were delivered, put back, refused and given up; and what to mend."""

    delivered: int = 0
    put_back: int = 0
    refused: int = 0
    given_up: int = 0
    troubles: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For a module's result; it fails where something is to be mended, or somebody was not told at all."""
        numbers = {name: getattr(self, name) for name in ("delivered", "put_back", "refused", "given_up")}
        lost = self.refused + self.given_up
        failed = [*self.troubles, *([f"MSP-TEL-011: {lost} messages were refused or given up"] if lost else [])]
        told = {"failed": True, "msg": "\n".join(failed)} if failed else {}
        return {"changed": bool(self.delivered), **numbers, "troubles": list(self.troubles), **told}


@dataclass
class Channels:
    """The channels and the ticket system of a policy, each opened when it is first needed."""

    policy: Policy
    secrets: Secrets
    _people: dict[tuple[str, str], Channel] = field(default_factory=dict)
    _tickets: TicketSystem | None = None

    def people(self, name: str, customer: str) -> Channel:
        """The channel of this name, as this customer has it."""
        place = self.policy.channels.get(name)
        if place is None:
            raise MspError(
                "MSP-TEL-009",
                f"the channel {name} in the policy, as when the message was made",
                "none of that name",
                "add it again; its messages wait until then",
            )
        known = (name, customer if place.secret else "")
        if known not in self._people:
            self._people[known] = Channel(name, self._secret(place, customer, f"the address of the channel {name}"))
        return self._people[known]

    def tickets(self) -> TicketSystem:
        """The ticket system."""
        desk = self.policy.tickets
        if desk is None:
            raise MspError(
                "MSP-TEL-009", "a ticket system in the policy", "none", "add tickets; its messages wait until then"
            )
        if self._tickets is None:
            self._tickets = Zammad(desk.url, self._secret(desk.token, "", "a token of Zammad"), desk.group)
        return self._tickets

    def _secret(self, place: Place, customer: str, what: str) -> str:
        return self.secrets.read(place, customer, what)


def tell(store: Store, policy: Policy, result: Result) -> int:
    """Put into the outbox what is to be told of a result; how many messages are new."""
    return outbox.put(store, choosing.messages(result, policy))


def due(store: Store) -> dict[str, Any]:
    """What a delivery would try now: for a module's result in check mode."""
    now = store.now()
    waiting = [message for message, at, _tries in outbox.waiting(store) if at <= now]
    told = [{name: getattr(one, name) for name in ("key", "customer", "kind", "channel")} for one in waiting]
    return {"changed": bool(told), "due": told}


def deliver(store: Store, policy: Policy, channels: Channels, *, chance: Callable[[], float] = random.random) -> Counts:
    """Deliver all that is due. What cannot be delivered now is put back; nothing is lost by an end in the middle."""
    counts: Counter[str] = Counter()
    troubles: dict[str, None] = {}
    while claims := outbox.claim(store, leases.somebody()):
        for group in _groups(claims):
            try:
                ref = _deliver(group, policy, channels)
            except NotDeliveredError as error:
                luck = chance()  # one for all, so that what goes out together stays together
                counts.update(_not_delivered(store, one, error, luck) for one in group)
            except MspError as error:
                troubles[str(error)] = None
                for one in group:
                    outbox.put_back(store, one, retrying.UNTIL_MENDED, error.code, counts=False)
                counts["put_back"] += len(group)
            else:
                for one in group:
                    outbox.settle(store, one, Outcome(one.message.key, one.fence, DELIVERED, ref=ref))
                counts[DELIVERED] += len(group)
    return Counts(**counts, troubles=tuple(troubles))


def _groups(claims: Iterable[Claim]) -> list[list[Claim]]:
    """What goes out together: the lines of one customer for one channel; every other message by itself."""
    groups: dict[tuple[str, ...], list[Claim]] = {}
    for claim in claims:
        told = claim.message
        name = (told.kind, told.channel, told.customer) if told.kind == LINE else (told.kind, told.channel, told.key)
        groups.setdefault(name, []).append(claim)
    return list(groups.values())


def _deliver(group: list[Claim], policy: Policy, channels: Channels) -> str:
    """Deliver messages that go out together; the reference of the ticket, if it is one."""
    first = group[0].message
    if first.channel == TICKETS:
        return _to_tickets(group[0], channels.tickets())
    channel = channels.people(first.channel, first.customer)
    if first.kind == LINE:
        lines = [str(one.message.body["text"]) for one in group]
        channel.send(*wording.day(lines, first.customer, policy.of(first.customer).language))
    else:
        channel.send(first.subject, str(first.body["text"]))
    return ""


def _to_tickets(claim: Claim, system: TicketSystem) -> str:
    told, body = claim.message, claim.message.body
    text, ref = str(body["text"]), str(body.get("ref", ""))
    if told.kind == DRAFT:
        system.draft_answer(ref, text, told.key)
    elif told.kind == ANSWER:
        _answer(system, claim, ref, text)
    else:
        ref = _opened(system, claim, body)
    return ref


def _opened(system: TicketSystem, claim: Claim, body: Mapping[str, object]) -> str:
    """The ticket of a message. Whoever had it before may have opened one and died before saying so."""
    told = claim.message
    if claim.fence > 1 and (ref := system.find_by_key(told.key, claim.made)):
        return ref
    requester = str(body["requester"])
    if not requester:
        raise MspError(
            "MSP-TEL-010",
            f"the mail address that tickets of {told.customer} are opened for",
            "none",
            f"add requester to {told.customer} in the policy, and its messages wait no longer",
        )
    return system.open_ticket(NewTicket(told.key, told.subject, str(body["text"]), requester))


def _answer(system: TicketSystem, claim: Claim, ref: str, text: str) -> None:
    """Send an answer, unless somebody was faster."""
    if system.answered(ref, besides=text):
        raise NotDeliveredError(OVERTAKEN, never=True)
    system.send_answer(ref, text, claim.message.key)


def _not_delivered(store: Store, claim: Claim, error: NotDeliveredError, chance: float) -> str:
    """Put a message back, or end it; what it counts as."""
    if error.never:
        outbox.settle(store, claim, Outcome(claim.message.key, claim.fence, REFUSED, reason=error.reason))
        return REFUSED
    if error.later is not None:
        outbox.put_back(store, claim, retrying.asked(error.later, chance), error.reason, counts=False)
        return "put_back"
    delay = retrying.again(claim.tries, chance)
    if delay is None:
        outbox.settle(store, claim, Outcome(claim.message.key, claim.fence, GIVEN_UP, reason=error.reason))
        return GIVEN_UP
    outbox.put_back(store, claim, delay, error.reason, counts=True)
    return "put_back"
