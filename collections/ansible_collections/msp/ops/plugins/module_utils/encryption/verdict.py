# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the facts of a volume mean: what of it is not as it has to be, and why a machine may not put it right.

Pure: no I/O. The probes judge by it, and whoever brings a volume about decides by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.encryption import header
from ansible_collections.msp.ops.plugins.module_utils.encryption.header import Header
from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import (
    BENCHMARK_LEAST,
    BY_HAND,
    KEY_FILE,
    Volume,
)
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

_PARAMETERS = "say so in the parameters of encryption-volumes, or take the volume out of them"


def head_of(seen: Mapping[str, Any]) -> Header | None:
    return None if seen["luks"] is None else header.of_dict(seen["luks"])


def to_format(seen: Mapping[str, Any]) -> bool:
    """Whether the volume is yet to be made: there is no header, or one of ours that was never finished and that nothing
    on the host opens, so that nobody can have put data behind it."""
    head = head_of(seen)
    if head is None:
        return True
    return not head.finished and not seen["mapped"] and not (head.host_key and seen["key_file"])


def refusal(volume: Volume, seen: Mapping[str, Any], current: str | None = None) -> MspError | None:
    """Why nothing may be done to the volume by a machine; None where it may. current: the version that is in escrow."""
    where = "%s (%s)" % (volume.device, seen["real"])
    if not seen["there"]:
        return MspError(
            "MSP-ENC-002",
            "the disk of the volume %s, %s" % (volume.name, volume.device),
            "no such device",
            "see whether the disk is there (lsblk) and correct device in the parameters of encryption-volumes",
        )
    found = list(seen["busy"]) + list(seen["taken"])
    if seen["other_mapping"]:
        found.append("open as %s" % seen["other_mapping"])
    if seen["mounted"] and seen["mounted"] != [volume.mount]:
        found.append("mounted on %s" % ", ".join(seen["mounted"]))
    if found:
        return MspError(
            "MSP-ENC-004",
            "a disk and a place that nobody uses for the volume %s, %s" % (volume.name, where),
            "; ".join(found),
            "stop and unmount what uses it, or " + _PARAMETERS,
        )
    head = head_of(seen)
    if head is None and current is not None and volume.replaced != current:
        return MspError(
            "MSP-ENC-005",
            "the encrypted volume %s on %s, of which version %s of the recovery key is in escrow"
            % (volume.name, where, current),
            "a disk without a LUKS header" + (", with " + ", ".join(seen["content"]) if seen["content"] else ""),
            "bring back the header from a backup of it; where the disk is a new one, give replaced: %s" % current,
        )
    if head is None and seen["content"] and not _backed_up(volume, seen):
        return MspError(
            "MSP-ENC-003",
            "an empty disk for the volume %s, %s" % (volume.name, where),
            "%s, which is known as %s" % (", ".join(seen["content"]), seen["content_id"])
            + ("; the backup that is named is of something else" if volume.backup else ""),
            "all of that is lost when the disk is encrypted: make a backup, and name it (backup: '%s WHERE IT IS'), "
            "or empty the disk with wipefs and blkdiscard" % seen["content_id"],
        )
    return None if head is None else _refused_header(volume, where, head, seen)


def _backed_up(volume: Volume, seen: Mapping[str, Any]) -> bool:
    """Whether the backup that is named is of what lies there now, on this machine."""
    first, _space, where = volume.backup.partition(" ")
    return bool(seen["content_id"]) and first.rstrip(":") == seen["content_id"] and bool(where.strip())


def _refused_header(volume: Volume, where: str, head: Header, seen: Mapping[str, Any]) -> MspError | None:
    if to_format(seen):
        return None
    if head.version != 2 or head.cipher != volume.cipher or head.bits != volume.key_size:
        found = "LUKS%d, %s, %d bits" % (head.version, head.cipher, head.bits) if head.version == 2 else "LUKS1"
        return MspError(
            "MSP-ENC-006",
            "the volume %s on %s as LUKS2 with %s and %d bits" % (volume.name, where, volume.cipher, volume.key_size),
            found,
            "choose what is there, or have the disk encrypted anew: back it up, empty it, and run this again",
        )
    return None


def wrong(volume: Volume, seen: Mapping[str, Any]) -> list[str]:
    """What is not as it has to be, in words; empty where the volume holds."""
    head = head_of(seen)
    if not seen["there"]:
        return ["%s: its disk is not there" % volume.name]
    if head is None:
        return ["%s: not encrypted" % volume.name]
    if to_format(seen) or not head.finished:
        return ["%s: was begun, and never finished" % volume.name]
    found = []
    if head.version != 2:
        found.append("LUKS1")
    elif head.cipher != volume.cipher or head.bits != volume.key_size:
        found.append("encrypted with %s, %d bits" % (head.cipher, head.bits))
    weak = weak_slots(volume, head)
    if weak:
        found.append("key slot %s not with argon2id and its memory" % ", ".join(map(str, weak)))
    if head.version == 2 and not head.proven:
        found.append("no recovery key that was proved to open it")
    if volume.unlock == KEY_FILE and not (seen["key_file"] and head.host_key):
        found.append("no key on the host that opens it")
    elif volume.unlock == KEY_FILE and seen["key_fault"]:
        found.append(str(seen["key_fault"]))
    if volume.unlock != KEY_FILE and head.host_key:
        found.append("a key in a file on the host opens it still")
    found += [] if seen["mapped"] else ["closed"]
    found += [] if seen["mounted"] == [volume.mount] else ["not mounted on %s" % volume.mount]
    found += [] if seen["crypttab"] else ["not in /etc/crypttab as it has to be"]
    found += [] if seen["fstab"] else ["not in /etc/fstab as it has to be"]
    return ["%s: %s" % (volume.name, one) for one in found]


def weak_slots(volume: Volume, head: Header) -> list[int]:
    """Slots of ours whose key derivation is another one, or takes less memory than a benchmark would have given it."""
    ours = {one.slot for one in head.proven} | set(head.host_key)
    least = min(volume.memory, BENCHMARK_LEAST)
    return [one.number for one in head.slots if one.number in ours and (one.kdf != "argon2id" or one.memory < least)]


def only_by_hand(volume: Volume, seen: Mapping[str, Any]) -> bool:
    """Whether a machine has no key to open or to change the volume with."""
    return volume.unlock == BY_HAND and not to_format(seen)
