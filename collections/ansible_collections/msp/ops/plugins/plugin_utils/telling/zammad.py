# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Zammad, by its REST API (https://docs.zammad.org/en/latest/api/intro.html). The only file that knows it.

Zammad has no key by which a request that was sent twice is done once. So a ticket that is opened gets a tag of its key
in the same transaction, a note has its key in its last line, and an answer is known by its text. They are looked for in
the lists that come straight from Zammad's database: its search may run behind, or not run at all.

Fails closed: what was not answered well is an error, never "nothing there".
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import NotDeliveredError
from ansible_collections.msp.ops.plugins.plugin_utils.telling.texts import plain_text
from ansible_collections.msp.ops.plugins.plugin_utils.telling.tickets import NewTicket, ReadTicket

with suppress(ImportError):  # Zammad.__init__ says what is missing
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

PAGE = 100
# The clocks of Zammad and of our store may differ by this much.
CLOCKS = dt.timedelta(minutes=10)
# A ticket whose number was given before that of another may be seen after it: so many are read again.
OVERLAP = 50
_CLOSED = frozenset({"closed", "merged", "removed"})
_REASON = 200
_PAUSE = 60.0


class Zammad:
    """One Zammad, as one user. It never shows the token.

    Its name has its address: another Zammad counts its tickets anew.
    """

    def __init__(self, url: str, token: str, group: str, *, timeout: float = 30.0, retries: int = 3) -> None:
        self.url = url.rstrip("/")
        self.name = f"zammad {self.url}"
        self.group = group
        self._timeout = (min(timeout, 4.0), timeout)
        self._session = _session(token, retries)

    def __repr__(self) -> str:
        return f"Zammad({self.url!r})"

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    # What the interface asks

    def open_ticket(self, ticket: NewTicket) -> str:
        """Open a ticket with the tag of its key; its id."""
        article = {"subject": ticket.title, "body": ticket.text, "type": "note", "internal": False}
        body = {
            "title": ticket.title,
            "group": self.group,
            "customer_id": f"guess:{ticket.requester}",
            "tags": tag(ticket.key),
            "article": {**article, "content_type": "text/plain"},
        }
        return str(self._object("POST", "tickets", body)["id"])

    def find_by_key(self, key: str, since: dt.datetime) -> str | None:
        """The ticket that was opened for this key since then; None is certain."""
        wanted = tag(key)
        for row in self._newest_first():
            if _time(row["created_at"]) < since - CLOCKS:
                return None
            tags = self._object("GET", "tags", object="Ticket", o_id=row["id"])
            if wanted in tags.get("tags", ()):
                return str(row["id"])
        return None

    def add_note(self, ref: str, text: str, key: str) -> None:
        """Add an internal note, once for a key."""
        mark = f"[{tag(key)}]"
        if any(mark in str(one.get("body")) for one in self._articles(ref)):
            return
        self._article(ref, {"body": f"{text}\n\n{mark}", "type": "note", "internal": True})

    def draft_answer(self, ref: str, text: str, key: str) -> None:
        """A drafted answer is an internal note: a ticket has one shared draft, and that is the technicians'."""
        self.add_note(ref, text, key)

    def send_answer(self, ref: str, text: str, key: str) -> None:
        """Answer the requester by mail, once with this text."""
        del key
        wanted = plain_text(text)
        if any(plain_text(str(one.get("body"))) == wanted for one in self._articles(ref) if _is_answer(one)):
            return
        ticket = self._object("GET", f"tickets/{_id(ref)}")
        person = self._object("GET", f"users/{_id(str(ticket['customer_id']))}")
        address = str(person.get("email") or "")
        if not address:
            raise NotDeliveredError(f"Zammad has no mail address of who asked in ticket {ref}", never=True)
        subject = str(ticket.get("title") or "")
        self._article(
            ref, {"to": address, "subject": f"Re: {subject}", "body": text, "type": "email", "internal": False}
        )

    def answered(self, ref: str, besides: str) -> bool:
        """Whether an agent wrote something else to the requester, or the ticket was closed without this answer."""
        said = [plain_text(str(one.get("body"))) for one in self._articles(ref) if _is_answer(one)]
        if plain_text(besides) in said:
            return False
        return bool(said) or _is_closed(self._object("GET", f"tickets/{_id(ref)}", expand="true"))

    def read_new(self, after: int | None, since: dt.datetime) -> tuple[Sequence[ReadTicket], int]:
        """New tickets, and the highest id that there was."""
        found: list[ReadTicket] = []
        highest = after or 0
        for row in self._newest_first():
            if _is_known(row, after, since):
                break
            highest = max(highest, int(row["id"]))
            if _is_asked(row) and (read := self._asked(row)):
                found.append(read)
        return found[::-1], highest

    # Parts of it

    def _asked(self, row: Mapping[str, Any]) -> ReadTicket | None:
        """A ticket with what its requester wrote; None where an agent has written already."""
        articles = self._articles(str(row["id"]))
        if any(_is_answer(one) for one in articles):
            return None
        first = next((one for one in articles if one.get("sender") == "Customer"), None)
        if first is None:
            return None
        text = str(first.get("body") or "")
        text = plain_text(text) if "html" in str(first.get("content_type")) else text
        organization = str(row.get("organization") or "")
        return ReadTicket(str(row["id"]), organization, str(row.get("title") or ""), text, _time(row["created_at"]))

    def _newest_first(self) -> Iterator[Mapping[str, Any]]:
        """Every ticket that this user may see, the newest first. The list itself begins with the oldest."""
        last = self._last_page()
        for page in range(last, 0, -1):
            yield from reversed(self._page(page))

    def _last_page(self) -> int:
        """The last page that has a ticket (1 where there is none): by doubling, then by halves."""
        low, high = 1, 2
        while self._page(high):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._page(middle) else (low, middle)
        return low

    def _page(self, page: int) -> list[Mapping[str, Any]]:
        return self._list("tickets", page=page, per_page=PAGE, expand="true")

    def _articles(self, ref: str) -> list[Mapping[str, Any]]:
        return self._list(f"ticket_articles/by_ticket/{_id(ref)}", expand="true")

    def _article(self, ref: str, article: Mapping[str, Any]) -> None:
        self._object("POST", "ticket_articles", {"ticket_id": int(_id(ref)), "content_type": "text/plain", **article})

    def _list(self, path: str, **query: Any) -> list[Mapping[str, Any]]:
        answer = self._send("GET", path, None, query)
        if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
            raise _strange(self.url, path)
        return answer

    def _object(self, method: str, path: str, body: Any = None, **query: Any) -> Mapping[str, Any]:
        answer = self._send(method, path, body, query)
        if not isinstance(answer, dict):
            raise _strange(self.url, path)
        return answer

    def _send(self, method: str, path: str, body: Any, query: Mapping[str, Any]) -> Any:
        try:
            answer = self._session.request(
                method,
                f"{self.url}/api/v1/{path}",
                json=body,
                params=query,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise NotDeliveredError(f"no answer from Zammad at {self.url} ({type(error).__name__})") from None
        if answer.status_code in (200, 201):
            try:
                return answer.json()
            except ValueError:
                raise _strange(self.url, path) from None
        raise _refused(answer, self.url, method, path)


def tag(key: str) -> str:
    """The tag of a key: no comma, for Zammad's list of tags is divided by these."""
    return f"msp-{hashlib.sha256(key.encode()).hexdigest()[:20]}"


def _session(token: str, retries: int) -> Any:
    try:
        session = requests.Session()
    except NameError:
        raise MspError(
            "MSP-TIC-001",
            "the Python library requests on the controller",
            "none",
            "run through ./msp, or install what requirements.lock names",
        ) from None
    session.auth = lambda request: request  # with an own hook, requests takes nothing from ~/.netrc
    session.headers.update({"Authorization": f"Token token={token}", "User-Agent": "msp.ops"})
    # A connection that was never made is tried again for every request; an answer only for reads.
    retry = Retry(
        total=retries,
        backoff_factor=0.3,
        status_forcelist=(502, 503, 504),
        allowed_methods=("GET",),
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _refused(answer: Any, url: str, method: str, path: str) -> Exception:
    """What an answer other than a good one means for who sent the request."""
    status = answer.status_code
    said = _said(answer)
    reason = f"Zammad at {url} answered {status} to {method} {path.partition('/')[0]}{said}"
    if status in (401, 403):
        return MspError(
            "MSP-TIC-002",
            f"a token of Zammad at {url} that may work on tickets (ticket.agent) in the group",
            f"the answer {status} to {method} {path.partition('/')[0]}{said}",
            "give the token's user the role of an agent and full rights in the group, or make a new token",
        )
    if status == 429:
        return NotDeliveredError(reason, later=_pause(answer.headers.get("Retry-After")))
    if status in (404, 422):
        return NotDeliveredError(reason, never=True)
    if 300 <= status < 500:
        return MspError(
            "MSP-TIC-003",
            f"Zammad itself at {url}",
            f"the answer {status} to {method} {path.partition('/')[0]}",
            "correct the address in the policy: as Zammad answers on it, without a redirect",
        )
    return NotDeliveredError(reason)


def _said(answer: Any) -> str:
    """What Zammad said, on one line: never more than a person needs."""
    try:
        error = answer.json().get("error")
    except (ValueError, AttributeError):
        return ""
    text = " ".join("".join(char if char.isprintable() else " " for char in str(error or "")).split())
    return f": {text[:_REASON]}" if text else ""


def _pause(header: str | None) -> float:
    return float(header) if header and re.fullmatch(r"\d{1,6}", header) else _PAUSE


def _strange(url: str, path: str) -> MspError:
    return MspError(
        "MSP-TIC-003",
        f"Zammad itself at {url}",
        f"an answer of another form to {path.partition('/')[0]}",
        "correct the address in the policy: that of Zammad, without /api",
    )


def _id(ref: str) -> str:
    """A reference as it goes into an address: digits alone."""
    if not re.fullmatch(r"[0-9]{1,18}", ref):
        raise NotDeliveredError("a reference that is no ticket of Zammad", never=True)
    return ref


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def _is_answer(article: Mapping[str, Any]) -> bool:
    """Whether an agent wrote it, and the requester can see it. What Zammad sends by itself is from its System."""
    return article.get("internal") is False and article.get("sender") == "Agent"


def _is_closed(ticket: Mapping[str, Any]) -> bool:
    return str(ticket.get("state")).partition(" ")[0] in _CLOSED


def _is_known(row: Mapping[str, Any], after: int | None, since: dt.datetime) -> bool:
    """Whether this ticket, and so every older one, was read before, or is too old to be read."""
    if after is not None:
        return int(row["id"]) <= after - OVERLAP
    return _time(row["created_at"]) < since


def _is_asked(row: Mapping[str, Any]) -> bool:
    """Whether a requester opened it, and it is not closed."""
    return not _is_closed(row) and row.get("create_article_sender") == "Customer"
