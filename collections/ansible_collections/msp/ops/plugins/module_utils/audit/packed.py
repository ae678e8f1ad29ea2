# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""An audit's result as one short text for the way from the host: a tenth of its size, and one string for Ansible to
look at rather than ten thousand. Pure; it decides nothing.
"""

from __future__ import annotations

import base64
import json
import zlib

# A host must not be able to fill the controller's memory with a small text that unpacks to a large one.
MOST_BYTES = 64 * 1024 * 1024


def pack(result: dict) -> str:
    text = json.dumps(result, separators=(",", ":"), sort_keys=True)
    return base64.b64encode(zlib.compress(text.encode("utf-8", "surrogateescape"), 6)).decode("ascii")


def unpack(text: str) -> dict:
    """The result again; ValueError when the text is not what pack() makes."""
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text, validate=True), MOST_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise ValueError("the packed result is cut off or too large")
    found = json.loads(data.decode("utf-8"))
    if not isinstance(found, dict):
        raise ValueError("the packed result is no mapping")
    return found
