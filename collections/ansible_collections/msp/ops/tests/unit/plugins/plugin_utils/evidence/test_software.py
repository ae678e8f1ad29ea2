# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is installed where: that of the last good audit of each asset, in whatever order audits are told."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import codec, hashing, retention, schema, statistics
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Installed, Software
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

NOW = dt.datetime.now(dt.UTC)
AT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
OLD, RECENT = NOW - 400 * DAY, NOW - 5 * DAY
DEBIAN = {"id": "debian", "version": "12.7", "codename": "bookworm"}


def facts(system: dict[str, Any] | None = None, **versions: str) -> dict[str, Any]:
    """Facts as an audit makes them, with these packages."""
    return {
        "os": DEBIAN if system is None else system,
        "packages": [
            {"name": name, "version": version, "architecture": "amd64", "origin": "Debian:12/stable"}
            for name, version in versions.items()
        ],
    }


def audited(
    store: Store, body: dict[str, Any] | None, at: dt.datetime = AT, asset: str = "device:1", customer: str = "bakery"
) -> None:
    """An audit with these facts; None: it failed."""
    name = None if body is None else hashing.facts_hash(body)
    audit = Audit(customer, asset, f"{asset}.{customer}", at, "ok" if name else "failed", name)
    store.record([audit] if body is None else [codec.Facts(body), audit])


def installed(store: Store, customer: str = "bakery") -> dict[str, dict[str, str]]:
    """By asset its packages and their versions."""
    found: dict[str, dict[str, str]] = {}
    for one in store.software_of(customer):
        found.setdefault(one.asset, {})[one.name] = one.version
    return found


def test_who_runs_a_version_is_told_over_all_customers_or_of_one(store: Store) -> None:
    audited(store, facts(openssl="3.0.14", bash="5.2"))
    audited(store, facts(openssl="3.0.17"), asset="device:2")
    audited(store, facts(openssl="3.0.14"), customer="dentist")

    def is_old(version: str, platform: str) -> bool:
        return (version, platform) == ("3.0.14", "debian-12")

    old = Software(
        "bakery", "device:1", "device:1.bakery", "debian-12", "openssl", "3.0.14", "amd64", "Debian:12/stable", AT
    )
    assert store.software("openssl", is_old, "bakery") == Installed((old,), having=2)
    assert [one.customer for one in store.software("openssl", is_old).found] == ["bakery", "dentist"]
    assert [one.asset for one in store.software("openssl", customer="bakery").found] == ["device:1", "device:2"]
    assert store.software("nginx") == Installed((), having=0)
    assert [one.name for one in store.software_of("bakery", "device:1")] == ["bash", "openssl"]


def test_a_host_is_called_as_in_the_audit_that_told_of_it_and_is_there_once(store: Store) -> None:
    audited(store, facts(openssl="1"))
    store.record([Audit("bakery", "device:1", "an attempt that failed", AT, "failed")])
    store.record([Audit("bakery", "device:1", "renamed", AT + DAY, "unreachable")])
    audited(store, facts(openssl="1"), asset="device:2")

    assert [one.host for one in store.software("openssl").found] == ["device:1.bakery", "device:2.bakery"]
    assert (store.software_known(), store.software_known("bakery"), store.software_known("dentist")) == (2, 2, 0)


def test_an_asset_that_has_a_package_twice_counts_once_and_each_platform_is_asked_about(store: Store) -> None:
    body = facts(openssl="1")
    body["packages"] += [{**package, "architecture": "i386"} for package in body["packages"]]
    audited(store, body)
    audited(store, facts({"id": "rhel", "version": "9.4"}, openssl="1"), asset="device:2")

    found = store.software("openssl", lambda _version, platform: platform == "debian-12")

    assert [(one.asset, one.architecture) for one in found.found] == [("device:1", "amd64"), ("device:1", "i386")]
    assert found.having == 2


def test_an_upgrade_replaces_what_was_there_and_an_older_audit_told_late_does_not(store: Store) -> None:
    audited(store, facts(openssl="1", bash="5"), AT + DAY)
    audited(store, facts(openssl="2", bash="5", nginx="1"), AT + 2 * DAY)
    audited(store, facts(openssl="0"), AT)

    assert installed(store) == {"device:1": {"openssl": "2", "bash": "5", "nginx": "1"}}
    assert [one.version for one in store.software("openssl").found] == ["2"]


