# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose asset a host is."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject, subject

MSP = {"customer": "example", "asset": {"key": "device:7", "facts_hash": "ab"}}


def test_the_subject_is_read_from_the_inventorys_variable() -> None:
    found = subject("srv01.example", {"msp": MSP, "ansible_host": "192.0.2.1"})

    assert found == Subject("srv01.example", "example", "device:7", "ab", True)


def test_only_what_the_inventory_says_is_exposed_is() -> None:
    asset = {"key": "device:7"}
    exposed = [
        subject("srv01.example", {"msp": {"customer": "example", "asset": {**asset, **said}}}).exposed
        for said in ({"exposed": True}, {"exposed": False}, {"exposed": None}, {})
    ]
    assert exposed == [True, False, False, False]


@pytest.mark.parametrize(
    "variables", [{}, {"msp": None}, {"msp": "x"}, {"msp": {"customer": "a"}}, {"msp": {"asset": {}}}]
)
def test_a_host_that_is_nobodys_asset_is_refused(variables: dict[str, Any]) -> None:
    with pytest.raises(MspError) as caught:
        subject("stray", variables)

    assert caught.value.code == "MSP-AUD-005"


@pytest.mark.parametrize(
    ("variables", "has_address"),
    [
        ({"ansible_host": "192.0.2.1"}, True),
        ({}, False),
        ({"ansible_host": "phone01.example"}, False),
        ({"ansible_connection": "ansible.builtin.ssh"}, False),
        ({"ansible_connection": "containers.podman.podman"}, True),
        ({"ansible_connection": "local"}, True),
    ],
)
def test_an_asset_without_an_address_is_never_looked_up_by_its_name(
    variables: dict[str, Any], has_address: bool
) -> None:
    assert subject("phone01.example", {"msp": MSP, **variables}).has_address is has_address
