# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A login that a Match block of the ssh server decides about, made up of what the block asks for. Pure.

Of all blocks that set a keyword the first one that a login matches counts. So a block is only seen by a login that none
of those before it is for: another user of the same group, another address of the same network.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Union

from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Unmeasurable

# A login that no block is made for: names and addresses that are reserved for examples.
ANYBODY = {"user": "msp-anybody", "host": "anywhere.invalid", "addr": "192.0.2.1", "laddr": "192.0.2.2", "lport": "22"}
# What a Match block may ask, and what -C calls it.
_CRITERIA = {
    "user": "user",
    "group": "user",
    "host": "host",
    "address": "addr",
    "localaddress": "laddr",
    "localport": "lport",
    "rdomain": "rdomain",
}
_ADDRESSES = ("address", "localaddress")
# What can stand for a * in a name, and for one or more octets of an address.
_NAMES = ("msp-anybody", "x", "another", "")
_OCTETS = ("1", "1.1", "1.1.1", "203", "203.1", "203.1.1", ":1")
# More logins than that are not tried for one block.
_MOST_TRIED = 2000
Members = Mapping[str, Collection[str]]
# What a Match line asks for: each a criterion and its patterns. All have to fit.
Asked = Sequence[tuple[str, list[str]]]
_Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


def parse(condition: str) -> Asked:
    """What follows the word Match. Unmeasurable for what this code knows no login for."""
    found = []
    rest = shlex.split(condition)
    while rest:
        name, _equals, value = rest.pop(0).partition("=")
        name = name.lower()
        if name == "all":
            continue
        if not value:
            if not rest:
                raise Unmeasurable("a Match line of sshd's configuration ends in %s" % name)
            value = rest.pop(0)
        if name not in _CRITERIA:
            raise Unmeasurable("a Match line of sshd's configuration asks for %s" % name)
        found.append((name, [one for one in value.split(",") if one]))
    return found


def connection(
    condition: str, members: Members, earlier: Iterable[str] = (), complete: bool = True
) -> dict[str, str] | None:
    """A login that the Match line is for, and none of the earlier ones is; None where nobody of this host can make it.

    members are the users by group, complete where no directory has others. Unmeasurable where it can't be told.
    """
    asked, before = parse(condition), [parse(one) for one in earlier]
    members = {group: frozenset(users) for group, users in members.items()}
    choices = {key: list(_choices(key, asked, before, members)) for key in [*ANYBODY, "rdomain"]}
    for tried in itertools.islice(itertools.product(*choices.values()), _MOST_TRIED):
        found = dict(zip(choices, tried))  # noqa: B905
        if not any(_is_for(one, found, members) for one in before):
            return {key: value for key, value in found.items() if value}
    in_groups = any(name == "group" for name, _patterns in asked)
    if (complete or not in_groups) and _taken(asked, before, choices, members):
        return None
    raise Unmeasurable(
        "no login is known that Match %s decides about%s"
        % (condition[:100], ", after the blocks before it" * bool(before))
    )


def of_user(
    condition: str, user: str, members: Members, earlier: Iterable[str] = (), complete: bool = True
) -> dict[str, str] | None:
    """A login of this user that the Match line is for, and none of the earlier ones is; None where there is none.

    Unmeasurable as with connection().
    """
    known = {group: frozenset(users) for group, users in members.items()}

    def may(line: str) -> bool:
        about = [(name, patterns) for name, patterns in parse(line) if _CRITERIA[name] == "user"]
        return all(_fits(name, patterns, user, known) for name, patterns in about)

    if not may(condition):
        return None
    narrowed = "%s User %s" % (condition, shlex.quote(user))
    # What an earlier block asks of a name or a group is settled: only those that may be for this user are in the way.
    return connection(narrowed, members, [one for one in earlier if may(one)], complete)


def beside(condition: str) -> list[str]:
    """Addresses that a Match line is for, and some just outside of it."""
    return list(
        dict.fromkeys(
            one
            for name, patterns in parse(condition)
            if name == "address"
            for pattern in patterns
            for one in _addresses(pattern.lstrip("!"))
        )
    )


def inside(address: str, networks: Iterable[str]) -> bool:
    """Whether an address is in one of these networks."""
    return any(_inside(network(address), network(one)) for one in networks)


def covers(listed: Iterable[str], wanted: str) -> bool:
    """Whether a network, or an address, is one of these or part of one."""
    asked = network(wanted)
    # Of two versions of IP neither is part of the other, and to ask is an error.
    return asked is not None and any(
        known is not None and known.version == asked.version and asked.subnet_of(known)  # type: ignore[arg-type]
        for known in map(network, listed)
    )


def addresses(pattern: str) -> list[str]:
    """Addresses in a network and just beside it."""
    return list(_addresses(pattern))


def surroundings(conditions: Sequence[str]) -> list[tuple[dict[str, str], tuple[int, ...]]]:
    """Where logins may come from and go to, as far as these Match lines tell that apart, whoever logs in.

    Each is a login without a user, and which of the lines are for it or would be but for the user. The first is from
    anywhere. Unmeasurable where it can't be told.
    """
    every = [[(name, patterns) for name, patterns in parse(one) if _CRITERIA[name] != "user"] for one in conditions]
    choices: dict[str, list[str]] = {}
    for key in [*ANYBODY, "rdomain"]:
        if key != "user":
            examples = (
                example
                for asked in every
                for name, patterns in asked
                if _CRITERIA[name] == key
                for example in _examples(name, patterns, {})
            )
            choices[key] = list(dict.fromkeys([ANYBODY.get(key, ""), *examples]))
    found: dict[tuple[int, ...], dict[str, str]] = {}
    for number, tried in enumerate(itertools.product(*choices.values())):
        if number >= _MOST_TRIED:
            raise Unmeasurable("sshd's Match blocks ask for more networks than can be tried")
        one = dict(zip(choices, tried))  # noqa: B905
        fits = tuple(place for place, asked in enumerate(every) if _is_for(asked, one, {}))
        found.setdefault(fits, {key: value for key, value in one.items() if value})
    return [(login, fits) for fits, login in found.items()]


