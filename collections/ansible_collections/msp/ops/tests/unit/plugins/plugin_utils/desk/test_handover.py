# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A verification handed over: files and the sheet's record, each written once."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk.handover import hand_over
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import NOW, SLUG, small_office


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


def test_both_files_and_the_record_are_written_once(store: Store, tmp_path: Path) -> None:
    first = hand_over(store, small_office().verification(), tmp_path)
    again = hand_over(store, small_office().verification(), tmp_path)
    assert (len(first.changed), again.changed) == (2, ())
    assert first.report.name == "verification-2026-11-23.html"
    assert [(s.id, s.written) for s in store.sheets(SLUG)] == [(first.sheet_id, NOW)]


def test_reports_are_not_for_everybody_on_the_machine(store: Store, tmp_path: Path) -> None:
    done = hand_over(store, small_office().verification(), tmp_path)
    assert {path.stat().st_mode & 0o007 for path in (done.report, done.sheet)} == {0}


def test_a_later_run_of_the_same_day_with_the_same_rows_keeps_the_sheet(store: Store, tmp_path: Path) -> None:
    first = hand_over(store, small_office().verification(), tmp_path)
    later = small_office()
    later.now = NOW + dt.timedelta(hours=2)
    assert hand_over(store, later.verification(), tmp_path).sheet_id == first.sheet_id


def test_other_rows_make_another_sheet_and_keep_the_first(store: Store, tmp_path: Path) -> None:
    first = hand_over(store, small_office().verification(), tmp_path)
    other = small_office()
    other.now = NOW + dt.timedelta(minutes=1)
    other.sightings = []
    second = hand_over(store, other.verification(), tmp_path)
    assert second.sheet_id != first.sheet_id and first.sheet.exists()


def test_after_a_sheet_was_applied_the_next_one_is_new_even_with_the_same_rows(store: Store, tmp_path: Path) -> None:
    first = hand_over(store, small_office().verification(), tmp_path)
    store.apply_sheet(first.sheet_id, signed_by="M. Jansen", signed_on=NOW.date(), decisions=[])
    later = small_office()
    later.now = NOW + dt.timedelta(minutes=1)
    assert hand_over(store, later.verification(), tmp_path).sheet_id != first.sheet_id


def test_a_dry_run_writes_neither_file_nor_record(store: Store, tmp_path: Path) -> None:
    done = hand_over(store, small_office().verification(), tmp_path / "reports", dry_run=True)
    assert len(done.changed) == 2
    assert not (tmp_path / "reports").exists() and store.sheets(SLUG) == []


def test_a_folder_that_cannot_be_made_is_one_clear_error(store: Store, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(MspError) as error:
        hand_over(store, small_office().verification(), tmp_path / "taken")
    assert error.value.code == "MSP-RPT-002" and str(tmp_path) in str(error.value)
