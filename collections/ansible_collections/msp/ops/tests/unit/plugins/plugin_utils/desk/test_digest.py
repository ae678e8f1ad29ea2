# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A customer is told what changed once, all of it, and nothing when there is no news: on both kinds of store."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import digest, files
from ansible_collections.msp.ops.plugins.plugin_utils.desk.digest import NOTHING, Delivery, hand_over
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Digest, Effort, Run, RunHost
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.digest import news
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.reconciliation.made_news import (
    DAY,
    NOW,
    change,
    whose,
)
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import SLUG

CUSTOMER = whose("en")
DUTCH = ZoneInfo("Europe/Amsterdam")
NEW = change("new", key="k1", name="till02", asset="device:31")
GONE = change("gone", "device:4", key="k2", name="nas01", asset="device:4")
# Work of the last hour: a digest's period ends at the database's clock, which is a real one.
JUST_NOW = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)


def tell(store: Store, folder: Path, *, dry_run: bool = False) -> Delivery:
    return digest.tell(store, CUSTOMER, folder, made_by="Noordkaap IT", dry_run=dry_run)


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_without_changes_nothing_is_written_or_recorded(store: Store, tmp_path: Path) -> None:
    store.record_changes([replace(NEW, customer="harbour-dental")])
    assert tell(store, tmp_path / "reports") == NOTHING
    assert NOTHING.as_dict()["changed"] is False and NOTHING.as_dict()["page"] is None
    assert not (tmp_path / "reports").exists() and store.last_digest(SLUG) is None


def test_news_is_told_once_as_page_and_text_and_the_next_digest_begins_there(store: Store, tmp_path: Path) -> None:
    store.record_changes([NEW, GONE])
    recorded = store.changes(SLUG)[-1].recorded_at
    assert recorded is not None

    first = tell(store, tmp_path)

    stamp = f"{recorded:%Y-%m-%d-%H%M}"
    assert written(tmp_path / SLUG) == [f"digest-{stamp}.html", f"digest-{stamp}.txt"]
    assert first.page is not None and "till02" in first.page.read_text(encoding="utf-8")
    assert first.text_file is not None and first.text_file.read_text(encoding="utf-8") == first.text
    assert (first.counts["new"], first.counts["gone"], sum(first.counts.values())) == (1, 1, 2)
    assert store.last_digest(SLUG) == Digest(SLUG, None, recorded, 2)
    assert tell(store, tmp_path) == NOTHING


def test_while_another_controller_tells_nothing_is_told_twice(store: Store, tmp_path: Path) -> None:
    store.record_changes([NEW])
    with leases.holding(store, f"digest:{SLUG}"), pytest.raises(MspError, match="MSP-EVD-015"):
        tell(store, tmp_path / "reports")
    assert not (tmp_path / "reports").exists()
    assert tell(store, tmp_path / "reports").counts["new"] == 1


def test_the_next_digest_tells_only_what_came_after_and_keeps_the_files_of_the_one_before(
    store: Store, tmp_path: Path
) -> None:
    store.record_changes([NEW])
    first = tell(store, tmp_path)
    before = {path: Path(path).read_bytes() for path in first.paths}
    store.record_changes([NEW, GONE])

    second = tell(store, tmp_path)  # in the same minute, so under a name of its own

    assert "nas01" in second.text and "till02" not in second.text
    assert {path: Path(path).read_bytes() for path in first.paths} == before
    assert len(set(first.paths) | set(second.paths)) == 4
    last = store.last_digest(SLUG)
    assert last is not None and last.since == store.changes(SLUG)[0].recorded_at


def test_reports_are_not_for_everybody_on_the_machine(store: Store, tmp_path: Path) -> None:
    store.record_changes([NEW])
    assert {Path(path).stat().st_mode & 0o007 for path in tell(store, tmp_path).paths} == {0}


def test_a_dry_run_says_what_would_be_told_and_neither_writes_nor_records(store: Store, tmp_path: Path) -> None:
    store.record_changes([NEW])
    would = tell(store, tmp_path / "reports", dry_run=True)
    assert would.as_dict()["changed"] is True and "till02" in would.text
    assert not (tmp_path / "reports").exists() and store.last_digest(SLUG) is None
    assert tell(store, tmp_path / "reports") == would


