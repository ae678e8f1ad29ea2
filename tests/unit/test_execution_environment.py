"""An execution environment made from the collection's own list has all that its plugins import."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

COLLECTION = Path(__file__).resolve().parents[2] / "collections/ansible_collections/msp/ops"
# Where a package is imported by another name than it is installed by, and what is loaded without an import.
PACKAGES = {"yaml": "pyyaml", "ntc_templates": "ntc-templates", "dateutil": "python-dateutil"}
BY_NAME = {"psycopg", "ntc-templates", "tzdata"}
COMES_WITH_ANSIBLE = {"ansible", "ansible_collections"}
# What only dnf's own interpreter on a host has, and module_utils/patching/dnf_inside.py runs in.
ON_HOSTS = {"dnf", "hawkey"}


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement below a node; no expression, which most nodes are and which imports nothing."""
    for name in ("body", "orelse", "handlers", "finalbody", "cases"):
        for one in getattr(node, name, ()):
            yield one
            yield from statements(one)


def imported() -> Iterator[str]:
    for path in (COLLECTION / "plugins").rglob("*.py"):
        for node in statements(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (one.name.partition(".")[0] for one in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


def test_the_list_is_what_the_plugins_import() -> None:
    environment = yaml.safe_load((COLLECTION / "meta/execution-environment.yml").read_text(encoding="utf-8"))
    declared = environment["dependencies"]
    lines = (COLLECTION / declared["python"]).read_text(encoding="utf-8").splitlines()
    listed = {re.split(r"[\[<>=~ ]", line)[0].lower() for line in lines if line and not line.startswith("#")}
    others = set(imported()) - set(sys.stdlib_module_names) - COMES_WITH_ANSIBLE - ON_HOSTS
    assert listed == {PACKAGES.get(name, name) for name in others} | BY_NAME
    assert (COLLECTION / declared["system"]).exists()
