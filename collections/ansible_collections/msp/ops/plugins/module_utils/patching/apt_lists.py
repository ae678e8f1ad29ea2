# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""apt's package lists: renewed when asked for, and what is wrong with them. Without that nothing here writes.

A refresh that fails is an outcome of the scan and never passed over: apt-get itself ends with success when it could
fetch nothing and used old lists.
"""

from __future__ import annotations

import os
import re
import time

from ansible_collections.msp.ops.plugins.module_utils.audit import updates
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host, Output
from ansible_collections.msp.ops.plugins.module_utils.audit.updates import LISTS, Policy

SECONDS_TO_REFRESH = 300
SECONDS_BETWEEN_LOOKS = 1.0
PRINT = ("apt-get", "--print-uris", "-o", "Debug::NoLocking=1", "update")
_LOCKED = re.compile(r"^E: (Could not get lock|Unable to lock directory)", re.MULTILINE)
_NOT_FETCHED = re.compile(r"^[EW]: .*(Failed to fetch|Some index files failed|GPG error|is not signed)", re.MULTILINE)
# 'ADDRESS' NAME-IN-THE-LISTS SIZE HASH
_PRINTED = re.compile(r"^'(?P<address>[^']+)' (?P<name>\S+_)InRelease ", re.MULTILINE)


def refresh(host: Host, lock_timeout: float) -> tuple[bool, str | None]:
    """Whether a list changed, and why it did not work (null when it did). Waits for another apt for that long."""
    before = _signature(host)
    argv = ("apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
    end = time.monotonic() + lock_timeout
    while True:
        answer = host.run(*argv, seconds=SECONDS_TO_REFRESH)
        if not _LOCKED.search(answer.err) or time.monotonic() >= end:
            break
        # The condition is another process's end, which only a look can tell.
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return _signature(host) != before, refused(answer)


def refused(answer: Output) -> str | None:
    """Why `apt-get update` did not do its work; null when it did. Old versions end with success in spite of errors."""
    if answer.status == 0 and not _NOT_FETCHED.search(answer.err):
        return None
    lines = [line.strip() for line in answer.err.splitlines() if line.startswith(("E: ", "W: "))]
    first = next((line for line in lines if _NOT_FETCHED.search(line) or _LOCKED.search(line)), "")
    return "apt-get update: %s" % (without_secrets(first)[:300] or answer.reason())


def without_secrets(text: str) -> str:
    """An address in a list of sources may carry a name and a password."""
    return re.sub(r"//[^/@\s']*@", "//", text)


def _signature(host: Host) -> dict[str, tuple[int, int]]:
    found = {}
    for name in host.names(LISTS):
        told = os.stat(host.path("%s/%s" % (LISTS, name)))
        if name not in ("lock", "partial", "auxfiles"):
            found[name] = (told.st_size, told.st_mtime_ns)
    return found


def releases(host: Host, policies: dict[str, Policy]) -> dict[str, dict[str, str]]:
    """What each source of a version says of itself; dpkg's own status file is none."""
    sources = {source for policy in policies.values() for _version, some in policy.versions for source in some}
    return {source: updates.release(host, source) for source in sources if not source.startswith("/")}


def has_security_archive(host: Host, known: dict[str, dict[str, str]]) -> bool:
    """Is any archive of this host one of security updates? Else nothing here can tell one from another."""
    if any(updates.is_security(release) for release in known.values()):
        return True
    files = [name for name in host.names(LISTS) if name.endswith("Release")]
    return any(updates.is_security(updates.parse_release(host.text("%s/%s" % (LISTS, name)))) for name in files)


def never_fetched(host: Host, architecture: str) -> list[str] | None:
    """The sources of which no list is on the disk: what they offer is not seen. apt keeps no list that is empty.

    None where apt does not tell its sources.
    """
    answer = host.run(*PRINT, unprivileged=True)
    if answer.status != 0:
        host.unknown("sources", "apt-get --print-uris update " + answer.reason())
        return None
    names = host.names(LISTS)
    found = []
    for match in _PRINTED.finditer(answer.out):
        lists = [name for name in names if name.startswith(match.group("name")) and "_Packages" in name]
        if not lists and not _empty(host, match.group("name"), architecture):
            address = without_secrets(match.group("address")).rpartition("/InRelease")[0]
            found.append("the source %s was never fetched, or its lists were removed: nothing of it counts" % address)
    return sorted(set(found))


def _empty(host: Host, name: str, architecture: str) -> bool:
    """Does the release file say that the archive has no package for this architecture?"""
    entry = re.compile(r"^ [0-9a-f]{32,} +(\d+) +\S*binary-%s/Packages$" % re.escape(architecture), re.MULTILINE)
    for ending in ("InRelease", "Release"):
        if host.exists("%s/%s%s" % (LISTS, name, ending)):
            sizes = entry.findall(host.text("%s/%s%s" % (LISTS, name, ending)))
            return bool(sizes) and set(sizes) == {"0"}
    return False


def pinned_away(policies: dict[str, Policy], known: dict[str, dict[str, str]]) -> list[str]:
    """Security updates that apt is told not to take: the whole archive, or one package's."""
    found = set()
    for name, policy in policies.items():
        newer = {version for version, _sources in policy.newer()}
        for version, sources in policy.above():
            secure = [source for source in sources if updates.is_security(known.get(source, {}))]
            if secure and policy.ranks.get(version, 0) < 100:
                found.add(
                    "the archive %s is pinned away: its updates do not count" % updates.best_origin(secure, known)
                )
            elif secure and newer and version not in newer:
                found.add("%s %s of a security archive is pinned away" % (name, version))
    return sorted(found)
