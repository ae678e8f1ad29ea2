# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an expression of OpenSSL's for ciphers stands for, as OpenSSL of this host takes it. Opens nothing."""

from __future__ import annotations

import ssl

from ansible_collections.msp.ops.plugins.module_utils.standards.tls_profiles import Profile


def of(expression: str) -> frozenset[str] | None:
    """OpenSSL's names of those up to TLS 1.2; None for what stands for none at all, or is no expression."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.set_ciphers(expression)
    except (ssl.SSLError, ValueError):
        return None
    return frozenset(one["name"] for one in context.get_ciphers() if not one["name"].startswith("TLS_"))


def within(expression: str, profile: Profile) -> bool:
    """Whether it stands for nothing but what the profile has. A profile without any says nothing of them."""
    if not profile.ciphers:
        return True
    found = of(expression)
    return found is not None and found <= set(profile.ciphers.values())
