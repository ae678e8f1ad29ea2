# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which addresses a scan of nmap looked at so that "no answer" means something. Pure: decides from what nmap wrote.

An address counts as looked at only when all of this holds; in doubt nothing does, for what is not covered proves no
absence (rule 2):
- The scan came to its end: `<finished exit="success">`. An nmap too old to write that (before 5.50) proves nothing.
- Hosts were discovered: not with -Pn (all are called up) or -sL (nobody is asked), and not by a few TCP or UDP ports
  alone (-PS22): there only a host with that very service would be found.
- It could send raw packets, so that it asked by ARP or ICMP echo: it says --privileged (our own scans do), or what it
  wrote shows it. A connect scan finds only hosts with a port open or refused.
- The targets are addresses, prefixes or ranges in the command line, read here; what --exclude leaves out is not
  covered. Targets by name, from a list (-iL) or at random are not known.
- Their number is the number of addresses that nmap says it looked at. That catches every option whose value was taken
  for a target here, and every target that nmap itself passed over.

What remains: a host whose firewall answers nothing is never found by a scan from another network. So a miss by nmap
says something only of a thing that nmap has seen before.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
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
_BY_PORT = re.compile(r"P[SAUYOT]")
_BY_HOST = frozenset(("PE", "PI", "PR", "PB", "PP"))
# What only a scan with raw packets can have written.
_RAW_SCANS = frozenset(("syn", "ack", "window", "maimon", "fin", "null", "xmas", "udp", "ipproto", "sctpinit"))
_RAW_ANSWERS = frozenset(("arp-response", "nd-response", "echo-reply", "timestamp-reply", "reset"))
# Longer command lines than this are no person's and none of ours.
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Run:
    """What nmap says of a whole scan. answers: the reasons for which hosts are up."""

    arguments: str
    success: bool
    total: int | None
    scans: frozenset[str]
    answers: frozenset[str]
    passed_over: bool  # nmap says that it skipped a target


@dataclass(slots=True)
class _Words:
    """A command line, sorted out."""

    targets: list[str]
    exclude: list[str]
    options: set[str]


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
    options = words.options
    raw = "privileged" in options or run.scans & _RAW_SCANS or run.answers & _RAW_ANSWERS
    doubts = (
        (not run.success, "it does not say that it came to its end"),
        (bool(options & _NO_DISCOVERY), "it did not look who is there (-Pn or -sL)"),
        (any(map(_BY_PORT.match, options)) and not options & _BY_HOST, "it looked for certain ports only"),
        ("unprivileged" in options or not raw, "it could not send raw packets, or does not show that it could"),
        (bool(options & _UNKNOWN_TARGETS), "its targets or exclusions are not in its command line"),
        (run.passed_over, "nmap passed over a target"),
    )
    return next((why for holds, why in doubts if holds), "")


def _words(arguments: Sequence[str]) -> _Words:
    found = _Words([], [], set())
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
        found.options.add(name)
        if not has_value and name in _WITH_VALUE:
            value = next(rest, "")
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
