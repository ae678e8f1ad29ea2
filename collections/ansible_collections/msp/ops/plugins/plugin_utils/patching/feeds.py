# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the world knows of holes, read from feeds: exploited, rated, likely, closed in which version. Pure: no I/O.

A feed is a dated text that somebody published: parse() makes entries of it, or says what is wrong with it. Feeds holds
entries together for judging.py. An entry never makes less of a hole, so an old feed can only lack some: it warns.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.patching import cvss, severity
from ansible_collections.msp.ops.plugins.plugin_utils.patching.severity import Claim

KEV, OSV, DEBIAN, EPSS = KINDS = ("kev", "osv", "debian", "epss")
TITLES = {KEV: "CISA KEV", OSV: "OSV", DEBIAN: "Debian security tracker", EPSS: "EPSS"}
# After this many days a feed is old. What is exploited becomes known by the day; the others change more slowly.
MAX_AGE = {KEV: 3, OSV: 7, DEBIAN: 7, EPSS: 7}
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")
# Debian's tracker names releases, hosts number them.
_DEBIAN = {"buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14"}


class Broken(ValueError):
    """A feed that is not what it should be; the message says where."""


class Empty(Broken):
    """A feed without an entry."""


class Undated(Broken):
    """A feed of which nobody says how old it is, or that comes from the future."""


@dataclass(frozen=True, slots=True)
class Fix:
    """A source package closes holes in one version, for one platform ("debian-12"). advisory: its id, "" for none."""

    platform: str
    package: str
    version: str
    cves: tuple[str, ...]
    advisory: str = ""


@dataclass(frozen=True, slots=True)
class Entries:
    """What one feed says. claims are by CVE name or advisory, likely by CVE name."""

    kind: str
    date: dt.datetime | None = None
    exploited: tuple[str, ...] = ()
    claims: tuple[tuple[str, Claim], ...] = ()
    likely: tuple[tuple[str, float], ...] = ()
    fixes: tuple[Fix, ...] = ()

    def __len__(self) -> int:
        return len(self.exploited) + len(self.claims) + len(self.likely) + len(self.fixes)


def parse(kind: str, texts: Iterable[str], now: dt.datetime, given: dt.datetime | None = None) -> Entries:
    """The entries of a feed; Broken, Empty or Undated where it is not what it should be.

    texts are its documents: one, or those of an archive. given is the date that somebody gives it: the older of that
    and its own is taken, so that no feed is younger than it is.
    """
    documents = list(texts)
    date = min((told for told in (given, date_of(kind, documents)) if told is not None), default=None)
    found = _PARSERS[kind](documents, TITLES[kind] + (f" {date:%Y-%m-%d}" if date else ""))
    if not len(found):
        raise Empty("it has no entry")
    if date is None:
        raise Undated("it has no date of its own, and none is given")
    if date > now + dt.timedelta(days=1):
        raise Undated(f"it is dated {date:%Y-%m-%d}, which is to come")
    return replace(found, date=date)


def date_of(kind: str, texts: Iterable[str]) -> dt.datetime | None:
    """The date that a feed gives itself, None where it gives none. OSV's is that of its newest entry."""
    pattern = {
        KEV: r'"dateReleased"\s*:\s*"([^"]+)"',
        EPSS: r"score_date:([^,\s]+)",
        OSV: r'"modified"\s*:\s*"([^"]+)"',
    }.get(kind)
    found = [_time(told) for text in texts for told in re.findall(pattern, text)] if pattern else []
    return max((date for date in found if date is not None), default=None)


