# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a program's authentication by PAM asks a person for: a password, a code, both or nothing. Pure.

Every way that the stack may let the person through is followed. What cannot be told counts as not asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.standards import pam
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Unmeasurable

# Modules that ask for what a person has, and those that ask for what a person knows.
SECOND = ("pam_google_authenticator.so", "pam_oath.so", "pam_u2f.so", "pam_duo.so", "pam_yubico.so")
_PASSWORD = ("pam_unix.so", "pam_sss.so", "pam_ldap.so", "pam_krb5.so", "pam_winbind.so", "pam_userdb.so")
_ALWAYS = {"pam_permit.so": True, "pam_deny.so": False}
_CONDITION = "pam_succeed_if.so"
_PLAIN = frozenset(("debug", "use_uid", "quiet", "quiet_fail", "quiet_success", "audit"))
# What pam.d(5) says that its words stand for.
_WORDS = {
    "required": {"success": "ok", "ignore": "ignore", "default": "bad"},
    "requisite": {"success": "ok", "ignore": "ignore", "default": "die"},
    "sufficient": {"success": "done", "default": "ignore"},
    "optional": {"success": "ok", "default": "ignore"},
}


class Person(NamedTuple):
    """Who is asked. groups has the primary one too."""

    name: str
    uid: int
    home: str
    groups: frozenset[str]


class Asked(NamedTuple):
    """What was asked for and given on one way through the stack. refused: it ends without letting anybody in."""

    code: bool = False
    password: bool = False
    refused: bool = False


def asked(steps: tuple[pam.Step, ...], person: Person, there: Callable[[str], bool]) -> frozenset[Asked]:
    """What was asked on each way by which the person is let in. there says whether a secret's file is on the host."""
    return frozenset(one for one in _through(steps, frozenset((Asked(),)), person, there) if not one.refused)


def _through(
    steps: tuple[pam.Step, ...], start: frozenset[Asked], person: Person, there: Callable[[str], bool]
) -> frozenset[Asked]:
    """All states at the end. A way that is refused at once is one of them: of a substack it ends no more than that."""
    waiting: list[set[Asked]] = [set() for _step in range(len(steps) + 1)]
    waiting[0] |= start
    ended: set[Asked] = set()
    for place, step in enumerate(steps):
        if isinstance(step, pam.Part):
            waiting[place + 1] |= _through(step.lines, frozenset(waiting[place]), person, there)
            continue
        for before in waiting[place]:
            for after, action in _after(step, before, person, there):
                if action.isdigit():
                    waiting[min(place + 1 + int(action), len(steps))].add(after)
                elif action == "die":
                    ended.add(after._replace(refused=True))
                elif action == "bad":
                    waiting[place + 1].add(after._replace(refused=True))
                elif action == "reset":
                    waiting[place + 1].add(after._replace(refused=False))
                elif action == "done":
                    # Where something before has failed the stack goes on, and is refused at its end.
                    (waiting[place + 1] if before.refused else ended).add(after)
                else:
                    waiting[place + 1].add(after)
    return frozenset(ended | waiting[-1])


def _after(line: pam.Line, before: Asked, person: Person, there: Callable[[str], bool]) -> Iterator[tuple[Asked, str]]:
    """What may be after a module, and how the stack goes on then."""
    actions = _actions(line.control)
    known = _known(line, person)
    if line.module in SECOND and _skips(line, person, there):
        # It says that it is none of its business, or lets through.
        yield before, actions.get("ignore", actions["default"])
        yield before, actions.get("success", actions["default"])
        return
    if known is not False:
        gave = before._replace(
            code=before.code or line.module in SECOND, password=before.password or line.module in _PASSWORD
        )
        yield gave, actions.get("success", actions["default"])
    if known is not True:
        # A module that has asked in vain never says that it is none of its business, unless it was told to.
        asks = line.module in (*SECOND, *_PASSWORD, *_ALWAYS)
        told = any(word.startswith("ignore_") for word in line.arguments)
        skipped = ("success", "ignore") if asks and not told else ("success",)
        others = {action for name, action in actions.items() if name not in skipped} | {actions["default"]}
        for action in sorted(others):
            yield before, action


def _actions(control: str) -> dict[str, str]:
    if control in _WORDS:
        return _WORDS[control]
    if not control.startswith("["):
        raise Unmeasurable("PAM's configuration has a control that is not known: %s" % control[:100])
    found = dict(word.split("=", 1) for word in control[1:-1].split() if "=" in word)
    found.setdefault("default", "bad")
    strange = set(found.values()) - {"ignore", "bad", "die", "ok", "done", "reset"}
    if any(not one.isdigit() for one in strange):
        raise Unmeasurable("PAM's configuration has an action that is not known: %s" % control[:100])
    return found


def _skips(line: pam.Line, person: Person, there: Callable[[str], bool]) -> bool:
    """Whether the module lets those through who have no secret, and the person has none, or anybody at all."""
    # pam_u2f: whoever has no key, which is not known here; and whatever the key says.
    if {"nouserok", "alwaysok"} & set(line.arguments):
        return True
    if not any(word == "nullok" or word.startswith("nullok=") for word in line.arguments):
        return False
    return line.module != "pam_google_authenticator.so" or not there(secret_of(line, person))


def secret_of(line: pam.Line, person: Person) -> str:
    """Where pam_google_authenticator looks for the person's secret."""
    given = [word[len("secret=") :] for word in line.arguments if word.startswith("secret=")]
    path = given[-1] if given else "~/.google_authenticator"
    if path.startswith("~/"):
        path = person.home.rstrip("/") + path[1:]
    for mark, value in (("${USER}", person.name), ("%u", person.name), ("${HOME}", person.home), ("%h", person.home)):
        path = path.replace(mark, value)
    return path


def _known(line: pam.Line, person: Person) -> bool | None:
    """What the module always says to this person; None where that is not to be told."""
    if line.module in _ALWAYS:
        return _ALWAYS[line.module]
    return condition(line.arguments, person) if line.module == _CONDITION else None


def condition(words: tuple[str, ...], person: Person) -> bool | None:
    """What pam_succeed_if(8) says of the person; None for what this code does not know. All conditions have to hold."""
    rest = [word for word in words if word not in _PLAIN]
    if not rest or len(rest) % 3 or "use_uid" in words:
        return None
    found = [_holds(rest[place], rest[place + 1], rest[place + 2], person) for place in range(0, len(rest), 3)]
    if False in found:
        return False
    return None if None in found else True


def _holds(field: str, operator: str, value: str, person: Person) -> bool | None:
    if field == "user":
        names = value.split(":")
        return {
            "=": person.name == value,
            "!=": person.name != value,
            "in": person.name in names,
            "notin": person.name not in names,
            "ingroup": bool(person.groups & set(names)),
            "notingroup": not person.groups & set(names),
        }.get(operator)
    if field == "uid" and re.fullmatch("[0-9]+", value):
        number = int(value)
        return {
            "eq": person.uid == number,
            "ne": person.uid != number,
            "lt": person.uid < number,
            "le": person.uid <= number,
            "gt": person.uid > number,
            "ge": person.uid >= number,
            "=": person.uid == number,
            ">=": person.uid >= number,
            "<": person.uid < number,
        }.get(operator)
    return None
