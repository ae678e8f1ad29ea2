# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings of the kernel, its modules and what is mounted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import kernel
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader

MOUNTS = r"""21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
24 21 0:22 / /dev/shm rw,nosuid,nodev shared:3 - tmpfs tmpfs rw,size=1024k
30 21 0:30 / /tmp rw,relatime - tmpfs tmpfs rw
31 30 8:2 / /tmp ro,noexec,nosuid - ext4 /dev/sda2 rw
40 21 0:40 / /srv/with\040space rw - fuse.sshfs anna@host:/a\040b rw
"""
FSTAB = """# <file system> <mount point> <type> <options>
UUID=1 / ext4 errors=remount-ro 0 1
tmpfs /dev/shm/ tmpfs rw,nosuid,nodev,noexec 0 0
/dev/sdb1 /srv/with\\040space ext4 defaults
broken line
"""


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("kernel.kptr_restrict", "kernel/kptr_restrict"),
        ("net.ipv4.conf.all.rp_filter", "net/ipv4/conf/all/rp_filter"),
        ("net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
        ("net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
    ],
)
def test_the_first_separator_separates(name: str, path: str) -> None:
    assert kernel.setting_path(name) == "/proc/sys/" + path


def test_a_setting_is_what_the_kernel_has_with_single_spaces(tmp_path: Path) -> None:
    reader = made_reader(
        tmp_path,
        {"/proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t6291456\n", "/etc/sysctl.conf": "net.ipv4.tcp_rmem=1\n"},
    )

    assert kernel.setting(reader, "net.ipv4.tcp_rmem") == {"value": "4096 131072 6291456"}
    with pytest.raises(Absent, match=r"kernel\.yama\.ptrace_scope"):
        kernel.setting(reader, "kernel.yama.ptrace_scope")


def test_a_star_stands_for_each_interface_that_is_there(tmp_path: Path) -> None:
    places = ("all", "default", "eth0", "eth0.100", "lo")
    files = {f"/proc/sys/net/ipv4/conf/{one}/rp_filter": f"{number}\n" for number, one in enumerate(places)}
    reader = made_reader(tmp_path, {**files, "/proc/sys/net/ipv4/conf/tun0/forwarding": "1\n"})

    assert kernel.setting(reader, "net.ipv4.conf.*.rp_filter") == {"value": {"eth0": "2", "eth0.100": "3", "lo": "4"}}
    with pytest.raises(Absent, match=r"net\.ipv6\.conf\.\*\.accept_redirects"):
        kernel.setting(reader, "net.ipv6.conf.*.accept_redirects")
    with pytest.raises(Absent):
        kernel.setting(reader, "net.ipv4.conf.*.no_such")


def test_a_module_is_blocked_by_an_install_line_and_not_by_a_blacklist(tmp_path: Path) -> None:
    reader = made_reader(
        tmp_path,
        {
            "/proc/modules": "usb_storage 81920 0 - Live 0x0000000000000000\n",
            f"/lib/modules/{os.uname().release}/modules.builtin": "kernel/fs/squash-fs/squashfs.ko\n",
            "/etc/modprobe.d/a.conf": "# install dccp /bin/false\ninstall cramfs /bin/false\nblacklist hfs\n",
            "/etc/modprobe.d/b.conf": "install usb-storage \\\n  /usr/bin/true\ninstall jffs2 /bin/false\n",
            "/lib/modprobe.d/a.conf": "install rds /bin/false\n",
            "/lib/modprobe.d/z.conf": "install jffs2 /sbin/modprobe --ignore-install jffs2\n",
        },
    )

    found = {
        name: kernel.module(reader, name)
        for name in ("cramfs", "hfs", "usb-storage", "usb_storage", "jffs2", "rds", "dccp", "squashfs")
    }

    assert [name for name, one in found.items() if one["blocked"]] == ["cramfs", "usb-storage", "usb_storage"]
    assert [name for name, one in found.items() if one["loaded"]] == ["usb-storage", "usb_storage", "squashfs"]


def test_a_kernel_that_loads_no_modules_blocks_them_all(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, {"/proc/sys/kernel/ostype": "Linux\n"})

    assert kernel.module(reader, "cramfs") == {"loaded": False, "blocked": True}


def test_what_is_mounted_last_lies_on_top_and_a_mount_may_be_narrower_than_its_file_system(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, {"/proc/self/mountinfo": MOUNTS, "/etc/fstab": FSTAB})

    found = kernel.mount(reader, "/tmp")  # noqa: S108

    assert (found["mounted"], found["fstype"], found["options"]) == (True, "ext4", ["noexec", "nosuid", "ro"])
    assert (found["in_fstab"], found["fstab_options"]) == (False, [])


def test_a_mount_is_told_beside_what_fstab_says(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, {"/proc/self/mountinfo": MOUNTS, "/etc/fstab": FSTAB})

    assert kernel.mount(reader, "/dev/shm") == {  # noqa: S108
        "mounted": True,
        "fstype": "tmpfs",
        "source": "tmpfs",
        "options": ["nodev", "nosuid", "rw", "size=1024k"],
        "in_fstab": True,
        "fstab_options": ["nodev", "noexec", "nosuid", "rw"],
    }
    assert kernel.mount(reader, "/srv/with space")["source"] == "anna@host:/a b"
    assert kernel.mount(reader, "/srv/with space")["fstab_options"] == ["defaults"]


def test_what_is_not_mounted_says_so(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, {"/proc/self/mountinfo": MOUNTS})

    assert kernel.mount(reader, "/home") == {
        "mounted": False,
        "fstype": None,
        "source": None,
        "options": [],
        "in_fstab": False,
        "fstab_options": [],
    }


def test_a_list_of_mounts_without_a_root_is_none(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable):
        kernel.mount(made_reader(tmp_path, {"/proc/self/mountinfo": ""}), "/home")
