"""./msp bench: the names; ./msp bench NAME: run one, print its table, write build/bench/NAME.json."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

import bench
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from bench import harness

HELP = "list the benches, or run one"


def names() -> list[str]:
    return sorted(
        m.name for m in pkgutil.iter_modules(bench.__path__) if m.name != "harness" and not m.name.startswith("_")
    )


def main(arguments: Sequence[str]) -> int:
    if not arguments:
        print("\n".join(names()))
        return 0
    for name in arguments:
        if name not in names():
            raise MspError(
                "MSP-CLI-003", f"one of the benches {', '.join(names())}", repr(name), "run ./msp bench for the names"
            )
        path = harness.report(importlib.import_module(f"bench.{name}").run())
        print(f"bench: {path.relative_to(harness.ROOT)}")
    return 0
