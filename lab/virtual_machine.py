"""The lab's virtual machine: what no container has, a kernel and a boot of its own. QEMU without KVM, over real ssh.

It boots as a machine does: firmware, boot loader, the kernel that the boot loader chooses, systemd. It reaches nothing:
its network ends at QEMU, and its sshd is at a port of loopback. It belongs to a lab directory, so that whoever ends
that lab's processes ends it too; `up` boots what is there, and its disk stays until `down`.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shlex
import shutil
import socket
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import hosts, image, packages, paths, podman, processes, virtual_disk
from lab.image import USER, Progress
from lab.processes import Process

PROGRAM = "qemu-system-x86_64"
FIRMWARE = Path("/usr/share/OVMF")
CODE, VARIABLES = FIRMWARE / "OVMF_CODE_4M.fd", FIRMWARE / "OVMF_VARS_4M.fd"
ADDRESS = "127.0.0.1"
HOSTNAME = "machine01"
# The machine's second disk, /dev/disk/by-id/virtio-lab-data.
DATA, DATA_BYTES = "lab-data", 64 * 1024 * 1024
# Without KVM, on a machine that is busy with much else.
BOOT_SECONDS, CONNECT_SECONDS = 300, 60
POLL_SECONDS = 0.2
# Asked again and again as the hosts are, but on the machine itself: a connection costs a second.
BOOTED = "until systemctl is-system-running | grep -q -e running -e degraded; do sleep 0.2; done"
_FORWARDED = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+\S+\s+(\d+)\s")


def available() -> str | None:
    """None where the machine can run, else the reason, as a sentence for a person."""
    if platform.machine() != "x86_64":
        return f"The virtual machine is an amd64 one, and this is {platform.machine()}."
    also = [package for package in packages.FOR_HOSTS if package.name in ("mmdebstrap", "openssh-client")]
    if missing := [package.name for package in packages.missing([*packages.FOR_MACHINE, *also])]:
        return f"The virtual machine needs {', '.join(missing)}: apt-get install {' '.join(missing)}."
    if os.geteuid() != 0:
        return "The virtual machine's disk is made as root."
    return image.no_mirror()


@dataclass(frozen=True)
class VirtualMachine:
    """One machine that was made. place: all that is its own, with ssh/ as the hosts have it. mark: its lab."""

    place: Path
    mark: Path
    port: int

    @property
    def console(self) -> Path:
        """All that firmware, boot loader and kernel said on the serial line."""
        return self.place / "console.log"

    def running(self) -> bool:
        return bool(_processes(self.mark))

    def on(self, *command: str, stdin: str | None = None) -> str:
        """What a command prints there, run as root. MSP-LAB-038 where it fails."""
        done = self._ssh(f"sudo -n -- {shlex.join(command)}", stdin)
        if done.returncode:
            raise MspError(
                "MSP-LAB-038",
                f"{command[0]} to succeed on the virtual machine",
                f"exit status {done.returncode}: {podman.last_line(done.stderr or done.stdout)}",
                f"look at it: ssh -F {self.place / 'ssh' / 'config'} {HOSTNAME}; its console is {self.console}",
            )
        return done.stdout

    def sh(self, script: str) -> str:
        """What a shell script prints there, run as root, without the white space around it."""
        return self.on("sh", "-c", script).strip()

    def copy(self, directory: Path, target: str) -> None:
        """A directory of this machine's to a path there, whoever owns it here."""
        packed = subprocess.run(["tar", "-C", str(directory), "-c", "."], capture_output=True, check=True).stdout
        self.on("mkdir", "-p", target)
        unpack = shlex.join(["sudo", "-n", "tar", "-C", target, "--no-same-owner", "-x"])
        subprocess.run([*self._login, unpack], input=packed, check=True)

    @property
    def _login(self) -> list[str]:
        patient = ["-o", f"ConnectTimeout={CONNECT_SECONDS}"]
        return ["ssh", *patient, "-F", str(self.place / "ssh" / "config"), HOSTNAME]

    def _ssh(self, command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._login, command],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=BOOT_SECONDS,
            check=False,
        )

    def boot(self) -> None:
        """Switch it on, and wait until it has booted; one that runs is only waited for."""
        if not self.running():
            _start(self.place, self.mark, self.port)
        self.wait_until_booted()

    def wait_until_booted(self) -> None:
        """Until sshd answers and systemd has started everything."""
        deadline = time.monotonic() + BOOT_SECONDS
        while not self._answers() or not self._booted():
            if not self.running() or time.monotonic() > deadline:
                raise self._not_up()
            time.sleep(POLL_SECONDS)

    def _booted(self) -> bool:
        try:
            return self._ssh(BOOTED).returncode == 0
        except subprocess.TimeoutExpired as error:
            raise self._not_up() from error

    def _answers(self) -> bool:
        """Whether sshd says who it is: QEMU itself takes every connection, whatever the machine does."""
        try:
            with socket.create_connection((ADDRESS, self.port), timeout=5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def stay_down(self) -> None:
        """Let its next reboot be its last: it goes down and never comes back, until somebody boots it."""
        self.monitor("set-action", reboot="shutdown")

    def wait_until_down(self, seconds: float = BOOT_SECONDS) -> bool:
        """Whether it went down in time."""
        return processes.wait_until(lambda: not self.running(), seconds)

    def monitor(self, command: str, **arguments: Any) -> Any:
        """Ask QEMU itself something, in its own protocol (QMP); returns its answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(self.place / "monitor"))
            with connection.makefile("rw", encoding="utf-8") as stream:
                stream.readline()  # its greeting
                _ask(stream, "qmp_capabilities", {})
                return _ask(stream, command, arguments)

    def _not_up(self) -> MspError:
        lines = (self.place / "qemu.log").read_text(encoding="utf-8", errors="replace")
        return MspError(
            "MSP-LAB-037",
            f"the virtual machine to boot and to answer ssh within {BOOT_SECONDS} s",
            f"it {'runs, and does not' if self.running() else 'does not run: ' + podman.last_line(lines)}",
            f"read {self.console}; remove {self.mark} and try again",
        )


def up(name: str, progress: Progress) -> VirtualMachine:
    """The machine of this lab, booted; made where there is none. What a crash left of it goes on."""
    if reason := available():
        raise MspError("MSP-LAB-037", "a machine that can run a virtual one", reason, "install what is missing")
    base = paths.lab_paths(name).base
    place = base / "machine"
    disk = virtual_disk.ensure(progress)
    with progress("starting the virtual machine"):
        machine = known(base)
        if machine is None:
            shutil.rmtree(place, ignore_errors=True)
            machine = _make(place, base, disk)
        machine.boot()
    return machine


def known(base: Path) -> VirtualMachine | None:
    """The machine that was made in this lab; None where there is none."""
    place = base / "machine"
    try:
        return VirtualMachine(place, base, int((place / "port").read_text(encoding="ascii")))
    except (FileNotFoundError, ValueError):
        return None


def down(name: str) -> None:
    """End it, and remove its disk; the lab's directory too, when it was all that there was of the lab."""
    base = paths.lab_paths(name).base
    processes.end_all(_processes(base), patience=0)
    shutil.rmtree(base / "machine", ignore_errors=True)
    with contextlib.suppress(OSError):
        base.rmdir()


def _processes(mark: Path) -> list[Process]:
    return [one for one in processes.of_lab(mark, ()) if processes.program(one.pid).startswith("qemu-system")]


def _make(place: Path, mark: Path, disk: Path) -> VirtualMachine:
    """A machine of its own: a copy of the disk, with who may log in, its own host key, its own machine id and name."""
    paths.make_labs_dir()
    paths.make_dir(mark, 0o700)
    paths.make_dir(place, 0o700)
    public = hosts.ensure_key(place)
    copied = place / "disk.img"
    subprocess.run(["cp", "--sparse=always", str(disk), str(copied)], check=True)
    shutil.copyfile(VARIABLES, place / "variables.fd")
    key = place / "host_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", HOSTNAME, "-f", str(key)], check=True)
    texts = {"authorized_key": f"{public}\n", "machine_id": f"{uuid.uuid4().hex}\n", "hostname": f"{HOSTNAME}\n"}
    texts["hosts"] = f"127.0.0.1 localhost\n127.0.1.1 {HOSTNAME}\n"
    for file, text in texts.items():
        (place / file).write_text(text, encoding="ascii")
    files = {
        f"/etc/ssh/authorized_keys.d/{USER}": place / "authorized_key",
        "/etc/ssh/ssh_host_ed25519_key": key,
        "/etc/ssh/ssh_host_ed25519_key.pub": key.with_suffix(".pub"),
        "/etc/machine-id": place / "machine_id",
        "/etc/hostname": place / "hostname",
        "/etc/hosts": place / "hosts",
    }
    virtual_disk.put(copied, files, private=("/etc/ssh/ssh_host_ed25519_key",))
    port = _start(place, mark, 0)
    row = {"name": HOSTNAME, "address": ADDRESS, "port": port}
    keys = hosts.public_keys([key.with_suffix(".pub").read_text(encoding="ascii")])
    hosts.write_ssh_files(place, [row], {HOSTNAME: keys})
    # Last: what is there without it was not finished, and is made anew.
    paths.write_private(place / "port", f"{port}\n")
    return VirtualMachine(place, mark, port)


