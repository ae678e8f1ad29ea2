"""./msp finds a Python, builds its environment once, and says clearly what is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
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


def handed_over(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What ./msp does once it has its environment."""
    command = [sys.executable, str(ROOT / "msp_cli" / "__main__.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_unknown_command_names_the_commands() -> None:
    done = handed_over("dmeo")

    assert done.returncode == 2
    assert "MSP-CLI-002" in done.stderr
    assert "demo" in done.stderr


def test_an_unknown_bench_names_the_benches() -> None:
    done = handed_over("bench", "nothing")

    assert done.returncode == 1
    assert "MSP-CLI-003" in done.stderr


@pytest.mark.parametrize("name", ["nothing", "--help"])
def test_an_unknown_check_names_the_checks_before_any_has_run(name: str) -> None:
    done = handed_over("lint", "yamllint", name)

    assert done.returncode == 1
    assert done.stderr.startswith("msp: MSP-CLI-006: expected one of the checks ruff check, ruff format, mypy, ")
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["demo", "bench", "lab", "doctor", "who", "software", "rollouts", "store"])
def test_no_command_meets_an_argument_that_it_does_not_know_with_a_traceback(command: str) -> None:
    done = handed_over(command, "--nothing")

    assert done.returncode in (1, 2)
    assert "--nothing" in done.stderr or "required" in done.stderr
    assert "Traceback" not in done.stderr
