"""An execution environment made from the definition has all that plugins, roles and playbooks use, and no more."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from msp_cli import lint
from msp_cli.execution_environment import COLLECTION, DEFINITION, problems

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = COLLECTION / "meta/requirements.txt"


def test_the_definition_is_what_is_used() -> None:
    assert list(problems(ROOT)) == []


def test_lint_asks() -> None:
    assert lint.CHECKS["execution environment"] == ["python", "-m", "msp_cli.execution_environment"]


def test_the_collections_own_list_is_the_same_one() -> None:
    """Who installs the collection alone gets what it imports, too."""
    own = yaml.safe_load((ROOT / COLLECTION / "meta/execution-environment.yml").read_text())["dependencies"]
    whole = yaml.safe_load((ROOT / DEFINITION).read_text())["dependencies"]
    assert {name: str(COLLECTION / own[name]) for name in ("python", "system")} == {
        name: whole[name] for name in ("python", "system")
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project of the same form, in order."""
    for path in (DEFINITION, REQUIREMENTS, COLLECTION / "meta/bindep.txt", Path("requirements.in")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    plugin = tmp_path / COLLECTION / "plugins/plugin_utils/some.py"
    plugin.parent.mkdir(parents=True)
    names = "yaml markupsafe jinja2 sqlalchemy alembic pynetbox requests urllib3 openpyxl jsonschema jmespath babel"
    more = "defusedxml textfsm netaddr ldap3 dateutil rich pyrage hvac segno ansible_runner apprise"
    plugin.write_text("".join(f"import {name}\n" for name in f"{names} {more}".split()))
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "roles").mkdir()
    (tmp_path / "playbooks/some.yml").write_text("- hosts: all\n  tasks:\n    - ansible.builtin.debug:\n")
    assert list(problems(tmp_path)) == []
    return tmp_path


def test_a_package_that_is_not_listed_is_named(tree: Path) -> None:
    with (tree / COLLECTION / "plugins/plugin_utils/some.py").open("a") as file:
        file.write("import boto3\n")
    assert list(problems(tree)) == [f"{REQUIREMENTS} has no boto3, which a plugin imports"]


def test_a_package_that_nothing_imports_is_named(tree: Path) -> None:
    with (tree / REQUIREMENTS).open("a") as file:
        file.write("boto3>=1\n")
    assert list(problems(tree)) == [f"{REQUIREMENTS} has boto3, which no plugin imports"]


def test_a_collection_that_is_not_listed_is_named(tree: Path) -> None:
    (tree / "playbooks/other.yml").write_text(
        "- hosts: all\n  tasks:\n    - community.general.ufw:\n        state: enabled\n"
    )
    assert list(problems(tree)) == [f"{DEFINITION} has no collection community.general, which a task calls"]


def test_another_core_than_the_tested_one_is_named(tree: Path) -> None:
    path = tree / DEFINITION
    path.write_text(path.read_text().replace("ansible-core>=2.21,<2.22", "ansible-core>=2.19"))
    assert list(problems(tree)) == [
        f"{DEFINITION} has ansible-core>=2.19, and requirements.in has ansible-core>=2.21,<2.22"
    ]
