# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How dnf is told what to install, what its answers are taken for, and what rpm says of what came of it.

The texts of dnf are those of a real dnf 4.23 on the made repositories of tests/test_patch_dnf.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install import dnf, doing, managers, rpm
from ansible_collections.msp.ops.plugins.module_utils.patching.install.dnf import Dnf
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import Cost, Cut, Move, State, States
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Package, Request
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.patching.install.made_programs import MadePrograms

WEB = Package("lab-web", "noarch", "1.1-1")
DB = Package("lab-db", "x86_64", "1:1.1-1")
NAMES = ["lab-web-0:1.1-1.noarch", "lab-db-1:1.1-1.x86_64"]


def test_a_package_is_named_with_its_epoch() -> None:
    assert [dnf.nevra(WEB), dnf.nevra(DB)] == NAMES


@pytest.mark.parametrize(
    "package",
    [
        Package("--installroot=/", "noarch", "1-1"),
        Package("lab*", "noarch", "1-1"),
        Package("lab-web", "noarch", "1"),
        Package("lab-web", "no arch", "1-1"),
        Package("lab-web", "noarch", "1-1; id"),
        Package("@group", "noarch", "1-1"),
        Package("/srv/lab", "noarch", "1-1"),
    ],
)
def test_what_dnf_could_take_for_something_else_is_refused(package: Package) -> None:
    with pytest.raises(MspError) as error:
        dnf.nevra(package)

    assert error.value.code == "MSP-PAT-061"


@settings(max_examples=30)
@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_no_word_of_a_host_becomes_an_option_or_a_pattern(name: str, architecture: str, version: str) -> None:
    try:
        found = dnf.nevra(Package(name, architecture, version))
    except MspError:
        return

    assert found.isascii()
    assert not found.startswith(("-", "@", "/"))
    assert not set(found) & set(" *?[]\n\t'\"$`")


def test_nothing_to_install_is_an_error_since_dnf_would_upgrade_everything() -> None:
    with pytest.raises(MspError) as error:
        dnf.command("upgrade", [])

    assert error.value.code == "MSP-PAT-062"


RPMS = (
    "lab-web\tnoarch\t1.0-1\t12\nlab-core\tnoarch\t1.10-1\t2\nlab-core\tnoarch\t0:1.9-1\t1\n"
    "gpg-pubkey\t(none)\t1-1\t0\n"
)


def made(answers: Mapping[str, tuple[int, str, str]], tmp_path: Path) -> tuple[Dnf, MadePrograms]:
    programs = MadePrograms({"rpm -qa": (0, RPMS, ""), "rpm --eval": (0, "/var/lib/rpm\n", ""), **answers})
    return Dnf(Host(str(tmp_path)), programs, "/usr/bin/no-python"), programs


def said(manager: Dnf, report: Mapping[str, Any]) -> None:
    """What dnf's own Python would answer."""
    empty: dict[str, Any] = {"comes": [], "goes": [], "missing": [], "blocked": {}, "problem": None, "duplicates": []}
    manager._ask = lambda request: {**empty, **report, "asked": request}  # type: ignore[method-assign]


def test_packages_are_fetched_first_and_installed_from_the_cache_without_what_nobody_asked_for(tmp_path: Path) -> None:
    manager, programs = made({"dnf": (0, "", "")}, tmp_path)
    said(manager, {})

    manager.download(NAMES, "/dev/null", 0)
    manager.install(NAMES, "/dev/null", 0)
    manager.install(NAMES[:1], "/dev/null", 0, back=True)

    fetch, work, back = [line for line in programs.asked if line.startswith("dnf")]
    assert fetch.endswith("--best --downloadonly upgrade -- lab-db-1:1.1-1.x86_64 lab-web-0:1.1-1.noarch")
    assert work.endswith("--best --cacheonly upgrade -- lab-db-1:1.1-1.x86_64 lab-web-0:1.1-1.noarch")
    assert back.endswith("--cacheonly downgrade -- lab-web-0:1.1-1.noarch")
    for option in ("install_weak_deps=False", "clean_requirements_on_remove=False", "exit_on_lock=True"):
        assert all(f"--setopt={option}" in line for line in (fetch, work, back))


