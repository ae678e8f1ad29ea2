# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the packet filter lets in, out of the rules as nft prints them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import firewall, open_ports
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader, printing

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> list[dict]:
    rows: list[dict] = json.loads((RECORDED / f"{name}.json").read_text())["nftables"]
    return rows


def table(family: str = "inet", name: str = "filter", **more: Any) -> dict:
    return {"table": {"family": family, "name": name, "handle": 1, **more}}


def chain(hook: str | None = "input", policy: str = "drop", **more: Any) -> dict:
    row = {"family": "inet", "table": "filter", "name": hook or "other", "handle": 1}
    base = {"type": "filter", "hook": hook, "prio": 0, "policy": policy} if hook else {}
    return {"chain": {**row, **base, **more}}


def rule(*statements: Any, chain: str = "input", family: str = "inet", table: str = "filter") -> dict:
    return {"rule": {"family": family, "table": table, "chain": chain, "handle": 2, "expr": list(statements)}}


def match(left: dict, right: Any, op: str = "==") -> dict:
    return {"match": {"op": op, "left": left, "right": right}}


def dport(port: Any, protocol: str = "tcp", op: str = "==") -> dict:
    return match({"payload": {"protocol": protocol, "field": "dport"}}, port, op)


ACCEPT, DROP = {"accept": None}, {"drop": None}
ESTABLISHED = match({"ct": {"key": "state"}}, ["established", "related"], "in")
LOOPBACK = match({"meta": {"key": "iifname"}}, "lo")
FROM = match({"payload": {"protocol": "ip", "field": "saddr"}}, {"prefix": {"addr": "10.0.0.0", "len": 8}})
ON = match({"meta": {"key": "iifname"}}, "eth1")
LOCAL = {"prefix": {"addr": "fe80::", "len": 10}}
BASE = (table(), chain())


# -- rules of real firewalls ---------------------------------------------------------------------------------------


def test_a_table_of_one_chain_is_told() -> None:
    assert firewall.summary(recorded("nft_simple")) == {
        "tables": 1,
        "input_policy": "drop",
        "forward_policy": "drop",
        "own_forward_policy": "drop",
        "forwarding": [],
        "accepts": ["tcp/22", "tcp/443 from 192.0.2.0/24", "tcp/80", "tcp/8000-8010"],
        "icmp": ["icmp", "icmpv6"],
        "established": True,
        "loopback": True,
    }


def test_chains_that_jump_to_others_are_followed_as_firewalld_makes_them() -> None:
    found = firewall.summary(recorded("nft_firewalld"))

    assert (found["input_policy"], found["established"], found["loopback"]) == ("drop", True, True)
    assert found["accepts"] == ["tcp/22", "tcp/9090"]
    assert "icmp" in found["icmp"]


def test_what_our_role_writes_is_measured_as_it_was_agreed() -> None:
    """Recorded of nft 1.0.6, of what templates/firewall.nft.j2 makes of these."""
    agreed = [
        *("ah", "esp from 192.0.2.7", "gre", "igmp", "ipip", "ospf on eth0", "pim", "tcp/22"),
        *("tcp/25 from 192.0.2.0/24", "tcp/443 from 2001:db8::/32 on eth1", "udp/60000-61000 on wg0", "vrrp"),
    ]

    found = firewall.summary(recorded("nft_msp"))

    assert found["accepts"] == agreed
    assert [open_ports.read(one) for one in agreed]
    assert (found["input_policy"], found["own_forward_policy"], found["forwarding"]) == ("drop", "drop", [])
    assert (found["established"], found["loopback"]) == (True, True)


def test_no_rules_at_all_are_no_policy() -> None:
    assert firewall.summary([{"metainfo": {"version": "1.0.6"}}]) == {
        "tables": 0,
        "input_policy": "none",
        "forward_policy": "none",
        "own_forward_policy": "none",
        "forwarding": [],
        "accepts": [],
        "icmp": [],
        "established": True,
        "loopback": True,
    }


