# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host in a directory: its files, and programs that print what was recorded of real ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader


def made_reader(
    root: Path, files: Mapping[str, str], programs: Mapping[str, str] | None = None, today: int = 20000
) -> Reader:
    """programs are shell scripts by name. What they were started with is in the file called."""
    for name, text in files.items():
        place = root / name.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    for name, script in (programs or {}).items():
        place = root / "usr/sbin" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f'#!/bin/sh\necho {name} "$@" >>{root}/called\n{script}\n')
        place.chmod(0o755)
    host = Host(str(root))
    # The directory of a test is closed to the user that programs without rights run as.
    host.privileged = False
    return Reader(host, today)


def called(root: Path) -> list[str]:
    place = root / "called"
    return place.read_text().splitlines() if place.exists() else []


def printing(text: str) -> str:
    return f"cat <<'THE_END'\n{text.rstrip(chr(10))}\nTHE_END"