def test_a_host_whose_dnf_cannot_be_asked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run" / "systemd" / "system").mkdir(parents=True)
    monkeypatch.setattr(doing, "privileged", lambda: True)
    idle = "ActiveState=inactive\nDescription=\nLoadState=not-found\n"
    manager, programs = made({"systemctl show": (0, idle, ""), "rpmdb --verifydb": (0, "", "")}, tmp_path)
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "usr" / "bin" / "dnf").write_text("#!/usr/bin/no-python\n")
    (tmp_path / "usr" / "bin" / "dnf").chmod(0o755)
    desk = doing.Desk(manager.host, programs, top=str(tmp_path / "top"))

    found = desk.act("start", Request("r", (Package("lab-web", "noarch", "1.1-1"),)))

    assert [error["code"] for error in found["refusals"]] == ["MSP-PAT-060"], found
    assert found["result"]["outcome"] == "refused"


@pytest.mark.parametrize("change", ["refresh", "install"])
def test_the_solver_is_asked_anew_once_something_changed(tmp_path: Path, change: str) -> None:
    manager, _programs = made({"dnf": (0, "", "")}, tmp_path)
    said(manager, {})
    assert manager.simulate(NAMES, {}) == manager.simulate(NAMES[::-1], {})
    said(manager, {"missing": NAMES})
    assert not manager.simulate(NAMES, {}).gone

    manager.refresh() if change == "refresh" else manager.install(NAMES, "/dev/null", 0)

    assert manager.simulate(NAMES, {}).gone


def test_what_a_host_locks_or_excludes_is_held_back_and_what_is_gone_is_not(tmp_path: Path) -> None:
    manager, _programs = made({}, tmp_path)
    said(manager, {"missing": NAMES, "blocked": {NAMES[1]: "versionlock"}})

    assert manager.kept_back([WEB, DB], {}) == {"lab-db:x86_64": "versionlock"}
    assert manager.kept_back([], {}) == {}
    assert [manager.lacks(one, NAMES[:1]) for one in (WEB, DB)] == [True, False]


def test_another_dnf_at_work_is_waited_for_no_longer_than_asked(tmp_path: Path) -> None:
    manager, programs = made({"dnf": (200, "", "")}, tmp_path)

    assert manager.download(NAMES, "/dev/null", 0) == 200
    assert len(programs.asked) == 1


def row(name: str, version: str, **values: Any) -> dict[str, Any]:
    plain = {"name": name, "architecture": "noarch", "version": version, "repository": "updates"}
    return {**plain, "installed_bytes": 0, "fetch_bytes": 0, "beside": False, "reboot": False, **values}


def state(key: str, version: str, size: int = 0, others: tuple[str, ...] = ()) -> dict[str, State]:
    return {key: State(key, version, "installed", held=False, size=size, others=others)}


def simulation(states: States, **values: Any) -> Any:
    report = {"comes": [], "goes": [], "missing": [], "blocked": {}, "problem": None, **values}
    return dnf.parse_simulation(report, states)


def test_a_simulation_says_from_what_to_what_and_what_that_takes() -> None:
    states = state("lab-web:noarch", "1.0-1", 2000)
    comes = [row("lab-web", "1.1-1", installed_bytes=5000, fetch_bytes=900), row("lab-new", "1-1", fetch_bytes=1)]

    found = simulation(states, comes=comes, goes=[row("lab-web", "1.0-1", repository="@System")])

    assert found.installs == (
        Move("lab-web:noarch", "1.0-1", "1.1-1", "updates"),
        Move("lab-new:noarch", None, "1-1", "updates"),
    )
    assert (found.removes, found.error) == ((), "")
    assert found.cost == Cost(901, ((2000, 5000), (0, 0)), 0)


def test_a_package_may_come_for_another_architecture() -> None:
    states = {**state("a:noarch", "1-1"), **state("b:x86_64", "1-1")}
    comes = [row("a", "2-1", architecture="x86_64"), row("b", "2-1"), row("c", "1-1", architecture="i686")]

    found = simulation(states, comes=comes, goes=[row("a", "1-1"), row("b", "1-1")])

    assert [move.before for move in found.installs] == ["1-1", "1-1", None]
    assert found.removes == ()


def test_a_kernel_takes_its_room_anew_and_what_goes_for_it_is_no_removal() -> None:
    states = state("kernel-core:x86_64", "3-1", 100, ("1-1", "2-1"))
    kernel = row("kernel-core", "4-1", architecture="x86_64", installed_bytes=100, beside=True, reboot=True)

    found = simulation(states, comes=[kernel], goes=[row("kernel-core", "1-1", architecture="x86_64")])

    assert found.cost == Cost(0, ((0, 100),), 1)
    assert (found.removes, found.retires) == ((), ("kernel-core:x86_64 1-1",))
    assert found.reboots == ("kernel-core",)


