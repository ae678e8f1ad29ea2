"""Whether execution-environment.yml has what the plugins, roles and playbooks use, and nothing else.

Run by ./msp lint. What plugins import is read from their code, what tasks call from their files; nothing is run.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from msp_cli.console import ROOT

COLLECTION = Path("collections/ansible_collections/msp/ops")
DEFINITION = Path("execution-environment.yml")
# Where a package is imported by another name than it is installed by, and what is loaded without an import.
PACKAGES = {
    "yaml": "pyyaml",
    "ntc_templates": "ntc-templates",
    "dateutil": "python-dateutil",
    "ansible_runner": "ansible-runner",
}
BY_NAME = {"psycopg", "ntc-templates", "tzdata"}
COMES_WITH_ANSIBLE = {"ansible", "ansible_collections"}
# What only dnf's own interpreter on a host has, and module_utils/patching/dnf_inside.py runs in.
ON_HOSTS = {"dnf", "hawkey"}
# Collections that are there without being listed: Ansible's own, and this project's.
OWN = {"ansible.builtin", "msp.ops"}
# The playbook that makes AWX what it is runs before there is an AWX to run it.
FROM_OUTSIDE = {"playbooks/awx.yml", "roles/msp_awx/tasks/apply.yml", "roles/msp_awx/tasks/remove.yml"}
# Where a play or a block has its tasks.
_TASKS = ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always")
_MODULE = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\.[a-z0-9_]+")


def imported(root: Path) -> set[str]:
    """The packages that plugins import, by the names that they are installed by."""
    found: set[str] = set()
    for path in (root / COLLECTION / "plugins").rglob("*.py"):
        for node in _statements(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(one.name.partition(".")[0] for one in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    others = found - set(sys.stdlib_module_names) - COMES_WITH_ANSIBLE - ON_HOSTS
    return {PACKAGES.get(name, name) for name in others} | BY_NAME


def called(root: Path) -> set[str]:
    """The collections whose modules and roles tasks call."""
    found: set[str] = set()
    for folder in ("playbooks", "roles"):
        for path in sorted((root / folder).rglob("*.yml")):
            if str(path.relative_to(root)) not in FROM_OUTSIDE:
                found |= {
                    name.rpartition(".")[0] for name in _modules(yaml.safe_load(path.read_text(encoding="utf-8")))
                }
    return found


def listed(text: str) -> set[str]:
    """The packages of a requirements file, without their versions."""
    return {re.split(r"[\[<>=~ ]", line)[0].lower() for line in text.splitlines() if line and not line.startswith("#")}


def problems(root: Path) -> Iterator[str]:
    """Each difference between the definition and what is used, in a sentence."""
    definition = yaml.safe_load((root / DEFINITION).read_text(encoding="utf-8"))
    declared = definition["dependencies"]
    packages = listed((root / declared["python"]).read_text(encoding="utf-8"))
    used = imported(root)
    yield from (f"{declared['python']} has no {name}, which a plugin imports" for name in sorted(used - packages))
    yield from (f"{declared['python']} has {name}, which no plugin imports" for name in sorted(packages - used))
    if not (root / declared["system"]).is_file():
        yield f"{DEFINITION} names {declared['system']}, which is not there"
    collections = {one["name"] for one in (declared.get("galaxy") or {}).get("collections", [])}
    calls = called(root) - OWN
    yield from (f"{DEFINITION} has no collection {name}, which a task calls" for name in sorted(calls - collections))
    yield from (f"{DEFINITION} has the collection {name}, which no task calls" for name in sorted(collections - calls))
    yield from _other_core(root, str(declared["ansible_core"]["package_pip"]))


def _other_core(root: Path, declared: str) -> Iterator[str]:
    """What is tested here is what runs there."""
    wanted = next(
        line for line in (root / "requirements.in").read_text().splitlines() if line.startswith("ansible-core")
    )
    if declared != wanted:
        yield f"{DEFINITION} has {declared}, and requirements.in has {wanted}"


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement below a node; no expression, which most nodes are and which imports nothing."""
    for name in ("body", "orelse", "handlers", "finalbody", "cases"):
        for one in getattr(node, name, ()):
            yield one
            yield from _statements(one)


def _modules(data: Any) -> Iterator[str]:
    """The modules of all tasks in a file, those in blocks too."""
    for one in data if isinstance(data, list) else []:
        if isinstance(one, Mapping):
            yield from (key for key in one if isinstance(key, str) and _MODULE.fullmatch(key))
            for place in _TASKS:
                yield from _modules(one.get(place))


def main() -> int:
    found = list(problems(ROOT))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
