# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What network devices print, as observations. The answers are made here, in the layouts of their makers."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Observation
from ansible_collections.msp.ops.plugins.plugin_utils.observe import network
from ansible_collections.msp.ops.plugins.plugin_utils.observe.network_layouts import COMMANDS
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading

CONTEXT = Context("bakery", dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC), "answer.txt")
MAC = "00:00:5e:00:53:01"


def read(platform: str, command: str, text: str | bytes, device: str = "switch-1", **more: Any) -> Reading:
    content = text.encode() if isinstance(text, str) else text
    return network.parse(content, CONTEXT, platform=platform, command=command, device=device, **more)


def of(reading: Reading, mac: str = MAC) -> Observation:
    """The one observation of a hardware address."""
    (found,) = [one for one in reading.observations if mac in one.identity.get("macs", ())]
    return found


def why(reading: Reading) -> dict[str, str]:
    return {skip.where: skip.why for skip in reading.skipped}


# --- MAC address tables ---

IOS_HEAD = """\
          Mac Address Table
-------------------------------------------

Vlan    Mac Address       Type        Ports
----    -----------       --------    -----
"""


def ios(*rows: tuple[str, str, str, str]) -> str:
    lines = "".join(f"{vlan:>4}    {mac}    {kind:<8}    {port}\n" for vlan, mac, kind, port in rows)
    return f"{IOS_HEAD}{lines}Total Mac Addresses for this criterion: {len(rows)}\n"


def on_port(port: str, *last: int, vlan: str = "10") -> list[tuple[str, str, str, str]]:
    return [(vlan, f"0000.5e00.53{number:02x}", "DYNAMIC", port) for number in last]


TABLES = [
    pytest.param("cisco_ios", "show mac address-table", ios(*on_port("Gi1/0/7", 1)), "Gi1/0/7", id="IOS"),
    pytest.param(
        "cisco_ios",
        "show mac-address-table",
        "Destination Address  Address Type  VLAN  Destination Port\n"
        "-------------------  ------------  ----  --------------------\n"
        "0000.5e00.5301       Dynamic         10  FastEthernet0/7\n",
        "FastEthernet0/7",
        id="IOS 12",
    ),
    pytest.param(
        "cisco_nxos",
        "show mac address-table",
        "Legend:\n"
        "        * - primary entry, G - Gateway MAC, (R) - Routed MAC, O - Overlay MAC\n"
        "   VLAN     MAC Address      Type      age     Secure NTFY Ports\n"
        "---------+-----------------+--------+---------+------+----+------------------\n"
        "*   10     0000.5e00.5301   dynamic  0         F      F    Eth1/7\n"
        "G    -     0000.5e00.5399   static   -         F      F    sup-eth1(R)\n",
        "Eth1/7",
        id="NX-OS",
    ),
    pytest.param(
        "hp_procurve",
        "show mac-address",
        "\n Status and Counters - Port Address Table\n\n"
        "  MAC Address       Port  VLAN\n"
        "  ----------------- ----- ----\n"
        "  00005e-005301     7     10  \n",
        "7",
        id="ProCurve",
    ),
    pytest.param(
        "aruba_aoscx",
        "show mac-address-table",
        "MAC age-time            : 300 seconds\n"
        "Number of MAC addresses : 1\n\n"
        "MAC Address          VLAN     Type                      Port\n"
        "--------------------------------------------------------------\n"
        "00:00:5e:00:53:01    10       dynamic                   1/1/7\n",
        "1/1/7",
        id="AOS-CX",
    ),
    pytest.param(
        "hp_comware",
        "display mac-address",
        "MAC Address      VLAN ID    State            Port/Nickname            Aging\n"
        "0000-5e00-5301   10         Learned          GE1/0/7                  Y\n",
        "GE1/0/7",
        id="Comware",
    ),
    pytest.param(
        "juniper_junos",
        "show ethernet-switching table",
        "\nMAC flags (S - static MAC, D - dynamic MAC, L - locally learned, P - Persistent static\n"
        "           SE - statistics enabled, NM - non configured MAC, R - remote PE MAC, O - ovsdb MAC)\n\n\n"
        "Ethernet switching table : 1 entries, 1 learned\n"
        "Routing instance : default-switch\n"
        "   Vlan                MAC                 MAC      Age    Logical                NH        RTR\n"
        "   name                address             flags            interface              Index     ID\n"
        "   Vlan10              00:00:5e:00:53:01   D        -      ge-0/0/7.0             0         0\n",
        "ge-0/0/7.0",
        id="Junos",
    ),
    pytest.param(
        "arista_eos",
        "show mac address-table",
        "          Mac Address Table\n"
        "------------------------------------------------------------------\n\n"
        "Vlan    Mac Address       Type        Ports      Moves   Last Move\n"
        "----    -----------       ----        -----      -----   ---------\n"
        "  10    0000.5e00.5301    DYNAMIC     Et7        1       0:10:00 ago\n"
        "Total Mac Addresses for this criterion: 1\n",
        "Et7",
        id="EOS",
    ),
]


