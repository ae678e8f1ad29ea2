# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drafting an answer, and what may be done with a draft. Pure.

A draft goes out after a person released it, or where the customer's policy names its problem; never otherwise.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import (
    ANSWER,
    DELIVERED,
    DRAFT,
    GIVEN_UP,
    REFUSED,
    TICKETS,
    Message,
)
from ansible_collections.msp.ops.plugins.plugin_utils.tickets.records import (
    DECLINED,
    EDITED,
    ENDED,
    GOING,
    RELEASED,
    SENT,
    STUCK,
    WAITING,
    Asked,
    Decision,
    Draft,
    Match,
    Problem,
    Standing,
)

POLICY = "the customer's policy"
LONGEST = 4000
# States in which a person has something to do.
OPEN = (WAITING, STUCK)


def drafted(
    asked: Asked, match: Match, problem: Problem, *, source: str, language: str, guides: Mapping[str, str]
) -> Draft:
    """The draft for a ticket that fits a problem. guides: the provider's own pages, by the name of the guide."""
    t = Words(language)
    parts = [problem.answer[language]]
    if address := guides.get(problem.guide, ""):
        parts.append(t("ticket.guide", address=address))
    why = f"{problem.name}: {match.score:.2f}, the next one {match.second:.2f}"
    key, text = _key(source, asked.ref), "\n\n".join(parts)
    return Draft(key, asked.customer, source, asked.ref, problem.name, language, text, why)


def note(draft: Draft, problem: Problem, decided: Decision | None) -> Message:
    """What technicians read in the ticket: the draft, and how it goes out."""
    head = (
        f"msp.ops drafted an answer, for the known problem {draft.problem} (how near it is: {draft.why})."
        if decided is None
        else f"msp.ops answers this by {decided.by}, as the known problem {draft.problem} ({draft.why})."
    )
    play = "ansible-playbook playbooks/answers.yml -e approved_by=NAME"
    how = f"It is not sent. To send it: {play} -e release={draft.key}\nTo refuse it: {play} -e refuse={draft.key}"
    runbook = f"The runbook {problem.runbook} may help." if problem.runbook else ""
    parts = [head, *([how] if decided is None else []), *([runbook] if runbook else []), "---", draft.text]
    body = {"ref": draft.ref, "text": "\n\n".join(parts)}
    return Message(f"{DRAFT}:{draft.key}", draft.customer, DRAFT, TICKETS, "", body)


def by_policy(draft: Draft, send: tuple[str, ...]) -> Decision | None:
    """What the customer's policy decides about a draft: to send it where it names the problem, else nothing."""
    if draft.problem in send:
        return Decision(draft.key, RELEASED, POLICY, f"send_answers names {draft.problem}")
    return None


def answer(draft: Draft, decision: Decision, key: str) -> list[Message]:
    """What the requester is sent after a decision; nothing where the draft was not released."""
    if decision.decision not in (RELEASED, EDITED):
        return []
    text = decision.text or draft.text
    return [Message(key, draft.customer, ANSWER, TICKETS, "", {"ref": draft.ref, "text": text})]


def released(standing: Standing, by: str, reason: str, text: str) -> Decision:
    """A person's release, with another text where one is given. Raises MspError where it may not be."""
    _decidable(standing, by)
    if len(text) > LONGEST:
        raise MspError("MSP-TIC-007", f"an answer of at most {LONGEST} characters", str(len(text)), "shorten it")
    edited = bool(text.strip()) and text.strip() != standing.draft.text.strip()
    return Decision(standing.draft.key, EDITED if edited else RELEASED, by, reason, text.strip() if edited else "")


def refused(standing: Standing, by: str, reason: str) -> Decision:
    """A person's refusal. Raises MspError where it may not be."""
    _decidable(standing, by)
    return Decision(standing.draft.key, DECLINED, by, reason)


def state(standing: Standing) -> str:
    """Where a draft stands, in one word."""
    if standing.decision is None:
        return WAITING
    if standing.decision.decision not in (RELEASED, EDITED):
        return ENDED
    if standing.sent == DELIVERED:
        return SENT
    return STUCK if standing.sent in (REFUSED, GIVEN_UP) else GOING


def as_dict(standing: Standing) -> dict[str, str | None]:
    """A draft for a person's screen."""
    draft, decision = standing.draft, standing.decision
    return {
        **{name: getattr(draft, name) for name in ("key", "customer", "ref", "problem", "language", "text", "why")},
        "made": None if draft.made is None else _stamp(draft.made),
        "state": state(standing),
        "by": decision.by if decision else None,
        "reason": standing.reason or (decision.reason if decision else ""),
    }


def _decidable(standing: Standing, by: str) -> None:
    if not by.strip():
        raise MspError("MSP-TIC-005", "the name of who decides about a draft", "none", "add -e approved_by=NAME")
    if standing.decision is not None:
        at = "" if standing.decision.at is None else f" at {_stamp(standing.decision.at)}"
        raise MspError(
            "MSP-TIC-006",
            f"a draft that nobody decided about ({standing.draft.key})",
            f"one that was {standing.decision.decision} by {standing.decision.by}{at}",
            "leave it; what was decided first stays. Answer in the ticket where more has to be said",
        )


def _stamp(at: dt.datetime) -> str:
    return at.isoformat(timespec="seconds")


def _key(source: str, ref: str) -> str:
    return hashlib.sha256(f"{source} {ref}".encode()).hexdigest()[:12]
