"""What is said to who starts a playbook without the variables that it works on. Needs no NetBox."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("playbook", "given", "found"),
    [
        ("onboard", [], "found none. What to do: add -e contract_file="),
        ("onboard", ["contract_file="], "found none. What to do: add -e contract_file="),
        ("patch_calendar", [], "found none. What to do: add -e customer="),
        ("patch_report", [], "found none. What to do: add -e customer="),
        ("verify", [], "found customer=none and sheet=none. What to do: add -e customer="),
        ("verify", ["customer=acme"], "found customer=acme and sheet=none. What to do: add -e customer="),
        ("verify", ["sheet=a.xlsx"], "found customer=none and sheet=a.xlsx. What to do: add -e customer="),
    ],
)
def test_a_playbook_names_the_variable_that_it_was_not_given(
    playbook: str, given: list[str], found: str, tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("all: {hosts: {localhost: {}}}\n")
    extra = [word for one in given for word in ("-e", one)]

    done = subprocess.run(
        ["ansible-playbook", f"playbooks/{playbook}.yml", *extra],
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("NETBOX_")},
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_INVENTORY": str(inventory),
            # The recording of runs has its own tests; here it would only write to somebody's store.
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "MSP-CLI-008: expected" in said
    assert found in said
    assert "undefined" not in said


def test_the_scan_playbook_hands_on_what_makes_an_update_urgent() -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / "patch_scan.yml").read_text())
    (scan,) = (
        task["msp.ops.patch_scan"] for play in plays for task in play.get("tasks", []) if "msp.ops.patch_scan" in task
    )
    assert scan == {
        "refresh": "{{ patch_refresh | bool }}",
        "changelogs": "{{ patch_changelogs | bool }}",
        "exposed": "{{ patch_exposed | default(omit) }}",
        "feeds": "{{ patch_feeds }}",
    }
