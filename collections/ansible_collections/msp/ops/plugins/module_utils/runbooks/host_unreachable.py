# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook host_unreachable: from which side a host cannot be reached, and how far one gets. Changes nothing.

It runs on the controller, and on neighbours of the host, and never on the host itself. What each saw is put together by
the last one that is asked (views).
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.runbooks import answer, words
from ansible_collections.msp.ops.plugins.module_utils.runbooks.answer import Answer
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import Tools

SPEC: dict[str, dict[str, Any]] = {
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "default": 22},
    "seconds": {"type": "int", "default": 5},
    "attempts": {"type": "int", "default": 3},
    "views": {"type": "dict", "default": {}},
}
HERE = "the controller"
_ECHO = {socket.AF_INET: (socket.IPPROTO_ICMP, 8, 0), socket.AF_INET6: (58, 128, 129)}


class View(NamedTuple):
    """How far one gets from one side. ping is None where this side may not ask so."""

    resolves: bool
    ping: bool | None
    port: str
    banner: bool

    @property
    def reached(self) -> bool:
        return self.banner


OPEN, REFUSED, SILENT, NO_WAY = ("open", "refused", "silent", "no way")


def act(tools: Tools, given: dict[str, Any]) -> Answer:
    del tools  # it changes nothing, and needs no program
    address, port, seconds = given["address"], given["port"], float(given["seconds"])
    here = look(address, port, seconds)
    for _number in range(given["attempts"] - 1):
        if here.reached:
            break
        time.sleep(min(1.0, seconds))
        here = look(address, port, seconds)
    views = {str(name): of_neighbour(str(name), view) for name, view in sorted(given["views"].items())}
    found = [line for name, view in ((HERE, here), *views.items()) for line in tell(name, view, port)]
    before = measured(here, views)
    if here.reached:
        return answer.nothing_to_do(found, before)
    return answer.gave_up(found, before, conclusion(here, views, port))


# -- one look ------------------------------------------------------------------------------------------------------


def look(address: str, port: int, seconds: float) -> View:
    try:
        family, kind, protocol, _name, target = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        return View(False, None, NO_WAY, False)
    ping = echo(family, str(target[0]), seconds)
    with socket.socket(family, kind, protocol) as connection:
        connection.settimeout(seconds)
        try:
            connection.connect(target)
        except ConnectionRefusedError:
            return View(True, ping, REFUSED, False)
        except socket.timeout:
            return View(True, ping, SILENT, False)
        except OSError:
            return View(True, ping, NO_WAY, False)
        return View(True, ping, OPEN, _greets(connection))


def _greets(connection: socket.socket) -> bool:
    """Whether it says that it is an ssh server (RFC 4253: SSH-)."""
    try:
        return connection.recv(4, socket.MSG_WAITALL) == b"SSH-"
    except OSError:
        return False


def echo(family: int, address: str, seconds: float) -> bool | None:
    """One ping. None where this user may send none."""
    protocol, question, reply = _ECHO[family]
    connection = _icmp(family, protocol)
    if connection is None:
        return None
    with connection:
        token = os.urandom(16)
        try:
            connection.settimeout(seconds)
            connection.connect((address, 0))
            connection.send(_request(question, token, family))
        except OSError:
            return False
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                data = connection.recv(2048)
            except OSError:
                return False
            # A raw socket of IPv4 gets the IP header too, and everybody's answers.
            start = 4 * (data[0] & 15) if family == socket.AF_INET and connection.type == socket.SOCK_RAW else 0
            if data[start : start + 1] == bytes([reply]) and data.endswith(token):
                return True
    return False


def _icmp(family: int, protocol: int) -> socket.socket | None:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            return socket.socket(family, kind, protocol)
        except PermissionError:
            continue
        except OSError:
            return None
    return None


def _request(question: int, token: bytes, family: int) -> bytes:
    """The kernel reckons the sum of ICMPv6, and of a datagram socket."""
    head = struct.pack("!BBHHH", question, 0, 0, os.getpid() & 0xFFFF, 1)
    total = checksum(head + token) if family == socket.AF_INET else 0
    return struct.pack("!BBHHH", question, 0, total, os.getpid() & 0xFFFF, 1) + token


def checksum(data: bytes) -> int:
    """RFC 1071."""
    words_of = struct.unpack("!%dH" % (len(data) // 2), data)
    total = sum(words_of)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def of_neighbour(name: str, said: Any) -> View:
    """What a neighbour measured. It is a host's word: what is in no known form is refused."""
    try:
        found = View(said["resolves"], said["ping"], said["port"], said["banner"])
    except (TypeError, KeyError):
        found = View(False, None, "", False)
    kinds = (found.resolves, found.banner, found.ping is None or found.ping)
    if found.port not in (OPEN, REFUSED, SILENT, NO_WAY) or not all(isinstance(one, bool) for one in kinds):
        raise MspError(
            "MSP-RUN-022",
            "what a neighbour saw as the module runbook_host_unreachable tells it",
            "something else from %s" % words.plain(name, 80),
            "look at that host; the runbook can be run without it (--limit)",
        )
    return found


# -- what it comes to, pure ----------------------------------------------------------------------------------------


def tell(name: str, view: View, port: int) -> list[str]:
    side = words.plain(name, 80)
    if not view.resolves:
        return ["seen from %s: the name has no address" % side]
    ping = {True: "it answers a ping", False: "it answers no ping", None: "no ping could be sent"}[view.ping]
    how = {
        OPEN: "port %d is open, and %s" % (port, "ssh answers" if view.banner else "says nothing of ssh"),
        REFUSED: "port %d is closed" % port,
        SILENT: "port %d gives no answer" % port,
        NO_WAY: "there is no way to port %d" % port,
    }[view.port]
    return ["seen from %s: %s, %s" % (side, ping, how)]


def conclusion(here: View, views: Mapping[str, View], port: int) -> str:
    """Where a person looks first. here did not reach it."""
    others = sorted(name for name, view in views.items() if view.reached)
    if others:
        shape = (
            "it is up, and reached from %s but not from the controller: look at the way between (VPN, firewall, routes)"
        )
        return shape % words.listed([words.plain(one, 80) for one in others])
    everybody = [here, *views.values()]
    sides = "from all %d sides" % len(everybody) if views else "from the controller, and no neighbour was asked"
    if any(view.port == OPEN for view in everybody):
        return "its port %d takes connections and says nothing (%s): it is overloaded or hangs, look at its console" % (
            port,
            sides,
        )
    if any(view.port == REFUSED for view in everybody):
        return "it is up, and nothing waits on port %d (%s): sshd does not run, or a firewall refuses" % (port, sides)
    if any(view.ping for view in everybody):
        return "it answers a ping and no ssh (%s): a firewall drops it, or the machine hangs" % sides
    if not any(view.resolves for view in everybody):
        return "its name has no address (%s): look at the DNS" % sides
    shape = "nothing of it answers (%s): it is off, or its network is; look at its power, its switch and its console"
    return shape % sides


def measured(here: View, views: Mapping[str, View]) -> dict[str, Any]:
    reached = sum(view.reached for view in (here, *views.values()))
    return {**here._asdict(), "sides": 1 + len(views), "sides_that_reach_it": reached}
