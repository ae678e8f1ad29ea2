# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What somebody has to show to be let in by PAM: every way through the auth stack of a program, by what each proved.

The files are read and every way that a stack may go is followed, by the rules of pam.conf(5). Where a module's answer
depends on what is not known here, each of its answers is followed: a way is told too often, never too seldom. A module
that this code does not know proves what nobody knows (UNKNOWN and its name), which is never taken for a second factor.
"""

from __future__ import annotations

import operator
import os
import re
import stat
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.standards import pam
from ansible_collections.msp.ops.plugins.module_utils.standards.access_words import (
    CODE,
    EMPTY,
    FINGERPRINT,
    HARDWARE,
    NONE,
    PASSWORD,
    SET,
    UNKNOWN,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader, Unmeasurable

SUCCESS, IGNORE, REFUSED, NOBODY, ANY = "success", "ignore", "auth_err", "user_unknown", "*"
DENIED = "perm_denied"
# Modules that prove nothing by themselves: they let on, hold up or refuse.
_GATES = frozenset(
    "pam_%s.so" % name
    for name in (
        *("access", "apparmor", "cap", "debug", "echo", "ecryptfs", "env", "faildelay", "faillock", "gnome_keyring"),
        *("group", "issue", "keyinit", "kwallet5", "lastlog", "limits", "listfile", "localuser", "loginuid", "mail"),
        *("mkhomedir", "motd", "namespace", "nologin", "pwquality", "rootok", "securetty", "selinux", "sepermit"),
        *("shells", "succeed_if", "systemd", "tally", "tally2", "time", "timestamp", "tty_audit", "umask", "usertype"),
        *("warn", "wheel", "xauth"),
    )
)
_OWN_PASSWORDS = frozenset(("pam_unix.so", "pam_pwdb.so"))
_OF_DIRECTORIES = frozenset(("pam_sss.so", "pam_ldap.so", "pam_winbind.so", "pam_krb5.so", "pam_krb5_migrate.so"))
_WORDS = {
    "required": {"success": "ok", "ignore": "ignore", "default": "bad"},
    "requisite": {"success": "ok", "ignore": "ignore", "default": "die"},
    "sufficient": {"success": "done", "ignore": "ignore", "default": "ignore"},
    "optional": {"success": "ok", "ignore": "ignore", "default": "ignore"},
}
_PAIR = re.compile(r"([a-z_]+)\s*=\s*([a-z]+|[0-9]+)(?=\s|$)")
_SECRET_FILE = ".google_authenticator"  # noqa: S105 - a name
_U2F = ".config/Yubico/u2f_keys"
# What a stack may have come to: nothing was said, all said yes, somebody said no.
_UNDECIDED, _YES, _NO = 0, 1, -1


class Account(NamedTuple):
    """Who logs in. local: in this host's own files. elsewhere: a directory knows the name (too)."""

    name: str
    uid: int
    home: str
    groups: frozenset[str] = frozenset()
    local: bool = True
    password: str = NONE
    elsewhere: bool = False


Proved = frozenset  # of what was shown
State = tuple  # (what was proved, _UNDECIDED, _YES or _NO)
Answer = tuple  # (what a module says, what it proved by that)
_NOTHING: Proved = frozenset()
_ANYTHING: list[Answer] = [(SUCCESS, _NOTHING), (IGNORE, _NOTHING), (ANY, _NOTHING)]
_FIXED: dict[str, list[Answer]] = {
    "pam_permit.so": [(SUCCESS, _NOTHING)],
    "pam_deny.so": [(REFUSED, _NOTHING)],
    "pam_fprintd.so": [(SUCCESS, frozenset((FINGERPRINT,))), (ANY, _NOTHING)],
}


def proofs(steps: tuple[pam.Step, ...], does: Callable[[pam.Line], Iterable[Answer]]) -> frozenset[Proved]:
    """What each way through a stack proved that ends in yes; without those that prove more than another one needs.

    does gives the answers a module may give, each with what it proved.
    """
    ended = _run(steps, frozenset(((frozenset(), _UNDECIDED),)), does)
    return least(proved for proved, said in ended if said == _YES)


