"""The evidence store: appends a second, size per asset and year, and its questions at ten million sightings.

Measured beside what people use today, in the same run: a file of facts per host and run (Ansible's jsonfile cache,
ansible-cmdb), and a table with a row per sighting. The ten million are made by SQL in the tables that the migrations
made; everything else goes through the store's own door.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import shutil
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import codec, hashing, rows
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Observation
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.statistics import store as size_of
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from bench._large_store import (
    ASSETS,
    CUSTOMERS,
    EACH,
    NAIVE_NOW,
    NAIVE_TABLE,
    NAIVE_WORDS,
    START,
    generate,
    generate_naive,
    mac,
)
from bench.harness import ROOT, Figure, Outcome, Target, own_peak_mb
from lab import scratch

DAY = dt.timedelta(days=1)
SOURCES = ("audit", "nmap", "neighbours")
PACKAGES = 500
CHANGED_A_WEEK = 6


def run() -> Outcome:
    outcome = Outcome("store")
    with _directory() as directory:
        _appends(outcome, "SQLite", f"sqlite:///{directory / 'append.db'}")
        _with_postgresql(outcome)
        _year(outcome, directory)
        _ten_million(outcome, directory)
    outcome.figures.append(Figure("peak memory of this whole bench", own_peak_mb(), "MB"))
    return outcome


@contextmanager
def _directory() -> Iterator[Path]:
    """A directory of the bench's own, removed afterwards."""
    path = ROOT / "build" / "bench" / "store"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    before = os.environ.get("MSP_DURABLE_PATHS")
    os.environ["MSP_DURABLE_PATHS"] = str(path)
    try:
        yield path
    finally:
        if before is None:
            del os.environ["MSP_DURABLE_PATHS"]
        else:
            os.environ["MSP_DURABLE_PATHS"] = before
        shutil.rmtree(path, ignore_errors=True)


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# What is recorded


def facts(host: int, week: int) -> dict[str, Any]:
    """Facts as the audit makes them: half of the packages are those of every host, a few change every week."""
    dice = random.Random(host)  # noqa: S311  # example data
    versions = {i: f"{i % 9}.{i % 30}.{(i if i % 2 else dice.randrange(100))}-{i % 4}" for i in range(PACKAGES)}
    for past in range(week):
        for i in random.Random(past).sample(range(PACKAGES), CHANGED_A_WEEK):  # noqa: S311
            versions[i] = f"{i % 9}.{i % 30}.{past}-1+deb12u{past}"
    return {
        "schema": 1,
        "os": {"family": "debian", "id": "debian", "name": "Debian GNU/Linux", "version": "12.7", "kernel": "6.1.0-25"},
        "hostname": {"name": f"srv{host:03}", "fqdn": f"srv{host:03}.example.com"},
        "machine": {"vendor": "Example", "model": "R1", "serial": f"SN{host:08}", "memory_bytes": 34359738368},
        "interfaces": [
            {"name": f"eth{i}", "mac": mac(host), "addresses": [f"192.0.2.{host % 250}/24"]} for i in range(3)
        ],
        "packages": [
            {
                "name": f"lib{i:04}-example",
                "version": versions[i],
                "architecture": "amd64",
                "origin": "Debian:12/stable",
            }
            for i in range(PACKAGES)
        ],
        "patches": {
            "last": (START + week * 7 * DAY).isoformat(),
            "history": [
                {"at": (START + past * 7 * DAY).isoformat(), "action": "upgrade", "packages": [f"lib{past:04}-example"]}
                for past in range(week)
            ],
        },
        "listening": [{"protocol": "tcp", "address": "0.0.0.0", "port": port, "process": "x"} for port in range(20)],  # noqa: S104
    }


def observation(host: int, source: str, at: dt.datetime) -> Observation:
    """A sighting; the host's address changes every four weeks."""
    lease = (at - START).days // 28
    return Observation(
        f"customer-{host % 20}",
        source,
        at,
        {
            "macs": [mac(host)],
            "names": [f"srv{host}.example.com"],
            "addresses": [f"10.{host % 200}.{lease}.{host % 250}"],
        },
        asset=f"device:{host}" if source == "audit" else None,
        attributes={"vendor": "Example", "os": "Debian 12"},
        place={"prefix": "192.0.2.0/24", "port": "gi0/1"},
    )


def audit(host: int, at: dt.datetime, body: dict[str, Any]) -> Audit:
    neighbours = [
        {"address": f"192.0.2.{i}", "mac": mac(i), "interface": "eth0", "state": "REACHABLE"} for i in range(5)
    ]
    summary = {"os": "Debian", "os_version": "12.7", "serial": f"SN{host:08}", "pending": 3, "security": 1}
    return Audit(
        f"customer-{host % 20}",
        f"device:{host}",
        f"srv{host}",
        at,
        "ok",
        hashing.facts_hash(body),
        summary,
        {"uptime_seconds": 1000, "neighbours": neighbours},
        seconds=2.5,
    )


# Appends


