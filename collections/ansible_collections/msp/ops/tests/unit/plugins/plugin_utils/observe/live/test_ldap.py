# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is missing from a live answer. A real directory is asked in the end-to-end tests."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.observe.live import ldap

HERE = ldap.Directory("ldaps://dc1.example.org", "reader", "DC=example,DC=org")
ENTRY = {"type": "searchResEntry", "raw_dn": b"CN=WS-014", "raw_attributes": {"cn": [b"WS-014"]}}
OWN = [
    {"type": "searchResRef", "uri": [f"ldap://{name}.example.org/{rdn},DC=example,DC=org"]}
    for name, rdn in (("DomainDnsZones", "DC=DomainDnsZones"), ("ForestDnsZones", "DC=ForestDnsZones"))
] + [{"type": "searchResRef", "uri": ["ldap://example.org/CN=Configuration,DC=example,DC=org"]}]
BRANCH = {"type": "searchResRef", "uri": ["ldap://branch.example.org/DC=branch,DC=example,DC=org"]}


class Pages:
    """A connection that answers these pages."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages = list(pages)
        self.response: list[dict[str, Any]] = []

    def search(self, *_asked: Any, **_options: Any) -> None:
        self.response = self.pages.pop(0)

    @property
    def result(self) -> dict[str, Any]:
        cookie = b"more" if self.pages else b""
        return {"result": 0, "controls": {"1.2.840.113556.1.4.319": {"value": {"cookie": cookie}}}}


@pytest.mark.parametrize(
    ("pages", "complete"),
    [
        ([[ENTRY], [ENTRY]], True),
        ([[ENTRY, *OWN]], True),
        ([[ENTRY, BRANCH]], False),
        ([[ENTRY, BRANCH], [ENTRY, *OWN]], False),
        ([[], []], False),
    ],
)
def test_an_answer_with_a_referral_to_other_computers_proves_no_absence(
    pages: list[list[dict[str, Any]]], complete: bool
) -> None:
    found = ldap._search(HERE, Pages(*pages))

    assert found.missing.complete is complete
    assert len(found.entries) == sum(page.count(ENTRY) for page in pages)


def test_every_referral_is_named() -> None:
    found = ldap._search(HERE, Pages([ENTRY, *OWN, BRANCH]))

    assert [("not followed" in skip.why, "may be there" in skip.why) for skip in found.missing.skipped] == [
        (True, False),
        (True, False),
        (True, False),
        (True, True),
    ]
