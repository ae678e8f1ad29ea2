# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What control_facts is asked: the kinds of probes with their arguments, and whether a request is in that shape.

Pure: no I/O. Everything in a request came over the network, so a name that could be an option, leave its directory or
match without end is refused here, before anything is looked at.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.module_utils.standards.server_settings import PARTS, SERVICES
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_profiles import PROFILES

# A standard has some fifty controls; a request of thousands is none of ours.
MOST_PROBES = 1000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Form(NamedTuple):
    """What one argument may be: a text in whole as the pattern says, or with many a list of such texts.

    what says it to a person. least: how many a list has to have. regular: the text is itself a regular expression.
    table: texts by name, by name.
    """

    pattern: str
    what: str
    many: bool = False
    needed: bool = True
    least: int = 1
    regular: bool = False
    table: bool = False


_WORD = r"[A-Za-z0-9][A-Za-z0-9_-]*"
# No "." or ".." as a part, no doubled slash, no character that is not printed.
_PART = r"(?!\.\.?(?:/|\Z))[^/\x00-\x1f\x7f]+"
_PATH = r"/|(?:/%s)+" % _PART
_ACCOUNT = r"[A-Za-z0-9_][A-Za-z0-9_.@$\\ -]{0,63}"
PATH = Form(_PATH, "an absolute path without . and .. in it")
PATHS = Form(r"(?!.*\*\*)(?:%s)" % _PATH, "absolute paths, in which * ? and [] may stand", many=True)
MODE = Form(r"0?[0-7]{3,4}", "file rights as 0644")
OWNERS = Form(_ACCOUNT, "a name, or several of which each will do", many=True, needed=False)
# What these mean is checked where they are used: software_set.py, sources.py and wanted_sources.py.
_TEXT = r"[^\x00-\x1f\x7f]{1,300}"
NAME = Form(_ACCOUNT, "the name of an account")
AGREED = Form(_ACCOUNT, "names of accounts", many=True, needed=False, least=0)
PEOPLE = Form("@directory|" + _ACCOUNT, "names of accounts, or @directory", many=True, needed=False, least=0)
PACKAGES = Form(_TEXT, "packages, each as NAME or NAME CONDITION", many=True, least=0)
ADDRESSES = Form(_TEXT, "patterns of addresses", many=True, least=0)
SERVICE = Form("|".join(SERVICES), "one of %s" % ", ".join(SERVICES))
PROFILE = Form("|".join(PROFILES), "one of %s" % ", ".join(PROFILES))
DAYS = Form(r"[0-9]{1,4}", "a number of days")
AUTHORITIES = Form(
    r"\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,20000}-----END CERTIFICATE-----\s*",
    "certificates in PEM",
    many=True,
    needed=False,
    least=0,
)
# Of a directory. Empty where nothing was chosen.
_DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_LINE = r"[^\x00-\x1f\x7f]{0,500}"
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.@\\ -]{0,63}"

