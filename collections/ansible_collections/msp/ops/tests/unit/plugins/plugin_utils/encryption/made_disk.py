# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A disk that is a file, with a real LUKS2 header made by the real cryptsetup, and an escrow in files beside it.

What takes a device mapper (to open, to mount) is not here: tests/test_disk_encryption.py does that on a machine.
A crash leaves what was there before one of the steps: a copy of disk, host and escrow made at that moment.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.encryption import doing, header
from ansible_collections.msp.ops.plugins.module_utils.encryption.changing import Changing
from ansible_collections.msp.ops.plugins.module_utils.encryption.tools import Tools
from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import Volume
from ansible_collections.msp.ops.plugins.plugin_utils.encryption.bringing import Bringing, Wish
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import keeping, records, rotating
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import DISK, Place, Standing
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.tree import Tree

NOORA = pyrage.x25519.Identity.generate()
SIZE = 20 * 1024 * 1024
YEAR = dt.timedelta(days=365)
PLACE = Place("bakkerij-jansen", "device:12", DISK, "data")


class NoDeviceMapper(Exception):
    """The volume would be opened now."""


@dataclass
class Steps:
    """Every step of a run that changes something, on the host or in the escrow. before is called before each."""

    before: Callable[[int], None] = lambda _number: None
    passed: int = 0

    def step(self, do: Callable[[], Any]) -> Any:
        self.passed += 1
        self.before(self.passed)
        return do()


@dataclass
class WatchedTools(Tools):
    steps: Steps

    def change(self, *argv: str, **more: Any) -> None:
        if argv[:2] == ("cryptsetup", "open"):
            raise NoDeviceMapper
        words = list(argv)
        if "--iter-time" in words:
            # How long a key takes to be tried is found out by trying, which is all that takes time here.
            place = words.index("--iter-time")
            words[place : place + 2] = ["--pbkdf-force-iterations", "4"]
        if "luksFormat" in words:
            words[2:2] = ["--luks2-keyslots-size", "2097152"]
        self.steps.step(lambda: super(WatchedTools, self).change(*words, **more))


@dataclass
class Kept:
    """The escrow of these tests: real files, sealed for one person; what it does are steps too."""

    tree: Tree
    steps: Steps
    now: dt.datetime
    fetched: dt.datetime | None = None

    def keep(self, place: Place, value: str, *, host: str = "") -> str:  # noqa: ARG002
        def do() -> str:
            return keeping.keep(self.tree, place, value, [NOORA.to_public()], now=self.now, note=lambda _sealed: None)

        return str(self.steps.step(do))

    def mark(self, place: Place, version: str, *, host: str = "") -> None:  # noqa: ARG002
        self.steps.step(lambda: self.tree.mark(place, version, self.now))

    def standing(self, place: Place) -> Standing:
        return records.standing(self.tree.held(place))

    def versions(self, place: Place) -> set[str]:
        return {one.version for one in self.tree.held(place)}

    def due(self, place: Place, every: dt.timedelta) -> bool:
        current = self.standing(place).current
        made = None if current is None else records.made(current)
        given = made is not None and self.fetched is not None and self.fetched >= made
        return rotating.due(made, self.now, every, given=given)


class Disk:
    """One disk, its host's files, and its customer's escrow."""

    def __init__(self, place: Path, **chosen: Any) -> None:
        self.put_to(place)
        for name in ("dev", "etc", "proc/self"):
            (self.root / name).mkdir(parents=True)
        (self.root / "proc/self/mountinfo").write_text("1 1 8:1 / / rw - ext4 /dev/sda1 rw\n", encoding="ascii")
        with self.file.open("wb") as stream:
            stream.truncate(SIZE)
        plain = {"device": "/dev/disk", "mount": "/srv/data", "memory": 64, "time": 10}
        self.volume = Volume("data", **{**plain, **chosen})
        self.now = dt.datetime(2026, 11, 27, 2, 0, tzinfo=dt.UTC)
        self.fetched: dt.datetime | None = None

    def copied(self, place: Path) -> Disk:
        """All of it as it is now, at another place."""
        subprocess.run(["cp", "-a", "--sparse=always", str(self.place), str(place)], check=True)
        found = Disk.__new__(Disk)
        found.__dict__.update(self.__dict__)
        found.put_to(place)
        return found

    def crashes(self, place: Path, run: Callable[[Disk, Steps], object]) -> list[Disk]:
        """What a crash leaves before each of the steps of a run, and at its end."""
        whole = self.copied(place / "whole")
        found: list[Disk] = []
        run(whole, Steps(lambda number: found.append(whole.copied(place / f"crash{number}"))))
        return [*found, whole]

    def put_to(self, place: Path) -> None:
        """It lies there now, with all that is its own."""
        self.place, self.root = place, place / "host"
        self.file, self.tree = self.root / "dev" / "disk", Tree(place / "escrow")

    def run(self, steps: Steps | None = None, *, every: dt.timedelta | None = YEAR, **wished: Any) -> list[str]:
        """One run of a new process, as far as it goes without a device mapper; the steps that it did."""
        self.now += dt.timedelta(minutes=1)
        steps = steps or Steps()
        changing = Changing(WatchedTools(steps), Host(str(self.root)), self.volume)

        def ask(do: str, name: str, **arguments: Any) -> Mapping[str, Any]:
            assert name == self.volume.name
            return doing.do(changing, do, arguments)

        wish = Wish(PLACE.customer, PLACE.asset, "srv01", every, **{"settle": False, **wished})
        bringing = Bringing(Kept(self.tree, steps, self.now, self.fetched), ask, wish)
        return bringing.all([self.volume], {"data": changing.look()})["data"]

    def form(self, steps: Steps | None = None) -> None:
        """A first run, up to where the volume would be opened."""
        with contextlib.suppress(NoDeviceMapper):
            self.run(steps, settle=True)

    def finished(self) -> Disk:
        """As after a whole first run, but for what takes a device mapper."""
        self.form()
        self.cryptsetup("config", "--label", "data", "--subsystem", header.MADE, str(self.file))
        return self

    def cryptsetup(self, *words: str, key: str = "") -> subprocess.CompletedProcess[str]:
        """Without any code of ours."""
        return subprocess.run(["cryptsetup", *words], input=key, capture_output=True, text=True, check=False)

    def opens(self, key: str) -> bool:
        return self.cryptsetup("open", "--test-passphrase", "--key-file", "-", str(self.file), key=key).returncode == 0

    def host_opens(self) -> bool:
        """Whether the key on the host does."""
        key = self.root / "etc/cryptsetup-keys.d/data.key"
        return self.cryptsetup("open", "--test-passphrase", "--key-file", str(key), str(self.file)).returncode == 0

    def in_escrow(self) -> dict[str, str]:
        """By version, what somebody who may can take out of the escrow."""
        if not self.tree.held(PLACE):
            return {}
        found = keeping.opened(self.tree, [NOORA], PLACE)
        return {one.version: one.value for one in found.every}

    def opening(self) -> list[str]:
        """The versions that somebody who may can take out, and that open the volume."""
        return [version for version, key in self.in_escrow().items() if self.opens(key)]

    def slots(self) -> list[str]:
        """The filled ones, as cryptsetup says it."""
        said = self.cryptsetup("luksDump", str(self.file)).stdout
        return re.findall(r"^  ([0-9]+): luks2$", said, re.MULTILINE)
