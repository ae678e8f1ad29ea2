# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which settings the kernel has otherwise, in words, and the file that has it take them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import kernel_settings
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader

CONF = "/proc/sys/net/ipv4/conf"
FILES = {
    "/proc/sys/kernel/dmesg_restrict": "1\n",
    "/proc/sys/kernel/printk": "4\t4\t1\t7\n",
    f"{CONF}/all/rp_filter": "0\n",
    f"{CONF}/default/rp_filter": "0\n",
    f"{CONF}/eth0/rp_filter": "2\n",
    f"{CONF}/eth0.100/rp_filter": "1\n",
}


@pytest.mark.parametrize(
    ("name", "wanted", "otherwise"),
    [
        ("kernel.dmesg_restrict", "1", None),
        ("kernel.dmesg_restrict", "0", "1"),
        ("kernel.printk", "4 4 1 7", None),
        ("net.ipv4.conf.all.rp_filter", "1", "0"),
        ("net.ipv4.conf.*.rp_filter", "1", "2 on eth0"),
        ("net.ipv4.conf.*.rp_filter", "2", "1 on eth0.100"),
        ("net.ipv4.conf.*.rp_filter", "0", "2 on eth0, 1 on eth0.100"),
        ("kernel.of_another_kernel", "1", "not there"),
    ],
)
def test_a_setting_is_as_wanted_or_said_how_it_is(
    name: str, wanted: str, otherwise: str | None, tmp_path: Path
) -> None:
    found = kernel_settings.wrong(made_reader(tmp_path, FILES), {name: wanted})

    assert found == ({} if otherwise is None else {name: otherwise})


@pytest.mark.parametrize(
    ("live", "wanted", "kept"),
    [("2", "1", "2"), ("0", "1", "1"), ("1", "2", "2"), ("many", "1", "1")],
)
def test_a_higher_number_stays_where_that_is_stricter(live: str, wanted: str, kept: str, tmp_path: Path) -> None:
    reader = made_reader(tmp_path, {"/proc/sys/kernel/kptr_restrict": live, "/proc/sys/kernel/dmesg_restrict": "1"})
    settings = {"kernel.kptr_restrict": wanted, "kernel.dmesg_restrict": "0"}

    found = kernel_settings.kept(reader, settings, ["kernel.kptr_restrict", "kernel.yama.ptrace_scope"])

    assert found == {"kernel.kptr_restrict": kept, "kernel.dmesg_restrict": "0"}


def test_in_the_file_what_is_for_each_interface_comes_before_what_is_for_one() -> None:
    settings = {"net.ipv4.conf.all.rp_filter": "1", "net.ipv4.conf.*.rp_filter": "2", "kernel.dmesg_restrict": "1"}

    assert kernel_settings.text(settings).splitlines()[1:] == [
        "net.ipv4.conf.*.rp_filter = 2",
        "kernel.dmesg_restrict = 1",
        "net.ipv4.conf.all.rp_filter = 1",
    ]


def test_what_the_kernel_did_not_take_is_named_with_what_it_has() -> None:
    error = kernel_settings.not_taken(
        {"net.ipv4.ip_forward": "0", "kernel.dmesg_restrict": "1"}, {"net.ipv4.ip_forward": "1"}
    )

    assert error.code == "MSP-STD-192"
    assert "net.ipv4.ip_forward = 0" in error.expected and "dmesg" not in error.expected
    assert error.found == "net.ipv4.ip_forward: 1"
