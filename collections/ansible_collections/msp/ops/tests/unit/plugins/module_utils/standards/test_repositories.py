# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Repositories that are on, and apt's settings."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.standards import repositories
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import (
    called,
    made_reader,
    printing,
)

# apt-config of apt 2.6.
DUMP = r"""APT "";
APT::Architecture "amd64";
APT::Periodic "";
APT::Periodic::Update-Package-Lists "1";
APT::NeverAutoRemove "";
APT::NeverAutoRemove:: "^firmware-linux.*";
APT::NeverAutoRemove:: "^linux-firmware$";
DPkg::Post-Invoke:: "if [ -d /var/lib/x ]; then echo \"x\"; fi";
"""


def test_settings_are_found_whatever_the_case_of_their_names(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, {}, {"apt-config": printing(DUMP)})

    found = {
        name: repositories.apt_config(reader, name)
        for name in ("apt::periodic::update-package-lists", "APT::Periodic", "APT::NeverAutoRemove", "APT::None")
    }

    assert found == {
        "apt::periodic::update-package-lists": {"value": "1", "values": []},
        "APT::Periodic": {"value": None, "values": []},
        "APT::NeverAutoRemove": {"value": None, "values": ["^firmware-linux.*", "^linux-firmware$"]},
        "APT::None": {"value": None, "values": []},
    }
    assert called(tmp_path) == ["apt-config dump"]


def test_every_repository_that_is_on_is_told_without_a_password(tmp_path: Path) -> None:
    reader = made_reader(
        tmp_path,
        {
            "/etc/apt/sources.list": "deb http://deb.debian.org/debian bookworm main contrib\n# deb http://x y z\n",
            "/etc/apt/sources.list.d/vendor.list": "deb [trusted=yes] https://a:b@packages.example.com stable main\n",
            "/etc/apt/sources.list.d/off.sources": "Enabled: no\nTypes: deb\nURIs: http://off.example.com\nSuites: x\n",
        },
    )

    assert repositories.measure(reader) == {
        "enabled": [
            {
                "uri": "http://deb.debian.org/debian",
                "suite": "bookworm",
                "components": ["main", "contrib"],
                "signed_by": None,
                "file": "/etc/apt/sources.list",
                "type": "deb",
            },
            {
                "uri": "https://packages.example.com",
                "suite": "stable",
                "components": ["main"],
                "signed_by": None,
                "file": "/etc/apt/sources.list.d/vendor.list",
                "type": "deb",
            },
        ],
        "unsigned": ["https://packages.example.com stable (/etc/apt/sources.list.d/vendor.list)"],
        "keyless": [
            "http://deb.debian.org/debian bookworm (/etc/apt/sources.list)",
            "https://packages.example.com stable (/etc/apt/sources.list.d/vendor.list)",
        ],
        "disabled": 1,
    }
