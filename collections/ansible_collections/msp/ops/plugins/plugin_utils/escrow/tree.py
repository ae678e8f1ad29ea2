# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""An escrow in files: ROOT/CUSTOMER/ASSET/PURPOSE/NAME/VERSION.age, and VERSION.in-force once the host has taken it.

No file is ever written again. One that is there is whole: it is linked to its name once it is on the disk.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import records
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Held, Place
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import durability

_SEALED, _MARK = ".age", ".in-force"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Tree:
    """The first secret makes its root. Raises MspError: MSP-EVD-004 for a place that vanishes with its container,
    MSP-ESC-007 for one that others than its owner can get at, MSP-ESC-008 for what can't be read or written."""

    def __init__(self, root: Path) -> None:
        durability.require(root, "escrow")
        self.root = root
        with _told(root):
            there = root.exists()
        if there:
            alone(root)

    @property
    def name(self) -> str:
        return str(self.root) if self.root.exists() else f"{self.root}, which is not there"

    def write(self, place: Place, version: str, ciphertext: bytes) -> None:
        """Keep it, on the disk. Raises FileExistsError where this version is there already."""
        self._keep(place, version + _SEALED, ciphertext)

    def read(self, place: Place, version: str) -> bytes:
        """What was written. Raises MspError (MSP-ESC-009) where there is no such version."""
        path = self._of(place) / (version + _SEALED)
        with _told(path):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                raise records.nothing_held(place, version, self.name) from None

    def mark(self, place: Place, version: str, at: dt.datetime) -> None:
        """The host was seen to take this version. A second mark is none: the first says when."""
        self.read(place, version)
        with contextlib.suppress(FileExistsError):
            self._keep(place, version + _MARK, at.astimezone(dt.UTC).isoformat().encode("ascii"))

    def held(self, place: Place) -> tuple[Held, ...]:
        """All versions of a place, oldest first."""
        path = self._of(place)
        with _told(path):
            try:
                names = sorted(one.name for one in path.iterdir())
            except FileNotFoundError:
                return ()
            found = []
            for name in names:
                version = name.removesuffix(_SEALED)
                if name.endswith(_SEALED) and records.is_version(version):
                    found.append(Held(version, self._marked(path, version)))
        return tuple(found)

    def places(self, customer: str) -> Iterator[Place]:
        """Every place of a customer that has a version, in order."""
        top = self.root / customer
        with _told(top):
            rows = [path.relative_to(top).parts for path in sorted(top.glob(f"*/*/*/*{_SEALED}"))]
        for asset, purpose, name in sorted({row[:3] for row in rows}):
            yield Place(customer, asset.replace("_", ":"), purpose, name)

    def _of(self, place: Place) -> Path:
        # A colon is no part of a name everywhere.
        return self.root / place.customer / place.asset.replace(":", "_") / place.purpose / place.name

    def _marked(self, path: Path, version: str) -> dt.datetime | None:
        try:
            text = (path / (version + _MARK)).read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        try:
            return dt.datetime.fromisoformat(text)
        except ValueError as error:
            raise _broken(path / (version + _MARK), f"{text[:40]!r}, which is no time") from error

    def _keep(self, place: Place, name: str, content: bytes) -> None:
        folder = self._of(place)
        path, partial = folder / name, folder / f".{name}.{os.getpid()}.partial"
        with _told(path):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            # One by one: the mode is only of the last.
            below = [folder, *folder.parents]
            for each in reversed(below[: below.index(self.root)]):
                each.mkdir(mode=0o700, exist_ok=True)
            try:
                number = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with os.fdopen(number, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                # A link, not a new name: that would take the place of a file that is there.
                os.link(partial, path)
            finally:
                partial.unlink(missing_ok=True)
            for each in below[: below.index(self.root) + 1]:
                _on_disk(each)


def alone(root: Path) -> None:
    """Raises MspError (MSP-ESC-007) where others than its owner can get at it."""
    with _told(root):
        mode = root.stat().st_mode
    if mode & _OTHERS:
        raise MspError(
            "MSP-ESC-007",
            f"an escrow that only its owner can get at, {root}",
            f"mode {stat.S_IMODE(mode):04o}",
            f"chmod 0700 {root}, and see who used it",
        )


def _on_disk(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise _broken(path, error.strerror or errno.errorcode.get(error.errno or 0, str(error))) from error


def _broken(path: Path, found: str) -> MspError:
    return MspError(
        "MSP-ESC-008",
        f"an escrow that can be read and written, {path}",
        found,
        "put the place right, or give another (MSP_ESCROW); nothing that was kept is lost",
    )
