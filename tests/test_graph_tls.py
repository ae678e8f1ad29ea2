"""Graph's certificate is checked before the token is sent: real TLS, and a made server that can do no more."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe.live.graph import Graph
from lab.ldap import write_certificates


class _EmptyList(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"value": []}')

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(HTTPServer):
    def __init__(self, place: Path) -> None:
        super().__init__(("127.0.0.1", 0), _EmptyList)
        self.asked: list[str] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(place / "server.pem", place / "server.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[_Server]:
    write_certificates(tmp_path, "msp.ops lab", ["127.0.0.1"])
    with _Server(tmp_path) as running:
        thread = Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_only_a_certificate_of_a_trusted_authority_gets_the_token(server: _Server, tmp_path: Path) -> None:
    base = f"https://127.0.0.1:{server.server_address[1]}"

    with pytest.raises(MspError, match=r"MSP-OBS-032.*SSLError"):
        Graph("made-token", base, timeout=10).managed_devices()
    assert server.asked == []

    assert Graph("made-token", base, timeout=10, ca_file=str(tmp_path / "ca.pem")).managed_devices() == []
    assert len(server.asked) == 1
