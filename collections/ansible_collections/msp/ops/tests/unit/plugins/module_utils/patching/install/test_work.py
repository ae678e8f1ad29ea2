# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The work on a host, from its request to what became of it: what it does not begin any more, and what it owes then."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.patching.install import checks, doing, freezing, managers, work
from ansible_collections.msp.ops.plugins.module_utils.patching.install.keeping import (
    BEFORE,
    FINISH,
    STATUS,
    Attempt,
    Rollout,
)
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import Move
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Package, Request
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.patching.install.made_manager import (
    MadeManager,
    made_host,
)
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.patching.install.made_programs import MadePrograms

IDLE = "ActiveState=inactive\nDescription=\nLoadState=not-found\n"
PACKAGES = (Package("libc6", "amd64", "2"), Package("shop", "all", "2"))


class Bed:
    """One host on which rollouts are begun, looked at and worked on, each step when the test says so, by its clock."""

    def __init__(self, place: Path) -> None:
        self.now = 1_800_000_000.0
        self.place = place
        self.host = made_host(place)
        self.manager = MadeManager({"libc6:amd64": "1", "shop:all": "1", "postgresql:all": "1"})
        self.programs = MadePrograms(
            {"systemctl": (0, "", ""), "systemctl show": (0, IDLE, ""), "systemd-run": (0, "", "")}
        )
        self.top = str(place / "top")

    def desk(self, *, check: bool = False) -> doing.Desk:
        return doing.Desk(self.host, self.programs, check=check, top=self.top)

    def ask(self, action: str, *, check: bool = False, **values: Any) -> dict[str, Any]:
        self.later(1)
        asked = {"packages": PACKAGES, "check_seconds": 0, "lock_timeout": 0, **values}
        return self.desk(check=check).act(action, Request("r", **asked))

    def attempt(self) -> Attempt:
        found = Rollout("r", self.top).current()
        assert found is not None
        return found

    def work(self, mode: str = "install") -> dict[str, Any]:
        """What the unit would do now; its status."""
        getattr(work.Work(self.attempt(), self.host, self.programs), mode)()
        return dict(self.attempt().read(STATUS) or {})

    def later(self, seconds: float) -> None:
        self.now += seconds

    def boot_again(self, boot: str = "2") -> None:
        self.host = made_host(self.place, boot=boot)

    def result(self) -> dict[str, Any]:
        return dict(self.ask("look")["result"])


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bed:
    made = Bed(tmp_path)
    monkeypatch.setattr(managers, "choose", lambda _host, _programs: (made.manager, ""))
    monkeypatch.setattr(doing, "privileged", lambda: True)
    monkeypatch.setattr(checks, "STEADY", 0.0)
    monkeypatch.setattr(freezing, "write", lambda _path: None)
    monkeypatch.setattr(time, "time", lambda: made.now)
    return made


def in_the_middle(bed: Bed, when: str, do: Callable[[], None]) -> None:
    """Something happens while the manager begins with that."""
    bed.manager.on = lambda what: do() if what == when else None


def test_a_held_package_is_left_out_and_the_host_is_patched_with_the_rest(bed: Bed) -> None:
    bed.manager.held = {"libc6:amd64": "hold"}

    assert bed.ask("start")["state"] == "working"
    bed.work()
    result = bed.result()

    assert result["outcome"] == "patched", result["reason"]
    assert bed.manager.installed == {"libc6:amd64": "1", "shop:all": "2", "postgresql:all": "1"}
    assert (result["held"], result["there"]) == (["libc6:amd64: hold"], ["libc6:amd64", "shop:all"])


def test_a_host_that_holds_all_of_it_back_has_nothing_to_do_and_says_why(bed: Bed) -> None:
    bed.manager.held = {"libc6:amd64": "hold", "shop:all": "pinned"}

    result = bed.ask("start")["result"]

    assert result["outcome"] == "nothing"
    assert result["reason"] == "held back: libc6:amd64: hold, shop:all: pinned"
    assert result["held"] == ["libc6:amd64: hold", "shop:all: pinned"]
    assert result["there"] == ["libc6:amd64", "shop:all"]


