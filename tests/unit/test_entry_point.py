"""./msp finds a Python, builds its environment once, and says clearly what is missing."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TOOLS = ("sh", "dirname", "cat", "tr", "cksum", "rm", "awk", "flock", "sed")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The entry point alone, in a checkout with an empty lock file."""
    shutil.copy(ROOT / "msp", tmp_path / "msp")
    (tmp_path / "requirements.lock").write_text("")
    (tmp_path / "home").mkdir()
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if found:
            (programs / tool).symlink_to(found)
    return tmp_path


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(checkout / "msp"), *arguments],
        env={"PATH": str(checkout / "bin"), "HOME": str(checkout / "home")},
        capture_output=True,
        text=True,
        check=False,
        cwd=checkout,
    )


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_without_a_python_it_says_what_it_looked_for_and_how_to_get_one(checkout: Path) -> None:
    done = run(checkout, "help")

    assert done.returncode == 3
    assert "MSP-CLI-001" in done.stderr
    assert "3.12 or newer" in done.stderr
    assert "install" in done.stderr


def test_a_pyenv_shim_that_does_not_run_and_an_old_python_do_not_count(checkout: Path) -> None:
    program(checkout / "bin" / "python3.13", "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    program(checkout / "bin" / "python3", "#!/bin/sh\nexit 1\n")

    done = run(checkout, "help")

    assert done.returncode == 3
    assert "MSP-CLI-001" in done.stderr


def test_a_python_under_pyenv_is_found(checkout: Path) -> None:
    log = checkout / "called"
    program(
        checkout / "home" / ".pyenv" / "versions" / "3.13.0" / "bin" / "python3",
        f'#!/bin/sh\necho "$@" >> {log}\ncase "$*" in *\'-m venv\'*) exit 9;; esac\nexit 0\n',
    )

    run(checkout, "help")

    assert "-m venv" in log.read_text()


def test_an_unknown_command_names_the_commands() -> None:
    command = [sys.executable, str(ROOT / "msp_cli" / "__main__.py"), "dmeo"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "MSP-CLI-002" in done.stderr
    assert "demo" in done.stderr


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """What ./msp does once it has its environment, in this process: to start Python for each would take longer."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # which it changes
    main = importlib.import_module("msp_cli.__main__").main

    def run_it(*arguments: str) -> int:
        try:
            return int(main(arguments))
        except SystemExit as end:
            return int(end.code or 0)

    return run_it


def test_an_unknown_bench_names_the_benches(
    handed_over: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert handed_over("bench", "nothing") == 1

    assert "MSP-CLI-003" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["nothing", "--help"])
def test_an_unknown_check_names_the_checks_before_any_has_run(
    handed_over: Callable[..., int], capfd: pytest.CaptureFixture[str], name: str
) -> None:
    assert handed_over("lint", "yamllint", name) == 1

    said = capfd.readouterr()
    assert said.err.startswith("msp: MSP-CLI-006: expected one of the checks ruff check, ruff format, mypy, ")
    assert said.out == ""


@pytest.mark.parametrize(
    "command", ["demo", "bench", "lab", "doctor", "who", "software", "rollouts", "store", "escrow"]
)
def test_no_command_meets_an_argument_that_it_does_not_know_with_a_traceback(
    handed_over: Callable[..., int], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert handed_over(command, "--nothing") in (1, 2)

    error = capsys.readouterr().err
    assert "--nothing" in error or "required" in error
