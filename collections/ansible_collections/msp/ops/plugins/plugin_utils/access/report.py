# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who can log in where with what, of one customer: the looks on record, joined with what accounts are for. Pure.

Nothing that nobody saw counts as covered: every account of a host whose last look failed or is old is unknown. A person
is who has the same name on several machines, and is as the worst of them.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.access import entra_judging, judging, model, scanning
from ansible_collections.msp.ops.plugins.plugin_utils.access.entra_judging import Person
from ansible_collections.msp.ops.plugins.plugin_utils.access.judging import Judged, Verdict
from ansible_collections.msp.ops.plugins.plugin_utils.access.model import BREAK_GLASS, PERSON
from ansible_collections.msp.ops.plugins.plugin_utils.access.naming import Named
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import AccessCheck
from ansible_collections.msp.ops.plugins.plugin_utils.standards.compliance import FRESH

NEVER, BROKEN, OLD, STRANGE = ("never", "broken", "old", "strange")
# What people are over the network, from bad to good: a password is enough; one other thing is; nobody knows; two things
# are asked; they come in at the machine itself alone.
STANDINGS = PASSWORD, SINGLE, UNKNOWN, TWO, LOCAL = ("password", "single", "unknown", "two", "local")
Looks = tuple[AccessCheck | None, AccessCheck | None]


