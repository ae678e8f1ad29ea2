# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How dnf 4 is asked and told, and what its answers mean. The parsers are pure; Dnf runs the programs.

dnf is never taken at its word: `dnf upgrade A B` ends with status 0 when it did A and never found B, and when the
script of a package failed. So what it would do is asked of its own solver first (simulate), and what it did is read
from rpm's database and from its log. Versions are always named, in full, and what is installed is what was simulated:
the lists stay as they are between the two.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping

from ansible_collections.msp.ops.plugins.module_utils.audit import boot, packages, reboot
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host, Output
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching import dnf, rpmversion
from ansible_collections.msp.ops.plugins.module_utils.patching.install import holders, rpm
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import (
    Advice,
    Cost,
    Cut,
    Manager,
    Move,
    Simulation,
    State,
    States,
)
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Package

# No questions, nothing that nobody asked for, and the version that was asked for or none. A list that got too old
# meanwhile is not renewed behind our back; another dnf at work is waited for by us, who know for how long.
OPTIONS = (
    "--assumeyes",
    "--setopt=install_weak_deps=False",
    "--setopt=clean_requirements_on_remove=False",
    "--setopt=exit_on_lock=True",
    "--setopt=*.metadata_expire=never",
    "--best",
)
NEEDS_RESTARTING = "dnf needs-restarting"
# It takes a file on a file system without a device of its own for no regular file.
BLIND = "no programs on btrfs or overlay file systems"
SECONDS_TO_ASK = 120
ADVICE = Advice(
    unfinished="see what stopped it (dnf history list, dnf check, rpmdb --verifydb), then dnf remove --duplicates on "
    "the host, or rpmdb --rebuilddb where the database itself is damaged",
    hold="take it off its lock on the host (dnf versionlock delete, excludepkgs), or leave it out with an exclusion in "
    "the plan",
    unsolved="see on the host with dnf --assumeno upgrade and the packages' names what is in the way",
    room="make room on the host (dnf clean packages, old kernels, logs)",
    back="give one of the host's repositories these versions back, or get them elsewhere and install them on the host "
    "with dnf downgrade FILE, or restore the host from its backup; nothing was rolled back",
    repair="see on the host what ends it (memory, power, somebody), then dnf check and dnf remove --duplicates",
)
_PAUSE = 0.5
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9_]*")
_VERSION = re.compile(r"(?:\d+:)?[A-Za-z0-9][A-Za-z0-9.+~^_]*-[A-Za-z0-9][A-Za-z0-9.+~^_]*")
_ERROR = re.compile(r"(?:Error(?::| unpacking| in )|No match for argument: |.*locked by )")
_FAILED_SCRIPT = re.compile(r"^(?:Error|Warning) in (\w+) scriptlet in rpm package (\S+)", re.MULTILINE)
_SERVICE = re.compile(r"[A-Za-z0-9:_.\\@-]+\.service")
_COMPONENT = re.compile(r"^ +\* (\S+)", re.MULTILINE)
_CORE = "Core libraries or services have been updated"
MOST_LINES = 8


def nevra(package: Package) -> str:
    """What dnf takes for exactly this one; MSP-PAT-061 where it could be taken for something else."""
    parts = ((_NAME, package.name), (_ARCHITECTURE, package.architecture), (_VERSION, package.version))
    wrong = [value for pattern, value in parts if not pattern.fullmatch(value)]
    if wrong:
        raise MspError(
            "MSP-PAT-061",
            "a package's name, architecture and version as rpm has them",
            ", ".join(repr(value) for value in wrong),
            "scan the host again and plan with what it says",
        )
    version = package.version if ":" in package.version else "0:" + package.version
    return "%s-%s.%s" % (package.name, version, package.architecture)


