"""Makes a store of ten million sightings by SQL, in the tables that the migrations made, and what it is compared with.

The rows are those that the store itself would have written: 100 customers with 100 assets each, every asset seen by
three sources in 334 states, with an address of its pool of 20 in each, and audited once a week.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.rows import micros

START = dt.datetime(2026, 1, 1, 6, 0, tzinfo=dt.UTC)
DAY = 86_400_000_000
CUSTOMERS, EACH, SOURCES, STATES = 100, 100, 3, 334
ASSETS = CUSTOMERS * EACH
THINGS = ASSETS * SOURCES
ADDRESSES = 20
AUDITS = 52

# Thing i + 1 is asset i % 10000 as source i / 10000 sees it; asset a belongs to customer a / 100.
_THINGS = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :things - 1)
INSERT INTO things
SELECT i + 1, printf('customer-%d', i % :assets / :each), printf('source-%d', i / :assets),
       printf('serial=sn%08d', i % :assets), printf('device:%d', i % :assets),
       :first, :first + (:states - 1) * :day, :states, :states
FROM n
"""
_SIGHTINGS = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :states - 1)
INSERT INTO sightings
SELECT t.id, n.i + 1, t.asset, :first + n.i * :day, :first + n.i * :day, 1,
       printf('{"addresses":["10.%d.%d.%d"],"macs":["00:50:56:%02x:%02x:%02x"],"names":["srv%d.example.com"],'
              || '"serial":"sn%08d"}',
              (t.id - 1) % 200, n.i % :addresses, (t.id - 1) % 250,
              t.id / 65536, t.id / 256 % 256, t.id % 256, (t.id - 1) % :assets, (t.id - 1) % :assets),
       '{"os":"Debian 12","vendor":"Example"}',
       printf('{"port":"gi0/%d","prefix":"192.0.2.0/24"}', n.i)
FROM things t CROSS JOIN n
WHERE t.id <= :things
"""
_AUDITS = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :audits - 1)
INSERT INTO audits (customer, asset, host, at, outcome, facts_id, summary, volatile, changed, recorded_at)
SELECT t.customer, t.asset, printf('srv%d.example.com', t.id - 1), :first + n.i * 7 * :day,
       iif(n.i % 9 = 8, 'unreachable', 'ok'), iif(n.i % 9 = 8, NULL, 1),
       '{"os":"Debian","os_version":"12.7","pending":3,"security":1}', '{"uptime_seconds":1000}', '[]', :first
FROM things t CROSS JOIN n
WHERE t.id <= :assets
"""
# The same sightings with a row each, in the order in which they were made: day by day.
_NAIVE = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :things * :states - 1)
INSERT INTO seen
SELECT printf('customer-%d', i % :assets / :each), printf('source-%d', i / :assets % :sources),
       :first + i / :things * :day, printf('device:%d', i % :assets), printf('%012x', i % :things),
       printf('srv%d.example.com', i % :assets), printf('10.%d.%d.%d', i % 200, i / :things % :addresses, i % 250),
       '{"os":"Debian 12","vendor":"Example"}', '{"port":"gi0/1","prefix":"192.0.2.0/24"}'
FROM n
"""
NAIVE_TABLE = """
CREATE TABLE seen (customer TEXT, source TEXT, at INTEGER, asset TEXT, mac TEXT, name TEXT, address TEXT,
                   attributes TEXT, place TEXT);
"""
NAIVE_NOW = "CREATE INDEX seen_now ON seen (customer, source, asset, at);"
NAIVE_WORDS = """
CREATE INDEX seen_mac ON seen (mac);
CREATE INDEX seen_name ON seen (name);
CREATE INDEX seen_address ON seen (address);
"""


def mac(number: int) -> str:
    return f"00:50:56:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def _numbers() -> dict[str, int]:
    return {
        "things": THINGS,
        "sources": SOURCES,
        "assets": ASSETS,
        "each": EACH,
        "states": STATES,
        "addresses": ADDRESSES,
        "audits": AUDITS,
        "first": micros(START),
        "day": DAY,
    }


def generate(path: Path) -> None:
    """Fill the store. The journal is off while it lasts."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536", "foreign_keys = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        for statement in (_THINGS, _SIGHTINGS, _AUDITS):
            connection.execute(statement, _numbers())
        connection.executemany("INSERT INTO tokens VALUES (?, ?, ?)", _words())
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


def _words() -> list[tuple[str, str, int]]:
    """The words of every thing, in the order of the table's key."""
    words = []
    for number in range(1, THINGS + 1):
        asset = (number - 1) % ASSETS
        words += [
            (f"sn{asset:08}", "serial", number),
            (f"srv{asset}", "name", number),
            (f"srv{asset}.example.com", "name", number),
            (mac(number).replace(":", ""), "mac", number),
        ]
        words += [(f"10.{(number - 1) % 200}.{i}.{(number - 1) % 250}", "address", number) for i in range(ADDRESSES)]
    return sorted(words)


def generate_naive(path: Path) -> None:
    """A table with a row per sighting, and the one index that "what is seen now" needs."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(NAIVE_TABLE)
        connection.execute("BEGIN")
        connection.execute(_NAIVE, _numbers())
        connection.execute("COMMIT")
        connection.executescript(NAIVE_NOW)
