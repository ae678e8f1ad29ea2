# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is granted on a host. With real logins: tests/test_local_admin.py."""

from __future__ import annotations

import fcntl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.local_admin import crypting, one_time
from ansible_collections.msp.ops.plugins.module_utils.local_admin.one_time import Grant, Place

OPEN_GATE: dict[str, Any] = {"exists": True, "missing": [], "program": [], "open": False}


class Made:
    """A host's part with what it runs written down, in order."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[list[str]] = []
        self.gate: dict[str, Any] = dict(OPEN_GATE)
        self.fails = ""
        self.status = "0"
        monkeypatch.setattr(one_time, "UNITS", str(place))
        monkeypatch.setattr(one_time.Place.__init__, "__defaults__", (str(place / "msp-ops" / "one-time"),))
        self.place = place

    def run(self, command: list[str], _text: str) -> str:
        granted = Place(one_time.ACCOUNT).granted(2**31)
        self.ran.append([*command, *(["granted"] if granted else [])])
        return "it failed" if self.fails in command else ""

    def ask(self, command: list[str]) -> str:
        """What systemd says of what ends a login."""
        assert command[-1] == one_time.SERVICE
        return f"{self.status}\n"

    def act(self, *, check: bool = False, **asked: Any) -> dict[str, Any]:
        desk = one_time.Desk(Host(), self.run, self.ask, lambda: self.gate, check)
        told = {"state": "granted", "id": "a1", "password": "Word", "minutes": 60}
        return desk.act({**told, **asked})


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(tmp_path, monkeypatch)


def test_what_ends_it_is_there_before_the_password_and_the_grant_comes_last(host: Made) -> None:
    found = host.act()

    assert (found["changed"], found["granted"], found["used"]) == (True, "a1", False)
    assert [command[0] for command in host.ran] == ["systemctl", "systemctl", "systemctl", "chpasswd"]
    assert "OnCalendar=" in (host.place / one_time.TIMER).read_text() and not any("granted" in one for one in host.ran)
    assert host.act(state="status")["granted"] == "a1"


def test_where_it_cannot_be_ended_nobody_is_let_in(host: Made) -> None:
    for fails in ("daemon-reload", "restart", "chpasswd"):
        host.fails = fails
        with pytest.raises(MspError) as caught:
            host.act()
        assert caught.value.code == "MSP-ADM-023"
        assert host.act(state="status")["granted"] is None


def test_a_second_grant_waits_for_the_end_of_the_first(host: Made) -> None:
    host.act()
    with pytest.raises(MspError) as caught:
        host.act(id="a2")
    assert caught.value.code == "MSP-ADM-022"
    assert host.act(state="ended")["ended"] == "a1"
    assert host.act(state="ended")["changed"] is False
    assert host.act(id="a2")["granted"] == "a2"


@pytest.mark.parametrize(
    "gate",
    [{"exists": False}, {"missing": ["sshd: account"]}, {"program": ["/usr/lib/msp-ops/one-time-login is not there"]}],
)
def test_where_pam_would_let_in_more_than_once_nothing_is_granted(host: Made, gate: dict[str, Any]) -> None:
    host.gate.update(gate)
    with pytest.raises(MspError) as caught:
        host.act()
    assert caught.value.code == "MSP-ADM-021"
    assert host.ran == []


@pytest.mark.parametrize("asked", [{"id": "../x"}, {"id": None}, {"password": None}, {"minutes": 0}, {"minutes": 1441}])
def test_what_is_no_grant_is_refused(host: Made, asked: dict[str, Any]) -> None:
    with pytest.raises(MspError) as caught:
        host.act(**asked)
    assert caught.value.code == "MSP-ADM-020"


def test_of_two_at_the_same_time_one_is_granted_and_its_password_is_the_one_in_force(host: Made) -> None:
    """The first waits in the middle of its grant until the second has looked, or waits to be let look."""
    passwords: list[str] = []
    begun, waits = threading.Event(), threading.Event()

    def run(command: list[str], text: str) -> str:
        if command[0] == "chpasswd":
            passwords.append(text)
        elif not begun.is_set():
            begun.set()
            assert waits.wait(30)
        return ""

    def lock(number: int, how: int) -> None:
        try:
            real(number, how)
        except BlockingIOError:
            waits.set()
            raise

    def act(id: str) -> str:
        desk = one_time.Desk(Host(), run, host.ask, lambda: host.gate)
        asked = {"state": "granted", "id": id, "password": f"Word of {id}", "minutes": 60}
        try:
            return str(desk.act(asked)["granted"])
        except MspError as error:
            return error.code
        finally:
            waits.set()

    real = fcntl.flock
    with mock.patch.object(fcntl, "flock", lock), ThreadPoolExecutor(2) as pool:
        first = pool.submit(act, "a1")
        assert begun.wait(30)
        second = pool.submit(act, "a2")
        assert (first.result(), second.result()) == ("a1", "MSP-ADM-022")
    assert len(passwords) == 1 and crypting.fits("Word of a1", passwords[0].strip().split(":", 1)[1])
    assert host.act(state="status")["granted"] == "a1"


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [("75", "MSP-ADM-026", "whoever was in is out"), ("1", "MSP-ADM-027", "may still be"), ("0", "MSP-ADM-027", "may")],
)
def test_an_end_that_did_not_come_says_what_is_left(host: Made, status: str, code: str, said: str) -> None:
    """No more than the password, or nobody knows: where the unit is not there, say."""
    host.act()
    host.fails, host.status = one_time.SERVICE, status
    with pytest.raises(MspError) as caught:
        host.act(state="ended")
    assert caught.value.code == code and said in caught.value.action and "nobody is let in" in caught.value.action
    assert host.act(state="status")["granted"] is None


def test_a_check_grants_nothing(host: Made) -> None:
    assert host.act(check=True)["changed"] is True
    assert host.ran == [] and host.act(state="status")["granted"] is None
    assert not Path(Place(one_time.ACCOUNT).path).exists()


@given(st.integers(0, 2**32), st.integers(1, 86400), st.integers(-(2**31), 2**31))
def test_a_grant_holds_from_its_begin_until_before_its_end(begin: int, long: int, after: int) -> None:
    """Also for a clock that went back to before it was given."""
    assert Grant("a", begin, begin + long, False).holds(begin + after) == (0 <= after < long)


@pytest.mark.parametrize("text", ["", "a1", "a1 17", "a1 17 x", "a1 -1 99999999999", "a1 1 2 3", "\xe9 1 99999999999"])
def test_what_is_no_grant_grants_nothing(host: Made, text: str) -> None:
    place = Place(one_time.ACCOUNT)
    Path(place.path).mkdir(parents=True)
    (Path(place.path) / one_time.GRANT).write_text(text, encoding="utf-8")

    assert place.granted(1000) is None
