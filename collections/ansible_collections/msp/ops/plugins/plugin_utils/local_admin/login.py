# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real login by ssh with a password, which becomes root: whether an account for emergencies would let somebody in.

The password goes to ssh through a pipe that has a name in a directory of its own, and to sudo on the host by its
standard input. It is in no file, no argument and no environment.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

SECONDS = 60
_ASKPASS = '#!/bin/sh\nIFS= read -r answer <"$MSP_ASKED" && printf \'%s\\n\' "$answer"\n'
# Over a master of another login there would be no login. One try, for a second one would wait for ever.
_OPTIONS = (
    *(
        "-o",
        "ControlMaster=no",
        "-o",
        "ControlPath=none",
        "-o",
        "PubkeyAuthentication=no",
        "-o",
        "GSSAPIAuthentication=no",
    ),
    *("-o", "PreferredAuthentications=password,keyboard-interactive", "-o", "NumberOfPasswordPrompts=1"),
    *("-o", "BatchMode=no", "-o", "ConnectTimeout=20", "-o", "LogLevel=ERROR"),
)
# Gets the password by its standard input, and says 0 where it became root.
BECOME = "exec sudo -k -S -p '' id -u"


@dataclass(frozen=True, slots=True)
class Door:
    """How the host is reached: as Ansible's own connection to it is told. become is what is run there."""

    address: str
    port: int | None = None
    program: str = "ssh"
    arguments: str = ""
    check_host_key: bool = True
    become: str = BECOME

    def command(self, account: str) -> list[str]:
        key = "yes" if self.check_host_key else "no"
        port = ["-p", str(self.port)] if self.port else []
        options = [*_OPTIONS, "-o", f"StrictHostKeyChecking={key}", *shlex.split(self.arguments), *port]
        return [self.program, *options, "-l", account, "--", self.address, self.become]


def try_login(door: Door, account: str, password: str, host: str, seconds: float = SECONDS) -> None:
    """Log in and become root. Raises MspError (MSP-ADM-012) where that does not work."""
    with tempfile.TemporaryDirectory(prefix="msp-login-") as name:
        place = Path(name)
        asked, askpass = place / "asked", place / "askpass"
        os.mkfifo(asked, 0o600)
        askpass.write_text(_ASKPASS, encoding="ascii")
        askpass.chmod(0o700)
        # Open for both, so that neither side waits for the other.
        pipe = os.open(asked, os.O_RDWR)
        try:
            os.write(pipe, password.encode() + b"\n")
            status, out, err = _run(door.command(account), askpass, asked, password, seconds)
        finally:
            os.close(pipe)
    if status != 0 or out.strip() != "0":
        lines = [line.strip() for line in err.splitlines() if line.strip()]
        why = (lines[-1] if lines else f"{out.strip()[:100]!r} from id -u").replace(password, "...")
        raise MspError(
            "MSP-ADM-012",
            f"{account} to log in to {host} by ssh with its new password, and to become root by sudo",
            why[:300],
            "see sshd's and sudo's journal on the host, the addresses of break-glass-login and AllowUsers; until a "
            "test works, this account helps nobody",
        )


def _run(command: Sequence[str], askpass: Path, asked: Path, password: str, seconds: float) -> tuple[int, str, str]:
    environment = {
        **os.environ,
        "SSH_ASKPASS": str(askpass),
        "SSH_ASKPASS_REQUIRE": "force",
        "DISPLAY": os.environ.get("DISPLAY") or ":0",
        "MSP_ASKED": str(asked),
    }
    try:
        done = subprocess.run(
            list(command),
            input=password + "\n",
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 255, "", f"no answer within {seconds:g} seconds"
    except OSError as error:
        return 255, "", f"{command[0]}: {error.strerror}"
    return done.returncode, done.stdout, done.stderr
