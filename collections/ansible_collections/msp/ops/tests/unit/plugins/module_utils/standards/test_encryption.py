# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a host's disks is encrypted, by headers that the real cryptsetup made and a made tree of sysfs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.encryption import header
from ansible_collections.msp.ops.plugins.module_utils.encryption.header import PROVEN, Recovery
from ansible_collections.msp.ops.plugins.module_utils.standards import encryption
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader, Unmeasurable

pytestmark = pytest.mark.skipif(shutil.which("cryptsetup") is None, reason="needs cryptsetup-bin")
QUICK = ("--pbkdf", "argon2id", "--pbkdf-memory", "64", "--pbkdf-force-iterations", "4")
VERSION = "20261101T000000.000000Z-00000000"
DAY = 20758 + 10  # ten days after the first of November 2026, in days since 1970
VOLUMES = {"data": {"device": "/dev/disk/by-id/virtio-data", "mount": "/srv/data"}}
ROOT = "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n"


def cryptsetup(*words: str, key: str = "") -> str:
    return subprocess.run(["cryptsetup", *words], input=key, capture_output=True, text=True, check=True).stdout


class Machine:
    """vda1 is the root, vdb a disk for data; encrypted ones are open as dm-0 and dm-1."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, number in {"vda": "254:0", "vda1": "254:1", "vdb": "254:16"}.items():
            self.write(f"sys/class/block/{name}/dev", number)
            self.link(f"sys/dev/block/{number}", f"../../class/block/{name}")
        self.write("sys/class/block/vda/vda1/partition", "1")
        self.write("proc/self/mountinfo", ROOT)
        self.write("proc/swaps", "Filename Type Size Used Priority\n")
        self.link("dev/disk/by-id/virtio-data", "../../vdb")
        with (root / "dev/vdb").open("wb") as stream:
            stream.truncate(20 * 1024 * 1024)

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text, encoding="ascii")

    def link(self, name: str, target: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).symlink_to(target)

    def encrypt(self, disk: str = "vdb", *, ours: bool = True) -> None:
        path = str(self.root / "dev" / disk)
        cryptsetup("luksFormat", "-q", *QUICK, "--luks2-keyslots-size", "2097152", "--key-file", "-", path, key="k")
        self.write("run/udev/data/b254:16", "E:ID_FS_TYPE=crypto_LUKS\n")
        if ours:
            salt = header.read(cryptsetup("luksDump", path), cryptsetup("luksDump", "--dump-json-metadata", path))
            one = Recovery(31, VERSION, 0, PROVEN, salt.slots[0].salt)
            cryptsetup("token", "import", "--token-id", "31", path, key=header.recovery_token(one))

    def open(self, disk: str, name: str, number: str, mapped: str) -> None:
        self.write(f"sys/class/block/{disk}/holders/{mapped}", "")
        self.write(f"sys/class/block/{mapped}/slaves/{disk}", "")
        self.write(f"sys/class/block/{mapped}/dm/uuid", f"CRYPT-LUKS2-836faf7c-{name}")
        self.write(f"sys/class/block/{mapped}/dm/name", name)
        self.write(f"sys/class/block/{mapped}/dev", number)
        self.link(f"sys/dev/block/{number}", f"../../class/block/{mapped}")

    @property
    def reader(self) -> Reader:
        return Reader(Host(str(self.root)), DAY)

    def whole(self) -> dict[str, Any]:
        return encryption.whole(self.reader)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_without_anything_encrypted_says_so(machine: Machine) -> None:
    found = machine.whole()

    assert (found["root"], found["swap"], found["strays"], found["managed"]) == (False, [], [], [])


def test_a_root_on_an_open_volume_is_encrypted_and_a_swap_file_on_it_too(machine: Machine) -> None:
    machine.encrypt(ours=False)
    machine.open("vdb", "root", "253:0", "dm-0")
    machine.write("proc/self/mountinfo", "21 1 253:0 / / rw - ext4 /dev/mapper/root rw\n")
    machine.write("proc/swaps", "Filename Type Size Used Priority\n/dev/vda1 partition 1 0 -2\n/dev/zram0 x 1 0 -2\n")

    found = machine.whole()

    assert (found["root"], found["swap"]) == (True, ["/dev/vda1"])
    assert found["strays"] == ["root: slot 0"]


def test_the_age_of_a_recovery_key_is_that_of_its_version(machine: Machine) -> None:
    machine.encrypt()

    found = machine.whole()

    assert (found["managed"], found["recovery_days"], found["strays"]) == (["vdb"], 10, [])
    # Without a key of the host's own no machine can renew it.
    assert found["within_reach"] == {"recovery_days": 0} and found["out_of_reach"] == {"recovery_days": ["vdb"]}


def test_a_header_that_cannot_be_read_is_no_good_news(machine: Machine) -> None:
    machine.write("run/udev/data/b254:16", "E:ID_FS_TYPE=crypto_LUKS\n")

    with pytest.raises(Unmeasurable, match="vdb"):
        machine.whole()


def test_a_blank_disk_is_a_machines_to_encrypt_and_one_with_data_is_not(machine: Machine) -> None:
    found = encryption.volumes(machine.reader, VOLUMES)
    assert (found["wrong"], found["out_of_reach"]["wrong"]) == (["data: not encrypted"], [])
    assert found["within_reach"]["wrong"] == found["wrong"]

    subprocess.run(["mke2fs", "-q", "-t", "ext4", str(machine.root / "dev/vdb")], check=True)
    found = encryption.volumes(machine.reader, VOLUMES)
    assert found["within_reach"]["wrong"] == []
    (reason,) = found["out_of_reach"]["wrong"]
    assert reason.startswith("data: MSP-ENC-003: ext4, which is known as ")


def test_a_disk_that_is_gone_is_wrong(machine: Machine) -> None:
    (machine.root / "dev/disk/by-id/virtio-data").unlink()

    found = encryption.volumes(machine.reader, VOLUMES)

    assert found["wrong"] == ["data: its disk is not there"] and "MSP-ENC-002" in found["out_of_reach"]["wrong"][0]


def test_whatever_of_an_open_volume_is_not_right_is_told(machine: Machine) -> None:
    machine.encrypt()
    machine.open("vdb", "data", "253:0", "dm-0")
    machine.write("dev/mapper/data", "")

    wrong = encryption.volumes(machine.reader, VOLUMES)["wrong"]

    assert wrong == [
        "data: key slot 0 not with argon2id and its memory",
        "data: no key on the host that opens it",
        "data: not mounted on /srv/data",
        "data: not in /etc/crypttab as it has to be",
        "data: not in /etc/fstab as it has to be",
    ]


def test_a_volume_under_another_name_and_a_mount_point_that_is_taken_are_left_to_a_person(machine: Machine) -> None:
    machine.encrypt()
    machine.open("vdb", "old", "253:0", "dm-0")
    machine.write("proc/self/mountinfo", ROOT + "22 21 253:0 / /srv/data rw - ext4 /dev/mapper/old rw\n")
    found = encryption.volumes(machine.reader, VOLUMES)
    assert "MSP-ENC-004: open as old" in found["out_of_reach"]["wrong"][0]

    machine.write("proc/self/mountinfo", ROOT + "22 21 254:1 / /srv/data rw - ext4 /dev/vda1 rw\n")
    found = encryption.volumes(machine.reader, VOLUMES)
    assert "something else is mounted on /srv/data" in found["out_of_reach"]["wrong"][0]
