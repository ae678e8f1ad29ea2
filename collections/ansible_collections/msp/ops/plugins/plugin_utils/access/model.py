# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who can log in to a host, as the host told it (module_utils/standards/access.py), in a shape that is checked. Pure.

A host is never trusted: what is not in this shape is refused as a whole, so that nothing is taken for safe that was
only left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.standards import access_words
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing

NETWORK, CONSOLE = PLACES = (access_words.NETWORK, access_words.CONSOLE)
# What an account is for.
KINDS = PERSON, BREAK_GLASS, AUTOMATION, SERVICE = ("person", "break-glass", "automation", "service")
# How its password is, for an account of the host itself; that of a directory's account is the directory's.
PASSWORDS = ("none", "empty", "set", "directory")
MOST_ACCOUNTS = 20_000


_ANYWHERE = frozenset(("*", "0.0.0.0/0", "::/0"))


def _for_all(line: str) -> bool:
    """Whether a Match line is for whoever comes from anywhere: addresses alone, and among them all."""
    words = line.split()
    return len(words) == 2 and words[0].casefold() == "address" and bool(_ANYWHERE & set(words[1].split(",")))


@dataclass(frozen=True, slots=True)
class Way:
    """One way in. proved is what has to be shown, all of it; origins from where, each list has to fit; where the Match
    lines of sshd for which alone it is there ((): always); limits what it is good for alone.
    """

    place: str
    by: str
    proved: frozenset[str]
    origins: tuple[tuple[str, ...], ...] = ()
    where: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()

    @property
    def bounded(self) -> bool:
        """Whether it is only there from some addresses. A list or a Match line for all addresses bounds nothing."""
        return any(not _ANYWHERE & set(one) for one in self.origins) or not all(map(_for_all, self.where))


@dataclass(frozen=True, slots=True)
class Sudo:
    """Commands that may be run by sudo, as root or as others, and what has to be shown: one of asks, () is nothing."""

    root: bool
    commands: tuple[str, ...]
    asks: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Account:
    """One account. unknown: what could not be told of it, and why. fingerprints are those of its keys."""

    name: str
    uid: int
    source: str
    person: bool
    shell_works: bool
    password: str
    locked: bool
    expired: bool
    must_change: bool
    fingerprints: tuple[str, ...]
    enrolled: tuple[str, ...]
    ways: tuple[Way, ...]
    sudo: tuple[Sudo, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostAccess:
    """One host. closed: how many more accounts it has, which have no way in. asked_as: who measured."""

    accounts: tuple[Account, ...]
    closed: int
    directory: tuple[str, ...]
    unknown: tuple[str, ...]
    asked_as: str = ""


def body(found: Mapping[str, Any], asked_as: str) -> dict[str, Any]:
    """The facts that hold what a host told: an account that is the same on many hosts is stored in the same words."""
    rest = {name: found[name] for name in ("closed", "directory", "unknown")}
    accounts = [hashing.canonical_json(dict(one)) for one in found["accounts"]]
    return {"accounts": accounts, **rest, "asked_as": asked_as}


def read(facts: Mapping[str, Any]) -> HostAccess:
    """What such facts say. ValueError where they are in another shape."""
    try:
        rows = [json.loads(text) for text in facts["accounts"]]
        return _read({**facts, "accounts": rows}, _text(facts["asked_as"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def check(found: Any) -> None:
    """Raise ValueError for an answer of a host that is not in the shape that this code reads."""
    try:
        _read(found, "")
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _read(found: Mapping[str, Any], asked_as: str) -> HostAccess:
    if len(found["accounts"]) > MOST_ACCOUNTS:
        raise ValueError(f"more than {MOST_ACCOUNTS} accounts")
    return HostAccess(
        tuple(_account(row) for row in found["accounts"]),
        _number(found["closed"]),
        _texts(found["directory"]),
        _texts(found["unknown"]),
        asked_as,
    )


def _account(row: Mapping[str, Any]) -> Account:
    if row["password"] not in PASSWORDS or row["source"] not in ("local", "directory"):
        raise ValueError("an account with a password or a source of no known kind")
    return Account(
        name=_text(row["name"]),
        uid=_number(row["uid"]),
        source=row["source"],
        person=_flag(row["person"]),
        shell_works=_flag(row["shell_works"]),
        password=row["password"],
        locked=_flag(row["locked"]),
        expired=_flag(row["expired"]),
        must_change=_flag(row["must_change"]),
        fingerprints=tuple(_text(key["fingerprint"]) for key in row["keys"]),
        enrolled=_texts(row["enrolled"]),
        ways=tuple(_way(one) for one in row["ways"]),
        sudo=tuple(_sudo(one) for one in row["sudo"]),
        unknown=_texts(row["unknown"]),
    )


def _way(row: Mapping[str, Any]) -> Way:
    if row["place"] not in PLACES:
        raise ValueError("a way of no known place")
    origins = tuple(_texts(one) for one in row["from"])
    return Way(
        row["place"],
        _text(row["by"]),
        frozenset(_texts(row["proved"])),
        origins,
        _texts(row["where"]),
        _texts(row["limits"]),
    )


def _sudo(row: Mapping[str, Any]) -> Sudo:
    return Sudo(_flag(row["root"]), _texts(row["commands"]), tuple(frozenset(_texts(one)) for one in row["asks"]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text that is none")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError("a list that is none")
    return tuple(_text(one) for one in value)


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("a number that is none")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("a yes or no that is none")
    return value


def names(values: Iterable[str]) -> tuple[str, ...]:
    """Each once, in order."""
    return tuple(sorted(set(values)))
