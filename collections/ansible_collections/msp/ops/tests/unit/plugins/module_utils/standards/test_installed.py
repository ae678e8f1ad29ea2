# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Installed packages, of dpkg and of rpm."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.packages import Installed
from ansible_collections.msp.ops.plugins.module_utils.standards import installed
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader, printing

STATUS = """Package: nginx
Status: hold ok installed
Architecture: amd64
Version: 1.22.1-9+deb12u3

Package: telnet
Status: deinstall ok config-files
Architecture: amd64
Version: 0.17

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9
"""
RPM = (
    "bash\t5.1.8-9.el9\tx86_64\tRocky\t1700000000\n"
    "kernel\t5.14.0-1.el9\tx86_64\tRocky\t1700000000\n"
    "bind\t32:9.16.23-1.el9\tx86_64\tRocky\t1700000000\n"
)
LOCKS = "# made by versionlock\nbash-0:5.1.8-9.el9.*\n!kernel-0:5.14.0-1.el9.*\nbind-31:9.16.23-1.el9.*\n"


def test_a_package_is_there_with_its_version_or_is_not(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, {"/var/lib/dpkg/status": STATUS})

    found = {name: installed.package(reader, name) for name in ("nginx", "libc6", "telnet", "apache2")}

    assert found == {
        "nginx": {"installed": True, "version": "1.22.1-9+deb12u3", "held": True},
        "libc6": {"installed": True, "version": "2.36-9", "held": False},
        "telnet": {"installed": False, "version": None, "held": False},
        "apache2": {"installed": False, "version": None, "held": False},
    }
    assert installed.all_packages(reader) == {
        "manager": "dpkg",
        "installed": [
            {"name": "libc6", "version": "2.36-9", "architecture": "amd64"},
            {"name": "nginx", "version": "1.22.1-9+deb12u3", "architecture": "amd64"},
        ],
    }


def test_rpms_are_held_by_versionlock_at_that_version(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, {"/etc/dnf/plugins/versionlock.list": LOCKS}, {"rpm": printing(RPM)})

    found = {name: installed.package(reader, name)["held"] for name in ("bash", "kernel", "bind")}

    assert found == {"bash": True, "kernel": False, "bind": False}
    assert installed.locked(Installed("bind", "32:9.16-1", "x86_64"), ["bind-32:9.16-1.*"])
    assert installed.locked(Installed("bind", "32:9.16-1", "x86_64"), ["bind"])


def test_a_host_that_nobody_knows_the_packages_of_has_not_none(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable, match="neither dpkg's status file nor an answer of rpm"):
        installed.package(made_reader(tmp_path, {}), "telnet")