def test_the_same_facts_again_only_make_it_newer(store: Store) -> None:
    audited(store, facts(openssl="1"))
    audited(store, facts(openssl="1"), AT + 3 * DAY)
    (found,) = store.software("openssl").found
    assert found.at == AT + 3 * DAY


def test_several_audits_of_an_asset_in_one_delivery_come_to_the_last_of_them(store: Store) -> None:
    bodies = [facts(openssl=str(number)) for number in range(3)]
    told: list[codec.Record] = [codec.Facts(body) for body in bodies]
    told += [
        Audit("bakery", "device:1", "h", AT + number * DAY, "ok", hashing.facts_hash(bodies[number]))
        for number in (1, 2, 0)
    ]
    store.record(told)
    assert installed(store) == {"device:1": {"openssl": "2"}}


@pytest.mark.parametrize("body", [None, facts(), {"hostname": {"name": "x"}}], ids=["failed", "no package", "no list"])
def test_an_audit_that_could_not_tell_takes_nothing_off(store: Store, body: dict[str, Any] | None) -> None:
    audited(store, facts(openssl="1"))
    audited(store, body, AT + DAY)
    assert installed(store) == {"device:1": {"openssl": "1"}}


@pytest.mark.parametrize(
    ("system", "platform"),
    [
        (DEBIAN, "debian-12"),
        ({"id": "ubuntu", "version": "24.04"}, "ubuntu-24.04"),
        ({"id": "rhel", "version": "9.4"}, "rhel-9.4"),
        ({"id": "debian", "version": None, "codename": "forky"}, "debian-forky"),
        ({"id": "windows"}, "windows"),
    ],
)
def test_the_platform_is_named_as_scans_name_it(store: Store, system: dict[str, Any], platform: str) -> None:
    audited(store, facts(system, openssl="1"))
    assert [one.platform for one in store.software("openssl").found] == [platform]


def test_a_package_is_one_row_on_however_many_assets_it_is(store: Store) -> None:
    for number in range(5):
        audited(store, facts(openssl="1", bash="5"), asset=f"device:{number}")
    counted = statistics.store(store.database).rows
    assert (counted["packages"], counted["package_lists"], counted["software"]) == (2, 5, 10)


def test_a_package_that_is_told_twice_or_with_odd_words_is_kept(store: Store) -> None:
    body = facts(openssl="1")
    body["packages"] += [*body["packages"], {"name": "a\x00b\ud800", "version": None}]
    audited(store, body)
    assert [(one.name, one.version) for one in store.software_of("bakery")] == [("a\ufffdb?", ""), ("openssl", "1")]


def test_lists_that_are_missing_are_made_from_the_last_good_audits_once(store: Store) -> None:
    for number in range(3):
        audited(store, facts(openssl="1"), asset=f"device:{number}")
        audited(store, facts(openssl="2"), AT + DAY, f"device:{number}")
        audited(store, None, AT + 2 * DAY, f"device:{number}")
    known = schema.tables()

    def forget(connection: sa.engine.Connection) -> None:
        connection.execute(sa.delete(known.software))
        connection.execute(sa.delete(known.package_lists))

    store.database.write(forget)
    assert store.list_software() == 3
    assert {versions["openssl"] for versions in installed(store).values()} == {"2"}
    assert store.list_software() == 0


def test_a_list_goes_with_the_last_audit_of_its_asset_and_others_packages_stay(store: Store) -> None:
    audited(store, facts(openssl="1"), OLD)
    audited(store, facts(bash="5"), OLD, "device:2")
    audited(store, None, RECENT, "device:2")
    audited(store, facts(bash="5"), OLD, customer="dentist")

    removed = retention.prune(store, "bakery", 365, apply=True)

    assert (removed["package_lists"], removed["software"], removed["packages"]) == (1, 1, 1)
    assert installed(store) == {"device:2": {"bash": "5"}}
    assert installed(store, "dentist") == {"device:1": {"bash": "5"}}
