# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Facts in chunks: back as they were, and shared where they did not change."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing, packing

LEAF = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
LONG = st.lists(LEAF | st.dictionaries(st.text(max_size=3), LEAF, max_size=3), min_size=0, max_size=300)
BODY = st.recursive(
    st.dictionaries(st.text(max_size=4), LEAF | LONG, max_size=4),
    lambda inner: st.dictionaries(st.text(max_size=4), inner | LONG, max_size=3),
    max_leaves=6,
)


def packages(count: int) -> list[dict[str, str]]:
    return [{"name": f"package-{i:04}", "version": f"1.{i % 7}-{i % 3}", "origin": "Debian"} for i in range(count)]


@given(BODY)
def test_facts_come_back_as_they_were(body: dict[str, Any]) -> None:
    packed = packing.pack(body)
    assert packing.unpack(packed.frame, [chunk for _hash, chunk in packed.chunks]) == body
    assert packed.hash == hashing.facts_hash(body)


def test_one_changed_package_costs_one_chunk() -> None:
    before = packages(1000)
    after = [*before[:500], {**before[500], "version": "2.0"}, *before[501:]]
    old = {name for name, _body in packing.pack({"packages": before}).chunks}
    new = {name for name, _body in packing.pack({"packages": after}).chunks}
    assert len(new) > 10
    assert len(new - old) <= 2  # the cut after the changed package may go or come


def test_an_inserted_package_moves_no_other_cut() -> None:
    before = packages(1000)
    after = [*before[:10], {"name": "new", "version": "1", "origin": "Debian"}, *before[10:]]
    old = {name for name, _body in packing.pack({"packages": before}).chunks}
    new = {name for name, _body in packing.pack({"packages": after}).chunks}
    assert len(new - old) <= 2


def test_a_list_that_never_says_where_to_cut_is_cut_by_length() -> None:
    packed = packing.pack({"same": ["x"] * 1000})
    assert len(packed.chunks) >= 1000 / packing.LONGEST_CHUNK
    assert len({name for name, _body in packed.chunks}) <= 2
