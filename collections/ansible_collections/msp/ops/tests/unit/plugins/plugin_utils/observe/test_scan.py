# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be scanned, and with which command."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe.scan import (
    Scan,
    ScanPlan,
    ScanPrefix,
    arguments,
    plan_scan,
)

OFFICE = ScanPrefix("192.0.2.0/24", allowed=True)
CAMERAS = ScanPrefix("198.51.100.0/24", allowed=False)


def test_without_asking_all_that_is_allowed_is_scanned_and_nothing_else() -> None:
    assert plan_scan([OFFICE, CAMERAS]) == ScanPlan(("192.0.2.0/24",))


def test_a_customer_without_an_allowed_prefix_has_nothing_to_scan() -> None:
    assert plan_scan([CAMERAS]) == plan_scan([]) == ScanPlan()
    assert arguments(Scan(ScanPlan(), privileged=True)) == ()


@pytest.mark.parametrize("asked", ["192.0.2.0/24", "192.0.2.64/26", "192.0.2.7", "192.0.2.7/32"])
def test_a_part_of_an_allowed_prefix_may_be_asked_for(asked: str) -> None:
    assert plan_scan([OFFICE], [asked]).targets == (str(ipaddress.ip_network(asked)),)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("203.0.113.0/24", "it is in none of them"),  # another customer's
        ("192.0.0.0/16", "it is in none of them"),  # more than is allowed
        ("198.51.100.0/25", "198.51.100.0/24 is not allowed"),
        ("2001:db8::/120", "it is in none of them"),
    ],
)
def test_anything_else_is_refused_with_the_prefix_named(asked: str, found: str) -> None:
    with pytest.raises(MspError) as caught:
        plan_scan([OFFICE, CAMERAS], ["192.0.2.0/28", asked])

    assert caught.value.code == "MSP-OBS-002"
    assert asked in caught.value.expected
    assert found in caught.value.found


def test_all_refusals_are_told_at_once() -> None:
    with pytest.raises(MspError, match=r"2 error\(s\)(?s:.*)203\.0\.113\.0/24(?s:.*)198\.51\.100\.0/24"):
        plan_scan([OFFICE, CAMERAS], ["203.0.113.0/24", "198.51.100.0/24"])


@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1/32",)),
        ("192.0.2.10-192.0.2.13", ("192.0.2.10/31", "192.0.2.12/31")),
        ("192.0.2.64/27", ("192.0.2.64/27",)),
        ("192.0.2.65/27", ("192.0.2.64/27",)),  # NetBox keeps an address with its prefix's length
        ("203.0.113.1", ()),
    ],
)
def test_excluded_addresses_are_left_alone(exclude: str, expected: tuple[str, ...]) -> None:
    assert plan_scan([ScanPrefix("192.0.2.0/24", True, (exclude,))]).exclude == expected


def test_an_exclusion_holds_whichever_prefix_says_so() -> None:
    plan = plan_scan([OFFICE, ScanPrefix("192.0.0.0/16", False, ("192.0.2.1",))])

    assert plan == ScanPlan(("192.0.2.0/24",), ("192.0.2.1/32",))


def test_of_prefixes_inside_one_another_the_most_specific_decides() -> None:
    wide, closed, open_ = (
        ScanPrefix("10.0.0.0/16", True),
        ScanPrefix("10.0.4.0/22", False),
        ScanPrefix("10.0.5.0/24", True),
    )

    plan = plan_scan([open_, wide, closed])

    assert plan == ScanPlan(("10.0.0.0/16",), ("10.0.4.0/24", "10.0.6.0/23"))
    assert plan_scan([open_, wide, closed], ["10.0.5.0/25"]).targets == ("10.0.5.0/25",)
    with pytest.raises(MspError, match=r"10\.0\.4\.0/22 is not allowed"):
        plan_scan([open_, wide, closed], ["10.0.6.0/24"])


def test_a_prefix_that_is_marked_both_ways_is_not_allowed() -> None:
    both = [OFFICE, ScanPrefix("192.0.2.0/24", allowed=False)]

    assert plan_scan(both) == plan_scan(list(reversed(both))) == ScanPlan()
    with pytest.raises(MspError, match="MSP-OBS-002"):
        plan_scan(both, ["192.0.2.0/24"])


def test_what_is_wholly_excluded_is_no_target_and_refused_when_asked_for() -> None:
    prefixes = [ScanPrefix("192.0.2.0/24", True, ("192.0.2.0-192.0.2.255",)), ScanPrefix("203.0.113.0/28", True)]

    assert plan_scan(prefixes).targets == ("203.0.113.0/28",)
    with pytest.raises(MspError, match="all of it is excluded"):
        plan_scan(prefixes, ["192.0.2.0/25"])


