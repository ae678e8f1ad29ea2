# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Expressions for ciphers, as OpenSSL of this machine takes them."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import openssl_ciphers
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_profiles import INTERMEDIATE, MODERN, PROFILES

PROFILE = PROFILES[INTERMEDIATE]


@pytest.mark.parametrize(
    ("expression", "within"),
    [
        (PROFILE.openssl, True),
        ("ECDHE-RSA-AES256-GCM-SHA384", True),
        ("ECDHE+AESGCM:!aNULL", True),
        ("HIGH:!aNULL:!MD5", False),
        ("ALL:@SECLEVEL=0", False),
        ("ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA", False),
        # Stands for none: nobody knows what would come of it.
        ("no-such-cipher", False),
        ("", False),
        ("HIGH:\0", False),
    ],
)
def test_what_stands_for_nothing_but_the_profile_is_within_it(expression: str, within: bool) -> None:
    assert openssl_ciphers.within(expression, PROFILE) is within


def test_a_profile_without_ciphers_of_tls_1_2_says_nothing_of_them() -> None:
    assert openssl_ciphers.within("ALL", PROFILES[MODERN])


def test_what_is_of_tls_1_3_is_not_among_them() -> None:
    assert openssl_ciphers.of("ECDHE-RSA-AES256-GCM-SHA384") == frozenset({"ECDHE-RSA-AES256-GCM-SHA384"})
