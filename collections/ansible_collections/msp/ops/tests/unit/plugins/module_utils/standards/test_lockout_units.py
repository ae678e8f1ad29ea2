# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The units by which a host runs the guard's script."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards import lockout_plan, lockout_units

SCRIPT = "/var/lib/msp-ops/guard/current/back.sh"


def test_the_timer_has_a_name_of_its_own_so_that_systemd_refuses_a_second_one() -> None:
    words = lockout_units.timer(SCRIPT, "ssh", 60)

    assert "--unit=msp-lockout-guard" in words
    assert words[-2:] == ["/bin/sh", SCRIPT]


@pytest.mark.parametrize(("seconds", "between"), [(10, 10), (120, 120), (3600, 120)])
def test_the_timer_repeats_and_leaves_a_pause_after_each_round(seconds: int, between: int) -> None:
    words = lockout_units.timer(SCRIPT, "ssh", seconds)

    assert {f"--on-active={seconds}s", f"--on-unit-inactive={between}s"} <= set(words)


@pytest.mark.parametrize("seconds", [lockout_plan.SECONDS_LEAST, 61, 120, lockout_plan.SECONDS_MOST])
def test_the_rounds_end_after_about_an_hour(seconds: int) -> None:
    assert 3500 < lockout_units.rounds(seconds) * lockout_units.between(seconds) <= 3600


def test_the_unit_of_the_boot_comes_after_what_it_reloads_and_says_that_it_is_the_boots() -> None:
    lines = lockout_units.boot_unit(SCRIPT, ["ssh.service"]).splitlines()

    assert "After=ssh.service" in lines
    assert f"ExecStart=/bin/sh {SCRIPT} boot" in lines
