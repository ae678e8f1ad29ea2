# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook disk_full: what grew on a file system, a clean-up within the fixed policy (cleaning.py), and what that gave.

It cleans one kind after another and stops as soon as there is room. What the policy does not name it never touches.
"""

from __future__ import annotations

import os
import time
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.runbooks import answer, cleaning, file_system, words
from ansible_collections.msp.ops.plugins.module_utils.runbooks.answer import Answer
from ansible_collections.msp.ops.plugins.module_utils.runbooks.cleaning import JOURNAL, KINDS, LOGS, PACKAGES, TEMPORARY
from ansible_collections.msp.ops.plugins.module_utils.runbooks.file_system import Fullness, Held, Looked
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import Tools

SPEC: dict[str, dict[str, Any]] = {
    "mount": {"type": "str", "required": True},
    "percent": {"type": "int", "default": 90},
    "clean": {"type": "list", "elements": "str", "choices": list(KINDS), "default": list(KINDS)},
    "log_days": {"type": "int", "default": 30},
    "temporary_days": {"type": "int", "default": 10},
    "journal_megabytes": {"type": "int", "default": 200},
}
# So far below the mark, that it is not reached again within the hour.
ROOM = 5
_CACHES = {"/var/cache/apt/archives": ("apt-get", "clean"), "/var/cache/dnf": ("dnf", "clean", "packages")}
_JOURNALS = "/var/log/journal"
# What else may fill a disk of the system's is no file system for data: nothing there is anybody's to clean.
_NO_DISK = frozenset(("proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "squashfs", "iso9660", "efivarfs"))


def act(tools: Tools, given: dict[str, Any]) -> Answer:
    mount, most = given["mount"], given["percent"]
    kind = file_system.mounts(tools.host.text("/proc/self/mountinfo")).get(mount)
    if kind is None or kind in _NO_DISK:
        why = "nothing is mounted there" if kind is None else "a file system of the type %s is no disk" % kind
        return answer.gave_up([], {}, "%s: %s. Look whether a disk is missing on this host" % (mount, why))
    before = file_system.fullness(mount)
    measured = file_system.as_measured(before)
    if before.worst < most:
        return answer.nothing_to_do(["%s is %s" % (mount, said(before))], measured)
    device = os.stat(mount).st_dev
    now = time.time()
    looked = file_system.look(mount, now)
    held = file_system.held(tools.host, device)
    found = tell(mount, before, looked, held)
    steps = _Steps(tools, given, device, now)
    if tools.check:
        would = steps.would()
        if would:
            return answer.would_mend(found, measured, would)
        return answer.gave_up(found, measured, reason(mount, before, most, looked, held))
    did = steps.until(lambda: file_system.fullness(mount).worst <= most - ROOM)
    after = file_system.fullness(mount)
    left = reason(mount, after, most, looked, held) if after.worst >= most else ""
    return answer.acted([*found, *steps.trouble], did, measured, file_system.as_measured(after), left)


# -- in words ------------------------------------------------------------------------------------------------------


def said(found: Fullness) -> str:
    full = "%d %% full (%s free of %s)" % (
        found.percent_used,
        words.size(found.bytes_free),
        words.size(found.bytes_total),
    )
    if found.inodes_percent_used > found.percent_used:
        full += ", and of its places for files (inodes) %d %% are taken" % found.inodes_percent_used
    return full


def tell(mount: str, before: Fullness, looked: Looked, held: list[Held]) -> list[str]:
    found = ["%s is %s" % (mount, said(before))]
    found.append("within the last day %s were written there" % words.size(looked.grown))
    for one in looked.directories:
        if one.grown:
            shape = "%s grew: %s of %s in it were written within the last day"
            found.append(shape % (words.plain(one.path), words.size(one.grown), words.size(one.size)))
    for one in looked.files:
        lately = ", written within the last day" if one.grown else ""
        found.append("big: %s (%s%s)" % (words.plain(one.path), words.size(one.size), lately))
    for one in held[:3]:
        found.append("deleted and still open: " + _holder(one))
    if before.inodes_percent_used >= before.percent_used and looked.directories:
        most = max(looked.directories, key=lambda one: one.entries)
        found.append("most files of these: %s has %d" % (words.plain(most.path), most.entries))
    if not looked.complete:
        found.append("there is more on it than was looked at (%d entries)" % file_system.MOST_ENTRIES)
    return found


def _holder(one: Held) -> str:
    by = "%s (process %d%s)" % (words.plain(one.command, 40), one.process, ", %s" % one.unit if one.unit else "")
    return "%s, %s, by %s" % (words.plain(one.path), words.size(one.size), by)


def reason(mount: str, now: Fullness, most: int, looked: Looked, held: list[Held]) -> str:
    """What a person goes on with: what of it is biggest that this runbook may not touch."""
    next_look = []
    if held and held[0].size * 20 >= now.bytes_total:
        next_look.append("restarting what holds a deleted file would free it (%s)" % _holder(held[0]))
    if looked.directories and looked.directories[0].grown:
        next_look.append("what grew is in %s" % words.plain(looked.directories[0].path))
    if looked.files:
        next_look.append(
            "the biggest file is %s (%s)" % (words.plain(looked.files[0].path), words.size(looked.files[0].size))
        )
    full = "%s is %s, and from %d %% on that is a problem; all that may be cleaned is cleaned" % (
        mount,
        said(now),
        most,
    )
    return "; ".join([full, *next_look])


# -- the clean-up --------------------------------------------------------------------------------------------------


class _Steps:
    """One step for each kind, the cheapest first: a package's file can be fetched again, a log cannot."""

    def __init__(self, tools: Tools, given: dict[str, Any], device: int, now: float) -> None:
        self.tools = tools
        self.given = given
        self.device = device
        self.rules = cleaning.Rules(tuple(given["clean"]), given["log_days"], given["temporary_days"])
        self.now = now
        # What did not work, in sentences: a lock that somebody holds keeps no other step from being done.
        self.trouble: list[str] = []

    def until(self, enough: Any) -> list[str]:
        """What was done, in sentences."""
        did = []
        for kind in KINDS:
            if kind in self.given["clean"] and not enough():
                done = {PACKAGES: self._packages, JOURNAL: self._journal}.get(kind, lambda: self._files(kind))()  # noqa: B023
                did += [done] if done else []
        return did

    def would(self) -> list[str]:
        found = []
        caches = self._caches()
        if PACKAGES in self.given["clean"] and caches:
            found.append("empty the cache of packages (%s)" % ", ".join(sorted(caches)))
        if JOURNAL in self.given["clean"] and self._journal_size() > self._journal_most():
            found.append("shrink the journal to %s" % words.size(self._journal_most()))
        for kind in (LOGS, TEMPORARY):
            files = self._chosen(kind) if kind in self.given["clean"] else []
            if files:
                found.append(_deleted("delete", kind, files, self.given))
        return found

    def _caches(self) -> list[str]:
        return [place for place in _CACHES if self._here(place) and _has_packages(place)]

    def _here(self, place: str) -> bool:
        try:
            return os.stat(place).st_dev == self.device
        except OSError:
            return False

    def _packages(self) -> str:
        before = sum(_size(place) for place in _CACHES)
        for place in self._caches():
            self._run(*_CACHES[place])
        freed = before - sum(_size(place) for place in _CACHES)
        return "emptied the cache of packages (%s)" % words.size(freed) if freed > 0 else ""

    def _run(self, *argv: str) -> None:
        done = self.tools.programs.run(*argv)
        if done.status != 0:
            self.trouble.append("%s did not work: %s" % (" ".join(argv), words.plain(done.reason())))

    def _journal_most(self) -> int:
        return int(self.given["journal_megabytes"]) * 1000 * 1000

    def _journal_size(self) -> int:
        return _size(_JOURNALS) if self._here(_JOURNALS) else 0

    def _journal(self) -> str:
        before = self._journal_size()
        if before <= self._journal_most():
            return ""
        self._run("journalctl", "--rotate", "--vacuum-size=%d" % self._journal_most())
        freed = before - self._journal_size()
        return "shrank the journal by %s" % words.size(freed) if freed > 0 else ""

    def _chosen(self, kind: str) -> list[cleaning.File]:
        areas = [area for area in cleaning.AREAS if area.kind == kind]
        files = [one for area in areas for one in cleaning.there(area, self.device)]
        in_use = file_system.in_use(self.tools.host) if files else set()
        busy = file_system.running_users(self.tools.host) if files else set()
        return cleaning.chosen(files, self.rules, self.now, self.device, in_use, busy)

    def _files(self, kind: str) -> str:
        gone = [one for one in self._chosen(kind) if cleaning.delete(one)]
        return _deleted("deleted", kind, gone, self.given) if gone else ""


def _deleted(verb: str, kind: str, files: list[cleaning.File], given: dict[str, Any]) -> str:
    what, days = {
        LOGS: ("rotated logs in /var/log", given["log_days"]),
        TEMPORARY: ("temporary files that nobody uses", given["temporary_days"]),
    }[kind]
    size = words.size(sum(one.size for one in files))
    shown = words.listed([words.plain(one.path, 100) for one in sorted(files, key=lambda one: -one.size)], 3)
    return "%s %d %s older than %d days (%s): %s" % (verb, len(files), what, days, size, shown)


def _has_packages(place: str) -> bool:
    return any(name.endswith((".deb", ".rpm")) for _top, _below, names in os.walk(place) for name in names)


def _size(place: str) -> int:
    total = 0
    for top, _below, names in os.walk(place):
        for name in names:
            try:
                total += os.lstat(os.path.join(top, name)).st_blocks * file_system.BLOCK
            except OSError:
                continue
    return total
