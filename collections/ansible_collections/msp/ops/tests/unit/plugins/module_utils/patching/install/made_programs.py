# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs that answer what a test says, and remember what they were asked."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Output
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs


class MadePrograms(Programs):
    """answers: (status, output, errors) by the beginning of a command line; the longest one that fits counts."""

    def __init__(self, answers: Mapping[str, tuple[int, str, str]] | None = None) -> None:
        self.answers = dict(answers or {})
        self.asked: list[str] = []

    def find(self, name: str) -> str | None:
        return "/usr/bin/" + name if any(line.split()[0] == name for line in self.answers) else None

    def run(self, *argv: str, seconds: float = 0) -> Output:  # noqa: ARG002 - as the real one
        line = " ".join(argv)
        self.asked.append(line)
        fits = [known for known in self.answers if line.startswith(known)]
        if not fits:
            return Output(127, started=False)
        return Output(*self.answers[max(fits, key=len)])

    def work(self, argv: list[str], log: str, extra: dict[str, str]) -> int:  # noqa: ARG002 - as the real one
        return self.run(*argv).status