@pytest.mark.parametrize(("platform", "command", "text", "port"), TABLES)
def test_a_mac_table_says_on_which_port_of_which_switch_a_thing_hangs(
    platform: str, command: str, text: str, port: str
) -> None:
    found = read(platform, command, text)

    assert found.complete
    assert len(found.observations) == 1
    one = of(found)
    assert (one.customer, one.source, one.at) == ("bakery", "mac-table", CONTEXT.at)
    assert one.identity == {"macs": [MAC]}
    assert one.place == {"seen_by": "switch-1", "switch": "switch-1", "port": port, "vlan": "10"}
    assert one.attributes == {}


def test_a_junos_vlan_may_have_a_name() -> None:
    text = "   office     00:00:5e:00:53:01   D        -      ge-0/0/7.0             0         0\n"

    assert of(read("juniper_junos", "show ethernet-switching table", text)).place["vlan"] == "office"


@pytest.mark.parametrize(
    ("number", "few", "named"), [(1, 4, True), (4, 4, True), (5, 4, False), (5, 5, True), (2, 1, False)]
)
def test_a_port_with_more_than_a_few_addresses_is_an_uplink_and_no_place(number: int, few: int, named: bool) -> None:
    found = read("cisco_ios", "show mac address-table", ios(*on_port("Gi1/0/7", *range(1, number + 1))), few=few)

    assert len(found.observations) == number
    assert found.complete
    for one in found.observations:
        if named:
            assert (one.place["switch"], one.place["port"]) == ("switch-1", "Gi1/0/7")
            assert "via_trunk" not in one.place
        else:
            assert one.place == {"seen_by": "switch-1", "vlan": "10", "via_trunk": True}


def test_one_address_in_many_vlans_is_one_address_and_makes_no_uplink() -> None:
    rows = [row for vlan in ("10", "20", "30", "40", "50", "9") for row in on_port("Gi1/0/7", 1, vlan=vlan)]

    found = read("cisco_ios", "show mac address-table", ios(*rows))

    assert len(found.observations) == 1
    assert of(found).place["port"] == "Gi1/0/7"
    assert of(found).place["vlan"] == "9,10,20,30,40,50"


def test_a_thing_seen_behind_an_uplink_and_on_a_desks_port_hangs_on_the_desks_port() -> None:
    rows = [*on_port("Gi1/0/48", 1, 2, 3, 4, 5), *on_port("Gi1/0/7", 1, vlan="20")]

    found = read("cisco_ios", "show mac address-table", ios(*rows))

    assert len(found.observations) == 5
    assert (of(found).place["port"], of(found).place["vlan"]) == ("Gi1/0/7", "20")


def test_the_same_address_on_two_desks_ports_is_said_twice() -> None:
    found = read("cisco_ios", "show mac address-table", ios(*on_port("Gi1/0/7", 1), *on_port("Gi1/0/8", 1)))

    assert [one.place["port"] for one in found.observations] == ["Gi1/0/7", "Gi1/0/8"]


LLDP_TABLE = """\
Capability codes:
    (R) Router, (B) Bridge, (T) Telephone, (C) DOCSIS Cable Device
    (W) WLAN Access Point, (P) Repeater, (S) Station, (O) Other

Device ID           Local Intf     Hold-time  Capability      Port ID
switch-2            Gi1/0/48       120        B,R             Gi0/1
Desk phone          Gi1/0/7        120        B,T             0000.5e00.5320
ap-1                Gi1/0/9        120        W               eth0
server-1            Gi1/0/11       120                        0000.5e00.5321

Total entries displayed: 4
"""


