"""./msp test: every test through pytest; `unit` alone runs what needs no lab."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lab import packages
from msp_cli.console import ROOT, run, step

HELP = "all tests, or `test unit` (on SQLite alone); further arguments go to pytest"
UNIT = ["collections/ansible_collections/msp/ops/tests/unit", "tests/unit"]
# What somebody waits for: on every core, without a database server or what is thorough, and fewer examples of each
# property. Unit tests share nothing but files of their own. Output is caught in Python, for to swap
# descriptors costs each test some time.
QUICK = ["--numprocesses", "auto", "--dist", "worksteal", "--hypothesis-profile", "quick", "--capture", "sys"]
QUICK += ["-m", "not postgresql and not thorough"]
# One process has the lab, and the other whatever needs none (conftest.py makes the groups, and their order).
LAB_AND_REST = ["--numprocesses", "2", "--dist", "loadgroup", "--no-loadscope-reorder"]
LAB_AND_REST += ["--durations", "40", "--durations-min", "5"]


def main(arguments: Sequence[str]) -> int:
    """Set up what the tests use, then hand over to pytest. What can't be set up is said, and its tests skip."""
    return run([sys.executable, "-m", "pytest", *_for_pytest(list(arguments))])


def _for_pytest(arguments: list[str]) -> list[str]:
    if arguments[:1] == ["unit"]:
        return [*QUICK, *UNIT, *arguments[1:]]
    packages.ensure(step)
    some = any((ROOT / one.partition("::")[0]).exists() for one in arguments)
    return arguments if some else [*LAB_AND_REST, *arguments]