def _appends(outcome: Outcome, name: str, url: str) -> None:
    count = 10_000
    with Store.open(url, upgrade=True) as store:
        for what, at in (("new things", START), ("things seen again", START + DAY)):
            seen = [observation(i, "nmap", at) for i in range(count)]
            seconds = _timed(partial(store.record_observations, seen))
            outcome.figures.append(Figure(f"{name}: observations of {what}", count / seconds, "1/s"))
        bodies = [facts(i, 20) for i in range(200)]

        def audits() -> None:
            for host, body in enumerate(bodies):
                store.record([codec.Facts(body), audit(host, START, body)])

        outcome.figures.append(
            Figure(f"{name}: audits with new facts", len(bodies) / _timed(audits), "1/s", "a transaction each")
        )
        again = [audit(host, START + DAY, body) for host, body in enumerate(bodies)]
        outcome.figures.append(
            Figure(f"{name}: audits with known facts", len(again) / _timed(lambda: store.record(again)), "1/s")
        )


def _with_postgresql(outcome: Outcome) -> None:
    """The same on a PostgreSQL of the bench's own."""
    with scratch.cluster() as cluster:
        _appends(outcome, "PostgreSQL", cluster.url("postgres").replace("postgresql+psycopg:", "postgresql:"))


# A year of some assets

HOSTS = 8


def _year(outcome: Outcome, directory: Path) -> None:
    """Daily sightings by three sources, a daily audit, facts that change every week."""
    with Store.open(f"sqlite:///{directory / 'year.db'}", upgrade=True) as store:
        empty = _folded(store)
        naive = _year_of_sightings(store, directory / "naive-year.db")
        seen = _folded(store) - empty
        files, seconds, file_seconds = _year_of_audits(store, directory / "cache")
        audits = _folded(store) - empty - seen
    kilobytes = {
        "sightings": seen / HOSTS / 1e3,
        "audits and facts": audits / HOSTS / 1e3,
        "one row per sighting": naive / HOSTS / 1e3,
        "one file of facts per audit": files / HOSTS / 1e3,
    }
    notes = (
        "1095 observations, 13 addresses",
        f"365 audits, 53 facts of {PACKAGES} packages",
        "1095 rows",
        "365 files",
    )
    for (name, size), note in zip(kilobytes.items(), notes, strict=True):
        outcome.figures.append(Figure(f"an asset and year: {name}", size, "kB", note))
    audits_done = HOSTS * 365 / 1e3
    outcome.figures += [
        Figure("audit with facts, to the store", seconds / audits_done, "ms", "on the disk when it returns"),
        Figure("audit with facts, to a file", file_seconds / audits_done, "ms", "not synchronised"),
    ]
    outcome.targets += [
        Target("size of sightings / one row per sighting", seen / naive, 0.15),
        Target("size of audits and facts / one file of facts per audit", audits / files, 0.03),
        Target("time of an audit to the store / to a file", seconds / file_seconds, 3.0),
    ]
    mine = kilobytes["sightings"] + kilobytes["audits and facts"]
    outcome.notes.append(
        f"size: {HOSTS} assets for 365 days, less the {empty / 1e3:,.0f} kB of an empty store, divided by {HOSTS}: "
        f"{kilobytes['sightings']:,.0f} + {kilobytes['audits and facts']:,.0f} = {mine:,.0f} kB an asset and year, "
        f"{mine:,.0f} MB for 1,000 assets"
    )


def _year_of_sightings(store: Store, path: Path) -> int:
    """The same observations to the store and to a table with a row each; returns the size of that table's file."""
    with closing(sqlite3.connect(path)) as naive:
        naive.executescript(NAIVE_TABLE + NAIVE_NOW + NAIVE_WORDS)
        for day in range(365):
            seen = [observation(i, source, START + day * DAY) for i in range(HOSTS) for source in SOURCES]
            store.record_observations(seen)
            naive.executemany("INSERT INTO seen VALUES (?,?,?,?,?,?,?,?,?)", [_naive_row(one) for one in seen])
        naive.commit()
    return path.stat().st_size


def _year_of_audits(store: Store, cache: Path) -> tuple[int, float, float]:
    """The same facts to the store and to files as Ansible's jsonfile cache writes them: bytes, and seconds of both."""
    size, seconds, file_seconds = 0, 0.0, 0.0
    for host in range(HOSTS):
        for week in range(53):
            body = facts(host, week)
            for day in range(week * 7, min(week * 7 + 7, 365)):
                began = time.perf_counter()
                store.record([codec.Facts(body), audit(host, START + day * DAY, body)])
                recorded = time.perf_counter()
                cache.mkdir(exist_ok=True)
                (cache / f"srv{host}").write_text(json.dumps(body, sort_keys=True, indent=4))
                file_seconds += time.perf_counter() - recorded
                seconds += recorded - began
                size += (cache / f"srv{host}").stat().st_size
    shutil.rmtree(cache)
    return size, seconds, file_seconds


