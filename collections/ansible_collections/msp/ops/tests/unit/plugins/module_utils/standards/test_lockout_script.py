# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The script with which a host brings back what was saved, run by a real shell with made systemctl, nft and sshd."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import lockout_script
from ansible_collections.msp.ops.plugins.module_utils.standards.lockout_script import (
    ABSENT,
    DIRECTORY,
    FILE,
    LINK,
    Saved,
    SavedPath,
    SavedSysctl,
    SavedUnit,
)

# Answers `systemctl show --property=X --value -- UNIT` from the file X.UNIT, and writes down all else that it is asked.
SYSTEMCTL = """\
#!/bin/sh
case $1 in
show) cat "{place}/${{2#--property=}}.$5" ;;
*)
    echo "systemctl $*" >>"{place}/calls"
    if test -e "{place}/broken"; then echo "Job for it failed." >&2; exit 1; fi ;;
esac
"""
NFT = '#!/bin/sh\necho "nft $*: $(cat "$2" | tr "\\n" " ")" >>"{place}/calls"\n'
SSHD = '#!/bin/sh\nif test -e "{place}/invalid"; then echo "line 1: bad option" >&2; exit 255; fi\n'


class World:
    """A host: etc for its files, guard for the guard's directory, and the programs that the script runs."""

    def __init__(self, place: Path) -> None:
        self.place, self.etc, self.guard = place, place / "etc", place / "guard"
        for directory in (self.etc, self.guard, place / "bin"):
            directory.mkdir()
        for name, text in (("systemctl", SYSTEMCTL), ("nft", NFT), ("sshd", SSHD)):
            program = place / "bin" / name
            program.write_text(text.format(place=place))
            program.chmod(0o755)
        (self.guard / "armed").write_text("")

    def unit(self, name: str, active: str, enabled: str) -> None:
        (self.place / f"ActiveState.{name}").write_text(active + "\n")
        (self.place / f"UnitFileState.{name}").write_text(enabled + "\n")

    def save(self, copy: str, path: Path, kind: str = FILE) -> SavedPath:
        subprocess.run(["cp", "-a", "-T", str(path), str(self.guard / copy)], check=True)
        return SavedPath(str(path), kind, copy)

    def run(self, saved: Saved, *arguments: str, drop: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        search = f"{self.place}/bin:/usr/bin:/bin"
        text = lockout_script.script(str(self.guard), saved, drop=drop, search=search)
        return subprocess.run(
            ["/bin/sh", "-c", text, "back.sh", *arguments], capture_output=True, text=True, check=False
        )

    def said(self) -> list[str]:
        return (self.guard / "said").read_text().splitlines()

    def failed(self) -> list[str]:
        return (self.guard / "failed").read_text().splitlines()

    def calls(self) -> list[str]:
        place = self.place / "calls"
        return place.read_text().splitlines() if place.exists() else []


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_was_changed_made_and_removed_is_as_it_was(world: World) -> None:
    changed, removed, made = world.etc / "a.conf", world.etc / "sub" / "b.conf", world.etc / "c.conf"
    changed.write_text("before\n")
    changed.chmod(0o640)
    removed.parent.mkdir()
    removed.write_text("was here\n")
    saved = Saved((world.save("copy-0", changed), world.save("copy-1", removed), SavedPath(str(made), ABSENT)))
    changed.write_text("after\n")
    changed.chmod(0o644)
    removed.unlink()
    removed.parent.rmdir()
    made.write_text("new\n")

    done = world.run(saved)

    assert done.returncode == 0
    assert (changed.read_text(), changed.stat().st_mode & 0o777) == ("before\n", 0o640)
    assert removed.read_text() == "was here\n"
    assert not made.exists()
    assert world.said() == [f"file {changed}", f"file {removed}", f"file {made} removed"]
    assert world.failed() == []
    assert sorted(path.name for path in world.etc.iterdir()) == ["a.conf", "sub"]


def test_what_nobody_changed_is_not_told(world: World) -> None:
    path = world.etc / "a.conf"
    path.write_text("before\n")
    world.run(Saved((world.save("copy-0", path), SavedPath(str(world.etc / "never"), ABSENT))))

    assert (world.said(), world.failed()) == ([], [])
    assert (world.guard / "reverted").exists()


def test_rights_alone_are_brought_back_too(world: World) -> None:
    path = world.etc / "a.conf"
    path.write_text("same\n")
    path.chmod(0o440)
    saved = Saved((world.save("copy-0", path),))
    path.chmod(0o666)

    world.run(saved)

    assert path.stat().st_mode & 0o777 == 0o440


def test_a_directory_is_brought_back_whole(world: World) -> None:
    directory = world.etc / "sudoers.d"
    directory.mkdir(mode=0o750)
    (directory / "msp").write_text("rule\n")
    saved = Saved((world.save("copy-0", directory, DIRECTORY),))
    (directory / "msp").unlink()
    (directory / "zz-new").write_text("other\n")

    world.run(saved)

    assert [path.name for path in directory.iterdir()] == ["msp"]
    assert directory.stat().st_mode & 0o777 == 0o750
    assert sorted(path.name for path in world.etc.iterdir()) == ["sudoers.d"]


def test_a_link_is_a_link_again_and_what_it_led_to_is_left_alone(world: World) -> None:
    target, link = world.etc / "real.conf", world.etc / "a.conf"
    target.write_text("before\n")
    link.symlink_to("real.conf")
    saved = Saved((world.save("copy-0", link, LINK),))
    link.unlink()
    link.write_text("a file in its place\n")

    world.run(saved)

    assert os.readlink(link) == "real.conf"
    assert target.read_text() == "before\n"


def test_a_path_may_hold_whatever_a_shell_would_make_something_of(world: World) -> None:
    path = world.etc / "$(touch x) `touch y`'; touch z; \"*"
    path.write_text("before\n")
    saved = Saved((world.save("copy-0", path),))
    path.write_text("after\n")

    world.run(saved)

    assert path.read_text() == "before\n"
    assert not [name for name in "xyz" if (world.guard / name).exists() or Path(name).exists()]


def test_only_one_of_the_proof_and_the_script_comes_about(world: World) -> None:
    path = world.etc / "a.conf"
    path.write_text("before\n")
    saved = Saved((world.save("copy-0", path),))
    path.write_text("after\n")
    (world.guard / "armed").rename(world.guard / "disarmed")

    for arguments in ((), ("again",)):
        assert world.run(saved, *arguments).returncode == 0

    assert path.read_text() == "after\n"


def test_what_was_cut_off_is_gone_on_with_by_who_asks_for_it_and_by_no_other(world: World) -> None:
    path = world.etc / "a.conf"
    path.write_text("before\n")
    saved = Saved((world.save("copy-0", path),))
    path.write_text("after\n")
    (world.guard / "armed").rename(world.guard / "reverting")

    world.run(saved)
    assert path.read_text() == "after\n"
    world.run(saved, "again")
    assert path.read_text() == "before\n"
    assert (world.guard / "reverted").exists()


def test_once_it_is_done_it_is_never_done_again(world: World) -> None:
    path = world.etc / "a.conf"
    path.write_text("before\n")
    saved = Saved((world.save("copy-0", path),))
    world.run(saved)
    path.write_text("a later change\n")

    world.run(saved, "again")

    assert path.read_text() == "a later change\n"


def test_units_are_as_they_were_after_the_files(world: World) -> None:
    world.unit("ssh.service", "active", "disabled")
    world.unit("ufw.service", "active", "enabled")
    world.unit("new.service", "active", "enabled")
    saved = Saved(
        (SavedPath("/etc/systemd/system/never-there.service", ABSENT),),
        (
            SavedUnit("ssh.service", True, "enabled"),
            SavedUnit("ufw.service", False, "masked"),
            SavedUnit("new.service", False, "", there=False),
        ),
    )

    world.run(saved)

    assert world.calls() == [
        "systemctl stop -- new.service",
        "systemctl daemon-reload",
        "systemctl --quiet unmask -- ssh.service",
        "systemctl --quiet enable -- ssh.service",
        "systemctl reset-failed -- ssh.service",
        "systemctl reload-or-restart -- ssh.service",
        "systemctl --quiet mask -- ufw.service",
        "systemctl stop -- ufw.service",
    ]
    assert "unit ssh.service reloaded" in world.said()


def test_a_unit_that_is_as_it_was_and_did_not_run_is_not_touched(world: World) -> None:
    world.unit("ssh.service", "inactive", "disabled")

    world.run(Saved((), (SavedUnit("ssh.service", False, "disabled"),)))

    assert world.calls() == []


def test_a_server_is_not_told_to_read_what_is_not_valid(world: World) -> None:
    world.unit("ssh.service", "active", "enabled")
    (world.place / "invalid").write_text("")

    world.run(Saved((), (SavedUnit("ssh.service", True, "enabled"),), validate=(("sshd", "-t"),)))

    assert world.calls() == []
    assert world.failed()[0] == "validated by sshd -t: line 1: bad option"
    assert world.failed()[1].startswith("unit ssh.service left as it is")
    assert (world.guard / "reverted").exists()


def test_what_does_not_work_is_told_with_why_and_the_rest_is_done(world: World) -> None:
    world.unit("ssh.service", "active", "enabled")
    (world.place / "broken").write_text("")
    path = world.etc / "a.conf"
    path.write_text("before\n")
    saved = Saved((world.save("copy-0", path),), (SavedUnit("ssh.service", True, "enabled"),), tables=("inet msp",))
    path.write_text("after\n")
    (world.guard / lockout_script.RULES).write_text("add table inet msp\n")

    world.run(saved)

    assert world.failed() == ["unit ssh.service reloaded: Job for it failed."]
    assert world.said() == [f"file {path}", "tables inet msp"]


def test_the_ruleset_has_the_last_word_over_what_units_do_to_it(world: World) -> None:
    world.unit("nftables.service", "active", "enabled")
    (world.guard / lockout_script.RULES).write_text("add table inet msp\n")

    world.run(Saved((), (SavedUnit("nftables.service", True, "enabled"),), tables=("inet msp",)))

    assert world.calls()[-1].startswith("nft -f tables.nft: add table inet msp")


def test_a_sysctl_is_written_only_where_it_is_another(world: World) -> None:
    for name, value in (("a", "1"), ("b", "4096\t65536\t1")):
        (world.etc / name).write_text(value + "\n")
    (world.etc / "b").write_text("1\t1\t1\n")
    saved = [
        SavedSysctl("net.a", str(world.etc / "a"), "1"),
        SavedSysctl("net.b", str(world.etc / "b"), "4096\t65536\t1"),
    ]

    world.run(Saved(sysctls=tuple(saved)))

    assert (world.etc / "b").read_text() == "4096\t65536\t1\n"
    assert world.said() == ["sysctl net.b"]


def test_the_unit_of_the_boot_goes_when_all_is_back(world: World) -> None:
    boot = world.etc / "msp-lockout-guard-boot.service"
    boot.write_text("")

    world.run(Saved(), drop=(str(boot),))

    assert not boot.exists()


def test_a_guard_whose_directory_is_gone_does_nothing(world: World, tmp_path: Path) -> None:
    text = lockout_script.script(str(tmp_path / "gone"), Saved((SavedPath(str(world.etc), ABSENT),)))

    assert subprocess.run(["/bin/sh", "-c", text], check=False, capture_output=True).returncode == 0
    assert world.etc.exists()


def test_tables_are_replaced_and_only_they() -> None:
    listing = "table inet msp {\n}\n"

    assert lockout_script.rules({"inet msp": listing, "ip new": None}, everything="all").split("\n")[:6] == [
        "add table inet msp",
        "delete table inet msp",
        "table inet msp {",
        "}",
        "",
        "add table ip new",
    ]
    assert lockout_script.rules({"all": listing}, everything="all").startswith("flush ruleset\ntable inet msp {")


def test_the_unit_of_the_boot_comes_after_what_it_reloads_and_goes_on_with_what_was_cut_off() -> None:
    lines = lockout_script.boot_unit("/var/lib/msp-ops/guard/current/back.sh", ["ssh.service"]).splitlines()

    assert "After=ssh.service" in lines
    assert "ExecStart=/bin/sh /var/lib/msp-ops/guard/current/back.sh again" in lines


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["write", "remove", "rights", "link", "directory"]), max_size=4))
def test_whatever_was_done_to_a_file_it_is_brought_back(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    world = World(tmp_path_factory.mktemp("world"))
    path = world.etc / "a.conf"
    path.write_text("before\n")
    path.chmod(0o640)
    saved = Saved((world.save("copy-0", path),))
    for step in steps:
        if step == "rights" and path.exists():
            path.chmod(0o777)
            continue
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        path.unlink(missing_ok=True)
        if step == "write":
            path.write_text("after\n")
        elif step == "link":
            path.symlink_to("/dev/null")
        elif step == "directory":
            path.mkdir()

    world.run(saved)

    assert (path.is_symlink(), path.read_text(), path.stat().st_mode & 0o777) == (False, "before\n", 0o640)
