# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""dpkg's status file and rpm's answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit import packages
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

STATUS = """Package: apt
Status: install ok installed
Architecture: amd64
Version: 2.6.1
Description: package manager
 Version: not this one

Package: libc6
Status: hold ok installed
Architecture: i386
Version: 2.36-9

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: half
Status: install ok half-configured
Architecture: all
Version: 1:2.0~rc1
"""
RPM = (
    "bash\t5.1.8-9.el9\tx86_64\tExample Linux\t1700000000\n"
    "gpg-pubkey\tabc-def\t(none)\t(none)\t1700000000\n"
    "shadow\t2:4.9-8.el9\tx86_64\t(none)\t1700000001\n"
)


def test_installed_packages_are_read_and_removed_ones_left_out() -> None:
    found = packages.parse_dpkg_status(STATUS)

    assert [(one.name, one.version, one.architecture, one.held) for one in found] == [
        ("apt", "2.6.1", "amd64", False),
        ("libc6", "2.36-9", "i386", True),
        ("half", "1:2.0~rc1", "all", False),
    ]


def test_rpms_answer_is_read_with_epoch_and_without_keys() -> None:
    found = packages.parse_rpm(RPM)

    assert [(one.name, one.version, one.vendor, one.since) for one in found] == [
        ("bash", "5.1.8-9.el9", "Example Linux", 1700000000),
        ("shadow", "2:4.9-8.el9", None, 1700000001),
    ]


def test_rows_are_sorted_so_that_the_same_host_gives_the_same_facts() -> None:
    installed = list(reversed(packages.parse_dpkg_status(STATUS)))

    rows = packages.rows(installed, {("apt", "amd64"): "Debian/bookworm"})

    assert [(row["name"], row["origin"]) for row in rows] == [
        ("apt", "Debian/bookworm"),
        ("half", None),
        ("libc6", None),
    ]


def test_a_host_without_package_manager_says_so(tmp_path: Path) -> None:
    host = Host(str(tmp_path))

    assert packages.collect(host) == (None, [])
    assert [what for what, _why in host.notes] == ["packages"]


def test_an_empty_dpkg_database_on_a_host_with_rpm_is_not_taken_for_its_packages(tmp_path: Path) -> None:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text("")
    program = tmp_path / "usr/bin/rpm"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\nprintf '{RPM.splitlines()[0]}\\n'\n")
    program.chmod(0o755)

    host = Host(str(tmp_path))
    host.privileged = False  # nobody may not enter a test's directory

    manager, installed = packages.collect(host)

    assert (manager, [one.name for one in installed]) == ("rpm", ["bash"])


def test_the_names_of_a_recorded_ubuntu_host_are_kept_whole(recorded: Callable[[str], Path]) -> None:
    lines = [line.split() for line in recorded("patching/dpkg_l_ubuntu1804.txt").read_text().splitlines()]
    rows = [words for words in lines if len(words) > 3 and words[0] in ("ii", "hi")]
    status = "\n\n".join(
        f"Package: {name.split(':')[0]}\nStatus: install ok installed\nArchitecture: {arch}\nVersion: {version}"
        for _state, name, version, arch, *_rest in rows
    )

    found = packages.parse_dpkg_status(status)

    assert len(found) == len(rows) > 100
    assert {one.version for one in found} == {words[2] for words in rows}


@pytest.mark.parametrize(
    ("field", "source"),
    [
        ("", ("libssl3", "3.0.17-1")),
        ("openssl", ("openssl", "3.0.17-1")),
        ("openssl (3.0.17-2)", ("openssl", "3.0.17-2")),
    ],
)
def test_a_package_is_built_from_a_source_whose_version_a_rebuild_does_not_change(
    field: str, source: tuple[str, str]
) -> None:
    assert packages.parse_source(field, "libssl3", "3.0.17-1+b2") == source
