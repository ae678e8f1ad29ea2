# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Listening sockets out of the kernel's tables."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit import listening
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

ANY = "0.0.0.0"  # noqa: S104 - an address to read, nothing binds to it
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def kernel_address(address: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    raw = socket.inet_pton(family, address)
    return "".join(f"{word:08X}" for word in struct.unpack(f"={len(raw) // 4}I", raw)) + f":{port:04X}"


def row(address: str, port: int, state: str, inode: int) -> str:
    return f"   0: {kernel_address(address, port)} 00000000:0000 {state} 0:0 00:0 0 0 0 {inode} 1 x\n"


@given(st.ip_addresses(), st.integers(min_value=0, max_value=65535))
def test_every_address_reads_back_as_it_was_written(address: object, port: int) -> None:
    found = listening.parse_address(kernel_address(str(address), port))

    assert found == (socket.inet_ntop(socket.AF_INET6 if ":" in str(address) else socket.AF_INET,
                                      address.packed), port)  # type: ignore[attr-defined]  # fmt: skip


def made_host(root: Path) -> Host:
    (root / "proc/net").mkdir(parents=True)
    (root / "proc/sys/net/ipv4").mkdir(parents=True)
    (root / "proc/sys/net/ipv4/ip_local_port_range").write_text("32768\t60999\n")
    tcp = row(ANY, 22, "0A", 100) + row("192.0.2.1", 5432, "0A", 101) + row("192.0.2.1", 40000, "01", 102)
    (root / "proc/net/tcp").write_text(HEAD + tcp)
    (root / "proc/net/tcp6").write_text(HEAD + row("::", 22, "0A", 103))
    udp = row(ANY, 5353, "07", 104) + row(ANY, 44444, "07", 105) + row(ANY, 55555, "07", 106)
    (root / "proc/net/udp").write_text(HEAD + udp)
    for number, name, inodes in (
        (7, "sshd", [100, 103]),
        (12, "avahi-daemon", [104, 105, 106]),
        (90, "sshd-session", [100]),
    ):
        (root / f"proc/{number}/fd").mkdir(parents=True)
        (root / f"proc/{number}/comm").write_text(name + "\n")
        for inode in inodes:
            (root / f"proc/{number}/fd/{inode}").symlink_to(f"socket:[{inode}]")
    host = Host(str(root))
    host.privileged = True
    return host


def test_listeners_have_the_program_that_opened_them(tmp_path: Path) -> None:
    stable, _passing = listening.collect(made_host(tmp_path))

    assert [(one["protocol"], one["address"], one["port"], one["process"]) for one in stable] == [
        ("tcp", ANY, 22, "sshd"),
        ("tcp", "192.0.2.1", 5432, None),
        ("tcp", "::", 22, "sshd"),
        ("udp", ANY, None, "avahi-daemon"),
        ("udp", ANY, 5353, "avahi-daemon"),
    ]


def test_ports_that_the_kernel_gave_out_are_no_facts_but_are_told(tmp_path: Path) -> None:
    _stable, passing = listening.collect(made_host(tmp_path))

    assert [one["port"] for one in passing] == [44444, 55555]


def test_without_root_the_programs_are_unknown(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    host.privileged = False

    stable, _passing = listening.collect(host)

    assert {one["process"] for one in stable} == {None}
    assert [what for what, _why in host.notes] == ["listening.process"]
