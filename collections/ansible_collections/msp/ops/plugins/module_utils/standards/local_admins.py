# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accounts whose password is rotated, those for emergencies, and logins that work once: how they stand on this host.

No password and no hash leaves this file, and nothing is logged in to.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import time
from collections.abc import Iterator
from typing import Union

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.local_admin import crypting, keeping, one_time, programs
from ansible_collections.msp.ops.plugins.module_utils.local_admin.doing import used_since
from ansible_collections.msp.ops.plugins.module_utils.standards import accounts, pam, ssh_server, sudo
from ansible_collections.msp.ops.plugins.module_utils.standards.files import beyond, look
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.ssh_connections import ANYBODY, inside, matches

_DAY = 86400
# By which a password is given, or an account is logged in to.
SERVICES = ("sshd", "login", "su", "su-l")
# Reserved for examples: nobody's management comes from there.
_OUTSIDE = ("192.0.2.1", "203.0.113.1", "2001:db8::1")
_WAYS = ("passwordauthentication", "kbdinteractiveauthentication", "pubkeyauthentication")
_Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


def account(reader: Reader, account: str) -> dict:
    """How one account stands. managed: its password is a version that was set by a rotation. Days are whole ones."""
    users = {user.name: user for user in accounts.parse_users(reader.host.text("/etc/passwd"))}
    secret = accounts.parse_secrets(reader.host.text("/etc/shadow")).get(account)
    user = users.get(account)
    if user is None or secret is None:
        nothing = dict.fromkeys(("usable", "managed", "expired", "shell", "becomes_root"), False)
        return {"exists": False, **nothing, "age_days": None, "tested_days": None, "uses": []}
    place = keeping.Place(account, reader.host.path(keeping.TOP))
    try:
        state = place.state()
    except MspError as error:
        raise Unmeasurable(str(error)) from error
    version = state.of(crypting.digest(secret.password)) if secret.password else None
    now = time.time()
    given = None if version is None else version.done or version.begun
    over = secret.expires is not None and secret.expires < reader.today
    old = (
        secret.most is not None and secret.changed is not None and 0 <= secret.changed + secret.most < reader.today
    ) or secret.changed == 0
    return {
        "exists": True,
        "usable": accounts.usable(secret.password),
        "managed": version is not None,
        "expired": over or old,
        "shell": user.works(),
        "becomes_root": user.uid == 0 or _becomes_root(reader, account),
        "age_days": None if given is None else _days(now, given),
        "tested_days": None if state.tested is None or version is None else _days(now, state.tested),
        "uses": [one.told() for one in used_since(version, place.uses())],
    }


