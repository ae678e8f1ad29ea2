# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One scan, whatever the package manager: what is the same for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.patching import pending
from ansible_collections.msp.ops.plugins.module_utils.patching.shape import Wanted


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ('ID=debian\nVERSION_ID="12"\n', "debian-12"),
        ('ID=ubuntu\nVERSION_ID="24.04"\n', "ubuntu-24.04"),
        ("ID=debian\nVERSION_CODENAME=forky\n", "debian-forky"),
        ("ID=arch\n", "arch"),
    ],
)
def test_a_platform_is_distribution_and_release(tmp_path: Path, text: str, platform: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text(text)

    assert pending.platform(Host(str(tmp_path))) == platform


def test_a_host_without_a_known_package_manager_is_a_failed_scan_and_has_no_list(tmp_path: Path) -> None:
    found = pending.timed(Host(str(tmp_path)), Wanted())

    assert (found["outcome"], found["updates"]) == ("failed", None)
    assert "no package manager that is known" in found["why"]
    assert {note["what"] for note in found["unknown"]} >= {"platform", "reboot"}
    assert found["seconds"] >= 0


def test_services_that_run_old_code_are_unknown_where_only_root_could_tell(tmp_path: Path) -> None:
    host = Host(str(tmp_path))
    host.privileged = False

    found = pending.scan(host, Wanted())

    assert found["services"] is None
    assert {"what": "services that run with replaced files", "why": "only root can tell"} in found["unknown"]
