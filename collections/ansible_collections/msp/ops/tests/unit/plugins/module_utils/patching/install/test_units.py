# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""systemd's words, needrestart's and the kernel's: which services run, run old code, or were started anew."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host, Output
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install import (
    checks,
    doing,
    freezing,
    holders,
    keeping,
    stale,
    timers,
    units,
)
from ansible_collections.msp.ops.plugins.module_utils.patching.install.apt import ADVICE
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Request
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.patching.install.made_programs import MadePrograms

SHOWN = """\
Id=a.service
ActiveState=active
SubState=running
InvocationID=1
Transient=no

Id=b.socket
ActiveState=active
SubState=listening
InvocationID=2
Transient=no

Id=once.service
ActiveState=active
SubState=exited
InvocationID=3
Transient=no

Id=bad.service
ActiveState=failed
SubState=failed
InvocationID=4
Transient=no

Id=orders@3-10.0.0.1:1-10.0.0.2:2.service
ActiveState=active
SubState=running
InvocationID=5
Transient=no

Id=made.service
ActiveState=active
SubState=running
InvocationID=6
Transient=yes
"""


def test_only_what_lasts_counts_as_running() -> None:
    found = units.parse_units(SHOWN)

    assert units.running(found) == ["a.service", "b.socket"]
    assert units.failed(found) == ["bad.service"]


def test_a_service_was_started_anew_when_its_invocation_is_another() -> None:
    found = units.parse_units(SHOWN)

    assert units.started_anew({"a.service": "0", "b.socket": "0", "gone.service": "0"}, found) == ["a.service"]
    assert units.started_anew(units.invocations(found), found) == []


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"running": ["a.service"], "failed": ["old.service"], "ports": [22]}, []),
        ({"running": [], "failed": ["a.service"], "ports": [22]}, ["a.service ran before and does not now"]),
        (
            {"running": ["a.service"], "failed": ["c.service"], "ports": []},
            ["c.service has failed", "nothing listens on port 22 any more"],
        ),
    ],
)
def test_a_baseline_tells_what_is_gone(now: dict, said: list[str]) -> None:
    before = {"running": ["a.service"], "failed": ["old.service"], "ports": [22]}

    assert checks.gone(before, now, ["units", "ports"]) == said
    assert checks.gone(before, now, []) == []


@pytest.mark.parametrize(
    ("fields", "now", "said"),
    [
        ("BusName=org.freedesktop.fwupd", "inactive success", []),
        ("TriggeredBy=backup.timer", "inactive success", []),
        ("UnitFileState=static", "inactive success", []),
        ("UnitFileState=enabled", "inactive success", ["a.service ran before and does not now"]),
        ("BusName=x", "inactive exit-code", ["a.service ran before and does not now"]),
        ("BusName=x", "failed exit-code", ["a.service ran before and does not now"]),
        ("BusName=x", "activating success", ["a.service ran before and does not now"]),
        # Started by a socket or a bus too, and yet there to stay: docker, avahi-daemon, dbus itself.
        (
            "TriggeredBy=a.socket\nWantedBy=multi-user.target",
            "inactive success",
            ["a.service ran before and does not now"],
        ),
        ("UnitFileState=static\nRequiredBy=x.target", "inactive success", ["a.service ran before and does not now"]),
        ("BusName=x\nWantedBy=NetworkManager.service", "inactive success", []),
    ],
)
def test_a_service_that_ends_when_nobody_needs_it_is_not_gone(fields: str, now: str, said: list[str]) -> None:
    def seen(active: str, sub: str, result: str) -> dict:
        shown = f"Id=a.service\nActiveState={active}\nSubState={sub}\nResult={result}\n{fields}\n"
        programs = MadePrograms({"systemctl show": (0, shown, "")})
        return checks.baseline(Host(), programs)

    active, result = now.split()
    before, after = seen("active", "running", "success"), seen(active, "x", result)

    assert checks.gone(before, after, ["units"]) == said