def test_a_port_with_a_switch_or_access_point_is_an_uplink_and_one_with_a_phone_is_not() -> None:
    neighbours = read("cisco_ios", "show lldp neighbors", LLDP_TABLE)
    rows = [
        *on_port("GigabitEthernet1/0/48", 1),
        *on_port("GigabitEthernet1/0/7", 2),
        *on_port("GigabitEthernet1/0/9", 3),
        *on_port("GigabitEthernet1/0/4", 4),
    ]

    ports = network.uplinks(neighbours, "switch-1")
    found = read("cisco_ios", "show mac address-table", ios(*rows), uplinks=ports)

    assert ports == {"Gi1/0/48", "Gi1/0/9"}
    assert network.uplinks(neighbours, "switch-9") == frozenset()
    assert [one.place.get("port") for one in found.observations] == [
        None, "GigabitEthernet1/0/7", None, "GigabitEthernet1/0/4",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("GigabitEthernet1/0/1", "Gi1/0/1"),
        ("TenGigabitEthernet1/1/1", "Te1/1/1"),
        ("Ethernet1/1", "Eth1/1"),
        ("Port-channel10", "Po10"),
        ("ge-0/0/1.0", "ge-0/0/1"),
        ("Trk1", "trk1"),
        ("7", "7"),
    ],
)
def test_uplinks_are_known_by_any_of_their_names(long: str, short: str) -> None:
    for table, given_port in ((long, short), (short, long)):
        found = read("cisco_ios", "show mac address-table", ios(*on_port(table, 1)), uplinks=[given_port])

        assert of(found).place.get("via_trunk") is True


def test_another_port_is_no_uplink_for_its_likeness() -> None:
    found = read("cisco_ios", "show mac address-table", ios(*on_port("Gi1/0/1", 1)), uplinks=["Gi1/0/11", "Te1/0/1"])

    assert of(found).place["port"] == "Gi1/0/1"


def test_what_a_switch_has_for_itself_and_for_groups_is_counted_and_of_no_interest() -> None:
    rows = [
        (" All", "0100.0ccc.cccc", "STATIC", "CPU"),
        ("  10", "0000.5e00.5340", "STATIC", "Vlan10"),
        ("  10", "3333.0000.0001", "STATIC", "Gi1/0/7"),
        ("  10", "ffff.ffff.ffff", "STATIC", "Gi1/0/7"),
        ("  10", "0000.5e00.5341", "Self", "Gi1/0/7"),
        *on_port("Gi1/0/7", 1),
    ]

    found = read("cisco_ios", "show mac address-table", ios(*rows))

    assert [one.identity["macs"] for one in found.observations] == [[MAC]]
    assert found.complete
    assert why(found) == {"5 of 6 rows": "the device's own, groups, or incomplete"}


def test_a_static_entry_on_a_port_is_a_thing_that_port_security_knows() -> None:
    found = read("cisco_ios", "show mac address-table", ios(("10", "0000.5e00.5301", "STATIC", "Gi1/0/7")))

    assert of(found).place["port"] == "Gi1/0/7"


def test_what_came_through_a_tunnel_or_the_link_to_the_peer_hangs_elsewhere() -> None:
    text = (
        "   VLAN     MAC Address      Type      age     Secure NTFY Ports\n"
        "+   10     0000.5e00.5301   dynamic  0         F      F    vPC Peer-Link\n"
        "C   10     0000.5e00.5302   dynamic  0         F      F    nve1(192.0.2.9)\n"
    )

    found = read("cisco_nxos", "show mac address-table", text)

    assert [one.place.get("via_trunk") for one in found.observations] == [True, True]


def test_the_kind_of_an_address_is_noted_where_it_is_not_burned_in() -> None:
    rows = [("10", "0000.5e00.0105", "DYNAMIC", "Gi1/0/1"), ("10", "daa1.1900.0001", "DYNAMIC", "Gi1/0/2")]

    found = read("cisco_ios", "show mac address-table", ios(*rows))

    assert [one.attributes["mac_kinds"] for one in found.observations] == [
        {"00:00:5e:00:01:05": "virtual"},
        {"da:a1:19:00:00:01": "randomised"},
    ]


def test_a_snooping_binding_is_a_port_with_an_address() -> None:
    text = """\
MacAddress          IpAddress        Lease(sec)  Type           VLAN  Interface
------------------  ---------------  ----------  -------------  ----  --------------------
00:00:5E:00:53:01   192.0.2.21       85000       dhcp-snooping   10    GigabitEthernet1/0/7
Total number of bindings: 1
"""

    one = of(read("cisco_ios", "show ip dhcp snooping binding", text))

    assert one.source == "mac-table"
    assert one.identity == {"macs": [MAC], "addresses": ["192.0.2.21"]}
    assert (one.place["switch"], one.place["port"]) == ("switch-1", "GigabitEthernet1/0/7")


# --- ARP, neighbour tables, leases ---


