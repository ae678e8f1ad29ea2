# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The turn of one account with a real escrow and store; the host is in memory. Real ones: tests/test_local_admin.py."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrage
import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk import escrowing, local_admins
from ansible_collections.msp.ops.plugins.plugin_utils.desk.escrowing import Escrowed
from ansible_collections.msp.ops.plugins.plugin_utils.desk.local_admins import Asked
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Place
from ansible_collections.msp.ops.plugins.plugin_utils.local_admin import rotation
from ansible_collections.msp.ops.plugins.plugin_utils.local_admin.rotation import Looked

ASSET = Subject("app01.harbour-dental", "harbour-dental", "device:12")
GLASS = Asked("msp-breakglass", "break-glass", days=92, tested_days=31)
NOORA = pyrage.x25519.Identity.generate()


@dataclass
class Host:
    """An account that can be logged in to while `door` is empty, and says so."""

    taken: dict[str, str] = field(default_factory=dict)
    uses: tuple[str, ...] = ()
    tested: dt.datetime | None = None
    door: str = ""
    shut: str = ""
    sees: bool = True
    notes: bool = True
    dies: bool = False
    said: list[str] = field(default_factory=list)

    def look(self) -> Looked:
        return Looked(True, next(reversed(self.taken), None), self.uses, self.tested)

    def set(self, version: str, password: str) -> None:
        if self.dies:
            raise MspError("MSP-ADM-010", "an answer", "none", "look")
        self.taken[version] = password
        self.uses, self.tested = (), None

    def ready(self) -> None:
        if self.shut:
            raise rotation.no_door("app01", self.shut)

    def announce(self) -> None:
        self.said.append("announced")

    def settle(self) -> dict[str, Any]:
        self.said.append("settled")
        if not self.notes:
            return {"tested": False, "uses": []}
        if self.sees:
            self.tested = dt.datetime.now(dt.UTC)
        return {"tested": self.sees, "uses": [] if self.sees else ["17 auth login tty1"]}

    def log_in(self, password: str) -> None:
        self.said.append("logged in" if password == list(self.taken.values())[-1] else "wrong password")
        if self.door:
            raise MspError("MSP-ADM-012", "a login", self.door, "look")


@pytest.fixture
def escrow(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Escrowed]:
    (tmp_path / "recipients").mkdir()
    (tmp_path / "recipients" / "harbour-dental.txt").write_text(f"{NOORA.to_public()}\n")
    environment = {
        "MSP_STORE_URL": sqlite_url,
        "MSP_ESCROW": str(tmp_path / "escrow"),
        "MSP_ESCROW_RECIPIENTS": str(tmp_path / "recipients"),
        "MSP_WHO": "anna",
    }
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    with escrowing.at_hand("harbour-dental", environment) as found:
        yield found


def turn(escrow: Escrowed, host: Host, asked: Asked = GLASS, *, dry: bool = False) -> dict[str, Any]:
    return local_admins.turn(escrow, ASSET, asked, host, dt.datetime.now(dt.UTC), dry=dry)


def actions(escrow: Escrowed) -> list[str]:
    assert escrow.store is not None
    return [one.action for one in escrow.store.security_events("harbour-dental", "device:12")]


def test_a_new_password_for_emergencies_is_tried_and_that_is_on_record(escrow: Escrowed) -> None:
    host = Host()
    done = turn(escrow, host)

    assert (done["changed"], done["tested"], host.said) == (True, True, ["announced", "logged in", "settled"])
    assert actions(escrow) == ["secret written", "secret in force", "login tested"]
    assert len(host.taken) == 1
    assert [word for word in host.taken.values() if word in str(done)] == []
    again = turn(escrow, host)
    assert (again["changed"], again["tested"], len(host.said)) == (False, None, 3)


