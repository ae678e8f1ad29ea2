# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook certificate_ending: which certificate ends, who shows it, its renewal by the means that is set up for it,
and a handshake that proves the new one.

The means is certbot where certbot has made it, else the command of the customer's policy. It makes no certificate
itself, and touches no key.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.runbooks import answer, words
from ansible_collections.msp.ops.plugins.module_utils.runbooks.answer import Answer
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import Tools
from ansible_collections.msp.ops.plugins.module_utils.standards import certificates, services, tls_client
from ansible_collections.msp.ops.plugins.module_utils.standards.certificates import Certificate, NoCertificate
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader, Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_client import NoTls, Target

SPEC: dict[str, dict[str, Any]] = {
    "path": {"type": "path"},
    "port": {"type": "int"},
    "name": {"type": "str", "default": ""},
    "protocol": {"type": "str", "choices": list(tls_client.PROTOCOLS), "default": tls_client.TLS},
    "days": {"type": "int", "default": 21},
    "command": {"type": "list", "elements": "str", "default": []},
    "reload": {"type": "list", "elements": "str", "default": []},
}
LIVE, CERTBOT = "/etc/letsencrypt/live", "/etc/letsencrypt/renewal"
MOST_BYTES = 256 * 1024
RENEWAL_SECONDS = 300.0
# A server that was told to read its files anew does so in its own time.
SERVED_SECONDS, POLL_SECONDS = 15.0, 0.5
# What is known to begin with something else than TLS is not asked for it.
_NO_TLS = frozenset((22, 25, 53, 80, 110, 111, 143, 389, 445, 587, 3306, 5432))
MOST_PORTS = 20


class Shown(NamedTuple):
    """A port of this host that shows the certificate, with the program behind it."""

    port: int
    program: str


class Means(NamedTuple):
    """How it is renewed, in words and as a command; reload: the units that read it anew."""

    what: str
    command: tuple[str, ...]
    reload: tuple[str, ...]


def act(tools: Tools, given: dict[str, Any]) -> Answer:
    try:
        found = _read(given)
    except (NoCertificate, Unmeasurable, NoTls, OSError) as error:
        where = given["path"] or "port %d" % given["port"]
        return answer.gave_up([], {}, "no certificate can be read from %s: %s" % (where, words.plain(str(error))))
    now = time.time()
    before = measured(found, now)
    shown = [Shown(given["port"], _program(tools, given["port"]))] if given["port"] else _who_shows(tools, found, given)
    told = tell(found, shown, now)
    if not ends(found, given["days"], now):
        return answer.nothing_to_do(told, before)
    means = _means(tools, given, found)
    if means is None:
        return answer.gave_up(told, before, by_hand(found, shown, now))
    if tools.check:
        would = [means.what] + ["have %s read it anew" % unit for unit in means.reload]
        return answer.would_mend(told, before, would)
    did, wrong = _renew(tools, means)
    left, last = _proved(given, [one.port for one in shown])
    after = measured(last, time.time()) if last else dict.fromkeys(before)
    return answer.acted(told, did, before, after, "; ".join(wrong + ([left] if left else [])))


def _renew(tools: Tools, means: Means) -> tuple[list[str], list[str]]:
    """What was done, and what of it went wrong; what reads it anew does so only after a renewal that went well."""
    did: list[str] = []
    steps: list[tuple[tuple[str, ...], float, str, str]] = []
    if means.command:
        steps.append((means.command, RENEWAL_SECONDS, "ran the renewal (%s)" % means.what, "the renewal"))
    for unit in means.reload:
        again = ("systemctl", "reload-or-restart", "--no-ask-password", "--", unit)
        steps.append((again, 120.0, "had %s read it anew" % unit, "a reload of %s" % unit))
    for command, seconds, good, bad in steps:
        done = tools.programs.run(*command, seconds=seconds)
        if done.status != 0:
            return did, ["%s failed: %s" % (bad, words.plain(done.reason()))]
        did.append(good)
    return did, []


def _proved(given: dict[str, Any], ports: Sequence[int]) -> tuple[str, Certificate | None]:
    """What is still wrong, and the certificate as it is now: by a handshake at each port, and in the file."""
    until = time.monotonic() + SERVED_SECONDS
    while True:
        left, last = "", None
        try:
            last = _read(given)
            every = [last] + [_at(port, given) for port in ports if port != given["port"]]
            late = [one for one in every if ends(one, given["days"], time.time())]
            left = "it still ends on %s" % certificates.day(late[0].not_after) if late else ""
        except (NoCertificate, Unmeasurable, NoTls, OSError) as error:
            left = "it can no longer be read: %s" % words.plain(str(error))
        if not left or time.monotonic() > until:
            return left, last
        time.sleep(POLL_SECONDS)


# -- reading -------------------------------------------------------------------------------------------------------


def _read(given: dict[str, Any]) -> Certificate:
    if given["port"]:
        return _at(given["port"], given)
    return _of_file(given["path"])


def _of_file(path: str) -> Certificate:
    with open(path, "rb") as stream:
        data = stream.read(MOST_BYTES)
    chain = certificates.of_pem(data.decode("latin-1"))
    if not chain:
        raise NoCertificate("there is none in PEM in it")
    return certificates.read(chain[0])


