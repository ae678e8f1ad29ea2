# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What servers are to accept: Mozilla's guidelines for TLS on servers, as they were published. Pure: dated data.

How it is renewed: docs/tls.md. The probe on a host and the role take both from here.
"""

from __future__ import annotations

from typing import NamedTuple

SOURCE = "https://ssl-config.mozilla.org/guidelines/6.0.json"
VERSION = "6.0"
# The day on which it was taken over from there.
TAKEN = "2026-11-27"


class Profile(NamedTuple):
    """versions as OpenSSL, nginx and Apache call them. ciphers are those of TLS 1.2, by IANA's names with OpenSSL's.

    suites are those of TLS 1.3. No servers' order is asked for: each client knows best what is quick for it.
    """

    versions: tuple[str, ...]
    ciphers: dict[str, str]
    suites: tuple[str, ...]

    @property
    def allowed(self) -> frozenset[str]:
        """All that may be accepted, in whichever version."""
        return frozenset(self.suites) | frozenset(self.ciphers)

    @property
    def openssl(self) -> str:
        """The ciphers of TLS 1.2 as OpenSSL takes them. Empty where there are none."""
        return ":".join(self.ciphers.values())


_SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
INTERMEDIATE, MODERN = "intermediate", "modern"
PROFILES: dict[str, Profile] = {
    INTERMEDIATE: Profile(
        ("TLSv1.2", "TLSv1.3"),
        {
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
        },
        _SUITES,
    ),
    MODERN: Profile(("TLSv1.3",), {}, _SUITES),
}
# Of a certificate, in both profiles.
RSA_BITS = 2048
CURVE_BITS = 256
