# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hardware addresses and host names as observations spell them. Pure: text in, text or nothing out."""

from __future__ import annotations

import ipaddress
import re

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import normal_mac

# What a tool writes for "no name", and the name that every host has.
_NO_NAMES = frozenset(("*", "-", "(none)", "localhost", "localhost.localdomain", "localhost6", "bad_address"))
_LONGEST_NAME = 253
_HEX = re.compile(r"[0-9a-f]{2}(?:[:-]?[0-9a-f]{2})*")
_ETHERNET = (1, 6)  # hardware types of RFC 826 and IEEE 802 that use the same addresses


def mac(text: str) -> str | None:
    """A hardware address as "aa:bb:cc:dd:ee:ff"; None for none, for "no address" and for a group's."""
    digits = normal_mac(text)
    if digits is None or int(digits[:2], 16) & 1:
        return None
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def host_names(*texts: str | None) -> list[str]:
    """The texts that are a host's name, each once, without a closing dot."""
    found: dict[str, str] = {}
    for text in texts:
        name = (text or "").strip().rstrip(".")
        if name and _is_name(name):
            found.setdefault(name.casefold(), name)
    return list(found.values())


def _is_name(name: str) -> bool:
    if len(name) > _LONGEST_NAME or name.casefold() in _NO_NAMES or not name.isprintable() or "\ufffd" in name:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return True
    return False


def plain(text: str, longest: int = 255) -> str:
    """A text from a tool in one printable line of limited length."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: longest * 4]).split())[:longest]


def hex_bytes(text: str) -> bytes | None:
    """Bytes written as "00:01:ab", "00-01-ab" or "0001ab"."""
    value = text.strip().lower()
    return bytes.fromhex(re.sub("[:-]", "", value)) if _HEX.fullmatch(value) else None


def duid_mac(duid: bytes) -> str | None:
    """The hardware address in a DHCPv6 client's DUID of type LLT or LL (RFC 8415, 11.2 and 11.4).

    It is that of one of the client's interfaces when its system was installed.
    """
    kind, hardware = int.from_bytes(duid[:2], "big"), int.from_bytes(duid[2:4], "big")
    start = {1: 8, 3: 4}.get(kind)
    if start is None or hardware not in _ETHERNET or len(duid) != start + 6:
        return None
    return mac(duid[start:].hex())


def client_id_mac(client: bytes) -> str | None:
    """The hardware address in a DHCPv4 client's identifier: bare, with its type before it, or in a DUID (RFC 4361)."""
    if len(client) == 6:
        return mac(client.hex())
    if len(client) == 7 and client[0] in _ETHERNET:
        return mac(client[1:].hex())
    return duid_mac(client[5:]) if client[:1] == b"\xff" else None
