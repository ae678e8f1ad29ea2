# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs on a host and what it takes: processor time over a moment, memory, disk waits, by process and by unit.

Reads /proc, twice for what is a rate. Stops and changes no process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.patching.effects import unit_of
from ansible_collections.msp.ops.plugins.module_utils.runbooks import words

HERTZ = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# Of so many processes the memory is asked of exactly (PSS): the kernel walks all their pages for it.
EXACT = 20


class Tick(NamedTuple):
    """A process at one moment. started tells it from a later one of the same number."""

    number: int
    started: int
    command: str
    state: str
    ticks: int
    resident: int
    parent: int


class Process(NamedTuple):
    """One over the moment. cpus: how many processors it kept busy. unit is "" for a session's."""

    number: int
    command: str
    user: str
    unit: str
    state: str
    cpus: float
    memory: int
    parent: int = 0


class Moment(NamedTuple):
    """busy and waiting are shares of all processors' time, from 0 to 1, None where the kernel's count is not this
    host's alone. Memory in bytes."""

    processes: list[Process]
    cpus: int
    busy: float | None
    waiting: float | None
    load: float
    memory_total: int
    memory_available: int
    swap_used: int


def parse_stat(text: str) -> Tick:
    """/proc/PID/stat; the name in brackets may have anything in it."""
    number, _space, rest = text.partition(" ")
    fields = text.rpartition(")")[2].split()
    command = rest[1 : rest.rindex(")")]
    return Tick(
        int(number),
        int(fields[19]),
        command,
        fields[0],
        int(fields[11]) + int(fields[12]),
        int(fields[21]) * PAGE,
        int(fields[1]),
    )


def parse_cpu(text: str) -> tuple[int, int, int]:
    """The first line of /proc/stat as ticks in all, idle, and waiting for a disk. A guest's time is in the user's."""
    numbers = [int(word) for word in text.split("\n", 1)[0].split()[1:9]]
    return sum(numbers), numbers[3], numbers[4]


def parse_memory(text: str) -> dict[str, int]:
    """/proc/meminfo in bytes."""
    rows = [line.split() for line in text.splitlines()]
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) > 1 and row[1].isdigit()}


def parse_pss(text: str) -> int | None:
    """/proc/PID/smaps_rollup: what is shared is divided among those who share it."""
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return None


def ticks(host: Host) -> dict[tuple[int, int], Tick]:
    found = {}
    for name in host.names("/proc"):
        if name.isdigit():
            try:
                one = parse_stat(host.text("/proc/%s/stat" % name))
            except (OSError, ValueError, IndexError):
                continue  # it has ended
            found[(one.number, one.started)] = one
    return found


def watch(host: Host, seconds: float, *, own_kernel: bool) -> Moment:
    """Two looks with a pause between them: a rate is what happened in it, and nothing else waits here."""
    first, cpu, began = ticks(host), parse_cpu(host.text("/proc/stat")), time.monotonic()
    time.sleep(seconds)
    second, then = ticks(host), parse_cpu(host.text("/proc/stat"))
    took = time.monotonic() - began
    memory = parse_memory(host.text("/proc/meminfo"))
    whole = max(1, then[0] - cpu[0])
    return Moment(
        _processes(host, first, second, took),
        os.cpu_count() or 1,
        1 - (then[1] - cpu[1] + then[2] - cpu[2]) / whole if own_kernel else None,
        (then[2] - cpu[2]) / whole if own_kernel else None,
        float(host.text("/proc/loadavg").split()[0]),
        memory.get("MemTotal", 0),
        memory.get("MemAvailable", 0),
        memory.get("SwapTotal", 0) - memory.get("SwapFree", 0),
    )


def _processes(
    host: Host, first: dict[tuple[int, int], Tick], second: dict[tuple[int, int], Tick], took: float
) -> list[Process]:
    biggest = {one.number for one in sorted(second.values(), key=lambda one: -one.resident)[:EXACT]}
    found = []
    for key, one in second.items():
        # One that began in between did all its work in between.
        spent = one.ticks - (first[key].ticks if key in first else 0)
        memory = _exact(host, one.number) if one.number in biggest else None
        unit, user = _unit(host, one.number), _user(host, one.number)
        cpus = spent / HERTZ / took
        memory = one.resident if memory is None else memory
        found.append(Process(one.number, one.command, user, unit, one.state, cpus, memory, one.parent))
    return found


def _exact(host: Host, number: int) -> int | None:
    try:
        return parse_pss(host.text("/proc/%d/smaps_rollup" % number))
    except OSError:
        return None


def _unit(host: Host, number: int) -> str:
    try:
        return unit_of(host.text("/proc/%d/cgroup" % number))
    except OSError:
        return ""


def _user(host: Host, number: int) -> str:
    try:
        owner = str(os.stat(host.path("/proc/%d" % number)).st_uid)
    except OSError:
        return "?"
    rows = [line.split(":") for line in host.text("/etc/passwd").splitlines()]
    return next((row[0] for row in rows if len(row) > 2 and row[2] == owner), "user %s" % owner)


# -- who takes it, pure --------------------------------------------------------------------------------------------


class Taker(NamedTuple):
    """What takes something: a unit with its processes, or a session's process alone. amount is processors or bytes."""

    unit: str
    user: str
    command: str
    number: int
    amount: float
    count: int


def takers(processes: Iterable[Process], *, memory: bool) -> list[Taker]:
    """The most first. The process that takes most speaks for its unit."""
    groups: dict[tuple[str, int], list[Process]] = {}
    for one in processes:
        groups.setdefault((one.unit, 0 if one.unit else one.number), []).append(one)

    def amount(one: Process) -> float:
        return float(one.memory) if memory else one.cpus

    found = []
    for (unit, _number), group in groups.items():
        most = max(group, key=lambda one: (amount(one), -one.number))
        whole = sum(amount(one) for one in group)
        found.append(Taker(unit, most.user, most.command, most.number, whole, len(group)))
    return sorted(found, key=lambda one: (-one.amount, one.unit, one.number))


def named(one: Taker, *, memory: bool) -> str:
    size = words.size(one.amount) if memory else "%.2f processors" % one.amount
    who = "%s (process %d of %s" % (words.plain(one.command, 40), one.number, words.plain(one.user, 40))
    unit = ", unit %s, %d process%s)" % (words.plain(one.unit, 80), one.count, "es" if one.count > 1 else "")
    return "%s: %s" % (who + (unit if one.unit else ", in no unit of the system)"), size)
