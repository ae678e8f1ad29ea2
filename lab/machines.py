"""The lab's hosts, as a table: two customers, hosts that match their contract and hosts that differ on purpose.

Pure: no I/O. Everything here is made up. A container has no hardware of its own, so what a host says of its machine
(vendor, model, serial, UUID, asset tag) is the stand-in written here; the controller's own is hidden from it.
"""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.image import DEBIAN_11, DEBIAN_12, DEBIAN_12_BEHIND, DEBIAN_12_DNF, DEBIAN_13, Recipe

BAKKERIJ_JANSEN = "bakkerij-jansen"
HARBOUR_DENTAL = "harbour-dental"
PLACEHOLDER_SERIAL = "To be filled by O.E.M."
# None of the ports that a scan asks what they are: nmap would try an unknown protocol for half a minute.
ORDERS_PORT = 47070
UNITS = "/etc/systemd/system"


@dataclass(frozen=True)
class Machine:
    """One host. `hostname` is what it calls itself, `number` its address in the customer's network."""

    name: str
    customer: str
    number: int
    asset_class: str
    vendor: str
    model: str
    serial: str
    asset_tag: str
    recipe: Recipe | None  # None: in the contract, but not there
    contracted: bool = True
    own_hostname: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)  # mounted read-only
    options: tuple[str, ...] = ()  # more of podman run's

    @property
    def hostname(self) -> str:
        return self.own_hostname or self.name

    @property
    def mac(self) -> str:
        """An address for documentation (RFC 9542), by its place in the table: nobody's, and not made up either.

        A locally administered address would be taken for a phone's and identify nothing.
        """
        table = (*MACHINES, *NEWCOMERS)
        place = next(place for place, machine in enumerate(table, start=1) if machine.name == self.name)
        return f"00:00:5e:00:53:{place:02x}"

    @property
    def uuid(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.name}.{self.customer}.example.com"))

    def address(self, subnet: ipaddress.IPv4Network) -> str:
        return str(subnet[self.number])

    @property
    def dmi(self) -> dict[str, str]:
        """The files of /sys/class/dmi/id that say who a machine is, as Linux names them."""
        return {
            "sys_vendor": self.vendor,
            "product_name": self.model,
            "product_serial": self.serial,
            "product_uuid": self.uuid,
            "product_version": "1.0",
            "chassis_asset_tag": self.asset_tag,
            "chassis_serial": self.serial,
            "chassis_vendor": self.vendor,
            "chassis_type": {"server": "23", "workstation": "3"}.get(self.asset_class, "1"),
            "board_vendor": self.vendor,
            "board_name": f"{self.model} board",
            "board_serial": self.serial,
            "bios_vendor": self.vendor,
            "bios_version": "1.4.2",
            "bios_date": "03/11/2023",
        }


# The tills hand their orders to the server: so the server knows a neighbour that nobody has listed.
ORDERS = {
    f"{UNITS}/orders.socket": f"[Socket]\nListenStream={ORDERS_PORT}\nAccept=yes\n",
    f"{UNITS}/orders@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\nStandardOutput=socket\n",
    f"{UNITS}/sockets.target.d/orders.conf": "[Unit]\nWants=orders.socket\n",
}
TILL_PROGRAM = f"""\
import socket
with socket.create_connection(("jansen-srv01", {ORDERS_PORT}), timeout=5) as connection:
    connection.sendall(b"order 1\\n")
    connection.shutdown(socket.SHUT_WR)
    connection.recv(64)
"""
TILL = {
    "/usr/local/lib/till.py": TILL_PROGRAM,
    f"{UNITS}/till.service": "[Service]\nType=oneshot\nExecStart=-/usr/bin/python3 /usr/local/lib/till.py\n",
    f"{UNITS}/till.timer": "[Timer]\nOnActiveSec=1s\nOnUnitInactiveSec=20s\nAccuracySec=1s\n",
    f"{UNITS}/timers.target.d/till.conf": "[Unit]\nWants=till.timer\n",
}

MACHINES = (
    Machine(
        "jansen-srv01", BAKKERIJ_JANSEN, 10, "server", "Example Systems", "ES R240",
        "EXS7K2041", "BJ-0001", DEBIAN_12, files=ORDERS,
    ),
    Machine(
        "jansen-ws01", BAKKERIJ_JANSEN, 21, "workstation", "Example Systems", "ES Desk 5",
        "EXW5M8817", "BJ-0002", DEBIAN_12_BEHIND,
    ),
    Machine(
        "jansen-till02", BAKKERIJ_JANSEN, 32, "workstation", "Example Tills", "Counter 2",
        "EXT2P6630", "", DEBIAN_12, contracted=False, files=TILL,
    ),
    Machine(
        "jansen-nas01", BAKKERIJ_JANSEN, 40, "server", "Example Storage", "Shelf 4",
        "EXN4D1102", "BJ-0003", None,
    ),
    Machine(
        "harbour-srv01", HARBOUR_DENTAL, 10, "server", "Example Systems", "ES R260",
        "EXS9C4410", "HD-0001", DEBIAN_13,
    ),
    Machine(
        "harbour-ws01", HARBOUR_DENTAL, 21, "workstation", "Example Systems", "ES Desk 3",
        PLACEHOLDER_SERIAL, "HD-0002", DEBIAN_12, own_hostname="reception-old",
    ),
    Machine(
        "harbour-db01", HARBOUR_DENTAL, 11, "server", "Example Systems", "ES R220",
        "EXS2B0093", "HD-0003", DEBIAN_11,
    ),
)  # fmt: skip


# Hosts that a customer bought and told nobody of: they come when somebody plugs them in (lab.hosts.up with `also`).
NEWCOMERS = (
    Machine(
        "jansen-ws02", BAKKERIJ_JANSEN, 22, "workstation", "Example Systems", "ES Desk 6",
        "EXW6N0042", "", DEBIAN_12, contracted=False,
    ),
    # Five alike, as a rollout has them: installed long ago, with Debian's security updates of the time since pending.
    *(
        Machine(
            f"harbour-pc{number:02}", HARBOUR_DENTAL, 30 + number, "workstation", "Example Systems", "ES Desk 3",
            f"EXW3F{number:04}", "", DEBIAN_12_BEHIND, contracted=False,
        )
        for number in range(1, 6)
    ),
    # And one beside them that has dnf.
    Machine(
        "harbour-pos01", HARBOUR_DENTAL, 36, "workstation", "Example Systems", "ES Till 2",
        "EXT2K0007", "", DEBIAN_12_DNF, contracted=False,
    ),
    # New servers, on which a firewall can be loaded; a release each. /proc/sys is read-only in a container, so what of
    # it is a network's own is as it should be from the start.
    *(
        Machine(
            f"harbour-app{number:02}", HARBOUR_DENTAL, 40 + number, "server", "Example Systems", "ES R240",
            f"EXS8A{number:04}", "", recipe, contracted=False, options=("--cap-add=NET_ADMIN",),
        )
        for number, recipe in ((1, DEBIAN_12), (2, DEBIAN_13))
    ),
)  # fmt: skip


def customers() -> tuple[str, ...]:
    return tuple(dict.fromkeys(machine.customer for machine in MACHINES))


def free_subnet(taken: list[ipaddress.IPv4Network]) -> ipaddress.IPv4Network | None:
    """The first network of the lab's range that overlaps none of those taken; None when all are."""
    for subnet in ipaddress.IPv4Network("10.203.0.0/16").subnets(new_prefix=24):
        if not any(subnet.overlaps(other) for other in taken):
            return subnet
    return None
