"""Every error code of the code has its entry in docs/errors.md, and every entry its code."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CODE = re.compile(r"MSP-[A-Z]{3}-\d{3}")
PLACES = ("msp", "msp_cli", "lab", "bench", "roles", "playbooks", "collections/ansible_collections/msp/ops/plugins")


def used() -> set[str]:
    found: set[str] = set()
    for place in PLACES:
        path = ROOT / place
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and file.suffix in ("", ".py", ".yml", ".sh", ".j2"):
                found |= set(CODE.findall(file.read_text()))
    return found


def documented() -> list[str]:
    return re.findall(r"^\| (MSP-[A-Z]{3}-\d{3}) \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)


def test_every_code_in_the_code_is_documented() -> None:
    assert used() - set(documented()) == set()


def test_every_documented_code_is_used() -> None:
    assert set(documented()) - used() == set()


def test_no_code_is_documented_twice() -> None:
    assert [code for code, count in Counter(documented()).items() if count > 1] == []
