# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How dnf is told to install exact versions, what it would do, and what came of it. Pure but for simulate().

dnf is never taken at its word: `dnf upgrade A B` ends with status 0 when it did A and never found B. So what it would
do is asked first (simulate, refusals), and what it did is read from rpm's database (changes, not_reached).

    found = dnf_install.simulate(host, targets)              # what dnf would do; nothing is fetched
    errors = dnf_install.refusals(found, targets)            # why it is not begun; empty: go
    argv = dnf_install.download_command(targets)             # fetch everything; nothing is installed
    argv = dnf_install.install_command(targets)              # install from the cache; nothing is fetched
    before, after = (dnf_install.parse_installed(out) for out in ...)   # of INSTALLED, before and after
    dnf_install.not_reached(after, targets)

A target is one package at one version. The way back (back=True) is a downgrade to a version that is in a repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching import dnf

# No questions, nothing that nobody asked for, and the version that was asked for or none.
_OPTIONS = ("--assumeyes", "--setopt=install_weak_deps=False", "--setopt=clean_requirements_on_remove=False", "--best")
# Every version of a package that is kept beside others has its own line. %|EPOCH?{...}| prints only where there is one.
INSTALLED = ("rpm", "-qa", "--queryformat", "%{NAME}\t%{ARCH}\t%|EPOCH?{%{EPOCH}}:{0}|:%{VERSION}-%{RELEASE}\n")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9_]*")
_VERSION = re.compile(r"(?:\d+:)?[A-Za-z0-9][A-Za-z0-9.+~^_]*-[A-Za-z0-9][A-Za-z0-9.+~^_]*")
_ERROR = re.compile(r"(?:Error(?::| unpacking| in )|No match for argument: |.*locked by )")
_FAILED_SCRIPT = re.compile(r"^Error in (\w+) scriptlet in rpm package (\S+)", re.MULTILINE)
MOST_LINES = 8


@dataclass(frozen=True)
class Target:
    """One package at one version, as a scan gives it: version is "1:2.0-3.el9", without the epoch where it is 0."""

    name: str
    architecture: str
    version: str

    @property
    def key(self) -> str:
        return "%s:%s" % (self.name, self.architecture)

    @property
    def evr(self) -> str:
        return full_version(self.version)

    @property
    def nevra(self) -> str:
        """What dnf takes for exactly this one; MSP-PAT-061 where it could be taken for something else."""
        parts = ((_NAME, self.name), (_ARCHITECTURE, self.architecture), (_VERSION, self.version))
        wrong = [value for pattern, value in parts if not pattern.fullmatch(value)]
        if wrong:
            raise MspError(
                "MSP-PAT-061",
                "a package's name, architecture and version as rpm has them",
                ", ".join(repr(value) for value in wrong),
                "scan the host again and plan with what it says",
            )
        return "%s-%s.%s" % (self.name, self.evr, self.architecture)


@dataclass(frozen=True)
class Change:
    """One package that comes or goes. fetch is how many bytes are to be fetched, size how many it has on the disk."""

    name: str
    architecture: str
    version: str
    nevra: str
    repository: str
    size: int
    fetch: int = 0

    @property
    def key(self) -> str:
        return "%s:%s" % (self.name, self.architecture)


@dataclass(frozen=True)
class Simulation:
    """What dnf would do, or why not. missing: targets that no repository has, or that are excluded or locked."""

    comes: tuple[Change, ...] = ()
    goes: tuple[Change, ...] = ()
    missing: tuple[str, ...] = ()
    problem: str = ""

    @property
    def fetch_bytes(self) -> int:
        return sum(one.fetch for one in self.comes)

    @property
    def disk_bytes(self) -> int:
        """How much more the disk holds afterwards; less where that is negative."""
        return sum(one.size for one in self.comes) - sum(one.size for one in self.goes)


def full_version(version: str) -> str:
    """With its epoch: "2.0-3" and "0:2.0-3" are the same version."""
    return version if ":" in version else "0:" + version


def refresh_command() -> tuple[str, ...]:
    return dnf.REFRESH


def download_command(targets: Sequence[Target], *, back: bool = False) -> tuple[str, ...]:
    """Fetch all that a transaction takes, into dnf's own cache, and stop before it."""
    return ("dnf", *_OPTIONS, "--downloadonly", _verb(back), "--", *_nevras(targets))


def install_command(targets: Sequence[Target], *, back: bool = False) -> tuple[str, ...]:
    """Do it, with what is in the cache only: the lists cannot change between the simulation and this."""
    return ("dnf", *_OPTIONS, "--cacheonly", _verb(back), "--", *_nevras(targets))


def _verb(back: bool) -> str:
    return "downgrade" if back else "upgrade"


def _nevras(targets: Sequence[Target]) -> tuple[str, ...]:
    if not targets:
        # `dnf upgrade` with nothing behind it upgrades everything.
        raise MspError("MSP-PAT-062", "at least one package to install", "none", "do not run dnf for nothing")
    return tuple(sorted(target.nevra for target in targets))


def simulate(host: Host, targets: Sequence[Target], *, back: bool = False) -> Simulation:
    """Ask dnf, from its cache and without root's rights, what it would do; MSP-PAT-060 where there is no answer."""
    request = {"ask": "simulate", "action": _verb(back), "nevras": list(_nevras(targets))}
    interpreter, why = dnf.find_interpreter(host)
    report, why = dnf.ask(host, interpreter, request) if interpreter else (None, why)
    if report is None:
        raise MspError(
            "MSP-PAT-060",
            "dnf 4 to say what it would do",
            why,
            "run dnf on the host and see what it says; dnf 5 is not supported",
        )
    return parse_simulation(report)


