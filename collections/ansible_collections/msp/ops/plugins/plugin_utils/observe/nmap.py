# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nmap saw (`nmap -oX`, any version from 5 on) as observations. Pure: bytes in, a Reading out.

A host that is up is an observation: addresses, MAC with its maker, names (asked for and from the DNS), the guess of
its system where that is at least 90 % sure, open ports as "tcp/22 ssh". Its time is when nmap was done with it, else
when the scan ended, else when it began, never later than the reading. A host that was only called up, because nobody
looked (-Pn), and that answered nothing, was not seen.

A file that ends early gives the hosts that are whole. `complete` needs the whole file and a scan that covered
something; what it covered, nmap_covered.py decides.
"""

from __future__ import annotations

import datetime as dt
import io
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Observation
from ansible_collections.msp.ops.plugins.plugin_utils.observe.lease import from_epoch
from ansible_collections.msp.ops.plugins.plugin_utils.observe.nmap_covered import Run, covered
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading, Skip
from ansible_collections.msp.ops.plugins.plugin_utils.observe.text import decode, limited
from ansible_collections.msp.ops.plugins.plugin_utils.observe.words import host_names, mac, plain

try:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser, iterparse
except ImportError:  # pragma: no cover - in the lock file
    DefusedXmlException = DefusedXMLParser = iterparse = None  # type: ignore[assignment, misc]

SOURCE = "nmap"
ACCURACY = 90
# A firewall that answers for every port says nothing by the thousandth.
MOST_SERVICES = 200
# What no XML may hold, as nmap knows; something else wrote it into the file.
_NO_XML = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF], "\ufffd")
_ANSWERED = ("open", "closed", "unfiltered")
_TYPES = {
    "router": "network",
    "broadband router": "network",
    "switch": "network",
    "bridge": "network",
    "hub": "network",
    "wap": "network",
    "firewall": "network",
    "load balancer": "network",
    "printer": "printer",
    "print server": "printer",
    "phone": "phone",
    "voip phone": "phone",
}


@dataclass(frozen=True, slots=True)
class Host:
    """A host that is up, as nmap wrote it."""

    end: dt.datetime | None
    reason: str
    answered: bool
    addresses: list[str]
    mac: str | None
    names: list[str]
    attributes: Mapping[str, Any]

    @property
    def called(self) -> str:
        return next(iter((*self.addresses, *self.names)), "without an address")


@dataclass(slots=True)
class _File:
    """What was read until the end, or until the damage."""

    root: Mapping[str, str] | None = None
    hosts: list[Host] = field(default_factory=list)
    finished: Mapping[str, str] | None = None
    total: int | None = None
    up: int | None = None
    scans: set[str] = field(default_factory=set)
    passed_over: bool = False
    damage: str = ""


def parse(content: bytes, context: Context) -> Reading:
    """The hosts that a scan found, and what it covered."""
    file = _read(content, context)
    if file.root is None:
        raise MspError(
            "MSP-OBS-010",
            f"{context.origin} to be what nmap writes with -oX: XML with the element nmaprun",
            file.damage or "XML of another kind",
            "scan with 'nmap -oX FILE', and give that file",
        )
    seen = [host for host in file.hosts if host.answered and (host.addresses or host.mac)]
    finished = file.finished or {}
    ends = (from_epoch(finished.get("time", "")), from_epoch(file.root.get("start", "")))
    at = next((time for time in ends if time), None)
    whole, why = covered(
        Run(
            file.root.get("args", ""),
            finished.get("exit") == "success" and not file.damage,
            file.total,
            frozenset(file.scans),
            frozenset(host.reason for host in file.hosts),
            file.passed_over,
            file.up,
            len(file.hosts),
            _elapsed(finished.get("elapsed", "")),
        )
    )
    skipped = [*_unseen(file.hosts), *([Skip("the scan", f"proves no absence: {why}")] if why else [])]
    if file.damage:
        skipped.insert(0, Skip(f"after host {len(file.hosts)}", file.damage))
    return Reading(
        tuple(_observation(host, host.end or at or context.at, context) for host in seen),
        tuple(skipped),
        bool(whole),
        whole,
        at=at,
    )


def _read(content: bytes, context: Context) -> _File:
    """The file as far as it goes; a scan of a /16 is never held as one tree."""
    text, _encoding = decode(limited(content, context.origin))
    file = _File()
    # The text is what decode made of it, whatever the file says of its encoding.
    source = io.BytesIO(text.lstrip("\ufeff").translate(_NO_XML).encode("utf-8", errors="replace"))
    root: Element | None = None
    try:
        for event, element in iterparse(source, ("start", "end"), parser=DefusedXMLParser(encoding="utf-8")):
            if root is None:
                root = element
                if element.tag != "nmaprun":
                    return file
                file.root = dict(element.attrib)
            elif event == "end":
                _take(element, file)
                if element.tag == "host":
                    root.clear()
    except ParseError as error:
        file.damage = f"the XML is cut or damaged ({error})"
    except (DefusedXmlException, ValueError) as error:
        file.damage = f"XML that no tool of good faith writes ({type(error).__name__})"
    return file


def _take(element: Element, file: _File) -> None:
    if element.tag == "host" and (status := element.find("status")) is not None and status.get("state") == "up":
        file.hosts.append(_host(element, status.get("reason", "")))
    elif element.tag == "finished":
        file.finished = dict(element.attrib)
    elif element.tag == "hosts":
        file.total, file.up = _count(element.get("total", "")), _count(element.get("up", ""))
    elif element.tag == "scaninfo":
        file.scans.add(element.get("type", ""))
    elif element.tag == "target":
        file.passed_over |= element.get("status") == "skipped"


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 40 else None


def _elapsed(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]{1,12}(?:\.[0-9]{1,12})?", text) else None


def _host(element: Element, reason: str) -> Host:
    of_kind = [(one.get("addrtype"), one.get("addr", ""), one.get("vendor", "")) for one in element.findall("address")]
    hardware = [(found, vendor) for kind, text, vendor in of_kind if kind == "mac" and (found := mac(text))]
    ports = element.findall("ports/port")
    states = [state.get("state") for state in element.findall("ports/port/state")]
    states += [extra.get("state") for extra in element.findall("ports/extraports")]
    attributes = {
        "vendor": next((plain(vendor) for _mac, vendor in hardware if vendor not in ("", "Unknown")), ""),
        **_system(element, ports),
        "services": list(_services(ports))[:MOST_SERVICES],
    }
    return Host(
        from_epoch(element.get("endtime", "")),
        reason,
        reason != "user-set" or bool(hardware) or any(state in _ANSWERED for state in states),
        [found for kind, text, _vendor in of_kind if kind in ("ipv4", "ipv6") and (found := _address(text))],
        hardware[0][0] if hardware else None,
        host_names(*(one.get("name") for one in element.findall("hostnames/hostname"))),
        {name: value for name, value in attributes.items() if value},
    )


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.split("%", maxsplit=1)[0]))
    except ValueError:
        return None


def _services(ports: Iterable[Element]) -> Iterator[str]:
    for port in ports:
        state, service = port.find("state"), port.find("service")
        if state is None or state.get("state") != "open":
            continue
        name = ""
        if service is not None:
            name = f"{'ssl/' if service.get('tunnel') == 'ssl' else ''}{service.get('name', '')}"
        yield plain(f"{port.get('protocol', '')}/{port.get('portid', '')} {name}")


def _system(element: Element, ports: Iterable[Element]) -> dict[str, str]:
    """The best guess of the system and what kind of thing that makes it; else what its services say of it."""
    matches = sorted(((_accuracy(one), one) for one in element.findall("os/osmatch")), key=lambda one: -one[0])
    if matches and matches[0][0] >= ACCURACY:
        best = [one for accuracy, one in matches if accuracy == matches[0][0]]
        # nmap 5 wrote the classes beside the matches, later ones inside them.
        classes = [one for match in best for one in match.findall("osclass")] or [
            one for one in element.findall("os/osclass") if _accuracy(one) >= matches[0][0]
        ]
        name = plain(best[0].get("name", ""))
        return {"os": name, "type": _agreed(_type(one, best) for one in classes)}
    services = [one for port in ports for one in port.findall("service")]
    return {
        "os": _agreed(plain(one.get("ostype", "")) for one in services if one.get("ostype")),
        "type": _agreed(_TYPES.get(one.get("devicetype", "").lower(), "") for one in services if one.get("devicetype")),
    }


def _accuracy(element: Element) -> int:
    text = element.get("accuracy", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else 0


def _type(one: Element, matches: Sequence[Element]) -> str:
    """What kind of thing a class of systems is; "general purpose" is a server or a workstation where that shows."""
    kind, vendor = one.get("type", "").lower(), one.get("vendor", "").lower()
    if kind != "general purpose":
        return _TYPES.get(kind, "")
    servers = ["server" in match.get("name", "").lower() for match in matches]
    if vendor == "microsoft" and (all(servers) or not any(servers)):
        return "server" if all(servers) else "workstation"
    return "workstation" if vendor == "apple" and not any(servers) else ""


def _agreed(values: Iterable[str]) -> str:
    """The one value that all have; empty when they differ."""
    found = set(values)
    return found.pop() if len(found) == 1 else ""


def _observation(host: Host, at: dt.datetime, context: Context) -> Observation:
    identity = {"macs": [host.mac] if host.mac else [], "names": host.names, "addresses": host.addresses}
    return Observation(
        context.customer,
        SOURCE,
        min(at, context.at),
        {name: value for name, value in identity.items() if value},
        attributes=host.attributes,
    )


def _unseen(hosts: Sequence[Host]) -> Iterator[Skip]:
    for host in hosts:
        if not (host.addresses or host.mac):
            yield Skip(f"host {host.called}", "no address that can be read")
    silent = sum(not host.answered for host in hosts)
    if silent:
        yield Skip(f"{silent} host(s)", "called up without asking (-Pn), and answered nothing")
