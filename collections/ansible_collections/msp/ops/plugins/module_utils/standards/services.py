# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The clock and who keeps it, the audit system and its rules, and what waits for connections. Sets nothing."""

from __future__ import annotations

import glob
import ipaddress
import os
import re

from ansible_collections.msp.ops.plugins.module_utils.audit import listening as sockets
from ansible_collections.msp.ops.plugins.module_utils.audit import timesync, virtualisation
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.standards import units
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable

NONE = "none"
# Where each service is installed, and its configuration.
_KEEPERS = {
    "chrony": ("/usr/sbin/chronyd", ("/etc/chrony/chrony.conf", "/etc/chrony.conf")),
    "ntpsec": ("/usr/sbin/ntpd", ("/etc/ntpsec/ntp.conf",)),
    "systemd-timesyncd": ("/usr/lib/systemd/systemd-timesyncd", ()),
}
_TIMESYNCD = "systemd/timesyncd.conf"
_DEEPEST_INCLUDE = 8
_ZONES = "/zoneinfo/"


# -- the clock -----------------------------------------------------------------------------------------------------


def clock(reader: Reader) -> dict:
    """synchronised is None where the kernel does not tell, and in a container, which has the clock of its host."""
    host = reader.host
    kind = reader.once(_kind)
    found = reader.once(_timesync)
    running = found["service"]
    if running == "ntpd" and host.exists("/etc/ntpsec"):
        running = "ntpsec"
    there = [name for name, (program, _configs) in _KEEPERS.items() if host.exists(program)]
    service = running or (there[0] if there else NONE)
    return {
        "service": service,
        "running": bool(running),
        "synchronised": found["synchronised"],
        "servers": servers(reader, service, running=bool(running)),
        "timezone": timezone(host),
        "container": kind in virtualisation.CONTAINERS,
    }


def _kind(reader: Reader) -> str | None:
    kind: str | None = virtualisation.collect(reader.host)["type"]
    return kind


def _timesync(reader: Reader) -> dict:
    """With its notes left where they are: None for synchronised says the same."""
    found: dict = timesync.collect(reader.host, reader.once(_kind))
    return found


def timezone(host: Host) -> str | None:
    """The zone's name; UTC where nothing is set, which is what the C library takes then."""
    target = host.link("/etc/localtime")
    if target and _ZONES in target:
        return target.partition(_ZONES)[2]
    if host.exists("/etc/localtime"):
        # A copy of a zone's file does not say which.
        return host.line("/etc/timezone")
    return "UTC"


def servers(reader: Reader, service: str, *, running: bool) -> list[str]:
    """As they are configured: names stay names. Servers that only DHCP gave are not among them."""
    if service == "systemd-timesyncd":
        given = _timesyncd(reader, "NTP") or _timesyncd(reader, "FallbackNTP") or _built_in(reader, running=running)
        return list(dict.fromkeys(given))
    host = reader.host
    _program, configs = _KEEPERS.get(service, ("", ()))
    place = next((one for one in configs if host.exists(one)), None)
    if place is None:
        return []
    found: list[str] = []
    _time_servers(host, place, found, 0)
    return list(dict.fromkeys(found))


def _timesyncd(reader: Reader, name: str) -> list[str]:
    values = units.setting(reader, _TIMESYNCD, "Time", name)["values"]
    return [server for value in values for server in value.split()]


def _built_in(reader: Reader, *, running: bool) -> list[str]:
    """The servers that timesyncd asks where its files name none: none, where an empty FallbackNTP= says so."""
    if any(row[:2] == ("Time", "FallbackNTP") for row in reader.once(units.rows, _TIMESYNCD)):
        return []
    if running:
        told = reader.host.run("timedatectl", "show-timesync", "--property=FallbackNTPServers", "--value")
        if told.status == 0:
            return told.out.split()
    # Nothing may be started to ask it; its file as it comes shows what was built in, in comments.
    text = "".join(reader.host.text(place) for place in units.setting_files(reader, _TIMESYNCD)[:1])
    return [server for line in re.findall(r"^#\s*FallbackNTP=(.*)$", text, re.MULTILINE) for server in line.split()]


