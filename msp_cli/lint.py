"""./msp lint: every linter, all of them even when one fails."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import awx
from msp_cli.advisories import NOT_CHECKED
from msp_cli.console import ROOT, run, step

HELP = (
    "ruff, mypy, import-linter, yamllint, ansible-lint (production), antsibull-docs, "
    "execution environment, plain secrets, pip-audit"
)
COLLECTION = "collections/ansible_collections/msp/ops"
CHECKS: dict[str, list[str]] = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "import-linter": ["lint-imports", "--no-logo"],
    "yamllint": ["yamllint", "--strict", "."],
    "ansible-lint": ["ansible-lint", "--offline", "--profile", "production", "--strict"],
    "antsibull-docs": ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", COLLECTION],
    "execution environment": ["python", "-m", "msp_cli.execution_environment"],
    "plain secrets": ["python", "-m", "msp_cli.plain_secrets"],
    "pip-audit": ["python", "-m", "msp_cli.advisories"],
}
# A syntax check reads the inventory of ansible.cfg, and so NetBox; linting must not need one. Not "localhost,": in the
# environment that is two paths, a file localhost that is not there and this whole directory, read as an inventory.
ENVIRONMENT = {"PYTHONPATH": f"{ROOT}:{ROOT / 'collections'}", "ANSIBLE_INVENTORY": os.devnull}
# What knows the modules of awx.awx, which playbooks/awx.yml calls.
WITH_AWX = "ansible-lint"


def main(arguments: Sequence[str]) -> int:
    """Run the checks named, or all. Exit 1 when any of them found something; what could not look has found nothing, and
    is said to have looked at nothing.
    """
    names = list(arguments) or list(CHECKS)
    for name in names:
        if name not in CHECKS:
            raise MspError(
                "MSP-CLI-006", f"one of the checks {', '.join(CHECKS)}", repr(name), "run ./msp lint alone for all"
            )
    failed, not_checked = [], []
    for name in names:
        with step(name):
            status = run(CHECKS[name], env=ENVIRONMENT | (_with_awx() if name == WITH_AWX else {}))
            if status == NOT_CHECKED and name == "pip-audit":
                not_checked.append(name)
            elif status:
                failed.append(name)
    print(f"lint: {verdict(names, failed, not_checked)}")
    return 1 if failed else 0


def _with_awx() -> dict[str, str]:
    return {"ANSIBLE_COLLECTIONS_PATH": os.pathsep.join((str(ROOT / "collections"), str(awx.collections(step))))}


def verdict(names: Sequence[str], failed: Sequence[str], not_checked: Sequence[str]) -> str:
    """What all checks together say. "clean" is never said of one that could not look."""
    clean = [name for name in names if name not in failed and name not in not_checked]
    said = [f"failed: {', '.join(failed)}"] if failed else ["clean"] if not not_checked else []
    if not_checked:
        said += [f"clean: {', '.join(clean)}"] if clean and not failed else []
        said.append(f"not checked: {', '.join(not_checked)}")
    return "; ".join(said)
