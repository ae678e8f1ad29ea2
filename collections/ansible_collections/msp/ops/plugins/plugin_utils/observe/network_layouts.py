# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which commands of which network devices are read, and what the columns of their answers are called. Pure: tables.

Two ways to read an answer: a template of ntc-templates, named after platform and command, or a reader of our own for
what it has none for (network_text.py). Either way the columns become the ones below, whatever each template calls them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError


class Table(StrEnum):
    """What an answer is a table of. The value is the source that its observations name."""

    MACS = "mac-table"
    ARP = "arp"
    LLDP = "lldp"
    LEASES = "dhcp"


# A column of ours, and what templates call it, the more telling first.
COLUMNS: dict[Table, dict[str, tuple[str, ...]]] = {
    Table.MACS: {
        "mac": ("destination_address", "mac_address", "mac"),
        "port": ("destination_port", "ports", "port", "interface", "logical_interface"),
        "vlan": ("vlan_id", "vid", "vlan_name"),
        "type": ("type", "status", "state"),
        "address": ("ip_address",),  # of a DHCP snooping binding
    },
    Table.ARP: {
        "mac": ("mac_address", "hardware_address"),
        "address": ("ip_address", "ipv6_address", "address", "destination"),
        "interface": ("interface", "port_id", "port"),
        "name": ("rev_dns", "hostname"),
    },
    Table.LLDP: {
        "port": ("local_interface", "local_port"),
        "name": ("neighbor_name", "neighbor", "remote_system_name"),
        "chassis": ("chassis_id", "remote_chassis_id"),
        "mac": ("mac_address",),
        "address": ("mgmt_address", "management_ip", "management_ipv6", "remote_mgmt_ipv4_address"),
        "far_port": ("neighbor_port_id", "neighbor_interface", "remote_port"),
        "description": ("neighbor_description", "system_description", "remote_system_description"),
        "capabilities": ("capabilities", "capabilities_enabled"),
        "vlan": ("vlan_id",),
        "serial": ("serial",),
        "vendor": ("manufacturer",),
        "model": ("platform", "model_name"),
    },
    Table.LEASES: {
        "mac": ("mac_address",),
        "address": ("ip_address", "ip"),
        "name": ("hostname", "host"),
        "interface": ("interface",),
    },
}
# platform, its commands (as the templates are named), and what each prints.
COMMANDS: dict[str, dict[str, Table]] = {
    "alcatel_aos": {"show mac-address-table": Table.MACS, "show lldp remote-system": Table.LLDP},
    "allied_telesis_awplus": {
        "show mac address-table": Table.MACS,
        "show arp": Table.ARP,
        "show lldp neighbors detail": Table.LLDP,
    },
    "arista_eos": {
        "show mac address-table": Table.MACS,
        "show ip arp": Table.ARP,
        "show lldp neighbors": Table.LLDP,
        "show lldp neighbors detail": Table.LLDP,
    },
    "aruba_aoscx": {
        "show mac-address-table": Table.MACS,
        "show arp all-vrfs": Table.ARP,
        "show lldp neighbors-info detail": Table.LLDP,
    },
    "aruba_os": {"show arp": Table.ARP},
    "avaya_ers": {"show mac-address-table": Table.MACS},
    "broadcom_icos": {"show mac-addr-table": Table.MACS, "show lldp remote-device all": Table.LLDP},
    "brocade_fastiron": {
        "show mac-address": Table.MACS,
        "show arp": Table.ARP,
        "show lldp neighbors": Table.LLDP,
        "show lldp neighbors detail": Table.LLDP,
    },
    "checkpoint_gaia": {"show arp dynamic all": Table.ARP},
    "cisco_asa": {"show arp": Table.ARP},
    "cisco_ios": {
        "show mac address-table": Table.MACS,
        "show mac-address-table": Table.MACS,  # before IOS 15
        "show ip dhcp snooping binding": Table.MACS,
        "show arp": Table.ARP,
        "show ip arp": Table.ARP,
        "show ipv6 neighbors": Table.ARP,
        "show lldp neighbors": Table.LLDP,
        "show lldp neighbors detail": Table.LLDP,
    },
    "cisco_nxos": {
        "show mac address-table": Table.MACS,
        "show ip arp": Table.ARP,
        "show ip arp detail": Table.ARP,
        "show ip arp detail vrf all": Table.ARP,
        "show lldp neighbors": Table.LLDP,
        "show lldp neighbors detail": Table.LLDP,
    },
    "cisco_s300": {"show mac address-table": Table.MACS},
    "cisco_xr": {
        "show arp": Table.ARP,
        "show ipv6 neighbors": Table.ARP,
        "show lldp neighbors": Table.LLDP,
        "show lldp neighbors detail": Table.LLDP,
    },
    "dell_force10": {"show arp": Table.ARP},
    "extreme_exos": {"show fdb": Table.MACS, "show iparp": Table.ARP},
    "fortinet": {"get system arp": Table.ARP, "execute dhcp lease-list": Table.LEASES},
    "hp_comware": {
        "display mac-address": Table.MACS,
        "display arp": Table.ARP,
        "display lldp neighbor-information list": Table.LLDP,
        "display lldp neighbor-information verbose": Table.LLDP,
    },
    "hp_procurve": {
        "show mac-address": Table.MACS,
        "show arp": Table.ARP,
        "show lldp info remote-device": Table.LLDP,
        "show lldp info remote-device detail": Table.LLDP,
    },
    "huawei_vrp": {
        "display mac-address": Table.MACS,
        "display arp all": Table.ARP,
        "display arp brief": Table.ARP,
        "display lldp neighbor": Table.LLDP,
    },
    "juniper_junos": {
        "show ethernet-switching table": Table.MACS,
        "show arp no-resolve": Table.ARP,
        "show arp | display xml": Table.ARP,
        "show lldp neighbors": Table.LLDP,
    },
    "linux": {"arp -a": Table.ARP, "ip neigh": Table.ARP, "lldpctl -f keyvalue": Table.LLDP},
    "mikrotik_routeros": {"ip arp print without-paging": Table.ARP},
    "paloalto_panos": {"show mac all": Table.MACS, "show arp all": Table.ARP, "show lldp neighbors all": Table.LLDP},
    "ruckus_fastiron": {"show mac-address": Table.MACS, "show arp": Table.ARP},
    "ubiquiti_edgerouter": {"show arp": Table.ARP, "show dhcp leases": Table.LEASES},
    "ubiquiti_edgeswitch": {"show arp": Table.ARP},
    "vyatta_vyos": {"show arp": Table.ARP},
    "watchguard_firebox": {"show arp": Table.ARP},
}
ALIASES = {"aruba_procurve": "hp_procurve", "cisco_ftd": "cisco_asa", "cisco_xe": "cisco_ios", "vyos": "vyatta_vyos"}
# What two spellings of one command print has one template.
TEMPLATES = {("cisco_ios", "show mac address-table"): "show mac-address-table"}
# Read by readers of our own.
OWN = {
    ("juniper_junos", "show ethernet-switching table"),  # the template knows no VLAN with a name
    ("juniper_junos", "show arp | display xml"),
    ("linux", "ip neigh"),
    ("linux", "lldpctl -f keyvalue"),
}
# Tables that cut a neighbour's name off at so many characters: one of that length may be the beginning of a longer one.
CUT = {
    ("cisco_ios", "show lldp neighbors"): 20,
    ("cisco_nxos", "show lldp neighbors"): 20,
    ("cisco_xr", "show lldp neighbors"): 20,
}
# Where a template calls the port's description the neighbour's.
OF_THE_PORT = {("hp_procurve", "show lldp info remote-device")}


