# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where tests have messages delivered: a real mail server, and a stand-in for the web hooks of Slack and Teams.

Both listen on loopback alone.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from tests.made_tls import made


@dataclass(frozen=True)
class Mail:
    """A mail that the server took."""

    recipients: list[str]
    content: bytes


@dataclass
class Mailbox:
    """What the mail server took; with refuses it answers that to every mail."""

    port: int = 0
    received: list[Mail] = field(default_factory=list)
    refuses: str = ""

    def address(self, to: str) -> str:
        """As apprise writes it."""
        return f"mailto://127.0.0.1:{self.port}/?mode=insecure&from=msp@example.com&to={to}"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.refuses:
            return self.refuses
        self.received.append(Mail(list(envelope.rcpt_tos), envelope.content))
        return "250 taken"


class _MailServer(Controller):
    """On whatever port is free."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """A mail server on a free port until the end."""
    mailbox = Mailbox()
    controller = _MailServer(mailbox, hostname="127.0.0.1", port=0)
    controller.start()
    mailbox.port = controller.port
    try:
        yield mailbox
    finally:
        controller.stop()


@dataclass
class Hook:
    """What was posted: path and body. It answers with status."""

    port: int = 0
    received: list[tuple[str, bytes]] = field(default_factory=list)
    status: int = 200
    signature: str = "A1b2C3d4E5f6G7h8"

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def teams_address(self) -> str:
        """As apprise writes a workflow of Teams. The certificate signs itself, so it is not looked at."""
        return f"workflows://127.0.0.1:{self.port}/643a8f5d0c4b4f7c9a9d3c1b2a/{self.signature}?verify=no"


@contextmanager
def hook(directory: Path) -> Iterator[Hook]:
    """One on a free port until the end; it speaks TLS, as apprise expects of these services."""
    running, own = Hook(), made("127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            running.received.append((self.path, body))
            self.send_response(running.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_unused: object) -> None:
            """Nothing on the screen."""

    (directory / "hook.pem").write_text(own.pem + own.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "hook.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    running.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
