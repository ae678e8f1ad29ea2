"""msp.ops.lockout_guard, and the roles that change behind it, on two real hosts: a change that locks everybody out is
brought back by the host itself, with nobody there who could tell it to.

Each change is one that its own validation finds right, and each is made over ssh by a real ansible-playbook, whose
master connection outlives the lockout. That nobody could log in is seen from outside, with plain ssh.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import lockout, lockout_plan, lockout_units
from lab import hosts, podman
from lab.image import USER
from lab.machines import NEWCOMERS
from tests import patch_bed
from tests.patch_bed import Played, until

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
LAB = "-".join(filter(None, ("lockout-test", os.environ.get("PYTEST_XDIST_WORKER"))))
# Debian 12 and 13: the second has a program of its own for each login by ssh.
NAMES = TWELVE, THIRTEEN = ("harbour-app01", "harbour-app02")

# As few as there may be. After an hour: not while a test is there, but when the test says that the time is up.
SECONDS, AN_HOUR = lockout_plan.SECONDS_LEAST, lockout_plan.SECONDS_MOST
CURRENT = f"{lockout.TOP}/current"
PREPARE = "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && apt-get -qqy install nftables >/dev/null"
# What is guarded, and what the guard needs beside it, as one text: it must be the same afterwards.
LOOK = f"""
guarded=$(find /etc/ssh /etc/sudoers /etc/sudoers.d /etc/passwd /etc/shadow /etc/*.nft /etc/systemd/system -type f)
stat -c '%n %f %u %g' $guarded
sha256sum $guarded
sshd -T
nft --stateless list ruleset
ip route show table all | sort
systemctl list-units --plain --no-legend 'msp-*' 'lab-*'
mkdir -p {lockout.TOP}; find {lockout.TOP} -path '*current*'
"""
# What people change, each in one go, validated as one should. All of it is right, and lets nobody in.
NOBODY = "/etc/ssh/sshd_config.d/00-lab.conf"
SSH = f"""
echo 'AllowUsers nobody' >{NOBODY}
sshd -t
systemctl reload ssh.service
"""
ACCOUNT = f"usermod --shell /usr/sbin/nologin {USER}"
RULES = """
table inet lab {
    chain input {
        type filter hook input priority filter; policy accept;
        tcp dport 22 drop
    }
}
"""
FIREWALL = f"""
echo '{RULES}' >/etc/lab.nft
nft --check --file /etc/lab.nft
nft --file /etc/lab.nft
"""
# A unit that is new, as for a network that is set up anew: the controller is no longer to be found by it.
NETWORK_UNIT = "/etc/systemd/system/lab-network.service"
NETWORK = """
cat >{1} <<END
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip route add blackhole {0}/32
ExecStop=ip route del blackhole {0}/32
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl --quiet enable --now lab-network.service
"""

Task = dict[str, Any]


def kill(process: subprocess.Popen[str]) -> None:
    """End a playbook and all that it started, at once: its workers are in sessions of their own, and would go on."""
    if process.poll() is not None:
        return
    found = [process.pid]
    for number in found:
        os.kill(number, signal.SIGSTOP)
        said = subprocess.run(["pgrep", "--parent", str(number)], capture_output=True, text=True, check=False).stdout
        found += [int(child) for child in said.split()]
    for number in found:
        os.kill(number, signal.SIGKILL)
    process.wait()


@dataclass
class Bed(patch_bed.Bed):
    """The hosts, what is played on them, and whether anybody can log in."""

    begun: list[subprocess.Popen[str]] = field(default_factory=list)

    def begin(self, tasks: Mapping[str, Sequence[Task]]) -> Played:
        """Start ansible-playbook over ssh, in a session of its own: each host's own tasks, all hosts at once.

        A host's result is that of the task that failed, else what its tasks registered as `told`.
        """
        self.number += 1
        place = self.place / f"run{self.number}"
        results = place / "results"
        results.mkdir(parents=True)
        # Its Python is told, for to look for it takes each play another second.
        python = {"ansible_python_interpreter": "/usr/bin/python3"}
        inventory = {"all": {"hosts": {name: {"ansible_host": self.rows[name]["address"], **python} for name in tasks}}}
        (place / "inventory.yml").write_text(json.dumps(inventory), encoding="utf-8")
        for name, of_host in tasks.items():
            (place / f"{name}.yml").write_text(json.dumps(list(of_host)), encoding="utf-8")

        def keep(what: str) -> Task:
            copy = {"content": what, "dest": f"{results}/{{{{ inventory_hostname }}}}.json", "mode": "0600"}
            return {"ansible.builtin.copy": copy, "delegate_to": "localhost", "become": False}

        include = {"ansible.builtin.include_tasks": "{{ inventory_hostname }}.yml"}
        block = [include, keep("{{ told | default({}) | to_json }}")]
        rescue = [keep("{{ ansible_failed_result | to_json }}")]
        # Free, so that no host waits for the task of another while its guard's time goes by.
        play = {"hosts": "all", "strategy": "free", "gather_facts": False, "become": True}
        text = json.dumps([{**play, "tasks": [{"block": block, "rescue": rescue}]}])
        (place / "play.yml").write_text(text, encoding="utf-8")
        environment = {
            **os.environ,
            **hosts.ssh_environment(self.state_dir),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            # A connection that is dropped is given up soon.
            "ANSIBLE_TIMEOUT": "4",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.place / "c"),
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
        self.begun.append(process)
        return Played(process, results)

    def end(self) -> None:
        """No playbook of a test that failed goes on."""
        while self.begun:
            kill(self.begun.pop())

    def run(self, tasks: Mapping[str, Sequence[Task]]) -> dict[str, dict[str, Any]]:
        return self.begin(tasks).results()

    def holds(self, host: str, script: str) -> bool:
        return podman.attempt("exec", self.container(host), "sh", "-c", script).returncode == 0

    def logs_in(self, host: str) -> bool:
        """Whether a person can and becomes root, over a connection of his own."""
        alone = ("-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=2")
        command = ["ssh", "-F", str(self.state_dir / "ssh" / "config"), *alone, host, "sudo", "-n", "true"]
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0

    def shut_out(self) -> list[str]:
        """The hosts on which nobody can log in."""
        with ThreadPoolExecutor(len(NAMES)) as pool:
            return [host for host, in_ in zip(NAMES, pool.map(self.logs_in, NAMES), strict=True) if not in_]

    def look(self) -> dict[str, set[str]]:
        """All that is guarded, and what a guard leaves on a host while it is armed."""
        with ThreadPoolExecutor(len(NAMES)) as pool:
            said = pool.map(lambda host: set(self.sh(host, LOOK).splitlines()), NAMES)
            return dict(zip(NAMES, said, strict=True))

    def time_is_up(self, host: str) -> None:
        """The end of a guard's hour: systemd starts what its timer starts, and has come to its end with it."""
        self.on(host, "systemctl", "start", lockout_units.SERVICE)

    def proves_in_vain(self, host: str) -> None:
        """Wait until a login of the proof was refused: a connection of its own that came, and went."""

        def connects() -> bool:
            own = f"ControlPath=none .*{self.rows[host]['address']}"
            return subprocess.run(["pgrep", "--full", "--", own], capture_output=True, check=False).returncode == 0

        until(connects, f"a new login on {host}")
        until(lambda: not connects(), f"its refusal on {host}")

    def shut(self, played: Played, changed: Mapping[str, str]) -> None:
        """Wait for the change of each host, by what shows it on the host, until nobody gets in."""

        def is_shut(host: str) -> bool:
            # A file may be there a moment before the program that reads it.
            return self.holds(host, changed[host]) and not self.logs_in(host)

        for host in changed:
            until(functools.partial(is_shut, host), f"the change on {host} that locks out")
        assert played.process.poll() is None

    def lock_out(self, played: Played, changed: Mapping[str, str]) -> None:
        """Wait until nobody gets in, the proof neither. Then its time is up on that host."""
        for host, shown in changed.items():
            self.shut(played, {host: shown})
            self.proves_in_vain(host)
            self.time_is_up(host)


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    if reason := hosts.available():
        pytest.skip(reason)
    machines = [machine for machine in NEWCOMERS if machine.name in NAMES]
    with patch_bed.bed(LAB, machines, tmp_path_factory.mktemp("lockout"), (), Bed) as made:
        with ThreadPoolExecutor(len(NAMES)) as pool:
            list(pool.map(lambda host: made.sh(host, PREPARE), NAMES))
        yield made


@pytest.fixture(scope="module")
def before(bed: Bed) -> dict[str, set[str]]:
    return bed.look()


@pytest.fixture(autouse=True)
def as_it_was(bed: Bed, before: dict[str, set[str]]) -> Iterator[None]:
    """Whatever was changed: all is exactly as before any test, no guard is left, and people log in."""
    yield
    bed.end()
    after = bed.look()
    assert {host: before[host] ^ after[host] for host in NAMES} == {host: set() for host in NAMES}
    assert bed.shut_out() == []


def arm(name: str, seconds: int = AN_HOUR, **guarded: Any) -> Task:
    return {"msp.ops.lockout_guard": {"state": "armed", "name": name, "seconds": seconds, **guarded}}


def prove(name: str) -> Task:
    return {"msp.ops.lockout_guard": {"state": "proven", "name": name}}


def change(script: str) -> Task:
    # As a play goes on after it, also where the change ends what it came by.
    return {"ansible.builtin.shell": f"set -e\n{script}"}


def role(*controls: str, **parameters: Any) -> Task:
    arguments = {
        "msp_baseline_linux_enforce": list(controls),
        "msp_baseline_linux_parameters": {name: parameters.get(name.replace("-", "_"), {}) for name in controls},
        "msp_baseline_linux_guard_seconds": AN_HOUR,
    }
    return {"ansible.builtin.include_role": {"name": "msp_baseline_linux"}, "vars": arguments}


def words(found: Mapping[str, Any], code: str) -> str:
    """What the task said that failed."""
    assert found.get("error", {}).get("code") == code, found
    return str(found["msg"])


GUARDED_SSH: dict[str, Any] = {
    "files": ["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d"],
    "units": ["ssh.service"],
    "validate": [["/usr/sbin/sshd", "-t"]],
}


def test_an_ssh_server_that_lets_nobody_in_and_a_shell_that_is_none_are_brought_back_by_the_host(bed: Bed) -> None:
    server = [arm("ssh", **GUARDED_SSH), change(SSH), prove("ssh")]
    account = [arm("accounts", files=["/etc/passwd", "/etc/shadow"]), change(ACCOUNT), prove("accounts")]
    played = bed.begin({THIRTEEN: server, TWELVE: account})
    shown = {THIRTEEN: "sshd -T | grep -qx 'allowusers nobody'", TWELVE: f"grep -q '^{USER}:.*nologin$' /etc/passwd"}
    bed.lock_out(played, shown)

    found = played.results()
    said = words(found[THIRTEEN], "MSP-STD-082")
    assert "directory /etc/ssh/sshd_config.d" in said and "unit ssh.service reloaded" in said
    # Over the master that is still open it would have been proven.
    assert "the last login that was tried before said: " in said and "Permission denied" in said
    assert "file /etc/passwd" in words(found[TWELVE], "MSP-STD-082")


def test_what_a_slow_run_changes_when_its_time_is_up_is_brought_back_by_the_hosts_next_round(bed: Bed) -> None:
    """The host's own timer goes off twice here, with nobody's help. The first time it finds nothing to bring back."""
    late = {"ansible.builtin.wait_for": {"path": f"{CURRENT}/reverted", "timeout": 60}}
    server = [arm("ssh", SECONDS, **GUARDED_SSH), late, change(SSH), prove("ssh")]
    guarded = {"files": ["/etc/lab.nft"], "tables": ["inet lab"]}
    firewall = [arm("firewall", SECONDS, **guarded), late, change(FIREWALL), prove("firewall")]

    found = bed.run({THIRTEEN: server, TWELVE: firewall})

    assert "directory /etc/ssh/sshd_config.d" in words(found[THIRTEEN], "MSP-STD-082")
    assert "file /etc/lab.nft removed" in words(found[TWELVE], "MSP-STD-082")


def test_what_a_role_does_to_a_firewall_and_to_sudo_is_brought_back_by_the_host_itself(bed: Bed) -> None:
    """The port of this connection is let in, but not from here; and nobody is agreed on who could become root."""
    lets_in = {"ports": ["tcp/22 from 192.0.2.0/24"]}
    firewall = role("firewall-active", "firewall-open", firewall_active={"forward": "drop"}, firewall_open=lets_in)
    played = bed.begin({TWELVE: [firewall], THIRTEEN: [role("sudo-who", sudo_who={"allowed": ["root"]})]})
    shown = {
        THIRTEEN: f"! grep -q '^{USER} ' /etc/sudoers.d/{USER}",
        TWELVE: "nft list table inet msp | grep -q 192.0.2.0/24",
    }
    bed.lock_out(played, shown)

    found = played.results()
    # The role goes on with its other areas, and says at its end what was not brought about.
    said = found[TWELVE]["msg"]
    assert "MSP-STD-089" in said and "MSP-STD-082" in said and "file /etc/msp-firewall.nft removed" in said
    # The role's next task could not become root, nor could the one that brings back.
    said = found[THIRTEEN]["msg"]
    assert "MSP-STD-089" in said and "Missing sudo password" in said and "directory /etc/sudoers.d" in said


def test_a_host_brings_back_its_network_and_its_firewall_when_the_controller_is_killed_in_the_middle(bed: Bed) -> None:
    firewall = arm("firewall", files=["/etc/lab.nft"], tables=["inet lab"])
    network = arm("network", files=[NETWORK_UNIT], units=["lab-network.service"])
    waits = {"ansible.builtin.wait_for": {"timeout": AN_HOUR}, "delegate_to": "localhost", "become": False}
    cut = change(NETWORK.format(bed.rows[THIRTEEN]["gateway"], NETWORK_UNIT))
    played = bed.begin({TWELVE: [firewall, change(FIREWALL), waits], THIRTEEN: [network, cut, waits]})
    bed.shut(played, {TWELVE: "nft list table inet lab", THIRTEEN: "ip route show type blackhole | grep -q ."})
    kill(played.process)

    for host in NAMES:
        bed.time_is_up(host)
    assert bed.shut_out() == []
    # Nobody was there to be told. So the next who comes is, once, and changes nothing before.
    told = bed.run({TWELVE: [firewall, change(FIREWALL)], THIRTEEN: [network, cut]})
    assert "tables inet lab" in words(told[TWELVE], "MSP-STD-082")
    said = words(told[THIRTEEN], "MSP-STD-082")
    assert "unit lab-network.service stopped" in said and f"file {NETWORK_UNIT} removed" in said


def test_a_host_that_was_cut_off_from_its_power_goes_on_from_its_boot_until_a_person_ends_that(bed: Bed) -> None:
    """Its timer is gone then, and would have waited for an hour."""
    tasks = [arm("ssh", **GUARDED_SSH), change(SSH)]
    assert bed.run({THIRTEEN: tasks}) == {THIRTEEN: {}}
    assert not bed.logs_in(THIRTEEN)
    podman.run("kill", bed.container(THIRTEEN))
    bed.boot_again(THIRTEEN)

    until(functools.partial(bed.logs_in, THIRTEEN), "a login")
    until(functools.partial(bed.there, THIRTEEN, f"{CURRENT}/reverted"), "the end of it")
    timer, boot = f"systemctl is-active {lockout_units.TIMER}", f"{lockout.UNITS_DIRECTORY}/{lockout_units.BOOT_UNIT}"
    assert bed.holds(THIRTEEN, timer) and bed.there(THIRTEEN, boot)
    bed.sh(THIRTEEN, f"sh {CURRENT}/back.sh end")
    assert not bed.holds(THIRTEEN, timer) and not bed.there(THIRTEEN, boot)
    # What ended that way still waits to be told.
    assert "directory /etc/ssh/sshd_config.d" in words(bed.run({THIRTEEN: tasks})[THIRTEEN], "MSP-STD-082")


def test_a_second_guard_is_refused_by_the_name_of_the_first_which_stays_armed(bed: Bed) -> None:
    tasks = [
        arm("ssh", **GUARDED_SSH),
        {**arm("firewall", tables=["inet lab"]), "register": "second", "ignore_errors": True},
        {**prove("firewall"), "register": "other", "ignore_errors": True},
        {**prove("ssh"), "register": "proof"},
        {"ansible.builtin.set_fact": {"told": {name: f"{{{{ {name} }}}}" for name in ("second", "other", "proof")}}},
    ]
    found = bed.run({TWELVE: tasks})[TWELVE]

    assert "the guard of ssh, armed until" in words(found["second"], "MSP-STD-081")
    assert "the one of ssh is" in words(found["other"], "MSP-STD-083")
    assert (found["proof"]["state"], found["proof"]["login"]) == ("disarmed", True)
