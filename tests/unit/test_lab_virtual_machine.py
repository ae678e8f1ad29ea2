"""What the lab decides about its virtual machine before any runs: its disk's layout, and what QEMU is told."""

from __future__ import annotations

import platform
import re
import subprocess
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import hosts, packages, virtual_disk, virtual_machine
from lab.virtual_disk import ESP_START, MIB, ROOT_START, SECTOR, SIZE
from lab.virtual_machine import VirtualMachine


def test_partitions_lie_side_by_side_and_leave_room_for_the_second_table() -> None:
    rows = re.findall(r"start=(\d+), size=(\d+)", virtual_disk.table())
    (esp, esp_size), (root, root_size) = [(int(start) * SECTOR, int(size) * SECTOR) for start, size in rows]

    assert (esp, root) == (ESP_START, ROOT_START)
    assert esp + esp_size == root
    assert root + root_size == SIZE - MIB
    assert all(number % MIB == 0 for number in (esp, esp_size, root, root_size))


def test_another_recipe_is_another_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    before = virtual_disk.path()

    assert virtual_disk.path() == before
    monkeypatch.setattr(virtual_disk, "SCRIPT", "true")
    assert virtual_disk.path() != before


def test_a_program_that_fails_is_named_with_its_last_word() -> None:
    with pytest.raises(MspError) as failed:
        virtual_disk.run(["sh", "-c", "echo first >&2; echo no room >&2; exit 3"])

    assert (failed.value.code, failed.value.found) == ("MSP-LAB-036", "exit status 3: no room")


def test_its_network_is_closed_but_for_one_port_of_loopback() -> None:
    (network,) = [one for one in virtual_machine.arguments(Path("/lab/machine"), 2222) if one.startswith("user,")]

    assert "restrict=on" in network.split(",")
    assert re.findall(r"hostfwd=([^,]*)", network) == ["tcp:127.0.0.1:2222-:22"]


def test_where_a_program_is_missing_the_reason_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    missing = packages.missing
    found = {virtual_machine.PROGRAM: None}
    monkeypatch.setattr(packages, "missing", lambda wanted: missing(wanted, lambda one: found.get(one, "/usr/bin/x")))

    assert virtual_machine.available() == (
        "The virtual machine needs qemu-system-x86: apt-get install qemu-system-x86."
    )


def test_on_another_processor_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    assert virtual_machine.available() == "The virtual machine is an amd64 one, and this is aarch64."


def test_one_that_was_not_finished_is_none(tmp_path: Path) -> None:
    (tmp_path / "machine").mkdir()

    assert virtual_machine.known(tmp_path) is None
    (tmp_path / "machine" / "port").write_text("40022\n")
    assert virtual_machine.known(tmp_path) == VirtualMachine(tmp_path / "machine", tmp_path, 40022)


def test_ssh_knows_a_host_at_another_port_by_both() -> None:
    assert hosts.known_as({"address": "10.203.0.10", "port": 22}) == "10.203.0.10"
    assert hosts.known_as({"address": "127.0.0.1", "port": 40022}) == "[127.0.0.1]:40022"


def test_one_that_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_machine, "available", lambda: "There is no QEMU.")

    with pytest.raises(MspError) as refused:
        virtual_machine.up("never-there", silent)

    assert (refused.value.code, refused.value.found) == ("MSP-LAB-037", "There is no QEMU.")


def silent(title: str) -> AbstractContextManager[None]:
    return nullcontext()


def test_a_command_that_fails_is_named_with_the_way_to_look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answer = subprocess.CompletedProcess("", 4, "", "first\nnot there\n")
    monkeypatch.setattr(VirtualMachine, "_ssh", lambda *_arguments: answer)

    with pytest.raises(MspError) as failed:
        VirtualMachine(tmp_path, tmp_path, 40022).on("cat", "/nowhere")

    assert (failed.value.code, failed.value.found) == ("MSP-LAB-038", "exit status 4: not there")
    assert f"ssh -F {tmp_path / 'ssh' / 'config'}" in failed.value.action


def test_what_debugfs_could_not_write_is_an_error_though_it_ends_well(tmp_path: Path) -> None:
    if packages.find("debugfs") is None:
        pytest.skip("there is no debugfs")
    disk = tmp_path / "disk"
    disk.write_bytes(b"no file system")

    with pytest.raises(MspError) as failed:
        virtual_disk.put(disk, {"/etc/hostname": tmp_path / "nowhere"})

    assert failed.value.code == "MSP-LAB-036"
