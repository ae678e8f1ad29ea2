# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The open questions of a verification: each one can be answered with yes or no.

Pure: it says what to ask; the words are in report/catalogue.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ansible_collections.msp.ops.plugins.plugin_utils.contract import status
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.verification import compare
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import Compared
from ansible_collections.msp.ops.plugins.plugin_utils.verification.unlisted import Thing


@dataclass(frozen=True, slots=True)
class Question:
    """kind is the end of its key in the catalogue ("question.absent"); values fill its sentence."""

    number: int
    kind: str
    subject: str
    values: dict[str, object] = field(default_factory=dict)


def questions(
    compared: Sequence[Compared], things: Sequence[Thing], ended_but_seen: Sequence[Asset] = ()
) -> tuple[Question, ...]:
    """What to ask, the costliest unknown first: who is not in the contract, who is missing, who is another."""
    asked: list[tuple[str, str, dict[str, object]]] = []
    for thing in things:
        asked.append(_of_thing(thing))
    for asset in ended_but_seen:
        asked.append(("ended", asset.key, {"name": asset.name}))
    for one in compared:
        asked += [(kind, one.asset.key, values) for kind, values in _of_asset(one)]
    return tuple(Question(n, kind, subject, values) for n, (kind, subject, values) in enumerate(asked, start=1))


def _of_thing(thing: Thing) -> tuple[str, str, dict[str, object]]:
    """Where it may be one that we know, that comes first: only then it matters whether it is to be in the contract."""
    if thing.maybe:
        return "perhaps", thing.key, {"name": thing.name, "asset": thing.maybe[0].name}
    return "unlisted", thing.key, {"name": thing.name, "hint": hint(thing)}


def hint(thing: Thing) -> str:
    """What helps to recognise a thing: address, hardware address, maker; without what already is its name."""
    parts = (*thing.addresses[:1], *thing.macs[:1], thing.vendor)
    return ", ".join(part for part in parts if part and part != thing.name)


def _of_asset(one: Compared) -> Iterable[tuple[str, dict[str, object]]]:
    name = one.asset.name
    if one.state == compare.ABSENT:
        yield ("absent", {"name": name, "since": one.last_seen}) if one.last_seen else ("never_seen", {"name": name})
        return  # Whether it is still there comes first; its warranty and system only matter then.
    if one.state == compare.NOT_AUDITED and one.reason not in (compare.NEVER_TRIED, compare.PERHAPS):
        yield "in_use", {"name": name}
    for difference in one.differences:
        # An address that moved or another network card is for the engineer, not for the customer to answer.
        if difference.what in ("hostname", "serial", "model", "os"):
            yield (
                f"differs_{difference.what}",
                {"name": name, "promised": difference.promised, "found": difference.found},
            )
    if one.warranty.state == status.WARRANTY_ENDING:
        yield "warranty_ending", {"name": name, "end": one.warranty.end}
    elif one.warranty.state == status.WARRANTY_EXPIRED:
        yield "warranty_expired", {"name": name, "end": one.warranty.end}
    elif one.warranty.state == status.WARRANTY_UNKNOWN:
        yield "warranty_unknown", {"name": name}
    if one.warranty.disagree:
        yield "warranty_disagree", {"name": name, "end": one.warranty.end}
    if one.condition.support == compare.SUPPORT_ENDED:
        yield "os_ended", {"name": name, "os": one.condition.os or "", "end": one.condition.support_end}
