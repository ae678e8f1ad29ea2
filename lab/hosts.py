"""The lab's hosts: podman containers that boot full systemd, each with its own address and sshd, reached over real ssh.

Everything of a lab carries its label, so that `down` finds it even when the state directory is gone, and two labs never
meet. Never touches a container or network without that label, nor a host that the lab did not start.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import image, paths, podman, processes
from lab.image import USER, Progress
from lab.machines import MACHINES, NEWCOMERS, Machine, customers, free_subnet

LABEL = "msp.ops.lab"
SPEC = "msp.ops.spec"
SSH = 22
BOOT_SECONDS = 180
ASK_SECONDS = 20
POLL_SECONDS = 0.1
PARALLEL = 8
SECRET_DMI = ("product_serial", "product_uuid", "chassis_serial", "board_serial")


def available() -> str | None:
    """None where hosts can run, else the reason, as a sentence for a person."""
    return podman.available() or image.no_mirror()


@dataclass(frozen=True)
class Ground:
    """What every host of one lab stands on."""

    lab: str
    state_dir: Path
    key: str
    subnets: Mapping[str, ipaddress.IPv4Network]

    def address(self, machine: Machine) -> str:
        return machine.address(self.subnets[machine.customer])

    def container(self, machine: Machine) -> str:
        return f"msp-{self.lab}-{machine.name}"

    def mounts(self, machine: Machine) -> Path:
        return self.state_dir / "machines" / machine.name


def up(name: str, state_dir: Path, progress: Progress, also: Collection[str] = ()) -> list[dict[str, Any]]:
    """Start every host of this lab that does not run, and return them all, the absent one too.

    also: newcomers to plug in. One that is there stays.
    """
    if reason := available():
        raise MspError("MSP-LAB-032", "a machine that can run hosts in containers", reason, "use --no-hosts")
    found = containers(name)
    names = {f"msp-{name}-{machine.name}": machine.name for machine in NEWCOMERS}
    plugged_in = {*also, *(names[row["Names"][0]] for row in found if row["Names"][0] in names)}
    machines = [*MACHINES, *(machine for machine in NEWCOMERS if machine.name in plugged_in)]
    present = [machine for machine in machines if machine.recipe]
    image.ensure([machine.recipe for machine in present if machine.recipe], progress)
    paths.make_dir(state_dir, 0o700)
    ground = Ground(name, state_dir, ensure_key(state_dir), ensure_networks(name))
    there = {row["Labels"].get(SPEC): row for row in found}
    with progress("starting the hosts"), ThreadPoolExecutor(PARALLEL) as pool:
        public = list(pool.map(lambda machine: start(ground, machine, there), present))
    keys = {machine.name: of_machine for machine, of_machine in zip(present, public, strict=True)}
    rows = [describe(ground, machine, keys.get(machine.name, [])) for machine in machines]
    write_ssh_files(state_dir, rows, keys)
    paths.write_private(state_dir / "hosts.json", json.dumps(rows, indent=2) + "\n")
    return rows


def down(name: str, state_dir: Path) -> None:
    """Remove this lab's containers and networks, running or not, and what was written for them."""
    if shutil.which("podman"):
        if ids := [row["Id"] for row in containers(name)]:
            podman.run("rm", "--force", "--time", "0", "--volumes", *ids)
        if networks := [row["name"] for row in networks_of(name)]:
            podman.run("network", "rm", *networks)
    shutil.rmtree(state_dir, ignore_errors=True)


def status(name: str, state_dir: Path) -> list[dict[str, Any]]:
    """The hosts as the last `up` left them, each with what became of it: running, exited, dead, gone or absent."""
    states = {row["Names"][0]: state_of(row) for row in containers(name)} if shutil.which("podman") else {}
    rows = known(state_dir)
    for row in rows:
        row["state"] = states.get(row["container"], "gone") if row["present"] else "absent"
    return rows


