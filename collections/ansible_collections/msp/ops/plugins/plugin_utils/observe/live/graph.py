# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks Microsoft Graph for lists; mdm.py and entra.py read what it answers. It only reads, and only over TLS.

A list is whole or an error: a page that fails is never the end of it. The token goes to the address it was given for
and nowhere else: no redirect is followed, no next page on another host, and no error, log or representation has it.
The same holds for the secret of an application that gets its own tokens (OAuth 2.0, client credentials).
"""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe.mdm import SELECT
from ansible_collections.msp.ops.plugins.plugin_utils.observe.tls import keeps_secrets

try:
    import requests
except ImportError as missing:
    LIBRARY_ERROR: ImportError | None = missing
else:
    LIBRARY_ERROR = None

GRAPH = "https://graph.microsoft.com"
LOGIN = "https://login.microsoftonline.com"
# Nothing of a person is asked for. Registration details know no $select: what is not needed is dropped when read.
DEVICES = f"/v1.0/deviceManagement/managedDevices?$select={quote(','.join(SELECT))}"
REGISTRATIONS = "/v1.0/reports/authenticationMethods/userRegistrationDetails"
USERS = "/v1.0/users?$select=id,userPrincipalName,accountEnabled,userType&$top=999"
POLICIES = "/v1.0/identity/conditionalAccess/policies"
DEFAULTS = "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy"
_GROUPS, _ROLES = "/v1.0/groups/", "/v1.0/roleManagement/directory/roleAssignments"
_PERMISSIONS = {
    "/v1.0/deviceManagement/managedDevices": "DeviceManagementManagedDevices.Read.All",
    REGISTRATIONS: "AuditLog.Read.All",
    "/v1.0/users": "User.Read.All",
    POLICIES: "Policy.Read.All",
    DEFAULTS: "Policy.Read.All",
    _GROUPS: "GroupMember.Read.All",
    _ROLES: "RoleManagement.Read.Directory",
}

LARGEST_PAGE = 64 * 1024 * 1024
# A page holds up to a thousand rows; nobody has ten million devices.
MOST_PAGES = 10_000
_BUSY = (429, 503, 504)
# A page that is refused this often is an error, however little Graph asks to wait each time.
MOST_REFUSALS = 20


# What Entra calls a tenant that it does not have, or that is no tenant's name (AADSTS...).
_NO_TENANT = {90002, 900021, 900023}
_WORD = re.compile("[a-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Client:
    """An application that Entra knows, which gets a new token for each list: one lives about an hour.

    login is where Entra is; national clouds have their own.
    """

    tenant: str
    client_id: str
    secret: str = field(repr=False)
    login: str = LOGIN


@dataclass(frozen=True, slots=True)
class Graph:
    """Where Graph is, and how patient to be with it.

    token is one that somebody got, or the client that gets its own.
    timeout: seconds for the connection, and again between two pieces of an answer. patience: seconds to wait in all,
    over one list, when Graph says that it is busy. ca_file: certificates to trust instead of the system's.
    """

    token: str | Client = field(repr=False)
    base: str = GRAPH
    timeout: float = 30.0
    patience: float = 300.0
    ca_file: str | None = None

    def managed_devices(self) -> list[Any]:
        """Intune's devices, all of them, for mdm.devices."""
        return self._list(DEVICES)

    def registrations(self) -> list[Any]:
        """What people have registered to sign in with, all of them, for mdm.registration."""
        return self._list(REGISTRATIONS)

    def users(self) -> list[Any]:
        """Every user with whether it may sign in, for entra.people: the registration details leave out who may not."""
        return self._list(USERS)

    def policies(self) -> list[Any]:
        """The policies of conditional access, for entra.policies."""
        return self._list(POLICIES)

    def security_defaults(self) -> bool:
        """Whether Microsoft's own defaults are on."""
        return bool(self._ask(DEFAULTS, lambda pages: pages.whole())["isEnabled"])

    def members(self, group: str) -> list[str]:
        """The ids of who is in a group, by way of other groups too. group is an id."""
        return [str(row["id"]).lower() for row in self._list(f"{_GROUPS}{quote(group)}/transitiveMembers?$select=id")]

    def holders(self, role: str) -> list[str]:
        """The ids of who has a role now, people and groups. role is the id of its definition."""
        filtered = quote(f"roleDefinitionId eq '{role}'")
        rows = self._list(f"{_ROLES}?$filter={filtered}&$select=principalId")
        return [str(row["principalId"]).lower() for row in rows]

    def _list(self, path: str) -> list[Any]:
        found: list[Any] = self._ask(path, lambda pages: pages.all())
        return found

    def _ask(self, path: str, ask: Callable[[_Pages], Any]) -> Any:
        if LIBRARY_ERROR is not None:
            raise MspError("MSP-OBS-031", "the Python library requests", str(LIBRARY_ERROR), "run through ./msp")
        _check(self.base, "Graph's", GRAPH)
        token = self.token if isinstance(self.token, str) else self._sign_in(self.token)

        def authorise(request: Any) -> Any:
            request.headers["Authorization"] = f"Bearer {token}"
            return request

        with _session(authorise) as session:
            return ask(_Pages(self, session, path))

    def _sign_in(self, client: Client) -> str:
        _check(client.login, "Entra's", LOGIN)
        with _session(lambda request: request) as session:
            return _SignIn(self, session, client).token()