def _time_servers(host: Host, place: str, found: list[str], depth: int) -> None:
    """Of chrony's and ntpd's files: server, pool and peer lines, with the directories that chrony takes in."""
    if depth > _DEEPEST_INCLUDE:
        raise Unmeasurable("the configuration of the time service includes files too deep")
    for line in host.text(place).splitlines():
        words = line.split()
        if len(words) < 2 or words[0].startswith(("#", "!", ";", "%")):
            continue
        directive, value = words[0].lower(), words[1]
        if directive in ("server", "pool", "peer"):
            found.append(value)
        elif directive in ("include", "includefile"):
            for one in _glob(host, value):
                _time_servers(host, one, found, depth + 1)
        elif directive in ("confdir", "sourcedir"):
            ending = ".conf" if directive == "confdir" else ".sources"
            for directory in words[1:]:
                for name in host.names(directory):
                    if name.endswith(ending):
                        _time_servers(host, "%s/%s" % (directory.rstrip("/"), name), found, depth + 1)


def _glob(host: Host, pattern: str) -> list[str]:
    base = host.root.rstrip("/")
    return sorted(one[len(base) :] for one in glob.glob(glob.escape(base) + pattern) if os.path.isfile(one))


# -- the audit system ----------------------------------------------------------------------------------------------


def audit_rules(reader: Reader) -> dict:
    """enabled is also true where the rules are locked until the next start."""
    host = reader.host
    if not host.program("auditctl"):
        raise Absent("the audit system is not on this host")
    if reader.once(_kind) in virtualisation.CONTAINERS:
        raise Absent("a container has no audit system of its own")
    listed, status = reader.answer("auditctl", "-l"), reader.answer("auditctl", "-s")
    state = re.search(r"^enabled (\d)", status.out, re.MULTILINE)
    if state is None:
        raise Unmeasurable("auditctl does not tell whether the audit system is enabled")
    return {
        "loaded": [one for one in rule_lines(listed.out) if one != "No rules"],
        "configured": configured_rules(host),
        "enabled": state.group(1) != "0",
    }


def rule_lines(text: str) -> list[str]:
    """Rules with single spaces, without comments."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def configured_rules(host: Host) -> list[str]:
    """What augenrules would load: the files of rules.d by name, else the one file."""
    parts = ["/etc/audit/rules.d/" + name for name in host.names("/etc/audit/rules.d") if name.endswith(".rules")]
    single = "/etc/audit/audit.rules"
    places = parts or ([single] if host.exists(single) else [])
    return [line for place in places for line in rule_lines(host.text(place))]


# -- what waits for connections ------------------------------------------------------------------------------------


def listening(reader: Reader) -> dict:
    """open is what the network can reach as far as addresses tell: the packet filter is another probe.

    A UDP socket on a port that the kernel gave out is the other end of a question, and is in ports only.
    """
    if not reader.host.exists("/proc/net/tcp"):
        raise Unmeasurable("the kernel's table of sockets cannot be read")
    stable, passing = reader.once(_sockets)
    rows = [row for row in stable if row["port"] is not None] + passing
    given_out = {_port(row) for row in passing if row["protocol"] == "udp"}
    opened = {_port(row) for row in rows if not is_loopback(row["address"])}
    return {
        "ports": sorted({" ".join(_words(row)) for row in rows}),
        "open": sorted(opened - given_out),
    }


def reachable(reader: Reader) -> list[tuple[str, int, str]]:
    """The same with the program behind each, as protocol, port and name: what others can ask for."""
    if not reader.host.exists("/proc/net/tcp"):
        raise Unmeasurable("the kernel's table of sockets cannot be read")
    stable, passing = reader.once(_sockets)
    rows = [row for row in stable if row["port"] is not None]
    rows += [row for row in passing if row["protocol"] != "udp"]
    return sorted({(r["protocol"], r["port"], r["process"] or "") for r in rows if not is_loopback(r["address"])})


def waiting(reader: Reader) -> list[tuple[str, int, str]]:
    """What waits for connections of TCP, on whichever address, as address, port and the program's name."""
    if not reader.host.exists("/proc/net/tcp"):
        raise Unmeasurable("the kernel's table of sockets cannot be read")
    if not reader.host.privileged:
        raise Unmeasurable("which program listens can be seen by root only")
    stable, passing = reader.once(_sockets)
    rows = [row for row in stable if row["port"] is not None] + passing
    return sorted({(r["address"], r["port"], r["process"] or "") for r in rows if r["protocol"] == "tcp"})


def _sockets(reader: Reader) -> tuple[list[dict], list[dict]]:
    found: tuple[list[dict], list[dict]] = sockets.collect(reader.host)
    return found


def _port(row: dict) -> str:
    return "%s/%s" % (row["protocol"], row["port"])


def _words(row: dict) -> list[str]:
    return [_port(row), row["address"], *([row["process"]] if row["process"] else [])]


def is_loopback(address: str) -> bool:
    found = ipaddress.ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback
