# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which ring each asset is in: by its ring tag, else by a stable hash of its key. Pure: no I/O.

An asset's place depends on its own key and tags and on the plan, never on other assets: a new asset moves nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.patching.findings import Finding, error, warning
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

WHOLE = 100
_PARTS = 10_000  # how finely the hash divides: a hundredth of a percent
MOST_NAMED = 5  # assets that a sentence names


@dataclass(frozen=True, slots=True)
class Member:
    """An asset as a plan sees it: its key ("device:12"), its name, and the slugs of its tags."""

    key: str
    name: str
    tags: frozenset[str]

    @property
    def ring_tags(self) -> list[str]:
        return sorted(tag for tag in self.tags if tag.startswith(names.TAG_RING_PREFIX))


@dataclass(frozen=True, slots=True)
class Division:
    """Assets by ring name, in the plan's order of rings; and those of which no ring or more than one is right."""

    rings: Mapping[str, tuple[Member, ...]]
    in_none: tuple[Member, ...]
    in_several: tuple[Member, ...]

    @property
    def sizes(self) -> dict[str, int]:
        return {name: len(members) for name, members in self.rings.items()}


def divide(plan: Plan, members: Iterable[Member]) -> Division:
    """Every asset in its ring. One with two of the plan's ring tags, or with none that is right, is in no ring."""
    rings: dict[str, list[Member]] = {ring.name: [] for ring in plan.rings}
    in_none: list[Member] = []
    in_several: list[Member] = []
    for member in sorted(members, key=lambda one: one.key):
        tagged = [ring.name for ring in plan.rings if ring.tag in member.tags]
        ring = tagged[0] if tagged else _by_hash(plan, member)
        if len(tagged) > 1:
            in_several.append(member)
        elif ring is None:
            in_none.append(member)
        else:
            rings[ring].append(member)
    return Division({name: tuple(found) for name, found in rings.items()}, tuple(in_none), tuple(in_several))


def place(key: str) -> int:
    """Where an asset stands between 0 and 9999, by its key alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % _PARTS


def _by_hash(plan: Plan, member: Member) -> str | None:
    """The ring of an asset without a tag of the plan's rings. A ring tag that the plan does not know names no ring."""
    if member.ring_tags:
        return None
    here, upto = place(member.key), 0
    for ring in plan.rings:
        upto += (ring.percent or 0) * _PARTS // WHOLE
        if here < upto:
            return ring.name
    return None


def findings(plan: Plan, division: Division) -> list[Finding]:
    """What is wrong with the rings, for these assets."""
    return [*_percentages(plan), *_disjoint(plan, division), *_exhaustive(division), *_sizes(plan, division)]


def _percentages(plan: Plan) -> Iterable[Finding]:
    percents = [ring.percent for ring in plan.rings if ring.percent is not None]
    if percents and sum(percents) != WHOLE:
        yield error(
            "MSP-PAT-010",
            "rings",
            "percentages that add up to 100",
            f"{' + '.join(map(str, percents))} = {sum(percents)}",
            "correct them; what bears a ring's tag is not counted in",
        )


def _disjoint(plan: Plan, division: Division) -> Iterable[Finding]:
    ours = {ring.tag for ring in plan.rings}
    for member in division.in_several:
        yield error(
            "MSP-PAT-011",
            "rings",
            f"one ring tag at most on {member.name}",
            ", ".join(tag for tag in member.ring_tags if tag in ours),
            "take all but one off in NetBox",
        )


def _exhaustive(division: Division) -> Iterable[Finding]:
    for member in (one for one in division.in_none if one.ring_tags):
        yield error(
            "MSP-PAT-012",
            "rings",
            f"a ring for {member.name}",
            f"the tag {', '.join(member.ring_tags)}, which no ring of the plan has",
            "correct the tag in NetBox, or add the ring to the plan",
        )
    without = [one.name for one in division.in_none if not one.ring_tags]
    if without:
        yield error(
            "MSP-PAT-012",
            "rings",
            "a ring for every asset",
            f"{len(without)} without: {some(without)}",
            "give them a ring tag, or rings percentages that add up to 100",
        )


def _sizes(plan: Plan, division: Division) -> Iterable[Finding]:
    for number, ring in enumerate(plan.rings):
        size = len(division.rings[ring.name])
        path = f"rings[{number}]"
        if not size and not ring.successes:
            yield warning(
                "MSP-PAT-013",
                path,
                f"assets in the ring {ring.name}",
                "none; every rollout passes it and proves nothing there",
                "give assets its tag, or take the ring out of the plan",
            )
        elif size < ring.successes:
            yield error(
                "MSP-PAT-013",
                f"{path}.successes",
                f"at most {size}, for so many assets are in the ring {ring.name}",
                str(ring.successes),
                "lower it (0: the ring may be empty), or give the ring more assets; as it is no rollout can pass it",
            )


def some(found: Iterable[str]) -> str:
    """The first few names, and that there are more."""
    listed = list(found)
    return ", ".join(listed[:MOST_NAMED]) + (" ..." if len(listed) > MOST_NAMED else "")
