"""The role msp_software_set brings about what its controls check, and what its templates write is read as it is meant.

Reads the role's files and the definitions of the controls; runs neither.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.msp.ops.plugins.module_utils.standards import automatic_updates
from ansible_collections.msp.ops.plugins.module_utils.standards.automatic_updates import APT_TIMERS, DNF_TIMERS, OFF, ON
from ansible_collections.msp.ops.plugins.plugin_utils.standards import model
from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Control

ROLE = Path(__file__).resolve().parents[2] / "roles" / "msp_software_set"
OURS = {control.id: control for control in catalogue().values() if control.role == model.SOFTWARE_SET}
VARIABLES: Mapping[str, Any] = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
AREAS: Mapping[str, list[str]] = VARIABLES["__msp_software_set_areas"]


def tasks(name: str) -> str:
    return (ROLE / "tasks" / name).read_text(encoding="utf-8")


def rendered(name: str, policy: str, *, reboot: bool = False) -> str:
    chosen = {"updates-automatic": {"policy": policy, "reboot": reboot}}
    text = (ROLE / "templates" / name).read_text(encoding="utf-8")
    known = {**VARIABLES, "msp_software_set_parameters": chosen}
    return str(Templar(DataLoader(), variables=known).template(trust_as_template(text)))


def test_each_control_is_in_its_area_and_no_other_is() -> None:
    assert {id_: area for area, ids in AREAS.items() for id_ in ids} == {one.id: one.area for one in OURS.values()}


def test_each_area_is_gone_into_when_one_of_its_controls_is_to_be_brought_about() -> None:
    first, *included, last = yaml.safe_load(tasks("main.yml"))

    for area, task in zip(AREAS, included, strict=True):
        assert task["vars"] == {"__msp_software_set_area": area}
        assert f"__msp_software_set_areas.{area})" in str(task["when"])
        assert task["ansible.builtin.include_tasks"] == {"file": "area.yml", "apply": {"tags": [area]}}
        assert task["tags"] == [area]
    assert first["ansible.builtin.include_tasks"]["file"] == "preflight.yml"
    assert "ansible.builtin.assert" in last


PLAY = """
- hosts: all
  gather_facts: false
  roles: [{role: msp_software_set, msp_software_set_enforce: ENFORCED, msp_software_set_parameters: {}}]
"""
# Made tasks of an area, on a host that is called after the area which fails there.
MADE = """
- name: Need it
  ansible.builtin.assert: {that: inventory_hostname != 'AREA', fail_msg: 'MSP-STD-103: none', quiet: true}
- name: Reach it
  ansible.builtin.debug: {msg: "reached AREA on {{ inventory_hostname }}"}
"""


@pytest.mark.thorough
def test_a_failed_area_keeps_no_other_from_its_turn_but_nothing_comes_from_repositories_not_agreed_on(
    tmp_path: Path,
) -> None:
    """The role's own main.yml, area.yml and variables, with made tasks in the areas."""
    role = tmp_path / "roles" / "msp_software_set"
    shutil.copytree(ROLE, role)
    made = {area: MADE.replace("AREA", area) for area in AREAS}
    for name, text in {**made, "preflight": yaml.dump(yaml.safe_load(tasks("preflight.yml"))[:1])}.items():
        (role / "tasks" / f"{name}.yml").write_text(text, encoding="utf-8")
    enforced = [ids[0] for ids in AREAS.values()]
    (tmp_path / "play.yml").write_text(PLAY.replace("ENFORCED", str(enforced)), encoding="utf-8")
    program = shutil.which("ansible-playbook", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program is not None
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}

    done = subprocess.run(
        [program, "-i", "none,repositories,updates", "-c", "local", "play.yml"],
        cwd=tmp_path,
        env={**environment, "ANSIBLE_COLLECTIONS_PATH": str(ROLE.parents[1] / "collections")},
        capture_output=True,
        text=True,
        check=False,
    )

    reached = {tuple(line) for line in re.findall(r"reached (\w+) on (\w+)", done.stdout)}
    assert reached == {*((area, "none") for area in AREAS), ("repositories", "updates"), ("software", "updates")}
    told = dict(re.findall(r"fatal: \[(\w+)\].*?(MSP-STD-204.*?)What to do", done.stdout, re.DOTALL))
    assert "repositories: Need it: MSP-STD-103: none" in told["repositories"]
    assert "updates: Need it: MSP-STD-103: none" in told["updates"]
    assert re.search(r"^none .*failed=0", done.stdout, re.MULTILINE)


