# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bytes as text."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe import text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ("", "utf-8")),
        ("café".encode(), ("café", "utf-8")),
        (codecs.BOM_UTF8 + "café".encode(), ("café", "utf-8")),
        (codecs.BOM_UTF16_LE + "café".encode("utf-16-le"), ("café", "utf-16-le")),
        (codecs.BOM_UTF16_BE + "café".encode("utf-16-be"), ("café", "utf-16-be")),
        ("café – bar".encode("cp1252"), ("café – bar", "cp1252")),
        (b"caf\xe9 \x81", ("café \x81", "latin-1")),
        ("Café-01;Größe".encode("utf-16-le"), ("Café-01;Größe", "utf-16-le")),
        ("Café-01;Größe".encode("utf-16-be"), ("Café-01;Größe", "utf-16-be")),
        (b"a\0b", ("a\0b", "utf-8")),
        ("één café".encode()[:-1], ("één caf\ufffd", "utf-8")),
        (codecs.BOM_UTF16_LE + "ab".encode("utf-16-le")[:-1], ("a\ufffd", "utf-16-le")),
    ],
)
def test_the_mark_decides_then_utf8_then_what_windows_writes(content: bytes, expected: tuple[str, str]) -> None:
    assert text.decode(content) == expected


@given(st.binary())
def test_no_bytes_are_an_exception(content: bytes) -> None:
    assert isinstance(text.decode(content)[0], str)


@given(st.text(), st.data())
def test_cutting_utf8_changes_no_character_before_the_cut(whole: str, data: st.DataObject) -> None:
    content = whole.encode()
    cut = data.draw(st.integers(0, len(content)))

    found, _encoding = text.decode(content[:cut])

    assert whole.removeprefix("\ufeff").startswith(found.removesuffix("\ufffd")) or cut < len(codecs.BOM_UTF8)


def test_what_is_far_too_large_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "LARGEST", 3)

    assert text.limited(b"123", "scan.xml") == b"123"
    with pytest.raises(MspError, match=r"MSP-OBS-015.*scan\.xml"):
        text.limited(b"1234", "scan.xml")
