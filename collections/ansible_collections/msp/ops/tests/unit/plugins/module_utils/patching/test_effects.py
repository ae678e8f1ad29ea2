# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an update needs afterwards, by the files that processes have mapped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.patching import effects
from ansible_collections.msp.ops.plugins.module_utils.patching.effects import Running

MAPS = """\
55a0-55b0 r-xp 00000000 00:1cc 33 /usr/sbin/sshd
7f00-7f10 r-xp 00000000 00:1cc 34 /usr/lib/x86_64-linux-gnu/libssl.so.3
7f20-7f30 r-xp 00000000 00:1cc 35 /usr/lib/x86_64-linux-gnu/libold.so.1 (deleted)
7f40-7f50 rw-p 00000000 00:00 0
7ffe-7fff r-xp 00000000 00:00 0 [vdso]
"""


@pytest.mark.parametrize(
    ("cgroups", "unit"),
    [
        ("0::/system.slice/ssh.service\n", "ssh.service"),
        (
            "9:name=systemd:/libpod_parent/libpod-1/system.slice/ssh.service\n8:pids:/libpod_parent/libpod-1\n",
            "ssh.service",
        ),
        ("0::/init.scope\n", "init.scope"),
        ("0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n", "postgresql@15-main.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n", ""),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", ""),
        ("0::/\n", ""),
    ],
)
def test_a_process_has_a_unit_of_the_system_or_none(cgroups: str, unit: str) -> None:
    assert effects.unit_of(cgroups) == unit


def test_a_file_that_was_replaced_already_is_not_of_the_package_any_more() -> None:
    assert effects.parse_maps(MAPS) == {"/usr/sbin/sshd", "/usr/lib/x86_64-linux-gnu/libssl.so.3"}


def running(*files: str, unit: str = "ssh.service", programs: tuple[str, ...] = (), hidden: int = 0) -> Running:
    found = Running(hidden)
    for file in files:
        found.add(file, unit)
    found.programs.update(programs)
    return found


@pytest.mark.parametrize(
    ("name", "files", "seen", "expected"),
    [
        ("libssl3", ["/usr/lib/libssl.so.3"], running("/usr/lib/libssl.so.3"), ("restart", ["ssh.service"])),
        # dpkg and the kernel may name one file by two names.
        ("libssl3", ["/lib/libssl.so.3"], running("/usr/lib/libssl.so.3"), ("restart", ["ssh.service"])),
        ("libssl3", ["/usr/lib/libssl.so.3"], running("/usr/lib/libssl.so.3", unit=""), ("restart", [])),
        ("libssl3", ["/usr/lib/libssl.so.3"], running("/usr/sbin/sshd"), ("nothing", [])),
        ("libssl3", ["/usr/lib/libssl.so.3"], running(hidden=1), ("unknown", [])),
        ("libssl3", None, running(), ("unknown", [])),
        ("libc6", ["/usr/lib/libc.so.6"], running("/usr/lib/libc.so.6"), ("reboot", ["ssh.service"])),
        ("linux-image-6.1.0-42-amd64", [], running(), ("reboot", [])),
        ("linux-image-amd64", [], running(), ("reboot", [])),
        ("linux-libc-dev", ["/usr/include/linux/x.h"], running(), ("nothing", [])),
        ("python3-yaml", ["/usr/lib/python3/yaml.py"], running(programs=("python3.11",)), ("unknown", [])),
        ("python3-yaml", ["/usr/lib/python3/yaml.py"], running(programs=("perl",)), ("nothing", [])),
    ],
)  # fmt: skip
def test_an_update_needs_what_runs_with_its_files(
    name: str, files: list[str] | None, seen: Running, expected: tuple[str, list[str]]
) -> None:
    assert effects.judge(name, files, seen) == expected


def process(root: Path, number: int, maps: str | None, *, parent: int = 1, command: str = "sshd") -> None:
    place = root / "proc" / str(number)
    place.mkdir(parents=True)
    (place / "stat").write_text(f"{number} (a b) S {parent} 0 0")
    (place / "cmdline").write_text(command)
    (place / "cgroup").write_text("0::/system.slice/ssh.service\n")
    (place / "root").symlink_to(root)
    if maps is not None:
        (place / "maps").write_text(maps)


def test_every_process_is_looked_at_but_the_scan_and_what_started_it(tmp_path: Path) -> None:
    process(tmp_path, 10**7, MAPS, command="/usr/bin/python3\0/usr/share/watch/watch.py")
    process(tmp_path, os.getpid(), "1-2 r-xp 0 0:0 1 /usr/bin/ours\n", parent=10**7 + 1)
    process(tmp_path, 10**7 + 1, "1-2 r-xp 0 0:0 1 /usr/bin/starter\n")

    found = effects.collect(Host(str(tmp_path)))

    assert found.units["/usr/sbin/sshd"] == {"ssh.service"}
    assert found.units["/usr/share/watch/watch.py"] == {"ssh.service"}
    assert not {"/usr/bin/ours", "/usr/bin/starter"} & set(found.units)
    assert (found.hidden, "python3" in found.programs) == (0, True)


def test_a_process_in_a_container_is_not_the_hosts(tmp_path: Path) -> None:
    process(tmp_path, 10**7, MAPS)
    (tmp_path / "proc" / str(10**7) / "root").unlink()
    (tmp_path / "proc" / str(10**7) / "root").symlink_to("/proc")

    assert effects.collect(Host(str(tmp_path))).units == {}


def test_a_process_that_may_not_be_looked_into_is_counted_and_said(tmp_path: Path) -> None:
    process(tmp_path, 10**7, None)
    # Reading a directory as a file fails as a right that is lacking does: for root too.
    (tmp_path / "proc" / str(10**7) / "maps").mkdir()
    host = Host(str(tmp_path))

    assert effects.collect(host).hidden == 1
    assert host.notes == {("running services", "1 process(es) could not be looked into")}


def test_needrestart_names_the_units_that_run_old_code() -> None:
    text = "NEEDRESTART-VER: 2.1\nNEEDRESTART-SVC: systemd-journald.service\nNEEDRESTART-SESS: metabase @ session #1\n"

    assert effects.waiting(text) == ["systemd-journald.service"]
