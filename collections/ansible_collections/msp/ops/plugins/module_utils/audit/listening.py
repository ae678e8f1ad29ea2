# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What waits for connections: TCP listeners and bound UDP sockets, with the program behind each where root may see it.

A port out of the kernel's own range for outgoing connections says nothing stable: the facts count it as port null, the
numbers go with what changes every minute.
"""

from __future__ import annotations

import os
import socket
import struct

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

_LISTEN, _UNCONNECTED = "0A", "07"
_TABLES = (("tcp", _LISTEN), ("tcp6", _LISTEN), ("udp", _UNCONNECTED), ("udp6", _UNCONNECTED))


def parse_address(text: str) -> tuple[str, int]:
    """ "0100007F:0016" as ("127.0.0.1", 22): the kernel prints 32-bit words in the processor's own byte order."""
    address, _colon, port = text.partition(":")
    words = [int(address[start : start + 8], 16) for start in range(0, len(address), 8)]
    raw = struct.pack("=%dI" % len(words), *words)
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw), int(port, 16)


def parse_table(protocol: str, state: str, text: str) -> list[tuple[str, str, int, str]]:
    """One of /proc/net/{tcp,udp}{,6} as (protocol, address, port, inode)."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) >= 10 and words[3] == state:
            address, port = parse_address(words[1])
            found.append((protocol, address, port, words[9]))
    return found


def parse_port_range(text: str) -> tuple[int, int]:
    """/proc/sys/net/ipv4/ip_local_port_range."""
    words = text.split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else (32768, 60999)


def group(sockets: list[tuple[str, str, int, str | None]], ephemeral: tuple[int, int]) -> list[dict]:
    """Sorted and without doubles; a port out of the ephemeral range becomes null."""
    low, high = ephemeral
    rows = {(p, a, -1 if low <= port <= high else port, process or "") for p, a, port, process in sockets}
    return [
        {"protocol": p, "address": a, "port": None if port < 0 else port, "process": process or None}
        for p, a, port, process in sorted(rows)
    ]


def processes(host: Host) -> dict[str, str]:
    """Socket inode to the name of the process with the lowest number that holds it."""
    found: dict[str, str] = {}
    for number in sorted((int(name) for name in host.names("/proc") if name.isdigit()), reverse=True):
        place = host.path("/proc/%d/fd" % number)
        try:
            links = [os.readlink(os.path.join(place, name)) for name in os.listdir(place)]
        except OSError:
            # The process ended meanwhile, or it is not ours to see.
            continue
        held = [link[8:-1] for link in links if link.startswith("socket:[")]
        if held:
            name = host.line("/proc/%d/comm" % number) or "?"
            found.update(dict.fromkeys(held, name))
    return found


def collect(host: Host) -> tuple[list[dict], list[dict]]:
    """The stable listeners, and those on ephemeral ports with their numbers."""
    sockets = []
    for table, state in _TABLES:
        name = "/proc/net/" + table
        if host.exists(name):
            sockets += parse_table(table[:3], state, host.text(name))
    owners = processes(host) if host.privileged else {}
    if not host.privileged:
        host.unknown("listening.process", "which program listens can be seen by root only")
    named = [(protocol, address, port, owners.get(inode)) for protocol, address, port, inode in sockets]
    ephemeral = parse_port_range(host.line("/proc/sys/net/ipv4/ip_local_port_range") or "")
    passing = [one for one in named if ephemeral[0] <= one[2] <= ephemeral[1]]
    return group(named, ephemeral), group(passing, (1, 0))