def _folded(store: Store) -> int:
    """The size of the store with nothing left in its write-ahead log."""
    path = store.database.path
    store.database.close()
    with closing(sqlite3.connect(str(path))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return size_of(store.database).bytes


def _naive_row(one: Observation) -> tuple[object, ...]:
    identity = one.identity
    return (
        one.customer,
        one.source,
        rows.micros(one.at),
        one.asset,
        identity["macs"][0],
        identity["names"][0],
        identity["addresses"][0],
        json.dumps(one.attributes),
        json.dumps(one.place),
    )


# Ten million sightings


def _ten_million(outcome: Outcome, directory: Path) -> None:
    path = directory / "large.db"
    url = f"sqlite:///{path}"
    with Store.open(url, upgrade=True) as store:
        body = facts(1, 1)
        store.record([codec.Facts(body), audit(10**9, START, body)])
    seconds = _timed(lambda: generate(path))
    generate_naive(directory / "naive.db")
    with Store.open(url) as store:
        sizes = size_of(store.database)
        outcome.figures += [
            Figure("large store: sightings", sizes.rows["sightings"], "rows", f"made in {seconds:.0f} s"),
            Figure(
                "large store: size",
                sizes.bytes / 1e6,
                "MB",
                f"{sizes.rows['tokens']:,} words, {sizes.rows['audits']:,} audits",
            ),
        ]
        _questions(outcome, store)
        outcome.figures.append(
            Figure("large store: observations appended", _append_at_size(store), "1/s", "2,000 of known things")
        )
        with closing(sqlite3.connect(directory / "naive.db")) as naive:
            _against_today(outcome, directory, store, naive)


def _sampled(work: Callable[[int], Any], times: int) -> tuple[float, float]:
    """Median and slowest of some calls in milliseconds, each for another number."""
    dice = random.Random(7)  # noqa: S311  # example data
    found = [_timed(lambda: work(dice.randrange(ASSETS))) * 1e3 for _ in range(times)]
    return statistics.median(found), max(found)


def _questions(outcome: Outcome, store: Store) -> None:
    """The questions behind `who` and the reports."""
    slowest = 0.0
    terms: dict[str, Callable[[int], str]] = {
        "name": lambda n: f"srv{n}",
        "MAC": lambda n: mac(n + 1),
        "serial": lambda n: f"SN{n:08}",
        "address": lambda n: f"10.{n % 200}.3.{n % 250}",
    }
    for kind, term in terms.items():
        assert store.who(term(7)), f"{kind} {term(7)} is not found"  # noqa: S101  # a bench of nothing proves nothing
        middle, worst = _sampled(partial(_who, store, term), 100)
        slowest = max(slowest, middle)
        outcome.figures.append(Figure(f"who, by {kind}", middle, "ms", f"median of 100, slowest {worst:.1f} ms"))
    outcome.targets.append(Target("who at ten million sightings, slowest kind's median in ms", slowest, 50))
    questions: dict[str, Callable[[int], object]] = {
        "what is seen at a customer now": lambda n: store.sightings(f"customer-{n % CUSTOMERS}"),
        "last audits of a customer": lambda n: store.last_audits(f"customer-{n % CUSTOMERS}"),
        "history of a thing": lambda n: store.states(f"customer-{n // EACH}", "source-0", f"serial=sn{n:08}"),
    }
    for name, work in questions.items():
        middle, worst = _sampled(work, 20)
        outcome.figures.append(Figure(name, middle, "ms", f"median of 20, slowest {worst:.0f} ms"))


def _who(store: Store, term: Callable[[int], str], number: int) -> object:
    return store.who(term(number))


def _append_at_size(store: Store) -> float:
    seen = [
        Observation(f"customer-{n // EACH}", "source-0", START + 400 * DAY, {"serial": f"sn{n:08}"})
        for n in range(0, ASSETS, 5)
    ]
    return len(seen) / _timed(lambda: store.record_observations(seen))


def _against_today(outcome: Outcome, directory: Path, store: Store, naive: sqlite3.Connection) -> None:
    """The same questions to the two forms in which people keep it today."""
    grouped = "SELECT *, max(at) FROM seen WHERE customer = ? GROUP BY source, asset"
    ours, _ = _sampled(lambda n: store.sightings(f"customer-{n % CUSTOMERS}"), 10)
    theirs, _ = _sampled(lambda n: naive.execute(grouped, (f"customer-{n % CUSTOMERS}",)).fetchall(), 10)
    outcome.figures.append(
        Figure("what is seen at a customer now, one row per sighting", theirs, "ms", "the same sightings, a row each")
    )
    cache = directory / "cache"
    cache.mkdir()
    for host in range(500):
        (cache / f"srv{host}").write_text(json.dumps(facts(host, 2), sort_keys=True, indent=4))

    def search(number: int) -> None:
        """As ansible-cmdb and every script over a fact cache do: read them all."""
        for path in cache.iterdir():
            json.loads(path.read_text())["machine"]["serial"].endswith(str(number))

    scan, _ = _sampled(search, 3)
    who, _ = _sampled(lambda n: store.who(f"SN{n:08}"), 50)
    outcome.figures.append(Figure("a serial looked for in the files of facts of 500 hosts", scan, "ms"))
    outcome.targets += [
        Target("what is seen now at ten million sightings / one row per sighting", ours / theirs, 0.2),
        Target("who at ten million sightings / looking through 500 files", who / scan, 0.05),
    ]
