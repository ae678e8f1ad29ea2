# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The spool and its delivery: nothing lost, nothing twice, and what the store cannot take is kept with its reason."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import multiprocessing
import os
import resource
import signal
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import codec, hashing, spool, statistics
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.deliver import deliver
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    Audit,
    Effort,
    Observation,
    Run,
    RunHost,
    Ticket,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

AT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
FACTS = codec.Facts({"schema": 1, "packages": [{"name": f"p{i}"} for i in range(50)]})
AUDIT = Audit("bakery", "device:1", "srv01", AT, "ok", hashing.facts_hash(FACTS.body), changed=("os",))
RUN = Run("r1", "p.yml", AT, None, "anna", "ctl", False)
SEEN = Observation("bakery", "nmap", AT, {"serial": "abc"})
RECORDS: list[codec.Record] = [
    FACTS,
    AUDIT,
    SEEN,
    RUN,
    RunHost("r1", "srv01", "bakery", None, ok=1, in_scope=True),
    Effort("k", "bakery", AT, 1.5, True, False, "automation"),
    Ticket("bakery", "desk", "T-1", AT),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def store(new_sqlite_store: Callable[[], Store]) -> Any:
    with new_sqlite_store() as opened:
        yield opened


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_comes_back_from_its_line_as_it_was(record: codec.Record) -> None:
    line = codec.encode(record)
    assert line.isascii()
    assert "\n" not in line
    assert codec.decode(line) == record


@pytest.mark.thorough
@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_a_line_that_is_no_record_says_so_and_nothing_else(line: str) -> None:
    with pytest.raises(ValueError):  # any words will do
        codec.decode(line)


def test_what_was_spooled_is_delivered_once_and_the_file_is_gone(place: Path, store: Store) -> None:
    path = spool.put(RECORDS, place)
    assert path.suffix == ".jsonl"
    done = deliver(store, place)
    assert (done.files, done.records, done.rejected, done.complete) == (1, len(RECORDS), [], True)
    assert store.last_audits("bakery") == {"device:1": (AUDIT, AUDIT)}
    assert store.facts(str(AUDIT.facts_hash)) == FACTS.body
    assert spool.waiting(place) == []
    assert deliver(store, place).records == 0


def test_the_spool_is_for_its_owner_alone(place: Path) -> None:
    path = spool.put([SEEN], place)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_being_written_is_left_alone(place: Path, store: Store) -> None:
    with spool.Spool(place) as writer:
        writer.append([RUN])
        assert deliver(store, place).files == 0
        assert store.run("r1") is None
    assert deliver(store, place).files == 1


def test_a_delivery_while_a_file_is_being_begun_leaves_it_to_its_writer(
    place: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, gaps = fcntl.lockf, []

    def lock_with_a_delivery_before_and_after(*arguments: Any) -> None:
        monkeypatch.setattr(fcntl, "lockf", lock)  # the delivery's own locks are plain ones
        gaps.append(deliver(store, place).files)
        lock(*arguments)
        gaps.append(deliver(store, place).files)

    spool.put([AUDIT], place)  # something waits, so that the delivery looks at the spool
    monkeypatch.setattr(fcntl, "lockf", lock_with_a_delivery_before_and_after)
    with spool.Spool(place) as writer:
        assert gaps == [1, 0]
        writer.append([SEEN])
    assert deliver(store, place).records == 1
    assert len(store.sightings("bakery")) == 1


def test_the_file_of_a_writer_that_died_before_it_began_is_removed_once_no_writer_can_be_there(
    place: Path, store: Store
) -> None:
    spool.put([SEEN], place)
    young, old = place / "1-1-a.new", place / "1-1-b.new"
    for path in (young, old):
        path.touch()
    yesterday = time.time() - spool.NEW_SECONDS - 60
    os.utime(old, (yesterday, yesterday))
    assert deliver(store, place).files == 1
    assert sorted(place.glob("*.new")) == [young]


def in_child(work: Callable[[], None]) -> multiprocessing.Process:
    """Work in a process of its own, forked, so that it can be killed."""
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    return child  # type: ignore[return-value]


def test_a_writer_in_another_process_is_left_alone_until_it_dies_and_its_run_is_then_interrupted(
    place: Path, store: Store
) -> None:
    written = multiprocessing.get_context("fork").Event()

    def work() -> None:
        spool.Spool(place).append([RUN, SEEN])
        written.set()
        signal.pause()

    child = in_child(work)
    assert written.wait(30)
    assert deliver(store, place).files == 0
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    done = deliver(store, place)
    assert done.interrupted == ["r1"]
    found = store.run("r1")
    assert found is not None
    assert (found[0].outcome, found[0].ended) == ("interrupted", None)
    assert len(store.sightings("bakery")) == 1


def test_a_killed_writer_is_taken_up_although_a_worker_it_forked_lives_on(place: Path, store: Store) -> None:
    """Ansible's workers are forked with the file open; an ssh that hangs must not hide that the run died."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    grandchild: Any = context.Value("i", 0)

    def work() -> None:
        writer = spool.Spool(place)
        writer.append([RUN])
        pid = os.fork()
        if pid == 0:
            signal.pause()
        grandchild.value = pid
        ready.set()
        signal.pause()

    child = in_child(work)
    assert ready.wait(30)
    try:
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert deliver(store, place).interrupted == ["r1"]
    finally:
        os.kill(grandchild.value, signal.SIGKILL)


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_torn_last_line_costs_that_line_alone_and_is_told(place: Path, store: Store, cut: int) -> None:
    path = spool.put([SEEN, AUDIT], place)
    path.write_bytes(path.read_bytes()[:-cut])
    done = deliver(store, place)
    assert len(store.sightings("bakery")) == 1
    assert len(done.rejected) == 1
    assert "torn" in done.rejected[0]
    (kept,) = spool.rejected(place)
    assert json.loads(kept.read_text())["line"] == codec.encode(AUDIT)[: 1 - cut or None]


def test_what_the_store_can_never_take_is_kept_with_its_reason_and_the_rest_is_delivered(
    place: Path, store: Store
) -> None:
    lacking = Audit("bakery", "device:2", "srv02", AT, "ok", "0" * 64)
    path = spool.put([SEEN, lacking, RunHost("nobody", "h", None, None), AUDIT, FACTS], place)
    with path.open("a") as file:
        file.write('{"kind":"audit","data":{"at":"soon"}}\n')
        file.write('{"kind":"from the future","data":{}}\n')
        file.write(
            '{"kind":"observation","data":{"customer":"c","source":"s","at":"2026-03-01T09:30:00Z","identity":7}}\n'
        )
    done = deliver(store, place)
    assert len(store.sightings("bakery")) == 1
    lines = [json.loads(line) for line in spool.rejected(place)[0].read_text().splitlines()]
    assert len(lines) == len(done.rejected)
    assert all(line["reason"] for line in lines)
    assert codec.encode(lacking) in [line["line"] for line in lines]
    assert stat.S_IMODE(spool.rejected(place)[0].stat().st_mode) == 0o600
    assert spool.waiting(place) == []
    assert statistics.backlog(place).rejected == 1


def test_a_record_that_the_database_refuses_for_a_reason_without_a_code_does_not_hold_up_the_others(
    place: Path, store: Store
) -> None:
    path = spool.put([SEEN, RUN], place)
    odd = codec.encode(RunHost("r1", "srv01", "bakery", None)).replace('"ok":0', '"ok":{"secret":"hunter2"}')
    with path.open("a") as file:
        file.write(odd + "\n")
    done = deliver(store, place)
    assert (done.files, done.records, len(store.sightings("bakery"))) == (1, 2, 1)
    assert [json.loads(line)["line"] for line in spool.rejected(place)[0].read_text().splitlines()] == [odd]
    (reason,) = done.rejected
    assert "ProgrammingError" in reason
    assert "hunter2" not in reason
    assert spool.waiting(place) == []


def test_a_store_that_fails_leaves_every_file_where_it_is(place: Path, store: Store) -> None:
    spool.put([SEEN], place)
    store.database.write(lambda connection: connection.exec_driver_sql("ALTER TABLE things RENAME TO things_away"))
    with pytest.raises(MspError) as caught:
        deliver(store, place)
    assert caught.value.code == "MSP-EVD-002"
    assert len(spool.waiting(place)) == 1
    store.database.write(lambda connection: connection.exec_driver_sql("ALTER TABLE things_away RENAME TO things"))
    assert deliver(store, place).records == 1


def test_a_delivery_killed_after_the_commit_and_before_the_removal_delivers_nothing_twice(
    place: Path, store: Store
) -> None:
    path = spool.put(RECORDS, place)
    text = path.read_bytes()
    deliver(store, place)
    before = statistics.store(store.database).rows
    path.write_bytes(text)  # as if the removal had not been reached
    assert deliver(store, place).records == len(RECORDS)
    assert statistics.store(store.database).rows == before
    assert store.sightings("bakery")[0].count == 1


def test_two_deliveries_of_one_spool_do_not_meet_and_the_second_returns_when_all_is_in(
    place: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.put([SEEN], place)
    inside, go_on = threading.Event(), threading.Event()
    record = Store.record

    def slow(self: Store, records: Any) -> None:
        inside.set()
        assert go_on.wait(30)
        record(self, records)

    monkeypatch.setattr(Store, "record", slow)
    first = threading.Thread(target=deliver, args=(store, place))
    first.start()
    assert inside.wait(30)
    hurried = deliver(store, place, seconds=0)
    assert (hurried.complete, hurried.files) == (False, 0)
    found: list[int] = []
    second = threading.Thread(target=lambda: found.append(deliver(store, place).files + len(store.sightings("bakery"))))
    second.start()
    go_on.set()
    first.join()
    second.join()
    assert found == [1]


def test_a_delivery_stops_in_time_and_says_so(place: Path, store: Store) -> None:
    spool.put([SEEN], place)
    done = deliver(store, place, seconds=0)
    assert (done.files, done.complete) == (0, False)
    assert deliver(store, place, seconds=60).complete


def test_a_spool_on_a_full_disk_is_named_and_what_was_written_before_is_delivered(place: Path, store: Store) -> None:
    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        writer = spool.Spool(place)
        writer.append([SEEN])
        try:
            writer.append([codec.Facts({"long": "x" * 10_000})])
        except MspError as error:
            os._exit(0 if error.code == "MSP-EVD-011" else 1)
        os._exit(2)

    child = in_child(work)
    child.join()
    assert child.exitcode == 0
    done = deliver(store, place)
    assert len(store.sightings("bakery")) == 1
    assert len(done.rejected) == 1


def test_a_spool_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MspError) as caught:
        spool.put([SEEN], tmp_path / "file" / "spool")
    assert caught.value.code == "MSP-EVD-011"


def test_a_spool_file_is_not_written_from_a_forked_child(place: Path) -> None:
    with spool.Spool(place) as writer:

        def work() -> None:
            try:
                writer.append([SEEN])
            except RuntimeError:
                os._exit(0)
            os._exit(1)

        child = in_child(work)
        child.join()
        assert child.exitcode == 0


def test_the_backlog_says_how_much_waits_and_since_when(place: Path) -> None:
    assert statistics.backlog(place) == statistics.Backlog(0, 0, None, 0)
    path = spool.put([SEEN], place)
    spool.put([SEEN], place)
    found = statistics.backlog(place)
    assert (found.files, found.bytes, found.oldest) == (2, 2 * path.stat().st_size, spool.began(path))
    assert found.oldest is not None
    assert abs((found.oldest - dt.datetime.now(dt.UTC)).total_seconds()) < 60


def test_a_spool_without_a_place_given_is_in_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert spool.default_directory() == tmp_path / "state" / "msp.ops" / "spool"
