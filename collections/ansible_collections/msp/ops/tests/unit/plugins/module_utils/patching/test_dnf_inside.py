# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program that dnf's own interpreter runs. What it asks is proved on a real dnf, in tests/test_patch_dnf.py."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.patching import dnf_inside

TREE = ast.parse(Path(dnf_inside.__file__).read_text(encoding="utf-8"), feature_version=(3, 6))


def test_it_has_the_syntax_of_the_oldest_interpreter_of_a_dnf_4() -> None:
    futures = [node for node in ast.walk(TREE) if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    newer = [node for node in ast.walk(TREE) if isinstance(node, (ast.NamedExpr, ast.Match))]

    assert (futures, newer) == ([], [])


def test_it_stands_alone_in_one_text() -> None:
    names = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(TREE)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }

    assert names == {
        "dnf", "dnf.const", "dnf.subject", "functools", "hawkey", "json", "logging", "os", "shutil", "sys", "tempfile",
        "typing", "xml.etree",
    }  # fmt: skip


class Repository:
    def __init__(self, text: str) -> None:
        self.text = text

    def get_metadata_path(self, _kind: str) -> str:
        return "updateinfo.xml" if self.text else ""

    def get_metadata_content(self, _kind: str) -> str:
        return self.text


class Base:
    def __init__(self, *texts: str) -> None:
        self.repos = self
        self.found = [Repository(text) for text in texts]

    def iter_enabled(self) -> list[Repository]:
        return self.found


def update(identity: str, package: str, inside: str = "", beside: str = "") -> str:
    return (
        f"<update><id>{identity}</id>{beside}<pkglist><collection>"
        f'<package name="{package}">{inside}</package></collection></pkglist></update>'
    )


def test_a_reboot_is_suggested_for_one_package_or_a_whole_advisory() -> None:
    yes, no = "<reboot_suggested>True</reboot_suggested>", "<reboot_suggested>0</reboot_suggested>"
    first = "".join([update("A", "kernel", yes), update("B", "web", no), update("C", "db", beside=yes)])

    base = Base(f"<updates>{first}</updates>", "", f"<updates>{update('D', 'mail')}</updates>")

    assert dnf_inside.reboots(base) == {("A", "kernel"), ("C", "db")}


@pytest.mark.parametrize(
    ("text", "truth"), [("True", True), (" 1\n", True), ("false", False), (None, False), ("", False)]
)
def test_only_a_plain_yes_is_one(text: str | None, truth: bool) -> None:
    assert dnf_inside.positive(text) is truth