KINDS: dict[str, dict[str, Form]] = {
    "sshd": {
        "name": Form(r"[A-Za-z0-9]{1,64}", "a keyword of sshd_config"),
        "user": Form(_ACCOUNT, "the name of a user", needed=False),
        "agreed": AGREED,
    },
    "sysctl": {
        "name": Form(
            # A star is a part of its own: it stands for one interface.
            r"(?!.*\.\.)(?!.*[^./]\*)(?!.*\*[^./])(?!.*\*.*\*)[A-Za-z0-9_][A-Za-z0-9_./@:*-]*",
            "a kernel setting as kernel.dmesg_restrict or net.ipv4.conf.*.rp_filter",
        )
    },
    "unit": {
        "name": Form(
            r"[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?\.(service|socket|timer|target|mount|automount|path|swap|slice)",
            "the name of a systemd unit with its ending, as ssh.service",
        )
    },
    "package": {"name": Form(r"[A-Za-z0-9][A-Za-z0-9+._-]*", "the name of a package")},
    "packages": {},
    "file": {"path": PATH},
    "file_rights": {"paths": PATHS, "mode": MODE, "owner": OWNERS, "group": OWNERS},
    "file_lines": {
        "paths": PATHS,
        "pattern": Form(r"(?s:.{1,500})", "a regular expression that part of a line matches", regular=True),
    },
    "systemd_config": {
        "file": Form(r"(?:%s/)+%s\.conf" % (_WORD, _WORD), "a file of systemd's settings as systemd/journald.conf"),
        "section": Form(_WORD, "the name of a section"),
        "name": Form(_WORD, "the name of a setting"),
    },
    "mount": {"path": PATH},
    "nftables": {},
    "listening": {},
    # What these mean is checked by open_ports.py.
    "firewall_unlisted": {
        "ports": Form(_TEXT, "what is let in, each as tcp/22", many=True, least=0),
        "closed": Form(_TEXT, "what is to be closed, each as tcp/22", many=True, least=0),
    },
    "access": {},
    "accounts": {},
    "homes": {"below": PATH},
    "sudo": {},
    "login_defs": {"name": Form(r"[A-Z][A-Z0-9_]*", "a setting of login.defs as PASS_MAX_DAYS")},
    "umask": {},
    "password_hashes": {},
    "repositories": {},
    "apt_config": {
        "name": Form(r"[A-Za-z0-9][A-Za-z0-9_.+/-]*(::[A-Za-z0-9_.+/*-]+)*", "a setting as APT::Sandbox::User")
    },
    "time": {},
    "audit_rules": {},
    "kernel_module": {"name": Form(_WORD, "the name of a kernel module")},
    "software_required": {"packages": PACKAGES},
    "software_forbidden": {"packages": PACKAGES},
    "software_unknown": {"packages": PACKAGES, "origins": Form(_TEXT, "patterns of origins", many=True, least=0)},
    "software_held": {},
    "repositories_foreign": {"allowed": ADDRESSES},
    "repositories_unsigned": {"distribution": ADDRESSES},
    "repositories_wanted": {
        "repositories": Form(r"(?s:.{0,100000})", "by the name of each repository a map of texts", table=True)
    },
    "second_factor": {"automation": NAME, "break_glass": NAME, "exempt": PEOPLE},
    "second_factor_ssh": {
        "who": Form(r"enrolled|everybody", "enrolled or everybody"),
        "automation": NAME,
        "break_glass": NAME,
        "exempt": AGREED,
        "locked_out": PEOPLE,
    },
    "second_factor_pam": {
        "services": Form(r"[a-z0-9][a-z0-9_.-]{0,63}", "names of services of PAM", many=True, least=0)
    },
    # What a network is is checked where it is used.
    "ssh_sources": {
        "account": NAME,
        "break_glass": NAME,
        "management": Form(r"[0-9A-Fa-f:.]+(/[0-9]{1,3})?", "addresses or networks", many=True, least=0),
    },
    "automatic_updates": {},
    # What these mean is checked by encryption/volume.py.
    "encrypted_volumes": {"volumes": Form(r"(?s:.{0,1000})", "by the name of each volume a map of texts", table=True)},
    "encryption": {},
    "local_admin": {"account": NAME},
    "password_uses": {},
    "emergency_login": {
        "account": NAME,
        "addresses": Form(r"[0-9A-Fa-f:.]{2,45}/[0-9]{1,3}", "networks, each as 192.0.2.0/24", many=True, least=0),
    },
    "one_time_login": {},
    "tls_service": {"service": SERVICE, "profile": PROFILE},
    "tls_ports": {
        # What these mean is checked by tls_probes.py.
        "ports": Form(_TEXT, "ports, each as 636 tls ldap.example.com", many=True, least=0),
        "profile": PROFILE,
        "days": DAYS,
        "authorities": AUTHORITIES,
        "address": Form(r"[A-Za-z0-9][A-Za-z0-9.:%_-]{0,252}", "an address, or a name of the network", needed=False),
    },
    "tls_certificates": {
        "days": DAYS._replace(needed=False),
        "authorities": AUTHORITIES,
        "unverified": Form(r"(tcp/)?[0-9]{1,5}", "ports, each as tcp/25", many=True, needed=False, least=0),
        "names": Form(_TEXT, "names, each as 443 www.example.com", many=True, needed=False, least=0),
    },
    "tls_changes": {"service": SERVICE, **dict.fromkeys(PARTS, PROFILE._replace(needed=False))},
    "postfix": {"name": Form(r"[a-z][a-z0-9_]{1,80}", "a setting of Postfix as smtp_tls_security_level")},
    "directory_joined": {
        "domain": Form(r"(?:%s)?" % _DOMAIN, "the name of a directory's domain, or nothing"),
        "provider": Form(r"ldap|ad", "ldap or ad"),
        "servers": Form(_LINE, "addresses as ldaps://ldap.example.org", many=True, needed=False, least=0),
        "base": Form(_LINE, "where people and groups are, as dc=example,dc=org", needed=False),
        "schema": Form(r"[a-z0-9]{0,20}", "rfc2307 or rfc2307bis", needed=False),
        "realm": Form(r"(?:%s)?" % _DOMAIN, "a Kerberos realm, or nothing", needed=False),
        "kdcs": Form(_LINE, "addresses of KDCs", many=True, needed=False, least=0),
        "bind": Form(_LINE, "as whom SSSD asks, as cn=reader,dc=example,dc=org", needed=False),
        "authority": Form(r"(?s:.{0,20000})", "certificates as PEM", needed=False),
        "replaces": Form(_DOMAIN, "names of domains", many=True, needed=False, least=0),
    },
    "directory": {},
    "directory_online": {},
    "directory_names": {
        "person": Form(r"(?:%s)?" % _NAME, "the name of a person, or nothing", needed=False),
        "group": Form(r"(?:%s)?" % _NAME, "the name of a group, or nothing", needed=False),
    },
    "directory_sudo": {"rules": Form(_TEXT, "rules as %admins: ALL", many=True, least=0)},
    "directory_accounts": {
        "names": Form(_ACCOUNT, "names of accounts", many=True, least=0),
        "keep": Form(_ACCOUNT, "names of accounts", many=True, needed=False, least=0),
    },
}