def _at(port: int, given: dict[str, Any]) -> Certificate:
    return certificates.read(tls_client.leaf(Target("localhost", port, given["protocol"], given["name"])))


def _waiting(tools: Tools) -> list[tuple[str, int, str]]:
    return services.waiting(Reader(tools.host))


def _program(tools: Tools, port: int) -> str:
    return next((program for _address, number, program in _waiting(tools) if number == port), "")


def _who_shows(tools: Tools, found: Certificate, given: dict[str, Any]) -> list[Shown]:
    """The ports of this host at which a handshake gives this very certificate."""
    known: dict[int, str] = {}
    for _address, port, program in _waiting(tools):
        if port not in _NO_TLS:
            known.setdefault(port, program)
    shown = []
    for port in sorted(known)[:MOST_PORTS]:
        try:
            if _at(port, given).fingerprint == found.fingerprint:
                shown.append(Shown(port, known[port]))
        except (NoCertificate, Unmeasurable, NoTls, OSError):
            continue  # it speaks no TLS, or shows nobody a certificate
    return shown


# -- by which means ------------------------------------------------------------------------------------------------


def _renewed(path: str, days: int) -> bool:
    """Whether the certificate in a file does not end soon. A file that is not there, or is none, was not renewed."""
    try:
        return not ends(_of_file(path), days, time.time())
    except (OSError, NoCertificate):
        return False


def _means(tools: Tools, given: dict[str, Any], found: Certificate) -> Means | None:
    """None where nothing is set up that renews it."""
    reload = tuple(given["reload"])
    lineage = _lineage(tools, given["path"], found)
    if lineage:
        if given["port"] and reload and _renewed("%s/%s/cert.pem" % (LIVE, lineage), given["days"]):
            return Means("have the server show the certificate that certbot has renewed already", (), reload)
        command = ("certbot", "renew", "--cert-name", lineage, "--non-interactive", "--no-random-sleep-on-renew")
        return Means("renew it with certbot", command, reload)
    if given["command"]:
        if not given["command"][0].startswith("/"):
            raise MspError(
                "MSP-RUN-021",
                "the renewal command of the customer's policy to begin with the whole path of a program",
                words.plain(given["command"][0]),
                "correct the policy; nothing was run",
            )
        return Means(
            "renew it with the customer's command %s" % words.plain(given["command"][0]),
            tuple(given["command"]),
            reload,
        )
    return None


def _lineage(tools: Tools, path: str | None, found: Certificate) -> str:
    """certbot's name of it: by the path, or because it has the same names; "" where certbot did not make it."""
    if not tools.programs.find("certbot"):
        return ""
    for file in tools.host.names(CERTBOT):
        name, ending = os.path.splitext(file)
        if ending != ".conf":
            continue
        if path and path.startswith("%s/%s/" % (LIVE, name)):
            return name
        try:
            mine = _of_file("%s/%s/cert.pem" % (LIVE, name))
        except (OSError, NoCertificate):
            continue  # a lineage whose files are gone renews nothing
        if not path and (mine.issuer, set(mine.names)) == (found.issuer, set(found.names)):
            return name
    return ""


# -- decisions and words, pure -------------------------------------------------------------------------------------


def ends(one: Certificate, days: int, now: float) -> bool:
    return one.not_after < now + days * certificates.DAY


def tell(one: Certificate, shown: Sequence[Shown], now: float) -> list[str]:
    when = one.not_after - now
    left = "in %s" % words.span(when) if when > 0 else "%s ago" % words.span(-when)
    over = "ends" if when > 0 else "ended"
    found = [
        "the certificate of %s %s on %s (%s)" % (words.plain(one.subject), over, certificates.day(one.not_after), left)
    ]
    found.append("it was issued by %s" % ("itself" if one.own else words.plain(one.issuer)))
    names = [words.plain(name, 80) for name in (*one.names, *one.addresses)]
    found.append("it is for %s" % (words.listed(names, 10) if names else "no name"))
    for server in shown:
        found.append("port %d shows it (%s)" % (server.port, words.plain(server.program, 40) or "a program unknown"))
    if not shown:
        found.append("no port of this host shows it")
    return found


def by_hand(one: Certificate, shown: Sequence[Shown], now: float) -> str:
    """Why a person has to get a new one, with all that the person needs for it."""
    names = [words.plain(name, 80) for name in (*one.names, *one.addresses)] or [words.plain(one.subject)]
    servers = words.listed(["%s on port %d" % (words.plain(one.program, 40) or "a program", one.port) for one in shown])
    issuer = "whoever signed it (it is signed by itself)" if one.own else words.plain(one.issuer)
    over = "ends" if one.not_after > now else "ended"
    shape = (
        "nothing is set up on this host that renews it: get a new one for %s from %s, and give it to %s; it %s on %s"
    )
    return shape % (
        words.listed(names, 10),
        issuer,
        servers or "whatever reads the file",
        over,
        certificates.day(one.not_after),
    )


def measured(one: Certificate, now: float) -> dict[str, Any]:
    return {
        "days_left": int((one.not_after - now) // certificates.DAY),
        "ends": certificates.day(one.not_after),
        "fingerprint": one.fingerprint,
    }
