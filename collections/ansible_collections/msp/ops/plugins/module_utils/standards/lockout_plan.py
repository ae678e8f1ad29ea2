# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lockout_guard is asked to do: its arguments, and what is wrong with them. Pure: it looks at no host."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors

ARMED, PROVEN, REVERTED, STATUS = "armed", "proven", "reverted", "status"
SPEC: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": [ARMED, PROVEN, REVERTED, STATUS], "required": True},
    "name": {"type": "str", "required": True},
    "files": {"type": "list", "elements": "str", "default": []},
    "units": {"type": "list", "elements": "str", "default": []},
    "sysctls": {"type": "list", "elements": "str", "default": []},
    "tables": {"type": "list", "elements": "str", "default": []},
    "validate": {"type": "list", "elements": "list", "default": []},
    "seconds": {"type": "int", "default": 120},
    "because": {"type": "str"},
    "run": {"type": "str"},
    "lost_after": {"type": "int", "default": 420},
}
# What concerns the controller alone, and is not sent on.
OF_THE_CONTROLLER = ("lost_after",)
TOP = "/var/lib/msp-ops/guard"
ALL_TABLES = "all"
SECONDS_LEAST, SECONDS_MOST = 10, 3600

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_UNIT = re.compile(r"[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]*\.(service|socket|timer|target|path|mount)")
_SYSCTL = re.compile(r"[a-z0-9_]+([./][A-Za-z0-9_@:*-]+)+")
_TABLE = re.compile(r"(ip|ip6|inet|arp|bridge|netdev) [A-Za-z_][A-Za-z0-9_.-]*")


class Wanted(NamedTuple):
    state: str
    name: str
    files: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    validate: tuple[tuple[str, ...], ...] = ()
    seconds: int = 120
    because: str = ""
    run: str = ""


def parse(given: dict[str, Any]) -> Wanted:
    """The arguments as they are meant; MSP-STD-080 with everything that is wrong with them."""
    wanted = Wanted(
        state=str(given["state"]),
        name=str(given["name"]),
        files=_once(given["files"]),
        units=_once(given["units"]),
        sysctls=_once(given["sysctls"]),
        tables=_once(given["tables"]),
        validate=tuple(tuple(str(word) for word in words) for words in given["validate"]),
        seconds=int(given["seconds"]),
        because=str(given["because"] or ""),
        run=str(given["run"] or ""),
    )
    errors = list(_wrong(wanted))
    if errors:
        raise MspErrors(errors)
    return wanted


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _wrong(wanted: Wanted) -> Iterable[MspError]:
    if not _NAME.fullmatch(wanted.name):
        yield _refused("name: a word of lower-case letters, digits and hyphens", wanted.name)
    yield from _wrong_names(wanted)
    if ALL_TABLES in wanted.tables and len(wanted.tables) > 1:
        yield _refused("tables: all alone, or tables by their names", ", ".join(wanted.tables))
    for words in wanted.validate:
        if not words or not words[0]:
            yield _refused("validate: commands, each a list of words", repr(list(words)))
    if not SECONDS_LEAST <= wanted.seconds <= SECONDS_MOST:
        yield _refused("seconds: %d to %d" % (SECONDS_LEAST, SECONDS_MOST), str(wanted.seconds))
    if wanted.state == ARMED and not (wanted.files or wanted.units or wanted.sysctls or wanted.tables):
        yield _refused("something to bring back (files, units, sysctls, tables)", "nothing")


def _wrong_names(wanted: Wanted) -> Iterable[MspError]:
    for path in wanted.files:
        if not _is_plain(path):
            yield _refused("files: absolute paths without dots and doubled slashes, of things that can go", path)
    for what, names, form in (("units", wanted.units, _UNIT), ("sysctls", wanted.sysctls, _SYSCTL)):
        for name in names:
            if not form.fullmatch(name):
                yield _refused("%s: names, each in full" % what, name)
    for table in wanted.tables:
        if table != ALL_TABLES and not _TABLE.fullmatch(table):
            yield _refused("tables: a family and a name (inet msp), or all", table)


def _is_plain(path: str) -> bool:
    """A path that means one thing only; never the root itself, nor what the guard keeps."""
    return (
        path.startswith("/")
        and path != "/"
        and os.path.normpath(path) == path
        and not path.startswith("//")
        and path.isprintable()
        and not (path + "/").startswith(TOP + "/")
        and not (TOP + "/").startswith(path + "/")
    )


def _refused(expected: str, found: str) -> MspError:
    return MspError("MSP-STD-080", expected, found[:200], "correct the argument; nothing was done on the host")
