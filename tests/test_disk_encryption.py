"""A volume for data on a machine with a real device mapper: encrypted, in escrow, through a start and a power cut.

One story on the lab's virtual machine and its second disk: each test goes on where the one before ended. Every run
is a real ansible-playbook over ssh; that a key opens the volume is asked of cryptsetup itself. Crashes at every other
step: tests of plugin_utils/encryption, on a disk that is a file.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrage
import pytest

from ansible_collections.msp.ops.plugins.module_utils.encryption import tables
from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import Volume
from ansible_collections.msp.ops.plugins.plugin_utils.desk import escrowing
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import DISK, Place
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from lab import image
from lab.virtual_machine import ADDRESS, DATA, VirtualMachine

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
SLUG, ASSET = "bakkerij-jansen", "virtual-machine:1"
VM = f"vm01.{SLUG}"
PLACE = Place(SLUG, ASSET, DISK, "data")
NOORA = pyrage.x25519.Identity.generate()
DEVICE, MOUNT = f"/dev/disk/by-id/virtio-{DATA}", "/srv/data"
# argon2id is slow without KVM.
VOLUME = {"device": DEVICE, "mount": MOUNT, "memory": "16384", "time": "100"}
VOLUME_KEY = "/etc/cryptsetup-keys.d/data.key"
CONTROLS = ("encryption-volumes", "encryption-recovery", "encryption-slots", "encryption-swap", "encryption-root")
WAIVER = {
    "reason": "The machine stands behind a locked door",
    "owner": "A. de Vries",
    "expires": "2199-12-31",
    "agreed": {"by": "M. Jansen", "on": "2026-11-03", "reference": "mail of 3 November"},
}
# What nobody must see anywhere.
WRITTEN = "the bakery's books"
# At the very moment when a key that is in a slot is tried, the machine is as if its power went. The brackets keep the
# shell that waits from finding its own command line.
POWER_CUT = """
echo 1 >/proc/sys/kernel/sysrq
setsid sh -c 'until pgrep -f "test-passphrase [-]-key-slot" >/dev/null; do :; done; echo b >/proc/sysrq-trigger' \
    >/dev/null 2>&1 </dev/null &
