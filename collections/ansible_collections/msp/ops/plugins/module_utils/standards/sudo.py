# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may do what by sudo: sudo's own reading of all of its files, as cvtsudoers gives it. Runs nothing by sudo.

What cvtsudoers calls an error is one here: a rule that this code skipped would be a rule that nobody sees.
"""

from __future__ import annotations

import json
import os
import re
import stat
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit import accounts
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards.files import beyond, look, rights, whose
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.sudo_elsewhere import Elsewhere, elsewhere, within
from ansible_collections.msp.ops.plugins.module_utils.standards.sudo_settings import (
    parse_defaults,
    parse_version,
    weakest,
)

_SUDOERS = "/etc/sudoers"
_COMMAND = ("cvtsudoers", "-e", "-f", "json", _SUDOERS)
_MOST_FILES = 500
_FILE_RIGHTS, _DIRECTORY_RIGHTS = "0440", "0755"
_NSSWITCH = "/etc/nsswitch.conf"
# Sources of nsswitch.conf that are files of this host or made by it.
_OF_THIS_HOST = frozenset(("files", "compat", "systemd", "altfiles", "extrausers", "db"))
# User and group of root.
_ROOT = (0, 0)


class Rule(NamedTuple):
    """One list of commands that somebody may run. password: whether his own is asked, None where nothing is said."""

    who: tuple[str, ...]
    as_root: bool
    commands: tuple[str, ...]
    password: bool | None


def _names(rows: list | None) -> tuple[str, ...]:
    return tuple(_name(row) for row in rows or ())


def _name(row: dict) -> str:
    """A user or group of a rule as sudoers writes it: anna, %wheel, #1000, !bert."""
    found = dict(row)
    negated = bool(found.pop("negated", False))
    if len(found) != 1:
        raise Unmeasurable("cvtsudoers tells of somebody in a form that is not known: %.100r" % (row,))
    ((kind, value),) = found.items()
    marks = {
        "usergroup": "%",
        "usergid": "%#",
        "userid": "#",
        "netgroup": "+",
        "nonunixgroup": "%:",
        "nonunixgid": "%:#",
    }
    return "%s%s%s" % ("!" if negated else "", marks.get(kind, ""), value)


def parse_rules(found: dict) -> list[Rule]:
    """The User_Specs of cvtsudoers, with aliases expanded (-e)."""
    rules = []
    for spec in found.get("User_Specs", []):
        who = _names(spec.get("User_List"))
        for part in spec.get("Cmnd_Specs", []):
            runas = _names(part.get("runasusers"))
            as_root = not runas or bool({"ALL", "root", "#0"} & set(runas))
            # "(:group)" runs as oneself with another group.
            if not runas and part.get("runasgroups"):
                as_root = False
            commands = tuple(_command(row) for row in part.get("Commands", []))
            rules.append(Rule(who, as_root, commands, _flag(part.get("Options"), "authenticate")))
    return rules


def _command(row: dict) -> str:
    return "%s%s" % ("!" if row.get("negated") else "", row.get("command") or row.get("cmndalias") or "?")


def _flag(options: list | None, name: str) -> bool | None:
    for row in options or ():
        if name in row:
            return bool(row[name])
    return None


def everybody(
    rules: list[Rule], users: dict[str, tuple[int, int]], groups: dict[str, tuple[int, list[str]]]
) -> dict[str, list[str]]:
    """who may use sudo for anything, all for everything as root: as the rules name them, and people with their groups
    looked into. A group that this host's files do not have is told as it is named."""
    who = {name for rule in rules for name in rule.who if not name.startswith("!")}
    every = all_powerful(rules)
    return {
        "who": sorted(who),
        "all": sorted(every),
        "who_people": people(who, users, groups),
        "all_people": people(every, users, groups),
    }


def all_powerful(rules: list[Rule]) -> set[str]:
    """Who may do everything as root, as the rules name them."""
    found = [rule for rule in rules if rule.as_root and "ALL" in rule.commands]
    return {name for rule in found for name in rule.who if not name.startswith("!")}


def lists(rules: list[Rule]) -> list[list[str]]:
    """Who stands together in a rule by which they may do everything as root."""
    found = [rule.who for rule in rules if rule.as_root and "ALL" in rule.commands]
    return [[name for name in who if not name.startswith("!")] for who in found]


