# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A first code is checked by RFC 6238 and this host's clock, for whom the kernel says it is, and without a library."""

from __future__ import annotations

import base64
import os
import pwd
import socket
import subprocess
import sys
import syslog
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.mfa import confirming
from ansible_collections.msp.ops.plugins.module_utils.mfa.enrolling import state_text

ME = pwd.getpwuid(os.getuid()).pw_name
SECRET = base64.b32encode(b"12345678901234567890").decode()


# RFC 6238, appendix B, the last six figures of each.
@pytest.mark.parametrize(
    ("at", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(at: int, code: str) -> None:
    assert confirming.code_at(SECRET, at // 30) == code


@given(st.integers(10**9, 2 * 10**9), st.integers(-30, 30))
def test_how_far_a_code_is_off_is_told_up_to_a_quarter_of_an_hour(now: int, off: int) -> None:
    code = confirming.code_at(SECRET, now // 30 + off)
    found = confirming.steps_off(SECRET, code, now)
    # Two half minutes may have the same code by chance: then the nearer one is told.
    assert found is not None and abs(found) <= abs(off) and confirming.code_at(SECRET, now // 30 + found) == code


def waiting(tmp_path: Path) -> tuple[str, str]:
    """Where secrets are in force, and where they wait; mine waits."""
    places = str(tmp_path / "mfa"), str(tmp_path / "waiting")
    confirming.write(f"{places[1]}/{ME}", state_text(SECRET, ["12345678"]))
    return places


@pytest.mark.parametrize(
    ("off", "outcome", "ahead"),
    [(-2, "clock", -60), (-1, "right", 0), (0, "right", 0), (1, "right", 0), (2, "clock", 60), (31, "wrong", 0)],
)
def test_a_code_is_right_for_its_half_minute_and_one_on_each_side(
    tmp_path: Path, off: int, outcome: str, ahead: int
) -> None:
    places = waiting(tmp_path)
    code = confirming.code_at(SECRET, 50_000_000 + off)
    assert confirming.confirm(ME, code, 1_500_000_000.5, *places) == (outcome, ahead)
    assert (tmp_path / "mfa" / ME).exists() is (outcome == "right")
    assert (tmp_path / "waiting" / ME).exists() is (outcome != "right")


@pytest.mark.parametrize("code", ["", "28708", "2870822", "12345678", "é87082", "٢٨٧٠٨٢"])
def test_what_is_no_code_of_it_is_wrong_and_recovery_codes_prove_no_phone(tmp_path: Path, code: str) -> None:
    assert confirming.confirm(ME, code, 59, *waiting(tmp_path)) == ("wrong", 0)


def test_of_two_at_once_one_brings_it_into_force(tmp_path: Path) -> None:
    places = waiting(tmp_path)
    found: list[str] = []

    def give() -> None:
        found.append(confirming.confirm(ME, "287 082", 59, *places)[0])

    both = [threading.Thread(target=give) for _number in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(found) == ["none", "right"]


def served(places: tuple[str, str], text: bytes) -> str:
    mine, other = socket.socketpair()
    with mine, other:
        mine.sendall(text)
        confirming.serve(other, *places)
        return mine.recv(100).decode()


def test_whose_code_it_is_the_kernel_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _level, text: told.append(text))
    monkeypatch.setattr(time, "sleep", lambda seconds: told.append(f"waited {seconds}"))
    places = waiting(tmp_path)
    assert served(places, b"123456\n") == "wrong 0\n"
    assert served(places, confirming.code_at(SECRET, int(time.time()) // 30).encode() + b"\n") == "right 0\n"
    assert served(places, b"123456\n") == "none 0\n"
    assert told == [
        f"{ME} gave a first code that is not right",
        "waited 2",
        f"{ME} gave the first code: the second factor is in force (by {ME})",
    ]


@pytest.mark.parametrize(
    ("answer", "language", "status", "said"),
    [
        (b"right 0\n", "en_GB.UTF-8", 0, "That is right."),
        (b"wrong 0\n", "nl_NL.UTF-8", 1, "Dat is de code niet."),
        (b"clock -90\n", "en_GB.UTF-8", 1, "90 seconds away"),
        (b"none 0\n", "C", 1, "Nothing of yours waits"),
        (b"", "nl_NL.UTF-8", 2, "Het kon niet worden nagekeken."),
    ],
)
def test_the_program_needs_no_library_and_says_what_became_of_it(
    tmp_path: Path, answer: bytes, language: str, status: int, said: str
) -> None:
    place = str(tmp_path / "s")
    code = (
        "import sys; sys.argv = ['x']; import runpy;"
        f"found = runpy.run_path({confirming.__file__!r}, run_name='it');"
        f"sys.exit(found['ask']({place!r}))"
    )
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen()
        running = subprocess.Popen(
            [sys.executable, "-I", "-c", code],
            env={"LANG": language, "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert running.stdin is not None
        running.stdin.write(b"123456\n")
        running.stdin.close()
        connection, _address = listening.accept()
        with connection:
            assert connection.recv(100) == b"123456\n"
            connection.sendall(answer)
        assert running.stdout is not None
        assert said in running.stdout.read().decode()
        assert running.wait(30) == status