def test_where_nobody_could_try_it_no_new_one_is_made_and_what_is_not_due_is_no_failure(escrow: Escrowed) -> None:
    """Over a connection that is not ssh, say: else there would be a new one, and a failure, every night."""
    host = Host(shut="podman")
    for dry in (True, False):
        with pytest.raises(MspError, match=r"MSP-ADM-012.*no password was changed"):
            turn(escrow, host, dry=dry)
    assert (host.taken, actions(escrow)) == ({}, [])
    assert turn(escrow, host, Asked("root"))["changed"] is True
    host.taken.clear()

    host.shut = ""
    turn(escrow, host)
    host.shut = "podman"
    assert turn(escrow, host)["changed"] is False


def test_the_local_administrators_is_logged_in_to_by_nobody(escrow: Escrowed) -> None:
    host = Host()
    assert turn(escrow, host, Asked("root"))["tested"] is None
    assert host.said == []


def test_a_login_that_does_not_work_fails_and_is_on_record_and_people_can_look_the_password_up(
    escrow: Escrowed,
) -> None:
    host = Host(door="Permission denied")
    with pytest.raises(MspError) as caught:
        turn(escrow, host)

    assert caught.value.code == "MSP-ADM-012"
    assert actions(escrow)[-1] == "login test failed"
    place = Place("harbour-dental", "device:12", "break-glass", "msp-breakglass")
    found = escrow.fetch(place, [NOORA], why="a test")
    assert found.current is not None and found.current.value == list(host.taken.values())[-1]
    # It was not tested, so the next run makes another and tries that.
    host.door = ""
    assert turn(escrow, host)["tested"] is True


def test_a_login_of_somebody_else_at_the_same_time_is_no_test(escrow: Escrowed) -> None:
    with pytest.raises(MspError) as caught:
        turn(escrow, Host(sees=False))

    assert caught.value.code == "MSP-ADM-014" and "17 auth login tty1" in caught.value.found
    assert actions(escrow)[-1] == "login test failed"


def test_each_use_that_the_host_saw_is_on_record_once(escrow: Escrowed) -> None:
    host = Host()
    turn(escrow, host)
    host.uses = ("17 auth sshd 192.0.2.7",)
    assert turn(escrow, host, dry=True)["because"] == ["it was used on the host"]
    assert "password used" not in actions(escrow)
    done = turn(escrow, host)
    turn(escrow, host)

    assert done["uses"] == ["17 auth sshd 192.0.2.7"]
    assert actions(escrow).count("password used") == 1


def test_a_host_that_notes_no_login_is_rotated_once_and_not_every_night(escrow: Escrowed) -> None:
    """As the RHEL family is, and any host that is not held to noting them: that the login works is what counts."""
    host = Host(notes=False)
    asked = Asked("msp-breakglass", "break-glass", days=92)
    assert turn(escrow, host, asked)["tested"] is True
    assert turn(escrow, host, asked)["changed"] is False
    assert actions(escrow)[-1] == "login tested"

    with pytest.raises(MspError, match="MSP-ADM-014"):
        turn(escrow, host, GLASS)
    host.notes, host.sees = True, False
    with pytest.raises(MspError, match="17 auth login tty1"):
        turn(escrow, host, Asked("msp-breakglass", "break-glass", days=92, force=True))


def test_a_use_is_on_record_before_the_host_forgets_it(escrow: Escrowed) -> None:
    """A run that ends before the new password is set; and one more use before the next run."""
    host = Host()
    turn(escrow, host)
    host.uses, host.dies = ("17 auth sshd 192.0.2.7",), True
    with pytest.raises(MspError, match="MSP-ADM-010"):
        turn(escrow, host)
    assert actions(escrow).count("password used") == 1

    host.uses, host.dies = ("17 auth sshd 192.0.2.7", "19 auth login tty1"), False
    turn(escrow, host)
    assert escrow.store is not None
    found = escrow.store.security_events("harbour-dental", "device:12", actions=["password used"])
    assert [event.extra["uses"] for event in found] == [["17 auth sshd 192.0.2.7"], ["19 auth login tty1"]]
