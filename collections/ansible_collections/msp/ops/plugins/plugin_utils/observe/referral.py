# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Referrals of a directory: "what you asked for is also on that server". Pure: followed by nobody.

What lies behind one is missing from the answer, so it proves no absence. Active Directory refers every search from the
top of a domain to partitions of its own, for DNS and for its configuration: no computer of the domain is in those.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Skip

WHY = "a referral to another server, not followed"
_WITHOUT_COMPUTERS = re.compile(
    r"(?:dc=domaindnszones|dc=forestdnszones|cn=configuration)(?:\s*,\s*dc=[^,=+]+)+", re.IGNORECASE
)


def skip(where: str, urls: Sequence[str]) -> tuple[Skip, bool]:
    """The referral by name, and whether computers may be behind it. The URLs of one referral all lead to the same."""
    may_hold = not urls or any(_WITHOUT_COMPUTERS.fullmatch(_name(url)) is None for url in urls)
    why = f"{WHY}: computers may be there, so it proves no absence" if may_hold else WHY
    return Skip(where, why), may_hold


def _name(url: str) -> str:
    """The distinguished name in an LDAP URL (RFC 4516)."""
    try:
        return unquote(urlsplit(url.strip()).path).removeprefix("/").strip()
    except ValueError:
        return ""
