"""Text of NetBox is data on every way it can travel: plugin, cache, --list, ansible-runner, an AWX-like script.

Each text here would create a file if anything took it for a template. On every way the file must not be there, and the
text must arrive letter for letter.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ansible_runner
import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from lab import seed
from lab.api import NetBox

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parent.parent
OTHER_FIELD = "note"

# Uses each text as a playbook would: whole, in another string, through a filter, as a condition's operand.
PLAYBOOK = """\
- hosts: all
  gather_facts: false
  connection: local
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    joined: "{{ msp.asset.name }} {{ msp.asset.serial }} {{ msp.custom_fields.note }} {{ msp.standard | to_json }}"
  tasks:
    - ansible.builtin.debug:
        msg: "{{ joined | length }}"
    - ansible.builtin.assert:
        that: "msp.asset.name is string and msp.asset.name != msp.customer"
    - ansible.builtin.copy:
        content: "{{ {'msp': msp, 'whole': config_context} | to_json }}"
        dest: "{{ target }}"
        mode: "0600"
"""

# Not the project's own: its callback would record these runs.
CONFIGURATION = f"""\
[defaults]
collections_path = {ROOT / "collections"}
[inventory]
enable_plugins = msp.ops.netbox, ansible.builtin.script, ansible.builtin.yaml
any_unparsed_is_failed = true
"""


@dataclass
class Trap:
    """A device full of templates, and what they would leave behind if one of them ran."""

    netbox: NetBox
    directory: Path
    marks: Path
    texts: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A template that creates a file of this one-letter name. NetBox's serial numbers hold 50 characters."""
        self.texts[name] = f"{{{{ lookup('pipe','touch {self.marks}/{name}') }}}}"
        return self.texts[name]

    @property
    def source(self) -> str:
        return str(self.directory / "msp.yml")

    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.netbox.env(),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(self.directory / "ansible.cfg"),
            "ANSIBLE_INVENTORY_CACHE_CONNECTION": str(self.directory / "cache"),
        }

    def command(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=self.env())
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def play(self, inventory: str) -> dict[str, Any]:
        """What a playbook on this inventory wrote down of its host's variables."""
        target = self.directory / "seen.json"
        target.unlink(missing_ok=True)
        self.command("ansible-playbook", "-i", inventory, "-e", f"target={target}", str(self.directory / "play.yml"))
        return dict(json.loads(target.read_text()))

    def check(self, seen: Mapping[str, Any]) -> None:
        """Nothing ran, and every text is where it belongs."""
        texts = self.texts
        assert list(self.marks.iterdir()) == []
        assert seen["msp"]["asset"]["name"] == texts["n"]
        assert seen["msp"]["asset"]["serial"] == texts["s"]
        assert seen["msp"]["asset"]["facts_hash"] == texts["h"]
        assert seen["msp"]["customer_name"] == texts["c"]
        assert seen["msp"]["custom_fields"] == {OTHER_FIELD: texts["f"]}
        assert seen["msp"]["standard"] == {"name": texts["v"], texts["k"]: [texts["i"]]}
        assert seen["whole"] == {names.CONTEXT_STANDARD: seen["msp"]["standard"], texts["t"]: 1}


@pytest.fixture(scope="module")
def made(fresh_netbox: NetBox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trap]:
    """One device whose every text is a template, and an inventory source that shows all of them."""
    netbox = fresh_netbox
    seed.devices(netbox.lab, count=1, customers=1, contexts=0)
    marks = Path(tempfile.mkdtemp(prefix="m", dir="/tmp"))
    made = Trap(netbox, tmp_path_factory.mktemp("trap"), marks)
    text = made.text
    netbox.create("extras/custom-fields/", {"name": OTHER_FIELD, "type": "text", "object_types": ["dcim.device"]})
    device = netbox.all("dcim/devices/")[0]
    netbox.change(
        f"dcim/devices/{device['id']}/",
        {
            "name": text("n"),
            "serial": text("s"),
            "custom_fields": {OTHER_FIELD: text("f"), names.FACTS_HASH: text("h"), names.CONNECTION: None},
            "local_context_data": {names.CONTEXT_STANDARD: {"name": text("v")}},
        },
    )
    netbox.change(f"tenancy/tenants/{device['tenant']['id']}/", {"name": text("c")})
    data = {names.CONTEXT_STANDARD: {text("k"): [text("i")]}, text("t"): 1}
    netbox.create("extras/config-contexts/", {"name": "templates", "data": data})
    source = {"plugin": "msp.ops.netbox", "cache": True, "config_context": True, "custom_fields": [OTHER_FIELD]}
    Path(made.source).write_text(json.dumps(source))
    (made.directory / "play.yml").write_text(PLAYBOOK)
    (made.directory / "ansible.cfg").write_text(CONFIGURATION)
    yield made
    shutil.rmtree(marks)


