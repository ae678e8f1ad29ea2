# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which prefixes a look works with: the customer's own, and what everybody else has inside or around them."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import observe
from ansible_collections.msp.ops.plugins.plugin_utils.observe.live import nmap
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Reading
from ansible_collections.msp.ops.plugins.plugin_utils.observe.scan import Scan, ScanPlan, ScanPrefix, plan_scan
from ansible_collections.msp.ops.plugins.plugin_utils.observe.sources import Source


def row(
    id: int,
    prefix: str,
    tenant: str | None = "bakery",
    *,
    vrf: int | None = 1,
    allowed: bool = False,
    exclude: Any = None,
) -> dict[str, Any]:
    return {
        "id": id,
        "prefix": prefix,
        "vrf": {"id": vrf} if vrf else None,
        "tenant": {"id": 9, "slug": tenant} if tenant else None,
        "custom_fields": {"msp_scan_allowed": allowed, "msp_scan_exclude": exclude},
    }


class Shelf:
    """A register with these prefixes, which chooses as NetBox does; NetBox itself is not needed here."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.held = rows

    def rows(self, endpoint: str, *, fields: Any, filters: dict[str, Any]) -> list[dict[str, Any]]:
        assert endpoint == "ipam/prefixes"
        ((name, value),) = filters.items()
        return [{key: one[key] for key in fields} for one in self.held if self._fits(one, name, value)]

    @staticmethod
    def _fits(one: dict[str, Any], name: str, value: Any) -> bool:
        if name == "tenant":
            return one["tenant"] is not None and one["tenant"]["slug"] in value
        here: Any = ipaddress.ip_network(one["prefix"])
        there: Any = ipaddress.ip_network(value)
        if here.version != there.version:
            return False
        return bool({"within_include": here.subnet_of, "contains": here.supernet_of}[name](there))


def prefixes(*rows: dict[str, Any]) -> observe.Prefixes:
    register: Any = Shelf(*rows)
    return observe.prefixes_of(register, "bakery")


def test_what_others_have_inside_and_around_an_allowed_prefix_is_read_once_and_is_not_the_customers() -> None:
    found = prefixes(
        row(1, "10.0.0.0/16", allowed=True),
        row(2, "10.0.1.0/24", allowed=True),
        row(3, "10.0.1.0/25", "florist", exclude=["10.0.1.9"]),
        row(4, "10.0.1.128/25", None),
        row(5, "10.0.0.0/8", "florist", vrf=None, allowed=True),
        row(6, "192.0.2.0/24", "florist", allowed=True),
    )

    assert [one.prefix for one in found.scannable] == ["10.0.0.0/16", "10.0.1.0/24"]
    assert [str(one) for one in found.networks] == ["10.0.0.0/16", "10.0.1.0/24"]
    assert found.others == (
        ScanPrefix("10.0.1.0/25", False, ("10.0.1.9",), 1, "florist"),
        ScanPrefix("10.0.1.128/25", False, (), 1, ""),
        ScanPrefix("10.0.0.0/8", True, (), None, "florist"),
    )


@pytest.mark.parametrize("tenant", ["florist", None])
def test_a_strangers_part_of_an_allowed_prefix_is_not_scanned(tenant: str | None) -> None:
    found = prefixes(row(1, "192.0.2.0/24", allowed=True), row(2, "192.0.2.64/26", tenant, allowed=True))

    assert plan_scan(found.scannable, None, found.others).exclude == ("192.0.2.64/26",)


def test_a_prefix_that_is_not_scanned_asks_nothing_more() -> None:
    assert prefixes(row(1, "192.0.2.0/24"), row(2, "192.0.2.64/26", "florist")).others == ()


def test_exclusions_that_are_no_list_are_an_error_that_names_the_prefix_and_whose_it_is() -> None:
    with pytest.raises(MspError, match=r"MSP-OBS-052.*192\.0\.2\.64/26 of florist"):
        prefixes(row(1, "192.0.2.0/24", allowed=True), row(2, "192.0.2.64/26", "florist", exclude="192.0.2.65"))


def test_a_look_for_one_customer_does_not_scan_what_another_allows_too() -> None:
    found = prefixes(row(1, "192.168.1.0/24", allowed=True), row(2, "192.168.1.0/24", "florist", vrf=2, allowed=True))

    done = observe.look("bakery", Source("nmap", "", {}), found)

    assert [problem.code for problem in done.problems] == ["MSP-OBS-057"]
    assert not done.complete


def test_a_look_through_a_named_interface_scans_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scanned: list[Scan] = []

    def stand_in(decision: Scan, *_unused: Any) -> tuple[Reading, tuple[MspError, ...]]:
        scanned.append(decision)
        return Reading(()), ()

    monkeypatch.setattr(nmap, "scan", stand_in)
    monkeypatch.setattr(nmap, "privileged", lambda: True)
    found = prefixes(row(1, "192.168.1.0/24", allowed=True), row(2, "192.168.1.0/24", "florist", vrf=2, allowed=True))

    done = observe.look("bakery", Source("nmap", "", {"interface": "wg-bakery"}), found)

    assert done.problems == ()
    assert [one.plan for one in scanned] == [ScanPlan(("192.168.1.0/24",), (), "wg-bakery")]
