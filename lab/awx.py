"""The collection awx.awx for lint and tests: unpacked, alone, out of the ansible package that the lock file names.

Nothing of it is needed to run msp.ops, and nothing of it is kept in this repository.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import paths
from lab.locks import Progress, held

LOCK = Path(__file__).resolve().parent / "requirements-awx.lock"
INSIDE = "ansible_collections/awx/awx/"


def collections(progress: Progress) -> Path:
    """A directory for collections_path that holds awx.awx, made when absent. A killed download is made anew."""
    lock = LOCK.read_text(encoding="utf-8")
    found = paths.cache() / "awx" / hashlib.sha256(lock.encode()).hexdigest()[:12]
    if (found / ".complete").exists():
        return found
    paths.make_dir(found.parent, 0o755)
    title = "awx.awx: fetching the collection (once per lock file)"
    with held(f"{found}.lock", title, progress):
        if not (found / ".complete").exists():
            with progress(title):
                _unpack(found)
            (found / ".complete").touch()
    return found


def _unpack(directory: Path) -> None:
    scratch = directory.with_suffix(".new")
    for old in (directory, scratch):
        shutil.rmtree(old, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "--quiet", "download", "--no-deps", "--require-hashes"]
    done = subprocess.run(
        [*command, "--dest", str(scratch), "--requirement", str(LOCK)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise MspError(
            "MSP-LAB-040",
            "the package of lab/requirements-awx.lock",
            done.stderr.strip() or f"exit status {done.returncode}",
            "check that the Python package registry can be reached, then run it again",
        )
    (wheel,) = scratch.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory, [name for name in archive.namelist() if name.startswith(INSIDE)])
    shutil.rmtree(scratch)