def test_a_host_that_has_none_of_it_says_that_none_is_there(bed: Bed) -> None:
    bed.manager.installed = {"other:all": "1"}

    result = bed.ask("start")["result"]

    assert (result["outcome"], result["there"]) == ("nothing", [])


@pytest.mark.parametrize(("unseen", "outcome"), [(("shop:all",), "working"), ((), "refused")])
def test_what_no_source_has_is_left_out_only_where_no_scan_saw_it_waiting(
    bed: Bed, unseen: tuple[str, ...], outcome: str
) -> None:
    bed.manager.gone = {"shop:all=2"}

    found = bed.ask("start", unseen=unseen)

    assert (found["result"] or {"outcome": found["state"]})["outcome"] == outcome
    if unseen:
        assert found["plan"]["held"] == ["shop:all: no source of this host has 2"]
    else:
        assert [error["code"] for error in found["refusals"]] == ["MSP-PAT-109"]


def test_another_machine_is_never_told_to_have_it_all_nor_to_be_well(bed: Bed) -> None:
    bed.manager.installed = {"libc6:amd64": "2", "shop:all": "2"}

    found = bed.ask("start", machine_id="b" * 32)
    well = bed.ask("check", machine_id="b" * 32)

    assert [error["code"] for error in found["refusals"]] == ["MSP-PAT-103"]
    assert (well["healthy"], "MSP-PAT-103" in well["why"]) == (False, True)
    assert bed.ask("start", machine_id="a" * 32)["result"]["outcome"] == "nothing"


def test_a_dependency_that_would_move_what_is_excluded_is_a_refusal(bed: Bed) -> None:
    bed.manager.brings = {"shop:all=2": (Move("postgresql:all", "1", "2", "Made:main"),)}

    found = bed.ask("start", excluded=("postgres*",))

    assert [error["code"] for error in found["refusals"]] == ["MSP-PAT-180"]
    assert bed.ask("start")["state"] == "working"


def test_lists_that_changed_since_the_look_install_nothing_that_it_would_have_refused(bed: Bed) -> None:
    assert bed.ask("start", excluded=("postgres*",))["state"] == "working"
    bed.manager.downloads = [1, 0]
    along = {"shop:all=2": (Move("postgresql:all", "1", "2", "Made:main"),)}
    in_the_middle(bed, "refresh", lambda: bed.manager.brings.update(along))

    status = bed.work()

    assert (status["outcome"], bed.manager.done) == ("refused", [])
    assert "MSP-PAT-180" in status["reason"] and "nothing was installed" in status["reason"]


def test_a_repair_installs_nothing_that_the_look_would_have_refused(bed: Bed) -> None:
    assert bed.ask("start", excluded=("postgres*",))["state"] == "working"
    in_the_middle(bed, "install", lambda: power_off(bed, {"libc6:amd64": "2"}))
    with pytest.raises(KeyboardInterrupt):
        bed.work()
    bed.manager.brings = {"shop:all=2": (Move("postgresql:all", "1", "2", "Made:main"),)}

    status = bed.work("repair")

    assert (status["outcome"], bed.manager.done) == ("failed", [])
    assert "shop:all is at 1, not at 2" in status["reason"] and "MSP-PAT-180" in status["reason"]


def power_off(bed: Bed, came: dict[str, str]) -> None:
    """In the middle of an installation, of which so much is there."""
    bed.manager.installed.update(came)
    bed.manager.on = lambda _what: None
    raise KeyboardInterrupt


def owing(bed: Bed, **values: Any) -> dict[str, Any]:
    """All is installed, and the window ends before the reboot."""
    bed.manager.reboots = ["libc6:amd64"]
    assert bed.ask("start", deadline=bed.now + 3600, **values)["state"] == "working"
    in_the_middle(bed, "install", lambda: bed.later(3600))
    bed.work()
    return bed.result()


