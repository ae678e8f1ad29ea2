# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A login that works once: nobody is let in of whom nothing is on record, and the password is in one file."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk import one_time_logins
from ansible_collections.msp.ops.plugins.plugin_utils.desk.one_time_logins import Asked
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import durability
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import SecurityEvent
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

ASSET = Subject("app01.harbour-dental", "harbour-dental", "device:12")
WHY = "The database does not start"


class Made:
    def __init__(self, place: Path, store: str) -> None:
        self.place = place / "state"
        self.environment = {"MSP_STORE_URL": store, "MSP_WHO": "anna"}
        self.sent: list[dict[str, Any]] = []
        self.recorded_before: list[str] = []
        self.refuses = False
        self.fails = ""

    def ask(self, **sent: Any) -> dict[str, Any]:
        self.sent.append(sent)
        self.recorded_before = [one.action for one in self.events()]
        if self.fails:
            raise MspError(self.fails, "the host to do it", "a lock", "wait")
        if self.refuses:
            raise MspError("MSP-ADM-022", "no other", "one", "wait")
        if sent["state"] == "ended":
            return {"changed": True, "granted": None, "ended": "a1", "was_used": True}
        return {"changed": True, "granted": sent["id"], "until": "2026-11-27T03:15:00+00:00"}

    def act(self, *, dry: bool = False, **asked: Any) -> dict[str, Any]:
        told = {"state": "granted", "ticket": "T-2041", "reason": WHY, "minutes": 60, "directory": str(self.place)}
        return one_time_logins.act(ASSET, Asked(**{**told, **asked}), self.ask, self.environment, dry=dry)

    def events(self) -> list[SecurityEvent]:
        with Store.open(self.environment["MSP_STORE_URL"]) as store:
            return store.security_events("harbour-dental", "device:12")


@pytest.fixture
def made(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    return Made(tmp_path, sqlite_url)


def test_it_is_on_record_before_the_host_is_asked_and_the_password_is_in_a_file_for_its_owner(made: Made) -> None:
    done = made.act()

    assert made.recorded_before == ["login asked for"]
    _asked, event = made.events()
    assert event.action == "login granted"
    assert (event.who, event.ticket, event.why, event.subject) == ("anna", "T-2041", WHY, "msp-technician")
    assert event.extra == {"id": done["granted"], "minutes": 60}
    file = Path(done["file"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    (sent,) = made.sent
    assert f"password  {sent['password']}\n" in file.read_text()
    assert sent["password"] not in str(done) + str(event)


def test_two_grants_have_two_passwords_and_two_files(made: Made) -> None:
    assert made.act()["file"] != made.act()["file"]
    assert made.sent[0]["password"] != made.sent[1]["password"]


def test_what_the_host_refuses_leaves_no_file_and_stays_on_record(made: Made) -> None:
    made.refuses = True
    with pytest.raises(MspError):
        made.act()
    assert list(made.place.iterdir()) == []
    asked, refused = made.events()
    assert (asked.action, refused.action) == ("login asked for", "login not granted")
    assert "MSP-ADM-022" in refused.extra["error"] and refused.extra["id"] == asked.extra["id"]


def test_in_a_container_a_place_that_vanishes_with_it_is_refused_before_anything_is_granted(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSP_DURABLE_PATHS", "/elsewhere")
    monkeypatch.setattr(durability, "container", lambda *_asked: "made up")
    with pytest.raises(MspError, match="MSP-EVD-004"):
        made.act()
    assert made.sent == [] and not made.place.exists()


@pytest.mark.parametrize(
    "asked",
    [
        *(
            {"ticket": None},
            {"ticket": " "},
            {"reason": None},
            {"reason": ""},
            {"reason": "a\nb"},
            {"reason": "x" * 501},
        ),
        *({"minutes": 0}, {"minutes": 1441}),
    ],
)
def test_without_a_ticket_a_reason_and_a_time_nothing_is_asked(made: Made, asked: dict[str, Any]) -> None:
    with pytest.raises(MspError) as caught:
        made.act(**asked)
    assert caught.value.code == "MSP-ADM-024"
    assert (made.sent, made.events()) == ([], [])


def test_a_check_asks_the_host_and_leaves_nothing(made: Made) -> None:
    assert made.act(dry=True)["file"] is None
    assert len(made.sent) == 1 and made.events() == [] and not made.place.exists()


def test_its_end_is_on_record_with_whether_it_was_used(made: Made) -> None:
    assert made.act(state="ended", ticket=None, reason=None) == {"changed": True, "was_used": True}
    (event,) = made.events()
    assert (event.action, event.extra) == ("login ended", {"id": "a1", "used": True})


def test_a_place_that_cannot_be_written_is_said(made: Made, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MspError) as caught:
        made.act(directory=str(tmp_path / "file"))
    assert (caught.value.code, made.sent) == ("MSP-ADM-025", [])
    assert [one.action for one in made.events()] == ["login asked for", "login not granted"]


@pytest.mark.parametrize(("code", "recorded"), [("MSP-ADM-026", ["login ended"]), ("MSP-ADM-010", [])])
def test_an_end_that_left_a_password_is_on_record_and_one_that_was_none_is_not(
    made: Made, code: str, recorded: list[str]
) -> None:
    """The host takes the password away by itself later, and the next end finds nothing that it could tell of."""
    made.fails = code
    with pytest.raises(MspError, match=code):
        made.act(state="ended", ticket=None, reason=None)
    found = made.events()
    assert [one.action for one in found] == recorded
    assert all(code in one.extra["error"] for one in found)
