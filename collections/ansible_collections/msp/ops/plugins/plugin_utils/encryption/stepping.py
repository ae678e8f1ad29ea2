# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done next to an encrypted volume, out of what its host says and what the escrow has. Pure: no I/O.

A recovery key is kept first, set second, proved third and marked fourth; what was there before goes last. A run that
ends anywhere between leaves at least one key in escrow that opens the volume, and the next one goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.encryption import verdict
from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import BY_HAND, Volume
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import rotating
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Standing

FORM, ADD, MARK, CLEAR, SETTLE, NOTHING = STEPS = ("form", "add", "mark", "clear", "settle", "nothing")
# What is said of a step before it is done, as a check shows it.
WORDS: Mapping[str, str] = {
    FORM: "keep a recovery key in the escrow, encrypt the disk, prove that the key opens it",
    ADD: "keep a new recovery key in the escrow, add it, prove that it opens the volume",
    MARK: "note that the recovery key is in force",
    CLEAR: "take out the recovery keys that are not in force",
    SETTLE: "open and mount it, now and at every start",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What the escrow says of a volume's recovery key. due: it is to be renewed; somebody saw it, or it is too old.

    held are all versions that it has, however old. lost: those of which a person says that no escrow has them.
    """

    standing: Standing
    due: bool
    held: Collection[str] = ()
    lost: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """What to do. version is the one that is marked, or kept while others go; "": only what is in doubt goes."""

    do: str
    version: str = ""


def next_step(volume: Volume, seen: Mapping[str, Any], known: Known, *, settle: bool, formed: bool = False) -> Step:
    """The one step that is safe and leads on. settle: whether it is made, opened and mounted too, or has its keys only.

    formed: it was made in this very run, so that its recovery key is known and opens it.

    Raises MspError where a machine may do nothing to the volume.
    """
    current = known.standing.current
    if (error := verdict.refusal(volume, seen, current)) is not None:
        raise error
    head = verdict.head_of(seen)
    if head is None or (verdict.to_format(seen) and not formed):
        return Step(FORM) if settle else Step(NOTHING)
    on_host = head.proven[0].version if head.proven else None
    # Each of them, for a key that this escrow lacks may be the one that is in force by the right one.
    lacking = {one.version for one in head.proven} - set(known.held) - set(known.lost)
    if lacking:
        raise _another_escrow(volume, sorted(lacking | set(known.lost)))
    if head.in_doubt:
        return Step(CLEAR)
    weak = bool(head.proven) and head.proven[0].slot in verdict.weak_slots(volume, head)
    step = rotating.next_step(rotating.Seen(known.standing, on_host, known.due or weak))
    if step.do == rotating.MARK:
        return Step(MARK, step.version)
    if len(head.proven) > 1 and on_host == current:
        return Step(CLEAR, on_host or "")
    if step.do == rotating.CHANGE:
        return Step(ADD)
    return Step(SETTLE) if settle and verdict.wrong(volume, seen) else Step(NOTHING)


def _another_escrow(volume: Volume, versions: Sequence[str]) -> MspError:
    """What the escrow at hand lacks may be in the right one, and a key that is taken out opens nothing any more."""
    return MspError(
        "MSP-ENC-015",
        f"an escrow that has each version of the recovery key of the volume {volume.name} that its header names",
        f"none of {', '.join(versions)} in the escrow at hand",
        f"name the escrow that has it (MSP_ESCROW), or bring it back from its backup; where it is lost for good: "
        f'-e \'{{"msp_disk_encryption_escrow_lost": {{"{volume.name}": {json.dumps(list(versions))}}}}}\'',
    )


def needs_a_key(volume: Volume, step: Step) -> bool:
    """Whether a person has to give a key that opens the volume: the host has none."""
    return volume.unlock == BY_HAND and step.do in (ADD, SETTLE)


def unsettled(volume: Volume, seen: Mapping[str, Any]) -> MspError:
    """All that could be done was, and something is still not as it has to be."""
    return MspError(
        "MSP-ENC-014",
        f"the volume {volume.name} to hold after it was brought about",
        "; ".join(verdict.wrong(volume, seen)),
        f"look at it on the host: systemctl status systemd-cryptsetup@{volume.name}",
    )
