# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text comes out of a file whatever encoding the exporting tool chose, also when the file was cut."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.observe.text import decode

TEXT = "Café-01;Größe;Zoë\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "cp1252"])
def test_a_text_without_a_mark_is_read(encoding: str) -> None:
    assert decode(TEXT.encode(encoding)) == (TEXT, encoding)


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
)
def test_a_mark_says_the_encoding_and_is_no_text(mark: bytes, encoding: str) -> None:
    assert decode(mark + TEXT.encode(encoding)) == (TEXT, encoding)


def test_utf_8_that_was_cut_inside_its_last_character_stays_utf_8() -> None:
    assert decode("Größe; Zoë".encode()[:-1]) == ("Größe; Zo\ufffd", "utf-8")


@given(st.binary())
def test_no_bytes_ever_raise(content: bytes) -> None:
    text, encoding = decode(content)

    assert isinstance(text, str)
    assert encoding


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff")))
def test_utf_8_is_read_as_it_was_written(text: str) -> None:
    assert decode(text.encode()) == (text, "utf-8")
