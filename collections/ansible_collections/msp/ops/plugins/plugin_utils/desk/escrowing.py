# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The escrow of a customer as it is configured, with the evidence of who did what with its secrets.

    MSP_ESCROW              a directory (else "escrow" in the state directory), "store" for the evidence store, or the
                            https:// address of HashiCorp Vault or OpenBao
    MSP_ESCROW_RECIPIENTS   a directory with a file for each customer, SLUG.txt: who may open its secrets, as age -R
                            takes it (else "recipients" in the state directory)

Who keeps a secret cannot open it again: that takes the key of a recipient.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import keeping, records, rotating, sealing
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.keeping import (
    FETCHED,
    IN_FORCE,
    VERIFIED,
    WRITTEN,
    Escrow,
    Fetched,
    Note,
)
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Place, Standing
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.stored import Stored
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.tree import Tree
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.vault import Vault
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import durability, spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import SecurityEvent
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

if TYPE_CHECKING:
    from ansible_collections.msp.ops.plugins.plugin_utils.escrow.sealing import Identity, Recipient, Sealed

WHERE, WHO_MAY = "MSP_ESCROW", "MSP_ESCROW_RECIPIENTS"
IN_THE_STORE = "store"
# What an event of the escrow begins with, so that it is told from those of logins.
PREFIX = "secret "


@dataclass
class Escrowed:
    """The escrow of one customer, with an open evidence store. at_hand() makes one.

    who is the person or job that acts; now is read for every step. Without a store what is done is spooled, and what
    was done before is not known.
    """

    customer: str
    escrow: Escrow
    store: Store | None
    who: str
    recipients_file: Path
    now: Callable[[], dt.datetime] = field(default=lambda: dt.datetime.now(dt.UTC))

    def recipients(self) -> list[Recipient]:
        """Who may open what is kept from now on. Raises MspError (MSP-ESC-003): nobody is named."""
        return self._recipients(self.recipients_text())

    def _recipients(self, text: str) -> list[Recipient]:
        return sealing.recipients(text, str(self.recipients_file))

    def recipients_text(self) -> str:
        """The file that names them."""
        try:
            return self.recipients_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MspError(
                "MSP-ESC-003",
                f"a file with who may open the secrets of {self.customer}, {self.recipients_file}",
                getattr(error, "strerror", None) or type(error).__name__,
                f"write their public keys there, a line each (age1..., ssh-ed25519 ...), or name another directory "
                f"in {WHO_MAY}",
            ) from error

    def keep(self, place: Place, value: str, *, host: str = "") -> str:
        """Keep a new secret and return its version; it was read back and opened. host is what people call the asset.

        That it is written is on record before it is. Raises MspError where it can't be relied on: then nothing may be
        set on the host.
        """
        self._mine(place)
        # Read once: whoever it is sealed for is who is on record.
        text = self.recipients_text()
        to, sealed_for = self._recipients(text), sealing.fingerprint(text)

        def note(sealed: Sealed) -> None:
            written = Note(self.now(), WRITTEN, place, sealed.secret.version, self.who, "")
            self._record(written, host, sealed_for=sealed_for, sha256=sealing.digest(sealed.ciphertext))

        return keeping.keep(self.escrow, place, value, to, now=self.now(), note=note)

    def mark(self, place: Place, version: str, *, host: str = "") -> None:
        """The host was seen to take this version."""
        self._mine(place)
        at = self.now()
        self.escrow.mark(place, version, at)
        self._record(Note(at, IN_FORCE, place, version, self.who, ""), host)

    def standing(self, place: Place) -> Standing:
        """What may be in force on the host."""
        self._mine(place)
        return records.standing(self.escrow.held(place))

    def versions(self, place: Place) -> frozenset[str]:
        """All that are kept, however old."""
        self._mine(place)
        return frozenset(one.version for one in self.escrow.held(place))

    def fetch(
        self,
        place: Place,
        by: Sequence[Identity],
        *,
        why: str,
        ticket: str = "",
        host: str = "",
        version: str | None = None,
    ) -> Fetched:
        """What may be in force, or that version, opened with these identities; on record before it is handed out."""
        self._mine(place)
        note = Note(self.now(), FETCHED, place, "", self.who, why, ticket)
        return keeping.fetch(self.escrow, by, place, note, lambda one: self._record(one, host), version=version)

    def given(self, place: Place) -> bool:
        """Whether somebody was given the one that is in force."""
        return bool(self._of_current(place, FETCHED))

    def due(self, place: Place, every: dt.timedelta) -> bool:
        """Whether it is to be changed: it is older than that, somebody was given it, it was sealed for others than may
        open it now, or what is kept is not what was written."""
        written = self._of_current(place, WRITTEN)
        if not written or rotating.due(written[-1].at, self.now(), every, given=self.given(place)):
            return True
        said = written[-1].extra
        if said.get("sealed_for") != sealing.fingerprint(self.recipients_text()):
            return True
        # What was written before digests were is not held against it.
        return "sha256" in said and said["sha256"] != sealing.digest(self.escrow.read(place, str(said["version"])))

    def _of_current(self, place: Place, action: str) -> list[SecurityEvent]:
        """What was done with the version in force: by its name, for clocks are wrong at times."""
        current = self.standing(place).current
        return [event for event in self.events(place, action) if event.extra.get("version") == current]

    def events(self, place: Place, *actions: str) -> list[SecurityEvent]:
        """What was done with this secret, oldest first; only these actions where any is given."""
        wanted = [PREFIX + action for action in actions or keeping.ACTIONS]
        found = self._open_store().security_events(self.customer, place.asset, actions=wanted)
        return [event for event in found if event.subject == str(place)]

    def hosts(self) -> dict[str, str]:
        """What people called each asset when its secrets were written, by asset. Empty without a store."""
        if self.store is None:
            return {}
        found = self.store.security_events(self.customer, actions=[PREFIX + action for action in keeping.ACTIONS])
        return {event.asset: event.host for event in found if event.host}

    def verify(self, place: Place, by: Sequence[Identity], *, host: str = "") -> int:
        """Open all that may be in force and hand out nothing; how many. Raises MspError: one can't be opened."""
        self._mine(place)
        found = keeping.opened(self.escrow, by, place)
        for secret in found.every:
            self._record(Note(self.now(), VERIFIED, place, secret.version, self.who, ""), host)
        for error in found.closed.values():
            raise error
        return len(found.every)

    def _open_store(self) -> Store:
        if self.store is None:
            raise MspError(
                "MSP-ESC-015",
                "an evidence store, which says what was done with secrets before",
                "none that can be opened",
                "start it, or see MSP_STORE_URL (./msp store status)",
            )
        return self.store

    def _record(self, note: Note, host: str, **extra: str) -> None:
        event = SecurityEvent(
            customer=self.customer,
            asset=note.place.asset,
            host=host or self.hosts().get(note.place.asset, ""),
            at=note.at,
            action=PREFIX + note.action,
            subject=str(note.place),
            who=note.who,
            why=note.why,
            ticket=note.ticket,
            extra={"version": note.version, **extra},
        )
        if self.store is None:
            spool.put([event])
        else:
            self.store.record_security([event])

    def _mine(self, place: Place) -> None:
        if place.customer != self.customer:
            raise MspError(
                "MSP-ESC-013", f"a secret of {self.customer}", f"one of {place.customer}", "open that customer's escrow"
            )


