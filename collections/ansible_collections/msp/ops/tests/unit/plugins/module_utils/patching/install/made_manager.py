# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A package manager with packages that a test makes up, which does what it says it would do; and a host for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host, Output
from ansible_collections.msp.ops.plugins.module_utils.patching import debversion
from ansible_collections.msp.ops.plugins.module_utils.patching.install.apt import ADVICE
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import (
    Cost,
    Cut,
    Manager,
    Move,
    Simulation,
    State,
    States,
)
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Package


class MadeManager(Manager):
    """installed: versions by key. brings: what comes along with a target; drives_out: what goes; bad: why it cannot be.

    gone: targets that no archive has. held: as kept_back() says it. on: called with the name of what begins.
    """

    name = "made"
    advice = ADVICE
    archives = "/var/cache/made"

    def __init__(self, installed: Mapping[str, str]) -> None:
        self.installed = dict(installed)
        self.brings: dict[str, tuple[Move, ...]] = {}
        self.bad: dict[str, str] = {}
        self.gone: set[str] = set()
        self.held: dict[str, str] = {}
        self.drives_out: dict[str, str] = {}
        self.reboots: list[str] = []
        self.done: list[str] = []
        self.asked: list[list[str]] = []
        self.downloads: list[int] = []
        self.on: Callable[[str], None] = lambda _what: None

    def damage(self) -> str:
        return ""

    def states(self) -> States:
        return {key: State(key, version, "installed", held=False, size=1) for key, version in self.installed.items()}

    def interrupted(self) -> str:
        return ""

    def compare(self, one: str, other: str) -> int:
        return debversion.compare(one, other)

    def named(self, package: Package) -> str:
        return f"{package.key}={package.version}"

    def lacks(self, package: Package, gone: Iterable[str]) -> bool:
        return self.named(package) in gone

    def kept_back(self, packages: list[Package], states: States) -> dict[str, str]:
        del states
        return {one.key: self.held[one.key] for one in packages if one.key in self.held}

    def sources(self, packages: list[Package], states: States) -> tuple[list[str], list[str]]:
        del states
        return [self.named(one) for one in packages], []

    def simulate(self, targets: list[str], states: States, *, back: bool = False) -> Simulation:
        del states, back
        self.asked.append(list(targets))
        gone = tuple(sorted(self.gone & set(targets)))
        errors = [self.bad[target] for target in targets if target in self.bad]
        if gone or errors:
            return Simulation(gone=gone, error="; ".join(errors))
        moves = []
        for target in targets:
            key, _equals, version = target.partition("=")
            moves += [Move(key, self.installed.get(key), version, "Made:main"), *self.brings.get(target, ())]
        return Simulation(
            tuple(dict.fromkeys(moves)),
            removes=tuple(self.drives_out[one] for one in targets if one in self.drives_out),
        )

    def refresh(self) -> Output:
        self.on("refresh")
        return Output(0)

    def cost(self, found: Simulation, targets: list[str], states: States, *, back: bool = False) -> Cost | None:
        del found, targets, states, back
        return Cost()

    def holders(self) -> list[str]:
        return []

    def download(self, targets: list[str], log: str, lock_timeout: int, *, back: bool = False) -> int:
        del targets, log, lock_timeout, back
        self.on("download")
        return self.downloads.pop(0) if self.downloads else 0

    def install(self, targets: list[str], log: str, lock_timeout: int, *, back: bool = False) -> int:
        del log, lock_timeout
        self.on("install")
        self.done += targets
        self.installed.update({move.key: move.after for move in self.simulate(targets, {}, back=back).installs})
        return 0

    def repair(self, cut: Cut, log: str, lock_timeout: int) -> list[str]:
        del cut, log, lock_timeout
        self.on("repair")
        return []

    def errors(self, text: str) -> list[str]:
        del text
        return []

    def failed_scripts(self, text: str) -> list[list[str]]:
        del text
        return []

    def configuration(self, text: str, since: float) -> tuple[list[str], list[str]]:
        del text, since
        return [], []

    def stale(self) -> tuple[str, list[str] | None, str]:
        return "made", [], ""

    def reboot_reasons(self, moved: Iterable[str]) -> list[str]:
        return [f"{key} was moved" for key in sorted(moved) if key in self.reboots]


def made_host(place: Path, machine_id: str = "a" * 32, boot: str = "1") -> Host:
    """A host in a directory; of another boot when called again with another one."""
    files = {
        "/proc/1/stat": f"1 (systemd) {' '.join(['S'] * 19)} {boot}\n",
        "/proc/stat": "btime 0\n",
        "/proc/sys/kernel/random/boot_id": f"{boot}\n",
        "/proc/sys/net/ipv4/ip_local_port_range": "32768 60999\n",
        "/etc/machine-id": f"{machine_id}\n",
        "/run/systemd/system/x": "",
    }
    for name, text in files.items():
        path = place / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Host(str(place))
