"""docs/security.md names tests that exist: what it claims, somebody can run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w./-]+\.py)::(\w+)`", PAGE)))


def test_it_names_tests() -> None:
    assert len(NAMED) > 25
    assert PAGE.count("::") == len(re.findall(r"`[\w./-]+\.py::\w+`", PAGE))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_exists(file: str, name: str) -> None:
    functions = {
        node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.FunctionDef)
    }
    assert name in functions


@pytest.mark.parametrize(
    "thing", ["host", "technician's account", "NetBox token", "evidence store", "webhook's address"]
)
def test_it_tells_of_whoever_holds_each_thing(thing: str) -> None:
    assert any(thing in line for line in PAGE.splitlines() if line.startswith("## "))
