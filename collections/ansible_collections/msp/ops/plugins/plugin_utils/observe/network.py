# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What switches, routers and firewalls know of the things on their networks, from the text of their `show` commands.

Pure: text in, a Reading out. It logs in nowhere, and guesses neither platform nor command.

- A MAC address table gives one observation a hardware address: on which port of which switch it hangs, in which VLAN.
  A thing behind an uplink hangs on some other switch's port. So a port with more than a few addresses (`few`), one
  that is known to lead to a switch or access point (`uplinks`, which uplinks() finds in an LLDP answer) and a tunnel
  name no place: what is behind them is observed with `via_trunk`, who saw it, and no port.
- ARP and neighbour tables give one observation a hardware address, with all its addresses, and who saw it.
- LLDP gives one observation a neighbour and link: names, chassis and port address, management address, what it is. Seen
  by a switch, the neighbour hangs on the switch's port; seen by a host (linux), port is the neighbour's.
- A DHCP snooping binding is a MAC table's row with an address; a firewall's DHCP leases are leases.

What a switch has for itself (its own processor's addresses, groups) is counted and of no interest. An answer with
anything in it that a table has not, prompts and pagers too, is used but not complete; nor is one whose last line has no
end, or one without a single row, since an empty table can't be told from the wrong command.
"""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit import placeholders
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Observation
from ansible_collections.msp.ops.plugins.plugin_utils.identity import macs
from ansible_collections.msp.ops.plugins.plugin_utils.observe import network_layouts, network_text
from ansible_collections.msp.ops.plugins.plugin_utils.observe.network_layouts import Layout, Table
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading, Skip

# A desk's port may have a phone, a computer behind it, a virtual machine and a printer on a small switch.
FEW = 4

Row = Mapping[str, list[str]]


@dataclass(slots=True)
class _Judged:
    """The observations of one answer, and how many rows of it were of no interest or unusable."""

    observations: list[Observation] = field(default_factory=list)
    of_no_interest: int = 0
    unusable: int = 0


def parse(
    content: bytes,
    context: Context,
    *,
    platform: str,
    command: str,
    device: str,
    few: int = FEW,
    uplinks: Collection[str] = (),
) -> Reading:
    """The answer of one device to one command. device is what to call the switch, router or host that gave it."""
    layout = network_layouts.layout(platform, command)
    answer = network_text.read(content, layout, device, context.origin)
    rows = [layout.columns(row) for row in answer.rows]
    judged = _Judged()
    if layout.table is Table.MACS:
        _mac_table(judged, rows, context, device, few=few, uplinks=uplinks)
    elif layout.table is Table.LLDP:
        _neighbours(judged, rows, context, device, layout)
    else:
        _known(judged, rows, context, device, layout)
    if layout.table is not Table.LLDP:
        _missed(answer, rows)
    skipped = list(answer.skipped())
    complete = not skipped and not judged.unusable
    if judged.unusable:
        skipped.append(Skip(f"{judged.unusable} of {len(rows)} rows", "without what identifies a thing"))
    if judged.of_no_interest:
        skipped.append(Skip(f"{judged.of_no_interest} of {len(rows)} rows", "the device's own, groups, or incomplete"))
    return Reading(tuple(judged.observations), tuple(skipped), complete, of_none=judged.of_no_interest)


def uplinks(neighbours: Reading, device: str) -> frozenset[str]:
    """The ports of a switch that lead to another switch, a router or an access point, by an LLDP answer of its own."""
    return frozenset(
        str(one.place["port"])
        for one in neighbours.observations
        if one.place.get("switch") == device and one.attributes.get("type") == "network" and one.place.get("port")
    )


def _missed(answer: network_text.Answer, rows: Iterable[Row]) -> None:
    """Hardware addresses in the text that no row has: lines that a template passed over without a word."""
    held = {macs.normal(value) for row in rows for values in row.values() for value in values}
    noted = {number for numbers in answer.damage.values() for number in numbers}
    for number, text in network_text.addresses_in(answer.lines):
        mac = macs.normal(text)
        if number not in noted and mac is not None and mac not in held and not _group(mac):
            answer.damage["a hardware address in a line that is no row of this table"].append(number)


# --- MAC address tables ---

# Where a switch keeps what is its own. A static entry on a real port is a thing (port security, 802.1X).
_OWN_PORT = re.compile(
    r"(?:cpu|router|switch|self|drop|supervisor|management|internal|blackhole|vlan ?\d*|bvi\d*|irb.*|sup-eth.*"
    r"|in-band.*|all-members|igmp)(?:\(r\))?",
    re.IGNORECASE,
)
_TUNNEL = re.compile(r"(?:vpc|nve|vxlan|vtep|tunnel|pseudowire).*", re.IGNORECASE)
_OWN_TYPE = re.compile(r"self|system|management|cpu|igmp|multicast|blackhole|control", re.IGNORECASE)


@dataclass(slots=True)
class _Spot:
    """Where a table has a hardware address."""

    port: str
    vlan: str
    addresses: list[str]


def _mac_table(
    judged: _Judged, rows: Iterable[Row], context: Context, device: str, *, few: int, uplinks: Collection[str]
) -> None:
    spots: dict[str, list[_Spot]] = defaultdict(list)
    behind: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        mac = macs.normal(_first(row, "mac"))
        ports = row.get("port", [])
        kind = _first(row, "type").casefold()
        own = _OWN_TYPE.fullmatch(kind) or any(_OWN_PORT.fullmatch(port) for port in ports)
        if mac is not None and (_group(mac) or own or (not ports and kind == "static")):
            judged.of_no_interest += 1
        elif mac is None or not ports:
            judged.unusable += 1
        else:
            port = ports[0] if len(ports) == 1 and not _TUNNEL.fullmatch(ports[0]) else ""
            spots[mac].append(_Spot(port, _first(row, "vlan").split("/")[0], _addresses(row)))
            behind[_short(port)].add(mac)
    trunks = {port for port, found in behind.items() if len(found) > few} | {_short(port) for port in uplinks} | {""}
    for mac, found in spots.items():
        edge = [spot for spot in found if _short(spot.port) not in trunks]
        groups: dict[str, list[_Spot]] = defaultdict(list)
        for spot in edge or found:
            groups[spot.port if edge else ""].append(spot)
        for port, group in groups.items():
            place: dict[str, Any] = {
                "seen_by": device,
                "switch": device if edge else None,
                "port": port,
                "vlan": _vlans(group),
            }
            if not edge:
                place["via_trunk"] = True
            addresses = sorted({address for spot in group for address in spot.addresses})
            judged.observations.append(_observation(context, Table.MACS, [mac], addresses=addresses, place=place))


def _vlans(spots: Iterable[_Spot]) -> str:
    """The VLANs of a thing on a port: a phone's card is in the voice VLAN too."""
    return ",".join(sorted({spot.vlan for spot in spots if spot.vlan}, key=lambda vlan: (len(vlan), vlan)))


_PORT = re.compile(r"([a-z]*)(?:[a-z -]*)(\d.*?)(?:\.0)?", re.IGNORECASE)


def _short(port: str) -> str:
    """A port's name as other commands may write it: GigabitEthernet1/0/1 is Gi1/0/1, and ge-0/0/1.0 is ge-0/0/1."""
    found = _PORT.fullmatch(port.strip())
    return (found[1][:2] + found[2]).lower() if found else port.strip().lower()


# --- ARP, neighbour tables, leases ---

_INCOMPLETE = re.compile(r"[<(\[]?(?:incomplete|unresolved|none|no arp|invalid)[>)\]]?", re.IGNORECASE)
# What resolvers call the default gateway when it has no name.
_NO_NAME = {"?", "gateway", "_gateway"}


def _known(judged: _Judged, rows: Iterable[Row], context: Context, device: str, layout: Layout) -> None:
    """One observation a hardware address, with all that it goes by."""
    held: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        text = _first(row, "mac")
        mac = macs.normal(text)
        if (mac is None and _INCOMPLETE.fullmatch(text)) or (mac is not None and _group(mac)):
            judged.of_no_interest += 1
        elif mac is None or not any(_address(value) for value in row.get("address", [])):
            judged.unusable += 1
        else:
            held[mac].append(row)
    for mac, group in held.items():
        interfaces = list(dict.fromkeys(value for row in group for value in row.get("interface", [])[:1]))
        names = dict.fromkeys(value for row in group for value in row.get("name", []) if value not in _NO_NAME)
        judged.observations.append(
            _observation(
                context,
                layout.table,
                [mac],
                names=list(names),
                addresses=sorted({address for row in group for address in _addresses(row)}),
                place={"seen_by": device, "interface": interfaces[0] if len(interfaces) == 1 else None},
            )
        )


def _addresses(row: Row) -> list[str]:
    """What a thing can be told by. A link-local address is no more than its hardware address, on every link again."""
    found = (_address(value) for value in row.get("address", []))
    return [str(one) for one in found if one is not None and not one.is_link_local]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.split("%", maxsplit=1)[0])
    except ValueError:
        return None
    return None if found.is_multicast or found.is_unspecified or found.is_loopback else found


