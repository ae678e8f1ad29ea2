"""./msp lint: every linter, all of them even when one fails."""

from __future__ import annotations

from collections.abc import Sequence

from msp_cli.console import ROOT, run, step

HELP = "ruff, mypy, import-linter, yamllint, ansible-lint (production), antsibull-docs"
COLLECTION = "collections/ansible_collections/msp/ops"


def main(arguments: Sequence[str]) -> int:
    del arguments
    checks: list[tuple[str, list[str]]] = [
        ("ruff check", ["ruff", "check", "."]),
        ("ruff format", ["ruff", "format", "--check", "."]),
        ("mypy", ["mypy"]),
        ("import-linter", ["lint-imports"]),
        ("yamllint", ["yamllint", "--strict", "."]),
        ("ansible-lint", ["ansible-lint", "--offline", "--profile", "production", "--strict"]),
        ("antsibull-docs", ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", COLLECTION]),
    ]
    failed = []
    for name, command in checks:
        with step(name):
            if run(command, cwd=ROOT):
                failed.append(name)
    print(f"lint: {'clean' if not failed else 'failed: ' + ', '.join(failed)}")
    return 1 if failed else 0