def _days(now: float, then: int) -> int:
    # A clock that was put back makes nothing younger than it is.
    return int(abs(now - then) // _DAY)


def _becomes_root(reader: Reader, account: str) -> bool:
    try:
        return account in reader.once(sudo.measure)["all_people"]
    except Absent:
        return False


# -- what PAM runs -------------------------------------------------------------------------------------------------


def noticed(reader: Reader) -> dict:
    """missing are the ways to log in by which the use of a password is not noted; program what is wrong with it."""
    wanted = (("auth", programs.PASSWORD_USED), ("session", programs.PASSWORD_USED))
    return {**_asked(reader, wanted), "program": _wrong(reader, programs.PASSWORD_USED)}


def _asked(reader: Reader, wanted: tuple[tuple[str, str], ...]) -> dict:
    """missing, of which a person has to put right what no stack of PAM says."""
    missing = _missing(reader, wanted)
    if not reader.host.program("sshd") or ssh_server.as_login(reader, dict(ANYBODY)).get("usepam") == ["yes"]:
        return {"missing": missing}
    # Then sshd looks into /etc/shadow itself, and runs nothing of PAM.
    own = ["sshd: it does not ask PAM (UsePAM)"]
    return {
        "missing": missing + own,
        "within_reach": {"missing": missing},
        "out_of_reach": {"missing": own},
    }


def _missing(reader: Reader, wanted: tuple[tuple[str, str], ...]) -> list[str]:
    if not any(reader.host.exists(place) for place in ("/etc/pam.d", "/usr/lib/pam.d")):
        raise Absent("PAM is not on this host")
    services = [name for name in SERVICES if pam.there(reader.host, name)]
    if not services:
        raise Unmeasurable("PAM's configuration has no program that opens a session")
    return sorted(
        "%s: %s" % (service, kind)
        for service in services
        for kind, program in wanted
        if not any(
            line.module == "pam_exec.so" and program in line.arguments
            for line in pam.lines(pam.stack(reader, service, kind))
        )
    )


def _wrong(reader: Reader, program: str) -> list[str]:
    """What is wrong with a program that PAM or systemd runs as root."""
    found = look(reader.host, program)
    if found is None:
        return ["%s is not there" % program]
    wrong = []
    if found.st_uid != 0 or beyond(found.st_mode, "0755") or not found.st_mode & 0o100:
        wrong.append("%s: others than root can change it, or nobody can run it" % program)
    if hashlib.sha256(reader.host.data(program)).hexdigest() != programs.DIGESTS[program]:
        wrong.append("%s is not as msp.ops wrote it" % program)
    place = os.path.dirname(program)
    above = look(reader.host, place)
    if above is None or above.st_uid != 0 or beyond(above.st_mode, "0755"):
        wrong.append("%s: others than root can change it" % place)
    return wrong


def _wrong_unit(reader: Reader) -> list[str]:
    """Whether systemd runs what ends a login, and goes on trying."""
    unit = os.path.join(one_time.UNITS, one_time.SERVICE)
    text = reader.host.text(unit) if reader.host.exists(unit) else ""
    lines = {line.strip() for line in text.splitlines()}
    wanted = {"ExecStart=%s" % programs.ONE_TIME_END, "Restart=on-failure"}
    return [] if wanted <= lines else ["%s is not as msp.ops wrote it" % unit]


def once(reader: Reader) -> dict:
    """The account for logins that work once. open: it has a password, and nobody was granted a login now."""
    account = one_time.ACCOUNT
    users = {user.name for user in accounts.parse_users(reader.host.text("/etc/passwd"))}
    secret = accounts.parse_secrets(reader.host.text("/etc/shadow")).get(account)
    exists = account in users and secret is not None
    usable = exists and secret is not None and (accounts.usable(secret.password) or not secret.password)
    granted = one_time.Place(account, reader.host.path(one_time.TOP)).granted(int(time.time()))
    return {
        "exists": exists,
        **_asked(reader, (("account", programs.ONE_TIME_LOGIN),)),
        "program": [
            *_wrong(reader, programs.ONE_TIME_LOGIN),
            *_wrong(reader, programs.ONE_TIME_END),
            *_wrong_unit(reader),
        ],
        "open": bool(usable and granted is None),
        "becomes_root": exists and _becomes_root(reader, account),
    }


# -- what sshd lets in ---------------------------------------------------------------------------------------------


def emergency_login(reader: Reader, account: str, addresses: str | tuple[str, ...]) -> dict:
    """refused are addresses of the management from which the account could not log in with its password; elsewhere are
    others from where it could, and how."""
    if not reader.host.program("sshd"):
        raise Absent("there is no ssh server on this host")
    networks = [_network(one) for one in ((addresses,) if isinstance(addresses, str) else addresses)]
    refused = sorted({why for address in _inside(networks) for why in _refuses(reader, account, address)})
    elsewhere = sorted({how for address in _beside(networks) for how in _lets_in(reader, account, address)})
    return {"refused": refused, "elsewhere": elsewhere}


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise Unmeasurable("%s is no network" % text) from error


def _inside(networks: list[_Network]) -> Iterator[str]:
    for one in networks:
        yield str(one[0])
        yield str(one[-1])


def _beside(networks: list[_Network]) -> Iterator[str]:
    """Others' addresses, and those just before and after each network."""
    edges = [
        type(one[0])(number)
        for one in networks
        for number in (int(one[0]) - 1, int(one[-1]) + 1)
        if 0 <= number < 2**one.max_prefixlen
    ]
    for address in [*map(ipaddress.ip_address, _OUTSIDE), *edges]:
        if not any(address in one for one in networks if one.version == address.version):
            yield str(address)


def _settings(reader: Reader, account: str, address: str) -> dict[str, list[str]]:
    return ssh_server.as_login(reader, dict(ANYBODY, user=account, addr=address))


def _refuses(reader: Reader, account: str, address: str) -> Iterator[str]:
    found = _settings(reader, account, address)
    methods = " ".join(found.get("authenticationmethods", ["any"])).split()
    if found.get("passwordauthentication") != ["yes"]:
        yield "%s: no passwords" % address
    if not {"any", "password"} & set(methods):
        yield "%s: %s" % (address, " ".join(methods))
    # Groups are left to the login that is tried.
    allowed, denied = (" ".join(found.get(name, [])).split() for name in ("allowusers", "denyusers"))
    if allowed and not any(_names(one, account, address) for one in allowed):
        yield "%s: allowusers" % address
    if any(_names(one, account, address) for one in denied):
        yield "%s: denyusers" % address


def _names(pattern: str, account: str, address: str) -> bool:
    """sshd_config(5): USER or USER@HOST, where the host is a pattern or a network."""
    user, _at, host = pattern.partition("@")
    return matches(user, account) and (not host or matches(host, address) or inside(address, [host]))


def _lets_in(reader: Reader, account: str, address: str) -> Iterator[str]:
    found = _settings(reader, account, address)
    if any(_names(one, account, address) for one in " ".join(found.get("denyusers", [])).split()):
        return
    for name in _WAYS:
        if found.get(name) != ["no"]:
            yield "%s: %s" % (address, name)
