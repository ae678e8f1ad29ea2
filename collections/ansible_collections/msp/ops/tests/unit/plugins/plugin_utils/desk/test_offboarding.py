# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The turn of one host: what is on record before what is done, and what a refusal is worth. Real store, made host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.desk import offboarding
from ansible_collections.msp.ops.plugins.plugin_utils.desk.offboarding import Refused, Turn, withdraw
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.offboarding.standing import ACTIONS, NEARLY, WITHDRAWN

ASSET = Subject("srv01", "bakkerij-jansen", "device:12")
TURN = Turn(ASSET, "en", "noora")
DENIED, SILENT = "Permission denied (publickey).", "Connection timed out"


class Made:
    """A host: what it has to withdraw, and with what it refuses at which step. done is what was asked of it, with what
    was on record by then."""

    def __init__(self, store: Store, **refuses: str) -> None:
        self.store = store
        self.refuses = refuses
        self.done: list[tuple[str, str | None]] = []

    def _step(self, name: str) -> None:
        known = recorded(self.store)
        self.done.append((name, known[-1] if known else None))
        if name in self.refuses:
            raise Refused(self.refuses[name])

    def ask(self, *, last: bool) -> dict[str, Any]:
        self._step("last" if last else "rest")
        return {"withdrawn": ["file x"], "waiting": [] if last else ["key y"], "ways_left": ["anna by ssh (key), sudo"]}

    def log_in_anew(self) -> None:
        self._step("anew")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    with Store.open(f"sqlite:///{tmp_path / 'evidence.db'}", upgrade=True) as opened:
        yield opened


def recorded(store: Store) -> list[str]:
    return [event.action for event in store.security_events("bakkerij-jansen", "device:12", actions=ACTIONS)]


def code(store: Store, host: Made) -> str:
    with pytest.raises(MspError) as caught:
        withdraw(store, TURN, host)
    return caught.value.code


def test_each_step_is_on_record_before_the_next_and_the_refusal_is_the_proof(store: Store) -> None:
    host = Made(store, anew=DENIED)

    found = withdraw(store, TURN, host)

    assert host.done == [("rest", None), ("last", NEARLY), ("anew", NEARLY)]
    assert recorded(store) == [NEARLY, WITHDRAWN]
    assert found["changed"] and found["withdrawn"] == ["file x", "key y"]


def test_a_host_that_still_lets_us_in_is_not_withdrawn(store: Store) -> None:
    assert code(store, Made(store)) == "MSP-OFF-010"
    assert recorded(store) == [NEARLY]


def test_a_host_that_goes_silent_at_the_end_is_not_proven_and_the_next_run_proves_it(store: Store) -> None:
    assert code(store, Made(store, anew=SILENT)) == "MSP-OFF-011"
    assert recorded(store) == [NEARLY]

    found = withdraw(store, TURN, Made(store, rest=DENIED))

    assert found["already"] and not found["changed"]
    assert recorded(store) == [NEARLY, WITHDRAWN]


def test_a_second_run_writes_nothing(store: Store) -> None:
    withdraw(store, TURN, Made(store, anew=DENIED))

    found = withdraw(store, TURN, Made(store, rest=DENIED))

    assert (found["already"], found["changed"]) == (True, False)
    assert recorded(store) == [NEARLY, WITHDRAWN]


def test_a_refusal_of_somebody_without_the_last_key_does_not_say_that_it_is_gone(store: Store) -> None:
    code(store, Made(store, last=SILENT))

    with pytest.raises(MspError) as caught:
        withdraw(store, Turn(ASSET, "en", "bert", offers=False), Made(store, rest=DENIED))

    assert caught.value.code == "MSP-OFF-014"
    assert recorded(store) == [NEARLY]


def test_a_key_can_be_offered_by_who_can_read_it(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("made")

    assert offboarding.can_offer(str(tmp_path / "id"))
    assert not offboarding.can_offer(str(tmp_path / "gone")) and not offboarding.can_offer(None)


def test_what_was_proven_needs_no_key_any_more(store: Store) -> None:
    withdraw(store, TURN, Made(store, anew=DENIED))

    assert withdraw(store, Turn(ASSET, "en", "bert", offers=False), Made(store, rest=DENIED))["already"]


@pytest.mark.parametrize("why", [DENIED, SILENT])
def test_a_host_that_was_never_withdrawn_from_and_does_not_let_us_in_is_an_error(store: Store, why: str) -> None:
    assert code(store, Made(store, rest=why)) == "MSP-OFF-012"
    assert recorded(store) == []


def test_a_host_that_is_off_is_no_success_even_when_it_is_on_record(store: Store) -> None:
    withdraw(store, TURN, Made(store, anew=DENIED))

    assert code(store, Made(store, rest=SILENT)) == "MSP-OFF-012"


def test_a_preview_asks_once_and_records_nothing(store: Store) -> None:
    host = Made(store)

    found = withdraw(store, Turn(ASSET, "en", "noora", dry=True), host)

    assert found["changed"] and [name for name, _known in host.done] == ["rest"]
    assert recorded(store) == []


def test_a_lost_answer_of_the_last_step_is_looked_at_by_the_next_run(store: Store) -> None:
    assert code(store, Made(store, last=SILENT)) == "MSP-OFF-011"
    assert recorded(store) == [NEARLY]


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG9vb29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb29v us"


def test_keys_are_those_given_or_of_the_named_file_or_beside_the_connections_own(tmp_path: Path) -> None:
    (tmp_path / "ours.pub").write_text(KEY + "\n")
    (tmp_path / "all").write_text(f"# all\n{KEY}\n")

    assert offboarding.read_keys("srv01", [KEY], None, None) == [KEY]
    assert offboarding.read_keys("srv01", [], str(tmp_path / "all"), "/nowhere") == ["# all", KEY]
    assert offboarding.read_keys("srv01", [], None, str(tmp_path / "ours")) == [KEY]


@pytest.mark.parametrize(("given", "private"), [(None, None), ("/nowhere/keys.pub", None), (None, "/nowhere/id")])
def test_without_a_file_of_keys_nothing_is_begun(given: str | None, private: str | None) -> None:
    with pytest.raises(MspError) as caught:
        offboarding.read_keys("srv01", [], given, private)

    assert caught.value.code == "MSP-OFF-002"
    assert "offboard_keys_file" in caught.value.action


def test_a_private_key_is_refused_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n")

    with pytest.raises(MspError) as caught:
        offboarding.read_keys("srv01", [], str(tmp_path / "id"), None)

    assert caught.value.code == "MSP-OFF-001" and "b3B" not in str(caught.value)
