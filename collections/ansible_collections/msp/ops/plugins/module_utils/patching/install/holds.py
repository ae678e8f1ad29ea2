# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a manifest is left out on this host: what the host keeps back, what needs that, what no source of it has.

A hold, a pin, a phase or a lock is somebody's decision about one package on one host. It is never overridden, and never
keeps the rest of the manifest from the host. Nothing is changed here: the manager is asked what it would do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import Manager, Simulation, States
from ansible_collections.msp.ops.plugins.module_utils.patching.install.preflight import Todo
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Package

NEEDS_HELD = "needs what is held"
# Each is one more run of the manager's solver. Where that is not enough, its own words are the refusal.
MOST_ASKED = 60


class TooMany(Exception):
    """It would take too many questions to know."""


def sort_out(what: Todo, states: States, manager: Manager, lacking: Mapping[str, str]) -> Todo:
    """What is to be done without what the host keeps back. lacking: keys that are left out anyway, each with why."""
    held = {**manager.kept_back([one for one in what.needed if one.key not in lacking], states), **lacking}
    if not held:
        return what
    free = [one for one in what.needed if one.key not in held]
    fits = _fitting_ones(free, frozenset(held), states, manager)
    held.update((one.key, NEEDS_HELD) for one in free if one not in fits)
    return replace(what, needed=tuple(fits), left_out=tuple("%s: %s" % one for one in sorted(held.items())))


def lacking(packages: Iterable[Package], gone: Iterable[str], manager: Manager) -> dict[str, str]:
    """By key, those of these packages that a simulation says no archive has, and why they are left out."""
    return {one.key: "no source of this host has %s" % one.version for one in packages if manager.lacks(one, gone)}


def _fitting_ones(free: list[Package], held: frozenset[str], states: States, manager: Manager) -> list[Package]:
    """Those of the free ones that can be installed without moving or removing what is held."""
    asked = 0

    def goes(packages: list[Package]) -> bool:
        nonlocal asked
        asked += 1
        if asked > MOST_ASKED:
            raise TooMany
        return _leaves(manager.simulate([manager.named(one) for one in packages], states), held)

    try:
        return fitting(goes, [], free)
    except TooMany:
        return free


def _leaves(found: Simulation, held: frozenset[str]) -> bool:
    """Whether it works, and leaves what is held as it is. What is gone is another reason, and no error here."""
    return not (found.error or found.removes or any(move.key in held for move in found.installs))


def fitting(goes: Callable[[list[Package]], bool], kept: list[Package], rest: list[Package]) -> list[Package]:
    """Those of rest that go together with what is kept already, with few questions where few do not; kept included."""
    if not rest or goes(kept + rest):
        return kept + rest
    if len(rest) == 1:
        return kept
    half = len(rest) // 2
    return fitting(goes, fitting(goes, kept, rest[:half]), rest[half:])
