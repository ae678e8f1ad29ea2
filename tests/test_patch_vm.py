"""msp.ops.patch_install on a machine with a kernel and a boot of its own: what a reboot has to prove.

The machine is the lab's virtual one, the newer kernel Debian's. A rollout over two rings has it as its canary, and a
container as the other. Each play is a real ansible-playbook over ssh. The tests are steps of one story: booting without
KVM takes a quarter of a minute, and no test does it for itself alone.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk import rollouts
from ansible_collections.msp.ops.plugins.plugin_utils.desk.ticks import Setting, Tick
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import assign
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Judged, Scan, Update
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Rollout, fold
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import data
from lab import hosts, image, virtual_disk
from lab.machines import MACHINES
from lab.repository import MAIN, ON_HOST, SECURITY, SOURCES_FILE, Package, Repository
from lab.virtual_machine import ADDRESS, VirtualMachine
from tests.patch_bed import Bed as Beside
from tests.patch_bed import bed as lay

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
LAB = "-".join(filter(None, ("machine-test", os.environ.get("PYTEST_XDIST_WORKER"))))
SECONDS = 600
CONTAINER = "jansen-srv01"
KERNEL = "linux-image-cloud-amd64"
SLUG = "bakkerij-jansen"
CANARY = Member("virtual-machine:1", "vm01", frozenset({"msp-ring-pilot"}))
BROAD = Member("device:2", "srv01", frozenset())
REBOOTS = ((CANARY, "always"), (BROAD, "never"))
VM, SRV = (f"{member.name}.{SLUG}" for member in (CANARY, BROAD))
HOSTS = {CANARY.key: VM, BROAD.key: SRV}
PLAN = data(
    **{
        "automatic": True,
        "windows.night": {"rule": "FREQ=DAILY", "start": "00:00", "duration": "24h", "cutoff": "1m"},
        "rates": {"at_once": 2, "most_failures": 0, "most_lost": 0},
        "rings.0.soak": "0m",
        "rollback": "none",
    }
)
PINNED = f'set default="gnulinux-advanced-{virtual_disk.ROOT_UUID}>gnulinux-{{}}-advanced-{virtual_disk.ROOT_UUID}"'
MENU = "/boot/grub/grub.cfg"
MADE = "lab-down"
INSTALL = f"apt-get -qq update && dpkg --install {ON_HOST}/pool/{MAIN}/*.deb >/dev/null"


@dataclass
class Bed:
    """The machine, a container beside it, and a controller with a store of its own."""

    machine: VirtualMachine
    beside: Beside
    place: Path
    store: Store
    number: int = field(default=0)

    def reached(self, host: str) -> dict[str, Any]:
        """How Ansible reaches a host: each has keys of its own."""
        is_vm = host == VM
        directory = (self.machine.place if is_vm else self.beside.state_dir) / "ssh"
        member = CANARY if is_vm else BROAD
        row = self.beside.rows[CONTAINER]
        return {
            "ansible_host": ADDRESS if is_vm else row["address"],
            "ansible_port": self.machine.port if is_vm else row["port"],
            "ansible_user": image.USER,
            "ansible_ssh_private_key_file": str(directory / "id_ed25519"),
            "ansible_ssh_common_args": f"-F {directory / 'options'}",
            "msp": {"customer": SLUG, "asset": {"key": member.key}},
        }

    def play(self, asked: Mapping[str, Mapping[str, Any]], **arguments: Any) -> dict[str, dict[str, Any]]:
        """One run of ansible-playbook, with the module's arguments by host; the results by host."""
        self.number += 1
        place = self.place / f"run{self.number}"
        place.mkdir()
        inventory = {name: {**self.reached(name), "asked": {**one, **arguments}} for name, one in asked.items()}
        (place / "inventory.yml").write_text(json.dumps({"all": {"hosts": inventory}}), encoding="utf-8")
        keep = {
            "content": "{{ found | to_json }}",
            "dest": f"{place}/{{{{ inventory_hostname }}}}.json",
            "mode": "0600",
        }
        tasks = [
            {"msp.ops.patch_install": "{{ asked }}", "become": True, "register": "found"},
            {"ansible.builtin.copy": keep, "delegate_to": "localhost"},
        ]
        (place / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        done = subprocess.run(
            ["ansible-playbook", "-i", str(place / "inventory.yml"), str(place / "play.yml")],
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
                "ANSIBLE_TIMEOUT": "60",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(place / "c"),
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return {name: json.loads((place / f"{name}.json").read_text(encoding="utf-8")) for name in asked}

    def tick(self, **arguments: Any) -> None:
        """All rounds of one run of playbooks/patch.yml, but with the plan from here instead of from NetBox.

        The container has no kernel of its own to boot, and nobody would start it again.
        """
        plans = assign((member, {"msp_patch_plan": {**PLAN, "reboot": how}}) for member, how in REBOOTS)
        lease = leases.take(self.store, rollouts.lease_name(SLUG), "controller", 3600)
        tick = Tick(lease.holder, lease.fence, self.store.now())
        answers: dict[str, dict[str, Any]] = {}
        try:
            for last in (False, False, True):
                setting = Setting(SLUG, HOSTS, 600, last=last, by="timer")
                found = rollouts.round_with(self.store, plans, setting, tick, answers)
                if not (tasks := found.as_dict()["tasks"]):
                    break
                tick, answers = found.tick, self.play(tasks, **arguments)
        finally:
            leases.release(self.store, lease)

    def rollout(self) -> Rollout:
        (stored,) = self.store.rollouts(SLUG)
        return fold(stored.id, events.of(stored))

    def version(self, host: str) -> str:
        asked = ("dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", MADE)
        return self.machine.on(*asked) if host == VM else self.beside.on(CONTAINER, *asked)


@pytest.fixture(scope="module")
def bed(virtual_machine: VirtualMachine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    if reason := hosts.available():
        pytest.skip(reason)
    place = tmp_path_factory.mktemp("machine")
    repository = Repository(place / "repository")
    repository.publish(MAIN, [Package(MADE, "1.0")])
    repository.publish(SECURITY, [Package(MADE, "1.1")])
    machines = [machine for machine in MACHINES if machine.name == CONTAINER]
    with pytest.MonkeyPatch.context() as patch, lay(LAB, machines, place, (), Beside) as beside:
        patch.setenv("MSP_DURABLE_PATHS", str(place))
        repository.copy_to(beside.container(CONTAINER))
        beside.sh(CONTAINER, f"rm /etc/apt/sources.list && {INSTALL}")
        _give(virtual_machine, repository)
        with Store.open(f"sqlite:///{place / 'evidence.db'}", upgrade=True) as store:
            yield Bed(virtual_machine, beside, place, store)


def _give(machine: VirtualMachine, repository: Repository) -> None:
    """The same repository beside the machine's own mirror."""
    machine.copy(repository.place, ON_HOST)
    machine.on("tee", SOURCES_FILE, stdin=repository.sources())
    machine.sh(f"chmod -R a+rX {ON_HOST}; {INSTALL}")


def test_a_newer_kernel_of_debians_counts_once_it_runs_in_a_boot_of_its_own(bed: Bed) -> None:
    machine = bed.machine
    running, boot = machine.sh("uname -r; cat /proc/sys/kernel/random/boot_id").split()
    installed, newest = machine.sh(f"apt-cache policy {KERNEL} | sed -n 's/^  [IC].*: //p'").split()
    if installed == newest:
        pytest.skip("Debian's archive has one kernel only, so there is no newer one")
    checks = [{"kind": "unit", "unit": "ssh.service"}, {"kind": "baseline", "compare": ["units", "ports"]}]
    packages = [{"name": KERNEL, "architecture": "amd64", "version": newest}]

    asked = {"rollout": "kernel", "packages": packages, "checks_after": checks}
    found = bed.play({VM: asked})[VM]

    result, proof = found["result"], found["result"]["detail"]["reboot"]
    assert result["outcome"] == "patched", result["reason"]
    assert (result["rebooted"], result["healthy"]) == (True, True)
    assert (result["before"][f"{KERNEL}:amd64"], result["after"][f"{KERNEL}:amd64"]) == (installed, newest)
    now, booted = machine.sh("uname -r; cat /proc/sys/kernel/random/boot_id").split()
    assert (proof["boot"]["container"], proof["boot"]["kernel"], proof["boot"]["boot_id"]) == (False, running, boot)
    assert (proof["kernel"], proof["after"]["kernel"], proof["after"]["boot_id"]) == (now, now, booted)
    assert now != running and booted != boot
    assert proof["reasons"] == [f"kernel {now} is installed, {running} runs"]
    assert result["detail"]["also"] == [f"linux-image-{now}:amd64"]


def kernels(machine: VirtualMachine) -> list[str]:
    """The installed ones, the oldest first."""
    return machine.sh("ls /boot/vmlinuz-* | sed s,/boot/vmlinuz-,, | sort -V").split()


def test_a_reboot_that_never_comes_back_is_lost_and_the_other_ring_keeps_what_it_has(bed: Bed) -> None:
    """And before that somebody chose a kernel in the boot loader's menu, which shows when it is switched on again."""
    machine = bed.machine
    machine.on("sed", "-i", f's/^ *set default="0"$/{PINNED.format(kernels(machine)[0])}/', MENU)
    machine.stay_down()
    now = bed.store.now()
    update = Update(MADE, "all", "1.0", "1.1", "Lab-Security/security", True)
    judged = (Judged(update, "security", "high", "vendor", ""),)
    bed.store.record_scans(
        Scan(SLUG, asset, host, now, "ok", "debian-12", "apt", judged, now) for asset, host in HOSTS.items()
    )

    bed.tick(lost_after=5)

    assert machine.wait_until_down()
    stopped = bed.rollout()
    assert (stopped.side, stopped.hosts[VM].state, stopped.hosts[SRV].state) == ("halted", "lost", "waiting")
    assert stopped.why == "ring pilot: 1 of 1 gave no answer, 0 may"
    bed.tick()
    assert bed.rollout().hosts[SRV].begins == 0
    assert bed.version(SRV) == "1.0 installed"


def test_one_that_comes_back_with_the_old_kernel_is_not_patched(bed: Bed) -> None:
    bed.machine.boot()
    older, newest = kernels(bed.machine)

    found = bed.play({VM: {"rollout": bed.rollout().id, "action": "look"}})[VM]

    result, proof = found["result"], found["result"]["detail"]["reboot"]
    assert (result["outcome"], result["rebooted"]) == ("failed", False)
    assert result["reason"] == f"kernel {older} runs, and {newest} was expected"
    assert proof["boot"]["boot_id"] != proof["after"]["boot_id"]  # it was started anew, and that is not enough
    assert (proof["boot"]["kernel"], proof["after"]["kernel"]) == (newest, older)
    assert bed.version(VM) == "1.1 installed"
