# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How apt is asked and told, and what its answers mean. The parsers are pure; Apt runs the programs.

Versions are always named, in full. What a simulation shows beyond the manifest is told to people, never hidden.
"""

from __future__ import annotations

import os
import re

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Output
from ansible_collections.msp.ops.plugins.module_utils.patching.install import dpkg
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Package

ARCHIVES = "/var/cache/apt/archives"
SECONDS_TO_REFRESH = 600
# Whoever holds one of them keeps apt from working.
LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/cache/apt/archives/lock")
# No questions; and needrestart's own hook stays out of it: services are restarted deliberately, afterwards.
ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "APT_LISTCHANGES_FRONTEND": "none",
    "APT_LISTBUGS_FRONTEND": "none",
    "UCF_FORCE_CONFFOLD": "1",
    "NEEDRESTART_SUSPEND": "1",
    "NEEDRESTART_MODE": "l",
}
_CONFIGURATION = ("--force-confdef", "--force-confold")
_INST = re.compile(r"^Inst (\S+) (?:\[([^\]]+)\] )?\((\S+) (?:.* )?\[([^\]]+)\]\)", re.MULTILINE)
_REMV = re.compile(r"^(?:Remv|Purg) (\S+)", re.MULTILINE)
_GONE = re.compile(r"^E: Version '([^']+)' for '([^']+)' was not found", re.MULTILINE)
_UNKNOWN = re.compile(r"^E: Unable to locate package (\S+)", re.MULTILINE)
_ERROR = re.compile(r"^(?:E: |dpkg: error|dpkg: unrecoverable|.* error processing)", re.MULTILINE)
_URI = re.compile(r"^'[^']+' \S+ (\d+) ", re.MULTILINE)


class Simulation:
    """What apt would do. installs: (key, version before or None, version after); gone: "NAME=VERSION" that it lacks."""

    def __init__(
        self, installs: list[tuple[str, str | None, str]], removes: list[str], gone: list[str], error: str
    ) -> None:
        self.installs = installs
        self.removes = removes
        self.gone = gone
        self.error = error


def parse_simulation(status: int, out: str, err: str) -> Simulation:
    installs = []
    for name, before, after, architecture in _INST.findall(out):
        installs.append(("%s:%s" % (name.partition(":")[0], architecture), before or None, after))
    gone = ["%s=%s" % (name, version) for version, name in _GONE.findall(err)] + _UNKNOWN.findall(err)
    error = "" if status == 0 or gone else "; ".join(errors(err) or ["apt-get ended with status %d" % status])
    return Simulation(installs, sorted(_REMV.findall(out)), sorted(gone), error)


def errors(text: str) -> list[str]:
    """The lines in which apt and dpkg say what went wrong, the first ones, each once."""
    found = []
    lines = [*text.splitlines(), ""]
    for place, line in enumerate(lines[:-1]):
        after = lines[place + 1]
        if _ERROR.match(line):
            # dpkg gives its reason on a line of its own, one space in.
            reason = " " + after.strip() if line.rstrip().endswith(":") and after.startswith(" ") else ""
            found.append((line.strip() + reason)[:400])
    return list(dict.fromkeys(found))[:8]


def parse_uris(text: str) -> int:
    """The bytes that `apt-get --print-uris` would fetch."""
    return sum(int(size) for size in _URI.findall(text))


def parse_sizes(text: str) -> dict[tuple[str, str], int]:
    """`apt-cache show`: bytes on the disk by (NAME:ARCHITECTURE, version)."""
    found = {}
    for paragraph in text.split("\n\n"):
        lines = (line.partition(": ") for line in paragraph.splitlines() if not line.startswith(" "))
        fields = {name: value for name, _colon, value in lines}
        size = fields.get("Installed-Size", "")
        if size.isdigit():
            key = "%s:%s" % (fields.get("Package"), fields.get("Architecture"))
            found[key, fields.get("Version", "")] = int(size) * 1024
    return found


def wanted(package: Package) -> str:
    """One package at its version, as apt-get install takes it. What is for all architectures is named without one."""
    name = package.name if package.architecture == "all" else package.key
    return "%s=%s" % (name, package.version)


def cached(package: Package, archives: str = ARCHIVES) -> str | None:
    """The .deb of this version that apt keeps, if it does."""
    version = package.version.replace(":", "%3a")
    path = os.path.join(archives, "%s_%s_%s.deb" % (package.name, version, package.architecture))
    return path if os.path.exists(path) else None


class Apt:
    """The package manager apt. back: the way back, to older versions."""

    name = "apt"
    locks = LOCKS
    archives = ARCHIVES
    environment = ENVIRONMENT

    def __init__(self, programs: Programs) -> None:
        self.programs = programs

    def states(self) -> dict[str, dpkg.State]:
        return dpkg.states(self.programs)

    def simulate(self, targets: list[str], *, back: bool = False) -> Simulation:
        answer = self.programs.run("apt-get", "--simulate", *self._how(back), "install", "--", *targets)
        return parse_simulation(answer.status, answer.out, answer.err)

    def refresh(self) -> Output:
        """Renew the package lists."""
        return self.programs.run("apt-get", "-q", "update", seconds=SECONDS_TO_REFRESH)

    def download_bytes(self, targets: list[str], *, back: bool = False) -> int | None:
        """The bytes to fetch; None where apt does not say."""
        # Without the option apt says nothing at all where one is on hold; that is refused with a reason of its own.
        asked = ("apt-get", "-qq", "--print-uris", "--allow-change-held-packages")
        answer = self.programs.run(*asked, *self._how(back), "install", "--", *targets)
        return parse_uris(answer.out) if answer.status == 0 else None

    def sizes(self, packages: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Bytes on the disk by (key, version); what apt does not know the size of is not there."""
        names = ["%s=%s" % (key[: -len(":all")] if key.endswith(":all") else key, version) for key, version in packages]
        return parse_sizes(self.programs.run("apt-cache", "show", "--", *names).out) if names else {}

    def download(self, targets: list[str], log: str, lock_timeout: int, *, back: bool = False) -> int:
        argv = ["apt-get", *self._work(lock_timeout), *self._how(back), "--download-only", "install", "--", *targets]
        return self.programs.work(argv, log, self.environment)

    def install(self, targets: list[str], log: str, lock_timeout: int, *, back: bool = False) -> int:
        argv = ["apt-get", *self._work(lock_timeout), *self._how(back), "--no-remove", "install", "--", *targets]
        return self.programs.work(argv, log, self.environment)

    def configure(self, log: str) -> int:
        """Go on with what was cut off."""
        argv = ["dpkg", *_CONFIGURATION, "--configure", "--pending"]
        return self.programs.work(argv, log, self.environment)

    def mend(self, allowed: set[str], log: str, lock_timeout: int) -> int:
        """Let apt mend unmet dependencies, where that moves nothing but the packages that are allowed to move.

        The status is 1 when more would move; nothing is done then.
        """
        answer = self.programs.run("apt-get", "--simulate", "--fix-broken", "install")
        plan = parse_simulation(answer.status, answer.out, answer.err)
        if plan.error or plan.removes or not {key for key, _before, _after in plan.installs} <= allowed:
            return 1
        argv = ["apt-get", *self._work(lock_timeout), "--no-remove", "--fix-broken", "install"]
        return self.programs.work(argv, log, self.environment)

    @staticmethod
    def _how(back: bool) -> tuple[str, ...]:
        return ("--allow-downgrades",) if back else ("--only-upgrade",)

    @staticmethod
    def _work(lock_timeout: int) -> list[str]:
        options = ["DPkg::Lock::Timeout=%d" % lock_timeout, "Dpkg::Use-Pty=0", "Acquire::Retries=2"]
        options += ["Dpkg::Options::=" + option for option in _CONFIGURATION]
        # What is installed once may be wanted back.
        options += ["APT::Keep-Downloaded-Packages=true"]
        found = ["-y", "-q"]
        for option in options:
            found += ["-o", option]
        return found