def parse_simulation(report: Mapping) -> Simulation:
    """dnf_inside's answer. A repository that is lost makes nothing of it: the targets are missing then."""
    return Simulation(
        tuple(_change(row) for row in report["comes"]),
        tuple(_change(row) for row in report["goes"]),
        tuple(report["missing"]),
        " ".join((report["problem"] or "").split()),
    )


def _change(row: Mapping) -> Change:
    return Change(
        row["name"],
        row["architecture"],
        row["version"],
        row["nevra"],
        row["repository"],
        int(row["installed_bytes"]),
        int(row.get("fetch_bytes", 0)),
    )


def beyond(found: Simulation, targets: Sequence[Target], allowed: Iterable[str] = ()) -> list[str]:
    """What the transaction would touch beside the targets, one sentence each; allowed are names that may come.

    A package that goes because a target of its name comes, in whatever architecture, is no other package.
    """
    wanted = {target.nevra for target in targets}
    names = {target.name for target in targets}
    welcome = set(allowed) - names
    comes = ["%s would come" % one.nevra for one in found.comes if one.nevra not in wanted and one.name not in welcome]
    goes = ["%s would go" % one.nevra for one in found.goes if one.name not in names]
    return sorted(comes) + sorted(goes)


def refusals(found: Simulation, targets: Sequence[Target], *, allowed: Iterable[str] = ()) -> list[MspError]:
    """Why the transaction is not begun; empty: it does what was asked, and nothing else.

    allowed are names of packages that may come with it, as a scan said (an update's installs).
    """
    errors = []
    if found.missing:
        errors.append(
            MspError(
                "MSP-PAT-063",
                "every version to be in a repository, and neither excluded nor locked",
                "not to be had: %s" % ", ".join(found.missing),
                "scan again and plan a new rollout, or give the repository the version back; nothing was done",
            )
        )
    if found.problem:
        errors.append(
            MspError(
                "MSP-PAT-064",
                "the packages' requirements to be met",
                found.problem,
                "leave out the packages named, or give the host the repository that has what they need",
            )
        )
    others = beyond(found, targets, allowed)
    if others:
        errors.append(
            MspError(
                "MSP-PAT-065",
                "a transaction that touches only what was asked for",
                "; ".join(others),
                "plan these packages too, or leave out what needs them; nothing was done",
            )
        )
    return errors


def parse_installed(text: str) -> dict[str, set[str]]:
    """The lines of INSTALLED: versions with their epoch, by "name:architecture"; several where they are kept."""
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        words = line.split("\t")
        if len(words) == 3 and words[0] != "gpg-pubkey":
            found.setdefault("%s:%s" % (words[0], words[1]), set()).add(words[2])
    return found


def changes(before: Mapping[str, set[str]], after: Mapping[str, set[str]]) -> dict[str, tuple[list[str], list[str]]]:
    """What is different: versions that went and that came, by "name:architecture"."""
    found = {}
    for key in sorted({*before, *after}):
        gone = sorted(before.get(key, set()) - after.get(key, set()))
        come = sorted(after.get(key, set()) - before.get(key, set()))
        if gone or come:
            found[key] = (gone, come)
    return found


def not_reached(after: Mapping[str, set[str]], targets: Sequence[Target]) -> list[str]:
    """The targets that are not installed, whatever dnf said."""
    return [target.nevra for target in targets if target.evr not in after.get(target.key, set())]


def way_back(before: Mapping[str, set[str]], after: Mapping[str, set[str]]) -> tuple[list[Target], list[str]]:
    """The targets of a downgrade to what was there, and what it does not undo, one sentence each.

    A package that stands beside its older version (a kernel) is not downgraded: the older one is still there, to boot.
    """
    targets, left = [], []
    for key, (gone, come) in changes(before, after).items():
        name, _colon, architecture = key.rpartition(":")
        stayed = sorted(before.get(key, set()) & after.get(key, set()))
        if come and stayed:
            left.append("%s %s stays beside %s" % (key, ", ".join(come), ", ".join(stayed)))
        elif gone and come:
            targets.append(Target(name, architecture, gone[-1]))
        elif come:
            left.append("%s %s came with it and stays" % (key, ", ".join(come)))
        else:
            left.append("%s %s went with it and does not come back" % (key, ", ".join(gone)))
    return targets, left


def errors(text: str) -> list[str]:
    """The lines in which dnf and rpm say what went wrong, the first ones, each once, with the reason below it."""
    lines = text.splitlines()
    found = []
    for place, line in enumerate(lines):
        if _ERROR.match(line):
            reason = lines[place + 1 : place + 3] if line.strip().endswith(":") else []
            found.append(" ".join(" ".join([line, *reason]).split())[:300])
    return list(dict.fromkeys(found))[:MOST_LINES]


def failed_scripts(text: str) -> list[tuple[str, str]]:
    """(script, package), as dnf prints them: ("POSTIN", "httpd").

    A package whose script fails after its installation is installed all the same, and dnf ends with status 0.
    """
    return _FAILED_SCRIPT.findall(text)
