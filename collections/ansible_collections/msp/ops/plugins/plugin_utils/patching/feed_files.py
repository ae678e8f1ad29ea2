# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Feeds from files and addresses, checked before anything of them counts. It writes to its cache only.

A feed is read once and kept as an index beside the other caches; a scan of a host then takes only what it needs of it.
One that cannot be read, is not what its checksum says, is broken or empty is an error, never a feed without holes.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import io
import json
import os
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.urls import open_url

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.patching import feeds
from ansible_collections.msp.ops.plugins.plugin_utils.patching.feeds import Entries, Feeds, Fix
from ansible_collections.msp.ops.plugins.plugin_utils.patching.severity import Claim

# The largest that is published today, the tracker of Debian, has about 70 MB.
MOST_BYTES = 1024 * 1024 * 1024
SECONDS_TO_FETCH = 120
AT_ONCE = 500
# The layout of the index: another number, and every feed is read anew.
INDEX = 1
_KEYS = frozenset(("kind", "path", "url", "sha256", "date", "max_age"))


@dataclass(frozen=True, slots=True)
class Source:
    """Where a feed comes from: a file, or an address with the checksum of what it gives; max_age is in days."""

    kind: str
    path: str = ""
    url: str = ""
    sha256: str = ""
    date: dt.datetime | None = None
    max_age: int | None = None

    @property
    def name(self) -> str:
        # An address may carry a name and a password.
        return f"{self.path or re.sub('//[^/@]*@', '//', self.url)} ({feeds.TITLES[self.kind]})"


def sources(options: Iterable[Mapping[str, Any]]) -> tuple[Source, ...]:
    """The option `feeds` of the action, each checked. MSP-PAT-030 for one that cannot be meant."""
    return tuple(_source(number, option) for number, option in enumerate(options, start=1))


def _source(number: int, option: Mapping[str, Any]) -> Source:
    given = {key: value for key, value in option.items() if value is not None}

    def wrong(found: str) -> MspError:
        return MspError(
            "MSP-PAT-030",
            f"feed {number} to have a kind ({', '.join(feeds.KINDS)}) and a path, or a url with its sha256",
            found,
            "correct it; date is a day as 2026-11-20, max_age a number of days",
        )

    if odd := sorted(set(given) - _KEYS):
        raise wrong(f"the unknown key {odd[0]}")
    if given.get("kind") not in feeds.KINDS:
        raise wrong(f"the kind {given.get('kind')!r}")
    if bool(given.get("path")) == bool(given.get("url")):
        raise wrong("both a path and a url" if given.get("path") else "neither a path nor a url")
    checksum = str(given.get("sha256", "")).lower()
    if (checksum or given.get("url")) and not re.fullmatch(r"[0-9a-f]{64}", checksum):
        raise wrong(f"the sha256 {checksum!r}" if checksum else "a url without its sha256")
    if given.get("url") and urlsplit(str(given["url"])).scheme not in ("http", "https"):
        raise wrong("a url that is neither http nor https")
    max_age = given.get("max_age")
    if max_age is not None and (not isinstance(max_age, int) or isinstance(max_age, bool) or max_age < 0):
        raise wrong(f"the max_age {max_age!r}")
    try:
        # YAML makes a date of what looks like one.
        day = dt.date.fromisoformat(str(given["date"])) if "date" in given else None
    except ValueError:
        raise wrong(f"the date {given['date']!r}") from None
    date = dt.datetime.combine(day, dt.time(), dt.UTC) if day else None
    return Source(given["kind"], str(given.get("path", "")), str(given.get("url", "")), checksum, date, max_age)


def check(given: Iterable[Source], now: dt.datetime) -> None:
    """MSP-PAT-031 to 035 for the first feed that is none. What is sound is ready for select() afterwards."""
    for source in given:
        index(source, now)


