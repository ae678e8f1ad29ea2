# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Brings the encrypted volumes of one host about, between the host and the escrow, and renews their recovery keys.

Speaks to both through what it is given. It may be cut off anywhere: it keeps no state of its own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import Volume
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.encryption import stepping
from ansible_collections.msp.ops.plugins.plugin_utils.encryption.stepping import ADD, CLEAR, FORM, MARK, NOTHING, Known
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import records, rotating
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Place, Standing

# Each step is done once or twice in a run; one that leads nowhere is a defect, and ends.
MOST_STEPS = 12


class Escrowed(Protocol):
    """The escrow of a customer, as far as it is needed here."""

    def keep(self, place: Place, value: str, *, host: str = "") -> str: ...

    def mark(self, place: Place, version: str, *, host: str = "") -> None: ...

    def standing(self, place: Place) -> Standing: ...

    def due(self, place: Place, every: dt.timedelta) -> bool: ...

    def versions(self, place: Place) -> Collection[str]: ...


# Asks the host for one step: its name, the volume's name, and its arguments; the facts of the volume after it.
Ask = Callable[..., Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of the volumes of a host, which is an asset of a customer.

    host is what people call it. every: how old a recovery key may become; None: none is renewed. settle as in
    stepping. open_with: by a volume's name, a key that opens it. escrow_lost: by a volume's name, the version of its
    recovery key that no escrow has any more, or several. dry: only say what would be done.
    """

    customer: str
    asset: str
    host: str
    every: dt.timedelta | None
    settle: bool
    dry: bool = False
    open_with: Mapping[str, str] = field(default_factory=dict, repr=False)
    escrow_lost: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def place(self, volume: Volume) -> Place:
        return Place(self.customer, self.asset, records.DISK, volume.name)


@dataclass
class Bringing:
    """One run. done: by the volume's name, which steps were done or would be."""

    escrow: Escrowed
    ask: Ask
    wish: Wish
    done: dict[str, list[str]] = field(default_factory=dict)

    def all(self, volumes: Iterable[Volume], seen: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
        """Every volume, as far as it goes; what could not be done is raised at the end. seen: by name, the facts."""
        errors: list[MspError] = []
        for volume in volumes:
            try:
                self.one(volume, seen[volume.name])
            except MspError as error:
                errors.append(error)
        if errors:
            raise errors[0] if len(errors) == 1 else MspErrors(errors)
        return self.done

    def one(self, volume: Volume, seen: Mapping[str, Any]) -> None:
        place, key = self.wish.place(volume), self.wish.open_with.get(volume.name)
        done = self.done.setdefault(volume.name, [])
        for _time in range(MOST_STEPS):
            formed = FORM in done
            step = stepping.next_step(volume, seen, self._known(volume, place), settle=self.wish.settle, formed=formed)
            if step.do == NOTHING:
                return
            if stepping.needs_a_key(volume, step) and key is None:
                raise _by_hand(volume, step.do)
            if done.count(step.do) > 1:
                break
            done.append(step.do)
            if self.wish.dry:
                return
            if step.do in (FORM, ADD):
                new = rotating.new_password()
                version = self.escrow.keep(place, new, host=self.wish.host)
                seen = self.ask(step.do, volume.name, version=version, key=new, by=key, current=self._current(place))
                # It is known for the rest of this run alone, and opens the volume.
                key = new
            elif step.do == MARK:
                self.escrow.mark(place, step.version, host=self.wish.host)
            elif step.do == CLEAR:
                seen = self.ask(step.do, volume.name, keep=step.version, by=key)
            else:
                seen = self.ask(step.do, volume.name, key=key)
        raise stepping.unsettled(volume, seen)

    def _known(self, volume: Volume, place: Place) -> Known:
        every = self.wish.every
        standing = self.escrow.standing(place)
        due = standing.current is not None and every is not None and self.escrow.due(place, every)
        lost = self.wish.escrow_lost.get(volume.name, ())
        named = [lost] if isinstance(lost, str) else [str(one) for one in lost]
        return Known(standing, due, self.escrow.versions(place), named)

    def _current(self, place: Place) -> str | None:
        return self.escrow.standing(place).current


def _by_hand(volume: Volume, step: str) -> MspError:
    return MspError(
        "MSP-ENC-013",
        f"a key that opens the volume {volume.name}, which is unlocked by a person: {stepping.WORDS[step]}",
        "none",
        "give one (open_with), as ./msp escrow fetch tells it; docs/disk_encryption.md",
    )
