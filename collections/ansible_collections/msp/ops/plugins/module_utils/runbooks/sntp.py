# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a time server how far this host's clock is off: one question of SNTP (RFC 4330) over UDP. Sets nothing."""

from __future__ import annotations

import os
import socket
import statistics
import struct
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

PORT = 123
SECONDS = 3.0
MOST_SERVERS = 4
# NTP counts from 1900, Unix from 1970.
_EPOCH = 2208988800
_LENGTH = 48
# Version 4, a client's question.
_QUESTION = 0x23
_SERVER, _NOT_SYNCHRONISED = 4, 3


class NoTime(Exception):
    """A server that gave no usable time, and why."""


class Told(NamedTuple):
    """offset: so many seconds are to be added to this host's clock. delay: how long question and answer took."""

    server: str
    offset: float
    delay: float


def question(nonce: bytes) -> bytes:
    """The transmit time is random: the answer brings it back, which nobody off the path can guess."""
    return bytes([_QUESTION]) + bytes(39) + nonce


def read(data: bytes, nonce: bytes, sent: float, came: float) -> tuple[float, float]:
    """Offset and delay out of an answer; NoTime where it is none of this question, or of a server without the time."""
    if len(data) < _LENGTH:
        raise NoTime("an answer of %d bytes" % len(data))
    if data[24:32] != nonce:
        raise NoTime("an answer to another question")
    leap, mode, stratum = data[0] >> 6, data[0] & 7, data[1]
    if mode != _SERVER or not 1 <= stratum <= 15 or leap == _NOT_SYNCHRONISED:
        raise NoTime("it does not have the time itself (leap %d, mode %d, stratum %d)" % (leap, mode, stratum))
    received, transmitted = (_time(data[place : place + 8], sent) for place in (32, 40))
    if transmitted < received:
        raise NoTime("it answers before it was asked")
    return ((received - sent) + (transmitted - came)) / 2, (came - sent) - (transmitted - received)


def _time(data: bytes, near: float) -> float:
    """Seconds since 1970: of the 136-year eras of NTP the one that is nearest to this host's own time."""
    seconds, fraction = struct.unpack("!II", data)
    if not seconds:
        raise NoTime("no time in its answer")
    found = float(seconds) - _EPOCH + float(fraction) / 2**32
    return found + round((near - found) / 2**32) * float(2**32)


def ask(server: str, port: int = PORT) -> Told:
    nonce = os.urandom(8)
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(server, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as connection:
            connection.settimeout(SECONDS)
            connection.connect(address)
            # The wall clock may jump between the two readings; the length is taken from one that cannot.
            sent, began = time.time(), time.monotonic()
            connection.send(question(nonce))
            data = connection.recv(512)
            came = sent + time.monotonic() - began
    except socket.timeout as error:
        raise NoTime("no answer within %d seconds" % SECONDS) from error
    except OSError as error:
        raise NoTime(str(error)) from error
    offset, delay = read(data, nonce, sent, came)
    return Told(server, offset, delay)


class Offset(NamedTuple):
    """seconds is None where no server told. silent: the servers that did not, each with why."""

    seconds: float | None
    told: list[Told]
    silent: dict[str, str]


def measure(servers: Sequence[str], asked: Callable[[str], Told] = ask) -> Offset:
    """The median of what the servers say: one of three that is wrong is outvoted."""
    told, silent = [], {}
    for server in servers[:MOST_SERVERS]:
        try:
            told.append(asked(server))
        except NoTime as error:
            silent[server] = str(error)
    return Offset(statistics.median(one.offset for one in told) if told else None, told, silent)
