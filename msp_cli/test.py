"""./msp test: every test through pytest; `unit` alone runs what needs no lab."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from msp_cli.console import run

HELP = "all tests, or `test unit`; further arguments go to pytest"
UNIT = ["collections/ansible_collections/msp/ops/tests/unit", "tests/unit"]


def main(arguments: Sequence[str]) -> int:
    rest = list(arguments)
    if rest[:1] == ["unit"]:
        rest = [*UNIT, *rest[1:]]
    return run([sys.executable, "-m", "pytest", *rest])
