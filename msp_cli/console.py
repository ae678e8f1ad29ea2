"""How every command speaks to a person: steps with progress, tables."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import printable
from lab.progress import step

__all__ = ["ROOT", "as_json", "lines", "printable", "run", "step", "table"]

ROOT = Path(__file__).resolve().parent.parent


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> int:
    """Run a program with its output on this terminal; return its exit status."""
    return subprocess.run(list(command), env={**os.environ, **(env or {})}, cwd=cwd, check=False).returncode


def lines(words: str) -> str:
    """Words of several lines, with nothing in them that a terminal would obey."""
    return "\n".join(map(printable, words.split("\n")))


def as_json(value: object) -> str:
    """JSON for a program, harmless on a terminal too: what that would obey is written as JSON's own escape."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A plain table, columns as wide as their widest cell; nothing in it that a terminal would obey."""
    cells = [[printable(str(c)) for c in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)
