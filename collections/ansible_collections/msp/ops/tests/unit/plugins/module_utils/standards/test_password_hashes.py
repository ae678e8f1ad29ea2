# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a new password would be kept. What becomes of each word, chpasswd and chgpasswd of Debian 12 and 13 said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import password_hashes
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards import made_pam
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader


def measured(tmp_path: Path, files: Mapping[str, str]) -> dict:
    return password_hashes.measure(made_reader(tmp_path, files))


def debian(pam: str = "obscure yescrypt", defs: str = "ENCRYPT_METHOD YESCRYPT") -> dict[str, str]:
    text = made_pam.PASSWORD.replace("obscure yescrypt", pam)
    return {**made_pam.DEBIAN, "/etc/pam.d/common-password": text, "/etc/login.defs": f"{defs}\n"}


def test_both_ways_to_give_a_password_are_told(tmp_path: Path) -> None:
    assert measured(tmp_path / "a", made_pam.DEBIAN) == {
        "weak": [],
        "by_hand": [],
        "methods": {"passwd": "yescrypt", "sshd": "yescrypt", "login.defs": "SHA512"},
    }
    assert measured(tmp_path / "b", made_pam.RED_HAT)["methods"] == {
        "passwd": "sha512",
        "sshd": "sha512",
        "login.defs": "SHA512",
    }


@pytest.mark.parametrize(
    ("pam", "defs", "weak", "by_hand"),
    [
        ("obscure md5", "ENCRYPT_METHOD YESCRYPT", ["passwd: md5", "sshd: md5"], True),
        ("yescrypt md5", "ENCRYPT_METHOD YESCRYPT", ["passwd: md5", "sshd: md5"], True),
        ("md5 yescrypt", "ENCRYPT_METHOD YESCRYPT", [], False),
        ("obscure", "ENCRYPT_METHOD YESCRYPT", [], False),
        ("obscure", "ENCRYPT_METHOD MD5", ["login.defs: MD5", "passwd: md5", "sshd: md5"], False),
        ("obscure yescrypt", "ENCRYPT_METHOD MD5", ["login.defs: MD5"], False),
        ("obscure", "", ["login.defs: no ENCRYPT_METHOD is set", "passwd: des", "sshd: des"], False),
        # Neither knows that word.
        ("obscure", "ENCRYPT_METHOD BCRYPT", ["login.defs: BCRYPT", "passwd: des", "sshd: des"], False),
        # pam_unix takes it in either case, the others in capitals alone.
        ("obscure", "ENCRYPT_METHOD sha512", ["login.defs: sha512"], False),
        # The first line counts for PAM, the last for the others.
        ("obscure", "ENCRYPT_METHOD MD5\nENCRYPT_METHOD SHA512", ["passwd: md5", "sshd: md5"], False),
        ("obscure", "ENCRYPT_METHOD SHA512\nENCRYPT_METHOD MD5", ["login.defs: MD5"], False),
    ],
)
def test_the_weaker_of_pam_and_login_defs_counts(
    tmp_path: Path, pam: str, defs: str, weak: list[str], by_hand: bool
) -> None:
    found = measured(tmp_path, debian(pam, defs))

    assert found["weak"] == weak
    assert found["by_hand"] == ([one for one in weak if "login.defs" not in one] if by_hand else [])


def test_a_host_whose_passwords_are_kept_by_something_else_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable):
        measured(tmp_path / "a", {"/etc/login.defs": "", "/etc/pam.d/passwd": "password required pam_sss.so\n"})
    with pytest.raises(Absent):
        measured(tmp_path / "b", {"/etc/pam.d/passwd": "password required pam_unix.so\n"})


WORDS = st.lists(st.sampled_from((*password_hashes._WAYS, "obscure", "shadow", "nullok", "rounds=5000")))


@given(WORDS, st.sampled_from((None, "MD5", "SHA512", "yescrypt", "DES", "")))
def test_the_last_word_of_pam_counts_and_login_defs_only_without_one(words: list[str], configured: str | None) -> None:
    found = password_hashes.by_pam(tuple(words), configured)
    said = [word for word in words if word in password_hashes._WAYS]

    assert found == (said[-1] if said else password_hashes.by_pam((), configured))
    if not said:
        assert (found in password_hashes._STRONG) == (configured in ("SHA512", "yescrypt"))