def command(verb: str, targets: Iterable[str], *options: str) -> list[str]:
    """One run of dnf for exactly these targets."""
    names = sorted(targets)
    if not names:
        # `dnf upgrade` with nothing behind it upgrades everything.
        raise MspError("MSP-PAT-062", "at least one package to install", "none", "do not run dnf for nothing")
    return ["dnf", *OPTIONS, *options, verb, "--", *names]


def verb(back: bool) -> str:
    return "downgrade" if back else "upgrade"


def parse_simulation(report: Mapping, states: States) -> Simulation:
    """dnf_inside's answer, held against what is installed."""
    comes, goes = report["comes"], report["goes"]
    installs, changes = [], []
    for row in comes:
        state = _replaced(row, states)
        installs.append(Move(_key(row), state.version if state else None, row["version"], row["repository"]))
        # What is kept beside its older version takes its room anew.
        changes.append((state.size if state and not row["beside"] else 0, int(row["installed_bytes"])))
    coming = {row["name"] for row in comes}
    beside = {row["name"] for row in comes if row["beside"]}
    return Simulation(
        installs=tuple(installs),
        removes=tuple(sorted({row["name"] for row in goes} - coming)),
        gone=tuple(sorted(set(report["missing"]) - set(report["blocked"]))),
        held=tuple(sorted(report["blocked"].items())),
        error=" ".join((report["problem"] or "").split()),
        retires=tuple(sorted("%s %s" % (_key(row), row["version"]) for row in goes if row["name"] in beside)),
        reboots=tuple(sorted({row["name"] for row in comes if row["reboot"]})),
        cost=Cost(
            fetch=sum(int(row["fetch_bytes"]) for row in comes),
            changes=tuple(changes),
            kernels=_kernels([row["name"] for row in comes if row["beside"]]),
        ),
    )


def _kernels(names: list[str]) -> int:
    """How many kernels come to /boot. Of the packages of one it is the core that has it, where there is one."""
    kernels = [name for name in names if name.startswith("kernel")]
    cores = [name for name in kernels if name.endswith("-core") and not name.endswith("-modules-core")]
    return len(cores) or sum(1 for name in kernels if name in ("kernel", "kernel-uek", "kernel-rt"))


def _key(row: Mapping) -> str:
    return "%s:%s" % (row["name"], row["architecture"])


def _replaced(row: Mapping, states: States) -> State | None:
    return _of(row["name"], row["architecture"], states)


def _of(name: str, architecture: str, states: States) -> State | None:
    """A package may become one for all architectures, or the other way round."""
    same = states.get("%s:%s" % (name, architecture))
    if same is not None:
        return same
    if architecture != "noarch":
        return states.get(name + ":noarch")
    others = sorted(key for key in states if key.rpartition(":")[0] == name)
    return states[others[0]] if others else None


def errors(text: str) -> list[str]:
    """The lines in which dnf and rpm say what went wrong, the first ones, each once, with the reason below it."""
    lines = text.splitlines()
    found = []
    for place, line in enumerate(lines):
        if _ERROR.match(line):
            reason = lines[place + 1 : place + 3] if line.strip().endswith(":") else []
            found.append(" ".join(" ".join([line, *reason]).split())[:300])
    return list(dict.fromkeys(found))[:MOST_LINES]


def failed_scripts(text: str) -> list[list[str]]:
    """[script, package], as dnf prints them: ["POSTIN", "httpd"].

    A package whose script fails after its installation is installed all the same, and dnf ends with status 0.
    """
    return [list(one) for one in dict.fromkeys(_FAILED_SCRIPT.findall(text))]


def parse_services(text: str) -> list[str]:
    """The services in `dnf needs-restarting --services`."""
    words = {line.strip() for line in text.splitlines()}
    return sorted(word for word in words if _SERVICE.fullmatch(word))


def parse_reboot(text: str) -> list[str] | None:
    """What `dnf needs-restarting --reboothint` names; None where it gave no such answer (it is a plugin)."""
    if _CORE in text:
        return ["%s was updated after the last boot" % name for name in sorted(set(_COMPONENT.findall(text)))]
    return [] if "No core libraries" in text else None


