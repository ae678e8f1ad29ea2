# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files, their rights and their lines."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import files
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader

ME, MINE = os.geteuid(), os.getegid()


def a_host(root: Path, **more: str) -> Reader:
    """A host on which the user who runs the test is called tester, of the group testers."""
    return made_reader(
        root,
        {
            "/etc/passwd": f"tester:x:{ME}:{MINE}::/:/bin/sh\nagain:x:{ME}:1::/:/bin/sh\n",
            "/etc/group": f"testers:x:{MINE}:\n",
            **{name.replace("__", "/"): text for name, text in more.items()},
        },
    )


def test_a_file_is_told_as_it_is(tmp_path: Path) -> None:
    reader = a_host(tmp_path, __etc__motd="welcome\n")
    (tmp_path / "etc/motd").chmod(0o4640)

    assert files.file(reader, "/etc/motd") == {
        "exists": True,
        "type": "file",
        "mode": "4640",
        "owner": "tester",
        "group": "testers",
        "sha256": hashlib.sha256(b"welcome\n").hexdigest(),
        "size": 8,
        "target": None,
    }


def test_a_link_is_told_as_a_link_even_to_nowhere(tmp_path: Path) -> None:
    reader = a_host(tmp_path)
    (tmp_path / "etc/localtime").symlink_to("/nowhere/UTC")

    found = files.file(reader, "/etc/localtime")

    assert (found["exists"], found["type"], found["target"], found["sha256"]) == (True, "link", "/nowhere/UTC", None)


def test_what_is_not_there_is_not_an_error(tmp_path: Path) -> None:
    reader = a_host(tmp_path)

    assert files.file(reader, "/etc/nologin")["exists"] is False
    assert files.file(reader, "/etc/passwd/below")["exists"] is False


def test_a_pipe_is_told_and_not_waited_for(tmp_path: Path) -> None:
    reader = a_host(tmp_path)
    os.mkfifo(tmp_path / "etc/pipe")

    assert files.file(reader, "/etc/pipe")["type"] == "fifo"
    assert files.file_lines(reader, ("/etc/pipe",), ".") == {"lines": [], "count": 0}


def test_rights_beyond_the_most_and_foreign_owners_are_wrong(tmp_path: Path) -> None:
    reader = a_host(tmp_path, __etc__cron_d__a="", __etc__cron_d__b="", __etc__cron_d__c="")
    for name, mode in (("a", 0o600), ("b", 0o664), ("c", 0o400)):
        (tmp_path / "etc/cron_d" / name).chmod(mode)

    assert files.file_rights(reader, ("/etc/cron_d/*", "/etc/crontab"), "0640") == {
        "wrong": ["/etc/cron_d/b 0664 tester:testers"],
        "count": 1,
        "checked": 3,
    }
    assert files.file_rights(reader, "/etc/cron_d/a", "0600", owner="tester", group=("root", "testers"))["wrong"] == []
    assert files.file_rights(reader, "/etc/cron_d/a", "0600", owner="root")["wrong"] == [
        "/etc/cron_d/a 0600 tester:testers"
    ]
    assert files.file_rights(reader, "/etc/cron_d/a", "0600", group=("root", "adm"))["count"] == 1


def test_a_link_in_the_place_of_a_named_file_is_wrong_and_among_others_is_judged_by_its_owner(tmp_path: Path) -> None:
    reader = a_host(tmp_path, __etc__x__a="")
    (tmp_path / "etc/x/a").chmod(0o600)
    (tmp_path / "etc/x/link").symlink_to("/tmp/theirs")  # noqa: S108

    assert files.file_rights(reader, "/etc/x/*", "0600", owner="tester")["wrong"] == []
    assert files.file_rights(reader, "/etc/x/link", "0600", owner="tester")["wrong"] == [
        "/etc/x/link link to /tmp/theirs tester:testers"
    ]
    assert files.file_rights(reader, "/etc/x/*", "0600", owner="root")["count"] == 2


@settings(max_examples=60)
@given(st.integers(min_value=0, max_value=0o7777), st.integers(min_value=0, max_value=0o7777))
def test_no_right_that_is_not_allowed_passes(mode: int, most: int) -> None:
    beyond = files.beyond(stat.S_IFREG | mode, f"{most:04o}")

    assert (beyond == 0) == all(most & bit for bit in (1 << place for place in range(12)) if mode & bit)


def test_too_many_paths_are_not_measured_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_PATHS", 2)
    reader = a_host(tmp_path, __etc__x__a="", __etc__x__b="", __etc__x__c="")

    with pytest.raises(Unmeasurable, match="more than 2 paths"):
        files.file_rights(reader, "/etc/x/*", "0644")


def test_a_directory_that_may_not_be_looked_into_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = a_host(tmp_path, __home__anna__keys="")
    closed = f"{tmp_path}/home/anna/"
    monkeypatch.setattr(os, "access", lambda place, _mode: place != closed)

    with pytest.raises(Unmeasurable, match="/home/anna/ cannot be looked into"):
        files.file_rights(reader, "/home/*/k*", "0600")
    assert files.file_rights(reader, "/etc/pass*", "0644")["checked"] == 1


def test_lines_are_found_without_comments_and_with_links_followed(tmp_path: Path) -> None:
    reader = a_host(
        tmp_path,
        __etc__pam_d__real="# auth nullok\nauth required pam_unix.so nullok\n  ; nullok\nauth optional x\n",
        __etc__pam_d__other="auth nullok",
    )
    (tmp_path / "etc/pam_d/system-auth").symlink_to("real")

    found = files.file_lines(reader, ("/etc/pam_d/*", "/etc/none"), r"\bnullok\b")

    assert found == {
        "lines": [
            "/etc/pam_d/other: auth nullok",
            "/etc/pam_d/real: auth required pam_unix.so nullok",
            "/etc/pam_d/system-auth: auth required pam_unix.so nullok",
        ],
        "count": 3,
    }


def test_lines_are_counted_beyond_what_is_listed(tmp_path: Path) -> None:
    reader = a_host(tmp_path, __etc__big="x\n" * (files.MOST_LINES + 5))

    found = files.file_lines(reader, "/etc/big", "x")

    assert (len(found["lines"]), found["count"]) == (files.MOST_LINES, files.MOST_LINES + 5)


def test_a_file_too_large_to_read_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 10)
    reader = a_host(tmp_path, __etc__big="x" * 11)

    with pytest.raises(Unmeasurable, match="/etc/big is larger"):
        files.file_lines(reader, "/etc/big", "x")
    assert files.file(reader, "/etc/big")["sha256"] is None
