# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a host's own servers offer TLS: the ports that they wait on, the names that they have there, and their files.

A server is found by who waits on a port, whatever its files say; its names and certificates are as it says itself that
it reads them. Changes nothing.
"""

from __future__ import annotations

import posixpath
import re
import socket
from collections.abc import Iterable

from ansible_collections.msp.ops.plugins.module_utils.standards import (
    apache_files,
    nginx_files,
    postfix_files,
    services,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.server_settings import (
    APACHE,
    NGINX,
    OTHERS,
    POSTFIX,
    Setting,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_client import IMAP, POP3, SMTP, TLS, Target

# Where there is httpd, apachectl takes no arguments for it any more.
_APACHES = ("apache2ctl", "httpd", "apachectl")
_PROCESSES = {
    NGINX: ("nginx",),
    APACHE: ("apache2", "httpd"),
    POSTFIX: ("master",),
    OTHERS: ("caddy", "dovecot", "exim4", "haproxy", "lighttpd", "slapd", "stunnel", "stunnel4", "traefik"),
}
_WRAPPED = ("smtpd_tls_wrappermode", "yes")
# What a port is for. The others are asked on these alone: on another one they may speak anything, and a server that
# hangs up could not be told from one that was not measured. Such a port is to be agreed on.
_BY_PORT = {
    **dict.fromkeys((25, 587, 2525), SMTP),
    143: IMAP,
    110: POP3,
    **dict.fromkeys((443, 465, 636, 993, 995, 8443), TLS),
}
MOST_TARGETS = 150
_ANY4, _ANY6 = "0.0.0.0", "::"  # noqa: S104 - what a socket says that waits on all
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)+")


# -- ports ---------------------------------------------------------------------------------------------------------


def targets(reader: Reader, service: str) -> list[Target]:
    """What to ask of a server that runs: each of its ports that others reach, without a name and by every name."""
    found: list[Target] = []
    addresses: dict[int, set[str]] = {}
    for address, port, process in reader.once(services.waiting):
        # In a container root may not see whose socket it is: then the server's own files say.
        mine = process in _PROCESSES[service] or (not process and port in reader.once(_told, service))
        if mine and not services.is_loopback(address):
            addresses.setdefault(port, set()).add(address)
    for port, places in sorted(addresses.items()):
        protocol = _protocol(reader, service, port)
        if protocol is None:
            continue
        for place in reader.once(_reached, port, tuple(sorted(places))):
            known = [name for name, _written in asked(names(reader, service).get(port, ()))]
            found += [Target(place, port, protocol, name) for name in ("", *known)]
    return bounded(found)


def bounded(found: list[Target]) -> list[Target]:
    if len(found) > MOST_TARGETS:
        raise Unmeasurable("there are more than %d names and ports with TLS" % MOST_TARGETS)
    return found


def agreed(reader: Reader, port: int, protocol: str, called: Iterable[str]) -> list[Target]:
    """The same for a port that is told, whoever waits there; none where nobody does."""
    places = {address for address, number, _process in reader.once(services.waiting) if number == port}
    if not places:
        return []
    return [
        Target(place, port, protocol, name)
        for place in reader.once(_reached, port, tuple(sorted(places)))
        for name in ("", *called)
    ]


def _protocol(reader: Reader, service: str, port: int) -> str | None:
    if service == POSTFIX:
        return TLS if port == 465 or port in reader.once(_wrapped) else SMTP
    if service == OTHERS:
        return _BY_PORT.get(port)
    return TLS


def _told(reader: Reader, service: str) -> frozenset[int]:
    """The ports with TLS that a server's files name; of Postfix all on which it takes mail."""
    if service == OTHERS or not there(reader, service):
        return frozenset()
    if service != POSTFIX:
        return frozenset(names(reader, service))
    rows = (line.split() for line in reader.answer("postconf", "-M").out.splitlines())
    return frozenset(
        _number(words[0]) for words in rows if len(words) > 7 and words[1] == "inet" and words[7] == "smtpd"
    )


def _number(service: str) -> int:
    """The port of a service as master.cf names it."""
    word = service.rpartition(":")[2]
    try:
        return int(word) if word.isdigit() else socket.getservbyname(word, "tcp")
    except OSError as error:
        raise Unmeasurable("the port of Postfix's service %.40s is not known" % word) from error


