# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may send raw packets without being root. Real scans are in the end-to-end tests."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.observe.live import nmap


@pytest.mark.parametrize(
    ("ambient", "may"),
    [("0000000000003000", True), ("000001ffffffffff", True), ("0000000000002000", False), ("0000000000000000", False)],
)
def test_a_service_hands_a_raw_scan_down_with_both_capabilities(ambient: str, may: bool) -> None:
    status = f"Name:\tpython3\nCapInh:\t0000000000003000\nCapAmb:\t{ambient}\nSeccomp:\t0\n"

    assert nmap.hands_down_raw(status) is may


def test_an_old_kernel_that_says_nothing_hands_nothing_down() -> None:
    assert not nmap.hands_down_raw("Name:\tpython3\nCapEff:\t000001ffffffffff\n")
