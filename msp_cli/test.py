"""./msp test: every test through pytest; `unit` alone runs what needs no lab."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lab import packages
from msp_cli.console import run, step

HELP = "all tests, or `test unit`; further arguments go to pytest"
UNIT = ["collections/ansible_collections/msp/ops/tests/unit", "tests/unit"]
# Unit tests share nothing but files of their own, so every core takes some.
SIDE_BY_SIDE = ["--numprocesses", "auto", "--dist", "worksteal"]


def main(arguments: Sequence[str]) -> int:
    """Set up what the tests use, then hand over to pytest. What can't be set up is said, and its tests skip."""
    rest = list(arguments)
    if rest[:1] == ["unit"]:
        rest = [*SIDE_BY_SIDE, *UNIT, *rest[1:]]
    else:
        packages.ensure(step)
    return run([sys.executable, "-m", "pytest", *rest])
