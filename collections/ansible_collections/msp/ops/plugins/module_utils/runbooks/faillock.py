# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pam_faillock keeps of wrong logins: its rules as PAM's files give them, and its file for an account. Reads only."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

CONF = "/etc/security/faillock.conf"
PAM = "/etc/pam.d"
# Linux-PAM's struct tally: where it came from, room, what the first field is, and when.
_TALLY = struct.Struct("=52sHHQ")
_VALID, _HOST, _TERMINAL = 1, 2, 4
NEVER = 0


class Rules(NamedTuple):
    """As the manual of pam_faillock has them where nothing is said. unlock_seconds NEVER: only by hand."""

    directory: str = "/var/run/faillock"
    deny: int = 3
    interval_seconds: int = 900
    unlock_seconds: int = 600


class Failure(NamedTuple):
    """One wrong login. source is a host's name or address, a terminal, or a program; of what kind, kind says."""

    at: int
    source: str
    kind: str


def parse_tally(data: bytes) -> list[Failure]:
    """The failures that still count, the oldest first."""
    found = []
    for start in range(0, len(data) - len(data) % _TALLY.size, _TALLY.size):
        source, _room, status, at = _TALLY.unpack_from(data, start)
        if status & _VALID:
            kind = "host" if status & _HOST else "terminal" if status & _TERMINAL else "program"
            found.append(Failure(at, source.split(b"\0")[0].decode("utf-8", "replace"), kind))
    return sorted(found)


def parse_conf(text: str) -> dict[str, str]:
    """faillock.conf: NAME = VALUE, or NAME alone."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    return {name.strip(): value.strip() for name, _equals, value in (line.partition("=") for line in lines if line)}


def arguments(text: str) -> list[dict[str, str]]:
    """What each line of a file of PAM's gives pam_faillock.so, where it uses it."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        _before, module, rest = line.partition("#")[0].partition("pam_faillock.so")
        if module:
            found.append(dict(word.partition("=")[::2] for word in rest.split()))
    return found


def rules(conf: dict[str, str], lines: Sequence[dict[str, str]]) -> Rules | None:
    """None where no service of PAM's uses it. Where lines differ, the strictest counts: so an account is never taken
    for open that one of them keeps out."""
    if not lines:
        return None
    plain = Rules()

    def numbers(name: str, otherwise: int) -> list[int]:
        said = [line.get(name, conf.get(name, str(otherwise))) for line in lines]
        return [NEVER if one == "never" else int(one) for one in said if re.fullmatch(r"\d+|never", one)] or [otherwise]

    directories = [line.get("dir", conf.get("dir", plain.directory)) for line in lines]
    unlocks = numbers("unlock_time", plain.unlock_seconds)
    return Rules(
        directories[0],
        min(numbers("deny", plain.deny)),
        max(numbers("fail_interval", plain.interval_seconds)),
        NEVER if NEVER in unlocks else max(unlocks),
    )


def locked(failures: Sequence[Failure], rule: Rules, now: float) -> bool:
    """As pam_faillock decides it: so many failures within the interval that ends with the last one."""
    if not failures or not rule.deny:
        return False
    last = failures[-1].at
    counted = [one for one in failures if last - one.at < rule.interval_seconds]
    over = rule.unlock_seconds != NEVER and last + rule.unlock_seconds < now
    return len(counted) >= rule.deny and not over


def of_host(host: Host) -> Rules | None:
    conf = parse_conf(host.text(CONF)) if host.exists(CONF) else {}
    lines = [one for name in host.names(PAM) for one in arguments(host.text("%s/%s" % (PAM, name)))]
    return rules(conf, lines)


def failures(host: Host, rule: Rules, account: str) -> list[Failure]:
    path = "%s/%s" % (rule.directory, account)
    return parse_tally(host.data(path)) if host.exists(path) else []
