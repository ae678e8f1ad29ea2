# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which processes are those of an account's logins, as a table and for every tree of processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.offboarding import sessions
from ansible_collections.msp.ops.plugins.module_utils.offboarding.sessions import Process

THEIRS = 1001


def one(parent: int, *uids: int, login: int | None = None) -> Process:
    return Process(parent, frozenset(uids), login)


def test_what_an_account_began_is_its_own_as_root_too_and_so_is_what_the_kernel_notes() -> None:
    processes = {
        1: one(0, 0),
        10: one(1, 0),  # the ssh server
        11: one(10, THEIRS),
        12: one(11, 0),  # sudo
        13: one(12, 0),  # and its shell
        14: one(1, 0, login=THEIRS),  # sent away from its parent
        20: one(10, 1002),
    }

    found = sessions.of(THEIRS, processes)

    assert found == {11, 12, 13, 14}
    assert sessions.holds(found, processes, 13) and not sessions.holds(found, processes, 20)


processes = st.dictionaries(
    st.integers(1, 12),
    st.builds(
        Process,
        st.integers(0, 12),
        st.frozensets(st.sampled_from((0, THEIRS, 1002)), min_size=1),
        st.sampled_from((None, 0, THEIRS)),
    ),
    max_size=12,
)


@pytest.mark.thorough
@given(processes)
def test_every_process_of_the_account_is_found_and_none_that_no_one_of_it_began(tree: dict[int, Process]) -> None:
    found = sessions.of(THEIRS, tree)

    for number, process in tree.items():
        own = THEIRS in process.uids or process.login == THEIRS
        assert not own or number in found or number <= 1
        if number in found and not own:
            assert process.parent in found


def test_the_processes_of_this_machine_are_read_as_the_kernel_tells_them(tmp_path: Path) -> None:
    for number, state, login in ((7, "S (sleeping)", "1001"), (8, "Z (zombie)", "1001"), (9, "R", str(2**32 - 1))):
        place = tmp_path / str(number)
        place.mkdir()
        (place / "status").write_text(f"Name:\tx\nState:\t{state}\nPPid:\t1\nUid:\t0\t0\t1001\t0\n")
        (place / "loginuid").write_text(login)
    (tmp_path / "10").mkdir()  # one that ends just now
    (tmp_path / "self").mkdir()

    assert sessions.read(str(tmp_path)) == {7: one(1, 0, 1001, login=1001), 9: one(1, 0, 1001)}