@pytest.mark.parametrize(("there", "said"), [("loaded", ""), ("not-found", "a.service ran before and does not now")])
def test_a_service_on_demand_that_systemd_forgot_is_asked_for_by_its_name(there: str, said: str) -> None:
    """It is no more among those that are loaded. One whose unit file was removed is gone."""
    shown = f"Id=a.service\nLoadState={there}\nActiveState=inactive\nSubState=dead\nResult=success\n"
    programs = MadePrograms({"systemctl show": (0, shown, "")})
    before = {"running": ["a.service"], "on_demand": ["a.service"], "failed": [], "ports": []}

    found = checks.Checker(Host(), programs, before).one({"kind": "baseline", "compare": ["units"]})

    assert programs.asked[0].endswith(" *.service *.socket a.service")
    assert found["why"] == said


def test_a_baseline_of_an_older_version_of_this_program_is_read_too() -> None:
    before = {"running": ["a.service"], "failed": [], "ports": []}

    assert checks.gone(before, {**before, "running": [], "at_rest": ["a.service"]}, ["units"]) != []


def test_the_unit_has_one_name_and_a_hook_in_systemds_own_notation() -> None:
    argv = units.start_arguments("/usr/bin/python3", "/var/x 100%/work.pyz", "install", "/var/x", "r a")

    assert argv[:2] == ["systemd-run", "--unit=msp-patch.service"]
    assert "--pipe" not in argv and "--collect" in argv
    assert '--property=ExecStopPost="/usr/bin/python3" "/var/x 100%%/work.pyz" "restore" "/var/x"' in argv
    assert argv[-4:] == ["/usr/bin/python3", "/var/x 100%/work.pyz", "install", "/var/x"]


def test_systemds_refusal_of_a_second_unit_is_told_from_other_failures() -> None:
    said = "Failed to start transient service unit: Unit msp-patch.service was already loaded or has a fragment file."

    assert units.refused_by_systemd(Output(1, "", said))
    assert not units.refused_by_systemd(Output(1, "", "Failed to connect to bus"))
    assert not units.refused_by_systemd(Output(0, "", said))


@pytest.mark.parametrize(
    ("said", "code"),
    [("Unit msp-patch.service was already loaded", "MSP-PAT-114"), ("Failed to connect to bus", "MSP-PAT-115")],
)
def test_work_that_systemd_does_not_take_on_is_an_error(tmp_path: Path, said: str, code: str) -> None:
    desk = doing.Desk(Host(), MadePrograms({"systemd-run": (1, "", said)}), top=str(tmp_path))

    error = desk._run(keeping.Attempt(str(tmp_path / "a")), "install", "r")

    assert error is not None and error.code == code


def test_a_host_without_what_the_work_needs_is_refused(tmp_path: Path) -> None:
    found = doing.Desk(Host(str(tmp_path)), MadePrograms(), top=str(tmp_path)).act("start", Request("r", ()))

    assert [error["code"] for error in found["refusals"]] == ["MSP-PAT-102"]
    assert found["result"]["outcome"] == "refused"


def test_what_is_nowhere_to_be_had_is_a_persons() -> None:
    error = doing._no_way_back(["a:all 1.0"], ADVICE)

    assert (error.code, "a:all 1.0" in error.found) == ("MSP-PAT-116", True)


def test_needrestart_is_read_in_list_mode() -> None:
    said = "NEEDRESTART-VER: 3.6\nNEEDRESTART-SVC: cron.service\nNEEDRESTART-SVC: dbus\nNEEDRESTART-SESS: me\n"

    assert stale.parse_needrestart(said) == ["cron.service", "dbus.service"]


def test_who_was_asked_for_stale_services_is_named_and_what_the_measure_lacks(tmp_path: Path) -> None:
    host = Host(str(tmp_path))
    programs = MadePrograms({"needrestart": (0, "NEEDRESTART-SVC: cron.service\n", "")})

    assert stale.services(host, stale.needrestart(programs)) == ("needrestart", ["cron.service"], "")
    both = stale.services(host, ("dnf needs-restarting", ["cron.service"], "not btrfs"))
    assert both == (f"dnf needs-restarting and {stale.MAPS}", ["cron.service"], "")
    method, names, lacks = stale.services(host, stale.needrestart(MadePrograms()))
    assert (method, names) == (stale.MAPS, [])
    assert lacks == "needrestart is not installed: services in scripts are not seen"