def aliases(reader: Reader, kind: str) -> dict[str, list[str]]:
    """What every User_Alias, or Cmnd_Alias, stands for, aliases in it looked into."""
    found: dict[str, list[str]] = {}
    for path in files(reader):
        if os.path.isfile(reader.host.path(path)):
            found.update(accounts.parse_sudoers(reader.host.text(path))[2].get(kind, {}))
    return {name: accounts.expand(name, found) for name in sorted(found)}


class Member(NamedTuple):
    """Somebody of a group of this host. own: it is the group of the account, which no list of members has."""

    user: str
    group: str
    own: bool


def members(
    rules: list[Rule], users: dict[str, tuple[int, int]], groups: dict[str, tuple[int, list[str]]]
) -> list[Member]:
    """Who may do everything only because of a group of this host. root, whatever it is called, may do so anyway."""
    every = all_powerful(rules)
    directly = set(people({name for name in every if not name.startswith("%")}, users, groups))
    directly |= {user for user, (uid, _gid) in users.items() if uid == 0}
    found = []
    for name, (number, listed) in sorted(groups.items()):
        if not {"%" + name, "%#" + str(number)} & every:
            continue
        found += [Member(user, name, False) for user in listed]
        found += [Member(user, name, True) for user, (_uid, gid) in sorted(users.items()) if gid == number]
    return [one for one in found if one.user not in directly]


def foreign_groups(rules: list[Rule], groups: dict[str, tuple[int, list[str]]], elsewhere: bool) -> list[str]:
    """Groups by which somebody may do everything, and whose members this host's files do not tell. Where it asks no
    directory (elsewhere) a group that is not in its files is none."""
    known = {"%" + name for name in groups} | {"%#" + str(number) for number, _listed in groups.values()}
    return sorted(name for name in all_powerful(rules) - known if elsewhere and name.startswith("%"))


def groups_elsewhere(host: Host) -> bool:
    """Whether a directory has groups, or members of groups, that no file of this host tells."""
    return asks_elsewhere(host.text(_NSSWITCH)) if host.exists(_NSSWITCH) else False


def asks_elsewhere(nsswitch: str) -> bool:
    """Whether nsswitch.conf(5) takes groups from anything but this host. Without a line it does not."""
    for line in nsswitch.splitlines():
        name, _colon, sources = line.partition("#")[0].partition(":")
        named = set(re.sub(r"\[[^\]]*\]", " ", sources).split())
        if name.strip() in ("group", "initgroups") and named - _OF_THIS_HOST:
            return True
    return False


def people(names: set[str], users: dict[str, tuple[int, int]], groups: dict[str, tuple[int, list[str]]]) -> list[str]:
    found: set[str] = set()
    for name in sorted(names):
        if name == "ALL":
            found.update(users)
        elif name.startswith("%"):
            known = name[1:] in groups or name[1:2] == "#"
            found.update(accounts.members(name[1:], users, groups) if known else [name])
        elif name.startswith("#"):
            same = [user for user, (uid, _gid) in users.items() if name[1:] == str(uid)]
            found.update(same or [name])
        else:
            found.add(name)
    return sorted(found)


def _way(rule: Rule) -> str:
    return "%s: %s" % (", ".join(rule.who), ", ".join(rule.commands))


