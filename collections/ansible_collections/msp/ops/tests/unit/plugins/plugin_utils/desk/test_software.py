# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who runs a version, and the software of a customer's assets, out of what audits told."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.desk import software
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import codec, hashing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.standards import assigning

AT = dt.datetime(2026, 11, 1, 9, 30, tzinfo=dt.UTC)
TODAY = dt.date(2026, 11, 26)


def audited(store: Store, customer: str, asset: str, *, system: str = "debian", **versions: str) -> None:
    body: dict[str, Any] = {
        "os": {"id": system, "version": "12.7", "support_end": None},
        "packages": [
            {"name": name, "version": version, "architecture": "amd64", "origin": "Debian/bookworm"}
            for name, version in versions.items()
        ],
        "updates": {"known": True, "pending": [{"name": "openssl", "to": "3.0.17-1", "origin": None}]},
    }
    audit = Audit(customer, asset, f"srv-{asset}.{customer}", AT, "ok", hashing.facts_hash(body))
    store.record([codec.Facts(body), audit])


@pytest.fixture
def filled(store: Store) -> Store:
    audited(store, "bakkerij-jansen", "device-1", openssl="3.0.11-1~deb12u2")
    audited(store, "bakkerij-jansen", "device-2", openssl="3.0.17-1~deb12u1")
    audited(store, "harbour-dental", "device-3", openssl="3.0.11-1~deb12u2", nginx="1.22.1-9")
    audited(store, "harbour-dental", "device-4", nginx="1.22.1-9")
    return store


def test_who_runs_a_package_is_told_over_all_customers_with_the_hosts_name(filled: Store) -> None:
    found = software.who_runs(filled, "openssl")

    assert [(one.customer, one.host, one.package.version) for one in found.runs] == [
        ("bakkerij-jansen", "srv-device-1.bakkerij-jansen", "3.0.11-1~deb12u2"),
        ("bakkerij-jansen", "srv-device-2.bakkerij-jansen", "3.0.17-1~deb12u1"),
        ("harbour-dental", "srv-device-3.harbour-dental", "3.0.11-1~deb12u2"),
    ]
    assert (found.others, found.assets) == (0, 4)
    assert found.by_version() == [("3.0.11-1~deb12u2", 2, 2), ("3.0.17-1~deb12u1", 1, 1)]


@pytest.mark.parametrize(
    ("conditions", "assets", "others"),
    [
        (["<3.0.15"], ["device-1", "device-3"], 1),
        ([">=3.0.11", "<3.0.12"], ["device-1", "device-3"], 1),
        (["3.0.17"], ["device-2"], 2),
        (["=3.0.11-1~deb12u2"], ["device-1", "device-3"], 1),
        (["2"], [], 3),
    ],
)
def test_versions_are_asked_for_by_conditions_and_a_version_alone_is_in_any_revision(
    filled: Store, conditions: list[str], assets: list[str], others: int
) -> None:
    found = software.who_runs(filled, "openssl", conditions)

    assert sorted(one.asset for one in found.runs) == assets
    assert found.others == others


def test_of_one_customer_only_its_own_assets_are_told(filled: Store) -> None:
    found = software.who_runs(filled, "openssl", ["<3.0.15"], "bakkerij-jansen")

    assert [one.asset for one in found.runs] == ["device-1"]
    assert (found.others, found.assets) == (1, 2)


def test_nobody_runs_what_no_audit_told_of(filled: Store) -> None:
    found = software.who_runs(filled, "apache2")

    assert (found.runs, found.others, found.assets) == ((), 0, 4)


def test_each_platforms_versions_are_compared_by_its_own_rules(store: Store) -> None:
    # A letter is older than the end of a version to rpm, and newer to dpkg.
    audited(store, "harbour-dental", "device-1", system="debian", tool="1.0.a-1")
    audited(store, "harbour-dental", "device-2", system="rocky", tool="1.0.a-1")

    found = software.who_runs(store, "tool", [">=1.0.1"])

    assert [one.platform for one in found.runs] == ["debian-12"]


@pytest.mark.parametrize(("name", "conditions", "code"), [("open*", [], "MSP-STD-109"), ("a b", [], "MSP-STD-100")])
def test_what_is_no_question_is_refused(store: Store, name: str, conditions: list[str], code: str) -> None:
    with pytest.raises(MspError) as caught:
        software.who_runs(store, name, conditions)

    assert caught.value.code == code


def test_a_customers_software_is_that_of_its_last_good_audits_with_each_assets_own_set(filled: Store) -> None:
    assets = [Asset("device", number, f"srv0{number}", "bakkerij-jansen", "contracted") for number in (1, 2, 3)]
    keys = {asset.key: asset for asset in assets}
    for asset in assets[:2]:
        audited(filled, "bakkerij-jansen", asset.key, openssl="3.0.11-1~deb12u2")
    chosen = {"name": "linux-workstation", "parameters": {"software-required": {"packages": ["restic"]}}}
    held = assigning.assign(chosen, None, today=TODAY)

    found = software.of_customer(filled, "bakkerij-jansen", assets, {assets[0].key: held})

    assert [(one.name, keys[one.asset].name) for one in found.assets] == [("srv01", "srv01"), ("srv02", "srv02")]
    assert found.not_told == ("srv03",)
    assert [str(one) for one in found.assets[0].wanted.required or ()] == ["restic"]
    assert found.assets[1].wanted.required is None
    assert found.assets[0].pending == {"openssl": ("3.0.17-1", None)}