# --- LLDP ---

# The bits of IEEE 802.1AB, by the words and letters that devices use.
_CAPABILITIES = {
    "bridge": "B", "switch": "B", "router": "R", "wlan": "W", "access": "W", "ap": "W", "telephone": "T", "phone": "T",
    "station": "S",
}  # fmt: skip
_LETTERS = re.compile(r"[BRCWPSTO]{1,8}")
# A host that bridges for its virtual machines is no switch: lldpd says what kernel it runs on.
_HOST = re.compile(r"\bLinux \d\S{0,60} #\d|\bVMware ESX|\bWindows\b")
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")


def _neighbours(judged: _Judged, rows: Iterable[Row], context: Context, device: str, layout: Layout) -> None:
    found: dict[str, Observation] = {}
    for row in rows:
        one = _neighbour(row, context, device, layout)
        if one is None:
            judged.unusable += 1
        else:
            found[repr((one.identity, one.place))] = one
    judged.observations += found.values()


def _neighbour(row: Row, context: Context, device: str, layout: Layout) -> Observation | None:
    name, port = _first(row, "name"), _first(row, "port")
    ids = [*row.get("chassis", []), *row.get("mac", []), *row.get("far_port", []), name]
    hardware = [mac for mac in map(macs.normal, ids) if mac is not None and not _group(mac)]
    addresses = _addresses({"address": [*row.get("address", []), *row.get("chassis", [])]})
    cut = name.endswith("...") or (layout.cut is not None and len(name) >= layout.cut)
    proper = _HOST_NAME.fullmatch(name) is not None and macs.normal(name) is None and not cut
    serial = placeholders.real(_first(row, "serial"))
    if not (hardware or addresses or proper or serial):
        return None
    description = " ".join(row.get("description", [])) or (
        name if name and not proper and not macs.normal(name) else ""
    )
    attributes = {
        "vendor": _first(row, "vendor"),
        "model": _first(row, "model"),
        "description": description,
        "type": _type(row.get("capabilities", []), description),
    }
    place: dict[str, Any] = {"seen_by": device, "switch": device, "port": port, "vlan": _first(row, "vlan")}
    if layout.platform == "linux":
        place |= {"switch": None, "interface": port, "port": _first(row, "far_port")}
    return _observation(
        context,
        Table.LLDP,
        list(dict.fromkeys(hardware)),
        names=[name] if proper else [],
        addresses=sorted(set(addresses)),
        serial=serial,
        attributes=attributes,
        place=place,
    )


