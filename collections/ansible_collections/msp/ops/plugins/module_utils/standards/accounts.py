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

from ansible_collections.msp.ops.plugins.module_utils.standards.files import beyond, look, rights, whose
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable

# Programs that end at once, or do one thing and no more: nobody works in them.
_NO_SHELLS = frozenset(("nologin", "false", "true", "sync", "shutdown", "halt"))
_NOBODY = 65534
_FIRST_USER = 1000
# crypt(5): yescrypt and its kin, SHA-512, bcrypt. What has no $ is DES.
_STRONG = frozenset(("y", "gy", "6", "7", "2a", "2b", "2y"))
_HASHES = {"1": "MD5", "5": "SHA-256", "3": "NT", "sha1": "SHA-1", "md5": "MD5"}
_FOR_EVER = 99999
_HOME_RIGHTS = "0750"


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
    """A line of /etc/shadow. most is the number of days a password may be used, expires the account's last day."""

    password: str
    most: int | None
    expires: int | None


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
        found[words[0]] = Secret(words[1], _days(words[4]), _days(words[7]))
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
        "empty_password": sorted(user.name for user in users if not told[user.name]),
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
        "weak_hash": sorted("%s (%s)" % (name, weak_hash(word)) for name, word in told.items() if weak_hash(word)),
    }


def _password(user: User, kept: Secret) -> str:
    return kept.password if user.password == "x" else user.password  # noqa: S105


def _endless(most: int | None) -> bool:
    return most is None or most >= _FOR_EVER


def measure(reader: Reader) -> dict:
    """login are root and the people who have a shell and whose account is not over, whatever their password."""
    users = parse_users(reader.host.text("/etc/passwd"))
    secrets = parse_secrets(reader.host.text("/etc/shadow"))
    first = reader.once(_login_defs).get("UID_MIN", "")
    first_user = int(first) if first.isdigit() else _FIRST_USER
    found = faults(users, secrets, first_user, reader.today)
    homes = [user for user in users if user.name in found["login"] and user.uid]
    wrong = [(user, _wrong_home(reader, user)) for user in homes]
    return {**found, "homes_wrong": sorted("%s: %s" % (user.name, why) for user, why in wrong if why)}


def _wrong_home(reader: Reader, user: User) -> str | None:
    found = look(reader.host, user.home)
    if found is None:
        return "%s is not there" % user.home
    if not stat.S_ISDIR(found.st_mode):
        return "%s is no directory" % user.home
    if found.st_uid != user.uid or beyond(found.st_mode, _HOME_RIGHTS):
        return "%s %s %s" % (user.home, rights(found.st_mode), whose(reader, found)[0])
    return None


def _login_defs(reader: Reader) -> dict[str, str]:
    return parse_login_defs(reader.host.text("/etc/login.defs")) if reader.host.exists("/etc/login.defs") else {}


def login_defs(reader: Reader, name: str) -> dict:
    if not reader.host.exists("/etc/login.defs"):
        raise Absent("/etc/login.defs is not on this host")
    return {"value": reader.once(_login_defs).get(name)}
