# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks an LDAP directory for its computers; directory.py reads what it answers. The only file that knows ldap3.

It only reads. It never speaks without TLS, never to a server whose certificate it does not trust, follows no referral,
and never puts the password into an error, a log or its own representation. An answer that the server cut short, one
with a referral behind which computers may be, and one without any entry, is never taken for all there is.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe import referral
from ansible_collections.msp.ops.plugins.plugin_utils.observe.directory import ATTRIBUTES
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Reading, Skip

try:
    import ldap3
    from ldap3.core.exceptions import LDAPExceptionError
except ImportError as missing:
    LIBRARY_ERROR: ImportError | None = missing
    _BaseTls: Any = object
else:
    LIBRARY_ERROR = None
    _BaseTls = ldap3.Tls

ACTIVE_DIRECTORY = "(objectCategory=computer)"
OPENLDAP = "(|(objectClass=device)(objectClass=ipHost))"
PAGE = 500
# A directory with more is no customer's: a server that never stops must not fill the memory.
MOST = 500_000

_PORTS = {"ldaps": 636, "ldap": 389}
_PAGED = "1.2.840.113556.1.4.319"
_UNTRUSTED = "certificate verify failed"
# Result codes, RFC 4511 appendix A.
_SUCCESS, _TIME_LIMIT, _SIZE_LIMIT, _REFERRAL, _ADMIN_LIMIT = 0, 3, 4, 10, 11
_NO_SUCH_OBJECT, _BAD_NAME, _BAD_CREDENTIALS = 32, 34, 49
_CUT_SHORT = {
    _TIME_LIMIT: "its time limit",
    _SIZE_LIMIT: "its size limit",
    _ADMIN_LIMIT: "a limit of its administrator",
}


@dataclass(frozen=True, slots=True)
class Directory:
    """Where to ask, as whom and for what.

    url: ldaps://host[:port], or ldap://host[:port], which is only used with StartTLS. ca_file: certificates to trust
    instead of the system's. timeout: seconds for the connection, and again for each answer.
    """

    url: str
    user: str
    base: str
    filter: str = ACTIVE_DIRECTORY
    ca_file: str | None = None
    timeout: int = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """The entries as raw bytes, for directory.computers, and what is missing: add it to the Reading of the entries."""

    entries: tuple[Mapping[str, Sequence[bytes]], ...]
    missing: Reading


class _Tls(_BaseTls):  # type: ignore[misc]
    """TLS as Python itself does it, name check included: ldap3's own takes a subject for a name, and no address."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: ARG002 - it always is
        """Encrypt the connection's socket, or raise."""
        connection.socket = self._context.wrap_socket(connection.socket, server_hostname=connection.server.host)


def read(directory: Directory, password: str) -> Answer:
    """All entries under the base that fit the filter, page by page."""
    if LIBRARY_ERROR is not None:
        raise MspError("MSP-OBS-027", "the Python library ldap3", str(LIBRARY_ERROR), "run through ./msp")
    with _connection(directory, password) as connection:
        return _search(directory, connection)


@contextlib.contextmanager
def _connection(directory: Directory, password: str) -> Iterator[Any]:
    """A connection over TLS, as the user; closed at the end whatever happens."""
    server, encrypted = _server(directory)
    try:
        connection = ldap3.Connection(
            server,
            user=directory.user,
            password=password,
            authentication=ldap3.SIMPLE,
            read_only=True,
            check_names=False,
            auto_referrals=False,
            auto_range=False,
            return_empty_attributes=False,
            receive_timeout=directory.timeout,
        )
    except LDAPExceptionError as error:  # a simple bind without a name or a password is an anonymous one
        raise _refused(directory, str(error)) from None
    try:
        _open(directory, connection, encrypted)
        yield connection
    finally:
        with contextlib.suppress(Exception):  # it may be closed or broken; there is nothing to lose
            connection.unbind()


