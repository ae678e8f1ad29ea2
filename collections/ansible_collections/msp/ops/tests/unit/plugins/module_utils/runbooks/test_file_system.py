# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How full a file system is, as df says it; what is big and what grew; deleted files that somebody holds open."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.runbooks import disk_full, file_system
from ansible_collections.msp.ops.plugins.module_utils.runbooks.file_system import Big, Fullness, Held, Looked

MB = 1024 * 1024


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_file_system_is_full_only_when_nothing_is_left(used: int, free: int) -> None:
    found = file_system.percent(used, free)
    assert 0 <= found <= 100
    assert (found == 100) is (used * 100 > 99 * (used + free)) if used + free else found == 0


def test_it_is_as_full_as_df_says(tmp_path: Path) -> None:
    said = subprocess.run(["df", "--output=pcent", tmp_path], capture_output=True, text=True, check=True).stdout
    assert abs(file_system.fullness(str(tmp_path)).percent_used - int(said.split()[-1].rstrip("%"))) <= 1


def test_what_grew_comes_before_what_is_big_and_a_hard_link_counts_once(tmp_path: Path) -> None:
    for name, size, age in (("old/big.db", 3 * MB, 9), ("new/app.log", MB, 0)):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_bytes(os.urandom(size))
        os.utime(path, (0, time.time() - age * 86400))
    os.link(tmp_path / "old/big.db", tmp_path / "old/again.db")
    (tmp_path / "elsewhere").symlink_to("/usr")

    found = file_system.look(str(tmp_path), time.time())

    assert found.complete and found.directories[0].path == str(tmp_path / "new")
    assert [one.size >= MB for one in found.files[:2]] == [True, True] and len(found.files) == 2
    assert MB <= found.grown < 2 * MB


def test_a_deleted_file_that_is_open_is_found_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(os.urandom(MB))
    with path.open("rb"):
        path.unlink()
        found = [one for one in file_system.held(Host(), tmp_path.stat().st_dev) if one.path == str(path)]
    assert [(one.process, one.size) for one in found] == [(os.getpid(), MB)]


def test_mounts_are_read_with_their_blanks() -> None:
    text = "29 1 0:27 / /mnt/my\\040disk rw - ext4 /dev/sda rw\n30 1 0:28 / /run rw shared:5 - tmpfs tmpfs rw\n"
    assert file_system.mounts(text) == {"/mnt/my disk": "ext4", "/run": "tmpfs"}


def test_the_reason_names_what_a_person_looks_at_next() -> None:
    looked = Looked([Big("/srv/shop.db", 10**9, 0)], [Big("/srv/dumps", 4 * 10**8, 3 * 10**8)], 3 * 10**8, True)
    held = [Held(2 * 10**8, 812, "java", "app.service", "/srv/gone")]
    found = disk_full.reason("/srv", Fullness(2 * 10**9, 10**7, 99, 5, 1), 90, looked, held)
    for part in (
        "/srv is 99 % full",
        "/srv/shop.db (1.0 GB)",
        "what grew is in /srv/dumps",
        "java (process 812, app.service)",
    ):
        assert part in found


@pytest.mark.parametrize("hostile", ["/srv/\x1b[31m{{ x }}\n.db", "/srv/" + "x" * 999])
def test_a_hostile_name_stays_one_short_line(hostile: str) -> None:
    looked = Looked([Big(hostile, 1, 0)], [], 0, True)
    found = disk_full.reason("/srv", Fullness(10, 0, 100, 5, 1), 90, looked, [])
    assert found.isprintable() and len(found) < 500
