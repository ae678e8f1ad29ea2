# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""For whom a Kerberos keytab has keys. Pure. No key leaves this file: names only.

The form is MIT's, version 0x0502: a length, then realm, parts of the name, time, version and key of each entry, all in
network order. An entry of negative length is a hole.
"""

from __future__ import annotations

import struct

_MAGIC = b"\x05\x02"


def principals(data: bytes) -> list[str]:
    """As "host/app01@EXAMPLE.ORG", each once. ValueError for what is no keytab."""
    if data[:2] != _MAGIC:
        raise ValueError("it is no keytab of version 0x0502")
    found: dict[str, None] = {}
    place = 2
    while place + 4 <= len(data):
        (length,) = struct.unpack_from(">i", data, place)
        place += 4
        if length == 0:
            break
        if length > 0:
            found[_name(data[place : place + length])] = None
        place += abs(length)
    return list(found)


def _name(entry: bytes) -> str:
    try:
        (count,) = struct.unpack_from(">H", entry, 0)
        texts = []
        place = 2
        for _part in range(count + 1):
            (length,) = struct.unpack_from(">H", entry, place)
            texts.append(entry[place + 2 : place + 2 + length].decode("utf-8", "replace"))
            place += 2 + length
    except struct.error:
        raise ValueError("an entry of it ends too soon") from None
    return "%s@%s" % ("/".join(texts[1:]), texts[0])
