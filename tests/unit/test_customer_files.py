"""The customers' files that this project brings along can be read, and show what they are there to show."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.contract import status
from ansible_collections.msp.ops.plugins.plugin_utils.contract.assets import ListedAsset
from ansible_collections.msp.ops.plugins.plugin_utils.contract.warranty import merge
from ansible_collections.msp.ops.plugins.plugin_utils.register import onboarding
from lab import customers
from lab.machines import MACHINES

TODAY = dt.date(2026, 3, 1)
EXAMPLE = Path(__file__).resolve().parent.parent.parent / "docs" / "examples" / "customer" / "contract.yml"
HOSTS = [
    {
        "name": machine.name,
        "customer": machine.customer,
        "subnet": "192.0.2.0/24",
        "address": f"192.0.2.{machine.number}",
        "mac": machine.mac,
    }
    for machine in MACHINES
]


def state(asset: ListedAsset) -> str:
    return status.warranty_state_on(merge(asset.sources).end, TODAY)


@pytest.mark.parametrize("slug", customers.SLUGS)
def test_each_customer_of_the_demo_shows_every_state_of_warranty_and_sources_that_disagree(
    slug: str, tmp_path: Path
) -> None:
    written = customers.write(HOSTS, tmp_path, TODAY)

    _document, found = onboarding.load(written[slug])

    assert {state(asset) for asset in found.assets} == set(status.WARRANTY_STATES)
    assert any(merge(asset.sources).disagree for asset in found.assets)
    assert found.unknown_columns == ()


@pytest.mark.parametrize("slug", customers.SLUGS)
def test_the_lists_name_what_is_contracted_with_the_labs_addresses_and_serials(slug: str, tmp_path: Path) -> None:
    written = customers.write(HOSTS, tmp_path, TODAY)

    _document, found = onboarding.load(written[slug])

    listed = {asset.row.name: asset.row for asset in found.assets}
    for machine in MACHINES:
        if machine.customer != slug:
            continue
        assert (machine.name in listed) == machine.contracted
        if machine.contracted:
            row = listed[machine.name]
            assert row.address == f"192.0.2.{machine.number}"
            assert row.serial in ("", machine.serial)
            assert (row.asset_tag, row.model) == (machine.asset_tag, machine.model)
    assert "192.0.2.1" in {row.address for row in listed.values() if row.asset_class == "network"}


@pytest.mark.parametrize("slug", customers.SLUGS)
def test_where_hosts_run_their_network_may_be_scanned(slug: str, tmp_path: Path) -> None:
    document, _found = onboarding.load(customers.write(HOSTS, tmp_path, TODAY)[slug])

    [prefix] = document.sites[0].prefixes
    assert (str(prefix.network), prefix.scan) == ("192.0.2.0/24", True)


@pytest.mark.parametrize("slug", customers.SLUGS)
def test_where_no_host_runs_the_files_name_no_network_and_no_address(slug: str, tmp_path: Path) -> None:
    document, found = onboarding.load(customers.write([], tmp_path, TODAY)[slug])

    assert [site.prefixes for site in document.sites] == [()]
    assert {asset.row.address for asset in found.assets} == {None}
    assert {asset.row.name for asset in found.assets} == {
        asset.row.name for asset in onboarding.load(customers.write(HOSTS, tmp_path, TODAY)[slug])[1].assets
    }


def test_the_dutch_list_is_saved_as_a_dutch_excel_saves_it(tmp_path: Path) -> None:
    contract = customers.write(HOSTS, tmp_path, TODAY)["bakkerij-jansen"]

    content = (contract.parent / "apparatuur.csv").read_bytes()

    assert content.startswith(b"\xef\xbb\xbfNaam;Soort;Merk;")
    assert b";2.849,00;" in content


def test_the_example_of_the_documentation_is_right() -> None:
    document, found = onboarding.load(EXAMPLE)

    listed = {asset.row.name: asset for asset in found.assets}
    assert len(document.sites) == 2
    assert listed["foundry-vm01"].row.virtual is True
    assert listed["store-gw01"].row.site == "store"
    assert merge(listed["foundry-srv01"].sources).end == dt.date(2029, 4, 2)
    assert merge(listed["foundry-srv01"].sources).purchase == dt.date(2025, 4, 3)
