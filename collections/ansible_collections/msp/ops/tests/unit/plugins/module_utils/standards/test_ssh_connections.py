# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A login that a Match block decides about: one that no block before it takes."""

from __future__ import annotations

import ipaddress
import itertools
from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import ssh_connections
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Unmeasurable
from ansible_collections.msp.ops.plugins.module_utils.standards.ssh_connections import (
    addresses,
    beside,
    connection,
    covers,
    inside,
    of_user,
)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("User anna", {"user": "anna"}),
        ("User *,!root", {"user": "msp-anybody"}),
        ("User web*", {"user": "webmsp-anybody"}),
        ("user=anna address=192.168.1.0/24", {"user": "anna", "addr": "192.168.1.1"}),
        ("Address 10.*", {"addr": "10.1.1.1"}),
        ("Address *", {"addr": "192.0.2.1"}),
        ("Address 2001:db8::/32", {"addr": "2001:db8::1"}),
        ("LocalPort 2222 Host *.example.com", {"lport": "2222", "host": "msp-anybody.example.com"}),
        ("Group backup", {"user": "anna"}),
        ("all", {}),
    ],
)
def test_a_connection_is_made_up_that_the_block_is_for(condition: str, expected: dict[str, str]) -> None:
    members = {"backup": ["anna"], "empty": []}

    found = connection(condition, members)

    assert found is not None
    assert {name: found[name] for name in expected} == expected


def test_a_block_for_a_group_without_members_is_for_nobody() -> None:
    assert connection("Group empty", {"backup": ["anna"], "empty": []}) is None


@pytest.mark.parametrize("condition", ["Exec /bin/true", "User !root", "Address"])
def test_a_block_that_no_connection_can_be_made_up_for_is_said(condition: str) -> None:
    with pytest.raises(Unmeasurable):
        connection(condition, {})


@settings(max_examples=60)
@given(st.lists(st.text("ab*?", min_size=1, max_size=6), min_size=1, max_size=4))
def test_a_made_up_name_is_one_that_the_patterns_match(patterns: list[str]) -> None:
    found = connection("User " + ",".join(patterns), {})

    assert found is not None
    assert any(fnmatchcase(found["user"], one) for one in patterns)


