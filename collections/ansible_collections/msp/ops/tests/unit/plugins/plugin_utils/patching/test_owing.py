# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is installed and not in force: owed until something proves the contrary."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.patching import owing
from ansible_collections.msp.ops.plugins.plugin_utils.patching.owing import Debt, Result
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import OUTCOMES, HostResult, Scan

HOUR = dt.timedelta(hours=1)
AT = dt.datetime(2026, 6, 20, 12, tzinfo=dt.UTC)
LIBC, DOCKER = "reboot: libc6, systemd", "restart docker.service"


def result(hours: float, *owed: str, outcome: str = "patched", rollout: str = "r1", **more: Any) -> Result:
    deadlines = more.pop("deadlines", {})
    at = AT + hours * HOUR
    return Result(rollout, HostResult("till", "device:1", outcome, at, owed=owed, **more), deadlines)


def scan(hours: float, **more: Any) -> Scan:
    return Scan("bakkerij-jansen", "device:1", "till", AT + hours * HOUR, "ok", updates=(), **more)


def owed(*results: Result, seen: Scan | None = None) -> list[str]:
    return [debt.what for debt in owing.now(owing.after(results), results, seen)]


def test_what_results_leave_owed_adds_up() -> None:
    assert owed(result(0, LIBC), result(1, DOCKER), result(2)) == [LIBC, DOCKER]


def test_a_later_result_without_a_reboot_pays_nothing() -> None:
    assert owed(result(0, LIBC), result(1, rebooted=None)) == [LIBC]
    assert owed(result(0, LIBC), result(1, outcome="failed", rebooted=False)) == [LIBC]


def test_a_reboot_pays_all_before_it_and_nothing_of_its_own_result() -> None:
    assert owed(result(0, LIBC, DOCKER), result(1, DOCKER, rebooted=True)) == [DOCKER]


def test_a_service_that_was_started_anew_is_owed_no_more() -> None:
    assert owed(result(0, LIBC, DOCKER), result(1, restarted=("docker.service",))) == [LIBC]


def test_what_was_taken_back_owes_what_its_way_back_says() -> None:
    back = result(2, "reboot: libc6", outcome="rolled back")
    assert owed(result(0, LIBC), result(1, DOCKER, rollout="r2"), back) == [DOCKER, "reboot: libc6"]


def test_the_deadline_is_that_of_what_waits_for_the_reboot() -> None:
    deadlines = {"libc6": AT + 2 * HOUR, "systemd": AT + HOUR, "openssl": AT - HOUR}
    (reboot,) = owing.after([result(0, LIBC, deadlines=deadlines)])
    assert reboot == Debt(LIBC, AT, AT + HOUR, "r1")


def test_a_service_that_was_not_restarted_has_the_earliest_deadline_of_what_was_installed() -> None:
    (restart,) = owing.after([result(0, DOCKER, deadlines={"libc6": AT + 2 * HOUR, "openssl": AT + HOUR})])
    assert restart == Debt(DOCKER, AT, AT + HOUR, "r1")


def test_what_is_owed_twice_is_owed_since_the_first_and_by_the_earliest_deadline() -> None:
    results = [
        result(0, LIBC, deadlines={"libc6": AT + 5 * HOUR}),
        result(1, LIBC, rollout="r2", deadlines={"libc6": AT + 9 * HOUR}),
    ]
    assert owing.now(owing.after(results), results, scan(2)) == (Debt(LIBC, AT, AT + 5 * HOUR, "r1"),)
    (second,) = owing.now(owing.after(results), results, scan(2, booted_at=AT + HOUR / 2))  # that paid the first
    assert second == Debt(LIBC, AT + HOUR, AT + 9 * HOUR, "r2")


