# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in for Zammad: as much of its REST API as its documentation says of tickets, articles, tags and users, over
HTTP on loopback, with a state. It is no Zammad: there is none on any registry that can be reached.

It refuses as Zammad does: 401 without a good token, 403 outside the token's groups, 404 for what is not there, 422 for
what cannot be, and 429 as a server in front of it answers. It can lose an answer after the work was done.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "stand-in-token"  # noqa: S105 - of the stand-in
GROUP = "Service Desk"
MOST = 100  # tickets on a page, whatever is asked for


@dataclass
class StandInZammad:
    """What it holds. next_answers: statuses (with headers) that it answers with, before it does anything; lose: whether
    it ends the connection after the work was done; requests: method and path of each, as they came.
    """

    url: str = ""
    tickets: dict[int, dict[str, Any]] = field(default_factory=dict)
    articles: list[dict[str, Any]] = field(default_factory=list)
    tags: dict[int, list[str]] = field(default_factory=dict)
    users: dict[int, dict[str, Any]] = field(default_factory=dict)
    next_answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    lose: bool = False
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    # What people do in it

    def ask(
        self,
        title: str,
        text: str,
        *,
        organization: str = "",
        email: str = "piet@bakkerij-jansen.example",
        content_type: str = "text/plain",
        at: dt.datetime | None = None,
        **more: Any,
    ) -> str:
        """A requester opens a ticket; its id."""
        person = self._person(email, organization)
        ticket = self._new_ticket(title, person, "Customer", at)
        ticket.update(more)
        self._new_article(
            ticket["id"], {"body": text, "content_type": content_type, "type": "email", "internal": False}, "Customer"
        )
        return str(ticket["id"])

    def reply(self, ref: str, text: str, *, internal: bool = False, sender: str = "Agent") -> None:
        """An agent, or Zammad itself (System), writes in a ticket."""
        self._new_article(int(ref), {"body": text, "type": "email", "internal": internal}, sender)

    def said(self, ref: str) -> list[dict[str, Any]]:
        """The articles of a ticket."""
        return [one for one in self.articles if one["ticket_id"] == int(ref)]

    # What it answers

    def answer(self, method: str, path: str, query: dict[str, str], token: str, body: Any) -> tuple[int, Any]:
        if token != f"Token token={TOKEN}":
            return 401, {"error": "Authentication required"}
        for wanted, pattern, done in self._routes():
            if method == wanted and (found := re.fullmatch(pattern, path)):
                answer: tuple[int, Any] = done(found, query, body)
                return answer
        return 404, {"error": "No route matches"}

    def _routes(self) -> list[tuple[str, str, Any]]:
        return [
            ("GET", r"tickets", self._list_tickets),
            ("POST", r"tickets", self._open),
            ("GET", r"tickets/(\d+)", lambda found, *_more: self._shown(self.tickets, found)),
            ("GET", r"users/(\d+)", lambda found, *_more: self._shown(self.users, found)),
            ("GET", r"ticket_articles/by_ticket/(\d+)", self._list_articles),
            ("POST", r"ticket_articles", self._write),
            ("GET", r"tags", lambda _found, query, _body: (200, {"tags": self.tags.get(int(query["o_id"]), [])})),
        ]

    def _shown(self, known: dict[int, dict[str, Any]], found: re.Match[str]) -> tuple[int, Any]:
        row = known.get(int(found[1]))
        return (200, row) if row else (404, {"error": f"Couldn't find it with 'id'={found[1]}"})

    def _list_tickets(self, _found: Any, query: dict[str, str], _body: Any) -> tuple[int, Any]:
        size = min(int(query.get("per_page", MOST)), MOST)
        first = (int(query.get("page", 1)) - 1) * size
        return 200, [self.tickets[number] for number in sorted(self.tickets)][first : first + size]

    def _list_articles(self, found: Any, _query: Any, _body: Any) -> tuple[int, Any]:
        if int(found[1]) not in self.tickets:
            return 404, {"error": f"Couldn't find Ticket with 'id'={found[1]}"}
        return 200, self.said(found[1])

    def _open(self, _found: Any, _query: Any, body: Any) -> tuple[int, Any]:
        if body.get("group") != GROUP:
            return 403, {"error": "Not authorized"}
        email = str(body.get("customer_id", "")).removeprefix("guess:")
        if "@" not in email:
            return 422, {"error": f"Invalid email '{email}' of customer"}
        if not body.get("title"):
            return 422, {"error": "Attribute 'title' required!"}
        ticket = self._new_ticket(body["title"], self._person(email, ""), "Agent", None)
        self.tags[ticket["id"]] = [one for one in str(body.get("tags", "")).split(",") if one]
        self._new_article(ticket["id"], body["article"], "Agent")
        return 201, ticket

    def _write(self, _found: Any, _query: Any, body: Any) -> tuple[int, Any]:
        if body.get("ticket_id") not in self.tickets:
            return 404, {"error": "Couldn't find Ticket"}
        if body.get("type") == "email" and not body.get("to"):
            return 422, {"error": "Need at least one recipient"}
        return 201, self._new_article(body["ticket_id"], body, "Agent")

    def _person(self, email: str, organization: str) -> dict[str, Any]:
        known = next((one for one in self.users.values() if one["email"] == email), None)
        if known is None:
            known = {"id": len(self.users) + 3, "email": email, "login": email}
            self.users[known["id"]] = known
        if organization:
            known["organization"] = organization
        return known

    def _new_ticket(self, title: str, person: dict[str, Any], sender: str, at: dt.datetime | None) -> dict[str, Any]:
        number = max(self.tickets, default=0) + 1
        ticket = {
            "id": number,
            "number": str(22000 + number),
            "title": title,
            "group": GROUP,
            "state": "new",
            "customer_id": person["id"],
            "customer": person["login"],
            "organization": person.get("organization"),
            "create_article_sender": sender,
            "created_at": (at or dt.datetime.now(dt.UTC)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        }
        self.tickets[number] = ticket
        return ticket

    def _new_article(self, ticket: int, body: dict[str, Any], sender: str) -> dict[str, Any]:
        article = {"content_type": "text/html", "to": "", "subject": "", **body, "ticket_id": ticket, "sender": sender}
        article["id"] = len(self.articles) + 1
        self.articles.append(article)
        return article


@contextmanager
def stand_in_zammad() -> Iterator[StandInZammad]:
    """One that listens on a free port of loopback until the end."""
    zammad = StandInZammad()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            split = urlsplit(self.path)
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
            path = split.path.removeprefix("/api/v1/")
            query = {name: values[-1] for name, values in parse_qs(split.query).items()}
            with zammad.lock:
                zammad.requests.append((self.command, path))
                headers: dict[str, str] = {}
                if zammad.next_answers:
                    (status, headers), answer = zammad.next_answers.pop(0), {"error": "told to"}
                else:
                    token = self.headers.get("Authorization", "")
                    status, answer = zammad.answer(self.command, path, query, token, body)
                lost = zammad.lose and self.command == "POST"
            if lost:
                self.close_connection = True
                return
            self._send(status, answer, headers)

        def _send(self, status: int, answer: Any, headers: dict[str, str]) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _any

        def log_message(self, *_unused: object) -> None:
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    zammad.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield zammad
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
