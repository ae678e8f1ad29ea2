"""What every bench shares: targets as ratios, a table, a JSON file, and a whole-process measurement.

A bench measures what we do against what people use today, in one run on one machine. It never fails because of a
figure: it prints whether each target is met.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Figure:
    """One measured number. unit is "s", "MB", "1/s", "requests"..."""

    name: str
    value: float
    unit: str
    note: str = ""


@dataclass(frozen=True)
class Target:
    """A figure or ratio that must be at most (or at least) a limit."""

    name: str
    value: float
    limit: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit


@dataclass
class Outcome:
    name: str
    figures: list[Figure] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Process:
    """A finished process: wall and CPU seconds, and the peak resident memory of its largest process in MB."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str


def measure(command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Process:
    """Run one command to its end and account for it. A command that fails raises with its last lines."""
    code = (
        "import json,resource,subprocess,sys,time\n"
        "t=time.monotonic(); r=subprocess.run(sys.argv[2:],stdout=open(sys.argv[1],'wb'),stderr=subprocess.STDOUT)\n"
        "u=resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([time.monotonic()-t,u.ru_utime+u.ru_stime,u.ru_maxrss/1024,r.returncode]))"
    )
    log = ROOT / "build" / "bench" / f"output-{os.getpid()}-{time.monotonic_ns()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(log), *command],
            check=True,
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
        seconds, cpu, peak, status = json.loads(done.stdout)
        output = log.read_text(errors="replace")
    finally:
        log.unlink(missing_ok=True)
    if status:
        raise RuntimeError(f"{command[0]} ended with {status}: {output[-2000:]}")
    return Process(seconds, cpu, peak, output)


def own_peak_mb() -> float:
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def versions(*packages: str) -> dict[str, str]:
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}


def report(outcome: Outcome) -> Path:
    """Print the table, write build/bench/NAME.json, return its path."""
    rows = [(f.name, f"{f.value:,.3f} {f.unit}", f.note) for f in outcome.figures]
    rows += [
        (
            t.name,
            f"{t.value:,.3f}",
            f"{'at most' if t.at_most else 'at least'} {t.limit:g}: {'met' if t.met else 'NOT MET'}",
        )
        for t in outcome.targets
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    for row in rows:
        print(f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]}".rstrip())
    for note in outcome.notes:
        print(f"note: {note}")
    path = ROOT / "build" / "bench" / f"{outcome.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(
            {
                "name": outcome.name,
                "figures": [asdict(f) for f in outcome.figures],
                "targets": [{**asdict(t), "met": t.met} for t in outcome.targets],
                "notes": outcome.notes,
                "versions": versions("ansible-core", "SQLAlchemy", "pynetbox"),
                "cores": os.cpu_count(),
            },
            indent=2,
        )
    )
    return path