def without_password(rules: list[Rule], general: dict[str, Any], bound: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Every way past the question for a password, as "anna: /usr/bin/apt"."""
    found = [_way(rule) for rule in rules if rule.password is False]
    if general.get("authenticate") is False:
        found.append("Defaults: !authenticate")
    found += [
        "Defaults for %s: !authenticate" % whom for whom, settings in bound if settings.get("authenticate") is False
    ]
    return sorted(set(found))


def prepare(reader: Reader) -> None:
    if reader.host.program("sudo"):
        reader.host.prepare(*_COMMAND)
        reader.host.prepare("sudo", "-V")


def measure(reader: Reader) -> dict:
    host = reader.host
    if not host.program("sudo"):
        raise Absent("sudo is not on this host")
    found = rules_of(reader)
    general, bound = parse_defaults(found)
    rules = parse_rules(found)
    users = accounts.parse_passwd(host.text("/etc/passwd"))
    groups = accounts.parse_group(host.text("/etc/group"))
    by_group = members(rules, users, groups)
    foreign = foreign_groups(rules, groups, groups_elsewhere(host))
    version = parse_version(reader.answer("sudo", "-V").out)
    value: dict[str, Any] = {
        **everybody(rules, users, groups),
        "by_group": sorted({one.user for one in by_group} | set(foreign)),
        "members": [one._asdict() for one in by_group],
        "lists": lists(rules),
        "aliases": aliases(reader, "User_Alias"),
        "command_aliases": aliases(reader, "Cmnd_Alias"),
        "nopasswd": without_password(rules, general, bound),
        "files_wrong": wrong_files(reader),
        "defaults": weakest(version, bound),
    }
    other = elsewhere(host)
    foreign_files = {one: one for one in value["files_wrong"] if not within(host, one.rsplit(" ", 2)[0])}
    apart = {
        "defaults": other.weaker({**version, **general}, bound),
        "all": _apart(value["all"], other.powerful),
        "nopasswd": _apart(value["nopasswd"], _unasked_elsewhere(value["nopasswd"], rules, other)),
        "files_wrong": _apart(value["files_wrong"], foreign_files),
    }
    apart = {name: found for name, found in apart.items() if found[1]}
    if not apart:
        return value
    reach = {name: mine for name, (mine, _where) in apart.items()}
    return {**value, "within_reach": reach, "out_of_reach": {name: where for name, (_mine, where) in apart.items()}}


def _apart(found: list[str], elsewhere: dict[str, str]) -> tuple[list[str], list[str]]:
    """What of it a role can change, and where the rest stands."""
    return (
        [one for one in found if one not in elsewhere],
        sorted({elsewhere[one] for one in found if one in elsewhere}),
    )


def _unasked_elsewhere(found: list[str], rules: list[Rule], other: Elsewhere) -> dict[str, str]:
    """Of the ways past the question for a password those that stand out of reach, and where."""
    places = {_way(rule): other.unasked[frozenset(rule.who)] for rule in rules if frozenset(rule.who) in other.unasked}
    if other.not_asking:
        places.update({one: ", ".join(other.not_asking) for one in found if one.startswith("Defaults")})
    return places


def rules_of(reader: Reader) -> dict:
    """All rules and settings, as cvtsudoers prints them."""
    if not reader.host.program("cvtsudoers"):
        raise Unmeasurable("cvtsudoers, which comes with sudo and reads its rules, is not on this host")
    answer = reader.answer(*_COMMAND)
    if answer.err.strip():
        raise Unmeasurable("cvtsudoers says: %s" % answer.err.strip().splitlines()[0][:200])
    try:
        # Files without a rule are printed as nothing at all.
        found = json.loads(answer.out or "{}")
    except ValueError as error:
        raise Unmeasurable("cvtsudoers printed what is no JSON: %s" % error) from error
    if not isinstance(found, dict):
        raise Unmeasurable("cvtsudoers printed what is no list of rules")
    return found


def wrong_files(reader: Reader) -> list[str]:
    """Files and directories of rules that somebody else than root may read or change."""
    wrong = []
    for path in files(reader):
        found = look(reader.host, path)
        if found is None:
            continue
        user, group = whose(reader, found)
        most = _DIRECTORY_RIGHTS if stat.S_ISDIR(found.st_mode) else _FILE_RIGHTS
        foreign = (found.st_uid, found.st_gid) != _ROOT
        if foreign or beyond(found.st_mode, most) or stat.S_ISLNK(found.st_mode):
            wrong.append("%s %s %s:%s" % (path, rights(found.st_mode), user, group))
    return sorted(wrong)


def files(reader: Reader) -> list[str]:
    """sudoers, the directories that it includes, and every file in them that sudo reads."""
    host = reader.host
    found: list[str] = []
    waiting = [_SUDOERS]
    while waiting:
        path = waiting.pop(0)
        if path in found:
            continue
        if len(found) > _MOST_FILES:
            raise Unmeasurable("sudo has more than %d files of rules" % _MOST_FILES)
        found.append(path)
        _rules, includes, _aliases = accounts.parse_sudoers(host.text(path))
        for kind, place in includes:
            full = place if place.startswith("/") else "/etc/" + place
            if kind == "include":
                waiting += [full] if host.exists(full) else []
            elif host.exists(full):
                found.append(full)
                waiting += [
                    "%s/%s" % (full.rstrip("/"), name)
                    for name in host.names(full)
                    if "." not in name and not name.endswith("~")
                ]
    return found
