# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host keeps of an account whose password is rotated."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.local_admin import keeping
from ansible_collections.msp.ops.plugins.module_utils.local_admin.keeping import Place, State, Version

WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789._-", min_size=1, max_size=12)
NUMBERS = st.integers(0, 2**33)
VERSIONS = st.builds(Version, WORDS, WORDS, NUMBERS, NUMBERS, st.none() | NUMBERS)


def place(tmp_path: Path) -> Place:
    return Place("root", str(tmp_path / "msp-ops" / "local-admin"))


def test_a_state_comes_back_as_it_was_kept_for_root_alone(tmp_path: Path) -> None:
    kept = State((Version("v1", "d1", 1, 0, 2), Version("v2", "d2", 3, 4)), 5)

    place(tmp_path).keep(kept)

    assert place(tmp_path).state() == kept
    path = Path(place(tmp_path).path)
    assert stat.S_IMODE((path / keeping.STATE).stat().st_mode) == 0o600
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert os.listdir(path) == [keeping.STATE]


@given(st.lists(VERSIONS, max_size=40))
def test_of_each_name_there_is_one_version_the_newest_and_none_of_the_last_is_forgotten(
    versions: list[Version],
) -> None:
    state = State()
    for one in versions:
        state = state.with_(one)

    names = [one.name for one in state.versions]
    assert len(names) == len(set(names)) <= 20
    last: dict[str, Version] = {one.name: one for one in versions}
    assert all(last[one.name] == one for one in state.versions)
    if versions:
        assert state.versions[-1] == versions[-1]
        assert state.named(versions[-1].name) == versions[-1]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"format": 2, "versions": [], "tested": null}', '{"format": 1, "versions": [{"name": "x"}]}'],
)
def test_a_damaged_state_is_an_error_and_never_an_empty_one(tmp_path: Path, text: str) -> None:
    place(tmp_path).make()
    (Path(place(tmp_path).path) / keeping.STATE).write_text(text, encoding="utf-8")

    with pytest.raises(MspError) as caught:
        place(tmp_path).state()

    assert caught.value.code == "MSP-ADM-002"


@given(
    st.lists(
        st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"),
            max_size=40,
        )
    )
)
def test_every_line_is_a_use_also_one_that_nobody_can_read(lines: list[str]) -> None:
    assert len(keeping.parse_uses("".join(line + "\n" for line in lines))) == len(lines)


def test_a_use_says_when_how_and_from_where() -> None:
    first, second = keeping.parse_uses("17 auth sshd 192.0.2.7 -\n18 open_session sshd 192.0.2.7 announced\n")

    assert (first.told(), first.announced) == ("17 auth sshd 192.0.2.7", False)
    assert (second.told(), second.announced) == ("18 open_session sshd 192.0.2.7 announced", True)


def test_whether_an_account_is_loud_is_changed_once(tmp_path: Path) -> None:
    found = place(tmp_path)

    assert [found.loud(True), found.loud(True), found.loud(False), found.loud(False)] == [True, False, True, False]
