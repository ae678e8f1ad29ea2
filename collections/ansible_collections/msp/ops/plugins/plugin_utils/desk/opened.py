# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rollout out of the evidence store, with what it installs, open for more events."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StoredRollout
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.deciding import World
from ansible_collections.msp.ops.plugins.plugin_utils.patching.history import History
from ansible_collections.msp.ops.plugins.plugin_utils.patching.portion import Portions
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Entry, Manifest
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Rollout

NOTHING = Manifest.of(())


@dataclass
class Opened:
    """One rollout, and what a round did to it.

    manifest is what it installs; NOTHING where damaged says that the store has another than what was frozen. What does
    not change while a round lasts is kept: portions and world, None before they were asked for.
    """

    plan: str
    manifest: Manifest
    damaged: str
    history: History
    steps: list[str] = field(default_factory=list)
    portions: Portions | None = None
    world: World | None = None

    @classmethod
    def of(cls, store: Store, stored: StoredRollout, fence: int, fresh: StoredRollout | None = None) -> Opened:
        """stored: as it was read just now. fresh: one that is in no store, because this is a preview."""
        as_read = [stored]

        def read() -> Iterable[events.Event]:
            found = fresh or (as_read.pop() if as_read else store.rollout(stored.id))
            return events.of(found) if found is not None else ()

        def write(number: int, event: events.Event) -> None:
            store.append_event(stored.id, number, events.stored(event), fence)

        try:
            manifest, damaged = manifest_of(stored), ""
        except MspError as error:
            manifest, damaged = NOTHING, str(error)
        return cls(stored.plan, manifest, damaged, History(stored.id, read, write))

    @property
    def rollout(self) -> Rollout:
        return self.history.rollout

    def pretend(self, event: events.Event) -> None:
        self.history.rollout = self.rollout.after(event)


def manifest_of(stored: StoredRollout) -> Manifest:
    """What a rollout installs, as it was frozen. MSP-PAT-141 where it is not what was approved."""
    try:
        rows = stored.body["manifest"]
        found = Manifest.of(Entry(**{**one, "advisories": tuple(one.get("advisories", ()))}) for one in rows)
        said = f"one with the hash {found.hash()}"
    except (KeyError, TypeError, AttributeError) as error:
        found, said = NOTHING, f"what is none ({type(error).__name__}: {error})"
    if found.hash() != stored.manifest_hash:
        raise MspError(
            "MSP-PAT-141",
            f"the manifest {stored.manifest_hash} of rollout {stored.id}",
            said,
            "abort the rollout (patch_action=abort): nobody approved what the store has now; see who changed it",
        )
    return found


def sound(rollouts: Iterable[StoredRollout]) -> list[tuple[StoredRollout, Manifest]]:
    """Those whose manifest is as it was frozen, each with it. What the others installed, nobody knows from here."""
    found = []
    for stored in rollouts:
        with contextlib.suppress(MspError):
            found.append((stored, manifest_of(stored)))
    return found


def plain_entry(entry: Entry) -> dict[str, Any]:
    """An entry as the store keeps it."""
    return {**dataclasses.asdict(entry), "advisories": list(entry.advisories)}