@pytest.mark.parametrize(
    ("names", "kernels"),
    [
        (["kernel", "kernel-core", "kernel-modules", "kernel-modules-core"], 1),
        (["kernel-uek-core", "kernel-uek-modules-core", "kernel-core"], 2),
        (["kernel-uek", "kernel-uek-devel"], 1),
        (["lab-core", "kernel-devel"], 0),
    ],
)
def test_kernels_are_counted_by_what_they_put_into_boot(names: list[str], kernels: int) -> None:
    found = simulation({}, comes=[row(name, "1-1", beside=True) for name in names])

    assert found.cost.kernels == kernels


def test_what_goes_without_anything_of_its_name_is_removed_and_what_is_missing_says_why() -> None:
    found = simulation({}, goes=[row("lab-old", "1-1")], missing=NAMES, blocked={NAMES[0]: "versionlock"})

    assert found.removes == ("lab-old",)
    assert (found.gone, found.held) == ((NAMES[1],), ((NAMES[0], "versionlock"),))
    assert simulation({}, problem="Problem: a\n  - b").error == "Problem: a - b"


def test_the_way_back_needs_a_repository_that_still_has_the_version(tmp_path: Path) -> None:
    manager, _programs = made({}, tmp_path)
    said(manager, {"missing": NAMES, "blocked": {NAMES[1]: "excluded"}})

    assert manager.sources([WEB, DB], {}) == (NAMES, ["lab-web:noarch 1.1-1", "lab-db:x86_64 1:1.1-1"])

    manager, _programs = made({}, tmp_path)
    said(manager, {"missing": NAMES[:1]})
    assert manager.sources([WEB, DB], {}) == (NAMES, ["lab-web:noarch 1.1-1"])


def test_a_host_whose_dnf_gives_no_answer_is_an_error(tmp_path: Path) -> None:
    manager, _programs = made({}, tmp_path)

    with pytest.raises(MspError) as error:
        manager.simulate(NAMES, {})

    assert (error.value.code, error.value.found) == (
        "MSP-PAT-060",
        "dnf's interpreter /usr/bin/no-python cannot be started",
    )


def test_rpms_answer_keeps_the_newest_version_those_beside_it_and_no_keys() -> None:
    found = rpm.parse_states(RPMS)

    assert sorted(found) == ["lab-core:noarch", "lab-web:noarch"]
    core = found["lab-core:noarch"]
    assert (core.version, core.others, core.size, core.sound) == ("1.10-1", ("1.9-1",), 2, True)


@pytest.mark.parametrize(("meant", "sound"), [(True, True), (False, False)])
def test_what_is_there_twice_and_not_meant_to_be_was_cut_off(tmp_path: Path, meant: bool, sound: bool) -> None:
    manager, _programs = made({}, tmp_path)
    said(manager, {"duplicates": [] if meant else [row("lab-core", "1.9-1"), row("lab-core", "1.10-1")]})

    found = manager.states()

    assert (found["lab-core:noarch"].sound, found["lab-web:noarch"].sound) == (sound, True)


@pytest.mark.parametrize(
    ("answers", "damage"),
    [
        ({"rpmdb --verifydb": (0, "", "")}, ""),
        (
            {"rpmdb --verifydb": (1, "", "error: database disk image is malformed\n")},
            "rpmdb --verifydb: error: database",
        ),
        ({"rpm -qa": (0, RPMS, "error: rpmdbNextIterator: skipping h#7\n")}, "rpm -qa: error: rpmdbNextIterator"),
        ({"rpm -qa": (1, "", "")}, "rpm -qa: ended with status 1"),
    ],
)
def test_a_damaged_database_is_told(tmp_path: Path, answers: dict[str, tuple[int, str, str]], damage: str) -> None:
    manager, _programs = made(answers, tmp_path)

    assert manager.damage().startswith(damage) and bool(manager.damage()) is bool(damage)


CORE = ["lab-core:noarch"]
AGAIN = "reinstall -- lab-core-0:1.10-1.noarch"
VERIFIED = {"rpmdb --verifydb": (0, "", ""), "dnf": (0, "", "")}


