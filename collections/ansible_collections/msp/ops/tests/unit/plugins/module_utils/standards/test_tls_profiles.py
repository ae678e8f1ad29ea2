# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The profiles say of when they are, and let nothing in that is old."""

from __future__ import annotations

import datetime as dt
import re

from ansible_collections.msp.ops.plugins.module_utils.standards import tls_profiles
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_profiles import INTERMEDIATE, MODERN, PROFILES


def test_the_data_say_where_they_are_from_which_they_are_and_of_when() -> None:
    assert f"/{tls_profiles.VERSION}.json" in tls_profiles.SOURCE
    assert dt.date.fromisoformat(tls_profiles.TAKEN) >= dt.date(2026, 11, 27)


def test_modern_is_a_part_of_intermediate() -> None:
    assert set(PROFILES[MODERN].versions) < set(PROFILES[INTERMEDIATE].versions)
    assert PROFILES[MODERN].allowed < PROFILES[INTERMEDIATE].allowed
    assert PROFILES[MODERN].openssl == ""


def test_whatever_is_allowed_is_authenticated_and_forgets_its_keys() -> None:
    for profile in PROFILES.values():
        assert set(profile.versions) <= {"TLSv1.2", "TLSv1.3"}
        for name in profile.ciphers:
            assert re.match(r"TLS_ECDHE_(RSA|ECDSA)_WITH_(AES_\d+_GCM|CHACHA20_POLY1305)_SHA", name)
