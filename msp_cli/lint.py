"""./msp lint: every linter, all of them even when one fails."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from msp_cli.console import ROOT, run, step

HELP = "ruff, mypy, import-linter, yamllint, ansible-lint (production), antsibull-docs"
COLLECTION = "collections/ansible_collections/msp/ops"
CHECKS: dict[str, list[str]] = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "import-linter": ["lint-imports", "--no-logo"],
    "yamllint": ["yamllint", "--strict", "."],
    "ansible-lint": ["ansible-lint", "--offline", "--profile", "production", "--strict"],
    "antsibull-docs": ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", COLLECTION],
}
# A syntax check reads the inventory of ansible.cfg, and so NetBox; linting must not need one. Not "localhost,": in the
# environment that is two paths, a file localhost that is not there and this whole directory, read as an inventory.
ENVIRONMENT = {"PYTHONPATH": f"{ROOT}:{ROOT / 'collections'}", "ANSIBLE_INVENTORY": os.devnull}


def main(arguments: Sequence[str]) -> int:
    """Run the checks named, or all. Exit 1 when any of them found something."""
    names = list(arguments) or list(CHECKS)
    for name in names:
        if name not in CHECKS:
            raise MspError(
                "MSP-CLI-006", f"one of the checks {', '.join(CHECKS)}", repr(name), "run ./msp lint alone for all"
            )
    failed = []
    for name in names:
        with step(name):
            if run(CHECKS[name], env=ENVIRONMENT):
                failed.append(name)
    print(f"lint: {'clean' if not failed else 'failed: ' + ', '.join(failed)}")
    return 1 if failed else 0