@pytest.mark.parametrize(
    ("platform", "command", "text", "interface"),
    [
        pytest.param(
            "cisco_ios",
            "show ip arp",
            "Protocol  Address          Age (min)  Hardware Addr   Type   Interface\n"
            "Internet  192.0.2.21             12   0000.5e00.5301  ARPA   Vlan10\n"
            "Internet  192.0.2.22              0   Incomplete      ARPA\n",
            "Vlan10",
            id="IOS",
        ),
        pytest.param(
            "cisco_nxos",
            "show ip arp",
            "Flags: * - Adjacencies learnt on non-active FHRP router\n"
            "IP ARP Table for context default\n"
            "Total number of entries: 1\n"
            "Address         Age       MAC Address     Interface       Flags\n"
            "192.0.2.21      00:05:31  0000.5e00.5301  Vlan10\n",
            "Vlan10",
            id="NX-OS",
        ),
        pytest.param(
            "hp_procurve",
            "show arp",
            "\n IP ARP table\n\n"
            "  IP Address      MAC Address       Type    Port\n"
            "  --------------- ----------------- ------- ----\n"
            "  192.0.2.21      00005e-005301     dynamic 7   \n",
            "7",
            id="ProCurve",
        ),
        pytest.param(
            "aruba_os",
            "show arp",
            "IPV4 ARP Table\n--------------\n"
            " Protocol    IP Address    Hardware Address   Interface  Age (min)\n"
            "----------   ----------    ----------------   ---------  ---------\n"
            "   Internet  192.0.2.21  00:00:5e:00:53:01  vlan10     78\n",
            "vlan10",
            id="ArubaOS",
        ),
        pytest.param(
            "juniper_junos",
            "show arp no-resolve",
            "MAC Address       Address         Interface     Flags\n"
            "00:00:5e:00:53:01 192.0.2.21      vlan.10        none\n"
            "Total entries: 1\n\n{master:0}\n",
            "vlan.10",
            id="Junos",
        ),
        pytest.param(
            "juniper_junos",
            "show arp | display xml",
            '<rpc-reply xmlns:junos="http://xml.juniper.net/junos/21.4R1/junos">\n'
            '<arp-table-information xmlns="http://xml.juniper.net/junos/21.4R1/junos-arp" junos:style="normal">\n'
            "<arp-table-entry>\n<mac-address>\n00:00:5e:00:53:01\n</mac-address>\n"
            "<ip-address>192.0.2.21</ip-address><interface-name>ge-0/0/7.0</interface-name>\n"
            "</arp-table-entry>\n</arp-table-information>\n</rpc-reply>\n",
            "ge-0/0/7.0",
            id="Junos XML",
        ),
        pytest.param(
            "fortinet",
            "get system arp",
            "Address           Age(min)   Hardware Addr      Interface\n"
            "192.0.2.21        0          00:00:5e:00:53:01 internal\n",
            "internal",
            id="FortiGate",
        ),
        pytest.param(
            "linux",
            "arp -a",
            "? (192.0.2.21) at 00:00:5e:00:53:01 [ether] on eth0\n? (192.0.2.22) at <incomplete> on eth0\n",
            "eth0",
            id="arp -a",
        ),
        pytest.param(
            "linux",
            "ip neigh",
            "192.0.2.21 dev eth0 lladdr 00:00:5e:00:53:01 router REACHABLE\n"
            "fe80::200:5eff:fe00:5301 dev eth0 lladdr 00:00:5e:00:53:01 STALE\n"
            "192.0.2.22 dev eth0  FAILED\n",
            "eth0",
            id="ip neigh",
        ),
    ],
)
def test_a_neighbour_table_says_which_address_goes_with_which_hardware(
    platform: str, command: str, text: str, interface: str
) -> None:
    found = read(platform, command, text, device="router-1")

    assert found.complete, found.skipped
    assert len(found.observations) == 1
    assert of(found).source == "arp"
    assert of(found).identity == {"macs": [MAC], "addresses": ["192.0.2.21"]}
    assert of(found).place == {"seen_by": "router-1", "interface": interface}


def test_a_thing_with_many_addresses_is_one_thing_and_on_two_interfaces_names_neither() -> None:
    text = "".join(f"? (192.0.2.{n}) at 00:00:5e:00:53:01 [ether] on eth{n % 2}\n" for n in (9, 10, 11))

    found = read("linux", "arp -a", text)

    assert of(found).identity["addresses"] == ["192.0.2.10", "192.0.2.11", "192.0.2.9"]
    assert of(found).place == {"seen_by": "switch-1"}


def test_a_resolvers_word_for_the_gateway_is_no_name() -> None:
    text = """\
_gateway (192.0.2.1) at 00:00:5e:00:53:01 [ether] on eth0
nas (192.0.2.5) at 00:00:5e:00:53:05 [ether] on eth0
"""

    found = read("linux", "arp -a", text)

    assert "names" not in of(found).identity
    assert of(found, "00:00:5e:00:53:05").identity["names"] == ["nas"]


