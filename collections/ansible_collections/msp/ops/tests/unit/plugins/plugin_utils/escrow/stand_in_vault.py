# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in for HashiCorp Vault and OpenBao: as much of the key-value engine's version 2 as its documentation says of
reading, creating with check-and-set, and listing. No such server is on any registry that can be reached.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "s.stand-in"  # noqa: S105 - of the stand-in


@dataclass
class StandInVault:
    """What it holds, by path; fails with this status and errors where that is set."""

    url: str = ""
    held: dict[str, dict[str, str]] = field(default_factory=dict)
    fails: tuple[int, list[str]] | None = None

    def answer(self, method: str, path: str, token: str | None, body: Any) -> tuple[int, Any]:
        if self.fails:
            return self.fails[0], {"errors": self.fails[1]}
        if token != TOKEN:
            return 403, {"errors": ["permission denied"]}
        return self._of_engine(method, path, body)

    def _of_engine(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        kind, _slash, name = path.removeprefix("/v1/secret/").partition("/")
        if kind == "data" and method == "GET":
            return (200, {"data": {"data": self.held[name]}}) if name in self.held else (404, {"errors": []})
        if kind == "data" and method in ("POST", "PUT"):
            if body.get("options", {}).get("cas") == 0 and name in self.held:
                return 400, {"errors": ["check-and-set parameter did not match the current version"]}
            self.held[name] = body["data"]
            return 200, {"data": {"version": 1}}
        if kind == "metadata" and method == "LIST":
            return self._list(name.rstrip("/") + "/")
        return 405, {"errors": ["unsupported operation"]}

    def _list(self, top: str) -> tuple[int, Any]:
        below = [name.removeprefix(top) for name in self.held if name.startswith(top)]
        keys = sorted({first + ("/" if slash else "") for first, slash, _rest in (one.partition("/") for one in below)})
        return (200, {"data": {"keys": keys}}) if keys else (404, {"errors": []})


@contextmanager
def stand_in_vault() -> Iterator[StandInVault]:
    """One that listens on a free port of loopback until the end."""
    vault = StandInVault()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, said = vault.answer(
                self.command,
                unquote(urlsplit(self.path).path),
                self.headers.get("X-Vault-Token"),
                json.loads(text) if text else {},
            )
            found = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

        do_GET = do_POST = do_PUT = do_LIST = _any

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    vault.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield vault
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
