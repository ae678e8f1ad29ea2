"""Which system packages are missing, and what a person is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab import packages
from lab.packages import PACKAGES, Package
from lab.progress import step


def test_a_package_whose_program_is_there_is_not_missing() -> None:
    assert packages.missing(PACKAGES, which=lambda program: f"/usr/bin/{program}") == []


def test_only_what_is_not_there_is_missing() -> None:
    missing = packages.missing(PACKAGES, which=lambda program: None if program == "nmap" else "/usr/bin/x")

    assert [package.name for package in missing] == ["nmap"]


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ('ID=debian\nVERSION_ID="12"\n', True),
        ('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n', True),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', True),
        ('ID=fedora\nID_LIKE=""\n', False),
        ("ID=notdebian\n", False),
        ("", False),
    ],
)
def test_debian_and_its_derivatives_are_told_from_the_rest(release: str, expected: bool) -> None:
    assert packages.is_debian_family(release) is expected


def test_the_advice_names_what_is_missing_what_for_and_the_command() -> None:
    lines = packages.advice([Package("podman", "podman", "real hosts"), Package("nmap", "nmap", "scans")])

    assert lines[0] == "msp: missing: podman, needed for real hosts"
    assert lines[-1].endswith("apt-get install --yes --no-install-recommends podman nmap")


def test_nothing_missing_means_nothing_said() -> None:
    assert packages.advice([]) == []


def test_where_it_may_not_install_it_says_so_and_returns_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    absent = Package("no-such-package", "no-such-program-here", "nothing")

    missing = packages.ensure(step, [absent])

    assert missing == [absent]
    assert "no-such-package" in capsys.readouterr().err


def test_a_file_given_by_its_whole_path_is_looked_for_there(tmp_path: Path) -> None:
    keyring = tmp_path / "keyring.gpg"
    wanted = Package("keyring", str(keyring), "real hosts")

    assert packages.missing([wanted]) == [wanted]
    keyring.touch()
    assert packages.missing([wanted]) == []


def test_one_package_that_does_not_exist_keeps_neither_the_others_nor_the_run_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """apt-get is a stand-in here: it makes the file that stands for a package, and knows no package "absent"."""
    program = tmp_path / "apt-get"
    program.write_text(
        "#!/bin/sh\ncase \"$*\" in *absent*) echo 'E: Unable to locate package absent' >&2; exit 100;; esac\n"
        f'case "$*" in *install*good*) touch {tmp_path}/good;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(packages, "can_install", lambda: True)
    absent = Package("absent", str(tmp_path / "absent"), "nothing")
    good = Package("good", str(tmp_path / "good"), "something")

    left = packages.ensure(step, [absent, good])

    assert left == [absent]
    said = capsys.readouterr().err
    assert "MSP-LAB-010" in said
    assert "Unable to locate package absent" in said
