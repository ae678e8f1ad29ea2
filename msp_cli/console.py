"""How every command speaks to a person: steps with progress, tables."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def step(title: str) -> Iterator[None]:
    """Say what is being done; after two seconds show that it is still going on; end with how long it took."""
    start = time.monotonic()
    done = threading.Event()
    live = sys.stderr.isatty()

    def tick() -> None:
        interval = 1.0 if live else 15.0
        wait = 2.0
        while not done.wait(wait):
            wait = interval
            elapsed = time.monotonic() - start
            if live:
                print(f"\r  {title} ... {elapsed:.0f} s", end="", file=sys.stderr, flush=True)
            else:
                print(f"  {title} ... {elapsed:.0f} s", file=sys.stderr, flush=True)

    print(f"- {title}", file=sys.stderr, flush=True)
    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        elapsed = time.monotonic() - start
        if elapsed >= 2:
            print(f"{chr(13) if live else ''}  {title}: {elapsed:.1f} s", file=sys.stderr, flush=True)


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> int:
    """Run a program with its output on this terminal; return its exit status."""
    return subprocess.run(list(command), env={**os.environ, **(env or {})}, cwd=cwd, check=False).returncode


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A plain table, columns as wide as their widest cell."""
    cells = [[str(c) for c in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)
