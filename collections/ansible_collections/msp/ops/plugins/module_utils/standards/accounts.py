# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The accounts of this host's own files, and what is wrong with them. No password hash leaves this file.

Accounts of a directory (LDAP, Active Directory) are not in these files and are not told of.
"""

from __future__ import annotations

import os
import re
import stat
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards import becoming
from ansible_collections.msp.ops.plugins.module_utils.standards.files import beyond, look, rights, whose
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable

# Sources of nsswitch.conf that are files of this host or made by it.
_FROM_HERE = frozenset(("files", "compat", "systemd", "altfiles", "extrausers", "db", "myhostname"))
# Programs that end at once, or do one thing and no more: nobody works in them.
_NO_SHELLS = frozenset(("nologin", "false", "true", "sync", "shutdown", "halt"))
_NOBODY = 65534
ROOT = "root"
_FIRST_USER = 1000
# crypt(5): yescrypt and its kin, SHA-256 and SHA-512 with their many rounds, bcrypt. What has no $ is DES.
_STRONG = frozenset(("y", "gy", "5", "6", "7", "2a", "2b", "2y"))
_HASHES = {"1": "MD5", "3": "NT", "sha1": "SHA-1", "md5": "MD5"}
_FOR_EVER = 99999
_HOME_RIGHTS = "0750"
# Of a home that others may have to look into, such as what a web server shows.
_OPEN_HOME_RIGHTS = "0755"
# Files in ~/.ssh that let somebody in.
_KEYS = ("authorized_keys", "authorized_keys2")
# As the kernel calls their processes.
_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "fish", "tcsh", "csh", "git-shell"))
# Where cron keeps the tables of people, of Debian and of Red Hat.
_CRONTABS = ("/var/spool/cron/crontabs", "/var/spool/cron")


class User(NamedTuple):
    name: str
    password: str
    uid: int
    gid: int
    home: str
    shell: str

    def works(self) -> bool:
        """Has a shell. An empty one stands for /bin/sh."""
        return not self.shell or os.path.basename(self.shell) not in _NO_SHELLS


class Secret(NamedTuple):
    """A line of /etc/shadow. most is the number of days a password may be used, expires the account's last day.

    changed is the day on which the password was given; with 0 it must be changed at the next login.
    """

    password: str
    most: int | None
    expires: int | None
    changed: int | None = None


def parse_users(text: str) -> list[User]:
    """Unmeasurable for a line in another form: a line that cannot be read may be an account."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(":")
        if not line.strip():
            continue
        if len(words) != 7 or not words[2].isdigit() or not words[3].isdigit():
            raise Unmeasurable("line %d of /etc/passwd is no account" % number)
        found.append(User(words[0], words[1], int(words[2]), int(words[3]), words[5], words[6]))
    return found


def parse_secrets(text: str) -> dict[str, Secret]:
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(":")
        if not line.strip():
            continue
        if len(words) < 8:
            raise Unmeasurable("line %d of /etc/shadow is no account" % number)
        found[words[0]] = Secret(words[1], _days(words[4]), _days(words[7]), _days(words[2]))
    return found


