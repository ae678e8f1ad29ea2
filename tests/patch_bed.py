"""What tests of msp.ops.patch_install stand on: a few hosts without NetBox, and the ways to speak to them.

Most tests ask a host through the module's own desk, which lies there: it is what Ansible sends, without the second and
a half of Ansible's. The rest play tasks with ansible-playbook over ssh.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
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
SECONDS = 600
STATE = keeping.TOP
# A package's script says that it is there, and waits until the test lets it go on: no test waits for a time.
AT, GO = "/run/lab-at", "/run/lab-go"
WAIT = f"touch {AT}\nwhile [ ! -e {GO} ]; do sleep 0.05; done\n"
RESTART = "set -e\nsystemctl daemon-reload\nsystemctl enable --quiet {0}\nsystemctl restart {0}\n"
PROGRAM = "/root/ask"
QUICK = {"poll": 0.2, "check_seconds": 1}
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


def wait_in(container: str, condition: str, what: str) -> None:
    """The same for a shell command in a container, in there: each look from outside takes its time."""
    loop = ("timeout", str(SECONDS), "sh", "-c", f"until {condition}; do sleep 0.1; done")
    done = podman.attempt("exec", container, *loop, timeout=2 * SECONDS)
    assert done.returncode == 0, f"it did not happen in time: {what}"


def unit(program: str) -> str:
    return f"[Service]\nExecStart={program}\n[Install]\nWantedBy=multi-user.target\n"


def code_of(found: Mapping[str, Any]) -> list[str]:
    """The codes of a refusal."""
    assert (found["state"], found["result"]["outcome"]) == ("finished", "refused"), found
    return [str(error["code"]) for error in found["refusals"]]


@dataclass
class Played:
    """One ansible-playbook that runs; its results by host, and of each by the task's name, once it has ended."""

    process: subprocess.Popen[str]
    place: Path

    def results(self) -> dict[str, dict[str, Any]]:
        out, _none = self.process.communicate(timeout=SECONDS)
        files = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in self.place.glob("*.json")}
        assert self.process.returncode == 0 and files, out
        return files


@dataclass
class Bed:
    """The hosts, and the ways to speak to them. held: the units that compete with the work, as systemctl shows them.

    asked: the hosts that were asked for something since they were last found settled.
    """

    rows: Mapping[str, Mapping[str, Any]]
    place: Path
    state_dir: Path
    held: Sequence[str] = ()
    number: int = field(default=0)
    asked: set[str] = field(default_factory=set)

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

    def wait_for(self, host: str, condition: str, what: str) -> None:
        """Wait for what a shell command on the host says."""
        wait_in(self.container(host), condition, f"{what} on {host}")

    def at_script(self, host: str) -> None:
        """Wait until a package's script waits for the test."""
        self.wait_for(host, f"[ -e {AT} ]", "a script runs")

    def ask(self, host: str, action: str, rollout: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """What the module answers on the host."""
        plain = {"action": action, "check": check, "rollout": rollout, "lock_timeout": 0, "check_seconds": 1}
        return self._desk(host, {**plain, **arguments})

    def scan(self, host: str) -> dict[str, Any]:
        """What msp.ops.patch_scan's module answers on the host, with fresh lists."""
        return self._desk(host, "scan")

    def _desk(self, host: str, asked: object) -> dict[str, Any]:
        self.asked.add(host)
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

    def play(self, targets: Sequence[str], **arguments: Any) -> Played:
        """Start ansible-playbook over ssh with one task of the module, "found", in a session of its own."""
        return self.plays(targets, found=self.task(arguments))

    @staticmethod
    def task(arguments: Mapping[str, Any] | str, *, check: bool = False) -> dict[str, Any]:
        """The module's task; the arguments are alike for all hosts, or each host's variable of that name."""
        asked = f"{{{{ {arguments} }}}}" if isinstance(arguments, str) else {**QUICK, **arguments}
        return {"msp.ops.patch_install": asked, "become": True, "check_mode": check}

    @staticmethod
    def peek(command: str) -> dict[str, Any]:
        """A task that looks at the host, for what the others leave on it."""
        return {"ansible.builtin.raw": command, "become": True, "changed_when": False}

    def plays(
        self, targets: Sequence[str], asked: Mapping[str, Mapping[str, Any]] | None = None, **tasks: Mapping[str, Any]
    ) -> Played:
        """The same with tasks by their names. asked: the variable of this name, by host."""
        self.asked.update(targets)
        self.number += 1
        place = self.place / f"run{self.number}"
        place.mkdir()
        inventory = {
            name: {
                "ansible_host": self.rows[name]["address"],
                "ansible_port": self.rows[name]["port"],
                "msp": {"customer": self.rows[name]["customer"], "asset": {"key": self.asset(name)}},
                "asked": {**QUICK, **(asked or {}).get(name, {})},
            }
            for name in targets
        }
        (place / "inventory.yml").write_text(json.dumps({"all": {"hosts": inventory}}), encoding="utf-8")
        copy = {
            "content": f"{{{{ {{{', '.join(f"'{name}': {name}" for name in tasks)}}} | to_json }}}}",
            "dest": f"{place}/{{{{ inventory_hostname }}}}.json",
            "mode": "0600",
        }
        steps = [{**task, "register": name} for name, task in tasks.items()]
        steps.append({"ansible.builtin.copy": copy, "delegate_to": "localhost"})
        play = [{"hosts": "all", "gather_facts": False, "tasks": steps}]
        (place / "play.yml").write_text(json.dumps(play), encoding="utf-8")
        environment = {
            **os.environ,
            **hosts.ssh_environment(self.state_dir),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(place / "c"),
        }
        process = subprocess.Popen(
            ["ansible-playbook", "-i", str(place / "inventory.yml"), str(place / "play.yml")],
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

    def settle(self) -> dict[str, tuple[list[str], str]]:
        """Wait until no work runs any more; then the timers of each host that was asked, and what is still masked."""
        masked = " ".join(f"-e {name}" for name in self.held)
        script = (
            "while systemctl list-units --all --plain --no-legend 'msp-patch*' | grep -q msp; do sleep 0.1; done\n"
            f"rm -f {AT} {GO}\n"
            f"echo nothing left: $(ls /run/systemd/system | grep {masked})\n"
            f"{self.timers_command}\n"
        )
        found = {}
        for host in sorted(self.asked):
            left, _end, timers = self.sh(host, script).partition("\n")
            found[host] = (timers.split("\n\n"), left)
        self.asked.clear()
        return found

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
        """Put the module's desk on a host, as files: Python compiles them once there."""
        program = self.place / f"ask-{host}"
        code = freezing.sources()
        # What is loaded here is in the program.
        assert {module.__name__.replace(".", "/") + ".py" for module in (doing, pending)} <= set(code)
        empty = dict.fromkeys(freezing.packages(list(code)), "")
        for name, text in {"__main__.py": ASK, **empty, **code}.items():
            path = program / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
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
