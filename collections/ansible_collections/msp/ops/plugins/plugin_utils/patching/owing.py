# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is installed on an asset while the old code still runs: reboots and restarts that did not come. Pure: no I/O.

A debt is paid by proof alone: a boot after it, a service that was started anew, a host that looked and found no service
with replaced files. That a host says it needs no reboot is none: many cannot tell. Nor is time: what was owed first
counts, whoever found it and however often it was found since.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import REBOOT, RESTART, HostResult, Scan

# A package's name in a sentence.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~-]*[A-Za-z0-9+]")


@dataclass(frozen=True, slots=True)
class Debt:
    """One thing that did not come, in the host's words ("reboot: libc6", "restart docker.service").

    since is by the host's clock, or when a scan saw it first. deadline is the earliest of the updates that are not in
    force for it, None where nobody knows that of any.
    """

    what: str
    since: dt.datetime
    deadline: dt.datetime | None = None
    rollout: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an asset in a rollout, and the deadlines of what that installed, by package."""

    rollout: str
    result: HostResult
    deadlines: Mapping[str, dt.datetime] = field(default_factory=dict)


def after(results: Iterable[Result]) -> list[Debt]:
    """What results of an asset, oldest first, leave owed."""
    debts: list[Debt] = []
    for one in results:
        result = one.result
        paid = {RESTART + unit for unit in result.restarted}
        debts = [] if result.rebooted else [debt for debt in debts if debt.what not in paid]
        if result.outcome == states.ROLLED_BACK:
            debts = [debt for debt in debts if debt.rollout != one.rollout]
        owed = result.owed or ((REBOOT,) if result.outcome == states.OWED else ())
        debts += [Debt(what, result.at, _deadline(what, one.deadlines), one.rollout) for what in owed]
    return debts


def now(debts: Iterable[Debt], results: Sequence[Result], scan: Scan | None) -> tuple[Debt, ...]:
    """Those that the last good scan does not show to be paid, each once, and what it found besides."""
    if scan is None:
        return tuple(_each_once(debts).values())
    found = _each_once(debt for debt in debts if not _paid(debt, scan))
    since = [one.result for one in results if one.result.at > scan.at]
    restarted = {unit for result in since for unit in result.restarted}
    if not any(result.rebooted for result in since):
        # One reboot is owed, however many have a reason for it.
        rebooting = any(what.startswith(REBOOT) for what in found)
        said = [] if rebooting or not scan.reboot else [f"{REBOOT}: {'; '.join(scan.reboot)}"]
        said += [RESTART + unit for unit in scan.services or () if unit not in restarted]
        for what in said:
            found.setdefault(what, Debt(what, _first_seen(what, scan, results)))
    return tuple(found.values())


def found_by(scan: Scan) -> tuple[str, ...]:
    """What a scan finds owed: a reboot, whatever the reasons, and each service. The keys of Scan.owed_since."""
    return (*((REBOOT,) if scan.reboot else ()), *(RESTART + unit for unit in scan.services or ()))


def _each_once(debts: Iterable[Debt]) -> dict[str, Debt]:
    """What several results left owed is owed since the first of them, by the earliest of their deadlines."""
    found: dict[str, Debt] = {}
    for debt in debts:
        known = found.get(debt.what, debt)
        deadlines = [one.deadline for one in (known, debt) if one.deadline is not None]
        found[debt.what] = replace(known, deadline=min(deadlines, default=None))
    return found


def _first_seen(what: str, scan: Scan, results: Iterable[Result]) -> dt.datetime:
    """Since when a scan knows of it: not before a rollout paid it, as what is found after that is owed anew."""
    known = scan.owed_since.get(REBOOT if what.startswith(REBOOT) else what, scan.at)
    paid = any(
        known < one.result.at <= scan.at and (one.result.rebooted or what.removeprefix(RESTART) in one.result.restarted)
        for one in results
    )
    return scan.at if paid else known


def words(debts: Sequence[Debt]) -> str:
    """Why an asset that owes something is not in time; empty where it owes nothing."""
    return "installed, but not in force yet: " + "; ".join(debt.what for debt in debts) if debts else ""


def _paid(debt: Debt, scan: Scan) -> bool:
    if scan.booted_at is not None and scan.booted_at > debt.since:
        return True
    if not debt.what.startswith(RESTART) or scan.services is None or scan.at <= debt.since:
        return False
    return debt.what.removeprefix(RESTART) not in scan.services


def _deadline(what: str, deadlines: Mapping[str, dt.datetime]) -> dt.datetime | None:
    """The earliest deadline of the packages that are named as in force only after a reboot.

    Where the host names none of which a deadline is known (a kernel that came new has none, a service names none), of
    all that it installed.
    """
    names = set(_NAME.findall(what)) if what.startswith(REBOOT) else set()
    named = [at for package, at in deadlines.items() if package in names]
    return min(named or deadlines.values(), default=None)
