# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""May this run touch this host? The scope guard's decision (DESIGN rule 1), and nothing else.

Pure: reads no inventory and opens no connection. What is not known for certain is out of scope.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

TICKET = re.compile(r"[A-Za-z0-9#][A-Za-z0-9._#/-]{0,63}")
# A limit's separators, as ansible-core splits it (a name with a colon in it is not split there either: not ours).
SEPARATORS = re.compile(r"[,:\s]+")
NO_CUSTOMER = "(no customer)"
# The inventory's group of assets whose effective contract status is "contracted".
CONTRACTED_GROUP = f"status_{names.CONTRACTED}"


@dataclass(frozen=True, slots=True)
class Request:
    """What a run asks for.

    only: the run is for exactly these hosts (empty: for every host of the play). named: hosts that a person wrote out
    by name. A host outside the contract can be touched only when it is among `only` or `named`. offboarding: the run
    withdraws our own access, which is for hosts of which the contract has ended, and for no other.
    """

    read_only: bool = False
    ticket: str | None = None
    only: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    offboarding: bool = False

    def names(self, host: str) -> bool:
        return host in self.only or host in self.named


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one host. outside_contract: the work is recorded as work outside the contract."""

    host: str
    customer: str
    in_scope: bool
    reason: str
    outside_contract: bool = False


def decide(host: str, msp: object, request: Request, now: dt.datetime) -> Decision:
    """Decide for one host. msp is what the inventory says of it (None: nothing); now is timezone-aware."""
    facts = msp if isinstance(msp, Mapping) else {}
    customer = facts.get("customer")
    customer = customer if isinstance(customer, str) and customer else NO_CUSTOMER
    if request.only and host not in request.only:
        return Decision(host, customer, False, "not one of the hosts this run was asked for")
    if request.offboarding:
        return leaving(host, customer, facts, request)
    refusal = outside(facts, now, read_only=request.read_only)
    if refusal is None:
        return Decision(host, customer, True, "contracted")
    if request.names(host) and request.ticket:
        return Decision(host, customer, True, f"named, ticket {request.ticket} ({refusal})", outside_contract=True)
    if request.names(host) and request.read_only:
        return Decision(host, customer, True, f"named, read-only ({refusal})", outside_contract=True)
    return Decision(host, customer, False, refusal)


def leaving(host: str, customer: str, facts: Mapping[str, Any], request: Request) -> Decision:
    """Decide for one host of a run that withdraws our access. No ticket makes up for a status.

    The work is outside the contract, for none is left that could hold it: it takes nothing from the included hours.
    """
    status = facts.get("status")
    if not facts:
        return Decision(host, customer, False, "no msp variable: not an asset of any customer")
    if status != names.ENDED:
        known = status if isinstance(status, str) and status in names.CONTRACT_STATUSES else "unknown"
        return Decision(host, customer, False, f"status {known}: access is withdrawn where it is {names.ENDED}")
    if not request.names(host):
        return Decision(host, customer, False, f"status {names.ENDED}, and not named: access is withdrawn by name")
    return Decision(host, customer, True, f"named, status {names.ENDED}", outside_contract=True)


def outside(facts: Mapping[str, Any], now: dt.datetime, *, read_only: bool) -> str | None:
    """Why a host is outside the contract today, or None when it is inside. Dates are the customer's calendar dates."""
    if not facts:
        return "no msp variable: not an asset of any customer"
    contract, status = facts.get("contract"), facts.get("status")
    if not isinstance(contract, Mapping) or not contract:
        return "the customer has no contract"
    today = now.astimezone(zone(facts.get("timezone"))).date()
    if refusal := not_running(contract, today, read_only=read_only):
        return refusal
    if status == names.CONTRACTED:
        return None
    return f"status {status}" if isinstance(status, str) and status in names.CONTRACT_STATUSES else "no contract status"


def not_running(contract: Mapping[str, Any], today: dt.date, *, read_only: bool) -> str | None:
    """Why a contract does not count today, or None when it does. Both its first and its last day count."""
    start, end = read_date(contract.get("start")), read_date(contract.get("end"))
    if start is None or (end is None and contract.get("end") is not None):
        return "the contract's dates can't be read"
    if end is not None and today > end:
        return "the contract has ended"
    # What is looked at before the first day is how a contract begins; what is changed before it is not agreed yet.
    if today < start and not read_only:
        return "the contract has not started"
    return None


