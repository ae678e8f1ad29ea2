# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who can log in to this host, by which ways, and what each way asks for: by what is in force. Judges nothing.

The ssh server is asked for each account (sshd -T -C), from wherever its Match blocks tell logins apart. What PAM asks
is followed through its stacks. What could not be told of an account stands in its unknown; nobody may read that
as safe. No password hash, no secret and no key is in it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit import accounts as groups_of_host
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards import (
    access_pam,
    access_ssh,
    authorized_keys,
    directory,
    ssh_connections,
    ssh_server,
    sudo,
    sudo_settings,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.access_pam import Account, Proved
from ansible_collections.msp.ops.plugins.module_utils.standards.access_ssh import Login, Way
from ansible_collections.msp.ops.plugins.module_utils.standards.access_words import (
    CONSOLE,
    EMPTY,
    NETWORK,
    NO_SHELL,
    NONE,
    PROGRAMS,
    SET,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.accounts import (
    User,
    directories_of,
    parse_login_defs,
    parse_secrets,
    parse_users,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable

_KEYTAB = "/etc/krb5.keytab"
_MOST_ASKED = 400
_MOST_OF_DIRECTORY = 200
_AT_ONCE = 8
_SECONDS_A_DAY = 86400


class Person(NamedTuple):
    """An account: its line, how its password is, and what a directory has to do with it."""

    user: User
    who: Account
    groups: frozenset[str]
    locked: bool
    expired: bool
    must_change: bool
    # The groups are those that this host's files tell, and a directory may have more.
    groups_unknown: str = ""
    # Nor whether one has a password for it.
    unsaid: str = ""


def prepare(reader: Reader) -> None:
    ssh_server.prepare(reader)
    sudo.prepare(reader)


def measure(reader: Reader) -> dict:
    """accounts that can log in or have a shell, with their ways; closed is how many others there are, which have none.

    directory says which directories have accounts of this host, and that not all of them are known; unknown what could
    not be told of the host as a whole.
    """
    host = reader.host
    users = parse_users(host.text("/etc/passwd"))
    people = [_local(reader, user) for user in users]
    directories = directories_of(host)
    why: list[str] = []
    if directories:
        people = _also_elsewhere(reader, people, directories, why)
        people += _of_directories(reader, users, directories, why)
        why.append(
            "accounts of a directory (%s) that this host has not met are not known to it" % ", ".join(directories)
        )
    found = [_told(reader, one) for one in _asked(reader, people)]
    shown = [one for one in found if one["ways"] or one["unknown"] or one["shell_works"]]
    return {
        "accounts": shown,
        "closed": len(found) - len(shown),
        "directory": list(directories),
        "unknown": why + sorted(_of_host(reader)),
    }


def _of_host(reader: Reader) -> Iterator[str]:
    """What could not be told of the host as a whole."""
    try:
        reader.once(_sudo_rules)
    except Absent:
        return
    except Unmeasurable as error:
        yield "sudo: %s" % error


# -- accounts -----------------------------------------------------------------------------------------------------


def _first_user(reader: Reader) -> int:
    path = "/etc/login.defs"
    said = parse_login_defs(reader.host.text(path)).get("UID_MIN", "") if reader.host.exists(path) else ""
    return int(said) if said.isdigit() else 1000


def _secrets(reader: Reader) -> dict:
    return parse_secrets(reader.host.text("/etc/shadow"))


def _groups(reader: Reader) -> dict[str, frozenset[str]]:
    """The groups of each user by this host's own files."""
    text = reader.host.text("/etc/group")
    users = groups_of_host.parse_passwd(reader.host.text("/etc/passwd"))
    groups = groups_of_host.parse_group(text)
    found: dict[str, set[str]] = {name: set() for name in users}
    for group in groups:
        for user in groups_of_host.members(group, users, groups):
            found.setdefault(user, set()).add(group)
    return {name: frozenset(names) for name, names in found.items()}


def _local(reader: Reader, user: User) -> Person:
    secret = reader.once(_secrets).get(user.name)
    word = (secret.password if secret else "*") if user.password == "x" else user.password  # noqa: S105
    expires = secret.expires if secret else None
    groups = reader.once(_groups).get(user.name, frozenset())
    unknown = ""
    if sudo.groups_elsewhere(reader.host):
        told = reader.host.run("id", "-Gn", "--", user.name)
        if told.started and told.status == 0:
            groups = groups | frozenset(told.out.split())
        else:
            unknown = "its groups: id %s" % told.reason()
    who = Account(user.name, user.uid, user.home, groups, True, _password(word))
    over = expires is not None and expires <= reader.today
    return Person(user, who, groups, word.startswith("!"), over, bool(secret and secret.changed == 0), unknown)


def _password(word: str) -> str:
    """Whether a password fits, and whether it is the empty one. crypt(5): a hash is long, or 13 letters."""
    if not word:
        return EMPTY
    if word[0] in "!*":
        return NONE
    return SET if word[0] in "$_" or len(word) >= 13 else NONE


def _away(reader: Reader, directories: Sequence[str]) -> list[str]:
    """What SSSD can't ask now. Of a name that it has not met getent then says what it says of a stranger."""
    if "sss" not in directories:
        return []
    try:
        return ["the directory %s does not answer" % one for one in directory.online(reader)["offline"]]
    except Absent:
        return []
    except Unmeasurable as error:
        return [str(error)]


def _also_elsewhere(reader: Reader, people: list[Person], directories: Sequence[str], why: list[str]) -> list[Person]:
    """A name that a directory has too may be let in by the password it has there.

    Where a directory does not say that goes into why, and into what is not known of everybody who has a shell.
    """
    names = [one.user.name for one in people]
    known: set[str] = set()
    away = _away(reader, directories)
    why.extend(away)
    silent = "its password: %s" % "; ".join(away) if away else ""
    for source in directories:
        try:
            known |= {user.name for user in _getent(reader, source, names)}
        except Unmeasurable as error:
            silent = "its password: %s" % error
            why.append(str(error))
    found = [one._replace(who=one.who._replace(elsewhere=one.user.name in known)) for one in people]
    if not silent:
        return found
    works = {one.user.name for one in found if _shell(reader.host, one.user) not in ("", NO_SHELL)}
    return [one._replace(unsaid=silent if one.user.name in works else "") for one in found]


def _of_directories(
    reader: Reader, users: Sequence[User], directories: Sequence[str], why: list[str]
) -> Iterator[Person]:
    """Those that a directory lists, and those that were here: who has a home on this host. What is not told of goes
    into why."""
    local = {user.name for user in users}
    numbers = {user.uid for user in users}
    listed: dict[str, User] = {}
    for source in directories:
        homes = [str(one) for one in _owners_of_homes(reader.host) if one not in numbers]
        try:
            # Those with a home first: they were here.
            for user in [*(_getent(reader, source, homes) if homes else []), *_getent(reader, source, ())]:
                if user.name not in local:
                    listed.setdefault(user.name, user)
        except Unmeasurable as error:
            why.append(str(error))
    found = list(listed.values())[:_MOST_OF_DIRECTORY]
    if len(listed) > len(found):
        why.append("%d more accounts of a directory were not looked at" % (len(listed) - len(found)))
    for user in found:
        told = reader.host.run("id", "-Gn", "--", user.name)
        groups = frozenset(told.out.split()) if told.status == 0 else frozenset()
        unknown = "" if told.status == 0 else "its groups: id %s" % told.reason()
        yield Person(user, Account(user.name, user.uid, user.home, groups, False), groups, False, False, False, unknown)


def _getent(reader: Reader, source: str, names: Collection[str]) -> list[User]:
    """Accounts of one source; names that it does not have are left out, and end it with status 2."""
    said = reader.host.run("getent", "-s", source, "passwd", *sorted(names))
    if not said.started or said.status not in (0, 2):
        raise Unmeasurable("the directory %s did not answer: getent %s" % (source, said.reason()))
    return parse_users(said.out)


def _owners_of_homes(host: Host) -> list[int]:
    found = []
    for name in host.names("/home"):
        try:
            found.append(os.stat(host.path("/home/%s" % name)).st_uid)
        except OSError:
            continue
    return sorted(set(found))


# -- ways ---------------------------------------------------------------------------------------------------------


def _asked(reader: Reader, people: Sequence[Person]) -> Iterator[Person]:
    """The same, while sshd is asked for those that come next."""
    try:
        logins = reader.once(_surroundings)
    except (Absent, Unmeasurable):
        logins = []
    for place, one in enumerate(people):
        if place % _AT_ONCE == 0 and len(logins) * len(people) <= _MOST_ASKED:
            for later in people[place : place + _AT_ONCE]:
                for login, _label in logins:
                    if "," not in later.user.name:
                        ssh_server.prepare_login(reader, dict(login, user=later.user.name))
        yield one


def _told(reader: Reader, person: Person) -> dict[str, Any]:
    user, who = person.user, person.who
    unknown = [why for why in (person.groups_unknown, person.unsaid) if why]
    keys = _tried(unknown, "its keys", _keys, reader, person) or []
    ways: list[dict[str, Any]] = []
    enrolled: set[str] = set()
    if not person.expired:
        ways += _tried(unknown, "ssh", _by_ssh, reader, person, keys) or []
        for place, programs in PROGRAMS.items():
            for program in programs:
                ways += _tried(unknown, program, _by_program, reader, person, place, program) or []
    for program in ("sshd", *PROGRAMS[CONSOLE], *PROGRAMS[NETWORK], "sudo"):
        enrolled |= set(_tried(unknown, program, _enrolled, reader, person, program) or [])
    return {
        "name": user.name,
        "uid": user.uid,
        "source": "local" if who.local else "directory",
        "person": user.uid >= reader.once(_first_user) and user.uid != 65534,
        "shell": user.shell,
        "shell_works": _shell(reader.host, user) not in ("", NO_SHELL),
        "password": who.password if who.local else "directory",
        "locked": person.locked,
        "expired": person.expired,
        "must_change": person.must_change,
        "keys": [_of_key(key) for key in keys],
        "enrolled": sorted(enrolled),
        "ways": ways,
        "sudo": _tried(unknown, "sudo", _by_sudo, reader, person) or [],
        "unknown": list(dict.fromkeys(unknown)),
    }


def _tried(unknown: list[str], what: str, read: Any, *arguments: Any) -> Any:
    """None, and the reason added to unknown, where it could not be told; None where the host has nothing of it."""
    try:
        return read(*arguments)
    except Absent:
        return None
    except Unmeasurable as error:
        unknown.append("%s: %s" % (what, error))
    except OSError as error:
        unknown.append("%s: %s" % (what, error.strerror or type(error).__name__))
    return None


def _of_key(key: authorized_keys.Key) -> dict[str, Any]:
    return {
        "kind": key.kind,
        "fingerprint": key.fingerprint,
        "from": list(key.origins),
        "command": key.command,
        "pin": key.pin,
        "touch": key.touch,
        "authority": key.authority,
    }


def _shell(host: Host, user: User) -> str:
    """The shell, NO_SHELL for one that ends at once, "" for one that sshd and login refuse for it is not there."""
    shell = user.shell or "/bin/sh"
    path = host.path(shell)
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        return ""
    return shell if user.works() else NO_SHELL


def _surroundings(reader: Reader) -> list[tuple[dict[str, str], str]]:
    """From where sshd is asked, and what its Match lines call that: "" is anywhere."""
    if not reader.host.program("sshd"):
        raise Absent("there is no ssh server on this host")
    conditions = [block.condition for block in ssh_server.match_blocks(reader)]
    found = []
    for login, fits in ssh_connections.surroundings(conditions):
        named = [ssh_connections.without_user(conditions[place]) for place in fits]
        found.append((login, "; ".join(dict.fromkeys(one for one in named if one))))
    return found


def _settings(reader: Reader, person: Person) -> list[tuple[dict[str, list[str]], str]]:
    """What sshd says for an account, from each of the places that it tells apart."""
    return [
        (ssh_server.as_login(reader, dict(login, user=person.user.name)), label)
        for login, label in reader.once(_surroundings)
    ]


def _by_ssh(reader: Reader, person: Person, keys: Sequence[authorized_keys.Key]) -> list[dict[str, Any]]:
    stacks = access_pam.Stacks(reader)
    known: dict[bool, Collection[Proved]] = {}

    def asked(blank: bool) -> Collection[Proved]:
        if blank not in known:
            known[blank] = stacks.proofs("sshd", person.who, blank)
        return known[blank]

    login = Login(
        person.who,
        keys,
        asked,
        person.locked,
        _shell(reader.host, person.user),
        reader.host.exists(_KEYTAB),
        person.groups,
    )
    found: dict[Way, list[str]] = {}
    for settings, label in _settings(reader, person):
        for way in access_ssh.ways(settings, login):
            found.setdefault(way, []).append(label)
    return [_way(NETWORK, "ssh", way, [] if "" in labels else labels) for way, labels in found.items()]


def _way(place: str, by: str, way: Way, labels: Iterable[str] = ()) -> dict[str, Any]:
    return {
        "place": place,
        "by": by,
        "proved": sorted(way.proved),
        "from": [list(one) for one in way.origins],
        "where": sorted(labels),
        "limits": sorted(way.limits),
    }


def _by_program(reader: Reader, person: Person, place: str, program: str) -> list[dict[str, Any]]:
    if _shell(reader.host, person.user) in ("", NO_SHELL):
        return []
    found = access_pam.Stacks(reader).proofs(program, person.who)
    return [_way(place, program, Way(one)) for one in sorted(found, key=sorted)]


def _enrolled(reader: Reader, person: Person, program: str) -> list[str]:
    return access_pam.Stacks(reader).enrolled(program, person.who)


# -- keys ---------------------------------------------------------------------------------------------------------


def _keys(reader: Reader, person: Person) -> list[authorized_keys.Key]:
    """The keys of every file that sshd reads for this account, wherever it logs in from."""
    yesterday = time.strftime("%Y%m%d", time.gmtime((reader.today - 2) * _SECONDS_A_DAY))
    found: dict[authorized_keys.Key, None] = {}
    for path in _key_files(reader, person):
        for key in authorized_keys.parse(_text(reader.host, path)):
            if not authorized_keys.over(key, yesterday):
                found[key] = None
    return list(found)


def _key_files(reader: Reader, person: Person) -> list[str]:
    patterns = [one for settings, _label in _settings(reader, person) for one in _patterns(settings)]
    return list(dict.fromkeys(_expanded(one, person.user) for one in patterns))


def key_files(reader: Reader) -> dict[str, list[str]]:
    """Every file that sshd reads keys of for this host's own accounts, there or not, and for which of them. Absent
    where there is no ssh server, Unmeasurable where it does not say."""
    people = [_local(reader, user) for user in parse_users(reader.host.text("/etc/passwd"))]
    found: dict[str, list[str]] = {}
    for one in _asked(reader, people):
        for path in _key_files(reader, one):
            found.setdefault(os.path.normpath(path), []).append(one.user.name)
    return found


def _patterns(settings: Mapping[str, Sequence[str]]) -> list[str]:
    said = " ".join(settings.get("authorizedkeysfile", ())).split()
    return [] if said == ["none"] else said


def _expanded(pattern: str, user: User) -> str:
    """sshd_config(5), TOKENS. What is no absolute path then is in the home."""
    path = pattern.replace("%%", "\0").replace("%h", user.home).replace("%u", user.name).replace("%U", str(user.uid))
    path = path.replace("\0", "%")
    return path if path.startswith("/") else "%s/%s" % (user.home.rstrip("/"), path)


def _text(host: Host, path: str) -> str:
    """ "" for a file that is not there. What can't be read may hold keys, and raises."""
    try:
        return host.text(os.path.normpath(path))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""


# -- sudo ---------------------------------------------------------------------------------------------------------


def _sudo_rules(reader: Reader) -> tuple[list[sudo.Rule], dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    if not reader.host.program("sudo"):
        raise Absent("sudo is not on this host")
    found = sudo.rules_of(reader)
    return (sudo.parse_rules(found), *sudo_settings.parse_defaults(found))


def _by_sudo(reader: Reader, person: Person) -> list[dict[str, Any]]:
    """What somebody may do by sudo, and what has to be shown for it: nothing at all, or one of several ways."""
    rules, general, bound = reader.once(_sudo_rules)
    mine = [rule for rule in rules if _is_for(rule.who, person)]
    if not mine:
        return []
    unasked = general.get("authenticate") is False or any(
        settings.get("authenticate") is False and person.user.name in whom.split(", ") for whom, settings in bound
    )
    needs = sorted(access_pam.Stacks(reader).proofs("sudo", person.who), key=sorted)
    found = []
    for rule in mine:
        asked = rule.password if rule.password is not None else not unasked
        found.append(
            {
                "root": rule.as_root,
                "commands": list(rule.commands),
                "asks": [sorted(one) for one in needs] if asked else [[]],
            }
        )
    return found


def _is_for(who: Sequence[str], person: Person) -> bool:
    """sudoers(5): the last name of the list that fits counts."""
    found = False
    for name in who:
        bare = name.lstrip("!")
        fits = bare in ("ALL", person.user.name, "#%d" % person.user.uid) or (
            bare.startswith("%") and (bare[1:] in person.groups or bare == "%%#%d" % person.user.gid)
        )
        if fits:
            found = not name.startswith("!")
    return found
