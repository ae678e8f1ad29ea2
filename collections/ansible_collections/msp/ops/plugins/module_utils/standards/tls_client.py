# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a port what it takes: which versions of TLS, which ciphers, which certificates, and whether these are believed.

Every version and cipher is offered by a message of our own (tls_hello.py), on a connection of its own, and the server
hangs up or is hung up on after its first words: no session comes about. Only for the trust in its certificate OpenSSL
does a whole handshake.

A server that does not answer in time was not measured. That it refuses something counts only where it takes something
else before and after.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.standards import tls_hello, tls_suites
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_hello import (
    RANDOM,
    TLS13,
    UNRECOGNIZED_NAME,
    VERSIONS,
    Broken,
    Hello,
    NotTls,
    Refused,
)

# A mail server may greet late, to find out who does not wait.
SECONDS = 10
MOST_LINE = 1024
MOST_LINES = 100
TLS, SMTP, IMAP, POP3 = PROTOCOLS = ("tls", "smtp", "imap", "pop3")
# OpenSSL's X509_V_FLAG_NO_CHECK_TIME: how long a certificate is valid is another question than whose it is.
_ANY_TIME = 0x200000


class NoTls(Exception):
    """What answers there offers no TLS. auth is true where a mail server takes a password all the same."""

    def __init__(self, why: str, auth: bool = False) -> None:
        super().__init__(why)
        self.auth = auth


class Target(NamedTuple):
    """name is what is asked for (SNI), and "" for none."""

    address: str
    port: int
    protocol: str
    name: str = ""


class Look(NamedTuple):
    """What a server takes: versions, and ciphers by IANA's names, in whichever of the versions.

    chains are the certificates as it sent them, DER, its own one first: one chain for each that it has. unnamed: it has
    none for that name, and ends every handshake. auth: a password is taken before TLS.
    """

    versions: tuple[str, ...]
    ciphers: tuple[str, ...]
    chains: tuple[tuple[bytes, ...], ...]
    unnamed: bool = False
    auth: bool = False


# -- what is accepted ----------------------------------------------------------------------------------------------


