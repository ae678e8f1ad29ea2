# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The processes that belong to the logins of one account, so that they can be ended. Decides and reads; ends nothing.

Those are the ones that run as the account, whatever these began (sudo: root's), and what goes on of a login of the
account by the kernel's own note of it (loginuid), whoever it belongs to by now.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple


class Process(NamedTuple):
    """uids are the real, the effective and the saved one; login whose login it came of, None where nobody noted."""

    parent: int
    uids: frozenset[int]
    login: int | None


def read(proc: str = "/proc") -> dict[int, Process]:
    """Every process that lives. One that ends meanwhile is left out, and so is one that has ended and waits."""
    found = {}
    for name in os.listdir(proc):
        if not name.isdigit():
            continue
        try:
            with open(os.path.join(proc, name, "status"), encoding="utf-8", errors="replace") as lines:
                said = dict(line.partition(":")[::2] for line in lines)
            if not said.get("State", "").strip().startswith("Z"):
                login = _login(os.path.join(proc, name, "loginuid"))
                uids = frozenset(int(one) for one in said["Uid"].split()[:3])
                found[int(name)] = Process(int(said["PPid"]), uids, login)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _login(path: str) -> int | None:
    """A kernel without audit has no such file, and a process of no login has the highest number there is."""
    try:
        with open(path, encoding="ascii") as stream:
            number = int(stream.read() or -1)
    except FileNotFoundError:
        return None
    return number if 0 <= number < 2**32 - 1 else None


def of(uid: int, processes: Mapping[int, Process]) -> set[int]:
    """The processes of an account's logins."""
    own = {number for number, one in processes.items() if uid in one.uids or one.login == uid}
    return {number for number in processes if own.intersection(_and_above(number, processes))}


def _and_above(number: int, processes: Mapping[int, Process]) -> Iterator[int]:
    """A process, who began it, and so on, but for the first of all."""
    seen: set[int] = set()
    while number > 1 and number in processes and number not in seen:
        seen.add(number)
        yield number
        number = processes[number].parent


def holds(numbers: Collection[int], processes: Mapping[int, Process], self: int) -> bool:
    """Whether a process is one of these, or was begun by one of them."""
    return any(one in numbers for one in _and_above(self, processes))
