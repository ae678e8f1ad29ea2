# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Answers to tickets: reads what is new, drafts, and takes what people decide about drafts.

The decisions are in tickets/ (which problem, which language, what may go out); what follows goes through the outbox. A
ticket that fits no known problem leaves nothing behind, and of one that fits only its number is kept.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.forms import advice
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import answers
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.telling.policy import Policy
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import NotDeliveredError
from ansible_collections.msp.ops.plugins.plugin_utils.telling.tickets import ReadTicket, TicketSystem
from ansible_collections.msp.ops.plugins.plugin_utils.tickets import catalogue, drafting, language, matching
from ansible_collections.msp.ops.plugins.plugin_utils.tickets.records import Asked, Draft, Problem, Standing

# Who never looked before looks back so far.
FIRST = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look came to. strangers: tickets of organizations that are no customer of the policy."""

    read: int
    strangers: int
    drafts: tuple[Draft, ...]

    def as_dict(self) -> dict[str, Any]:
        """For a module's result."""
        told = [{"ref": one.ref, "customer": one.customer, "problem": one.problem} for one in self.drafts]
        return {"changed": bool(told), "read": self.read, "strangers": self.strangers, "drafted": told}


def look(store: Store, policy: Policy, system: TicketSystem, *, dry_run: bool = False) -> Looked:
    """Read new tickets and draft an answer for each that fits a known problem. A second look drafts nothing again."""
    problems = catalogue.known()
    _check(policy, problems)
    position = answers.position(store, system.name)
    try:
        tickets, upto = system.read_new(position, store.now() - FIRST)
    except NotDeliveredError as error:
        raise MspError(
            "MSP-TIC-009", "the new tickets of the ticket system", error.reason, "run this again when it answers"
        ) from None
    found: list[Draft] = []
    strangers = 0
    for ticket in tickets:
        customer = policy.customer_of(ticket.organization)
        strangers += customer is None
        draft = None if customer is None else _draft(ticket, customer, policy, system.name, problems)
        if draft is not None and (dry_run or _record(store, draft, policy, problems[draft.problem])):
            found.append(draft)
    if not dry_run and upto:
        answers.advance(store, system.name, upto)
    return Looked(len(tickets), strangers, tuple(found))


def release(store: Store, key: str, *, by: str, reason: str = "", text: str = "", dry_run: bool = False) -> Standing:
    """A person lets a draft go out, as it is or with another text. Raises MspError where it may not."""
    standing = _standing(store, key)
    decision = drafting.released(standing, by, reason, text)
    if not dry_run:
        told = drafting.answer(standing.draft, decision, answers.sending(key))
        _stood(standing, answers.decide(store, decision, told).by, by)
    return _standing(store, key)


def refuse(store: Store, key: str, *, by: str, reason: str = "", dry_run: bool = False) -> Standing:
    """A person decides that a draft does not go out."""
    standing = _standing(store, key)
    decision = drafting.refused(standing, by, reason)
    if not dry_run:
        _stood(standing, answers.decide(store, decision, []).by, by)
    return _standing(store, key)


def listed(store: Store, customer: str | None = None) -> list[dict[str, str | None]]:
    """Drafts that a person has to do something about: those nobody decided about, and those that could not be sent."""
    found = answers.drafts(store, customer)
    return [drafting.as_dict(one) for one in found if drafting.state(one) in drafting.OPEN]


def asked(store: Store, arguments: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """What msp.ops.ticket_answers does with drafts that are there: for a module's result."""
    if arguments["action"] == "list":
        return {"changed": False, "drafts": listed(store, arguments["customer"])}
    given = {"by": arguments["approved_by"], "reason": arguments["reason"], "dry_run": check}
    if arguments["action"] == "release":
        standing = release(store, arguments["draft"], text=arguments["text"], **given)
    else:
        standing = refuse(store, arguments["draft"], **given)
    return {"changed": True, "drafts": [drafting.as_dict(standing)]}


def _draft(
    ticket: ReadTicket, customer: str, policy: Policy, source: str, problems: Mapping[str, Problem]
) -> Draft | None:
    asked = Asked(ticket.ref, customer, ticket.title, ticket.text, ticket.at)
    match = matching.matcher().match(asked)
    if match is None:
        return None
    spoken = language.of(asked, policy.of(customer).language)
    problem = problems[match.problem]
    return drafting.drafted(asked, match, problem, source=source, language=spoken, guides=policy.guides)


def _record(store: Store, draft: Draft, policy: Policy, problem: Problem) -> bool:
    decision = drafting.by_policy(draft, policy.of(draft.customer).send_answers)
    told = [drafting.note(draft, problem, decision)]
    if decision is not None:
        told += drafting.answer(draft, decision, answers.sending(draft.key))
    return answers.record_draft(store, draft, told, decision)


def _standing(store: Store, key: str) -> Standing:
    found = answers.drafts(store, key=key)
    if not found:
        raise MspError(
            "MSP-TIC-006", "a draft that this store keeps", f"none with the key {key}", "use a key that the list shows"
        )
    return found[0]


def _stood(standing: Standing, first: str, by: str) -> None:
    """Of two who decide at once the first stays, and the other is told."""
    if first != by:
        raise MspError(
            "MSP-TIC-006",
            f"a draft that nobody decided about ({standing.draft.key})",
            f"one that {first} was faster with",
            "leave it; what was decided first stays",
        )


def _check(policy: Policy, problems: Mapping[str, Problem]) -> None:
    """No policy sends the answer to a problem that nobody knows: a wrong name would never be noticed."""
    for manner in (policy.default, *policy.customers.values()):
        for name in manner.send_answers:
            if name not in problems:
                names = sorted(problems)
                raise MspError(
                    "MSP-TIC-008",
                    f"in send_answers only known problems ({', '.join(names)})",
                    name,
                    advice(name, names),
                )
