# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One rotation of the password of one account: asks the host, keeps, sets, marks, until nothing is left to do. Pure: the
escrow and the host come as what speaks to them.

Whatever it was doing when it was ended, the next one goes on from what the host and the escrow say.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import records, rotating
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Place, Standing

# Each version takes three steps; a rotation that was cut off has two of them to make up for.
_MOST_STEPS = 8
TOO_OLD, FETCHED, USED, UNTESTED, UNKNOWN, ASKED = REASONS = (
    "it is too old",
    "somebody was given it",
    "it was used on the host",
    "no login with it was tested lately",
    "the host takes none that is kept",
    "it was asked for",
)


class Escrow(Protocol):
    """One customer's, as desk.escrowing has it."""

    def keep(self, place: Place, value: str) -> str: ...

    def mark(self, place: Place, version: str) -> None: ...

    def standing(self, place: Place) -> Standing: ...

    def last_fetched(self, place: Place) -> dt.datetime | None: ...


@dataclass(frozen=True, slots=True)
class Looked:
    """What the host says of the account. version is the one that it takes, None where it knows of none.

    uses are those of the password since it was set, tested is when a login with it was seen to work.
    """

    exists: bool
    version: str | None = None
    uses: tuple[str, ...] = ()
    tested: dt.datetime | None = None


class Host(Protocol):
    def look(self) -> Looked: ...

    def set(self, version: str, password: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """When a password is due. tested: within which time a login has to have been tested; None where none is."""

    every: dt.timedelta
    tested: dt.timedelta | None = None
    force: bool = False


@dataclass(slots=True)
class Outcome:
    """What was done: the steps by name, and why a new password was due, empty where it was not.

    uses are those that were seen on the host before anything was done. password is the new one while it is at hand.
    """

    steps: list[str]
    because: tuple[str, ...]
    uses: tuple[str, ...]
    version: str | None

    @property
    def changed(self) -> bool:
        return bool(self.steps)


def read(host: str, account: str, said: Mapping[str, Any]) -> Looked:
    """What msp.ops.local_password answered. Raises MspError: it could not (its own code, or MSP-ADM-010), or there is
    no such account (MSP-ADM-005)."""
    if said.get("failed") or "exists" not in said:
        raise failed(host, said)
    if not said["exists"]:
        raise MspError(
            "MSP-ADM-005",
            f"an account {account} on {host}",
            "none",
            "bring its controls about first (playbooks/standardise.yml), or name another account",
        )
    tested = said.get("tested")
    return Looked(
        exists=True,
        version=None if said.get("version") is None else str(said["version"]),
        uses=tuple(str(one)[:300] for one in said.get("uses") or ()),
        tested=dt.datetime.fromtimestamp(tested, dt.UTC) if isinstance(tested, int) else None,
    )


def failed(host: str, said: Mapping[str, Any]) -> MspError:
    """The error of a module that failed on the host."""
    error = said.get("error")
    if isinstance(error, Mapping) and {"code", "expected", "found", "action"} <= set(error):
        return MspError(str(error["code"]), f"{error['expected']} ({host})", str(error["found"]), str(error["action"]))
    why = str(said.get("msg") or said.get("module_stderr") or "no answer").strip().replace("\n", " ")[:300]
    return MspError(
        "MSP-ADM-010",
        f"an answer of {host} about the password",
        why,
        "see that the host can be reached and the task becomes root; nothing that was kept is lost, and the next run "
        "goes on from what the host takes",
    )


def due(looked: Looked, made: dt.datetime | None, fetched: dt.datetime | None, now: dt.datetime, by: Policy) -> list[str]:
    """Every reason why the current version is to be changed. made is when it was; None where there is none."""
    found = []
    if made is None:
        found.append(UNKNOWN)
    elif rotating.due(made, None, now, by.every):
        found.append(TOO_OLD)
    if made is not None and fetched is not None and fetched >= made:
        found.append(FETCHED)
    if looked.uses:
        found.append(USED)
    if by.tested is not None and (looked.tested is None or now - looked.tested >= by.tested):
        found.append(UNTESTED)
    if by.force:
        found.append(ASKED)
    return found


def rotate(escrow: Escrow, place: Place, host: Host, policy: Policy, now: dt.datetime, *, dry: bool = False) -> Outcome:
    """Bring the account to where its password is kept, in force, marked and not due. dry: only say what would be done.

    The password of the version that was kept here is in Rotation.fresh, for a login to be tried with it.
    """
    return Rotation(escrow, place, host, policy, now).run(dry=dry)


class Rotation:
    """fresh are the passwords that this run kept itself, by version: of others only people have what opens them."""

    def __init__(self, escrow: Escrow, place: Place, host: Host, policy: Policy, now: dt.datetime) -> None:
        self.escrow = escrow
        self.place = place
        self.host = host
        self.policy = policy
        self.now = now
        self.fresh: dict[str, str] = {}
        self._set: set[str] = set()

    def run(self, *, dry: bool = False) -> Outcome:
        looked = self.host.look()
        standing = self.escrow.standing(self.place)
        first = self._due(looked, standing)
        outcome = Outcome([], tuple(first), looked.uses, looked.version)
        because = first
        for _step in range(_MOST_STEPS):
            step = self._next(looked, standing, due=bool(because))
            if step.do == rotating.NOTHING:
                outcome.version = standing.current
                return outcome
            outcome.steps.append(step.do)
            if dry:
                return outcome
            self._do(step)
            looked = self.host.look()
            standing = self.escrow.standing(self.place)
            because = self._due(looked, standing)
        raise MspError(
            "MSP-ADM-011",
            f"the password of {self.place} to be in force after it was kept, set and marked",
            f"it still is not: {', '.join(because) or 'not marked'}",
            "see what else changes it on the host, and whether the host's clock and the controller's agree",
        )

    def _due(self, looked: Looked, standing: Standing) -> list[str]:
        on_host = self._on_host(looked, standing)
        if on_host is not None and on_host in self.fresh:
            # What was set a moment ago is not due for what led to it; a use since then is.
            return [USED] if looked.uses else []
        made = None if on_host is None else records.made(on_host)
        return due(looked, made, self.escrow.last_fetched(self.place), self.now, self.policy)

    def _on_host(self, looked: Looked, standing: Standing) -> str | None:
        """An older one than those that may be in force, as after somebody brought back /etc/shadow, is none of them."""
        return looked.version if looked.version in standing.candidates else None

    def _next(self, looked: Looked, standing: Standing, *, due: bool) -> rotating.Step:
        on_host = self._on_host(looked, standing)
        step = rotating.next_step(rotating.Seen(standing, on_host, due))
        if step.do == rotating.SET and step.version not in self.fresh:
            # It can be opened by people alone.
            return rotating.Step(rotating.KEEP)
        return step

    def _do(self, step: rotating.Step) -> None:
        if step.do == rotating.KEEP:
            password = rotating.new_password(set(self.fresh.values()))
            self.fresh[self.escrow.keep(self.place, password)] = password
        elif step.do == rotating.SET:
            self.host.set(step.version, self.fresh[step.version])
        else:
            self.escrow.mark(self.place, step.version)
