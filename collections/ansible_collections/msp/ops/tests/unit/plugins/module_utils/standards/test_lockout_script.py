# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The script with which a host brings back what was saved, run by a real shell with made systemctl, nft and sshd."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ansible_collections.msp.ops.plugins.module_utils.standards import lockout_script
from ansible_collections.msp.ops.plugins.module_utils.standards.lockout_script import (
    ABSENT,
    DIRECTORY,
    FILE,
    LINK,
    Rounds,
    Saved,
    SavedPath,
    SavedSysctl,
    SavedUnit,
)

# Answers `systemctl show --property=X --value -- UNIT` from the file X.UNIT, and writes down all else that it is asked.
SYSTEMCTL = """\
#!/bin/sh
case $1 in
--quiet) if test "$2" = is-active; then test ! -e "{place}/no-timer"; exit; fi ;;
esac
case $1 in
show) cat "{place}/${{2#--property=}}.$5" ;;
*)
    echo "systemctl $*" >>"{place}/calls"
    if test -e "{place}/broken"; then echo "Job for it failed." >&2; exit 1; fi ;;
esac
"""
# Loads by writing down what it read, and lists what the file `tables` holds.
NFT = """\
#!/bin/sh
case $1 in
--stateless) cat "{place}/tables" ;;
*) echo "nft $*: $(cat "$2" | tr "\\n" " ")" >>"{place}/calls" ;;
esac
"""
SYSTEMD_RUN = '#!/bin/sh\necho "systemd-run $*" >>"{place}/calls"\n'
# A program that changes something, and before its work ends the whole script when so many were started before it.
CUT = """\
#!/bin/sh
read -r left 2>/dev/null <"{place}/left" || exec {program} "$@"
if test "$left" = 0; then echo >"{place}/left"; kill -9 0; fi
echo $((left - 1)) >"{place}/left"
exec {program} "$@"
"""
CUT_AT = ("cp", "date", "grep", "mkdir", "mv", "rm")
TIMER = ("systemd-run", "--on-active=120s")
MOST = 30
STATES = {"armed", "reverting", "reverted", "ended", "disarmed"}
SSHD = '#!/bin/sh\nif test -e "{place}/invalid"; then echo "line 1: bad option" >&2; exit 255; fi\n'
PROGRAMS = (("systemctl", SYSTEMCTL), ("nft", NFT), ("sshd", SSHD), ("systemd-run", SYSTEMD_RUN))


class World:
    """A host: etc for its files, guard for the guard's directory, and the programs that the script runs."""

    def __init__(self, place: Path) -> None:
        self.place, self.etc, self.guard = place, place / "etc", place / "guard"
        for directory in (self.etc, self.guard, place / "bin"):
            directory.mkdir()
        for name, text in PROGRAMS:
            self._program(name, text)
        (self.guard / "armed").write_text("")

    def _program(self, name: str, text: str, **names: str) -> None:
        program = self.place / "bin" / name
        program.write_text(text.format(place=self.place, **names))
        program.chmod(0o755)

    def may_be_cut_off(self) -> None:
        """From now on `left` says how many programs the script still gets to start."""
        for name in CUT_AT:
            self._program(name, CUT, program=shutil.which(name, path="/usr/bin:/bin") or name)

    def unit(self, name: str, active: str, enabled: str) -> None:
        (self.place / f"ActiveState.{name}").write_text(active + "\n")
        (self.place / f"UnitFileState.{name}").write_text(enabled + "\n")

    def save(self, copy: str, path: Path, kind: str = FILE) -> SavedPath:
        subprocess.run(["cp", "-a", "-T", str(path), str(self.guard / copy)], check=True)
        return SavedPath(str(path), kind, copy)

    def run(
        self, saved: Saved, *arguments: str, most: int = MOST, drop: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        search = f"{self.place}/bin:/usr/bin:/bin"
        text = lockout_script.script(str(self.guard), saved, Rounds(most, TIMER, drop), search=search)
        command = ["/bin/sh", "-c", text, "back.sh", *arguments]
        # In a session of its own, so that it can be cut off as a whole.
        return subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True)

    def states(self) -> set[str]:
        return STATES & {path.name for path in self.guard.iterdir()}

    def forget_calls(self) -> None:
        (self.place / "calls").unlink(missing_ok=True)

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

    for arguments in ((), ("boot",)):
        assert world.run(saved, *arguments).returncode == 0

    assert path.read_text() == "after\n"