def least(found: Iterable[Proved]) -> frozenset[Proved]:
    """Who can do with less needs no more. What nobody knows stays beside what is known."""
    every = frozenset(found)
    return frozenset(one for one in every if not any(other < one for other in every))


def _run(steps: tuple[pam.Step, ...], begin: frozenset, does: Callable[[pam.Line], Iterable[Answer]]) -> frozenset:
    waiting: list[set] = [set() for _step in range(len(steps) + 1)]
    waiting[0] |= begin
    ended: set = set()
    for place, step in enumerate(steps):
        if isinstance(step, pam.Part):
            waiting[place + 1] |= _run(step.lines, frozenset(waiting[place]), does)
            continue
        answers = list(does(step)) if waiting[place] else []
        for answer, shown in answers:
            for action in actions(step.control, answer):
                for proved, said in waiting[place]:
                    after, where = _after(proved, said, answer == SUCCESS, shown, action)
                    if action == "reset":
                        waiting[place + 1] |= {(proved, now) for _one, now in begin}
                    elif where == pam.END:
                        ended.add(after)
                    elif where == pam.DIE:
                        # Of a substack it ends no more than that, and what comes after may forget the no.
                        ended.add(after)
                    else:
                        waiting[min(place + 1 + int(where), len(steps))].add(after)
    return frozenset(ended | waiting[-1])


def _after(proved: Proved, said: int, succeeded: bool, shown: Proved, action: str) -> tuple[State, str | int]:
    """What is so after a module, and how it goes on: END, DIE or the number of lines that are jumped over."""
    if action.isdigit() and action != "0":
        return (proved | shown, said), int(action)
    if action in ("ok", "done", "0"):
        # A no that counts as "ok" is the answer of the whole stack.
        if said != _NO:
            said = _YES if succeeded else _NO
        ends = action == "done" and said == _YES
        return (proved | shown, said), pam.END if ends else 0
    if action == "bad":
        return (proved | shown, _NO), 0
    if action == "die":
        return (proved, _NO), pam.DIE
    if action in ("ignore", "reset"):
        return (proved | shown, said), 0
    raise Unmeasurable("PAM's configuration has an action that is not known: %s" % action[:100])


def actions(control: str, answer: str) -> list[str]:
    """What a control makes of an answer; of any refusal (ANY) all that it may make of one."""
    if control in _WORDS:
        table = _WORDS[control]
    elif control.startswith("["):
        table = _table(control)
    else:
        raise Unmeasurable("PAM's configuration has a control that is not known: %s" % control[:100])
    other = table.get("default", "bad")
    if answer == ANY:
        named = [table[name] for name in sorted(table) if name not in ("success", "ignore", "default")]
        return list(dict.fromkeys([*named, other]))
    return [table.get(answer, other)]


def _table(control: str) -> dict[str, str]:
    """What stands in the brackets of a control; PAM allows blanks around "="."""
    found = dict(_PAIR.findall(control[1:-1]))
    if _PAIR.sub("", control[1:-1]).strip():
        raise Unmeasurable("PAM's configuration has a control that is not known: %s" % control[:100])
    return found


