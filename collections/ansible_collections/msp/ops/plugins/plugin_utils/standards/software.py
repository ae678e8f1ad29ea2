# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is installed, by audits, held against the software sets: missing, forbidden, unknown, outdated, at its end.

Pure: no I/O. It judges by the same rules as the probes on a host (module_utils/standards/software_set.py); what audits
could not tell it says, and takes for neither good nor bad.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.module_utils.standards import software_set
from ansible_collections.msp.ops.plugins.module_utils.standards.software_set import DPKG, RPM, Package, Specification
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Assigned

if TYPE_CHECKING:
    from ansible_collections.msp.ops.plugins.plugin_utils.standards.end_of_life import EndOfLife

KINDS = FORBIDDEN, END_OF_LIFE, MISSING, OUTDATED, UNKNOWN = (
    "forbidden",
    "end of life",
    "missing",
    "outdated",
    "unknown",
)
REQUIRED_BY, FORBIDDEN_BY, ALLOWED_BY = ("software-required", "software-forbidden", "software-allowed")
# Where packages come from whose support is that of the operating system.
DISTRIBUTIONS = (
    "Debian/*",
    "Debian-Security/*",
    "Debian Backports/*",
    "Ubuntu/*",
    "UbuntuESM*",
    "Red Hat, Inc.",
    "CentOS",
    "Rocky Enterprise Software Foundation",
    "AlmaLinux",
    "Oracle America",
    "Amazon Linux",
    "Fedora Project",
)
_RPM_SYSTEMS = ("rhel", "centos", "rocky", "almalinux", "ol", "amzn", "fedora", "suse", "opensuse")


@dataclass(frozen=True, slots=True)
class SoftwareSet:
    """What a standard says of packages. None: it says nothing of that, as it has no such control."""

    required: tuple[Specification, ...] | None = None
    forbidden: tuple[Specification, ...] | None = None
    allowed: tuple[Specification, ...] | None = None
    origins: tuple[str, ...] = ()


def software_set_of(assigned: Assigned) -> SoftwareSet:
    """A waived control counts: what it would find is there all the same, and the waiver is told beside it."""
    held = {one.control.id: one.parameters for one in assigned.controls}

    def packages(control: str, *, required: bool = False) -> tuple[Specification, ...] | None:
        if control not in held:
            return None
        return tuple(software_set.parse(text, required=required) for text in held[control]["packages"])

    return SoftwareSet(
        required=packages(REQUIRED_BY, required=True),
        forbidden=packages(FORBIDDEN_BY),
        allowed=packages(ALLOWED_BY),
        origins=tuple(held[ALLOWED_BY]["origins"]) if ALLOWED_BY in held else (),
    )


@dataclass(frozen=True, slots=True)
class OnAsset:
    """What one asset has, by its last good audit at that time. platform is "debian-12".

    pending: by package name what waits and where it comes from, None where the audit could not tell. support_end is
    that of the operating system.
    """

    asset: str
    name: str
    at: dt.datetime
    platform: str
    packages: tuple[Package, ...]
    pending: Mapping[str, tuple[str, str | None]] | None = None
    support_end: dt.date | None = None
    wanted: SoftwareSet = field(default_factory=SoftwareSet)

    @property
    def manager(self) -> str:
        return manager_of(self.platform)


def on_asset(
    asset: str, name: str, at: dt.datetime, facts: Mapping[str, Any], wanted: SoftwareSet | None = None
) -> OnAsset:
    """What the facts of an audit (audit/schema.py) say of an asset's software."""
    system, updates = facts.get("os") or {}, facts["updates"]
    end, name_of, version = system.get("support_end"), system.get("id") or "", system.get("version") or ""
    # Debian's audits have the point release too.
    version = version.partition(".")[0] if name_of == "debian" else version
    return OnAsset(
        asset=asset,
        name=name,
        at=at,
        platform="-".join(word for word in (name_of, version) if word),
        packages=tuple(
            Package(row["name"], row["version"], row["architecture"] or "", row["origin"]) for row in facts["packages"]
        ),
        pending={row["name"]: (row["to"] or "", row["origin"]) for row in updates["pending"]}
        if updates["known"]
        else None,
        support_end=dt.date.fromisoformat(end) if end else None,
        wanted=wanted or SoftwareSet(),
    )