def _days(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def parse_login_defs(text: str) -> dict[str, str]:
    """The last line of a name counts."""
    found = {}
    for line in text.splitlines():
        words = line.split(None, 1)
        if words and not words[0].startswith("#"):
            found[words[0]] = words[1].strip().strip('"') if len(words) == 2 else ""
    return found


def weak_hash(password: str) -> str | None:
    """The name of a weak way to keep a password; None for a strong one, and for a password that nothing fits."""
    bare = password.lstrip("!")
    if not bare or bare[0] in "*x":
        return None
    if bare.startswith("$"):
        kind = bare[1:].partition("$")[0].partition(",")[0]
        return None if kind in _STRONG else _HASHES.get(kind, "unknown")
    # Thirteen characters, or _ and nineteen: the old forms of DES. Anything else fits no password.
    return "DES" if re.fullmatch(r"[./0-9A-Za-z]{13}|_[./0-9A-Za-z]{19}", bare) else None


def usable(password: str) -> bool:
    return bool(password) and password[0] not in "!*"


def faults(users: list[User], secrets: dict[str, Secret], first_user: int, today: int) -> dict[str, list[str]]:
    """Everything that the two files alone tell. today is in days since 1970."""
    kept = {user.name: secrets.get(user.name, Secret(user.password, None, None)) for user in users}
    # A password may stand in /etc/passwd itself, where it counts and everybody can read it.
    told = {user.name: _password(user, kept[user.name]) for user in users}
    over = {name for name, secret in kept.items() if secret.expires is not None and secret.expires < today}
    people = [user for user in users if (user.uid >= first_user or user.uid == 0) and user.uid != _NOBODY]
    by_uid: dict[int, list[str]] = {}
    for user in users:
        by_uid.setdefault(user.uid, []).append(user.name)
    return {
        "uid0": sorted(user.name for user in users if user.uid == 0),
        "empty_password": sorted(user.name for user in users if user.name != ROOT and not told[user.name]),
        "root_password": ["empty"] if ROOT in told and not told[ROOT] else _weakly(told.get(ROOT, "*")),
        "login": sorted(user.name for user in people if user.works() and user.name not in over),
        "system_with_shell": sorted(
            user.name for user in users if (user.uid < first_user or user.uid == _NOBODY) and user.uid and user.works()
        ),
        "duplicate_uids": [
            "%d: %s" % (uid, ", ".join(sorted(names))) for uid, names in sorted(by_uid.items()) if len(names) > 1
        ],
        "password_never_expires": sorted(
            user.name for user in users if usable(told[user.name]) and _endless(kept[user.name].most)
        ),
        "weak_hash": sorted(
            "%s (%s)" % (name, how)
            for name, word in told.items()
            for how in _weakly(word)
            if name != ROOT and kept[name].changed != 0
        ),
    }


def _weakly(password: str) -> list[str]:
    """How a password is kept weakly; nothing where it is not."""
    how = weak_hash(password)
    return [] if how is None else [how]


def _password(user: User, kept: Secret) -> str:
    return kept.password if user.password == "x" else user.password  # noqa: S105


def _endless(most: int | None) -> bool:
    return most is None or most >= _FOR_EVER


class Files(NamedTuple):
    """What this host's own files say of accounts; found is faults()."""

    users: list[User]
    found: dict[str, list[str]]


def read(reader: Reader) -> Files:
    users = parse_users(reader.host.text("/etc/passwd"))
    secrets = parse_secrets(reader.host.text("/etc/shadow"))
    first = reader.once(_login_defs).get("UID_MIN", "")
    first_user = int(first) if first.isdigit() else _FIRST_USER
    return Files(users, faults(users, secrets, first_user, reader.today))


def measure(reader: Reader) -> dict:
    """login are root and the people who have a shell and whose account is not over, whatever their password.

    system_with_shell are accounts of services with a shell that nobody was seen to use; system_in_use the others, and
    signs what was seen. root's password is told of in root_password alone.
    """
    users, found = reader.once(read)
    with_shell = [user for user in users if user.name in found["system_with_shell"]]
    running = _running_shells(reader.host) if with_shell else frozenset()
    jobs = becoming.read(reader.host) if with_shell else becoming.Jobs([], [])
    seen = {user.name: uses(reader.host, user, running, jobs) for user in with_shell}
    return {
        **found,
        "system_with_shell": sorted(name for name, uses in seen.items() if not uses),
        "system_in_use": sorted(name for name, uses in seen.items() if uses),
        "signs": sorted("%s: %s" % (name, ", ".join(uses)) for name, uses in seen.items() if uses),
    }


def uses(host: Host, user: User, running: frozenset[int], jobs: becoming.Jobs) -> list[str]:
    """By what an account needs its shell, as far as that can be seen."""
    signs = {
        "authorized keys": any(_written(host, "%s/.ssh/%s" % (user.home, name)) for name in _KEYS),
        "a crontab": any(_written(host, "%s/%s" % (place, user.name)) for place in _CRONTABS),
        "a running shell": user.uid in running,
    }
    return [sign for sign, there in signs.items() if there] + becoming.signs(jobs, user.name)


def _written(host: Host, path: str) -> bool:
    found = look(host, os.path.normpath(path))
    return found is not None and stat.S_ISREG(found.st_mode) and found.st_size > 0


def _running_shells(host: Host) -> frozenset[int]:
    """Whose processes are login shells, or were started by one that is."""
    found = set()
    for number in host.names("/proc"):
        if not number.isdigit():
            continue
        try:
            with open(host.path("/proc/%s/comm" % number), encoding="utf-8", errors="replace") as handle:
                name = handle.read().strip()
            if name in _SHELLS:
                found.add(os.stat(host.path("/proc/" + number)).st_uid)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
    return frozenset(found)


# -- homes --------------------------------------------------------------------------------------------------------


class Home(NamedTuple):
    """Where a person is at home. apart: it is a directory of that person alone, directly below the one for homes."""

    user: User
    path: str
    apart: bool


def homes(reader: Reader, below: str) -> dict:
    """wrong are homes that can be put right without a doubt, and paths where they are, by user. left are others that
    are not as they should be: of several accounts, elsewhere, links, not there. Those a person has to look at.
    """
    users, found = reader.once(read)
    people = [_home(user, users, below) for user in users if user.name in found["login"] and user.uid]
    told = [(home, _wrong_home(reader, home)) for home in people]
    wrong = {home.user.name: (home.path, why) for home, why in told if why and _may_be_set(reader, home)}
    return {
        "wrong": sorted("%s: %s" % (name, why) for name, (_path, why) in wrong.items()),
        "paths": {name: path for name, (path, _why) in sorted(wrong.items())},
        "left": sorted("%s: %s" % (home.user.name, why) for home, why in told if why and home.user.name not in wrong),
    }


def _home(user: User, users: list[User], below: str) -> Home:
    path = os.path.normpath(user.home or "/")
    shared = any(
        one.name != user.name and (os.path.normpath(one.home or "/") + "/").startswith(path.rstrip("/") + "/")
        for one in users
    )
    return Home(user, path, os.path.dirname(path) == os.path.normpath(below) and not shared)


def _may_be_set(reader: Reader, home: Home) -> bool:
    """root's is what sshd wants of the home that it shuts somebody in (ChrootDirectory): that is never given away."""
    found = look(reader.host, home.path)
    return home.apart and found is not None and stat.S_ISDIR(found.st_mode) and found.st_uid != 0


def _wrong_home(reader: Reader, home: Home) -> str | None:
    found = look(reader.host, home.path)
    if found is None:
        return "%s is not there" % home.path
    if not stat.S_ISDIR(found.st_mode):
        return "%s is no directory" % home.path
    if found.st_uid == 0 and not beyond(found.st_mode, _OPEN_HOME_RIGHTS):
        return None  # nobody but root can write in it
    if found.st_uid != home.user.uid or beyond(found.st_mode, _HOME_RIGHTS if home.apart else _OPEN_HOME_RIGHTS):
        return "%s %s %s" % (home.path, rights(found.st_mode), whose(reader, found)[0])
    return None


def _login_defs(reader: Reader) -> dict[str, str]:
    return parse_login_defs(reader.host.text("/etc/login.defs")) if reader.host.exists("/etc/login.defs") else {}


def login_defs(reader: Reader, name: str) -> dict:
    if not reader.host.exists("/etc/login.defs"):
        raise Absent("/etc/login.defs is not on this host")
    return {"value": reader.once(_login_defs).get(name)}


def directories_of(host: Host) -> tuple[str, ...]:
    """From where besides its own files this host has accounts, by nsswitch.conf."""
    if not host.exists("/etc/nsswitch.conf"):
        return ()
    for line in host.text("/etc/nsswitch.conf").splitlines():
        name, _colon, sources = line.partition("#")[0].partition(":")
        if name.strip() == "passwd":
            named = [one for one in sources.split() if not one.startswith("[")]
            return tuple(one for one in named if one not in _FROM_HERE)
    return ()
