# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs programs on the host, never through a shell and never with an environment that somebody else set.

What a package manager does has no time limit: to kill it half-way leaves a host worse off than to wait for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from ansible_collections.msp.ops.plugins.module_utils.audit.host import SEARCH_PATH, Output

SECONDS = 120
ENVIRONMENT = {"PATH": SEARCH_PATH, "LC_ALL": "C", "LANGUAGE": "C", "HOME": "/root", "TERM": "dumb"}


class Programs:
    """A seam for tests: everything of patch_install that starts a program does it through one of these."""

    def find(self, name: str) -> str | None:
        return shutil.which(name, path=SEARCH_PATH)

    def run(self, *argv: str, seconds: float = SECONDS) -> Output:
        """A program that ends soon, with what it printed. Status 124: it did not end in time, and was killed."""
        program = self.find(argv[0])
        if program is None:
            return Output(127, started=False)
        try:
            # Travels to hosts without AnsibleModule: the work goes on when Ansible is long gone.
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                [program] + list(argv[1:]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=ENVIRONMENT,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Output(124, "", "no answer within %d seconds" % seconds)
        except OSError as error:
            return Output(126, "", str(error))
        return Output(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def work(self, argv: list[str], log: str, extra: dict[str, str]) -> int:
        """A program that may take as long as it needs; all it prints is added to the log. Its status comes back."""
        program = self.find(argv[0])
        with open(log, "ab", buffering=0) as stream:
            stream.write(("\n$ %s\n" % " ".join(argv)).encode("utf-8", "replace"))
            if program is None:
                stream.write(b"not installed\n")
                return 127
            return subprocess.run(  # pylint: disable=ansible-bad-function
                [program] + argv[1:],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=dict(ENVIRONMENT, **extra),
                check=False,
            ).returncode


def privileged() -> bool:
    return os.geteuid() == 0
