# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is read once for many probes, and directories of which the stronger wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import (
    Absent,
    Reader,
    Unmeasurable,
    joined,
    layered,
)
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import called, made_reader


def test_what_was_read_is_not_read_again(tmp_path: Path) -> None:
    reads: list[str] = []

    def read(_reader: Reader, name: str) -> str:
        reads.append(name)
        return name.upper()

    reader = made_reader(tmp_path, {})

    assert [reader.once(read, "a"), reader.once(read, "b"), reader.once(read, "a")] == ["A", "B", "A"]
    assert reads == ["a", "b"]


def test_what_failed_once_is_not_tried_again_and_says_the_same(tmp_path: Path) -> None:
    reads = []

    def read(_reader: Reader) -> str:
        reads.append(1)
        raise Unmeasurable("it hangs")

    reader = made_reader(tmp_path, {})
    for _time in range(2):
        with pytest.raises(Unmeasurable, match="it hangs"):
            reader.once(read)

    assert len(reads) == 1


def test_a_note_of_a_collector_is_a_reason_and_leaves_no_trace(tmp_path: Path) -> None:
    def collect(host: Host) -> str:
        host.unknown("packages", "the database is locked")
        return ""

    reader = made_reader(tmp_path, {})
    with pytest.raises(Unmeasurable, match="the database is locked"):
        reader.noted("packages", collect)

    assert reader.noted("disks", collect) == ""
    assert reader.host.notes == set()


def test_a_program_that_is_not_there_is_told_from_one_that_fails(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, {}, {"nft": "echo 'Operation not permitted' >&2; exit 1"})

    with pytest.raises(Absent, match="sshd is not on this host"):
        reader.answer("sshd", "-T")
    with pytest.raises(Unmeasurable, match="nft ended with status 1: Operation not permitted"):
        reader.answer("nft", "list")
    assert called(tmp_path) == ["nft list"]


def test_of_two_files_of_one_name_the_stronger_counts_and_names_give_the_order(tmp_path: Path) -> None:
    reader = made_reader(
        tmp_path,
        {
            "/usr/lib/x.d/10-a.conf": "",
            "/usr/lib/x.d/30-c.conf": "",
            "/etc/x.d/10-a.conf": "",
            "/etc/x.d/20-b.conf": "",
        },
    )
    (tmp_path / "etc/x.d/40-not.txt").write_text("")

    assert layered(reader.host, ("/etc/x.d", "/run/x.d", "/usr/lib/x.d"), ".conf") == [
        "/etc/x.d/10-a.conf",
        "/etc/x.d/20-b.conf",
        "/usr/lib/x.d/30-c.conf",
    ]


def test_a_backslash_takes_the_next_line_along() -> None:
    assert joined("install a \\\n/bin/false\nblacklist b") == ["install a  /bin/false", "blacklist b"]
