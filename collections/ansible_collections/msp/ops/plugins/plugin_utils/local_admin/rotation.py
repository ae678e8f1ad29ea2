# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One rotation of the password of one account: asks the host, keeps, sets, marks. Pure: the escrow and the host come
as what speaks to them.

Whatever it was doing when it was ended, the next one goes on from what the host and the escrow say.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import rotating
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Place, Standing

RENEW, FETCHED, USED, UNTESTED, UNKNOWN, ASKED = REASONS = (
    "it is too old, others may open it now, or what is kept of it is not what was written",
    "somebody was given it",
    "it was used on the host",
    "no login with it was tested lately",
    "the host takes none that is kept",
    "it was asked for",
)
KEPT, SET, MARKED = STEPS = ("kept", "set", "marked")


class Escrow(Protocol):
    """One customer's, as desk.escrowing has it."""

    def keep(self, place: Place, value: str, *, host: str = "") -> str: ...

    def mark(self, place: Place, version: str, *, host: str = "") -> None: ...

    def standing(self, place: Place) -> Standing: ...

    def due(self, place: Place, every: dt.timedelta) -> bool: ...

    def given(self, place: Place) -> bool: ...


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
    """What was done: the steps, and why a new password was due, empty where it was not.

    uses are those that were seen on the host before anything was done. version is the one in force at the end. fresh is
    its password where this run made it up: of another only people have what opens it.
    """

    uses: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    version: str | None = None
    fresh: str | None = field(default=None, repr=False)

    @property
    def changed(self) -> bool:
        return bool(self.steps)


def read(host: str, said: Mapping[str, Any]) -> Looked:
    """What msp.ops.local_password answered. Raises MspError: it could not (its own code, or MSP-ADM-010)."""
    if said.get("failed") or "exists" not in said:
        raise failed(host, said)
    tested = said.get("tested")
    return Looked(
        exists=bool(said["exists"]),
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


@dataclass(frozen=True, slots=True)
class Account:
    """Whose password it is: its place in the escrow, and what people call the host."""

    place: Place
    host: str


def reasons(escrow: Escrow, place: Place, looked: Looked, by: Policy, now: dt.datetime) -> tuple[str, ...]:
    """Every reason why the version that is in force is to be changed."""
    current = escrow.standing(place).current
    if looked.version is None or looked.version != current:
        return (UNKNOWN,)
    found = []
    if escrow.given(place):
        found.append(FETCHED)
    elif escrow.due(place, by.every):
        found.append(RENEW)
    if looked.uses:
        found.append(USED)
    if by.tested is not None and (looked.tested is None or now - looked.tested >= by.tested):
        found.append(UNTESTED)
    if by.force:
        found.append(ASKED)
    return tuple(found)


def rotate(
    escrow: Escrow,
    account: Account,
    host: Host,
    by: Policy,
    now: dt.datetime,
    *,
    dry: bool = False,
    seen: Callable[[Looked], None] = lambda _looked: None,
    ready: Callable[[], None] = lambda: None,
) -> Outcome:
    """Bring an account to where its password is kept, in force, marked and not due. dry: only say what would be done.

    seen is told what the host says before anything is done: a new password ends what the host knows of the old one.
    ready is asked where a new one is due, before it is made: it raises where what follows could not be done.
    Raises MspError. Whatever it was doing when it was ended, the host takes one that is in the escrow.
    """
    place = account.place
    looked = host.look()
    if not looked.exists:
        if dry:
            return Outcome(because=(UNKNOWN,), steps=STEPS)
        raise absent(account.host, place.name)
    seen(looked)
    outcome = Outcome(uses=looked.uses)
    standing = escrow.standing(place)
    # The host took one, and the run was ended before that was marked.
    if rotating.next_step(rotating.Seen(standing, looked.version, due=False)).do == rotating.MARK:
        outcome.steps = (MARKED,)
        if dry:
            return outcome
        escrow.mark(place, str(looked.version), host=account.host)
    outcome.because = reasons(escrow, place, looked, by, now)
    known = rotating.Seen(escrow.standing(place), looked.version, due=bool(outcome.because))
    if rotating.next_step(known).do == rotating.NOTHING:
        outcome.version = looked.version
        return outcome
    ready()
    outcome.steps = (*outcome.steps, *STEPS)
    if dry:
        return outcome
    fresh = rotating.new_password()
    version = escrow.keep(place, fresh, host=account.host)
    host.set(version, fresh)
    after = host.look()
    if after.version != version:
        raise MspError(
            "MSP-ADM-011",
            f"{account.host} to take the new password of {place.name}",
            "another one in force a moment later",
            "see what else changes passwords on this host; every version that may be in force is in the escrow",
        )
    escrow.mark(place, version, host=account.host)
    outcome.version, outcome.fresh = version, fresh
    return outcome


def absent(host: str, account: str) -> MspError:
    return MspError(
        "MSP-ADM-005",
        f"an account {account} on {host}",
        "none",
        "bring its controls about first (playbooks/standardise.yml), or name another account",
    )


def not_pipelined(host: str) -> MspError:
    return MspError(
        "MSP-ADM-013",
        f"a connection to {host} by which a module reaches it without a file (pipelining), for it has a password in it",
        "one without pipelining, or become by su, or ANSIBLE_KEEP_REMOTE_FILES",
        "use ssh with pipelining = true and sudo, as ansible.cfg of this project does; nothing was set",
    )


def no_door(host: str, transport: str) -> MspError:
    return MspError(
        "MSP-ADM-012",
        f"a connection to {host} by ssh, for a real login to be tried",
        f"one by {transport}",
        "reach it by ssh; no password was changed",
    )


def unseen(host: str, account: str, uses: Sequence[str]) -> MspError:
    return MspError(
        "MSP-ADM-014",
        f"{host} to note exactly one login of {account}, the one that was tried",
        "; ".join(str(one)[:200] for one in uses) or "none",
        "see that controls local-admin-noticed and break-glass-login hold; where another login stands there, somebody "
        "has the password",
    )
