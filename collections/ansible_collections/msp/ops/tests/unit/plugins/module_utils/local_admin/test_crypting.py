# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hashes by this machine's own libcrypt."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.local_admin import crypting

WORD = "vT7kWmZ4pQx9"


@pytest.mark.parametrize("method", ["yescrypt", "sha512", "sha256", "blowfish"])
def test_a_hash_is_of_its_method_fits_its_password_alone_and_is_never_the_same_twice(method: str) -> None:
    first, second = crypting.hashed(WORD, method), crypting.hashed(WORD, method)

    assert first.startswith(crypting.PREFIXES[method])
    assert first != second
    assert crypting.fits(WORD, first) and crypting.fits(WORD, second)
    assert not crypting.fits(WORD + "x", first)
    assert WORD not in first


@pytest.mark.parametrize("kept", ["", "*", "!", "!!", "x", "!$6$saltsalt$abc", "$6$", "no hash"])
def test_what_is_no_hash_fits_no_password(kept: str) -> None:
    assert not crypting.fits(WORD, kept)
    assert not crypting.fits("", kept)


def test_a_digest_tells_hashes_apart_and_has_nothing_of_them() -> None:
    kept = crypting.hashed(WORD, "sha512")

    assert crypting.digest(kept) == crypting.digest(kept)
    # passwd --lock puts a mark before it: it is another, which no login fits.
    assert crypting.digest("!" + kept) != crypting.digest(kept)
    assert kept[12:40] not in crypting.digest(kept)


def test_a_host_without_libcrypt_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypting, "LIBRARIES", ("libcrypt-of-nobody.so.9",))

    with pytest.raises(MspError) as caught:
        crypting.hashed(WORD, "sha512")

    assert caught.value.code == "MSP-ADM-003"
    assert WORD not in str(caught.value)
