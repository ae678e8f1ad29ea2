"""Controls that no container can be held to, on a machine with a kernel of its own: kernel, network, mounts.

Found, put right and proved as on other hosts; what holds is not touched again. It needs no NetBox.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lab import image
from lab.virtual_machine import ADDRESS, VirtualMachine

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
VM = "vm01.bakkerij-jansen"
CONTROLS = (
    *("kernel-information", "kernel-links", "kernel-modules", "network-redirects", "network-filtering"),
    *("network-forwarding", "mounts-shm"),
)
OWN = {
    "on-its-own-kernel": {
        "version": "1",
        "title": {"en": "A kernel of its own", "nl": "Een eigen kernel"},
        "class": "linux-server",
        # What forwards is only ended where that was chosen.
        "controls": {**{name: {} for name in CONTROLS}, "network-forwarding": {"forwarding": "0"}},
    }
}
# Without our code: what the kernel says.
LOOKS = {
    "kernel-information": "sysctl -n kernel.kptr_restrict kernel.dmesg_restrict | paste -sd, | grep -qx 1,1",
    "kernel-links": "sysctl -n fs.protected_symlinks fs.protected_hardlinks | paste -sd, | grep -qx 1,1"
    " && test $(sysctl -n fs.protected_fifos) -ge 1",
    "kernel-modules": "modprobe -n -v cramfs 2>&1 | grep -q 'install /bin/false\\|install /bin/true'",
    "network-redirects": "test $(sysctl -n net.ipv4.conf.all.accept_redirects) = 0"
    " && test $(sysctl -n net.ipv4.conf.default.send_redirects) = 0"
    " && test $(cat /proc/sys/net/ipv4/conf/*/accept_redirects | sort -u) = 0",
    "network-filtering": "test $(sysctl -n net.ipv4.conf.all.rp_filter) = 1"
    " && test $(sysctl -n net.ipv4.tcp_syncookies) = 1",
    "network-forwarding": "test $(sysctl -n net.ipv4.ip_forward) = 0",
    "mounts-shm": "findmnt --noheadings --output OPTIONS /dev/shm | grep -q noexec",
}
# What somebody did by hand.
CHANGES = (
    "sysctl -qw kernel.dmesg_restrict=0 fs.protected_fifos=0 net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0"
    " net.ipv4.conf.lo.accept_redirects=1; rm -f /etc/modprobe.d/zz-msp-kernel-modules.conf;"
    " mount -o remount,exec /dev/shm"
)
PLAY: list[dict[str, Any]] = [
    {
        "hosts": "all",
        "gather_facts": False,
        "become": True,
        "tasks": [
            {"msp.ops.standard_scan": {"phase": "before"}, "register": "before"},
            {
                "ansible.builtin.include_role": {"name": "msp_baseline_linux"},
                "vars": {
                    "msp_baseline_linux_enforce": "{{ before.enforce.msp_baseline_linux }}",
                    "msp_baseline_linux_parameters": "{{ before.parameters.msp_baseline_linux }}",
                },
                "when": "before.enforce | length > 0",
            },
            {
                "msp.ops.standard_scan": {"phase": "after", "before": "{{ before.drift }}"},
                "register": "after",
                "when": "before.enforce | length > 0",
            },
            {
                "ansible.builtin.copy": {
                    "content": "{{ {'before': before, 'after': after} | to_json }}",
                    "dest": "PLACE/said.json",
                    "mode": "0600",
                },
                "delegate_to": "localhost",
                "become": False,
                "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            },
        ],
    }
]


def play(machine: VirtualMachine, place: Path) -> dict[str, Any]:
    """One run of the role between its two measurements; what they said."""
    directory = machine.place / "ssh"
    host = {
        "ansible_host": ADDRESS,
        "ansible_port": machine.port,
        "ansible_user": image.USER,
        "ansible_ssh_private_key_file": str(directory / "id_ed25519"),
        "ansible_ssh_common_args": f"-F {directory / 'options'}",
        "msp": {
            "customer": "bakkerij-jansen",
            "timezone": "Europe/Amsterdam",
            "asset": {"key": "virtual-machine:1"},
            "standard": {"name": "on-its-own-kernel"},
            "standards_own": OWN,
        },
    }
    (place / "inventory.yml").write_text(json.dumps({"all": {"hosts": {VM: host}}}), encoding="utf-8")
    (place / "play.yml").write_text(json.dumps(PLAY).replace("PLACE", str(place)), encoding="utf-8")
    done = subprocess.run(
        ["ansible-playbook", "-i", str(place / "inventory.yml"), str(place / "play.yml")],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            "ANSIBLE_TIMEOUT": "60",
            "XDG_STATE_HOME": str(place / "state"),
            "MSP_DURABLE_PATHS": str(place),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return dict(json.loads((place / "said.json").read_text(encoding="utf-8")))


def wrong(machine: VirtualMachine, controls: Sequence[str] = CONTROLS) -> list[str]:
    script = "".join(f"( {LOOKS[name]} ) >/dev/null 2>&1 || echo {name}\n" for name in controls)
    return machine.sh(script).split()


@pytest.mark.slow
def test_what_a_container_has_no_say_in_is_found_put_right_and_proved_on_a_kernel_of_its_own(
    virtual_machine: VirtualMachine, tmp_path: Path
) -> None:
    virtual_machine.sh(CHANGES)
    spoiled = wrong(virtual_machine)
    assert {"kernel-information", "network-forwarding", "mounts-shm"} <= set(spoiled)

    first = play(virtual_machine, tmp_path)

    assert set(spoiled) <= {row["control"] for row in first["before"]["drift"]}
    assert set(first["after"]["fixed"]) == {row["control"] for row in first["before"]["drift"]}
    assert first["after"]["counts"].keys() <= {"compliant", "fixed"}
    assert wrong(virtual_machine) == []
    # The scan was the first to ask the machine for its Python, and no task asked again.
    assert first["before"]["ansible_facts"]["discovered_interpreter_python"]
    # One interface alone, of a machine whose files are right: of all else the second run changes nothing.
    virtual_machine.sh("sysctl -qw net.ipv4.conf.lo.accept_redirects=1")
    second = play(virtual_machine, tmp_path)
    assert second["before"]["enforce"] == {"msp_baseline_linux": ["network-redirects"]}
    assert second["after"]["fixed"] == ["network-redirects"]
    assert second["after"]["counts"].keys() == {"compliant", "fixed"}
    assert wrong(virtual_machine) == []