UNITS = ({"kind": "baseline", "compare": ["units"]},)


def test_a_window_that_ends_before_the_reboot_leaves_one_that_is_owed_and_that_the_next_start_makes(bed: Bed) -> None:
    first = owing(bed, after=UNITS)

    assert (first["outcome"], first["rebooted"], first["healthy"]) == ("reboot owed", False, True)
    assert "the window ended before it" in first["reason"]
    assert first["owed"] == ["reboot: libc6:amd64 was moved"]

    assert bed.ask("start", deadline=bed.now + 3600, after=UNITS)["state"] == "working"
    bed.manager.done.clear()
    assert bed.work()["phase"] == "rebooting"
    bed.boot_again()
    bed.work("resume")
    second = bed.result()

    assert bed.manager.done == []
    assert (second["outcome"], second["rebooted"], second["owed"]) == ("patched", True, [])
    assert (second["before"], second["after"]) == (first["before"], first["after"])
    assert second["before"]["libc6:amd64"] == "1"


@pytest.mark.parametrize("reboot", ["if_needed", "always"])
def test_a_reboot_that_somebody_made_meanwhile_is_owed_no_more(bed: Bed, reboot: str) -> None:
    assert owing(bed, reboot=reboot)["outcome"] == "reboot owed"
    bed.boot_again()
    bed.manager.reboots = []  # measured anew: nothing is older than the boot

    assert bed.ask("start", reboot=reboot)["state"] == "working"

    assert bed.work()["outcome"] == "patched"


def test_what_a_vendor_wants_a_reboot_for_is_not_forgotten_by_the_next_start(bed: Bed) -> None:
    owing(bed)
    kept = bed.attempt().read("request.json") or {}
    kept["plan"]["reboots"] = ["firmware"]
    bed.attempt().write("request.json", kept)
    bed.manager.reboots = []

    assert bed.ask("start")["state"] == "working"

    assert bed.work()["phase"] == "rebooting"
    assert (bed.attempt().read(STATUS) or {})["reboot"]["reasons"] == ["suggested by the maker of firmware"]


def test_a_host_that_owes_a_reboot_and_is_not_well_has_failed(bed: Bed) -> None:
    bed.programs.answers["systemctl show --property=ActiveState --property=SubState"] = (0, "ActiveState=failed\n", "")

    result = owing(bed, after=({"kind": "unit", "unit": "shop.service"},))

    assert result["outcome"] == "failed"
    assert "shop.service" in result["reason"] and "the window ended before it" in result["reason"]


def test_a_retry_is_held_against_the_host_as_it_was_before_the_first_attempt(bed: Bed) -> None:
    shown = "Id=shop.service\nActiveState=active\nSubState=running\nInvocationID=1\nTransient=no\n"
    listed = "systemctl show --property=Id"
    bed.programs.answers[listed] = (0, shown, "")
    in_the_middle(
        bed, "install", lambda: bed.programs.answers.update({listed: (0, shown.replace("active", "failed"), "")})
    )
    assert bed.ask("start", after=UNITS)["state"] == "working"
    assert bed.work()["outcome"] == "failed"
    bed.manager.installed["other:all"] = "7"  # what somebody else did since is no work of this rollout

    assert bed.ask("start", after=UNITS)["state"] == "working"
    bed.work()
    result = bed.result()

    assert result["outcome"] == "failed"
    assert "shop.service ran before and does not now" in result["reason"]
    assert result["before"] == {"libc6:amd64": "1", "shop:all": "1"}
    assert result["after"] == {"libc6:amd64": "2", "shop:all": "2"}


def test_a_plan_that_never_reboots_says_what_is_owed(bed: Bed) -> None:
    bed.manager.reboots = ["libc6:amd64"]
    assert bed.ask("start", reboot="never")["state"] == "working"
    bed.work()

    result = bed.result()

    assert (result["outcome"], result["rebooted"]) == ("patched", None)
    assert result["owed"] == ["reboot: libc6:amd64 was moved"]


