# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One scan, whatever the package manager: what is the same for all."""

from __future__ import annotations

import os
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


@pytest.mark.parametrize(
    ("text", "machine_id"),
    [(f"{'a1' * 16}\n", "a1" * 16), ("", ""), ("uninitialized\n", ""), (f"{'A1' * 16}\n", ""), (None, "")],
)
def test_a_scan_names_the_machine_and_says_when_nobody_can_tell(
    tmp_path: Path, text: str | None, machine_id: str
) -> None:
    (tmp_path / "etc").mkdir()
    if text is not None:
        (tmp_path / "etc/machine-id").write_text(text)

    found = pending.scan(Host(str(tmp_path)), Wanted())

    assert found["machine_id"] == machine_id
    assert ("machine id" in {note["what"] for note in found["unknown"]}) is not machine_id.isalnum()


@pytest.mark.parametrize(
    ("installed", "needed", "reasons"),
    [(90.0, None, []), (110.0, True, ["libc6 was updated after the last boot"])],
)
def test_what_was_replaced_since_the_boot_wants_a_reboot_though_nothing_on_a_debian_says_so(
    tmp_path: Path, installed: float, needed: bool | None, reasons: list[str]
) -> None:
    files = {
        "proc/stat": "btime 100\n",
        "proc/1/stat": f"1 (systemd) {' '.join(['S'] * 19)} 0\n",
        "var/lib/dpkg/info/libc6:amd64.list": "/.\n",
        "var/lib/dpkg/info/vim.list": "/.\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (installed, installed))
    host = Host(str(tmp_path))
    host.privileged = False

    assert pending._reboot(host, "apt", 100.0) == {"needed": needed, "reasons": reasons}
    assert pending._reboot(host, "apt", None)["reasons"] == []
    assert pending.scan(host, Wanted())["booted_at"] == "1970-01-01T00:01:40Z"


def test_services_that_run_old_code_are_unknown_where_only_root_could_tell(tmp_path: Path) -> None:
    host = Host(str(tmp_path))
    host.privileged = False

    found = pending.scan(host, Wanted())

    assert found["services"] is None
    assert {"what": "services that run with replaced files", "why": "only root can tell"} in found["unknown"]