def _time(text: str) -> dt.datetime | None:
    """ISO 8601; where there is no zone it is UTC."""
    # KEV has four digits after the second, which is ISO but not Python's.
    bare = re.sub(r"(\.\d+)", "", text.strip())
    try:
        found = dt.datetime.fromisoformat(re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", bare))
    except ValueError:
        return None
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Broken(f"it is no JSON: {error}") from error


def _kev(documents: list[str], _source: str) -> Entries:
    names = []
    for document in documents:
        found = _json(document)
        rows = found.get("vulnerabilities") if isinstance(found, dict) else None
        if not isinstance(rows, list):
            raise Broken("it has no list vulnerabilities")
        names += [_cve(row.get("cveID") if isinstance(row, dict) else None) for row in rows]
        count = found.get("count")
        if count is not None and count != len(rows):
            raise Broken(f"it says that it has {count} entries and has {len(rows)}: it is cut off")
    return Entries(KEV, exploited=tuple(sorted(set(names))))


def _cve(value: object) -> str:
    name = str(value).strip().upper()
    if not _CVE.fullmatch(name):
        raise Broken(f"an entry has no CVE name but {str(value)[:40]!r}")
    return name


def _epss(documents: list[str], _source: str) -> Entries:
    likely: list[tuple[str, float]] = []
    for document in documents:
        lines = (line for line in document.splitlines() if line and not line.startswith("#"))
        rows = csv.DictReader(lines)
        if not {"cve", "epss"} <= set(rows.fieldnames or ()):
            raise Broken("its first line does not name the columns cve and epss")
        likely += [(_cve(row["cve"]), _probability(row["epss"])) for row in rows]
    return Entries(EPSS, likely=tuple(sorted(likely)))


def _probability(text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise Broken(f"{str(text)[:40]!r} is no probability")
    return value


def _debian(documents: list[str], _source: str) -> Entries:
    """Package, CVE, releases, each with status and fixed_version. Its urgency is not assigned any more: not read."""
    fixes = []
    for document in documents:
        found = _json(document)
        if not isinstance(found, dict):
            raise Broken("it is no mapping of packages")
        for package, holes in found.items():
            if not isinstance(holes, dict):
                raise Broken(f"what it says of {package[:40]!r} is no mapping")
            for name, hole in holes.items():
                fixes += list(_debian_fixes(str(package), str(name), hole))
    return Entries(DEBIAN, fixes=tuple(fixes))


def _debian_fixes(package: str, name: str, hole: object) -> Iterator[Fix]:
    releases = hole.get("releases") if isinstance(hole, dict) else None
    if not isinstance(releases, dict):
        raise Broken(f"{name[:40]!r} of {package[:40]!r} has no releases")
    for codename, release in releases.items():
        version = release.get("fixed_version") if isinstance(release, dict) else None
        # Version 0: the release never had the hole. What is not CVE-... is a number of the tracker's own.
        if codename in _DEBIAN and version and str(version) != "0":
            cves = (name.upper(),) if _CVE.fullmatch(name.upper()) else ()
            yield Fix(f"debian-{_DEBIAN[codename]}", package, str(version), cves, "" if cves else name)


def _osv(documents: list[str], source: str) -> Entries:
    claims: list[tuple[str, Claim]] = []
    fixes: list[Fix] = []
    for document in documents:
        for entry in _osv_entries(document):
            if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
                raise Broken("an entry has no id")
            # Withdrawn: its maker says that there is no such hole.
            if not entry.get("withdrawn"):
                claims += _osv_claims(entry, source)
                fixes += _osv_fixes(entry)
    return Entries(OSV, claims=tuple(claims), fixes=tuple(fixes))


def _osv_entries(document: str) -> list[Any]:
    """One entry, a list of them, an answer of the interface ({"vulns": [...]}), or one entry a line."""
    try:
        found = json.loads(document)
    except ValueError:
        return [_json(line) for line in document.splitlines() if line.strip()]
    if isinstance(found, dict):
        found = found["vulns"] if isinstance(found.get("vulns"), list) else [found]
    return list(found) if isinstance(found, list) else [found]


def _names(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The CVE names that an entry is about: its own, its other names, and those that it was made from."""
    told = [entry["id"], *_list(entry.get("aliases")), *_list(entry.get("upstream"))]
    return tuple(sorted({name for one in told for name in _CVE.findall(str(one).upper())}))


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list) else []


def _osv_claims(entry: Mapping[str, Any], source: str) -> Iterator[tuple[str, Claim]]:
    """Every rating of an entry, for each name that it has: its id, and its only CVE name.

    An advisory about several holes rates the worst of them, so it says nothing of one.
    """
    cves = _names(entry)
    keys = {str(entry["id"]), *(cves if len(cves) == 1 else ())}
    rated = _list(entry.get("severity"))
    for affected in _list(entry.get("affected")):
        rated += _list(affected.get("severity")) if isinstance(affected, dict) else []
    own = entry.get("database_specific")
    words = [own.get("severity")] if isinstance(own, dict) else []
    for row in rated:
        kind, value = (str(row.get("type", "")), str(row.get("score", ""))) if isinstance(row, dict) else ("", "")
        score = cvss.base_score(value) if kind.startswith("CVSS") else None
        if score is not None:
            text = f"{source}: {entry['id']} has CVSS {score}"
            yield from ((key, Claim(severity.of_score(score), severity.CVSS, text, score)) for key in sorted(keys))
        elif not kind.startswith("CVSS"):
            words.append(value)
    for word in words:
        if isinstance(word, str) and severity.of_word(word) != severity.UNKNOWN:
            text = f"{source}: {entry['id']} is {word}"
            yield from ((key, Claim(severity.of_word(word), severity.VENDOR, text)) for key in sorted(keys))


def _osv_fixes(entry: Mapping[str, Any]) -> Iterator[Fix]:
    """Where an entry is about a distribution's package: "Debian:12" is our "debian-12", "Ubuntu:24.04:LTS" too."""
    cves = _names(entry)
    advisory = "" if str(entry["id"]).startswith(("CVE-", "DEBIAN-CVE-", "UBUNTU-CVE-")) else str(entry["id"])
    for affected in _list(entry.get("affected")):
        package = affected.get("package") if isinstance(affected, dict) else None
        words = str(package.get("ecosystem", "")).split(":") if isinstance(package, dict) else []
        if len(words) < 2 or words[0] not in ("Debian", "Ubuntu") or not isinstance(package, dict):
            continue
        number = next((word for word in words[1:] if word[:1].isdigit()), "")
        for row in _list(affected.get("ranges")):
            for event in _list(row.get("events")) if isinstance(row, dict) else []:
                if isinstance(event, dict) and event.get("fixed"):
                    yield Fix(
                        f"{words[0].lower()}-{number}", str(package.get("name")), str(event["fixed"]), cves, advisory
                    )


_PARSERS: Mapping[str, Callable[[list[str], str], Entries]] = {KEV: _kev, OSV: _osv, DEBIAN: _debian, EPSS: _epss}


@dataclass(frozen=True, slots=True)
class Feeds:
    """What all feeds together say. exploited: CVE to who says so. warnings: what a person should know of the feeds.

    dates is by kind the date of the oldest of them.
    """

    exploited: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, tuple[Claim, ...]] = field(default_factory=dict)
    likely: Mapping[str, float] = field(default_factory=dict)
    fixes: Mapping[tuple[str, str], tuple[Fix, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    dates: Mapping[str, dt.datetime] = field(default_factory=dict)


def together(parts: Iterable[Entries], warnings: Iterable[str] = ()) -> Feeds:
    """All entries at once. The order of the parts means nothing, nor that of the entries in them."""
    exploited: dict[str, str] = {}
    claims: dict[str, set[Claim]] = {}
    likely: dict[str, float] = {}
    fixes: dict[tuple[str, str], set[Fix]] = {}
    dates: dict[str, dt.datetime] = {}
    for entries in parts:
        if entries.date is not None:
            dates[entries.kind] = min(entries.date, dates.get(entries.kind, entries.date))
        for name in entries.exploited:
            source = TITLES[entries.kind] + (f" {entries.date:%Y-%m-%d}" if entries.date else "")
            exploited[name] = max(source, exploited.get(name, source))
        for name, claim in entries.claims:
            claims.setdefault(name, set()).add(claim)
        for name, value in entries.likely:
            likely[name] = max(value, likely.get(name, 0.0))
        for fix in entries.fixes:
            fixes.setdefault((fix.platform, fix.package), set()).add(fix)
    return Feeds(
        MappingProxyType(exploited),
        MappingProxyType({name: tuple(sorted(some, key=repr)) for name, some in claims.items()}),
        MappingProxyType(likely),
        MappingProxyType({key: tuple(sorted(some, key=repr)) for key, some in fixes.items()}),
        tuple(sorted(set(warnings))),
        MappingProxyType(dates),
    )


def stale(kind: str, date: dt.datetime, now: dt.datetime, max_age: int | None = None) -> str | None:
    """A warning when a feed is older than it may be; what it says still counts."""
    limit = MAX_AGE[kind] if max_age is None else max_age
    age = (now - date).days
    if now - date <= dt.timedelta(days=limit):
        return None
    return f"{TITLES[kind]} of {date:%Y-%m-%d} is {age} days old ({limit} allowed): what became known since is missing"
