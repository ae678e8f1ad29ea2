# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a worker holds while it is at work: the events that it claimed, and the leases of what it works on.

A thread renews them from the moment of the claim: a NetBox that is slow, or a playbook that is silent for minutes, must
not lose them. Whoever could not renew them for as long as they last has lost them, whatever the store would say.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.events.duties import Duty
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import incoming, leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.incoming import Claim
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

# How long a worker that died holds up what it had; renewed three times in that time.
HELD_SECONDS = 30.0
RENEW_SECONDS = HELD_SECONDS / 3
# Ours ends this much before the store's, whose clock is another.
MARGIN_SECONDS = 3.0
BUSY = "MSP-EVD-015"


class Held:
    """A claim, and what take() took besides. Use it as a context manager."""

    def __init__(self, store: Store, claimed: Claim, holder: str, since: float) -> None:
        """since: time.monotonic() from before the claim was made."""
        self.store, self.claimed, self.holder = store, claimed, holder
        self._good = since
        self._lost = threading.Event()
        self._over = threading.Event()
        self._leases: list[leases.Lease] = []
        self._thread = threading.Thread(target=self._renew, daemon=True, name="renew claims")

    def __enter__(self) -> Held:
        self._thread.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self._over.set()
        self._thread.join()
        for lease in self._leases:
            with suppress(MspError):  # the store is away: a lease that nobody renews runs out by itself
                leases.release(self.store, lease)

    def take(self, wanted: Sequence[Duty]) -> bool:
        """Take the leases of all that is to be worked on. False where another has one: nothing is kept then.

        On one asset one piece of work is done at a time, and what is about a customer as a whole while nothing is done
        on any of its assets. Each takes its own first and looks at the other's then, so that of two one at least sees
        the other.
        """
        assets = sorted({f"work {duty.customer}/{duty.asset}" for duty in wanted if duty.asset})
        whole = sorted({f"work {duty.customer}" for duty in wanted if not duty.asset})
        taken: list[leases.Lease] = []
        free = True
        try:
            for name in (*whole, *assets):
                taken.append(leases.take(self.store, name, self.holder, HELD_SECONDS))
            free = not self._others(wanted, {*whole, *assets})
        except MspError as error:
            if error.code != BUSY:
                raise
            free = False
        finally:
            self._leases += taken
        if not free:
            for lease in taken:
                self._leases.remove(lease)
                leases.release(self.store, lease)
        return free

    def _others(self, wanted: Sequence[Duty], mine: set[str]) -> bool:
        """Whether another works on the whole of a customer of whom an asset is ours, or on an asset of one who is."""
        for customer in {duty.customer for duty in wanted}:
            name = f"work {customer}"
            live = set(leases.live(self.store, name))
            if name not in mine and name in live:
                return True
            if name in mine and any(one.startswith(f"{name}/") and one not in mine for one in live):
                return True
        return False

    def ours(self) -> bool:
        """Whether all of it is still ours, by our own clock: asks nobody, and can't hang."""
        return not self._lost.is_set() and time.monotonic() - self._good < HELD_SECONDS - MARGIN_SECONDS

    def certain(self) -> bool:
        """The same, and the store says so: asked before anything is begun."""
        started = time.monotonic()
        if not incoming.renew(self.store, self.claimed, HELD_SECONDS):
            self._lost.set()
            return False
        self._good = max(self._good, started)
        return self.ours()

    def _renew(self) -> None:
        while not self._over.wait(RENEW_SECONDS):
            started = time.monotonic()
            with suppress(MspError):  # ours() says when that has gone on for too long
                if not incoming.renew(self.store, self.claimed, HELD_SECONDS):
                    self._lost.set()
                    return
                for lease in list(self._leases):
                    leases.take(self.store, lease.name, self.holder, HELD_SECONDS)
                self._good = max(self._good, started)
