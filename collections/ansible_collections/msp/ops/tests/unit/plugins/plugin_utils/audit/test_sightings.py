# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Observations out of an audit."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.audit import sightings
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def audit(**volatile: Any) -> Audit:
    return Audit("example", "device:7", "srv01.example", AT, "ok", volatile=volatile)


def neighbour(address: str) -> dict[str, Any]:
    return {"address": address, "mac": "02:00:5e:00:53:20", "interface": "eth0", "state": "STALE"}


def test_the_audited_host_is_the_one_observation_that_knows_its_asset() -> None:
    facts = {
        "machine": {"vendor": "Example Systems", "model": None, "serial": "EXS1", "uuid": None, "asset_tag": None,
                    "chassis": "server"},
        "hostname": {"name": "srv01", "fqdn": "srv01.example.com"},
        "os": {"name": "Debian"},
        "interfaces": [{"name": "eth0", "mac": "02:00:5e:00:53:01", "kind": None, "addresses": ["192.0.2.10/24"]}],
    }  # fmt: skip

    found = sightings.itself(Subject("srv01.example", "example", "device:7"), facts, AT)

    assert (found.source, found.asset, found.at) == ("audit", "device:7", AT)
    assert found.identity == {
        "serial": "EXS1",
        "macs": ["02:00:5e:00:53:01"],
        "names": ["srv01", "srv01.example.com"],
        "addresses": ["192.0.2.10"],
    }
    assert found.attributes == {"vendor": "Example Systems", "os": "Debian", "type": "server"}


def test_neighbours_inside_the_customers_prefixes_are_kept_and_others_are_not() -> None:
    seen = audit(
        neighbours=[neighbour("192.0.2.1"), neighbour("198.51.100.9"), neighbour("fe80::1"), neighbour("junk")]
    )

    found = list(sightings.neighbours(seen, ["192.0.2.0/24", "2001:db8::/64"]))

    assert [(one.identity["addresses"], one.asset) for one in found] == [(["192.0.2.1"], None)]
    assert found[0].place == {"seen_by": "device:7", "interface": "eth0", "prefix": "192.0.2.0/24"}


@given(st.lists(st.ip_addresses().map(str)))
def test_nothing_outside_the_prefixes_is_ever_kept(addresses: list[str]) -> None:
    found = list(sightings.neighbours(audit(neighbours=[neighbour(one) for one in addresses]), ["192.0.2.0/24"]))

    assert all(one.identity["addresses"][0].startswith("192.0.2.") for one in found)


def test_a_customer_without_prefixes_has_no_neighbours() -> None:
    assert list(sightings.neighbours(audit(neighbours=[neighbour("192.0.2.1")]), [])) == []


def test_the_switch_that_announced_itself_is_seen() -> None:
    lldp = {"interface": "eth0", "name": "switch-1", "description": "Example", "chassis": "02:00:5e:00:53:aa",
            "port": "ge-0/0/7", "addresses": []}  # fmt: skip

    found = list(sightings.neighbours(audit(lldp=[lldp]), []))

    assert (found[0].source, found[0].identity) == ("lldp", {"names": ["switch-1"], "macs": ["02:00:5e:00:53:aa"]})
    assert found[0].place == {"seen_by": "device:7", "interface": "eth0", "port": "ge-0/0/7"}