"""
CLEAN = f"""
swapoff -a; rm -f /swap
umount {MOUNT}; cryptsetup close data
rm -f /etc/crypttab /etc/cryptsetup-keys.d/data.key; sed -i '/mapper/d' /etc/fstab
systemctl daemon-reload; wipefs -aq {DEVICE}
"""


@dataclass
class Bed:
    """The machine, and a controller with an escrow and a store of its own."""

    machine: VirtualMachine
    place: Path
    runs: list[str] = field(default_factory=list)
    # What lay on the disk in the beginning, as the error names it.
    known_as: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return {
            "MSP_ESCROW": str(self.place / "escrow"),
            "MSP_ESCROW_RECIPIENTS": str(self.place / "recipients"),
            "MSP_STORE_URL": f"sqlite:///{self.place / 'evidence.db'}",
            "MSP_DURABLE_PATHS": str(self.place),
            "XDG_STATE_HOME": str(self.place / "state"),
            "MSP_WHO": "tests",
        }

    def play(
        self,
        tasks: Sequence[Mapping[str, Any]],
        volume: Mapping[str, str],
        waived: Sequence[str] = (),
        more: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[str]:
        """One run of ansible-playbook; each task registers what it is named after."""
        place = self.place / f"run{len(self.runs)}"
        place.mkdir()
        directory = self.machine.place / "ssh"
        standard = {
            "name": "disks",
            "parameters": {"encryption-volumes": {"volumes": {"data": dict(volume)}}},
            "waivers": dict.fromkeys(waived, WAIVER),
        }
        own = {"version": "1", "title": {"en": "Disks", "nl": "Schijven"}, "class": "linux-server"}
        host = {
            "ansible_host": ADDRESS,
            "ansible_port": self.machine.port,
            "ansible_user": image.USER,
            "ansible_ssh_private_key_file": str(directory / "id_ed25519"),
            "ansible_ssh_common_args": f"-F {directory / 'options'}",
            "ansible_python_interpreter": "/usr/bin/python3",
            "msp": {
                "customer": SLUG,
                "timezone": "Europe/Amsterdam",
                "asset": {"key": ASSET},
                "standard": standard,
                "standards_own": {"disks": {**own, "controls": {name: {} for name in CONTROLS}}},
            },
        }
        keep = {
            "ansible.builtin.copy": {
                "content": "{{ {'before': before | default({}), 'after': after | default({}), 'did': did | default({})}"
                " | to_json }}",
                "dest": f"{place}/said.json",
                "mode": "0600",
            },
            "delegate_to": "localhost",
            "become": False,
            "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        }
        play = [{"hosts": "all", "gather_facts": False, "become": True, "tasks": [*tasks, keep]}]
        (place / "inventory.yml").write_text(json.dumps({"all": {"hosts": {VM: host}}}), encoding="utf-8")
        (place / "play.yml").write_text(json.dumps(play), encoding="utf-8")
        done = subprocess.run(
            ["ansible-playbook", "-vvv", "-i", str(place / "inventory.yml"), str(place / "play.yml"), *more],
            env={
                **os.environ,
                **self.environment,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
                "ANSIBLE_TIMEOUT": "60",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(place / "c"),
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        self.runs.append(done.stdout + done.stderr)
        return done

    def said(self, *asked: Any, **more: Any) -> dict[str, Any]:
        """The same, which has to end well; what its tasks registered."""
        done = self.play(*asked, **more)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return dict(json.loads((self.place / f"run{len(self.runs) - 1}" / "said.json").read_text(encoding="utf-8")))

    def fetched(self) -> dict[str, str]:
        """What a person is given who asks the escrow, by version."""
        with escrowing.at_hand(SLUG, self.environment, who="noora") as escrow:
            found = escrow.fetch(PLACE, [NOORA], why="the machine does not start", ticket="T-1")
            return {one.version: one.value for one in found.every}

    def opens(self, key: str) -> bool:
        """Whether the machine's own cryptsetup opens the disk with it."""
        opened = f"cryptsetup open --test-passphrase --key-file - {DEVICE} && echo opened || true"
        return self.machine.on("sh", "-c", opened, stdin=key).strip() == "opened"

    def slots(self) -> int:
        return int(self.machine.sh(f"cryptsetup luksDump {DEVICE} | grep -c ': luks2$'"))

    def data(self) -> str:
        """What is at the mount point, and what is mounted there."""
        return self.machine.sh(f"findmnt -no SOURCE {MOUNT}; cat {MOUNT}/books")


MEASURE = {"msp.ops.standard_scan": {"phase": "before"}, "register": "before"}
ENFORCE = {
    "ansible.builtin.include_role": {"name": "msp_disk_encryption"},
    "vars": {
        "msp_disk_encryption_enforce": "{{ before.enforce.msp_disk_encryption }}",
        "msp_disk_encryption_parameters": "{{ before.parameters.msp_disk_encryption }}",
    },
    "when": "before.enforce | length > 0",
}
AGAIN = {
    "msp.ops.standard_scan": {"phase": "after", "before": "{{ before.drift }}"},
    "register": "after",
    "when": "before.enforce | length > 0",
}
WHOLE = (MEASURE, ENFORCE, AGAIN)


