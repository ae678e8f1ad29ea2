# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""TLS on the ports of a host, measured as a client would: what is taken, what is outside a profile, which certificates.

The host connects to its own servers. What is refused, expired or not believed here is so for everybody else; whether
the network lets others get that far is the firewall's. Changes nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.standards import (
    apache_files,
    certificates,
    nginx_files,
    postfix_files,
    tls_client,
    tls_servers,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.certificates import Certificate, NoCertificate
from ansible_collections.msp.ops.plugins.module_utils.standards.files import MOST_BYTES, listed
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.server_settings import (
    APACHE,
    NGINX,
    OTHERS,
    POSTFIX,
    SERVICES,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_client import Look, NoTls, Target, shown
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_profiles import PROFILES, Profile

# Of the ciphers of one port that are named in what people read.
_NAMED = 2
PORT = re.compile(r"(?:tcp/)?([1-9][0-9]{0,4}) (%s)((?: [A-Za-z0-9._-]{1,253})*)" % "|".join(tls_client.PROTOCOLS))
NAMED = re.compile(r"(?:tcp/)?([1-9][0-9]{0,4}) ([A-Za-z0-9._-]{1,253})")


# -- what a server takes -------------------------------------------------------------------------------------------


def of_service(reader: Reader, service: str, profile: str) -> dict:
    """Of one kind of server all its ports. Absent where it offers no TLS and, of mail, takes no mail from others."""
    if service != OTHERS and not tls_servers.there(reader, service):
        raise Absent("%s is not on this host" % service)
    looks, plain, in_clear = reader.once(_looks, service)
    if not looks and not (service == POSTFIX and plain):
        raise Absent("%s offers no TLS to others" % service)
    found = _taken(looks, PROFILES[profile])
    if service == POSTFIX:
        found.update(plain=plain, auth_in_clear=in_clear)
    return found


def _looks(reader: Reader, service: str) -> tuple[list[tuple[Target, Look]], list[str], list[str]]:
    """What was found by target; the ports without TLS, and those that take a password without it."""
    found: list[tuple[Target, Look]] = []
    plain: list[str] = []
    in_clear: list[str] = []
    likes: dict[int, Look] = {}
    refused: set[int] = set()
    for target in tls_servers.targets(reader, service):
        port = "tcp/%d" % target.port
        if port in plain:
            continue
        try:
            look = reader.once(_look, target, likes.get(target.port))
        except NoTls as none:
            plain.append(port)
            if none.auth:
                in_clear.append(port)
            continue
        if look.auth and port not in in_clear:
            in_clear.append(port)
        if look.unnamed:
            refused.add(target.port)
        else:
            likes.setdefault(target.port, look)
            found.append((target, look))
    if silent := sorted(refused - likes.keys()):
        # It speaks TLS, to whoever knows a name of it; what it would say then nobody saw.
        ports = ", ".join("tcp/%d" % one for one in silent)
        raise Unmeasurable(
            "%s: no handshake but for a name that is not known here; agree it with one in tls-ports" % ports
        )
    return found, plain, in_clear


def _look(_reader: Reader, target: Target, like: Look | None) -> Look:
    return tls_client.look(target, like)


def _taken(looks: Iterable[tuple[Target, Look]], profile: Profile) -> dict[str, Any]:
    accepted: dict[str, dict[str, list[str]]] = {}
    for target, look in looks:
        here = accepted.setdefault(shown(target), {"versions": [], "ciphers": []})
        for known, more in ((here["versions"], look.versions), (here["ciphers"], look.ciphers)):
            known.extend(one for one in more if one not in known)
    return {
        "accepted": accepted,
        "versions_outside": _lines(accepted, "versions", frozenset(profile.versions)),
        "ciphers_outside": _lines(accepted, "ciphers", profile.allowed),
    }


def _lines(accepted: dict[str, dict[str, list[str]]], what: str, allowed: frozenset[str]) -> list[str]:
    """A line for each place; a name of which is to be said what its port is said of already has none."""
    outside = {where: [one for one in here[what] if one not in allowed] for where, here in accepted.items()}
    found = []
    for where, rows in outside.items():
        port, _blank, name = where.partition(" ")
        if rows and not (name and outside.get(port) == rows):
            more = len(rows) - _NAMED
            named = rows if more < 2 else [*rows[:_NAMED], "+%d" % more]
            found.append("%s: %s" % (where, ", ".join(named)))
    return found


# -- what was agreed -----------------------------------------------------------------------------------------------


def of_ports(
    reader: Reader,
    ports: str | tuple[str, ...],
    profile: str,
    days: str,
    *,
    authorities: str | tuple[str, ...] = (),
    address: str = "",
) -> dict:
    """Of ports that are told, each as "636 tls ldap.example.com": whether they are there and as they should be.

    address is that of another machine; "" for this one, where who waits on a port says where it is asked.
    """
    if not listed(ports):
        raise Absent("no port is told")
    closed: list[str] = []
    plain: list[str] = []
    looks: list[tuple[Target, Look]] = []
    likes: dict[int, Look] = {}
    faults = Faults(reader, float(days), listed(authorities))
    for text in listed(ports):
        number, protocol, called = _port(text)
        if address:
            targets = [Target(address, number, protocol, name) for name in ("", *called)]
        else:
            targets = tls_servers.agreed(reader, number, protocol, called)
        if not targets:
            closed.append("tcp/%d" % number)
        for target in tls_servers.bounded(targets):
            try:
                look = reader.once(_look, target, likes.get(target.port))
            except NoTls:
                plain.append("tcp/%d" % number)
                continue
            if look.unnamed:
                if target.name:
                    faults.rows[OTHER_NAMES].append("%s: -" % shown(target))
                continue
            likes.setdefault(target.port, look)
            looks.append((target, look))
            faults.of(target, look, target.name)
    taken = _taken(looks, PROFILES[profile])
    return {"closed": closed, "plain": list(dict.fromkeys(plain)), **taken, **faults.rows}


def _port(text: str) -> tuple[int, str, list[str]]:
    found = PORT.fullmatch(text)
    if found is None or int(found.group(1)) > 65535:
        raise Unmeasurable("%.100r is no port with its protocol, as '636 tls'" % text)
    return int(found.group(1)), found.group(2), found.group(3).lower().split()


# -- certificates --------------------------------------------------------------------------------------------------


# What can be wrong with a certificate.
EXPIRING, EARLY, OTHER_NAMES, WEAK = ("expiring", "early", "other_names", "weak")


class Faults:
    """What is wrong with certificates, by what it is: each line says where, what is there instead, and whose it is, in
    names and figures that are the same in every language.
    """

    def __init__(
        self, reader: Reader, days: float, authorities: tuple[str, ...] | None, unverified: Iterable[int] = ()
    ) -> None:
        """authorities is None where nobody asks who believes them."""
        self.reader = reader
        self.days = days
        self.authorities = authorities
        self.unverified = frozenset(unverified)
        self.now = time.time()
        self.shown: set[str] = set()
        self.count = 0
        told = () if authorities is None else tls_client.PROBLEMS
        self.rows: dict[str, list[str]] = {name: [] for name in (EXPIRING, EARLY, OTHER_NAMES, WEAK, *told)}

    def of(self, target: Target, look: Look, name: str = "") -> None:
        """Of a port; name is what its certificate has to be for, "" where nothing is known."""
        where = shown(target)
        chains = [_read_all(where, chain) for chain in look.chains]
        believed = target.port not in self.unverified
        if not chains:
            # A server of TLS 1.3 alone shows its certificate only within a whole handshake.
            chains = [_read_all(where, (self.reader.once(_leaf, target),))]
        for chain in chains:
            self.count += 1
            if believed and self.authorities is not None:
                kind = chain[0].key if len(chains) > 1 else ""
                why = self.reader.once(_problem, target, self.authorities, kind)
                if why:
                    self._line(why, where, _whose(chain[0]))
            for one in chain:
                self._each(where, one)
        if name and believed and not any(certificates.is_for(chain[0], name) for chain in chains):
            self._line(OTHER_NAMES, where, "%.120s" % ", ".join((*chains[0][0].names, *chains[0][0].addresses)))

    def of_file(self, path: str, one: Certificate) -> None:
        """Of a file; what a port shows as well is said there."""
        self.count += 1
        if one.fingerprint not in self.shown:
            self._each(path, one)

    def _each(self, where: str, one: Certificate) -> None:
        self.shown.add(one.fingerprint)
        if one.not_before > self.now:
            self._line(EARLY, where, "%s (%s)" % (certificates.day(one.not_before), _whose(one)))
        if one.not_after - self.now < self.days * certificates.DAY:
            self._line(EXPIRING, where, "%s (%s)" % (certificates.day(one.not_after), _whose(one)))
        for fault in certificates.weaknesses(one):
            self._line(WEAK, where, "%s (%s)" % (fault, _whose(one)))

    def _line(self, what: str, where: str, text: str) -> None:
        """Once; and not of a name where the same is said of its port."""
        rows, line = self.rows[what], "%s: %s" % (where, text)
        if line not in rows and "%s: %s" % (where.partition(" ")[0], text) not in rows:
            rows.append(line)


def _whose(one: Certificate) -> str:
    """Its subject and who signed it."""
    return "%s < %s" % (one.subject, one.issuer)


def _read_all(where: str, chain: Iterable[bytes]) -> list[Certificate]:
    try:
        return [certificates.read(der) for der in chain]
    except NoCertificate as error:
        raise Unmeasurable("%s shows a certificate that cannot be read: %s" % (where, error)) from error


def _problem(_reader: Reader, target: Target, authorities: tuple[str, ...], kind: str) -> str:
    if not authorities and not tls_client.authorities_there():
        raise Unmeasurable("this host has no list of authorities (the package ca-certificates)")
    return tls_client.problem(target, authorities, kind)


def _leaf(_reader: Reader, target: Target) -> bytes:
    return tls_client.leaf(target)


def of_certificates(
    reader: Reader,
    days: str = "0",
    authorities: str | tuple[str, ...] | None = None,
    unverified: str | tuple[str, ...] = (),
    names: str | tuple[str, ...] = (),
) -> dict:
    """Of all servers that are known here, and of the files that they name. Absent where there is no certificate.

    Whether they are believed is only told where authorities are given, which may be none.
    unverified are ports whose certificate nobody has to believe, names what is to be served besides, each as
    "443 www.example.com".
    """
    asked = [_named(text) for text in listed(names)]
    free = [int(text.rpartition("/")[2]) for text in listed(unverified)]
    faults = Faults(reader, float(days), None if authorities is None else listed(authorities), free)
    for kind in SERVICES:
        if kind != OTHERS and not tls_servers.there(reader, kind):
            continue
        looks, _plain, _in_clear = reader.once(_looks, kind)
        known = tls_servers.names(reader, kind)
        for target, look in looks:
            # A star is only asked for by a name that was made up.
            written = [one.lower() for one in known.get(target.port, ())]
            faults.of(target, look, target.name if target.name in written else "")
    for number, name in asked:
        _besides(reader, faults, number, name)
    for path in tls_servers.certificate_files(reader):
        for one in _read_all(path, _of_file(reader, path)):
            faults.of_file(path, one)
    if not faults.count and not asked:
        raise Absent("no server here has a certificate")
    return dict(faults.rows)


def _named(text: str) -> tuple[int, str]:
    found = NAMED.fullmatch(text)
    if found is None or int(found.group(1)) > 65535:
        raise Unmeasurable("%.100r is no port with a name, as '443 www.example.com'" % text)
    return int(found.group(1)), found.group(2).lower()


def _besides(reader: Reader, faults: Faults, number: int, name: str) -> None:
    """A name that is to be served on a port of one of the servers that are known here."""
    near = [row for kind in SERVICES for row in _known(reader, kind) if row[0].port == number]
    if not near:
        faults.rows[OTHER_NAMES].append("tcp/%d %s: -" % (number, name))
    likes = {(target.address, target.protocol): look for target, look in reversed(near)}
    for (address, protocol), like in sorted(likes.items()):
        target = Target(address, number, protocol, name)
        look = reader.once(_look, target, like)
        if look.unnamed:
            faults.rows[OTHER_NAMES].append("%s: -" % shown(target))
        else:
            faults.of(target, look, name)


def _known(reader: Reader, kind: str) -> list[tuple[Target, Look]]:
    if kind != OTHERS and not tls_servers.there(reader, kind):
        return []
    looks: list[tuple[Target, Look]] = reader.once(_looks, kind)[0]
    return looks


def _of_file(reader: Reader, path: str) -> list[bytes]:
    try:
        data = reader.host.data(path)[: MOST_BYTES + 1]
        found = certificates.of_pem(data.decode("latin-1"))
    except (OSError, NoCertificate) as error:
        raise Unmeasurable("%s: %s" % (path, error)) from error
    if not found and b"PRIVATE KEY" not in data:
        raise Unmeasurable("%s has no certificate in it" % path)
    return found


# -- one setting, and what is to be changed ------------------------------------------------------------------------


def postfix_setting(reader: Reader, name: str) -> dict:
    """As postconf has it; "" where nothing is set."""
    return {"value": reader.once(tls_servers.postfix)[0].get(name, "")}


def changes(reader: Reader, service: str, **wanted: str) -> dict:
    """What the role changes in a server's files, as msp.ops.files takes it. wanted are parts with their profiles."""
    chosen = {part: PROFILES[profile] for part, profile in wanted.items()}
    if service == NGINX:
        return nginx_files.plan(reader.once(tls_servers.nginx), chosen).as_dict()
    if service == APACHE:
        texts, place = reader.once(tls_servers.apache)[1], tls_servers.apache_place(reader)
        return apache_files.plan(texts, chosen, place).as_dict()
    if service == POSTFIX:
        values, rows = reader.once(tls_servers.postfix)
        return postfix_files.plan(values, rows, chosen).as_dict()
    raise Absent("no role changes %s" % service)
