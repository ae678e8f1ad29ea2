# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTML as plain text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.telling.texts import plain_text


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ("<p>one</p><p>two&amp;three</p>", "one\ntwo&three"),
        ("one<br>  two <b>three</b>", "one\ntwo three"),
        ("<style>p{}</style><div>seen</div><script>x</script>", "seen"),
        ("a < b and c > d", "a < b and c > d"),
        ("", ""),
    ],
)
def test_a_person_reads_the_same(html: str, wanted: str) -> None:
    assert plain_text(html) == wanted


@given(st.text(alphabet="abc <>/&;!-\n\"'=", max_size=60))
def test_whatever_comes_it_ends_and_is_stable_for_plain_words(text: str) -> None:
    assert all(line == " ".join(line.split()) for line in plain_text(text).splitlines())