class Stacks:
    """The auth stacks of one host, for one account after the other. blank: an empty password is taken."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def proofs(self, service: str, who: Account, blank: bool = True) -> frozenset[Proved]:
        """Absent where PAM has no such service, Unmeasurable where it can't be told."""
        steps = self.reader.once(pam.stack, service, "auth")

        def does(line: pam.Line) -> Iterable[Answer]:
            return self._answers(line, who, blank)

        return proofs(steps, does)

    def enrolled(self, service: str, who: Account) -> list[str]:
        """What somebody has enrolled that this stack may ask for."""
        found = set()
        for line in pam.lines(self.reader.once(pam.stack, service, "auth")):
            if line.module in _SECOND and _SECOND[line.module].enrolled(self.reader, line, who):
                found.add(_SECOND[line.module].proves)
        return sorted(found)

    def _answers(self, line: pam.Line, who: Account, blank: bool) -> list[Answer]:
        module = line.module
        if module in _FIXED:
            return _FIXED[module]
        if module in _OWN_PASSWORDS:
            return _of_password(line, who, blank)
        if module in _OF_DIRECTORIES:
            return _of_directory(line, who)
        if module in _SECOND:
            return _of_second(self.reader, line, who)
        said = condition(line, who)
        if said is not None:
            return [(said, _NOTHING)]
        return _ANYTHING if module in _GATES else [(SUCCESS, frozenset((UNKNOWN + module,))), (ANY, _NOTHING)]


def _of_directory(line: pam.Line, who: Account) -> list[Answer]:
    """Kerberos may know a name that no directory has."""
    # Told to, it says that a name that it does not know, or a directory that is away, is none of its business.
    told = [(IGNORE, _NOTHING)] if any(word.startswith("ignore_") for word in line.arguments) else []
    if who.local and not who.elsewhere and line.module != "pam_krb5.so":
        return [(NOBODY, _NOTHING), *told]
    return [(SUCCESS, frozenset((PASSWORD,))), (ANY, _NOTHING), *told]


def _of_password(line: pam.Line, who: Account, blank: bool) -> list[Answer]:
    if not who.local:
        return [(ANY, _NOTHING)]
    refused = (REFUSED, _NOTHING)
    if who.password == SET:
        return [(SUCCESS, frozenset((PASSWORD,))), refused]
    if who.password == EMPTY and blank and {"nullok", "nullok_secure"} & set(line.arguments):
        return [(SUCCESS, _NOTHING), refused]
    return [refused]


# -- second factors -----------------------------------------------------------------------------------------------


class Second(NamedTuple):
    """A module that asks for a second factor. lenient: the argument by which it lets pass who has not enrolled."""

    proves: str
    enrolled: Callable[[Reader, pam.Line, Account], bool]
    lenient: str


def option(line: pam.Line, name: str) -> str | None:
    """The value of an argument name=value; the last one counts."""
    found = [word.split("=", 1)[1] for word in line.arguments if word.startswith(name + "=")]
    return found[-1] if found else None


def expanded(path: str, who: Account) -> str:
    """A path as pam_google_authenticator reads it in secret=."""
    if path.startswith("~/"):
        path = "${HOME}" + path[1:]
    for mark, value in (("${USER}", who.name), ("%u", who.name), ("${HOME}", who.home), ("%h", who.home)):
        path = path.replace(mark, value)
    return path


def secret_file(line: pam.Line, who: Account) -> str:
    return expanded(option(line, "secret") or "~/" + _SECRET_FILE, who)


def _has_secret(reader: Reader, line: pam.Line, who: Account) -> bool:
    return _filled(reader, secret_file(line, who))


def _has_line_of_oath(reader: Reader, line: pam.Line, who: Account) -> bool:
    path = expanded(option(line, "usersfile") or "/etc/users.oath", who)
    if not _filled(reader, path):
        return False
    rows = (row.split() for row in reader.host.text(path).splitlines() if not row.startswith("#"))
    return any(len(row) >= 4 and row[1] == who.name for row in rows)


def _has_u2f(reader: Reader, line: pam.Line, who: Account) -> bool:
    given = option(line, "authfile")
    path = given or "%s/%s" % (who.home.rstrip("/"), _U2F)
    if not path.startswith("/"):
        path = "%s/%s" % (who.home.rstrip("/"), path)
    if "expand" in line.arguments:
        path = path.replace("%u", who.name)
    if not _filled(reader, path):
        return False
    return any(row.startswith(who.name + ":") and len(row) > len(who.name) + 1 for row in _rows(reader, path))


