# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a secret is changed so that a crash at any step locks nobody out: what to do next, out of what is seen. Pure.

Kept first, set second, marked third. Whoever keeps need not be able to open, so a version that was kept by a run that
ended before it was set is nobody's any more, and a new one is kept. The host itself says which version it takes: it
writes down the version's name, with what tells whether it took it, before it takes it.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Collection
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Standing

# Without characters that look alike, for somebody may have to read it off a screen onto a console.
ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
LENGTH = 24
# Of two controllers.
_CLOCKS_DIFFER = dt.timedelta(hours=1)
CHANGE, MARK, NOTHING = STEPS = ("keep a new one, set it, mark it", "mark what the host takes", "nothing")


def new_password(before: Collection[str] = ()) -> str:
    """A random one: 24 of 56 characters, that is 139 bits; none of those before."""
    while True:
        found = "".join(secrets.choice(ALPHABET) for _place in range(LENGTH))
        if found not in before:
            return found


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known before a step.

    on_host is the version that the host says it takes; None where it takes none that it knows by name. due: the
    current one is too old, or was used.
    """

    standing: Standing
    on_host: str | None
    due: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, with which version where it is one that is kept."""

    do: str
    version: str = ""


def next_step(seen: Seen) -> Step:
    """The one step that is safe and leads on; NOTHING when the host takes the current one and it is not due."""
    current, later = seen.standing.current, seen.standing.later
    # The host took one and the mark was never made.
    if seen.on_host in later:
        return Step(MARK, seen.on_host or "")
    # One that the escrow does not know, or an older one (the host was put back from a copy): nobody can look it up.
    if seen.due or seen.on_host is None or seen.on_host != current:
        return Step(CHANGE)
    return Step(NOTHING)


def due(written: dt.datetime | None, now: dt.datetime, every: dt.timedelta, *, given: bool) -> bool:
    """Whether the one in force is to be changed: there is none, it is too old, or somebody was given it.

    One from the future was written by a clock that was wrong, and nobody knows how old it is.
    """
    if written is None or given:
        return True
    return now - written >= every or written - now > _CLOCKS_DIFFER
