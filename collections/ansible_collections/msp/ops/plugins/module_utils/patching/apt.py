# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is pending on a host with apt, in the shape of patching/shape.py.

Nothing is installed, no lock is taken, and no cache is written: apt is asked without root's rights. Two things happen
on request only: the lists are renewed (refresh), and packages are fetched for their changelogs. Without lists the
answer is "no metadata", never "nothing to do".
"""

from __future__ import annotations

import datetime
import time

from ansible_collections.msp.ops.plugins.module_utils.audit import packages, updates
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.packages import Installed, native_architecture
from ansible_collections.msp.ops.plugins.module_utils.audit.probing import probe
from ansible_collections.msp.ops.plugins.module_utils.audit.updates import Policy
from ansible_collections.msp.ops.plugins.module_utils.patching import apt_lists, changelogs, effects, shape, simulation

MANAGER = "apt"
_AUDIT = ("dpkg", "--audit")
# apt looks at every archive for every package; on a slow disk with cold caches that takes its time.
SECONDS_FOR_POLICY = 120
# The priority of an archive that nobody pinned down. Backports have 100, experimental 1.
ORDINARY = 500
UNLISTED = "apt does not tell its sources: whether each was fetched is not known"


def here(host: Host) -> bool:
    """A machine of the RHEL family may have dpkg as a tool, with an empty database."""
    if host.program("apt-get") is None or not host.exists(packages.DPKG_STATUS):
        return False
    return bool(packages.parse_dpkg_status(host.text(packages.DPKG_STATUS)))


def collect(host: Host, wanted: shape.Wanted) -> dict:
    """The answer; what it could not measure is in host.notes too, where the caller finds it."""
    changed, failure = False, None
    if wanted.refresh:
        changed, failure = apt_lists.refresh(host, wanted.lock_timeout)
    fresh = wanted.refresh and failure is None
    common = {"refreshed": fresh, "changed": changed, "metadata_at": _metadata_at(host, fresh)}
    if failure is not None:
        return shape.answer(MANAGER, shape.FAILED, failure, **common)
    installed = packages.parse_dpkg_status(host.text(packages.DPKG_STATUS))
    # Before any program of ours runs, which would be found to use what is pending.
    running = probe(host, "running services", effects.collect, None)
    _prepare(host, installed)
    answer = host.run(*updates.policy_command(installed), unprivileged=True, seconds=SECONDS_FOR_POLICY)
    if answer.status != 0:
        return shape.answer(MANAGER, shape.FAILED, "apt-cache " + answer.reason(), **common)
    policies = updates.parse_policy(answer.out)
    releases = apt_lists.releases(host, policies)
    if not releases:
        why = "the host has no package lists: apt-get update was never run, or its lists were removed"
        return shape.answer(MANAGER, shape.NO_METADATA, why, broken=_broken(host), **common)
    return _answer(host, wanted, Scan(host, installed, policies, releases), running, common)


def _prepare(host: Host, installed: list[Installed]) -> None:
    """The slow programs work side by side."""
    host.prepare(*updates.policy_command(installed), unprivileged=True)
    simulation.prepare(host)
    host.prepare(*_AUDIT)
    host.prepare(*apt_lists.PRINT, unprivileged=True)


def _metadata_at(host: Host, fresh: bool) -> str | None:
    at = time.time() if fresh else updates.metadata_time(host, "dpkg")
    if at is None:
        return None
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Scan:
    """What was read of one host: its packages, apt's policy for each, and what the archives say of themselves."""

    def __init__(
        self,
        host: Host,
        installed: list[Installed],
        policies: dict[str, Policy],
        releases: dict[str, dict[str, str]],
    ) -> None:
        self.installed = installed
        self.policies = policies
        self.releases = releases
        self.native = native_architecture(installed)
        self.tells_security = apt_lists.has_security_archive(host, releases)

    def called(self, one: Installed) -> str:
        """How apt calls an installed package."""
        return updates.key(one, self.native)

    def origin(self, policy: Policy, version: str) -> str | None:
        return updates.best_origin(policy.sources(version), self.releases)

    def is_security(self, sources: list[str]) -> bool:
        return any(updates.is_security(self.releases.get(source, {})) for source in sources)


def waiting(policy: Policy) -> tuple[list[tuple[str, list[str]]], str]:
    """The versions above the installed one, up to the one that waits, newest first; and why it waits, or "".

    A version that an ordinary archive offers and that apt passes over is one that somebody pinned, or one that is given
    to some machines first.
    """
    newer = policy.newer()
    if newer:
        return newer, ""
    above = policy.above()
    ordinary = [place for place, (version, _sources) in enumerate(above) if policy.ranks.get(version, 0) >= ORDINARY]
    if not ordinary:
        return [], ""
    rest = above[ordinary[0] :]
    return rest, policy.phase(rest[0][0]) or shape.PINNED


def stays(policy: Policy, target: str, moves: bool | None) -> str:
    """Why an update stays that a dist-upgrade would not install; moves is None when nobody knows."""
    return "" if moves or moves is None else policy.phase(target) or shape.DEPENDENCIES


def _row(scan: Scan, one: Installed, policy: Policy, versions: list[tuple[str, list[str]]]) -> dict:
    target = versions[0][0]
    security = any(scan.is_security(sources) for _version, sources in versions)
    rows = [
        shape.version(version, scan.origin(policy, version), scan.is_security(sources))
        for version, sources in reversed(versions)
    ]
    return shape.update(
        one.name,
        one.architecture,
        one.version,
        target,
        origin=scan.origin(policy, target),
        security=security if scan.tells_security else None,
        versions=rows,
    )


