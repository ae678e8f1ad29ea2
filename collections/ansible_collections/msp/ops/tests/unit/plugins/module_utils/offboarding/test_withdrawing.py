# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The order in which a host is done, on a host made of files. With a real one: tests/test_offboard.py."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.offboarding import key_files, withdrawing
from ansible_collections.msp.ops.plugins.module_utils.offboarding.withdrawing import Asked, Desk
from ansible_collections.msp.ops.plugins.module_utils.standards import access

KIND = b"ssh-ed25519"
BODY = len(KIND).to_bytes(4, "big") + KIND + (32).to_bytes(4, "big") + b"o" * 32
OURS = f"ssh-ed25519 {base64.b64encode(BODY).decode()} us"
THEIRS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0 anna"
ANNA = {"name": "anna", "uid": 1000, "password": "set", "shell_works": True, "unknown": [], "sudo": []}
ROOT = {**ANNA, "name": "root", "uid": 0, "keys": [], "ways": [{"by": "login", "proved": ["password"], "limits": []}]}
USERS = "root:x:0:0:root:/root:/bin/bash\nmsp-technician:x:59999:59999:Written by msp.ops:/home/t:/bin/bash\n"


class Made:
    """A directory with the host's files. ran are its programs, with the files that still have our key by then."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = place
        self.ran: list[tuple[str, ...]] = []
        self.fails = ""
        self.accounts: list[dict[str, Any]] = [ROOT]
        self.keys = {"msp": place / "msp_keys", "root": place / "root_keys"}
        self.drop_ins = [place / "etc" / "sudoers.d" / "zz-msp-technician"]
        for name in ("etc/sudoers.d", "proc"):
            (place / name).mkdir(parents=True)
        (place / "etc/passwd").write_text(USERS)
        self.shadow("$6$word", "")
        for path in self.keys.values():
            path.write_text(f"{THEIRS}\n{OURS}\n")
        for path in self.drop_ins:
            path.write_text("# Written by msp.ops. Changed back.\nmsp-technician ALL=(ALL:ALL) PASSWD: ALL\n")
        monkeypatch.setattr(withdrawing, "SUDO", tuple(map(str, self.drop_ins)))
        monkeypatch.setattr(withdrawing, "SSHD", ())
        monkeypatch.setattr(access, "measure", lambda _reader: {"accounts": self.accounts, "unknown": []})
        monkeypatch.setattr(
            access, "key_files", lambda _reader: {str(path): [name] for name, path in self.keys.items()}
        )
        # Its paths are whole ones already.
        monkeypatch.setattr(Host, "path", lambda _host, name: name if name.startswith(str(place)) else f"{place}{name}")

    def shadow(self, password: str, expires: str) -> None:
        (self.place / "etc/shadow").write_text(f"root:*:1::::::\nmsp-technician:{password}:1:0:99999:7::{expires}:\n")

    def run(self, command: Sequence[str]) -> str:
        left = [name for name, path in self.keys.items() if "us" in path.read_text().split()]
        self.ran.append((command[0], *left))
        if command[0] == self.fails:
            return "it failed"
        if command[0] == "usermod":
            self.shadow("!$6$word", "1")
        return ""

    def act(self, *, check: bool = False, **more: Any) -> dict[str, Any]:
        asked = Asked([OURS], ["msp-breakglass", "msp-technician"], "msp", **more)
        return Desk(Host(), self.run, check).act(asked)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(tmp_path, monkeypatch)


def code(act: Callable[[], Any]) -> str:
    with pytest.raises(MspError) as caught:
        act()
    return caught.value.code


def test_accounts_and_rules_go_before_keys_and_the_key_of_the_run_last(host: Made) -> None:
    found = host.act()

    assert host.ran == [("usermod", "msp", "root"), ("visudo", "msp", "root")]
    assert host.keys["root"].read_text() == f"{THEIRS}\n"
    assert host.keys["msp"].read_text() == f"{THEIRS}\n{OURS}\n"
    assert not host.drop_ins[0].exists()
    assert len(found["withdrawn"]) == 3 and len(found["waiting"]) == 1

    assert host.act(last=True)["changed"]
    assert host.keys["msp"].read_text() == f"{THEIRS}\n"
    assert host.act() == {"changed": False, "withdrawn": [], "waiting": [], "ways_left": found["ways_left"]}


def test_the_last_key_is_not_taken_while_anything_else_is_left(host: Made) -> None:
    assert code(lambda: host.act(last=True)) == "MSP-OFF-009"
    assert host.keys["msp"].read_text() == f"{THEIRS}\n{OURS}\n"


def test_what_comes_back_at_once_keeps_the_last_key(host: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_files, "replace", lambda _file, _text: None)

    assert code(host.act) == "MSP-OFF-009"


def test_a_preview_changes_nothing_and_says_the_same(host: Made) -> None:
    preview = host.act(check=True)

    assert host.ran == [] and host.drop_ins[0].exists()
    assert host.keys["root"].read_text() == f"{THEIRS}\n{OURS}\n"
    assert preview == host.act()


def test_a_rule_without_which_sudo_is_not_valid_is_put_back_as_it_was(host: Made) -> None:
    host.fails = "visudo"
    host.drop_ins[0].chmod(0o440)
    before = host.drop_ins[0].read_text()

    assert code(host.act) == "MSP-OFF-008"
    assert host.drop_ins[0].read_text() == before
    assert host.drop_ins[0].stat().st_mode & 0o777 == 0o440


def test_an_account_that_cannot_be_closed_leaves_every_key(host: Made) -> None:
    host.fails = "usermod"

    assert code(host.act) == "MSP-OFF-008"
    assert all(OURS in path.read_text() for path in host.keys.values())


def test_a_host_that_would_be_left_to_nobody_is_left_alone(host: Made) -> None:
    host.accounts = []

    assert code(host.act) == "MSP-OFF-004"
    assert host.ran == [] and all(OURS in path.read_text() for path in host.keys.values())
    assert host.act(leave_closed=True)["changed"]


def test_a_host_that_cannot_be_looked_at_is_left_alone(host: Made) -> None:
    (host.place / "etc/shadow").unlink()

    assert code(host.act) == "MSP-OFF-007"


def test_an_account_is_told_by_the_roles_comment_whatever_its_name(host: Made) -> None:
    (host.place / "etc/passwd").write_text(USERS.replace("msp-technician", "nood"))
    (host.place / "etc/shadow").write_text("root:*:1::::::\nnood:$6$word:1:0:99999:7:::\n")

    assert "account nood, which is open" in host.act(check=True)["withdrawn"]