class Probe(NamedTuple):
    id: str
    kind: str
    # The pairs of it sorted by name; a list is a tuple here.
    arguments: tuple[tuple[str, Any], ...]


def read(rows: list) -> tuple[Probe, ...]:
    """The request as probes; everything that is wrong with it is raised at once."""
    errors: list[MspError] = []
    found: list[Probe] = []
    if len(rows) > MOST_PROBES:
        raise MspError(
            "MSP-STD-042",
            "at most %d probes in one request" % MOST_PROBES,
            "%d" % len(rows),
            "ask in several requests",
        )
    for number, row in enumerate(rows, 1):
        probe = _read(number, row, errors)
        if probe is not None and any(probe.id == one.id for one in found):
            errors.append(_unnamed(number, "the id %s, which an earlier probe has" % probe.id))
        elif probe is not None:
            found.append(probe)
    if errors:
        raise MspErrors(errors)
    return tuple(found)


def _read(number: int, row: Any, errors: list[MspError]) -> Probe | None:
    identity = row.get("id") if isinstance(row, dict) else None
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        errors.append(_unnamed(number, "%.100r" % (identity,)))
        return None
    kind = row.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        errors.append(
            MspError(
                "MSP-STD-040",
                "a kind of probe that control_facts knows, in the probe %s" % identity,
                "%.100r" % (kind,),
                "use one of %s" % ", ".join(sorted(KINDS)),
            )
        )
        return None
    arguments = {name: value for name, value in row.items() if name not in ("id", "kind") and value is not None}
    for found, action in _wrong(kind, arguments):
        errors.append(
            MspError("MSP-STD-041", "arguments of the kind %s, in the probe %s" % (kind, identity), found, action)
        )
    return Probe(identity, kind, tuple(sorted((name, _plain(value)) for name, value in arguments.items())))


def _unnamed(number: int, found: str) -> MspError:
    return MspError(
        "MSP-STD-042",
        "an id of its own in every probe, as p1",
        "in probe %d %s" % (number, found),
        "give each probe an id of letters, digits, dots, hyphens and underscores",
    )


def _wrong(kind: str, arguments: dict) -> list[tuple[str, str]]:
    """Every fault of a probe's arguments: what was found, and what to do about it."""
    forms = KINDS[kind]
    faults = [
        ("%s, which it does not take" % name, "use %s" % (", ".join(sorted(forms)) or "none"))
        for name in sorted(str(one) for one in arguments)
        if name not in forms
    ]
    for name, form in forms.items():
        if name not in arguments:
            if form.needed:
                faults.append(("no %s" % name, "give %s: %s" % (name, form.what)))
            continue
        faults += [("%s: %.100r" % (name, one), "give %s" % form.what) for one in _unfit(arguments[name], form)]
    return faults


def _unfit(value: Any, form: Form) -> list:
    """What of an argument is not in its form."""
    if form.table:
        rows = list(value.values()) if isinstance(value, dict) else [value]
        return [row for row in rows if not isinstance(row, dict) or any(not _fits(one, form) for one in row.values())]
    if form.many and isinstance(value, list):
        return [one for one in value if not _fits(one, form)] if len(value) >= form.least else [value]
    return [] if _fits(value, form) else [value]


def _fits(value: Any, form: Form) -> bool:
    if not isinstance(value, str) or not re.fullmatch(form.pattern, value):
        return False
    if form.regular:
        try:
            re.compile(value)
        except re.error:
            return False
    return True


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
