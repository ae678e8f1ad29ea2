# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the ssh server would treat a login: what sshd itself says, not what one of its files says.

`sshd -T` prints the settings that hold for a connection that no Match block is for. Where a Match block sets what is
asked, sshd is asked again as such a connection, and a value that differs is told. Nothing is reloaded or written.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit import accounts
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.ssh_connections import ANYBODY, connection
from ansible_collections.msp.ops.plugins.module_utils.standards.sudo import groups_elsewhere

_CONFIG = "/etc/ssh/sshd_config"
_DEEPEST_INCLUDE = 16
_MOST_FILES = 200
# Older names that sshd takes, and prints as the newer ones.
_ALSO = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "skeyauthentication": "kbdinteractiveauthentication",
    "dsaauthentication": "pubkeyauthentication",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "hostbasedacceptedkeytypes": "hostbasedacceptedalgorithms",
    "keepalive": "tcpkeepalive",
}
# Older words that sshd prints for what its manual calls otherwise now.
_WORDS = {("permitrootlogin", "without-password"): "prohibit-password"}


class Block(NamedTuple):
    """One Match block: what it asks of a connection, and the keywords that it sets."""

    condition: str
    keywords: frozenset[str]


def parse_settings(text: str) -> dict[str, list[str]]:
    """What sshd -T prints: a keyword may be on several lines."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _space, value = line.strip().partition(" ")
        name, value = name.lower(), value.strip()
        if name:
            found.setdefault(name, []).append(_WORDS.get((name, value), value))
    return found


def items(values: list[str]) -> list[str]:
    """Every value of a keyword on its own: of "aes128-ctr,aes256-ctr" both."""
    return [one for value in values for one in (value.split(",") if " " not in value else [value]) if one]


def words(line: str) -> list[str]:
    """A line of the configuration: the keyword in lower case, and what follows; a = between the two counts as space."""
    match = re.match(r"\s*(\w+)(?:\s*=\s*|\s+|$)(.*)", line)
    if match is None:
        return []
    name, rest = match.group(1).lower(), match.group(2)
    try:
        return [name, *shlex.split(rest, comments=True)]
    except ValueError:
        # A quote that is not closed: sshd refuses the file too, and says so itself.
        return [name, *rest.split()]


def running_options(cmdline: str) -> list[str]:
    """The -f and -o that the server which listens was started with, out of "sshd: /usr/sbin/sshd -D -o X=y [listener]".

    A configuration on the command line is no less in force than one in a file.
    """
    match = re.match(r"sshd: (\S*sshd .*)\[listener\]", cmdline.replace("\0", " "))
    given = match.group(1).split()[1:] if match else []
    found = []
    for place, word in enumerate(given):
        if word in ("-f", "-o") and place + 1 < len(given):
            found += [word, given[place + 1]]
        elif word.startswith(("-f", "-o")) and len(word) > 2:
            found += [word[:2], word[2:]]
    return found


def blocks(host: Host, place: str) -> list[Block]:
    """Every Match block of the configuration and what it includes, with the keywords set in it."""
    found: list[tuple[str, set[str]]] = []
    _walk(host, place, None, found, [], 0)
    return [Block(condition, frozenset(keywords)) for condition, keywords in found]


def _walk(  # noqa: PLR0917
    host: Host,
    place: str,
    current: set[str] | None,
    found: list[tuple[str, set[str]]],
    read: list[str],
    depth: int,
) -> None:
    """A Match block ends with its file: what follows the Include line is where that line is."""
    if depth > _DEEPEST_INCLUDE or len(read) > _MOST_FILES:
        raise Unmeasurable("sshd's configuration includes more files than can be read")
    read.append(place)
    for line in host.text(place).splitlines():
        name, *rest = words(line) or [""]
        if name == "match":
            current = set()
            found.append((line.strip().split("#")[0].split(None, 1)[-1], current))
        elif name == "include":
            for pattern in rest:
                full = pattern if pattern.startswith("/") else "/etc/ssh/" + pattern
                for one in _glob(host, full):
                    _walk(host, one, current, found, read, depth + 1)
        elif name and current is not None:
            current.add(_ALSO.get(name, name))


def _glob(host: Host, pattern: str) -> list[str]:
    base = host.root.rstrip("/")
    return sorted(one[len(base) :] for one in glob.glob(glob.escape(base) + pattern) if os.path.isfile(one))


def prepare(reader: Reader) -> None:
    if reader.host.program("sshd"):
        reader.host.prepare(*_command(reader.once(_options)))


def measure(reader: Reader, name: str, user: str | None = None) -> dict:
    """value is all that is printed for the keyword, and where a Match block makes it another, that too.

    each is there only then: what holds for everybody else, and what holds by those blocks, one by one. within_reach is
    what holds without them and without the command line of the server: a role changes neither.
    """
    if not reader.host.program("sshd"):
        raise Absent("there is no ssh server on this host")
    name = _ALSO.get(name.lower(), name.lower())
    if user is not None:
        return _printed(reader.once(_settings, _specification(dict(ANYBODY, user=user))).get(name, []))
    values = reader.once(_settings, None).get(name, [])
    alone = _printed(values)
    told, single, each, where = [alone["value"]], items(values), [alone["value"]], []
    earlier: list[str] = []
    for block in reader.once(_blocks):
        if name not in block.keywords:
            continue
        members, complete = reader.once(_members)
        asked = connection(block.condition, members, earlier, complete)
        earlier.append(block.condition)
        others = values if asked is None else reader.once(_settings, _specification(asked)).get(name, [])
        if others != values:
            told.append("%s for Match %s" % (" ".join(others), block.condition))
            single += [one for one in items(others) if one not in single]
            each.append(" ".join(others))
            where.append("Match %s" % block.condition)
    found = {"value": "; ".join(told), "values": single, **({"each": each} if len(each) > 1 else {})}
    started = [one for one in reader.once(_options)[1::2] if name in _keyword(one)]
    mine = _printed(reader.once(_settings_of_files).get(name, [])) if started else alone
    where += ["-o %s" % one for one in started]
    return {**found, "within_reach": mine, "out_of_reach": dict.fromkeys(mine, where)} if where else found


def as_login(reader: Reader, asked: dict[str, str]) -> dict[str, list[str]]:
    """All settings as they hold for one login, which is named as -C takes it."""
    found: dict[str, list[str]] = reader.once(_settings, _specification(asked))
    return found


def match_blocks(reader: Reader) -> list[Block]:
    """Every Match block of the server that runs."""
    found: list[Block] = reader.once(_blocks)
    return found


def prepare_login(reader: Reader, asked: dict[str, str]) -> None:
    """Start what as_login asks, to be read later."""
    reader.host.prepare(*_command(reader.once(_options), _specification(asked)))


def _printed(values: list[str]) -> dict:
    return {"value": " ".join(values), "values": items(values)}


def _options(reader: Reader) -> tuple[str, ...]:
    host = reader.host
    for number in sorted((int(one) for one in host.names("/proc") if one.isdigit())):
        if host.line("/proc/%d/comm" % number) == "sshd":
            found = running_options(host.line("/proc/%d/cmdline" % number) or "")
            if found:
                return tuple(found)
    return ()


def _command(options: tuple[str, ...], specification: str | None = None) -> tuple[str, ...]:
    return ("sshd", "-T", *options, *(("-C", specification) if specification else ()))


def _specification(asked: dict[str, str]) -> str:
    if any("," in value for value in asked.values()):
        raise Unmeasurable("sshd cannot be asked for a name with a comma in it")
    return ",".join("%s=%s" % (name, value) for name, value in asked.items())


def _settings(reader: Reader, specification: str | None) -> dict[str, list[str]]:
    return parse_settings(reader.answer(*_command(reader.once(_options), specification)).out)


def _settings_of_files(reader: Reader) -> dict[str, list[str]]:
    """Without what the server that runs was told when it was started, but for where its file is."""
    options = reader.once(_options)
    places = [
        one for place in range(0, len(options), 2) if options[place] == "-f" for one in options[place : place + 2]
    ]
    return parse_settings(reader.answer(*_command(tuple(places))).out)


def _keyword(option: str) -> list[str]:
    return [_ALSO.get(one, one) for one in words(option)[:1]]


def _blocks(reader: Reader) -> list[Block]:
    options = reader.once(_options)
    places = [options[number + 1] for number, flag in enumerate(options[:-1]) if flag == "-f"]
    place = places[-1] if places else _CONFIG
    return blocks(reader.host, place) if reader.host.exists(place) else []


def _members(reader: Reader) -> tuple[dict[str, list[str]], bool]:
    """The users of every group of this host, and whether these are all: a directory may have others."""
    users = accounts.parse_passwd(reader.host.text("/etc/passwd"))
    groups = accounts.parse_group(reader.host.text("/etc/group"))
    known = {group: [one for one in accounts.members(group, users, groups) if one in users] for group in groups}
    return known, not groups_elsewhere(reader.host)
