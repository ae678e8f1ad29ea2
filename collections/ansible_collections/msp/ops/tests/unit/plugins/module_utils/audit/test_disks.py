# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Disks and encryption out of a made sysfs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit import disks
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host


class Machine:
    """Makes the files by which the kernel shows block devices."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("sys/class/block", "sys/block", "sys/dev/block", "run/udev/data", "proc/self", "dev/mapper"):
            (root / name).mkdir(parents=True)
        self.numbers: dict[str, str] = {}
        self.mounts: list[str] = []
        (root / "proc/swaps").write_text("Filename Type Size Used Priority\n")

    def device(self, name: str, on: tuple[str, ...] = (), crypt: str | None = None, of: str | None = None) -> None:
        place = self.root / "sys/class/block" / name
        (place / "slaves").mkdir(parents=True)
        (place / "holders").mkdir()
        number = f"8:{len(self.numbers)}"
        self.numbers[name] = number
        (place / "dev").write_text(number + "\n")
        (self.root / "sys/dev/block" / number).symlink_to(f"../../class/block/{name}")
        for below in on:
            (place / "slaves" / below).symlink_to(f"../../{below}")
            (self.root / "sys/class/block" / below / "holders" / name).symlink_to(f"../../{name}")
        if crypt:
            (place / "dm").mkdir()
            (place / "dm/uuid").write_text(crypt + "\n")
            (place / "dm/name").write_text(name + "_crypt\n")
            (self.root / "dev/mapper" / f"{name}_crypt").symlink_to(f"../{name}")
        if of:
            (self.root / "sys/class/block" / of / name).symlink_to(f"../{name}")

    def disk(self, name: str, sectors: int, **files: str) -> None:
        self.device(name)
        place = self.root / "sys/class/block" / name
        (place / "size").write_text(f"{sectors}\n")
        (place / "device").mkdir()
        for file, text in files.items():
            (place / "device" / file).write_text(text)
        (self.root / "sys/block" / name).symlink_to(f"../class/block/{name}")

    def mount(self, point: str, device: str | None, fstype: str = "ext4", source: str = "x") -> None:
        number = self.numbers[device] if device else "0:40"
        self.mounts.append(f"30 1 {number} / {point} rw - {fstype} {source} rw")

    def host(self) -> Host:
        (self.root / "proc/self/mountinfo").write_text("\n".join(self.mounts) + "\n")
        return Host(str(self.root))


def test_a_disk_is_told_with_size_model_and_serial(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.disk("nvme0n1", 2048, model="Example SSD 512G   ", serial="EXD00042")
    machine.disk("sda", 4096, model="None", vpd_pg80="\0\0\0\x0cEXD00043  ")
    machine.disk("sr0", 100)
    machine.disk("sdb", 0)

    found, _encryption = disks.collect(machine.host(), None)

    assert found == [
        {"name": "nvme0n1", "bytes": 1048576, "model": "Example SSD 512G", "serial": "EXD00042", "encrypted": False},
        {"name": "sda", "bytes": 2097152, "model": None, "serial": "EXD00043", "encrypted": False},
    ]


def laptop(tmp_path: Path) -> Machine:
    """Boot partition in the clear; LUKS on the other one; LVM with root and swap on it."""
    machine = Machine(tmp_path)
    machine.disk("sda", 4096)
    machine.device("sda1", of="sda")
    machine.device("sda2", of="sda")
    machine.device("dm-0", on=("sda2",), crypt="CRYPT-LUKS2-0123-root")
    machine.device("dm-1", on=("dm-0",))
    machine.device("dm-2", on=("dm-0",))
    machine.mount("/", "dm-1")
    machine.mount("/boot", "sda1")
    return machine


def test_a_root_on_a_volume_on_luks_is_encrypted(tmp_path: Path) -> None:
    machine = laptop(tmp_path)
    (tmp_path / "dev/swapvolume").symlink_to("dm-2")
    (tmp_path / "proc/swaps").write_text("Filename Type Size Used Priority\n/dev/swapvolume partition 1 0 -2\n")

    found, encryption = disks.collect(machine.host(), None)

    assert found[0]["encrypted"] is True
    assert encryption == {
        "root": True,
        "swap": True,
        "volumes": [{"name": "dm-0_crypt", "kind": "LUKS2", "on": ["sda2"], "open": True}],
        "unencrypted": [],
    }


def test_a_data_partition_in_the_clear_is_named(tmp_path: Path) -> None:
    machine = laptop(tmp_path)
    machine.device("sda3", of="sda")
    machine.mount("/srv/data\\040files", "sda3")

    _found, encryption = disks.collect(machine.host(), None)

    assert (encryption["root"], encryption["unencrypted"]) == (True, ["/srv/data files"])


def test_a_mirror_is_encrypted_only_when_both_halves_are(tmp_path: Path) -> None:
    machine = laptop(tmp_path)
    machine.disk("sdb", 4096)
    machine.device("md0", on=("dm-0", "sdb"))
    machine.mounts.clear()
    machine.mount("/", "md0")

    _found, encryption = disks.collect(machine.host(), None)

    assert encryption["root"] is False


def test_a_file_system_with_an_anonymous_number_is_found_by_its_source(tmp_path: Path) -> None:
    machine = laptop(tmp_path)
    machine.mounts.clear()
    machine.mount("/", None, "btrfs", "/dev/mapper/dm-0_crypt")

    _found, encryption = disks.collect(machine.host(), None)

    assert encryption["root"] is True


def test_a_root_that_lies_on_no_block_device_is_unknown(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.mount("/", None, "zfs", "rpool/ROOT")
    host = machine.host()

    _found, encryption = disks.collect(host, None)

    assert encryption["root"] is None
    assert ("encryption.root", "the root file system (zfs) lies on no block device") in host.notes


def test_a_closed_luks_volume_is_recognised_by_what_udev_saw(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.disk("sdc", 4096)
    (tmp_path / "run/udev/data" / f"b{machine.numbers['sdc']}").write_text("E:ID_FS_TYPE=crypto_LUKS\n")

    found, encryption = disks.collect(machine.host(), None)

    assert found[0]["encrypted"] is True
    assert encryption["volumes"] == [{"name": "sdc", "kind": "LUKS", "on": [], "open": False}]


@pytest.mark.parametrize(
    ("uuid", "kind"),
    [("CRYPT-LUKS1-x", "LUKS1"), ("CRYPT-PLAIN-x", "PLAIN"), ("LVM-abc", None), ("", None), (None, None)],
)
def test_only_dm_crypt_counts_as_encryption(uuid: str | None, kind: str | None) -> None:
    assert disks.crypt_kind(uuid) == kind


def test_a_container_has_no_disks_of_its_own(tmp_path: Path) -> None:
    machine = laptop(tmp_path)
    host = machine.host()

    found, encryption = disks.collect(host, "docker")

    assert (found, encryption["root"]) == ([], None)
    assert {what for what, _why in host.notes} == {"disks", "encryption"}
