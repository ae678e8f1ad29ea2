# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks Microsoft Graph for lists; mdm.py reads what it answers. It only reads, and only over TLS.

A list is whole or an error: a page that fails is never the end of it. The token goes to the address it was given for
and nowhere else: no redirect is followed, no next page on another host, and no error, log or representation has it.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import time
from collections.abc import Mapping
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
# Nothing of a person is asked for. Registration details know no $select: what is not needed is dropped when read.
DEVICES = f"/v1.0/deviceManagement/managedDevices?$select={quote(','.join(SELECT))}"
REGISTRATIONS = "/v1.0/reports/authenticationMethods/userRegistrationDetails"
_PERMISSIONS = {DEVICES: "DeviceManagementManagedDevices.Read.All", REGISTRATIONS: "AuditLog.Read.All"}

LARGEST_PAGE = 64 * 1024 * 1024
# A page holds up to a thousand rows; nobody has ten million devices.
MOST_PAGES = 10_000
_BUSY = (429, 503, 504)
# A page that is refused this often is an error, however little Graph asks to wait each time.
MOST_REFUSALS = 20


@dataclass(frozen=True, slots=True)
class Graph:
    """Where Graph is, and how patient to be with it.

    timeout: seconds for the connection, and again between two pieces of an answer. patience: seconds to wait in all,
    over one list, when Graph says that it is busy. ca_file: certificates to trust instead of the system's.
    """

    token: str = field(repr=False)
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

    def _list(self, path: str) -> list[Any]:
        if LIBRARY_ERROR is not None:
            raise MspError("MSP-OBS-031", "the Python library requests", str(LIBRARY_ERROR), "run through ./msp")
        self._check_base()
        with requests.Session() as session:
            # With an own auth hook, requests does not replace our header by what it finds in ~/.netrc.
            session.auth = self._authorise
            session.headers.update({"Accept": "application/json", "User-Agent": "msp.ops"})
            return _Pages(self, session, path).all()

    def _authorise(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request

    def _check_base(self) -> None:
        """Refuse an address that would carry the token in the clear; this machine itself may."""
        if keeps_secrets(self.base):
            return
        raise MspError(
            "MSP-OBS-032",
            "Graph's address as https://host",
            "one with an @, not shown here" if "@" in self.base else repr(self.base),
            f"leave it out for {GRAPH}, or correct it",
        )


class _Pages:
    """One list, page after page."""

    def __init__(self, graph: Graph, session: Any, path: str) -> None:
        self.graph = graph
        self.session = session
        self.path = path
        self.waited = 0.0

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
        for _attempt in range(MOST_REFUSALS):
            status, headers, body = self._get(link)
            if status not in _BUSY:
                break
            self._wait(status, headers)
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
                f"grant the application {_PERMISSIONS[self.path]} in Entra, with an administrator's consent",
            )
        if status != 200:
            raise self._odd(f"status {status}{_reason(body)}")
        page = _json(body)
        if not isinstance(page, dict) or not isinstance(page.get("value"), list):
            raise self._odd("an answer that is no list")
        return page

    def _get(self, link: str) -> tuple[int, Mapping[str, str], bytes]:
        try:
            with self.session.get(
                link,
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
                f"a whole answer from {self.graph.base} over TLS",
                f"{type(error).__name__}",
                "check the network, the proxy and the certificates of this machine, and run it again",
            ) from None

    def _wait(self, status: int, headers: Mapping[str, str]) -> None:
        """As long as Graph asks for, within what patience is left."""
        seconds = _retry_after(headers.get("Retry-After", ""))
        if self.waited + seconds > self.graph.patience:
            raise MspError(
                "MSP-OBS-036",
                f"{self.graph.base} to have time within {self.graph.patience:g} seconds",
                f"status {status}; it asked to wait {seconds:g} seconds more after {self.waited:g}",
                "run it again later, and less often",
            )
        self.waited += seconds
        time.sleep(seconds)

    def _odd(self, found: str) -> MspError:
        return MspError(
            "MSP-OBS-035",
            f"all pages of {urlsplit(self.path).path} from {self.graph.base}",
            found,
            "run it again; a part of a list is not used",
        )


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


def _reason(body: bytes) -> str:
    """Graph's own code for what is wrong; its message may name people, so that stays out."""
    page = _json(body)
    error = page.get("error") if isinstance(page, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return f" ({code[:80]})" if isinstance(code, str) and code.isascii() and code.isprintable() else ""
