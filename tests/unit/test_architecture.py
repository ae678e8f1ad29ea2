"""docs/architecture.md is true: every room is in it, and every room it names exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text()
COLLECTION = ROOT / "collections" / "ansible_collections" / "msp" / "ops"


def tracked_folders(start: Path) -> set[str]:
    listed = subprocess.run(["git", "ls-files", "."], cwd=start, capture_output=True, text=True, check=True)
    return {line.split("/")[0] for line in listed.stdout.splitlines() if "/" in line}


def named() -> set[str]:
    firsts = re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE)
    return {room.rstrip("/") for first in firsts for room in re.findall(r"`([^`]+)`", first)}


def test_every_folder_at_the_top_is_a_room() -> None:
    assert tracked_folders(ROOT) - named() - {".ci", "collections", "docs"} == set()


def test_every_folder_of_plugins_is_a_room() -> None:
    rooms = {f"plugins/{folder}" for folder in tracked_folders(COLLECTION / "plugins")}
    assert rooms - named() - {"plugins/plugin_utils", "plugins/doc_fragments"} == set()


def test_every_package_of_the_controller_is_a_room() -> None:
    packages = {f"plugins/plugin_utils/{folder}" for folder in tracked_folders(COLLECTION / "plugins" / "plugin_utils")}
    assert packages - named() == set()


def test_every_room_exists() -> None:
    missing = [room for room in named() if not (ROOT / room).exists() and not (COLLECTION / room).exists()]
    assert missing == []