def test_a_role_that_fails_does_not_keep_the_other_from_its_turn() -> None:
    plays = yaml.safe_load((ROLE.parents[1] / "playbooks" / "standardise.yml").read_text(encoding="utf-8"))
    (both,) = (task for play in plays for task in play.get("tasks", []) if task["name"] == "Bring it about")

    assert [block["block"][0]["ansible.builtin.include_role"]["name"] for block in both["block"]] == list(model.ROLES)
    assert all(len(block["block"]) == 1 and block["rescue"] for block in both["block"])
    assert [task["name"] for task in both["always"]] == ["Measure again"]


@pytest.mark.parametrize("control", OURS.values(), ids=list(OURS))
def test_the_tasks_of_its_area_name_the_control(control: Control) -> None:
    text = tasks(f"{control.area}.yml")

    assert f"'{control.id}'" in text


def test_the_role_asks_the_host_with_the_probes_that_judge_it() -> None:
    asked = {
        check.probe["kind"]
        for control in OURS.values()
        for check in control.checks
        # These are brought about without asking what is wrong: their tasks are the same whatever was.
        if control.id not in ("repositories-allowed", "repositories-signed", "repositories-rights", "updates-automatic")
    }
    text = "".join(tasks(f"{area}.yml") for area in AREAS)

    assert {kind for kind in asked if f"kind: {kind}" not in text} == set()


def test_the_directories_whose_rights_are_set_are_those_that_are_checked() -> None:
    directories, files = (check.probe["paths"] for check in OURS["repositories-rights"].checks)
    ours = [path for paths in VARIABLES["__msp_software_set_directories"].values() for path in paths]

    assert ours == directories
    looked_into = {path.rpartition("/")[0] for path in files}
    assert looked_into <= {*ours, "/etc/dnf"}


def apt_settings(text: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The written file as apt-config would tell it."""
    single: dict[str, str] = {}
    many: dict[str, list[str]] = {}
    inside = ""
    for line in (line.strip().rstrip(";") for line in text.splitlines()):
        name, _space, value = line.partition(" ")
        if line.endswith("{"):
            inside = name.lower()
        elif line == "}":
            inside = ""
        elif inside:
            many.setdefault(inside, []).append(line.strip('"'))
        elif line and not line.startswith(("//", "#")):
            single[name.lower()] = value.strip('"')
    return single, many


@pytest.mark.parametrize("reboot", [True, False])
@pytest.mark.parametrize("policy", automatic_updates.POLICIES)
def test_what_is_written_for_apt_is_measured_as_the_policy(policy: str, reboot: bool) -> None:
    given, lists = apt_settings(rendered("updates.conf.j2", policy, reboot=reboot))

    found = automatic_updates.of_apt(given, lists, dict.fromkeys(APT_TIMERS, ON), installed=True)

    assert found == (policy, reboot)


@pytest.mark.parametrize("reboot", [True, False])
@pytest.mark.parametrize("policy", automatic_updates.POLICIES)
def test_what_is_written_for_dnf_is_measured_as_the_policy(policy: str, reboot: bool) -> None:
    given = automatic_updates.dnf_settings(rendered("automatic.conf.j2", policy, reboot=reboot))
    runs = ON if policy != "none" else OFF

    found = automatic_updates.of_dnf(given, dict(zip(DNF_TIMERS, (runs, OFF, OFF), strict=True)))

    assert found == (policy, reboot)


def test_what_the_distribution_put_into_the_list_of_origins_is_cleared_before_ours() -> None:
    text = rendered("updates.conf.j2", "security")

    for name in ("Allowed-Origins", "Origins-Pattern"):
        assert f"\n#clear Unattended-Upgrade::{name};\n" in text[: text.index("Origins-Pattern {")]


def test_every_setting_that_lets_unsigned_packages_in_is_set_to_no() -> None:
    given, _lists = apt_settings((ROLE / "files" / "signed.conf").read_text(encoding="utf-8"))

    assert given == {name.lower(): "false" for name in automatic_updates.INSECURE}