@pytest.mark.parametrize(
    ("earlier", "condition", "key", "expected"),
    [
        (["User anna"], "User anna,bert", "user", "bert"),
        (["User anna"], "Group staff", "user", "bert"),
        (["Group wheel"], "Group staff", "user", "bert"),
        (["Group wheel"], "User *", "user", "msp-anybody"),
        (["User *,!root"], "Address 10.0.0.0/8", "user", "root"),
        (["Address 10.0.0.1"], "Address 10.0.0.0/24", "addr", "10.0.0.0"),
        (["Address 10.0.0.0/25", "Address 10.0.0.254/31"], "Address 10.0.0.0/24", "addr", "10.0.0.128"),
        (["Address 2001:db8::/64"], "Address 2001:db8::/32", "addr", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        (["User web?*"], "User web*", "user", "web"),
        (["User anna Address 10.0.0.0/8"], "User anna", "addr", "192.0.2.1"),
        (["Host *.example.com"], "Host *.com", "host", "msp-anybody.com"),
    ],
)
def test_a_login_is_one_that_no_block_before_is_for(
    earlier: list[str], condition: str, key: str, expected: str
) -> None:
    found = connection(condition, {"staff": ["anna", "bert"], "wheel": ["anna"]}, earlier)

    assert found is not None
    assert found[key] == expected


@pytest.mark.parametrize(
    ("earlier", "condition"),
    [
        (["all"], "User anna"),
        (["User anna"], "User anna"),
        (["User anna", "User bert"], "User anna,bert"),
        (["User anna", "Group wheel"], "Group staff"),
        (["User web*"], "User web*"),
        (["User * Host *"], "Address 10.0.0.0/8"),
        (["Address 10.0.0.0/8"], "Address 10.1.0.0/16,10.2.0.1 User anna"),
    ],
)
def test_a_block_that_those_before_leave_nobody_is_for_nobody(earlier: list[str], condition: str) -> None:
    assert connection(condition, {"staff": ["anna", "bert"], "wheel": ["bert"]}, earlier) is None


@pytest.mark.parametrize(
    ("earlier", "condition"),
    [
        (["LocalPort 22"], "User anna"),
        (["Exec /bin/true"], "User anna"),
        (["User ?*"], "User *"),
    ],
)
def test_where_nobody_can_tell_whether_a_block_decides_that_is_said(earlier: list[str], condition: str) -> None:
    """A block of which nothing is known is none that was found well."""
    with pytest.raises(Unmeasurable):
        connection(condition, {}, earlier)


def test_not_all_members_of_a_very_large_group_are_tried_and_that_is_said() -> None:
    many = [f"u{number}" for number in range(3000)]

    with pytest.raises(Unmeasurable):
        connection("Group staff", {"staff": many}, ["User u*"])
    assert connection("Group staff", {"staff": [*many, "anna"]}, ["User u*"]) is not None


def test_a_block_for_a_routing_domain_takes_nobody_who_is_in_none() -> None:
    assert connection("User anna", {}, ["RDomain *"]) == connection("User anna", {})


# -- against a second reading of the manual: every login of a small world -------------------------------------------

USERS = ("anna", "bert", "carl", "msp-anybody")
ADDRESSES = ("10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.1.9", "192.0.2.1")
GROUPS = {"staff": ["anna", "bert"], "wheel": ["bert", "carl"], "nobody": []}
_users = st.lists(st.sampled_from(["anna", "bert", "carl", "*", "!anna", "!carl"]), min_size=1, max_size=3)
_groups = st.lists(st.sampled_from(["staff", "wheel", "nobody", "!wheel", "*"]), min_size=1, max_size=2)
_networks = st.lists(
    st.sampled_from(["10.0.0.0/24", "10.0.0.1", "10.0.0.0/30", "!10.0.0.2", "10.0.0.0/16"]), min_size=1, max_size=2
)
# Users, groups and networks that a block asks for; empty where it does not.
Made = tuple[list[str], list[str], list[str]]
_nothing: st.SearchStrategy[list[str]] = st.just([])
_blocks = st.tuples(*(st.one_of(_nothing, asked) for asked in (_users, _groups, _networks))).filter(any)


def line(made: Made) -> str:
    names = ("User", "Group", "Address")
    return " ".join(f"{name} {','.join(one)}" for name, one in zip(names, made, strict=True) if one)


def fits(patterns: list[str], like: list[bool]) -> bool:
    """like says of each pattern, its ! left out, whether it is for the login."""
    told = list(zip(patterns, like, strict=True))
    return not any(yes for one, yes in told if one[0] == "!") and any(yes for one, yes in told if one[0] != "!")


def is_for(made: Made, user: str, address: str) -> bool:
    users, groups, networks = made
    own = [group for group in GROUPS if user in GROUPS[group]]
    bare = {one: one.lstrip("!") for one in [*(users or []), *(groups or []), *(networks or [])]}
    return (
        (not users or fits(users, [bare[one] in ("*", user) for one in users]))
        and (not groups or fits(groups, [any(bare[one] in ("*", group) for group in own) for one in groups]))
        and (
            not networks
            or fits(networks, [ipaddress.ip_address(address) in ipaddress.ip_network(bare[one]) for one in networks])
        )
    )


@pytest.mark.thorough
@settings(max_examples=400, deadline=None)
@given(st.lists(_blocks, min_size=1, max_size=4))
def test_what_a_block_decides_is_never_missed(made: list[Made]) -> None:
    *earlier, last = made
    decides = [
        (user, address)
        for user, address in itertools.product(USERS, ADDRESSES)
        if is_for(last, user, address) and not any(is_for(one, user, address) for one in earlier)
    ]

    try:
        found = connection(line(last), GROUPS, [line(one) for one in earlier])
    except Unmeasurable:
        return

    if found is None:
        assert decides == []
    else:
        assert is_for(last, found["user"], found["addr"])
        assert not any(is_for(one, found["user"], found["addr"]) for one in earlier)


@pytest.mark.thorough
@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["anna", "bert", "carl"]), min_size=1, max_size=3), st.sets(st.sampled_from(USERS)))
def test_of_names_alone_it_can_always_be_told(names: list[str], before: set[str]) -> None:
    found = connection(f"User {','.join(names)}", {}, [f"User {one}" for one in sorted(before)])

    left = [one for one in names if one not in before]
    assert (found["user"] in left) if found else not left


STAFF = {"staff": ["anna", "bert"]}


