# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Access to NetBox: complete reads, careful writes. The only file that knows pynetbox.

It fails closed: a refused, truncated, redirected or unfiltered answer is an error, never "nothing there". It never
deletes, never follows a redirect and never puts a token into an error, a log or its own representation.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import hashlib
import json
import os
import re
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.register import filters as known_filters
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.answers import (
    PAGE,
    Row,
    bare_url,
    base_url,
    changed_underneath,
    check_fields,
    choice_value,
    count_in,
    dotted,
    etag,
    explained,
    field_list,
    filters_in,
    mapping,
    not_a_page,
    not_a_row,
    query,
    ranges,
    same_moment,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register.filters import FieldFilter, Filters, object_type

try:
    import requests
    from pynetbox.core.query import AllocationError, ContentError, RequestError
    from pynetbox.core.query import Request as _PynetboxRequest
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry
except ImportError as missing:
    LIBRARY_ERROR: ImportError | None = missing
    _BaseRequest: Any = object
    _BaseSession: Any = object
else:
    LIBRARY_ERROR = None
    _BaseRequest = _PynetboxRequest
    _BaseSession = requests.Session

OLDEST = (4, 5, 0)
CURSOR_SINCE = (4, 6, 0)
ETAG_SINCE = (4, 6, 0)
BATCH = 100
READ_ATTEMPTS = 3
# Of every change: when it was made, and why, which NetBox takes no more where it is not among the fields.
_TOLD = ("last_updated", "changelog_message")
# Of everything new: NetBox gives custom fields their defaults only where they are among the fields.
_TOLD_OF_NEW = ("id", "custom_fields", *_TOLD)


class _Session(_BaseSession):  # type: ignore[misc]
    """An HTTP session with timeouts, retries of reads, and the headers of its last answer."""

    def __init__(self, timeout: float, verify: bool | str, retries: int) -> None:
        super().__init__()
        # A host that does not answer at all shows it sooner than one that is busy.
        self._timeout = (min(timeout, 4.0), timeout)
        self._verify = verify
        self.last_headers: Mapping[str, str] = {}
        # With an own auth hook, requests does not replace our header by what it finds in ~/.netrc.
        self.auth = lambda request: request
        self.headers["User-Agent"] = "msp.ops"
        # A connection that was never made is tried again for every method; an answer only for reads.
        retry = Retry(
            total=retries,
            backoff_factor=0.3,
            status_forcelist=(502, 503, 504),
            allowed_methods=("GET", "HEAD", "OPTIONS"),
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(max_retries=retry, pool_connections=2, pool_maxsize=2))

    def request(self, method: str, url: str, **options: Any) -> Any:  # type: ignore[override]
        """One request. A redirect would turn a write into a read, so it is an error."""
        options.setdefault("timeout", self._timeout)
        # Given here and not as an attribute: REQUESTS_CA_BUNDLE would win over the attribute.
        options.setdefault("verify", self._verify)
        options["allow_redirects"] = False
        answer = super().request(method, url, **options)
        self.last_headers = answer.headers
        if answer.is_redirect:
            raise MspError(
                "MSP-REG-002",
                "NetBox itself at the address given",
                f"a redirect from {bare_url(url)} to {bare_url(answer.headers.get('Location', '?'))}",
                "set NETBOX_API to the address that NetBox answers on without a redirect",
            )
        return answer


class _Call(_BaseRequest):  # type: ignore[misc]
    """pynetbox's request, one round trip at a time: our paging needs the whole envelope."""

    def send(self, verb: str, params: Mapping[str, Any] | None = None, data: Any = None) -> Any:
        return self._make_call(verb=verb, add_params=dict(params or {}), data=data)


class Register:
    """One NetBox, as one user. Threads may share it: each has its own session."""

    def __init__(self, url: str, token: str, *, timeout: float, verify: bool | str, retries: int) -> None:
        self.url = url
        self.version: tuple[int, int, int] = (0, 0, 0)
        self.status: Mapping[str, Any] = {}
        self.clock_skew: float | None = None
        self.requests = 0
        self.writes = 0
        self._token = token
        self._session_options = (timeout, verify, retries)
        self._local = threading.local()
        self._sessions: list[_Session] = []
        self._field_filters: list[FieldFilter] | None = None
        self._schema: Mapping[str, Sequence[str]] | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Register({self.url!r})"

    @property
    def reader(self) -> str:
        """Tells tokens apart, for what is kept of their answers; what the token is can't be told from it."""
        return hashlib.sha256(f"{self.url} {self._token}".encode()).hexdigest()[:32]

    @classmethod
    def connect(
        cls,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        verify: bool | str = True,
        retries: int = 3,
    ) -> Register:
        """Open NetBox and check its version and the token once. Falls back to NETBOX_API and NETBOX_TOKEN."""
        if LIBRARY_ERROR is not None:
            raise MspError(
                "MSP-REG-001",
                "the Python library pynetbox on the controller",
                f"{LIBRARY_ERROR}",
                "run through ./msp, or install what requirements.lock names",
            )
        url = (url or os.environ.get("NETBOX_API") or "").strip()
        token = (token or os.environ.get("NETBOX_TOKEN") or "").strip()
        if not url or not token:
            missing = [what for what, value in (("address", url), ("token", token)) if not value]
            raise MspError(
                "MSP-REG-001",
                "the address of NetBox and an API token",
                f"no {' and no '.join(missing)}",
                "set NETBOX_API and NETBOX_TOKEN, or give netbox_api and netbox_token",
            )
        register = cls(base_url(url), token, timeout=timeout, verify=verify, retries=retries)
        register._greet()
        return register

    def close(self) -> None:
        """Close every session, those of threads too."""
        with self._lock:
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.close()
        self._local = threading.local()

    def __enter__(self) -> Register:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    # -- reading ------------------------------------------------------------------------------------------------------

    def rows(
        self, endpoint: str, *, fields: Sequence[str] = (), filters: Filters | None = None, slices: int = 1
    ) -> list[Row]:
        """Every row of an endpoint that the filters choose, ordered by id; complete, or an error.

        slices is the number of parallel readers. The count is asked for before and after the read: rows that come or
        go meanwhile make the read lie between the two; anything else is read again, and then refused.
        """
        self._check_filters(endpoint, filters or {})
        pieces = list(known_filters.parts(filters or {}))
        found = [row for piece in pieces for row in self._complete(endpoint, fields, piece, slices)]
        if len(pieces) == 1:
            return found
        # One row may fit several pieces (a device by name and by another name it never has two of, an address by both).
        return [row for _unused, row in sorted({row["id"]: row for row in found}.items())]

    def count(self, endpoint: str, filters: Filters | None = None) -> int:
        """How many rows the filters choose."""
        self._check_filters(endpoint, filters or {})
        return sum(self._count(endpoint, piece) for piece in known_filters.parts(filters or {}))

    def row(self, endpoint: str, id: int, fields: Sequence[str] = ()) -> Row:
        """One object by its primary key."""
        params = {"fields": field_list(fields)} if fields else {}
        answer = self._send("get", endpoint, key=id, params=params)
        if not isinstance(answer, dict) or "id" not in answer:
            raise not_a_row(endpoint, id)
        check_fields(endpoint, [answer], fields)
        return answer

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Any other read below /api/, for instance "status"."""
        return self._send("get", path, params=params)

    def allowed(self, endpoint: str) -> frozenset[str]:
        """What this token may do on an endpoint as a whole: of "view", "add" and "change"."""
        rights = set()
        try:
            self._send("get", endpoint, params={"limit": 1, "fields": "id"})
            rights.add("view")
        except MspError as error:
            if error.code != "MSP-REG-003":
                raise
        actions = self._send("options", endpoint).get("actions", {})
        rights |= {right for method, right in (("POST", "add"), ("PUT", "change")) if method in actions}
        return frozenset(rights)

    # -- writing ------------------------------------------------------------------------------------------------------

    def create(
        self, endpoint: str, rows: Iterable[Mapping[str, Any]], *, message: str = "", returns: Sequence[str] = ()
    ) -> list[Row]:
        """Create objects, at most 100 a request; each request is all or nothing.

        returns: all that is wanted of the new objects beside their ids and what was given, which takes NetBox less
        time than whole ones; empty for these.
        """
        new = [dict(row) for row in rows]
        params = _fields_of(new, (*returns, *_TOLD_OF_NEW)) if returns else None
        return self._write("post", endpoint, new, message, params)

    def update(self, endpoint: str, rows: Iterable[Mapping[str, Any]], *, message: str = "") -> list[Row]:
        """Change objects; each row has its id and only the fields to change. Returned are those, and last_updated.

        NetBox is asked for no more than that: whole devices, each with its config context, take it a third longer.
        """
        changed = [dict(row) for row in rows]
        return self._write("patch", endpoint, changed, message, _fields_of(changed, _TOLD))

    def update_if_unchanged(
        self, endpoint: str, row: Mapping[str, Any], etag_or_last_updated: str, *, message: str = ""
    ) -> Row:
        """Change one object if nobody did since it was read; the last argument is its ETag or its last_updated.

        Returned are its last_updated and the fields that were to change. NetBox makes an ETag of last_updated; where it
        does not take the one made here, it is asked for its own.
        """
        seen = etag_or_last_updated
        if seen.startswith(('W/"', '"')):
            return self._if_match(endpoint, row, seen, message)
        if self.version >= ETAG_SINCE and (made := etag(seen)):
            try:
                return self._if_match(endpoint, row, made, message)
            except MspError as error:
                if error.code != "MSP-REG-008":
                    raise
        return self._if_match(endpoint, row, self._etag_of(endpoint, int(row["id"]), seen), message)

    def _if_match(self, endpoint: str, row: Mapping[str, Any], seen: str, message: str) -> Row:
        body = {key: value for key, value in row.items() if key != "id"}
        if message:
            body["changelog_message"] = message
        session = self._session()
        if seen:
            session.headers["If-Match"] = seen
        try:
            params = _fields_of([row], _TOLD)
            answer = self._send("patch", endpoint, key=int(row["id"]), params=params, data=body, rows=[row])
        finally:
            session.headers.pop("If-Match", None)
        return dict(answer)

    def journal(self, kind: str, id: int, text: str, *, level: str = "info") -> None:
        """Add one journal entry; kind is an object type such as "dcim.device"."""
        entry = {"assigned_object_type": kind, "assigned_object_id": id, "kind": level, "comments": text}
        self._write("post", "extras/journal-entries", [entry], "")

    # -- inside -------------------------------------------------------------------------------------------------------

    def _greet(self) -> None:
        status = self._send("get", "status")
        match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", str(mapping(status).get("netbox-version", "")))
        if not match:
            raise MspError(
                "MSP-REG-002",
                f"NetBox at {self.url}",
                "an answer without netbox-version",
                "set NETBOX_API to NetBox's address, without /api",
            )
        self.status = status
        self.version = (int(match[1]), int(match[2]), int(match[3] or 0))
        date = str(self._session().last_headers.get("Date"))
        with contextlib.suppress(TypeError, ValueError):
            # The header counts whole seconds, so half of one is the best guess of what it leaves out.
            ours = dt.datetime.now(dt.UTC)
            self.clock_skew = (email.utils.parsedate_to_datetime(date) - ours).total_seconds() + 0.5
        if self.version < OLDEST:
            raise MspError(
                "MSP-REG-004",
                f"NetBox {dotted(OLDEST)} or newer",
                f"NetBox {status['netbox-version']} at {self.url}",
                "upgrade NetBox; 4.7 is what this is tested with",
            )
        # /api/status/ is open on a NetBox that requires no login, so it does not prove that the token is good.
        self._send("get", "authentication-check")

    def _session(self) -> _Session:
        session = getattr(self._local, "session", None)
        if session is None:
            session = _Session(*self._session_options)
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session

    def _send(
        self,
        verb: str,
        endpoint: str,
        *,
        key: int | None = None,
        params: Mapping[str, Any] | None = None,
        data: Any = None,
        rows: Sequence[Mapping[str, Any]] = (),
    ) -> Any:
        with self._lock:
            self.requests += 1
            self.writes += verb in ("post", "patch")
        call = _Call(f"{self.url}/api/{endpoint}/", self._session(), key=key, token=self._token)
        try:
            return call.send(verb, params, data)
        except (RequestError, AllocationError) as error:
            raise self._refusal(verb, endpoint, key, error.req, rows) from None
        except ContentError as error:
            raise MspError(
                "MSP-REG-002",
                f"JSON from {self.url}/api/{endpoint}/",
                f"something else: {self._quote(error.req.text, 120)}",
                "set NETBOX_API to NetBox's address, without /api",
            ) from None
        except requests.RequestException as error:
            raise self._unreachable(verb, endpoint, error) from None

    def _unreachable(self, verb: str, endpoint: str, error: Exception) -> MspError:
        after = "" if verb in ("get", "options") else "; what was asked for may or may not have been written"
        reason = getattr(error, "args", ("",))[0]
        reason = getattr(reason, "reason", reason)
        return MspError(
            "MSP-REG-002",
            f"an answer from NetBox at {self.url}",
            f"{endpoint}: {self._quote(str(reason), 200) or type(error).__name__}{after}",
            "check that NetBox runs and is reachable from here, then run again",
        )

    def _refusal(
        self, verb: str, endpoint: str, key: int | None, answer: Any, rows: Sequence[Mapping[str, Any]]
    ) -> MspError:
        words = self._quote(answer.text, 1500)
        where = f"{endpoint}/{key}" if key is not None else endpoint
        status = answer.status_code
        if status in (401, 403):
            return self._forbidden(verb, endpoint, where, words)
        if status == 412:
            return changed_underneath(endpoint, key)
        if status == 404:
            missing = self._unreachable(verb, endpoint, RuntimeError("HTTP 404: NetBox has no such address"))
            return missing if key is None else not_a_row(endpoint, key)
        if status >= 500:
            return self._unreachable(verb, endpoint, RuntimeError(f"HTTP {status}: {words[:200]}"))
        return self._rejected(verb, where, f"HTTP {status}: {explained(answer, rows, words)}")

    def _rejected(self, verb: str, where: str, words: str) -> MspError:
        if verb in ("get", "options"):
            return MspError(
                "MSP-REG-006",
                f"that NetBox accepts the question to {where}",
                words,
                "correct the filter or its value",
            )
        return MspError(
            "MSP-REG-007",
            f"that NetBox accepts the {'new' if verb == 'post' else 'changed'} rows of {where}",
            words,
            "correct the values named (an object that does not exist may be one that the token's permissions do not"
            " reach); nothing of this request was written",
        )

    def _forbidden(self, verb: str, endpoint: str, where: str, words: str) -> MspError:
        if "status" in endpoint or "authentication-check" in endpoint or "Invalid" in words or "expired" in words:
            return MspError(
                "MSP-REG-003",
                f"a token that NetBox at {self.url} accepts",
                f"it was refused: {words}",
                "make a new token in NetBox (your user, API Tokens) and set NETBOX_TOKEN",
            )
        app, _unused, model = object_type(endpoint).partition(".")
        right = {"post": "add", "patch": "change"}.get(verb, "view")
        if "on this object" in words:
            return MspError(
                "MSP-REG-003",
                f"a permission {app}.{right}_{model} whose constraints allow these rows of {where}",
                f"NetBox refused: {words}",
                "widen the constraints, or make the rows fit them (the automation may only work on tenants with the tag"
                f" {names.TAG_CUSTOMER} and what belongs to them); nothing of this request was written",
            )
        extra = "" if right == "view" else ", and enable the token for writing"
        return MspError(
            "MSP-REG-003",
            f"the permission {app}.{right}_{model} for {where}",
            f"NetBox refused: {words}",
            f"give the token's user this permission{extra}; playbooks/netbox.yml declares what the automation needs",
        )

    def _quote(self, text: str, length: int) -> str:
        text = " ".join(text.split()).replace(self._token, "***")
        return text if len(text) <= length else text[: length - 1] + "…"

    # -- inside: reading ----------------------------------------------------------------------------------------------

    def _complete(self, endpoint: str, fields: Sequence[str], filters: Filters, slices: int) -> list[Row]:
        counts = ""
        for _unused in range(READ_ATTEMPTS):
            found, before, after = self._read(endpoint, fields, filters, slices)
            if min(before, after) <= len(found) <= max(before, after):
                check_fields(endpoint, found, fields)
                return found
            counts = f"{len(found)} rows, where NetBox counts {before} before and {after} after"
        raise MspError(
            "MSP-REG-005",
            f"every row of {endpoint}",
            f"{counts}, {READ_ATTEMPTS} times",
            "run again; if it stays, look whether a proxy or plugin shortens NetBox's answers",
        )

    def _read(self, endpoint: str, fields: Sequence[str], filters: Filters, slices: int) -> tuple[list[Row], int, int]:
        """The rows, and how many NetBox counted before and after. A table of one page takes one request."""
        params = query(filters)
        if fields:
            params["fields"] = field_list(fields)
        first = self._page(endpoint, {**params, "limit": PAGE, "ordering": "id"})
        before = count_in(endpoint, first)
        found: list[Row] = first["results"]
        if first["next"] is None:
            return found, before, before
        if not found:
            raise not_a_page(endpoint)
        if self.version < CURSOR_SINCE:
            found = self._by_offset(endpoint, params, found)
        else:
            found = found + self._by_key_from(endpoint, params, found[-1]["id"] + 1, slices, before - len(found))
        return found, before, self._count(endpoint, filters)

    def _count(self, endpoint: str, filters: Filters) -> int:
        answer = self._send("get", endpoint, params={**query(filters), "limit": 1, "fields": "id"})
        return count_in(endpoint, mapping(answer))

    def _by_key_from(self, endpoint: str, params: Row, start: int, slices: int, rest: int) -> list[Row]:
        if slices < 2 or "id__lt" in params:
            return self._by_key(endpoint, params, start, None, rest)
        last = self._page(endpoint, {**params, "fields": "id", "limit": 1, "ordering": "-id"})["results"]
        if not last:
            return []
        parts = ranges(start, last[0]["id"], slices)
        with ThreadPoolExecutor(max_workers=slices, thread_name_prefix="netbox") as pool:
            results = pool.map(lambda ends: self._by_key(endpoint, params, *ends), parts)
            return [row for found in results for row in found]

    def _by_key(self, endpoint: str, params: Row, start: int, below: int | None, rest: int | None = None) -> list[Row]:
        """Pages by primary key, to the end or to as many rows as were counted to be left: a full last page does not
        say that it is the last.
        """
        params = {**params, "limit": PAGE}
        if below is not None:
            params["id__lt"] = below
        found: list[Row] = []
        while True:
            page = self._page(endpoint, {**params, "start": start})
            rows = page["results"]
            ids = [row["id"] for row in rows]
            if ids != sorted(set(ids)) or (ids and (ids[0] < start or (below is not None and ids[-1] >= below))):
                raise not_a_page(endpoint)
            found += rows
            if page["next"] is None or (rest is not None and len(found) >= rest):
                return found
            if not rows:
                raise not_a_page(endpoint)
            start = ids[-1] + 1

    def _by_offset(self, endpoint: str, params: Row, first: list[Row]) -> list[Row]:
        """The way before 4.6. A row deleted meanwhile shifts the pages; the counts then tell."""
        found = {row["id"]: row for row in first}
        offset = len(first)
        while True:
            page = self._page(endpoint, {**params, "limit": PAGE, "ordering": "id", "offset": offset})
            found.update({row["id"]: row for row in page["results"]})
            if page["next"] is None:
                return [row for _unused, row in sorted(found.items())]
            if not page["results"]:
                raise not_a_page(endpoint)
            offset += len(page["results"])

    def _page(self, endpoint: str, params: Mapping[str, Any]) -> Row:
        page = mapping(self._send("get", endpoint, params=params))
        if not isinstance(page.get("results"), list) or "next" not in page:
            raise not_a_page(endpoint)
        if not all(isinstance(row, dict) and isinstance(row.get("id"), int) for row in page["results"]):
            raise not_a_page(endpoint)
        return page

    # -- inside: filters ----------------------------------------------------------------------------------------------

    def _check_filters(self, endpoint: str, filters: Filters) -> None:
        if names := known_filters.without_value(filters):
            raise known_filters.refuse_empty(endpoint, names)
        if custom := {name: value for name, value in filters.items() if name.startswith("cf_")}:
            kind = object_type(endpoint)
            fields = [field for field in self._custom_fields() if kind in field.object_types]
            known = {name for field in fields for name in field.names()}
            if names := known_filters.unknown(custom, known):
                raise known_filters.refuse_unknown(endpoint, names, known)
        if odd := known_filters.suspicious(endpoint, filters):
            existing = self._schema_filters().get(endpoint, ())
            if names := known_filters.unknown(dict.fromkeys(odd), existing):
                raise known_filters.refuse_unknown(endpoint, names, existing)

    def custom_fields(self, endpoint: str) -> set[str]:
        """Names of the custom fields that objects of this endpoint have."""
        kind = object_type(endpoint)
        return {field.name for field in self._custom_fields() if kind in field.object_types}

    def _custom_fields(self) -> list[FieldFilter]:
        with self._lock:
            cached = self._field_filters
        if cached is None:
            wanted = ("name", "type", "object_types", "filter_logic")
            cached = [
                FieldFilter(
                    row["name"], row["type"]["value"], frozenset(row["object_types"]), choice_value(row, "filter_logic")
                )
                for row in self._complete("extras/custom-fields", wanted, {}, 1)
            ]
            with self._lock:
                self._field_filters = cached
        return cached

    def _schema_filters(self) -> Mapping[str, Sequence[str]]:
        """Endpoint to filter names, from NetBox's own schema: slow and large, so kept on disk per version."""
        if self._schema is None:
            place = _cache_directory() / f"netbox-filters-{self._flavour()}.json"
            try:
                self._schema = json.loads(place.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                self._schema = filters_in(self._send("get", "schema", params={"format": "json"}))
                with contextlib.suppress(OSError):
                    _write_whole(place, json.dumps(self._schema))
        return self._schema or {}

    def _flavour(self) -> str:
        plugins = sorted(mapping(self.status.get("plugins")).items())
        text = "-".join(
            [str(self.status.get("netbox-version", "")), *(f"{name}-{version}" for name, version in plugins)]
        )
        return re.sub(r"[^A-Za-z0-9.-]", "_", text)[:150]

    # -- inside: writing ----------------------------------------------------------------------------------------------

    def _write(
        self,
        verb: str,
        endpoint: str,
        rows: Iterable[Mapping[str, Any]],
        message: str,
        params: Mapping[str, Any] | None = None,
    ) -> list[Row]:
        bodies = [{**row, "changelog_message": message} if message else dict(row) for row in rows]
        done: list[Row] = []
        for first in range(0, len(bodies), BATCH):
            batch = bodies[first : first + BATCH]
            answer = self._send(verb, endpoint, params=params, data=batch, rows=batch)
            if not isinstance(answer, list) or len(answer) != len(batch):
                raise not_a_page(endpoint)
            done += answer
        return done

    def _etag_of(self, endpoint: str, id: int, last_updated: str) -> str:
        """The present ETag of an object that still has this last_updated; "" where NetBox has no ETags."""
        present = self.row(endpoint, id, ("last_updated",))
        if not same_moment(str(present.get("last_updated")), last_updated):
            raise changed_underneath(endpoint, id)
        return str(self._session().last_headers.get("ETag", "")) if self.version >= ETAG_SINCE else ""


def _fields_of(rows: Iterable[Mapping[str, Any]], more: Iterable[str]) -> dict[str, str]:
    """What NetBox is asked for of rows that it is given: their own fields, and some more."""
    return {"fields": field_list([*{name: None for row in rows for name in row}, *more])}


def _cache_directory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "msp.ops"


def _write_whole(place: Path, text: str) -> None:
    """Whole or not at all: another run may read it at this moment."""
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=place.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(place)