def without_user(condition: str) -> str:
    """What a Match line asks but for who logs in: "address 192.0.2.0/24"."""
    return " ".join(
        "%s %s" % (name, ",".join(patterns)) for name, patterns in parse(condition) if _CRITERIA[name] != "user"
    )


def matches(pattern: str, text: str) -> bool:
    """ssh_config(5), PATTERNS: * and ? as in file names."""
    return _like(text, pattern)


def _choices(key: str, asked: Asked, before: Sequence[Asked], members: Members) -> Iterator[str]:
    """The values that a login may have there, all of them fit for the block: what is usual first, then what sets it
    apart from the blocks before. Nothing at all is one where no block asks for it."""
    mine = [(name, patterns) for name, patterns in asked if _CRITERIA[name] == key]
    theirs = [one for other in before for one in other if _CRITERIA[one[0]] == key]
    examples = (one for name, patterns in mine + theirs for one in _examples(name, patterns, members))
    for value in dict.fromkeys([ANYBODY.get(key, ""), *examples]):
        if all(_fits(name, patterns, value, members) for name, patterns in mine):
            yield value


def _examples(name: str, patterns: list[str], members: Members) -> Iterator[str]:
    for pattern in (one.lstrip("!") for one in patterns):
        if name == "group":
            yield from sorted({user for group in members if _like(group, pattern) for user in members[group]})
        elif name in _ADDRESSES:
            yield from _addresses(pattern)
        elif "*" in pattern or "?" in pattern:
            fillers = [pattern.replace("*", filler).replace("?", (filler or "a")[0]) for filler in _NAMES]
            yield from (one for one in fillers if one)
        else:
            yield pattern


def _addresses(pattern: str) -> Iterator[str]:
    """Addresses in it and just beside it."""
    if "*" in pattern or "?" in pattern:
        for filler in _OCTETS:
            text = pattern.replace("*", filler).replace("?", filler[-1])
            if network(text):
                yield text
        return
    found = network(pattern)
    if found is None:
        return
    first, last = int(found.network_address), int(found.broadcast_address)
    kind = type(found.network_address)
    for number in (min(first + 1, last), first, last, max(last - 1, first), first - 1, last + 1):
        if 0 <= number < 2**found.max_prefixlen:
            yield str(kind(number))


def network(text: str) -> _Network | None:
    """A network, or an address as one; None for what is neither."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _is_for(asked: Asked, found: dict[str, str], members: Members) -> bool:
    return all(_fits(name, patterns, found[_CRITERIA[name]], members) for name, patterns in asked)


def _fits(name: str, patterns: list[str], value: str, members: Members) -> bool:
    """ssh_config(5): * and ? as in file names; ! takes out what it matches, and lets nobody in by itself."""
    taken = [one[1:] for one in patterns if one.startswith("!")]
    given = [one for one in patterns if not one.startswith("!")]
    return not any(_fits_one(name, one, value, members) for one in taken) and any(
        _fits_one(name, one, value, members) for one in given
    )


def _fits_one(name: str, pattern: str, value: str, members: Members) -> bool:
    if not value:
        return False
    if name == "group":
        return any(_like(group, pattern) and value in users for group, users in members.items())
    if name in _ADDRESSES and "*" not in pattern and "?" not in pattern:
        return _inside(network(value), network(pattern))
    return _like(value.lower(), pattern.lower()) if name == "host" else _like(value, pattern)


def _like(text: str, pattern: str) -> bool:
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text))


def _inside(inner: _Network | None, outer: _Network | None) -> bool:
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


# -- whether a block decides about nobody -------------------------------------------------------------------------


def _taken(asked: Asked, before: Sequence[Asked], choices: dict[str, list[str]], members: Members) -> bool:
    """Whether it is sure that nobody is left for a block: each part of it is taken by one of those before."""
    parts: dict[str, list[str]] = {}
    for name, patterns in asked:
        parts.setdefault(_CRITERIA[name], [one for one in patterns if not one.startswith("!")])
    if any(name == "group" for name, _patterns in asked):
        # Its members are known one by one.
        parts.pop("user")
        known = {"user": choices["user"]}
    else:
        known = {}
    if not all(parts.values()):
        return False
    parts.update(known)
    whole = list(itertools.islice(itertools.product(*parts.values()), _MOST_TRIED + 1))
    return len(whole) <= _MOST_TRIED and all(
        any(_takes(one, dict(zip(parts, part)), members) for one in before)  # noqa: B905
        for part in whole
    )


def _takes(asked: Asked, part: dict[str, str], members: Members) -> bool:
    """Whether a block is for every login of a part, which is by key a name, a pattern or a network."""
    return all(_holds(name, patterns, part.get(_CRITERIA[name]), members) for name, patterns in asked)


def _holds(name: str, patterns: list[str], part: str | None, members: Members) -> bool:
    narrowed = name == "group" or any(one.startswith("!") for one in patterns)
    if "*" in patterns and not narrowed and name != "rdomain":
        return True
    if part is None:
        return False
    if "*" in part or "?" in part:
        return part in patterns and not narrowed
    if name in _ADDRESSES and "/" in part:
        return not narrowed and any(_inside(network(part), network(one)) for one in patterns)
    return _fits(name, patterns, part, members)
