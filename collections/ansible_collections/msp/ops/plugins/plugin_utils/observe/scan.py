# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be scanned, and the command that scans it. Pure: decides, and runs nothing.

Only prefixes that NetBox marks as allowed for scanning are scanned. Where prefixes lie inside one another the most
specific one decides; an excluded address is excluded whichever prefix says so. A prefix of somebody else in the same
VRF is never scanned, whoever allowed it. What another customer allows too, in whatever VRF, is scanned only through an
interface that is named: this machine has one route to it, and that may lead to the other. Whatever else is asked for
is refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.observe.ranges import (
    Network,
    Range,
    networks,
    of_network,
    without,
)

# Larger prefixes take hours at a polite rate, and are mostly one prefix too many in NetBox.
SHORTEST = {4: 16, 6: 120}
RATES = (1, 5000)
# How an interface of this machine is called; Linux takes fifteen characters.
INTERFACE = "[A-Za-z0-9][A-Za-z0-9._-]{0,14}"
# Linux takes no single argument of more than 128 KiB.
_LONGEST_ARGUMENT = 120_000
_RETRIES = 2
_TOP_PORTS = 100
# nmap asks up to 4096 addresses side by side, each with four probes and their repetitions; the time limit of a host
# counts from the start of its group, so it has to be longer than a group takes, or a host that is up would be lost.
_GROUP, _PROBES = 4096, 4 * (1 + _RETRIES)
_HOST_SECONDS = 600


@dataclass(frozen=True, slots=True)
class ScanPrefix:
    """A prefix. exclude: addresses, ranges "192.0.2.10-192.0.2.20" and prefixes in it that are left alone.

    vrf is NetBox's id of it, None for the global table. owner: the customer, where it is another than the one whose
    network is scanned; empty where it is nobody's.
    """

    prefix: str
    allowed: bool
    exclude: tuple[str, ...] = ()
    vrf: int | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What is scanned: the targets, without what is excluded. None lies in another; both are prefixes as text.

    interface: this machine's own that it goes through; empty for wherever the routes lead.
    """

    targets: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    interface: str = ""


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan as decided. services: ask open ports what they are; os: guess the system. rate: packets a second.

    privileged: nmap may send raw packets (root). Without, it only tries to connect, and so proves no absence.
    """

    plan: ScanPlan
    privileged: bool
    services: bool = False
    os: bool = False
    rate: int = 200

    def __post_init__(self) -> None:
        lowest, highest = RATES
        if not lowest <= self.rate <= highest:
            raise MspError(
                "MSP-OBS-004",
                f"a rate of {lowest} to {highest} packets a second",
                f"{self.rate}",
                "choose one of these",
            )
        if self.os and not (self.privileged and self.services):
            raise MspError(
                "MSP-OBS-004",
                "a guess of the operating system only as root and together with services",
                "it was asked for " + ("without services" if self.privileged else "without root"),
                "run as root, with services; or leave it out",
            )
        if self.plan.interface and not self.privileged:
            # Without, nmap says nothing when it can't bind to the interface, and goes where the routes lead.
            raise MspError(
                "MSP-OBS-004",
                f"a scan through {self.plan.interface} only as root, or with CAP_NET_RAW and CAP_NET_ADMIN",
                "it was asked for without",
                "run as root; or leave interface out",
            )


