# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads AWX over its REST API, and never writes: writing is for the modules of awx.awx.

A list is whole or an error. No redirect is followed, and the token or password goes nowhere but to the address that was
given; no error has it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urljoin, urlsplit

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

try:
    import requests
except ImportError as missing:
    LIBRARY_ERROR: ImportError | None = missing
else:
    LIBRARY_ERROR = None

PAGE = 200  # the most that AWX gives at once
Row = dict[str, Any]
# The options of the modules of awx.awx, and the variables that those read where an option is not given.
SPEC: dict[str, dict[str, Any]] = {
    "controller_host": {"type": "str"},
    "controller_oauthtoken": {"type": "str", "no_log": True},
    "controller_username": {"type": "str"},
    "controller_password": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool"},
    "request_timeout": {"type": "float", "default": 30.0},
}
_VARIABLES = dict(
    zip(
        ("controller_host", "controller_oauthtoken", "controller_username", "controller_password", "validate_certs"),
        (
            *("CONTROLLER_HOST", "CONTROLLER_OAUTH_TOKEN", "CONTROLLER_USERNAME"),
            *("CONTROLLER_PASSWORD", "CONTROLLER_VERIFY_SSL"),
        ),
        strict=True,
    )
)


class Awx:
    """One AWX, as one user."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        if LIBRARY_ERROR is not None:
            action = "run through ./msp, or install what requirements.lock names"
            raise MspError("MSP-AWX-001", "the Python library requests on the controller", str(LIBRARY_ERROR), action)
        given = {name: arguments.get(name) or os.environ.get(variable) for name, variable in _VARIABLES.items()}
        host = str(given["controller_host"] or "")
        if not host:
            raise _unset("the address of AWX", "CONTROLLER_HOST")
        self.base = host.rstrip("/") if "://" in host else f"https://{host.rstrip('/')}"
        self.requests = 0
        self._timeout = float(arguments.get("request_timeout") or 30.0)
        self._verify = arguments.get("validate_certs")
        if self._verify is None:
            self._verify = str(given["validate_certs"] or "true").lower() not in ("false", "no", "0", "off")
        self._session = requests.Session()
        self._session.auth = _auth(given)

    def __enter__(self) -> Awx:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._session.close()

    def rows(self, endpoint: str, **filters: Any) -> list[Row]:
        """All rows of a list."""
        answer = self._get(self._address(endpoint), {**filters, "page_size": PAGE, "order_by": "id"})
        found = _results(answer, endpoint)
        while answer["next"]:
            answer = self._get(self._next(answer["next"], endpoint), {})
            found += _results(answer, endpoint)
        if len({row["id"] for row in found}) != answer["count"]:
            raise _odd(endpoint, f"{len(found)} of {answer['count']} rows")
        return found

    def row(self, endpoint: str) -> Row:
        """One object, or what stands in its place."""
        return self._get(self._address(endpoint), {})

    def _address(self, endpoint: str) -> str:
        return f"{self.base}/api/v2/{endpoint.strip('/')}/"

    def _next(self, page: str, endpoint: str) -> str:
        address = urljoin(self.base, page)
        if urlsplit(address)[:2] != urlsplit(self.base)[:2]:
            raise _odd(endpoint, "a next page at another address")
        return address

    def _get(self, address: str, filters: Mapping[str, Any]) -> Row:
        self.requests += 1
        try:
            answer = self._session.get(
                address, params=filters, timeout=self._timeout, verify=self._verify, allow_redirects=False
            )
        except requests.RequestException as error:
            action = "check CONTROLLER_HOST, and that AWX can be reached"
            raise MspError("MSP-AWX-007", f"AWX at {self.base}", type(error).__name__, action) from None
        path = urlsplit(address).path
        if answer.status_code in (401, 403):
            action = "give a token of a user that may read and write all of the organisation"
            raise MspError("MSP-AWX-008", f"a token that AWX lets read {path}", f"status {answer.status_code}", action)
        if answer.status_code != 200:
            raise _odd(path, f"status {answer.status_code}")
        try:
            data = answer.json()
        except ValueError:
            raise _odd(path, "no JSON") from None
        if not isinstance(data, dict):
            raise _odd(path, "no table of keys")
        return data


def _auth(given: Mapping[str, Any]) -> Any:
    """With an own hook, requests takes nothing from ~/.netrc."""
    token, user, password = (given[f"controller_{name}"] for name in ("oauthtoken", "username", "password"))
    if token:

        def bearer(request: Any) -> Any:
            request.headers["Authorization"] = f"Bearer {token}"
            return request

        return bearer
    if user and password:
        return requests.auth.HTTPBasicAuth(user, password)
    raise _unset("a token of AWX", "CONTROLLER_OAUTH_TOKEN")


def _results(answer: Row, endpoint: str) -> list[Row]:
    rows = answer.get("results")
    if not isinstance(rows, list) or "next" not in answer or not isinstance(answer.get("count"), int):
        raise _odd(endpoint, "no page of a list")
    if not all(isinstance(row, dict) and isinstance(row.get("id"), int) for row in rows):
        raise _odd(endpoint, "rows without an id")
    return list(rows)


def _unset(expected: str, variable: str) -> MspError:
    return MspError("MSP-AWX-006", expected, "none", f"set {variable}, or give the option of the same meaning")


def _odd(where: str, found: str) -> MspError:
    return MspError(
        "MSP-AWX-007", f"an answer of AWX to {where}", found, "run it again; if it stays, look at AWX itself"
    )
