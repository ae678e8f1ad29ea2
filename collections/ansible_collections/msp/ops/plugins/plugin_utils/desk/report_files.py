# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a report on how a customer stands: a page, the same as text, and all as data. Written where new."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.desk import files
from ansible_collections.msp.ops.plugins.plugin_utils.report import standing_page
from ansible_collections.msp.ops.plugins.plugin_utils.report.standing_page import Told


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """What was, or with dry_run would be, written: the files by path, those that changed, the text before."""

    bodies: Mapping[Path, str]
    changed: tuple[Path, ...]
    before: str

    def as_dict(self) -> dict[str, Any]:
        """Where they are, in the result of a module."""
        paths = {path.suffix: str(path) for path in self.bodies}
        return {
            "changed": bool(self.changed),
            "page": paths[".html"],
            "text_file": paths[".txt"],
            "data_file": paths[".json"],
        }

    def diff(self) -> dict[str, str]:
        """The plain text, before and after."""
        (path,) = (path for path in self.bodies if path.suffix == ".txt")
        return {"before": self.before, "after": self.bodies[path], "after_header": str(path)}


def write(base: Path, said: Told, data: Mapping[str, Any], *, dry_run: bool) -> ReportFiles:
    """The files of a report, written where they say something new. base is their path without its ending."""
    text = base.with_suffix(".txt")
    bodies = {
        base.with_suffix(".html"): standing_page.page(said),
        text: standing_page.text(said),
        base.with_suffix(".json"): json.dumps(data, indent=1, ensure_ascii=False) + "\n",
    }
    changed = tuple(path for path, body in bodies.items() if not files.holds(path, body.encode()))
    before = text.read_text(encoding="utf-8") if text.exists() else ""
    if not dry_run:
        for path in changed:
            files.write(path, bodies[path].encode())
    return ReportFiles(bodies, changed, before)
