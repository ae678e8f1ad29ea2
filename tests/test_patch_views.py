"""What people see of patching: the playbooks of status and report, and the live view while a run works. No lab.

NetBox is made and the store real. Where hosts work, they are made too: the run, its forks and the terminal are real.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.desk.test_patch_journal import MANIFEST
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.desk.test_patch_journal import Made as WithJournal
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.desk.test_patch_report import Made
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan_netbox import SLUG
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.register.conftest import MadeNetBox

ROOT = Path(__file__).resolve().parents[1]
OPS = ROOT / "collections" / "ansible_collections" / "msp" / "ops"
NOW = dt.datetime.now(dt.UTC)


class Desk:
    """A controller with a store and a made NetBox of its own."""

    def __init__(self, directory: Path, netbox: MadeNetBox) -> None:
        self.directory, self.netbox = directory, netbox
        self.url = f"sqlite:///{directory / 'evidence.db'}"
        (directory / "hosts.yml").write_text("all: {hosts: {localhost: {}}}\n")
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("MSP_", "ANSIBLE_", "NETBOX_"))
        }
        self.environment = {
            **inherited,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_INVENTORY": str(directory / "hosts.yml"),
            # The recording of runs has its own tests.
            "ANSIBLE_CALLBACKS_ENABLED": "msp.ops.progress",
            "ANSIBLE_LOCAL_TEMP": str(directory / "local"),
            "NETBOX_API": netbox.url,
            "NETBOX_TOKEN": netbox.token,
            "NO_PROXY": "127.0.0.1",
            "MSP_DURABLE_PATHS": str(directory),
            "MSP_STORE_URL": self.url,
            "XDG_CACHE_HOME": str(directory / "cache"),
            "XDG_STATE_HOME": str(directory / "state"),
        }

    def command(self, playbook: str, *options: str) -> list[str]:
        return [str(Path(sys.executable).parent / "ansible-playbook"), playbook, *options]

    def play(self, playbook: str, *options: str) -> subprocess.CompletedProcess[str]:
        """In a pipe, as a schedule runs it."""
        return subprocess.run(
            self.command(playbook, *options),
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def watch(self, playbook: str, *options: str, **environment: str) -> tuple[int, str]:
        """In a terminal of 120 columns: how it ended, and everything that was written to the screen."""
        leader, follower = pty.openpty()
        seen: list[bytes] = []

        def read() -> None:
            while True:
                try:
                    seen.append(os.read(leader, 65536))
                except OSError:  # the last one has closed the terminal
                    return

        reader = threading.Thread(target=read)
        reader.start()
        size = {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
        try:
            done = subprocess.run(
                self.command(playbook, *options),
                env={**self.environment, **size, **environment},
                cwd=ROOT,
                stdin=follower,
                stdout=follower,
                stderr=follower,
                check=False,
                timeout=120,
            )
        finally:
            os.close(follower)
            reader.join(30)
            os.close(leader)
        return done.returncode, b"".join(seen).decode(errors="replace")


@pytest.fixture
def netbox() -> Iterator[MadeNetBox]:
    made = MadeNetBox()
    yield made
    made.stop()


@pytest.fixture
def desk(tmp_path: Path, netbox: MadeNetBox, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    return Desk(tmp_path, netbox)


def with_rollout(desk: Desk) -> Made:
    with Store.open(desk.url, upgrade=True) as store:
        return Made(store, desk.netbox, desk.directory / "reports")


def plain(said: str) -> str:
    """What was written to a terminal, without its control sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said)


