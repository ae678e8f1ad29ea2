# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""For whom a keytab has keys, and nothing of the keys."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import keytab

KEY = b"a key that nobody is told"


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def entry(*parts: str, realm: str) -> bytes:
    """As MIT writes it: the name, its type, a time, a version, a key."""
    name = struct.pack(">H", len(parts)) + text(realm) + b"".join(map(text, parts))
    rest = struct.pack(">IIB", 1, 1700000000, 2) + struct.pack(">HH", 18, len(KEY)) + KEY
    return struct.pack(">i", len(name + rest)) + name + rest


def file(*entries: bytes) -> bytes:
    return b"\x05\x02" + b"".join(entries)


def test_each_name_is_told_once_and_no_key() -> None:
    hole = struct.pack(">i", -7) + b"was one"
    host = entry("host", "app01", realm="EXAMPLE.ORG")

    found = keytab.principals(file(host, hole, host, entry("anna", realm="EXAMPLE.ORG")))

    assert found == ["host/app01@EXAMPLE.ORG", "anna@EXAMPLE.ORG"]
    assert KEY.decode() not in str(found)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/@"), max_size=20)


@pytest.mark.thorough
@given(st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3), NAMES), max_size=5))
def test_whatever_the_names_are_they_are_read_as_they_were_written(names: list[tuple[list[str], str]]) -> None:
    found = keytab.principals(file(*(entry(*parts, realm=realm) for parts, realm in names)))

    assert found == list(dict.fromkeys("%s@%s" % ("/".join(parts), realm) for parts, realm in names))


@given(st.binary(max_size=200))
def test_anything_else_is_said_not_to_be_one_and_breaks_nothing(data: bytes) -> None:
    for whole in (data, b"\x05\x02" + data):
        try:
            assert isinstance(keytab.principals(whole), list)
        except ValueError as error:
            assert "it" in str(error)


@pytest.mark.parametrize("data", [b"", b"\x05\x01", b"krb5", file(entry("host", "a", realm="A")[:12])])
def test_what_is_cut_off_or_old_is_no_keytab(data: bytes) -> None:
    with pytest.raises(ValueError, match="it"):
        keytab.principals(data)