def plan_scan(
    prefixes: Sequence[ScanPrefix],
    asked: Sequence[str] | None = None,
    others: Sequence[ScanPrefix] = (),
    interface: str = "",
) -> ScanPlan:
    """What may be scanned of what is asked for; without asking, all that is allowed.

    prefixes are this customer's, and nobody else's; others are those of everybody else that lie inside or around them.
    A customer without an allowed prefix has an empty plan.
    """
    theirs = strangers(prefixes, others)
    known = [(_network(one.prefix), one.allowed) for one in prefixes]
    known += [(_network(one.prefix), False) for one in theirs]
    known.sort(key=lambda one: (one[0].version, one[0].prefixlen, not one[1]))
    excluded = [found for one in (*prefixes, *theirs) for text in one.exclude for found in _ranges(text)]
    permitted = {version: _permitted(version, known, excluded) for version in (4, 6)}
    if asked is None:
        wanted = [network for network, allowed in known if allowed]
        problems = []
    else:
        wanted = [_network(text) for text in asked]
        problems = [problem for one in wanted if (problem := _refusal(one, known, permitted[one.version]))]
    problems += [_too_large(one) for one in wanted if one.prefixlen < SHORTEST[one.version]]
    if problems:
        raise problems[0] if len(problems) == 1 else MspErrors(problems)
    targets = _outermost([one for one in wanted if _inside(permitted[one.version], one)])
    if not interface and (problems := list(_shared(targets, permitted, others))):
        raise problems[0] if len(problems) == 1 else MspErrors(problems)
    exclude = tuple(str(hole) for target in targets for hole in _holes(target, permitted[target.version]))
    _fits(exclude)
    return ScanPlan(tuple(str(one) for one in targets), exclude, interface)


def strangers(prefixes: Sequence[ScanPrefix], others: Iterable[ScanPrefix]) -> list[ScanPrefix]:
    """Those of others that lie inside an allowed prefix of this customer, in the same VRF: parts of its network that
    are not its own."""
    allowed = [(one.vrf, _network(one.prefix)) for one in prefixes if one.allowed]
    return [
        one
        for one in others
        if any(vrf == one.vrf and _covers(network, _network(one.prefix)) for vrf, network in allowed)
    ]


def arguments(scan: Scan) -> tuple[tuple[str, ...], ...]:
    """nmap's arguments, but for where it writes: one list for IPv4 and one for IPv6, which it can't scan together.

    Every text in them was made here, of numbers and parsed prefixes; the targets stand behind "--".
    """
    found = []
    for version in (4, 6):
        targets, exclude = _of(version, scan.plan.targets), _of(version, scan.plan.exclude)
        if targets:
            family = ["-6"] if version == 6 else []
            holes = ["--exclude", ",".join(exclude)] if exclude else []
            found.append((*family, *_manner(scan), *_through(scan.plan.interface), *holes, "--", *targets))
    return tuple(found)


def _manner(scan: Scan) -> Iterator[str]:
    yield "--privileged" if scan.privileged else "--unprivileged"
    yield from ("-T3", "--max-rate", str(scan.rate), "--max-retries", str(_RETRIES))
    yield from ("--host-timeout", f"{max(_HOST_SECONDS, 2 * _GROUP * _PROBES // scan.rate)}s")
    if not scan.services:
        yield "-sn"
        return
    yield from ("-sV", "--version-light", "--top-ports", str(_TOP_PORTS))
    if scan.os:
        yield from ("-O", "--osscan-limit", "--max-os-tries", "1")


def _through(interface: str) -> tuple[str, ...]:
    """Where the packets leave. What is no interface's name never becomes an argument."""
    if not interface:
        return ()
    if not re.fullmatch(INTERFACE, interface):
        raise _malformed(interface, "the name of a network interface", "another text")
    return "-e", interface


def _of(version: int, texts: Sequence[str]) -> list[str]:
    """The prefixes of one version, parsed once more: what is no prefix never becomes an argument."""
    return [str(one) for text in texts if (one := _network(text)).version == version]


def _network(text: str) -> Network:
    expected = "a prefix such as 192.0.2.0/24"
    if "%" in text:  # a zone may be any text, and what has one is not to be scanned from here
        raise _malformed(text, expected, "a zone in it")
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise _malformed(text, expected, str(error)) from None


def _ranges(text: str) -> list[tuple[int, Range]]:
    """The addresses that an exclusion names, with their version."""
    first, dash, last = text.partition("-")
    try:
        if not dash:
            network = ipaddress.ip_network(text.strip(), strict=False)
            return [(network.version, of_network(network))]
        low, high = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
    except ValueError as error:
        raise _malformed(text, "an address, a range 192.0.2.10-192.0.2.20 or a prefix", str(error)) from None
    if low.version != high.version or int(low) > int(high):
        raise _malformed(text, "a range from a lower address to a higher one", text)
    return [(low.version, (int(low), int(high)))]


