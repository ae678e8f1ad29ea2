# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Saves what is guarded, as it is on the host now. It changes nothing but the guard's own directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install.keeping import write_whole
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs
from ansible_collections.msp.ops.plugins.module_utils.patching.install.units import parse_show
from ansible_collections.msp.ops.plugins.module_utils.standards.lockout_plan import ALL_TABLES, Wanted
from ansible_collections.msp.ops.plugins.module_utils.standards.lockout_script import (
    ABSENT,
    DIRECTORY,
    FILE,
    LINK,
    LISTING,
    RULES,
    Saved,
    SavedPath,
    SavedSysctl,
    SavedUnit,
    rules,
    table_words,
)

# A guard is for configuration. What is larger would take longer to copy than anybody wants to be locked out.
MOST_FILES, MOST_BYTES = 2000, 50 * 1024 * 1024


class Saving:
    """place: the guard's directory; sysctls: where kernel parameters are files."""

    def __init__(self, programs: Programs, place: str, sysctls: str) -> None:
        self.programs = programs
        self.place = place
        self.sysctls = sysctls

    def look(self, wanted: Wanted) -> Saved:
        """What would be saved; MSP-STD-085 where something cannot be, MSP-STD-086 where it is not valid."""
        saved = Saved(
            tuple(self._paths(wanted.files)),
            tuple(self._units(wanted.units)),
            tuple(self._sysctl(name) for name in wanted.sysctls),
            wanted.tables,
            wanted.validate,
        )
        for words in wanted.validate:
            answer = self.programs.run(*words)
            if answer.status != 0:
                raise MspError(
                    "MSP-STD-086",
                    "the host's configuration to be valid as it is now, for the guard would bring it back",
                    "%s %s" % (" ".join(words), answer.reason()),
                    "put it right on the host, then run again; nothing was changed",
                )
        if wanted.tables:
            self._listings(wanted.tables)
        return saved

    def save(self, wanted: Wanted) -> Saved:
        """Copy it into the guard's directory, onto the disk: the power may go at any moment afterwards."""
        saved = self.look(wanted)
        for one in saved.paths:
            if one.kind != ABSENT:
                copy = os.path.join(self.place, one.copy)
                answer = self.programs.run("cp", "-a", "-T", "--", one.path, copy)
                if answer.status != 0:
                    raise _unsaved("a copy of %s" % one.path, "cp " + answer.reason())
                _onto_the_disk(copy)
        if wanted.tables:
            path = os.path.join(self.place, RULES)
            write_whole(path, rules(self._listings(wanted.tables)))
            # Without counters, which are others each time.
            plain = self._listings(wanted.tables, "--stateless").values()
            write_whole(os.path.join(self.place, LISTING), "".join(filter(None, plain)))
            answer = self.programs.run("nft", "-c", "-f", path)
            if answer.status != 0:
                raise _unsaved("nft to read its own listing of %s" % ", ".join(wanted.tables), "nft " + answer.reason())
        return saved

    def _paths(self, files: Iterable[str]) -> Iterator[SavedPath]:
        for number, path in enumerate(_with_targets(files)):
            kind = _kind(path)
            if kind == DIRECTORY:
                _bounded(path)
            yield SavedPath(path, kind, "" if kind == ABSENT else "copy-%d" % number)

    def _units(self, names: tuple[str, ...]) -> Iterator[SavedUnit]:
        if not names:
            return
        asked = ("--property=Id", "--property=LoadState", "--property=ActiveState", "--property=UnitFileState")
        for name in names:
            answer = self.programs.run("systemctl", "show", *asked, "--", name)
            if answer.status != 0:
                raise _unsaved("the state of the unit %s" % name, "systemctl show " + answer.reason())
            fields = parse_show(answer.out)[0]
            active = fields.get("ActiveState") in ("active", "activating", "reloading")
            there = fields.get("LoadState") != "not-found"
            yield SavedUnit(name, active, fields.get("UnitFileState", ""), there)

    def _sysctl(self, name: str) -> SavedSysctl:
        # Where a name holds a slash, its dots are part of a name (net/ipv4/conf/eth0.100/rp_filter).
        path = os.path.join(self.sysctls, name if "/" in name else name.replace(".", "/"))
        try:
            with open(path, encoding="utf-8") as stream:
                return SavedSysctl(name, path, stream.read().rstrip("\n"))
        except (OSError, UnicodeDecodeError) as error:
            raise _unsaved("the kernel parameter %s" % name, str(error)) from error

    def _listings(self, tables: tuple[str, ...], *options: str) -> dict[str, str | None]:
        """nft's listing of each; None for a table that is not there."""
        names = self.programs.run("nft", "list", "tables")
        if names.status != 0:
            raise _unsaved("the names of nftables' tables", "nft " + names.reason())
        there = {line.partition("table ")[2].strip() for line in names.out.splitlines()}
        found: dict[str, str | None] = {}
        for table in tables:
            words = table_words(table)
            if table != ALL_TABLES and table not in there:
                found[table] = None
                continue
            answer = self.programs.run("nft", *options, "list", *words)
            if answer.status != 0:
                raise _unsaved("nftables' %s" % " ".join(words), "nft " + answer.reason())
            found[table] = answer.out
        return found


def _with_targets(files: Iterable[str]) -> list[str]:
    """The paths, and what those lead to that are links: a change may be of either."""
    found: dict[str, None] = {}
    for path in files:
        found[path] = None
        if os.path.islink(path):
            found[os.path.realpath(path)] = None
    return list(found)


def _kind(path: str) -> str:
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    for kind, fits in ((LINK, stat.S_ISLNK), (DIRECTORY, stat.S_ISDIR), (FILE, stat.S_ISREG)):
        if fits(mode):
            return kind
    raise _unsaved("a file, a directory or a link at %s" % path, "something else")


def _bounded(directory: str) -> None:
    files = size = 0
    for place, _directories, names in os.walk(directory):
        for name in names:
            files += 1
            size += os.lstat(os.path.join(place, name)).st_size
        if files > MOST_FILES or size > MOST_BYTES:
            raise _unsaved(
                "at most %d files and %d MiB in %s" % (MOST_FILES, MOST_BYTES // 1024 // 1024, directory), "more"
            )


def _onto_the_disk(copy: str) -> None:
    paths = [copy]
    if os.path.isdir(copy) and not os.path.islink(copy):
        paths += [os.path.join(place, name) for place, _directories, names in os.walk(copy) for name in names]
    for path in paths:
        if os.path.islink(path) or not (os.path.isfile(path) or os.path.isdir(path)):
            continue
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _unsaved(expected: str, found: str) -> MspError:
    return MspError(
        "MSP-STD-085", expected, found, "put it right on the host or leave it out; nothing was changed on the host"
    )