def read_date(value: object) -> dt.date | None:
    try:
        return dt.date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def zone(name: object) -> dt.tzinfo:
    """The customer's time zone; UTC when it is not known."""
    try:
        return zoneinfo.ZoneInfo(name) if isinstance(name, str) and name else dt.UTC
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return dt.UTC


def names_in(text: str, groups: Collection[str]) -> frozenset[str]:
    """The plain host names in a --limit: no group, no pattern, no file, no exclusion. The caller knows which exist."""
    parts = (part for part in SEPARATORS.split(text) if part)
    return frozenset(part for part in parts if part not in groups and not re.search(r"[!&@~*?\[\]]", part))


def ticket_from(value: object) -> str | None:
    """The ticket as it will be recorded, or an error: a ticket that can't be looked up later is none."""
    if value is None or value == "":
        return None
    text = str(value).strip()
    if not TICKET.fullmatch(text):
        raise MspError(
            "MSP-SCP-001",
            "out_of_scope_ticket to be a ticket's number: letters, digits and . _ # / -, at most 64",
            f"{len(text)} characters that are not one",
            "give the number of the ticket in which the customer agreed to the work",
        )
    return text


def check_named(request: Request, hosts: Collection[str]) -> None:
    """A host asked for by name that the play does not have is an error, never an empty run."""
    if unknown := sorted(request.only - set(hosts)):
        raise MspError(
            "MSP-SCP-002",
            "every host asked for by name to be among the hosts of this play",
            f"not there: {', '.join(unknown[:10])}",
            "check the name with ansible-inventory --graph, and that --limit does not leave the host out",
        )


def check_targets(decisions: Collection[Decision], *, offboarding: bool = False) -> None:
    """No target at all is an error that says what was found instead."""
    if any(decision.in_scope for decision in decisions):
        return
    reasons = Counter(decision.reason for decision in decisions)
    found = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common(6)) or "no host at all"
    if offboarding:
        raise MspError(
            "MSP-SCP-007",
            f"at least one host that is named, and whose contract status is {names.ENDED}",
            found,
            "see that this host is meant, set its contract status in NetBox, and name it: --limit 'NAME,localhost'",
        )
    raise MspError(
        "MSP-SCP-004",
        "at least one host in scope",
        found,
        "set the contract status of the assets in NetBox, or name one host (--limit) and a ticket "
        "(-e out_of_scope_ticket=...)",
    )


def check_group(members: Collection[str], decisions: Iterable[Decision], group: str) -> None:
    """The target group may hold nothing beyond this decision: not from an earlier play, not from the inventory."""
    allowed = {decision.host for decision in decisions if decision.in_scope}
    if strangers := sorted(set(members) - allowed):
        raise MspError(
            "MSP-SCP-005",
            f"the group {group} to hold only hosts that this guard found in scope",
            f"{len(strangers)} more, for instance {strangers[0]}",
            "run the playbooks one by one, and take the group out of the inventory if it is defined there",
        )


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the summary: one customer."""

    customer: str
    in_scope: int
    outside_contract: int
    out: int
    why: str


def summary(decisions: Iterable[Decision]) -> list[Row]:
    """Counts per customer, never a list of hosts; the reasons most common first."""
    by_customer: dict[str, list[Decision]] = {}
    for decision in decisions:
        by_customer.setdefault(decision.customer, []).append(decision)
    return [summary_of(customer, of_customer) for customer, of_customer in sorted(by_customer.items())]


def summary_of(customer: str, decisions: Collection[Decision]) -> Row:
    reasons = Counter(
        decision.reason for decision in decisions if not decision.in_scope or decision.outside_contract
    ).most_common()
    return Row(
        customer,
        sum(decision.in_scope for decision in decisions),
        sum(decision.outside_contract for decision in decisions),
        sum(not decision.in_scope for decision in decisions),
        "; ".join(f"{count} {reason}" for reason, count in reasons),
    )


def lines(rows: Collection[Row], most: int = 20) -> list[str]:
    """The summary as a person reads it: the customers with something out of scope first, the rest as one line."""
    by_interest = sorted(rows, key=lambda row: (-row.out - row.outside_contract, row.customer))
    shown, rest = by_interest[:most], by_interest[most:]
    texts = [
        f"{row.customer}: {row.in_scope} in scope, {row.out} out" + (f" ({row.why})" if row.why else "")
        for row in shown
    ]
    if rest:
        in_scope, out = sum(row.in_scope for row in rest), sum(row.out for row in rest)
        texts.append(f"{len(rest)} more customers: {in_scope} in scope, {out} out")
    return texts