def test_the_report_is_written_in_the_customers_language_and_a_second_run_changes_nothing(desk: Desk) -> None:
    with_rollout(desk)
    options = ("-e", f"customer={SLUG}", "-e", f"report_directory={desk.directory / 'reports'}")

    would = desk.play("playbooks/patch_report.yml", *options, "--check", "--diff")
    assert would.returncode == 0, would.stdout + would.stderr
    assert "+Stand van de updates: Bakkerij Jansen" in would.stdout and not (desk.directory / "reports").exists()
    # Ansible plays one after the other, and the second recap has the changes of both.
    both = desk.play("playbooks/patch_report.yml", "playbooks/patch_report.yml", *options)

    assert both.returncode == 0, both.stdout + both.stderr
    assert re.findall(r"changed=(\d+)", both.stdout) == ["1", "1"]
    folder = desk.directory / "reports" / SLUG
    assert "Van 3 apparaten met een updateplan zijn er 2 op tijd" in (folder / "patch-report.txt").read_text()
    assert json.loads((folder / "patch-report.json").read_text())["assets"]["unknown"] == 1
    assert desk.netbox.written == []


def test_the_status_is_lines_in_a_pipe_and_a_view_in_a_terminal_in_dutch_and_english(desk: Desk) -> None:
    rollout = with_rollout(desk).rollout
    options = ("-e", f"customer={SLUG}")

    lines = desk.play("playbooks/patch_status.yml", *options)
    assert lines.returncode == 0, lines.stdout + lines.stderr
    assert f"{rollout} (security): soaking, 1 of 2 hosts done" in lines.stdout
    assert "likely done" in lines.stdout and "\x1b" not in lines.stdout and "█" not in lines.stdout

    code, screen = desk.watch("playbooks/patch_status.yml", *options, "-e", "patch_language=nl")
    assert code == 0, screen
    assert f"{rollout} (beveiliging): draait proef, 1 van 2 apparaten klaar" in plain(screen)
    assert "█" in screen and "venster" in plain(screen)
    assert screen.rfind("\x1b[?25h") > screen.rfind("\x1b[?25l") >= 0
    assert desk.netbox.written == []


def test_an_approval_counts_where_netbox_is_down_and_a_later_run_shows_it_there(desk: Desk) -> None:
    with Store.open(desk.url, upgrade=True) as store:
        made = WithJournal(store, desk.netbox)
    tasks = {
        "msp.ops.rollout": {
            "customer": SLUG,
            "action": "approve",
            "manifest": MANIFEST.hash(),
            "by": "A. de Vries",
            "reason": "Agreed by mail",
        }
    }
    play = desk.directory / "ask.yml"
    play.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [tasks]}]))
    desk.environment["NETBOX_API"] = "http://127.0.0.1:9"  # nobody is there

    asked = desk.play(str(play))

    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert "MSP-PAT-164" in asked.stdout + asked.stderr
    with Store.open(desk.url) as store:
        stored = store.rollout(made.rollout)
    assert stored is not None and isinstance(events.of(stored)[-1], events.Approved)

    desk.environment["NETBOX_API"] = desk.netbox.url
    play.write_text(
        yaml.safe_dump(
            [
                {
                    "hosts": "localhost",
                    "gather_facts": False,
                    "tasks": [{"msp.ops.patch_register": {"customers": [SLUG]}}],
                }
            ]
        )
    )
    told = desk.play(str(play))
    assert told.returncode == 0, told.stdout + told.stderr
    made.keep()
    again = desk.play(str(play))

    (entry,) = made.journal()
    assert "approved by A. de Vries" in entry["comments"]
    assert re.search(r"changed=1\b", told.stdout) and re.search(r"changed=0\b", again.stdout)
    assert desk.netbox.written == []


# While a run works

HOSTS = tuple(f"host{number:02}" for number in range(12))
ROLLOUT = """
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    _requires_connection = False
    def run(self, tmp=None, task_vars=None):
        return {**super().run(tmp, task_vars), **self._task.args["said"]}
"""
# Takes some hundredths of a second, and speaks while the view is drawn.
INSTALL = """
import threading
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        host = task_vars["inventory_hostname"]
        Display().display("words of " + host)
        threading.Event().wait(0.05)
        if host == "host03":
            return {"failed": True, "msg": "it broke \\x1b[2J"}
        return {"state": "finished", "result": {"outcome": "patched", "reason": ""}}
"""