def test_a_firewalls_leases_are_leases() -> None:
    text = """\
staff
IP            MAC-Address             Hostname        VCI             Expiry
192.0.2.21    00:00:5e:00:53:01       laptop-7        MSFT 5.0        Sat Aug 10 04:55:47 2019
"""

    one = of(read("fortinet", "execute dhcp lease-list", text, device="firewall-1"))

    assert one.source == "dhcp"
    assert one.identity == {"macs": [MAC], "names": ["laptop-7"], "addresses": ["192.0.2.21"]}
    assert one.place == {"seen_by": "firewall-1", "interface": "staff"}


# --- LLDP ---


def test_lldp_says_who_hangs_on_a_port_and_what_it_is() -> None:
    found = read("cisco_ios", "show lldp neighbors", LLDP_TABLE)

    assert found.complete
    assert [(one.source, dict(one.identity), dict(one.attributes)) for one in found.observations] == [
        ("lldp", {"names": ["switch-2"]}, {"type": "network"}),
        ("lldp", {"macs": ["00:00:5e:00:53:20"]}, {"description": "Desk phone", "type": "phone"}),
        ("lldp", {"names": ["ap-1"]}, {"type": "network"}),
        ("lldp", {"macs": ["00:00:5e:00:53:21"], "names": ["server-1"]}, {}),
    ]
    assert found.observations[0].place == {"seen_by": "switch-1", "switch": "switch-1", "port": "Gi1/0/48"}


def test_a_name_that_the_table_cut_off_is_no_name() -> None:
    text = LLDP_TABLE.replace("switch-2            Gi1/0/48 ", "switch-in-the-cellarGi1/0/48 ")

    found = read("cisco_ios", "show lldp neighbors", text)

    assert not found.complete
    assert why(found) == {"1 of 4 rows": "without what identifies a thing"}
    assert all("switch-in-the-cellar" not in one.identity.get("names", ()) for one in found.observations)


LLDP_DETAIL = """\
------------------------------------------------
Local Intf: Gi1/0/7
Chassis id: 0000.5e00.5301
Port id: 0000.5e00.5302
Port Description: SW PORT
System Name: {name}

System Description:
{description}

Time remaining: 105 seconds
System Capabilities: {capabilities}
Enabled Capabilities: {capabilities}
Management Addresses:
    IP: 192.0.2.40
Auto Negotiation - supported, enabled
Physical media capabilities:
    1000baseT(FD)
Media Attachment Unit type: 30
Vlan ID: 10

MED Information:

    MED Codes:
          (NP) Network Policy, (LI) Location Identification

    H/W revision: 1
    F/W revision: 2
    S/W revision: 3
    Serial number: {serial}
    Manufacturer: Example Phones
    Model: EP 7
    Capabilities: NP, PD, IN
    Device type: Endpoint Class III

Total entries displayed: 1
"""


def detail(**more: str) -> str:
    plain = {"name": "phone-7", "description": "Example phone 7", "capabilities": "B,T", "serial": "EXP7K2041"}
    return LLDP_DETAIL.format(**{**plain, **more})


def test_lldp_in_detail_knows_the_maker_the_model_and_the_serial() -> None:
    found = read("cisco_ios", "show lldp neighbors detail", detail())

    assert found.complete, found.skipped
    one = of(found)
    assert one.identity == {
        "serial": "EXP7K2041",
        "macs": ["00:00:5e:00:53:01", "00:00:5e:00:53:02"],
        "names": ["phone-7"],
        "addresses": ["192.0.2.40"],
    }
    assert one.attributes == {
        "vendor": "Example Phones",
        "model": "EP 7",
        "description": "Example phone 7",
        "type": "phone",
    }
    assert one.place == {"seen_by": "switch-1", "switch": "switch-1", "port": "Gi1/0/7", "vlan": "10"}


@pytest.mark.parametrize(
    ("more", "names", "serial"),
    [
        ({"serial": "0123456789"}, ["phone-7"], None),
        ({"name": "00:00:5e:00:53:07"}, None, "EXP7K2041"),
        ({"name": "Meeting room 3"}, None, "EXP7K2041"),
    ],
)
def test_what_only_looks_like_a_name_or_serial_is_none(more: dict[str, str], names: object, serial: object) -> None:
    one = of(read("cisco_ios", "show lldp neighbors detail", detail(**more)))

    assert (one.identity.get("names"), one.identity.get("serial")) == (names, serial)


