# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is withdrawn first and what last, and what forbids to begin: a table, and what holds for whatever was seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.offboarding.key_lines import PublicKey
from ansible_collections.msp.ops.plugins.module_utils.offboarding.planning import DropIn, Keys, Ours, Seen, plan
from ansible_collections.msp.ops.plugins.module_utils.offboarding.remaining import Way

KEY = PublicKey(b"ours", "ssh-ed25519", "automation@msp.example.com")
LAST = Keys("/home/msp/.ssh/authorized_keys", ("msp",), (KEY,))
ROOTS = Keys("/root/.ssh/authorized_keys", ("root",), (KEY,))
OPEN = Ours("msp-technician", 1001, open=True, granted=True, processes=2)
SHUT = Ours("msp-breakglass", 1002, open=False)
FILE = DropIn("/etc/sudoers.d/zz-msp-technician", ours=True)
ANNA = Way("anna", "ssh", ("key",), "sudo")


def seen(
    keys: tuple[Keys, ...] = (LAST, ROOTS),
    accounts: tuple[Ours, ...] = (OPEN, SHUT),
    files: tuple[DropIn, ...] = (FILE,),
    ways: tuple[Way, ...] = (ANNA,),
) -> Seen:
    return Seen(keys, accounts, files, ways, ("its groups: no answer",), "msp")


def refused(found: Seen, *, leave_closed: bool = False) -> MspError:
    with pytest.raises(MspError) as caught:
        plan(found, leave_closed=leave_closed)
    return caught.value


def test_the_key_by_which_we_are_logged_in_is_apart_from_all_the_rest() -> None:
    made = plan(seen(), leave_closed=False)

    assert (made.accounts, made.files, made.keys, made.last) == ((OPEN,), (FILE,), (ROOTS,), (LAST,))
    assert made.last_told() == [f"key {KEY.told()} of msp, in /home/msp/.ssh/authorized_keys"]
    assert made.rest_told()[:3] == [
        "login granted to msp-technician",
        "account msp-technician, which is open",
        "logins of msp-technician that go on",
    ]


def test_a_file_that_other_accounts_share_with_ours_goes_last_too() -> None:
    shared = Keys("/etc/ssh/keys", ("anna", "msp", "root"), (KEY,))

    assert plan(seen(keys=(shared,)), leave_closed=False).last == (shared,)


def test_where_nobody_of_the_customer_could_become_root_nothing_is_begun_unless_that_is_wanted() -> None:
    error = refused(seen(ways=()))

    assert error.code == "MSP-OFF-004"
    assert "its groups: no answer" in error.found and "offboard_leave_closed=true" in error.action
    assert plan(seen(ways=()), leave_closed=True).last == (LAST,)


def test_where_nothing_is_left_to_withdraw_it_does_not_matter_who_can_become_root() -> None:
    made = plan(seen(keys=(), accounts=(SHUT,), files=(), ways=()), leave_closed=False)

    assert made.rest_told() == made.last_told() == []


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (seen(keys=(ROOTS._replace(obstacle="it is mounted"),)), "MSP-OFF-003"),
        (seen(files=(DropIn(FILE.path, ours=False),)), "MSP-OFF-006"),
        (seen(accounts=(OPEN._replace(shared=True),)), "MSP-OFF-005"),
        (seen(accounts=(OPEN._replace(ours_runs=True),)), "MSP-OFF-005"),
    ],
)
def test_what_cannot_be_done_safely_is_not_begun(found: Seen, code: str) -> None:
    assert refused(found, leave_closed=True).code == code


users = st.lists(st.sampled_from(("msp", "root", "anna")), min_size=1, max_size=3, unique=True).map(tuple)
key_files = st.builds(Keys, st.sampled_from(("/a", "/b", "/c")), users, st.just((KEY,)), st.sampled_from(("", "no")))
accounts = st.builds(
    Ours, st.sampled_from(("x", "y")), st.just(1001), st.booleans(), st.booleans(), st.integers(0, 2), st.booleans()
)
anything = st.builds(
    Seen,
    st.lists(key_files, max_size=3).map(tuple),
    st.lists(accounts, max_size=2).map(tuple),
    st.lists(st.builds(DropIn, st.just("/f"), st.booleans()), max_size=2).map(tuple),
    st.sampled_from(((), (ANNA,))),
    st.just(()),
    st.just("msp"),
)


@pytest.mark.thorough
@given(anything, st.booleans())
def test_a_plan_has_all_that_was_seen_and_never_shuts_the_customer_out_unasked(found: Seen, leave_closed: bool) -> None:
    try:
        made = plan(found, leave_closed=leave_closed)
    except MspError:
        return

    assert sorted((*made.keys, *made.last)) == sorted(found.keys)
    assert all("msp" in one.users for one in made.last) and not any("msp" in one.users for one in made.keys)
    assert not any(one.obstacle for one in found.keys) and all(one.ours for one in made.files)
    assert found.ways or leave_closed or not (made.rest_told() or made.last_told())
