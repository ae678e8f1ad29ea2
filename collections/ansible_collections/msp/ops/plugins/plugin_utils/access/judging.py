# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an account needs a second factor, by the ways in that it has. Pure.

What is not known is never taken for good: an account of which something could not be told needs a second factor only
where that is known of all of its ways. One way for which one thing is enough makes all others worthless.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.standards import access_words
from ansible_collections.msp.ops.plugins.plugin_utils.access.model import (
    AUTOMATION,
    BREAK_GLASS,
    CONSOLE,
    NETWORK,
    PERSON,
    SERVICE,
    Account,
    Way,
)
from ansible_collections.msp.ops.plugins.plugin_utils.access.naming import Named

# What a second factor is, from bad to good: not to be had, to be had and not asked, asked of every way (FOR CERTAIN).
# UNKNOWN: nobody can say that it is asked; CLOSED: there is no way in at all.
STATES = IMPOSSIBLE, POSSIBLE, UNKNOWN, REQUIRED, CLOSED = ("impossible", "possible", "unknown", "required", "closed")
COVERED = frozenset((REQUIRED, CLOSED))

EMPTY, PASSWORD, CODE, KEY = "empty", access_words.PASSWORD, access_words.CODE, access_words.KEY
HARDWARE, PIN, UNTOUCHED = access_words.HARDWARE, access_words.PIN, access_words.UNTOUCHED
TICKET, TRUSTED, FINGERPRINT = access_words.TICKET, access_words.HOST, access_words.FINGERPRINT
# What one thing alone is worth, the least first. A FIDO2 key that has to be touched is a thing that nobody can copy and
# somebody has to be there for; it stands in the place of a key and a code together.
SINGLE = (TRUSTED, PASSWORD, CODE, TICKET, FINGERPRINT, KEY, UNTOUCHED)
_UNSURE = access_words.UNKNOWN
# Above each of those: two things, a FIDO2 key with a touch, and one with a PIN too.
_TWO, _HARDWARE, _HARDWARE_AND_PIN = len(SINGLE) + 1, len(SINGLE) + 2, len(SINGLE) + 3
_OF_CONSOLE = frozenset(access_words.PROGRAMS[CONSOLE])
_OF_NETWORK = frozenset((*access_words.PROGRAMS[NETWORK], "ssh", "sshd", "its keys"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """state is one of STATES; weakest the weakest way in; why what is not known, where that decides."""

    state: str
    weakest: Way | None = None
    why: tuple[str, ...] = ()

    @property
    def covered(self) -> bool:
        return self.state in COVERED

    @property
    def password_alone(self) -> bool:
        """Whether a password, or less than that, is enough for certain."""
        return self.weakest is not None and sure(self.weakest) and strength(self.weakest) <= strength_of([PASSWORD])


@dataclass(frozen=True, slots=True)
class Judged:
    """An account of a host, what it is for, and its verdicts: over the network, and at the machine itself."""

    account: Account
    kind: str
    network: Verdict
    console: Verdict

    @property
    def open(self) -> bool:
        """Whether there is a way in, or nobody knows that there is none."""
        return not self.network.state == self.console.state == CLOSED


def sure(way: Way) -> bool:
    """Whether all that it asks for is known."""
    return not any(one.startswith(_UNSURE) for one in way.proved)


def strength(way: Way) -> int:
    """How much a way asks for; what nobody knows counts for nothing."""
    return strength_of(way.proved)


def strength_of(proved: Iterable[str]) -> int:
    known = {one for one in proved if not one.startswith(_UNSURE)}
    if HARDWARE in known:
        return _HARDWARE_AND_PIN if PIN in known else _HARDWARE
    if len(known) > 1:
        return _TWO
    return SINGLE.index(known.pop()) + 1 if known & set(SINGLE) else 0


def twofold(way: Way) -> bool:
    return strength(way) >= _TWO


def judge(ways: Iterable[Way], unknown: Iterable[str] = (), enrolled: Iterable[str] = ()) -> Verdict:
    """What these ways come to. unknown: what else could not be told; enrolled: second factors that somebody has."""
    every, why = list(ways), tuple(unknown)
    single = [way for way in every if sure(way) and not twofold(way)]
    unsure = [way for way in every if not sure(way) and not twofold(way)]
    why += tuple(sorted({one.removeprefix(_UNSURE) for way in unsure for one in way.proved if one.startswith(_UNSURE)}))
    if single:
        state = POSSIBLE if list(enrolled) or any(twofold(way) for way in every) else IMPOSSIBLE
        return Verdict(state, weakest(single), why)
    if why or unsure:
        return Verdict(UNKNOWN, weakest(every), why)
    return Verdict(REQUIRED, weakest(every)) if every else Verdict(CLOSED)


def order(way: Way) -> tuple[Any, ...]:
    """The weakest way first; of those that ask the same the one that is limited least."""
    return (strength(way), way.bounded, len(way.limits), sorted(way.proved), way.by, way.where, way.origins)


def weakest(ways: Iterable[Way]) -> Way | None:
    return min(ways, key=order, default=None)


def account(found: Account, named: Named, asked_as: str = "") -> Judged:
    """One account of a host."""
    return Judged(
        found,
        kind(found, named, asked_as),
        *(
            judge(
                (way for way in found.ways if way.place == place),
                (why for why in found.unknown if concerns(why, place)),
                found.enrolled,
            )
            for place in (NETWORK, CONSOLE)
        ),
    )


def concerns(why: str, place: str) -> bool:
    """Whether what could not be told may hide a way in of that place. What nobody can place may hide any."""
    about = why.partition(":")[0]
    if about == "sudo":
        return False
    return about not in (_OF_CONSOLE if place == NETWORK else _OF_NETWORK)


def kind(found: Account, named: Named, asked_as: str) -> str:
    """What an account is for: as the customer's data names it, else by what it is.

    One of the system (root, and what a person gave a low number) is somebody's where there is something to log in with.
    """
    if found.name in named.break_glass:
        return BREAK_GLASS
    if found.name in named.automation or (asked_as and found.name == asked_as):
        return AUTOMATION
    if found.name in named.services or not found.shell_works or not (found.person or found.ways or found.unknown):
        return SERVICE
    return PERSON