def _type(capabilities: Sequence[str], description: str) -> str:
    """What a neighbour says it does. A phone bridges for the computer behind it, and is still a phone."""
    said: set[str] = set()
    for word in re.findall(r"[A-Za-z]+", " ".join(capabilities)):
        if _LETTERS.fullmatch(word):
            said |= set(word)
        elif word.lower() in _CAPABILITIES:
            said.add(_CAPABILITIES[word.lower()])
    if "T" in said:
        return "phone"
    return "network" if said & {"B", "R", "W"} and "S" not in said and not _HOST.search(description) else ""


# --- all of them ---


def _observation(
    context: Context,
    table: Table,
    hardware: Sequence[str],
    *,
    names: Sequence[str] = (),
    addresses: Sequence[str] = (),
    serial: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    place: Mapping[str, Any],
) -> Observation:
    identity = {"serial": serial, "macs": list(hardware), "names": list(names), "addresses": list(addresses)}
    kinds = {mac: str(kind) for mac in hardware if (kind := macs.kind(mac)) is not macs.Kind.BURNED_IN}
    return Observation(
        context.customer,
        str(table),
        context.at,
        _with_value(identity),
        attributes=_with_value({**(attributes or {}), "mac_kinds": kinds}),
        place=_with_value(place),
    )


def _with_value(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


def _first(row: Row, column: str) -> str:
    return next(iter(row.get(column, [])), "")


def _group(mac: str) -> bool:
    """No thing's own: multicast, broadcast, or zeros."""
    return bool(int(mac[1], 16) & 1) or macs.kind(mac) is macs.Kind.NONE
