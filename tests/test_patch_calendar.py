"""playbooks/patch_calendar.yml on a made NetBox: what it writes, says and refuses. Needs no lab."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import data
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan_netbox import SLUG, asset, customer
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.register.conftest import MadeNetBox

ROOT = Path(__file__).resolve().parents[1]
PILOT = [{"id": 1, "slug": "msp-ring-pilot", "name": "pilot", "display": "pilot"}]
# What NetBox says is data: this must not run, and must stay as it is.
HOSTILE = "{{ lookup('pipe', 'touch RAN') }} <b>bold</b>"


@pytest.fixture
def netbox() -> Iterator[MadeNetBox]:
    made = MadeNetBox()
    yield made
    made.stop()


def play(netbox: MadeNetBox, tmp_path: Path, *options: str, times: int = 1) -> subprocess.CompletedProcess[str]:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("all: {hosts: {localhost: {}}}\n")
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_INVENTORY": str(inventory),
        # The recording of runs has its own tests; here it would only write to somebody's store.
        "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        "NETBOX_API": netbox.url,
        "NETBOX_TOKEN": netbox.token,
        "NO_PROXY": "127.0.0.1",
        "NO_COLOR": "1",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    extra = ("-e", f"customer={SLUG}", "-e", f"report_directory={tmp_path / 'reports'}")
    playbooks = ["playbooks/patch_calendar.yml"] * times
    command = [str(Path(sys.executable).parent / "ansible-playbook"), *playbooks, *extra, *options]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_a_customer_gets_a_calendar_and_the_msp_its_warnings(netbox: MadeNetBox, tmp_path: Path) -> None:
    hostile = HOSTILE.replace("RAN", str(tmp_path / "ran"))
    context = {"msp_patch_plan": data(apart=[{"name": "pair", "assets": ["srv01", hostile]}])}
    customer(netbox, [asset(1, context, tags=PILOT), asset(2, context), asset(3, context)])

    would = play(netbox, tmp_path, "--check", "--diff")
    assert would.returncode == 0, would.stdout + would.stderr
    assert "+Updatekalender: Bakkerij Jansen" in would.stdout and not (tmp_path / "reports").exists()

    # The second recap has the changes of both.
    both = play(netbox, tmp_path, times=2)

    assert both.returncode == 0, both.stdout + both.stderr
    folder = tmp_path / "reports" / SLUG
    assert sorted(path.name for path in folder.iterdir()) == ["patch-calendar-office.html", "patch-calendar-office.txt"]
    assert re.findall(r"changed=(\d+)", both.stdout) == ["1", "1"]
    assert "only assets that this plan is for" in both.stdout and "<b>bold</b>" in both.stdout
    assert not (tmp_path / "ran").exists()
    assert netbox.written == []


def test_a_plan_that_cannot_work_fails_with_every_error(netbox: MadeNetBox, tmp_path: Path) -> None:
    context = {"msp_patch_plan": data(**{"rings.0.soak": "12d", "rings.1.percent": 90})}
    customer(netbox, [asset(1, context, tags=PILOT), *(asset(number, context) for number in range(2, 9))])
    done = play(netbox, tmp_path)
    assert done.returncode != 0 and not (tmp_path / "reports").exists()
    assert "MSP-PAT-010" in done.stdout and "MSP-PAT-017" in done.stdout


def test_a_plan_that_cannot_be_read_fails_with_every_error(netbox: MadeNetBox, tmp_path: Path) -> None:
    context = {"msp_patch_plan": data(reboot="x", **{"windows.night.rule": "FREQ=HOURLY"})}
    customer(netbox, [asset(1, context)])
    done = play(netbox, tmp_path)
    assert done.returncode != 0 and not (tmp_path / "reports").exists()
    assert "MSP-PAT-005" in done.stdout and "MSP-PAT-007" in done.stdout