def test_a_part_of_an_allowed_prefix_that_is_somebody_elses_is_not_scanned_whoever_allowed_it() -> None:
    office = ScanPrefix("192.0.2.0/24", True, vrf=1)
    theirs = [
        ScanPrefix("192.0.2.64/26", True, ("192.0.2.1",), 1, "florist"),
        ScanPrefix("192.0.2.128/26", False, vrf=1),
    ]

    plan = plan_scan([office], None, theirs)

    assert plan == ScanPlan(("192.0.2.0/24",), ("192.0.2.1/32", "192.0.2.64/26", "192.0.2.128/26"))
    with pytest.raises(MspError, match=r"MSP-OBS-002.*192\.0\.2\.64/26 is not allowed"):
        plan_scan([office], ["192.0.2.64/27"], theirs)


def test_a_customers_own_part_of_what_is_somebody_elses_is_scanned() -> None:
    own = [ScanPrefix("192.0.2.0/24", True), ScanPrefix("192.0.2.80/28", True)]

    plan = plan_scan(own, ["192.0.2.80/28"], [ScanPrefix("192.0.2.64/26", False, owner="florist")])

    assert plan.targets == ("192.0.2.80/28",)


def test_the_same_prefix_of_somebody_else_in_the_same_vrf_leaves_nothing_to_scan() -> None:
    assert plan_scan([OFFICE], None, [ScanPrefix("192.0.2.0/24", False, owner="florist")]) == ScanPlan()


def test_what_another_vrf_holds_is_another_network() -> None:
    others = [ScanPrefix("192.0.2.64/26", False, ("192.0.2.1",), 2, "florist")]

    assert plan_scan([ScanPrefix("192.0.2.0/24", True, vrf=1)], None, others) == ScanPlan(("192.0.2.0/24",))


@pytest.mark.parametrize("theirs", ["192.0.2.0/24", "192.0.2.128/25", "192.0.0.0/16"])
def test_what_another_customer_allows_too_is_refused_with_both_named_unless_an_interface_is(theirs: str) -> None:
    office, others = ScanPrefix("192.0.2.0/24", True, vrf=1), [ScanPrefix(theirs, True, vrf=2, owner="florist")]

    with pytest.raises(MspError, match=r"MSP-OBS-057.*192\.0\.2\.0/24.*of florist.*interface") as caught:
        plan_scan([office], None, others)

    assert theirs in caught.value.found
    assert plan_scan([office], ["192.0.2.0/26"], others, interface="wg-jansen").interface == "wg-jansen"


@pytest.mark.parametrize(
    "other",
    [
        ScanPrefix("192.0.2.0/24", False, vrf=2, owner="florist"),
        ScanPrefix("192.0.2.0/24", True, vrf=2),  # nobody's
        ScanPrefix("198.51.100.0/24", True, vrf=2, owner="florist"),
        ScanPrefix("192.0.2.64/26", True, vrf=1, owner="florist"),  # left out of the scan
    ],
)
def test_what_no_other_customer_allows_needs_no_interface(other: ScanPrefix) -> None:
    assert plan_scan([ScanPrefix("192.0.2.0/24", True, vrf=1)], None, [other]).targets == ("192.0.2.0/24",)


def test_only_what_is_asked_for_counts_as_shared() -> None:
    others = [ScanPrefix("192.0.2.128/25", True, vrf=2, owner="florist")]

    assert plan_scan([OFFICE], ["192.0.2.0/25"], others).targets == ("192.0.2.0/25",)


@pytest.mark.parametrize(
    ("prefix", "fits"),
    [
        ("10.0.0.0/15", False),
        ("10.0.0.0/16", True),
        ("2001:db8::/64", False),
        ("2001:db8::/119", False),
        ("2001:db8::/120", True),
    ],
)
def test_prefixes_too_large_to_scan_are_refused_with_what_to_do(prefix: str, fits: bool) -> None:
    prefixes = [ScanPrefix(prefix, True)]
    if fits:
        assert plan_scan(prefixes).targets == (prefix,)
        return
    for asked in (None, [prefix]):
        with pytest.raises(MspError, match="MSP-OBS-003") as caught:
            plan_scan(prefixes, asked)
        assert prefix in caught.value.expected
        assert "or longer" in caught.value.action


def test_a_part_of_a_prefix_that_is_too_large_may_be_asked_for() -> None:
    assert plan_scan([ScanPrefix("2001:db8::/64", True)], ["2001:db8::100/120"]).targets == ("2001:db8::100/120",)