def _malformed(text: str, expected: str, found: str) -> MspError:
    return MspError("MSP-OBS-001", f"{text!r} to be {expected}", found, "correct it in NetBox or in what was asked for")


def _permitted(
    version: int, known: Iterable[tuple[Network, bool]], excluded: Iterable[tuple[int, Range]]
) -> list[Range]:
    """The addresses that may be scanned, as ranges in order that do not overlap.

    known goes from the widest prefix to the most specific, and has "not allowed" last where one prefix is both.
    """
    found: list[Range] = []
    for network, allowed in known:
        if network.version == version:
            found = without(found, [of_network(network)]) + [of_network(network)] * allowed
    return without(found, (hole for of_version, hole in excluded if of_version == version))


def _inside(permitted: Iterable[Range], network: Network) -> list[Range]:
    """What of a network may be scanned."""
    low, high = of_network(network)
    return [(max(first, low), min(last, high)) for first, last in permitted if first <= high and last >= low]


def _refusal(asked: Network, known: Sequence[tuple[Network, bool]], permitted: Sequence[Range]) -> MspError | None:
    """Why a network that was asked for is not scanned; None when it is."""
    around = [(network, allowed) for network, allowed in known if _covers(network, asked)]
    if not around:
        found = "it is in none of them"
    elif not around[-1][1]:
        found = f"{around[-1][0]} is not allowed"
    elif not _inside(permitted, asked):
        found = "all of it is excluded"
    else:
        return None
    return MspError(
        "MSP-OBS-002",
        f"{asked} to be inside a prefix of this customer that NetBox allows scanning",
        found,
        "ask for another prefix; or allow it in NetBox, if it is this customer's and the customer agreed to that",
    )


def _shared(
    targets: Iterable[Network], permitted: Mapping[int, Sequence[Range]], others: Iterable[ScanPrefix]
) -> Iterator[MspError]:
    """What is to be scanned and what another customer allows too: the same addresses may be two networks."""
    theirs = [(_network(one.prefix), one) for one in others if one.allowed and one.owner]
    for target in targets:
        scanned = _inside(permitted[target.version], target)
        for network, one in theirs:
            if network.version == target.version and _inside(scanned, network):
                yield MspError(
                    "MSP-OBS-057",
                    f"{target} to be allowed for scanning by this customer alone, or the interface that leads to it",
                    f"{network} of {one.owner} is allowed too, and this machine has one route for both",
                    "name the network interface that leads to this customer (interface of the nmap source); "
                    "or scan from a machine in its network, and read that file",
                )


def _covers(outer: Network, inner: Network) -> bool:
    if outer.version != inner.version:
        return False
    (low, high), (first, last) = of_network(outer), of_network(inner)
    return low <= first and last <= high


def _too_large(network: Network) -> MspError:
    shortest = SHORTEST[network.version]
    return MspError(
        "MSP-OBS-003",
        f"{network} to be no larger than a /{shortest}",
        f"a /{network.prefixlen}",
        f"ask for prefixes of /{shortest} or longer inside it, or allow those in NetBox instead of it"
        + ("; hosts with IPv6 are found by DHCP, switches and audits" if network.version == 6 else ""),
    )


def _outermost(networks: Iterable[Network]) -> list[Network]:
    """The networks, each once, without those inside another; in order."""
    found: list[Network] = []
    for one in sorted(networks, key=lambda network: (network.version, *of_network(network)[:1], network.prefixlen)):
        if not found or not _covers(found[-1], one):
            found.append(one)
    return found


def _holes(target: Network, permitted: Iterable[Range]) -> Iterator[Network]:
    """What of a target may not be scanned, as prefixes."""
    yield from networks(target.version, without([of_network(target)], permitted))


def _fits(exclude: Sequence[str]) -> None:
    length = len(",".join(exclude))
    if length > _LONGEST_ARGUMENT:
        raise MspError(
            "MSP-OBS-003",
            f"exclusions that fit on a command line ({_LONGEST_ARGUMENT} characters)",
            f"{len(exclude)} exclusions of {length} characters",
            "exclude whole prefixes instead of single addresses, or ask for fewer prefixes at a time",
        )
