# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be withdrawn from a host, by what was seen there: which steps, in which order, what forbids them. Pure.

The keys by which the automation itself comes in are apart from the rest: they go when nothing else is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.offboarding.key_lines import PublicKey
from ansible_collections.msp.ops.plugins.module_utils.offboarding.remaining import Way


class Keys(NamedTuple):
    """A file that lets our keys in: for which accounts, which keys, and why it cannot be changed, if so."""

    path: str
    users: tuple[str, ...]
    keys: tuple[PublicKey, ...]
    obstacle: str = ""

    def told(self) -> list[str]:
        return ["key %s of %s, in %s" % (key.told(), ", ".join(self.users), self.path) for key in self.keys]


class Ours(NamedTuple):
    """An account that the roles made. open: a password fits it or it has not expired; ours_runs: this program is one
    of its processes."""

    name: str
    uid: int
    open: bool
    granted: bool = False
    processes: int = 0
    shared: bool = False
    ours_runs: bool = False

    def told(self) -> list[str]:
        return [
            *(["login granted to %s" % self.name] if self.granted else []),
            *(["account %s, which is open" % self.name] if self.open else []),
            *(["logins of %s that go on" % self.name] if self.processes else []),
        ]


class DropIn(NamedTuple):
    """A file that the roles wrote for such an account. ours: it begins as they began it."""

    path: str
    ours: bool


class Seen(NamedTuple):
    """All of it. through: the account by which the automation is logged in."""

    keys: tuple[Keys, ...]
    accounts: tuple[Ours, ...]
    files: tuple[DropIn, ...]
    ways: tuple[Way, ...]
    untold: tuple[str, ...]
    through: str


class Plan(NamedTuple):
    """What goes first, and the keys that go last."""

    accounts: tuple[Ours, ...]
    files: tuple[DropIn, ...]
    keys: tuple[Keys, ...]
    last: tuple[Keys, ...]

    def rest_told(self) -> list[str]:
        return [
            *(line for one in self.accounts for line in one.told()),
            *("file %s" % one.path for one in self.files),
            *(line for one in self.keys for line in one.told()),
        ]

    def last_told(self) -> list[str]:
        return [line for one in self.last for line in one.told()]


def plan(seen: Seen, *, leave_closed: bool) -> Plan:
    """Raises MspError where it must not be begun; then nothing of the host was changed."""
    made = Plan(
        tuple(one for one in seen.accounts if one.told()),
        seen.files,
        tuple(one for one in seen.keys if seen.through not in one.users),
        tuple(one for one in seen.keys if seen.through in one.users),
    )
    _check_files(seen)
    _check_accounts(made.accounts)
    if made.rest_told() or made.last:
        _check_ways(seen, leave_closed=leave_closed)
    return made


def _check_files(seen: Seen) -> None:
    obstacles = [one.obstacle for one in seen.keys if one.obstacle]
    if obstacles:
        raise MspError(
            "MSP-OFF-003",
            "files of keys that can be changed on the host",
            "; ".join(obstacles),
            "put a plain file there that the account or root owns, and run it again; nothing was changed",
        )
    strange = [one.path for one in seen.files if not one.ours]
    if strange:
        raise MspError(
            "MSP-OFF-006",
            "the files that msp.ops wrote for its own accounts to be as it wrote them",
            "other text in %s" % ", ".join(strange),
            "move what is the customer's to a file of another name, remove these, run it again; nothing was changed",
        )


def _check_accounts(accounts: Iterable[Ours]) -> None:
    wrong = [
        *("%s is root by another name, or shares its number" % one.name for one in accounts if one.shared),
        *("this run is logged in as %s" % one.name for one in accounts if one.ours_runs),
    ]
    if wrong:
        raise MspError(
            "MSP-OFF-005",
            "accounts to withdraw that are nobody else's, and not the one by which this run is logged in",
            "; ".join(wrong),
            "log in as another account (ansible_user), or take that name out of the accounts; nothing was changed",
        )


def _check_ways(seen: Seen, *, leave_closed: bool) -> None:
    if seen.ways or leave_closed:
        return
    untold: Sequence[str] = seen.untold
    raise MspError(
        "MSP-OFF-004",
        "somebody of the customer who can still become root when our access is gone, by a key or a password of his own",
        "nobody" + (", as far as the host tells (%s)" % "; ".join(untold) if untold else ""),
        "have the customer add a key or set a password first, or leave the host closed to everybody: "
        "-e offboard_leave_closed=true; nothing was changed",
    )
