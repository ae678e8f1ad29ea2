# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whom msp.ops.standard_course takes for a candidate: the customer's own hosts that are held to a standard."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ansible_collections.msp.ops.plugins.action import standard_course

STANDARD = {"name": "linux-server"}


def host(number: int, customer: str = "harbour-dental", standard: Any = None, **msp: Any) -> SimpleNamespace:
    found = {"customer": customer, "asset": {"key": f"device:{number}"}, "standard": standard, **msp}
    groups = [SimpleNamespace(name="all"), SimpleNamespace(name="tag_msp_ring_first")]
    return SimpleNamespace(vars={"msp": found}, get_groups=lambda: groups)


def test_only_the_customers_hosts_that_are_held_to_a_standard_are_candidates() -> None:
    hosts = {
        "srv01": host(1, standard=STANDARD, plan={"name": "office"}, standards_own={"own": {}}, timezone="Asia/Tokyo"),
        "srv02": host(2),
        "srv03": host(3, customer="bakkerij-jansen", standard=STANDARD),
        "srv04": host(4, standard=STANDARD),
    }
    known = SimpleNamespace(_inventory=SimpleNamespace(hosts=hosts))

    arguments = {"customer": "harbour-dental", "hosts": ["srv01", "srv02", "srv03"]}
    (found,) = standard_course._candidates(arguments, known)

    assert (found.host, found.asset) == ("srv01", "device:1")
    assert found.groups == {"all", "tag_msp_ring_first"}
    assert found.timezone == "Asia/Tokyo"
    assert (found.plan, found.standard, found.own) == ({"name": "office"}, STANDARD, {"own": {}})
