# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host does for a rotation, on a directory that stands for it; what writes its shadow file stands for chpasswd.

On real hosts, with the real chpasswd and killed at every step: tests/test_local_admin.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.local_admin import crypting, doing, keeping

FIRST, SECOND = "FirstPassword1", "SecondPassword2"


class Made:
    """A host with an account root, whose password is locked."""

    def __init__(self, place: Path) -> None:
        self.root = place / "root"
        (self.root / "etc").mkdir(parents=True)
        (self.root / "etc/passwd").write_text("root:x:0:0::/root:/bin/bash\nanna:x:1000:1000::/home/anna:/bin/bash\n")
        self.shadow("*")
        self.top = str(place / "var" / "local-admin")

    def shadow(self, kept: str) -> None:
        (self.root / "etc/shadow").write_text(f"root:{kept}:20000:0:99999:7:::\n")

    def kept(self) -> str:
        return (self.root / "etc/shadow").read_text().split(":")[1]

    def set(self, _account: str, made: str, _lock: int = 0) -> str:
        self.shadow(made)
        return ""

    def act(
        self, setter: Callable[[str, str, int], str] | None = None, *, check: bool = False, **asked: Any
    ) -> dict[str, Any]:
        desk = doing.Desk(Host(str(self.root)), setter or self.set, self.top, check)
        told = {"account": "root", "state": "look", "version": None, "password": None, "loud": False}
        return desk.act({**told, **asked})

    def give(self, version: str, password: str, **more: Any) -> dict[str, Any]:
        return self.act(state="set", version=version, password=password, **more)

    def used(self, *lines: str) -> None:
        with (Path(self.top) / "root" / keeping.USES).open("a") as stream:
            stream.writelines(f"{line}\n" for line in lines)


@pytest.fixture
def host(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_the_version_in_force_is_known_by_the_hash_alone(host: Made) -> None:
    assert host.act()["version"] is None
    host.give("v1", FIRST)
    first = host.kept()
    assert (host.act()["version"], crypting.fits(FIRST, first)) == ("v1", True)
    host.give("v2", SECOND)
    assert host.act()["version"] == "v2"
    # Somebody brought back an older file.
    host.shadow(first)
    assert host.act()["version"] == "v1"
    # Or changed it by hand, or locked it.
    host.shadow(crypting.hashed(SECOND, "sha512"))
    assert host.act()["version"] is None
    host.shadow("!" + first)
    found = host.act()
    assert (found["version"], found["usable"]) == (None, False)


def test_a_password_is_in_no_file_and_in_nothing_that_is_returned(host: Made, tmp_path: Path) -> None:
    told = str(host.give("v1", FIRST)) + str(host.act())

    files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert FIRST not in told + "".join(files)
    assert host.kept() not in told + "".join(path.read_text() for path in Path(host.top).rglob("*") if path.is_file())


def test_what_was_written_down_before_says_it_when_the_host_was_cut_off_after(host: Made) -> None:
    class PowerGone(Exception):
        pass

    def set_and_stop(account: str, made: str, _lock: int) -> str:
        host.set(account, made)
        raise PowerGone

    def stop(_account: str, _made: str, _lock: int) -> str:
        raise PowerGone

    host.give("v1", FIRST)
    with pytest.raises(PowerGone):
        host.act(stop, state="set", version="v2", password=SECOND)
    assert host.act()["version"] == "v1"
    with pytest.raises(PowerGone):
        host.act(set_and_stop, state="set", version="v3", password=SECOND)
    assert host.act()["version"] == "v3"


def test_of_two_that_rotate_at_once_the_later_one_stays(host: Made) -> None:
    host.give("20261127T020000.000002Z-bbbbbbbb", SECOND)
    for version in ("20261127T020000.000001Z-aaaaaaaa", "20261127T020000.000002Z-bbbbbbbb"):
        with pytest.raises(MspError, match="MSP-ADM-009"):
            host.give(version, FIRST)
    assert host.act()["version"] == "20261127T020000.000002Z-bbbbbbbb"
    assert crypting.fits(SECOND, host.kept())


def test_a_host_that_does_not_take_it_is_an_error_without_the_hash(host: Made) -> None:
    with pytest.raises(MspError) as caught:
        host.act(lambda *_given: "no room", state="set", version="v1", password=FIRST)

    assert (caught.value.code, caught.value.found) == ("MSP-ADM-006", "no room")
    assert host.act()["version"] is None


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"account": "../root"}, "MSP-ADM-001"),
        ({"version": "v 1"}, "MSP-ADM-001"),
        ({"version": None}, "MSP-ADM-001"),
        ({"password": ""}, "MSP-ADM-001"),
        ({"password": "a\nroot:x"}, "MSP-ADM-001"),
        ({"password": "a:b"}, "MSP-ADM-001"),
        ({"account": "bert"}, "MSP-ADM-005"),
        # One of a directory, or without a line of its own in /etc/shadow.
        ({"account": "anna"}, "MSP-ADM-005"),
    ],
)
def test_what_cannot_be_set_is_refused_before_anything_is_written(host: Made, asked: dict[str, Any], code: str) -> None:
    with pytest.raises(MspError) as caught:
        host.act(**{"state": "set", "version": "v1", "password": FIRST, **asked})

    assert caught.value.code == code
    assert host.kept() == "*" and not Path(host.top).exists()


