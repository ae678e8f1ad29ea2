# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is installed, held against the packages that a standard requires, forbids and allows. Pure; no program is run.

A package is named as "NAME" or "NAME CONDITION...", a condition being an operator and a version: "nginx >=1.22 <2".
Several conditions all hold. In what is forbidden and allowed a name may have * and ?. Versions are compared by the
rules of the package manager that installed them. The same code judges on a host and, from audits, on the controller.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching import debversion, rpmversion

DPKG, RPM = MANAGERS = ("dpkg", "rpm")
_COMPARE: dict[str, Callable[[str, str], int]] = {DPKG: debversion.compare, RPM: rpmversion.compare}
_VERSION = r"[A-Za-z0-9][A-Za-z0-9.+~:^_-]*"
# The same patterns are in the controls' parameters, so that what is no such text is refused before a host is asked.
SPECIFICATION = r"[A-Za-z0-9*?][A-Za-z0-9+._*?-]*( (=|>=|<=|<|>)%s)*" % _VERSION
REQUIRED = r"[A-Za-z0-9][A-Za-z0-9+._-]*( (=|>=)%s)?" % _VERSION
_CONDITION = re.compile(r"(=|>=|<=|<|>)(%s)" % _VERSION)


class Package(NamedTuple):
    """One installed package. origin is where it came from ("Debian/bookworm"), None where nobody knows."""

    name: str
    version: str
    architecture: str = ""
    origin: str | None = None

    def __str__(self) -> str:
        return "%s %s" % (self.name, self.version)


class Specification(NamedTuple):
    """A name or a pattern of names, and the conditions that a version has to meet: pairs of operator and version."""

    name: str
    conditions: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return " ".join([self.name] + ["%s%s" % condition for condition in self.conditions])

    def names(self, package: Package) -> bool:
        return fnmatch.fnmatchcase(package.name, self.name)

    def holds(self, version: str, manager: str) -> bool:
        return all(_holds(version, operator, wanted, manager) for operator, wanted in self.conditions)


def _holds(version: str, operator: str, wanted: str, manager: str) -> bool:
    if operator == "=":
        # "=1.22" is the version 1.22 in whatever revision of the distribution; "=1.22-9" is that one.
        return _same(version, wanted, manager)
    order = _COMPARE[manager](version, wanted)
    return {">=": order >= 0, "<=": order <= 0, "<": order < 0, ">": order > 0}[operator]


def _same(version: str, wanted: str, manager: str) -> bool:
    compare = _COMPARE[manager]
    if compare(version, wanted) == 0:
        return True
    upstream, hyphen, _revision = version.rpartition("-")
    return bool(hyphen) and "-" not in wanted and compare(upstream, wanted) == 0


def parse(text: str, *, required: bool = False) -> Specification:
    """MSP-STD-100 for a text that names no package; with required also for a pattern and for "no newer than"."""
    if not re.fullmatch(REQUIRED if required else SPECIFICATION, text):
        raise MspError(
            "MSP-STD-100",
            "a package as NAME%s" % (", NAME =VERSION or NAME >=VERSION" if required else " or NAME CONDITION..."),
            repr(text),
            "write it as in %s" % ("nginx >=1.22" if required else "openssl <3.0.11, or python2*"),
        )
    name, *conditions = text.split(" ")
    found = [_CONDITION.fullmatch(condition) for condition in conditions]
    return Specification(name, tuple((one.group(1), one.group(2)) for one in found if one))


class Required(NamedTuple):
    """missing: specifications without a package; outdated: packages that meet theirs not, with what it is."""

    missing: tuple[Specification, ...]
    outdated: tuple[tuple[Package, Specification], ...]


def required(installed: list[Package], specifications: list[Specification], manager: str) -> Required:
    """A package of several architectures is there when one of them is as required."""
    by_name = _by_name(installed)
    missing, outdated = [], []
    for one in specifications:
        found = by_name.get(one.name, [])
        if not found:
            missing.append(one)
        elif not any(one.holds(package.version, manager) for package in found):
            outdated.append((found[0], one))
    return Required(tuple(missing), tuple(outdated))


def forbidden(
    installed: list[Package], specifications: list[Specification], manager: str
) -> list[tuple[Package, Specification]]:
    """Every installed package that is forbidden, with the first specification that says so."""
    found = []
    for package in installed:
        for one in specifications:
            if one.names(package) and one.holds(package.version, manager):
                found.append((package, one))
                break
    return found


def unknown(installed: list[Package], allowed: list[Specification], origins: list[str], manager: str) -> list[Package]:
    """Every package that is neither from an allowed origin nor allowed by name. No origin is no allowed one."""
    return [
        package
        for package in installed
        if not (package.origin and any(fnmatch.fnmatchcase(package.origin, origin) for origin in origins))
        and not any(one.names(package) and one.holds(package.version, manager) for one in allowed)
    ]


def to_install(one: Specification, manager: str) -> str:
    """A required package as the module of its package manager is told it."""
    if not one.conditions:
        return one.name
    ((operator, version),) = one.conditions
    if manager == DPKG:
        # apt takes "=1.22-9" as it stands, and "=1.22" only with a pattern for the revision.
        return one.name + operator + (version if operator != "=" or "-" in version else version + "*")
    return "%s-%s" % (one.name, version) if operator == "=" else "%s %s %s" % (one.name, operator, version)


def _by_name(installed: list[Package]) -> dict[str, list[Package]]:
    found: dict[str, list[Package]] = {}
    for package in installed:
        found.setdefault(package.name, []).append(package)
    return found
