# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What apt and dpkg print, recorded from Debian 12, and what it is taken for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install import apt, dpkg, leftovers
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import Cut, Move, broken
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Package
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.patching.install.made_manager import made_host
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.patching.install.made_programs import MadePrograms

SIMULATED = """\
Reading package lists...
Inst lab-shop [1.0] (1.1 Lab-Security:lab-security [all])
Inst libc6 [2.36-9+deb12u9] (2.36-9+deb12u10 Debian:12.10/stable [amd64]) []
Inst libc6:i386 [2.36-9+deb12u9] (2.36-9+deb12u10 Debian:12.10/stable, Debian-Security:12/stable-security [i386])
Inst linux-image-6.1.0-32-amd64 (6.1.129-1 Debian:12.10/stable [amd64])
Remv lab-victim [1.0]
Conf lab-shop (1.1 Lab-Security:lab-security [all])
"""


def test_a_simulation_is_read_line_for_line() -> None:
    found = apt.parse_simulation(0, SIMULATED, "")

    both = "Debian:12.10/stable, Debian-Security:12/stable-security"
    assert found.installs == (
        Move("lab-shop:all", "1.0", "1.1", "Lab-Security:lab-security"),
        Move("libc6:amd64", "2.36-9+deb12u9", "2.36-9+deb12u10", "Debian:12.10/stable"),
        Move("libc6:i386", "2.36-9+deb12u9", "2.36-9+deb12u10", both),
        Move("linux-image-6.1.0-32-amd64:amd64", None, "6.1.129-1", "Debian:12.10/stable"),
    )
    assert found.removes == ("lab-victim",)
    assert (found.gone, found.error) == ((), "")


def test_a_package_that_is_a_file_comes_from_no_archive() -> None:
    (move,) = apt.parse_simulation(0, "Inst lab-shop [1.1] (1.0 [all])\n", "").installs

    assert move == Move("lab-shop:all", "1.1", "1.0", "")


def test_versions_that_a_mirror_lacks_are_named() -> None:
    said = "E: Version '9.9' for 'lab-shop' was not found\nE: Unable to locate package lab-none\n"

    found = apt.parse_simulation(100, "", said)

    assert found.gone == ("lab-none", "lab-shop=9.9")
    assert found.error == ""


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("E: Unable to correct problems, you have held broken packages.\n", "held broken packages"),
        ("", "status 100"),
    ],
)
def test_a_simulation_that_fails_otherwise_never_reads_as_nothing_to_do(said: str, error: str) -> None:
    assert error in apt.parse_simulation(100, "", said).error


def test_errors_are_told_with_their_reason_and_once() -> None:
    said = (
        "Unpacking lab-full (1.1) over (1.0) ...\n"
        "dpkg: error processing archive /x/lab-full_1.1_all.deb (--unpack):\n"
        " cannot copy extracted data: failed to write (No space left on device)\n"
        "Errors were encountered while processing:\n /x/lab-full_1.1_all.deb\n"
        "E: Sub-process /usr/bin/dpkg returned an error code (1)\n"
        "E: Sub-process /usr/bin/dpkg returned an error code (1)\n"
    )

    first, second = apt.errors(said)

    assert first.endswith("(--unpack): cannot copy extracted data: failed to write (No space left on device)")
    assert second == "E: Sub-process /usr/bin/dpkg returned an error code (1)"


def test_sizes_are_bytes() -> None:
    uris = "'http://deb.example.com/pool/a.deb' a_1_all.deb 1350 SHA256:00\n'file:/x/b.deb' b_1_all.deb 10 \n"
    shown = (
        "Package: a\nArchitecture: all\nVersion: 1\nInstalled-Size: 12\nDescription: x\n Package: no\n\nPackage: b\n"
    )

    assert apt.parse_uris(uris) == 1360
    assert apt.parse_sizes(shown) == {("a:all", "1"): 12 * 1024}


