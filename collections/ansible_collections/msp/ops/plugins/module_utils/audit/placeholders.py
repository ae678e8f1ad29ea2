# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which serial numbers, asset tags and UUIDs are none: what a maker leaves in the firmware when nobody filled it in.

Pure: text in, text or None out. It never guesses a value; when in doubt, a text stays what it is.
"""

from __future__ import annotations

import re

# Compared without case, spaces and punctuation.
_PHRASES = {
    "assetnumber", "assettag", "assettagstring", "baseboardserialnumber", "bios", "chassis", "chassisassettag",
    "chassisserialnumber", "default", "defaultstring", "empty", "filledbyoem", "inputserialnumber", "invalid",
    "manufacturer", "na", "noassetinformation", "noassettag", "none", "noserial", "noserialnumber", "notapplicable",
    "notavailable", "notpresent", "notprovided", "notsettable", "notspecified", "null", "oem", "oemstring",
    "productname", "sample", "serial", "serialno", "serialnumber", "standard", "system", "systemassettag",
    "systemmanufacturer", "systemname", "systemproductname", "systemserialnumber", "systemversion", "test",
    "testserial", "tobefilled", "tobefilledbyoem", "tobefilledbyoemoem", "toberemoved", "undefined", "unknown",
    "unknownserial", "unspecified",
}  # fmt: skip
_SEQUENCES = ("0123456789", "1234567890", "abcdefghijklmnopqrstuvwxyz")
_SHORTEST_SEQUENCE = 5

# A UUID that many machines share says nothing of one machine.
_SHARED_UUIDS = frozenset(
    (
        "03000200-0400-0500-0006-000700080009",
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "fefefefe-fefe-fefe-fefe-fefefefefefe",
    )
)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def is_placeholder(text: object) -> bool:
    """True when a text identifies nothing: empty, one character repeated, counting up, or a maker's stock phrase."""
    bare = re.sub(r"[\W_]+", "", str(text)).lower() if text is not None else ""
    if len(bare) < 2 or len(set(bare)) == 1 or bare in _PHRASES:
        return True
    return len(bare) >= _SHORTEST_SEQUENCE and any(bare in sequence + sequence for sequence in _SEQUENCES)


def real(text: object) -> str | None:
    """The text without surrounding space, or None for a placeholder."""
    return None if is_placeholder(text) else " ".join(str(text).split())


def real_uuid(text: object) -> str | None:
    """The UUID in lower case, or None when it is no UUID or one that many machines share."""
    uuid = str(text).strip().lower() if text is not None else ""
    if not _UUID.fullmatch(uuid) or uuid in _SHARED_UUIDS or len(set(uuid.replace("-", ""))) < 4:
        return None
    return uuid
