# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A login of a technician that works once: what is asked, the record of it, the file with its password, and the host.

On record first, granted last: nobody is let in of whom nothing is known.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.local_admin import one_time
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk.escrowing import user
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import rotating
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import durability
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import SecurityEvent
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

GRANTED, ENDED = STATES = (one_time.GRANTED, one_time.ENDED)
# What they are called in the evidence.
LOGIN_ASKED_FOR, LOGIN_GRANTED, NOT_GRANTED, LOGIN_ENDED = (
    "login asked for",
    "login granted",
    "login not granted",
    "login ended",
)
Ask = Callable[..., dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    state: str
    ticket: str | None
    reason: str | None
    minutes: int
    directory: str | None

    def check(self) -> None:
        """Raises MspError (MSP-ADM-024)."""
        wrong = []
        for name in ("ticket", "reason"):
            text = getattr(self, name) or ""
            if not text.strip() or len(text) > 500 or not text.isprintable():
                wrong.append(f"{name} {text[:40]!r}")
        if not 1 <= self.minutes <= one_time.MOST_MINUTES:
            wrong.append(f"{self.minutes} minutes")
        if wrong:
            raise MspError(
                "MSP-ADM-024",
                f"the number of a ticket, a reason in words, and from 1 to {one_time.MOST_MINUTES} minutes",
                ", ".join(wrong),
                "say them: -e ticket=T-2041 -e reason='the database does not start' -e minutes=60",
            )


def act(asset: Subject, asked: Asked, ask: Ask, environ: Mapping[str, str], *, dry: bool) -> dict[str, Any]:
    """The result of the action. ask sends arguments to the host's module and raises MspError where it fails."""
    if asked.state == ENDED:
        try:
            found = ask(state=one_time.ENDED)
        except MspError as error:
            # Over it is all the same, and the next one that asks would not be told of it.
            if error.code == one_time.UNFINISHED and not dry:
                _record(asset, LOGIN_ENDED, asked, environ, {"error": str(error)})
            raise
        if found["changed"] and not dry:
            extra = {"id": found.get("ended"), "used": bool(found.get("was_used"))}
            _record(asset, LOGIN_ENDED, asked, environ, extra)
        return {"changed": found["changed"], "was_used": bool(found.get("was_used"))}
    asked.check()
    id, password = secrets.token_hex(4), rotating.new_password()
    sent = {"state": one_time.GRANTED, "id": id, "password": password, "minutes": asked.minutes}
    if dry:
        return {"changed": ask(**sent)["changed"], "granted": None, "until": None, "file": None}
    place = Path(asked.directory or durability.state_directory(environ) / "one-time").expanduser()
    durability.require(place, "password of a login that works once")
    told = {"id": id, "minutes": asked.minutes}
    _record(asset, LOGIN_ASKED_FOR, asked, environ, told)
    file = place / f"{asset.host}-{id}.txt".replace("/", "_")
    try:
        _write(file, asset, id, password)
        found = ask(**sent)
    except MspError as error:
        # Whatever the host did: nobody has the password. A file that could not be written is none, or helps nobody.
        with contextlib.suppress(OSError):
            file.unlink()
        _record(asset, NOT_GRANTED, asked, environ, {**told, "error": str(error)})
        raise
    _record(asset, LOGIN_GRANTED, asked, environ, told)
    return {"changed": True, "granted": id, "until": found["until"], "file": str(file)}


def _write(file: Path, asset: Subject, id: str, password: str) -> None:
    """A new file for its owner alone. Raises MspError (MSP-ADM-025)."""
    place = file.parent
    text = f"host      {asset.host}\naccount   {one_time.ACCOUNT}\npassword  {password}\ngrant     {id}\n"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(number, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise MspError(
            "MSP-ADM-025",
            f"a place for a file that only its owner can read, {place}",
            error.strerror or str(error),
            "make room or give this user the right to write there, or name another (-e directory=...)",
        ) from error


def _record(asset: Subject, action: str, asked: Asked, environ: Mapping[str, str], extra: Mapping[str, Any]) -> None:
    event = SecurityEvent(
        customer=asset.customer,
        asset=asset.asset,
        host=asset.host,
        at=dt.datetime.now(dt.UTC),
        action=action,
        subject=one_time.ACCOUNT,
        who=user(environ),
        why=asked.reason or "",
        ticket=asked.ticket or "",
        extra=dict(extra),
    )
    with Store.open(environ.get("MSP_STORE_URL") or None) as store:
        store.record_security([event])