def arguments(place: Path, port: int) -> list[str]:
    """QEMU's. port: of loopback, for the machine's sshd; 0: any."""
    return [
        PROGRAM,
        # Of the processors that QEMU knows the one with the least to be emulated; a second one costs more than it does.
        # And little room for translated code: what is in the way of the next boot is thrown away piece by piece, which
        # takes minutes for a gigabyte of it.
        *("-machine", "q35", "-accel", "tcg,tb-size=64", "-cpu", "qemu64,-svm", "-smp", "1", "-m", "1024"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-rtc", "base=utc"),
        *("-drive", f"if=pflash,format=raw,readonly=on,file={CODE}"),
        *("-drive", f"if=pflash,format=raw,file={place / 'variables.fd'}"),
        # A power cut of the machine this runs on may cost the disk; one of the virtual machine does not.
        *("-drive", f"if=none,id=disk,format=raw,cache=unsafe,file={place / 'disk.img'}"),
        *("-device", "virtio-blk-pci,drive=disk,bootindex=0"),
        # A second one, with nothing on it at first.
        *("-drive", f"if=none,id=data,format=raw,cache=unsafe,file={place / 'data.img'}"),
        *("-device", f"virtio-blk-pci,drive=data,serial={DATA}"),
        # Closed to the outside in both directions, but for this one port.
        *("-netdev", f"user,id=network,restrict=on,hostfwd=tcp:{ADDRESS}:{port}-:22"),
        *("-device", "virtio-net-pci,netdev=network,romfile="),
        *("-device", "virtio-rng-pci"),
        *("-serial", f"file:{place / 'console.log'}"),
        *("-qmp", f"unix:{place / 'monitor'},server=on,wait=off"),
    ]


def _start(place: Path, mark: Path, port: int) -> int:
    """Switch the machine on; returns the port of its sshd."""
    monitor = place / "monitor"
    monitor.unlink(missing_ok=True)
    with (place / "data.img").open("ab") as data:
        data.truncate(DATA_BYTES)
    process = processes.start(arguments(place, port), log=place / "qemu.log", cwd=place, mark=mark)
    machine = VirtualMachine(place, mark, port)
    if not processes.wait_until(lambda: monitor.exists() or not processes.alive(process), 60) or not monitor.exists():
        raise machine._not_up()
    said = str(machine.monitor("human-monitor-command", **{"command-line": "info usernet"}))
    if (found := _FORWARDED.search(said)) is None:
        raise machine._not_up()
    return int(found.group(1))


def _ask(stream: Any, command: str, arguments: dict[str, Any]) -> Any:
    stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    stream.flush()
    while True:
        said = json.loads(stream.readline() or '{"error": {"desc": "it went away"}}')
        if "return" in said:
            return said["return"]
        if "error" in said:
            raise MspError("MSP-LAB-037", f"QEMU to do {command}", str(said["error"]["desc"]), "look at its log")