def manager_of(platform: str) -> str:
    """By whose rules versions are compared there."""
    return RPM if platform.rpartition("-")[0].startswith(_RPM_SYSTEMS) else DPKG


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one package on one asset. version is what is installed, "" for what is missing.

    wanted is what it should be; of one at its end of life what it is to its maker, and since the day on which that one
    stopped looking after it.
    """

    asset: str
    kind: str
    package: str
    version: str
    wanted: str = ""
    since: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """All of an asset, and what could not be told of it."""

    asset: str
    found: tuple[Finding, ...]
    not_told: tuple[str, ...] = ()


def judge(one: OnAsset, ends: EndOfLife | None, today: dt.date) -> Findings:
    """Everything that is to be said of the software of one asset, the worst kind first."""
    found = [
        *_required(one),
        *_forbidden(one),
        *_unknown(one),
        *_outdated(one),
        *(_ended(one, ends, today) if ends is not None else ()),
    ]
    ordered = sorted(set(found), key=lambda finding: (KINDS.index(finding.kind), finding.package, finding.version))
    return Findings(one.asset, tuple(ordered), tuple(_not_told(one, ends)))


def _required(one: OnAsset) -> Iterator[Finding]:
    if one.wanted.required is None:
        return
    answer = software_set.required(list(one.packages), list(one.wanted.required), one.manager)
    for wanted in answer.missing:
        yield Finding(one.asset, MISSING, wanted.name, "", str(wanted))
    for package, wanted in answer.outdated:
        yield Finding(one.asset, OUTDATED, package.name, package.version, str(wanted))


def _forbidden(one: OnAsset) -> Iterator[Finding]:
    if one.wanted.forbidden is None:
        return
    for package, wanted in software_set.forbidden(list(one.packages), list(one.wanted.forbidden), one.manager):
        yield Finding(one.asset, FORBIDDEN, package.name, package.version, f"not {wanted}")


def _unknown(one: OnAsset) -> Iterator[Finding]:
    if one.wanted.allowed is None or not _origins_known(one):
        return
    placed = [package._replace(origin=_origin(one, package)) for package in one.packages]
    allowed = list(one.wanted.allowed)
    for package in software_set.unknown(placed, allowed, list(one.wanted.origins), one.manager):
        yield Finding(one.asset, UNKNOWN, package.name, package.version, package.origin or "")


def _outdated(one: OnAsset) -> Iterator[Finding]:
    for package in one.packages:
        if one.pending and package.name in one.pending:
            yield Finding(one.asset, OUTDATED, package.name, package.version, one.pending[package.name][0])


def _ended(one: OnAsset, ends: EndOfLife, today: dt.date) -> Iterator[Finding]:
    """The distribution looks after what it ships until its own end, whatever the maker says."""
    if not _origins_known(one):
        return
    for package in one.packages:
        origin = _origin(one, package)
        if origin is not None and any(fnmatch.fnmatchcase(origin, pattern) for pattern in DISTRIBUTIONS):
            continue
        verdict = ends.of_package(package.name, package.version, today)
        if verdict is not None and verdict.over:
            what = f"{verdict.product} {verdict.release}"
            yield Finding(one.asset, END_OF_LIFE, package.name, package.version, what, verdict.ends)


def _origin(one: OnAsset, package: Package) -> str | None:
    """What is installed may be older than all that an archive still has: then where its update comes from counts."""
    if package.origin:
        return package.origin
    return one.pending[package.name][1] if one.pending and package.name in one.pending else None


def _origins_known(one: OnAsset) -> bool:
    return any(_origin(one, package) for package in one.packages)


def _not_told(one: OnAsset, ends: EndOfLife | None) -> Iterator[str]:
    if one.pending is None:
        yield OUTDATED
    if not _origins_known(one):
        if one.wanted.allowed is not None:
            yield UNKNOWN
        if ends is not None:
            yield END_OF_LIFE


@dataclass(frozen=True, slots=True)
class Everywhere:
    """One finding about one version of a package, and the assets that have it."""

    kind: str
    package: str
    version: str
    wanted: str
    since: dt.date | None
    assets: tuple[str, ...]


def together(found: Iterable[Findings]) -> tuple[Everywhere, ...]:
    """The same on many assets once, what is on most of them first within its kind."""
    by_what: dict[tuple[str, str, str, str, dt.date | None], list[str]] = {}
    for one in found:
        for finding in one.found:
            key = (finding.kind, finding.package, finding.version, finding.wanted, finding.since)
            by_what.setdefault(key, []).append(finding.asset)
    rows = [Everywhere(*key, tuple(sorted(set(assets)))) for key, assets in by_what.items()]
    return tuple(sorted(rows, key=lambda row: (KINDS.index(row.kind), -len(row.assets), row.package, row.version)))


def counts(found: Iterable[Findings]) -> dict[str, int]:
    """Findings by kind, every kind named."""
    counted = Counter(finding.kind for one in found for finding in one.found)
    return {kind: counted[kind] for kind in KINDS}
