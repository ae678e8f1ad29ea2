"""The lab's hosts as they are: booted, different on purpose, reached over ssh with checked keys, gone afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import hosts, podman, processes
from lab.machines import MACHINES, ORDERS_PORT, PLACEHOLDER_SERIAL

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
LAB = "-".join(filter(None, ("hosts-test", os.environ.get("PYTEST_XDIST_WORKER"))))
PENDING = "apt-get --simulate dist-upgrade | grep ^Inst || true"


def silent(title: str) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if reason := hosts.available():
        pytest.skip(reason)
    path = tmp_path_factory.mktemp("hosts") / "state"
    yield path
    hosts.down(LAB, path)


@pytest.fixture(scope="module")
def running(state_dir: Path) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in hosts.up(LAB, state_dir, silent)}


Say = Callable[[str, str], str]


@pytest.fixture(scope="module")
def say(running: dict[str, dict[str, Any]], state_dir: Path) -> Say:
    """What a host answers to a shell command, over ssh with the lab's own config."""

    def ask(host: str, command: str) -> str:
        config = state_dir / "ssh" / "config"
        answer = subprocess.run(
            ["ssh", "-F", str(config), "-o", "BatchMode=yes", host, command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    return ask


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition, and fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


PRESENT = [machine.name for machine in MACHINES if machine.recipe]


@pytest.mark.parametrize("host", PRESENT)
def test_a_host_has_booted_with_no_failed_unit(say: Say, host: str) -> None:
    assert say(host, "systemctl is-system-running; systemctl --failed --no-legend --plain") == "running"


@pytest.mark.parametrize("host", PRESENT)
def test_the_user_becomes_root_without_a_password_and_root_cannot_log_in(
    say: Say, host: str, running: dict[str, dict[str, Any]], state_dir: Path
) -> None:
    assert say(host, "sudo -n id -u") == "0"

    as_root = subprocess.run(
        ["ssh", "-F", str(state_dir / "ssh" / "config"), "-o", "BatchMode=yes", "-l", "root", host, "true"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert as_root.returncode == 255
    assert "Permission denied" in as_root.stderr


@pytest.mark.parametrize(
    ("host", "release", "python"),
    [
        ("jansen-srv01", "bookworm", (3, 11)),
        ("harbour-srv01", "trixie", (3, 13)),
        ("harbour-db01", "bullseye", (3, 9)),
    ],
)
def test_hosts_are_of_three_debian_releases(say: Say, host: str, release: str, python: tuple[int, int]) -> None:
    assert say(host, ". /etc/os-release; echo $VERSION_CODENAME") == release
    assert say(host, "python3 -c 'import sys; print(*sys.version_info[:2])'") == "{} {}".format(*python)


def test_one_host_has_pending_security_updates_and_the_others_have_none(say: Say) -> None:
    pending = {host: say(host, PENDING).splitlines() for host in PRESENT}

    behind = pending.pop("jansen-ws01")
    assert any("Debian-Security" in line for line in behind)
    assert {host: lines for host, lines in pending.items() if lines} == {}


def test_one_host_calls_itself_something_else(say: Say) -> None:
    assert say("harbour-ws01", "hostname") == "reception-old"
    assert say("harbour-srv01", "hostname") == "harbour-srv01"


def test_one_host_is_in_the_contract_but_not_there(running: dict[str, dict[str, Any]]) -> None:
    absent = running["jansen-nas01"]

    assert absent["contracted"] and not absent["present"]
    assert podman.attempt("container", "exists", absent["container"]).returncode == 1


def test_a_host_that_nobody_listed_is_a_neighbour_of_one_that_is(say: Say, running: dict[str, dict[str, Any]]) -> None:
    till = running["jansen-till02"]
    assert not till["contracted"]

    until(lambda: f"{till['address']} dev eth0 lladdr {till['mac']}" in say("jansen-srv01", "ip neigh"))
    assert f":{ORDERS_PORT}" in say("jansen-srv01", "ss -Hltn")


@pytest.mark.parametrize("host", PRESENT)
def test_a_host_shows_its_made_up_machine_and_no_disk_of_the_controller(
    say: Say, host: str, running: dict[str, dict[str, Any]]
) -> None:
    machine = running[host]["machine"]

    assert say(host, "sudo cat /sys/class/dmi/id/product_serial") == machine["serial"]
    assert say(host, "sudo cat /sys/class/dmi/id/product_uuid") == machine["uuid"]
    assert say(host, "cat /sys/class/dmi/id/sys_vendor") == machine["vendor"]
    assert say(host, "ls /sys/block") == ""
    assert say(host, "cat /sys/class/net/eth0/address") == running[host]["mac"]


def test_one_machine_has_a_placeholder_for_a_serial(running: dict[str, dict[str, Any]]) -> None:
    serials = [row["machine"]["serial"] for row in running.values()]

    assert serials.count(PLACEHOLDER_SERIAL) == 1


def test_every_host_has_keys_and_a_machine_id_of_its_own(say: Say, running: dict[str, dict[str, Any]]) -> None:
    assert len({say(host, "cat /etc/machine-id") for host in PRESENT}) == len(PRESENT)
    assert len({running[host]["fingerprint"] for host in PRESENT}) == len(PRESENT)


def test_ansible_reaches_a_host_with_host_key_checking_on(
    running: dict[str, dict[str, Any]], state_dir: Path, tmp_path: Path
) -> None:
    answer = ping(running["jansen-srv01"]["address"], hosts.ssh_environment(state_dir), tmp_path)

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert json.loads(answer.stdout)["plays"][0]["tasks"][0]["hosts"]


def test_a_host_that_shows_another_key_is_refused(
    running: dict[str, dict[str, Any]], state_dir: Path, tmp_path: Path
) -> None:
    other, one = running["jansen-ws01"]["address"], running["jansen-srv01"]["address"]
    known = (state_dir / "ssh" / "known_hosts").read_text()
    swapped = tmp_path / "known_hosts"
    swapped.write_text("".join(f"{one} {line.split(' ', 1)[1]}\n" for line in known.splitlines() if other in line))
    environment = hosts.ssh_environment(state_dir)
    environment["ANSIBLE_SSH_COMMON_ARGS"] = f"-o UserKnownHostsFile={swapped} -o GlobalKnownHostsFile=/dev/null"

    answer = ping(one, environment, tmp_path)

    assert answer.returncode != 0
    assert "IDENTIFICATION HAS CHANGED" in answer.stdout + answer.stderr


def ping(address: str, environment: dict[str, str], scratch: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ansible", "-i", f"{address},", "all", "-m", "ansible.builtin.ping"],
        env={
            **os.environ,
            **environment,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(scratch),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_second_up_finds_what_runs(running: dict[str, dict[str, Any]], state_dir: Path) -> None:
    started = {row["Names"][0]: row["StartedAt"] for row in hosts.containers(LAB)}
    began = time.monotonic()

    again = hosts.up(LAB, state_dir, silent)

    assert time.monotonic() - began < 30
    assert {row["name"]: row for row in again} == running
    assert {row["Names"][0]: row["StartedAt"] for row in hosts.containers(LAB)} == started


def test_a_host_that_died_is_started_again_with_the_same_address_and_keys(
    running: dict[str, dict[str, Any]], state_dir: Path, say: Say
) -> None:
    podman.run("kill", running["harbour-db01"]["container"])
    assert {row["name"]: row["state"] for row in hosts.status(LAB, state_dir)}["harbour-db01"] != "running"

    again = {row["name"]: row for row in hosts.up(LAB, state_dir, silent)}

    assert again["harbour-db01"] == running["harbour-db01"]
    assert say("harbour-db01", "hostname") == "harbour-db01"


def test_secrets_are_readable_by_their_owner_only(running: dict[str, dict[str, Any]], state_dir: Path) -> None:
    for path in (state_dir, state_dir / "ssh"):
        assert path.stat().st_mode & 0o077 == 0
    assert (state_dir / "ssh" / "id_ed25519").stat().st_mode & 0o777 == 0o600


def test_customers_and_labs_have_networks_of_their_own_and_down_leaves_nothing(
    running: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    other = f"{LAB}-b"
    try:
        beside = {row["name"]: row for row in hosts.up(other, tmp_path / "state", silent)}

        subnets = {row["subnet"] for row in [*running.values(), *beside.values()]}
        assert len(subnets) == 4
        assert all(
            row["state"] in ("running", "absent")
            for row in hosts.status(LAB, Path(running["jansen-srv01"]["key"]).parents[1])
        )
    finally:
        hosts.down(other, tmp_path / "state")

    assert hosts.containers(other) == []
    assert hosts.networks_of(other) == []
    assert not (tmp_path / "state").exists()
    assert len(hosts.containers(LAB)) == len(PRESENT)


def test_a_newcomer_is_there_once_somebody_plugs_it_in_and_stays(
    running: dict[str, dict[str, Any]], state_dir: Path, say: Say
) -> None:
    assert "jansen-ws02" not in running

    hosts.up(LAB, state_dir, silent, also=["jansen-ws02"])

    assert say("jansen-ws02", "hostname") == "jansen-ws02"
    again = {row["name"]: row for row in hosts.up(LAB, state_dir, silent)}
    assert again.keys() - running.keys() == {"jansen-ws02"}
    assert not again["jansen-ws02"]["contracted"]
    podman.run("rm", "--force", "--time", "0", "--volumes", again["jansen-ws02"]["container"])


def test_down_works_when_nothing_is_there(tmp_path: Path) -> None:
    if reason := hosts.available():
        pytest.skip(reason)

    hosts.down(f"{LAB}-never", tmp_path / "state")

    assert hosts.status(f"{LAB}-never", tmp_path / "state") == []


def test_a_host_that_was_killed_together_with_its_monitor_is_made_anew(
    running: dict[str, dict[str, Any]], state_dir: Path, say: Say
) -> None:
    """As when a machine ends all processes of a session: podman goes on to call the host running."""
    row = next(row for row in hosts.containers(LAB) if row["Names"] == [running["harbour-db01"]["container"]])
    (monitor,) = monitors(row["Id"])
    os.kill(monitor, signal.SIGKILL)
    os.kill(row["Pid"], signal.SIGKILL)  # the host's init: all of its processes end with it
    assert processes.wait_until(lambda: processes.identify(row["Pid"]) is None, 30)
    assert {row["name"]: row["state"] for row in hosts.status(LAB, state_dir)}["harbour-db01"] == "dead"

    again = {row["name"]: row for row in hosts.up(LAB, state_dir, silent)}

    assert again["harbour-db01"]["address"] == running["harbour-db01"]["address"]
    assert say("harbour-db01", "hostname") == "harbour-db01"


def monitors(container: str) -> list[int]:
    """The processes of podman's monitor that watch this container."""
    found = []
    for pid in (int(entry.name) for entry in processes.PROC.iterdir() if entry.name.isdigit()):
        if processes.program(pid) == "conmon" and container.encode() in (
            processes.PROC / str(pid) / "cmdline"
        ).read_bytes().split(b"\0"):
            found.append(pid)
    return found
