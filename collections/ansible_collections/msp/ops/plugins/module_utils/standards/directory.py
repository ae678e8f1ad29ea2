# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directory that a host takes its people from, by SSSD: what is in force, and whether it answers.

In force is what SSSD read when it started, out of its own database (ldbsearch), and what it will read when it starts
the next time, out of its files: a finding in either is one. Real look-ups by NSS say whether the directory's people are
known; SSSD may ask the directory for them. No password of it is told.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.standards import (
    access_pam,
    accounts,
    directory_config,
    keytab,
    pam,
    sudo,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.directory_config import DOMAIN, View, Wanted
from ansible_collections.msp.ops.plugins.module_utils.standards.files import beyond, look, rights, whose
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable

CONFIG, SNIPPETS = "/etc/sssd/sssd.conf", "/etc/sssd/conf.d"
OURS = "# Written by msp.ops."
_DATABASE = "/var/lib/sss/db/config.ldb"
_SEARCH = ("ldbsearch", "-H", _DATABASE)
_KEYTAB, _KRB5 = "/etc/krb5.keytab", "/etc/krb5.conf"
_KEYTAB_RIGHTS = "0600"
_NOT_FOUND = 2
_LATER = " (when it starts the next time)"
# Programs by which people log in, and modules that make a home.
_LOGINS = ("sshd", "login", "gdm-password", "lightdm", "sddm", "xrdp-sesman")
# Programs by which somebody who is in becomes somebody else.
_BECOMING = ("su", "su-l", "sudo", "sudo-i")
_SAID_YES = "sssd"
# By what SSSD shuts somebody out whom it knows.
_SAYS_NO = ("perm_denied", "acct_expired", "authinfo_unavail")
_FIXED = {"pam_permit.so": access_pam.SUCCESS, "pam_deny.so": access_pam.REFUSED}
# Far above the numbers of any host's own accounts.
_SOMEBODY = access_pam.Account("", 10**8, "/", local=False)
_MAKERS = ("pam_mkhomedir.so", "pam_oddjob_mkhomedir.so")
_HOME_MASK = 0o077


class Known(NamedTuple):
    """Both views. in_force is None where SSSD does not run, why where it runs and that cannot be read."""

    running: bool
    in_force: View | None
    later: View
    why: str = ""

    def views(self) -> Iterator[tuple[View, str]]:
        """Each view, and what is said behind a finding of it."""
        if self.in_force is not None:
            yield self.in_force, ""
        if self.in_force != self.later:
            yield self.later, _LATER if self.in_force is not None else ""


def prepare(reader: Reader) -> None:
    if reader.host.exists(_DATABASE):
        reader.host.prepare(*_SEARCH)


def read(reader: Reader) -> Known:
    running = _runs(reader)
    later = _files(reader)
    if not running:
        return Known(False, None, later)
    try:
        return Known(True, directory_config.parse_ldif(reader.answer(*_SEARCH).out), later)
    except Absent:
        return Known(True, None, later, "ldbsearch (ldb-tools), by which SSSD's database is read, is not on this host")
    except Unmeasurable as error:
        return Known(True, None, later, str(error))


def _runs(reader: Reader) -> bool:
    host = reader.host
    return any(host.line("/proc/%s/comm" % one) == "sssd" for one in host.names("/proc") if one.isdigit())


def _files(reader: Reader) -> View:
    """The file, then what is dropped in, by name. Hidden files are none."""
    host = reader.host
    paths = [CONFIG] if host.exists(CONFIG) else []
    paths += ["%s/%s" % (SNIPPETS, name) for name in host.names(SNIPPETS) if re.fullmatch(r"[^.].*\.conf", name)]
    return directory_config.merged(directory_config.parse_ini(host.text(path)) for path in paths)


def _known(reader: Reader) -> Known:
    """Of a host that has a directory; never a part of it that would stand for the whole."""
    found: Known = reader.once(read)
    if not any(directory_config.domains(view) for view, _when in found.views()):
        raise Absent("SSSD is not set up on this host")
    if found.why:
        raise Unmeasurable(found.why)
    return found


# -- what was chosen ----------------------------------------------------------------------------------------------


def joined(
    reader: Reader,
    domain: str,
    provider: str,
    *,
    servers: tuple[str, ...] = (),
    base: str = "",
    schema: str = "",
    realm: str = "",
    kdcs: tuple[str, ...] = (),
    bind: str = "",
    authority: str = "",
    replaces: tuple[str, ...] = (),
) -> dict:
    """different is all that is not as chosen; others are domains that nobody said may go."""
    if not domain:
        return {"chosen": False, "running": False, "different": [], "others": [], "came_by": []}
    wanted = Wanted(domain, provider, tuple(servers), base, schema, realm, tuple(kdcs), bind, authority)
    known: Known = reader.once(read)
    found = [one + when for view, when in known.views() for one in directory_config.different(wanted, view)]
    others = [one for view, _when in known.views() for one in directory_config.domains(view) if one != domain]
    if known.why:
        found.append(known.why)
    if not known.running:
        found.append("SSSD does not run")
    if found == [] and authority:
        found += _other_authority(reader, wanted, known)
    if found == [] and realm:
        found += _other_realm(reader, realm)
    # Domains that may go are still there until they have gone.
    found += ["%s is served too" % one for one in dict.fromkeys(others) if one in replaces]
    return {
        "chosen": True,
        "running": known.running,
        "different": list(dict.fromkeys(found)),
        "others": sorted({one for one in others if one not in replaces}),
        "came_by": came_by(reader),
    }


def _other_authority(reader: Reader, wanted: Wanted, known: Known) -> Iterator[str]:
    for view, when in known.views():
        path = view.get(DOMAIN + wanted.domain, {}).get("ldap_tls_cacert", "")
        there = reader.host.text(path) if path and reader.host.exists(path) else ""
        if directory_config.certificates(there) != directory_config.certificates(wanted.authority):
            yield "ldap_tls_cacert is %s" % (path + " with others" if path else "not set") + when


def _other_realm(reader: Reader, realm: str) -> Iterator[str]:
    """By this libkrb5 tells whether a ticket's name is an account of this host."""
    text = reader.host.text(_KRB5) if reader.host.exists(_KRB5) else ""
    found = directory_config.parse_ini(text).get("libdefaults", {}).get("default_realm", "")
    if found != realm:
        yield "default_realm of %s is %s" % (_KRB5, found or "not set")


# -- how it stands ------------------------------------------------------------------------------------------------


def measure(reader: Reader) -> dict:
    """Of all domains together. foreign: SSSD's own file is not one of ours, so no role changes it unasked."""
    known = _known(reader)
    weak: dict[str, None] = {}
    admits: dict[str, None] = {}
    uncached: dict[str, None] = {}
    seconds, days = 0, []
    local = ["root", *(name for name in came_by(reader) if name != "root")]
    asked: dict[str, None] = {}
    kerberos = False
    for view, when in known.views():
        for name in directory_config.domains(view):
            options = view.get(DOMAIN + name, {})
            weak.update(dict.fromkeys(one + when for one in directory_config.unproven(name, options)))
            admits.update(dict.fromkeys(directory_config.admitted(options)))
            if options.get("cache_credentials", "").lower() != "true":
                uncached[name + when] = None
            seconds = max(seconds, directory_config.cache_seconds(options))
            if directory_config.proves_by_kerberos(options):
                kerberos = True
                weak.update(dict.fromkeys(_keys_wrong(reader, options, name)))
        days.append(directory_config.offline_days(view))
        asked.update(dict.fromkeys(directory_config.asked_for(view, local)))
    return {
        "running": known.running,
        "foreign": _foreign(reader),
        "weak": list(weak),
        "admits": list(admits),
        "uncached": list(uncached),
        "offline_days": directory_config.UNLIMITED if directory_config.UNLIMITED in days else max(days),
        "cache_seconds": seconds,
        "asked_for": list(asked),
        "kerberos": kerberos,
        "homes": list(_homes(reader)),
        "unasked": list(_unasked(reader)),
    }


def _foreign(reader: Reader) -> bool:
    host = reader.host
    return not (host.exists(CONFIG) and host.text(CONFIG).startswith(OURS))


def _keys_wrong(reader: Reader, options: dict[str, str], name: str) -> Iterator[str]:
    """Without a key of its own the host can't tell a KDC from one that only says that it is."""
    path = options.get("krb5_keytab", _KEYTAB)
    found = look(reader.host, path)
    if found is None:
        yield "%s: %s is not there" % (name, path)
        return
    if beyond(found.st_mode, _KEYTAB_RIGHTS) or found.st_uid:
        yield "%s: %s %s %s" % (name, path, rights(found.st_mode), whose(reader, found)[0])
    try:
        there = keytab.principals(reader.host.data(path))
    except ValueError as error:
        yield "%s: %s: %s" % (name, path, error)
        return
    realm = options.get("krb5_realm", "").upper() or name.upper()
    hosts = {one.partition("@")[0].partition("/")[2].lower() for one in there if one.endswith("@" + realm)}
    own = socket.gethostname().lower()
    if not any(one.partition(".")[0] == own.partition(".")[0] for one in hosts):
        yield "%s: %s has no key of %s in %s" % (name, path, own, realm)


def _homes(reader: Reader) -> Iterator[str]:
    """Logins whose session makes no home, or one that others can look into."""
    for service in _LOGINS:
        if not pam.there(reader.host, service):
            continue
        lines = [line for line in pam.lines(pam.stack(reader, service, "session")) if line.module in _MAKERS]
        if not lines:
            yield "%s: no home is made" % service
        for line in lines:
            mask = _mask(reader, line)
            if mask is None or mask & _HOME_MASK != _HOME_MASK:
                yield "%s: a home is made that others can look into" % service


def _unasked(reader: Reader) -> Iterator[str]:
    """Programs that may let somebody of the directory in without a yes of SSSD, by any way through their account stack:
    then everybody of the directory comes in who has a key or a ticket."""
    for service in (*_LOGINS, *_BECOMING):
        if not pam.there(reader.host, service):
            continue
        says = partial(_says, becoming=service in _BECOMING)
        ways = access_pam.proofs(pam.stack(reader, service, "account"), says)
        if any(_SAID_YES not in way for way in ways):
            yield "%s: SSSD is not asked" % service


def _says(line: pam.Line, becoming: bool) -> list[access_pam.Answer]:
    """What a module of an account stack may say of somebody of the directory, of whom no more is known than that.

    becoming: of a program that somebody runs who is in already. root may become whom it likes, so only what it says to
    others counts.
    """
    nothing: frozenset = frozenset()
    if line.module == "pam_sss.so":
        # It knows the person, so it never says that it does not.
        told = any(word.startswith("ignore_") for word in line.arguments)
        others = (*_SAYS_NO, access_pam.IGNORE) if told else _SAYS_NO
        return [(access_pam.SUCCESS, frozenset((_SAID_YES,))), *((no, nothing) for no in others)]
    if line.module in _FIXED:
        return [(_FIXED[line.module], nothing)]
    if line.module == "pam_usertype.so":
        regular = "isregular" in line.arguments
        return [(access_pam.SUCCESS if regular else access_pam.REFUSED, nothing)]
    if becoming:
        line = line._replace(arguments=tuple(word for word in line.arguments if word != "use_uid"))
    said = access_pam.condition(line, _SOMEBODY) if "user" not in line.arguments else None
    if said is not None:
        return [(said, nothing)]
    return [(one, nothing) for one in (access_pam.SUCCESS, access_pam.IGNORE, access_pam.ANY)]


def _mask(reader: Reader, line: pam.Line) -> int | None:
    """As pam_mkhomedir has it: its own word, else what login.defs has of homes, else of all files."""
    given = [word[len("umask=") :] for word in line.arguments if word.startswith("umask=")]
    if given:
        return _octal(given[-1])
    mode = _octal(pam.login_defs(reader, "HOME_MODE") or "")
    return 0o777 & ~mode if mode is not None else _octal(pam.login_defs(reader, "UMASK") or "")


def _octal(text: str) -> int | None:
    return int(text, 8) if re.fullmatch(r"[0-7]{1,4}", text.strip()) else None


# -- whether it answers -------------------------------------------------------------------------------------------


def online(reader: Reader) -> dict:
    """offline are domains that SSSD holds for away, after it was made to ask each for somebody whom nobody knows."""
    known = _known(reader)
    names = directory_config.domains(known.in_force or known.later)
    if not known.running:
        return {"offline": names}
    offline = []
    for name in names:
        # A name that was not asked for before: what is known already is no proof that somebody answers.
        reader.host.run("getent", "-s", "sss", "passwd", "msp-%s@%s" % (os.urandom(6).hex(), name))
        said = reader.answer("sssctl", "domain-status", "--online", name).out
        match = re.search(r"^Online status:\s*(\w+)", said, re.MULTILINE)
        if match is None:
            raise Unmeasurable("sssctl does not say whether %s is online" % name)
        if match.group(1).lower() != "online":
            offline.append(name)
    return {"offline": offline}


def names(reader: Reader, person: str = "", group: str = "") -> dict:
    """Which of the two this host does not know by its directory."""
    asked = [("passwd", person, "/etc/passwd"), ("group", group, "/etc/group")]
    found = [_unknown(reader, *one) for one in asked if one[1]]
    return {"unknown": [why for why in found if why]}


def _unknown(reader: Reader, table: str, name: str, file: str) -> str:
    local = [line.partition(":")[0] for line in reader.host.text(file).splitlines()]
    if name in local:
        return "%s, which stands in %s" % (name, file)
    return "" if _entry(reader, table, name) else name


def _entry(reader: Reader, table: str, name: str, *only: str) -> str:
    """The line of NSS, "" for a name that is not known. only: the source that is asked."""
    found = reader.host.run("getent", *only, table, name)
    if found.status not in (0, _NOT_FOUND):
        raise Unmeasurable("getent %s" % found.reason())
    return found.out.strip() if found.status == 0 else ""


def of_directory(reader: Reader, table: str, name: str) -> str:
    """What the directory itself has of a name, also where this host's own files have it too."""
    return _entry(reader, table, name, "-s", "sss")


# -- sudo ---------------------------------------------------------------------------------------------------------


def sudo_rules(reader: Reader, rules: tuple[str, ...]) -> dict:
    """missing are rules that were agreed on and are not in force as they are written; others those of the directory's
    groups that nobody agreed on. A rule is "%admins: ALL", and one without a password says so."""
    _known(reader)
    there = [rule for rule in _of_sudo(reader) if rule.as_root]
    told = {_told(who, rule) for rule in there for who in rule.who}
    local = {line.partition(":")[0] for line in reader.host.text("/etc/group").splitlines()}
    groups = {who for rule in _of_sudo(reader) for who in rule.who if re.match(r"%[^#:]", who) and who[1:] not in local}
    foreign = {who for who in groups if of_directory(reader, "group", who[1:])}
    others = sorted({_told(who, rule) for rule in _of_sudo(reader) for who in rule.who if who in foreign} - set(rules))
    found: dict[str, Any] = {"missing": [rule for rule in rules if rule not in told], "others": others}
    # They stand in files of others, and nobody here takes a rule out of those.
    return {**found, "within_reach": {"others": []}, "out_of_reach": {"others": others}} if others else found


def _of_sudo(reader: Reader) -> list[sudo.Rule]:
    if not reader.host.program("sudo"):
        raise Unmeasurable("sudo is not on this host")
    return sudo.parse_rules(sudo.rules_of(reader))


def _told(who: str, rule: sudo.Rule) -> str:
    whom = "" if rule.as_root else " (not as root)"
    return "%s: %s%s%s" % (who, ", ".join(rule.commands), whom, " without a password" if rule.password is False else "")


# -- how this measurement came here -------------------------------------------------------------------------------


def came_by(reader: Reader) -> list[str]:
    """The accounts that this very program was started through, as the kernel has their processes: the automation's."""
    users = {user.uid: user.name for user in accounts.parse_users(reader.host.text("/etc/passwd"))}
    found: dict[str, None] = {}
    number = os.getpid()
    while number > 1:
        try:
            with open(reader.host.path("/proc/%d/status" % number), encoding="utf-8", errors="replace") as stream:
                fields = dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)
        except FileNotFoundError:
            break
        uid = int(fields["Uid"].split()[0])
        if uid in users:
            found[users[uid]] = None
        number = int(fields["PPid"])
    return list(found)
