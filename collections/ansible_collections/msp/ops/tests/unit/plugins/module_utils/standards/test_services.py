# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The clock, the audit system and what listens."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import services
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader, printing

ANY = "0.0.0.0"  # noqa: S104 - an address to read, nothing binds to it
NOT_A_CONTAINER = {"systemd-detect-virt": "echo none; exit 1"}
CHRONY = """# servers
pool 2.debian.pool.ntp.org iburst
confdir /etc/chrony/conf.d
sourcedir /run/chrony-dhcp /etc/chrony/sources.d
! server commented.example.com
include /etc/chrony/more*.conf
"""


def test_a_clock_is_told_with_its_service_servers_and_zone(tmp_path: Path) -> None:
    reader = made_reader(
        tmp_path,
        {
            "/proc/9/comm": "chronyd\n",
            "/usr/sbin/chronyd": "",
            "/etc/chrony/chrony.conf": CHRONY,
            "/etc/chrony/conf.d/msp.conf": "server time.example.com iburst\nserver time.example.com\n",
            "/etc/chrony/conf.d/old.bak": "server old.example.com\n",
            "/etc/chrony/sources.d/x.sources": "peer peer.example.com\n",
            "/etc/chrony/more1.conf": "server more.example.com\n",
        },
        {**NOT_A_CONTAINER, "chronyc": "echo 'A,b,1,2,3,4,Normal'"},
    )
    (tmp_path / "etc/localtime").symlink_to("/usr/share/zoneinfo/Europe/Amsterdam")

    assert services.clock(reader) == {
        "service": "chrony",
        "running": True,
        "synchronised": True,
        "servers": ["2.debian.pool.ntp.org", "time.example.com", "peer.example.com", "more.example.com"],
        "timezone": "Europe/Amsterdam",
        "container": False,
    }


def test_a_service_that_is_installed_and_stands_still_is_told_so(tmp_path: Path) -> None:
    reader = made_reader(
        tmp_path,
        {
            "/usr/lib/systemd/systemd-timesyncd": "",
            "/etc/systemd/timesyncd.conf": "[Time]\nFallbackNTP=0.example.com 1.example.com\n",
            "/etc/timezone": "Europe/Berlin\n",
            "/etc/localtime": "TZif2",
        },
        {"systemd-detect-virt": "echo podman"},
    )

    assert services.clock(reader) == {
        "service": "systemd-timesyncd",
        "running": False,
        "synchronised": None,
        "servers": ["0.example.com", "1.example.com"],
        "timezone": "Europe/Berlin",
        "container": True,
    }


STOCK = "[Time]\n#NTP=\n#FallbackNTP=0.debian.pool.ntp.org 1.debian.pool.ntp.org\n"
SHOWN = 'test "$*" = "show-timesync --property=FallbackNTPServers --value" && echo 0.pool.example.com'


@pytest.mark.parametrize(
    ("files", "shown", "servers"),
    [
        ({}, None, ["0.debian.pool.ntp.org", "1.debian.pool.ntp.org"]),
        ({"/proc/9/comm": "systemd-timesyn\n"}, SHOWN, ["0.pool.example.com"]),
        ({"/proc/9/comm": "systemd-timesyn\n"}, "exit 1", ["0.debian.pool.ntp.org", "1.debian.pool.ntp.org"]),
        ({"/etc/systemd/timesyncd.conf.d/none.conf": "[Time]\nFallbackNTP=\n"}, None, []),
        ({"/etc/systemd/timesyncd.conf.d/one.conf": "[Time]\nNTP=time.example.com\n"}, None, ["time.example.com"]),
    ],
)
def test_the_servers_that_are_built_in_count_where_none_are_named(
    tmp_path: Path, files: dict[str, str], shown: str | None, servers: list[str]
) -> None:
    base = {"/usr/lib/systemd/systemd-timesyncd": "", "/etc/systemd/timesyncd.conf": STOCK}
    programs = {**NOT_A_CONTAINER, **({"timedatectl": shown} if shown else {})}

    assert services.clock(made_reader(tmp_path, {**base, **files}, programs))["servers"] == servers


