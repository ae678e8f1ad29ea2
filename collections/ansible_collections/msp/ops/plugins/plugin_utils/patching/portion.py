# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a manifest is for one host. Pure: no I/O.

A manifest is one for all hosts of a platform; a host gets of it what the plan does not exclude there, what the host
itself does not hold back, and what comes from where the host has its packages from, by its own last scan.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Target
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Exclusion, Plan, exclusion_of
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Entry, Manifest, Scan, Update
from ansible_collections.msp.ops.plugins.plugin_utils.patching.wording import named

# A package: its name and architecture.
Package = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Portion:
    """What a host is to install. excluded are the patterns of packages that may not be moved there, whatever needs it.

    unseen are packages ("name:architecture") among the entries that its last scan did not list: it has them already, or
    not at all, or its lists were older. left_out says of the others why they stay ("nginx: hold"), why the same where
    nothing at all is for this host; empty: something is.
    """

    entries: tuple[Entry, ...]
    excluded: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What hosts of one platform with the same exclusions share: the versions of each package, those excluded aside."""

    of: Mapping[Package, tuple[Entry, ...]]
    several: frozenset[Package]
    nothing: str


class Portions:
    """The portions of one manifest, for any of its hosts. scans are the last good ones, by asset key."""

    def __init__(self, manifest: Manifest, plan: Plan, scans: Mapping[str, Scan], now: dt.datetime) -> None:
        self._manifest, self._plan, self._scans, self._now = manifest, plan, scans, now
        # Thousands of hosts are alike.
        self._kinds: dict[tuple[str, tuple[Exclusion, ...]], _Kind] = {}

    def of(self, target: Target) -> Portion:
        """What one host is to install."""
        exclusions = self._plan.exclusions_on(target.names, self._now)
        patterns = tuple(one.package for one in exclusions)
        kind = self._kind(target, exclusions)
        if kind.nothing:
            return Portion((), patterns, why=kind.nothing)
        listed = self._listed(target, kind)
        stays = self._stays(kind, listed)
        entries = tuple(_its_own(found, listed.get(one)) for one, found in kind.of.items() if one not in stays)
        unseen = tuple(f"{one.name}:{one.architecture}" for one in entries if _package(one) not in listed)
        left_out = tuple(f"{name}: {why}" for (name, _arch), why in sorted(stays.items()))
        return Portion(entries, patterns, unseen, left_out, "" if entries else _said(left_out))

    def nothing_left(self, targets: Iterable[Target]) -> dict[str, str]:
        """The hosts for which there is nothing today, each with why: World.left_out."""
        found = {}
        for target in targets:
            kind = self._kind(target, self._plan.exclusions_on(target.names, self._now))
            # What stays is looked at for each host, but only what it lists can stay.
            if kind.nothing or len(self._stays(kind, self._listed(target, kind))) == len(kind.of):
                found[target.host] = self.of(target).why
        return found

    def _kind(self, target: Target, exclusions: tuple[Exclusion, ...]) -> _Kind:
        key = target.platform, exclusions
        if key not in self._kinds:
            self._kinds[key] = _kind(self._manifest.for_platform(target.platform), exclusions)
        return self._kinds[key]

    def _listed(self, target: Target, kind: _Kind) -> dict[Package, Update]:
        """What the host's own scan says of the packages of the manifest."""
        scan = self._scans.get(target.asset)
        if scan is None or scan.platform != target.platform:
            return {}
        updates = {(one.update.name, one.update.architecture): one.update for one in scan.updates or ()}
        return {package: updates[package] for package in updates.keys() & kind.of.keys()}

    def _stays(self, kind: _Kind, listed: Mapping[Package, Update]) -> dict[Package, str]:
        """What is not for this host, with why."""
        stays = {package: why for package, update in listed.items() if (why := _against(kind.of[package], update))}
        # Of two lines of one package only one can be meant, and where nothing waits neither is.
        stays |= {package: "nothing of it waits there" for package in kind.several if package not in listed}
        return stays


def packages(manifest: Manifest) -> list[str]:
    """What a manifest brings, for a gate: "name:architecture", with the version where there is more than one of it."""
    counted = Counter((entry.platform, *_package(entry)) for entry in manifest.entries)
    return [
        f"{entry.name}:{entry.architecture}"
        + (f" {entry.version}" if counted[entry.platform, *_package(entry)] > 1 else "")
        for entry in manifest.entries
    ]


def _kind(entries: tuple[Entry, ...], exclusions: tuple[Exclusion, ...]) -> _Kind:
    of: dict[Package, tuple[Entry, ...]] = {}
    shut_out = None
    for entry in entries:
        if (one := exclusion_of(entry.name, exclusions)) is not None:
            shut_out = shut_out or one
        else:
            package = _package(entry)
            of[package] = (*of.get(package, ()), entry)
    nothing = ""
    if not entries:
        nothing = "the manifest has nothing for its platform"
    elif not of and shut_out is not None:
        nothing = f"all of it is excluded: {shut_out.reason} ({shut_out.owner})"
    return _Kind(of, frozenset(package for package, found in of.items() if len(found) > 1), nothing)


def _package(entry: Entry) -> Package:
    return entry.name, entry.architecture


def _against(entries: tuple[Entry, ...], update: Update) -> str:
    """Why a package stays as it is on the host that lists this update of it; empty: it moves."""
    if update.held:
        return update.held
    if next(_fitting(entries, update), None) is None:
        versions = named([entry.version for entry in entries])
        return f"it comes from {update.origin or 'another source'} there, not {versions}"
    return ""


def _its_own(entries: tuple[Entry, ...], update: Update | None) -> Entry:
    """The version that is meant for a host: the one that it lists, else the one from the same source."""
    return entries[0] if update is None else next(_fitting(entries, update))


def _fitting(entries: tuple[Entry, ...], update: Update) -> Iterator[Entry]:
    yield from (entry for entry in entries if entry.version == update.candidate)
    between = {one.version for one in update.versions}
    yield from (entry for entry in reversed(entries) if entry.version in between)
    yield from (entry for entry in entries if None in (entry.origin, update.origin) or entry.origin == update.origin)


def _said(left_out: tuple[str, ...]) -> str:
    return f"nothing of it is for this host: {'; '.join(left_out[:3])}" + ("; ..." if len(left_out) > 3 else "")
