"""Whatever is installed is what was locked: every entry has its hash, and every installer refuses what has another."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import environments

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKS = {
    "requirements.lock": "requirements.in",
    "lab/requirements-netbox.lock": "lab/requirements-netbox.in",
    "lab/requirements-events.lock": "lab/requirements-events.in",
}
OTHER = "0" * 64
REAL_UV = Path(sys.executable).parent / "uv"


def entries(lock: Path) -> dict[str, str]:
    """By its first line each entry of a lock file: the line, and those that go on from it."""
    text = "\n".join(line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#"))
    blocks = re.split(r"\n(?=\S)", text.strip())
    return {block.splitlines()[0]: block for block in blocks}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_is_one_version_with_the_hashes_of_its_files(lock: str) -> None:
    found = entries(ROOT / lock)

    assert len(found) > 20
    for first, block in found.items():
        assert re.match(r"[a-z0-9][a-z0-9.-]*==\S+", first), first
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", block), first


@pytest.mark.parametrize("lock", LOCKS)
def test_whatever_is_asked_for_is_locked(lock: str) -> None:
    def plain(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    lines = (ROOT / LOCKS[lock]).read_text().splitlines()
    asked = {plain(found[0]) for line in lines if (found := re.match(r"[A-Za-z0-9._-]+", line))}
    locked = {plain(first.partition("==")[0]) for first in entries(ROOT / lock)}

    assert asked - locked == set()


def wheel(folder: Path, name: str, program: str = "") -> str:
    """A wheel made here, with a program if one is given; its SHA-256."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": b"",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if program:
        files[f"{name}-1.0.data/scripts/{name}"] = program.encode()
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for path, data in files.items()
    )
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, data in files.items():
            member = zipfile.ZipInfo(inside)
            member.external_attr = 0o100755 << 16
            archive.writestr(member, data)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def locked(**hashes: str) -> str:
    """A lock file; an empty hash is none."""
    return "".join(
        f"{name}==1.0 \\\n    --hash=sha256:{found}\n" if found else f"{name}==1.0\n" for name, found in hashes.items()
    )


@pytest.mark.thorough
@pytest.mark.parametrize(("changed", "hash_of_it"), [("uv", ""), ("made", OTHER), ("made", ""), ("", "")])
def test_the_entry_point_installs_nothing_whose_hash_is_another_or_missing(
    changed: str, hash_of_it: str, tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels"
    hashes = {"uv": wheel(wheels, "uv", f'#!/bin/sh\nexec {REAL_UV} "$@"\n'), "made": wheel(wheels, "made")}
    if changed:
        hashes[changed] = hash_of_it
    shutil.copy(ROOT / "msp", tmp_path / "msp")
    (tmp_path / "requirements.lock").write_text(locked(**hashes))
    environment = {
        **os.environ,
        **{"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(wheels)},
        "UV_CACHE_DIR": str(tmp_path / "cache"),
    }

    done = subprocess.run(
        ["sh", str(tmp_path / "msp"), "help"], env=environment, capture_output=True, text=True, check=False
    )

    installed = [path.name for path in (tmp_path / ".venv").glob("lib/*/site-packages/*.py")]
    assert done.returncode != 0  # there is no msp_cli here to hand over to
    assert (tmp_path / ".venv" / ".stamp").exists() is not bool(changed)
    assert ("made.py" in installed) is not bool(changed)
    assert not changed or "hash" in done.stderr.lower()


@pytest.mark.thorough
def test_the_lab_installs_nothing_whose_hash_is_another_or_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = wheel(tmp_path / "wheels", "made")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    lock = tmp_path / "made.lock"

    lock.write_text(locked(made=OTHER))
    with pytest.raises(MspError, match=r"(?s)MSP-LAB-007.*Hash mismatch"):
        environments._install(tmp_path / "environment", lock)

    lock.write_text(locked(made=""))
    with pytest.raises(MspError, match=r"(?s)MSP-LAB-007.*must have a hash"):
        environments._install(tmp_path / "environment", lock)

    lock.write_text(locked(made=good))
    environments._install(tmp_path / "environment", lock)
    assert list((tmp_path / "environment").glob("lib/*/site-packages/made.py"))