@pytest.mark.parametrize(
    ("capabilities", "description", "expected"),
    [
        ("B,R", "Example switch", "network"),
        ("W", "Example access point", "network"),
        ("B,W,R,S", "Example host", None),
        ("B,R", "Debian GNU/Linux 12 (bookworm) Linux 6.1.0-18-amd64 #1 SMP x86_64", None),
        ("S", "Example host", None),
        ("B,T", "Example phone", "phone"),
    ],
)
def test_what_a_neighbour_is_follows_from_what_it_says_it_does(
    capabilities: str, description: str, expected: str | None
) -> None:
    text = detail(capabilities=capabilities, description=description)

    assert of(read("cisco_ios", "show lldp neighbors detail", text)).attributes.get("type") == expected


def test_a_procurve_cuts_names_with_dots_and_writes_addresses_with_spaces() -> None:
    text = """\

 LLDP Remote Devices Information

  LocalPort | ChassisId          PortId             PortDescr SysName
  --------- + ------------------ ------------------ --------- ------------------
  1         | 00005e-005301      1                  1         switch-in-the-c...
  3         | 00005e-005303      00 00 5e 00 53 04                              
"""  # noqa: W291

    found = read("hp_procurve", "show lldp info remote-device", text)

    assert found.complete, found.skipped
    assert of(found).identity == {"macs": [MAC]}
    assert of(found, "00:00:5e:00:53:04").identity == {"macs": ["00:00:5e:00:53:03", "00:00:5e:00:53:04"]}


LLDPCTL = """\
lldp.eth0.via=LLDP
lldp.eth0.rid=1
lldp.eth0.age=0 day, 01:00:00
lldp.eth0.chassis.mac=00:00:5e:00:53:01
lldp.eth0.chassis.name=switch-1.example.com
lldp.eth0.chassis.descr=Example Switch 48
Version 4
lldp.eth0.chassis.mgmt-ip=192.0.2.2
lldp.eth0.chassis.mgmt-ip=2001:db8::2
lldp.eth0.chassis.Bridge.enabled=on
lldp.eth0.chassis.Router.enabled=off
lldp.eth0.port.ifname=Gi1/0/7
lldp.eth0.port.descr=desk 7
lldp.eth0.vlan.vlan-id=10
lldp.eth0.vlan=office
lldp.bond0.10.via=LLDP
lldp.bond0.10.chassis.mac=00:00:5e:00:53:09
lldp.bond0.10.chassis.name=switch-9
"""


def test_a_host_says_on_which_port_of_which_switch_it_hangs_itself() -> None:
    found = read("linux", "lldpctl -f keyvalue", LLDPCTL, device="server-1")

    assert found.complete
    assert of(found).identity == {
        "macs": [MAC],
        "names": ["switch-1.example.com"],
        "addresses": ["192.0.2.2", "2001:db8::2"],
    }
    assert of(found).attributes == {"description": "Example Switch 48 Version 4", "type": "network"}
    assert of(found).place == {"seen_by": "server-1", "interface": "eth0", "port": "Gi1/0/7", "vlan": "10"}
    assert of(found, "00:00:5e:00:53:09").place == {"seen_by": "server-1", "interface": "bond0.10"}
    assert network.uplinks(found, "server-1") == frozenset()


# --- what is not as it should be ---


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "an empty answer"),
        ("\r\n \r\n", "an empty answer"),
        ("                ^\n% Invalid input detected at '^' marker.\n", 'the device says "% Invalid input'),
        ("Error: Unrecognized command found at '^' position.", 'the device says "Error: Unrecognized'),
        ("-bash: show: command not found", "the device says"),
        (IOS_HEAD, "no row of"),
        ("switch-1#\n", "a prompt"),
        (" --More-- ", "a pager had stopped the answer"),
        ("Interface  Status\nGi1/0/1  up\n", "no row of"),
    ],
)
def test_no_answer_is_named_and_proves_nothing(text: str, reason: str) -> None:
    found = read("cisco_ios", "show mac address-table", text)

    assert found.observations == ()
    assert not found.complete
    assert any(skip.why.startswith(reason) for skip in found.skipped), found.skipped


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("switch-1#show mac address-table\n", "switch-1#\n"),
        ("switch-1#sh mac add\r\n", ""),
        ("", "switch-1#exit\n"),
        ("switch-1(config)# do show mac address-table\n", ""),
        ("switch-1>show mac address-table\n", "\nswitch-1>"),
        ("show mac address-table\n", ""),
    ],
)
def test_a_prompt_is_named_and_the_rest_used(before: str, after: str) -> None:
    found = read("cisco_ios", "show mac address-table", before + ios(*on_port("Gi1/0/7", 1)) + after)

    assert of(found).place["port"] == "Gi1/0/7"
    assert not found.complete
    assert [skip.why.split(":")[0] for skip in found.skipped] == ["a prompt"]


