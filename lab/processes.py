"""Starts, recognises and ends the lab's processes. Linux only: a process is known by /proc.

Never ends a process by its number alone: numbers are recycled, so the start time and the machine's boot count too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

# Set in the environment of everything that the lab starts, and nowhere else; its value is the lab's directory.
MARK = "MSP_LAB_PROCESS"
PROC = Path("/proc")
DATABASES = ("postgres", "redis-server")
# A service outlives the shell it was started from: it gets what programs need to run, not what the shell knows.
PASSED_ON = ("PATH", "HOME", "LANG", "TZ", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Process:
    """One process, for good: the number, when it started (clock ticks after boot), and which boot that was."""

    pid: int
    started: int
    boot: str


@dataclass(frozen=True)
class Account:
    """The system user that a process runs as."""

    uid: int
    gid: int


def boot_id() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


class Stat(NamedTuple):
    """What /proc says of a process: its state (one letter), its parent, and when it started."""

    state: str
    parent: int
    started: int


def parse_stat(text: str) -> Stat:
    """Read /proc/PID/stat; the program's name in it may hold spaces and brackets."""
    fields = text.rpartition(")")[2].split()
    return Stat(fields[0], int(fields[1]), int(fields[19]))


def _stat(pid: int) -> Stat | None:
    try:
        return parse_stat((PROC / str(pid) / "stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None


def identify(pid: int) -> Process | None:
    """The process that has this number now, or None."""
    found = _stat(pid)
    return None if found is None else Process(pid, found.started, boot_id())


def alive(process: Process) -> bool:
    """Whether exactly this process still runs. A dead child of ours is reaped on the way: a zombie does not run."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    found = _stat(process.pid)
    return (
        found is not None and found.state not in "ZX" and found.started == process.started and boot_id() == process.boot
    )


def start(
    command: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path,
    mark: Path,
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
    pass_fds: Sequence[int] = (),
) -> Process:
    """Start a program in a session of its own, so that it outlives this process and its terminal."""
    environment = {key: value for key, value in os.environ.items() if key in PASSED_ON}
    with log.open("ab") as stream:
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd=cwd,
            env={**environment, **(env or {}), MARK: str(mark)},
            start_new_session=True,
            pass_fds=tuple(pass_fds),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    found = _stat(child.pid)
    # Python's own bookkeeping of the child ends here: it is reaped in `alive`, or by init when we are gone.
    child.returncode = 0
    return Process(child.pid, found.started if found else -1, boot_id())


def end_all(these: Sequence[Process], *, gently: signal.Signals = signal.SIGTERM, patience: float = 10.0) -> None:
    """Ask processes to end, and end by force those that have not within the time.

    Asked with SIGTERM; databases with SIGINT, on which PostgreSQL cuts its clients off instead of waiting for them.
    """
    for number, seconds in ((gently, patience), (signal.SIGKILL, 30.0)):
        for process in these:
            if alive(process):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        if wait_until(lambda: not any(map(alive, these)), seconds):
            return
    survivors = ", ".join(str(process.pid) for process in these if alive(process))
    raise MspError(
        "MSP-LAB-004",
        f"process {survivors} to end",
        "it survived SIGKILL",
        "look at what it waits for (a hung disk or file system) and end it by hand",
    )


def program(pid: int) -> str:
    """The file name of the program that runs under this number, or nothing."""
    with contextlib.suppress(OSError):
        return (PROC / str(pid) / "exe").readlink().name
    return ""


def serves(pid: int, directories: Collection[str]) -> bool:
    """Whether this is a database that works in one of the directories."""
    with contextlib.suppress(OSError):
        return program(pid) in DATABASES and str((PROC / str(pid) / "cwd").readlink()) in directories
    return False


def of_lab(mark: Path, data: Iterable[Path]) -> list[Process]:
    """Every process of one lab that runs, recorded or not: by the mark in its environment, or, since databases write
    their title over theirs, by being a database that works in one of the lab's data directories."""
    wanted = f"{MARK}={mark}".encode()
    directories = {str(path) for path in data}
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            ours = wanted in (entry / "environ").read_bytes().split(b"\0") or serves(int(entry.name), directories)
        except OSError:
            continue  # gone meanwhile, or another user's
        process = identify(int(entry.name))
        if ours and process is not None and alive(process):
            found.append(process)
    return found


def parentless(these: Sequence[Process]) -> list[Process]:
    """Those that are there still, and whose parent is not among them."""
    numbers = {process.pid for process in these}
    return [process for process in these if (found := _stat(process.pid)) is not None and found.parent not in numbers]


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    pause = 0.005
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)
    return True
