# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tools of a runbook on a made host: files of a directory, and programs that answer as they were told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host, Output
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import Tools


class MadePrograms(Programs):
    """said: by the beginning of a command, what it answers. ran keeps every command."""

    def __init__(self, said: Mapping[str, Output]) -> None:
        self.said = dict(said)
        self.ran: list[str] = []

    def find(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if any(one.split()[0] == name for one in self.said) else None

    def run(self, *argv: str, seconds: float = 0) -> Output:  # noqa: ARG002 - nothing here takes its time
        line = " ".join(argv)
        self.ran.append(line)
        return next((out for begin, out in self.said.items() if line.startswith(begin)), Output(127, started=False))


def made_tools(
    root: Path, files: Mapping[str, str] | None = None, said: Mapping[str, Output] | None = None, *, check: bool = False
) -> tuple[Tools, MadePrograms]:
    for name, text in (files or {}).items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    programs = MadePrograms(said or {})
    return Tools(Host(str(root)), programs, check=check), programs
