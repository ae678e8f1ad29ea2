# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an audit saw, as observations: the host itself, and its neighbours. Pure: no I/O."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Observation

AUDIT, NEIGHBOURS, LLDP = "audit", "neighbours", "lldp"


def itself(subject: Subject, facts: Mapping[str, Any], at: dt.datetime) -> Observation:
    """The audited host: the one observation that knows its asset for certain."""
    machine, hostname, system = facts.get("machine") or {}, facts["hostname"], facts.get("os") or {}
    identity = {
        "serial": machine.get("serial"),
        "uuid": machine.get("uuid"),
        "asset_tag": machine.get("asset_tag"),
        "macs": sorted({one["mac"] for one in facts["interfaces"] if one["mac"]}),
        "names": [name for name in (hostname["name"], hostname["fqdn"]) if name],
        "addresses": sorted({address.split("/")[0] for one in facts["interfaces"] for address in one["addresses"]}),
    }
    attributes = {
        "vendor": machine.get("vendor"),
        "model": machine.get("model"),
        "os": system.get("name"),
        "type": machine.get("chassis"),
    }
    return Observation(subject.customer, AUDIT, at, _known(identity), subject.asset, _known(attributes))


def neighbours(audit: Audit, prefixes: Iterable[str]) -> Iterator[Observation]:
    """Who the audited host saw on its networks, inside the customer's own prefixes only.

    What lies outside (a provider's router, another customer behind the same switch) is not this customer's to keep.
    """
    networks = [ipaddress.ip_network(prefix, strict=False) for prefix in prefixes]
    for one in audit.volatile.get("neighbours", ()):
        address = _address(one.get("address"))
        if address is None or address.is_link_local:
            continue
        inside = next((network for network in networks if address in network), None)
        if inside is not None:
            yield Observation(
                audit.customer,
                NEIGHBOURS,
                audit.at,
                {"macs": [str(one["mac"])], "addresses": [str(address)]},
                place={"seen_by": audit.asset, "interface": one.get("interface"), "prefix": str(inside)},
            )
    for one in audit.volatile.get("lldp", ()):
        if one.get("name") or one.get("chassis"):
            yield _switch(audit, one)


def _switch(audit: Audit, one: Mapping[str, Any]) -> Observation:
    """A neighbour that announced itself over LLDP: mostly the switch that the host is plugged into."""
    identity = {
        "names": [str(one["name"])] if one.get("name") else [],
        "macs": [str(one["chassis"])] if str(one.get("chassis") or "").count(":") == 5 else [],
        "addresses": [str(address) for address in one.get("addresses", ())],
    }
    place = {"seen_by": audit.asset, "interface": one.get("interface"), "port": one.get("port")}
    attributes = _known({"description": one.get("description")})
    return Observation(audit.customer, LLDP, audit.at, _known(identity), attributes=attributes, place=_known(place))


def _address(text: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(str(text).split("%", maxsplit=1)[0])
    except ValueError:
        return None


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, [], "")}
