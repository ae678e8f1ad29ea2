# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How apt is asked and told, and what its answers mean. The parsers are pure; Apt runs the programs.

Versions are always named, in full. What a simulation shows beyond the manifest is told to people, never hidden.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from ansible_collections.msp.ops.plugins.module_utils.audit import boot
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host, Output
from ansible_collections.msp.ops.plugins.module_utils.audit.updates import Policy, parse_policy
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching import debversion, effects, shape, simulation
from ansible_collections.msp.ops.plugins.module_utils.patching.install import dpkg, holders, leftovers, stale
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import (
    Advice,
    Cost,
    Cut,
    Manager,
    Move,
    Simulation,
    States,
)
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Package

ARCHIVES = "/var/cache/apt/archives"
SECONDS_TO_REFRESH = 600
SECONDS_TO_ASK = 120
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
ADVICE = Advice(
    unfinished="see what stopped it (dpkg --audit), then dpkg --configure -a on the host",
    hold="take it off hold on the host (apt-mark unhold), or leave it out with an exclusion in the plan",
    unsolved="see on the host with apt-get --simulate install what is in the way",
    room="make room on the host (apt-get clean, old kernels, logs)",
    back="get these packages elsewhere (snapshot.debian.org, a backup) and install them on the host with dpkg -i, or "
    "restore the host from its backup; nothing was rolled back",
    repair="see on the host what ends it (memory, power, somebody), then dpkg --configure -a",
)
_INST = re.compile(r"^Inst (\S+) (?:\[([^\]]+)\] )?\((\S+) (?:(.*) )?\[([^\]]+)\]\)", re.MULTILINE)
_REMV = re.compile(r"^(?:Remv|Purg) (\S+)", re.MULTILINE)
_GONE = re.compile(r"^E: Version '([^']+)' for '([^']+)' was not found", re.MULTILINE)
_UNKNOWN = re.compile(r"^E: Unable to locate package (\S+)", re.MULTILINE)
_ERROR = re.compile(r"^(?:E: |dpkg: error|dpkg: unrecoverable|.* error processing)", re.MULTILINE)
_URI = re.compile(r"^'[^']+' \S+ (\d+) ", re.MULTILINE)


def parse_simulation(status: int, out: str, err: str) -> Simulation:
    installs = tuple(
        Move("%s:%s" % (name.partition(":")[0], architecture), before or None, after, source)
        for name, before, after, source, architecture in _INST.findall(out)
    )
    gone = ["%s=%s" % (name, version) for version, name in _GONE.findall(err)] + _UNKNOWN.findall(err)
    error = "" if status == 0 or gone else "; ".join(errors(err) or ["apt-get ended with status %d" % status])
    return Simulation(installs, tuple(sorted(_REMV.findall(out))), tuple(sorted(gone)), error=error)


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


def held_by(policy: Policy, version: str) -> str:
    """What keeps a host from choosing a version that one of its archives has; "" where nothing does.

    A newer one that it would choose instead is no hold.
    """
    if version not in [name for name, _sources in policy.versions]:
        return ""
    if policy.candidate is not None and debversion.compare(policy.candidate, version) >= 0:
        return ""
    return policy.phase(version) or shape.PINNED


def wanted(package: Package) -> str:
    """One package at its version, as apt-get install takes it. What is for all architectures is named without one."""
    name = package.name if package.architecture == "all" else package.key
    return "%s=%s" % (name, package.version)


def cached(package: Package, archives: str = ARCHIVES) -> str | None:
    """The .deb of this version that apt keeps, if it does."""
    version = package.version.replace(":", "%3a")
    path = os.path.join(archives, "%s_%s_%s.deb" % (package.name, version, package.architecture))
    return path if os.path.exists(path) else None


