"""Reads the command's name, imports its file, runs it. Each command file has `HELP` and `main(arguments) -> int`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

# Run by its path, so that no PYTHONPATH leaks into the programs that are started from here.
ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)
sys.path.insert(1, str(ROOT / "collections"))

COMMANDS = (
    *("demo", "test", "lint", "bench", "lab", "doctor", "who", "software", "rollouts", "store", "escrow"),
    "worker",
)


def usage() -> str:
    said = ["usage: ./msp COMMAND [arguments]", ""]
    for name in COMMANDS:
        said.append(f"  {name:<8} {importlib.import_module(f'msp_cli.{name}').HELP}")
    return "\n".join(said)


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        print(
            f"msp: MSP-CLI-002: expected one of {', '.join(COMMANDS)}; found {name!r}. What to do: run ./msp help.",
            file=sys.stderr,
        )
        return 2
    # Our own errors are sentences for a person; anything else is a defect and keeps its traceback.
    from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
    from msp_cli.console import lines

    try:
        return int(importlib.import_module(f"msp_cli.{name}").main(rest))
    except MspError as error:
        print(lines(f"msp: {error}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("msp: interrupted; the next run goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
