# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Canonical JSON, the hash of facts, and the keys that make writing twice the same as writing once.

Pure: no I/O. Nothing here decides whether two things of different sources or keys are the same asset; that is the
work of identity.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Observation

NAME = "name"
ADDRESS = "address"
MAC = "mac"
SERIAL = "serial"
UUID = "uuid"
ASSET_TAG = "asset_tag"
DIRECTORY_ID = "directory_id"
MDM_ID = "mdm_id"

# What identifies a thing, strongest first: the first of these that an identity has is its key within one source. What
# the source itself calls the thing comes first: two of its records with one serial are for identity to judge.
STRENGTH = (DIRECTORY_ID, MDM_ID, SERIAL, UUID, ASSET_TAG, MAC, NAME, ADDRESS)

_MAC = re.compile(r"^(?:[0-9a-f]{12}|[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2})$")
_SEPARATORS = str.maketrans("", "", ":-.")
_NO_MAC = {"000000000000", "ffffffffffff"}


def _plain(value: object) -> object:
    """What JSON has no type for, as the text or list that stands for it."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    raise TypeError(f"a value of type {type(value).__name__}")


def canonical_json(value: object) -> str:
    """The one text of a value: sorted keys, no spaces, ASCII. Equal values give equal texts.

    ASCII, so that a lone surrogate or a NUL from a host survives in both databases.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise MspError(
            "MSP-EVD-007",
            "a record of texts, numbers, booleans, lists and mappings with text keys",
            str(error),
            "report this as a defect of the part that made the record",
        ) from error


def facts_hash(body: Mapping[str, Any]) -> str:
    """The content hash of an audit's facts: 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(body).encode("ascii")).hexdigest()


def normal_mac(text: str) -> str | None:
    """A MAC address in any notation as 12 lower-case digits; None when it is none or stands for "no address"."""
    value = text.strip().lower()
    if not _MAC.match(value):
        return None
    digits = value.translate(_SEPARATORS)
    return None if digits in _NO_MAC else digits


def normal_address(text: str) -> str | None:
    """An IP address without prefix length and zone, in its shortest form; None when every host has it."""
    try:
        address = ipaddress.ip_address(text.strip().split("/")[0].split("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return None
    return str(address)


def normal_names(text: str) -> list[str]:
    """A host name as given and its first label, both in lower case without a closing dot."""
    name = text.strip().rstrip(".").casefold()
    # Only what looks like an address is taken for one: the full answer is slow, and there are very many names.
    if not name or ((name[0].isdecimal() or ":" in name) and normal_address(name)):
        return []
    return list(dict.fromkeys((name, name.split(".")[0])))


def normal_word(text: str) -> str | None:
    """A serial, UUID or asset tag: lower case, without spaces around or inside."""
    return re.sub(r"\s+", "", text).casefold() or None


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple | set | frozenset):
        return [str(item) for item in value if item is not None]
    return [str(value)]


def _some(word: str | None) -> list[str]:
    return [word] if word else []


# Where an identity says it, and how it is read: every kind of word somebody could search a thing by.
_KINDS: dict[str, tuple[tuple[str, ...], Callable[[str], list[str]]]] = {
    SERIAL: (("serial",), lambda text: _some(normal_word(text))),
    UUID: (("uuid",), lambda text: _some(normal_word(text))),
    ASSET_TAG: (("asset_tag",), lambda text: _some(normal_word(text))),
    DIRECTORY_ID: (("directory_id",), lambda text: _some(normal_word(text))),
    MDM_ID: (("mdm_id",), lambda text: _some(normal_word(text))),
    MAC: (("macs", "mac"), lambda text: _some(normal_mac(text))),
    NAME: (("names", "name", "hostname", "fqdn"), normal_names),
    ADDRESS: (("addresses", "address"), lambda text: _some(normal_address(text))),
}


def words(identity: Mapping[str, Any], kind: str) -> list[str]:
    """The words of one kind, normalised, sorted and without doubles."""
    keys, normal = _KINDS[kind]
    there = [key for key in keys if key in identity]
    if not there:
        return []
    return sorted({word for key in there for text in _texts(identity.get(key)) for word in normal(text)})


def tokens(identity: Mapping[str, Any]) -> dict[str, list[str]]:
    """Every word somebody could search a thing by, normalised, by kind, each list sorted and without doubles.

    Reads the keys serial, uuid, asset_tag, directory_id, mdm_id, macs or mac, names or name or hostname or fqdn,
    addresses or address.
    """
    return {kind: found for kind in _KINDS if (found := words(identity, kind))}


def term_tokens(term: str) -> list[tuple[str, str]]:
    """The tokens that a search term could stand for: (kind, word)."""
    found: list[tuple[str, str | None]] = [(MAC, normal_mac(term)), (ADDRESS, normal_address(term))]
    word = normal_word(term)
    found += [(kind, word) for kind in (SERIAL, UUID, ASSET_TAG, DIRECTORY_ID, MDM_ID)]
    found.append((NAME, term.strip().rstrip(".").casefold() or None))
    return [(kind, text) for kind, text in found if text]


def _first_mac(macs: list[str]) -> str:
    """The lowest MAC address given by a maker; one that software made up (locally administered) only when alone."""
    return min(macs, key=lambda mac: (int(mac[:2], 16) & 2, mac))


def thing_key(observation: Observation) -> str:
    """The stable key of an observed thing within its customer and source, from the strongest identifier it has."""
    if observation.asset:
        return f"asset={observation.asset}"
    for kind in STRENGTH:
        if found := words(observation.identity, kind):
            return f"{kind}={_first_mac(found) if kind == MAC else max(found, key=len) if kind == NAME else found[0]}"
    return f"other={hashlib.sha256(canonical_json(dict(observation.identity)).encode()).hexdigest()[:32]}"


def version_number(body: str) -> int:
    """A signed 64-bit number for one state of one thing: the same state gives the same number."""
    return int.from_bytes(hashlib.blake2b(body.encode("utf-8"), digest_size=8).digest(), "big", signed=True)


def event_key(*parts: object) -> str:
    """A key of 32 hexadecimal digits for an event that has no name of its own."""
    return hashlib.sha256(canonical_json([str(part) for part in parts]).encode("ascii")).hexdigest()[:32]