@pytest.mark.thorough
def test_more_exclusions_than_a_command_line_holds_are_refused() -> None:
    every_second = tuple(f"10.0.{third}.{fourth}" for third in range(128) for fourth in range(0, 256, 2))

    with pytest.raises(MspError, match=r"MSP-OBS-003.*16384 exclusions"):
        plan_scan([ScanPrefix("10.0.0.0/16", True, every_second)])


@pytest.mark.parametrize(
    "text", ["", "all", "-iL/etc/passwd", "192.0.2.5/24", "192.0.2.0/33", "192.0.2.1;id", "--script=x", "fe80::1%-x"]
)
def test_what_is_no_prefix_is_named(text: str) -> None:
    with pytest.raises(MspError, match="MSP-OBS-001"):
        plan_scan([OFFICE], [text])
    with pytest.raises(MspError, match="MSP-OBS-001"):
        plan_scan([ScanPrefix(text, True)])


@pytest.mark.parametrize("text", ["", "x", "192.0.2.9-192.0.2.1", "192.0.2.1-2001:db8::1", "192.0.2.1-", "192.0.2.1-9"])
def test_what_is_no_exclusion_stops_the_scan(text: str) -> None:
    with pytest.raises(MspError, match="MSP-OBS-001"):
        plan_scan([ScanPrefix("192.0.2.0/24", True, (text,))])


SMALL = st.tuples(st.integers(0, 255), st.integers(20, 32)).map(
    lambda pair: str(ipaddress.ip_network((0xC0000200 + pair[0], pair[1]), strict=False))
)
SINGLE = st.integers(0, 255).map(lambda last: f"192.0.2.{last}")
SPAN = st.tuples(st.integers(0, 255), st.integers(0, 255)).map(lambda p: f"192.0.2.{min(p)}-192.0.2.{max(p)}")
EXCLUDED = st.lists(SINGLE | SMALL | SPAN, max_size=3).map(tuple)
VRFS = st.sampled_from([None, 1])
PREFIXES = st.lists(st.builds(ScanPrefix, SMALL, st.booleans(), EXCLUDED, VRFS), max_size=5)
OTHERS = st.lists(
    st.builds(ScanPrefix, SMALL, st.booleans(), EXCLUDED, VRFS, st.sampled_from(["", "florist"])), max_size=3
)


def addresses(texts: tuple[str, ...] | list[str]) -> set[int]:
    found: set[int] = set()
    for text in texts:
        first, _dash, last = text.partition("-")
        network = ipaddress.ip_network(first, strict=False)
        end = ipaddress.ip_address(last) if last else network.broadcast_address
        found |= set(range(int(network.network_address), int(end) + 1))
    return found


@given(PREFIXES, st.none() | st.lists(SMALL, max_size=3), OTHERS)
def test_no_address_is_scanned_that_is_not_allowed_or_is_excluded_or_is_somebody_elses(
    prefixes: list[ScanPrefix], asked: list[str] | None, others: list[ScanPrefix]
) -> None:
    try:
        plan = plan_scan(prefixes, asked, others, interface="eth1")
    except MspError as error:
        assert error.code == "MSP-OBS-002"
        assert asked
        return
    scanned = addresses(plan.targets) - addresses(plan.exclude)
    theirs = [one for one in others if any(_inside(one, own) for own in prefixes)]
    excluded = addresses([text for one in (*prefixes, *theirs) for text in one.exclude])

    assert scanned <= addresses([one.prefix for one in prefixes if one.allowed])
    assert not scanned & excluded
    assert addresses(plan.exclude) <= addresses(plan.targets)
    if asked is not None:
        assert scanned <= addresses(asked)
    for one in theirs:
        own = addresses([other.prefix for other in prefixes if other.allowed and _length(other) > _length(one)])
        assert not scanned & (addresses([one.prefix]) - own)
    for one in prefixes:  # the most specific prefix around an address decides
        deeper = addresses([other.prefix for other in (*prefixes, *theirs) if _length(other) > _length(one)])
        both = any(other.prefix == one.prefix and not other.allowed for other in prefixes)
        both = both or any(other.prefix == one.prefix for other in theirs)
        if not one.allowed:
            assert not scanned & (addresses([one.prefix]) - deeper)
        elif asked is None and not both:
            assert addresses([one.prefix]) - deeper - excluded <= scanned