def _answer(host: Host, wanted: shape.Wanted, scan: Scan, running: effects.Running | None, common: dict) -> dict:
    pending = _pending(scan)
    small, large, refuses = simulation.collect(
        host, {called for called, (_one, row) in pending.items() if not row["held"]}
    )
    for called, (_one, row) in pending.items():
        moves = None if large is None else called in large.upgraded
        row["held"] = row["held"] or (
            shape.BROKEN if refuses else stays(scan.policies[called], row["candidate"], moves)
        )
    if small and large:
        _brings(host, pending, small, large)
    _effects(host, pending, running)
    sizes = _sources(host, pending)
    if wanted.changelogs:
        _changelogs(host, pending, sizes)
    broken = _broken(host) + (["apt refuses to work: dependencies are not met"] if refuses else [])
    fetched = apt_lists.never_fetched(host, scan.native)
    warnings = _warnings(scan, fetched or [])
    return shape.answer(
        MANAGER,
        shape.OK,
        updates=sorted((row for _one, row in pending.values()), key=lambda row: (row["name"], row["architecture"])),
        installs=large.installs if large else None,
        removes=large.removes if large else None,
        broken=broken,
        warnings=warnings,
        blind=[*broken, *warnings, *([UNLISTED] if fetched is None else [])],
        **common,
    )


def _pending(scan: Scan) -> dict[str, tuple[Installed, dict]]:
    """What has a newer version, as apt calls it, with its row; held says so far what needs no simulation."""
    pending = {}
    for one in scan.installed:
        called = scan.called(one)
        policy = scan.policies.get(called)
        versions, why = waiting(policy) if policy else ([], "")
        if policy is not None and versions:
            pending[called] = (one, _row(scan, one, policy, versions))
            pending[called][1]["held"] = shape.HOLD if one.held else why
    return pending


def _brings(
    host: Host,
    pending: dict[str, tuple[Installed, dict]],
    small: simulation.Transaction,
    large: simulation.Transaction,
) -> None:
    """What comes and goes with which update: only those that a plain upgrade would keep back can bring or remove."""
    if not large.installs and not large.removes:
        return
    kept = [
        (called, row["candidate"])
        for called, (_one, row) in sorted(pending.items())
        if called in large.upgraded and called not in small.upgraded
    ]
    for called, alone in simulation.alone(host, kept).items():
        row = pending[called][1]
        row["installs"] = sorted({change["name"] for change in alone.installs})
        row["removes"] = sorted({change["name"] for change in alone.removes})


def _effects(host: Host, pending: dict[str, tuple[Installed, dict]], running: effects.Running | None) -> None:
    known = running or effects.Running(hidden=1)
    for one, row in pending.values():
        files = effects.files_of(host, one.name, one.architecture)
        row["needs"], row["services"] = effects.judge(one.name, files, known)


def _sources(host: Host, pending: dict[str, tuple[Installed, dict]]) -> dict[str, int]:
    """Note of each update what it is built from; returns the size of each in bytes, as apt calls it."""
    if not pending:
        return {}
    names = sorted("%s=%s" % (called, row["candidate"]) for called, (_one, row) in pending.items())
    answer = host.run("apt-cache", "show", *names, unprivileged=True, seconds=SECONDS_FOR_POLICY)
    told = parse_show(answer.out) if answer.status == 0 else {}
    sizes = {}
    for called, (one, row) in pending.items():
        row["source"], row["source_from"] = one.source or ("", "")
        found = told.get((one.name, row["candidate"]))
        if found is None:
            host.unknown(
                "source of " + one.name, "apt-cache show " + (answer.reason() if answer.status else "is silent")
            )
            continue
        (row["source"], row["source_to"]), sizes[called] = found
    return sizes


def _changelogs(host: Host, pending: dict[str, tuple[Installed, dict]], sizes: dict[str, int]) -> None:
    for called in set(pending) - set(sizes):
        host.unknown("changelog of " + called, "its source is not known")
    known = [changelogs.Wanting(called, pending[called][1], size) for called, size in sizes.items()]
    changelogs.collect(host, known)


def parse_show(text: str) -> dict[tuple[str, str], tuple[tuple[str, str], int]]:
    """`apt-cache show`: (name, version) to the source with its version, and the size of the package in bytes."""
    found = {}
    for paragraph in text.split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in paragraph.splitlines() if not line.startswith(" "))
        name, version = fields.get("Package", ""), fields.get("Version", "")
        source = packages.parse_source(fields.get("Source", ""), name, version)
        size = fields.get("Size", "0").strip()
        found[name, version] = (source, int(size) if size.isdigit() else 0)
    return found


def parse_audit(text: str) -> list[str]:
    """`dpkg --audit`: one sentence a paragraph, with the packages that it names."""
    found = []
    for paragraph in text.split("\n\n"):
        lines = [line for line in paragraph.splitlines() if line.strip()]
        names = [line.split()[0] for line in lines if line.startswith(" ")]
        said = " ".join(line.strip() for line in lines if not line.startswith(" "))
        if lines:
            found.append(("dpkg: %s: %s" % (said.rstrip(":"), ", ".join(names)))[:400])
    return found


def _broken(host: Host) -> list[str]:
    # With root's rights: without them it cannot look whether dpkg works right now, and says nothing at all.
    answer = host.run(*_AUDIT)
    found = parse_audit(answer.out)
    if not answer.started or (answer.status != 0 and not found):
        host.unknown("package database", "dpkg --audit " + answer.reason())
    if any(name.isdigit() for name in host.names("/var/lib/dpkg/updates")):
        found.append("dpkg was interrupted: run dpkg --configure -a")
    return found


def _warnings(scan: Scan, never_fetched: list[str]) -> list[str]:
    found = never_fetched + apt_lists.pinned_away(scan.policies, scan.releases)
    if not scan.tells_security:
        found.append("no security archive is among the sources of this host: which updates close holes is not known")
    return found
