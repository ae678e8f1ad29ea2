# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""By which ways one account gets in over ssh, out of what sshd says for it. Pure.

A way is what has to be shown, and what it is limited to. Where sshd takes one of several methods each is a way of its
own; where it wants several after each other (AuthenticationMethods) they are one way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.standards import authorized_keys
from ansible_collections.msp.ops.plugins.module_utils.standards.access_pam import Account, Proved
from ansible_collections.msp.ops.plugins.module_utils.standards.access_words import (
    COMMAND,
    EMPTY,
    HARDWARE,
    HOST,
    KEY,
    NO_SHELL,
    PASSWORD,
    PIN,
    SET,
    TICKET,
    UNKNOWN,
    UNTOUCHED,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.authorized_keys import Key
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.ssh_connections import matches
from ansible_collections.msp.ops.plugins.module_utils.standards.ssh_server import items

Settings = Mapping[str, Sequence[str]]
# What root may use where it may not use its password.
_NOT_A_PASSWORD = frozenset(("publickey", "hostbased", "gssapi-with-mic", "gssapi-keyex"))
_MOST_WAYS = 500


class Way(NamedTuple):
    """What is shown, where it may come from (every one of the lists has to fit), and what it is limited to."""

    proved: Proved
    origins: tuple[tuple[str, ...], ...] = ()
    limits: frozenset[str] = frozenset()


class Login(NamedTuple):
    """What is known of an account besides what sshd says. pam gives what PAM's stack asks, of an empty password or not.

    locked: its password is locked (!), which counts where PAM is not used. shell: a working one, one that ends at once
    (NO_SHELL) or "" for one that is not there. keytab: the host has one, so that a ticket can be used.
    """

    who: Account
    keys: Sequence[Key]
    pam: Callable[[bool], Collection[Proved]]
    locked: bool = False
    shell: str = "/bin/sh"
    keytab: bool = False
    groups: frozenset[str] = frozenset()


def on(settings: Settings, name: str) -> bool:
    return list(settings.get(name, ())) == ["yes"]


def word(settings: Settings, name: str) -> str:
    return " ".join(settings.get(name, ()))


def ways(settings: Settings, login: Login) -> list[Way]:
    """Every way; none where sshd lets the account in by none."""
    origins = admitted(settings, login.who.name, login.groups)
    if origins is None or not login.shell or (login.locked and not on(settings, "usepam")):
        return []
    limits = _limits(settings, login)
    if limits is None:
        return []
    found = []
    for methods in _lists(settings):
        choices = [_of_method(method, settings, login) for method in methods]
        if methods.count("publickey") > max(1, len(login.keys)):
            continue  # each time another key
        for number, parts in enumerate(itertools.product(*choices)):
            if number >= _MOST_WAYS:
                raise Unmeasurable("there are more than %d ways to log in by ssh" % _MOST_WAYS)
            found.append(_joined(parts, origins, limits))
    return sorted(set(found), key=lambda way: (sorted(way.proved), way.origins, sorted(way.limits)))


def _joined(parts: Iterable[Way], origins: tuple[tuple[str, ...], ...], limits: frozenset[str]) -> Way:
    parts = list(parts)
    proved = frozenset(one for part in parts for one in part.proved)
    every = [*origins, *(one for part in parts for one in part.origins)]
    return Way(proved, tuple(dict.fromkeys(every)), limits | {one for part in parts for one in part.limits})


def _lists(settings: Settings) -> list[list[str]]:
    """The methods that are wanted one after the other; "any" stands for each by itself."""
    said = word(settings, "authenticationmethods").split()
    if not said or said == ["any"]:
        return [[one] for one in _METHODS]
    return [[method.split(":")[0] for method in one.split(",")] for one in said]


def _of_method(method: str, settings: Settings, login: Login) -> list[Way]:
    """What one method alone wants, each way that it may be had."""
    # All others may do what "yes" lets root do.
    root = word(settings, "permitrootlogin") if login.who.uid == 0 else "yes"
    allowed = {"prohibit-password": _NOT_A_PASSWORD, "forced-commands-only": {"publickey"}, "no": ()}
    if method not in _METHODS or method not in allowed.get(root, _METHODS):
        return []
    found = _METHODS[method](settings, login)
    return [way for way in found if COMMAND in way.limits] if root == "forced-commands-only" else found


def _asks(settings: Settings) -> bool:
    """Before version 8.7 sshd had two names for it, and either was enough."""
    return on(settings, "kbdinteractiveauthentication") or on(settings, "challengeresponseauthentication")


def _by_password(settings: Settings, login: Login) -> list[Way]:
    if not on(settings, "passwordauthentication"):
        return []
    blank = on(settings, "permitemptypasswords")
    if on(settings, "usepam"):
        # PAM asks, and sshd gives it the password for an answer. What wants more than that is not to be had so, but by
        # what a person is asked; told as one way too, it is the same.
        return _of_pam(login, blank)
    if login.who.password == SET:
        return [Way(frozenset((PASSWORD,)))]
    return [Way(frozenset())] if login.who.password == EMPTY and blank else []


def _by_asking(settings: Settings, login: Login) -> list[Way]:
    if not _asks(settings) or not on(settings, "usepam"):
        return []
    return _of_pam(login, on(settings, "permitemptypasswords"))


def _of_pam(login: Login, blank: bool) -> list[Way]:
    return [Way(one) for one in sorted(login.pam(blank), key=sorted)]


def _by_ticket(name: str) -> Callable[[Settings, Login], list[Way]]:
    def found(settings: Settings, login: Login) -> list[Way]:
        return [Way(frozenset((TICKET,)))] if on(settings, name) and login.keytab else []

    return found


def _by_host(settings: Settings, _login: Login) -> list[Way]:
    return [Way(frozenset((HOST,)))] if on(settings, "hostbasedauthentication") else []


def _by_key(settings: Settings, login: Login) -> list[Way]:
    if not on(settings, "pubkeyauthentication"):
        return []
    algorithms = items(list(settings.get("pubkeyacceptedalgorithms", ())))
    options = word(settings, "pubkeyauthoptions").replace(",", " ").split()
    found = []
    for key in login.keys:
        if authorized_keys.accepted(key, algorithms):
            limits = frozenset((COMMAND,)) if key.command else frozenset()
            found.append(Way(_shown(key, options), (key.origins,) if key.origins else (), limits))
    if word(settings, "trustedusercakeys") not in ("", "none"):
        found.append(Way(frozenset((UNKNOWN + "certificates of TrustedUserCAKeys",))))
    if word(settings, "authorizedkeyscommand") not in ("", "none"):
        found.append(Way(frozenset((UNKNOWN + "keys of AuthorizedKeysCommand",))))
    return found


_METHODS: Mapping[str, Callable[[Settings, Login], list[Way]]] = {
    "publickey": _by_key,
    "password": _by_password,
    "keyboard-interactive": _by_asking,
    "gssapi-with-mic": _by_ticket("gssapiauthentication"),
    "gssapi-keyex": _by_ticket("gssapikeyexchange"),
    "hostbased": _by_host,
}


def _shown(key: Key, options: Collection[str]) -> Proved:
    if key.authority:
        return frozenset((UNKNOWN + "certificates of a cert-authority",))
    if not key.hardware:
        return frozenset((KEY,))
    pin = key.pin or "verify-required" in options
    touch = key.touch or "touch-required" in options
    return frozenset((HARDWARE if touch or pin else UNTOUCHED, *((PIN,) if pin else ())))


def _limits(settings: Settings, login: Login) -> frozenset[str] | None:
    """What every way of this account is limited to; None where it can do nothing at all with it."""
    forced = word(settings, "forcecommand")
    limits = {COMMAND} if forced not in ("", "none") else set()
    if login.shell == NO_SHELL:
        inside = forced.startswith("internal-sftp") or (
            not limits and any(one.split()[:2] == ["sftp", "internal-sftp"] for one in settings.get("subsystem", ()))
        )
        tunnels = not on(settings, "disableforwarding") and (
            word(settings, "allowtcpforwarding") not in ("no", "")
            or word(settings, "allowstreamlocalforwarding") not in ("no", "")
            or word(settings, "permittunnel") not in ("no", "")
        )
        if not inside and not tunnels:
            return None
        limits.add(NO_SHELL)
    return frozenset(limits)


def admitted(settings: Settings, name: str, groups: Collection[str]) -> tuple[tuple[str, ...], ...] | None:
    """From where AllowUsers and its like let an account in: (), or one list of patterns. None: from nowhere.

    What they refuse from some places only is taken for no limit: it is told too often, never too seldom.
    """
    denied = [one for one in _names(settings, "denyusers") if "@" not in one]
    if any(matches(one, name) for one in denied):
        return None
    if any(matches(one, group) for one in _names(settings, "denygroups") for group in groups):
        return None
    allowed = _names(settings, "allowusers")
    origins: list[str] = []
    if allowed:
        fitting = [one for one in allowed if matches(one.partition("@")[0], name)]
        if not fitting:
            return None
        if all("@" in one for one in fitting):
            origins = [one.partition("@")[2] for one in fitting]
    wanted = _names(settings, "allowgroups")
    if wanted and not any(matches(one, group) for one in wanted for group in groups):
        return None
    return (tuple(origins),) if origins else ()


def _names(settings: Settings, name: str) -> list[str]:
    return [one for value in settings.get(name, ()) for one in value.split()]