# -- what makes a policy -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "policy"),
    [
        ([*BASE], "drop"),
        ([table(), chain(policy="accept")], "accept"),
        ([table(), chain(policy="accept"), rule(dport(22), ACCEPT), rule({"reject": {"type": "icmpx"}})], "drop"),
        ([table(), chain(policy="accept"), rule({"counter": None}, DROP)], "drop"),
        ([*BASE, rule(ACCEPT)], "accept"),
        ([*BASE, rule({"jump": {"target": "other"}}), chain(None), rule(ACCEPT, chain="other")], "accept"),
        ([*BASE, rule({"jump": {"target": "other"}}), chain(None), rule({"return": None}, chain="other")], "drop"),
        (
            [
                *BASE,
                chain(None),
                rule({"jump": {"target": "other"}}),
                rule({"return": None}, chain="other"),
                rule(ACCEPT),
            ],
            "accept",
        ),
        ([*BASE, chain(None), rule({"goto": {"target": "other"}}), rule(ACCEPT)], "drop"),
        ([*BASE, chain(None), rule(dport(22), {"goto": {"target": "other"}}), rule(ACCEPT)], "accept"),
        ([*BASE, chain(None), rule(dport(22), {"jump": {"target": "other"}}), rule(ACCEPT, chain="other")], "drop"),
        ([*BASE, chain(policy="accept", name="early", prio=-10)], "drop"),
        ([table("ip"), chain(family="ip")], "none"),
        ([table("ip"), chain(family="ip"), table("ip6"), chain(family="ip6", policy="accept")], "accept"),
        ([table(flags=["dormant"]), chain()], "none"),
        ([table(flags="dormant"), chain()], "none"),
        ([table(), chain(type="nat")], "none"),
        ([table(), chain(hook="output")], "none"),
    ],
)
def test_the_policy_is_what_happens_to_a_packet_that_no_rule_names(rows: list[dict], policy: str) -> None:
    assert firewall.summary(rows)["input_policy"] == policy


def test_a_host_without_ipv6_needs_no_rules_for_it() -> None:
    rows = [table("ip"), chain(family="ip")]

    assert firewall.summary(rows, (4,))["input_policy"] == "drop"
    assert firewall.summary(rows, (4, 6))["input_policy"] == "none"


# -- what is accepted ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statements", "accepts"),
    [
        ((dport(22),), ["tcp/22"]),
        ((dport({"set": [22, {"range": [8000, 8010]}]}),), ["tcp/22", "tcp/8000-8010"]),
        ((dport("@ports"),), ["tcp/25", "tcp/80"]),
        ((dport(22, op="!="),), ["any where payload protocol tcp field dport != 22"]),
        ((match({"meta": {"key": "l4proto"}}, {"set": ["tcp", "udp"]}), dport(53, "th")), ["tcp/53", "udp/53"]),
        (
            (
                match({"payload": {"protocol": "ip", "field": "saddr"}}, {"prefix": {"addr": "10.0.0.0", "len": 8}}),
                dport(22),
            ),
            ["tcp/22 from 10.0.0.0/8"],
        ),
        ((match({"meta": {"key": "iifname"}}, "eth1"), dport(22)), ["tcp/22 on eth1"]),
        ((match({"ct": {"key": "state"}}, "new"), dport(22)), ["tcp/22"]),
        ((dport(22), {"limit": {"rate": 10, "per": "minute"}}, {"counter": {"packets": 0, "bytes": 0}}), ["tcp/22"]),
        ((match({"payload": {"protocol": "ip", "field": "protocol"}}, "igmp"),), ["igmp"]),
        ((match({"meta": {"key": "l4proto"}}, {"set": ["vrrp", "esp", 51]}),), ["ah", "esp", "vrrp"]),
        ((match({"meta": {"key": "l4proto"}}, 112), FROM), ["vrrp from 10.0.0.0/8"]),
        ((FROM, dport({"range": [60000, 61000]}, "udp"), ON), ["udp/60000-61000 from 10.0.0.0/8 on eth1"]),
        ((ON, FROM, dport(22)), ["tcp/22 from 10.0.0.0/8 on eth1"]),
        ((match({"payload": {"protocol": "ip6", "field": "saddr"}}, LOCAL), dport(546, "udp")), []),
        ((dport(546, "udp"),), ["udp/546"]),
        (
            (match({"payload": {"protocol": "ip6", "field": "saddr"}}, LOCAL), dport(547, "udp")),
            ["udp/547 from fe80::/10"],
        ),
        ((match({"payload": {"protocol": "tcp", "field": "sport"}}, 20),), ["tcp where tcp sport is 20"]),
        (({"xt": {"type": "match", "name": "owner"}}, dport(22)), ["tcp/22 with xt"]),
        (
            (match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"),),
            ["any where fib result type flags daddr is local"],
        ),
        ((ESTABLISHED,), []),
        ((LOOPBACK,), []),
        ((match({"payload": {"protocol": "icmp", "field": "type"}}, "echo-request"),), []),
    ],
)
def test_what_gets_in_is_told_with_what_it_asks(statements: tuple[dict, ...], accepts: list[str]) -> None:
    ports = {
        "set": {"family": "inet", "table": "filter", "name": "ports", "elem": [25, {"elem": {"val": 80, "timeout": 9}}]}
    }

    found = firewall.summary([*BASE, ports, rule(*statements, ACCEPT)])

    assert found["accepts"] == accepts