def directly(volume: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Without a measurement before it."""
    asked = {"volumes": {"data": dict(volume)}, "days": 365, **more}
    return {"msp.ops.disk_encryption": asked, "register": "did"}


def drifts(said: Mapping[str, Any]) -> dict[str, str]:
    """What was found of each control that does not hold."""
    return {row["control"]: f"{row['found']} {row['reason']}" for row in said["drift"]}


@pytest.fixture(scope="module")
def bed(virtual_machine: VirtualMachine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    place = tmp_path_factory.mktemp("disks")
    (place / "recipients").mkdir()
    (place / "recipients" / f"{SLUG}.txt").write_text(f"{NOORA.to_public()}\n", encoding="ascii")
    found = Bed(virtual_machine, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSP_DURABLE_PATHS", str(place))
        Store.open(found.environment["MSP_STORE_URL"], upgrade=True).close()
        try:
            yield found
        finally:
            virtual_machine.sh(f"{CLEAN}true")


def test_a_disk_with_data_is_drift_that_a_person_decides_on_and_nothing_is_done_to_it(bed: Bed) -> None:
    bed.machine.sh(f"mkfs.ext4 -q {DEVICE}")
    before = bed.machine.sh(f"head -c 4M {DEVICE} | sha256sum")

    done = bed.said((MEASURE, {**directly(VOLUME), "ignore_errors": True}), VOLUME)

    assert "MSP-ENC-003: ext4" in drifts(done["before"])["encryption-volumes"]
    assert "encryption-volumes" in done["before"]["left"] and done["before"]["enforce"] == {}
    assert (done["did"]["failed"], done["did"]["error"]["code"]) == (True, "MSP-ENC-003")
    bed.known_as = str(done["did"]["error"]["found"]).split()[-1]
    assert bed.machine.sh(f"head -c 4M {DEVICE} | sha256sum") == before and not (bed.place / "escrow" / SLUG).exists()


def test_it_is_encrypted_mounted_and_opened_by_what_lies_in_escrow(bed: Bed) -> None:
    """With the backup named of what lies there; a check says first what would be lost."""
    backup = {**VOLUME, "backup": f"{bed.known_as} restic, snapshot 4bba301e"}
    check = {**directly(backup), "check_mode": True, "diff": True}

    said = bed.said((MEASURE, check, ENFORCE, AGAIN), backup, waived=("encryption-root",))

    assert (said["did"]["changed"], said["did"]["lost"]) == (True, {"data": ["ext4"]})
    assert "data: everything on the disk is lost: ext4" in said["did"]["diff"]["after"]
    assert said["before"]["enforce"] == {"msp_disk_encryption": ["encryption-volumes"]}
    assert "encryption-volumes" in said["after"]["fixed"]
    assert drifts(said["after"]) == {}
    assert said["after"]["counts"] == {"fixed": 1, "compliant": 3, "waived": 1}
    bed.machine.sh(f'printf %s "{WRITTEN}" >{MOUNT}/books; sync')
    assert bed.data() == f"/dev/mapper/data\n{WRITTEN}"
    assert bed.machine.sh("cryptsetup status data | sed -n 's/ *type: *//p'") == "LUKS2"
    ((_version, key),) = bed.fetched().items()
    assert bed.opens(key) and not bed.opens(key + "x") and bed.slots() == 2
    # What is on the disk itself says nothing of it.
    assert bed.machine.sh(f"grep -c books {DEVICE} || true") == "0"


def test_the_power_fails_while_a_key_that_somebody_was_given_is_renewed(bed: Bed) -> None:
    """The machine starts, and its data is there; a disk that is gone does not keep it from that."""
    ((old, key),) = bed.fetched().items()
    gone = Volume("gone", DEVICE, "/srv/gone")
    rows = (tables.crypttab_line(gone, "00000000-0000-4000-8000-000000000000").text, tables.fstab_line(gone).text)
    quick = [row.replace(f"timeout={tables.SECONDS}s", "timeout=3s") for row in rows]
    bed.machine.sh(f"echo '{quick[0]}' >>/etc/crypttab; echo '{quick[1]}' >>/etc/fstab; sync")
    boot = bed.machine.sh("cat /proc/sys/kernel/random/boot_id")
    bed.machine.sh(POWER_CUT)

    assert bed.play((directly(VOLUME),), VOLUME).returncode != 0
    bed.machine.wait_until_booted()

    assert bed.machine.sh("cat /proc/sys/kernel/random/boot_id") != boot
    assert bed.data() == f"/dev/mapper/data\n{WRITTEN}"
    # The new one is in its slot, and nobody has seen yet that it opens anything.
    assert bed.slots() == 3
    fetched = bed.fetched()
    assert len(fetched) == 2 and fetched[old] == key and bed.opens(key)


def test_the_next_run_puts_that_right_and_the_one_after_it_changes_nothing(bed: Bed) -> None:
    before = bed.fetched()
    bed.machine.sh("sed -i /gone/d /etc/crypttab /etc/fstab; systemctl daemon-reload; systemctl reset-failed")

    said = bed.said((directly(VOLUME), {**directly(VOLUME), "register": "after"}, MEASURE), VOLUME)

    assert [step.partition(",")[0] for step in said["did"]["steps"]["data"]] == [
        "take out the recovery keys that are not in force",
        "keep a new recovery key in the escrow",
        "note that the recovery key is in force",
        "take out the recovery keys that are not in force",
    ]
    assert (said["after"]["changed"], said["after"]["steps"]) == (False, {})
    assert "encryption-volumes" not in drifts(said["before"]) and said["before"]["enforce"] == {}
    assert bed.slots() == 2 and not [key for key in before.values() if bed.opens(key)]
    with escrowing.at_hand(SLUG, bed.environment) as escrow:
        current = escrow.standing(PLACE).current
    assert current not in before
    assert {version: bed.opens(key) for version, key in bed.fetched().items()} == {current: True}


def test_what_is_closed_is_opened_again_and_what_a_person_has_to_put_right_is_found_and_left(bed: Bed) -> None:
    theirs = (
        f"printf theirs | cryptsetup luksAddKey -q --pbkdf pbkdf2 --iter-time 10 --key-file {VOLUME_KEY} {DEVICE} -"
    )
    bed.machine.sh(f"{theirs}; dd if=/dev/zero of=/swap bs=1M count=8 status=none; chmod 600 /swap; mkswap -q /swap")
    bed.machine.sh(f"swapon /swap; umount {MOUNT}; cryptsetup close data; sed -i /mapper/d /etc/fstab")

    # Without a word of how old a key may become none is renewed, though somebody was given this one.
    opening = {"msp.ops.disk_encryption": {"volumes": {"data": dict(VOLUME)}}, "register": "did"}
    said = bed.said((MEASURE, opening), VOLUME, waived=("encryption-swap",))

    found = drifts(said["before"])
    assert "closed" in found["encryption-volumes"] and "slot 1" in found["encryption-slots"]
    assert "encryption-root" in found
    assert sorted(said["before"]["left"]) == ["encryption-root", "encryption-slots"]
    assert said["before"]["counts"] == {"compliant": 1, "drift": 3, "waived": 1}
    assert said["did"]["steps"] == {"data": ["open and mount it, now and at every start"]}
    assert bed.data() == f"/dev/mapper/data\n{WRITTEN}" and bed.opens("theirs")


def test_no_key_is_in_what_was_said_nor_in_any_file(bed: Bed) -> None:
    keys = [key.encode() for key in bed.fetched().values()]
    told = "\n".join(bed.runs).encode()
    files = [path for path in bed.place.rglob("*") if path.is_file()]
    assert keys and len(files) > 10
    assert not [key for key in keys if key in told]
    assert not [path for path in files for key in keys if key in path.read_bytes()]
    looked = "cat >/run/key; grep -rlsF -f /run/key /var/log /var/tmp /tmp /root /home /etc /run/log; rm /run/key"
    for key in keys:
        assert bed.machine.on("sh", "-c", looked, stdin=key.decode()) == ""
