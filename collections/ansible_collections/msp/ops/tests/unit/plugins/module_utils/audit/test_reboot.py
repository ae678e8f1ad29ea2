# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a reboot is needed, and when nobody can tell."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit import reboot
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.packages import Installed

RUNNING = os.uname().release


@pytest.mark.parametrize(
    ("running", "installed", "newest"),
    [
        ("6.1.0-9-amd64", ["6.1.0-9-amd64", "6.1.0-10-amd64"], "6.1.0-10-amd64"),
        ("6.1.0-9-amd64", ["6.1.0-9-amd64", "6.1.0-10-cloud-amd64"], "6.1.0-9-amd64"),
        ("5.14.0-427.13.1.el9_4.x86_64", ["5.14.0-427.13.1.el9_4.x86_64", "5.14.0-503.el9_5.x86_64"],
         "5.14.0-503.el9_5.x86_64"),
        ("6.8.0-31-generic", ["6.8.0-31-generic", "6.8.0-40-lowlatency"], "6.8.0-31-generic"),
        ("6.1.0-9-amd64", ["6.1.0-10-amd64"], None),
    ],
)  # fmt: skip
def test_only_kernels_of_the_running_flavour_are_compared(
    running: str, installed: list[str], newest: str | None
) -> None:
    assert reboot.newest_kernel(running, ["config-x", *(f"vmlinuz-{name}" for name in installed)]) == newest


@given(
    st.lists(st.integers(min_value=0, max_value=999), min_size=3, max_size=3), st.integers(min_value=1, max_value=99)
)
def test_a_greater_number_is_a_newer_kernel_however_it_is_written(parts: list[int], more: int) -> None:
    older, newer = ".".join(map(str, parts)), ".".join(map(str, [*parts[:2], parts[2] + more]))

    assert reboot.version_key(older) < reboot.version_key(newer)


def test_a_host_that_asks_for_a_reboot_gets_its_reasons(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/reboot-required").write_text("*** System restart required ***")
    (tmp_path / "run/reboot-required.pkgs").write_text("linux-image-6.1.0-30-amd64\nlibc6\nlibc6\n")

    found = reboot.collect(Host(str(tmp_path)), None, [], None)

    assert found == {"needed": True, "reasons": ["asked for by libc6, linux-image-6.1.0-30-amd64"]}


def test_a_newer_installed_kernel_needs_a_reboot(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    newer = RUNNING.replace(RUNNING.split(".", maxsplit=1)[0], "99", 1)
    (tmp_path / f"boot/vmlinuz-{RUNNING}").write_text("")
    (tmp_path / f"boot/vmlinuz-{newer}").write_text("")

    found = reboot.collect(Host(str(tmp_path)), None, [], None)

    assert found["needed"] is True
    assert newer in found["reasons"][0]


@pytest.mark.parametrize(("booted", "needed"), [(0.0, True), (9e9, False)])
def test_a_kernel_replaced_under_the_same_name_counts_by_when_it_was_installed(
    tmp_path: Path, booted: float, needed: bool
) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / f"boot/vmlinuz-{RUNNING}").write_text("")

    assert reboot.collect(Host(str(tmp_path)), None, [], booted)["needed"] is needed


def test_a_core_package_newer_than_the_boot_needs_a_reboot(tmp_path: Path) -> None:
    rpms = [Installed("glibc", "2", "x86_64", since=2000), Installed("vim", "9", "x86_64", since=2000)]

    assert reboot.collect(Host(str(tmp_path)), None, rpms, 1000.0) == {
        "needed": True,
        "reasons": ["glibc was updated after the last boot"],
    }
    assert reboot.collect(Host(str(tmp_path)), None, rpms, 3000.0)["needed"] is False


def test_a_container_that_keeps_no_sign_has_an_unknown_need_and_not_none(tmp_path: Path) -> None:
    host = Host(str(tmp_path))

    assert reboot.collect(host, "podman", [], 1000.0)["needed"] is None
    assert [what for what, _why in host.notes] == ["reboot"]


@pytest.mark.parametrize(("state", "needed"), [("0", None), ("1", False), ("2", True), ("3", True)])
def test_needrestart_speaks_for_the_kernel(state: str, needed: bool | None) -> None:
    assert reboot.parse_needrestart(f"NEEDRESTART-KEXP: 6.1\nNEEDRESTART-KSTA: {state}\n")[0] is needed


def test_recorded_output_of_needrestart_is_read(recorded: Callable[[str], Path]) -> None:
    assert reboot.parse_needrestart(recorded("patching/needrestart_batch.txt").read_text()) == (False, None)