@pytest.mark.parametrize(
    ("cut", "twice", "verbs"),
    [
        (Cut({}, frozenset(CORE)), True, [AGAIN, "--cacheonly remove -- lab-core-0:1.9-1.noarch"]),
        (Cut({}, frozenset(["other:noarch"])), True, []),
        (Cut({"lab-core:noarch": "1.10-1"}, frozenset(CORE), ended=False), False, []),
        (Cut({"lab-core:noarch": "1.9-1"}, frozenset(CORE), ended=False), False, [AGAIN]),
        (Cut({"lab-core:noarch": "1.9-1"}, frozenset(CORE)), False, []),
        (Cut({"lab-core:noarch": "1.9-1"}, frozenset(CORE), scripts=frozenset(["lab-core"])), False,
         [AGAIN]),
        (Cut({"lab-core:noarch": "1.10-1"}, frozenset(CORE), scripts=frozenset(["lab-core"])), False, []),
    ],
)  # fmt: skip
def test_only_what_was_in_the_middle_is_done_again(tmp_path: Path, cut: Cut, twice: bool, verbs: list[str]) -> None:
    manager, programs = made(VERIFIED, tmp_path)
    said(manager, {"duplicates": [row("lab-core", "1.9-1"), row("lab-core", "1.10-1")] if twice else []})

    assert manager.repair(cut, "/dev/null", 0) == []

    ran = [line.partition("--best ")[2] for line in programs.asked if line.startswith("dnf")]
    assert ran == verbs


def test_what_could_not_be_done_again_is_told(tmp_path: Path) -> None:
    manager, _programs = made({**VERIFIED, "dnf": (1, "", "")}, tmp_path)
    said(manager, {})
    cut = Cut({"lab-core:noarch": "1.9-1"}, frozenset(CORE), ended=False)

    assert manager.repair(cut, "/dev/null", 0) == CORE


def test_a_database_that_is_damaged_is_built_anew_before_anything_else(tmp_path: Path) -> None:
    manager, programs = made({**VERIFIED, "rpmdb --verifydb": (1, "", ""), "rpmdb --rebuilddb": (0, "", "")}, tmp_path)
    said(manager, {})

    manager.repair(Cut({}, frozenset()), "/dev/null", 0)

    assert "rpmdb --rebuilddb" in programs.asked


def test_a_lock_is_told_with_its_holder_and_one_of_a_process_that_is_gone_is_none(tmp_path: Path) -> None:
    manager, _programs = made({}, tmp_path)
    for name, text in {
        "/var/cache/dnf/metadata_lock.pid": "7",
        "/var/lib/dnf/rpmdb_lock.pid": "8",
        "/proc/7/stat": "7 (dnf)",
        "/proc/7/cmdline": "dnf\0upgrade\0",
    }.items():
        path = tmp_path / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    assert manager.holders() == ["/var/cache/dnf/metadata_lock.pid by dnf upgrade (process 7)"]


def test_files_beside_edited_ones_say_who_stayed_and_who_was_replaced(tmp_path: Path) -> None:
    (tmp_path / "old.conf.rpmnew").touch()
    for name in ("a.conf.rpmnew", "b.conf.rpmsave"):
        (tmp_path / name).touch()
    os.utime(tmp_path / "old.conf.rpmnew")
    since = (tmp_path / "a.conf.rpmnew").stat().st_ctime
    (tmp_path / "old.conf.rpmnew").unlink()
    text = "warning: /srv/c.conf created as /srv/c.conf.rpmnew\nwarning: /srv/d.conf saved as /srv/d.conf.rpmsave\n"

    kept, replaced = rpm.configuration(text, since, str(tmp_path))

    assert kept == sorted(["/srv/c.conf", f"{tmp_path}/a.conf"])
    assert replaced == sorted(["/srv/d.conf", f"{tmp_path}/b.conf"])
    assert rpm.configuration("", since + 60, str(tmp_path)) == ([], [])


STUCK = """\
Last metadata expiration check: 0:00:05 ago on Thu Nov 26 01:55:39 2026.
(try to add '--skip-broken' to skip uninstallable packages)
Error:
 Problem: cannot install the best update candidate for package lab-stuck-1.0-1.noarch
  - nothing provides lab-absent needed by lab-stuck-1.1-1.noarch from updates
"""
GONE = "No match for argument: lab-gone-0:1.1-1.noarch\nError: No packages marked for upgrade.\n"
BROKEN = """\
  Running scriptlet: lab-broken-1.1-1.noarch                                1/2
error: lua script failed: [string "%prein(lab-broken-1.1-1.noarch)"]:1: made to fail
Error in PREIN scriptlet in rpm package lab-broken

Failed:
  lab-broken-1.0-1.noarch                lab-broken-1.1-1.noarch

Error: Transaction failed
"""


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        (
            STUCK,
            [
                "Error: Problem: cannot install the best update candidate for package lab-stuck-1.0-1.noarch"
                " - nothing provides lab-absent needed by lab-stuck-1.1-1.noarch from updates"
            ],
        ),
        (GONE, ["No match for argument: lab-gone-0:1.1-1.noarch", "Error: No packages marked for upgrade."]),
        (BROKEN, ["Error in PREIN scriptlet in rpm package lab-broken", "Error: Transaction failed"]),
        ("metadata already locked by 1\n", ["metadata already locked by 1"]),
        ("Complete!\n", []),
    ],
)
def test_dnfs_own_words_say_what_went_wrong(text: str, errors: list[str]) -> None:
    assert dnf.errors(text) == errors


