"""Every test that docs/patching.md names for a fault is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PLACES = ("tests", "collections/ansible_collections/msp/ops/tests")


def named() -> list[tuple[str, str]]:
    text = (ROOT / "docs" / "patching.md").read_text(encoding="utf-8")
    return re.findall(r"`(test_\w+\.py)::(test_\w+)`", text)


def test_every_test_that_is_named_for_a_fault_is_there() -> None:
    files = [file for place in PLACES for file in (ROOT / place).rglob("test_*.py")]
    text = {file: file.read_text(encoding="utf-8") for file in files if "patching" in str(file) or "desk" in str(file)}
    text |= {file: file.read_text(encoding="utf-8") for file in (ROOT / "tests").glob("test_patch*.py")}
    lacking = [
        f"{name}::{test}"
        for name, test in named()
        if not any(file.name == name and f"def {test}(" in found for file, found in text.items())
    ]
    assert named()
    assert lacking == []
