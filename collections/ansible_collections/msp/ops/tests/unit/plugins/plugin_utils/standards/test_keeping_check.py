# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is kept of a check of controls, on a real spool and delivered to a real store."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import deliver, spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StandardCheck
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.standards import keeping_check
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import DRIFT, UNKNOWN, ControlRecord

AT = dt.datetime(2026, 11, 26, 10, tzinfo=dt.UTC)
SUBJECT = Subject("srv01.harbour-dental", "harbour-dental", "device:7")
RECORD = ControlRecord("ssh-root-login", "high", DRIFT, "no", "yes").as_dict()
CHECK = StandardCheck(
    *(SUBJECT.customer, SUBJECT.asset, SUBJECT.host, AT, "before", "ok", "linux-server", "1.0"), records=(RECORD,)
)
AWAY = replace(CHECK, at=AT + dt.timedelta(1), outcome="unreachable", records=({**RECORD, "status": UNKNOWN},))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))


def test_a_check_reaches_the_store_whole(sqlite_store: Store) -> None:
    store = sqlite_store

    keeping_check.keep(SUBJECT, CHECK, dry=False)
    deliver.deliver(store)

    assert store.last_standard_checks("harbour-dental")["device:7"] == (CHECK, CHECK)


def test_the_next_check_knows_what_each_control_was_and_a_dry_one_keeps_nothing() -> None:
    assert keeping_check.keep(SUBJECT, CHECK, dry=True) is None
    assert not spool.default_directory().exists()
    assert keeping_check.keep(SUBJECT, CHECK, dry=False) is None
    assert keeping_check.keep(SUBJECT, CHECK, dry=True) == {"ssh-root-login": DRIFT}


def test_a_host_that_did_not_answer_does_not_make_all_of_it_new_next_time() -> None:
    keeping_check.keep(SUBJECT, CHECK, dry=False)
    keeping_check.keep(SUBJECT, AWAY, dry=False)

    assert keeping_check.keep(SUBJECT, CHECK, dry=True) == {"ssh-root-login": DRIFT}
    assert len(spool.waiting()) == 2


def test_a_torn_file_is_no_earlier_check(tmp_path: Path) -> None:
    keeping_check.keep(SUBJECT, CHECK, dry=False)
    (place,) = (tmp_path / "state" / "msp.ops" / "standards").rglob("*.json")
    place.write_text('{"ssh-root-login": ')

    assert keeping_check.keep(SUBJECT, CHECK, dry=True) is None
