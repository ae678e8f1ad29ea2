# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Delivers the spool to the store: nothing lost, nothing twice, wherever it is killed.

A file is removed only after the store has committed all of it, and writing a record again changes nothing. A record
that the store can never take goes to rejected/ with the reason; a store that does not answer leaves the file.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import codec, hashing, spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Run
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

with suppress(ImportError):  # engine.py says what is missing
    from sqlalchemy import exc as sa_exc

RECORDS_A_TRANSACTION = 500
# What is wrong with a record itself; everything else is wrong with the store, and the record waits.
RECORD_CODES = ("MSP-EVD-007", "MSP-EVD-008")


@dataclass
class Delivered:
    """What a delivery did. complete is False when time ran out, for instance while another delivered."""

    files: int = 0
    records: int = 0
    interrupted: list[str] = field(default_factory=list)  # ids of runs whose process died
    rejected: list[str] = field(default_factory=list)  # the reasons
    complete: bool = True


@dataclass(frozen=True)
class _Line:
    text: str
    record: codec.Record | None
    reason: str = ""


def deliver(store: Store, directory: Path | None = None, *, seconds: float | None = None) -> Delivered:
    """Write everything that waits in the spool to the store, oldest first.

    Where another process is delivering, wait for it: what was spooled before the call is in the store when this
    returns. With seconds, stop in time instead, and say that it is not complete.
    """
    place = directory or spool.default_directory()
    done = Delivered()
    end = None if seconds is None else time.monotonic() + seconds
    if not spool.waiting(place):
        return done
    with _alone(place, end) as alone:
        if not alone:
            done.complete = False
            return done
        spool.remove_unbegun(place)
        for path in spool.waiting(place):
            if end is not None and time.monotonic() >= end:
                done.complete = False
                break
            with _unlocked(path) as free:
                if free:
                    _deliver_file(store, path, done)
    return done


@contextmanager
def _alone(directory: Path, end: float | None) -> Iterator[bool]:
    """True for the one process that delivers this spool now; waits its turn until the time is up."""
    descriptor = os.open(directory / ".deliver.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _locked(descriptor, end)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, end: float | None) -> bool:
    """Take the lock. flock, not lockf: two threads of one process must exclude each other too."""
    while end is not None:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(0.02)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return True


@contextmanager
def _unlocked(path: Path) -> Iterator[bool]:
    """False while the file's writer lives. A closed file has no writer."""
    if path.suffix == spool.CLOSED:
        yield True
        return
    if spool.is_ours(path):  # asking for its lock would release it
        yield False
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # closed and renamed since we looked; the next delivery takes it
        yield False
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = path.exists()
    except (BlockingIOError, PermissionError):
        free = False
    try:
        yield free
    finally:
        os.close(descriptor)


def _deliver_file(store: Store, path: Path, done: Delivered) -> None:
    lines = _read(path)
    refused = [line for line in lines if line.record is None]
    good = [line for line in lines if line.record is not None]
    if path.suffix == spool.OPEN:
        good += [_Line("", record) for record in _interrupted(good, done)]
    for part in _parts(good):
        refused += _write(store, part)
    if refused:
        _reject(path, refused)
        done.rejected += [line.reason for line in refused]
    path.unlink(missing_ok=True)
    spool.sync_directory(path.parent)
    done.files += 1
    done.records += len(lines) - len(refused)


def _parts(lines: Sequence[_Line]) -> Iterator[list[_Line]]:
    """The lines of a transaction each. An audit stays with the facts before it, which retention might remove."""
    part: list[_Line] = []
    for line in lines:
        if len(part) >= RECORDS_A_TRANSACTION and not isinstance(line.record, Audit):
            yield part
            part = []
        part.append(line)
    if part:
        yield part


def _read(path: Path) -> list[_Line]:
    """The lines of a file. A last line without its newline was torn by a crash or a full disk."""
    text = path.read_bytes().decode("utf-8", "replace")
    lines = text.split("\n")
    torn = lines.pop()
    found = [_parse(line) for line in lines if line]
    if torn:
        found.append(_Line(torn, None, f"{path.name}: the last line is torn: its writer died or the disk was full"))
    return found


def _parse(line: str) -> _Line:
    try:
        return _Line(line, codec.decode(line))
    except ValueError as error:
        return _Line(line, None, f"not a record: {error}")


def _interrupted(lines: Sequence[_Line], done: Delivered) -> list[Run]:
    """The runs that a dead process started and did not end. When it died is not known, so ended stays empty."""
    runs = [line.record for line in lines if isinstance(line.record, Run)]
    ended = {run.id for run in runs if run.ended is not None}
    died = {run.id: replace(run, outcome="interrupted") for run in runs if run.id not in ended}
    done.interrupted += sorted(died)
    return list(died.values())


def _write(store: Store, lines: Sequence[_Line]) -> list[_Line]:
    """Write lines in one transaction. If one of them is at fault, each in its own, and return the faulty."""
    try:
        store.record(_records(lines))
        return []
    except MspError as error:
        if error.code not in RECORD_CODES:
            raise
        reason = str(error)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:  # a field of the wrong type
        reason = f"not a record: {error}"
    except sa_exc.DBAPIError as error:  # what engine.py has no code for; its own words only, not the statement
        reason = f"the store refused it: {type(error.orig).__name__}: {' '.join(str(error.orig).split())[:300]}"
    if len(lines) == 1:
        return [replace(lines[0], reason=reason)]
    return [faulty for line in lines for faulty in _write(store, [line])]


def _records(lines: Sequence[_Line]) -> list[codec.Record]:
    return [line.record for line in lines if line.record is not None]


def _reject(path: Path, lines: Sequence[_Line]) -> None:
    """Keep what the store cannot take. The same name each time: a second try after a crash writes the same file."""
    place = path.parent / spool.REJECTED
    place.mkdir(mode=0o700, exist_ok=True)
    target = place / (path.stem + spool.CLOSED)
    partial = target.with_suffix(".part")
    text = "".join(hashing.canonical_json({"reason": line.reason, "line": line.text}) + "\n" for line in lines)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode("ascii"))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
    spool.sync_directory(place)
