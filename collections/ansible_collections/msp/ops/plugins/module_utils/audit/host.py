# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The only way an audit touches a host: read a file, list a directory, run a program that changes nothing.

It never writes to the host. A package manager is run as an unprivileged user, so that it cannot take a lock or renew
a cache. Every program has a time limit. With another root than "/" the same code reads a directory of a test.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tempfile
import time
from typing import IO

# Nobody by number: the name differs between distributions, the number does not.
NOBODY = 65534
SECONDS_A_PROGRAM = 25
SECONDS_TO_DIE = 5
SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"


class Output:
    """What a program gave back. started is False when there is no such program."""

    def __init__(self, status: int, out: str = "", err: str = "", started: bool = True) -> None:
        self.status = status
        self.out = out
        self.err = err
        self.started = started

    def reason(self) -> str:
        """One line that says why the output cannot be used."""
        if not self.started:
            return "not installed"
        lines = [line for line in self.err.splitlines() if line.strip()]
        return "ended with status %d%s" % (self.status, ": " + lines[-1].strip()[:200] if lines else "")


class Host:
    def __init__(self, root: str = "/") -> None:
        self.root = root
        self.privileged = os.geteuid() == 0
        self.notes: set[tuple[str, str]] = set()
        # While true no time limit may strike: a program that was started and is not written down would stay behind.
        self.starting = False
        self._scratch: str | None = None
        self._running: dict[tuple[str, ...], tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]] = {}

    def unknown(self, what: str, why: str) -> None:
        """A probe says what it could not measure."""
        self.notes.add((what, why))

    def path(self, name: str) -> str:
        return os.path.join(self.root, name.lstrip("/"))

    def text(self, name: str) -> str:
        """The file's text; OSError when it cannot be read. What is not UTF-8 is replaced, never an error."""
        return self.data(name).decode("utf-8", "replace")

    def data(self, name: str) -> bytes:
        opener = gzip.open if name.endswith(".gz") else open
        with opener(self.path(name), "rb") as handle:
            return handle.read()

    def line(self, name: str) -> str | None:
        """A one-line file without its line end; None when it is not there, not readable or empty."""
        try:
            return self.text(name).strip("\n\0 ") or None
        except OSError:
            return None

    def names(self, directory: str) -> list[str]:
        try:
            return sorted(os.listdir(self.path(directory)))
        except OSError:
            return []

    def exists(self, name: str) -> bool:
        return os.path.exists(self.path(name))

    def link(self, name: str) -> str | None:
        try:
            return os.readlink(self.path(name))
        except OSError:
            return None

    def real(self, name: str) -> str:
        """Where a chain of links ends, as a name on the host."""
        end = os.path.realpath(self.path(name))
        return end if self.root == "/" else "/" + os.path.relpath(end, os.path.realpath(self.root))

    def modified(self, name: str) -> float | None:
        try:
            return os.stat(self.path(name)).st_mtime
        except OSError:
            return None

    def program(self, name: str) -> str | None:
        search = os.pathsep.join(self.path(place) for place in SEARCH_PATH.split(":"))
        return shutil.which(name, path=search)

    def prepare(self, *argv: str, unprivileged: bool = False, cwd: str = "/") -> None:
        """Start a program now and read it later with run(): the probes before it cost no time then."""
        program = self.program(argv[0])
        if program is None or argv in self._running:
            return
        self.starting = True
        try:
            self._start(program, argv, unprivileged, cwd)
        finally:
            self.starting = False

    def _start(self, program: str, argv: tuple[str, ...], unprivileged: bool, cwd: str) -> None:
        # A file, not a pipe: a pipe that nobody reads yet would stop the program when it is full.
        out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - closed in _close
        other = NOBODY if self.privileged and unprivileged else None
        try:
            # Started now, read later, each with its own time limit: run_command() of a module can do neither.
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                [program] + list(argv[1:]),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=cwd,
                env={"PATH": SEARCH_PATH, "LC_ALL": "C", "LANGUAGE": "C", "HOME": "/nonexistent"},
                user=other,
                group=other,
                extra_groups=None if other is None else [],
            )
        except OSError:
            out.close()
            err.close()
            return
        self._running[argv] = (process, out, err)

    def run(self, *argv: str, unprivileged: bool = False, cwd: str = "/", seconds: float | None = None) -> Output:
        """Run a program (or take what was prepared). unprivileged=True: without root's rights."""
        most = SECONDS_A_PROGRAM if seconds is None else seconds
        self.prepare(*argv, unprivileged=unprivileged, cwd=cwd)
        if argv not in self._running:
            return Output(127, started=False)
        process, out, err = self._running[argv]
        try:
            status = _wait(process, most)
        finally:
            self._end(process)
            texts = [self._close(stream) for stream in (out, err)]
            del self._running[argv]
        if status is None:
            return Output(124, "", "no answer within %d seconds" % most)
        return Output(status, texts[0], texts[1])

    def scratch(self) -> str:
        """A directory for programs that cannot do without writing (dnf's log), gone after the audit."""
        if self._scratch is None:
            self._scratch = tempfile.mkdtemp(prefix="msp-audit-")
            if self.privileged:
                os.chown(self._scratch, NOBODY, NOBODY)
        return self._scratch

    def close(self) -> None:
        """End what was prepared and never asked for, and remove the scratch directory."""
        for process, out, err in self._running.values():
            self._end(process)
            self._close(out)
            self._close(err)
        self._running.clear()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        if process.returncode is None:
            process.kill()
            _wait(process, SECONDS_TO_DIE)

    @staticmethod
    def _close(stream: IO[bytes]) -> str:
        if stream.closed:
            return ""
        stream.seek(0)
        text = stream.read().decode("utf-8", "replace")
        stream.close()
        return text


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """The program's status, or None when it still runs.

    Not Popen.wait: that holds a lock, and a probe's time limit is an exception out of nowhere. Raised between taking
    the lock and the block that gives it back, it leaves the lock taken, and the next wait waits for ever.
    """
    end = time.monotonic() + seconds
    pause = 0.0005
    while process.returncode is None:
        try:
            number, status = os.waitpid(process.pid, os.WNOHANG)
        except ChildProcessError:
            # Its end was seen by a wait that was cut off before it could be written down.
            process.returncode = -1
            break
        if number:
            process.returncode = os.waitstatus_to_exitcode(status)
        elif time.monotonic() > end:
            return None
        else:
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
    return process.returncode
