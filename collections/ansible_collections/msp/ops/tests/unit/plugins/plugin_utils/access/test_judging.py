# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an account's ways come to. Nothing that is not known is ever taken for good."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards.access_words import UNKNOWN as UNSURE
from ansible_collections.msp.ops.plugins.plugin_utils.access import judging, model
from ansible_collections.msp.ops.plugins.plugin_utils.access.judging import (
    CLOSED,
    CODE,
    HARDWARE,
    IMPOSSIBLE,
    KEY,
    PASSWORD,
    PIN,
    POSSIBLE,
    REQUIRED,
    STATES,
    TICKET,
    UNKNOWN,
    UNTOUCHED,
    judge,
    strength,
    twofold,
    weakest,
)
from ansible_collections.msp.ops.plugins.plugin_utils.access.model import NETWORK, Way
from ansible_collections.msp.ops.plugins.plugin_utils.access.naming import Named
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access import made_access


def way(*proved: str, **more: object) -> Way:
    return replace(Way(NETWORK, "ssh", frozenset(proved)), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ways", "unknown", "enrolled", "state"),
    [
        ([], [], [], CLOSED),
        ([way(PASSWORD)], [], [], IMPOSSIBLE),
        ([way(KEY)], [], [], IMPOSSIBLE),
        ([way()], [], [], IMPOSSIBLE),
        ([way(PASSWORD)], [], [CODE], POSSIBLE),
        ([way(PASSWORD), way(KEY, CODE)], [], [], POSSIBLE),
        ([way(KEY, CODE)], [], [CODE], REQUIRED),
        ([way(PASSWORD, KEY)], [], [], REQUIRED),
        ([way(HARDWARE)], [], [], REQUIRED),
        ([way(HARDWARE), way(KEY, CODE)], [], [], REQUIRED),
        ([way(UNTOUCHED)], [], [], IMPOSSIBLE),
        ([way(TICKET)], [], [], IMPOSSIBLE),
        ([way(UNSURE + "pam_duo.so")], [], [], UNKNOWN),
        ([way(PASSWORD, UNSURE + "pam_duo.so")], [], [], UNKNOWN),
        ([way(KEY, CODE, UNSURE + "pam_own.so")], [], [], REQUIRED),
        ([way(KEY, CODE), way(UNSURE + "keys")], [], [], UNKNOWN),
        ([way(PASSWORD), way(UNSURE + "keys")], [], [], IMPOSSIBLE),
        ([way(KEY, CODE)], ["ssh: nobody answered"], [], UNKNOWN),
        ([], ["ssh: nobody answered"], [], UNKNOWN),
    ],
)
def test_a_verdict_is_as_good_as_the_weakest_way(
    ways: list[Way], unknown: list[str], enrolled: list[str], state: str
) -> None:
    assert judge(ways, unknown, enrolled).state == state


def test_the_weakest_way_is_named() -> None:
    ways = [way(KEY), way(PASSWORD), way(KEY, CODE)]
    assert judge(ways).weakest == way(PASSWORD)
    # Of two that ask the same the one that is there from anywhere.
    here = way(KEY, origins=(("192.0.2.1",),))
    assert judge([here, way(KEY)]).weakest == way(KEY)


@pytest.mark.parametrize(
    ("proved", "alone"), [((), True), ((PASSWORD,), True), (("trusted host",), True), ((CODE,), False), ((KEY,), False)]
)
def test_a_password_alone_is_that_or_less(proved: tuple[str, ...], alone: bool) -> None:
    assert judge([way(*proved), way(KEY, CODE)]).password_alone is alone


def test_what_nobody_knows_is_no_password_alone() -> None:
    assert judge([way(PASSWORD, UNSURE + "pam_duo.so")]).password_alone is False


def test_a_hardware_key_is_worth_more_than_two_things_and_with_a_pin_most() -> None:
    ordered = [way(), way(PASSWORD), way(CODE), way(TICKET), way(KEY), way(UNTOUCHED), way(KEY, CODE), way(HARDWARE)]
    ordered.append(way(HARDWARE, PIN))
    assert [strength(one) for one in ordered] == sorted({strength(one) for one in ordered})
    assert [twofold(one) for one in ordered] == [False] * 6 + [True] * 3


@pytest.mark.parametrize(
    ("why", "network", "console"),
    [
        ("ssh: sshd ended with status 255", True, False),
        ("its keys: no", True, False),
        ("login: PAM", False, True),
        ("gdm-password: PAM", False, True),
        ("cockpit: PAM", True, False),
        ("sudo: cvtsudoers", False, False),
        ("its groups: id", True, True),
        ("anything else", True, True),
    ],
)
def test_what_could_not_be_told_counts_where_it_may_hide_a_way(why: str, network: bool, console: bool) -> None:
    assert (judging.concerns(why, model.NETWORK), judging.concerns(why, model.CONSOLE)) == (network, console)


