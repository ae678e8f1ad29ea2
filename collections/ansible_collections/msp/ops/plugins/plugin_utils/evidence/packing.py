# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Facts to bytes and back: a frame, and chunks of the long lists. Pure: no I/O.

A host's package list is most of its facts and changes in few places from week to week, and much of it is equal on
every host of the same system. A list is cut where the content says so (after an item whose checksum ends in zeros),
so that an inserted item moves no other cut, and every chunk is stored once.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import canonical_json, facts_hash

SHORT_LIST = 32  # a list up to this long stays in the frame
CUT_EVERY = 32  # items in a chunk on average: a power of two
LONGEST_CHUNK = 128


@dataclass(frozen=True, slots=True)
class Packed:
    """Facts ready to be stored. frame and the chunks' bodies are compressed; chunks are in order of their position."""

    hash: str
    size: int
    frame: bytes
    chunks: tuple[tuple[bytes, bytes], ...]  # (hash, body)


def _cuts(items: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for item in items:
        chunk.append(item)
        if zlib.crc32(item.encode("ascii")) % CUT_EVERY == 0 or len(chunk) >= LONGEST_CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _take_out(value: Mapping[str, Any], path: tuple[str, ...], long: list[tuple[tuple[str, ...], list[Any]]]) -> Any:
    frame: dict[str, Any] = {}
    for key, item in sorted(value.items()):
        if isinstance(item, Mapping):
            frame[key] = _take_out(item, (*path, key), long)
        elif isinstance(item, list) and len(item) > SHORT_LIST:
            long.append(((*path, key), item))
            frame[key] = None
        else:
            frame[key] = item
    return frame


def pack(body: Mapping[str, Any]) -> Packed:
    """Cut and compress facts."""
    whole = canonical_json(body)
    long: list[tuple[tuple[str, ...], list[Any]]] = []
    frame = _take_out(json.loads(whole), (), long)
    chunks: list[tuple[bytes, bytes]] = []
    lists: list[tuple[tuple[str, ...], int]] = []
    for path, items in long:
        before = len(chunks)
        for chunk in _cuts([canonical_json(item) for item in items]):
            text = f"[{','.join(chunk)}]".encode("ascii")
            chunks.append((hashlib.blake2b(text, digest_size=16).digest(), zlib.compress(text)))
        lists.append((path, len(chunks) - before))
    packed = zlib.compress(canonical_json({"frame": frame, "lists": lists}).encode("ascii"))
    return Packed(facts_hash(body), len(whole), packed, tuple(chunks))


def unpack(frame: bytes, chunks: Sequence[bytes]) -> dict[str, Any]:
    """Put facts together again from the frame and the chunks' bodies in order."""
    packed = json.loads(zlib.decompress(frame))
    body: dict[str, Any] = packed["frame"]
    rest = iter(chunks)
    for path, count in packed["lists"]:
        inner = body
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = [item for _unused in range(count) for item in json.loads(zlib.decompress(next(rest)))]
    return body