@pytest.mark.parametrize(
    ("condition", "earlier", "expected"),
    [
        ("Address 10.0.0.0/8", [], {"user": "anna", "addr": "10.0.0.1"}),
        ("Group staff LocalPort 2222", [], {"user": "anna", "lport": "2222"}),
        ("User a*", [], {"user": "anna"}),
        ("User bert", [], None),
        ("User *,!anna", [], None),
        ("Group wheel", [], None),
        # A block for others is in nobody's way, one for all of them is.
        ("Address 10.0.0.0/8", ["User bert", "Group wheel"], {"user": "anna", "addr": "10.0.0.1"}),
        ("Address 10.0.0.0/8", ["Group staff"], None),
        ("Address 10.0.0.0/8", ["User *,!bert"], None),
        ("Group staff", ["User anna Address 192.0.2.0/24"], {"user": "anna", "addr": "192.0.1.255"}),
    ],
)
def test_a_login_of_one_user_is_made_up_where_the_block_can_be_for_them(
    condition: str, earlier: list[str], expected: dict[str, str] | None
) -> None:
    found = of_user(condition, "anna", STAFF, earlier)

    if expected is None or found is None:
        assert found is expected
    else:
        assert {name: found[name] for name in expected} == expected


@given(st.ip_addresses(v=4).map(str), st.integers(0, 32))
def test_addresses_in_a_network_and_beside_it_are_told_apart(address: str, length: int) -> None:
    network = str(ipaddress.ip_network(f"{address}/{length}", strict=False))

    found = addresses(network)

    assert any(inside(one, [network]) for one in found)
    for one in found:
        assert inside(one, [network]) == (ipaddress.ip_address(one) in ipaddress.ip_network(network))
    if length:
        assert not all(inside(one, [network]) for one in found)


@pytest.mark.parametrize(
    ("address", "networks", "is_inside"),
    [
        ("192.0.2.7", ["192.0.2.0/24"], True),
        ("192.0.3.7", ["192.0.2.0/24", "192.0.3.7"], True),
        ("2001:db8::1", ["192.0.2.0/24", "2001:db8::/32"], True),
        ("192.0.3.7", ["192.0.2.0/24"], False),
        ("192.0.2.7", [], False),
        ("nothing", ["0.0.0.0/0"], False),
        ("192.0.2.7", ["nothing"], False),
    ],
)
def test_an_address_is_in_a_network_or_not(address: str, networks: list[str], is_inside: bool) -> None:
    assert inside(address, networks) is is_inside


def test_addresses_of_a_condition_are_those_of_all_its_networks_also_of_those_left_out() -> None:
    found = beside("User msp Address *,!10.0.0.0/24")
    assert {"10.0.0.1", "10.0.1.0", "9.255.255.255"} <= set(found)
    assert beside("User msp") == []


def test_from_where_logins_are_told_apart_whoever_logs_in() -> None:
    lines = ["User robot Address 10.0.0.0/8", "User robot Address *,!10.0.0.0/8", "Group staff", "LocalPort 2222"]
    found = {fits: login for login, fits in ssh_connections.surroundings(lines)}

    assert next(iter(found)) == (1, 2)  # from anywhere
    assert set(found) == {(1, 2), (0, 2), (1, 2, 3), (0, 2, 3)}
    assert found[0, 2]["addr"].startswith("10.") and found[0, 2]["lport"] == "22"
    assert found[0, 2, 3]["lport"] == "2222" and "user" not in found[0, 2, 3]
    assert [ssh_connections.without_user(line) for line in lines] == [
        *("address 10.0.0.0/8", "address *,!10.0.0.0/8", "", "localport 2222"),
    ]
    assert [fits for _login, fits in ssh_connections.surroundings([])] == [()]


@pytest.mark.thorough
def test_from_where_cannot_be_told_of_what_nobody_knows_and_of_too_much() -> None:
    networks = ",".join(f"10.{number}.0.0/16" for number in range(60))
    for lines in (
        ["exec /bin/true"],
        [f"Address {networks} LocalAddress {networks}"],
    ):
        with pytest.raises(Unmeasurable):
            ssh_connections.surroundings(lines)


def test_names_are_matched_as_in_file_names() -> None:
    assert ssh_connections.matches("an?a*", "annabel") and not ssh_connections.matches("anna", "annabel")


@pytest.mark.parametrize(
    ("listed", "wanted", "is_covered"),
    [
        (["10.0.0.0/8"], "10.1.0.0/16", True),
        (["10.1.0.0/16"], "10.0.0.0/8", False),
        (["192.0.2.7"], "192.0.2.7", True),
        (["2001:db8::/32", "10.0.0.0/8"], "2001:db8:1::/64", True),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["*", "nothing"], "10.0.0.1", False),
        (["10.0.0.0/8"], "nothing", False),
        ([], "10.0.0.1", False),
    ],
)
def test_a_network_is_part_of_one_that_is_listed_or_not(listed: list[str], wanted: str, is_covered: bool) -> None:
    assert covers(listed, wanted) is is_covered
