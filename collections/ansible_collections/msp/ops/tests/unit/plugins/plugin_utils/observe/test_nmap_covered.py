# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a scan proves that nobody answered."""

from __future__ import annotations

import dataclasses
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.observe import scan
from ansible_collections.msp.ops.plugins.plugin_utils.observe.nmap_covered import Run, covered

WHOLE = Run(
    "nmap -sn -oX out.xml 192.0.2.0/24", True, 256, frozenset(), frozenset({"arp-response"}), False, 3, 3, 700.0
)


def run(arguments: str, total: int) -> Run:
    return dataclasses.replace(WHOLE, arguments=arguments, total=total)


def test_a_whole_scan_with_raw_packets_covers_its_targets() -> None:
    assert covered(WHOLE) == (("192.0.2.0/24",), "")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"success": False}, "came to its end"),
        ({"answers": frozenset()}, "raw packets"),
        ({"answers": frozenset({"conn-refused", "syn-ack", "localhost-response"})}, "raw packets"),
        ({"scans": frozenset({"connect"}), "answers": frozenset({"syn-ack"})}, "raw packets"),
        ({"total": 255}, "256 address"),
        ({"total": None}, "256 address"),
        ({"passed_over": True}, "passed over"),
        ({"up": 4}, "4 host(s) are up, and names 3"),
        ({"up": 2}, "2 host(s) are up, and names 3"),
        ({"up": None}, "names 3"),
    ],
)
def test_a_scan_in_doubt_covers_nothing_and_says_why(changed: dict[str, object], why: str) -> None:
    found, doubt = covered(dataclasses.replace(WHOLE, **changed))  # type: ignore[arg-type]

    assert found == ()
    assert why in doubt


@pytest.mark.parametrize("scans", ["syn", "udp"])
def test_a_raw_scan_of_ports_shows_its_rights_also_where_nobody_is(scans: str) -> None:
    assert covered(dataclasses.replace(WHOLE, scans=frozenset({scans}), answers=frozenset()))[0]


@pytest.mark.parametrize(
    "options",
    ["-Pn", "-P0", "-PN", "-sL", "-PS22", "-PA80,443 -PU53", "--unprivileged", "-iL hosts.txt",
     "--excludefile left.txt", "-iR 5", "--resume old.xml", "--open", "-open", "-PP", "-PM", "-PP -PM", "-PS22 -PP"],
)  # fmt: skip
def test_some_ways_to_scan_prove_no_absence(options: str) -> None:
    assert covered(run(f"nmap {options} 192.0.2.0/24", 256))[0] == ()


@pytest.mark.parametrize(
    ("options", "elapsed", "proves"),
    [
        ("--max-rtt-timeout 100ms", 700, False),
        ("--max-rtt-timeout 0.2", 700, False),
        ("-max_rtt_timeout=soon", 700, False),
        ("--max-rtt-timeout 1250ms", 700, True),  # -T4
        ("-T4", 700, True),
        ("-T5", 10, False),
        ("-T 5", 10, False),
        ("-T insane", 10, False),
        ("-Tinsane", 10, False),
        ("-T5 --max-rtt-timeout 2s", 10, True),
        ("-T5 --max-rtt-timeout 2s", 1000, True),  # 15 minutes are longer than a group takes
        ("-T5 --max-rtt-timeout 2s --max-rate 5", 1000, False),
        ("--host-timeout 30s", 700, False),
        ("--host-timeout 30s", None, False),
        ("--host-timeout 30s", 20, True),  # the whole scan took less
        ("--host-timeout 500ms", 1, False),
        ("--host-timeout soon", 1, False),
        ("--host-timeout 0", 700, True),
        ("--host-timeout 10m", 700, True),
        ("--host-timeout 10m --max-rate 10", 700, False),  # 256 addresses take longer at this rate
        ("--host-timeout 1h --max-rate 10", 4000, True),
    ],
)
def test_a_scan_that_did_not_wait_long_enough_for_an_answer_proves_no_absence(
    options: str, elapsed: float | None, proves: bool
) -> None:
    asked = dataclasses.replace(run(f"nmap -sn {options} 192.0.2.0/24", 256), elapsed=elapsed)

    assert bool(covered(asked)[0]) is proves


