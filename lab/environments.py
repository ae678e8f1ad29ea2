"""Python environments of the lab's own, each from a hash-locked list: for what can't live beside Ansible."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import paths
from lab.locks import Progress, held


def locked_version(lock: str, package: str) -> str:
    """The version of a package in the text of a lock file."""
    found = re.search(rf"^{re.escape(package)}==(\S+)", lock, re.MULTILINE)
    if not found:
        raise ValueError(f"{package} is not in the lock file")
    return found[1]


def version(package: str, lock: Path) -> str:
    return locked_version(lock.read_text(), package)


def fingerprint(*parts: str) -> str:
    """Short name of a content: what was made from other parts gets another name."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def packages(directory: Path) -> Path:
    """Where the packages of an environment are."""
    return next((directory / "lib").glob("python3.*/site-packages"))


def locked(name: str, package: str, lock: Path, progress: Progress) -> Path:
    """The environment that a lock file describes, built when absent. A killed build is built anew.

    name is what a person calls it; package, its main one, names its directory in the cache.
    """
    text = lock.read_text()
    python = ".".join(map(str, sys.version_info[:2]))
    found = locked_version(text, package)
    directory = paths.cache() / package / f"{found}-py{python}-{fingerprint(text)}"
    done = directory / ".complete"
    if done.exists():
        return directory
    paths.make_dir(directory.parent, 0o755 if os.geteuid() == 0 else 0o700)
    title = f"{name} {found}: installing it into an environment of its own (once per lock file)"
    with held(f"{directory}.lock", title, progress):
        if not done.exists():
            with progress(title):
                _install(directory, lock)
            done.touch()
    return directory


def _install(directory: Path, lock: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    uv = [sys.executable, "-m", "uv", "--quiet"]
    python = str(directory / "bin/python")
    for command in (
        [*uv, "venv", "--python", sys.executable, str(directory)],
        [*uv, "pip", "sync", "--require-hashes", "--compile-bytecode", "--python", python, str(lock)],
    ):
        # The user of PostgreSQL must be able to read its programs, whatever mask this user has.
        done = subprocess.run(command, check=False, capture_output=True, text=True, umask=0o022)
        if done.returncode:
            raise MspError(
                "MSP-LAB-007",
                f"the packages of lab/{lock.name} to install",
                done.stderr.strip() or f"exit status {done.returncode}",
                "check that the Python package registry can be reached, then run it again",
            )
