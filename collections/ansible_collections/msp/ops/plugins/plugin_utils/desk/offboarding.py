# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The turn of one host whose contract has ended: withdraw our access, with each step on record before the next.

Whenever it is cut off, the next run goes on from what is on record: what was withdrawn needs no second proof, and a
host that refuses us is only done when it is on record that nothing but one key was left.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.msp.ops.plugins.module_utils.offboarding import key_lines
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk import escrowing
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import keeping
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import SecurityEvent
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.offboarding import standing
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words


class Refused(Exception):
    """No connection. The text is what it was refused or not made for."""


class Door(Protocol):
    """The host. Each raises Refused where no login comes about, and MspError for what the host itself says."""

    def ask(self, *, last: bool) -> dict[str, Any]: ...

    def log_in_anew(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """offers: the connection names a private key that this user can read, so that a refusal is an answer to it."""

    asset: Subject
    language: str
    who: str
    dry: bool = False
    offers: bool = True


def read_keys(host: str, lines: Iterable[str], given: str | None, private: str | None) -> list[str]:
    """Our public keys: as they are given, of a file that is named, or beside the private key of the connection.
    Raises MspError."""
    texts = list(lines)
    if not texts:
        path = Path(given or (f"{private}.pub" if private else "")).expanduser()
        if not given and not private:
            raise standing.no_keys(host, "no file, and a connection that names no private key")
        try:
            texts = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "no text"
            raise standing.no_keys(host, f"{path}: {why}") from error
    key_lines.parse(texts)
    return texts


def can_offer(private: str | None) -> bool:
    """Whether the connection names a private key that this user can read."""
    return private is not None and os.access(Path(private).expanduser(), os.R_OK)


def withdraw(store: Store, turn: Turn, door: Door) -> dict[str, Any]:
    """The result of the action. Raises MspError."""
    before = standing.on_record(store.security_events(turn.asset.customer, turn.asset.asset, actions=standing.ACTIONS))
    try:
        found = door.ask(last=False)
    except Refused as error:
        return _refused(store, turn, before, str(error))
    gone = [*found["withdrawn"], *found["waiting"]]
    if not turn.dry:
        _record(store, turn, standing.NEARLY, {"withdrawn": gone, "ways_left": found["ways_left"]})
        _take_the_last(turn, door)
        _record(store, turn, standing.WITHDRAWN, {"withdrawn": gone, "ways_left": found["ways_left"]})
    return {
        "changed": bool(gone),
        "already": False,
        "withdrawn": gone,
        "ways_left": found["ways_left"],
        "summary": standing.summary(turn.asset.host, gone, already=False, dry=turn.dry),
        "hand_over": _hand_over(store, turn, closed=not found["ways_left"]),
    }


def _take_the_last(turn: Turn, door: Door) -> None:
    try:
        door.ask(last=True)
        door.log_in_anew()
    except Refused as error:
        # Of the first it is an answer that was lost, of the second the proof.
        if not standing.is_refusal(str(error)):
            raise standing.unproven(turn.asset.host, str(error)) from error
        return
    raise standing.still_open(turn.asset.host)


def _refused(store: Store, turn: Turn, before: str | None, why: str) -> dict[str, Any]:
    """A host that lets us in no more: done, where that is what we brought about."""
    if before is None or not standing.is_refusal(why):
        raise standing.refused(turn.asset.host, why)
    if before == standing.NEARLY and not turn.offers:
        raise standing.not_offered(turn.asset.host)
    if before == standing.NEARLY and not turn.dry:
        _record(store, turn, standing.WITHDRAWN, {})
    return {
        "changed": False,
        "already": True,
        "withdrawn": [],
        "ways_left": [],
        "summary": standing.summary(turn.asset.host, [], already=True, dry=turn.dry),
        "hand_over": _hand_over(store, turn),
    }


def _hand_over(store: Store, turn: Turn, *, closed: bool = False) -> list[str]:
    """By what is on record of the escrow: it is not opened for this."""
    wanted = [escrowing.PREFIX + keeping.IN_FORCE]
    events = store.security_events(turn.asset.customer, turn.asset.asset, actions=wanted)
    places = [event.subject.split("/") for event in events]
    secrets = [(parts[-2], parts[-1]) for parts in places if len(parts) > 1]
    words = Words("nl" if turn.language == "nl" else "en")
    return standing.hand_over(words, turn.asset.customer, turn.asset.host, secrets, closed=closed)


def _record(store: Store, turn: Turn, action: str, extra: Mapping[str, Any]) -> None:
    event = SecurityEvent(
        customer=turn.asset.customer,
        asset=turn.asset.asset,
        host=turn.asset.host,
        at=dt.datetime.now(dt.UTC),
        action=action,
        subject=standing.SUBJECT,
        who=turn.who,
        extra=dict(extra),
    )
    store.record_security([event])
