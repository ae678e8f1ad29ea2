"""docs/runbooks.md says of each runbook what its declaration says, and has a playbook and a module for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.catalogue import Declared, catalogue

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
MODULES = ROOT / "collections" / "ansible_collections" / "msp" / "ops" / "plugins" / "modules"
RUNBOOKS = list(catalogue().values())


def flat(text: str) -> str:
    return " ".join(text.split())


def section(name: str) -> str:
    return flat(PAGE.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0])


@pytest.mark.parametrize("declared", RUNBOOKS, ids=list(catalogue()))
def test_the_page_says_what_the_declaration_says(declared: Declared) -> None:
    found = section(declared.name)
    sentences = (declared.symptom, declared.check, declared.success, declared.gives_up)
    for sentence in (*sentences, *declared.may_change, *declared.never):
        assert flat(sentence) in found
    limits = declared.limits
    times = "once" if limits.per_asset_a_day == 1 else f"{limits.per_asset_a_day} times"
    assert f"{times} a day on an asset; after {limits.failures} assets in {limits.within_hours:g} hours" in found
    assert f"By hand: {declared.minutes_by_hand:g} minutes." in found


@pytest.mark.parametrize("declared", RUNBOOKS, ids=list(catalogue()))
def test_every_parameter_and_setting_is_on_the_page_with_its_default_and_no_other_is(declared: Declared) -> None:
    rows = re.findall(r"\| `(\w+)` \| (parameter|policy) \| ([^|]*) \| ([^|]*) \|", section(declared.name))
    forms = [("parameter", one) for one in declared.parameters.values()] + [
        ("policy", one) for one in declared.policy.values()
    ]
    assert [(name, kind, what.strip()) for name, kind, _default, what in rows] == [
        (one.name, kind, flat(one.description)) for kind, one in forms
    ]
    for (_name, _kind, said, _what), (_from, one) in zip(rows, forms, strict=True):
        if one.required:
            assert said.strip() == "needed"
        elif isinstance(one.default, list) and one.default:
            assert said.strip() == ", ".join(one.default)
        elif isinstance(one.default, int | float) and not isinstance(one.default, bool):
            assert float(said) == one.default


def test_the_table_names_all_and_each_has_its_playbook_and_its_module() -> None:
    assert set(re.findall(r"^\| \[(\w+)\]\(#\1\) \|", PAGE, re.MULTILINE)) == set(catalogue())
    for name in catalogue():
        assert f"name: {name}\n" in (ROOT / "playbooks" / "runbooks" / f"{name}.yml").read_text(encoding="utf-8")
        assert (MODULES / f"runbook_{name}.py").is_file()
    assert {path.stem for path in (ROOT / "playbooks" / "runbooks").glob("*.yml")} == set(catalogue())