BACK = "\b" * 9


@pytest.mark.parametrize(
    "pager",
    [
        f" --More-- {BACK}        {BACK}",
        " --More-- \r        \r",
        "--More--\n",
        "---(more)---\n",
        "---(more 45%)---\r                \r",
        "  ---- More ----\x1b[42D                                          \x1b[42D",
        "-- MORE --, next page: Space, next line: Enter, quit: Control-C\x1b[24;1H\x1b[2K\x1b[24;1H",
    ],
)
def test_what_a_pager_wrote_is_named_and_the_row_behind_it_read(pager: str) -> None:
    first, second = ios(*on_port("Gi1/0/7", 1)).splitlines()[-2], ios(*on_port("Gi1/0/8", 2)).splitlines()[-2]

    found = read("cisco_ios", "show mac address-table", f"{IOS_HEAD}{first}\n{pager}{second}\n")

    assert [one.place.get("port") for one in found.observations] == ["Gi1/0/7", "Gi1/0/8"]
    assert not found.complete
    assert why(found) == {"line 7": "a pager had stopped the answer"}


def test_a_line_that_the_template_refuses_is_named_and_the_rest_used() -> None:
    lines = ios(*on_port("Gi1/0/7", 1), *on_port("Gi1/0/8", 2)).splitlines()
    lines.insert(6, "%SYS".replace("%", "*") + " log message in between")

    found = read("cisco_ios", "show mac address-table", "\n".join(lines) + "\n")

    assert len(found.observations) == 2
    assert not found.complete
    assert why(found) == {"line 7": "no line of this table"}


def test_many_refused_lines_are_counted() -> None:
    text = IOS_HEAD + "noise\n" * 40 + ios(*on_port("Gi1/0/7", 1)).splitlines()[-2] + "\n"

    found = read("cisco_ios", "show mac address-table", text)

    assert len(found.observations) == 1
    assert why(found) == {"lines 6, 7, 8, 9, 10 and 35 more": "no line of this table"}


def test_a_row_that_a_template_passes_over_without_a_word_is_noticed() -> None:
    text = (
        "   VLAN     MAC Address      Type      age     Secure NTFY Ports\n"
        "*   10     0000.5e00.5301   dynamic  0         F      F    Eth1/7\n"
        "*   10     0000.5e00.5302   dynam\n"
    )

    found = read("cisco_nxos", "show mac address-table", text)

    assert len(found.observations) == 1
    assert not found.complete
    assert why(found) == {"line 3": "a hardware address in a line that is no row of this table"}


def test_a_last_line_without_an_end_is_used_but_may_be_cut_off() -> None:
    whole = ios(*on_port("Gi1/0/48", 1))

    found = read("cisco_ios", "show mac address-table", whole[: whole.index("Gi1/0/48") + len("Gi1/0/4")])

    assert of(found).identity == {"macs": [MAC]}
    assert not found.complete
    assert why(found) == {"line 6": "the last line has no end: it may be cut off"}


def test_a_chassis_lists_what_is_its_own_without_a_port() -> None:
    text = """\
     vlan   mac address    type   learn    age                 ports
----+----+---------------+-------+-----+----------+-----------------------------
*     420 0000.5e00.5301  dynamic  Yes        5     Po140
      420 0000.5e00.5302   static  No           -
"""

    found = read("cisco_ios", "show mac address-table", text)

    assert found.complete, found.skipped
    assert of(found).place["port"] == "Po140"
    assert why(found) == {"1 of 2 rows": "the device's own, groups, or incomplete"}


def test_xml_that_breaks_off_is_read_as_far_as_it_goes() -> None:
    text = (
        "<arp-table-information>\n<arp-table-entry><mac-address>00:00:5e:00:53:01</mac-address>"
        "<ip-address>192.0.2.21</ip-address></arp-table-entry>\n<arp-table-entry><mac-addr"
    )

    found = read("juniper_junos", "show arp | display xml", text)

    assert of(found).identity["addresses"] == ["192.0.2.21"]
    assert not found.complete
    assert next(iter(why(found))) == "line 3"


def test_xml_with_entities_of_its_own_is_not_read() -> None:
    text = (
        '<!DOCTYPE a [<!ENTITY e "00:00:5e:00:53:01">]>\n'
        "<a><arp-table-entry><mac-address>&e;</mac-address></arp-table-entry></a>"
    )

    found = read("juniper_junos", "show arp | display xml", text)

    assert found.observations == ()
    assert not found.complete
    assert "XML that declares entities is not read" in why(found).values()