def known(state_dir: Path) -> list[dict[str, Any]]:
    """The hosts that the last `up` wrote down; none when there was no `up`."""
    path = state_dir / "hosts.json"
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def ssh_environment(state_dir: Path) -> dict[str, str]:
    """What ansible-playbook needs to reach the hosts by their address: user, key, and the keys the hosts must show."""
    return {
        "ANSIBLE_REMOTE_USER": USER,
        "ANSIBLE_PRIVATE_KEY_FILE": str(state_dir / "ssh" / "id_ed25519"),
        "ANSIBLE_SSH_COMMON_ARGS": f"-F {state_dir / 'ssh' / 'options'}",
    }


def containers(name: str) -> list[dict[str, Any]]:
    return podman.rows("ps", "--all", "--filter", f"label={LABEL}={name}")


def networks_of(name: str) -> list[dict[str, Any]]:
    return [row for row in podman.rows("network", "ls") if (row.get("labels") or {}).get(LABEL) == name]


def network_name(lab: str, customer: str) -> str:
    return f"msp-{lab}-{customer}"


def ensure_key(state_dir: Path) -> str:
    """The lab's own ssh key, made at the first start; returns its public half."""
    directory = state_dir / "ssh"
    paths.make_dir(directory, 0o700)
    private = directory / "id_ed25519"
    if not private.with_suffix(".pub").exists():
        private.unlink(missing_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "msp lab", "-f", str(private)],
            stdin=subprocess.DEVNULL,
            check=True,
        )
    return private.with_suffix(".pub").read_text(encoding="ascii").strip()


def ensure_networks(lab: str) -> dict[str, ipaddress.IPv4Network]:
    """A network for each customer, on subnets that nothing on this machine uses."""
    with image.locked("networks"):
        found = {row["name"]: row for row in podman.rows("network", "ls")}
        subnets = {}
        for customer in customers():
            name = network_name(lab, customer)
            if name not in found:
                taken = [net for row in podman.rows("network", "ls") for net in subnets_of(row)] + routed()
                subnet = free_subnet(taken)
                if subnet is None:
                    raise MspError(
                        "MSP-LAB-033",
                        "a /24 in 10.203.0.0/16 that nothing on this machine uses",
                        "all of them taken",
                        "stop labs that are not needed (./msp lab status, ./msp lab down --name NAME)",
                    )
                podman.run(
                    "network", "create", "--disable-dns", "--subnet", str(subnet), "--label", f"{LABEL}={lab}", name
                )
                subnets[customer] = subnet
            else:
                subnets[customer] = subnets_of(found[name])[0]
    return subnets


def subnets_of(network: Mapping[str, Any]) -> list[ipaddress.IPv4Network]:
    nets = [ipaddress.ip_network(row["subnet"]) for row in network.get("subnets") or []]
    return [net for net in nets if isinstance(net, ipaddress.IPv4Network)]


def routed() -> list[ipaddress.IPv4Network]:
    """The networks this machine has a route to, the default route left out."""
    rows = [line.split() for line in Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]]
    # Addresses as the kernel prints them: hexadecimal, the last byte first.
    pairs = [tuple(bytes.fromhex(row[column])[::-1] for column in (1, 7)) for row in rows if row]
    return [
        ipaddress.IPv4Network((destination, str(ipaddress.IPv4Address(mask))))
        for destination, mask in pairs
        if any(mask)
    ]