def _rows(reader: Reader, path: str) -> list[str]:
    return reader.host.text(path).splitlines()


def _filled(reader: Reader, path: str) -> bool:
    """Whether there is such a file with something in it. What can't be looked at raises: it may be there."""
    if not os.path.isabs(path):
        raise Unmeasurable("PAM's configuration names a file without its directory: %s" % path[:100])
    try:
        # What a link points at, as the module opens it.
        found = os.stat(reader.host.path(os.path.normpath(path)))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise Unmeasurable("%s can't be looked at: %s" % (path[:200], error.strerror)) from error
    return not stat.S_ISDIR(found.st_mode) and found.st_size > 0


_SECOND = {
    "pam_google_authenticator.so": Second(CODE, _has_secret, "nullok"),
    "pam_oath.so": Second(CODE, _has_line_of_oath, ""),
    "pam_u2f.so": Second(HARDWARE, _has_u2f, "nouserok"),
}


def _of_second(reader: Reader, line: pam.Line, who: Account) -> list[Answer]:
    second = _SECOND[line.module]
    if "alwaysok" in line.arguments:
        return [(SUCCESS, _NOTHING)]
    if second.enrolled(reader, line, who):
        return [(SUCCESS, frozenset((second.proves,))), (REFUSED, _NOTHING)]
    if second.lenient and second.lenient in line.arguments:
        # pam_u2f said success before its version 1.1, and ignore since.
        return [(IGNORE, _NOTHING)] + ([(SUCCESS, _NOTHING)] if second.proves == HARDWARE else [])
    return [(REFUSED, _NOTHING), (NOBODY, _NOTHING)]


def modules_of_second_factors(steps: tuple[pam.Step, ...]) -> list[str]:
    return sorted({line.module for line in pam.lines(steps) if line.module in _SECOND})


# -- conditions ---------------------------------------------------------------------------------------------------

_FLAGS = frozenset(("debug", "quiet", "quiet_fail", "quiet_success", "audit"))


def condition(line: pam.Line, who: Account) -> str | None:
    """What a condition answers of somebody; None where it asks what is not known here, and for what is no condition."""
    said = holds(line, who)
    if said is None:
        return None
    return SUCCESS if said else DENIED if line.module == "pam_localuser.so" else REFUSED


def holds(line: pam.Line, who: Account) -> bool | None:
    """Whether a condition holds of somebody; None as in condition()."""
    if line.module == "pam_localuser.so":
        return None if option(line, "file") is not None else who.local
    # With use_uid it is asked of whoever runs the program.
    if line.module != "pam_succeed_if.so" or "use_uid" in line.arguments:
        return None
    words = [word for word in line.arguments if word not in _FLAGS]
    parts = [words[place : place + 3] for place in range(0, len(words), 3)]
    if not parts or len(parts[-1]) < 3:
        return None
    found = [_compared(name, compare, value, who) for name, compare, value in parts]
    # All of them have to hold.
    return False if False in found else None if None in found else True


def _compared(name: str, compare: str, value: str, who: Account) -> bool | None:
    if name == "uid" and value.isdigit() and compare in _NUMBERS:
        return _NUMBERS[compare](who.uid, int(value))
    if name == "uid" and compare in ("=", "!="):
        return (str(who.uid) == value) is (compare == "=") if value.isdigit() else None
    many = value.split(":")
    known: dict[str, bool | None] = {}
    if not set(value) & set("*?["):
        # By eq and ne numbers are compared, and a name is none.
        known = {"=": who.name == value, "!=": who.name != value}
    # Of a directory's groups not all may be known here.
    inside = True if who.groups & set(many) else False if who.local else None
    outside = None if inside is None else not inside
    known.update({"in": who.name in many, "notin": who.name not in many, "ingroup": inside, "notingroup": outside})
    return known.get(compare) if name == "user" else None


_NUMBERS: dict[str, Callable[[int, int], bool]] = {
    **{"eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt},
    **{"ge": operator.ge, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge},
}