@pytest.mark.parametrize(("restart", "owed"), [(True, ["docker"]), (False, ["docker", "shop"])])
def test_services_that_go_on_with_old_code_are_owed(bed: Bed, restart: bool, owed: list[str]) -> None:
    names = ["docker.service", "shop.service"]
    bed.manager.stale = lambda: ("made", names, "")  # type: ignore[method-assign]
    assert bed.ask("start", restart_services=restart)["state"] == "working"
    bed.work()

    result = bed.result()

    assert (result["outcome"], result["owed"]) == ("patched", [f"restart {name}.service" for name in owed])
    assert [line for line in bed.programs.asked if "systemctl restart" in line] == (
        ["systemctl restart -- shop.service"] if restart else []
    )


def test_the_way_back_of_which_the_reboot_is_late_is_rolled_back_and_owes_it(bed: Bed) -> None:
    assert bed.ask("start", reboot="never")["state"] == "working"
    bed.work()
    assert bed.result()["outcome"] == "patched"
    bed.manager.reboots = ["libc6:amd64"]
    assert bed.ask("rollback", deadline=bed.now + 3600)["state"] == "working"
    in_the_middle(bed, "install", lambda: bed.later(3600))

    bed.work("install")
    result = bed.result()

    assert (result["outcome"], result["owed"]) == ("rolled back", ["reboot: libc6:amd64 was moved"])


@pytest.mark.parametrize(("proved", "again"), [(False, True), (True, False)])
def test_a_reboot_that_was_made_before_a_check_failed_is_not_made_once_more(
    bed: Bed, proved: bool, again: bool
) -> None:
    owing(bed)
    status, kept = bed.attempt().read(STATUS) or {}, bed.attempt().read("request.json") or {}
    status.update(outcome="failed", reboot={**status["reboot"], "proved": proved})
    kept["plan"]["reboots"] = ["firmware"]
    bed.attempt().write(STATUS, status)
    bed.attempt().write("request.json", kept)
    bed.manager.reboots = []

    assert bed.ask("start")["state"] == "working"

    assert (bed.work()["phase"] == "rebooting") is again


def test_the_way_back_of_a_stopped_rollout_goes_on_to_its_end(bed: Bed) -> None:
    assert bed.ask("start", reboot="never")["state"] == "working"
    bed.work()
    assert bed.ask("rollback", reboot="never")["state"] == "working"
    in_the_middle(bed, "download", lambda: power_off(bed, {}))
    with pytest.raises(KeyboardInterrupt):
        bed.work()

    assert bed.ask("look", finish_only=True)["state"] == "working"

    assert bed.work("repair")["outcome"] == "rolled back"
    assert bed.manager.installed == {"libc6:amd64": "1", "shop:all": "1", "postgresql:all": "1"}


def test_what_was_stopped_before_anything_was_installed_installs_nothing(bed: Bed) -> None:
    """Cut off while it downloaded; a look that may only finish takes it up, and finds nothing that was begun."""
    assert bed.ask("start")["state"] == "working"
    in_the_middle(bed, "download", lambda: power_off(bed, {}))
    with pytest.raises(KeyboardInterrupt):
        bed.work()

    assert bed.ask("look", finish_only=True)["state"] == "working"
    status = bed.work("repair")

    assert (status["outcome"], bed.manager.done) == ("refused", [])
    assert "MSP-PAT-181" in status["reason"]


