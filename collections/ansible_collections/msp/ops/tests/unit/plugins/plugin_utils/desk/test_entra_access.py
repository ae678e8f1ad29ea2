# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Entra is read from a stand-in of Graph and from files, and what was read is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.access import entra_source
from ansible_collections.msp.ops.plugins.plugin_utils.desk import entra_access
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import deliver, spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import MICROSOFT_365
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access.made_access import policy, registration, user
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.observe.live.test_graph import StandInGraph

ANNA, BERT = registration("anna"), registration("bert", registered=False)
GROUP = "00000000-0000-0000-0000-0000000000aa"
SECRET = "made~secret"  # noqa: S105 - made for this test


@pytest.fixture
def stand_in() -> Iterator[StandInGraph]:
    with StandInGraph() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))


def look(said: dict[str, Any], *, dry: bool = False) -> dict[str, Any]:
    return entra_access.look("bakery", entra_source.parse("bakery", said), dry=dry)


def test_from_the_stand_in_of_graph_all_that_decides_is_read_and_kept(stand_in: StandInGraph, store: Store) -> None:
    stand_in.will_say({"value": [ANNA, BERT]}, {"value": [user(ANNA), user(BERT)]})
    stand_in.will_say({"value": [policy("Office", includeUsers=[], includeGroups=[GROUP])]}, {"isEnabled": False})
    stand_in.will_say({"value": [{"id": ANNA["id"]}]})

    found = look({"token": SECRET, "base": stand_in.base})

    assert found["states"] == {"enforced": 1, "missing": 1}
    assert (found["people"], found["disabled"], found["unknown"]) == (2, 0, [])
    deliver.deliver(store)
    good, last = store.last_access_checks("bakery")[MICROSOFT_365]
    assert good == last and good is not None and good.found is not None
    assert good.found["members"] == {GROUP: [ANNA["id"]]}
    assert SECRET not in json.dumps(good.found)


def test_a_right_that_lacks_makes_what_it_is_for_unknown_and_says_which(stand_in: StandInGraph) -> None:
    stand_in.will_say({"value": [ANNA, BERT]})
    stand_in.will_say(b"", b"", b"", status=403)

    found = look({"token": SECRET, "base": stand_in.base})

    assert found["states"] == {"unknown": 1, "missing": 1}
    assert found["disabled"] is None
    assert ["User.Read.All" in found["unknown"][0], "Policy.Read.All" in found["unknown"][1]] == [True, True]


def test_an_application_gets_its_own_tokens(stand_in: StandInGraph) -> None:
    for answer in ({"value": [ANNA]}, {"value": [user(ANNA)]}, {"value": [policy("All")]}, {"isEnabled": False}):
        stand_in.will_say({"access_token": "t"}, answer)
    application = {"tenant": "x.example", "client_id": "1", "client_secret": SECRET}
    assert look({**application, "base": stand_in.base, "login": stand_in.base})["states"] == {"enforced": 1}


def test_a_list_that_breaks_off_is_a_failed_attempt_on_record(stand_in: StandInGraph, store: Store) -> None:
    stand_in.will_say({"value": [ANNA], "@odata.nextLink": f"{stand_in.base}/more"}, b"<html>")

    with pytest.raises(MspError, match="MSP-OBS-035"):
        look({"token": SECRET, "base": stand_in.base})

    deliver.deliver(store)
    good, last = store.last_access_checks("bakery")[MICROSOFT_365]
    assert good is None and (last.outcome, last.found) == ("failed", None)
    assert str(last.error).startswith("MSP-OBS-035")


def test_from_files_the_same(tmp_path: Path) -> None:
    files = {
        "registrations": {"value": [ANNA, BERT]},
        "users": {"value": [user(ANNA), user(BERT, enabled=False)]},
        "policies": {"value": [policy("All")]},
        "security_defaults": {"isEnabled": False},
    }
    said = {}
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
        said[name] = str(tmp_path / name)
    assert look(said) == {
        "source": "registrations",
        "people": 2,
        "states": {"enforced": 1},
        "disabled": 1,
        "unknown": [],
    }
    # Without the policies nobody knows.
    assert look({"registrations": said["registrations"]})["states"] == {"unknown": 1, "missing": 1}


def test_a_dry_look_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps({"value": [ANNA]}))
    look({"registrations": str(tmp_path / "r.json")}, dry=True)
    assert not spool.default_directory().exists()


@pytest.mark.parametrize(("content", "code"), [(None, "MSP-ACC-022"), ({"value": [{"isEnabled": "x"}]}, "MSP-ACC-020")])
def test_a_file_that_is_not_there_or_something_else_is_an_error(tmp_path: Path, content: Any, code: str) -> None:
    (tmp_path / "r.json").write_text(json.dumps({"value": [ANNA]}))
    if content is not None:
        (tmp_path / "d.json").write_text(json.dumps(content))
    with pytest.raises(MspError, match=code):
        look({"registrations": str(tmp_path / "r.json"), "security_defaults": str(tmp_path / "d.json")})
