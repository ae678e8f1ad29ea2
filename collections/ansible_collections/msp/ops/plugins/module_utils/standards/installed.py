# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which packages are installed, as the audit reads them, and which of them stay at their version."""

from __future__ import annotations

import fnmatch

from ansible_collections.msp.ops.plugins.module_utils.audit import packages, updates
from ansible_collections.msp.ops.plugins.module_utils.audit.packages import Installed
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader, Unmeasurable

_VERSIONLOCK = "/etc/dnf/plugins/versionlock.list"


def prepare(reader: Reader) -> None:
    if not reader.host.exists(packages.DPKG_STATUS):
        reader.host.prepare(*packages.RPM_QUERY, unprivileged=True)


def prepare_origins(reader: Reader) -> None:
    """apt takes a second to say where everything comes from."""
    prepare(reader)
    if reader.host.exists(packages.DPKG_STATUS):
        updates.prepare(reader.host, *reader.once(installed))


def installed(reader: Reader) -> tuple[str, list[Installed]]:
    """The package manager, "dpkg" or "rpm", and what it has installed."""
    manager, found = reader.noted("packages", packages.collect)
    if manager is None:
        raise Unmeasurable("no package manager that is known here answered")
    return manager, found


def package(reader: Reader, name: str) -> dict:
    """A package of several architectures is told with the version of the first."""
    manager, found = reader.once(installed)
    same = [one for one in found if one.name == name]
    held = any(one.held for one in same)
    if manager == "rpm":
        held = any(locked(one, reader.once(_locks)) for one in same)
    return {"installed": bool(same), "version": same[0].version if same else None, "held": held}


def all_packages(reader: Reader) -> dict:
    manager, found = reader.once(installed)
    rows = [{"name": one.name, "version": one.version, "architecture": one.architecture} for one in found]
    return {"manager": manager, "installed": sorted(rows, key=lambda row: tuple(row.values()))}


def locked(one: Installed, locks: list[str]) -> bool:
    """dnf's versionlock writes name-epoch:version-release.architecture, with * where anything will do."""
    version = one.version if ":" in one.version else "0:" + one.version
    names = ["%s-%s.%s" % (one.name, version, one.architecture), "%s-%s" % (one.name, version), one.name]
    return any(fnmatch.fnmatchcase(name, lock) for lock in locks for name in names)


def _locks(reader: Reader) -> list[str]:
    """Lines with ! before them lock a version out, and hold nothing."""
    if not reader.host.exists(_VERSIONLOCK):
        return []
    lines = [line.strip() for line in reader.host.text(_VERSIONLOCK).splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "!"))]
