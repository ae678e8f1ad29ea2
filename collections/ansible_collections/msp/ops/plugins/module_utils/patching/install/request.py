# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host is asked to install, checked for its shape before anything is done with it. Pure: no I/O.

Everything in it came over the network: a name that could be an option, a path or a shell's word is refused here.
"""

from __future__ import annotations

import datetime
import fnmatch
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

NEVER, IF_NEEDED, ALWAYS = REBOOTS = ("never", "if_needed", "always")
KINDS = {
    "unit": ("unit",),
    "tcp": ("port",),
    "http": ("url", "status"),
    "command": ("command",),
    "baseline": ("compare",),
}
MARGINS = {"/": 200, "/usr": 200, "/var": 200, "/boot": 50}
_ROLLOUT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9_-]*")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~:_^-]*")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]+\.(service|socket|timer|target|mount|path)")
_PATTERN = re.compile(r"\S{1,200}")
# What is a tuple in a request, and a list where it is kept.
_LISTS = ("before", "after", "open_rollouts", "excluded", "unseen")


@dataclass(frozen=True)
class Package:
    """One package at one version, of the manifest."""

    name: str
    architecture: str
    version: str

    @property
    def key(self) -> str:
        return "%s:%s" % (self.name, self.architecture)


@dataclass(frozen=True)
class Request:
    """The host's part of one rollout. deadline and begin_by are moments in seconds since 1970; None: there is no end.

    margins are MiB that stay free, by path. before and after are checks as plan.plain() writes them. open_rollouts are
    those that are not over, on any host: what is kept of others may be pruned. None: nothing is. linger: seconds that
    a look at work that goes on may wait for its end.

    excluded are patterns of names: what is installed and bears such a name stays at its version. unseen are keys of
    packages that the host's last scan did not know as waiting: one of them that no source has is left out.
    finish_only: what was begun comes to its end, nothing more is installed, and nothing reboots.
    """

    rollout: str
    packages: tuple[Package, ...]
    machine_id: str | None = None
    reboot: str = IF_NEEDED
    restart_services: bool = True
    before: tuple[dict, ...] = ()
    after: tuple[dict, ...] = ()
    check_seconds: int = 60
    deadline: float | None = None
    margins: dict = field(default_factory=lambda: dict(MARGINS))
    lock_timeout: int = 60
    controller_time: float | None = None
    begin_by: float | None = None
    open_rollouts: tuple[str, ...] | None = None
    linger: float = 0.0
    excluded: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    finish_only: bool = False

    def as_dict(self) -> dict:
        return asdict(self)

    def over(self, now: float) -> bool:
        """The window has ended: nothing is begun and nothing reboots any more."""
        return self.deadline is not None and now >= self.deadline

    def excludes(self, key: str) -> bool:
        """Whether the package NAME:ARCHITECTURE has to stay at its version, by its name."""
        name = key.rpartition(":")[0]
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.excluded)

    def late(self, now: float) -> bool:
        """Who asks may not begin anything any more: another controller may have its place by now."""
        return self.begin_by is not None and now >= self.begin_by


def parse(arguments: dict) -> Request:
    """The module's arguments as a request; MSP-PAT-100 names everything that is wrong with them."""
    wrong: list[str] = []
    rollout = str(arguments.get("rollout") or "")
    if not _ROLLOUT.fullmatch(rollout):
        wrong.append("rollout is no id of letters, digits, dots, hyphens and underscores")
    packages = [_package(row, wrong) for row in arguments.get("packages") or ()]
    names = [package.key for package in packages]
    wrong += ["%s is there twice" % name for name in sorted(set(names)) if names.count(name) > 1]
    checks = {when: _checks(when, arguments.get("checks_" + when) or (), wrong) for when in ("before", "after")}
    deadline = _moment("deadline", arguments.get("deadline"), wrong)
    controller = _moment("controller_time", arguments.get("controller_time"), wrong)
    begin_by = _moment("begin_by", arguments.get("begin_by"), wrong)
    margins = dict(MARGINS)
    margins.update(_margins(arguments.get("margins") or {}, wrong))
    still_open = arguments.get("open_rollouts")
    excluded = tuple(str(pattern) for pattern in arguments.get("excluded") or ())
    wrong += ["excluded has %r, which is no pattern of names" % one for one in excluded if not _PATTERN.fullmatch(one)]
    if wrong:
        raise MspError(
            "MSP-PAT-100",
            "arguments in the shape that msp.ops.patch_install describes",
            "; ".join(wrong),
            "correct what is named; nothing was done",
        )
    return Request(
        rollout=rollout,
        packages=tuple(packages),
        machine_id=str(arguments.get("machine_id") or "") or None,
        reboot=str(arguments.get("reboot") or IF_NEEDED),
        restart_services=bool(arguments.get("restart_services", True)),
        before=checks["before"],
        after=checks["after"],
        check_seconds=int(arguments.get("check_seconds") or 0),
        deadline=deadline,
        margins=margins,
        lock_timeout=int(arguments.get("lock_timeout") or 0),
        controller_time=controller,
        begin_by=begin_by,
        linger=float(arguments.get("linger") or 0),
        open_rollouts=None if still_open is None else tuple(str(name) for name in still_open),
        excluded=excluded,
        unseen=tuple(str(key) for key in arguments.get("unseen") or ()),
        finish_only=bool(arguments.get("finish_only")),
    )


def restore(kept: dict) -> Request:
    """A request again out of what as_dict() gave."""
    packages = tuple(Package(**row) for row in kept["packages"])
    lists = {name: tuple(kept[name]) for name in _LISTS if kept.get(name) is not None}
    return Request(**dict(kept, packages=packages, **lists))


def _package(row: dict, wrong: list[str]) -> Package:
    package = Package(*(str(row.get(name) or "") for name in ("name", "architecture", "version")))
    for pattern, value in (
        (_NAME, package.name),
        (_ARCHITECTURE, package.architecture),
        (_VERSION, package.version),
    ):
        if not pattern.fullmatch(value):
            wrong.append("%r is no part of a package's name, architecture and version" % value)
    return package


def _checks(when: str, rows: Any, wrong: list[str]) -> tuple[dict, ...]:
    for row in rows:
        kind = row.get("kind")
        if kind not in KINDS:
            wrong.append("checks_%s has a check of the kind %r" % (when, kind))
            continue
        lacking = [name for name in KINDS[kind] if not row.get(name)]
        wrong.extend("a check %s in checks_%s lacks %s" % (kind, when, name) for name in lacking)
        if kind == "unit" and not _UNIT.fullmatch(str(row.get("unit"))):
            wrong.append("%r in checks_%s is no unit of systemd" % (row.get("unit"), when))
        if kind == "http" and not str(row.get("url")).startswith(("http://", "https://")):
            wrong.append("%r in checks_%s is no address of HTTP" % (row.get("url"), when))
    return tuple(dict(row) for row in rows)


def _moment(name: str, text: Any, wrong: list[str]) -> float | None:
    if text in (None, ""):
        return None
    try:
        moment = datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        wrong.append("%s is no moment with its zone, as 2026-11-26T02:00:00Z" % name)
        return None
    return moment.timestamp()


def _margins(given: dict, wrong: list[str]) -> dict:
    found = {}
    for path, number in given.items():
        if not str(path).startswith("/") or not str(number).isdigit():
            wrong.append("margins has %r: %r, which is no path and number of MiB" % (path, number))
        else:
            found[str(path)] = int(number)
    return found