class _Looking:
    """One look at a port. The newest version first: what it takes there an older one need not say again."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.versions: list[str] = []
        self.taken: list[int] = []
        self.chains: dict[bytes, tuple[bytes, ...]] = {}
        self.refusals: list[Refused] = []
        self.auth = False
        # What it took once, to be asked again at the end.
        self.again: tuple[int, list[int]] | None = None

    def takes(self, version: int, suites: list[int]) -> int | None:
        """The cipher that it chooses of these, None where it refuses them all."""
        found, auth = _asked(self.target, version, suites)
        self.auth = self.auth or auth
        if isinstance(found, Refused):
            self.refusals.append(found)
            return None
        if found.version != version:
            return None
        if found.suite not in suites:
            raise Unmeasurable("%s answers with a cipher that was not offered" % shown(self.target))
        if found.certificates:
            self.chains.setdefault(found.certificates[0], found.certificates)
        if VERSIONS[version] not in self.versions:
            self.versions.append(VERSIONS[version])
        self.again = self.again or (version, [found.suite])
        return found.suite

    def all_of(self, version: int) -> None:
        every = _suites(version)
        left = [one for one in every if one not in self.taken]
        while left:
            one = self.takes(version, left)
            if one is None:
                break
            left.remove(one)
            self.taken.append(one)
        known = [one for one in every if one in self.taken]
        if known and VERSIONS[version] not in self.versions:
            self.takes(version, known)

    def found(self) -> Look:
        if self.again is None:
            if self.refusals and all(one.alert == UNRECOGNIZED_NAME for one in self.refusals):
                return Look((), (), (), True, self.auth)
            said = sorted({"nothing" if one.alert is None else "alert %d" % one.alert for one in self.refusals})
            why = "takes no handshake that can be offered (it says %s)" % ", ".join(said)
            raise Unmeasurable("%s %s" % (shown(self.target), why))
        if self.takes(*self.again) is None:
            raise Unmeasurable("%s no longer takes what it took before" % shown(self.target))
        ciphers = tuple(tls_suites.name(one) for one in self.taken)
        order = [name for name in VERSIONS.values() if name in self.versions]
        return Look(tuple(order), ciphers, tuple(self.chains.values()), False, self.auth)


def _suites(version: int) -> list[int]:
    return list(tls_suites.THIRTEEN if version == TLS13 else tls_suites.EARLIER)


def look(target: Target, like: Look | None = None) -> Look:
    """Everything that is taken there. Raises NoTls, and Unmeasurable where that could not be told.

    like is what the same port takes under another name or address. Where nothing is taken here that is not taken there,
    it is that, with the certificates of here: a few handshakes instead of one for each cipher.
    """
    if like is not None and not like.unnamed:
        found = _alike(target, like)
        if found is not None:
            return found
    looking = _Looking(target)
    for version in reversed(VERSIONS):
        looking.all_of(version)
    return looking.found()


def _alike(target: Target, like: Look) -> Look | None:
    """None where it takes more, or another of its versions than there."""
    looking = _Looking(target)
    known = [one for one in (*tls_suites.EARLIER, *tls_suites.THIRTEEN) if tls_suites.name(one) in like.ciphers]
    for version in reversed(VERSIONS):
        there = VERSIONS[version] in like.versions
        others = [one for one in _suites(version) if not (there and one in known)]
        if looking.takes(version, others) is not None:
            return None
    for version in reversed(VERSIONS):
        both = [one for one in _suites(version) if one in known]
        if VERSIONS[version] in like.versions and looking.takes(version, both) is None:
            return None
    return looking.found()._replace(ciphers=like.ciphers)


def shown(target: Target) -> str:
    return "tcp/%d%s" % (target.port, " " + target.name if target.name else "")


def _asked(target: Target, version: int, suites: list[int]) -> tuple[Hello | Refused, bool]:
    try:
        connection, auth = opened(target)
    except OSError as error:
        raise Unmeasurable("%s cannot be reached: %s" % (shown(target), error)) from error
    try:
        connection.sendall(tls_hello.client_hello(version, suites, os.urandom(3 * RANDOM), target.name))
        return tls_hello.answer(connection.recv), auth
    except NotTls as error:
        raise NoTls("%s speaks no TLS: %.20r" % (shown(target), str(error))) from error
    except Broken as error:
        raise Unmeasurable("%s answers with %s" % (shown(target), error)) from error
    except socket.timeout as error:
        raise Unmeasurable("%s gives no answer within %d seconds" % (shown(target), SECONDS)) from error
    except ConnectionError:
        return Refused(None), auth
    except OSError as error:
        raise Unmeasurable("%s: %s" % (shown(target), error)) from error
    finally:
        connection.close()


# -- up to the handshake -------------------------------------------------------------------------------------------


def opened(target: Target) -> tuple[socket.socket, bool]:
    """A connection on which the handshake is next, and whether a password would have been taken before it."""
    connection = socket.create_connection((target.address, target.port), timeout=SECONDS)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        auth = False if target.protocol == TLS else _STARTED[target.protocol](Lines(connection, shown(target)))
    except socket.timeout as error:
        connection.close()
        raise Unmeasurable("%s says nothing within %d seconds" % (shown(target), SECONDS)) from error
    except BaseException:
        connection.close()
        raise
    return connection, auth


class Lines:
    """What a server of mail says, by lines, and nothing more than that is read."""

    def __init__(self, connection: socket.socket, what: str) -> None:
        self._connection = connection
        self.what = what

    def line(self) -> str:
        found = b""
        while not found.endswith(b"\n"):
            # One at a time: what follows the line is the handshake's.
            more = self._connection.recv(1)
            if not more or len(found) > MOST_LINE:
                raise Unmeasurable("%s hangs up, or talks without end" % self.what)
            found += more
        return found.decode("latin-1").strip()

    def until(self, ended: Callable[[str], bool]) -> list[str]:
        found = []
        for _number in range(MOST_LINES):
            found.append(self.line())
            if ended(found[-1]):
                return found
        raise Unmeasurable("%s talks without end" % self.what)

    def say(self, text: str) -> None:
        self._connection.sendall(text.encode("ascii") + b"\r\n")


def _smtp(lines: Lines) -> bool:
    def last(line: str) -> bool:
        return line[3:4] != "-"

    greeting = lines.until(last)
    if not greeting[-1].startswith("220"):
        raise Unmeasurable("%s does not greet: %.60s" % (lines.what, greeting[-1]))
    lines.say("EHLO localhost.localdomain")
    offers = [line[4:].upper() for line in lines.until(last)]
    auth = any(line.startswith("AUTH") for line in offers)
    if "STARTTLS" not in offers:
        raise NoTls("%s offers no STARTTLS" % lines.what, auth)
    lines.say("STARTTLS")
    _go_on(lines, lines.until(last)[-1], "220")
    return auth


def _imap(lines: Lines) -> bool:
    greeting = lines.line()
    if not greeting.startswith("*"):
        raise Unmeasurable("%s does not greet: %.60s" % (lines.what, greeting))
    lines.say("a CAPABILITY")
    offers = " ".join(lines.until(lambda line: line.startswith("a "))).upper().split()
    auth = "LOGINDISABLED" not in offers
    if "STARTTLS" not in offers:
        raise NoTls("%s offers no STARTTLS" % lines.what, auth)
    lines.say("b STARTTLS")
    _go_on(lines, lines.until(lambda line: line.startswith("b "))[-1], "b OK")
    return auth


def _pop3(lines: Lines) -> bool:
    greeting = lines.line()
    if not greeting.startswith("+OK"):
        raise Unmeasurable("%s does not greet: %.60s" % (lines.what, greeting))
    lines.say("CAPA")
    offers = [lines.line().upper()]
    if offers[0].startswith("+OK"):
        offers = [line.upper() for line in lines.until(lambda line: line == ".")]
    auth = any(line.split()[:1] in (["USER"], ["SASL"]) for line in offers)
    if "STLS" not in offers:
        raise NoTls("%s offers no STLS" % lines.what, auth)
    lines.say("STLS")
    _go_on(lines, lines.line(), "+OK")
    return auth


def _go_on(lines: Lines, said: str, wanted: str) -> None:
    if not said.startswith(wanted):
        raise Unmeasurable("%s offers TLS and then does not begin it: %.60s" % (lines.what, said))


_STARTED: dict[str, Callable[[Lines], bool]] = {SMTP: _smtp, IMAP: _imap, POP3: _pop3}


# -- whether it is believed ----------------------------------------------------------------------------------------


def authorities_there() -> bool:
    """Whether this machine has a list of authorities at all. Without one nobody would be believed."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile and os.path.isfile(paths.cafile) and os.path.getsize(paths.cafile):
        return True
    return bool(paths.capath and os.path.isdir(paths.capath) and os.listdir(paths.capath))