def test_an_account_is_what_the_customer_names_it_and_else_what_it_is() -> None:
    read = model.read(model.body(made_access.answer(*(made_access.account(n, uid=1000) for n in "abcd")), "d"))
    named = Named(frozenset({"a"}), frozenset({"b"}), frozenset({"c"}))
    kinds = [judging.kind(one, named, read.asked_as) for one in read.accounts]
    assert kinds == ["break-glass", "automation", "service", "automation"]
    system, shut = (
        model.read(model.body(made_access.answer(one), "")).accounts[0]
        for one in (made_access.account("www", uid=33), made_access.account("ftp", uid=1005, shell_works=False))
    )
    assert {judging.kind(system, Named(), ""), judging.kind(shut, Named(), "")} == {"service"}


@pytest.mark.parametrize(("name", "uid"), [("root", 0), ("beheer", 999)])
def test_an_account_of_the_system_that_somebody_can_log_in_to_is_somebodys(name: str, uid: int) -> None:
    """Else a report would say that all is covered while root's password opens the machine."""
    open_ = made_access.account(name, made_access.way(PASSWORD), uid=uid)
    (found,) = model.read(model.body(made_access.answer(open_), "")).accounts
    assert judging.kind(found, Named(), "") == "person"
    assert judging.kind(found, Named(services=frozenset({name})), "") == "service"
    unknown = made_access.account(name, uid=uid, unknown=["ssh: PAM's configuration cannot be read"])
    (found,) = model.read(model.body(made_access.answer(unknown), "")).accounts
    assert judging.kind(found, Named(), "") == "person"
    assert judging.kind(found, Named(break_glass=frozenset({name})), "") == "break-glass"


PROOFS = st.frozensets(
    st.sampled_from([PASSWORD, CODE, KEY, HARDWARE, PIN, UNTOUCHED, TICKET, UNSURE + "pam_x.so"]), max_size=3
)
WAYS = st.builds(
    Way,
    st.just(NETWORK),
    st.sampled_from(["ssh", "cockpit"]),
    PROOFS,
    st.sampled_from([(), (("192.0.2.1",),)]),
    st.sampled_from([(), ("address 10.0.0.0/8",)]),
    st.sampled_from([(), ("one command",)]),
)
SINGLE = WAYS.filter(lambda one: judging.sure(one) and not twofold(one))


@given(st.lists(WAYS), st.lists(st.text(max_size=5)), st.lists(st.just(CODE), max_size=1), SINGLE)
def test_a_way_for_which_one_thing_is_enough_never_improves_a_verdict(
    ways: list[Way], unknown: list[str], enrolled: list[str], more: Way
) -> None:
    before, after = judge(ways, unknown, enrolled), judge([*ways, more], unknown, enrolled)
    assert STATES.index(after.state) <= STATES.index(before.state) or before.state == UNKNOWN
    assert not after.covered


@given(st.lists(WAYS), st.lists(st.text(max_size=5)), st.lists(st.just(CODE), max_size=1), WAYS)
def test_a_weaker_way_never_improves_a_verdict(
    ways: list[Way], unknown: list[str], enrolled: list[str], more: Way
) -> None:
    """Weaker than all that there are. Where nobody knew, it may be known then, but never that it is good."""
    before, after = judge(ways, unknown, enrolled), judge([*ways, more], unknown, enrolled)
    known = weakest(ways)
    if known is None or strength(more) <= strength(known):
        assert after.covered <= before.covered
        if before.state != UNKNOWN:
            assert STATES.index(after.state) <= STATES.index(before.state)


@given(st.lists(WAYS), st.lists(st.text(max_size=5), min_size=1), st.lists(st.just(CODE), max_size=1))
def test_an_account_of_which_something_is_not_known_is_never_covered(
    ways: list[Way], unknown: list[str], enrolled: list[str]
) -> None:
    assert not judge(ways, unknown, enrolled).covered


@given(st.lists(WAYS))
def test_covered_is_only_who_shows_two_things_by_every_way(ways: list[Way]) -> None:
    assert judge(ways).covered == all(twofold(one) for one in ways)


@given(st.lists(WAYS, min_size=1), WAYS)
def test_the_weakest_way_is_never_stronger_with_one_more(ways: list[Way], more: Way) -> None:
    before, after = weakest(ways), weakest([*ways, more])
    assert before is not None and after is not None and strength(after) <= strength(before)