def made_collection(directory: Path) -> Path:
    """The collection as it is, but for the two actions: what they return is made."""
    ops = directory / "collections" / "ansible_collections" / "msp" / "ops"
    plugins = ops / "plugins"
    plugins.mkdir(parents=True)
    for path in OPS.iterdir():
        if path.name != "plugins":
            (ops / path.name).symlink_to(path)
    for path in (OPS / "plugins").iterdir():
        if path.name != "action":
            (plugins / path.name).symlink_to(path)
    shutil.copytree(OPS / "plugins" / "action", plugins / "action")
    (plugins / "action" / "rollout.py").write_text(ROLLOUT)
    (plugins / "action" / "patch_install.py").write_text(INSTALL)
    return directory / "collections"


def told(*, done: int) -> dict[str, Any]:
    later = (NOW + dt.timedelta(hours=3)).isoformat()
    hosts = {state: number for state, number in (("patched", done), ("working", len(HOSTS) - done)) if number}
    rollout = {
        **{"rollout": "r1", "class": "security", "manifest": "hash", "state": "active", "side": None, "number": 4},
        "rings": [{"name": "pilot", "state": "active", "hosts": hosts, "soak_until": None}],
        "hosts": [
            {"host": host, "ring": "pilot", "state": "working", "since": None, "why": ""} for host in HOSTS[done:]
        ],
        **{"open_until": later, "opens": None, "end": later, "deadline": later, "next": "running", "why": "at work"},
        **{"until": None, "undone": [], "zone": "Europe/Amsterdam"},
    }
    asked = {host: {"rollout": "r1", "action": "start"} for host in HOSTS[done:]}
    return {"rollouts": [rollout], "tasks": asked, "language": "en", "summary": [], "halted": []}


@pytest.fixture
def working(desk: Desk) -> Path:
    """A playbook that begins twelve hosts."""
    desk.environment |= {
        "ANSIBLE_COLLECTIONS_PATH": str(made_collection(desk.directory)),
        "ANSIBLE_FORKS": "6",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    hosts = {host: {"ansible_connection": "local"} for host in HOSTS}
    (desk.directory / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"localhost": {}, **hosts}}}))
    play = desk.directory / "work.yml"
    round_of = {"hosts": "localhost", "gather_facts": False, "tasks": [{"msp.ops.rollout": {"said": told(done=0)}}]}
    work = {
        "hosts": "all:!localhost",
        "gather_facts": False,
        "tasks": [{"msp.ops.patch_install": {}, "ignore_errors": True}],
    }
    play.write_text(yaml.safe_dump([round_of, work]))
    return play


def test_a_run_that_works_shows_its_hosts_in_the_terminal_as_they_end_and_none_of_a_hundred_workers_hangs(
    desk: Desk, working: Path
) -> None:
    """Forks, a thread, and the locks of a screen: a lock that is held at a fork is held in the worker for ever."""
    play = yaml.safe_load(working.read_text())
    play[1]["tasks"] = [dict(task) for task in play[1]["tasks"] * 8]
    working.write_text(yaml.safe_dump(play))

    code, screen = desk.watch(str(working))

    assert code == 0, screen[-4000:]
    said = plain(screen)
    assert said.count("words of") >= 8 * len(HOSTS)
    assert "12 at work" in said
    assert len(set(re.findall(r"(\d+) at work", said))) > 4  # it was drawn on the way
    last = said.rpartition("r1 (security)")[2]
    assert "11 patched, 1 lost" in last and "host03: lost" in last and "it broke ?[2J" in last
    assert screen.rfind("\x1b[?25h") > screen.rfind("\x1b[?25l") >= 0


def test_the_same_in_a_pipe_is_a_line_for_each_host(desk: Desk, working: Path) -> None:
    done = desk.play(str(working))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "r1 (security): active, 0 of 12 hosts done" in done.stdout
    ends = re.findall(r"^(host\d+): (patched|lost: it broke \S+); (\d+) of 12 done", done.stdout, re.MULTILINE)
    assert {host for host, _how, _done in ends} == set(HOSTS)
    assert [int(number) for _host, _how, number in ends] == sorted(int(number) for _host, _how, number in ends)
    assert "█" not in done.stdout