def start(ground: Ground, machine: Machine, there: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Bring one host to "booted, sshd answers" from whatever state it is in; returns its public host keys."""
    name = ground.container(machine)
    arguments = run_arguments(ground, machine)
    spec = hashlib.sha256(json.dumps([arguments, ground.key, machine.dmi, dict(machine.files)]).encode()).hexdigest()
    row = there.get(spec)
    state = "gone" if row is None else state_of(row)
    if state in ("gone", "dead"):
        podman.run("rm", "--force", "--ignore", "--time", "0", "--volumes", name)
        write_mounts(ground, machine)
        podman.run("run", "--detach", "--label", f"{SPEC}={spec}", *arguments)
    elif state != "running":
        podman.run("start", name)
    wait_for_sshd(name, ground.address(machine))
    return public_keys(wait_until_booted(name))


def state_of(row: Mapping[str, Any]) -> str:
    """What became of a container, as podman says it; "dead" where podman is wrong to call it running.

    Killed together with the monitor that watches it (a machine that ends all of a session's processes), it is "running"
    for ever to podman, and its address refuses every connection.
    """
    if row["State"] == "running":
        try:
            groups = (processes.PROC / str(row["Pid"]) / "cgroup").read_text(encoding="ascii")
        except FileNotFoundError:
            return "dead"
        return "running" if str(row["Id"]) in groups else "dead"
    return str(row["State"])


def run_arguments(ground: Ground, machine: Machine) -> list[str]:
    """podman run's arguments for one host, without the label that tells whether they have changed."""
    if machine.recipe is None:
        raise ValueError(f"{machine.name} is absent on purpose")
    base = ground.mounts(machine)
    mounts = {
        "/sys/class": base / "sys" / "class",
        "/sys/block": base / "sys" / "block",
        f"/etc/ssh/authorized_keys.d/{USER}": base / "authorized_key",
        **{target: base / "files" / target.lstrip("/") for target in machine.files},
    }
    peers = [other for other in MACHINES if other.customer == machine.customer and other is not machine]
    return [
        f"--name={ground.container(machine)}",
        f"--hostname={machine.hostname}",
        "--systemd=always",
        f"--network={network_name(ground.lab, machine.customer)}",
        f"--ip={ground.address(machine)}",
        f"--mac-address={machine.mac}",
        f"--label={LABEL}={ground.lab}",
        *(f"--add-host={peer.name}:{ground.address(peer)}" for peer in peers),
        *(f"--volume={source}:{target}:ro" for target, source in sorted(mounts.items())),
        *machine.options,
        machine.recipe.tag,
        "/sbin/init",
    ]


def write_mounts(ground: Ground, machine: Machine) -> None:
    """Write what is mounted into one host.

    /sys/class and /sys/block are replaced as a whole, so that a host shows its made-up machine and neither the serial
    nor the disks of the one it runs on (which may have no /sys/class/dmi that a mount could cover).
    """
    base = ground.mounts(machine)
    shutil.rmtree(base, ignore_errors=True)
    dmi = base / "sys" / "class" / "dmi" / "id"
    for directory in (dmi, base / "sys" / "class" / "block", base / "sys" / "block"):
        directory.mkdir(parents=True)
    # A relative link, resolved inside the host: the interfaces it really has.
    (base / "sys" / "class" / "net").symlink_to("../devices/virtual/net")
    for name, value in machine.dmi.items():
        path = dmi / name
        path.write_text(f"{value}\n", encoding="ascii")
        path.chmod(0o400 if name in SECRET_DMI else 0o444)
    texts = {base / "files" / target.lstrip("/"): text for target, text in machine.files.items()}
    for path, text in {**texts, base / "authorized_key": f"{ground.key}\n"}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)


def wait_until_booted(name: str) -> list[str]:
    """Wait until systemd says that the boot is over; returns the host's public keys, asked for in the same breath.

    A unit that failed does not stop the lab: an audit may say so. systemd is asked again and again, because
    `is-system-running --wait` was seen to wait forever when it came just before the end.
    """
    deadline = time.monotonic() + BOOT_SECONDS
    while True:
        state, *keys = ask(name, "systemctl is-system-running; cat /etc/ssh/ssh_host_*_key.pub")
        if state in ("running", "degraded"):
            return keys
        if time.monotonic() > deadline:
            raise not_up(name, f"after {BOOT_SECONDS} s: {state}")
        time.sleep(POLL_SECONDS)


def ask(name: str, command: str) -> list[str]:
    """The lines that a shell command prints in a host; when there are none, why not."""
    try:
        answer = podman.attempt("exec", name, "sh", "-c", command, timeout=ASK_SECONDS)
    except subprocess.TimeoutExpired:
        return [f"no answer within {ASK_SECONDS} s"]
    return answer.stdout.splitlines() or [podman.last_line(answer.stderr)]


def public_keys(lines: Sequence[str]) -> list[str]:
    """Type and key, without the comment."""
    return sorted(" ".join(line.split()[:2]) for line in lines if line.strip())


def wait_for_sshd(name: str, address: str) -> None:
    deadline = time.monotonic() + BOOT_SECONDS
    while True:
        try:
            with socket.create_connection((address, SSH), timeout=5) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError as error:
            if time.monotonic() > deadline:
                raise not_up(name, f"no sshd at {address}: {error}") from error
        time.sleep(POLL_SECONDS)


def not_up(name: str, found: str) -> MspError:
    return MspError(
        "MSP-LAB-034",
        f"the host {name} to boot and to answer ssh",
        found,
        f"look at podman logs {name}; ./msp lab down and ./msp lab up make it anew",
    )


def describe(ground: Ground, machine: Machine, keys: Sequence[str]) -> dict[str, Any]:
    """What others need to know of a host; what its contract promises is the demo's business."""
    subnet = ground.subnets[machine.customer]
    return {
        "name": machine.name,
        "customer": machine.customer,
        "contracted": machine.contracted,
        "present": machine.recipe is not None,
        "hostname": machine.hostname,
        "class": machine.asset_class,
        "os": machine.recipe.title if machine.recipe else None,
        "image": machine.recipe.tag if machine.recipe else None,
        "container": ground.container(machine),
        "address": ground.address(machine),
        "subnet": str(subnet),
        "gateway": str(subnet[1]),
        "mac": machine.mac,
        "machine": {
            "vendor": machine.vendor,
            "model": machine.model,
            "serial": machine.serial,
            "uuid": machine.uuid,
            "asset_tag": machine.asset_tag,
        },
        "user": USER,
        "port": SSH,
        "key": str(ground.state_dir / "ssh" / "id_ed25519"),
        "known_hosts": str(ground.state_dir / "ssh" / "known_hosts"),
        "fingerprint": fingerprint(keys[0]) if keys else None,
    }


def fingerprint(public: str) -> str:
    """A host key's fingerprint as ssh shows it."""
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def known_as(row: Mapping[str, Any]) -> str:
    """A host's name in known_hosts."""
    return str(row["address"]) if row["port"] == SSH else f"[{row['address']}]:{row['port']}"


def write_ssh_files(state_dir: Path, rows: Sequence[Mapping[str, Any]], keys: Mapping[str, Sequence[str]]) -> None:
    """known_hosts with the keys the hosts really have, options for Ansible, and a config for a person (ssh -F)."""
    directory = state_dir / "ssh"
    lines = [f"{known_as(row)} {key}" for row in rows for key in keys.get(row["name"], ())]
    paths.write_private(directory / "known_hosts", "".join(f"{line}\n" for line in lines))
    options = [
        f'UserKnownHostsFile "{directory / "known_hosts"}"',
        "GlobalKnownHostsFile /dev/null",
        "StrictHostKeyChecking yes",
        "ConnectTimeout 5",
    ]
    paths.write_private(directory / "options", "".join(f"{line}\n" for line in options))
    config = []
    for row in rows:
        config += [f"Host {row['name']}", f"  HostName {row['address']}", f"  Port {row['port']}", f"  User {USER}"]
    config += ["Host *", f'  IdentityFile "{directory / "id_ed25519"}"', "  IdentitiesOnly yes"]
    config += [f"  {option}" for option in options]
    paths.write_private(directory / "config", "".join(f"{line}\n" for line in config))
