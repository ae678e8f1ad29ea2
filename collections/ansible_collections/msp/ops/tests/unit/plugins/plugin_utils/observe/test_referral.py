# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which referrals leave computers out of an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.observe import referral


@pytest.mark.parametrize(
    "url",
    [
        "ldap://DomainDnsZones.example.org/DC=DomainDnsZones,DC=example,DC=org",
        "ldaps://ForestDnsZones.example.org:636/dc=forestdnszones, dc=example, dc=org??sub",
        "ldap://example.org/CN=Configuration,DC=example,DC=org",
        "ldap:///CN%3DConfiguration%2CDC%3Dexample",
    ],
)
def test_active_directorys_own_partitions_hold_no_computer(url: str) -> None:
    skip, may_hold = referral.skip("line 3", [url])

    assert (skip.where, skip.why, may_hold) == ("line 3", referral.WHY, False)


@pytest.mark.parametrize(
    "urls",
    [
        ["ldap://branch.example.org/DC=branch,DC=example,DC=org"],
        ["ldap://192.0.2.1/ou=Elsewhere,dc=example,dc=org"],
        ["ldap://example.org/OU=CN\\=Configuration,DC=example,DC=org"],
        ["ldap://example.org/CN=Configuration,OU=Branch,DC=example"],
        ["ldap://example.org/CN=Configuration"],
        ["ldap://example.org/"],
        ["ldap://["],
        ["ldap://example.org/CN=Configuration,DC=example,DC=org", "ldap://branch.example.org/DC=branch,DC=example"],
        [],
    ],
)
def test_behind_any_other_referral_may_be_computers(urls: list[str]) -> None:
    skip, may_hold = referral.skip("line 3", urls)

    assert may_hold
    assert "computers may be there" in skip.why


@given(st.lists(st.text()))
def test_no_text_is_an_exception(urls: list[str]) -> None:
    assert referral.skip("line 1", urls)[1]
