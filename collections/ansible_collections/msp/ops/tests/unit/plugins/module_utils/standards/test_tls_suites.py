# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The numbers of ciphers, held against what OpenSSL knows of them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import tls_profiles, tls_suites

EVERY = {**tls_suites.EARLIER, **tls_suites.THIRTEEN}


def openssl() -> list[list[str]]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine")
    command = ["openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.replace(" - ", " ").split() for line in said.splitlines()]


def test_no_number_and_no_name_is_there_twice() -> None:
    assert len(EVERY) == len(tls_suites.EARLIER) + len(tls_suites.THIRTEEN)
    assert len(set(EVERY.values())) == len(EVERY) > 350


def test_what_only_signals_something_is_never_offered() -> None:
    assert not {0x0000, 0x00FF, 0x5600} & set(EVERY)


def test_every_cipher_of_openssl_can_be_offered_by_its_number() -> None:
    found = {int(row[0].replace(",0x", ""), 16): row[1] for row in openssl()}
    assert len(found) > 100
    assert {number: EVERY.get(number) for number in found} == found


def test_the_profiles_name_each_cipher_as_openssl_and_as_the_registry_do() -> None:
    known = {row[1]: row[2] for row in openssl()}
    for profile in tls_profiles.PROFILES.values():
        assert profile.ciphers == {name: known[name] for name in profile.ciphers}
        assert profile.allowed <= set(EVERY.values())


def test_a_number_without_a_name_is_its_own_name() -> None:
    assert (tls_suites.name(0xC02F), tls_suites.name(0xFAFA)) == ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "0xFAFA")