def test_what_was_cut_off_is_done_in_whole_by_the_next_round(world: World) -> None:
    path = world.etc / "a.conf"
    path.write_text("before\n")
    saved = Saved((world.save("copy-0", path),), (SavedUnit("ssh.service", True, "enabled"),))
    world.unit("ssh.service", "active", "enabled")
    (world.guard / "armed").rename(world.guard / "reverting")

    world.run(saved)

    assert "systemctl reload-or-restart -- ssh.service" in world.calls()
    assert world.states() == {"reverted"}


def test_what_is_changed_after_a_round_is_brought_back_by_the_next(world: World) -> None:
    path, directory = world.etc / "a.conf", world.etc / "d"
    path.write_text("before\n")
    directory.mkdir()
    saved = Saved((world.save("copy-0", path), world.save("copy-1", directory, DIRECTORY)))
    path.write_text("after\n")
    world.run(saved)
    (directory / "late").write_text("late\n")

    told = world.run(saved)

    assert (path.read_text(), list(directory.iterdir())) == ("before\n", [])
    assert world.said() == [f"file {path}", f"directory {directory}"]
    # The journal has this round alone, and how to end it.
    assert told.stdout.splitlines() == [
        f"directory {directory}",
        f"round 2 of at most 30, until a run of msp.ops is told; to end it before: sh {world.guard}/back.sh end",
    ]


def test_the_same_thing_brought_back_again_is_told_once_and_when_it_was_last(world: World) -> None:
    path = world.etc / "a.conf"
    path.write_text("before\n")
    saved = Saved((world.save("copy-0", path),))
    for text in ("after\n", "again\n"):
        path.write_text(text)
        world.run(saved)
        (world.guard / "at").write_text("some time\n")
    assert world.said() == [f"file {path}"]

    world.run(saved)
    assert (world.guard / "at").read_text() == "some time\n"
    path.write_text("once more\n")
    world.run(saved)
    assert (world.guard / "at").read_text() != "some time\n"


def guarded(world: World) -> tuple[Saved, Path, Path]:
    """Something of each kind, brought back once. With its file and its directory."""
    path, directory = world.etc / "a.conf", world.etc / "d"
    path.write_text("before\n")
    (directory / "sub").mkdir(parents=True)
    (directory / "sub" / "b.conf").write_text("b\n")
    (directory / "link").symlink_to("sub")
    world.unit("ssh.service", "active", "enabled")
    world.unit("ufw.service", "inactive", "disabled")
    for name in (lockout_script.RULES, lockout_script.LISTING):
        (world.guard / name).write_text("table inet msp {\n}\n")
    (world.place / "tables").write_text("table inet msp {\n}\n")
    (world.etc / "value").write_text("1\n")
    saved = Saved(
        (
            world.save("copy-0", path),
            world.save("copy-1", directory, DIRECTORY),
            SavedPath("/etc/systemd/system/never-there.service", ABSENT),
        ),
        (SavedUnit("ssh.service", True, "enabled"), SavedUnit("ufw.service", False, "disabled")),
        (SavedSysctl("a", str(world.etc / "value"), "1"),),
        ("inet msp",),
        (("sshd", "-t"),),
    )
    world.run(saved)
    assert {"systemctl daemon-reload", "systemctl reload-or-restart -- ssh.service"} <= set(world.calls())
    assert world.failed() == []
    world.forget_calls()
    return saved, path, directory


def test_a_round_that_finds_all_as_it_was_touches_nothing_and_says_nothing(world: World) -> None:
    saved, _path, directory = guarded(world)
    before = directory.stat().st_ino

    told = world.run(saved)

    assert (world.calls(), told.stdout, told.stderr, directory.stat().st_ino) == ([], "", "", before)
    assert world.states() == {"reverted"}


@pytest.mark.parametrize("what", ["file", "sysctl", "stopped", "disabled", "started"])
def test_a_round_that_finds_something_different_has_the_units_read_it_again(world: World, what: str) -> None:
    saved, path, _directory = guarded(world)
    if what == "file":
        path.write_text("late\n")
    elif what == "sysctl":
        (world.etc / "value").write_text("0\n")
    elif what == "stopped":
        world.unit("ssh.service", "failed", "enabled")
    elif what == "disabled":
        world.unit("ssh.service", "active", "disabled")
    else:
        world.unit("ufw.service", "active", "disabled")

    world.run(saved)

    wanted = "stop -- ufw.service" if what == "started" else "reload-or-restart -- ssh.service"
    assert f"systemctl {wanted}" in world.calls()


