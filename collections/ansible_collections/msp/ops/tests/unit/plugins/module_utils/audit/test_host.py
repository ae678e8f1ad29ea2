# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one door to a host: programs with a time limit, without rights where none are needed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit import host as host_of
from ansible_collections.msp.ops.plugins.module_utils.audit import probing
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host


def test_a_program_that_is_not_there_is_told_from_one_that_fails() -> None:
    host = Host()

    absent, failing = host.run("no-such-program-of-ours"), host.run("false")

    assert (absent.started, absent.reason()) == (False, "not installed")
    assert (failing.started, failing.reason()) == (True, "ended with status 1")


def test_a_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_of, "SECONDS_A_PROGRAM", 0.05)
    began = time.monotonic()

    answer = Host().run("sleep", "60")

    assert (answer.status, answer.out) == (124, "")
    assert time.monotonic() - began < 10


def test_what_was_prepared_runs_beside_and_is_read_whole(tmp_path: Path) -> None:
    host = Host()
    host.prepare("seq", "1", "100000")
    host.prepare("seq", "1", "3")

    assert host.run("seq", "1", "3").out == "1\n2\n3\n"
    assert len(host.run("seq", "1", "100000").out.splitlines()) == 100000


def test_closing_ends_what_nobody_asked_for() -> None:
    host = Host()
    host.prepare("sleep", "61")
    (process, _out, _err) = next(iter(host._running.values()))

    host.close()

    assert process.returncode is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to drop")
def test_an_unprivileged_program_has_no_rights_of_root() -> None:
    answer = Host().run("id", "-u", unprivileged=True)

    assert answer.out.strip() == str(host_of.NOBODY)


def test_a_file_that_is_no_text_is_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"caf\xe9 \xff\n")

    assert Host(str(tmp_path)).line("/x") == "caf\N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}"


def test_an_absent_file_is_null_and_an_absent_directory_is_empty(tmp_path: Path) -> None:
    host = Host(str(tmp_path))

    assert (host.line("/no"), host.names("/no"), host.link("/no"), host.modified("/no")) == (None, [], None, None)


def test_the_scratch_directory_is_gone_after_the_audit() -> None:
    host = Host()
    place = Path(host.scratch())
    assert place.is_dir()

    host.close()

    assert not place.exists()


def test_a_time_limit_that_strikes_inside_a_wait_does_not_hang_the_audit() -> None:
    host = Host()
    host.prepare("sleep", "62")
    (process, _out, _err) = next(iter(host._running.values()))
    # As the limit leaves it when it strikes after the lock was taken.
    process._waitpid_lock.acquire()  # type: ignore[attr-defined]

    host.close()

    assert process.returncode is not None


@pytest.mark.thorough
def test_however_the_time_limit_strikes_no_program_and_no_audit_stays_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    for number in range(20):
        host = Host()
        monkeypatch.setattr(probing, "SECONDS_A_PROBE", 0.001 + number * 0.0005)
        answer = probing.probe(host, "probe", lambda given: given.run("sleep", "63.63").status, "cut off")
        host.close()
        assert answer == "cut off"

    assert time.monotonic() - began < 60
    running = [_command_line(name) for name in os.listdir("/proc") if name.isdigit()]
    assert [line for line in running if line.endswith(b"sleep\x0063.63\x00")] == []


def _command_line(number: str) -> bytes:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return b""