@pytest.fixture
def trap(made: Trap, tmp_path: Path) -> Iterator[Trap]:
    """The same in a directory of this test's own, with nothing in the cache and no mark."""
    shutil.copytree(made.directory, tmp_path, dirs_exist_ok=True)
    yield replace(made, directory=tmp_path)
    for mark in made.marks.iterdir():
        mark.unlink()


def test_the_trap_works_when_ansible_is_told_to_trust_the_text(trap: Trap) -> None:
    (trap.directory / "trusting.json").write_text(
        json.dumps({"all": {"hosts": {"h": {"msp": {"asset": {"name": trap.texts["n"]}}}}}})
    )

    trap.command(
        *("ansible", "-i", str(trap.directory / "trusting.json"), "h", "-c", "local"),
        *("-m", "ansible.builtin.debug", "-a", "var=msp.asset.name"),
    )

    assert [mark.name for mark in trap.marks.iterdir()] == ["n"]


def test_nothing_runs_from_netbox_or_from_the_cache(trap: Trap) -> None:
    for _ in ("cold", "warm"):
        trap.check(trap.play(trap.source))

    assert trap.texts["s"] in next((trap.directory / "cache").iterdir()).read_text()


def test_nothing_runs_on_the_way_through_compose_and_keyed_groups(trap: Trap) -> None:
    source = json.loads(Path(trap.source).read_text())
    source |= {
        "strict": True,
        "compose": {"composed": "'serial ' ~ msp.asset.serial"},
        "keyed_groups": [{"key": "msp.asset.serial", "prefix": "serial"}],
        "groups": {"named": "msp.asset.name is search('lookup')"},
    }
    Path(trap.source).write_text(json.dumps(source))

    trap.check(trap.play(trap.source))

    listed = json.loads(trap.command("ansible-inventory", "-i", trap.source, "--list"))
    (host,) = listed["named"]["hosts"]
    assert host in next(group["hosts"] for name, group in listed.items() if name.startswith("serial_"))
    assert trap.texts["s"] in json.dumps(listed["_meta"]["hostvars"][host]["composed"])
    assert list(trap.marks.iterdir()) == []


def test_nothing_runs_when_the_listing_comes_back_through_a_script_as_in_awx(trap: Trap) -> None:
    listing = trap.directory / "listing.json"
    listing.write_text(trap.command("ansible-inventory", "-i", trap.source, "--list", "--export"))
    script = trap.directory / "script"
    script.write_text(f"#!/bin/sh\ncat {listing}\n")
    script.chmod(0o700)

    trap.check(trap.play(str(script)))


def test_nothing_runs_under_ansible_runner(trap: Trap) -> None:
    target = trap.directory / "seen.json"
    (trap.directory / "env").mkdir()

    done = ansible_runner.run(
        private_data_dir=str(trap.directory),
        project_dir=str(ROOT),
        playbook=str(trap.directory / "play.yml"),
        inventory=trap.source,
        extravars={"target": str(target)},
        envvars=trap.env(),
        suppress_env_files=True,
        quiet=True,
    )

    assert done.status == "successful", done.stdout.read()
    trap.check(json.loads(target.read_text()))


def test_a_host_named_by_a_template_has_a_harmless_name_and_graph_and_host_show_the_text_and_run_nothing(
    trap: Trap,
) -> None:
    listed = json.loads(trap.command("ansible-inventory", "-i", trap.source, "--list"))
    (host,) = listed["_meta"]["hostvars"]
    graph = trap.command("ansible-inventory", "-i", trap.source, "--graph", "--vars")
    shown = trap.command("ansible-inventory", "-i", trap.source, "--host", host)

    assert trap.texts["s"] in graph
    assert trap.texts["s"] in shown
    assert list(trap.marks.iterdir()) == []
    assert set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789-._")