def test_bytes_that_are_no_utf8_spoil_nothing_else() -> None:
    text = detail(name="phone-7", description="Caf\u00e9").encode("latin-1")

    found = read("cisco_ios", "show lldp neighbors detail", text)

    assert found.complete
    assert of(found).attributes["description"] == "Café"


def test_text_with_two_bytes_a_character_is_read() -> None:
    found = read("cisco_ios", "show mac address-table", ios(*on_port("Gi1/0/7", 1)).encode("utf-16"))

    assert of(found).place["port"] == "Gi1/0/7"


def test_a_line_that_no_device_prints_is_left_out_before_a_template_sees_it() -> None:
    found = read("cisco_ios", "show mac address-table", ios(*on_port("Gi1/0/7", 1)) + " " * 5000 + "x")

    assert len(found.observations) == 1
    assert why(found) == {"line 8": "longer than 1024 characters"}


@pytest.mark.parametrize("content", [b"\x7fELF\x00\x00\x01", b" " * (32 * 1024 * 1024 + 1)], ids=["bytes", "too large"])
def test_what_is_no_text_of_a_device_is_refused(content: bytes) -> None:
    with pytest.raises(MspError) as caught:
        read("cisco_ios", "show mac address-table", content)

    assert caught.value.code == "MSP-OBS-042"
    assert "answer.txt" in str(caught.value)


def test_an_unknown_platform_names_those_that_are_read() -> None:
    with pytest.raises(MspError) as caught:
        read("cisco", "show mac address-table", "")

    assert caught.value.code == "MSP-OBS-040"
    assert "cisco_ios" in caught.value.action
    assert "hp_procurve" in caught.value.action


@pytest.mark.parametrize(
    "command", ["show version", "show mac address-table | include 0000", "show mac address", "", "sh"]
)
def test_an_unknown_command_names_those_of_the_platform(command: str) -> None:
    with pytest.raises(MspError) as caught:
        read("hp_procurve", command, "")

    assert caught.value.code == "MSP-OBS-041"
    assert caught.value.action == (
        "use one of: show mac-address, show arp, show lldp info remote-device, show lldp info remote-device detail"
    )


@pytest.mark.parametrize("platform", ["aruba_procurve", "HP_Procurve "])
def test_a_platform_may_go_by_another_name(platform: str) -> None:
    assert not read(platform, "sh mac-a", "").complete


# --- whatever comes in ---

EVERY = [(platform, command) for platform, commands in COMMANDS.items() for command in commands]
fragments = st.sampled_from(
    [
        *(
            "0000.5e00.5301",
            "00:00:5e:00:53:01",
            "00005e-005301",
            "192.0.2.1",
            "10",
            "DYNAMIC",
            "Gi1/0/1",
            "-",
            "\n",
            "\n",
        ),
        *("  ", "Vlan", "Mac Address", "Device ID", "Local Intf:", "-----", " --More-- ", "\b", "\r", "switch-1#"),
        *("% Invalid", "lldp.eth0.via=LLDP", "lldp.eth0.chassis.mac=", "<arp-table-entry>", "</arp-table-entry>"),
        *("dev", "lladdr", "\x1b[2K"),
        *(line for parameter in TABLES for line in str(parameter.values[2]).splitlines(keepends=True)),
    ]
)
texts = st.one_of(
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=200),
    st.lists(fragments, max_size=30).map(lambda parts: " ".join(parts).encode()),
    st.lists(fragments, max_size=30).map(lambda parts: "".join(parts).encode()),
)


@settings(deadline=None)
@given(st.sampled_from(EVERY), texts)
def test_any_text_is_a_reading_or_an_error_that_says_what_to_do(where: tuple[str, str], content: bytes) -> None:
    platform, command = where
    try:
        found = read(platform, command, content)
    except MspError as error:
        assert error.code == "MSP-OBS-042"
        return

    assert found.observations or not found.complete or found.skipped
    for one in found.observations:
        assert one.identity
        assert all(value for value in one.identity.values())
        assert all(len(mac) == 17 and mac == mac.lower() for mac in one.identity.get("macs", ()))
        assert ("via_trunk" in one.place) <= ("port" not in one.place)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 7), st.data())
def test_half_an_answer_is_never_more_than_the_whole(which: int, data: st.DataObject) -> None:
    platform, command, text, _port = TABLES[which].values
    half = str(text)[: data.draw(st.integers(0, len(str(text))))]

    whole, part = read(str(platform), str(command), str(text)), read(str(platform), str(command), half)

    macs = {mac for one in whole.observations for mac in one.identity["macs"]}
    told = {mac for one in part.observations for mac in one.identity["macs"]}
    if half.endswith("\n"):
        assert told <= macs
    if part.complete:
        assert told == macs
