# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guard on a host: one at a time, disarmed only by a new login; whatever else happens brings everything back."""

from __future__ import annotations

import fcntl
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Output
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install.programs import Programs
from ansible_collections.msp.ops.plugins.module_utils.standards import lockout, lockout_login
from ansible_collections.msp.ops.plugins.module_utils.standards.lockout import Guard
from ansible_collections.msp.ops.plugins.module_utils.standards.lockout_plan import Wanted

TIMER, SERVICE = "msp-lockout-guard.timer", "msp-lockout-guard.service"

NFT_SAYS = {
    ("nft", "list", "tables"): "table inet msp\n",
    ("nft", "list", "table", "inet", "msp"): "table inet msp {\n\tcounter packets 7 bytes 420\n}\n",
    ("nft", "--stateless", "list", "table", "inet", "msp"): "table inet msp {\n\tcounter\n}\n",
}


class Systemd(Programs):
    """systemd as far as the guard uses it: one timer, units that run now. All other programs are the real ones."""

    def __init__(self, working: Path) -> None:
        """working: the file that a script holds which is at work."""
        self.working = working
        self.locked_when_stopped: list[bool] = []
        self.timer: list[str] | None = None
        self.active: set[str] = set()
        self.refuses = False
        self.kills_scripts = False

    def run(self, *argv: str, seconds: float = 120) -> Output:
        if argv[0] == "systemd-run":
            return self._start(list(argv))
        if argv[0] == "systemctl":
            return self._show(argv[-1], argv[-2] == "--") if argv[1] == "show" else self._stop(argv)
        if argv[0] == "nft":
            return Output(0, NFT_SAYS.get(argv, ""))
        if argv[0] == "validate":
            return Output(1, "", "line 3: no such option")
        return super().run(*argv, seconds=seconds)

    def _show(self, name: str, in_full: bool) -> Output:
        if in_full:
            return Output(0, f"Id={name}\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n")
        there = name in self.active or (name == TIMER and self.timer is not None)
        return Output(0, "active\n" if there else "inactive\n")

    def _stop(self, argv: tuple[str, ...]) -> Output:
        assert argv[1:] == ("stop", TIMER, SERVICE)
        self.timer = None
        if self.working.exists():
            self.locked_when_stopped.append(self._is_locked())
        return Output(0)

    def _is_locked(self) -> bool:
        with open(self.working, encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _start(self, argv: list[str]) -> Output:
        command = argv[argv.index("--") + 1 :]
        if "--wait" in argv:
            if not self.kills_scripts:
                subprocess.run(command, check=True, capture_output=True)
            return Output(0)
        if self.refuses or self.timer is not None:
            return Output(1, "", "Failed to start transient timer unit: Unit was already loaded")
        self.timer = command
        return Output(0)

    def elapse(self) -> None:
        """The timer's time is over. It goes on for another round."""
        assert self.timer is not None
        subprocess.run(self.timer, check=True, capture_output=True)


class Host:
    def __init__(self, place: Path) -> None:
        self.top, self.units, self.sysctls = place / "guard", place / "systemd", place / "sys"
        self.systemd = Systemd(self.top / "current" / "working")
        self.units.mkdir()
        (self.sysctls / "net").mkdir(parents=True)
        (self.sysctls / "net" / "rp_filter").write_text("2\n")
        self.config = place / "sshd_config"
        self.config.write_text("before\n")

    def call(self, state: str, name: str = "ssh", *, dry: bool = False, **arguments: Any) -> dict[str, Any]:
        if state == "armed":
            arguments = {"files": (str(self.config),), **arguments}
        guard = Guard(self.systemd, top=str(self.top), units_directory=str(self.units), sysctls=str(self.sysctls))
        return guard.act(Wanted(state, name, **arguments), dry=dry)

    def error(self, state: str, name: str = "ssh", **arguments: Any) -> MspError:
        with pytest.raises(MspError) as caught:
            self.call(state, name, **arguments)
        return caught.value

    def traces(self) -> list[str]:
        """What is there of the guard, beside the lock and what was told."""
        found = [*self.top.glob("*"), *self.units.rglob("*")]
        return sorted(path.name for path in found if path.name not in ("lock", "last.json", "multi-user.target.wants"))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(lockout, "privileged", lambda: True)
    came_by(monkeypatch, "100:1")
    return Host(tmp_path)


def came_by(monkeypatch: pytest.MonkeyPatch, login: str | None) -> None:
    monkeypatch.setattr(lockout_login, "login", lambda: login)


def test_a_new_login_disarms_and_leaves_nothing_behind(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    armed = host.call("armed", seconds=60)
    host.config.write_text("after\n")
    came_by(monkeypatch, "200:2")

    proven = host.call("proven")

    assert (armed["state"], armed["changed"], proven) == (
        "armed",
        False,
        {"changed": False, "state": "disarmed", "guarded": "ssh", "login": True},
    )
    assert host.config.read_text() == "after\n"
    assert host.systemd.timer is None
    assert host.traces() == []


def test_where_no_login_came_the_host_itself_brings_it_back(host: Host) -> None:
    host.call("armed")
    host.config.write_text("after\n")
    host.systemd.elapse()

    assert host.config.read_text() == "before\n"


@pytest.mark.parametrize("state", ["armed", "proven", "reverted"])
def test_what_was_changed_after_it_was_brought_back_goes_too_before_that_is_told(host: Host, state: str) -> None:
    host.call("armed")
    host.systemd.elapse()
    host.config.write_text("late\n")

    told = host.error(state, because="the run failed")

    assert f"file {host.config}" in str(told)
    assert host.config.read_text() == "before\n"
    assert (host.systemd.timer, host.traces()) == (None, [])


def test_until_it_is_told_the_host_goes_on_and_so_does_its_boot(host: Host) -> None:
    host.call("armed")
    host.systemd.elapse()
    host.config.write_text("late\n")
    host.systemd.elapse()

    assert host.config.read_text() == "before\n"
    assert (host.units / "multi-user.target.wants" / "msp-lockout-guard-boot.service").exists()


def test_a_guard_that_ended_by_itself_is_told_and_leaves_alone_what_was_repaired_since(host: Host) -> None:
    host.call("armed")
    host.config.write_text("after\n")
    host.systemd.elapse()
    (host.top / "current" / "reverted").rename(host.top / "current" / "ended")
    host.config.write_text("an engineer's\n")
    status = host.call("status")

    told = host.error("armed")

    assert (status["state"], status["ended"], status["brought_back"]) == ("reverted", True, [f"file {host.config}"])
    assert told.code == "MSP-STD-082"
    assert "the guard has ended by itself" in told.found
    assert host.config.read_text() == "an engineer's\n"
    assert host.traces() == []


def test_the_guard_is_put_away_only_while_no_script_can_be_at_work(host: Host) -> None:
    host.call("armed")
    host.systemd.elapse()
    host.error("proven")
    assert host.systemd.locked_when_stopped == [True]


@pytest.mark.parametrize("state", ["armed", "proven"])
def test_what_was_brought_back_is_an_error_of_the_next_call_and_of_no_other(host: Host, state: str) -> None:
    host.call("armed")
    host.config.write_text("after\n")
    host.systemd.elapse()

    told = host.error(state)

    assert told.code == "MSP-STD-082"
    assert f"file {host.config}" in told.found
    assert host.traces() == []
    assert json.loads((host.top / "last.json").read_text())["brought_back"] == [f"file {host.config}"]
    assert host.call("armed")["state"] == "armed"


def test_a_second_one_is_refused_while_the_first_is_armed_and_the_first_stays(host: Host) -> None:
    host.call("armed")

    refused = host.error("armed", "firewall")

    assert refused.code == "MSP-STD-081"
    assert "the guard of ssh" in refused.found
    assert host.call("status")["guarded"] == "ssh"
    host.config.write_text("after\n")
    host.systemd.elapse()
    assert host.config.read_text() == "before\n"


def test_two_calls_are_never_at_work_at_once(host: Host) -> None:
    host.call("armed")
    with open(host.top / "lock", encoding="utf-8") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert host.error("proven").code == "MSP-STD-081"


def test_the_connection_that_armed_is_no_proof(host: Host) -> None:
    host.call("armed")

    assert host.error("proven").code == "MSP-STD-088"
    assert host.call("status")["state"] == "armed"


def test_what_is_no_login_at_all_is_no_proof_where_one_armed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.call("armed")
    came_by(monkeypatch, None)

    assert host.error("proven").code == "MSP-STD-088"


def test_in_a_container_that_nobody_logs_in_to_the_proof_says_so(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    came_by(monkeypatch, None)
    host.call("armed")

    assert host.call("proven")["login"] is False


def test_a_proof_is_for_the_guard_of_its_name(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.call("armed")
    came_by(monkeypatch, "200:2")

    assert host.error("proven", "firewall").code == "MSP-STD-083"
    assert host.call("proven")["state"] == "disarmed"
    assert host.error("proven").code == "MSP-STD-083"


def test_a_host_that_started_anew_while_it_was_armed_brings_back_at_the_next_call(host: Host) -> None:
    host.call("armed")
    host.config.write_text("after\n")
    host.systemd.timer = None

    told = host.error("armed")

    assert told.code == "MSP-STD-082"
    assert host.config.read_text() == "before\n"


def test_the_boot_brings_back_what_was_not_proven(host: Host) -> None:
    host.call("armed", units=("ssh.service",))
    boot = host.units / "msp-lockout-guard-boot.service"
    link = host.units / "multi-user.target.wants" / boot.name

    assert link.resolve() == boot
    assert "After=ssh.service" in boot.read_text()
    assert f"ExecStart=/bin/sh {host.top}/current/back.sh boot" in boot.read_text()


def test_while_the_host_brings_back_the_proof_is_to_be_asked_again(host: Host) -> None:
    host.call("armed")
    (host.top / "current" / "armed").rename(host.top / "current" / "reverting")
    host.systemd.active.add("msp-lockout-guard.service")

    assert host.call("proven")["state"] == "reverting"


def test_a_script_that_was_cut_off_is_gone_on_with_by_the_next_call(host: Host) -> None:
    host.call("armed")
    host.config.write_text("after\n")
    (host.top / "current" / "armed").rename(host.top / "current" / "reverting")
    host.systemd.timer = None

    assert host.error("proven").code == "MSP-STD-082"
    assert host.config.read_text() == "before\n"


def test_a_script_that_does_not_come_to_its_end_is_told_and_nothing_is_thrown_away(host: Host) -> None:
    host.call("armed")
    host.config.write_text("after\n")
    host.systemd.timer, host.systemd.kills_scripts = None, True

    assert host.error("armed").code == "MSP-STD-087"
    assert (host.top / "current" / "copy-0").read_text() == "before\n"


def test_what_could_not_be_brought_back_is_named_and_kept(host: Host) -> None:
    directory = host.config.parent / "d"
    directory.mkdir()
    host.config = host.config.rename(directory / "sshd_config")
    host.call("armed")
    host.config.unlink()
    directory.rmdir()
    directory.write_text("a file where its directory was\n")
    host.systemd.elapse()

    told = host.error("armed")

    assert told.code == "MSP-STD-087"
    assert f"file {host.config}" in told.found
    assert (host.top / "unfinished" / "copy-0").read_text() == "before\n"
    # Not even a script that waited in this directory for its turn finds something to do.
    assert not [name for name in ("armed", "reverting", "reverted") if (host.top / "unfinished" / name).exists()]
    assert host.systemd.timer is None


def test_a_change_that_failed_is_brought_back_at_once_and_stays_an_error(host: Host) -> None:
    host.call("armed")
    host.config.write_text("after\n")

    told = host.error("reverted", because="sshd -t says no")

    assert (told.code, told.found) == ("MSP-STD-089", "sshd -t says no")
    assert host.config.read_text() == "before\n"
    assert (host.systemd.timer, host.traces()) == (None, [])


def test_to_bring_back_without_a_reason_tells_what_it_did(host: Host) -> None:
    host.call("armed")
    host.config.write_text("after\n")

    found = host.call("reverted")

    assert (found["state"], found["changed"], found["brought_back"]) == ("reverted", True, [f"file {host.config}"])


def test_the_guard_of_another_is_not_brought_back(host: Host) -> None:
    host.call("armed")
    host.config.write_text("after\n")

    assert host.call("reverted", "firewall") == {"changed": False, "state": "none"}
    assert host.error("reverted", "firewall", because="the other failed").code == "MSP-STD-089"
    assert host.config.read_text() == "after\n"
    assert host.call("status")["state"] == "armed"


def test_a_timer_that_systemd_refuses_is_no_guard(host: Host) -> None:
    host.systemd.refuses = True

    refused = host.error("armed")

    assert refused.code == "MSP-STD-084"
    assert host.call("status")["state"] == "none"
    assert host.traces() == []


def test_a_host_whose_configuration_is_not_valid_already_is_not_touched(host: Host) -> None:
    refused = host.error("armed", validate=(("validate", "it"),))

    assert refused.code == "MSP-STD-086"
    assert "line 3: no such option" in refused.found
    assert host.systemd.timer is None
    assert host.traces() == []


def test_what_cannot_be_saved_is_refused(host: Host) -> None:
    assert host.error("armed", sysctls=("net.never",)).code == "MSP-STD-085"
    assert host.error("armed", files=("/dev/null",)).code == "MSP-STD-085"
    assert host.traces() == []


def test_a_directory_too_large_for_configuration_is_refused(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = host.config.parent / "many"
    directory.mkdir()
    for number in range(4):
        (directory / str(number)).write_text("")
    monkeypatch.setattr("ansible_collections.msp.ops.plugins.module_utils.standards.lockout_saving.MOST_FILES", 3)

    assert host.error("armed", files=(str(directory),)).code == "MSP-STD-085"


def test_what_a_link_leads_to_is_saved_with_it(host: Host) -> None:
    link = host.config.parent / "link"
    link.symlink_to(host.config)
    host.call("armed", files=(str(link),))
    host.config.write_text("after\n")
    link.unlink()

    host.systemd.elapse()

    assert host.config.read_text() == "before\n"
    assert link.resolve() == host.config


def test_a_sysctl_is_brought_back(host: Host) -> None:
    host.call("armed", sysctls=("net.rp_filter",))
    (host.sysctls / "net" / "rp_filter").write_text("1\n")

    host.systemd.elapse()

    assert (host.sysctls / "net" / "rp_filter").read_text() == "2\n"


def test_tables_are_saved_with_their_counters_and_compared_without(host: Host) -> None:
    host.call("armed", tables=("ip new", "inet msp"))

    saved = host.top / "current"
    assert (saved / "tables.list").read_text() == "table inet msp {\n\tcounter\n}\n"
    assert "counter packets 7 bytes 420" in (saved / "tables.nft").read_text()
    assert "nft --stateless list table inet msp" in (saved / "back.sh").read_text()


def test_the_guards_directory_is_for_root_only(host: Host) -> None:
    host.call("armed")

    assert {path.stat().st_mode & 0o077 for path in (host.top, host.top / "current")} == {0}


def test_in_check_mode_nothing_is_armed_but_it_is_looked_at(host: Host) -> None:
    assert host.call("armed", dry=True)["state"] == "none"
    assert host.error("armed", dry=True, validate=(("validate",),)).code == "MSP-STD-086"
    assert not host.top.exists()
    host.call("armed")
    assert host.call("reverted", dry=True)["state"] == "armed"
    assert host.call("proven", dry=True)["state"] == "armed"


def test_a_change_that_would_fail_is_an_error_in_check_mode_too(host: Host) -> None:
    assert host.error("reverted", dry=True, because="no such option").code == "MSP-STD-089"


def test_without_root_nothing_is_done(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockout, "privileged", lambda: False)

    assert host.error("armed").code == "MSP-STD-084"
    assert not host.top.exists()


def test_a_run_that_was_refused_leaves_the_guard_alone_under_which_another_run_is_at_work(host: Host) -> None:
    host.call("armed", run="first")
    host.config.write_text("after\n")

    refused = host.error("armed", run="second")
    failed = host.error("reverted", run="second", because="the guard was refused")

    assert (refused.code, failed.code) == ("MSP-STD-081", "MSP-STD-089")
    assert "nothing had to be brought back now" in failed.action
    assert host.config.read_text() == "after\n"
    assert host.call("status")["state"] == "armed"
    host.error("reverted", run="first", because="not valid")
    assert host.config.read_text() == "before\n"


def test_a_login_proves_only_what_its_own_run_has_changed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.call("armed", run="first")
    came_by(monkeypatch, "200:2")

    error = host.error("proven", run="second")

    assert (error.code, error.found) == ("MSP-STD-083", "another run's is")
    assert host.call("proven", run="first")["state"] == "disarmed"


def test_a_person_brings_back_at_once_whoever_armed_it(host: Host) -> None:
    host.call("armed", run="first")
    host.config.write_text("after\n")

    assert host.call("reverted", run="a person's")["changed"] is True
    assert host.config.read_text() == "before\n"