@contextlib.contextmanager
def at_hand(
    customer: str, environ: Mapping[str, str] | None = None, *, who: str = "", spooled: bool = False
) -> Iterator[Escrowed]:
    """The escrow of a customer, by its slug, as the environment says; closed again at the end.

    who is whoever acts, else the user. spooled: go on without an evidence store that can't be opened, and spool what is
    done. Raises MspError: a place that would vanish (MSP-EVD-004), one that can't be used (MSP-ESC-007, 008, 011, 012),
    no such kind of place (MSP-ESC-014), a store that can't be opened.
    """
    found = os.environ if environ is None else environ
    Place(customer, "device:1", records.PURPOSES[0], "x")  # its slug is part of paths
    recipients = recipients_directory(found) / f"{customer}.txt"
    with contextlib.ExitStack() as stack:
        store = None
        try:
            store = stack.enter_context(Store.open(found.get("MSP_STORE_URL") or None))
        except MspError:
            if not spooled or found.get(WHERE, "").strip() == IN_THE_STORE:
                raise
        yield Escrowed(customer, _escrow(found, store), store, who or user(found), recipients)


def recipients_directory(environ: Mapping[str, str]) -> Path:
    """Where each customer has a file that names who may open its secrets."""
    named = environ.get(WHO_MAY, "").strip()
    return Path(named or durability.state_directory(environ) / "recipients").expanduser()


def directory(environ: Mapping[str, str]) -> Path | None:
    """Where the secrets lie, where they lie in files."""
    where = environ.get(WHERE, "").strip()
    if where == IN_THE_STORE or "://" in where:
        return None
    return Path(where or durability.state_directory(environ) / "escrow").expanduser()


def _escrow(environ: Mapping[str, str], store: Store | None) -> Escrow:
    if (root := directory(environ)) is not None:
        return Tree(root)
    where = environ.get(WHERE, "").strip()
    if where == IN_THE_STORE and store is not None:
        return Stored(store)
    scheme = urlsplit(where).scheme
    if scheme in ("https", "http"):
        if scheme == "http" and urlsplit(where).hostname not in ("127.0.0.1", "::1", "localhost"):
            raise _unknown("its token would be sent in the clear")
        return Vault(where, environ)
    raise _unknown(f"an address that begins with {scheme}:")


def _unknown(found: str) -> MspError:
    return MspError(
        "MSP-ESC-014",
        f'{WHERE} as a directory, "{IN_THE_STORE}", or the https:// address of Vault or OpenBao',
        found,
        f"correct {WHERE}",
    )


def user(environ: Mapping[str, str]) -> str:
    """Who is on record for what is done: MSP_WHO, who called sudo, else the user."""
    for name in ("MSP_WHO", "SUDO_USER"):
        if value := environ.get(name, "").strip():
            return value
    return getpass.getuser()