# Why a certificate is not believed.
SELF_SIGNED, UNKNOWN, INCOMPLETE, OTHER = PROBLEMS = ("self_signed", "unknown_authority", "incomplete", "not_believed")
# What OpenSSL's verification says: X509_V_ERR_...
_BY_CODE = {18: SELF_SIGNED, 19: UNKNOWN, 2: INCOMPLETE, 20: INCOMPLETE, 21: INCOMPLETE}


def problem(target: Target, authorities: tuple[str, ...] = (), kind: str = "") -> str:
    """Which of PROBLEMS keeps a client of this machine from believing the certificate, and "" where none does; when it
    ends, and for whom it is, is not asked.

    authorities are certificates in PEM that are believed besides. kind is "RSA" or "EC" for a server that has several.
    """
    try:
        _shaken(target, _context(authorities, kind))
    except ssl.SSLCertVerificationError as error:
        return _BY_CODE.get(error.verify_code, OTHER)
    return ""


def leaf(target: Target) -> bytes:
    """The certificate in DER, as a whole handshake shows it: of a server that takes nothing but TLS 1.3."""
    context = _context((), "")
    context.verify_mode = ssl.CERT_NONE
    return _shaken(target, context)


def _context(authorities: tuple[str, ...], kind: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    # Old ciphers and short keys are other questions too; a policy of this machine would answer them here.
    context.set_ciphers({"RSA": "aRSA", "EC": "aECDSA"}.get(kind, "ALL") + ":@SECLEVEL=0")
    if kind:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags = ssl.VerifyFlags(context.verify_flags | _ANY_TIME)
    context.load_default_certs()
    if authorities:
        context.load_verify_locations(cadata="\n".join(authorities))
    return context


def _shaken(target: Target, context: ssl.SSLContext) -> bytes:
    """The server's certificate after a whole handshake. Raises SSLCertVerificationError."""
    try:
        connection, _auth = opened(target)
        try:
            with context.wrap_socket(connection, server_hostname=target.name or None) as secure:
                return secure.getpeercert(binary_form=True) or b""
        finally:
            connection.close()
    except ssl.SSLCertVerificationError:
        raise
    except OSError as error:
        raise Unmeasurable("%s: no whole handshake: %s" % (shown(target), error)) from error
