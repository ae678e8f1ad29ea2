# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines that fit a mail, whatever words are in them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import columns, wrapped


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ("one two three", ["* one two", "  three"]),
        ("abcdefghijklm", ["* abcdefgh", "  ijklm"]),
        ("one abcdefghijkl", ["* one", "  abcdefgh", "  ijkl"]),
        ("漢字漢字漢字", ["* 漢字漢字", "  漢字"]),
        ("", ["*"]),
    ],
)
def test_words_are_broken_between_words_and_long_ones_at_the_edge(words: str, lines: list[str]) -> None:
    assert wrapped(words, "* ", width=10) == lines


def test_the_lines_after_the_first_may_begin_otherwise() -> None:
    assert wrapped("one two", "- ", "", width=6) == ["- one", "two"]


@settings(deadline=None)
@given(st.text(st.sampled_from("abc  \n漢字é\u0301-{}")), st.integers(8, 78))
def test_no_line_is_too_wide_and_no_character_is_lost(words: str, width: int) -> None:
    lines = wrapped(words, "  x ", width=width)
    assert all(columns(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "x" + "".join(words.split())


@settings(deadline=None)
@given(st.text(st.sampled_from("ab 漢-")), st.text(st.sampled_from("xy漢"), max_size=120), st.integers(8, 78))
def test_however_wide_the_beginning_is_it_comes_to_an_end_and_loses_no_character(
    words: str, first: str, width: int
) -> None:
    """A host's name may be as long as it likes."""
    lines = wrapped(words, first, width=width)
    assert "".join("".join(lines).split()) == first + "".join(words.split())
    assert all(columns(line) <= max(width, columns(first) + 2) for line in lines)
