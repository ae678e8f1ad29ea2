"""The role msp_disk_encryption brings about what its controls check, and what can be chosen is the same everywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.msp.ops.plugins.module_utils.encryption import volume
from ansible_collections.msp.ops.plugins.plugin_utils.standards import model
from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "msp_disk_encryption"
VARIABLES: dict[str, Any] = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
OURS = {control.id: control for control in catalogue().values() if control.role == model.DISK_ENCRYPTION}


def test_it_knows_every_control_that_is_not_left_to_a_person() -> None:
    brought_about = {id for id, control in OURS.items() if not control.by_hand}
    assert set(VARIABLES["__msp_disk_encryption_controls"]) == brought_about
    assert set(OURS) - brought_about == {"encryption-slots", "encryption-swap", "encryption-root"}


def test_what_can_be_said_of_a_volume_is_the_same_for_control_host_and_reader() -> None:
    values = OURS["encryption-volumes"].parameters["volumes"].values
    assert values is not None and set(str(values.keys).split("|")) == set(volume.KEYS)
    text = (ROOT / "docs" / "disk_encryption.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", text, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} == set(volume.KEYS)


def test_every_control_has_its_row_in_the_roles_readme() -> None:
    text = (ROLE / "README.md").read_text(encoding="utf-8")
    assert {id for id in OURS if f"`{id}`" in text} == set(OURS)


def test_disks_come_last_when_a_machine_is_brought_to_its_standard() -> None:
    text = (ROOT / "playbooks" / "standardise.yml").read_text(encoding="utf-8")
    roles = re.findall(r"^ +name: (msp_[a-z_]+)$", text, re.MULTILINE)
    assert roles[-1] == "msp_disk_encryption"
