# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what a host answered to the record of one look."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.packed import pack
from ansible_collections.msp.ops.plugins.plugin_utils.access import keeping, model, scanning
from ansible_collections.msp.ops.plugins.plugin_utils.access.naming import Named
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import deliver, spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access.made_access import TILL

AT = dt.datetime(2026, 11, 26, 10, tzinfo=dt.UTC)
SUBJECT = Subject("srv01.harbour-dental", "harbour-dental", "device:7")


def result(answer: Any) -> dict[str, Any]:
    return {"packed": pack({"answers": {"access": answer}, "platform": "debian-12", "seconds": 0.4})}


def test_a_good_answer_is_a_record_with_all_that_was_found() -> None:
    answer = scanning.read("srv01", result({"state": "ok", "value": TILL}))
    record = scanning.check(SUBJECT, answer, AT, asked_as="msp", run="r1")

    assert (record.outcome, record.error, record.run, record.asset) == ("ok", None, "r1", "device:7")
    assert record.found == model.body(TILL, "msp")
    told = scanning.told(answer, Named(), "msp")
    assert told["accounts"]["eva"]["network"]["second_factor"] == "possible"
    assert told["accounts"]["msp"]["kind"] == "automation"
    assert told["counts"] == {"required": 1, "possible": 1, "impossible": 3}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (result({"state": "error", "reason": "line 3 of /etc/shadow is no account"}), "MSP-ACC-001"),
        (result({"state": "absent", "reason": "x"}), "MSP-ACC-001"),
        (result({"state": "ok", "value": {}}), "MSP-ACC-003"),
        (result({"state": "ok"}), "MSP-ACC-003"),
        (result(None), "MSP-ACC-003"),
        ({"packed": "nonsense"}, "MSP-STD-165"),
        ({"failed": True, "msg": "Missing sudo password"}, "MSP-STD-163"),
        ({"failed": True, "module_stdout": "/bin/sh: 1: python3: not found"}, "MSP-AUD-001"),
    ],
)
def test_any_other_answer_is_an_attempt_that_found_nothing(answer: dict[str, Any], code: str) -> None:
    read = scanning.read("srv01", answer)
    record = scanning.check(SUBJECT, read, AT, asked_as="msp", run=None)
    assert (record.outcome, record.found) == ("failed", None)
    assert str(record.error).startswith(code)
    told = scanning.told(read, Named(), "msp")
    assert told["error"]["code"] == code and "accounts" not in told


def test_a_look_reaches_the_store_whole_and_a_dry_one_does_not(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    record = scanning.check(
        SUBJECT, scanning.read("srv01", result({"state": "ok", "value": TILL})), AT, asked_as="msp", run=None
    )
    keeping.keep(record, dry=True)
    assert not spool.default_directory().exists()
    keeping.keep(record, dry=False)
    deliver.deliver(sqlite_store)
    assert sqlite_store.last_access_checks("harbour-dental") == {"device:7": (record, record)}


def test_one_that_hangs_has_its_own_error() -> None:
    assert scanning.hung("srv01", 120).code == "MSP-ACC-002"
