# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The spool: records on the local disk until the store has them.

Whoever records something during a run only appends here, so that a store that cannot be reached never fails or slows
a run. Never opens the store; deliver.py does.

A writer's file ends in .open and is locked for as long as its process lives; closed, it ends in .jsonl. A file that
is still .open and not locked was left by a process that died: deliver.py takes it up. Until it is locked, a file ends
in .new, which deliver.py does not look at, and is empty.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import codec, durability

NEW = ".new"
OPEN = ".open"
CLOSED = ".jsonl"
REJECTED = "rejected"
# A file that is .new for this long has no writer: locking and renaming it take no time.
NEW_SECONDS = 24 * 60 * 60


def default_directory() -> Path:
    return durability.state_directory() / "spool"


def _unwritable(directory: Path, error: OSError) -> MspError:
    return MspError(
        "MSP-EVD-011",
        f"to write to the spool {directory}",
        error.strerror or str(error),
        "make room there or give this user the right to write there, or set XDG_STATE_HOME to another place",
    )


def prepare(directory: Path) -> None:
    """Make the spool, for its owner alone. In a container it must be on a durable path."""
    durability.require(directory, "spool")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(directory, error) from error


def sync_directory(directory: Path) -> None:
    """A new or renamed name survives a power cut only after this."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# The open files of this process: a POSIX lock does not hide them from ourselves.
_ours: set[Path] = set()


def is_ours(path: Path) -> bool:
    """Is this the open file of a writer in this very process?"""
    return path.resolve() in _ours


class Spool:
    """A writer's own file. Every append is on the disk when it returns. Belongs to the process that opened it."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or default_directory()
        prepare(self.directory)
        self._name = f"{time.time_ns():020d}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self._pid = os.getpid()
        self.path = self.directory / (self._name + OPEN)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            new = self.path.with_suffix(NEW)
            self._descriptor = os.open(new, flags, 0o600)
            # A POSIX lock: a forked worker does not inherit it, so it ends with the writer and not with its children.
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _ours.add(self.path.resolve())
            new.rename(self.path)  # only now: what is .open and not locked is taken for a dead writer's
            sync_directory(self.directory)
        except OSError as error:
            raise _unwritable(self.directory, error) from error

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, records: Iterable[codec.Record]) -> None:
        """Add records as one group."""
        if os.getpid() != self._pid:
            raise RuntimeError("a spool file belongs to the process that opened it; open another after a fork")
        data = "".join(codec.encode(record) + "\n" for record in records).encode("ascii")
        try:
            written = 0
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
            os.fsync(self._descriptor)
        except OSError as error:
            raise _unwritable(self.directory, error) from error

    def close(self) -> Path:
        """Hand the file over to the deliverer, whole. Returns its new path."""
        closed = self.directory / (self._name + CLOSED)
        try:
            self.path.rename(closed)
            sync_directory(self.directory)
            os.close(self._descriptor)
            _ours.discard(self.path.resolve())
        except OSError as error:
            raise _unwritable(self.directory, error) from error
        return closed


def put(records: Iterable[codec.Record], directory: Path | None = None) -> Path:
    """Spool one group of records in a file of its own. Safe in a forked worker."""
    with Spool(directory) as spool:
        spool.append(records)
    return spool.directory / (spool.path.stem + CLOSED)


def waiting(directory: Path | None = None) -> list[Path]:
    """The files that wait for delivery, oldest first; those of living writers too."""
    found = directory or default_directory()
    if not found.is_dir():
        return []
    return sorted(path for path in found.iterdir() if path.suffix in (OPEN, CLOSED) and path.is_file())


def remove_unbegun(directory: Path) -> None:
    """Remove the empty files of writers that died before they had locked them."""
    for path in directory.glob(f"*{NEW}"):
        with suppress(FileNotFoundError):  # its writer has renamed it since we looked
            if path.stat().st_mtime < time.time() - NEW_SECONDS:
                path.unlink()


def rejected(directory: Path | None = None) -> list[Path]:
    """The files with records that the store cannot take, each line with its reason."""
    place = (directory or default_directory()) / REJECTED
    return sorted(place.glob(f"*{CLOSED}")) if place.is_dir() else []


def began(path: Path) -> dt.datetime:
    """When a file of the spool was begun: its name says so."""
    nanoseconds = int(path.name.split("-")[0])
    return dt.datetime.fromtimestamp(nanoseconds / 1e9, tz=dt.UTC)
