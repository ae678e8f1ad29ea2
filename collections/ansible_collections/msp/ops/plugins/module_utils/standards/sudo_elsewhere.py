# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What sudo reads where no role of ours changes anything: files that others include, links, and settings for some only.

A role changes sudoers and the files of sudoers.d themselves. What of a host's rules stands nowhere else is not found
here, and what this reading does not understand is taken for something that a role can change: a role is then told to.
"""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit import accounts
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.sudo_settings import weakest

_SUDOERS, _DIRECTORY = "/etc/sudoers", "/etc/sudoers.d"
# How the names of the files begin that a role writes there. What is read after them overrules them.
OURS = "zz-msp-"
_MOST_FILES = 500
_GENERAL = re.compile(r"Defaults\s+(.*)")
_OPTION = re.compile(r'(?:^|[\s,])(!*)\s*(use_pty|logfile|timestamp_timeout)\b(?:\s*=\s*(?:"([^"]*)"|([^\s,]+)))?')
_NOT_ASKED = re.compile(r"Defaults\b.*?!\s*authenticate\b")


class Line(NamedTuple):
    """A line that sudo reads. later: it is read after the files that a role writes."""

    path: str
    text: str
    later: bool


class Elsewhere(NamedTuple):
    """What stands out of reach, each with its file.

    powerful and unasked: who may do everything, and who is asked for no password, by rules of no other file. set_later:
    settings for everybody that overrule a role's, with what holds without them. not_asking: where sudo is told not to
    ask at all.
    """

    powerful: dict[str, str]
    unasked: dict[frozenset[str], str]
    set_later: dict[str, tuple[str, Any]]
    not_asking: list[str]

    def weaker(self, general: dict[str, Any], bound: list[tuple[str, dict[str, Any]]]) -> tuple[dict, dict]:
        """The settings that something out of reach makes weaker: what holds for everybody without it, and where it is.

        general is how sudo is set for everybody.
        """
        held = {**general, **{name: value for name, (_path, value) in self.set_later.items()}}
        held = weakest({**held, "logfile": held["logfile"] or None}, [])
        where = {name: [self.set_later[name][0]] if name in self.set_later else [] for name in held}
        for whom, settings in bound:
            for name, value in weakest(held, [(whom, settings)]).items():
                where[name] += ["Defaults for %s" % whom] if value != held[name] else []
        where = {name: places for name, places in where.items() if places}
        return {name: held[name] for name in where}, where


def within(host: Host, path: str) -> bool:
    """Whether a role changes this file, or directory."""
    known = path in (_SUDOERS, _DIRECTORY) or path.rpartition("/")[0] == _DIRECTORY
    return known and host.link(path) is None


def elsewhere(host: Host) -> Elsewhere:
    lines = read(host)
    mine = {path: within(host, path) for path in {line.path for line in lines}}
    if all(mine.values()):
        return Elsewhere({}, {}, {}, [])
    aliases: dict[str, dict[str, list[str]]] = {}
    rules: list[tuple[str, str]] = []
    for line in lines:
        found, _includes, more = accounts.parse_sudoers(line.text)
        rules += [(line.path, rule) for rule in found]
        for kind, table in more.items():
            aliases.setdefault(kind, {}).update(table)
    powerful = [(path, name) for path, rule in rules for name in accounts.grants(rule, aliases)]
    unasked = [(path, frozenset(accounts.named(rule, aliases))) for path, rule in rules if "NOPASSWD" in rule]
    not_asking = [line.path for line in lines if _NOT_ASKED.match(line.text)]
    return Elsewhere(
        {name: path for path, name in powerful if (True, name) not in {(mine[one], who) for one, who in powerful}},
        {who: path for path, who in unasked if (True, who) not in {(mine[one], other) for one, other in unasked}},
        _set_later(lines, mine),
        [] if any(mine[path] for path in not_asking) else sorted(set(not_asking)),
    )


def _set_later(lines: list[Line], mine: dict[str, bool]) -> dict[str, tuple[str, Any]]:
    """By setting the file out of reach that has the last word on it, and what a file within reach says."""
    last: dict[str, Line] = {}
    own: dict[str, Any] = {"use_pty": False, "logfile": None, "timestamp_timeout": None}
    for line in lines:
        general = _GENERAL.match(line.text)
        for marks, name, quoted, bare in _OPTION.findall(general.group(1) if general else ""):
            last[name] = line
            if mine[line.path]:
                own[name] = False if len(marks) % 2 else quoted or bare or True
    return {name: (line.path, own[name]) for name, line in last.items() if line.later and not mine[line.path]}


def read(host: Host) -> list[Line]:
    """All that sudo reads, in its order: the last setting counts."""
    found: list[Line] = []
    _read(host, _SUDOERS, found, set(), set())
    return found


def _read(host: Host, path: str, found: list[Line], seen: set[str], later: set[str]) -> None:
    """seen are the files that were read; later has the directory once sudo came past the files of a role in it."""
    if path in seen:
        return
    if len(seen) > _MOST_FILES:
        raise Unmeasurable("sudo has more than %d files of rules" % _MOST_FILES)
    seen.add(path)
    for text in accounts.logical_lines(host.text(path)):
        kind, place = accounts.included(text)
        full = place if place.startswith("/") else "/etc/" + place
        if not kind:
            found.append(Line(path, text, bool(later)))
        elif kind == "include":
            if host.exists(full):
                _read(host, full, found, seen, later)
        else:
            directory = full.rstrip("/")
            for name in host.names(full):
                if directory == _DIRECTORY and name >= OURS:
                    later.add(directory)
                inner = "%s/%s" % (directory, name)
                if "." not in name and not name.endswith("~") and os.path.isfile(host.path(inner)):
                    _read(host, inner, found, seen, later)
            if directory == _DIRECTORY:
                later.add(directory)