def select(
    given: Iterable[Source], now: dt.datetime, names: Iterable[str], packages: Iterable[tuple[str, str]]
) -> Feeds:
    """What all feeds say of these source packages (platform, name), and of these names and those that they close.

    names are CVE names and advisories. Old feeds are among the warnings. MSP-PAT-031 to 035 for a feed that is none.
    """
    wanted, asked = set(names), sorted({f"{platform} {package}" for platform, package in packages})
    indexes = [(source, index(source, now)) for source in given]
    warnings = [] if any(source.kind == feeds.KEV for source, _path in indexes) else [_NO_KEV]
    fixes: list[Entries] = []
    for source, path in indexes:
        found, date = _fixes(path, source.kind, asked)
        fixes.append(found)
        wanted |= {name for fix in found.fixes for name in (*fix.cves, fix.advisory) if name}
        warnings += [warning] if (warning := feeds.stale(source.kind, date, now, source.max_age)) else []
    rest = [_named(path, source.kind, sorted(wanted)) for source, path in indexes]
    return feeds.together([*fixes, *rest], warnings)


_NO_KEV = "no feed of what is known to be exploited is given: no update can be an emergency by it"


def index(source: Source, now: dt.datetime) -> Path:
    """The index of a feed, made anew when the feed, its checksum or its date is another."""
    path = _fetched(source) if source.url else Path(source.path).expanduser()
    try:
        told = path.stat()
    except OSError as error:
        raise _unreadable(source, error.strerror or str(error)) from error
    place = cache_directory()
    same = _digest(source.kind, str(path.resolve()))[:24]
    key = _digest(str(INDEX), str(told.st_size), str(told.st_mtime_ns), source.sha256, str(source.date))[:24]
    wanted = place / f"{same}-{key}.sqlite"
    if wanted.exists():
        return wanted
    with _locked(place, same):
        if not wanted.exists():
            _write(wanted, read(source, path, now))
        for other in place.glob(f"{same}-*.sqlite"):
            if other != wanted:
                other.unlink(missing_ok=True)
    return wanted


