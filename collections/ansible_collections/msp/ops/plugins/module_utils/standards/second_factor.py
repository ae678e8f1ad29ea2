# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who comes in with what: the people of a host, who of them has a second factor, and where none is asked for.

A person is an account with a shell and something to log in with: a password that fits, or a key. By what is in force:
what sshd says of a login of each of them, what PAM's stacks ask, and the files of secrets. No secret leaves this file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit import accounts as audit_accounts
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.local_admin import keeping
from ansible_collections.msp.ops.plugins.module_utils.mfa import confirming
from ansible_collections.msp.ops.plugins.module_utils.standards import (
    accounts,
    pam,
    pam_factors,
    ssh_logins,
    ssh_server,
    sudo,
    sudo_settings,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.access_pam import Account as Person
from ansible_collections.msp.ops.plugins.module_utils.standards.files import look, rights
from ansible_collections.msp.ops.plugins.module_utils.standards.pam_factors import Asked
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.ssh_connections import (
    ANYBODY,
    addresses,
    beside,
    covers,
    inside,
    network,
)

# A file for each account, for root alone: what pam_google_authenticator reads with user=root and secret=. What waits
# for its first code is elsewhere, and is no second factor yet.
STATE, WAITING = confirming.STATE, confirming.WAITING
# Who is asked for a code, and who comes in by ssh with a security key alone.
CODE_GROUP, KEY_GROUP = "msp-mfa", "msp-mfa-fido2"
ENROLLED, EVERYBODY = "enrolled", "everybody"
_SECRET = re.compile(r"[A-Z2-7]{16,128}")
_KEYS = re.compile(r"(?:^|\s)((?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+)\s+([A-Za-z0-9+/=]{20,})")
_MOST_KEY_FILES = 10
# How the names of the files begin that the roles write for sshd; those that say who is asked, and from where the
# automation and the account for emergencies come in. The last one is break-glass-login's.
_OURS = "00-msp-"
_ASKING = "/etc/ssh/sshd_config.d/00-msp-mfa-ssh.conf"
_FENCE = "/etc/ssh/sshd_config.d/00-msp-mfa-automation.conf"
_EMERGENCY = "/etc/ssh/sshd_config.d/00-msp-break-glass.conf"
# Never asked, whatever was agreed: that of logins that work once (local_admin.yml).
AGREED = ("msp-technician",)
# Stands for all people of a directory: this host has no list of them.
DIRECTORY = "@directory"
_SSSD = ("/etc/sssd/sssd.conf", "/etc/sssd/conf.d")
_BY_SUDO = ("sudo", "sudo-i")
_NOBODY = "nobody has a second factor any more"
# By which sshd gets keys that no file of the account has.
_FROM_ELSEWHERE = ("authorizedkeyscommand", "trustedusercakeys")


class Account(NamedTuple):
    """One account that somebody can log in with. keys are its authorized ones, opaque: they come from a program."""

    person: Person
    password: bool
    keys: tuple[tuple[str, str], ...]
    opaque: bool
    code: bool
    hardware: bool
    # Its password is rotated and kept for emergencies (local-admin-password): nobody could type a code for it.
    rotated: bool = False

    @property
    def works(self) -> bool:
        return self.password or bool(self.keys) or self.opaque

    @property
    def enrolled(self) -> bool:
        return self.code or self.hardware


def read(reader: Reader) -> list[Account]:
    """Every account with a shell that is not over; those of a directory only where they are enrolled."""
    users, _faults = reader.once(accounts.read)
    secrets = accounts.parse_secrets(reader.host.text("/etc/shadow"))
    groups = audit_accounts.parse_group(reader.host.text("/etc/group"))
    # Whoever has a shell, services too: what counts is whether there is something to log in with.
    over = {name for name, secret in secrets.items() if secret.expires is not None and secret.expires < reader.today}
    made = [
        _account(reader, Person(user.name, user.uid, user.home or "/", _groups(groups, user.name, user.gid)), secrets)
        for user in users
        if user.works() and user.name not in over
    ]
    known = {user.name for user in users}
    for name in reader.host.names(STATE):
        other = None if name in known else _elsewhere(reader, name, groups)
        if other is not None:
            made.append(_account(reader, other, secrets))
    return made


def _groups(groups: dict[str, tuple[int, list[str]]], name: str, gid: int) -> frozenset[str]:
    return frozenset(group for group, (number, members) in groups.items() if number == gid or name in members)


def _elsewhere(reader: Reader, name: str, groups: dict[str, tuple[int, list[str]]]) -> Person | None:
    """An account that a directory has; None where nobody has it."""
    if not accounts_name(name):
        return None
    answer = reader.host.run("getent", "passwd", name)
    words = answer.out.strip().split(":")
    if answer.status != 0 or len(words) != 7 or not words[2].isdigit() or not words[3].isdigit():
        return None
    return Person(words[0], int(words[2]), words[5] or "/", _groups(groups, words[0], int(words[3])), local=False)


def accounts_name(name: str) -> bool:
    """Whether it can be the name of an account: no path, no option, nothing that a file name may not have."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.@-]{0,63}", name) is not None


def _account(reader: Reader, person: Person, secrets: dict[str, accounts.Secret]) -> Account:
    secret = secrets.get(person.name)
    keys, opaque = _authorized(reader, person)
    return Account(
        person,
        secret is not None and accounts.usable(secret.password),
        tuple(keys),
        opaque,
        _state(reader, person.name) == "",
        KEY_GROUP in person.groups and any(kind.startswith("sk-") for kind, _key in keys),
        rotated(reader.host, person.name),
    )


def rotated(host: Host, name: str) -> bool:
    """Whether this host's own record says that the password of the account is rotated."""
    return host.exists("%s/%s/%s" % (keeping.TOP, name, keeping.STATE))


def everybody_is_asked(host: Host) -> bool:
    """Whether the role last wrote that by ssh everybody is asked, and not those of a group."""
    return any(line.startswith("Match User ") for line in _lines(host, _ASKING))


def _lines(host: Host, path: str) -> list[str]:
    return host.text(path).splitlines() if host.exists(path) else []


def _authorized(reader: Reader, person: Person) -> tuple[list[tuple[str, str]], bool]:
    """The keys that sshd reads for the account, and whether it may get others from elsewhere."""
    if not reader.host.program("sshd"):
        return [], False
    found = ssh_logins.settings(reader, dict(ANYBODY, user=person.name))
    opaque = any(ssh_logins.one(found, name) not in ("", "none") for name in _FROM_ELSEWHERE)
    keys = []
    for word in ssh_logins.one(found, "authorizedkeysfile").split()[:_MOST_KEY_FILES]:
        path = word.replace("%%", "\0").replace("%h", person.home).replace("%u", person.name)
        path = path.replace("%U", str(person.uid)).replace("\0", "%")
        if word == "none":
            continue
        full = path if path.startswith("/") else person.home.rstrip("/") + "/" + path
        if reader.host.exists(full):
            lines = [one for one in reader.host.text(full).splitlines() if not one.lstrip().startswith("#")]
            keys += [(match.group(1), match.group(2)) for one in lines for match in [_KEYS.search(one)] if match]
    return keys, opaque


def _state(reader: Reader, name: str) -> str | None:
    """What is wrong with the file of an account's secret: nothing (""), or words. None where there is none."""
    path = "%s/%s" % (STATE, name)
    found = look(reader.host, path)
    if found is None:
        return None
    if not stat.S_ISREG(found.st_mode):
        return "is no file"
    if found.st_uid != 0 or found.st_mode & 0o077:
        return "is not root's alone (%s)" % rights(found.st_mode)
    first = (reader.host.text(path).splitlines() or [""])[0]
    return "" if _SECRET.fullmatch(first) else "has no secret in its first line"


# -- what is measured ------------------------------------------------------------------------------------------------


def enrolment(reader: Reader, automation: str, break_glass: str, exempt: tuple[str, ...] | str = ()) -> dict:
    """people are those who can log in and need a second factor, wrong are secret files that are not as they have to be.

    missing are the people without a second factor, DIRECTORY for those of a directory. begun: somebody on this host has
    one, had one or is asked for one.
    """
    everybody = reader.once(read)
    agreed = {automation, break_glass, *_names(exempt), *AGREED}
    people = [one for one in everybody if _is_person(reader, one, agreed)]
    waiting = set(reader.host.names(WAITING))
    wrong = [
        "%s/%s %s" % (STATE, name, why)
        for name in reader.host.names(STATE)
        for why in [_state(reader, name)]
        if why and accounts_name(name)
    ]
    # They do not come in: it fails closed.
    wrong += [
        "%s is asked for a code and has none" % one.person.name
        for one in everybody
        if CODE_GROUP in one.person.groups and not one.code
    ]
    unknown = [DIRECTORY] if has_directory(reader.host) and DIRECTORY not in _names(exempt) else []
    return {
        "people": sorted(one.person.name for one in people),
        "enrolled": sorted(_shown(one) for one in everybody if one.enrolled),
        "with_code": sorted(one.person.name for one in everybody if one.code),
        "missing": sorted(
            one.person.name + " (its first code is awaited)" * (one.person.name in waiting)
            for one in people
            if not one.enrolled
        )
        + unknown,
        "wrong": sorted(wrong),
        "begun": begun(reader),
    }


def has_directory(host: Host) -> bool:
    """Whether people of a directory log in here. Debian names sss in nsswitch.conf also where no SSSD is set up."""
    sources = set(accounts.directories_of(host))
    if not any(host.exists(_SSSD[0]) or host.names(one) for one in _SSSD[1:]):
        sources.discard("sss")
    return bool(sources)


def begun(reader: Reader) -> bool:
    """Whether somebody here has a second factor, or is asked for one, or is to give a first code.

    What a role wrote counts too: where all secrets are lost nothing has ended.
    """
    everybody = reader.once(read)
    return (
        any(one.enrolled or {CODE_GROUP, KEY_GROUP} & one.person.groups for one in everybody)
        or any(accounts_name(name) for place in (STATE, WAITING) for name in reader.host.names(place))
        or reader.host.exists(_ASKING)
    )


def _is_person(reader: Reader, account: Account, agreed: set[str]) -> bool:
    """Whether somebody logs in with it who needs a second factor.

    An account whose password is rotated is for emergencies at the console: it is one only where it comes in by ssh.
    """
    if not account.works or account.person.name in agreed:
        return False
    if not account.rotated:
        return True
    return bool(reader.host.program("sshd")) and _comes_in(reader, account)


def _comes_in(reader: Reader, account: Account) -> bool:
    """Whether there is a way in by ssh, with what the account has."""
    person = account.person
    for login in ssh_logins.logins(reader, person.name):
        if not ssh_logins.lets_in(login.settings, person.name, person.groups, person.uid):
            continue
        lacks = set() if account.keys or account.opaque else {"publickey"}
        if person.uid == 0 and ssh_logins.one(login.settings, "permitrootlogin") != "yes":
            lacks |= {"password", "keyboard-interactive"}
        if any(not lacks & set(way) for way in ssh_logins.ways(login.settings)):
            return True
    return False


def _shown(account: Account) -> str:
    has = ["code"] * account.code + ["security key"] * account.hardware
    return "%s: %s" % (account.person.name, " and ".join(has))


def _names(value: tuple[str, ...] | str) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def by_ssh(  # noqa: PLR0917
    reader: Reader,
    who: str,
    automation: str,
    break_glass: str,
    exempt: tuple[str, ...] | str = (),
    locked_out: tuple[str, ...] | str = (),
) -> dict:
    """without are the people who come in by ssh with one factor, each with the ways that let them.

    who is enrolled (only those who have a second factor are looked at) or everybody. undecided are the people whom it
    would lock out, and who were not agreed on (locked_out). to_ask are those who are to be in the group of the asked.
    kept_out are those who are not to be asked and are all the same, and have no code.
    """
    if not reader.host.program("sshd"):
        raise Absent("there is no ssh server on this host")
    agreed = {automation, break_glass, *_names(exempt), *AGREED}
    everybody = reader.once(read)
    people = [
        one for one in everybody if one.person.name not in agreed and (one.enrolled or _is_person(reader, one, agreed))
    ]
    asked = people if who == EVERYBODY else [one for one in people if one.enrolled]
    found = [(one.person.name, weak) for one in asked for weak in _weak(reader, one.person)]
    missing = [one.person.name for one in people if not one.enrolled] if who == EVERYBODY else []
    # Nobody of them has a secret here, and everybody means them too.
    missing += [DIRECTORY] if who == EVERYBODY and has_directory(reader.host) else []
    spared = [one for one in everybody if one.person.name in agreed or (who != EVERYBODY and one in people)]
    told: dict[str, Any] = {
        "without": _told(found),
        "kept_out": sorted(one.person.name for one in spared if _kept_out(reader, one)),
        "begun": who == EVERYBODY or begun(reader),
        "undecided": sorted(name for name in missing if name not in _names(locked_out)),
        "to_ask": sorted(one.person.name for one in people if one.code and CODE_GROUP not in one.person.groups),
    }
    others = sorted(
        {"Match %s in %s" % (weak.block.condition, weak.block.place) for _name, weak in found if weak.block}
    )
    if begun(reader) and not any(one.enrolled for one in everybody):
        # By hand: it takes people and their phones.
        told["without"].append(_NOBODY)
        others.append(_NOBODY)
    if not others:
        return told
    mine = _told([(name, weak) for name, weak in found if weak.block is None])
    return {**told, "within_reach": {"without": mine}, "out_of_reach": {"without": others}}


def _kept_out(reader: Reader, account: Account) -> bool:
    """Whether sshd wants answers of PAM after a key, and PAM a code that the account has not."""
    if account.enrolled or CODE_GROUP in account.person.groups:
        return False
    settings = ssh_logins.settings(reader, dict(ANYBODY, user=account.person.name))
    lists = ssh_logins.one(settings, "authenticationmethods").split()
    asked = bool(lists) and all("keyboard-interactive" in one for one in lists)
    return asked and _always(_asks(reader, "sshd", account.person))


class Weak(NamedTuple):
    """A way in that needs no second factor. block is where it is so, None where it is so everywhere or by our own."""

    way: str
    block: ssh_server.Block | None


def _told(found: list[tuple[str, Weak]]) -> list[str]:
    return sorted(
        {
            "%s: %s%s" % (name, weak.way, " (Match %s)" % weak.block.condition[:100] if weak.block else "")
            for name, weak in found
        }
    )


def _weak(reader: Reader, person: Person) -> Iterator[Weak]:
    asks = _asks(reader, "sshd", person)
    everywhere: list[str] = []
    for login in ssh_logins.logins(reader, person.name):
        if not ssh_logins.lets_in(login.settings, person.name, person.groups, person.uid):
            continue
        for way in ssh_logins.weak_ways(login.settings, asks):
            if login.block is None or os.path.basename(login.block.place).startswith(_OURS):
                everywhere.append(way)
                yield Weak(way, None)
            elif way not in everywhere:
                yield Weak(way, login.block)


def _asks(reader: Reader, service: str, person: Person) -> frozenset[Asked]:
    """What the service asks of the person. Where PAM has none of this name, other stands in for it."""
    name = service if pam.there(reader.host, service) else "other"
    if not pam.there(reader.host, name):
        return frozenset((Asked(),))
    return pam_factors.asked(reader.once(pam.stack, name, "auth"), person, reader.host.exists)


def by_pam(reader: Reader, services: tuple[str, ...] | str) -> dict:
    """without are the people with a code whom a service does not ask for it, to_ask who are to be in the group.

    A service that is not on the host asks nobody. found are those that are. Whom sudo asks nothing at all it does not
    ask for a code either; that is no work of the role (sudo-nopasswd has one).
    """
    found = [one for one in _names(services) if pam.there(reader.host, one)]
    enrolled = [one for one in reader.once(read) if one.code]
    mine = [
        "%s: %s" % (service, one.person.name)
        for service in found
        for one in enrolled
        if not _always(_asks(reader, service, one.person))
    ]
    left = _unasked(reader, enrolled) if set(found) & set(_BY_SUDO) else []
    if found and not enrolled and begun(reader):
        left.append(_NOBODY)
    told = {
        "without": sorted(mine) + left,
        "found": found,
        "to_ask": sorted(one.person.name for one in enrolled if CODE_GROUP not in one.person.groups),
        "begun": begun(reader),
    }
    return {**told, "within_reach": {"without": sorted(mine)}, "out_of_reach": {"without": left}} if left else told


def _unasked(reader: Reader, enrolled: list[Account]) -> list[str]:
    """The rules of sudo by which somebody with a code is asked for nothing."""
    if not enrolled or not reader.host.program("sudo"):
        return []
    rules = sudo.rules_of(reader)
    general, bound = sudo_settings.parse_defaults(rules)
    parsed = sudo.parse_rules(rules)
    users = audit_accounts.parse_passwd(reader.host.text("/etc/passwd"))
    groups = audit_accounts.parse_group(reader.host.text("/etc/group"))
    ways = [(set(sudo.people(set(rule.who), users, groups)), rule) for rule in parsed]
    names = {one.person.name for one in enrolled}
    off = general.get("authenticate") is False
    found = {
        name for who, rule in ways if rule.password is False or (off and not rule.password) for name in who & names
    }
    # Settings of some people or programs alone: whoever they are for, they are told as they stand.
    some = ["Defaults for %s" % whom for whom, settings in bound if settings.get("authenticate") is False]
    return sorted("sudo asks %s for nothing" % name for name in found) + sorted(
        "sudo: %s !authenticate" % one for one in some
    )


def _always(ways: frozenset[Asked]) -> bool:
    """Nobody comes in by a way without the code. Where there is no way at all, nobody comes in."""
    return all(one.code for one in ways)


def by_source(reader: Reader, account: str, break_glass: str, management: tuple[str, ...] | str) -> dict:
    """wrong is whatever lets the automation in by another way or from elsewhere, or keeps it or break-glass out.

    What is inside the management networks, just beside them, and in and beside every Match block is asked of sshd.
    unpunished is from where failed logins shut nobody out for a while; None for a server that never does that.
    elsewhere: break-glass-login says from where break-glass comes in, so nothing of that is looked at here. begun: it
    was said from where the automation works, or somebody has a second factor.
    """
    if not reader.host.program("sshd"):
        raise Absent("there is no ssh server on this host")
    networks = _names(management)
    if strange := [one for one in networks if network(one) is None]:
        raise Unmeasurable("%s is no address and no network" % ", ".join(strange))
    known = {one.person.name: one for one in reader.once(read)}
    wrong: list[str] = []
    unpunished = _unpunished(reader)
    elsewhere = _named_in(reader.host, _EMERGENCY, break_glass)
    if not networks and begun(reader):
        wrong.append("nobody said from where the automation works")
    if networks:
        tried = _tried(reader, networks)
        if unpunished is not None:
            left = [one for one in networks if not covers(unpunished, one)]
            wrong += ["failed logins from %s shut out whoever comes from there" % one for one in left]
        if account not in known:
            wrong.append("%s: no account with a shell has this name" % account)
        else:
            wrong += [one for address, mine in tried for one in _automation(reader, known[account], address, mine)]
            wrong += _shared(known[account], list(known.values()))
        if elsewhere and _named_in(reader.host, _FENCE, break_glass):
            wrong.append("two files say from where %s comes in" % break_glass)
        if break_glass in known and elsewhere:
            asked = any(one.code for one in _asks(reader, "sshd", known[break_glass].person))
            wrong += ["%s is asked for a code" % break_glass] if asked else []
        elif break_glass in known:
            wrong += [one for address, mine in tried for one in _emergency(reader, known[break_glass], address, mine)]
    return {
        "wrong": list(dict.fromkeys(wrong)),
        "management": list(networks),
        "break_glass": break_glass in known,
        "elsewhere": elsewhere,
        "begun": bool(networks) or begun(reader),
        "unpunished": unpunished,
    }


def _named_in(host: Host, path: str, account: str) -> bool:
    """Whether a Match block of the file is for this account."""
    found = [line.split() for line in _lines(host, path) if line.startswith("Match User ")]
    return any(account in words[2].split(",") for words in found)


def _unpunished(reader: Reader) -> list[str] | None:
    """What is exempt from PerSourcePenalties.

    OpenSSH has them since 9.8: after a wrong code or password it lets nobody in from that address for some time, also
    not with a right key.
    """
    settings = ssh_server.as_login(reader, dict(ANYBODY))
    # What is left of time spans and bounds when it is switched off is "no".
    if settings.get("persourcepenalties", ["no"])[0] == "no":
        return None
    found = settings.get("persourcepenaltyexemptlist", ["none"])
    return [one for one in " ".join(found).replace(",", " ").split() if one != "none"]


def _tried(reader: Reader, networks: tuple[str, ...]) -> list[tuple[str, bool]]:
    """Addresses, and whether they are inside the management networks."""
    found = [ANYBODY["addr"], "2001:db8::1"]
    for one in networks:
        found += addresses(one)
    for block in reader.once(ssh_server.match_blocks):
        found += beside(block.condition)
    return [(one, inside(one, networks)) for one in dict.fromkeys(found)]


def _automation(reader: Reader, account: Account, address: str, mine: bool) -> Iterator[str]:
    person = account.person
    login = ssh_logins.from_address(reader, person.name, address)
    enters = ssh_logins.lets_in(login.settings, person.name, person.groups, person.uid)
    ways = ssh_logins.ways(login.settings) if enters else []
    if not mine and ways:
        yield "%s comes in from %s" % (person.name, address)
    if mine and ("publickey",) not in ways:
        yield "%s does not come in with its key alone from %s" % (person.name, address)
    others = sorted(",".join(one) for one in ways if one != ("publickey",))
    if mine and others:
        yield "%s comes in by %s too" % (person.name, ", ".join(others))


def _emergency(reader: Reader, account: Account, address: str, mine: bool) -> Iterator[str]:
    person = account.person
    login = ssh_logins.from_address(reader, person.name, address)
    enters = ssh_logins.lets_in(login.settings, person.name, person.groups, person.uid)
    ways = ssh_logins.ways(login.settings) if enters else []
    if not mine and ways:
        yield "%s comes in from %s" % (person.name, address)
    if mine and ("password",) not in ways:
        yield "%s does not come in with its password from %s" % (person.name, address)
    elif mine and any(one.code for one in _asks(reader, "sshd", person)):
        yield "%s is asked for a code" % person.name


def _shared(mine: Account, everybody: list[Account]) -> Iterator[str]:
    """A key that opens another account is not the automation's own."""
    keys = {key for _kind, key in mine.keys}
    if not keys and not mine.opaque:
        yield "%s has no key" % mine.person.name
    for other in everybody:
        if other.person.name != mine.person.name and keys & {key for _kind, key in other.keys}:
            yield "%s comes in with a key of %s" % (other.person.name, mine.person.name)