def test_the_password_in_force_is_not_taken_again(host: Made) -> None:
    host.give("v1", FIRST)
    with pytest.raises(MspError) as caught:
        host.give("v2", FIRST)
    assert caught.value.code == "MSP-ADM-007"
    assert host.act()["version"] == "v1"


def test_a_check_sets_nothing_and_finds_what_is_wrong(host: Made) -> None:
    assert host.give("v1", FIRST, check=True) == {"changed": True, "version": "v1"}
    assert host.kept() == "*" and not Path(host.top).exists()
    with pytest.raises(MspError):
        host.give("v1", FIRST, check=True, account="bert")


def test_uses_count_from_the_password_that_is_in_force(host: Made) -> None:
    host.give("v1", FIRST)
    host.used("17 auth su-l /dev/pts/0 -")
    assert host.act()["uses"] == ["17 auth su-l /dev/pts/0"]
    host.give("v2", SECOND)
    assert host.act()["uses"] == []
    host.used("what is this", "18 auth login tty1 -")
    assert len(host.act()["uses"]) == 2
    # Of a password that nobody knows everything counts.
    host.shadow(crypting.hashed(FIRST, "sha512"))
    assert len(host.act()["uses"]) == 3


@pytest.mark.parametrize("left", [[], ["18 auth login tty1 -"]])
def test_a_list_that_got_shorter_hides_no_use(host: Made, left: list[str]) -> None:
    """Somebody emptied it, or put back an older copy: what stood there is not known, what stands there counts."""
    host.give("v0", SECOND)
    host.used("15 auth login tty1 -", "16 auth login tty1 -")
    host.give("v1", FIRST)
    assert host.act()["uses"] == []
    (Path(host.top) / "root" / keeping.USES).write_text("".join(line + "\n" for line in left))
    assert host.act()["uses"] == ["0 unknown unknown -", *(line.removesuffix(" -") for line in left)]
    # A test of the login proves nothing meanwhile; a new password counts from what is there.
    assert not host.act(state="settled")["tested"]
    host.give("v2", SECOND)
    assert host.act()["uses"] == []


SSH = "19 auth sshd 192.0.2.7 announced"
SESSION = "19 open_session sshd 192.0.2.7 announced"
SUDO = "20 auth sudo /dev/pts/1 announced"


@pytest.mark.parametrize(
    ("lines", "tested"),
    [
        ([SSH, SESSION, SUDO], True),
        ([], False),
        ([SSH, SESSION], False),
        # Somebody else came in at the same time.
        ([SSH, SSH.replace(".7", ".9"), SESSION, SUDO], False),
        ([SSH, SESSION, SUDO, SSH, SESSION, SUDO], False),
        ([SSH.replace("announced", "-"), SESSION, SUDO], False),
        ([SSH, SESSION, SUDO, "20 auth login tty1 -"], False),
    ],
)
def test_a_test_is_one_login_and_nothing_besides(host: Made, lines: list[str], tested: bool) -> None:
    host.give("v1", FIRST, loud=True)
    host.act(state="announced")
    assert (Path(host.top) / "root" / keeping.ANNOUNCED).exists()
    host.used(*lines)

    found = host.act(state="settled")

    assert (found["tested"], len(found["uses"])) == (tested, len(lines))
    assert not (Path(host.top) / "root" / keeping.ANNOUNCED).exists()
    after = host.act()
    # What the test left is no use of anybody's; what is more stays one.
    assert (after["tested"] is not None, len(after["uses"])) == (tested, 0 if tested else len(lines))


def test_a_chpasswd_that_goes_on_after_its_module_was_killed_is_waited_for(
    host: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next rotation would look before it has ended, and the older password come after the newer one."""
    held: list[int] = []

    def go_on(_account: str, _made: str, lock: int) -> str:
        held.append(os.dup(lock))
        raise InterruptedError

    host.give("v1", FIRST)
    with pytest.raises(InterruptedError):
        host.act(go_on, state="set", version="v2", password=SECOND)
    monkeypatch.setattr(keeping, "SECONDS_TO_WAIT", 0.1)
    setting: dict[str, Any] = {"state": "set", "version": "v3", "password": SECOND}
    for asked in ({}, setting):
        with pytest.raises(MspError) as caught:
            host.act(**asked)
        assert caught.value.code == "MSP-ADM-008"
    os.close(held[0])
    assert host.act()["version"] == "v1"