def read(source: Source, path: Path, now: dt.datetime) -> Entries:
    """The entries of a feed in a file. MSP-PAT-031 to 035."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise _unreadable(source, error.strerror or str(error)) from error
    _check_sum(source, data)
    try:
        return feeds.parse(source.kind, documents(data), now, source.date)
    except feeds.Empty as error:
        raise _bad("MSP-PAT-034", source, str(error), "look at what was fetched") from error
    except feeds.Undated as error:
        raise _bad("MSP-PAT-035", source, str(error), "give its date, the day on which it was published") from error
    except feeds.Broken as error:
        raise _bad("MSP-PAT-033", source, str(error), "fetch it again, or look whether its maker changed it") from error


def documents(data: bytes) -> list[str]:
    """The texts in a file: itself, unpacked if it is packed, or the members of an archive that end in .json."""
    try:
        if data[:2] == b"\x1f\x8b":
            unpacker = zlib.decompressobj(31)
            return [_text(unpacker.decompress(data, MOST_BYTES), whole=unpacker.eof and not unpacker.unconsumed_tail)]
        if data[:2] != b"PK":
            return [_text(data, whole=len(data) <= MOST_BYTES)]
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".json")]
            if sum(member.file_size for member in members) > MOST_BYTES:
                raise feeds.Broken("it is too large")
            return [_text(archive.read(member), whole=True) for member in members]
    except (zlib.error, zipfile.BadZipFile, EOFError) as error:
        raise feeds.Broken(f"it cannot be unpacked: {error}") from error


def _text(data: bytes, *, whole: bool) -> str:
    if not whole:
        raise feeds.Broken("it is cut off or too large")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise feeds.Broken(f"it is no text: {error}") from error


def cache_directory() -> Path:
    """$XDG_CACHE_HOME/msp.ops/feeds, for its owner alone: an index is believed as it is."""
    place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "msp.ops" / "feeds"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise MspError(
            "MSP-PAT-031",
            f"to keep the index of feeds in {place}",
            error.strerror or str(error),
            "give this user the right to write there, or set XDG_CACHE_HOME to another place",
        ) from error
    return place


def _fetched(source: Source) -> Path:
    """The file behind an address, by its checksum: what was fetched once is not fetched again."""
    place = cache_directory()
    path = place / f"{source.sha256}.feed"
    if path.exists():
        return path
    with _locked(place, source.sha256[:24]):
        if not path.exists():
            try:
                with open_url(source.url, timeout=SECONDS_TO_FETCH) as answer:
                    data = answer.read(MOST_BYTES + 1)
            except (OSError, ValueError) as error:
                raise _unreadable(source, str(error)) from error
            _check_sum(source, data)
            _replace(path, data)
    return path


def _check_sum(source: Source, data: bytes) -> None:
    found = hashlib.sha256(data).hexdigest()
    if source.sha256 and found != source.sha256:
        raise MspError(
            "MSP-PAT-032",
            f"{source.name} to have the checksum {source.sha256}",
            found,
            "give the checksum of the version that is meant; if it was, this is not what was published",
        )


def _unreadable(source: Source, why: str) -> MspError:
    return MspError("MSP-PAT-031", f"to read the feed {source.name}", why, "correct its place, or make it reachable")


def _bad(code: str, source: Source, why: str, action: str) -> MspError:
    return MspError(code, f"entries in the feed {source.name}", why, f"{action}; nothing is judged without it")


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()


@contextmanager
def _locked(place: Path, name: str) -> Iterator[None]:
    """One worker makes it, the others wait; the lock ends with the process."""
    with (place / f"{name}.lock").open("w", encoding="ascii") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _replace(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _write(path: Path, entries: Entries) -> None:
    """Whole or not at all: made beside it and put in its place."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    with closing(sqlite3.connect(partial)) as connection:
        connection.execute("CREATE TABLE entry (what TEXT, name TEXT, body TEXT)")
        connection.executemany("INSERT INTO entry VALUES (?, ?, ?)", _rows(entries))
        connection.execute("CREATE INDEX by_name ON entry (what, name)")
        connection.commit()
    partial.replace(path)


def _rows(entries: Entries) -> Iterator[tuple[str, str, str]]:
    yield "date", "", str(entries.date)
    for name in entries.exploited:
        yield "exploited", name, ""
    for name, claim in entries.claims:
        yield "claim", name, json.dumps(asdict(claim))
    for name, value in entries.likely:
        yield "likely", name, repr(value)
    for fix in entries.fixes:
        yield "fix", f"{fix.platform} {fix.package}", json.dumps(asdict(fix))


def _fixes(path: Path, kind: str, asked: Sequence[str]) -> tuple[Entries, dt.datetime]:
    with closing(_open(path)) as connection:
        found = tuple(_fix(json.loads(body)) for _name, body in _asked(connection, "fix", asked))
        return Entries(kind, fixes=found), _date(connection)


def _named(path: Path, kind: str, names: Sequence[str]) -> Entries:
    with closing(_open(path)) as connection:
        return Entries(
            kind,
            _date(connection),
            tuple(name for name, _body in _asked(connection, "exploited", names)),
            tuple((name, Claim(**json.loads(body))) for name, body in _asked(connection, "claim", names)),
            tuple((name, float(body)) for name, body in _asked(connection, "likely", names)),
        )


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)


def _date(connection: sqlite3.Connection) -> dt.datetime:
    ((body,),) = connection.execute("SELECT body FROM entry WHERE what = 'date'").fetchall()
    return dt.datetime.fromisoformat(body)


def _asked(connection: sqlite3.Connection, what: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        marks = ", ".join("?" * len(some))
        # Only question marks are put in: the names go beside the statement.
        statement = f"SELECT name, body FROM entry WHERE what = ? AND name IN ({marks})"  # noqa: S608
        yield from connection.execute(statement, (what, *some))


def _fix(body: dict[str, Any]) -> Fix:
    return Fix(**{**body, "cves": tuple(body["cves"])})