@pytest.mark.parametrize(
    ("package", "name"),
    [
        (Package("a", "all", "1:1.0"), "a=1:1.0"),
        (Package("a", "amd64", "1.0"), "a:amd64=1.0"),
    ],
)
def test_a_package_is_named_with_its_version_in_full(package: Package, name: str) -> None:
    assert apt.wanted(package) == name


def test_a_kept_file_is_found_by_its_whole_version(tmp_path: Path) -> None:
    (tmp_path / "a_1%3a1.0_all.deb").touch()

    assert apt.cached(Package("a", "all", "1:1.0"), str(tmp_path)) == str(tmp_path / "a_1%3a1.0_all.deb")
    assert apt.cached(Package("a", "all", "1.0"), str(tmp_path)) is None


def test_dependencies_are_mended_only_where_nothing_else_moves() -> None:
    plan = "Inst lab-shop [1.0] (1.1 Lab:lab [all])\n"
    programs = MadePrograms({"apt-get": (0, "", ""), "apt-get --simulate": (0, plan, "")})

    def mended(name: str) -> list[str]:
        programs.asked.clear()
        apt.Apt(Host(), programs).repair(Cut({}, frozenset([name])), "/dev/null", 0)
        return [line for line in programs.asked if "apt-get" in line and "--simulate" not in line]

    assert mended("other:all") == []
    assert len(mended("lab-shop:all")) == 1
    assert programs.asked[0].endswith("--configure --pending")


def test_work_is_told_versions_and_no_questions() -> None:
    programs = MadePrograms({"apt-get": (0, "", "")})

    apt.Apt(Host(), programs).install(["a=1"], "/dev/null", 7)

    (line,) = programs.asked
    for word in ("--only-upgrade", "--no-remove", "Dpkg::Options::=--force-confold", "DPkg::Lock::Timeout=7", "-- a=1"):
        assert word in line
    assert "--allow-downgrades" not in line


POLICY = """\
a:
  Installed: 1.0
  Candidate: {candidate}
  Version table:
     2.0 500
        500 http://deb.example.com main/main amd64 Packages
     1.1 500{phase}
        500 http://deb.example.com security/main amd64 Packages
 *** 1.0 100
        100 /var/lib/dpkg/status
"""
DEFERRED = "Inst b [1] (2 Lab:main [all])\n"
MOVED = DEFERRED + "Inst a [1.0] (1.1 Lab:main [amd64])\n"


@pytest.mark.parametrize(
    ("candidate", "phase", "version", "would", "why"),
    [
        ("1.1", "", "1.1", "", ""),
        ("2.0", "", "1.1", "", ""),  # newer than the manifest's is no hold
        ("1.0", "", "1.1", "", "pinned"),
        ("(none)", "", "1.1", "", "pinned"),
        ("1.1", "", "2.0", "", "pinned"),  # one of two archives is pinned down
        ("1.0", " (phased 10%)", "1.1", "", "phased 10 %"),
        ("1.1", " (phased 10%)", "1.1", DEFERRED, "phased 10 %"),
        ("1.1", " (phased 10%)", "1.1", MOVED, ""),  # this machine is among the first
        ("1.0", "", "9.9", "", ""),  # no archive has it: that is said as such
    ],
)
def test_what_pins_and_phases_keep_from_a_host_is_held_back(
    candidate: str, phase: str, version: str, would: str, why: str
) -> None:
    programs = MadePrograms(
        {
            "apt-cache policy": (0, POLICY.format(candidate=candidate, phase=phase), ""),
            "apt-get --simulate": (0, would, "") if would else (100, MOVED, ""),
        }
    )

    found = apt.Apt(Host(), programs).kept_back([Package("a", "amd64", version)], {})

    assert found == ({"a:amd64": why} if why else {})


def test_what_is_on_hold_is_held_back_and_not_asked_for() -> None:
    programs = MadePrograms()

    found = apt.Apt(Host(), programs).kept_back([Package("b", "amd64", "2:1.1")], dpkg.parse_states(STATES))

    assert (found, programs.asked) == ({"b:amd64": "hold"}, [])


