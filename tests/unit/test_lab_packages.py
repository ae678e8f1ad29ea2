"""Which system packages are missing, and what a person is told."""

from __future__ import annotations

import os
import subprocess
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


class Machine:
    """A made machine: an apt-get that says whether its policy would let a service start, and an update-rc.d."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.policy = directory / "policy-rc.d"
        self.package = Package("slapd", str(directory / "slapd"), "a directory", service="slapd")
        self._program("apt-get", f"{self.policy} slapd start; echo $? >> {directory}/asked; touch {directory}/slapd")
        self._program("update-rc.d", f'echo "$@" >> {directory}/disabled')
        monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
        monkeypatch.setattr(packages, "POLICY", self.policy)

    def _program(self, name: str, body: str) -> None:
        path = self.directory / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def said(self, name: str) -> str:
        return (self.directory / name).read_text() if (self.directory / name).exists() else ""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_a_service_that_comes_with_a_package_is_neither_started_now_nor_at_the_next_boot(machine: Machine) -> None:
    assert packages.install([machine.package]) == []

    assert machine.said("asked") == "101\n"
    assert machine.said("disabled") == "slapd disable\n"
    assert not machine.policy.exists()


def test_a_policy_of_the_machines_owner_is_left_as_it_is(machine: Machine) -> None:
    machine.policy.write_text("#!/bin/sh\nexit 77\n")
    machine.policy.chmod(0o755)

    packages.install([machine.package])

    assert machine.said("asked") == "77\n"
    assert machine.policy.read_text() == "#!/bin/sh\nexit 77\n"


def test_a_policy_that_a_killed_run_left_behind_forbids_nothing_and_goes_with_the_next_run(machine: Machine) -> None:
    with packages.no_services([machine.package]):
        left = machine.policy.read_text()
        machine.policy.write_text(left.replace(f"kill -0 {os.getpid()} ", "kill -0 99999999 "))
        machine.policy.chmod(0o755)
        assert subprocess.run([machine.policy], check=False).returncode == 104

    machine.policy.write_text(left)
    packages.install([machine.package])
    assert not machine.policy.exists()


def test_packages_without_a_service_need_no_policy(machine: Machine) -> None:
    packages.install([Package("nmap", str(machine.directory / "slapd"), "scans")])

    assert machine.said("asked") == "127\n"
    assert machine.said("disabled") == ""
