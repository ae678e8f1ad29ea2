"""Nothing that a host, NetBox or a source says can reach a shell or a template engine: there is none on its way.

Roles and playbooks run programs by lists of arguments; no plugin has a shell or has Ansible template a value. The one
exception is the inventory, which lets the options in its own file be templates.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
PLUGINS = ROOT / "collections" / "ansible_collections" / "msp" / "ops" / "plugins"
SHELLS = {"shell", "raw", "script", "expect", "win_shell"}
PROGRAMS = {"command", "win_command"}
TEMPLATES_ITS_OWN_OPTIONS = PLUGINS / "inventory" / "netbox.py"
FILES = sorted(
    path for room in ("roles", "playbooks") for path in (ROOT / room).rglob("*.yml") if "templates" not in path.parts
)


def tasks(found: Any) -> Iterator[dict[str, Any]]:
    """Every mapping below, tasks among them."""
    if isinstance(found, dict):
        yield found
        for value in found.values():
            yield from tasks(value)
    elif isinstance(found, list):
        for value in found:
            yield from tasks(value)


def wrong(task: dict[str, Any]) -> list[str]:
    """What a task runs by a shell, or by one string that is split into arguments after its values are in it."""
    said = []
    for key, value in task.items():
        name = str(key).rpartition(".")[2]
        if name in SHELLS and str(key).startswith(("ansible.", "community.")):
            said.append(str(key))
        elif name in PROGRAMS and str(key).startswith("ansible.") and not (isinstance(value, dict) and "argv" in value):
            said.append(f"{key} without argv")
    return said


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_roles_and_playbooks_run_programs_by_lists_of_arguments(path: Path) -> None:
    read = yaml.safe_load(path.read_text())

    assert [found for task in tasks(read) for found in wrong(task)] == []


@pytest.mark.parametrize(
    "task", [{"ansible.builtin.shell": "x"}, {"ansible.builtin.raw": "x"}, {"ansible.builtin.command": "x {{ y }}"}]
)
def test_one_that_did_would_be_found(task: dict[str, Any]) -> None:
    assert wrong(task) != []


def calls(path: Path) -> Iterator[str]:
    """The calls in a file that start a shell or a template engine."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        if any(one.arg in ("shell", "use_unsafe_shell") and not _false(one.value) for one in node.keywords):
            yield "a shell"
        text = ast.unparse(node.func)
        if text in ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "eval", "exec"):
            yield text
        if text.endswith(("templar.template", "Templar", "from_string")):
            yield text


def _false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.thorough
def test_no_plugin_and_no_command_has_a_shell_or_a_template_engine() -> None:
    files = [*PLUGINS.rglob("*.py"), *(ROOT / "msp_cli").rglob("*.py")]
    found = {(str(path.relative_to(ROOT)), call) for path in files for call in calls(path)}

    assert found == {(str(TEMPLATES_ITS_OWN_OPTIONS.relative_to(ROOT)), "self.templar.template")}