MAPS = """\
55d-55e r-xp 00000000 00:2f 123  /usr/sbin/daemon (deleted)
55e-55f r--p 00000000 00:2f 123  /usr/lib/libdata.so (deleted)
7f0-7f1 r-xp 00000000 00:2f 124  /usr/lib/with space/libssl.so.3 (deleted)
7f1-7f2 r-xp 00000000 00:2f 125  /usr/lib/libc.so.6
7f2-7f3 rwxs 00000000 00:01 126  /memfd:jit (deleted)
7f3-7f4 r-xp 00000000 00:01 127  /tmp/x (deleted)
"""


def test_only_program_files_that_are_gone_make_a_service_stale() -> None:
    assert stale.parse_maps(MAPS) == ["/usr/lib/with space/libssl.so.3", "/usr/sbin/daemon"]


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("0::/system.slice/cron.service\n", "cron.service"),
        (
            "12:cpu:/x\n1:name=systemd:/libpod/system.slice/system-getty.slice/getty@tty1.service\n",
            "getty@tty1.service",
        ),
        ("0::/system.slice/docker.service/child\n", "docker.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.service\n", None),
        ("0::/init.scope\n", None),
    ],
)
def test_a_process_is_known_to_its_service(text: str, service: str | None) -> None:
    assert stale.parse_service(text) == service


def test_restarts_are_one_by_one_and_leave_what_people_stand_on() -> None:
    programs = MadePrograms(
        {"systemctl restart -- cron.service": (0, "", ""), "systemctl restart -- bad.service": (1, "", "Job failed")}
    )

    found = stale.restart(programs, ["bad.service", "cron.service", "dbus.service", "user@0.service", units.UNIT])

    assert found["done"] == ["cron.service"]
    assert found["failed"] == [{"unit": "bad.service", "why": "ended with status 1: Job failed"}]
    assert [row["unit"] for row in found["left"]] == ["dbus.service", "user@0.service"]
    assert len(programs.asked) == 2


def test_timers_are_compared_as_they_were() -> None:
    def how(active: str, file: str = "enabled") -> dict[str, str]:
        return {"LoadState": "loaded", "ActiveState": active, "UnitFileState": file}

    before = {"a.timer": how("active"), "b.timer": how("inactive")}

    assert timers.differences(before, before, ["a.timer", "b.timer"]) == []
    assert timers.differences(before, {"a.timer": how("inactive"), "b.timer": how("inactive")}, ["a.timer"]) == [
        "a.timer"
    ]
    assert timers.differences(before, {"b.timer": how("active")}, ["a.timer", "b.timer"]) == ["a.timer", "b.timer"]
    assert timers.to_hold({**before, "c.timer": {**how("inactive"), "LoadState": "masked"}}) == ["a.timer", "b.timer"]


def test_a_lock_is_known_with_who_holds_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert holders.holder(str(lock)) is None
    lock.touch()
    assert holders.held(Host(), (str(lock),)) == []
    take = "f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX)"
    program = f"import fcntl, sys; {take}; print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        (said,) = holders.held(Host(), (str(lock),))
        other.communicate("")

    assert said.endswith("(process %d)" % other.pid)
    with lock.open("w") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_file_is_written_whole_and_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    attempt = keeping.Rollout("r", str(tmp_path / "top")).begin("one")
    attempt.write(keeping.STATUS, {"phase": "installing"})

    assert attempt.read(keeping.STATUS) == {"phase": "installing"}
    assert attempt.read(keeping.TIMERS) is None
    assert os.stat(attempt.place).st_mode & 0o077 == 0
    (tmp_path / "top" / "r" / "one" / keeping.STATUS).write_text("{half")
    with pytest.raises(MspError) as error:
        attempt.read(keeping.STATUS)
    assert error.value.code == "MSP-PAT-101"


def test_the_program_runs_without_ansible_and_without_this_checkout(tmp_path: Path) -> None:
    path = tmp_path / "work.pyz"
    freezing.write(str(path))

    done = subprocess.run(
        [sys.executable, "-I", "-S", str(path), "restore", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert path.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if "plugin_utils" in name]


def test_an_answer_is_plain_json() -> None:
    found = doing.refused([doing._no_way_back(["a"], ADVICE)])

    assert json.loads(json.dumps(found)) == found
