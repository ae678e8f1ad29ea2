# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""By which login a program came: the nearest process of the ssh server above it, with its start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards.lockout_login import login, parse_stat


def processes(place: Path, *rows: tuple[int, str, int, int]) -> str:
    """A /proc with (number, name, parent, start) in it."""
    for number, name, parent, start in rows:
        (place / str(number)).mkdir()
        numbers = " ".join(["0"] * 17)
        (place / str(number) / "stat").write_text(f"{number} ({name}) S {parent} {numbers} {start} 0 0\n")
    return str(place)


LISTENER = ((1, "systemd", 0, 1), (50, "sshd", 1, 900))


@pytest.mark.parametrize("server", ["sshd", "sshd-session"])
def test_two_connections_are_two_logins_though_one_listener_serves_both(tmp_path: Path, server: str) -> None:
    rows = [*LISTENER]
    for first in (100, 200):
        rows += [(first, server, 50, first), (first + 1, server, first, first + 1)]
        rows += [
            (first + 2, "sh", first + 1, 7),
            (first + 3, "sudo", first + 2, 8),
            (first + 4, "python3", first + 3, 9),
        ]
    proc = processes(tmp_path, *rows)

    assert (login(104, proc), login(204, proc)) == ("101:101", "201:201")


def test_two_sessions_over_one_connection_are_one_login(tmp_path: Path) -> None:
    rows = [*LISTENER, (100, "sshd", 50, 100), (101, "sshd", 100, 101)]
    rows += [(110, "sh", 101, 110), (111, "python3", 110, 111), (120, "sh", 101, 120), (121, "python3", 120, 121)]
    proc = processes(tmp_path, *rows)

    assert login(111, proc) == login(121, proc) == "101:101"


def test_a_number_that_is_used_again_is_another_login(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = processes(tmp_path / "a", *LISTENER, (100, "sshd", 50, 100), (101, "sh", 100, 101))
    second = processes(tmp_path / "b", *LISTENER, (100, "sshd", 50, 555), (101, "sh", 100, 556))

    assert login(101, first) != login(101, second)


def test_a_program_of_the_machine_itself_came_by_no_login(tmp_path: Path) -> None:
    rows = [(1, "systemd", 0, 1), (7, "sh", 1, 7), (8, "python3", 7, 8), (9, "python3", 0, 9), (10, "sh", 6, 9)]
    proc = processes(tmp_path, *rows)

    assert [login(number, proc) for number in (8, 9, 10)] == [None, None, None]


def test_a_name_with_a_bracket_hides_nothing() -> None:
    assert parse_stat("7 (a) S 1 (x) S 3 " + " ".join(str(one) for one in range(17)) + " 42 0")[:2] == ("a) S 1 (x", 3)


def test_this_very_process_has_a_parent() -> None:
    with open(f"/proc/{os.getpid()}/stat", encoding="utf-8") as stream:
        assert parse_stat(stream.read())[1] == os.getppid()
