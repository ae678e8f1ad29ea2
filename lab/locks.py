"""One at a time, across processes. A lock goes with its process, so a crash never leaves one behind."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lab import paths

Progress = Callable[[str], AbstractContextManager[None]]


@contextmanager
def held(path: Path | str, title: str, progress: Progress) -> Iterator[None]:
    """Hold the lock of this file; a person who has to wait for it is told what for."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        with progress(f"{title}: another command is at it, waiting for that one"):
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def claimed(stem: str) -> Iterator[str]:
    """A lab's name that nobody else claims while this runs: the stem, or the stem and a number.

    A killed process lets go of its name, and the next one finds and ends what that one left.
    """
    paths.make_labs_dir()
    for number in itertools.count(1):
        name = stem if number == 1 else f"{stem}{number}"
        claim = FileLock(f"{paths.lab_paths(name).base}.session")
        try:
            claim.acquire(timeout=0)
        except Timeout:
            continue
        try:
            yield name
        finally:
            claim.release()
        return