def test_a_map_of_verdicts_is_several_rules() -> None:
    state = {"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["established", ACCEPT], ["invalid", DROP]]}}}
    ports = {"vmap": {"key": {"payload": {"protocol": "tcp", "field": "dport"}}, "data": "@services"}}
    services = {
        "map": {
            "family": "inet", "table": "filter", "name": "services", "map": "verdict",
            "elem": [[22, ACCEPT], [23, DROP], [80, {"jump": {"target": "web"}}]],
        }
    }  # fmt: skip

    found = firewall.summary(
        [
            *BASE,
            services,
            chain(None, name="web"),
            rule(state),
            rule(ports),
            rule(LOOPBACK, ACCEPT),
            rule(ACCEPT, chain="web"),
        ]
    )

    assert (found["accepts"], found["established"], found["loopback"]) == (["tcp/22", "tcp/80"], True, True)


def test_what_a_chain_that_drops_nothing_names_is_not_what_gets_in() -> None:
    early = [chain(policy="accept", name="early"), rule(dport(9999), ACCEPT, chain="early")]

    assert firewall.summary([*BASE, *early, rule(dport(22), ACCEPT)])["accepts"] == ["tcp/22"]


def test_what_was_redirected_gets_in_only_where_something_redirects() -> None:
    status = match({"ct": {"key": "status"}}, "dnat", "in")
    redirect = rule(dport(80), {"dnat": {"addr": "192.0.2.9"}}, chain="pre")

    assert firewall.summary([*BASE, rule(status, ACCEPT)])["accepts"] == []
    found = firewall.summary([*BASE, rule(status, ACCEPT), chain(None, name="pre"), redirect])
    assert found["accepts"] == ["any that was redirected"]


def test_what_another_rule_lets_in_anyway_is_not_told_twice() -> None:
    narrow = match({"meta": {"key": "iifname"}}, "eth1")

    found = firewall.summary(
        [*BASE, rule(narrow, dport(22), ACCEPT), rule(dport(22), ACCEPT), rule(narrow, dport(80), ACCEPT)]
    )

    assert found["accepts"] == ["tcp/22", "tcp/80 on eth1"]


def test_a_program_that_decides_lets_in_nobody_knows_what() -> None:
    found = firewall.summary([*BASE, rule(dport(80), {"queue": {"num": 0}})])

    assert found["accepts"] == ["tcp/80 as a program decides"]


def test_behind_a_rule_for_everything_nothing_counts() -> None:
    assert firewall.summary([*BASE, rule(DROP), rule(dport(22), ACCEPT)])["accepts"] == []


def test_loopback_and_answers_have_to_pass_every_chain_that_drops() -> None:
    second = [chain(name="second"), rule(dport(22), ACCEPT, chain="second")]

    found = firewall.summary([*BASE, rule(ESTABLISHED, ACCEPT), rule(LOOPBACK, ACCEPT), *second])

    assert (found["established"], found["loopback"]) == (False, False)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(min_value=1, max_value=65535), st.sampled_from(["tcp", "udp"]), st.booleans()), max_size=8
    ),
    st.integers(min_value=0, max_value=8),
)
def test_no_open_port_is_left_out_however_rules_are_nested(ports: list[tuple[int, str, bool]], split: int) -> None:
    inner = [rule(dport(port, kind), ACCEPT if let else DROP, chain="other") for port, kind, let in ports[:split]]
    outer = [rule(dport(port, kind), ACCEPT if let else DROP) for port, kind, let in ports[split:]]

    found = firewall.summary([*BASE, chain(None), rule({"jump": {"target": "other"}}), *inner, *outer])

    assert found["accepts"] == sorted({f"{kind}/{port}" for port, kind, let in ports if let})
    assert found["input_policy"] == "drop"


# -- several firewalls on one host ---------------------------------------------------------------------------------


def msp(*rules: tuple[dict, ...], forward: str = "drop") -> list[dict]:
    """Our own table beside others, as the role writes it, with what it lets in."""
    own = {"family": "inet", "table": "msp"}
    made = [table(name="msp"), chain(**own), chain("forward", forward, **own)]
    made += [rule(LOOPBACK, ACCEPT, table="msp"), rule(ESTABLISHED, ACCEPT, table="msp")]
    return made + [rule(*one, ACCEPT, table="msp") for one in rules]


