# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which holes each version closes, by the changelog inside the package itself. Only when asked for: it downloads.

A package's own changelog has the entries of every version, those too that no archive carries any more. All packages
of one source have the same, so one small package for each source is fetched, as an unprivileged user, into a directory
that is gone afterwards. Nothing is unpacked to the disk. Bounded in number, bytes and time; what was left out is said.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
import time
import zlib
from typing import IO

from ansible_collections.msp.ops.plugins.module_utils.audit.host import NOBODY, SEARCH_PATH, Host
from ansible_collections.msp.ops.plugins.module_utils.patching import debversion, shape

MOST_SOURCES = 100
MOST_BYTES_A_PACKAGE = 64 * 1024 * 1024
MOST_BYTES = 256 * 1024 * 1024
MOST_BYTES_OF_A_CHANGELOG = 4 * 1024 * 1024
MOST_SECONDS = 240
# The documentation of a package may be a link to another's: then the next of the same source is tried.
MOST_TRIES = 3

_HEADER = re.compile(r"^[a-z0-9][a-z0-9+.-]* \((?P<version>[^)\s]+)\)(?P<places>[^;]*);", re.IGNORECASE)
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,}\b", re.IGNORECASE)


class Wanting:
    """One update whose changelog is wanted: how apt calls it, its row, and the size of its package in bytes."""

    __slots__ = ("called", "row", "size")

    def __init__(self, called: str, row: dict, size: int) -> None:
        self.called = called
        self.row = row
        self.size = size


def parse(text: str, after: str) -> list[tuple[str, str, list[str]]]:
    """The entries that are newer than a source version, newest first: (version, distributions, CVE names)."""
    found: list[tuple[str, str, list[str]]] = []
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header:
            if debversion.compare(header.group("version"), after) <= 0:
                break
            found.append((header.group("version"), header.group("places").strip(), []))
        elif found:
            found[-1][2].extend(name.upper() for name in _CVE.findall(line))
    return [(version, places, sorted(set(cves))) for version, places, cves in found]


def merge(row: dict, entries: list[tuple[str, str, list[str]]], source_version: str) -> None:
    """Put the entries into an update: on the versions that it has, and as versions of their own.

    A version that no archive carries any more is told by its changelog only, and so is the archive it was made for.
    """
    by_version = {_plain(one["version"]): one for one in row["versions"]}
    candidate = by_version[_plain(row["candidate"])]
    candidate["changelog"] = True
    same_numbers = _plain(row["candidate"]) == _plain(source_version)
    for version, places, cves in entries:
        known = by_version.get(_plain(version))
        if known is None and same_numbers and debversion.compare(version, source_version) < 0:
            security = any(place.endswith("-security") for place in places.split())
            known = shape.version(version, "changelog/%s" % places if places else None, security)
            row["versions"].append(known)
        # A package may count otherwise than its source, and what a release got from a later one has a higher number
        # than the candidate itself: the candidate stands for those.
        known = known or candidate
        known["cves"] = sorted(set(known["cves"]) | set(cves))
        known["changelog"] = True
    row["versions"].sort(key=lambda one: debversion.key(one["version"]))
    row["cves"] = sorted({name for one in row["versions"] for name in one["cves"]} | set(row["cves"]))
    if any(one["security"] for one in row["versions"]):
        row["security"] = True


def _plain(version: str) -> str:
    """Without a rebuild's "+b1", which has no entry of its own."""
    return re.sub(r"\+b\d+$", "", version)


def collect(host: Host, wanted: list[Wanting]) -> None:
    """Read what can be read within the bounds, put it into the rows, and note what could not."""
    groups: dict[tuple[str, str], list[Wanting]] = {}
    for one in sorted(wanted, key=lambda one: (one.size, one.called)):
        groups.setdefault((one.row["source"], one.row["source_to"]), []).append(one)
    end = time.monotonic() + MOST_SECONDS
    spent = 0
    for number, (source, members) in enumerate(sorted(groups.items())):
        why = _over(number, spent, members[0].size, end)
        if why is None:
            text, size, why = _changelog(host, members, end)
            spent += size
        if why is not None:
            host.unknown("changelog of " + source[0], why)
            continue
        for one in members:
            merge(one.row, parse(text, one.row["source_from"]), source[1])


def _over(number: int, spent: int, size: int, end: float) -> str | None:
    if number >= MOST_SOURCES:
        return "more than %d source packages have updates" % MOST_SOURCES
    if size > MOST_BYTES_A_PACKAGE:
        return "its smallest package has %d MB" % (size // 1000000)
    if spent + size > MOST_BYTES:
        return "the changelogs before it took %d MB already" % (spent // 1000000)
    return "the time for changelogs is over" if time.monotonic() > end else None


def _changelog(host: Host, members: list[Wanting], end: float) -> tuple[str, int, str | None]:
    """Text, bytes fetched, and why there is no text."""
    size, why = 0, "none of its packages has one"
    for one in members[:MOST_TRIES]:
        if size + one.size > MOST_BYTES_A_PACKAGE:
            break
        version = one.row["candidate"]
        place, seconds = host.scratch(), max(1.0, end - time.monotonic())
        argv = ("apt-get", "-q", "download", "%s=%s" % (one.called, version))
        answer = host.run(*argv, unprivileged=True, cwd=place, seconds=seconds)
        size += one.size
        file = next((os.path.join(place, name) for name in sorted(os.listdir(place)) if name.endswith(".deb")), None)
        if answer.status != 0 or file is None:
            return "", size, "apt-get download %s" % answer.reason()
        try:
            text = _read(host, file, one.row["name"], end)
        except (OSError, tarfile.TarError, zlib.error, EOFError) as error:
            return "", size, "%s: %s" % (type(error).__name__, str(error)[:200])
        finally:
            os.unlink(file)
        if text is not None:
            return text, size, None
    return "", size, why


def _read(host: Host, file: str, name: str, end: float) -> str | None:
    """The changelog in a package, streamed; None when it has none as a file of its own."""
    program = host.program("dpkg-deb")
    if program is None:
        raise OSError("there is no dpkg-deb")
    other = NOBODY if host.privileged else None
    # Streamed, for a package may be large unpacked: run_command() of a module would keep all of it.
    with subprocess.Popen(  # pylint: disable=ansible-bad-function
        [program, "--fsys-tarfile", file],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": SEARCH_PATH, "LC_ALL": "C"},
        user=other,
        group=other,
        extra_groups=None if other is None else [],
    ) as process:
        try:
            # Never None: it was asked for.
            return _find(process.stdout or io.BytesIO(), name, end)
        finally:
            process.kill()


def _find(stream: IO[bytes], name: str, end: float) -> str | None:
    """The packager's changelog; that of a package made by its own maker is called changelog.gz."""
    pattern = re.compile(r"(\./)?usr/share/doc/%s/changelog(\.Debian)?\.gz$" % re.escape(name))
    found = None
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if time.monotonic() > end:
                raise OSError("the time for changelogs is over")
            match = pattern.match(member.name)
            if match is None or not member.isfile():
                continue
            content = archive.extractfile(member)
            data = content.read(MOST_BYTES_OF_A_CHANGELOG) if content else b""
            # Enough of it to hold every entry that matters: the newest come first.
            found = zlib.decompressobj(31).decompress(data, MOST_BYTES_OF_A_CHANGELOG).decode("utf-8", "replace")
            if match.group(2):
                break
    return found