def test_what_was_cut_off_in_the_middle_of_a_stopped_rollout_is_mended_and_no_more(bed: Bed) -> None:
    bed.manager.reboots = ["libc6:amd64"]
    assert bed.ask("start")["state"] == "working"
    in_the_middle(bed, "install", lambda: power_off(bed, {"libc6:amd64": "2"}))
    with pytest.raises(KeyboardInterrupt):
        bed.work()
    begun: list[str] = []
    bed.manager.on = begun.append

    assert bed.ask("look", finish_only=True)["state"] == "working"
    status = bed.work("repair")

    assert begun == ["repair"]
    assert status["outcome"] == "failed"
    assert "the rollout was stopped before the rest could be installed" in status["reason"]

    assert bed.ask("look")["state"] == "finished"
    assert bed.ask("start")["state"] == "working"  # somebody resumed it
    assert bed.work()["phase"] == "rebooting"
    assert bed.manager.installed["shop:all"] == "2"


@pytest.mark.parametrize(
    ("when", "done", "outcome"), [("download", [], "refused"), ("install", list("12"), "reboot owed")]
)
def test_work_that_runs_while_the_rollout_is_stopped_begins_nothing_more(
    bed: Bed, when: str, done: list[str], outcome: str
) -> None:
    bed.manager.reboots = ["libc6:amd64"]
    assert bed.ask("start")["state"] == "working"
    in_the_middle(bed, when, lambda: bed.attempt().write(FINISH, {}))

    status = bed.work()

    assert (len(bed.manager.done), status["outcome"]) == (len(done), outcome)


def test_a_look_tells_the_work_to_finish_and_a_later_one_lifts_that(bed: Bed) -> None:
    assert bed.ask("start")["state"] == "working"

    bed.ask("look", finish_only=True, check=True)
    assert not bed.attempt().has(FINISH)
    bed.ask("look", finish_only=True)
    assert bed.attempt().has(FINISH)
    bed.ask("look")
    assert not bed.attempt().has(FINISH)


