# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The result on its way from the host."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit import packed

VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(max_size=20), max_size=5)


@pytest.mark.thorough
@given(st.dictionaries(st.text(max_size=10), VALUES, max_size=5))
def test_every_result_comes_back_as_it_was(result: dict[str, object]) -> None:
    assert packed.unpack(packed.pack(result)) == result


@pytest.mark.parametrize(
    "text",
    ["", "not base64!", base64.b64encode(b"no zlib").decode(), packed.pack({"a": "b" * 100})[:-8],
     base64.b64encode(zlib.compress(b"[1]")).decode(), base64.b64encode(zlib.compress(b"\xff")).decode()],
)  # fmt: skip
def test_what_is_no_packed_result_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        packed.unpack(text)


def test_a_small_text_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MOST_BYTES", 1000)

    with pytest.raises(ValueError, match="too large"):
        packed.unpack(packed.pack({"a": "b" * 2000}))
