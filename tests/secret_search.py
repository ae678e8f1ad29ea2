"""Looks for known secrets wherever a run leaves something: in files, in every cell of a database, on command lines.

A secret is looked for as it is, as JSON, a URL, Python, HTML and XML write it, and in base64 and hexadecimal. What is
packed (gzip, zip and so workbooks, zlib as the evidence store does) is unpacked first, and a SQLite file is read cell
by cell.

    canaries     the secrets by what each is, such as {"NetBox's token": "nbt_..."}; a key in lines is looked for line
                 by line (`lines`)
    Place        where one was found: the path, table and column, or process
"""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import os
import sqlite3
import stat
import threading
import time
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from xml.sax import saxutils

import psycopg
from psycopg import sql

SHORTEST = 8
# A process is looked at each time for so long after it was first seen, for it becomes another program when it wants;
# later every so often.
YOUNG_SECONDS, OLD_SECONDS = 1.0, 0.5
PAUSE_SECONDS = 0.005


@dataclass(frozen=True, order=True)
class Place:
    """Where which secret was found. The secret itself is not in it."""

    path: str
    what: str


def lines(name: str, text: str) -> dict[str, str]:
    """The lines of a key that are its own, each as a canary. OpenSSH begins all keys of a kind with the same line."""
    long = [line.strip() for line in text.splitlines() if len(line.strip()) >= 40 and "-----" not in line]
    kept = [line for line in long if not line.startswith("b3BlbnNzaC1rZXkt")]
    return {f"{name}, line {number}": line for number, line in enumerate(kept, start=1)}


def forms(secret: str) -> set[bytes]:
    """The ways in which a secret may be written down."""
    if len(secret) < SHORTEST:
        raise ValueError(f"a canary of {len(secret)} characters would be found by chance")
    raw = secret.encode()
    # In base64 the characters depend on what stands before: the three ways, without what depends on the neighbours.
    encoded = {base64.b64encode(b"x" * before + raw)[4 if before else 0 : -4] for before in range(3)}
    written = {
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        html.escape(secret),
        saxutils.escape(secret),
        raw.hex(),
    }
    return {raw, *(text.encode() for text in written), *(one for one in encoded if len(one) >= SHORTEST)}


class Canaries:
    """Known secrets, ready to be looked for."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        if not secrets:
            raise ValueError("without a canary nothing can be found")
        self.names = list(secrets)
        self._forms = [(name, form) for name, secret in secrets.items() for form in forms(secret)]

    def within(self, data: bytes) -> set[str]:
        """Which of them are in these bytes, packed or not."""
        found = {name for name, form in self._forms if form in data}
        for inner in _unpacked(data):
            found |= self.within(inner)
        return found


def _unpacked(data: bytes) -> Iterator[bytes]:
    if data[:2] == b"\x1f\x8b":
        try:
            yield gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            return
    elif data[:4] == b"PK\x03\x04":
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                yield from (archive.read(member) for member in archive.infolist())
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError):
            return
    elif data[:1] == b"\x78":  # zlib's own mark
        try:
            yield zlib.decompress(data)
        except zlib.error:
            return


def places_below(folder: Path, canaries: Mapping[str, str], *, homes: Sequence[Path] = ()) -> list[Place]:
    """In which files of a folder which secrets are. homes: where they are kept, and may be."""
    known = Canaries(canaries)
    found = set()
    for path in sorted(folder.rglob("*")):
        if any(path == home or home in path.parents for home in homes):
            continue
        # Its own name counts too: so does the target of a link.
        data = str(path).encode() + (str(path.readlink()).encode() if path.is_symlink() else b"")
        if not path.is_symlink() and stat.S_ISREG(path.stat().st_mode):
            data += b"\0" + (content := path.read_bytes())
            found |= {Place(str(path), name) for inner in _unpacked(content) for name in known.within(inner)}
            if content.startswith(b"SQLite format 3\0"):
                found |= {Place(f"{path}: {place.path}", place.what) for place in places_in_sqlite(path, canaries)}
        found |= {Place(str(path), name) for name in known.within(data)}
    return sorted(found)


def places_in_sqlite(path: Path, canaries: Mapping[str, str]) -> list[Place]:
    """In which tables and columns of a SQLite database which secrets are."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        cells = (
            (table, column[0], value)
            for table in tables
            for cursor in [connection.execute(f'SELECT * FROM "{table}"')]  # noqa: S608 (its own tables)
            for row in cursor
            for column, value in zip(cursor.description, row, strict=True)
        )
        found = _in_cells(cells, canaries)
    connection.close()
    return found


def places_in_postgres(connection: psycopg.Connection, canaries: Mapping[str, str]) -> list[Place]:
    """The same for every table of a PostgreSQL database, whatever its schema."""
    listed = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"

    def cells() -> Iterator[tuple[str, str, Any]]:
        for schema, table in connection.execute(listed).fetchall():
            cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table)))
            for row in cursor:
                for column, value in zip(cursor.description or (), row, strict=True):
                    yield table, column.name, value

    return _in_cells(cells(), canaries)


def _in_cells(cells: Iterable[tuple[str, str, Any]], canaries: Mapping[str, str]) -> list[Place]:
    known = Canaries(canaries)
    found = set()
    for table, column, value in cells:
        if isinstance(value, bytes | bytearray | memoryview):
            data = bytes(value)
        elif isinstance(value, str):
            data = value.encode()
        elif isinstance(value, dict | list):
            data = json.dumps(value, default=str).encode()
        else:
            continue
        found |= {Place(f"{table}.{column}", name) for name in known.within(data)}
    return sorted(found)


@dataclass
class Watcher:
    """Looks at the command lines of all processes of this machine, those of its containers among them, while it is
    entered. A process that ends within a few milliseconds may never be seen.

    found: each secret that was on one, with the program's name. seen: the programs that were looked at, by their names.
    """

    canaries: Mapping[str, str]
    found: list[Place] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    looks: int = 0

    def __enter__(self) -> Watcher:
        self._known = Canaries(self.canaries)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        first: dict[str, float] = {}
        last: dict[str, float] = {}
        places: set[Place] = set()
        while not self._end.wait(PAUSE_SECONDS):
            now = time.monotonic()
            numbers = [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 (often)
            for gone in first.keys() - set(numbers):
                del first[gone]
                last.pop(gone, None)
            for number in numbers:
                young = now - first.setdefault(number, now) < YOUNG_SECONDS
                if not young and now - last.get(number, 0.0) < OLD_SECONDS:
                    continue
                last[number] = now
                try:
                    line = Path("/proc", number, "cmdline").read_bytes()
                except OSError:  # it has ended
                    continue
                words = line.split(b"\0")
                names = [word.decode(errors="replace").rpartition("/")[2] for word in words[:2]]
                self.seen.update(names)
                places |= {Place(f"process {' '.join(names)}", name) for name in self._known.within(line)}
            self.looks += 1
        self.found = sorted(places)
