# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is on record of the access that was withdrawn from a host, what that proves, and how it is told. Pure: no I/O.

Two events, in this order: all is gone but the key by which we were logged in; and the host refused us afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import LOCAL_ADMIN
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import SecurityEvent
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.words import moment, plain
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words

NEARLY, WITHDRAWN = ACTIONS = ("access withdrawn but for one key", "access withdrawn")
SUBJECT = "our access"
# All marks have this, so that NetBox can be asked for entries with it.
OURS = "msp.ops off-boarding"
# What ssh says when a server that was reached takes nothing of what it is offered.
_REFUSAL = "Permission denied"


def is_refusal(said: str) -> bool:
    """Whether a host that was reached let us in by nothing. One that is off, or that nobody knows, refused nothing."""
    return _REFUSAL in said


def on_record(events: Iterable[SecurityEvent]) -> str | None:
    """What the newest of the events says; None where nothing was withdrawn. After either of them a login that is
    refused is the end of it: the first is written when no key but the last is left."""
    known = [event.action for event in events if event.action in ACTIONS]
    return known[-1] if known else None


@dataclass(frozen=True, slots=True)
class Entry:
    """A journal entry of an asset, with the mark at its end that says of which event it is."""

    asset: str
    text: str
    mark: str

    @property
    def comments(self) -> str:
        return f"{self.text} ({self.mark})"

    def is_in(self, comments: Iterable[str]) -> bool:
        return any(words.rstrip().endswith(f"({self.mark})") for words in comments)


def entries(events: Iterable[SecurityEvent]) -> Iterator[Entry]:
    """An entry for each time that the access to an asset was withdrawn."""
    for event in events:
        if event.action == WITHDRAWN:
            text = f"Access withdrawn from {plain(event.host)} by {plain(event.who)}, {moment(event.at)}: it refuses"
            kept = "our login. Nothing of the customer's was deleted; secrets stay in the escrow"
            yield Entry(event.asset, f"{text} {kept}", f"{OURS} {event.asset} {event.at:%Y-%m-%dT%H:%M:%S.%f}")


def hand_over(
    t: Words, customer: str, host: str, secrets: Iterable[tuple[str, str]], *, closed: bool = False
) -> list[str]:
    """What the customer is told. secrets are purposes and accounts that the escrow has of this host; closed: nobody
    of theirs is known to have a way to root."""
    told = [t("offboard.gone", host=host), t("offboard.kept")]
    if closed:
        told.append(t("offboard.closed", host=host))
    for purpose, account in sorted(set(secrets)):
        if purpose == LOCAL_ADMIN:
            command = f"./msp escrow fetch {customer} {host} --purpose {purpose} --name {account} --why off-boarding"
            told.append(t("offboard.password", host=host, account=account, command=command))
    return told


def summary(host: str, withdrawn: Sequence[str], *, already: bool, dry: bool) -> str:
    """One line for the engineer."""
    if already:
        return f"{host}: already withdrawn, it refuses our login"
    if not withdrawn:
        return f"{host}: nothing to withdraw"
    return f"{host}: {'to withdraw' if dry else 'withdrawn'}: {'; '.join(withdrawn)}"


def still_open(host: str) -> MspError:
    return MspError(
        "MSP-OFF-010",
        f"{host} to refuse a new login with what this run logs in with",
        "it lets us in",
        "name every key of ours in offboard_keys_file, and see whether a password, a certificate or a directory lets "
        "us in; what was withdrawn is on record, and the next run goes on",
    )


def unproven(host: str, why: str) -> MspError:
    return MspError(
        "MSP-OFF-011",
        f"{host} to refuse a new login after the last key was taken away",
        why[:300],
        "reach it and run it again: a login that is refused then is the proof",
    )


def refused(host: str, why: str) -> MspError:
    return MspError(
        "MSP-OFF-012",
        f"a login on {host}, or the record that our access was withdrawn from it",
        f"neither: {why[:300]}",
        "bring it up where it is off; where somebody else took our key away, have the customer add it again for this "
        "run, which closes our accounts too",
    )


def not_offered(host: str) -> MspError:
    return MspError(
        "MSP-OFF-014",
        f"our last key to be offered to {host}, so that its refusal says that the key is gone",
        "a refusal, and a connection without a private key that this user can read; that key was left, by the record",
        "run it as the user of that key, and name it: --private-key FILE",
    )


def failed(host: str, said: Mapping[str, Any]) -> MspError:
    """The error of a module that failed on the host."""
    error = said.get("error")
    if isinstance(error, Mapping) and {"code", "expected", "found", "action"} <= set(error):
        return MspError(str(error["code"]), f"{error['expected']} ({host})", str(error["found"]), str(error["action"]))
    why = str(said.get("msg") or said.get("module_stderr") or "no answer").strip().replace("\n", " ")[:300]
    return MspError(
        "MSP-OFF-013",
        f"an answer of {host} about who can log in to it",
        why,
        "see that the task becomes root there and run it again: it goes on from what is left",
    )


def no_keys(host: str, found: str) -> MspError:
    return MspError(
        "MSP-OFF-002",
        f"our public keys, to know which lines on {host} are ours",
        found,
        "name a file with all of them: -e offboard_keys_file=/path/keys.pub",
    )
