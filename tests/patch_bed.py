"""What tests of msp.ops.patch_install stand on: a few hosts without NetBox, and the ways to speak to them.

Most tests ask a host through the module's own desk, frozen as a program of its own: that is what Ansible sends, without
Ansible's second and a half. The rest play a task with ansible-playbook over ssh.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.patching import pending
from ansible_collections.msp.ops.plugins.module_utils.patching.install import doing, freezing, keeping, units
from lab import hosts, image, paths, podman
from lab.machines import Machine

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 300
STATE = keeping.TOP
# A package's script says that it is there, and waits until the test lets it go on: no test waits for a time.
AT, GO = "/run/lab-at", "/run/lab-go"
WAIT = f"touch {AT}\nwhile [ ! -e {GO} ]; do sleep 0.05; done\n"
RESTART = "set -e\nsystemctl daemon-reload\nsystemctl enable --quiet {0}\nsystemctl restart {0}\n"
PROGRAM = "/root/ask.pyz"
# All of the unit, its own program last and alone: where a container has cgroups of version 1, systemd may miss the
# end of a process that dies together with the unit's own, and waits for it for half an hour.
KILL = f"""
systemctl kill --kill-who=main --signal=STOP {units.UNIT}
main=$(systemctl show --property=MainPID --value {units.UNIT})
rest() {{
  ps -eo pid=,stat=,unit= | awk -v main=$main '$3 == "{units.UNIT}" && $1 != main && $2 !~ /^Z/ {{ print $1 }}'
}}
while [ -n "$(rest)" ]; do kill -9 $(rest); sleep 0.05; done
kill -9 $main
"""
ASK = """
import json, sys
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.patching import pending, shape
from ansible_collections.msp.ops.plugins.module_utils.patching.install import doing, request
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs
asked = json.load(sys.stdin)
if asked == "scan":
    found = pending.timed(Host(), shape.Wanted(refresh=True))
else:
    desk = doing.Desk(Host(), Programs(), check=asked.pop("check"))
    found = desk.act(asked.pop("action"), request.parse(asked))
