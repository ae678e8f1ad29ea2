# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which addresses a scan of nmap looked at so that "no answer" means something. Pure: decides from what nmap wrote.

An address counts as looked at only when all of this holds; in doubt nothing does, for what is not covered proves no
absence (rule 2):
- The scan came to its end: `<finished exit="success">`. An nmap too old to write that (before 5.50) proves nothing.
- Hosts were discovered: not with -Pn (all are called up) or -sL (nobody is asked), and not only in a way that few hosts
  answer: certain TCP or UDP ports (-PS22), a timestamp (-PP), a netmask (-PM).
- It wrote down all that it found: not with --open, which leaves out a host without an open port, and with as many
  hosts that are up as it says there are.
- It waited for an answer: --max-rtt-timeout is not below what nmap waits at first (that of -T5 is), and --host-timeout
  is longer than the whole scan took, or than a group of hosts takes, from whose start it counts.
- It could send raw packets, so that it asked by ARP or ICMP echo: it says --privileged (our own scans do), or what it
  wrote shows it. A connect scan finds only hosts with a port open or refused.
- The targets are addresses, prefixes or ranges in the command line, read here; what --exclude leaves out is not
  covered. Targets by name, from a list (-iL) or at random are not known.
- Their number is the number of addresses that nmap says it looked at. That catches every option whose value was taken
  for a target here, and every target that nmap itself passed over.

What remains: at a pace of one's own (--min-rate, --max-retries) a bad network loses packets, and a host whose firewall
answers nothing is never found by a scan from another network. So a miss by nmap says something only of a thing that
nmap has seen before, and only together with others.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.observe.ranges import Network, networks, of_network, without

# Options whose value is the next word; nmap takes long ones with one dash too, and "_" for "-".
_SHORT = ("b", "D", "e", "g", "M", "m", "p", "S", "T", "oX", "oN", "oG", "oA", "oS", "oH", "oM", "sI")
_LONG = (
    *("data", "data-length", "data-string", "datadir", "dns-servers", "exclude", "exclude-ports", "host-timeout"),
    *("initial-rtt-timeout", "ip-options", "max-hostgroup", "max-os-tries", "max-parallelism", "max-rate"),
    *("max-retries", "max-rtt-timeout", "max-scan-delay", "min-hostgroup", "min-parallelism", "min-rate"),
    *("min-rtt-timeout", "mtu", "nsock-engine", "port-ratio", "proxies", "proxy", "route-dst", "scan-delay"),
    *("scanflags", "script", "script-args", "script-args-file", "script-help", "script-timeout", "servicedb"),
    *("source-port", "spoof-mac", "stats-every", "stylesheet", "top-ports", "ttl", "version-intensity", "versiondb"),
)
_WITH_VALUE = frozenset((*_SHORT, *_LONG))
_UNKNOWN_TARGETS = frozenset(("iL", "iR", "excludefile", "resume"))
_NO_DISCOVERY = frozenset(("Pn", "P0", "PN", "PD", "sL"))
_BY_SOME = re.compile(r"P[SAUYOTPM]")
_BY_HOST = frozenset(("PE", "PI", "PR", "PB"))
_INSANE = frozenset(("5", "insane"))
# -T5 waits 300 ms for an answer, and gives a host so long where nobody says otherwise.
_INSANE_HOST = 900.0
# What nmap waits for the first answer. A telephone that saves power, or a line that is busy, takes longer than 300 ms.
_FIRST_RTT = 1.0
# Our own scans give a host as much (scan.py): nmap asks up to 4096 addresses side by side, with four probes and their
# repetitions, and counts a host's time from the start of its group.
_HOST_SECONDS, _GROUP, _PROBES = 600.0, 4096, 12
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
# What only a scan with raw packets can have written.
_RAW_SCANS = frozenset(("syn", "ack", "window", "maimon", "fin", "null", "xmas", "udp", "ipproto", "sctpinit"))
_RAW_ANSWERS = frozenset(("arp-response", "nd-response", "echo-reply", "timestamp-reply", "reset"))
# Longer command lines than this are no person's and none of ours.
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Run:
    """What nmap says of a whole scan.

    answers: the reasons for which hosts are up; up: how many it says there are, and read_up: how many it wrote down;
    elapsed: how many seconds it took.
    """

    arguments: str
    success: bool
    total: int | None
    scans: frozenset[str]
    answers: frozenset[str]
    passed_over: bool  # nmap says that it skipped a target
    up: int | None
    read_up: int
    elapsed: float | None


@dataclass(slots=True)
class _Words:
    """A command line, sorted out."""

    targets: list[str]
    exclude: list[str]
    options: dict[str, str]  # with the value of each, empty where it has none