def test_killed_between_the_files_and_the_record_the_next_run_tells_it_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.record_changes([NEW])
    with monkeypatch.context() as patch:
        patch.setattr(Store, "record_digest", _killed)
        with pytest.raises(KeyboardInterrupt):
            tell(store, tmp_path)
    assert len(written(tmp_path / SLUG)) == 2 and store.last_digest(SLUG) is None

    assert "till02" in tell(store, tmp_path).text
    assert len(written(tmp_path / SLUG)) == 2 and store.last_digest(SLUG) is not None


def test_killed_between_the_two_files_nothing_is_recorded(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.record_changes([NEW])
    write = files.write
    with monkeypatch.context() as patch:
        patch.setattr(files, "write", lambda path, body: _killed() if path.suffix == ".txt" else write(path, body))
        with pytest.raises(KeyboardInterrupt):
            tell(store, tmp_path)
    assert store.last_digest(SLUG) is None
    assert len(tell(store, tmp_path).paths) == len(written(tmp_path / SLUG)) == 2


def _killed(*_unused: object) -> None:
    raise KeyboardInterrupt


def test_a_folder_that_cannot_be_made_is_one_clear_error_and_the_news_is_kept(store: Store, tmp_path: Path) -> None:
    store.record_changes([NEW])
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(MspError) as error:
        tell(store, tmp_path / "taken")
    assert error.value.code == "MSP-RPT-002"
    assert store.last_digest(SLUG) is None


def test_time_outside_the_contract_is_shown_for_its_asset_and_only_of_the_period(store: Store, tmp_path: Path) -> None:
    run = Run("r1", "fix.yml", JUST_NOW, JUST_NOW, "me", "here", check_mode=False, outcome="ok")
    store.record_run(run, [RunHost("r1", "till02", SLUG, "device:31", seconds=60.0, in_scope=False)])
    store.record_effort(
        [
            Effort("e1", SLUG, JUST_NOW, 12, planned=False, in_contract=False, by="automation", run="r1"),
            Effort("e2", SLUG, JUST_NOW, 40, planned=True, in_contract=True, by="person"),
            Effort("e3", "harbour-dental", JUST_NOW, 60, planned=False, in_contract=False, by="person"),
            Effort("e4", SLUG, JUST_NOW + DAY, 99, planned=False, in_contract=False, by="person"),
        ]
    )
    store.record_changes([NEW])

    words = " ".join(tell(store, tmp_path).text.split())

    assert "Outside contract 0:12 hours" in words
    assert "By people: not measured. By automation: 0:12 hours." in words
    assert "e1" in words.split() and not {"e2", "e3", "e4"} & set(words.split())
    store.record_changes([GONE])
    assert "Not measured: no time was recorded in this period." in tell(store, tmp_path).text


def test_the_names_of_two_digests_are_never_the_same_whatever_the_clocks_of_the_customer_do(
    store: Store, tmp_path: Path
) -> None:
    """The hour that a customer's clock repeats in October is two hours in UTC."""
    summer = dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC)
    winter = summer + dt.timedelta(hours=1)
    assert summer.astimezone(DUTCH).hour == winter.astimezone(DUTCH).hour
    made = [replace(NEW, recorded_at=summer), replace(GONE, recorded_at=winter)]
    first = hand_over(store, news(whose("nl"), made[:1], None), tmp_path, made_by="x")
    second = hand_over(store, news(whose("nl"), made, summer), tmp_path, made_by="x")
    assert not set(first.paths) & set(second.paths)


def test_the_controllers_clock_has_no_say(store: Store, tmp_path: Path) -> None:
    """A change that a controller with a wrong clock found long ago, or will find, is told like any other."""
    store.record_changes([replace(NEW, at=NOW - 900 * DAY), replace(GONE, at=NOW + 900 * DAY)])
    assert sum(tell(store, tmp_path).counts.values()) == 2
    store.record_changes([replace(NEW, key="k3", at=NOW - 800 * DAY)])
    assert tell(store, tmp_path).counts["new"] == 1