def test_a_foreign_package_is_not_taken_for_the_machines_own() -> None:
    said = POLICY.format(candidate="1.1", phase="") + POLICY.format(candidate="1.0", phase="").replace(
        "a:\n", "a:i386:\n"
    )
    programs = MadePrograms({"apt-cache policy": (0, said, "")})

    both = [Package("a", architecture, "1.1") for architecture in ("amd64", "i386")]

    assert apt.Apt(Host(), programs).kept_back(both, {}) == {"a:i386": "pinned"}


def test_where_apt_does_not_tell_what_it_would_choose_nothing_is_taken_for_free() -> None:
    with pytest.raises(MspError) as error:
        apt.Apt(Host(), MadePrograms({"apt-cache": (100, "", "E: no")})).kept_back([Package("a", "all", "1")], {})

    assert error.value.code == "MSP-PAT-182"


@pytest.mark.parametrize(
    ("moved", "newer", "reasons"),
    [
        (["libc6:amd64", "lab-shop:all"], True, ["libc6 was updated after the last boot"]),
        (["libc6:amd64"], False, []),  # the host was started since
        (["lab-shop:all"], True, []),  # who moved libc6 is not this work
    ],
)
def test_what_a_running_system_keeps_wants_a_reboot_also_where_no_package_asks_for_it(
    tmp_path: Path, moved: list[str], newer: bool, reasons: list[str]
) -> None:
    host = made_host(tmp_path)
    for name in ("libc6:amd64.list", "libc6:amd64.md5sums", "lab-shop.list"):
        path = tmp_path / "var/lib/dpkg/info" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (10.0, 10.0))
    (tmp_path / "proc/stat").write_text(f"btime {5 if newer else 15}\n")

    assert apt.Apt(host, MadePrograms()).reboot_reasons(moved) == reasons


STATES = (
    "a\tall\t1.0\tinstall\tinstalled\tok\t12\n"
    "b\tamd64\t2:1.0\thold\tinstalled\tok\t\n"
    "c\tall\t1.1\tinstall\thalf-configured\tok\t1\n"
    "d\tall\t1.1\tinstall\thalf-installed\treinstreq\t1\n"
    "e\tall\t1.1\tdeinstall\tconfig-files\tok\t1\n"
)


def test_states_are_read_and_what_is_unfinished_is_named() -> None:
    found = dpkg.parse_states(STATES)

    assert sorted(found) == ["a:all", "b:amd64", "c:all", "d:all"]
    assert (found["a:all"].size, found["a:all"].sound, found["a:all"].held) == (12 * 1024, True, False)
    assert found["b:amd64"].held
    assert broken(found) == ["c:all is half-configured", "d:all is half-installed, reinstreq"]


def test_a_database_that_was_cut_off_is_seen(tmp_path: Path) -> None:
    (tmp_path / "tmp.i").touch()
    assert not dpkg.interrupted(str(tmp_path))
    (tmp_path / "0001").touch()
    assert dpkg.interrupted(str(tmp_path))


def test_configuration_files_that_were_kept_are_named_and_others_are_not() -> None:
    said = (
        "Configuration file '/etc/a.conf'\n ==> Modified (by you or by a script) since installation.\n"
        " ==> Package distributor has shipped an updated version.\n ==> Keeping old config file as default.\n"
        "Configuration file '/etc/b.conf'\n ==> Using new config file as default.\n"
    )

    assert dpkg.kept_in_log(said) == ["/etc/a.conf"]


def test_what_lay_beside_a_file_before_is_not_of_this_work(tmp_path: Path) -> None:
    new = tmp_path / "deep" / "a.conf.dpkg-dist"
    new.parent.mkdir()
    new.touch()
    since = new.stat().st_ctime

    assert leftovers.found(str(tmp_path), since, dpkg.LEFTOVERS) == [str(new)]
    assert leftovers.found(str(tmp_path), since + 1, dpkg.LEFTOVERS) == []