def covered(run: Run) -> tuple[tuple[str, ...], str]:
    """The prefixes that were looked at as a whole; when there are none, why."""
    words = _words(run.arguments.split()[1:])
    why = _doubt(run, words)
    if why:
        return (), why
    if len(words.targets) * len(words.exclude) > _MOST:
        return (), "its command line is too long to be read here"
    targets = [_networks(text) for text in words.targets]
    exclude = [_networks(text) for text in words.exclude]
    if None in exclude:
        return (), "it excludes what can't be read here"
    holes = [hole for found in exclude for hole in found or ()]
    parts = [part for found in targets for network in found or () for part in _left(network, holes)]
    count = sum(found is None for found in targets) + sum(part.num_addresses for part in parts)
    if count != run.total:
        return (), f"its command line names {count} address(es), and nmap looked at {run.total}"
    whole = sorted(set(parts), key=lambda one: (one.version, one))
    return tuple(str(one) for one in whole), "" if whole else "its targets are names"


def _doubt(run: Run, words: _Words) -> str:
    """Why the scan as a whole proves no absence; empty when it may."""
    options = words.options.keys()
    raw = "privileged" in options or run.scans & _RAW_SCANS or run.answers & _RAW_ANSWERS
    doubts = (
        (not run.success, "it does not say that it came to its end"),
        (bool(options & _NO_DISCOVERY), "it did not look who is there (-Pn or -sL)"),
        (
            any(map(_BY_SOME.match, options)) and not options & _BY_HOST,
            "it asked only in ways that not all hosts answer",
        ),
        ("open" in options, "it left out hosts without an open port (--open)"),
        ("unprivileged" in options or not raw, "it could not send raw packets, or does not show that it could"),
        (bool(options & _UNKNOWN_TARGETS), "its targets or exclusions are not in its command line"),
        (run.passed_over, "nmap passed over a target"),
        (_too_hasty(words.options), "it waited less than a second for an answer (--max-rtt-timeout or -T5)"),
        (_gave_up(run, words.options), "it may have given up on hosts that are up (--host-timeout or -T5)"),
        (run.up != run.read_up, f"it says that {run.up} host(s) are up, and names {run.read_up}"),
    )
    return next((why for holds, why in doubts if holds), "")


def _is_insane(options: Mapping[str, str]) -> bool:
    return "T5" in options or options.get("T", "").casefold() in _INSANE or "Tinsane" in options


def _too_hasty(options: Mapping[str, str]) -> bool:
    """Whether it stopped waiting for an answer before a host that sleeps or is far away gives one."""
    if "max-rtt-timeout" in options:
        return (_seconds(options["max-rtt-timeout"]) or 0) < _FIRST_RTT
    return _is_insane(options)


def _gave_up(run: Run, options: Mapping[str, str]) -> bool:
    """Whether a host may have run out of its time before it was asked."""
    if "host-timeout" not in options and not _is_insane(options):
        return False
    limit = _seconds(options["host-timeout"]) if "host-timeout" in options else _INSANE_HOST
    if limit == 0:  # nmap's word for no limit
        return False
    if limit is None:
        return True
    rate = _seconds(options.get("max-rate", "")) or float("inf")
    needed = max(_HOST_SECONDS, 2 * min(run.total or 0, _GROUP) * _PROBES // rate)
    return limit < needed and (run.elapsed is None or limit <= run.elapsed)


def _seconds(text: str) -> float | None:
    found = _TIME.fullmatch(text.strip())
    return float(found[1]) * _SECONDS[found[2] or "s"] if found else None


def _words(arguments: Sequence[str]) -> _Words:
    found = _Words([], [], {})
    rest = iter(arguments)
    for word in rest:
        if word == "--":
            found.targets += rest
            break
        if not word.startswith("-") or word == "-":
            found.targets.append(word)
            continue
        name, has_value, value = word.lstrip("-").partition("=")
        name = name.replace("_", "-")
        if not has_value and name in _WITH_VALUE:
            value = next(rest, "")
        found.options[name] = value
        if name == "exclude":
            found.exclude += value.split(",")
    return found


def _networks(text: str) -> list[Network] | None:
    """The networks of a target: a prefix (host bits or not), an address, or a range in the last number of one."""
    try:
        return [ipaddress.ip_network(text, strict=False)]
    except ValueError:
        pass
    found = re.fullmatch(r"(\d{1,3}\.\d{1,3}\.\d{1,3}\.)(?:(\d{0,3})-(\d{0,3})|\*)", text)
    if found is None:
        return None
    first, last = found[2] or "0", found[3] or "255"
    try:
        low, high = ipaddress.IPv4Address(found[1] + first), ipaddress.IPv4Address(found[1] + last)
        return list(ipaddress.summarize_address_range(low, high))
    except ValueError:
        return None


def _left(network: Network, holes: Sequence[Network]) -> list[Network]:
    """What the holes leave of the network."""
    cuts = [of_network(hole) for hole in holes if hole.version == network.version]
    return list(networks(network.version, without([of_network(network)], cuts)))
