# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which accounts of a host may be locked because the directory has their people: none that anybody could still need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import directory, directory_accounts
from ansible_collections.msp.ops.plugins.module_utils.standards.directory_accounts import Login
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader, printing

ACCOUNTS = """root:x:0:0::/root:/bin/bash
old:x:1001:1001::/home/old:/bin/bash
over:x:1002:1002::/home/over:/bin/bash
msp:x:1003:1003::/home/msp:/bin/bash
"""
SHADOW = """root:*:19000:0:99999:7:::
old:$y$j9T$a$b:19000:0:99999:7:::
over:$y$j9T$a$b:19000:0:99999:7::19999:
msp:*:19000:0:99999:7:::
"""
SAID = "pam_unix(sshd:session): session opened for user anna(uid=20001) by (uid=0)"
OF_DIRECTORY = '[ "$4" = anna ] || exit 2; echo "anna:*:20001:20000::/home/anna:/bin/bash"'


def journal(*said: Any) -> str:
    return printing("\n".join(json.dumps({"MESSAGE": one}) for one in said)) if said else "true"


def measured(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: Mapping[str, str] | None = None,
    *,
    names: tuple[str, ...] = ("old",),
    keep: tuple[str, ...] = (),
    programs: Mapping[str, str] | None = None,
    offline: tuple[str, ...] = (),
) -> dict[str, Any]:
    monkeypatch.setattr(directory, "came_by", lambda _reader: ["msp"])
    monkeypatch.setattr(directory, "online", lambda _reader: {"offline": list(offline)})
    every = {"/etc/passwd": ACCOUNTS, "/etc/shadow": SHADOW, **(files or {})}
    made = {"journalctl": journal(SAID), "getent": OF_DIRECTORY, **(programs or {})}
    return directory_accounts.measure(made_reader(root, every, made), names, keep)


def test_an_account_that_nobody_uses_may_be_locked_once_somebody_of_the_directory_was_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert measured(tmp_path, monkeypatch, names=("old", "over", "gone")) == {
        "open": ["old"],
        "lockable": ["old"],
        "left": [],
        "proven": ["anna"],
    }


def test_while_the_directory_is_away_nobody_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSSD says of whom it did not ask for before that there is nobody; and the person would be out by both names."""
    found = measured(tmp_path, monkeypatch, offline=("example.com",))
    assert found["lockable"] == []
    assert found["left"] == ["old: the directory example.com does not answer, so nobody knows whom it has"]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"/home/old/.ssh/authorized_keys": "ssh-ed25519 AAAA old\n"}, "authorized keys"),
        ({"/var/spool/cron/crontabs/old": "@daily true\n"}, "a crontab"),
        ({"/var/spool/cron/atjobs/a01": "#!/bin/sh\n# atrun uid=1001 gid=1001\n"}, "a job of at"),
        ({"/proc/5/status": "Name:\tvim\nUid:\t1001\t1001\t1001\t1001\n"}, "a running shell"),
        ({"/proc/5/status": "Name:\tapp\nUid:\t0\t1001\t0\t0\n"}, "a running shell"),
        ({"/var/lib/systemd/linger/old": ""}, "services of its own that linger"),
        ({"/etc/systemd/system/app.service": "[Service]\nUser=old\n"}, "the unit /etc/systemd/system/app.service"),
        ({"/etc/systemd/system/app.service": "[Service]\n User = 1001\n"}, "the unit /etc/systemd/system/app.service"),
        ({"/etc/cron.d/night": "0 3 * * * root su - old -c backup\n"}, "a job in /etc/cron.d/night"),
    ],
)
def test_one_that_is_used_is_left_and_said_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], why: str
) -> None:
    found = measured(tmp_path, monkeypatch, files)

    assert (found["open"], found["lockable"], found["left"]) == (["old"], [], [f"old: {why}"])
    assert (found["within_reach"], found["out_of_reach"]) == ({"open": []}, {"open": [f"old: {why}"]})


def test_root_who_is_kept_and_by_whom_the_run_came_are_never_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measured(tmp_path, monkeypatch, names=("root", "msp", "old"), keep=("old",))

    assert found["lockable"] == []
    assert found["left"] == [
        "root: it is root",
        "msp: this measurement came by it",
        "old: it is kept, as was agreed",
    ]


def test_one_whose_name_the_directory_has_too_would_shut_out_the_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = OF_DIRECTORY.replace("= anna ]", "= anna ] || [ $4 = old ]").replace('"anna:', '"$4:')

    found = measured(tmp_path, monkeypatch, programs={"getent": both})

    assert found["lockable"] == [] and "the directory has the same name" in found["left"][0]


@pytest.mark.parametrize(
    "said",
    [
        (),
        ("pam_unix(sshd:session): session opened for user msp(uid=1003) by (uid=0)",),
        ("pam_unix(sshd:session): session opened for user anna(uid=20002) by (uid=0)",),  # another anna
        ("pam_unix(sshd:session): session opened for user bram(uid=20001) by (uid=0)",),
        (f"Invalid user {SAID} from 192.0.2.1",),
        (f"error: PAM: Authentication failure\n{SAID}",),
        ("pam_unix(sshd:auth): authentication failure; user=anna(uid=20001) by (uid=0)",),
        (list(SAID.encode()),),
    ],
)
def test_nothing_but_a_login_of_somebody_of_the_directory_proves_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: tuple[Any, ...]
) -> None:
    found = measured(tmp_path, monkeypatch, programs={"journalctl": journal(*said)})

    assert (found["proven"], found["lockable"]) == ([], [])
    assert found["left"] == ["old: nobody of the directory was seen to log in during 30 days"]


@given(st.text(), st.text())
def test_what_is_said_before_it_makes_a_line_no_login(before: str, name: str) -> None:
    line = json.dumps({"MESSAGE": f"{before}x{SAID}"})
    assert directory_accounts.parse_logins(line) == []
    for login in directory_accounts.parse_logins(json.dumps({"MESSAGE": SAID.replace("anna", name)})):
        assert login == Login(name, 20001)


def test_a_journal_that_cannot_be_read_is_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unmeasurable, match="journalctl"):
        measured(tmp_path, monkeypatch, programs={"journalctl": "exit 1"})


def test_where_no_account_is_to_go_nobody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert measured(tmp_path, monkeypatch, names=(), programs={"journalctl": "exit 1"})["open"] == []