@dataclass(frozen=True, slots=True)
class Look:
    """When something was last seen, None for never, and why that does not count today ("" where it does)."""

    asset: str
    name: str
    at: dt.datetime | None
    unknown: str = ""
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """With what the row of evidence is found by: customer, asset, at."""
        return {
            "asset": self.asset,
            "name": self.name,
            "at": None if self.at is None else self.at.isoformat(),
            "unknown": self.unknown,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class OfHost:
    """One host, its accounts judged, and what could not be told of it as a whole. lacking: break-glass accounts that
    are named for it and are not there.
    """

    look: Look
    accounts: tuple[Judged, ...] = ()
    closed: int = 0
    unknown: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfCloud:
    """A customer's Microsoft 365. lacking: break-glass accounts that are named and are not there."""

    look: Look
    people: tuple[Person, ...] = ()
    users_known: bool = False
    unknown: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    source: str = ""

    def of(self, group: str) -> list[Person]:
        """One group of people, the worst first."""
        mine = [one for one in self.people if one.group == group]
        return sorted(mine, key=lambda one: (entra_judging.STATES.index(one.state), not one.admin, one.name.casefold()))


@dataclass(frozen=True, slots=True)
class OfPerson:
    """Somebody with an account on machines: how he stands over the network, and there where he stands worst."""

    name: str
    standing: str
    console: str
    enrolled: bool
    on: tuple[tuple[OfHost, Judged], ...]

    @property
    def worst(self) -> tuple[OfHost, Judged]:
        return min(self.on, key=lambda one: STANDINGS.index(standing(one[1])))


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is told of a customer. wrong: what is wrong in the naming of an asset's accounts, by asset."""

    now: dt.datetime
    hosts: tuple[OfHost, ...]
    cloud: OfCloud | None
    wrong: Mapping[str, str]

    @property
    def people(self) -> list[OfPerson]:
        """Who can log in to a machine, the worst first."""
        found: dict[str, list[tuple[OfHost, Judged]]] = {}
        for host, one in self.each():
            if one.kind == PERSON and one.open:
                found.setdefault(one.account.name, []).append((host, one))
        return sorted(
            (_person(name, on) for name, on in found.items()),
            key=lambda one: (STANDINGS.index(one.standing), one.name.casefold()),
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many people stand how."""
        found = Counter(one.standing for one in self.people)
        return {name: found[name] for name in STANDINGS}

    @property
    def blind(self) -> list[OfHost]:
        """Hosts of which nobody knows today who can log in."""
        return [one for one in self.hosts if one.look.unknown]

    def each(self, *kinds: str) -> Iterator[tuple[OfHost, Judged]]:
        """Every account that is not shut, of these kinds where any are given; the weakest first."""
        found = [(host, one) for host in self.hosts for one in host.accounts if not kinds or one.kind in kinds]
        yield from sorted(found, key=_weakness)


def standing(one: Judged) -> str:
    """How one account stands over the network."""
    verdict = one.network
    if verdict.state in (judging.IMPOSSIBLE, judging.POSSIBLE):
        return PASSWORD if verdict.password_alone else SINGLE
    return {judging.UNKNOWN: UNKNOWN, judging.REQUIRED: TWO, judging.CLOSED: LOCAL}[verdict.state]


def _weakness(found: tuple[OfHost, Judged]) -> tuple[Any, ...]:
    host, one = found
    weakest = one.network.weakest
    asked = -1 if weakest is None else judging.strength(weakest)
    return (
        STANDINGS.index(standing(one)),
        asked,
        weakest is not None and weakest.bounded,
        one.account.name.casefold(),
        host.look.name,
    )


def _person(name: str, on: Sequence[tuple[OfHost, Judged]]) -> OfPerson:
    worst = min((standing(one) for _host, one in on), key=STANDINGS.index)
    console = min((one.console.state for _host, one in on), key=judging.STATES.index)
    return OfPerson(name, worst, console, all(ready(one) for _host, one in on), tuple(on))


def ready(one: Judged) -> bool:
    """Whether somebody has a second factor to show, asked or not."""
    return bool(one.account.enrolled) or any(judging.twofold(way) for way in one.account.ways)


def of_host(asset: Asset, named: Named, looks: Looks, now: dt.datetime) -> OfHost:
    """One host. looks are the last good one and the last attempt."""
    good, last = looks
    why, error = unknown(good, last, now)
    look = Look(asset.key, asset.name, good.at if good else None, why, error)
    if good is None or good.found is None:
        return OfHost(look)
    try:
        found = model.read(good.found)
    except ValueError as broken:
        return OfHost(replace(look, unknown=STRANGE, error=str(broken)))
    judged = [judging.account(one, named, found.asked_as) for one in found.accounts]
    if why:
        judged = [_forgotten(one) for one in judged]
    there = {one.name for one in found.accounts}
    return OfHost(
        look,
        tuple(one for one in judged if one.open or one.kind == BREAK_GLASS),
        found.closed + sum(not one.open for one in judged),
        found.unknown,
        tuple(sorted(named.break_glass - there)),
    )


def _forgotten(one: Judged) -> Judged:
    """What was seen then says nothing of today; who had no way in then may have one now."""
    return replace(one, network=Verdict(judging.UNKNOWN), console=Verdict(judging.UNKNOWN))


def of_cloud(break_glass: frozenset[str], looks: Looks | None, now: dt.datetime) -> OfCloud | None:
    """Microsoft 365; None where nobody ever tried to look."""
    if looks is None:
        return None
    good, last = looks
    why, error = unknown(good, last, now)
    look = Look((good or last).asset, "Microsoft 365", good.at if good else None, why, error)  # type: ignore[union-attr]
    if good is None or good.found is None:
        return OfCloud(look)
    people = entra_judging.people(good.found, break_glass)
    if why:
        people = [
            one if one.group == entra_judging.DISABLED else replace(one, state=entra_judging.UNKNOWN) for one in people
        ]
    lacking = break_glass - {one.name.casefold() for one in people}
    return OfCloud(
        look,
        tuple(people),
        bool(good.found["users_known"]),
        tuple(good.found["unknown"]),
        tuple(sorted(lacking)),
        str(good.found["source"]),
    )


def unknown(good: AccessCheck | None, last: AccessCheck | None, now: dt.datetime) -> tuple[str, str]:
    """Why nothing is known today, and what who tried said of it; empty where something is."""
    if last is None:
        return NEVER, ""
    if last.outcome != scanning.OK:
        return BROKEN, last.error or last.outcome
    if good is None or now - good.at > FRESH:
        return OLD, ""
    return "", ""


# As data


def as_dict_of(found: Report) -> dict[str, Any]:
    """The whole report as data. Each look names its row of evidence: the customer, the asset and the time."""
    return {
        "people": {
            "counts": found.counts,
            "each": [
                {
                    "name": one.name,
                    "standing": one.standing,
                    "console": one.console,
                    "on": [host.look.asset for host, _account in one.on],
                }
                for one in found.people
            ],
        },
        "machines": [_host_dict(one) for one in found.hosts],
        "microsoft_365": None if found.cloud is None else _cloud_dict(found.cloud),
        "wrong": dict(found.wrong),
    }


def _host_dict(one: OfHost) -> dict[str, Any]:
    return {
        **one.look.as_dict(),
        "accounts": [_account_dict(account) for account in one.accounts],
        "closed": one.closed,
        "not_told": list(one.unknown),
        "break_glass_lacking": list(one.lacking),
    }


def _account_dict(one: Judged) -> dict[str, Any]:
    account = one.account
    return {
        "name": account.name,
        "kind": one.kind,
        "source": account.source,
        "network": scanning.verdict(one.network),
        "console": scanning.verdict(one.console),
        "ways": [
            {
                "place": way.place,
                "by": way.by,
                "needs": sorted(way.proved),
                "from": [list(origins) for origins in way.origins],
                "where": list(way.where),
                "limits": list(way.limits),
            }
            for way in weakest_first(account.ways)
        ],
        "keys": list(account.fingerprints),
        "enrolled": list(account.enrolled),
        "sudo": [
            {"root": rule.root, "commands": list(rule.commands), "asks": [sorted(asks) for asks in rule.asks]}
            for rule in account.sudo
        ],
        "not_told": list(account.unknown),
    }


def _cloud_dict(one: OfCloud) -> dict[str, Any]:
    groups = {group: one.of(group) for group in entra_judging.GROUPS}
    return {
        **one.look.as_dict(),
        "source": one.source,
        "counts": {
            group: dict(Counter(person.state for person in people))
            for group, people in groups.items()
            if group != entra_judging.DISABLED
        },
        "disabled": len(groups[entra_judging.DISABLED]) if one.users_known else None,
        "people": [
            {
                "name": person.name,
                "group": person.group,
                "admin": person.admin,
                "state": person.state,
                "registered": person.registered,
                "capable": person.capable,
                "methods": list(person.methods),
                "by": list(person.by),
                "why": list(person.why),
            }
            for group in entra_judging.GROUPS
            for person in groups[group]
        ],
        "not_told": list(one.unknown),
        "break_glass_lacking": list(one.lacking),
    }


def weakest_first(ways: Iterable[model.Way]) -> list[model.Way]:
    return sorted(ways, key=judging.order)
