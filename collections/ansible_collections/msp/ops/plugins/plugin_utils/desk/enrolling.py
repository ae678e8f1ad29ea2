# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Has a host make somebody's second factor, and writes the page that shows it: once, and for one reader alone.

The place for the page is made before the host is asked, so that no secret is made that nobody could be shown.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.mfa import enrolling
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject, subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import SecurityEvent
from ansible_collections.msp.ops.plugins.plugin_utils.report import enrolment_page
from ansible_collections.msp.ops.plugins.plugin_utils.report.enrolment_page import Enrolment
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats

# What of the host's answer is told on: never what is sealed, and nothing that a host may have added.
_TOLD = ("changed", "outcome", "method", "failed", "unreachable", "msg", "error", "ansible_facts", "warnings")
_MODE = 0o600
GIVEN, IN_FORCE, WITHDRAWN = (
    "second factor given",
    "second factor in force",
    "second factor withdrawn",
)


@dataclass(frozen=True, slots=True)
class Wish:
    """Who gets a second factor where, and how the page is to be. directory is None where no page is wanted.

    asset is None for a host of an inventory that does not say whose it is: of that nothing is recorded. action is what
    is on record.
    """

    account: str
    host: str
    customer: str
    directory: Path | None
    formats: Formats
    check: bool
    asset: Subject | None = None
    who: str = ""
    action: str = GIVEN

    @property
    def page(self) -> str:
        """The name of the page: what of host and account may stand in one."""
        names = (re.sub(r"[^A-Za-z0-9_.@-]", "_", name) for name in (self.host, self.account))
        return f"mfa-{'-'.join(names)}.html"


def wish_of(arguments: Mapping[str, Any], variables: Mapping[str, Any], *, check: bool) -> Wish:
    """The arguments of the action, with what the inventory says of host and customer. Raises MspError."""
    enrols = arguments["state"] == enrolling.ENROLLED
    by_page = enrols and arguments["method"] == enrolling.CODE and not arguments["code"]
    if by_page and not arguments["directory"]:
        raise MspError(
            "MSP-MFA-016",
            "a directory for the page that shows the secret",
            "none",
            "give one on this machine that only you can read, and that is emptied by itself (as below /run/user)",
        )
    msp = variables.get("msp") or {}
    language = arguments["language"] or msp.get("language") or "en"
    return Wish(
        account=arguments["account"],
        host=str(variables["inventory_hostname"]),
        customer=str(msp.get("customer_name") or ""),
        directory=Path(arguments["directory"]) if by_page else None,
        formats=Formats("nl" if language == "nl" else "en", _zone(msp.get("timezone"))),
        check=check,
        asset=subject(str(variables["inventory_hostname"]), variables) if msp.get("asset") else None,
        who=arguments["by"],
        action=(GIVEN if by_page else IN_FORCE) if enrols else WITHDRAWN,
    )


def not_pipelined(host: str) -> MspError:
    return MspError(
        "MSP-MFA-022",
        f"a connection to {host} by which a module reaches it without a file (pipelining)",
        "one without pipelining, or become by su, or ANSIBLE_KEEP_REMOTE_FILES",
        "use ssh with pipelining = true and sudo, as ansible.cfg of this project does; nothing was changed",
    )


def _zone(name: object) -> ZoneInfo:
    """The customer's; UTC where it is none that is known."""
    try:
        return ZoneInfo(name) if isinstance(name, str) and name else ZoneInfo("UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def enrol(wish: Wish, ask: Callable[[str], Mapping[str, Any]]) -> dict[str, Any]:
    """What the task returns. ask has the host do it, with a pad; its answer has the secret sealed with that."""
    pad = secrets.token_bytes(enrolling.PAD_BYTES)
    if wish.directory is None or wish.check:
        return _recorded(wish, _told(ask(pad.hex())))
    # A page that could not be made would be a secret that nobody knows.
    _shown(wish, "A" * 32, [])
    with _Place(wish.directory) as place:
        answer = ask(pad.hex())
        found = _told(answer)
        if "sealed" in answer and not found.get("failed"):
            place.write(wish.directory / wish.page, _page(wish, pad, answer["sealed"]))
            found["page"] = str(wish.directory / wish.page)
        return _recorded(wish, found)


def _recorded(wish: Wish, found: dict[str, Any]) -> dict[str, Any]:
    """The same, on record where something was changed."""
    if wish.asset is not None and found.get("changed") and not found.get("failed") and not wish.check:
        one = wish.asset
        now = dt.datetime.now(dt.UTC)
        extra = {"method": found.get("method", ""), "outcome": found.get("outcome", "")}
        spool.put(
            [
                SecurityEvent(
                    customer=one.customer,
                    asset=one.asset,
                    host=one.host,
                    at=now,
                    action=wish.action,
                    subject=wish.account,
                    who=wish.who,
                    extra=extra,
                )
            ]
        )
    return found


def _told(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: answer[name] for name in _TOLD if name in answer}


def _page(wish: Wish, pad: bytes, sealed: object) -> str:
    try:
        said = enrolling.opened(pad, str(sealed))
        secret, codes = str(said["secret"]), [str(code) for code in said["codes"]]
    except (ValueError, KeyError, TypeError):
        # Not the exception's own words: they may have part of it.
        raise _lost(wish, "an answer of the host in another form") from None
    return _shown(wish, secret, codes)


def _shown(wish: Wish, secret: str, codes: list[str]) -> str:
    now = dt.datetime.now(dt.UTC)
    shown = Enrolment(wish.account, wish.host, wish.customer, secret, tuple(codes), now)
    return enrolment_page.page(shown, wish.formats)


def _lost(wish: Wish, found: str) -> MspError:
    return MspError(
        "MSP-MFA-017",
        f"a page with the new second factor of {wish.account}",
        found,
        "run it again with again=true: what was made now is known to nobody",
    )


class _Place:
    """A file for one reader, made before there is anything to write in it; gone where nothing was."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._new: Path | None = None

    def __enter__(self) -> _Place:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # For this user alone: that is what mkstemp makes.
            handle, name = tempfile.mkstemp(dir=self._directory, prefix=".mfa-")
        except OSError as error:
            raise MspError(
                "MSP-MFA-018",
                f"a directory that can be written, {self._directory}",
                f"{error.strerror or error}",
                "give another; nobody was given a second factor",
            ) from error
        os.close(handle)
        self._new = Path(name)
        return self

    def write(self, path: Path, text: str) -> None:
        new = self._new
        if new is None:
            raise ValueError("there is no place to write in")
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.chmod(_MODE)
        new.replace(path)

    def __exit__(self, *_error: object) -> None:
        if self._new is not None:
            self._new.unlink(missing_ok=True)