def test_tables_that_are_listed_otherwise_are_loaded_again_and_no_unit_is(world: World) -> None:
    saved, _path, _directory = guarded(world)
    (world.place / "tables").write_text("table inet msp {\n    drop\n}\n")

    world.run(saved)

    assert [call.split(":")[0] for call in world.calls()] == ["nft -f tables.nft"]


@pytest.mark.parametrize("change", ["content", "mode", "kind", "link", "more", "less", "top", "linked", "empty"])
def test_a_directory_that_differs_in_anything_is_brought_back(world: World, change: str) -> None:
    saved, _path, directory = guarded(world)
    file = directory / "sub" / "b.conf"
    if change == "content":
        file.write_text("c\n")
    elif change == "mode":
        file.chmod(0o600)
    elif change == "kind":
        file.unlink()
        file.symlink_to("/dev/null")
    elif change == "link":
        (directory / "link").unlink()
        (directory / "link").symlink_to("other")
    elif change == "more":
        (directory / "new").write_text("")
    elif change == "less":
        file.unlink()
    elif change == "top":
        directory.chmod(0o700)
    elif change == "linked":
        directory.rename(world.etc / "elsewhere")
        directory.symlink_to("elsewhere")
    else:
        (directory / "sub" / "new").mkdir()

    world.run(saved)

    assert world.said()[-1] == f"directory {directory}"
    assert not directory.is_symlink() and directory.stat().st_mode & 0o777 == 0o755
    assert file.read_text() == "b\n" and not file.is_symlink() and file.stat().st_mode & 0o777 == 0o644
    assert os.readlink(directory / "link") == "sub"
    assert {path.name for path in directory.rglob("*")} == {"sub", "b.conf", "link"}


def test_what_did_not_work_is_tried_again_by_the_next_round_and_told_no_more_once_it_did(world: World) -> None:
    world.unit("ssh.service", "active", "enabled")
    saved = Saved((), (SavedUnit("ssh.service", True, "enabled"),))
    (world.place / "broken").write_text("")
    world.run(saved)
    assert world.failed() == ["unit ssh.service reloaded: Job for it failed."]
    (world.place / "broken").unlink()

    world.run(saved)

    assert (world.said(), world.failed()) == (["unit ssh.service reloaded"], [])


def test_the_rounds_end_by_themselves_with_their_timer_and_the_unit_of_the_boot(world: World) -> None:
    path, boot = world.etc / "a.conf", world.etc / "boot.service"
    path.write_text("before\n")
    boot.write_text("")
    saved = Saved((world.save("copy-0", path),))
    for number in (1, 2, 3):
        assert (boot.exists(), world.calls()) == (True, []), number
        world.run(saved, most=3, drop=(str(boot),))

    assert (boot.exists(), world.calls()) == (False, ["systemctl stop msp-lockout-guard.timer"])
    assert world.states() == {"ended"}
    path.write_text("what an engineer repaired\n")
    for argument in ((), ("boot",)):
        world.run(saved, *argument, most=3, drop=(str(boot),))
    assert path.read_text() == "what an engineer repaired\n"


def test_a_person_ends_the_rounds_and_cannot_end_what_was_not_brought_back(world: World) -> None:
    assert world.run(Saved(), "end").returncode == 1
    assert world.states() == {"armed"}
    world.run(Saved())

    assert world.run(Saved(), "end").returncode == 0

    assert (world.states(), world.calls()) == ({"ended"}, ["systemctl stop msp-lockout-guard.timer"])


@pytest.mark.parametrize("state", ["disarmed", "ended"])
def test_what_was_cut_off_in_the_middle_of_its_end_is_ended_by_the_timer_that_is_left(world: World, state: str) -> None:
    boot = world.etc / "boot.service"
    boot.write_text("")
    (world.guard / "armed").rename(world.guard / state)

    world.run(Saved(), drop=(str(boot),))

    assert (boot.exists(), world.calls()) == (False, ["systemctl stop msp-lockout-guard.timer"])


def test_a_boot_starts_the_timer_that_is_gone_anew(world: World) -> None:
    (world.place / "no-timer").write_text("")
    world.run(Saved())
    assert world.calls() == []

    world.run(Saved(), "boot")

    assert world.calls() == ["systemd-run --on-active=120s"]


def test_a_directory_left_behind_by_a_round_that_was_cut_off_goes(world: World) -> None:
    saved, path, directory = guarded(world)
    for half in (f"{path}.msp-guard", f"{directory}.msp-gone"):
        Path(half).mkdir()

    world.run(saved)

    assert sorted(one.name for one in world.etc.iterdir()) == ["a.conf", "d", "value"]


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