def test_no_service_at_all_is_none_and_the_zone_is_utc(tmp_path: Path) -> None:
    found = services.clock(made_reader(tmp_path, {}, NOT_A_CONTAINER))

    assert (found["service"], found["running"], found["servers"], found["timezone"]) == ("none", False, [], "UTC")


# auditctl of audit 3.0.9.
RULES = "-w /etc/passwd -p wa -k identity\n-a always,exit  -F arch=b64 -S adjtimex -F key=time-change\n"
STATUS = "enabled 2\nfailure 1\npid 411\nrate_limit 0\nbacklog_limit 8192\nlost 0\nbacklog 0\n"


def auditctl(rules: str, status: str) -> dict[str, str]:
    script = f'if [ "$1" = -l ]; then {printing(rules)}\nelse {printing(status)}\nfi'
    return {**NOT_A_CONTAINER, "auditctl": script}


def test_rules_are_told_as_loaded_and_as_configured(tmp_path: Path) -> None:
    files = {
        "/etc/audit/rules.d/20-b.rules": "# second\n-w /etc/shadow  -p wa -k identity\n",
        "/etc/audit/rules.d/10-a.rules": "-D\n",
        "/etc/audit/rules.d/notes.txt": "-w /never\n",
        "/etc/audit/audit.rules": "-w /old\n",
    }

    assert services.audit_rules(made_reader(tmp_path, files, auditctl(RULES, STATUS))) == {
        "loaded": ["-w /etc/passwd -p wa -k identity", "-a always,exit -F arch=b64 -S adjtimex -F key=time-change"],
        "configured": ["-D", "-w /etc/shadow -p wa -k identity"],
        "enabled": True,
    }


def test_no_rules_are_an_empty_list_and_a_system_that_is_off_says_so(tmp_path: Path) -> None:
    found = services.audit_rules(made_reader(tmp_path, {}, auditctl("No rules", "enabled 0")))

    assert found == {"loaded": [], "configured": [], "enabled": False}


def test_an_audit_system_that_does_not_say_whether_it_is_on_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable, match="does not tell whether"):
        services.audit_rules(made_reader(tmp_path, {}, auditctl("No rules", "failure 1")))


def test_there_is_no_audit_system_without_its_program_nor_in_a_container(tmp_path: Path) -> None:
    with pytest.raises(Absent, match="not on this host"):
        services.audit_rules(made_reader(tmp_path / "a", {}, NOT_A_CONTAINER))
    with pytest.raises(Absent, match="container"):
        programs = {**auditctl(RULES, STATUS), "systemd-detect-virt": "echo podman"}
        services.audit_rules(made_reader(tmp_path / "b", {}, programs))


def socket_row(address: str, port: int, state: str, inode: int) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    raw = socket.inet_pton(family, address)
    words = "".join(f"{word:08X}" for word in struct.unpack(f"={len(raw) // 4}I", raw))
    return f"   0: {words}:{port:04X} 00000000:0000 {state} 0:0 00:0 0 0 0 {inode} 1 x\n"


def test_open_is_what_listens_on_more_than_loopback(tmp_path: Path) -> None:
    rows = {
        "tcp": [(ANY, 22, "0A", 1), ("127.0.0.1", 25, "0A", 2), ("192.0.2.1", 44000, "0A", 3), (ANY, 80, "01", 4)],
        "tcp6": [("::", 22, "0A", 5), ("::1", 631, "0A", 6), ("::ffff:127.0.0.1", 8080, "0A", 7)],
        "udp": [(ANY, 123, "07", 8), (ANY, 50000, "07", 9)],
    }
    files = {f"/proc/net/{name}": "head\n" + "".join(socket_row(*row) for row in some) for name, some in rows.items()}

    found = services.listening(
        made_reader(tmp_path, {**files, "/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n"})
    )

    assert found["open"] == ["tcp/22", "tcp/44000", "udp/123"]
    assert found["ports"] == sorted(
        [
            "tcp/22 0.0.0.0",
            "tcp/22 ::",
            "tcp/25 127.0.0.1",
            "tcp/44000 192.0.2.1",
            "tcp/631 ::1",
            "tcp/8080 ::ffff:127.0.0.1",
            "udp/123 0.0.0.0",
            "udp/50000 0.0.0.0",
        ]
    )