def test_what_a_scan_finds_is_owed_since_a_scan_first_found_it_unless_a_rollout_paid_that() -> None:
    known = {"reboot": AT - 9 * HOUR, DOCKER: AT - 8 * HOUR}
    found = scan(0, reboot=("an old kernel runs",), services=("docker.service",), owed_since=known)
    assert [debt.since for debt in owing.now([], [], found)] == [AT - 9 * HOUR, AT - 8 * HOUR]
    restarted = [result(-1, restarted=("docker.service",))]
    assert [debt.since for debt in owing.now([], restarted, found)] == [AT - 9 * HOUR, AT]
    rebooted = [result(-1, rebooted=True)]
    assert [debt.since for debt in owing.now([], rebooted, found)] == [AT, AT]


def test_where_what_waits_for_the_reboot_has_no_deadline_it_is_the_earliest_of_all_that_was_installed() -> None:
    deadlines = {"linux-image-amd64": AT + 2 * HOUR, "openssl": AT + HOUR}
    (kernel,) = owing.after([result(0, "reboot: linux-image-6.1.0-42-amd64", deadlines=deadlines)])
    (nothing,) = owing.after([result(0, "reboot")])
    assert (kernel.deadline, nothing.deadline) == (AT + HOUR, None)


@pytest.mark.parametrize(
    ("seen", "left"),
    [
        (None, [LIBC, DOCKER]),
        (scan(1), [LIBC, DOCKER]),
        (scan(1, booted_at=AT - HOUR), [LIBC, DOCKER]),
        (scan(1, booted_at=AT + HOUR / 2), []),
        (scan(1, reboot=()), [LIBC, DOCKER]),  # many hosts cannot tell what a new libc6 means
        (scan(1, services=()), [LIBC]),
        (scan(1, services=("docker.service",)), [LIBC, DOCKER]),
        (scan(-1, services=()), [LIBC, DOCKER]),
        (
            scan(-1, reboot=("an old kernel runs",), services=("ssh.service",)),
            [LIBC, DOCKER, "restart ssh.service"],
        ),
    ],
)
def test_a_scan_pays_what_it_proves_and_adds_what_it_finds(seen: Scan | None, left: list[str]) -> None:
    assert owed(result(0, LIBC, DOCKER), seen=seen) == left


def test_a_scan_that_alone_knows_of_a_reboot_tells_all_its_reasons_as_one() -> None:
    found = scan(1, reboot=("an old kernel runs", "libc6 was updated"), services=("docker.service",))
    assert owed(result(0, DOCKER), seen=found) == [DOCKER, "reboot: an old kernel runs; libc6 was updated"]


def test_what_was_done_after_a_scan_pays_what_the_scan_found() -> None:
    found = scan(0, reboot=("an old kernel runs",), services=("ssh.service", "docker.service"))
    assert owed(result(1, restarted=("ssh.service",)), seen=found) == ["reboot: an old kernel runs", DOCKER]
    assert owed(result(1, rebooted=True), seen=found) == []


STEPS = st.tuples(
    st.sampled_from(OUTCOMES),
    st.sampled_from([None, False]),
    st.lists(st.sampled_from([LIBC, "reboot: linux-image-6.1.0-42-amd64"]), max_size=2),
)


@given(st.lists(STEPS, max_size=6), st.booleans())
def test_a_reboot_is_owed_until_a_boot_is_seen(steps: list[tuple[str, bool | None, list[str]]], booted: bool) -> None:
    """Whatever else happens to a host: what one result owes, in a rollout that was not taken back, stays owed."""
    results = [
        result(n, *owes, outcome=outcome, rebooted=rebooted, rollout=f"r{n}")
        for n, (outcome, rebooted, owes) in enumerate(steps)
    ]
    wanted = {what for _outcome, _rebooted, owes in steps for what in owes}
    wanted |= {"reboot" for outcome, _rebooted, owes in steps if outcome == "reboot owed" and not owes}
    seen = scan(10, reboot=(), services=(), booted_at=AT + (9 if booted else -9) * HOUR)
    assert set(owed(*results, seen=seen)) == (set() if booted else wanted)