def test_a_script_that_failed_is_named_with_its_package() -> None:
    assert dnf.failed_scripts(BROKEN) == [["PREIN", "lab-broken"]]


REBOOT = """\
Core libraries or services have been updated since boot-up:
  * dbus-broker
  * systemd

Reboot is required to fully utilize these updates.
More information: https://access.redhat.com/solutions/27943
"""


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        (REBOOT, ["dbus-broker was updated after the last boot", "systemd was updated after the last boot"]),
        ("No core libraries or services have been updated since boot-up.\nReboot should not be necessary.\n", []),
        ("No such command: needs-restarting. Please use /usr/bin/dnf --help\n", None),
        ("", None),
    ],
)
def test_the_reboot_hint_is_read_and_a_plugin_that_is_not_there_says_nothing(
    text: str, reasons: list[str] | None
) -> None:
    assert dnf.parse_reboot(text) == reasons


def test_without_the_plugin_the_times_of_installation_tell(tmp_path: Path) -> None:
    times = "glibc\t2-1\tx86_64\tLab\t2000\nsystemd\t1-1\tx86_64\tLab\t500\nlab\t1-1\tnoarch\tLab\t2000\n"
    manager, programs = made({"dnf needs-restarting": (1, "No such command", "")}, tmp_path)
    programs.answers["rpm -qa"] = (0, times, "")
    (tmp_path / "proc" / "1").mkdir(parents=True)
    (tmp_path / "proc" / "stat").write_text("btime 1000\n")
    (tmp_path / "proc" / "1" / "stat").write_text("1 (init) " + "0 " * 40)

    assert manager.reboot_reasons([]) == ["glibc was updated after the last boot"]


def test_services_are_those_that_dnf_names_and_its_failure_is_told(tmp_path: Path) -> None:
    manager, programs = made({"dnf needs-restarting": (0, "sshd.service\nUpdating: x\ncrond.service\n", "")}, tmp_path)
    assert manager.stale() == ("dnf needs-restarting", ["crond.service", "sshd.service"], dnf.BLIND)

    programs.answers["dnf needs-restarting"] = (1, "", "No such command: needs-restarting.\n")
    method, names, why = manager.stale()
    assert (method, names) == ("dnf needs-restarting", None)
    assert why == "dnf needs-restarting ended with status 1: No such command: needs-restarting."


def host_with(place: Path, *, apt: str | None, dnf: str | None) -> Host:
    """apt: what dpkg's database has; dnf: the first line of the program."""
    programs = place / "usr" / "bin"
    programs.mkdir(parents=True)
    if apt is not None:
        (place / "var" / "lib" / "dpkg").mkdir(parents=True)
        (place / "var" / "lib" / "dpkg" / "status").write_text(apt)
    for name, text in (("apt-get", apt and "#!/bin/sh"), ("dnf", dnf)):
        if text is not None:
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
    return Host(str(place))


@pytest.mark.parametrize(
    ("apt", "program", "name"),
    [
        ("Package: a\n", None, "apt"),
        ("Package: a\n", "#!/usr/bin/python3\n", "apt"),
        ("", "#!/usr/bin/python3\n", "dnf"),
        (None, "#!/usr/bin/python3\n", "dnf"),
    ],
)
def test_the_manager_is_the_one_whose_packages_the_host_has(
    tmp_path: Path, apt: str | None, program: str | None, name: str
) -> None:
    manager, why = managers.choose(host_with(tmp_path, apt=apt, dnf=program), MadePrograms())

    assert manager is not None and (manager.name, why) == (name, "")


def test_dnf_5_is_refused_by_name(tmp_path: Path) -> None:
    manager, why = managers.choose(host_with(tmp_path, apt=None, dnf="\x7fELF"), MadePrograms())

    assert manager is None and "dnf 5" in why