def test_beside_firewalld_only_what_both_let_in_gets_in() -> None:
    found = firewall.summary([*recorded("nft_firewalld"), *msp((dport(22),), (dport(443),))])

    assert (found["accepts"], found["input_policy"]) == (["tcp/22"], "drop")
    assert (found["established"], found["loopback"], found["own_forward_policy"]) == (True, True, "drop")


@pytest.mark.parametrize(
    ("first", "second", "accepts"),
    [
        ((dport(22),), (dport(22), FROM), ["tcp/22 from 10.0.0.0/8"]),
        ((dport({"range": [8000, 8010]}),), (dport({"range": [8005, 9000]}),), ["tcp/8005-8010"]),
        ((dport(53, "th"),), (dport(53, "udp"),), ["udp/53"]),
        ((dport(22),), (dport(22, "udp"),), []),
        ((dport(22), ON), (dport(22), match({"meta": {"key": "iifname"}}, "eth2")), []),
        ((dport(22), ON), (dport(22), match({"meta": {"key": "iifname"}}, {"set": ["eth1", "eth2"]})),
         ["tcp/22 on eth1 on eth1/eth2"]),
        ((FROM, dport(22)),
         (match({"payload": {"protocol": "ip", "field": "saddr"}}, {"prefix": {"addr": "10.1.0.0", "len": 16}}),),
         ["tcp/22 from 10.1.0.0/16"]),
        ((FROM, dport(22)), (match({"payload": {"protocol": "ip", "field": "saddr"}}, "192.0.2.1"), dport(22)), []),
        ((dport(22), {"xt": {"type": "match"}}), (dport(22),), ["tcp/22 with xt"]),
        ((dport("@ports"),), (dport(25),), ["tcp/25"]),
    ],
)  # fmt: skip
def test_of_two_chains_what_they_have_in_common_gets_in(
    first: tuple[dict, ...], second: tuple[dict, ...], accepts: list[str]
) -> None:
    ports = {"set": {"family": "inet", "table": "filter", "name": "ports", "elem": [25, 80]}}

    found = firewall.summary([*BASE, ports, rule(*first, ACCEPT), *msp(second)])

    assert found["accepts"] == accepts


PORTS = st.tuples(st.integers(1, 40), st.integers(0, 10), st.sampled_from(["tcp", "udp"]))


@pytest.mark.thorough
@settings(max_examples=60)
@given(st.lists(st.lists(PORTS, max_size=6), min_size=2, max_size=3))
def test_a_port_is_told_exactly_where_every_chain_lets_it_in(chains: list[list[tuple[int, int, str]]]) -> None:
    rows: list[dict] = []
    for number, ports in enumerate(chains):
        own = {"family": "inet", "table": f"t{number}"}
        rows += [table(name=own["table"]), chain(**own)]
        rows += [
            rule(dport({"range": [low, low + more]} if more else low, kind), ACCEPT, table=own["table"])
            for low, more, kind in ports
        ]

    found = {one for text in firewall.summary(rows)["accepts"] for one in opened(text)}

    assert found == set.intersection(
        *({(kind, port) for low, more, kind in ports for port in range(low, low + more + 1)} for ports in chains)
    )


def opened(text: str) -> set[tuple[str, int]]:
    kind, _slash, ports = text.partition("/")
    low, _dash, high = ports.partition("-")
    return {(kind, port) for port in range(int(low), int(high or low) + 1)}


# -- what is passed on ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "tables"),
    [
        ([], []),
        ([chain("forward")], []),
        ([chain("forward", "accept")], []),
        ([chain("forward"), rule(ESTABLISHED, ACCEPT, chain="forward")], []),
        ([chain("forward"), rule(ON, ACCEPT, chain="forward")], ["inet filter"]),
        ([chain("forward", "accept"), rule(ON, DROP, chain="forward")], ["inet filter"]),
        ([chain("forward"), rule({"xt": {"type": "match"}}, {"jump": {"target": "docker"}}, chain="forward"),
          chain(None, name="docker"), rule(ACCEPT, chain="docker")], ["inet filter"]),
    ],
)  # fmt: skip
def test_who_has_something_passed_on_is_named_and_never_ourselves(rows: list[dict], tables: list[str]) -> None:
    found = firewall.summary([*BASE, *rows, *msp(forward="accept")])

    assert (found["forwarding"], found["own_forward_policy"]) == (tables, "accept")


# -- what a firewall would close -----------------------------------------------------------------------------------

SOCKETS = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0
   3: 00000000:EA60 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4 1 0 100 0 0 10 0
"""
DATAGRAMS = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref
   0: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5 2 0 0
   1: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 6 2 0 0
   2: 00000000:9C40 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 7 2 0 0
"""


