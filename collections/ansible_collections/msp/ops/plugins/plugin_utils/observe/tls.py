# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""To which addresses a secret may be sent. Pure: looks at the text, and asks nobody."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def keeps_secrets(url: str) -> bool:
    """Whether it is https://host, or http on this machine itself; without a user, who would be in every message."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or "@" in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
