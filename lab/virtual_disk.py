"""The disk of the lab's virtual machine: Debian with a kernel and a boot loader of its own, made as a file.

Made by mmdebstrap, mke2fs, sfdisk and mtools, without a loop device or a mount, since not every machine has them. It is
laid out as Debian's installer does for UEFI, with Debian's own signed GRUB. The file is made once for each recipe, and
never written to again: a machine gets a copy.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import uuid
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import image, podman
from lab.image import Progress, Recipe

RECIPE = Recipe("debian12-machine", "bookworm", "Debian 12 with a kernel and a boot loader")
SCRIPT = (Path(__file__).resolve().parent / "inside" / "machine.sh").read_text(encoding="utf-8")
ROOT_UUID = str(uuid.uuid5(uuid.NAMESPACE_DNS, "machine.lab.example.com"))

MIB = 1024 * 1024
SECTOR = 512
# The EFI system partition has the boot loader alone; the rest is the root file system, the last MiB GPT's second table.
ESP_START, ROOT_START, SIZE = 1 * MIB, 65 * MIB, 4096 * MIB
EFI_SYSTEM, LINUX = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
SIGNED_GRUB = "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
# Debian's signed GRUB reads this file beside it: where the real menu is.
STUB = f"search.fs_uuid {ROOT_UUID} root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"


def command() -> tuple[str, ...]:
    """mmdebstrap's arguments, with a directory as the target."""
    *options, suite, target, source = RECIPE.command
    return (*options, f"--customize-hook=ROOT_UUID={ROOT_UUID}\n{SCRIPT}", suite, target, source)


def table() -> str:
    """The partitions, as sfdisk reads them."""
    rows = ((ESP_START, ROOT_START - ESP_START, EFI_SYSTEM), (ROOT_START, SIZE - MIB - ROOT_START, LINUX))
    lines = [f"start={start // SECTOR}, size={size // SECTOR}, type={kind}" for start, size, kind in rows]
    return "\n".join(["label: gpt", *lines, ""])


def path() -> Path:
    """Where the disk of this recipe is, or will be."""
    layout = [command(), table(), STUB, SIZE]
    digest = hashlib.sha256(json.dumps(layout).encode()).hexdigest()[:12]
    return image.directory() / f"{RECIPE.name}-{digest}.img"


def ensure(progress: Progress) -> Path:
    """The disk; made where it is not there yet, which takes some minutes. Another who wants it meanwhile waits."""
    found = path()
    with image.locked("disk"):
        if not found.exists():
            with progress("making the virtual machine's disk from Debian's archive, once"):
                make(found)
            for older in found.parent.glob(f"{RECIPE.name}-*.img"):
                if older != found:
                    older.unlink()
    return found


def make(target: Path) -> None:
    """Make the disk; a file of that name is there only once it is whole."""
    root, stub, part = target.with_suffix(".root"), target.with_suffix(".cfg"), target.with_suffix(".part")
    shutil.rmtree(root, ignore_errors=True)
    part.unlink(missing_ok=True)
    try:
        image.bootstrap(command(), RECIPE.title, root)
        stub.write_text(STUB, encoding="ascii")
        with part.open("wb") as stream:
            stream.truncate(SIZE)
        _partition(part, root, stub)
        part.rename(target)
    finally:
        shutil.rmtree(root, ignore_errors=True)
        part.unlink(missing_ok=True)
        stub.unlink(missing_ok=True)


def _partition(disk: Path, root: Path, stub: Path) -> None:
    run(["sfdisk", "--quiet", str(disk)], stdin=table())
    esp = f"{disk}@@{ESP_START}"
    blocks = str((ROOT_START - ESP_START) // 1024)
    run(["mkfs.vfat", "-F", "32", "-s", "1", "-n", "EFI", f"--offset={ESP_START // SECTOR}", str(disk), blocks])
    run(["mmd", "-i", esp, "::/EFI", "::/EFI/BOOT", "::/EFI/debian"])
    run(["mcopy", "-i", esp, str(root / SIGNED_GRUB), "::/EFI/BOOT/BOOTX64.EFI"])
    run(["mcopy", "-i", esp, str(stub), "::/EFI/debian/grub.cfg"])
    size = f"{(SIZE - MIB - ROOT_START) // 1024}k"
    run(["mke2fs", "-q", "-F", "-t", "ext4", "-U", ROOT_UUID, "-d", str(root), "-E", _offset(), str(disk), size])


def _offset() -> str:
    return f"offset={ROOT_START}"


def put(disk: Path, files: Mapping[str, Path], private: Collection[str] = ()) -> None:
    """Write new files into the root file system of a disk that no machine runs from; private ones for root only.

    debugfs ends well whatever happened, and says on its standard error what did: its name, and nothing else is right.
    """
    lines = []
    for name, source in files.items():
        directory, _slash, base = name.rpartition("/")
        mode = 0o100600 if name in private else 0o100644
        lines += [f"cd {directory}", f"write {source} {base}", f"sif {name} mode 0{mode:o}"]
        lines += [f"sif {name} uid 0", f"sif {name} gid 0"]
    script = "".join(f"{line}\n" for line in lines)
    command = ["debugfs", "-w", "-f", "-", f"{disk}?{_offset()}"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    if wrong := [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("debugfs ")]:
        raise _failed("debugfs", done.returncode, wrong[0])


def run(command: Sequence[str], stdin: str = "") -> None:
    """Run one program of the disk's making. MSP-LAB-036 with its last word where it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise _failed(command[0], done.returncode, podman.last_line(done.stderr))


def _failed(program: str, status: int, said: str) -> MspError:
    return MspError(
        "MSP-LAB-036",
        f"{program} to do its part of the virtual machine's disk",
        f"exit status {status}: {said}",
        "see whether there is room in the cache directory; ./msp installs the programs that it takes",
    )
