# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A made NetBox: a web server in this process that answers as NetBox 4.5, 4.6 or 4.7 does, as far as the client asks.

It is a made fixture, not NetBox: only 4.7 was there to compare it with (tests/test_register.py runs on a real one). It
can be told to answer wrongly, which a real NetBox can't.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

TOKEN = "nbt_abcdefghijkl.0123456789012345678901234567890123456789"  # noqa: S105 - made up
CONTROL = {"limit", "offset", "start", "ordering", "fields", "format"}


class MadeNetBox:
    """Tables by endpoint; spoil may change an answer; refuse and broken are answered with that status."""

    def __init__(self, version: str = "4.7.3", page: int = 1000) -> None:
        self.version = version
        self.largest_page = page
        self.tables: dict[str, list[dict[str, Any]]] = {"extras/custom-fields": []}
        self.filters: dict[str, list[str]] = {}
        self.rights: dict[str, set[str]] = {}
        self.forbidden: set[str] = set()
        self.token = TOKEN
        self.spoil: Callable[[str, dict[str, Any], dict[str, Any]], Any] = lambda _path, _query, answer: answer
        self.failures: list[int] = []
        self.seen: list[tuple[str, str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.written: list[tuple[str, str, Any]] = []
        self.refusal: tuple[int, Any] | None = None
        self.etag = ""  # of every object; a change that expects another one is refused
        handler = type("Handler", (_Handler,), {"made": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def connect(self, **options: Any) -> Register:
        return Register.connect(self.url, self.token, **options)

    def answer(self, endpoint: str, query: dict[str, list[str]]) -> dict[str, Any]:
        """What NetBox says to a list question; an unknown filter is ignored, as NetBox does."""
        rows = self.tables[endpoint]
        known = self.filters.get(endpoint, ["id", "id__lt", "slug", "name"])
        for name, values in query.items():
            if name in CONTROL or name not in known:
                continue
            if name == "id__lt":
                rows = [row for row in rows if row["id"] < int(values[0])]
            else:
                rows = [row for row in rows if str(row.get(name)) in values]
        limit = min(int(query.get("limit", ["50"])[0]), self.largest_page)
        if "start" in query:
            rows = sorted((r for r in rows if r["id"] >= int(query["start"][0])), key=lambda r: r["id"])
            page, more, count = rows[:limit], len(rows[:limit]) == limit, None
        else:
            ordering = query.get("ordering", ["id"])[0]
            rows = sorted(rows, key=lambda r: r["id"], reverse=ordering.startswith("-"))
            offset = int(query.get("offset", ["0"])[0])
            page, more, count = rows[offset : offset + limit], offset + limit < len(rows), len(rows)
        if "fields" in query:
            names = query["fields"][0].split(",")
            page = [{name: row[name] for name in names if name in row} for row in page]
        return {
            "count": count,
            "next": "http://elsewhere.invalid/" if more else None,
            "previous": None,
            "results": page,
        }


class _Handler(BaseHTTPRequestHandler):
    made: MadeNetBox
    protocol_version = "HTTP/1.1"
    # Headers and body in one packet, else each answer waits 40 ms for an acknowledgement.
    wbufsize = 65536

    def log_message(self, *_unused: Any) -> None:
        """Quiet."""

    def reply(self, status: int, value: Any, **headers: str) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def handle_one(self, method: str) -> None:
        made = self.made
        split = urlsplit(self.path)
        endpoint = split.path.removeprefix("/api/").strip("/")
        query = parse_qs(split.query)
        data = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        made.seen.append((method, endpoint, query))
        made.headers.append({name.lower(): value for name, value in self.headers.items()})
        if made.failures:
            return self.reply(made.failures.pop(0), {"detail": "made to fail"})
        if self.headers.get("Authorization") not in (f"Bearer {made.token}", f"Token {made.token}"):
            return self.reply(403, {"detail": "Invalid v2 token"})
        if endpoint in made.forbidden and method != "OPTIONS":
            return self.reply(403, {"detail": "You do not have permission to perform this action."})
        return self.route(method, endpoint, query, data)

    def route(self, method: str, endpoint: str, query: dict[str, list[str]], data: Any) -> None:
        made = self.made
        if method == "OPTIONS":
            self.reply(200, {"actions": {right: {} for right in made.rights.get(endpoint, ())}})
        elif method == "PATCH" and made.etag and self.headers.get("If-Match") not in (None, made.etag):
            self.reply(412, {"detail": "Precondition failed."})
        elif method in ("POST", "PATCH"):
            made.written.append((method, endpoint, data))
            rows = data if method == "PATCH" else [{**row, "id": number} for number, row in enumerate(data, 1)]
            self.reply(*(made.refusal or (201, rows)))
        elif endpoint in (special := self.special()):
            self.reply(200, special[endpoint])
        elif endpoint in made.tables:
            self.reply(200, made.spoil(endpoint, query, made.answer(endpoint, query)))
        else:
            self.one(*endpoint.rpartition("/")[::2])

    def special(self) -> dict[str, Any]:
        paths = {
            f"/api/{name}/": {"get": {"parameters": [{"name": n, "in": "query"} for n in known]}}
            for name, known in self.made.filters.items()
        }
        return {
            "status": {"netbox-version": self.made.version, "plugins": {}},
            "authentication-check": {"id": 1, "username": "made"},
            "schema": {"paths": paths},
        }

    def one(self, endpoint: str, number: str) -> None:
        found = [row for row in self.made.tables.get(endpoint, ()) if str(row["id"]) == number]
        if found:
            self.reply(200, found[0], ETag=self.made.etag or 'W/"1"')
        else:
            self.reply(404, {"detail": "Not found."} if number.isdigit() else b"<html>")

    def do_GET(self) -> None:
        self.handle_one("GET")

    def do_OPTIONS(self) -> None:
        self.handle_one("OPTIONS")

    def do_POST(self) -> None:
        self.handle_one("POST")

    def do_PATCH(self) -> None:
        self.handle_one("PATCH")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[MadeNetBox]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("NETBOX_API", "NETBOX_TOKEN", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    netbox = MadeNetBox()
    yield netbox
    netbox.stop()