class Apt(Manager):
    """The package manager apt, and dpkg below it."""

    name = "apt"
    archives = ARCHIVES
    advice = ADVICE

    def __init__(self, host: Host, programs: Programs) -> None:
        self.host = host
        self.programs = programs
        self._would_move: frozenset[str] | None = None

    def damage(self) -> str:
        # dpkg's database is text, and states() fails where it cannot be read.
        return ""

    def states(self) -> States:
        return dpkg.states(self.programs)

    def interrupted(self) -> str:
        return "dpkg was cut off while it wrote its database" if dpkg.interrupted() else ""

    def compare(self, one: str, other: str) -> int:
        return debversion.compare(one, other)

    def named(self, package: Package) -> str:
        return wanted(package)

    def lacks(self, package: Package, gone: Iterable[str]) -> bool:
        # apt names what it lacks without its architecture where that is the machine's own.
        names = {wanted(package), "%s=%s" % (package.name, package.version), package.name}
        return not names.isdisjoint(gone)

    def kept_back(self, packages: list[Package], states: States) -> dict[str, str]:
        """dpkg's holds; and what apt's policy would not choose, or a dist-upgrade would put off.

        apt-get install takes a version that is named whatever pins and phases say, so they are asked for here.
        """
        found = {one.key: shape.HOLD for one in packages if one.key in states and states[one.key].held}
        rest = [one for one in packages if one.key not in found]
        policies = self._policies(rest)
        for one in rest:
            # What is of the machine's own architecture is named without it.
            policy = policies.get(one.key) or policies.get(one.name)
            if policy is None:
                continue
            why = held_by(policy, one.version)
            if not why and policy.candidate == one.version and policy.phase(one.version):
                why = "" if {one.key, one.name} & self._upgraded() else policy.phase(one.version)
            if why:
                found[one.key] = why
        return found

    def _policies(self, packages: list[Package]) -> dict[str, Policy]:
        if not packages:
            return {}
        names = sorted({wanted(one).partition("=")[0] for one in packages})
        answer = self.programs.run("apt-cache", "policy", "--", *names, seconds=SECONDS_TO_ASK)
        if answer.status != 0:
            raise MspError(
                "MSP-PAT-182",
                "apt to say which versions this host would choose",
                "apt-cache policy " + answer.reason(),
                "run apt-cache policy on the host and see what it says: without it pins would be passed over",
            )
        return parse_policy(answer.out)

    def _upgraded(self) -> frozenset[str]:
        """What a dist-upgrade would move now, as apt calls it; it puts off what is meant for other machines first."""
        if self._would_move is None:
            answer = self.programs.run(*simulation.DIST_UPGRADE, seconds=SECONDS_TO_ASK)
            # Where apt cannot tell, nothing that is phased is taken for meant for this machine.
            self._would_move = frozenset(simulation.parse(answer.out).upgraded if answer.status == 0 else ())
        return self._would_move

    def sources(self, packages: list[Package], states: States) -> tuple[list[str], list[str]]:
        """Of each package its version, or a file that apt kept."""
        names = {package: wanted(package) for package in packages}
        gone = set(self.simulate(list(names.values()), states, back=True).gone)
        targets, missing = [], []
        for package, name in names.items():
            lacks = self.lacks(package, gone)
            file = cached(package, self.archives) if lacks else None
            if lacks and file is None:
                missing.append("%s %s" % (package.key, package.version))
            targets.append(file or name)
        return targets, missing

    def simulate(self, targets: list[str], states: States, *, back: bool = False) -> Simulation:
        del states  # apt says itself what is installed
        answer = self.programs.run("apt-get", "--simulate", *self._how(back), "install", "--", *targets)
        return parse_simulation(answer.status, answer.out, answer.err)

    def refresh(self) -> Output:
        self._would_move = None
        return self.programs.run("apt-get", "-q", "update", seconds=SECONDS_TO_REFRESH)

    def cost(self, found: Simulation, targets: list[str], states: States, *, back: bool = False) -> Cost | None:
        # Without the option apt says nothing at all where one is on hold; that is refused with a reason of its own.
        asked = ("apt-get", "-qq", "--print-uris", "--allow-change-held-packages")
        answer = self.programs.run(*asked, *self._how(back), "install", "--", *targets)
        if answer.status != 0:
            return None
        sizes = self._sizes([(move.key, move.after) for move in found.installs])
        changes = []
        for move in found.installs:
            size = states[move.key].size if move.key in states else 0
            # Where apt does not know a size, it is taken for as large as it was.
            changes.append((size, sizes.get((move.key, move.after), size)))
        kernels = sum(1 for move in found.installs if move.before is None and move.key.startswith("linux-image-"))
        return Cost(parse_uris(answer.out), tuple(changes), kernels)

    def _sizes(self, packages: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Bytes on the disk by (key, version); what apt does not know the size of is not there."""
        names = ["%s=%s" % (key[: -len(":all")] if key.endswith(":all") else key, version) for key, version in packages]
        return parse_sizes(self.programs.run("apt-cache", "show", "--", *names).out) if names else {}

    def holders(self) -> list[str]:
        return holders.held(self.host, LOCKS)

    def download(self, targets: list[str], log: str, lock_timeout: int, *, back: bool = False) -> int:
        argv = ["apt-get", *self._work(lock_timeout), *self._how(back), "--download-only", "install", "--", *targets]
        return self.programs.work(argv, log, ENVIRONMENT)

    def install(self, targets: list[str], log: str, lock_timeout: int, *, back: bool = False) -> int:
        argv = ["apt-get", *self._work(lock_timeout), *self._how(back), "--no-remove", "install", "--", *targets]
        return self.programs.work(argv, log, ENVIRONMENT)

    def repair(self, cut: Cut, log: str, lock_timeout: int) -> list[str]:
        """dpkg goes on with what was cut off; apt mends dependencies, where that moves nothing but what is allowed."""
        self.programs.work(["dpkg", *_CONFIGURATION, "--configure", "--pending"], log, ENVIRONMENT)
        answer = self.programs.run("apt-get", "--simulate", "--fix-broken", "install")
        plan = parse_simulation(answer.status, answer.out, answer.err)
        if not plan.error and not plan.removes and {move.key for move in plan.installs} <= cut.allowed:
            argv = ["apt-get", *self._work(lock_timeout), "--no-remove", "--fix-broken", "install"]
            self.programs.work(argv, log, ENVIRONMENT)
        return []  # what is not done is half-configured, or worse

    def errors(self, text: str) -> list[str]:
        return errors(text)

    def failed_scripts(self, text: str) -> list[list[str]]:
        del text  # dpkg keeps a package whose script failed half-configured: its state tells
        return []

    def configuration(self, text: str, since: float) -> tuple[list[str], list[str]]:
        beside = leftovers.found("/etc", since, dpkg.LEFTOVERS)
        return sorted(leftovers.without(beside, dpkg.LEFTOVERS) | set(dpkg.kept_in_log(text))), []

    def stale(self) -> tuple[str, list[str] | None, str]:
        return stale.needrestart(self.programs)

    def reboot_reasons(self, moved: Iterable[str]) -> list[str]:
        """What a running system keeps until it is started again, of what the work moved.

        Its packages ask for a reboot in /run/reboot-required only where unattended-upgrades or a notifier is installed.
        """
        names = {key.rpartition(":")[0] for key in moved}
        late = effects.replaced_since(self.host, boot.collect(self.host))
        return ["%s was updated after the last boot" % name for name in late if name in names]

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
