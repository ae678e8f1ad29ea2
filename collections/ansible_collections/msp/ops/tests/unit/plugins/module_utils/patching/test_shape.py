# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape refuses what it does not have."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.module_utils.patching import shape


def test_an_answer_that_is_not_ok_has_no_list_and_not_an_empty_one() -> None:
    assert shape.answer("apt", shape.NO_METADATA, "no lists")["updates"] is None


@pytest.mark.parametrize("make", [shape.answer, shape.update])
def test_a_key_that_the_shape_does_not_have_is_an_error(make: object) -> None:
    words = ("a", "b") if make is shape.answer else ("a", "b", "c", "d")
    with pytest.raises(TypeError, match="odd"):
        make(*words, odd=1)  # type: ignore[operator]
