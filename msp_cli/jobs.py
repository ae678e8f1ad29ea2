"""Playbooks and commands that a command of ours runs one after the other, each with a log of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from msp_cli.console import ROOT, step


@dataclass(frozen=True)
class Job:
    """Runs commands one after the other; what one prints goes to a log, whose end is shown when it fails."""

    build: Path
    env: Mapping[str, str]

    def play(self, title: str, playbook: str, *arguments: str) -> None:
        with step(title):
            self.command(Path(playbook).stem, "ansible-playbook", playbook, *arguments)

    def command(self, name: str, *command: str) -> None:
        log = self.build / f"{name}.log"
        with log.open("w") as output:
            status = subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        if status:
            print("".join(log.read_text().splitlines(keepends=True)[-40:]), file=sys.stderr)
            raise MspError("MSP-CLI-005", f"{' '.join(command[:2])} to succeed", f"exit status {status}", f"read {log}")