class Dnf(Manager):
    """The package manager dnf 4, and rpm below it. interpreter: the Python that dnf runs on."""

    name = "dnf"
    advice = ADVICE

    def __init__(self, host: Host, programs: Programs, interpreter: str) -> None:
        self.host = host
        self.programs = programs
        self.interpreter = interpreter
        self.archives = dnf.cache_of(host)
        self._twice: dict[tuple[str, ...], frozenset[str]] = {}
        # The last answer of the solver, which takes its time, and what it was asked; until something has changed.
        self._simulated: tuple[tuple[str, ...], Simulation] | None = None

    def damage(self) -> str:
        return rpm.damage(self.programs, locked=bool(self.holders()))

    def states(self) -> States:
        found = rpm.states(self.programs)
        several = {key: state for key, state in found.items() if state.others}
        for key in self._not_meant(several):
            state = several[key]
            state.status = "there in several versions: %s" % ", ".join((*state.others, state.version))
        return found

    def _not_meant(self, several: States) -> frozenset[str]:
        """Of the packages that are there in several versions, those that dnf does not keep beside each other."""
        seen = tuple(sorted("%s %s %s" % (key, state.version, state.others) for key, state in several.items()))
        if seen and seen not in self._twice:
            said = self._ask({"ask": "duplicates"})
            self._twice[seen] = frozenset(_key(row) for row in said["duplicates"])
        return self._twice.get(seen, frozenset()) & frozenset(several)

    def _ask(self, request: dict) -> dict:
        """dnf's own answer, from its cache and without root's rights; MSP-PAT-060 where there is none."""
        try:
            report, why = dnf.ask(self.host, self.interpreter, request)
        finally:
            self.host.close()
        if report is None:
            raise MspError(
                "MSP-PAT-060",
                "dnf 4 to say what it would do",
                why,
                "run dnf on the host and see what it says; dnf 5 is not supported",
            )
        return report

    def interrupted(self) -> str:
        # rpm keeps no journal of its own: what it left in the middle is in states().
        return ""

    def compare(self, one: str, other: str) -> int:
        return rpmversion.compare(one, other)

    def state_of(self, package: Package, states: States) -> State | None:
        return _of(package.name, package.architecture, states)

    def named(self, package: Package) -> str:
        return nevra(package)

    def lacks(self, package: Package, gone: Iterable[str]) -> bool:
        return nevra(package) in gone

    def kept_back(self, packages: list[Package], states: States) -> dict[str, str]:
        """Those that a version lock or an exclude of the host's configuration hides."""
        names = {nevra(package): package.key for package in packages}
        held = self.simulate(list(names), states).held if names else ()
        return {names[target]: why for target, why in held}

    def sources(self, packages: list[Package], states: States) -> tuple[list[str], list[str]]:
        """dnf keeps no files: what no repository has any more is not to be had."""
        names = {nevra(package): package for package in packages}
        said = self.simulate(list(names), states, back=True)
        lacking = {*said.gone, *(target for target, _why in said.held)}
        missing = ["%s %s" % (one.key, one.version) for name, one in names.items() if name in lacking]
        return list(names), missing

    def simulate(self, targets: list[str], states: States, *, back: bool = False) -> Simulation:
        asked = (verb(back), *sorted(targets))
        if self._simulated is None or self._simulated[0] != asked:
            report = self._ask({"ask": "simulate", "action": verb(back), "nevras": sorted(targets)})
            self._simulated = (asked, parse_simulation(report, states))
        return self._simulated[1]

    def refresh(self) -> Output:
        self._simulated = None
        return self.programs.run(*dnf.REFRESH, seconds=dnf.SECONDS_TO_REFRESH)

    def cost(self, found: Simulation, targets: list[str], states: States, *, back: bool = False) -> Cost | None:
        del targets, states, back  # the simulation has it
        return found.cost

    def holders(self) -> list[str]:
        found = []
        for path in dnf.lock_files(self.archives):
            process = holders.by_number(self.host, path)
            if process is not None:
                found.append("%s by %s" % (path, holders.named(self.host, process)))
        return found + holders.held(self.host, (rpm.lock(self.programs),))

    def download(self, targets: list[str], log: str, lock_timeout: int, *, back: bool = False) -> int:
        return self._work(command(verb(back), targets, "--downloadonly"), log, lock_timeout)

    def install(self, targets: list[str], log: str, lock_timeout: int, *, back: bool = False) -> int:
        """From the cache alone."""
        return self._work(command(verb(back), targets, "--cacheonly"), log, lock_timeout)

    def repair(self, cut: Cut, log: str, lock_timeout: int) -> list[str]:
        """Install once more what was in the middle, which runs its scripts and removes the older version beside it."""
        if self.damage():
            self.programs.work(["rpmdb", "--rebuilddb"], log, {})
        states = self.states()
        again = {key for key, state in states.items() if not state.sound}
        moved = {key for key, state in states.items() if cut.before.get(key) != state.version}
        again |= {key for key in moved if not cut.ended or key.rpartition(":")[0] in cut.scripts}
        again &= cut.allowed
        if not again:
            return []
        newest = [nevra(_package(states[key])) for key in sorted(again)]
        # dnf fetches what is not in its cache any more: it keeps packages until a transaction comes to its end.
        status = self._work(command("reinstall", newest), log, lock_timeout)
        left = {key: state for key, state in self.states().items() if key in again and not state.sound}
        if left:
            # The older versions go all the same.
            rest = [nevra(_package(state, version)) for state in left.values() for version in state.others]
            self._work(command("remove", rest, "--cacheonly"), log, lock_timeout)
        return sorted(again) if status != 0 else []

    def errors(self, text: str) -> list[str]:
        return errors(text)

    def failed_scripts(self, text: str) -> list[list[str]]:
        return failed_scripts(text)

    def configuration(self, text: str, since: float) -> tuple[list[str], list[str]]:
        return rpm.configuration(text, since)

    def stale(self) -> tuple[str, list[str] | None, str]:
        answer = self.programs.run("dnf", "needs-restarting", "--services", seconds=SECONDS_TO_ASK)
        if answer.status != 0:
            return NEEDS_RESTARTING, None, "%s %s" % (NEEDS_RESTARTING, answer.reason())
        return NEEDS_RESTARTING, parse_services(answer.out), BLIND

    def reboot_reasons(self, moved: Iterable[str]) -> list[str]:
        """By dnf's plugin where it is installed; else by what the audit measures, the times of installation."""
        del moved  # dnf goes by those times too, whoever moved it
        answer = self.programs.run("dnf", "needs-restarting", "--reboothint", seconds=SECONDS_TO_ASK)
        said = parse_reboot(answer.out)
        if said is not None:
            return said
        installed = packages.parse_rpm(self.programs.run(*packages.RPM_QUERY).out)
        since = boot.collect(self.host)
        late = {one.name for one in installed if one.name in reboot.CORE and since and (one.since or 0) > since}
        return ["%s was updated after the last boot" % name for name in sorted(late)]

    def _work(self, argv: list[str], log: str, lock_timeout: int) -> int:
        """Run dnf, after another one that is at work, for which it is waited as long as was said."""
        self._simulated = None
        end = time.monotonic() + lock_timeout
        while True:
            status = self.programs.work(argv, log, {})
            if status != dnf.LOCKED or time.monotonic() >= end:
                return status
            time.sleep(_PAUSE)


def _package(state: State, version: str = "") -> Package:
    name, _colon, architecture = state.key.rpartition(":")
    return Package(name, architecture, version or state.version)
