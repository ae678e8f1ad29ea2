# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is a known thing gone? Only N complete looks in a row of one source that should have seen it say so. Pure: no I/O.

The order in which things were recorded decides, never a controller's clock alone. A look that failed, was cut short or
has a time that cannot be proves nothing: it neither counts nor starts the count anew. What nobody ever saw is not gone.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Coverage, Sighting, kind_of
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import SILENT

# How many complete looks in a row have to miss a thing, where nothing else was asked for.
MISSES = 3
# How long nobody must have seen a thing before it is missing, by class: what people switch off comes back after the
# night, the weekend or a week away. The others run all the time, so the number of looks alone decides.
PATIENCE: Mapping[str, dt.timedelta] = {
    **dict.fromkeys(("workstation", "printer", "mobile", "private", "other"), dt.timedelta(days=7)),
    **dict.fromkeys(("server", "network"), dt.timedelta(0)),
}
# How far a look's own clock may be ahead of the database's.
SLACK = dt.timedelta(minutes=5)
# Sources that see a thing themselves, when they look; the others tell when somebody last did.
SEES_ITSELF = frozenset({"nmap", "arp", "neighbours", "mac-table", "lldp", "audit"})
# The only kind of source that things that sleep and roam report to from wherever they are.
ROAMING_KIND = "mdm"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Look:
    """One look of one source. previous is the number of the look of that source before it, whatever became of that."""

    source: str
    at: dt.datetime
    number: int
    previous: int | None
    proves: bool
    scope: tuple[Network, ...]

    @property
    def kind(self) -> str:
        return kind_of(self.source)


@dataclass(frozen=True, slots=True)
class Answer:
    """Somebody saw the thing: which source, when by its clock, and after which look it told so (None: not known)."""

    source: str
    at: dt.datetime
    after_look: int | None = None

    @classmethod
    def of(cls, sighting: Sighting) -> Answer:
        return cls(sighting.source, sighting.last_seen, sighting.after_look)


def looks(coverages: Iterable[Coverage]) -> dict[str, list[Look]]:
    """By source, its looks in the order in which they were recorded. coverages come in that order."""
    found: dict[str, list[Look]] = defaultdict(list)
    for place, one in enumerate(coverages, start=1):
        before = found[one.source][-1] if found[one.source] else None
        ahead = one.recorded_at is not None and one.at > one.recorded_at + SLACK
        back = before is not None and one.at < before.at
        found[one.source].append(
            Look(
                one.source,
                one.at,
                one.number if one.number is not None else place,
                before.number if before else None,
                one.complete and not ahead and not back,
                tuple(ipaddress.ip_network(prefix, strict=False) for prefix in one.scope),
            )
        )
    return dict(found)


def misses(
    answers: Sequence[Answer],
    addresses: Collection[str],
    asset_class: str | None,
    looked: Mapping[str, Sequence[Look]],
    now: dt.datetime,
    *,
    doubtful: Sequence[Answer] = (),
) -> dict[str, int]:
    """By source, how many complete looks in a row should have seen the thing and did not, since anybody last saw it.

    doubtful: who saw something that may be it. That speaks against its being gone, and not for who should see it.
    """
    if not answers:
        return {}
    places = [address for address in map(_address, addresses) if address is not None]
    found = {}
    for source, of_source in looked.items():
        if asset_class in SILENT and kind_of(source) != ROAMING_KIND:
            continue
        # A source that never saw it can't miss it: a machine whose firewall is silent is in no scan.
        if not any(answer.source == source for answer in answers):
            continue
        if count := _in_a_row((*answers, *doubtful), places, of_source, now):
            found[source] = count
    return found


def patient(asset_class: str | None, asked: Mapping[str, dt.timedelta]) -> dt.timedelta:
    """How long nobody must have seen a thing of this class. What has no class may be switched off, too."""
    name = asset_class or "other"
    return asked.get(name, PATIENCE.get(name, PATIENCE["other"]))


def is_missing(counted: Mapping[str, int], needed: Mapping[str, int]) -> bool:
    """Has one source missed it often enough? needed is by kind of source."""
    return any(count >= needed.get(kind_of(source), MISSES) for source, count in counted.items())


def _in_a_row(answers: Sequence[Answer], places: Sequence[Address], of_source: Sequence[Look], now: dt.datetime) -> int:
    count = 0
    for look in reversed(of_source):
        if not all(_after(look, answer, now) for answer in answers):
            break
        if look.proves and _covers(look, places):
            count += 1
    return count


def _after(look: Look, answer: Answer, now: dt.datetime) -> bool:
    """Was the look after that answer, by the order of recording and by the clocks?

    What a source tells of is recorded before the look it comes from. So what it told of since its look before this one
    was on its list in this one, whatever time it gave: a directory names a machine that it saw weeks ago.
    """
    # A time that has not come yet was told by a clock that jumped: then the order alone decides.
    jumped = answer.after_look is not None and answer.at > now + SLACK
    if answer.after_look is None:
        return look.at > answer.at
    if answer.source == look.source:
        in_order = look.previous is not None and answer.after_look < look.previous
    else:
        # That a list still names it today says nothing of when the thing was seen; only its time does.
        in_order = answer.after_look < look.number or not (jumped or kind_of(answer.source) in SEES_ITSELF)
    return in_order and (jumped or look.at > answer.at)


def _covers(look: Look, places: Sequence[Address]) -> bool:
    """Was the look where the thing is? A scan covers prefixes; a source that lists all it knows covers everything."""
    return not look.scope or any(place in network for place in places for network in look.scope)


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