@given(PREFIXES, OTHERS)
def test_what_two_customers_allow_is_never_scanned_without_an_interface(
    prefixes: list[ScanPrefix], others: list[ScanPrefix]
) -> None:
    through = plan_scan(prefixes, None, others, interface="eth1")
    both = addresses([one.prefix for one in others if one.allowed and one.owner])
    shared = both & (addresses(through.targets) - addresses(through.exclude))
    try:
        plan = plan_scan(prefixes, None, others)
    except MspError as error:
        assert error.code == "MSP-OBS-057"
        assert shared
        return
    assert not shared
    assert (plan.targets, plan.exclude) == (through.targets, through.exclude)


def _inside(one: ScanPrefix, own: ScanPrefix) -> bool:
    return own.allowed and own.vrf == one.vrf and addresses([one.prefix]) <= addresses([own.prefix])


def _length(one: ScanPrefix) -> int:
    return ipaddress.ip_network(one.prefix).prefixlen


def test_a_quick_scan_only_looks_who_is_there() -> None:
    (words,) = arguments(Scan(ScanPlan(("192.0.2.0/24",), ("192.0.2.1/32", "192.0.2.64/27")), privileged=True))

    assert " ".join(words) == (
        "--privileged -T3 --max-rate 200 --max-retries 2 --host-timeout 600s -sn"
        " --exclude 192.0.2.1/32,192.0.2.64/27 -- 192.0.2.0/24"
    )


def test_a_scan_of_services_asks_few_ports_lightly_and_the_system_only_when_asked() -> None:
    plan = ScanPlan(("192.0.2.0/24",))
    (services,) = arguments(Scan(plan, privileged=False, services=True))
    (systems,) = arguments(Scan(plan, privileged=True, services=True, os=True))

    assert {"--unprivileged", "-sV", "--version-light", "--top-ports"} <= set(services)
    assert not {"-O", "-sn", "--privileged"} & set(services)
    assert {"-O", "--osscan-limit", "--privileged"} <= set(systems)


def test_ipv4_and_ipv6_are_scanned_apart() -> None:
    plan = ScanPlan(("192.0.2.0/24", "2001:db8::/120"), ("192.0.2.1/32", "2001:db8::1/128"))

    four, six = arguments(Scan(plan, privileged=True))

    assert four[-4:] == ("--exclude", "192.0.2.1/32", "--", "192.0.2.0/24")
    assert (six[0], six[-4:]) == ("-6", ("--exclude", "2001:db8::1/128", "--", "2001:db8::/120"))


def test_a_scan_through_an_interface_says_so_to_nmap() -> None:
    (words,) = arguments(Scan(ScanPlan(("192.0.2.0/24",), ("192.0.2.1/32",), "eth0.20"), privileged=True))

    assert words[-6:] == ("-e", "eth0.20", "--exclude", "192.0.2.1/32", "--", "192.0.2.0/24")


@pytest.mark.parametrize("text", ["-iL/etc/passwd", "eth0 --script=x", "eth0\n", "a" * 16, ".", "eth0;id"])
def test_no_plan_however_made_puts_anything_but_a_name_behind_the_interface(text: str) -> None:
    with pytest.raises(MspError, match="MSP-OBS-001"):
        arguments(Scan(ScanPlan(("192.0.2.0/24",), (), text), privileged=True))


def test_a_slow_scan_gives_its_hosts_the_time_that_their_whole_group_takes() -> None:
    (words,) = arguments(Scan(ScanPlan(("10.0.0.0/16",)), privileged=True, rate=10))

    assert words[words.index("--host-timeout") + 1] == "9830s"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"rate": 0}, "rate"),
        ({"rate": 1_000_000}, "rate"),
        ({"os": True}, "without services"),
        ({"os": True, "services": True, "privileged": False}, "without root"),
        ({"plan": ScanPlan(("192.0.2.0/24",), (), "eth1"), "privileged": False}, "through eth1 only as root"),
    ],
)
def test_what_can_not_be_scanned_so_is_refused(options: dict[str, object], expected: str) -> None:
    with pytest.raises(MspError, match=f"MSP-OBS-004.*{expected}"):
        Scan(**{"plan": ScanPlan(), "privileged": True, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["-iL/etc/passwd", "--script=x", "example.com"])
def test_no_plan_however_made_puts_an_option_or_a_name_among_the_targets(text: str) -> None:
    with pytest.raises(MspError, match="MSP-OBS-001"):
        arguments(Scan(ScanPlan((text,)), privileged=True))
    with pytest.raises(MspError, match="MSP-OBS-001"):
        arguments(Scan(ScanPlan(("192.0.2.0/24",), (text,)), privileged=True))