def _server(directory: Directory) -> tuple[Any, bool]:
    """The server, and whether the connection is encrypted from its first byte."""
    try:
        parts = urlsplit(directory.url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in _PORTS or not host:
        raise MspError(
            "MSP-OBS-022",
            "a directory's address as ldaps://host or ldap://host (with StartTLS)",
            repr(directory.url),
            "correct the address",
        )
    try:
        context = ssl.create_default_context(cafile=directory.ca_file)
    except OSError as error:
        raise _untrusted(directory, f"no certificates in {directory.ca_file}: {error}") from None
    encrypted = parts.scheme == "ldaps"
    server = ldap3.Server(
        host,
        port=port or _PORTS[parts.scheme],
        use_ssl=encrypted,
        tls=_Tls(context),
        get_info=ldap3.NONE,
        connect_timeout=directory.timeout,
    )
    return server, encrypted


def _open(directory: Directory, connection: Any, encrypted: bool) -> None:
    try:
        connection.open(read_server_info=False)
        if not encrypted and not connection.start_tls(read_server_info=False):
            raise _unreachable(directory, "it does not start TLS")
    except MspError:
        raise
    except Exception as error:  # ldap3 raises types that it makes up, and what sockets raise
        words = _words(connection.last_error or error)
        if _UNTRUSTED in words.casefold().replace("_", " "):
            raise _untrusted(directory, words) from None
        raise _unreachable(directory, words) from None
    try:
        bound = connection.bind(read_server_info=False)
    except Exception as error:
        if "mandatory" in str(error):
            raise _refused(directory, str(error)) from None
        raise _broken(directory, _words(error)) from None
    if not bound:
        raise _refused(directory, _result(connection))


def _search(directory: Directory, connection: Any) -> Answer:
    entries: list[Mapping[str, Sequence[bytes]]] = []
    skipped: list[Skip] = []
    whole = True
    cookie: bytes | None = None
    while True:
        try:
            connection.search(
                directory.base,
                directory.filter,
                ldap3.SUBTREE,
                attributes=list(ATTRIBUTES),
                paged_size=PAGE,
                paged_cookie=cookie,
            )
            code = connection.result["result"]
            whole &= _take(connection.response or (), entries, skipped)
            cookie = _cookie(connection.result)
        except Exception as error:  # the connection, or bytes that are no LDAP: an answer that can't be read whole
            raise _broken(directory, _words(error)) from None
        why = _CUT_SHORT.get(code) or ("more entries than are believed" if len(entries) > MOST else "")
        if why:
            skipped.append(Skip(directory.url, f"the server stopped after {len(entries)} entries: {why}"))
            return Answer(tuple(entries), Reading((), tuple(skipped), complete=False))
        if code != _SUCCESS:
            raise _failed(directory, code, _result(connection))
        if not cookie:
            if not entries:  # a filter for another kind of directory, or a user who may see nothing
                skipped.append(Skip(directory.url, f"no entry that this user may read fits {directory.filter}"))
            return Answer(tuple(entries), Reading((), tuple(skipped), complete=whole and bool(entries)))


def _take(
    response: Sequence[Mapping[str, Any]], entries: list[Mapping[str, Sequence[bytes]]], skipped: list[Skip]
) -> bool:
    """Take what is in one page; whether all is that it should have."""
    whole = True
    for one in response:
        if one["type"] == "searchResEntry":
            entries.append({**one["raw_attributes"], "dn": [one["raw_dn"]]})
        elif one["type"] == "searchResRef":
            urls = list(map(str, one["uri"]))
            skip, may_hold = referral.skip(", ".join(urls)[:200], urls)
            skipped.append(skip)
            whole = whole and not may_hold
    return whole


def _cookie(result: Mapping[str, Any]) -> bytes | None:
    """Where the next page starts; None after the last one (RFC 2696)."""
    control = (result.get("controls") or {}).get(_PAGED)
    return (control["value"]["cookie"] or None) if control else None


def _words(error: object) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _result(connection: Any) -> str:
    result = connection.result or {}
    return " ".join(f"{result.get('description', 'no answer')} {result.get('message') or ''}".split())[:300]


def _unreachable(directory: Directory, found: str) -> MspError:
    return MspError(
        "MSP-OBS-022",
        f"a directory at {directory.url} that answers over TLS",
        found,
        "check the address, the port and the firewall between here and there",
    )


def _untrusted(directory: Directory, found: str) -> MspError:
    return MspError(
        "MSP-OBS-023",
        f"a certificate of {directory.url} that is trusted and bears that name",
        found,
        "give the file with the certificate authority that signed it, and the name that is in it; nothing is read "
        "without",
    )


def _refused(directory: Directory, found: str) -> MspError:
    return MspError(
        "MSP-OBS-024",
        f"{directory.url} to let {directory.user or 'a user'} in",
        found,
        "check the user's name (a DN, or name@domain for Active Directory), its password and whether it is locked",
    )


def _failed(directory: Directory, code: int, found: str) -> MspError:
    if code in (_NO_SUCH_OBJECT, _BAD_NAME, _REFERRAL):
        return MspError(
            "MSP-OBS-025",
            f"the base {directory.base!r} in {directory.url}",
            found,
            "correct the base, ask the server that has it, or let the user read it",
        )
    return _broken(directory, found)


def _broken(directory: Directory, found: str) -> MspError:
    return MspError(
        "MSP-OBS-026",
        f"a whole answer from {directory.url}",
        found,
        "run it again; if it stays, look at the server's log and at the filter",
    )