def test_a_gate_asks_until_a_host_is_well(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that takes its time after a reboot is no failure."""
    states = iter(["activating", "activating", "active", "active", "active"])
    real = bed.programs.run

    def run(*argv: str, seconds: float = 0) -> Any:
        if argv[-1] == "shop.service":
            bed.programs.answers["systemctl show"] = (0, f"ActiveState={next(states)}\nSubState=x\n", "")
        return real(*argv, seconds=seconds)

    monkeypatch.setattr(bed.programs, "run", run)
    monkeypatch.setattr(checks, "PAUSE", 0.0)
    unit = ({"kind": "unit", "unit": "shop.service"},)

    assert bed.ask("check", after=unit, check_seconds=600)["healthy"] is True


LISTED = "systemctl show --property=Id"


def service(bed: Bed, state: str, sub: str = "running", wanted_by: str = "") -> None:
    """The service of the shop is in that state from now on."""
    shown = f"Id=shop.service\nActiveState={state}\nSubState={sub}\nResult=exit-code\nInvocationID=1\nTransient=no\n"
    shown += f"WantedBy={wanted_by}\n"
    bed.programs.answers[LISTED] = (0, shown, "")


def broken_by_the_work(bed: Bed) -> None:
    """All is installed, and the service does not start any more."""
    service(bed, "active")
    in_the_middle(bed, "install", lambda: service(bed, "failed"))
    assert bed.ask("start", after=UNITS)["state"] == "working"
    assert bed.work()["outcome"] == "failed"
    bed.manager.on = lambda _what: None


@pytest.mark.parametrize(
    ("state", "outcome", "healthy"), [("failed", "failed", False), ("active", "rolled back", True)]
)
def test_the_way_back_is_held_against_the_host_as_it_was_before_the_rollout(
    bed: Bed, state: str, outcome: str, healthy: bool
) -> None:
    broken_by_the_work(bed)

    assert bed.ask("rollback", after=UNITS)["state"] == "working"
    in_the_middle(bed, "install", lambda: service(bed, state))
    bed.work()
    result = bed.result()

    assert (result["outcome"], result["healthy"]) == (outcome, healthy)
    assert ("shop.service ran before and does not now" in result["reason"]) is (not healthy)
    assert result["before"] == {"libc6:amd64": "2", "shop:all": "2"}
    assert result["after"] == {"libc6:amd64": "1", "shop:all": "1"}


def test_a_start_after_a_failed_way_back_is_held_against_the_host_before_the_first_attempt(bed: Bed) -> None:
    broken_by_the_work(bed)
    assert bed.ask("rollback", after=UNITS)["state"] == "working"
    assert bed.work()["outcome"] == "failed"

    assert bed.ask("start", after=UNITS)["state"] == "working"
    bed.work()
    result = bed.result()

    assert (result["outcome"], result["healthy"]) == ("failed", False)
    assert "shop.service ran before and does not now" in result["reason"]
    assert result["before"] == {"libc6:amd64": "1", "shop:all": "1"}


def test_a_start_after_a_failed_way_back_that_moved_nothing_is_no_success(bed: Bed) -> None:
    broken_by_the_work(bed)
    assert bed.ask("rollback", after=UNITS)["state"] == "working"
    bed.manager.downloads = [1, 1]
    assert bed.work()["outcome"] == "failed"

    assert bed.ask("start", after=UNITS)["state"] == "working"

    assert bed.work()["outcome"] == "failed"


@pytest.mark.parametrize(
    "came", [{"libc6:amd64": "2", "shop:all": "2"}, {"libc6:amd64": "2"}], ids=["all of it", "a part"]
)
def test_a_start_after_work_beyond_repair_is_held_against_the_host_before_the_first_attempt(
    bed: Bed, came: dict[str, str]
) -> None:
    service(bed, "active")
    assert bed.ask("start", after=UNITS)["state"] == "working"
    in_the_middle(bed, "install", lambda: power_off(bed, came))
    with pytest.raises(KeyboardInterrupt):
        bed.work()
    bed.attempt().write(STATUS, {**(bed.attempt().read(STATUS) or {}), "repairs": 2})
    service(bed, "failed")
    assert bed.ask("look")["result"]["outcome"] == "failed"

    assert bed.ask("start", after=UNITS)["state"] == "working"
    bed.work()
    result = bed.result()

    assert "shop.service ran before and does not now" in result["reason"]
    assert result["before"] == {"libc6:amd64": "1", "shop:all": "1"}


def test_a_baseline_check_is_no_pass_where_there_is_nothing_to_compare_with(bed: Bed) -> None:
    service(bed, "active")

    said = bed.ask("check", after=UNITS)

    assert said["healthy"] is None
    assert "nothing to compare with" in said["why"]


@pytest.mark.parametrize(
    ("state", "sub", "wanted_by"),
    [("failed", "failed", ""), ("activating", "auto-restart", ""), ("inactive", "dead", "multi-user.target")],
)
def test_what_ran_before_an_earlier_rollout_and_was_down_before_this_one_is_said_and_the_host_is_not_called_well(
    bed: Bed, state: str, sub: str, wanted_by: str
) -> None:
    needed_nothing(bed, "earlier")
    service(bed, state, sub, wanted_by)
    assert bed.ask("start", before=UNITS, after=UNITS)["state"] == "working"
    bed.work()
    result = bed.result()
    gate = bed.ask("check", after=UNITS)

    assert (result["outcome"], result["healthy"], gate["healthy"]) == ("patched", None, None)
    for why in (result["reason"], gate["why"]):
        assert "nothing to compare with: shop.service was down already" in why
    service(bed, "active")
    assert bed.ask("check", after=UNITS)["healthy"] is True


def needed_nothing(bed: Bed, rollout: str, state: str = "active") -> None:
    """A rollout that came to the host while the service was so, and had nothing to do."""
    there = dict(bed.manager.installed)
    bed.manager.installed = {"libc6:amd64": "2", "shop:all": "2"}
    service(bed, state)
    assert bed.desk().act("start", Request(rollout, PACKAGES))["result"]["outcome"] == "nothing"
    bed.manager.installed = there


def test_what_somebody_stopped_and_disabled_since_an_earlier_rollout_is_no_doubt(bed: Bed) -> None:
    needed_nothing(bed, "earlier")
    service(bed, "inactive", "dead")

    assert bed.ask("start", before=UNITS, after=UNITS)["state"] == "working"
    bed.work()

    assert (bed.result()["outcome"], bed.result()["healthy"]) == ("patched", True)


@pytest.mark.parametrize("came", [False, True])
def test_what_had_failed_before_any_rollout_came_is_no_doubt(bed: Bed, came: bool) -> None:
    service(bed, "failed")
    if came:
        needed_nothing(bed, "earlier", "failed")

    assert bed.ask("start", before=UNITS, after=UNITS)["state"] == "working"
    bed.work()

    assert (bed.result()["outcome"], bed.result()["healthy"]) == ("patched", True)
    assert bed.ask("check", after=UNITS)["healthy"] is True


def test_where_an_earlier_record_cannot_be_read_nobody_can_say_what_broke_a_unit(bed: Bed) -> None:
    needed_nothing(bed, "earlier")
    (attempt,) = Rollout("earlier", bed.top).attempts()
    (Path(attempt.place) / BEFORE).write_text("{")
    service(bed, "failed")

    assert bed.ask("start", before=UNITS, after=UNITS)["state"] == "working"
    bed.work()

    assert bed.result()["healthy"] is None


def test_a_host_that_needed_nothing_is_held_against_how_it_was_then(bed: Bed) -> None:
    bed.manager.installed = {"libc6:amd64": "2", "shop:all": "2"}
    service(bed, "active")
    assert bed.ask("start", check=True)["result"]["outcome"] == "nothing"
    assert Rollout("r", bed.top).attempts() == []

    assert bed.ask("start")["result"]["outcome"] == "nothing"

    assert bed.ask("check", after=UNITS)["healthy"] is True
    service(bed, "failed")
    gate = bed.ask("check", after=UNITS)
    assert (gate["healthy"], "shop.service ran before" in gate["why"]) == (False, True)
    assert bed.ask("start")["result"]["outcome"] == "nothing"
    assert bed.ask("check", after=UNITS)["healthy"] is False  # the first one counts
    assert bed.ask("look")["state"] == "none"
    assert bed.ask("rollback")["result"]["outcome"] == "nothing"


def test_what_another_rollout_broke_is_no_proof_for_the_next_one(bed: Bed) -> None:
    broken_by_the_work(bed)
    later = Request("later", PACKAGES, after=UNITS, check_seconds=0)

    assert bed.desk().act("start", later)["result"]["outcome"] == "nothing"

    gate = bed.desk().act("check", later)
    assert (gate["healthy"], "shop.service was down already" in gate["why"]) == (None, True)


def test_the_last_moment_to_begin_is_asked_once_more_after_all_that_takes_time(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renew() -> None:
        bed.later(100)
        bed.manager.gone.clear()

    bed.manager.gone = {"shop:all=2"}
    in_the_middle(bed, "refresh", renew)

    said = bed.ask("start", begin_by=bed.now + 60)

    assert (said["state"], said["result"], "it was to be by" in said["why"]) == ("none", None, True)
    assert Rollout("r", bed.top).attempts() == []
    assert not [line for line in bed.programs.asked if line.startswith("systemd-run")]

    assert bed.ask("start")["state"] == "working"
    bed.work()
    real = bed.manager.sources

    def slow(*arguments: Any) -> Any:
        bed.later(100)
        return real(*arguments)

    monkeypatch.setattr(bed.manager, "sources", slow)
    assert bed.ask("rollback", begin_by=bed.now + 60)["state"] == "none"
    assert bed.result()["outcome"] == "patched"


def test_a_look_that_comes_too_late_begins_no_repair_and_lifts_no_stop(bed: Bed) -> None:
    """Sent by a run that was held up: another one has stopped the rollout since."""
    assert bed.ask("start")["state"] == "working"
    in_the_middle(bed, "install", lambda: power_off(bed, {}))
    with pytest.raises(KeyboardInterrupt):
        bed.work()
    bed.attempt().write(FINISH, {"at": bed.now})
    bed.programs.asked.clear()

    said = bed.ask("look", begin_by=bed.now)

    assert (said["state"], said["will"], said["result"], said["changed"]) == ("cut off", "repair", None, False)
    assert "it was to be by" in said["why"]
    assert bed.attempt().has(FINISH)
    assert not [line for line in bed.programs.asked if not line.startswith("systemctl show")]
    assert bed.ask("look", begin_by=bed.now + 60)["state"] == "working"
    assert not bed.attempt().has(FINISH)


def test_a_look_that_comes_too_late_stops_nothing_that_was_resumed_since(bed: Bed) -> None:
    assert bed.ask("start")["state"] == "working"

    bed.ask("look", finish_only=True, begin_by=bed.now)

    assert not bed.attempt().has(FINISH)


def test_a_look_that_comes_too_late_says_nothing_of_a_failure_that_can_be_repaired(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bed.ask("start")["state"] == "working"
    bed.work()
    bed.attempt().write(STATUS, {**(bed.attempt().read(STATUS) or {}), "outcome": "failed"})
    monkeypatch.setattr(bed.manager, "interrupted", lambda: "a journal is there")

    said = bed.ask("look", begin_by=bed.now)

    assert (said["will"], said["result"], said["changed"]) == ("repair", None, False)


def test_a_look_that_was_in_time_and_waited_too_long_begins_nothing(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bed.ask("start")["state"] == "working"
    in_the_middle(bed, "install", lambda: power_off(bed, {}))
    with pytest.raises(KeyboardInterrupt):
        bed.work()
    real = bed.manager.states

    def slow() -> Any:
        bed.later(100)
        return real()

    monkeypatch.setattr(bed.manager, "states", slow)
    monkeypatch.setattr(doing.Desk, "_linger", lambda *_all: bed.later(100))

    said = bed.ask("look", begin_by=bed.now + 60)

    assert (said["state"], said["result"]) == ("cut off", None)


def test_what_could_not_be_held_back_is_told(bed: Bed) -> None:
    rows = [f"Id={name}.timer\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n" for name in "ab"]
    masked = rows[0].replace("loaded", "masked").replace("active", "inactive")
    shown = iter(["\n".join(rows), "\n".join([masked, rows[1]])])
    real = bed.programs.run

    def run(*argv: str, seconds: float = 0) -> Any:
        if argv[-1] == "packagekit.service":
            bed.programs.answers["systemctl show --property=Id --property=LoadState"] = (0, next(shown), "")
        return real(*argv, seconds=seconds)

    bed.programs.run = run  # type: ignore[method-assign]
    bed.programs.answers["systemctl mask --runtime --quiet b.timer"] = (1, "", "Read-only file system")
    assert bed.ask("start")["state"] == "working"

    status = bed.work()

    assert status["held"] == ["a.timer"]
    assert status["outcome"] == "patched"
    assert "b.timer could not be held back: it is loaded and active" in status["reason"]
    assert "Read-only file system" in status["reason"]


@pytest.mark.parametrize(("state", "outcome"), [("failed", "failed"), ("active", "rolled back")])
def test_a_way_back_that_was_no_success_is_not_over_because_the_versions_are_back(
    bed: Bed, state: str, outcome: str
) -> None:
    broken_by_the_work(bed)
    assert bed.ask("rollback", after=UNITS)["state"] == "working"
    assert bed.work()["outcome"] == "failed"
    service(bed, state)

    assert bed.ask("rollback", after=UNITS)["state"] == "working"
    bed.manager.done.clear()

    assert (bed.work()["outcome"], bed.manager.done) == (outcome, [])


def test_where_nothing_was_installed_there_is_nothing_to_take_back(bed: Bed) -> None:
    assert bed.ask("start")["state"] == "working"
    bed.manager.downloads = [1, 1]
    assert bed.work()["outcome"] == "failed"

    assert bed.ask("rollback")["result"]["outcome"] == "nothing"