def test_a_guard_whose_directory_is_gone_does_nothing(world: World, tmp_path: Path) -> None:
    text = lockout_script.script(
        str(tmp_path / "gone"), Saved((SavedPath(str(world.etc), ABSENT),)), Rounds(MOST, TIMER)
    )

    assert subprocess.run(["/bin/sh", "-c", text], check=False, capture_output=True).returncode == 0
    assert world.etc.exists()


def test_tables_are_replaced_and_only_they() -> None:
    listing = "table inet msp {\n}\n"

    assert lockout_script.rules({"inet msp": listing, "ip new": None}).split("\n")[:6] == [
        "add table inet msp",
        "delete table inet msp",
        "table inet msp {",
        "}",
        "",
        "add table ip new",
    ]
    assert lockout_script.rules({"all": listing}).startswith("flush ruleset\ntable inet msp {")


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


class Case:
    """A file, a directory and a server that reads them, in a world where a round can be cut off."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.file, self.directory = world.etc / "a.conf", world.etc / "d"
        self.file.write_text("before\n")
        self.directory.mkdir()
        (self.directory / "b.conf").write_text("b\n")
        paths = (world.save("copy-0", self.file), world.save("copy-1", self.directory, DIRECTORY))
        self.saved = Saved(paths, (SavedUnit("ssh.service", True, "enabled"),))
        world.unit("ssh.service", "active", "enabled")
        world.may_be_cut_off()

    def change(self) -> None:
        self.file.write_text("after\n")
        self.directory.mkdir(exist_ok=True)
        (self.directory / "new").write_text("new\n")

    def round(self, *arguments: str, cut_off_after: int | None = None) -> bool:
        """Whether it came to its end."""
        self.world.forget_calls()
        left = self.world.place / "left"
        if cut_off_after is not None:
            left.write_text(f"{cut_off_after}\n")
        done = self.world.run(self.saved, *arguments)
        left.unlink(missing_ok=True)
        return done.returncode >= 0

    def is_as_it_was(self) -> bool:
        names = sorted(path.name for path in self.world.etc.iterdir())
        there = [(path.name, path.read_text()) for path in self.directory.iterdir()]
        return (self.file.read_text(), names, there) == ("before\n", ["a.conf", "d"], [("b.conf", "b\n")])

    def was_read(self) -> bool:
        return "systemctl reload-or-restart -- ssh.service" in self.world.calls()


@pytest.mark.thorough
def test_wherever_a_later_round_is_cut_off_the_next_brings_everything_back(world: World) -> None:
    case = Case(world)
    case.round()
    for programs in itertools.count():
        (world.guard / "rounds").unlink()
        case.change()
        if case.round(cut_off_after=programs):
            break
        assert len(world.states()) == 1

        assert case.round("boot")

        assert case.is_as_it_was() and case.was_read()
        assert (world.states(), world.failed()) == ({"reverted"}, [])
    assert programs > 10


class Guarded(RuleBasedStateMachine):
    """Whatever happens in whatever order, each round that comes to its end has brought everything back, unless a login
    was proven before the first began.
    """

    @initialize()
    def arm(self) -> None:
        self.place = tempfile.TemporaryDirectory()
        self.case = Case(World(Path(self.place.name)))
        # Whether the server may have read what is not as it was.
        self.changed = False
        self.proven = False

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self.place.cleanup()

    @rule()
    def change(self) -> None:
        self.case.change()
        self.changed = True

    @rule()
    def prove(self) -> None:
        if self.case.world.states() == {"armed"}:
            (self.case.world.guard / "armed").rename(self.case.world.guard / "disarmed")
            self.proven = True

    @rule(arguments=st.sampled_from([(), ("boot",)]), cut_off_after=st.none() | st.integers(0, 40))
    def go_through_a_round(self, arguments: tuple[str, ...], cut_off_after: int | None) -> None:
        before = self.case.file.read_text() if self.case.file.exists() else ""
        ended = self.case.round(*arguments, cut_off_after=cut_off_after)
        if self.proven:
            assert (self.case.file.read_text(), self.case.world.states()) == (before, {"disarmed"})
        elif ended:
            assert self.case.is_as_it_was()
            assert (self.case.world.states(), self.case.world.failed()) == ({"reverted"}, [])
            assert self.case.was_read() or not self.changed
            self.changed = False

    @invariant()
    def the_guard_stands_in_one_place(self) -> None:
        if hasattr(self, "case"):
            assert len(self.case.world.states()) == 1


TestGuarded = Guarded.TestCase
TestGuarded.settings = settings(max_examples=8, stateful_step_count=8, deadline=None)