@pytest.mark.parametrize(
    ("words", "total", "expected"),
    [
        ("-sn 192.0.2.7", 1, ("192.0.2.7/32",)),
        ("-sn 192.0.2.9/24", 256, ("192.0.2.0/24",)),
        ("-sn 192.0.2.4-7 198.51.100.*", 260, ("192.0.2.4/30", "198.51.100.0/24")),
        ("-sn 192.0.2.-", 256, ("192.0.2.0/24",)),
        ("-sn --exclude 192.0.2.0/25,192.0.2.255 192.0.2.0/24", 127,
         ("192.0.2.128/26", "192.0.2.192/27", "192.0.2.224/28", "192.0.2.240/29", "192.0.2.248/30", "192.0.2.252/31",
          "192.0.2.254/32")),
        ("-sn --exclude=192.0.2.128/25 192.0.2.0/24", 128, ("192.0.2.0/25",)),
        ("-sn -PE -PS22 192.0.2.0/24", 256, ("192.0.2.0/24",)),
        ("-sS -p 22,80 -T 4 -e eth0 -g 53 --max_rate 10 --dns-servers 203.0.113.1 -D 203.0.113.2 -oA a 192.0.2.0/24",
         256, ("192.0.2.0/24",)),
        ("-sn -oX - 192.0.2.0/24", 256, ("192.0.2.0/24",)),
        ("-6 -sn 2001:db8::/120", 256, ("2001:db8::/120",)),
        ("-sn ws01.example.com 192.0.2.0/24", 257, ("192.0.2.0/24",)),
        ("-sn -- 192.0.2.0/24", 256, ("192.0.2.0/24",)),
    ],
)  # fmt: skip
def test_targets_are_read_as_nmap_reads_them(words: str, total: int, expected: tuple[str, ...]) -> None:
    assert covered(run(f"nmap {words}", total)) == (expected, "")


@pytest.mark.parametrize(
    ("words", "total"),
    [
        ("-sn ws01.example.com", 1),
        ("-sn 10.0-3.0.1", 4),
        ("-sn --new-option 203.0.113.9 192.0.2.0/24", 256),  # its value looks like a target
        ("-sn --exclude gateway.example.com 192.0.2.0/24", 255),
        ("-sn 192.0.2.0/24 ws01.example.com", 256),  # the name was not resolved
        ("-sn", 0),
        ("", 0),
        ("-sn --exclude 192.0.2.0/24 192.0.2.0/24", 0),
        ("-sn " + "192.0.2.1 " * 200 + "--exclude " + ",".join(["192.0.2.9"] * 200), 200),
    ],
)
def test_targets_that_are_not_understood_are_not_covered(words: str, total: int) -> None:
    found, why = covered(run(f"nmap {words}", total))

    assert found == ()
    assert why


@given(st.integers(0, 8), st.sets(st.integers(0, 255), max_size=20), st.integers(*scan.RATES))
def test_what_our_own_command_scans_is_what_it_covers(longer: int, excluded: set[int], rate: int) -> None:
    exclude = tuple(f"192.0.2.{last}" for last in excluded)
    prefix = scan.ScanPrefix(f"192.0.2.0/{24 + longer}", True, exclude)
    plan = scan.plan_scan([prefix])
    if not plan.targets:
        return
    (words,) = scan.arguments(scan.Scan(plan, privileged=True, rate=rate))
    expected = {str(one) for one in ipaddress.ip_network(prefix.prefix)} - set(exclude)

    asked = run(" ".join(("nmap", "-oX", "scan.xml", *words)), len(expected))
    found, why = covered(dataclasses.replace(asked, elapsed=86_400.0))

    assert why == ""
    assert {str(one) for text in found for one in ipaddress.ip_network(text)} == expected


@given(st.text(), st.integers(0, 300) | st.none())
def test_no_command_line_is_an_exception(arguments: str, total: int | None) -> None:
    assert isinstance(covered(dataclasses.replace(WHOLE, arguments=arguments, total=total))[0], tuple)
