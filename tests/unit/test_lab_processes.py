"""How the lab knows its processes: never by number alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import processes
from lab.processes import Process

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); open('ready', 'w').close(); time.sleep(600)",
]
FAMILY = [sys.executable, "-c", "import subprocess, sys; subprocess.run(['sleep', '600'])"]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Process]:
    process = processes.start(SLEEP, log=tmp_path / "log", cwd=tmp_path, mark=tmp_path)
    yield process
    if processes.alive(process):
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("name", ["postgres", "a b", "x) S 1 (", "((", "a) Z 5 5"])
def test_a_programs_name_cannot_forge_its_start_time(name: str) -> None:
    rest = " ".join(str(number) for number in range(4, 53))

    assert processes.parse_stat(f"17 ({name}) R {rest}") == ("R", 4, 22)


def test_a_started_process_runs_in_a_session_of_its_own(started: Process) -> None:
    assert processes.alive(started)
    assert os.getsid(started.pid) == started.pid


def test_another_start_time_or_another_boot_is_another_process(started: Process) -> None:
    assert not processes.alive(Process(started.pid, started.started + 1, started.boot))
    assert not processes.alive(Process(started.pid, started.started, "another boot"))


def test_ending_a_recycled_number_leaves_its_new_owner_alone(started: Process) -> None:
    processes.end_all([Process(started.pid, started.started - 1, started.boot)])

    assert processes.alive(started)


def test_an_ended_process_is_gone_and_no_zombie(started: Process) -> None:
    processes.end_all([started])

    assert not processes.alive(started)
    assert processes.identify(started.pid) is None


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    stubborn = processes.start(STUBBORN, log=tmp_path / "log", cwd=tmp_path, mark=tmp_path)
    assert processes.wait_until((tmp_path / "ready").exists, 10)

    processes.end_all([stubborn], patience=0.2)

    assert not processes.alive(stubborn)


def test_children_are_found_by_the_mark_and_only_those_of_this_lab(tmp_path: Path) -> None:
    here, there = tmp_path / "lab", tmp_path / "lab-2"
    here.mkdir()
    there.mkdir()
    mine = processes.start(FAMILY, log=tmp_path / "log", cwd=here, mark=here)
    other = processes.start(SLEEP, log=tmp_path / "log", cwd=there, mark=there)
    try:
        assert processes.wait_until(lambda: len(processes.of_lab(here, [])) == 2, 10)
        found = processes.of_lab(here, [])

        assert mine in found
        assert other not in found
        assert processes.parentless(found) == [mine]
    finally:
        processes.end_all([*processes.of_lab(here, []), other])


def test_a_shell_that_only_works_in_the_labs_directory_is_not_one_of_its_processes(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"], cwd=tmp_path) as shell:
        try:
            assert processes.of_lab(tmp_path, [tmp_path]) == []
        finally:
            shell.kill()


def test_a_lab_process_gets_no_secret_of_the_environment_it_was_started_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETBOX_TOKEN", "someone's real token")

    process = processes.start(SLEEP, log=tmp_path / "log", cwd=tmp_path, mark=tmp_path)

    try:
        environment = (processes.PROC / str(process.pid) / "environ").read_bytes()
        assert b"someone's" not in environment
    finally:
        processes.end_all([process])


def test_waiting_ends_when_the_condition_never_comes_true() -> None:
    assert not processes.wait_until(lambda: False, 0.02)
