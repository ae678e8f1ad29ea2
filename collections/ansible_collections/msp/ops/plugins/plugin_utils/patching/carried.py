# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a scan takes over from the last one of the same asset when it is recorded. Pure: no I/O.

A feed that was forgotten, or an older one of it, never lowers a class: what an earlier scan found urgent is so until a
scan judges it with as much. And something is owed since it was first found, not since it was found last.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

from ansible_collections.msp.ops.plugins.plugin_utils.patching import feeds, owing
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import CLASSES, SEVERITIES, Judged, Scan, Update

MOST_NAMED = 10


def over(scan: Scan, before: Scan | None) -> Scan:
    """The scan as it is recorded. before is the last good one of its asset that is recorded already, None for none."""
    if scan.updates is None:
        return scan
    if before is not None and before.at == scan.at:  # told again
        return replace(scan, updates=before.updates, feeds=before.feeds, owed_since=before.owed_since)
    if before is not None and before.at > scan.at:  # it came late: what was seen since it does not bear on it
        before = None
    scan = replace(scan, owed_since=_owed_since(scan, before))
    return scan if before is None or before.platform != scan.platform else _classes(scan, before)


def _owed_since(scan: Scan, before: Scan | None) -> Mapping[str, dt.datetime]:
    """Since when each thing that a scan finds is owed: without a boot meanwhile, since the scan before knew it."""
    owed = owing.found_by(scan)
    if before is None or (scan.booted_at is not None and scan.booted_at > before.at):
        return {what: scan.owed_since.get(what, scan.at) for what in owed}
    known = {what: before.owed_since.get(what, before.at) for what in owing.found_by(before)}
    return {what: min(known.get(what, scan.at), scan.owed_since.get(what, scan.at)) for what in owed}


def _classes(scan: Scan, before: Scan) -> Scan:
    """The scan with the classes of before, where it was judged with less and would lower them."""
    lacks = {kind: date for kind, date in before.feeds.items() if scan.feeds.get(kind, "") < date}
    was = {(one.update.name, one.update.architecture): one for one in before.updates or ()}
    updates = tuple(
        _kept(one, was.get((one.update.name, one.update.architecture)), before, less=bool(lacks))
        for one in scan.updates or ()
    )
    kept = sorted({one.update.name for one in updates if one.kept})
    warnings = (*scan.warnings, *([_said(scan, lacks, kept)] if lacks or kept else []))
    return replace(scan, updates=updates, feeds={**scan.feeds, **lacks}, warnings=warnings)


def _kept(one: Judged, was: Judged | None, before: Scan, *, less: bool) -> Judged:
    """The update as it was judged before, where the scan knows less of it and would make it less urgent."""
    if was is None or _urgency(was) >= _urgency(one) or not _waits_still(one.update, was.update):
        return one
    if not less and not (_was_read(was.update) and not _was_read(one.update)):
        return one
    return replace(was, update=one.update, kept=was.kept or f"{before.at:%Y-%m-%d}")


def _urgency(one: Judged) -> tuple[int, int]:
    """The smaller, the more urgent."""
    return CLASSES.index(one.patch_class), SEVERITIES.index(one.severity)


def _waits_still(update: Update, was: Update) -> bool:
    """Whether what waited before waits still: nothing was installed, or not as much as could be had then."""
    waiting = {update.candidate, *(version.version for version in update.versions)}
    return update.installed == was.installed or was.candidate in waiting


def _was_read(update: Update) -> bool:
    return any(version.changelog for version in update.versions)


def _said(scan: Scan, lacks: Mapping[str, str], kept: list[str]) -> str:
    """What a person should know: what was missing, how old what an earlier scan had is, and what keeps its class."""
    named = [
        f"{feeds.TITLES.get(kind, kind)} of {date} ({(scan.at.date() - dt.date.fromisoformat(date)).days} days old)"
        for kind, date in sorted(lacks.items())
    ]
    missing = " and ".join(named) or "changelogs"
    some = ", ".join(kept[:MOST_NAMED]) + (f" and {len(kept) - MOST_NAMED} more" if len(kept) > MOST_NAMED else "")
    keeps = f"; {some}: the class of then is kept" if kept else ""
    return (
        f"an earlier scan was judged with {missing}, this one without or with older: nothing is lowered by that{keeps}"
    )
