# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What validation says of a plan that can be read: an error (it can't work so) or a warning. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

ERROR, WARNING = LEVELS = ("error", "warning")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. path is where in the plan, beginning with msp_patch_plan."""

    level: str
    path: str
    why: MspError

    def as_dict(self) -> dict[str, str]:
        """level, path, code, expected, found, action."""
        return {"level": self.level, "path": self.path, **self.why.as_dict()}


def error(code: str, path: str, expected: str, found: str, action: str) -> Finding:
    return _finding(ERROR, code, path, expected, found, action)


def warning(code: str, path: str, expected: str, found: str, action: str) -> Finding:
    return _finding(WARNING, code, path, expected, found, action)


def _finding(level: str, code: str, path: str, *words: str) -> Finding:
    expected, found, action = words
    whole = f"{names.CONTEXT_PATCH_PLAN}.{path}" if path else names.CONTEXT_PATCH_PLAN
    return Finding(level, whole, MspError(code, f"in {whole} {expected}", found, action))