def _wrapped(reader: Reader) -> list[int]:
    """The ports on which Postfix speaks TLS from the first byte."""
    rows = reader.once(postfix)[1]
    return [_number(service.partition("/")[0]) for service, name, value in rows if (name, value) == _WRAPPED]


def _reached(_reader: Reader, port: int, places: tuple[str, ...]) -> list[str]:
    """The addresses to connect to. A server that waits on all of them is asked on the one that others know."""
    found = [place for place in places if place not in (_ANY4, _ANY6)]
    if _ANY4 in places:
        found.append(own_address(socket.AF_INET))
    if _ANY6 in places:
        four = own_address(socket.AF_INET)
        # One socket may be for both; where it is not, nobody answers there.
        if _ANY4 not in places and _answers(four, port):
            found.append(four)
        else:
            found.append(own_address(socket.AF_INET6))
    return sorted(set(found))


def own_address(family: int) -> str:
    """The address by which this host would be known outside. Nothing is sent for it."""
    far, near = ("192.0.2.1", "127.0.0.1") if family == socket.AF_INET else ("2001:db8::1", "::1")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.connect((far, 9))
            return str(one.getsockname()[0])
    except OSError:
        return near


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


# -- names ---------------------------------------------------------------------------------------------------------


def names(reader: Reader, service: str) -> dict[int, list[str]]:
    """By port the names that the server's own files have."""
    if service == NGINX:
        return nginx_files.names(reader.once(_nginx_settings))
    if service == APACHE:
        shown, texts = reader.once(apache)
        return apache_files.names(shown, apache_files.settings(texts))
    return {}


def asked(written: Iterable[str]) -> list[tuple[str, str]]:
    """What a client asks for and how it is written. A star is asked for by a name that it stands for; what is no name
    of the network (_, localhost, a regular expression) is not asked for.
    """
    found: dict[str, str] = {}
    for one in written:
        name = one.lower().rstrip(".")
        name = "www" + name[1:] if name.startswith("*.") else name.lstrip(".")
        if _NAME.fullmatch(name):
            found.setdefault(name, one)
    return list(found.items())


# -- what the servers say of themselves ----------------------------------------------------------------------------


def nginx(reader: Reader) -> dict[str, str]:
    """The files that nginx reads, by path. Absent where there is no nginx."""
    found = nginx_files.files(reader.answer("nginx", "-T").out)
    if not found:
        raise Unmeasurable("nginx -T shows no files")
    return found


def _nginx_settings(reader: Reader) -> list[Setting]:
    try:
        return nginx_files.settings(reader.once(nginx))
    except ValueError as error:
        raise Unmeasurable(str(error)) from error


def apache(reader: Reader) -> tuple[str, dict[str, str]]:
    """What Apache prints of its hosts and files, and those files by path. Absent where there is no Apache."""
    program = next((name for name in _APACHES if reader.host.program(name)), None)
    if program is None:
        raise Absent("Apache is not on this host")
    shown = reader.answer(program, "-t", "-D", "DUMP_VHOSTS", "-D", "DUMP_INCLUDES").out
    paths = apache_files.included(shown)
    if not paths:
        raise Unmeasurable("%s shows no files" % program)
    return shown, {path: reader.host.text(path) for path in paths}


def apache_place(reader: Reader) -> str | None:
    return next((place for place in apache_files.PLACES if reader.host.exists(place)), None)


def postfix(reader: Reader) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """Postfix's settings, and those that a service has of its own. Absent where there is no Postfix."""
    return (
        postfix_files.settings(reader.answer("postconf").out),
        postfix_files.overrides(reader.answer("postconf", "-P").out),
    )


def there(reader: Reader, service: str) -> bool:
    program = {NGINX: ("nginx",), APACHE: _APACHES, POSTFIX: ("postconf",)}.get(service, ())
    return any(reader.host.program(name) for name in program)


def certificate_files(reader: Reader) -> list[str]:
    """The files of certificates that the servers on this host name, whether or not any port shows them."""
    found: list[str] = []
    if there(reader, NGINX):
        texts = reader.once(nginx)
        found += nginx_files.certificates(reader.once(_nginx_settings), posixpath.dirname(next(iter(texts))))
    if there(reader, APACHE):
        found += apache_files.certificates(apache_files.settings(reader.once(apache)[1]))
    if there(reader, POSTFIX):
        found += postfix_files.certificates(*reader.once(postfix))
    return list(dict.fromkeys(found))