def _session(authorise: Callable[[Any], Any]) -> Any:
    session = requests.Session()
    # With an own auth hook, requests does not replace our header by what it finds in ~/.netrc.
    session.auth = authorise
    session.headers.update({"Accept": "application/json", "User-Agent": "msp.ops"})
    return session


def _check(address: str, whose: str, usual: str) -> None:
    """Refuse an address that would carry a secret in the clear; this machine itself may."""
    if keeps_secrets(address):
        return
    raise MspError(
        "MSP-OBS-032",
        f"{whose} address as https://host",
        "one with an @, not shown here" if "@" in address else repr(address),
        f"leave it out for {usual}, or correct it",
    )


class _Conversation(ABC):
    """Requests to one address, with as much patience as there is."""

    def __init__(self, graph: Graph, session: Any, address: str) -> None:
        self.graph = graph
        self.session = session
        self.address = address
        self.waited = 0.0

    def _answer(self, method: str, link: str, form: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        for _attempt in range(MOST_REFUSALS):
            status, headers, body = self._send(method, link, form)
            if status not in _BUSY:
                break
            self._wait(status, headers)
        return status, body

    def _send(self, method: str, link: str, form: Mapping[str, str] | None) -> tuple[int, Mapping[str, str], bytes]:
        try:
            with self.session.request(
                method,
                link,
                data=form,
                timeout=self.graph.timeout,
                verify=self.graph.ca_file or True,
                allow_redirects=False,
                stream=True,
            ) as answer:
                body = bytearray()
                for piece in answer.iter_content(64 * 1024):
                    body += piece
                    if len(body) > LARGEST_PAGE:
                        raise self._odd(f"a page of more than {LARGEST_PAGE} bytes")
                return answer.status_code, answer.headers, bytes(body)
        except (requests.RequestException, OSError, ValueError) as error:
            raise MspError(
                "MSP-OBS-032",
                f"a whole answer from {self.address} over TLS",
                f"{type(error).__name__}",
                "check the network, the proxy and the certificates of this machine, and run it again",
            ) from None

    def _wait(self, status: int, headers: Mapping[str, str]) -> None:
        """As long as Graph asks for, within what patience is left."""
        seconds = _retry_after(headers.get("Retry-After", ""))
        if self.waited + seconds > self.graph.patience:
            raise MspError(
                "MSP-OBS-036",
                f"{self.address} to have time within {self.graph.patience:g} seconds",
                f"status {status}; it asked to wait {seconds:g} seconds more after {self.waited:g}",
                "run it again later, and less often",
            )
        self.waited += seconds
        time.sleep(seconds)

    @abstractmethod
    def _odd(self, found: str) -> MspError:
        """The error for an answer that is none of those there should be."""


class _SignIn(_Conversation):
    """One token for one client."""

    def __init__(self, graph: Graph, session: Any, client: Client) -> None:
        super().__init__(graph, session, client.login)
        self.client = client

    def token(self) -> str:
        # A national cloud's Graph is a resource of its own.
        client, base = self.client, urlsplit(self.graph.base)
        form = {
            "grant_type": "client_credentials",
            "client_id": client.client_id,
            "client_secret": client.secret,
            "scope": f"{base.scheme}://{base.netloc}/.default",
        }
        link = urljoin(client.login, f"/{quote(client.tenant, safe='')}/oauth2/v2.0/token")
        status, body = self._answer("POST", link, form)
        page = _json(body)
        answer = page if isinstance(page, dict) else {}
        token = answer.get("access_token")
        if status == 200 and isinstance(token, str) and token:
            return token
        raise self._refusal(status, answer)

    def _refusal(self, status: int, answer: Mapping[str, Any]) -> MspError:
        word = str(answer.get("error"))
        codes = _list_of(answer.get("error_codes"))
        numbers = [one for one in codes if isinstance(one, int) and not isinstance(one, bool)]
        if _NO_TENANT & set(numbers):
            return MspError(
                "MSP-OBS-038",
                f"{self.address} to know the tenant {self.client.tenant}",
                self._found(status, word, numbers),
                "correct tenant: the directory's id, or one of its domains; and login, for a national cloud",
            )
        if status == 401 or word in ("invalid_client", "unauthorized_client"):
            return MspError(
                "MSP-OBS-037",
                f"{self.address} to let the application {self.client.client_id} into {self.client.tenant}",
                self._found(status, word, numbers),
                "check client_id and client_secret in Entra: the secret's value and not its id, and whether it expired",
            )
        return self._odd("an answer without access_token" if status == 200 else self._found(status, word, numbers))

    def _found(self, status: int, word: str, numbers: Sequence[int]) -> str:
        """OAuth's word and Entra's numbers; the description beside them may name people, so that stays out."""
        words = [word] if _WORD.fullmatch(word) and word != self.client.secret else []
        why = ", ".join([*words, *(f"AADSTS{number}" for number in numbers[:3])])
        return f"status {status} ({why})" if why else f"status {status}"

    def _odd(self, found: str) -> MspError:
        return MspError(
            "MSP-OBS-039",
            f"a token for {self.graph.base} from {self.address}",
            found,
            "check login and base, and run it again",
        )


class _Pages(_Conversation):
    """One list, page after page."""

    def __init__(self, graph: Graph, session: Any, path: str) -> None:
        super().__init__(graph, session, graph.base)
        self.path = path

    def whole(self) -> Mapping[str, Any]:
        """One thing, of which there is no list."""
        page = self._answered(urljoin(self.graph.base, self.path))
        if not isinstance(page, dict) or not isinstance(page.get("isEnabled"), bool):
            raise self._odd("an answer that says neither yes nor no")
        return page

    def all(self) -> list[Any]:
        rows: list[Any] = []
        link = urljoin(self.graph.base, self.path)
        seen: set[str] = set()
        while link:
            if link in seen or len(seen) >= MOST_PAGES:
                raise self._odd("a next page that was there before, or pages without end")
            seen.add(link)
            page = self._page(link)
            rows += page["value"]
            link = self._next(page)
        return rows

    def _next(self, page: Mapping[str, Any]) -> str:
        """The next page's address; the token is only for the host that it was given for."""
        link = page.get("@odata.nextLink")
        if link is None:
            return ""
        try:
            there, here = urlsplit(str(link)), urlsplit(self.graph.base)
            same = (there.scheme, there.hostname, there.port) == (here.scheme, here.hostname, here.port)
        except ValueError:
            same = False
        if not same:
            raise self._odd("a next page on another host, which is not asked")
        return str(link)

    def _page(self, link: str) -> Mapping[str, Any]:
        page = self._answered(link)
        if not isinstance(page, dict) or not isinstance(page.get("value"), list):
            raise self._odd("an answer that is no list")
        return page

    def _answered(self, link: str) -> Any:
        status, body = self._answer("GET", link)
        if status == 401:
            raise MspError(
                "MSP-OBS-033",
                f"{self.graph.base} to take the token",
                f"401: it is wrong, expired, or for another address{_reason(body)}",
                "get a new one for this tenant and this address",
            )
        if status == 403:
            raise MspError(
                "MSP-OBS-034",
                f"the right to read {urlsplit(self.path).path}",
                f"403{_reason(body)}",
                f"grant the application {_permission(self.path)} in Entra, with an administrator's consent",
            )
        if status != 200:
            raise self._odd(f"status {status}{_reason(body)}")
        return _json(body)

    def _odd(self, found: str) -> MspError:
        return MspError(
            "MSP-OBS-035",
            f"all pages of {urlsplit(self.path).path} from {self.graph.base}",
            found,
            "run it again; a part of a list is not used",
        )


def _permission(path: str) -> str:
    """The right that reading a path needs."""
    return next(name for start, name in _PERMISSIONS.items() if path.startswith(start))


def _retry_after(text: str) -> float:
    """Seconds of a Retry-After header: a number or a date. Where it says nothing, a little, so as not to hammer."""
    word = text.strip()
    if word.isascii() and word.isdigit() and len(word) < 10:
        return float(word)
    try:
        when = email.utils.parsedate_to_datetime(word)
    except (ValueError, TypeError, IndexError):
        return 5.0
    when = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    return max(0.0, (when - dt.datetime.now(dt.UTC)).total_seconds())


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _reason(body: bytes) -> str:
    """Graph's own code for what is wrong; its message may name people, so that stays out."""
    page = _json(body)
    error = page.get("error") if isinstance(page, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return f" ({code[:80]})" if isinstance(code, str) and code.isascii() and code.isprintable() else ""