print(json.dumps(found))
"""


def silent(title: str) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


def until(condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait for a condition, and fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen in time: {what}"
        time.sleep(0.1)


def unit(program: str) -> str:
    return f"[Service]\nExecStart={program}\n[Install]\nWantedBy=multi-user.target\n"


def code_of(found: Mapping[str, Any]) -> list[str]:
    """The codes of a refusal."""
    assert (found["state"], found["result"]["outcome"]) == ("finished", "refused"), found
    return [str(error["code"]) for error in found["refusals"]]


@dataclass
class Played:
    """One ansible-playbook that runs; its results by host once it has ended."""

    process: subprocess.Popen[str]
    place: Path

    def results(self) -> dict[str, dict[str, Any]]:
        out, _none = self.process.communicate(timeout=SECONDS)
        files = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in self.place.glob("*.json")}
        assert self.process.returncode == 0 and files, out
        return files


@dataclass
class Bed:
    """The hosts, and the ways to speak to them. held: the units that compete with the work, as systemctl shows them."""

    rows: Mapping[str, Mapping[str, Any]]
    place: Path
    state_dir: Path
    held: Sequence[str] = ()
    number: int = field(default=0)

    @property
    def timers_command(self) -> str:
        return f"systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState {' '.join(self.held)}"

    def asset(self, host: str) -> str:
        return f"device:{1 + list(self.rows).index(host)}"

    def container(self, host: str) -> str:
        return str(self.rows[host]["container"])

    def on(self, host: str, *command: str) -> str:
        return podman.run("exec", self.container(host), *command)

    def sh(self, host: str, script: str) -> str:
        return self.on(host, "sh", "-c", script).strip()

    def there(self, host: str, path: str) -> bool:
        return podman.attempt("exec", self.container(host), "test", "-e", path).returncode == 0

    def ask(self, host: str, action: str, rollout: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """What the module answers on the host."""
        plain = {"action": action, "check": check, "rollout": rollout, "lock_timeout": 0, "check_seconds": 1}
        return self._desk(host, {**plain, **arguments})

    def scan(self, host: str) -> dict[str, Any]:
        """What msp.ops.patch_scan's module answers on the host, with fresh lists."""
        return self._desk(host, "scan")

    def _desk(self, host: str, asked: object) -> dict[str, Any]:
        done = podman.attempt("exec", "-i", self.container(host), "python3", PROGRAM, stdin=json.dumps(asked))
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def finish(self, host: str, rollout: str) -> dict[str, Any]:
        """Look until it is over; the last answer."""
        answers: list[dict[str, Any]] = []

        def over() -> bool:
            answers.append(self.ask(host, "look", rollout, linger=10))
            return answers[-1]["state"] not in ("working", "rebooting", "cut off")

        until(over, f"the end of {rollout}")
        return answers[-1]

    def work(self, host: str, rollout: str, *, action: str = "start", **arguments: Any) -> dict[str, Any]:
        """Start it, wait for its end, and return what became of the host."""
        begun = self.ask(host, action, rollout, **arguments)
        assert begun["state"] == "working", begun
        return dict(self.finish(host, rollout)["result"])

    def play(self, targets: Sequence[str], *, check: bool = False, **arguments: Any) -> Played:
        """Start ansible-playbook over ssh, in a session of its own."""
        self.number += 1
        place = self.place / f"run{self.number}"
        place.mkdir()
        inventory = {
            name: {
                "ansible_host": self.rows[name]["address"],
                "ansible_port": self.rows[name]["port"],
                "msp": {"customer": self.rows[name]["customer"], "asset": {"key": self.asset(name)}},
            }
            for name in targets
        }
        (place / "inventory.yml").write_text(json.dumps({"all": {"hosts": inventory}}), encoding="utf-8")
        copy = {
            "content": "{{ found | to_json }}",
            "dest": f"{place}/{{{{ inventory_hostname }}}}.json",
            "mode": "0600",
        }
        tasks = [
            {
                "msp.ops.patch_install": {"poll": 0.2, "check_seconds": 1, **arguments},
                "become": True,
                "register": "found",
            },
            {"ansible.builtin.copy": copy, "delegate_to": "localhost", "check_mode": False},
        ]
        play = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
        (place / "play.yml").write_text(json.dumps(play), encoding="utf-8")
        command = ["ansible-playbook", "-i", str(place / "inventory.yml"), str(place / "play.yml")]
        environment = {
            **os.environ,
            **hosts.ssh_environment(self.state_dir),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(place / "c"),
        }
        process = subprocess.Popen(
            [*command, *(["--check"] if check else [])],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return Played(process, place)

    def timers(self, host: str) -> list[str]:
        """How the competing units are: what must be the same after everything."""
        return self.sh(host, self.timers_command).split("\n\n")

    def settled(self, hosts_of: Sequence[str]) -> tuple[dict[str, list[str]], set[str]]:
        """Wait until no work runs any more; then the timers of each host, and what is still masked: nothing."""
        masked = " ".join(f"-e {name}" for name in self.held)
        script = (
            "while systemctl list-units --all --plain --no-legend 'msp-patch*' | grep -q msp; do sleep 0.1; done\n"
            f"rm -f {AT} {GO}\n"
            f"echo nothing left: $(ls /run/systemd/system | grep {masked})\n"
            f"{self.timers_command}\n"
        )
        with ThreadPoolExecutor(len(hosts_of)) as pool:
            said = list(pool.map(lambda host: self.sh(host, script).split("\n", 1), hosts_of))
        found = {host: timers.split("\n\n") for host, (_left, timers) in zip(hosts_of, said, strict=True)}
        return found, {left for left, _timers in said}

    def kill_work(self, host: str) -> None:
        """End the unit of the work and all that it runs, at once and without a word to any of them."""
        self.sh(host, KILL)

    def boot_again(self, host: str) -> None:
        """What a hypervisor or a person does with a machine that is down."""
        podman.run("start", self.container(host))
        hosts.wait_for_sshd(self.container(host), str(self.rows[host]["address"]))

    def restarter(self, host: str) -> threading.Thread:
        """Starts the host's container once more when it has gone down."""

        def wait_and_start() -> None:
            podman.run("wait", self.container(host))
            self.boot_again(host)

        thread = threading.Thread(target=wait_and_start, daemon=True)
        thread.start()
        return thread

    def give_desk(self, host: str) -> None:
        """Put the module's desk on a host."""
        program = self.place / f"ask-{host}.pyz"
        code = freezing.sources()
        # What is loaded here is in the program.
        assert {module.__name__.replace(".", "/") + ".py" for module in (doing, pending)} <= set(code)
        with zipfile.ZipFile(program, "w") as archive:
            archive.writestr("__main__.py", ASK)
            for name in freezing.packages(list(code)):
                archive.writestr(name, "")
            for name, text in code.items():
                archive.writestr(name, text)
        podman.run("cp", str(program), f"{self.container(host)}:{PROGRAM}")


@contextlib.contextmanager
def bed[Kind: Bed](
    lab: str, machines: Sequence[Machine], place: Path, held: Sequence[str], kind: type[Kind]
) -> Iterator[Kind]:
    """Hosts of a lab of this name, started; gone afterwards. kind: the class that speaks to them."""
    state_dir = place / "state"
    try:
        image.ensure([machine.recipe for machine in machines if machine.recipe], silent)
        paths.make_dir(state_dir, 0o700)
        ground = hosts.Ground(lab, state_dir, hosts.ensure_key(state_dir), hosts.ensure_networks(lab))
        with ThreadPoolExecutor(len(machines)) as pool:
            keys = list(pool.map(lambda machine: hosts.start(ground, machine, {}), machines))
        rows = [hosts.describe(ground, machine, found) for machine, found in zip(machines, keys, strict=True)]
        named = {machine.name: found for machine, found in zip(machines, keys, strict=True)}
        hosts.write_ssh_files(state_dir, rows, named)
        yield kind({row["name"]: row for row in rows}, place, state_dir, held)
    finally:
        hosts.down(lab, state_dir)
