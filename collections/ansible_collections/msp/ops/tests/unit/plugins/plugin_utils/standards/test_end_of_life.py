# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ends of life out of a made file in the form of endoflife.date's."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.patching.feeds import Broken, Empty, Undated
from ansible_collections.msp.ops.plugins.plugin_utils.standards import end_of_life
from ansible_collections.msp.ops.plugins.plugin_utils.standards.end_of_life import EndOfLife, Product, Release

NOW = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)
TODAY = NOW.date()


def release(name: str, ends: str | None, *, ended: bool | None = None, longer: str | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "codename": None,
        "label": name,
        "releaseDate": "2020-01-01",
        "isEol": (ends is not None and ends <= TODAY.isoformat()) if ended is None else ended,
        "eolFrom": ends,
        "isEoes": False,
        "eoesFrom": longer,
        "latest": {"name": f"{name}.9", "date": "2026-01-01", "link": None},
    }


def product(name: str, *releases: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "label": name.title(), "aliases": [], "identifiers": [], "releases": list(releases), **more}


PRODUCTS = [
    product("postgresql", release("17", "2029-11-08"), release("12", "2024-11-21"), release("9.6", "2021-11-11")),
    product("docker-engine", release("29", None), release("28", "2026-05-13")),
    product(
        "restic",
        release("0.17", None, ended=True),
        identifiers=[{"type": "purl", "id": "pkg:deb/debian/restic"}, {"type": "cpe", "id": "cpe:/a:restic"}],
    ),
    product(
        "debian", release("12", "2026-06-10", longer="2028-06-30"), release("11", "2024-08-14", longer="2026-08-31")
    ),
    product(
        "ubuntu",
        release("24.04", "2029-05-31", longer="2036-04-25"),
        release("20.04", "2025-05-31", longer="2032-04-23"),
    ),
    product("rocky-linux", release("9", "2032-05-31"), aliases=["rockylinux"]),
]
FILE = {"schema_version": "1.2.1", "generated_at": "2026-11-20T16:11:40+00:00", "total": 6, "result": PRODUCTS}


WHOLE = json.dumps(FILE)


def parse(value: object = WHOLE, given: dt.datetime | None = None) -> EndOfLife:
    return end_of_life.parse([value if isinstance(value, str) else json.dumps(value)], NOW, given)


@pytest.mark.parametrize(
    ("package", "version", "said"),
    [
        ("postgresql-12", "12.20-1.pgdg120+1", ("Postgresql", "12", dt.date(2024, 11, 21), True)),
        ("postgresql-9.6", "9.6.24-1.pgdg", ("Postgresql", "9.6", dt.date(2021, 11, 11), True)),
        ("postgresql-17", "17.2-1.pgdg120+1", ("Postgresql", "17", dt.date(2029, 11, 8), False)),
        ("docker-ce", "5:28.3.0-1~debian.12~bookworm", ("Docker-Engine", "28", dt.date(2026, 5, 13), True)),
        ("docker-ce", "5:29.0.0-1~debian.12~bookworm", ("Docker-Engine", "29", None, False)),
        ("restic", "0.17.1-1", ("Restic", "0.17", None, True)),
    ],
)
def test_a_makers_package_is_over_from_the_day_that_its_release_ends(
    package: str, version: str, said: tuple[Any, ...]
) -> None:
    found = parse().of_package(package, version, TODAY)

    assert found is not None
    assert (found.product, found.release, found.ends, found.over) == said


@pytest.mark.parametrize(
    ("package", "version"),
    [("postgresql-client-12", "12.20"), ("postgresql-18", "18.0-1"), ("docker-ce", "2.8"), ("mariadb-server", "10.5")],
)
def test_what_the_file_does_not_know_is_not_judged(package: str, version: str) -> None:
    assert parse().of_package(package, version, TODAY) is None


def test_a_release_is_over_on_its_day_and_not_on_the_one_before() -> None:
    found = parse()

    days = (dt.date(2024, 11, 20), dt.date(2024, 11, 21))
    assert [v.over for day in days if (v := found.of_package("postgresql-12", "12.1", day))] == [False, True]


@pytest.mark.parametrize(
    ("system", "version", "ends"),
    [
        ("debian", "12.7", dt.date(2028, 6, 30)),
        ("debian", "11", dt.date(2026, 8, 31)),
        # What costs money does not count.
        ("ubuntu", "20.04", dt.date(2025, 5, 31)),
        ("rocky", "9.4", dt.date(2032, 5, 31)),
    ],
)
def test_a_system_ends_when_updates_that_cost_nothing_do(system: str, version: str, ends: dt.date) -> None:
    found = parse().of_system(system, version, TODAY)

    assert found is not None and found.ends == ends


def test_a_system_that_is_in_no_file_is_not_judged() -> None:
    assert parse().of_system("plan9", "4", TODAY) is None
    assert parse().of_system("debian", "9", TODAY) is None


def test_one_product_alone_is_a_file_too() -> None:
    found = parse({"generated_at": "2026-11-20T16:11:40+00:00", "result": PRODUCTS[0]})

    assert list(found.products) == ["postgresql"]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("<!DOCTYPE html>", Broken),
        ([{"cycle": "12", "eol": "2024-11-21"}], Broken),
        ({**FILE, "total": 400}, Broken),
        ({**FILE, "result": [{"name": "postgresql", "uri": "https://x"}], "total": 1}, Broken),
        ({**FILE, "result": [{"label": "x", "releases": []}], "total": 1}, Broken),
        ({**FILE, "result": [product("x", {"label": "no name"})], "total": 1}, Broken),
        ({**FILE, "result": [product("x", release("1", "soon", ended=False))], "total": 1}, Broken),
        ({**FILE, "result": [], "total": 0}, Empty),
        ({"result": PRODUCTS}, Undated),
        ({**FILE, "generated_at": "2027-11-20T16:11:40+00:00"}, Undated),
        ({**FILE, "generated_at": "yesterday"}, Broken),
    ],
)
def test_a_file_that_is_none_is_refused(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse(value)


def test_the_older_of_two_dates_counts_and_an_old_file_warns() -> None:
    given = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)

    assert parse().warning(NOW) is None
    assert parse(given=given).date == given
    assert "178 days old" in (parse(given=given).warning(NOW) or "")
    assert parse({"result": PRODUCTS}, given).date == given


NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))


@pytest.mark.thorough
@given(st.lists(NUMBERS, min_size=1, max_size=6, unique=True), NUMBERS)
@settings(max_examples=80, deadline=None)
def test_a_version_is_of_the_longest_release_that_it_begins_with(names: list[str], version: str) -> None:
    one = Product("x", "X", frozenset(), tuple(Release(name, None, False, None, "") for name in names))

    found = one.release(f"1:{version}-3.el9")

    fits = [name for name in names if f"{version}.".startswith(f"{name}.")]
    assert (found.name if found else None) == max(fits, key=len, default=None)
