"""One at a time, across processes. A lock goes with its process, so a crash never leaves one behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

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
