# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which updates wait, which of them are security updates, and where packages come from.

It never refreshes the package lists, takes no lock and writes no cache: apt-cache and dnf run without root's rights,
dnf from its cache only. What could not be measured is "known": false with the reason, never zero.
"""

from __future__ import annotations

import re

from ansible_collections.msp.ops.plugins.module_utils.audit import packages
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.packages import Installed, native_architecture
from ansible_collections.msp.ops.plugins.module_utils.patching import dnf, shape

LISTS = "/var/lib/apt/lists"
# Written by the update timer of Debian and Ubuntu after a refresh that succeeded.
_STAMP = "/var/lib/apt/periodic/update-success-stamp"
# How apt marks a version that only some machines are to have yet.
_PHASED = re.compile(r"\(phased (\d+)%\)")


class Policy:
    """One package in the answer of `apt-cache policy NAME...`: versions newest first, each with its sources.

    ranks are the highest priority of a version's sources, whatever a pin on the version itself says; phased the
    percentage of machines that a version is meant for so far, where it has one.
    """

    def __init__(self) -> None:
        self.installed: str | None = None
        self.candidate: str | None = None
        self.versions: list[tuple[str, list[str]]] = []
        self.ranks: dict[str, int] = {}
        self.phased: dict[str, int] = {}

    def above(self) -> list[tuple[str, list[str]]]:
        """Every version that is newer than the installed one, newest first."""
        names = [version for version, _sources in self.versions]
        return self.versions[: names.index(self.installed)] if self.installed in names else []

    def newer(self) -> list[tuple[str, list[str]]]:
        """The versions above the installed one, up to the candidate; empty when the candidate is not newer."""
        names = [version for version, _sources in self.versions]
        if self.installed not in names or self.candidate not in names:
            return []
        return self.versions[names.index(self.candidate) : names.index(self.installed)]

    def phase(self, version: str) -> str:
        """ "phased 30 %" for a version that only some machines are to have yet, else ""."""
        share = self.phased.get(version)
        return "" if share is None or share >= 100 else "phased %d %%" % share

    def sources(self, version: str | None) -> list[str]:
        return [source for name, sources in self.versions if name == version for source in sources]


def parse_policy(text: str) -> dict[str, Policy]:
    """By name, or name:architecture for a foreign one, as apt prints it."""
    found: dict[str, Policy] = {}
    current = Policy()
    for line in text.splitlines():
        if not line.startswith(" "):
            current = found.setdefault(line.rstrip(":"), Policy())
            continue
        bare = line.strip()
        if line.startswith("       ") and current.versions:
            # A source: "500 http://... suite/component architecture Packages".
            version, sources = current.versions[-1]
            rank, _space, source = bare.partition(" ")
            sources.append(source)
            current.ranks[version] = max(int(rank), current.ranks.get(version, int(rank)))
        elif line.startswith((" *** ", "     ")):
            version = line[5:].split(" ")[0]
            current.versions.append((version, []))
            share = _PHASED.search(line)
            if share:
                current.phased[version] = int(share.group(1))
        elif bare.startswith(("Installed: ", "Candidate: ")):
            name, _colon, value = bare.partition(": ")
            setattr(current, name.lower(), None if value == "(none)" else value)
    return found


def parse_release(text: str) -> dict[str, str]:
    """The head of an InRelease or Release file: Origin, Label, Suite, Codename."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _colon, value = line.partition(": ")
        if name in ("Origin", "Label", "Suite", "Codename"):
            found.setdefault(name, value.strip())
        elif line.startswith(("MD5Sum:", "SHA1:", "SHA256:")):
            break
    return found


def release_files(source: str) -> list[str]:
    """Where apt keeps the release file of a source such as "http://host/debian suite/component amd64 Packages"."""
    words = source.split(" ")
    address, place = words[0].rstrip("/"), words[1] if len(words) > 1 else ""
    suite = "%s/dists/%s" % (address, place.rpartition("/")[0])
    flat = "%s/%s" % (address, place.rstrip("/"))
    return [_list_name("%s/%s" % (base, name)) for base in (suite, flat) for name in ("InRelease", "Release")]


def _list_name(address: str) -> str:
    bare = re.sub(r"^[a-z0-9+.-]+:(//)?([^/@]*@)?", "", address)
    quoted = re.sub(r'[\\|{}\[\]<>"^~_=!@#$%&*]', lambda match: "%%%02x" % ord(match.group()), bare)
    return quoted.replace("/", "_")


def guess_release(source: str) -> dict[str, str]:
    """What the source's own name says where its release file cannot be read."""
    words = source.split(" ")
    host = re.sub(r"^[a-z0-9+.-]+:(//)?([^/@]*@)?", "", words[0]).split("/")[0]
    return {"Label": host, "Codename": words[1].rpartition("/")[0] if len(words) > 1 else ""}


def origin(release: dict[str, str]) -> str | None:
    """Label and suite, for instance "Debian-Security/bookworm-security" or "Ubuntu/jammy-updates"."""
    label = release.get("Label") or release.get("Origin")
    archive, codename = release.get("Suite", ""), release.get("Codename", "")
    # Ubuntu's pockets share a codename; Debian's archive names ("oldstable") change meaning with time.
    suite = archive if codename and archive.startswith(codename) else codename or archive
    if not label:
        return None
    return "%s/%s" % (label, suite) if suite else label


def is_security(release: dict[str, str]) -> bool:
    """Debian says so in the label and the codename, Ubuntu and its Pro archives in the archive's name."""
    names = (release.get("Suite", ""), release.get("Codename", ""))
    return release.get("Label", "").lower().endswith("security") or any(name.endswith("-security") for name in names)


