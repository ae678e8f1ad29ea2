# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the programs that know disks. A key goes to one of them through a pipe, never as an argument or in a file."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# A key derivation takes seconds, a file system on a large disk minutes.
SECONDS = 900
LOCK = "/run/msp-encryption.lock"


class Done(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        lines = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        return lines[-1][:200] if lines else "nothing"


class Tools:
    """What is run changes the host only with change(): a test ends it there, as a crash does."""

    def ask(self, *argv: str, keys: Mapping[str, bytes] | None = None) -> Done:
        """Run a program that changes nothing. keys: what takes the place of {NAME} in argv is a pipe with that key."""
        return self._run(argv, keys or {})

    def change(self, *argv: str, keys: Mapping[str, bytes] | None = None) -> None:
        """Run a program that changes something. Raises MspError (MSP-ENC-008) where it fails."""
        done = self._run(argv, keys or {})
        if done.status:
            raise MspError(
                "MSP-ENC-008",
                "%s to do its part" % " ".join(argv[:2]),
                "status %d: %s" % (done.status, done.last_line),
                "put right what it says and run this again: it goes on from what it finds",
            )

    def has(self, program: str) -> bool:
        return shutil.which(program, path=SEARCH_PATH) is not None

    def _run(self, argv: tuple[str, ...], keys: Mapping[str, bytes]) -> Done:
        program = shutil.which(argv[0], path=SEARCH_PATH)
        if program is None:
            return Done(127, "", "%s is not installed" % argv[0])
        pipes = {name: _filled(key) for name, key in keys.items()}
        words = [program, *argv[1:]]
        for name, pipe in pipes.items():
            words = ["/dev/fd/%d" % pipe if word == "{%s}" % name else word for word in words]
        try:
            # run_command() of a module has one standard input, and here may be two keys.
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                pass_fds=tuple(pipes.values()),
                env={"PATH": SEARCH_PATH, "LC_ALL": "C", "LANGUAGE": "C"},
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Done(124, "", "no end within %d seconds" % SECONDS)
        finally:
            for pipe in pipes.values():
                os.close(pipe)
        return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def _filled(key: bytes) -> int:
    """The reading end of a pipe with a key in it: short enough that nobody has to read before all is written."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream:
        stream.write(key)
    return reading


@contextmanager
def alone(path: str = LOCK) -> Iterator[None]:
    """While nobody else of ours changes an encrypted volume here. Raises MspError (MSP-ENC-011)."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise MspError(
                "MSP-ENC-011", "nobody else to change encrypted volumes", "another run", "wait until it has ended"
            ) from None
        yield
    finally:
        os.close(number)