def used(tmp_path: Path, ports: tuple[str, ...], closed: tuple[str, ...] = (), rows: list[dict] | None = None) -> Any:
    """What is used and would be closed, on a host with programs at tcp/22, 80 and 60000 and at udp/53."""
    files = {
        "/proc/net/tcp": SOCKETS,
        "/proc/net/udp": DATAGRAMS,
        "/proc/sys/net/ipv4/ip_local_port_range": "32768 60999",
    }
    programs = {} if rows is None else {"nft": printing(json.dumps({"nftables": rows}))}
    return firewall.unlisted(made_reader(tmp_path, files, programs), ports, closed)["used"]


def names(found: list[str]) -> list[str]:
    return [text.partition(" ")[0] for text in found]


def test_what_listens_and_is_let_in_and_was_not_agreed_would_be_closed(tmp_path: Path) -> None:
    found = used(tmp_path, ("tcp/22",))

    # Not what only this host reaches, not where an answer comes, and not by which it gets its address.
    assert names(found) == ["tcp/60000", "tcp/80", "udp/53"]


def test_what_is_agreed_to_be_open_or_closed_needs_no_decision(tmp_path: Path) -> None:
    assert names(used(tmp_path / "a", ("tcp/1-100", "udp/53 on eth1"), ("tcp/60000-61000",))) == []
    assert names(used(tmp_path / "b", ("tcp/22", "udp/80"), ("udp/53",))) == ["tcp/60000", "tcp/80"]


def test_what_the_firewall_refuses_today_is_lost_to_nobody(tmp_path: Path) -> None:
    assert names(used(tmp_path / "a", ("tcp/22",), rows=[*BASE, rule(dport(22), ACCEPT)])) == []
    assert names(used(tmp_path / "b", ("tcp/22",), rows=[*BASE, rule(dport(80), ON, ACCEPT)])) == ["tcp/80"]
    everything = [table(), chain(policy="accept"), rule(dport(22), ACCEPT)]
    assert names(used(tmp_path / "c", ("tcp/22",), rows=everything)) == ["tcp/60000", "tcp/80", "udp/53"]


def test_what_gets_in_by_one_version_of_ip_only_gets_in(tmp_path: Path) -> None:
    rows = [table("ip"), chain(family="ip"), rule(dport(22), ACCEPT, family="ip")]
    files = {"/proc/net/tcp": SOCKETS, "/proc/net/if_inet6": ""}
    printed = {"nft": printing(json.dumps({"nftables": rows}))}

    found = firewall.unlisted(made_reader(tmp_path, files, printed), ("tcp/22",), ())

    assert names(found["used"]) == ["tcp/60000", "tcp/80"]


def test_what_cannot_be_seen_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable, match="sockets"):
        firewall.unlisted(made_reader(tmp_path / "a", {}), (), ())
    with pytest.raises(Unmeasurable, match="tcp/0"):
        firewall.unlisted(made_reader(tmp_path / "b", {"/proc/net/tcp": SOCKETS}), ("tcp/0",), ())


# -- what cannot be told -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows",
    [
        [*BASE, rule("masquerade")],
        [*BASE, rule({"match": {"op": "==", "left": {}, "right": "@gone"}}, ACCEPT)],
        [*BASE, rule({"vmap": {"key": {}, "data": {"set": [1]}}})],
        [*BASE, rule({"jump": {"target": "input"}})],
    ],
)
def test_rules_in_a_form_that_is_not_known_are_not_measured(rows: list[dict]) -> None:
    with pytest.raises(Unmeasurable):
        firewall.summary(rows)


def test_without_nft_it_is_absent_and_without_rights_not_measured(tmp_path: Path) -> None:
    with pytest.raises(Absent):
        firewall.measure(made_reader(tmp_path / "a", {}))
    with pytest.raises(Unmeasurable, match="Operation not permitted"):
        script = "echo 'Operation not permitted (you must be root)' >&2; exit 1"
        firewall.measure(made_reader(tmp_path / "b", {}, {"nft": script}))
    with pytest.raises(Unmeasurable, match="no list of rules"):
        firewall.measure(made_reader(tmp_path / "c", {}, {"nft": "echo nothing"}))


def test_nft_is_asked_for_all_rules_and_the_kernel_whether_it_has_ipv6(tmp_path: Path) -> None:
    printed = {"nft": printing(json.dumps({"nftables": [table("ip"), chain(family="ip")]}))}

    assert firewall.measure(made_reader(tmp_path / "a", {}, printed))["input_policy"] == "drop"
    with_ipv6 = made_reader(tmp_path / "b", {"/proc/net/if_inet6": ""}, printed)
    assert firewall.measure(with_ipv6)["input_policy"] == "none"
