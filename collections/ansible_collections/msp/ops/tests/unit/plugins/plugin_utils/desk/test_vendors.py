# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who made a thing, by its hardware address."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk.vendors import vendor_of


def test_a_registered_address_has_a_maker() -> None:
    assert "Raspberry" in vendor_of("b8:27:eb:4a:10:9c")


@pytest.mark.parametrize("mac", ["", "nonsense", "02:00:5e:b2:f8:88", "da:a1:19:00:00:01"])
def test_an_address_that_software_made_up_and_no_address_have_none(mac: str) -> None:
    assert vendor_of(mac) == ""


@pytest.mark.parametrize("mac", ["00:00:5e:00:53:01", "00:00:5E:00:01:0a"])
def test_an_address_for_documentation_or_of_a_protocol_was_made_by_nobody(mac: str) -> None:
    assert vendor_of(mac) == ""
