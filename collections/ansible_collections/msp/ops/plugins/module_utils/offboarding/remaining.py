# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who can still become root on a host when certain keys and accounts are gone, by what the host says of logins. Pure.

It reads what module_utils/standards/access.py measures. Only what is known for certain counts: a way of which nobody
knows what it asks for is none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.standards.access_words import (
    COMMAND,
    HARDWARE,
    KEY,
    NO_SHELL,
    NONE,
    PASSWORD,
    SET,
    UNKNOWN,
    UNTOUCHED,
)

# What somebody has who can log in without anybody else; the rest comes on top of it.
_OWN = frozenset((KEY, HARDWARE, UNTOUCHED, PASSWORD))
_HARDWARE_KINDS = "sk-"
_DIRECTORY = "directory"
ITSELF, SUDO, SU = "root itself", "sudo", "su"


class Way(NamedTuple):
    """An account that is let in, by what, and how it becomes root."""

    account: str
    by: str
    proved: tuple[str, ...]
    root: str

    def told(self) -> str:
        return "%s by %s (%s), %s" % (self.account, self.by, " and ".join(self.proved), self.root)


class Gone(NamedTuple):
    """What is there no more."""

    fingerprints: frozenset[str]
    accounts: frozenset[str]


def ways(accounts: Iterable[Mapping[str, Any]], gone: Gone, *, su: bool) -> list[Way]:
    """Every way to root that is left. su: the host has that program."""
    left = [one for one in accounts if one["name"] not in gone.accounts]
    by_su = su and any(one["uid"] == 0 and one["password"] == SET for one in left)
    found = []
    for account in left:
        root = _becomes_root(account, by_su=by_su)
        if root:
            found += [
                Way(account["name"], way["by"], tuple(sorted(way["proved"])), root)
                for way in account["ways"]
                if _is_left(way, account, gone.fingerprints)
            ]
    return sorted(set(found))


def _is_left(way: Mapping[str, Any], account: Mapping[str, Any], gone: Collection[str]) -> bool:
    proved = set(way["proved"])
    if not _OWN & proved or {COMMAND, NO_SHELL} & set(way["limits"]) or not _known(proved):
        return False
    if PASSWORD in proved and account["password"] not in (SET, _DIRECTORY):
        return False
    keys = [key["kind"] for key in account["keys"] if key["fingerprint"] not in gone and not key["command"]]
    if KEY in proved and not any(not kind.startswith(_HARDWARE_KINDS) for kind in keys):
        return False
    return not {HARDWARE, UNTOUCHED} & proved or any(kind.startswith(_HARDWARE_KINDS) for kind in keys)


def _known(proved: Iterable[str]) -> bool:
    return not any(one.startswith(UNKNOWN) for one in proved)


def _becomes_root(account: Mapping[str, Any], *, by_su: bool) -> str:
    if account["uid"] == 0:
        return ITSELF
    for rule in account["sudo"]:
        asks = [one for one in rule["asks"] if _known(one) and (PASSWORD not in one or account["password"] != NONE)]
        if rule["root"] and "ALL" in rule["commands"] and asks:
            return SUDO
    return SU if by_su and account["shell_works"] else ""
