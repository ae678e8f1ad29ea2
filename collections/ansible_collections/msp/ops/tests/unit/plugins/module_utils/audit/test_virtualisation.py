# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Of what a host is the guest."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit import virtualisation
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host


@pytest.mark.parametrize(
    ("container", "docker", "cpuinfo", "vendor", "kind"),
    [
        ("lxc", False, "", "", "lxc"),
        (None, True, "", "", "docker"),
        (None, False, "flags : fpu hypervisor vmx\n", "QEMU Standard PC", "kvm"),
        (None, False, "", "VMware, Inc. VMware Virtual Platform", "vmware"),
        (None, False, "", "Microsoft Corporation Virtual Machine", "microsoft"),
        (None, False, "flags : fpu hypervisor\n", "", "vm-other"),
        (None, False, "flags : fpu vmx\n", "Microsoft Corporation Surface Pro", None),
    ],
)
def test_without_systemd_the_files_tell(
    container: str | None, docker: bool, cpuinfo: str, vendor: str, kind: str | None
) -> None:
    assert virtualisation.from_files(container, docker, cpuinfo, vendor) == kind


@pytest.mark.parametrize(
    ("said", "status", "expected"),
    [("none", 1, {"role": "physical", "type": None}), ("kvm", 0, {"role": "guest", "type": "kvm"})],
)
def test_systemd_is_believed_where_it_runs(tmp_path: Path, said: str, status: int, expected: dict[str, str]) -> None:
    program = tmp_path / "usr/bin/systemd-detect-virt"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho {said}\nexit {status}\n")
    program.chmod(0o755)

    assert virtualisation.collect(Host(str(tmp_path))) == expected
