# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is recorded of a playbook run while it goes on, and what that makes of it at the end.

Pure: is told of events with their times, answers with records. Takes no task and no argument, and of a result one slug
at most, so that no secret can get in: names of hosts and customers, counts and seconds only.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract import scope
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Effort, Run, RunHost

# An action of ours that works for one customer on the controller says for whom, under this key of its result.
CUSTOMER = "customer"
OUR_ACTIONS = "msp.ops."
# What NetBox takes as a tenant's slug.
SLUG = re.compile(r"[-A-Za-z0-9_]{1,100}")


def customer_in(result: Mapping[str, Any]) -> str | None:
    """The customer in the result of an action of ours; nothing else of a result is ever looked at."""
    said = result.get(CUSTOMER)
    return str(said) if isinstance(said, str) and SLUG.fullmatch(said) else None


@dataclass(frozen=True, slots=True)
class Place:
    """Whose a host is, from its `msp` variable. A host without one is nobody's, and out of scope."""

    customer: str | None = None
    asset: str | None = None
    in_scope: bool | None = None


def place_of(variable: object, at: dt.datetime, *, read_only: bool) -> Place:
    """Read the `msp` variable of a host as the inventory made it. The scope guard's rule says what is in scope."""
    if not isinstance(variable, Mapping):
        return Place()
    asset = variable.get("asset")
    key = asset.get("key") if isinstance(asset, Mapping) else None
    customer = variable.get("customer")
    return Place(
        customer=None if customer is None else str(customer),
        asset=None if key is None else str(key),
        in_scope=scope.outside(variable, at, read_only=read_only) is None,
    )


class Recording:
    """One run. Events may come from more than one thread."""

    def __init__(self, run: Run, *, planned: bool) -> None:
        self.run = run
        self.planned = planned
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], float] = {}
        self._seconds: dict[str, float] = defaultdict(float)
        self._served: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))

    def named(self, **known: Any) -> None:
        """Add what became known after the start: the playbook, who started it, check mode, the ticket."""
        self.run = replace(self.run, **known)

    def task_started(self, host: str, task: str, at: float) -> None:
        """A task began on a host; task is its unique id, at a monotonic time in seconds."""
        with self._lock:
            self._running[host, task] = at

    def item_ended(self, host: str, task: str, at: float, customer: str | None = None) -> None:
        """One item of a task's loop ended, and the next begins. customer: for whom it was, where its result says so."""
        with self._lock:
            began = self._running.get((host, task))
            if began is not None:
                self._running[host, task] = at
                self._count(host, at - began, customer)

    def task_ended(self, host: str, task: str, at: float, customer: str | None = None) -> None:
        """It ended, with whatever result. Ending twice, or without a start, counts no seconds."""
        with self._lock:
            began = self._running.pop((host, task), None)
            if began is not None:
                self._count(host, at - began, customer)

    def _count(self, host: str, seconds: float, customer: str | None) -> None:
        self._seconds[host] += max(0.0, seconds)
        if customer is not None:
            self._served[host][customer] += max(0.0, seconds)

    def finished(
        self, ended: dt.datetime, counts: Mapping[str, Mapping[str, int]], places: Mapping[str, Place]
    ) -> tuple[Run, list[RunHost], list[Effort]]:
        """The run with its outcome, a row a host, and the minutes by customer. counts are Ansible's own, by host."""
        known = {name: places.get(name, Place()) for name in sorted(counts)}
        hosts = [self._host(name, counts[name], self._place(name, place)) for name, place in known.items()]
        bad = any(host.failed or host.unreachable for host in hosts)
        work = [part for name, place in known.items() for part in self._work(name, place)]
        customers = sorted({customer for customer, _inside, _seconds in work})
        run = replace(
            self.run,
            ended=ended,
            outcome="failed" if bad else "ok",
            extra={**self.run.extra, "customers": customers},
        )
        return run, hosts, [] if run.check_mode else self._effort(run, work)

    def _place(self, name: str, place: Place) -> Place:
        """Whose a host is: by its variable; else, in this run, the one customer it worked for."""
        served = self._served.get(name, {})
        if place.customer is None and len(served) == 1:
            return Place(customer=next(iter(served)), in_scope=True)
        return place

    def _work(self, name: str, place: Place) -> list[tuple[str, bool, float]]:
        """What was done for whom on a host: customer, inside the contract or not, seconds.

        What the controller does for a customer (its contract, its report) touches no host and is inside the contract.
        """
        if place.customer is not None:
            return [(place.customer, bool(place.in_scope), self._seconds[name])]
        return [(customer, True, seconds) for customer, seconds in sorted(self._served.get(name, {}).items())]

    def _host(self, name: str, counts: Mapping[str, int], place: Place) -> RunHost:
        return RunHost(
            run=self.run.id,
            host=name,
            customer=place.customer,
            asset=place.asset,
            ok=counts.get("ok", 0),
            changed=counts.get("changed", 0),
            failed=counts.get("failures", 0),
            unreachable=counts.get("unreachable", 0),
            skipped=counts.get("skipped", 0),
            rescued=counts.get("rescued", 0),
            ignored=counts.get("ignored", 0),
            seconds=round(self._seconds[name], 3),
            in_scope=place.in_scope,
        )

    def _effort(self, run: Run, work: Sequence[tuple[str, bool, float]]) -> list[Effort]:
        """The run's minutes, shared among customers by the seconds of work on their hosts and for them.

        Shares of the time that passed, not a sum over hosts that ran at once: minutes of all runs add up to time.
        """
        shares: dict[tuple[str, bool], float] = defaultdict(float)
        total = sum(seconds for _customer, _inside, seconds in work)
        for customer, inside, seconds in work:
            shares[customer, inside] += seconds / total if total else 1 / len(work)
        minutes = (run.ended - run.started).total_seconds() / 60 if run.ended else 0.0
        return [
            Effort(
                key=f"run:{run.id}:{customer}:{'inside' if inside else 'outside'}",
                customer=customer,
                at=run.started,
                minutes=round(max(0.0, minutes) * share, 4),
                planned=self.planned,
                in_contract=inside,
                by="automation",
                what=run.playbook,
                who=run.started_by,
                run=run.id,
                ticket=run.out_of_scope_ticket,
            )
            for (customer, inside), share in sorted(shares.items())
        ]
