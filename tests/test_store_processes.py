"""The evidence store under several processes at once, and under kill -9, on SQLite and on PostgreSQL."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import codec, hashing, spool, statistics
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.deliver import deliver
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Effort, Observation, Run, RunHost
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

AT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
# Forked, so that no test waits for imports; each opens the store itself, as a timer or another controller would.
CONTEXT = multiprocessing.get_context("fork")
PROCESSES = 4


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    return str(request.getfixturevalue("store_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url, upgrade=True) as opened:
        yield opened


def at_once(work: Callable[..., None], *arguments: Any) -> None:
    """The same work in several processes, each with its number, started together; all must end well."""
    gate = CONTEXT.Barrier(PROCESSES)
    running = [CONTEXT.Process(target=_work, args=(gate, work, number, *arguments)) for number in range(PROCESSES)]
    for process in running:
        process.start()
    for process in running:
        process.join(120)
    assert [process.exitcode for process in running] == [0] * PROCESSES


def _work(gate: Any, work: Callable[..., None], *arguments: Any) -> None:
    gate.wait(60)
    work(*arguments)


def facts(number: int) -> dict[str, Any]:
    return {"number": number, "packages": [{"name": f"p{i}", "version": str(number)} for i in range(100)]}


def _write_everything(number: int, url: str) -> None:
    """What all processes write is partly the same: shared things, shared facts, and rows of their own."""
    with Store.open(url) as store:
        for turn in range(20):
            at = AT + dt.timedelta(hours=turn)
            body = facts(turn % 5)
            mine = Audit("bakery", f"device:{number}", "h", at, "ok", hashing.facts_hash(body))
            seen = [
                Observation("bakery", "nmap", at, {"serial": f"shared-{i}", "addresses": [f"192.0.2.{i}"]})
                for i in (range(10) if number % 2 else reversed(range(10)))
            ]
            store.record([codec.Facts(body), mine, *seen])
            run = Run(f"r{turn}", "p.yml", at, at, "anna", "ctl", False, "ok")
            store.record_run(run, [RunHost(run.id, f"h{number}", "bakery", None)])
            store.record_effort([Effort(f"k{turn}", "bakery", at, 1, True, True, "automation")])


def test_processes_that_write_at_once_lose_nothing_and_double_nothing(store: Store, url: str) -> None:
    at_once(_write_everything, url)
    rows = statistics.store(store.database).rows
    assert {name: rows[name] for name in ("audits", "facts", "things", "sightings", "runs", "run_hosts", "effort")} == {
        "audits": 20 * PROCESSES,
        "facts": 5,
        "things": 10,
        "sightings": 10,
        "runs": 20,
        "run_hosts": 20 * PROCESSES,
        "effort": 20,
    }
    for one in store.sightings("bakery"):
        assert (one.first_seen, one.last_seen) == (AT, AT + dt.timedelta(hours=19))
        assert one.count <= 20
    assert store.facts(hashing.facts_hash(facts(3))) == facts(3)


def _upgrade(_number: int, url: str) -> None:
    Store.open(url, upgrade=True).close()


def test_processes_that_upgrade_at_once_make_one_schema(url: str) -> None:
    at_once(_upgrade, url)
    with Store.open(url) as store:
        assert statistics.store(store.database).rows["audits"] == 0


def _fill_spool(place: Path, files: int) -> None:
    for number in range(files):
        body = facts(number)
        audit = Audit("bakery", f"device:{number}", "h", AT, "ok", hashing.facts_hash(body))
        effort = Effort(f"k{number}", "bakery", AT, 1, True, True, "automation")
        seen = Observation("bakery", "nmap", AT, {"serial": f"s{number}"})
        spool.put([codec.Facts(body), audit, seen, effort], place)


def _deliver(_number: int, url: str, place: Path) -> None:
    with Store.open(url) as store:
        deliver(store, place)


def test_a_delivery_killed_again_and_again_loses_nothing_and_doubles_nothing(
    store: Store, url: str, tmp_path: Path
) -> None:
    place, files = tmp_path / "spool", 120
    _fill_spool(place, files)
    killed = 0
    for wanted in (1, 30, 60, 90):
        process = CONTEXT.Process(target=_deliver, args=(0, url, place))
        process.start()
        while process.is_alive() and files - len(spool.waiting(place)) < wanted:
            process.join(0.001)
        if process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.join(60)
    assert killed >= 2, "the deliveries were done before they could be killed"
    deliver(store, place)
    rows = statistics.store(store.database).rows
    assert [rows[name] for name in ("audits", "facts", "things", "effort")] == [files] * 4
    assert {one.count for one in store.sightings("bakery")} == {1}
    assert spool.waiting(place) == []
    assert spool.rejected(place) == []


def test_processes_that_deliver_one_spool_at_once_deliver_it_once(store: Store, url: str, tmp_path: Path) -> None:
    place, files = tmp_path / "spool", 40
    _fill_spool(place, files)
    at_once(_deliver, url, place)
    deliver(store, place)
    rows = statistics.store(store.database).rows
    assert [rows[name] for name in ("audits", "facts", "things", "effort")] == [files] * 4
    assert spool.waiting(place) == []


def test_a_store_and_its_directory_that_may_only_be_read_are_named_and_the_spool_keeps_everything(
    tmp_path: Path, store_url: str
) -> None:
    """For real: as a user who may not write there. Root may write anywhere, so root becomes nobody."""
    directory, place = tmp_path / "readonly", tmp_path / "spool"
    url = f"sqlite:///{directory / 'evidence.db'}"
    with Store.open(url, upgrade=True) as store:
        store.record_observations([Observation("bakery", "nmap", AT, {"serial": "abc"})])
    _fill_spool(place, 3)
    for path in (*tmp_path.resolve().parents, tmp_path):
        if path.is_relative_to("/tmp") and path != Path("/tmp") and os.geteuid() == 0:  # noqa: S108
            path.chmod(0o755)
    (directory / "evidence.db").chmod(0o444)
    directory.chmod(0o555)
    code: Any = CONTEXT.Array("c", 40)
    child = CONTEXT.Process(target=_deliver_as_nobody, args=(url, place, code))
    child.start()
    child.join(60)
    directory.chmod(0o755)
    assert code.value.decode() == "MSP-EVD-003"
    assert len(spool.waiting(place)) == 3


def _deliver_as_nobody(url: str, place: Path, code: Any) -> None:
    try:
        import sqlalchemy.dialects.sqlite  # noqa: F401  # nobody may not be able to read the libraries

        if os.geteuid() == 0:
            for path in (place, *place.iterdir()):
                os.chown(path, 65534, 65534)
            os.setgid(65534)
            os.setuid(65534)
        with Store.open(url, timeout=2) as store:
            deliver(store, place)
        code.value = b"delivered"
    except MspError as error:
        code.value = error.code.encode()
    except BaseException as error:  # told to the test
        code.value = type(error).__name__.encode()


def test_a_postgresql_that_only_lets_read_is_named_and_the_spool_keeps_everything(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "spool"
    Store.open(postgres_url, upgrade=True).close()
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    _fill_spool(place, 1)
    engine = sa.create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        name = connection.execute(sa.text("SELECT current_database()")).scalar_one()
        connection.execute(sa.text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    engine.dispose()
    with Store.open(postgres_url) as store, pytest.raises(MspError) as caught:
        deliver(store, place)
    assert caught.value.code == "MSP-EVD-003"
    assert len(spool.waiting(place)) == 1
