# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host held against its software set: its packages, its repositories, and what it updates by itself.

Beside what is wrong an answer has what would put it right (names to remove, files to write), which the role
msp_software_set asks for with the same probes. Nothing is written, and no package list is renewed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.msp.ops.plugins.module_utils.audit import updates
from ansible_collections.msp.ops.plugins.module_utils.audit.packages import Installed, native_architecture
from ansible_collections.msp.ops.plugins.module_utils.standards import (
    automatic_updates,
    installed,
    of_distribution,
    repositories,
    software_set,
    sources,
    units,
    wanted_sources,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader, Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.repositories import Repository
from ansible_collections.msp.ops.plugins.module_utils.standards.software_set import DPKG, Package

AUTOMATIC = "/etc/dnf/automatic.conf"
_MIRRORS = "mirror+file:"


# -- packages -----------------------------------------------------------------------------------------------------


def required_packages(reader: Reader, packages: Sequence[str]) -> dict:
    """missing and outdated in words; install: what the package manager's module is told."""
    manager, found = _packages(reader)
    wanted = [software_set.parse(text, required=True) for text in packages]
    answer = software_set.required(found, wanted, manager)
    specifications = [*answer.missing, *(one for _package, one in answer.outdated)]
    return {
        "missing": [str(one) for one in answer.missing],
        "outdated": ["%s, not %s" % (package, one) for package, one in answer.outdated],
        "install": [software_set.to_install(one, manager) for one in specifications],
    }


def forbidden_packages(reader: Reader, packages: Sequence[str]) -> dict:
    """upgrade: those of which only some versions are forbidden; remove: the others."""
    manager, found = _packages(reader)
    hits = software_set.forbidden(found, [software_set.parse(text) for text in packages], manager)
    return {
        "found": sorted({str(package) for package, _one in hits}),
        "remove": sorted({_called(package, found) for package, one in hits if not one.conditions}),
        "upgrade": sorted({package.name for package, one in hits if one.conditions}),
    }


def unknown_packages(reader: Reader, packages: Sequence[str], origins: Sequence[str]) -> dict:
    """A package that is neither allowed by name nor from an allowed origin; remove: what it is called."""
    manager, found = _packages(reader)
    placed = reader.once(_origins)
    known = [one._replace(origin=placed.get((one.name, one.architecture), one.origin)) for one in found]
    allowed = [software_set.parse(text) for text in packages]
    hits = software_set.unknown(known, allowed, list(origins), manager)
    return {
        "found": sorted("%s (%s)" % (one, one.origin or "of no repository") for one in hits),
        "remove": sorted({_called(one, found) for one in hits}),
    }


def held_packages(reader: Reader) -> dict:
    """The names of packages that are kept at their version."""
    manager, found = reader.once(installed.installed)
    names = {one.name for one in found}
    held = {one.name for one in found if one.held}
    if manager != DPKG:
        held = {name for name in names if installed.package(reader, name)["held"]}
    return {"held": sorted(held)}


def _packages(reader: Reader) -> tuple[str, list[Package]]:
    manager, found = reader.once(installed.installed)
    return manager, [Package(one.name, one.version, one.architecture, one.vendor) for one in found]


def _called(package: Package, found: Sequence[Package]) -> str:
    """As the package manager takes it: a package of a foreign architecture with that."""
    native = next((one.architecture for one in found if one.name == "dpkg"), package.architecture)
    foreign = package.architecture not in (native, "all", "noarch", "")
    return "%s:%s" % (package.name, package.architecture) if foreign else package.name


def _origins(reader: Reader) -> dict[tuple[str, str], str]:
    """By name and architecture, of Debian's family; rpm has the vendor in its own database.

    What is installed may be older than all that a repository still has: then where its name comes from counts.
    """
    manager, found = reader.once(installed.installed)
    if manager != DPKG:
        return {}
    policies = updates.parse_policy(reader.answer(*updates.policy_command(found), unprivileged=True).out)
    releases = _releases(reader, policies)
    if not releases:
        raise Unmeasurable("the host has no package lists: apt update was never run, or its lists were removed")
    native = native_architecture(found)
    placed = {}
    for one in found:
        origin = _origin(one, policies.get(updates.key(one, native)), releases)
        if origin:
            placed[one.name, one.architecture] = origin
    return placed


def _releases(reader: Reader, policies: Mapping[str, updates.Policy]) -> dict[str, dict[str, str]]:
    named = {source for policy in policies.values() for _version, some in policy.versions for source in some}
    return {
        source: updates.release(reader.host, source) for source in sorted(named) if "://" in source or ":/" in source
    }


def _origin(one: Installed, policy: updates.Policy | None, releases: Mapping[str, dict[str, str]]) -> str | None:
    if policy is None:
        return None
    known = dict(releases)
    any_version = [source for _version, some in policy.versions for source in some]
    return updates.best_origin(policy.sources(one.version), known) or updates.best_origin(any_version, known)


# -- repositories -------------------------------------------------------------------------------------------------


def foreign_repositories(reader: Reader, allowed: Sequence[str]) -> dict:
    """Those that are on, are not allowed, and are no mirror of the distribution."""
    return {"found": sorted({str(one) for one in reader.once(on) if not is_allowed(reader, one, allowed)})}


def unsigned_repositories(reader: Reader, distribution: Sequence[str]) -> dict:
    """What takes unsigned packages, and what has no key of its own: only the distribution's may have the common one."""
    found = reader.once(on)
    said = {"%s: signatures are not checked" % str(one) for one in found if not one.verified}
    said |= {
        "%s: no key of its own" % str(one)
        for one in found
        if one.verified and not one.signed_by and not is_allowed(reader, one, distribution)
    }
    if reader.once(repositories.files)[0] == wanted_sources.APT:
        given, _lists = reader.once(repositories.dump)
        mine, _lists = reader.once(repositories.dump_within_reach)
        allowing = [{"%s is on" % name for name in automatic_updates.insecure(one)} for one in (given, mine)]
        return _reached({"found": sorted(said | allowing[0])}, {"found": sorted(said | allowing[1])})
    return {"found": sorted(said)}


def _reached(value: dict, mine: dict) -> dict:
    """What was found, with what of it a role can change (mine), where apt.conf makes it another."""
    other = {name: found for name, found in mine.items() if found != value[name]}
    where = {name: [repositories.APT_MAIN] for name in other}
    return {**value, **({"within_reach": other, "out_of_reach": where} if other else {})}


def wanted_repositories(reader: Reader, repositories: Mapping[str, Mapping[str, str]]) -> dict:
    """missing in words; files: those that have to be there, with what has to be in them."""
    return _wanted(reader, repositories)


def _wanted(reader: Reader, given: Mapping[str, Mapping[str, str]]) -> dict:
    manager = reader.once(repositories.files)[0]
    asked = wanted_sources.wanted(given, reader.once(_codename), manager)
    paths = [wanted_sources.key_file(one, manager) for one in asked]
    keys = {path: reader.host.text(path) for path in paths if reader.host.exists(path)}
    files = [file for one in asked for file in wanted_sources.files(one, manager)]
    return {
        "missing": wanted_sources.missing(asked, reader.once(on), keys, manager),
        "files": [{"path": file.path, "content": file.content} for file in files],
    }


def on(reader: Reader) -> list[Repository]:
    """Every repository that is switched on."""
    return [one for one in reader.once(repositories.every) if one.enabled]


def is_allowed(reader: Reader, one: Repository, patterns: Sequence[str]) -> bool:
    """By its address, or because the distribution signed what it serves."""
    return is_among(reader, one, patterns) or of_distribution.is_own(reader, one)


def is_among(reader: Reader, one: Repository, patterns: Sequence[str]) -> bool:
    """Whether all addresses behind a repository are of those: dnf may name several, and apt a list of mirrors."""
    return all(sources.matches(uri, patterns) for uri in _addresses(reader, one))


def _addresses(reader: Reader, one: Repository) -> list[str]:
    """What is behind a list of mirrors on the host itself, which is not an address but a file with addresses."""
    if not one.uri.startswith(_MIRRORS):
        return one.uri.split() if one.type == "rpm" else [one.uri]
    path = "/" + one.uri[len(_MIRRORS) :].lstrip("/")
    return [line.split()[0] for line in reader.host.text(path).splitlines() if line.strip() and line[0] != "#"]


def _codename(reader: Reader) -> str:
    told = reader.once(of_distribution.os_release)
    if not told:
        raise Unmeasurable("there is no os-release file")
    return str(told.get("VERSION_CODENAME", ""))


# -- updates ------------------------------------------------------------------------------------------------------


def automatic(reader: Reader) -> dict:
    """policy: none, download, security, all or unclear; reboot: whether it is set to restart by itself."""
    if reader.once(repositories.files)[0] == wanted_sources.APT:
        timers = {name: _timer(reader, name, automatic_updates.APT_TIMERS) for name in automatic_updates.APT_TIMERS}
        there = reader.host.exists(automatic_updates.UNATTENDED)
        value, mine = (
            automatic_updates.of_apt(given, lists, timers, installed=there).as_dict()
            for given, lists in (reader.once(repositories.dump), reader.once(repositories.dump_within_reach))
        )
        return _reached(value, mine)
    timers = {name: _timer(reader, name, automatic_updates.DNF_TIMERS) for name in automatic_updates.DNF_TIMERS}
    text = reader.host.text(AUTOMATIC) if reader.host.exists(AUTOMATIC) else ""
    return automatic_updates.of_dnf(automatic_updates.dnf_settings(text), timers).as_dict()


def _timer(reader: Reader, name: str, together: tuple[str, ...]) -> str:
    found = units.unit(reader, name, together)
    now, always = found["active"] == "active", found["enabled"] in ("enabled", "static")
    if now and always:
        return automatic_updates.ON
    return automatic_updates.HALF if now or always else automatic_updates.OFF