def best_origin(sources: list[str], releases: dict[str, dict[str, str]]) -> str | None:
    """One origin of a version that several archives may carry: a security archive, else the first by name."""
    known = [releases[source] for source in sources if source in releases and origin(releases[source])]
    names = sorted((not is_security(release), str(origin(release))) for release in known)
    return names[0][1] if names else None


def apt_pending(
    installed: list[Installed], policies: dict[str, Policy], releases: dict[str, dict[str, str]]
) -> tuple[list[dict], dict[tuple[str, str], str]]:
    """What waits, and the origin of what is installed.

    An update is a security one when any version above the installed one, up to the candidate, came from a security
    archive: a later ordinary version carries the earlier fix.
    """
    native = native_architecture(installed)
    pending, origins = [], {}
    for one in installed:
        policy = policies.get(key(one, native))
        if policy is None:
            continue
        at = best_origin(policy.sources(one.version), releases)
        if at:
            origins[one.name, one.architecture] = at
        newer = policy.newer()
        if newer:
            sources = [source for _version, names in newer for source in names]
            row = {
                "name": one.name,
                "from": one.version,
                "to": policy.candidate,
                "origin": best_origin(policy.sources(policy.candidate), releases),
                "security": any(is_security(releases.get(source, {})) for source in sources),
            }
            pending.append(dict(row, held=True) if one.held else row)
    return sorted(pending, key=lambda row: (str(row["name"]), str(row["to"]))), origins


def key(one: Installed, native: str) -> str:
    """How apt calls an installed package."""
    return one.name if one.architecture in (native, "all") else "%s:%s" % (one.name, one.architecture)


def dnf_pending(updates: list[dict]) -> list[dict]:
    """The patch scan's updates as the audit has them. security is None where no advisory could tell."""
    rows = []
    for one in updates:
        row = {
            "name": one["name"],
            "from": one["installed"],
            "to": one["candidate"],
            "origin": one["origin"],
            "security": one["security"],
        }
        rows.append(dict(row, held=True) if one["held"] else row)
    return sorted(rows, key=lambda row: (str(row["name"]), str(row["to"])))


def result(pending: list[dict] | None, why: str | None = None) -> dict:
    """None for pending means that nobody knows.

    So does None for security: there is an update that may be one, and none that is one for certain.
    """
    if pending is None:
        return {"known": False, "why": why, "total": None, "security": None, "pending": []}
    security: int | None = sum(1 for row in pending if row["security"])
    if not security and any(row["security"] is None for row in pending):
        security = None
    return {"known": True, "why": None, "total": len(pending), "security": security, "pending": pending}


def prepare(host: Host, manager: str | None, installed: list[Installed]) -> None:
    if manager == "dpkg":
        host.prepare(*policy_command(installed), unprivileged=True)
    elif manager == "rpm":
        dnf.prepare(host)


def policy_command(installed: list[Installed]) -> tuple[str, ...]:
    native = native_architecture(installed)
    return ("apt-cache", "policy") + tuple(sorted(key(one, native) for one in installed))


def collect(host: Host, manager: str | None, installed: list[Installed]) -> tuple[dict, dict]:
    """The updates, and the origins of installed packages by (name, architecture)."""
    if manager == "dpkg":
        found, origins = _apt(host, installed)
    elif manager == "rpm":
        found, origins = _dnf(host), {}
    else:
        found, origins = result(None, "the package manager is not known"), {}
    if not found["known"]:
        host.unknown("updates", str(found["why"]))
    return found, origins


def _apt(host: Host, installed: list[Installed]) -> tuple[dict, dict]:
    answer = host.run(*policy_command(installed), unprivileged=True)
    if answer.status != 0:
        return result(None, "apt-cache " + answer.reason()), {}
    policies = parse_policy(answer.out)
    sources = {source for policy in policies.values() for _version, some in policy.versions for source in some}
    releases = {source: release(host, source) for source in sources if source != packages.DPKG_STATUS}
    if not releases:
        return result(None, "the host has no package lists: apt update was never run, or its lists were removed"), {}
    pending, origins = apt_pending(installed, policies, releases)
    return result(pending), origins


def release(host: Host, source: str) -> dict[str, str]:
    """What the release file of a source says of it, or what its name says where there is none."""
    for name in release_files(source):
        if host.exists("%s/%s" % (LISTS, name)):
            return parse_release(host.text("%s/%s" % (LISTS, name)))
    return guess_release(source)


def _dnf(host: Host) -> dict:
    found = dnf.read(host)
    if found["outcome"] != shape.OK:
        return result(None, found["why"])
    for warning in found["warnings"]:
        host.unknown("updates", warning)
    return result(dnf_pending(found["updates"]))


def metadata_time(host: Host, manager: str | None) -> float | None:
    """When the package lists were last renewed, as far as the disk tells; never younger than the truth.

    The directory of the lists changes when a list changed; a refresh that found nothing new leaves it.
    """
    if manager == "dpkg":
        lists = [name for name in host.names(LISTS) if name.endswith(("Release", "Packages", ".lz4", ".gz", ".xz"))]
        times = [host.modified(LISTS) if lists else None, host.modified(_STAMP)]
    else:
        # A refresh that found nothing new touches one file of a repository, and not the directory.
        places = ["/var/cache/dnf/%s/repodata" % name for name in host.names("/var/cache/dnf")]
        files = [["%s/%s" % (place, name) for name in host.names(place)] for place in places]
        renewed = [max(filter(None, map(host.modified, some)), default=None) for some in files if some]
        times = [min(filter(None, renewed), default=None)]
    return max((time for time in times if time), default=None)