@dataclass(frozen=True, slots=True)
class Layout:
    """How the answer to one command of one platform is read."""

    platform: str
    command: str
    table: Table

    @property
    def own(self) -> bool:
        return (self.platform, self.command) in OWN

    @property
    def marked_up(self) -> bool:
        """Does the answer itself say where it ends?"""
        return self.command.endswith("xml")

    @property
    def template(self) -> str:
        """The file name of its template."""
        command = TEMPLATES.get((self.platform, self.command), self.command)
        return f"{self.platform}_{command.replace(' ', '_')}.textfsm"

    @property
    def cut(self) -> int | None:
        return CUT.get((self.platform, self.command))

    def columns(self, row: Mapping[str, object]) -> dict[str, list[str]]:
        """A row under our own column names. Every value is a list; what says nothing is left out."""
        found: dict[str, list[str]] = {}
        for column, names in COLUMNS[self.table].items():
            values = [value for name in names for value in _texts(row.get(name))]
            if values:
                found[column] = values
        if (self.platform, self.command) in OF_THE_PORT:
            found.pop("description", None)
        return found


def layout(platform: str, command: str) -> Layout:
    """The layout of a command, which may be abbreviated as the device itself allows it ("sh mac address-table")."""
    name = platform.strip().lower()
    name = ALIASES.get(name, name)
    commands = COMMANDS.get(name)
    if commands is None:
        raise MspError(
            "MSP-OBS-040",
            "a platform of a network device that is read here",
            f'"{platform[:60]}"',
            f"use one of {', '.join(sorted({*COMMANDS, *ALIASES}))}",
        )
    for known, table in commands.items():
        if abbreviates(command, known):
            return Layout(name, known, table)
    raise MspError(
        "MSP-OBS-041",
        f"a command of {name} that is read here",
        f'"{command[:60]}"',
        f"use one of: {', '.join(commands)}",
    )


def abbreviates(text: str, command: str) -> bool:
    """Is the text that command, each word of it in full or its beginning?"""
    words, full = text.lower().split(), command.split()
    return len(words) == len(full) and all(whole.startswith(word) for word, whole in zip(words, full, strict=True))


# What templates and devices write where there is nothing.
_NOTHING = {"", "-", "--", "n/a", "none", "not advertised", "- not advertised", "not received", "null"}


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    texts = [" ".join(str(one).split()) for one in values if one is not None]
    return [text for text in texts if text.casefold() not in _NOTHING]
